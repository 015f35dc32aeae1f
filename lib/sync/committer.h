// Makes staged state the store's state: which inodes have changes, when they are committed, and
// what becomes of a change that cannot be.
#ifndef S3FILES_LIB_SYNC_COMMITTER_H_
#define S3FILES_LIB_SYNC_COMMITTER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/call_context.h"
#include "lib/base/clock.h"
#include "lib/base/event_sink.h"
#include "lib/base/executor.h"
#include "lib/inode/names.h"
#include "lib/journal/journal.h"
#include "lib/store/object_store.h"
#include "lib/sync/commit_diff.h"
#include "lib/sync/conflict.h"
#include "lib/sync/directory_mover.h"
#include "lib/sync/object_writer.h"
#include "lib/sync/uploads.h"
#include "lib/sync/write_guard.h"

namespace s3files {

inline constexpr int64_t kNever = INT64_MAX;

struct CommitPolicy {
  int64_t delay_ns = 0;  // 0: closing commits; kNever: only who asks; else so long after a write
  int64_t max_age_ns = int64_t{600} * 1'000'000'000;  // however long writing goes on
  uint64_t staged_limit = 0;                          // bytes; 0: none
  bool open_files = true;  // in the background; else not before they are closed
};

// Between attempts in the background.
inline constexpr int64_t kShortestBackoffNs = 1'000'000'000;
inline constexpr int64_t kLongestBackoffNs = 60'000'000'000;

// What commits did that one call has asked for.
struct CommitTally {
  uint32_t files = 0;
  uint64_t bytes = 0;
};

// Thread-safe.
class Committer {
 public:
  struct Parts {  // all outlive the committer
    ObjectStore* store;
    Fetcher* fetcher;
    Names* names;
    Uploads* uploads;
    ObjectWriter* writer;
    WriteGuard* guard;
    SpillArea* spill;
    EventSink* events;
    Clock* clock;
    Executor* transfers;  // parts
    Executor* commits;    // whole files; its tasks wait for those of `transfers`
    AttributeDefaults defaults;
    DirectoryMover* mover;
    Journal* journal;      // null: what is staged does not outlive the process
    ConflictJudge* judge;  // null: the store wins
  };
  Committer(const Parts& parts, const PartPolicy& part_policy, const CommitPolicy& policy);
  // Commits nothing and forgets nothing that the journal has: waits for background commits under way and aborts early uploads.
  ~Committer();
  // From now on nothing is committed in the background. Waits for what is, but for one that has called back.
  void Stop();

  // To be called after every change staged for `inode`, with no lock held. `handle` staged it.
  void NoteStaged(const InodePtr& inode, uint64_t handle);

  // Renames of directories that are staged in or around the directory.
  absl::Status CommitMovesWithin(const CallContext& call, const InodePtr& directory);

  // ---- The journal (committer_journal.cc). Without one these do nothing.
  enum class Durable : bool { kSoon, kNow };
  // Writes to it how the inode stands. kNow: returns when that would survive a loss of power. ENOSPC,
  // EIO, ETIMEDOUT, ECANCELED: it does not, or not yet.
  absl::Status Record(const CallContext& call, const InodePtr& inode, Durable durable);
  // The same where the journal has it already: it has changed, or is settled. By who made it busy, if
  // anybody did.
  absl::Status RecordAgain(const CallContext& call, const InodePtr& inode, Durable durable);
  // Its object is about to be removed, or was not after all.
  void RecordRemoving(const InodePtr& inode, bool removing);
  // Both at once, where either is there: `a` has the name of `b`, which was removed, or they have
  // changed places.
  void RecordBoth(const InodePtr& a, const InodePtr& b);
  // Of all in the directory, whose path or key has changed, and of a rename of it that is staged.
  // kNow.
  absl::Status RecordWithin(const CallContext& call, const InodePtr& directory);
  // Before what is recorded in the directory can be recorded without a request.
  absl::Status OwnWithin(const CallContext& call, const InodePtr& directory);
  // Of all that is staged, so that the process may end. kNow.
  absl::Status RecordAll(const CallContext& call);
  // What the journal held when it was opened is staged again. EIO: bytes of it are gone. One HEAD for
  // each file that was being committed; it may fail.
  absl::Status Recover(const CallContext& call);
  bool has_journal() const { return parts_.journal != nullptr; }
  static bool IsRecorded(const InodePtr& inode) {
    absl::MutexLock lock(&inode->mu);
    return inode->journal_id != 0;
  }

