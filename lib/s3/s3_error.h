// What the store's refusals mean: which errno, whether to try again, and what to tell the user.
#ifndef S3FILES_LIB_S3_S3_ERROR_H_
#define S3FILES_LIB_S3_S3_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "lib/s3/endpoint.h"
#include "lib/s3/xml.h"

namespace s3files {

// What to do after an attempt.
enum class Verdict {
  kDone,          // it succeeded
  kFinal,         // it failed, and would again
  kRetry,         // it did nothing; another may succeed
  kRetryUnknown,  // it may have taken effect; another may succeed
  kSkewed,        // our clock is wrong: correct it by the reply's Date and try again
};

// For a reply that is an error; `code` is S3's, empty where there is no body (HEAD).
Verdict VerdictOf(int http_status, absl::string_view code);

// The request asks for what this store does not have: all of it, or a header of it.
bool NotUnderstood(int http_status, absl::string_view code);
bool PreconditionFailed(int http_status, absl::string_view code);

// 412 is ESTALE, 404 ENOENT, ...; callers who know their precondition refine it.
int ErrnoOfReply(int http_status, absl::string_view code);

// "403 SignatureDoesNotMatch: ...; check the secret key". Names the bucket where it is to blame,
// and `bucket_region` (of the x-amz-bucket-region header) where the region is.
std::string DescribeReply(int http_status, const S3ErrorBody& error, const Endpoint& endpoint,
                          absl::string_view bucket_region, bool head);

}  // namespace s3files

#endif  // S3FILES_LIB_S3_S3_ERROR_H_
