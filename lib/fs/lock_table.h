// Advisory locks among the handles of one file system; never in the store.
#ifndef S3FILES_LIB_FS_LOCK_TABLE_H_
#define S3FILES_LIB_FS_LOCK_TABLE_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/call_context.h"
#include "lib/fs/lock_list.h"
#include "lib/inode/inode.h"

namespace s3files {

// Thread-safe. The locks of a file hang on its inode: they follow it through renames, keep it from
// being forgotten, and go with it.
//
// Who waits stands in a queue. A lock that is held keeps others out whoever asks; a lock that is
// waited for keeps out those who come to wait later, so that readers do not starve a writer, unless
// its own wait can only end after theirs. An owner that waits is taken to release nothing meanwhile:
// where each of a circle of owners waits for the next, on whichever files, one is told EDEADLK.
class LockTable {
 public:
  // Sets a lock of the owner, or releases with kNone. What the owner had in the range is replaced
  // once the lock is granted; on failure it has what it had.
  // EAGAIN: another owner holds a lock in the way, and `wait` is not set. EDEADLK. ETIMEDOUT,
  // ECANCELED: not granted in time.
  absl::Status Set(const CallContext& call, const InodePtr& inode, const RangeLock& lock,
                   bool wait);
  // The first lock in the way of `wanted`; nullopt: there is none.
  std::optional<RangeLock> Test(const InodePtr& inode, const RangeLock& wanted) const;

  // A lock of the whole file that belongs to a handle, apart from those above. A handle that has
  // one of another type gives that up first, and on failure has none.
  // EAGAIN, ETIMEDOUT, ECANCELED as above; never EDEADLK.
  absl::Status SetWhole(const CallContext& call, const InodePtr& inode, uint64_t handle,
                        LockType type, bool wait);

  // All of both kinds that belong to the handle.
  void ReleaseHandle(const InodePtr& inode, uint64_t handle);

 private:
  // A request that is not granted yet.
  struct Waiter {
    const LockList* list;
    RangeLock wanted;
    bool whole;
  };
  enum class Verdict { kGrant, kWait, kDeadlock };

  std::shared_ptr<FileLocks> Obtain(const InodePtr& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropIfEmpty(const InodePtr& inode, const FileLocks& locks)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Await(const CallContext& call, FileLocks& locks, LockList& list,
                     const RangeLock& wanted, bool whole) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Verdict Judge(const Waiter& waiter) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Calls `visit` with the owners of requests that wait longer than `waiter`, in its way.
  template <typename Visit>
  void ForEachAhead(const Waiter& waiter, Visit visit) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Whether `from` waits for `to`, directly or through others: for locks that are held, and with
  // `queued` also for whom it stands behind.
  bool WaitsFor(const LockOwner& from, const LockOwner& to, bool queued) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;                                   // before an inode's
  absl::CondVar changed_;                                    // a lock or the queue did
  std::vector<const Waiter*> waiters_ ABSL_GUARDED_BY(mu_);  // the longest waiting first
};

}  // namespace s3files

#endif  // S3FILES_LIB_FS_LOCK_TABLE_H_
