#ifndef S3FILES_TESTS_SERVER_LINK_H_
#define S3FILES_TESTS_SERVER_LINK_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace s3files::server {

// A line of limited bandwidth, shared by whoever sends over it. Keeps time only: the sender waits.
// Thread-safe.
class Link {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Link(int64_t bandwidth = 0) : bandwidth_(bandwidth) {}

  // 0: no limit.
  void Set(int latency_ms, int64_t bandwidth) {
    std::lock_guard lock(mutex_);
    latency_ = std::chrono::milliseconds(latency_ms);
    bandwidth_ = bandwidth;
  }

  std::chrono::milliseconds latency() const {
    std::lock_guard lock(mutex_);
    return latency_;
  }

  // The most to send at once: what passes in a fiftieth of a second.
  uint64_t Step(uint64_t bytes) const {
    std::lock_guard lock(mutex_);
    if (bandwidth_ == 0) return bytes;
    return std::min<uint64_t>(bytes, std::max<int64_t>(bandwidth_ / 50, 1));
  }

  // Takes the line for `bytes`; returns when they will have passed, the past if there is no limit.
  Clock::time_point Pass(uint64_t bytes) {
    std::lock_guard lock(mutex_);
    if (bandwidth_ == 0) return {};
    std::chrono::duration<double> time(static_cast<double>(bytes) /
                                       static_cast<double>(bandwidth_));
    free_at_ = std::max(free_at_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(time);
    return free_at_;
  }

 private:
  mutable std::mutex mutex_;
  std::chrono::milliseconds latency_{0};  // guarded by mutex_, as is the rest
  int64_t bandwidth_;                     // bytes a second
  Clock::time_point free_at_;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_LINK_H_
