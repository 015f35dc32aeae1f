// Errors: absl::Status inside the library, a negative errno at its edge. This is the one place where
// the two meet.
//
// A Status made here carries its errno exactly (as a payload), because many errnos share one
// canonical code, and optionally what the store said (HTTP status, S3 code, request id).
#ifndef S3FILES_LIB_BASE_ERRORS_H_
#define S3FILES_LIB_BASE_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s3files {

// What the store replied with a failed request. Empty or zero where unknown.
struct StoreReply {
  int http_status = 0;
  std::string s3_code;     // e.g. "NoSuchKey"
  std::string request_id;  // x-amz-request-id, for a support case
};

// A failure whose errno is `error` (positive, e.g. ENOENT). `message` names the thing and the remedy.
absl::Status Error(int error, absl::string_view message);
absl::Status Error(int error, absl::string_view message, const StoreReply& reply);

// The errno of `status`: 0 for OK, the one given to Error(), or the nearest one of its canonical code.
int ErrnoOf(const absl::Status& status);

// What the store said; all empty where `status` did not come from a reply.
StoreReply ReplyOf(const absl::Status& status);

// `status` with "prefix: " before its message; errno and reply stay.
absl::Status Annotate(const absl::Status& status, absl::string_view prefix);

}  // namespace s3files

#define S3FILES_CONCAT_INNER(a, b) a##b
#define S3FILES_CONCAT(a, b) S3FILES_CONCAT_INNER(a, b)

// Leaves the function with the status of `expr` when it is not OK.
#define S3FILES_RETURN_IF_ERROR(expr)                                                         \
  do {                                                                                        \
    if (absl::Status s3files_status_ = (expr); !s3files_status_.ok()) return s3files_status_; \
  } while (false)

// Declares or assigns `lhs` from the StatusOr `expr`, or leaves the function with its status.
#define S3FILES_ASSIGN_OR_RETURN(lhs, expr) \
  S3FILES_ASSIGN_OR_RETURN_INNER(S3FILES_CONCAT(s3files_or_, __LINE__), lhs, expr)
#define S3FILES_ASSIGN_OR_RETURN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                                   \
  if (!tmp.ok()) return tmp.status();                  \
  lhs = std::move(tmp).value()

#endif  // S3FILES_LIB_BASE_ERRORS_H_
