// Decides what one handle should read ahead.
#ifndef S3FILES_LIB_CONTENT_READ_AHEAD_H_
#define S3FILES_LIB_CONTENT_READ_AHEAD_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "lib/base/byte_range.h"

namespace s3files {

// The window doubles while reads follow each other and closes when they do not. Not thread-safe.
class ReadAhead {
 public:
  // `streams` counts the handles that read ahead now; they share `budget` bytes.
  ReadAhead(uint64_t largest, uint64_t budget, std::atomic<int>* streams)
      : largest_(largest), budget_(budget), streams_(streams) {}
  ~ReadAhead() { Close(); }

  // A read of `range` is about to happen. Returns what to bring in besides; often empty.
  ByteRange OnRead(const ByteRange& range, uint64_t file_size) {
    const bool follows = range.begin == expected_;
    expected_ = range.end;
    if (!follows) {
      Close();
      return {};
    }
    if (window_ == 0) streams_->fetch_add(1, std::memory_order_relaxed);
    const uint64_t share =
        budget_ / static_cast<uint64_t>(std::max(1, streams_->load(std::memory_order_relaxed)));
    window_ =
        std::max<uint64_t>(1, std::min({std::max(2 * window_, kFirstWindow), largest_, share}));
    ahead_ = std::max(ahead_, range.end);
    // Not at every read: in steps of half a window.
    if (ahead_ - range.end > window_ / 2) return {};
    const ByteRange next{ahead_, std::min(range.end + window_, file_size)};
    if (next.empty()) return {};
    ahead_ = next.end;
    return next;
  }

 private:
  static constexpr uint64_t kFirstWindow = 512 << 10;

  void Close() {
    if (window_ != 0) streams_->fetch_sub(1, std::memory_order_relaxed);
    window_ = 0;
    ahead_ = 0;
  }

  const uint64_t largest_;
  const uint64_t budget_;
  std::atomic<int>* const streams_;
  uint64_t expected_ = 0;  // where the next read begins if it follows
  uint64_t window_ = 0;    // 0: not reading ahead
  uint64_t ahead_ = 0;     // asked for up to here
};

}  // namespace s3files

#endif  // S3FILES_LIB_CONTENT_READ_AHEAD_H_
