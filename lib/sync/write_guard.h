// Gives every write its precondition, also on stores that ignore some.
#ifndef S3FILES_LIB_SYNC_WRITE_GUARD_H_
#define S3FILES_LIB_SYNC_WRITE_GUARD_H_

#include <array>
#include <atomic>

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
  // `strict`: a condition that the store would ignore is an error instead of a check just before.
  WriteGuard(ObjectStore* store, EventSink* events, bool strict)
      : store_(store), events_(events), strict_(strict) {}

  // What to send with a write of `kind` to `key`, which is expected to hold `expected`. Where the
  // store honours the condition, the condition; otherwise `expected` is compared with a HEAD now
  // (the first time with an event), and the store compares again before it repeats the write.
  // ESTALE, EEXIST: it holds something else. ENOTSUP: strict.
  absl::StatusOr<Precondition> Prepare(const CallContext& call, absl::string_view key,
                                       const Version& expected, WriteKind kind);

  // The version the store now has under `key`; Absent where there is none.
  absl::StatusOr<Version> Current(const CallContext& call, absl::string_view key);

 private:
  bool Honours(const Version& expected, WriteKind kind) const;

  ObjectStore* const store_;
  EventSink* const events_;
  const bool strict_;
  std::array<std::atomic<bool>, 4> told_{};  // by WriteKind
};

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_WRITE_GUARD_H_
