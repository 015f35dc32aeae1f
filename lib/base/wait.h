// Waiting for a condition on behalf of a call: until it holds, the deadline passes, or the call is
// cancelled.
#ifndef S3FILES_LIB_BASE_WAIT_H_
#define S3FILES_LIB_BASE_WAIT_H_

#include <algorithm>
#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/base/call_context.h"
#include "lib/base/callback_scope.h"
#include "lib/base/errors.h"

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

// The same for what another commit or rename has. EDEADLK: it would have to be waited for, in a
// callback of the application.
template <typename Ready>
absl::Status WaitForOthers(const CallContext& call, absl::Mutex& mu, absl::CondVar& cv,
                           absl::string_view what, Ready ready) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
  if (CallbackScope::Entered() && !ready()) {
    return Error(EDEADLK, absl::StrCat(what, " is not possible in a callback"));
  }
  return WaitUntil(call, mu, cv, what, ready);
}

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_WAIT_H_
