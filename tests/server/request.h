#ifndef S3FILES_TESTS_SERVER_REQUEST_H_
#define S3FILES_TESTS_SERVER_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/server/uri.h"

namespace s3files::server {

// The head of an HTTP request, taken apart. Paths are never normalised: "//", "." and ".." are
// parts of keys like any other.
struct Request {
  std::string method;
  std::string target;  // as sent
  std::string path;    // decoded
  std::vector<QueryParameter> query;
  std::vector<std::pair<std::string, std::string>> headers;  // lower-case name, trimmed value
  std::string bucket;                                        // empty: the service itself
  std::string key;                                           // empty: the bucket itself

  // The values of a repeated header, joined by commas.
  std::optional<std::string> Header(std::string_view name) const;
  // Likewise, "" where it is missing.
  std::string HeaderOr(std::string_view name) const { return Header(name).value_or(""); }
  std::optional<std::string> Query(std::string_view name) const;
  std::string QueryOr(std::string_view name) const { return Query(name).value_or(""); }
};

// Fills path and query from target, bucket and key from path and Host. Throws InvalidURI.
void ResolveTarget(const std::vector<std::string>& domains, Request& request);

// A decimal number without sign or blank; nullopt otherwise.
std::optional<uint64_t> ParseNumber(std::string_view text);

// Whether this is well-formed UTF-8.
bool IsUtf8(std::string_view text);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_REQUEST_H_
