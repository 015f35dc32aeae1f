#include "examples/demo/work.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "examples/demo/text.h"

namespace demo {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The items of one RunAll, handed out to its threads.
class Items {
 public:
  Items(size_t count, const std::function<uint64_t(size_t)>& work) : count_(count), work_(work) {}

  void RunUntilNone() {
    try {
      for (size_t i; !failed_ && (i = next_++) < count_; ++done_) {
        if (stop_asked.exchange(false)) throw std::runtime_error("interrupted");
        bytes_ += work_(i);
      }
    } catch (...) {
      std::lock_guard<std::mutex> lock(mu_);
      if (!failed_.exchange(true)) failure_ = std::current_exception();
    }
    std::lock_guard<std::mutex> lock(mu_);
    ++ended_;
    changed_.notify_all();
  }

  // Whether all threads have ended, after at most `patience`.
  bool WaitForEnd(size_t threads, Clock::duration patience) {
    std::unique_lock<std::mutex> lock(mu_);
    return changed_.wait_for(lock, patience, [&] { return ended_ == threads; });
  }

  std::string Progress(double seconds) const {
    return Count(done_) + " of " + Count(count_) + ", " + Bytes(bytes_) + ", " +
           Rate(bytes_, seconds);
  }

  uint64_t bytes() const { return bytes_; }
  void Rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  const size_t count_;
  const std::function<uint64_t(size_t)>& work_;
  std::atomic<size_t> next_{0};
  std::atomic<size_t> done_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<bool> failed_{false};
  std::mutex mu_;
  std::condition_variable changed_;
  size_t ended_ = 0;            // guarded by mu_
  std::exception_ptr failure_;  // guarded by mu_ until all have ended
};

}  // namespace

Totals RunAll(const std::string& what, size_t count, const std::function<uint64_t(size_t)>& work) {
  const bool terminal = isatty(STDOUT_FILENO);
  const auto interval = std::chrono::milliseconds(terminal ? 100 : 3000);
  const auto start = Clock::now();
  Items items(count, work);
  std::vector<std::thread> threads(std::min(kThreads, count));
  for (std::thread& thread : threads) thread = std::thread([&] { items.RunUntilNone(); });
  while (!items.WaitForEnd(threads.size(), interval)) {
    std::cout << (terminal ? "\r\x1b[K" : "") << "          " << what << " "
              << items.Progress(SecondsSince(start)) << (terminal ? "" : "\n") << std::flush;
  }
  for (std::thread& thread : threads) thread.join();
  if (terminal) std::cout << "\r\x1b[K" << std::flush;
  items.Rethrow();
  return {items.bytes(), SecondsSince(start)};
}

void StopOnSignals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop_asked = true; };
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace demo
