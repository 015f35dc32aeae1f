// A bounded pool of threads for blocking work (the store's calls block). Threads start on demand
// and end with the executor; there is no global one.
#ifndef S3FILES_LIB_BASE_EXECUTOR_H_
#define S3FILES_LIB_BASE_EXECUTOR_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace s3files {

// Thread-safe. Tasks start in the order they were submitted and must not throw.
class Executor {
 public:
  explicit Executor(int max_threads);
  ~Executor();  // runs what was submitted, then joins

  void Submit(std::function<void()> task);

 private:
  void Run();

  const int max_threads_;
  absl::Mutex mu_;  // leaf
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
  int idle_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

// Counts tasks under way, so that their submitter can await them. Thread-safe.
class TaskGroup {
 public:
  explicit TaskGroup(Executor* executor) : executor_(executor) {}
  ~TaskGroup() { Wait(); }

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
