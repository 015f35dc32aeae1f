// The locks that owners have on ranges of one file. Pure bookkeeping: see LockTable for waiting.
#ifndef S3FILES_LIB_FS_LOCK_LIST_H_
#define S3FILES_LIB_FS_LOCK_LIST_H_

#include <cstdint>
#include <optional>
#include <tuple>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "lib/base/byte_range.h"

namespace s3files {

enum class LockType : uint8_t { kNone = 0, kShared = 1, kExclusive = 2 };  // as S3F_LOCK_*

// Who holds or wants a lock: a handle, or whomever the application names. Equal numbers of the two
// are different owners.
struct LockOwner {
  enum class Kind : uint8_t { kHandle, kNamed };
  Kind kind = Kind::kHandle;
  uint64_t id = 0;
  friend bool operator==(const LockOwner& a, const LockOwner& b) {
    return a.kind == b.kind && a.id == b.id;
  }
  friend bool operator<(const LockOwner& a, const LockOwner& b) {
    return std::tie(a.kind, a.id) < std::tie(b.kind, b.id);
  }
};

inline constexpr uint64_t kToTheEnd = UINT64_MAX;  // of the file, however it grows

struct RangeLock {
  LockOwner owner;
  LockType type = LockType::kNone;
  ByteRange range;  // not empty
};

// Whether the two cannot be held at once.
bool Conflict(const RangeLock& a, const RangeLock& b);

// Not thread-safe. Between owners nothing is checked: what stands in the way is asked first.
class LockList {
 public:
  // The owner has `lock.type` on the range from now on, whatever it had there; neighbours of one
  // type become one lock, and what is cut in the middle two.
  void Set(const RangeLock& lock);
  void Release(const LockOwner& owner) { held_.erase(owner); }

  // What the owner has at `offset`.
  LockType TypeAt(const LockOwner& owner, uint64_t offset) const;
  // Calls `visit` with every owner that holds a lock in conflict with `wanted`.
  void ForEachHolder(const RangeLock& wanted,
                     absl::FunctionRef<void(const LockOwner&)> visit) const;
  // The lock in conflict with `wanted` that begins first; nullopt: there is none.
  std::optional<RangeLock> FirstConflict(const RangeLock& wanted) const;

  bool empty() const { return held_.empty(); }

 private:
  struct Piece {
    uint64_t end;
    LockType type;
  };
  using Pieces = absl::btree_map<uint64_t, Piece>;  // by begin; disjoint
  static std::optional<RangeLock> FirstConflict(const RangeLock& wanted, const LockOwner& owner,
                                                const Pieces& pieces);

  absl::btree_map<LockOwner, Pieces> held_;  // none is empty
};

}  // namespace s3files

#endif  // S3FILES_LIB_FS_LOCK_LIST_H_
