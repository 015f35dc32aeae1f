#include "lib/api/export_error.h"

#include <cerrno>
#include <string>

#include "absl/strings/match.h"
#include "lib/base/errors.h"

namespace s3files {

// The names: docs.aws.amazon.com/AmazonS3/latest/userguide/s3-files-troubleshooting.html.
absl::string_view ExportErrorOf(const absl::Status& status) {
  const std::string code = ReplyOf(status).s3_code;
  if (absl::StartsWith(code, "KMS.")) return "EncryptionKeyInaccessible";
  if (code == "NoSuchBucket") return "S3BucketNotFound";
  if (code == "InvalidObjectState") return "S3ObjectArchived";
  if (code == "MetadataTooLarge") return "S3UserMetadataTooLarge";
  switch (ErrnoOf(status)) {
    case EACCES:
      return "S3AccessDenied";
    case EFBIG:
      return "FileSizeExceedsS3Limit";
    case ENAMETOOLONG:
      return "PathTooLong";
    default:
      return "";
  }
}

}  // namespace s3files