  // Changes the attributes of the inode: staged where it has staged bytes (`handle` is then whose) or
  // commits are delayed, else committed before this returns. Directories and symlinks, too. ENOSPC:
  // too much user metadata. EPERM: the root of a bucket. On failure nothing is changed here.
  absl::Status ChangeAttributes(const CallContext& call, const InodePtr& inode,
                                const AttributeChange& change, uint64_t handle);

  // Commits what is staged for the inode; no request where nothing is. See s3f_commit for errors.
  absl::Status Commit(const CallContext& call, const InodePtr& inode, CommitTally* tally = nullptr);
  // The same for an inode that the caller has made busy.
  absl::Status CommitBusy(const CallContext& call, const InodePtr& inode, DeferredEvents& events);
  // Everything staged within `directory`, several at a time, oldest first. Returns the first error.
  // `unless_open` leaves out files to which an open handle has staged.
  absl::Status CommitWithin(const CallContext& call, const InodePtr& directory,
                            bool unless_open = false, CommitTally* tally = nullptr);
  // The same for one that is staged, in the background, with no wait.
  void CommitSoon(const InodePtr& inode);

  // ---- Order and room (committer_schedule.cc).

  // What is staged now is committed before what is staged from now on: here even where this fails. OK:
  // and in the next process on the journal. ENOSPC, EIO, ETIMEDOUT, ECANCELED.
  absl::Status Barrier(const CallContext& call);
  // To be called before names are changed, with no inode busy: commits what is staged before a barrier.
  absl::Status SettleBarriers(const CallContext& call);
  // To be called before `inode` is written to, with no inode busy: what of it lies before a barrier is
  // committed, and, where more than `staged_limit` is staged, closed files are. EBUSY, ENOSPC; else the
  // error of a commit.
  absl::Status BeforeStaging(const CallContext& call, const InodePtr& inode);

  // What a commit of the inode would send; see s3f_diff.
  CommitDiff DiffOf(const InodePtr& inode) const;

  // ---- Renames of directories (committer_moves.cc). What writes to the store at a key has those
  // finished first that have their old or new place there: it calls SettleMoves, or AcquireSettled,
  // with no inode busy.

  // To be called after a rename of `directory` was staged, or taken back. Puts that to the journal, and
  // all in it under its new path: one transaction where the caller has held the journal Together.
  void NoteMoved(const InodePtr& directory);
  // Finishes it in the store; nothing where none is staged. See DirectoryMover::Carry for errors.
  absl::Status CommitMove(const CallContext& call, const InodePtr& directory);
  // Finishes all that have their old or new place at `key`, in it or around it, but for that of
  // `except`; waits for those that are about to be made. Objects that keep their old names are no
  // error here.
  absl::Status SettleMoves(const CallContext& call, absl::string_view key,
                           const InodePtr& except = nullptr);
  // Makes the inode busy at a time when no such move is at its key; none can come before it is idle.
  absl::StatusOr<BusyInode> AcquireSettled(const CallContext& call, const InodePtr& inode);

  // Whether a commit that seemed to fail did happen after all; then it is what the inode rests on
  // from now on. No request where no outcome is unknown. The caller has made the inode busy.
  absl::StatusOr<bool> AdoptOwn(const CallContext& call, const InodePtr& inode);
  // The same for an inode that is not busy.
  absl::StatusOr<bool> Settle(const CallContext& call, const InodePtr& inode);
  // Forgets what is staged. The caller has made the inode busy.
  void DiscardBusy(const CallContext& call, const InodePtr& inode);
  // What the inode's key holds is about to be replaced or removed: copies that were to be made of it
  // take its bytes first, but for that of `except`. Where these are gone, their commits will fail; any
  // other error is returned, and the object must stay. The caller has made the inode busy.
  absl::Status KeepBorrowed(const CallContext& call, const InodePtr& inode,
                            const Content* except = nullptr);
  // The inode is removed: its staged bytes stay readable for its handles, and are never committed.
  void ForgetRemoved(const InodePtr& inode) { Forget(inode); }
  // Ends the early upload: the key is about to change. The caller has made the inode busy.
  void DropEarlyUpload(const CallContext& call, const InodePtr& inode);
  // Those of all files: nothing that is staged now is to be committed any more.
  void AbortEarlyUploads(const CallContext& call);

