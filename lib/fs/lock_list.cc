#include "lib/fs/lock_list.h"

#include <algorithm>
#include <iterator>

namespace s3files {

bool Conflict(const RangeLock& a, const RangeLock& b) {
  return !(a.owner == b.owner) && a.type != LockType::kNone && b.type != LockType::kNone &&
         (a.type == LockType::kExclusive || b.type == LockType::kExclusive) &&
         !Intersect(a.range, b.range).empty();
}

void LockList::Set(const RangeLock& lock) {
  Pieces& pieces = held_[lock.owner];
  ByteRange range = lock.range;
  auto it = pieces.lower_bound(range.begin);
  if (it != pieces.begin() && std::prev(it)->second.end >= range.begin) --it;
  // `it`: the first lock that overlaps the range or touches its begin.
  while (it != pieces.end() && it->first <= range.end) {
    const ByteRange old{it->first, it->second.end};
    const LockType type = it->second.type;
    it = pieces.erase(it);
    if (type == lock.type) {
      range = {std::min(range.begin, old.begin), std::max(range.end, old.end)};
      continue;
    }
    if (old.begin < range.begin) {
      pieces[old.begin] = {std::min(old.end, range.begin), type};
    }
    if (old.end > range.end) {
      pieces[std::max(old.begin, range.end)] = {old.end, type};
    }
    it = pieces.upper_bound(old.begin);
    // What was left of it behind the range lies past everything that can still touch it.
    if (old.end > range.end) break;
  }
  if (lock.type != LockType::kNone) pieces[range.begin] = {range.end, lock.type};
  if (pieces.empty()) held_.erase(lock.owner);
}

LockType LockList::TypeAt(const LockOwner& owner, uint64_t offset) const {
  auto held = held_.find(owner);
  if (held == held_.end()) return LockType::kNone;
  auto it = held->second.upper_bound(offset);
  if (it == held->second.begin()) return LockType::kNone;
  --it;
  return it->second.end > offset ? it->second.type : LockType::kNone;
}

std::optional<RangeLock> LockList::FirstConflict(const RangeLock& wanted, const LockOwner& owner,
                                                 const Pieces& pieces) {
  auto it = pieces.upper_bound(wanted.range.begin);
  if (it != pieces.begin()) --it;
  for (; it != pieces.end() && it->first < wanted.range.end; ++it) {
    const RangeLock lock{owner, it->second.type, {it->first, it->second.end}};
    if (Conflict(lock, wanted)) return lock;
  }
  return std::nullopt;
}

void LockList::ForEachHolder(const RangeLock& wanted,
                             absl::FunctionRef<void(const LockOwner&)> visit) const {
  for (const auto& [owner, pieces] : held_) {
    if (FirstConflict(wanted, owner, pieces)) visit(owner);
  }
}

std::optional<RangeLock> LockList::FirstConflict(const RangeLock& wanted) const {
  std::optional<RangeLock> first;
  for (const auto& [owner, pieces] : held_) {
    const std::optional<RangeLock> lock = FirstConflict(wanted, owner, pieces);
    if (lock && (!first || lock->range.begin < first->range.begin)) first = lock;
  }
  return first;
}

}  // namespace s3files
