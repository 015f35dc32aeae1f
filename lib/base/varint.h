// Integers and strings in few bytes: seven bits a byte, the lowest first; all but the last have the
// eighth. As in Protocol Buffers: https://protobuf.dev/programming-guides/encoding/#varints
#ifndef S3FILES_LIB_BASE_VARINT_H_
#define S3FILES_LIB_BASE_VARINT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace s3files {

void AppendVarint(uint64_t value, std::string* out);
// A string behind its length.
void AppendText(absl::string_view text, std::string* out);
// The same; a string of hexadecimal digits, such as an ETag, takes half.
void AppendDigest(absl::string_view text, std::string* out);

// Each takes what the function of its name appended off the front. For bytes of our own only: what
// is cut short is undefined.
uint64_t TakeVarint(absl::string_view* bytes);
absl::string_view TakeText(absl::string_view* bytes);
std::string TakeDigest(absl::string_view* bytes);

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_VARINT_H_
