// What one call brings with it: who calls, until when, and whether it was cancelled meanwhile.
#ifndef S3FILES_LIB_BASE_CALL_CONTEXT_H_
#define S3FILES_LIB_BASE_CALL_CONTEXT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace s3files {

// Fired once, by any thread; whoever waits on behalf of the call is woken through its subscription.
// Thread-safe.
class CancelToken {
 public:
  void Cancel();
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

  // Calls `on_cancel` when the token fires (at once if it has). It runs on the cancelling thread
  // with mu_ held, so it must only wake somebody. After Unsubscribe returns it will not run again.
  uint64_t Subscribe(std::function<void()> on_cancel);
  void Unsubscribe(uint64_t id);

 private:
  std::atomic<bool> cancelled_{false};
  absl::Mutex mu_;  // leaf
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<uint64_t, std::function<void()>> waiters_ ABSL_GUARDED_BY(mu_);
};

struct Identity {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
};

// Cheap to copy where no identity is given. The default: nobody in particular, no deadline.
struct CallContext {
  std::optional<Identity> identity;
  uint32_t umask = 022;
  int64_t deadline_ns = 0;  // MonotonicNanos() value; 0 = none
  std::shared_ptr<CancelToken> cancel;

  // OK, or ETIMEDOUT / ECANCELED; `what` names the thing that was being done.
  absl::Status Check(absl::string_view what) const;
  // Time left: InfiniteDuration without a deadline, never negative.
  absl::Duration Remaining() const;
};

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_CALL_CONTEXT_H_