  struct StagedInode {
    InodePtr inode;
    int64_t first_ns = 0;  // when it was staged; monotonic
    uint64_t epoch = 0;    // how many barriers there were before
    int64_t retry_ns = 0;  // not before, by itself
  };
  // The staged inode with the lowest number above `after`; a null inode at the end.
  StagedInode NextStaged(uint64_t after) const;
  int64_t AgeOf(const InodePtr& inode) const;          // 0 where nothing is staged
  int64_t NextAttemptOf(const InodePtr& inode) const;  // in the background; monotonic, 0: none
  size_t staged_count() const;

  struct Counters {
    uint64_t commits = 0, failures = 0, conflicts = 0;
  };
  Counters counters() const;

 private:
  struct Entry {
    InodePtr inode;
    std::shared_ptr<EarlyUpload> early;
    int64_t first_ns = 0;  // monotonic
    int64_t last_ns = 0;
    int64_t retry_ns = 0;  // not before, in the background
    int64_t backoff_ns = 0;
    bool under_way = false;  // in the background
    bool recovered = false;  // from the journal, and nothing was staged since
    bool wanted = false;     // somebody has asked for a commit, and does not wait for it
    uint64_t epoch = 0;      // barriers before it was staged
  };

  absl::Status KeepBorrowedWithin(const CallContext& call, const InodePtr& directory);
  void Enlist(const InodePtr& inode, uint64_t handle) ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode->mu);
  // Of an inode that is busy: merges the change with what the store has now. No request after which
  // the store has what it had.
  absl::Status WriteAttributes(const CallContext& call, const InodePtr& inode,
                               const AttributeChange& change, const std::string& commit_id);
  std::string BeginAttributes(const InodePtr& inode);
  static void EndAttributes(const InodePtr& inode);
  absl::Status WriteMarker(const CallContext& call, const InodePtr& inode,
                           const AttributeChange& change);
  void NoteAttributes(const InodePtr& inode, const ObjectInfo& read, const Stamp& written,
                      const std::string& key, ObjectMetadata metadata);
  absl::Status CommitStagedAttributes(const CallContext& call, const InodePtr& inode,
                                      DeferredEvents& events);

