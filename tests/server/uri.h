#ifndef S3FILES_TESTS_SERVER_URI_H_
#define S3FILES_TESTS_SERVER_URI_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace s3files::server {

struct QueryParameter {
  std::string name;
  std::string value;
};

// Percent-encodes everything but RFC 3986's unreserved characters, and '/' where `keep_slash`.
std::string PercentEncode(std::string_view text, bool keep_slash);

// Undoes percent-encoding; nullopt for a broken escape. S3 reads '+' as a space, in paths as well
// as in queries.
std::optional<std::string> PercentDecode(std::string_view text);

// The decoded parameters of a query string, in their order; nullopt for a broken escape.
std::optional<std::vector<QueryParameter>> ParseQuery(std::string_view query);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_URI_H_
