#ifndef S3FILES_EXAMPLES_DEMO_TEXT_H_
#define S3FILES_EXAMPLES_DEMO_TEXT_H_

#include <cstdint>
#include <string>

namespace demo {

std::string Count(uint64_t number);  // 12,345
// 12,345 files, 1 file; `things` where the plural is not an s more.
std::string Count(uint64_t number, const std::string& thing, const std::string& things = "");
std::string Bytes(uint64_t bytes);                 // 12.3 MB, 4,567 bytes
std::string Rate(uint64_t bytes, double seconds);  // 12.3 MB/s
std::string Seconds(double seconds);               // 1.2 s

}  // namespace demo

#endif  // S3FILES_EXAMPLES_DEMO_TEXT_H_
