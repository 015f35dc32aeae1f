// One file, directory or symlink: what is known of it and how it stands with the store.
#ifndef S3FILES_LIB_INODE_INODE_H_
#define S3FILES_LIB_INODE_INODE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/call_context.h"
#include "lib/base/lazy.h"
#include "lib/content/content.h"
#include "lib/inode/attributes.h"
#include "lib/inode/kept_metadata.h"
#include "lib/inode/packed_inode.h"
#include "lib/store/object_store.h"

namespace s3files {

struct Inode;
struct FileLocks;  // see LockTable
using InodePtr = std::shared_ptr<Inode>;

// What is known of a directory's place in the store. Times are monotonic; 0 = never.
struct DirectoryState {
  int64_t exists_ns = 0;        // when it was last seen to exist
  std::optional<Stamp> marker;  // its marker object, where one was seen
  uint64_t spare_children = 0;  // other keys seen under it: it outlives this many removals
  bool local = false;           // never in the store: lost+found
  int64_t changed_ns = 0;       // when we last made or removed a name in it; wall time, 0 = never

  // A complete listing, so that an absence can be known without a request.
  struct Listing {
    absl::flat_hash_set<std::string> names;
    int64_t at_ns = 0;
  };
  std::optional<Listing> listing;
  // Names that were asked for when nothing had them, and when that was; at most kMostAbsent.
  static constexpr size_t kMostAbsent = 10'000;
  absl::flat_hash_map<std::string, int64_t> absent;
  uint64_t made = 0;           // counts names that were made here: what was asked for before is old
  bool being_listed = false;   // one thread lists, others wait for Inode::changed
  uint64_t lookups = 0;        // absences asked for since the last listing
  uint64_t listing_pages = 1;  // what a complete listing is believed to cost
};

// Where a file in lost+found comes from.
struct LostFile {
  std::string path;  // from the root, without a leading '/'
  std::string key;
  Version base;    // the version that the change was made on
  Version winner;  // what the key held when the conflict was settled; Unknown: not known
};

// No handle has these ids.
inline constexpr uint64_t kClosedHandle = 0;
inline constexpr uint64_t kAbandonedHandle = UINT64_MAX;

struct Inode {
  Inode(uint64_t ino, uint64_t generation, FileType type)
      : ino(ino), generation(generation), type(type) {}

  const uint64_t ino;         // no other inode's for as long as its Names lives
  const uint64_t generation;  // how many names had been removed before its was bound
  const FileType type;

  // Its place in the tree: guarded by the lock of the Names it belongs to.
  InodePtr parent;  // null: the root, or not in the tree (any more)
  std::string name;
  absl::flat_hash_map<std::string, InodePtr> children;
  Lazy<PackedInodes> packed;  // further children, none of them also above
  // A path leads to it. What is not attached has no children: they would hold each other for ever.
  bool attached = false;

  mutable absl::Mutex mu;  // after the lock of Names, before a content's
  absl::CondVar changed;   // signalled when `busy`, `being_listed` or a write here ends

  // A commit, rename, removal or discard is under way; one at a time. See BusyInode.
  bool busy ABSL_GUARDED_BY(mu) = false;
  // Of a directory: writes to the store under its key for which no inode is busy. See HoldPlace.
  uint32_t writes_here ABSL_GUARDED_BY(mu) = 0;
  // Counts changes of what is known; a reply asked for under another epoch is stale.
  uint64_t epoch ABSL_GUARDED_BY(mu) = 0;

  // As imported, with staged changes.
  Attributes attributes ABSL_GUARDED_BY(mu);
  int64_t ctime_ns ABSL_GUARDED_BY(mu) = 0;             // of the last change made here; 0: none
  std::optional<int64_t> atime_ns ABSL_GUARDED_BY(mu);  // as set; never in the store
  // As imported.
  KeptMetadata metadata ABSL_GUARDED_BY(mu);
  uint32_t tag_count ABSL_GUARDED_BY(mu) = 0;  // of the object in the store, when last seen
  bool full ABSL_GUARDED_BY(mu) = false;       // attributes, metadata and tags are known
  // What is staged of the attributes. Those above show it already.
  Lazy<AttributeChange> change ABSL_GUARDED_BY(mu);
  // What the store holds under this inode's key, last seen or written. Absent: nothing.
  Stamp committed ABSL_GUARDED_BY(mu);
  int64_t validated_ns ABSL_GUARDED_BY(mu) = 0;  // when it was last seen to be so; monotonic

