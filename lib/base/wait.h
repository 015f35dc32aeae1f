// Waiting for a condition on behalf of a call: until it holds, the deadline passes, or the call is
// cancelled.
#ifndef S3FILES_LIB_BASE_WAIT_H_
#define S3FILES_LIB_BASE_WAIT_H_

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/base/call_context.h"

namespace s3files {

// `mu` is held, and whoever makes `ready` true signals `cv`. OK, ETIMEDOUT or ECANCELED; `what` is
// what was waited for. A cancel token cannot signal `cv` (it would need `mu`), so it is looked at
// every 50 ms.
template <typename Ready>
absl::Status WaitUntil(const CallContext& call, absl::Mutex& mu, absl::CondVar& cv,
                       absl::string_view what, Ready ready) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
  while (!ready()) {
    if (absl::Status status = call.Check(what); !status.ok()) return status;
    absl::Duration wait = call.Remaining();
    if (call.cancel != nullptr) wait = std::min(wait, absl::Milliseconds(50));
    cv.WaitWithTimeout(&mu, wait);
  }
  return absl::OkStatus();
}

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_WAIT_H_
