#include "lib/s3/retry.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

class StoppedClock final : public Clock {
 public:
  int64_t WallNanos() const override { return now_ns; }
  int64_t MonotonicNanos() const override { return now_ns; }
  int64_t now_ns = 1'000'000'000;
};

TEST(Backoff, GrowsByTwoUpToTheCapAndIsFullyJittered) {
  const RetryOptions options{.base_delay = absl::Milliseconds(100), .max_delay = absl::Seconds(1)};
  EXPECT_EQ(BackoffDelay(options, 1, 0.0), absl::ZeroDuration());
  EXPECT_EQ(BackoffDelay(options, 1, 0.5), absl::Milliseconds(50));
  EXPECT_EQ(BackoffDelay(options, 2, 0.5), absl::Milliseconds(100));
  EXPECT_EQ(BackoffDelay(options, 3, 0.5), absl::Milliseconds(200));
  EXPECT_EQ(BackoffDelay(options, 9, 0.5), absl::Milliseconds(500));
  EXPECT_EQ(BackoffDelay(options, 1000, 0.5), absl::Milliseconds(500));
}

TEST(Backoff, RetryAfterIsSecondsOrADate) {
  EXPECT_EQ(ParseRetryAfter("3", 0), absl::Seconds(3));
  EXPECT_EQ(ParseRetryAfter("", 0), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("soon", 0), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("-5", 0), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("99999", 0), absl::Seconds(60));
  EXPECT_EQ(ParseRetryAfter("Thu, 01 Jan 1970 00:00:10 GMT", 4'000'000'000), absl::Seconds(6));
  EXPECT_EQ(ParseRetryAfter("Thu, 01 Jan 1970 00:00:10 GMT", 40'000'000'000), absl::ZeroDuration());
}

TEST(Retrier, StopsAfterTheLastAttempt) {
  StoppedClock clock;
  const RetryOptions options{.max_attempts = 3};
  Retrier retrier(options, &clock, [] { return 0.0; });
  EXPECT_TRUE(retrier.WaitForNext({}, absl::ZeroDuration()).ok());
  EXPECT_TRUE(retrier.WaitForNext({}, absl::ZeroDuration()).ok());
  EXPECT_EQ(ErrnoOf(retrier.WaitForNext({}, absl::ZeroDuration())), EIO);
}

TEST(Retrier, ProgressStartsOver) {
  StoppedClock clock;
  const RetryOptions options{.max_attempts = 2};
  Retrier retrier(options, &clock, [] { return 0.0; });
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(retrier.WaitForNext({}, absl::ZeroDuration()).ok());
    retrier.NoteProgress();
  }
}

TEST(Retrier, TheBudgetHoldsWithoutADeadline) {
  StoppedClock clock;
  const RetryOptions options{.budget = absl::Seconds(10)};
  Retrier retrier(options, &clock, [] { return 0.0; });
  clock.now_ns += 9'000'000'000;
  EXPECT_TRUE(retrier.WaitForNext({}, absl::ZeroDuration()).ok());
  EXPECT_EQ(ErrnoOf(retrier.WaitForNext({}, absl::Seconds(2))), EIO);
}

TEST(Retrier, DoesNotWaitForADeadlineThatComesFirst) {
  const RetryOptions options;
  Retrier retrier(options, Clock::System(), [] { return 0.0; });
  CallContext call;
  call.deadline_ns = MonotonicNanos() + 500'000'000;
  const int64_t start = MonotonicNanos();
  EXPECT_EQ(ErrnoOf(retrier.WaitForNext(call, absl::Seconds(30))), ETIMEDOUT);
  EXPECT_LT(MonotonicNanos() - start, 400'000'000);
}

TEST(Retrier, CancelEndsTheWait) {
  const RetryOptions options;
  Retrier retrier(options, Clock::System(), [] { return 0.0; });
  CallContext call;
  call.cancel = std::make_shared<CancelToken>();
  std::thread canceller([&call] {
    absl::SleepFor(absl::Milliseconds(50));
    call.cancel->Cancel();
  });
  const int64_t start = MonotonicNanos();
  EXPECT_EQ(ErrnoOf(retrier.WaitForNext(call, absl::Seconds(30))), ECANCELED);
  EXPECT_LT(MonotonicNanos() - start, 10'000'000'000);
  canceller.join();
}

}  // namespace
}  // namespace s3files
