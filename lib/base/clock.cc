#include "lib/base/clock.h"

#include <time.h>

namespace s3files {
namespace {

int64_t Now(clockid_t id) {
  timespec now;
  clock_gettime(id, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  int64_t WallNanos() const override { return Now(CLOCK_REALTIME); }
  int64_t MonotonicNanos() const override { return Now(CLOCK_MONOTONIC); }
};

}  // namespace

int64_t MonotonicNanos() { return Now(CLOCK_MONOTONIC); }

Clock* Clock::System() {
  static SystemClock* const clock = new SystemClock;  // outlives every thread that asks the time
  return clock;
}

}  // namespace s3files
