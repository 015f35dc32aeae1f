#ifndef S3FILES_TESTS_SERVER_BACKEND_H_
#define S3FILES_TESTS_SERVER_BACKEND_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tests/server/blob.h"
#include "tests/server/change.h"

namespace s3files::server {

// Where bytes and changes are kept. What S3 makes of them is Store's business.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  // Room for a body of exactly `size` bytes. Thread-safe.
  virtual std::unique_ptr<BodyWriter> NewBody(uint64_t size) = 0;

  // Called once, before anything is recorded: the changes of earlier runs, in their order.
  virtual void Replay(const std::function<void(const Change&)>& apply) = 0;
  // Called once, after Replay: the shortest changes that lead to the state replayed.
  virtual void Compact(const std::vector<Change>& changes) = 0;
  // Keeps one change. Called under Store's lock.
  virtual void Record(const Change& change) = 0;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_BACKEND_H_
