#include "lib/base/call_context.h"

#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

TEST(CancelToken, WakesEverySubscriberOnce) {
  CancelToken token;
  int woken = 0;
  token.Subscribe([&woken] { ++woken; });
  token.Subscribe([&woken] { ++woken; });
  EXPECT_FALSE(token.cancelled());
  token.Cancel();
  token.Cancel();
  EXPECT_TRUE(token.cancelled());
  EXPECT_EQ(woken, 2);
}

TEST(CancelToken, SubscribingTooLateWakesAtOnce) {
  CancelToken token;
  token.Cancel();
  bool woken = false;
  token.Unsubscribe(token.Subscribe([&woken] { woken = true; }));
  EXPECT_TRUE(woken);
}

TEST(CancelToken, NobodyIsWokenAfterUnsubscribing) {
  CancelToken token;
  int woken = 0;
  const uint64_t id = token.Subscribe([&woken] { ++woken; });
  token.Unsubscribe(id);
  token.Unsubscribe(id);
  token.Cancel();
  EXPECT_EQ(woken, 0);
}

TEST(CancelToken, ManyThreads) {
  for (int round = 0; round < 50; ++round) {
    CancelToken token;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&token] {
        auto note = std::make_unique<absl::Notification>();
        const uint64_t id = token.Subscribe([n = note.get()] { n->Notify(); });
        note->WaitForNotification();
        token.Unsubscribe(id);
      });
    }
    threads.emplace_back([&token] { token.Cancel(); });
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(CallContext, ByDefaultNothingLimitsACall) {
  const CallContext call;
  EXPECT_TRUE(call.Check("op").ok());
  EXPECT_EQ(call.Remaining(), absl::InfiniteDuration());
}

TEST(CallContext, Deadline) {
  CallContext call;
  call.deadline_ns = MonotonicNanos() + 3'600'000'000'000;
  EXPECT_TRUE(call.Check("op").ok());
  EXPECT_GT(call.Remaining(), absl::Minutes(59));
  EXPECT_LE(call.Remaining(), absl::Hours(1));
  call.deadline_ns = 1;
  EXPECT_EQ(ErrnoOf(call.Check("op")), ETIMEDOUT);
  EXPECT_EQ(call.Remaining(), absl::ZeroDuration());
}

TEST(CallContext, Cancellation) {
  CallContext call;
  call.cancel = std::make_shared<CancelToken>();
  EXPECT_TRUE(call.Check("op").ok());
  call.cancel->Cancel();
  const absl::Status status = call.Check("reading a");
  EXPECT_EQ(ErrnoOf(status), ECANCELED);
  EXPECT_EQ(status.message(), "reading a: cancelled");
}

TEST(Clock, SystemClockMoves) {
  const Clock* clock = Clock::System();
  const int64_t before = clock->MonotonicNanos();
  EXPECT_GE(MonotonicNanos(), before);
  EXPECT_GT(clock->WallNanos(), int64_t{1'600'000'000} * 1'000'000'000);
}

}  // namespace
}  // namespace s3files
