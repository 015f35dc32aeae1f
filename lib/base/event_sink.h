// Events travel upward through this interface: a layer reports, the application is told.
#ifndef S3FILES_LIB_BASE_EVENT_SINK_H_
#define S3FILES_LIB_BASE_EVENT_SINK_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace s3files {

enum class EventKind : uint32_t {
  kCommitted = 1,      // a staged change is now the store's state
  kCommitFailed = 2,   // it stays staged; `status` says why
  kConflict = 3,       // the store's version won; `detail` is the lost+found path
  kKeySkipped = 4,     // a key that cannot be a path was left out of a listing
  kUnconditional = 5,  // a condition is not relied on: checked with a HEAD just before
  kProgress = 6,       // of a commit in parts: `bytes` of `total` are in the store
};

struct Event {
  EventKind kind;
  std::string path;  // in the file system; a key for kKeySkipped
  absl::Status status;
  std::string detail;
  uint64_t bytes = 0;
  uint64_t total = 0;
};

// Implementations are thread-safe. Called with no lock held.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void OnEvent(const Event& event) = 0;
};

// Keeps what happens while something is busy, and tells it when it goes itself: to be declared before
// what is busy, so that whoever is told may use it. Not thread-safe.
class DeferredEvents {
 public:
  explicit DeferredEvents(EventSink* sink) : sink_(sink) {}
  ~DeferredEvents() {
    for (const Event& event : events_) sink_->OnEvent(event);
  }
  DeferredEvents(const DeferredEvents&) = delete;
  DeferredEvents& operator=(const DeferredEvents&) = delete;

  void Add(Event event) { events_.push_back(std::move(event)); }
  const std::vector<Event>& so_far() const { return events_; }

 private:
  EventSink* const sink_;
  std::vector<Event> events_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_EVENT_SINK_H_
