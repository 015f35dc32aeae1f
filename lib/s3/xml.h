// S3's XML bodies, to and from plain structs (the one user of tinyxml2). Input comes from the
// network: a body that is not what is expected gives EIO.
#ifndef S3FILES_LIB_S3_XML_H_
#define S3FILES_LIB_S3_XML_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/store/object_store.h"

namespace s3files {

struct S3ErrorBody {
  std::string code;  // "NoSuchKey"
  std::string message;
  std::string request_id;
  std::string region;          // where the bucket is, with a wrong region
  std::string condition;       // the header whose condition failed
  int64_t server_time_ns = 0;  // with RequestTimeTooSkewed
};

// nullopt where `body` is not an <Error>.
std::optional<S3ErrorBody> ParseError(absl::string_view body);

struct WriteResult {
  std::string etag;  // may be empty: RGW leaves it out after CompleteMultipartUpload
  int64_t last_modified_ns = 0;
};
absl::StatusOr<WriteResult> ParseCopyObject(absl::string_view body);
absl::StatusOr<WriteResult> ParseCopyPart(absl::string_view body);
absl::StatusOr<WriteResult> ParseCompleteUpload(absl::string_view body);

absl::StatusOr<std::string> ParseCreateUpload(absl::string_view body);  // the upload id
absl::StatusOr<ListPage> ParseListObjects(absl::string_view body);

struct PartsPage {
  std::vector<UploadedPart> parts;
  bool truncated = false;
  std::string next_part_number;
};
absl::StatusOr<PartsPage> ParseListParts(absl::string_view body);

struct UploadsPage {
  std::vector<PendingUpload> uploads;
  bool truncated = false;
  std::string next_key;
  std::string next_upload_id;
};
absl::StatusOr<UploadsPage> ParseListUploads(absl::string_view body);

struct DeleteFailure {
  std::string key;
  std::string code;
  std::string message;
};
absl::StatusOr<std::vector<DeleteFailure>> ParseDeleteObjects(absl::string_view body);

absl::StatusOr<ObjectTags> ParseTagging(absl::string_view body);

std::string CompleteUploadBody(absl::Span<const UploadedPart> parts);

// False where XML has no way to write `text` (most control characters).
bool XmlCanCarry(absl::string_view text);
std::string DeleteObjectsBody(absl::Span<const std::string> keys);

}  // namespace s3files

#endif  // S3FILES_LIB_S3_XML_H_
