// When to try again, and after how long.
#ifndef S3FILES_LIB_S3_RETRY_H_
#define S3FILES_LIB_S3_RETRY_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lib/base/call_context.h"
#include "lib/base/clock.h"

namespace s3files {

struct RetryOptions {
  int max_attempts = 8;
  absl::Duration base_delay = absl::Milliseconds(100);
  absl::Duration max_delay = absl::Seconds(20);
  // No attempt begins later than this where the call has no deadline of its own.
  absl::Duration budget = absl::Seconds(60);
};

// Full jitter: anywhere (by `random` in [0, 1)) below the exponentially growing, capped delay.
// `attempt` is the number of attempts made, from 1.
absl::Duration BackoffDelay(const RetryOptions& options, int attempt, double random);

// The wait a Retry-After header (seconds, or a date) asks for; zero where it has none, at most 60
// s.
absl::Duration ParseRetryAfter(absl::string_view header, int64_t wall_ns);

// OK after `duration`; at once ETIMEDOUT where the deadline comes before, ECANCELED once cancelled.
absl::Status Sleep(const CallContext& call, absl::Duration duration);

// The attempts of one call. Not thread-safe.
class Retrier {
 public:
  // `random` gives numbers in [0, 1); empty = the default.
  Retrier(const RetryOptions& options, Clock* clock, std::function<double()> random = {});

  // Called after a failed attempt. OK: waited (at least `at_least`), try again. ETIMEDOUT,
  // ECANCELED: of the call. EIO: attempts or budget are used up.
  absl::Status WaitForNext(const CallContext& call, absl::Duration at_least);

  // The transfer went forward: the count and the budget start over.
  void NoteProgress();

  int attempts() const { return attempts_; }  // failed so far

 private:
  const RetryOptions& options_;
  Clock* const clock_;
  const std::function<double()> random_;
  int attempts_ = 0;
  int since_progress_ = 0;
  int64_t start_ns_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_S3_RETRY_H_
