// The two ways S3 writes a time.
#ifndef S3FILES_LIB_S3_TIME_FORMAT_H_
#define S3FILES_LIB_S3_TIME_FORMAT_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace s3files {

// Nanoseconds since the epoch, cut to whole seconds: lists may carry a fraction that headers lack,
// and one object must not seem to have two times. nullopt where `text` is not such a time.
std::optional<int64_t> ParseHttpDate(absl::string_view text);  // "Wed, 21 Oct 2015 07:28:00 GMT"
std::optional<int64_t> ParseIso8601(absl::string_view text);   // "2015-10-21T07:28:00.000Z"

}  // namespace s3files

#endif  // S3FILES_LIB_S3_TIME_FORMAT_H_
