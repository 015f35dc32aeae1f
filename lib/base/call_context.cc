#include "lib/base/call_context.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"

namespace s3files {

void CancelToken::Cancel() {
  absl::MutexLock lock(&mu_);
  if (cancelled_.exchange(true, std::memory_order_acq_rel)) return;
  for (const auto& [id, on_cancel] : waiters_) on_cancel();
}

uint64_t CancelToken::Subscribe(std::function<void()> on_cancel) {
  absl::MutexLock lock(&mu_);
  const uint64_t id = next_id_++;
  if (cancelled_.load(std::memory_order_relaxed)) {
    on_cancel();
  } else {
    waiters_.emplace(id, std::move(on_cancel));
  }
  return id;
}

void CancelToken::Unsubscribe(uint64_t id) {
  absl::MutexLock lock(&mu_);
  waiters_.erase(id);
}

absl::Status CallContext::Check(absl::string_view what) const {
  if (cancel != nullptr && cancel->cancelled()) {
    return Error(ECANCELED, absl::StrCat(what, ": cancelled"));
  }
  if (deadline_ns != 0 && MonotonicNanos() >= deadline_ns) {
    return Error(ETIMEDOUT, absl::StrCat(what, ": the call's deadline has passed"));
  }
  return absl::OkStatus();
}

absl::Duration CallContext::Remaining() const {
  if (deadline_ns == 0) return absl::InfiniteDuration();
  const int64_t now = MonotonicNanos();
  if (deadline_ns <= now) return absl::ZeroDuration();
  return absl::Nanoseconds(deadline_ns) - absl::Nanoseconds(now);
}

}  // namespace s3files
