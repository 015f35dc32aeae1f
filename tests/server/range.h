#ifndef S3FILES_TESTS_SERVER_RANGE_H_
#define S3FILES_TESTS_SERVER_RANGE_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace s3files::server {

struct ByteRange {
  uint64_t offset;
  uint64_t length;
};

// What a Range header selects of a body of `size` bytes. nullopt: the whole, because the header
// is none this server knows, as of several ranges. Throws InvalidRange beyond the body.
std::optional<ByteRange> ReadRange(std::string_view header, uint64_t size);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_RANGE_H_