  absl::StatusOr<WriteJob> Prepare(const CallContext& call, const InodePtr& inode);
  void Succeed(const InodePtr& inode, const WriteJob& job, const Stamp& stamp,
               DeferredEvents& events);
  absl::Status Fail(const InodePtr& inode, const absl::Status& status, DeferredEvents& events);
  // ---- Conflicts (committer_conflicts.cc). True: to be committed again.
  absl::StatusOr<bool> SettleConflict(const CallContext& call, const InodePtr& inode,
                                      const WriteJob& job, const absl::Status& status,
                                      DeferredEvents& events);
  absl::StatusOr<bool> OwnAndRetry(const CallContext& call, const InodePtr& inode,
                                   DeferredEvents& events);
  absl::StatusOr<ConflictCase> CaseOf(const CallContext& call, const InodePtr& inode,
                                      const WriteJob& job, int error);
  absl::StatusOr<bool> AskJudge(const CallContext& call, const InodePtr& inode, const WriteJob& job,
                                int error, const absl::Status& status, DeferredEvents& events);
  absl::StatusOr<bool> CommitMine(const CallContext& call, const InodePtr& inode,
                                  const WriteJob& job, const ConflictCase& conflict,
                                  const absl::Status& status, DeferredEvents& events);
  ConflictDecision Judge(const ConflictCase& conflict);
  // False, and nothing done: it was written to since it was frozen.
  bool TakeMerged(const InodePtr& inode, const ConflictCase& conflict);
  bool DropMine(const CallContext& call, const InodePtr& inode);
  void Rest(const InodePtr& inode, const ConflictCase& conflict)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode->mu);
  void NoteSettledConflict();
  // Why the store wins, and with which version (Unknown: it could not be asked).
  struct Defeat {
    int error;
    absl::string_view why;
    Version winner;
  };
  absl::Status ToLostAndFound(const InodePtr& inode, const WriteJob& job, const Defeat& defeat,
                              const absl::Status& status, DeferredEvents& events);
  Version WinnerOf(const CallContext& call, const WriteJob& job) const;
  void AdvanceEarlyUpload(const InodePtr& inode, const std::shared_ptr<Content>& content);
  std::shared_ptr<EarlyUpload> StartEarlyUpload(const InodePtr& inode,
                                                const std::shared_ptr<Content>& content);
  std::shared_ptr<EarlyUpload> TakeEarlyUpload(const InodePtr& inode);
  // Nothing is staged of it any more, or what came meanwhile. The journal says so before anything else
  // can become of the key: what it says of it would be old then.
  void Forget(const InodePtr& inode);
  void RemoveEntry(const InodePtr& inode, std::shared_ptr<EarlyUpload>* early);
  static absl::Status OwnBorrowed(const CallContext& call, const InodePtr& inode);
  absl::Status RecordNow(const CallContext& call, const InodePtr& inode, Durable durable);
  bool WasRemoved(const CallContext& call, const StagedRow& row) const;
  absl::StatusOr<InodePtr> RecoverRow(uint64_t id, StagedRow& row);
  InodePtr BindDirectory(absl::string_view path);
  void RecoverMoves(Journal::Recovered& recovered);
  void RecoverBarriers(const std::map<uint64_t, BarrierRow>& rows)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RestoreEpoch(const InodePtr& inode, uint64_t epoch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EnlistMove(const InodePtr& directory);
  std::vector<InodePtr> RecordedWithin(const InodePtr& directory) const;
  absl::Status PutWithin(const InodePtr& directory);

  absl::Status CommitAndTell(const CallContext& call, const InodePtr& inode,
                             DeferredEvents& events);
  absl::Status CommitMoveAndTell(const CallContext& call, const InodePtr& directory,
                                 DeferredEvents& events);
  absl::Status SettleMove(const CallContext& call, const Names::Move& move);
  absl::Status CarryMove(const CallContext& call, const InodePtr& directory,
                         DeferredEvents& events);
  absl::Status TellMoveError(const InodePtr& directory);
  // The error of a move at the inode that failed just now; OK: it may be tried.
  absl::Status MoveInBackoff(const InodePtr& inode) const;

  static constexpr uint64_t kAnyEpoch = UINT64_MAX;
  std::vector<StagedInode> StagedBefore(uint64_t epoch) const;  // oldest first
  uint64_t EpochOf(const InodePtr& inode) const;
  bool IsStaged(const InodePtr& inode) const;
  uint64_t StagedBytes() const;
  absl::Status SettleBefore(const CallContext& call, uint64_t epoch);
  absl::Status MakeRoom(const CallContext& call);
  void StartSchedule() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunSchedule();
  void SubmitDue(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int64_t DueLocked(const Entry& entry) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool MayCommitInBackground(const InodePtr& inode);
  void CommitInBackground(const InodePtr& inode);
  void NoteAttempt(const InodePtr& inode, const absl::Status& status);

  const Parts parts_;
  const PartPolicy part_policy_;
  const CommitPolicy policy_;

  mutable absl::Mutex mu_;  // after any inode's, before an early upload's and a content's
  absl::CondVar schedule_changed_;
  absl::btree_map<uint64_t, Entry> staged_ ABSL_GUARDED_BY(mu_);  // by inode number
  Counters counters_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<uint64_t> barriers_{0};              // so far; grows under mu_
  uint64_t barrier_row_ ABSL_GUARDED_BY(mu_) = 0;  // in the journal; 0: none yet

  TaskGroup background_;
  std::thread scheduler_ ABSL_GUARDED_BY(mu_);  // once something is to be done by itself
};

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_COMMITTER_H_
