// What a handle reads and writes: a base (immutable bytes of one version) and on it the staged bytes
// of up to two generations: frozen (being committed) and live (taking writes).
#ifndef S3FILES_LIB_CONTENT_CONTENT_H_
#define S3FILES_LIB_CONTENT_CONTENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "lib/base/call_context.h"
#include "lib/content/base.h"
#include "lib/content/fetcher.h"
#include "lib/content/overlay.h"

namespace s3files {

// A frozen generation and what it lies on: immutable until its content is told how its commit went.
struct Snapshot {
  BasePtr base;                            // null: nothing below
  std::shared_ptr<const Overlay> overlay;  // null: nothing is staged
  bool borrowed = false;                   // the base is another file's: see Content::Borrow

  // All of it is a borrowed base as it stands: the store can copy it.
  bool IsCopy() const;
  uint64_t size() const;
  // Base bytes that show through where nothing is staged: [0, base_visible()).
  uint64_t base_visible() const;
};

// Thread-safe.
class Content {
 public:
  // `base` null: an empty file that is not in the store.
  Content(BasePtr base, Fetcher* fetcher, SpillArea* spill)
      : fetcher_(fetcher), spill_(spill), base_(std::move(base)) {}

  uint64_t size() const;
  BasePtr base() const;
  BasePtr committed_base() const;  // the same, but for what is borrowed: what Discard goes back to
  bool staged() const;             // has changes that are not committed
  uint64_t staged_bytes() const;   // in both generations

  // Returns how many bytes were read: less than asked only at the end. ESTALE: see Fetcher::Read.
  absl::StatusOr<size_t> Read(const CallContext& call, uint64_t offset, absl::Span<char> out);
  // The same into several buffers, one behind the other; still of one moment.
  absl::StatusOr<size_t> Read(const CallContext& call, uint64_t offset,
                              absl::Span<const absl::Span<char>> outs);

  // Stages; all or nothing. ESTALE after Retire. ENOSPC.
  absl::Status Write(uint64_t offset, absl::Span<const char> bytes) {
    return Write(offset, absl::MakeConstSpan(&bytes, 1));
  }
  absl::Status Write(uint64_t offset, absl::Span<const absl::Span<const char>> pieces);
  // At the end; returns the offset.
  absl::StatusOr<uint64_t> Append(absl::Span<const char> bytes) {
    return Append(absl::MakeConstSpan(&bytes, 1));
  }
  absl::StatusOr<uint64_t> Append(absl::Span<const absl::Span<const char>> pieces);
  absl::Status Truncate(uint64_t size);
  // A new file is a change even while nothing was written to it.
  void StageCreation();

  // A foreign version has replaced what this content shows: from now on it is read-only.
  void Retire();
  // The same where nothing is staged; false, and nothing done, where something is.
  bool RetireUnlessStaged();
  bool retired() const;

  // Commit, by one committer at a time: Freeze, then either Rebase or Thaw.
  // The live generation becomes frozen and is returned; no overlay in it where nothing is staged.
  // ENOSPC, EIO: an earlier Thaw could not merge two generations, and this could not either.
  absl::StatusOr<Snapshot> Freeze();
  // The frozen generation is committed as `base`: what is in memory becomes its cached bytes.
  void Rebase(BasePtr base);
  // The commit failed: the frozen generation takes writes again, with the live one's changes. On
  // error (ENOSPC, EIO) both are still there and readable.
  absl::Status Thaw();
  // The commit failed, and somebody is asked what is to become of the frozen generation: reads do not
  // wait for it any more, and what is written meanwhile stays apart from it until Thaw.
  void Suspend();
  // Retire, unless something was written since the last Freeze; then false.
  bool RetireUnlessWritten();
  // Nothing is frozen; `base` holds the same bytes as the one before, apart from staged ones.
  void Adopt(BasePtr base);
  // Nothing is frozen; the same bytes stand under another key or version: handles follow, what is in
  // the cache stays.
  void Rename(BasePtr base);
  // Forgets what is staged. Nothing is frozen.
  void Discard();

  // Brings what is staged to files that the journal then owns. ENOSPC, EIO: not all of it is there.
  struct Saved {
    std::vector<SavedOverlay> overlays;                     // frozen, live
    std::vector<std::shared_ptr<const OverlayFile>> files;  // theirs, to be synced
  };
  absl::StatusOr<Saved> Save();
  // What was saved, on top of the base, as the live generation of a content that nobody has yet. EIO.
  absl::Status Restore(const std::vector<SavedOverlay>& overlays);

  // A copy that the store is to make: instead of bytes, the base of another file. That file's base
  // where nothing is staged on it and its version is known and current; else null.
  BasePtr CleanBase() const;
  // Shows `source` from now on; staged like a write. Until the commit reads come from the source,
  // and give ESTALE once the store has another version of it. False, and nothing done, where this
  // is not empty or being committed. ESTALE after Retire.
  absl::StatusOr<bool> Borrow(const BasePtr& source);
  // Stages what still shows of a borrowed base, before the store loses it; waits for a commit under
  // way. Nothing where none is borrowed. On error some of it is staged. As Read and Write.
  absl::Status Own(const CallContext& call);
  bool borrowed() const;
  // Stages what still shows of the base, so that another may take its place. As Own.
  absl::Status StageBase(const CallContext& call);
  // The plan of a commit rests on this. Nothing is frozen by it.
  struct Shape {
    uint64_t size = 0;
    RangeSet staged;
    uint64_t base_visible = 0;
    bool has_base = false;
    bool is_copy = false;  // the store can copy all of it from another file
  };
  Shape shape() const;
  // Starts to bring in what of `range` is not staged. Never waits.
  void ReadAhead(const ByteRange& range);

  // Early upload of a file that is written from its start: the end of what may be sealed. 0 where
  // the staged bytes rest on anything below.
  uint64_t sequential_end() const;
  // nullopt where the range is not (any more) staged in the live generation. Where it is written
  // afterwards, rewritten() of the snapshot says so.
  std::optional<SealedBytes> Seal(const ByteRange& range);

 private:
  uint64_t SizeLocked() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  Overlay& Live() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Writable() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Whether the bytes of `stale` stand under another base by now, or will when the commit that is
  // under way has ended; waits for that.
  absl::StatusOr<bool> Rebased(const CallContext& call, const BasePtr& stale);
  // Copies what is staged of `range` and lists what must come from the base.
  absl::Status CopyStaged(const ByteRange& range, absl::Span<char> out,
                          std::vector<ByteRange>* from_base) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool OnBase() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  absl::Status StageBaseOf(const CallContext& call, const BasePtr& source);
  absl::Status StagePiece(const CallContext& call, const BasePtr& source, const ByteRange& piece);
  absl::Status Merge() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndCommit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Fetcher* const fetcher_;
  SpillArea* const spill_;

  mutable absl::Mutex mu_;  // before the cache's and the fetcher's; held across no network i/o
  BasePtr base_ ABSL_GUARDED_BY(mu_);
  std::optional<BasePtr> own_base_ ABSL_GUARDED_BY(mu_);  // set while base_ is another file's
  std::shared_ptr<Overlay> frozen_ ABSL_GUARDED_BY(mu_);  // immutable while it is here
  std::shared_ptr<Overlay> live_ ABSL_GUARDED_BY(mu_);
  bool retired_ ABSL_GUARDED_BY(mu_) = false;
  bool committing_ ABSL_GUARDED_BY(mu_) = false;  // from Freeze to Rebase or Thaw
  absl::CondVar committed_;                       // it ended
};

}  // namespace s3files

#endif  // S3FILES_LIB_CONTENT_CONTENT_H_