  // Files.
  std::shared_ptr<Content> content ABSL_GUARDED_BY(mu);
  bool removed ABSL_GUARDED_BY(mu) = false;    // unlinked or replaced: never published
  bool conflict ABSL_GUARDED_BY(mu) = false;   // in lost+found
  Lazy<LostFile> lost ABSL_GUARDED_BY(mu);     // then: where it was
  bool exclusive ABSL_GUARDED_BY(mu) = false;  // made with O_EXCL and not committed yet
  uint32_t open_handles ABSL_GUARDED_BY(mu) = 0;
  // Handles that staged what is not committed; kClosedHandle for those that are closed,
  // kAbandonedHandle for those whose bytes stay only because others have staged, too.
  std::set<uint64_t> stagers ABSL_GUARDED_BY(mu);
  int64_t staged_since_ns ABSL_GUARDED_BY(mu) = 0;
  int64_t last_staged_ns ABSL_GUARDED_BY(mu) = 0;
  // The last failed commit.
  uint32_t attempts ABSL_GUARDED_BY(mu) = 0;
  absl::Status last_error ABSL_GUARDED_BY(mu);
  bool error_seen ABSL_GUARDED_BY(mu) = true;  // some call has returned last_error
  // Commit ids whose outcome is not known: a foreign version that carries one of them is ours.
  std::vector<std::string> unresolved ABSL_GUARDED_BY(mu);
  std::string committing ABSL_GUARDED_BY(mu);   // id of the commit under way; empty: none
  uint64_t journal_id ABSL_GUARDED_BY(mu) = 0;  // its row in the journal; 0: none
  bool removing ABSL_GUARDED_BY(mu) = false;    // its object is being removed

  // Contents that show this file's base, not copied yet. See Committer::KeepBorrowed.
  std::vector<std::weak_ptr<Content>> borrowers ABSL_GUARDED_BY(mu);
  // Null: nobody has or waits for an advisory lock.
  std::shared_ptr<FileLocks> locks ABSL_GUARDED_BY(mu);

  Lazy<DirectoryState> directory ABSL_GUARDED_BY(mu);

  // As imported, with what is staged.
  ObjectMetadata ShownMetadata() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Whether an object with this metadata is what a write of ours made whose outcome is not known.
  bool MayHaveWritten(const ObjectMetadata& found) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // A handle that is still open has staged to it.
  bool StagedByOpen() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return stagers.size() > stagers.count(kClosedHandle) + stagers.count(kAbandonedHandle);
  }
  // Takes the staged change for a commit. Until that has ended the inode shows it as if committed;
  // `before` is what to go back to, where there is anything.
  AttributeChange TakeChange(std::optional<ObjectMetadata>* before)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // It is staged again, with what came meanwhile.
  void RestoreChange(AttributeChange taken, const std::optional<ObjectMetadata>& before)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Bytes or attributes are not committed.
  bool Staged() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return (content != nullptr && content->staged()) || !change->empty();
  }
};

// Makes the inode busy for its lifetime.
class BusyInode {
 public:
  // Waits until it is idle. ETIMEDOUT, ECANCELED; EDEADLK in a callback of the application.
  static absl::StatusOr<BusyInode> Acquire(const CallContext& call, InodePtr inode);
  // Empty where it is busy.
  static std::optional<BusyInode> TryAcquire(InodePtr inode);

  BusyInode(BusyInode&& other) noexcept : inode_(std::exchange(other.inode_, nullptr)) {}
  BusyInode& operator=(BusyInode&&) = delete;
  ~BusyInode();

 private:
  explicit BusyInode(InodePtr inode) : inode_(std::move(inode)) {}
  InodePtr inode_;
};

// While it lives the directory, and those it lies in, keep their keys: for a write to the store that
// makes no inode busy.
class HoldPlace {
 public:
  explicit HoldPlace(InodePtr directory);
  HoldPlace(const HoldPlace&) = delete;
  HoldPlace& operator=(const HoldPlace&) = delete;
  ~HoldPlace();

 private:
  const InodePtr directory_;
};

// Waits until the inode is neither busy nor held. Errors as BusyInode::Acquire.
absl::Status AwaitIdle(const CallContext& call, const InodePtr& inode);

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_INODE_H_
