// What is staged, on disk. A change is in it once Wait has returned.
#ifndef S3FILES_LIB_JOURNAL_JOURNAL_H_
#define S3FILES_LIB_JOURNAL_JOURNAL_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/call_context.h"
#include "lib/content/overlay_file.h"
#include "lib/journal/barrier_row.h"
#include "lib/journal/journal_database.h"
#include "lib/journal/move_row.h"
#include "lib/journal/staged_row.h"
#include "lib/journal/state_dir.h"
#include "lib/journal/upload_row.h"

namespace s3files {

// Thread-safe. A thread of its own writes: many changes in one transaction, after the files that they
// refer to. A file that no row refers to any more is removed then.
class Journal {
 public:
  // Changes that nobody waits for are gathered this long, so that a burst of them is few transactions.
  static constexpr int64_t kGatherNs = 50'000'000;
  static constexpr int64_t kRetryNs = 1'000'000'000;  // after a failure
  // Rows may hold bytes: when so many wait they are written at once, and AwaitRoom waits.
  static constexpr size_t kMostPending = 4 << 20;

  // Takes over the directory, for changes of what `url` names. EBUSY: see StateDir. EINVAL: it has
  // staged changes of another one. EIO: the journal is damaged; the message names what can be read of
  // it. Nothing was changed then.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& state_dir,
                                                       const std::string& url);
  ~Journal();  // writes what was put, as far as that can be done
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const StateDir& state_dir() const { return *state_dir_; }
  // What it held when it was opened, by id.
  struct Recovered {
    std::map<uint64_t, StagedRow> staged;
    std::map<uint64_t, UploadRow> uploads;
    std::map<uint64_t, MoveRow> moves;
    std::map<uint64_t, CopiesRow> copies;
    std::map<uint64_t, BarrierRow> barriers;
    // Changes: a barrier is none.
    size_t size() const { return staged.size() + uploads.size() + moves.size() + copies.size(); }
  };
  Recovered TakeRecovered() { return std::move(recovered_); }

  uint64_t NewId() { return next_id_.fetch_add(1, std::memory_order_relaxed); }
  // The row is what `id` has from now on; its bytes are in `files`. Returns a ticket for Wait.
  uint64_t Put(uint64_t id, const StagedRow& row,
               std::vector<std::shared_ptr<const OverlayFile>> files);
  template <typename Row>  // without files
  uint64_t Put(uint64_t id, const Row& row) {
    return Add(id, {row.Encode(), {}, {}});
  }
  uint64_t Remove(uint64_t id);

  // What is put while one of these lives is in one transaction. Nobody may wait meanwhile.
  class Together {
   public:
    explicit Together(Journal* journal);
    ~Together();
    Together(const Together&) = delete;
    Together& operator=(const Together&) = delete;

   private:
    Journal* const journal_;
  };

  // Returns when what was put up to `ticket` would survive a loss of power. ENOSPC, EIO: it does not
  // yet; the journal goes on trying. ETIMEDOUT, ECANCELED.
  absl::Status Wait(const CallContext& call, uint64_t ticket);
  absl::Status WaitForAll(const CallContext& call);
  // Returns when fewer than kMostPending bytes wait, or cannot be written.
  void AwaitRoom(const CallContext& call);

  uint64_t transactions() const;

 private:
  struct Change {
    std::optional<std::string> row;  // nullopt: removed
    std::vector<std::string> names;  // of the files below
    std::vector<std::shared_ptr<const OverlayFile>> files;
    size_t size() const { return row ? row->size() : 0; }
  };
  using Batch = absl::btree_map<uint64_t, Change>;

  Journal(std::unique_ptr<StateDir> state_dir, std::unique_ptr<JournalDatabase> database);
  absl::Status Load();
  bool LoadRow(uint64_t id, absl::string_view bytes);
  absl::Status CheckUrl(const std::string& url);
  absl::Status RemoveStrangers() const;
  uint64_t Add(uint64_t id, Change change);
  void NoteSuperseded(const Change& older, const Change& newer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Run();
  bool Due() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status WriteBatch(const Batch& batch);
  void RemoveFiles(const Batch& batch, const std::vector<std::string>& superseded);

  const std::unique_ptr<StateDir> state_dir_;
  const std::unique_ptr<JournalDatabase> database_;
  Recovered recovered_;
  std::atomic<uint64_t> next_id_{1};
  std::map<uint64_t, std::vector<std::string>> names_;  // of each row's files; the thread's own

  mutable absl::Mutex mu_;  // after an inode's; held across no i/o
  absl::CondVar put_;       // something was put, or is waited for
  absl::CondVar written_;
  Batch pending_ ABSL_GUARDED_BY(mu_);
  size_t pending_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of its rows
  // Files of changes that others have replaced before they were written.
  std::vector<std::string> superseded_ ABSL_GUARDED_BY(mu_);
  uint64_t last_ticket_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t awaited_ ABSL_GUARDED_BY(mu_) = 0;  // the highest ticket that is waited for
  uint64_t done_ ABSL_GUARDED_BY(mu_) = 0;     // tickets up to this are on disk
  uint64_t failed_ ABSL_GUARDED_BY(mu_) = 0;   // the last one that was tried in vain
  absl::Status error_ ABSL_GUARDED_BY(mu_);    // why
  uint64_t transactions_ ABSL_GUARDED_BY(mu_) = 0;
  int together_ ABSL_GUARDED_BY(mu_) = 0;  // how many Together live
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_JOURNAL_JOURNAL_H_
