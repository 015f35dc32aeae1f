#include "lib/base/executor.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace s3files {

// On the heap, so that a forked child can leave it alone as a whole: the parent's threads may have
// been in the middle of changing it.
struct Executor::State {
  explicit State(int threads) : max_threads(std::max(threads, 1)) {}

  const size_t max_threads;
  const pid_t pid = getpid();
  absl::Mutex mu;  // leaf
  std::deque<std::function<void()>> queue ABSL_GUARDED_BY(mu);
  std::vector<std::thread> threads ABSL_GUARDED_BY(mu);
  size_t idle ABSL_GUARDED_BY(mu) = 0;
  bool stopping ABSL_GUARDED_BY(mu) = false;

  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mu) { return stopping || !queue.empty(); }

  // False where the system refuses a thread (the one exception of std that is caught here).
  bool StartThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);  // inherited: the application's signals are its own
    bool started = true;
    try {
      threads.emplace_back(&Executor::Run, this);
    } catch (const std::system_error&) {
      started = false;
    }
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    return started;
  }
};

Executor::Executor(int max_threads) : state_(std::make_unique<State>(max_threads)) {}

Executor::~Executor() {
  if (state_->pid != getpid()) {
    (void)state_.release();  // the threads are not in this process; its lock may be held for ever
    return;
  }
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&state_->mu);
    state_->stopping = true;
    threads.swap(state_->threads);
  }
  for (std::thread& thread : threads) thread.join();
}

void Executor::Submit(std::function<void()> task) {
  {
    absl::MutexLock lock(&state_->mu);
    state_->queue.push_back(std::move(task));
    if (state_->queue.size() <= state_->idle) return;  // a waiting thread takes it
    if (state_->stopping) return;  // submitted by a task, whose own thread goes on until all is run
    if (state_->threads.size() >= state_->max_threads) return;
    if (state_->StartThread() || !state_->threads.empty()) return;
    task = std::move(state_->queue.back());
    state_->queue.pop_back();
  }
  task();  // no thread at all can be had: slow is better than never
}

size_t Executor::max_threads() const { return state_->max_threads; }

void Executor::Run(State* state) {
  absl::MutexLock lock(&state->mu);
  for (;;) {
    ++state->idle;
    state->mu.Await(absl::Condition(state, &State::HasWork));
    --state->idle;
    if (state->queue.empty()) return;  // stopping
    std::function<void()> task = std::move(state->queue.front());
    state->queue.pop_front();
    state->mu.Unlock();
    task();
    task = nullptr;  // what it holds is released before the next wait, and outside the lock
    state->mu.Lock();
  }
}

void TaskGroup::Submit(std::function<void()> task) {
  {
    absl::MutexLock lock(&mu_);
    ++pending_;
  }
  executor_->Submit([this, task = std::move(task)]() mutable {
    task();
    task = nullptr;  // before the group may be gone, and with it what the task refers to
    absl::MutexLock lock(&mu_);
    --pending_;
  });
}

void TaskGroup::Wait() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(
      +[](int* pending) { return *pending == 0; }, &pending_));
}

void ParallelFor(Executor* executor, size_t n, const std::function<void(size_t)>& work) {
  // Helpers that begin after the work has run out find nothing left; they hold the state, no more.
  struct State {
    std::atomic<size_t> next{0};
    absl::Mutex mu;
    size_t done ABSL_GUARDED_BY(mu) = 0;
  };
  if (n == 0) return;
  auto state = std::make_shared<State>();
  const auto share = [state, n, &work] {
    for (size_t i; (i = state->next.fetch_add(1)) < n;) {
      work(i);
      absl::MutexLock lock(&state->mu);
      ++state->done;
    }
  };
  for (size_t helpers = std::min(n - 1, executor->max_threads()); helpers > 0; --helpers) {
    executor->Submit(share);
  }
  share();
  const auto all_done = [&] {
    state->mu.AssertHeld();
    return state->done == n;
  };
  absl::MutexLock lock(&state->mu);
  state->mu.Await(absl::Condition(&all_done));
}

}  // namespace s3files
