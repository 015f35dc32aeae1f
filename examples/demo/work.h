#ifndef S3FILES_EXAMPLES_DEMO_WORK_H_
#define S3FILES_EXAMPLES_DEMO_WORK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace demo {

inline constexpr size_t kThreads = 8;

struct Totals {
  uint64_t bytes = 0;
  double seconds = 0;
};

// Runs work(0) to work(count - 1) on kThreads threads; each returns how many bytes it moved. Shows
// how far it is: on a terminal by a line that is rewritten, else by a line now and then. The first
// exception ends it and is thrown.
Totals RunAll(const std::string& what, size_t count, const std::function<uint64_t(size_t)>& work);

// Makes SIGINT and SIGTERM end the RunAll that is under way, or the next, with an exception: what
// comes after it still cleans up.
void StopOnSignals();

}  // namespace demo

#endif  // S3FILES_EXAMPLES_DEMO_WORK_H_
