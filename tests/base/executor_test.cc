#include "lib/base/executor.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace s3files {
namespace {

TEST(Executor, RunsEverythingBeforeItEnds) {
  std::atomic<int> ran{0};
  {
    Executor executor(3);
    for (int i = 0; i < 1000; ++i) executor.Submit([&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

TEST(Executor, EndsWithoutEverHavingRun) { Executor executor(8); }

TEST(Executor, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    Executor executor(1);
    for (int i = 0; i < 100; ++i) executor.Submit([&order, i] { order.push_back(i); });
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(Executor, ThreadsAreAddedUpToTheBoundAndReused) {
  absl::Mutex mu;
  std::set<std::thread::id> ids;
  std::atomic<int> running{0}, most{0};
  {
    Executor executor(4);
    auto* all_four = new absl::Barrier(4);  // passes only if four run at once
    for (int i = 0; i < 4; ++i) {
      executor.Submit([all_four] {
        if (all_four->Block()) delete all_four;
      });
    }
    for (int i = 0; i < 500; ++i) {
      executor.Submit([&] {
        const int now = ++running;
        int seen = most;
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        {
          absl::MutexLock lock(&mu);
          ids.insert(std::this_thread::get_id());
        }
        --running;
      });
    }
  }
  EXPECT_LE(ids.size(), 4u);
  EXPECT_LE(most, 4);
}

TEST(Executor, TasksMaySubmitTasks) {
  std::atomic<int> ran{0};
  {
    Executor executor(2);
    executor.Submit([&] {
      for (int i = 0; i < 10; ++i) executor.Submit([&ran] { ++ran; });
    });
  }
  EXPECT_EQ(ran, 10);
}

TEST(Executor, TaskIsReleasedWhenItHasRun) {
  Executor executor(1);
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> watch = held;
  executor.Submit([held = std::move(held)] {});
  TaskGroup group(&executor);
  group.Submit([] {});  // the one thread is past the first task when it runs this
  group.Wait();
  EXPECT_TRUE(watch.expired());
}

TEST(Executor, ItsThreadsTakeNoSignals) {
  Executor executor(1);
  TaskGroup group(&executor);
  bool blocked = false;
  group.Submit([&blocked] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked = sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGCHLD) == 1;
  });
  group.Wait();
  EXPECT_TRUE(blocked);
  sigset_t mine;
  pthread_sigmask(SIG_SETMASK, nullptr, &mine);
  EXPECT_EQ(sigismember(&mine, SIGINT), 0);
}

TEST(TaskGroup, WaitsForItsOwnOnly) {
  absl::Notification release;  // outlives the task
  Executor executor(2);
  executor.Submit([&release] { release.WaitForNotification(); });
  std::atomic<int> ran{0};
  TaskGroup group(&executor);
  for (int i = 0; i < 50; ++i) group.Submit([&ran] { ++ran; });
  group.Wait();
  EXPECT_EQ(ran, 50);
  release.Notify();
}

TEST(TaskGroup, MayEndRightAfterWaiting) {
  Executor executor(4);
  for (int i = 0; i < 2000; ++i) {
    TaskGroup group(&executor);
    group.Submit([] {});
    group.Submit([] {});
  }
}

TEST(Executor, ForkedChildNeitherJoinsNorHangs) {
  absl::Notification started, release;  // outlive the task
  auto executor = std::make_unique<Executor>(2);
  executor->Submit([&] {
    started.Notify();
    release.WaitForNotification();
  });
  started.WaitForNotification();
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // a hang ends here, as a signal
    executor.reset();
    _exit(7);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  release.Notify();
}

}  // namespace
}  // namespace s3files
