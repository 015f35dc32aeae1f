// A bounded pool of threads for blocking work (the store's calls block). Threads start on demand
// and end with the executor; there is no global one.
#ifndef S3FILES_LIB_BASE_EXECUTOR_H_
#define S3FILES_LIB_BASE_EXECUTOR_H_

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace s3files {

// Thread-safe. Tasks start in the order they were submitted and must not throw. Signals of the
// application are never delivered to these threads. In a forked child only the destructor may be
// called: it returns at once and leaves alone whatever the parent's threads were doing.
class Executor {
 public:
  explicit Executor(int max_threads);
  ~Executor();  // runs what was submitted, then joins
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  void Submit(std::function<void()> task);
  size_t max_threads() const;

 private:
  struct State;
  static void Run(State* state);

  std::unique_ptr<State> state_;
};

// Calls `work(0)` .. `work(n - 1)`, in parallel as far as the executor has threads free, and returns
// when all have returned. The calling thread does its share, so that this may be nested and used from
// the executor's own tasks: it never waits for a task that has not begun.
void ParallelFor(Executor* executor, size_t n, const std::function<void(size_t)>& work);

// Counts tasks under way, so that their submitter can await them. Thread-safe.
class TaskGroup {
 public:
  explicit TaskGroup(Executor* executor) : executor_(executor) {}
  ~TaskGroup() { Wait(); }
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void Submit(std::function<void()> task);
  // Returns when every task submitted so far has finished.
  void Wait();

 private:
  Executor* const executor_;
  absl::Mutex mu_;  // leaf
  int pending_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_EXECUTOR_H_
