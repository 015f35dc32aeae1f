// Time. Everything that decides by time takes a Clock, so that tests can move it.
#ifndef S3FILES_LIB_BASE_CLOCK_H_
#define S3FILES_LIB_BASE_CLOCK_H_

#include <cstdint>

namespace s3files {

// CLOCK_MONOTONIC, in nanoseconds: what deadlines are measured in.
int64_t MonotonicNanos();

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t WallNanos() const = 0;       // nanoseconds since the epoch
  virtual int64_t MonotonicNanos() const = 0;  // never goes back; for ages and timeouts

  static Clock* System();  // the process's own; never deleted
};

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_CLOCK_H_
