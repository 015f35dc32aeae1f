// An object's metadata as headers, both ways.
#ifndef S3FILES_LIB_S3_OBJECT_HEADERS_H_
#define S3FILES_LIB_S3_OBJECT_HEADERS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/byte_range.h"
#include "lib/http/http_headers.h"
#include "lib/s3/sigv4.h"
#include "lib/store/object_store.h"

namespace s3files {

// EINVAL where a header cannot carry a name or value: values are printable ASCII that neither
// begins nor ends with a space (HTTP would drop it).
absl::Status AppendMetadata(const ObjectMetadata& metadata, absl::string_view commit_id,
                            sigv4::Headers& headers);

// Nothing where there are none: an empty header is malformed to some stores.
void AppendTags(const ObjectTags& tags, sigv4::Headers& headers);

// What a HEAD or GET reply says of the object, `size` apart.
absl::StatusOr<ObjectInfo> InfoOf(const HttpHeaders& headers);

// What a write's reply says of the version.
Version VersionOf(const HttpHeaders& headers, absl::string_view etag);

absl::StatusOr<uint64_t> ContentLengthOf(const HttpHeaders& headers);

struct ContentRange {
  ByteRange range;
  uint64_t total = 0;
};
absl::StatusOr<ContentRange> ContentRangeOf(const HttpHeaders& headers);

// "bytes=0-99"; without an end where it lies past what servers can count to.
std::string RangeHeader(uint64_t begin, uint64_t end);

}  // namespace s3files

#endif  // S3FILES_LIB_S3_OBJECT_HEADERS_H_
