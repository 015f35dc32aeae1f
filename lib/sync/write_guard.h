// Gives every write its precondition, also on stores that ignore some.
#ifndef S3FILES_LIB_SYNC_WRITE_GUARD_H_
#define S3FILES_LIB_SYNC_WRITE_GUARD_H_

#include <array>
#include <atomic>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/call_context.h"
#include "lib/base/event_sink.h"
#include "lib/store/object_store.h"

namespace s3files {

enum class WriteKind : uint8_t { kPut, kComplete, kCopy, kDelete };

// Thread-safe.
class WriteGuard {
 public:
  // `prefix`: the file system's, which events leave out. `strict`: a condition that the store may
  // ignore is an error instead of a check just before.
  WriteGuard(ObjectStore* store, EventSink* events, absl::string_view prefix, bool strict)
      : store_(store), events_(events), prefix_(prefix), strict_(strict) {}

  // What to send with a write of `kind` to `key`, which is expected to hold `expected`. Where the
  // store honours the condition, the condition; otherwise `expected` is compared with a HEAD now
  // (the first time with an event), and the store object sends the condition where it may help, and
  // compares again before it repeats the write.
  // ESTALE, EEXIST: it holds something else. ENOTSUP: strict.
  absl::StatusOr<Precondition> Prepare(const CallContext& call, absl::string_view key,
                                       const Version& expected, WriteKind kind);

  // The version the store now has under `key`; Absent where there is none.
  absl::StatusOr<Version> Current(const CallContext& call, absl::string_view key);

 private:
  bool Honours(const Version& expected, WriteKind kind) const;
  // That writes of `kind` are checked with a HEAD, once.
  void Tell(absl::string_view key, WriteKind kind);

  ObjectStore* const store_;
  EventSink* const events_;
  const std::string prefix_;
  const bool strict_;
  std::array<std::atomic<bool>, 4> told_{};  // by WriteKind
};

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_WRITE_GUARD_H_
