#ifndef S3FILES_TESTS_SERVER_SIGV4_H_
#define S3FILES_TESTS_SERVER_SIGV4_H_

#include <string>
#include <string_view>
#include <vector>

#include "tests/server/request.h"

namespace s3files::server {

// AWS Signature Version 4, the pure functions, from the server's side: everything is rebuilt from
// what arrived.

// `signed_headers` in the request's order. The query parameter X-Amz-Signature is left out.
std::string CanonicalRequest(const Request& request, const std::vector<std::string>& signed_headers,
                             std::string_view payload_hash);

// `date` is YYYYMMDD'T'HHMMSS'Z'; `scope` DATE/REGION/SERVICE/aws4_request.
std::string StringToSign(std::string_view date, std::string_view scope,
                         std::string_view canonical_request);

// The key for `scope`.
std::string SigningKey(const std::string& secret, const std::string& scope);

std::string Sign(const std::string& signing_key, std::string_view string_to_sign);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_SIGV4_H_
