// Why a commit cannot succeed until somebody has acted, in the words of Amazon S3 Files.
#ifndef S3FILES_LIB_API_EXPORT_ERROR_H_
#define S3FILES_LIB_API_EXPORT_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s3files {

// "S3AccessDenied", ...: see s3f_status_info. Empty where trying again may help.
absl::string_view ExportErrorOf(const absl::Status& status);

}  // namespace s3files

#endif  // S3FILES_LIB_API_EXPORT_ERROR_H_
