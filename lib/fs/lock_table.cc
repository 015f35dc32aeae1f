#include "lib/fs/lock_table.h"

#include <algorithm>
#include <cerrno>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/wait.h"

namespace s3files {

// Guarded by the table's lock.
struct FileLocks {
  LockList ranges;
  LockList whole;
  size_t waiting = 0;
};

namespace {

RangeLock WholeLock(uint64_t handle, LockType type) {
  return {{LockOwner::Kind::kHandle, handle}, type, {0, kToTheEnd}};
}

std::string Describe(const RangeLock& lock) {
  const std::string end =
      lock.range.end == kToTheEnd ? "the end" : absl::StrCat("byte ", lock.range.end);
  return absl::StrCat(lock.type == LockType::kExclusive ? "an exclusive" : "a shared",
                      " lock from byte ", lock.range.begin, " to ", end, " of ",
                      lock.owner.kind == LockOwner::Kind::kNamed
                          ? absl::StrCat("owner ", lock.owner.id)
                          : std::string("another handle"));
}

absl::Status InTheWay(const RangeLock& lock) {
  return Error(EAGAIN, absl::StrCat("the file has ", Describe(lock),
                                    "; try again, or wait with S3F_LOCK_WAIT"));
}

}  // namespace

std::shared_ptr<FileLocks> LockTable::Obtain(const InodePtr& inode) {
  absl::MutexLock lock(&inode->mu);
  if (inode->locks == nullptr) inode->locks = std::make_shared<FileLocks>();
  return inode->locks;
}

void LockTable::DropIfEmpty(const InodePtr& inode, const FileLocks& locks) {
  if (!locks.ranges.empty() || !locks.whole.empty() || locks.waiting > 0) return;
  absl::MutexLock lock(&inode->mu);
  inode->locks = nullptr;
}

absl::Status LockTable::Set(const CallContext& call, const InodePtr& inode, const RangeLock& lock,
                            bool wait) {
  absl::MutexLock table_lock(&mu_);
  const std::shared_ptr<FileLocks> locks = Obtain(inode);
  absl::Status status;
  if (wait && lock.type != LockType::kNone) {
    status = Await(call, *locks, locks->ranges, lock, false);
  } else if (const auto conflict = locks->ranges.FirstConflict(lock)) {
    status = InTheWay(*conflict);
  }
  if (status.ok()) {
    locks->ranges.Set(lock);
    changed_.SignalAll();
  }
  DropIfEmpty(inode, *locks);
  return status;
}

std::optional<RangeLock> LockTable::Test(const InodePtr& inode, const RangeLock& wanted) const {
  absl::MutexLock table_lock(&mu_);
  absl::MutexLock lock(&inode->mu);
  if (inode->locks == nullptr) return std::nullopt;
  return inode->locks->ranges.FirstConflict(wanted);
}

absl::Status LockTable::SetWhole(const CallContext& call, const InodePtr& inode, uint64_t handle,
                                 LockType type, bool wait) {
  const RangeLock lock = WholeLock(handle, type);
  absl::MutexLock table_lock(&mu_);
  const std::shared_ptr<FileLocks> locks = Obtain(inode);
  absl::Status status;
  if (locks->whole.TypeAt(lock.owner, 0) != type) {
    locks->whole.Release(lock.owner);
    changed_.SignalAll();
    if (wait) {
      status = Await(call, *locks, locks->whole, lock, true);
    } else if (const auto conflict = locks->whole.FirstConflict(lock)) {
      status = InTheWay(*conflict);
    }
    if (status.ok()) {
      locks->whole.Set(lock);
      changed_.SignalAll();
    }
  }
  DropIfEmpty(inode, *locks);
  return status;
}

void LockTable::ReleaseHandle(const InodePtr& inode, uint64_t handle) {
  absl::MutexLock table_lock(&mu_);
  const std::shared_ptr<FileLocks> locks = Obtain(inode);
  const LockOwner owner{LockOwner::Kind::kHandle, handle};
  locks->ranges.Release(owner);
  locks->whole.Release(owner);
  changed_.SignalAll();
  DropIfEmpty(inode, *locks);
}

absl::Status LockTable::Await(const CallContext& call, FileLocks& locks, LockList& list,
                              const RangeLock& wanted, bool whole) {
  const Waiter waiter{&list, wanted, whole};
  waiters_.push_back(&waiter);
  ++locks.waiting;
  // A request that closes a circle may let one pass that was behind in the queue.
  changed_.SignalAll();
  Verdict verdict = Verdict::kWait;
  absl::Status status = WaitUntil(call, mu_, changed_, "waiting for a lock", [&] {
    mu_.AssertHeld();
    verdict = Judge(waiter);
    return verdict != Verdict::kWait;
  });
  --locks.waiting;
  waiters_.erase(std::find(waiters_.begin(), waiters_.end(), &waiter));
  changed_.SignalAll();
  if (status.ok() && verdict == Verdict::kDeadlock) {
    return Error(EDEADLK,
                 "who holds the lock waits for one of this owner; release that, then try again");
  }
  return status;
}

LockTable::Verdict LockTable::Judge(const Waiter& waiter) const {
  Verdict verdict = Verdict::kGrant;
  waiter.list->ForEachHolder(waiter.wanted, [&](const LockOwner& holder) {
    mu_.AssertReaderHeld();
    if (verdict == Verdict::kGrant) verdict = Verdict::kWait;
    if (!waiter.whole && WaitsFor(holder, waiter.wanted.owner, /*queued=*/false)) {
      verdict = Verdict::kDeadlock;
    }
  });
  if (verdict != Verdict::kGrant) return verdict;
  ForEachAhead(waiter, [&](const LockOwner& ahead) {
    mu_.AssertReaderHeld();
    if (!WaitsFor(ahead, waiter.wanted.owner, /*queued=*/true)) verdict = Verdict::kWait;
  });
  return verdict;
}

template <typename Visit>
void LockTable::ForEachAhead(const Waiter& waiter, Visit visit) const {
  for (const Waiter* other : waiters_) {
    if (other == &waiter) return;
    if (other->list == waiter.list && Conflict(other->wanted, waiter.wanted)) {
      visit(other->wanted.owner);
    }
  }
}

bool LockTable::WaitsFor(const LockOwner& from, const LockOwner& to, bool queued) const {
  absl::btree_set<LockOwner> seen = {from};
  std::vector<LockOwner> open = {from};
  auto reach = [&](const LockOwner& owner) {
    if (seen.insert(owner).second) open.push_back(owner);
  };
  while (!open.empty()) {
    const LockOwner owner = open.back();
    open.pop_back();
    for (const Waiter* waiter : waiters_) {
      if (!(waiter->wanted.owner == owner)) continue;
      // flock's rule: nobody is refused for it.
      if (waiter->whole && !queued) continue;
      waiter->list->ForEachHolder(waiter->wanted, reach);
      if (queued) ForEachAhead(*waiter, reach);
    }
  }
  return seen.count(to) > 0;
}

}  // namespace s3files
