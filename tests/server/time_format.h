#ifndef S3FILES_TESTS_SERVER_TIME_FORMAT_H_
#define S3FILES_TESTS_SERVER_TIME_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>

namespace s3files::server {

// Times are milliseconds since the epoch, UTC. Own tables instead of strftime: its month names
// follow the locale of the program the server is embedded in.
int64_t NowMs();

std::string FormatHttpDate(int64_t ms);   // Thu, 01 Jan 1970 00:00:00 GMT
std::string FormatIso8601(int64_t ms);    // 1970-01-01T00:00:00.000Z
std::string FormatBasicDate(int64_t ms);  // 19700101T000000Z

std::optional<int64_t> ParseHttpDate(const std::string& text);
std::optional<int64_t> ParseBasicDate(const std::string& text);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_TIME_FORMAT_H_
