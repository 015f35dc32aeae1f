#include "lib/s3/retry.h"

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/s3/time_format.h"

namespace s3files {
namespace {

constexpr absl::Duration kLongestRetryAfter = absl::Seconds(60);

// Retries are rare: the system's random source will do, and needs no state.
double SystemRandom() {
  const std::string digits = RandomId().substr(0, 12);
  return static_cast<double>(std::stoull(digits, nullptr, 16)) / std::ldexp(1.0, 48);
}

}  // namespace

absl::Duration BackoffDelay(const RetryOptions& options, int attempt, double random) {
  const double factor = std::ldexp(1.0, std::clamp(attempt - 1, 0, 30));
  return random * std::min(options.max_delay, options.base_delay * factor);
}

absl::Duration ParseRetryAfter(absl::string_view header, int64_t wall_ns) {
  absl::Duration wait = absl::ZeroDuration();
  int64_t seconds = 0;
  if (absl::SimpleAtoi(header, &seconds)) {
    wait = absl::Seconds(seconds);
  } else if (const std::optional<int64_t> date = ParseHttpDate(header); date.has_value()) {
    wait = absl::Nanoseconds(*date - wall_ns);
  }
  return std::clamp(wait, absl::ZeroDuration(), kLongestRetryAfter);
}

absl::Status Sleep(const CallContext& call, absl::Duration duration) {
  constexpr absl::string_view kWhat = "waiting to try again";
  S3FILES_RETURN_IF_ERROR(call.Check(kWhat));
  if (duration >= call.Remaining()) {
    return Error(ETIMEDOUT, "the deadline comes before the next attempt");
  }
  if (call.cancel == nullptr) {
    absl::SleepFor(duration);
    return absl::OkStatus();
  }
  absl::Mutex mu;
  bool cancelled = false;
  const uint64_t subscription = call.cancel->Subscribe([&mu, &cancelled] {
    absl::MutexLock lock(&mu);
    cancelled = true;
  });
  {
    absl::MutexLock lock(&mu);
    mu.AwaitWithDeadline(absl::Condition(&cancelled), absl::Now() + duration);
  }
  call.cancel->Unsubscribe(subscription);
  return call.Check(kWhat);
}

Retrier::Retrier(const RetryOptions& options, Clock* clock, std::function<double()> random)
    : options_(options),
      clock_(clock),
      random_(random ? std::move(random) : SystemRandom),
      start_ns_(clock->MonotonicNanos()) {}

absl::Status Retrier::WaitForNext(const CallContext& call, absl::Duration at_least) {
  ++attempts_;
  ++since_progress_;
  S3FILES_RETURN_IF_ERROR(call.Check("the request"));
  if (since_progress_ >= options_.max_attempts) {
    return Error(EIO, absl::StrCat("gave up after ", attempts_, " attempts"));
  }
  const absl::Duration delay =
      std::max(at_least, BackoffDelay(options_, since_progress_, random_()));
  const absl::Duration spent = absl::Nanoseconds(clock_->MonotonicNanos() - start_ns_);
  if (call.deadline_ns == 0 && spent + delay > options_.budget) {
    return Error(EIO, absl::StrCat("gave up after ", attempts_, " attempts in ",
                                   absl::FormatDuration(options_.budget)));
  }
  return Sleep(call, delay);
}

void Retrier::NoteProgress() {
  since_progress_ = 0;
  start_ns_ = clock_->MonotonicNanos();
}

}  // namespace s3files
