// The tree of names: which inode a path means, and which key an inode has.
#ifndef S3FILES_LIB_INODE_NAMES_H_
#define S3FILES_LIB_INODE_NAMES_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/call_context.h"
#include "lib/inode/inode.h"

namespace s3files {

inline constexpr char kLostAndFound[] = ".s3files-lost+found";

// The stages of a directory's rename, as far as the store lags behind the tree of names.
enum class MovePhase : uint8_t {
  kNone,
  kDeclared,  // about to be made: the names are as before, but nothing new is written at them
  kStaged,    // the names are changed; the store has everything under the old key, the origin
  kLanded,    // the store has everything under the new key, and the origin is being removed
};

struct NamesOptions {
  std::string prefix;
  size_t limit = 100'000;  // of inodes, apart from those that are used or staged
  // Of inodes that are not packed, likewise: packing takes about as long as looking a name up.
  size_t unpacked_limit = 1024;
};

// Thread-safe. Knows only inodes that were looked up; what the store holds besides is the
// importer's business. Inodes that nobody uses and that have nothing staged are packed, and beyond
// the limit dropped.
class Names {
 public:
  // `fetcher` and `spill` are for the contents of inodes that were packed.
  Names(NamesOptions options, Fetcher* fetcher, SpillArea* spill);
  ~Names();  // unties the tree; inodes that others hold lose their children only

  const InodePtr& root() const { return root_; }
  const InodePtr& lost_and_found() const { return lost_; }
  const std::string& prefix() const { return options_.prefix; }

  // The inode bound to the name; null where none is known.
  InodePtr Child(const InodePtr& directory, absl::string_view name);
  // Those that are not packed: all that are used, borrowed, staged or lost.
  std::vector<InodePtr> Children(const InodePtr& directory) const;
  bool HasChildren(const InodePtr& directory) const;  // likewise

  // The ino and generation that an inode bound to the name has, or would have.
  std::pair<uint64_t, uint64_t> IdOf(const InodePtr& directory, absl::string_view name) const;

  // A new inode bound to the name, or the one that another thread bound first. In a directory to
  // which no path leads (any more) it is bound to nothing: see IsAttached.
  InodePtr Bind(const InodePtr& directory, absl::string_view name, FileType type);
  // The inode keeps what it has but no name; nothing where it has none. Whatever is bound to the name
  // next is another inode, with another generation.
  void Unbind(const InodePtr& inode);
  // Binds to another name; returns the inode that was there, now unbound, or null.
  InodePtr Rebind(const InodePtr& inode, const InodePtr& directory, absl::string_view name);
  // The two change places; neither is a directory.
  void Exchange(const InodePtr& a, const InodePtr& b);

  // Its key, without a trailing '/'; of the root the prefix. Of an unbound inode: its last one.
  std::string KeyOf(const InodePtr& inode) const;
  std::string ChildKey(const InodePtr& directory, absl::string_view name) const;
  // As KeyOf with a '/' at the end: what a directory's keys begin with.
  std::string DirectoryKey(const InodePtr& directory) const;
  InodePtr ParentOf(const InodePtr& inode) const;
  // From the root, without a leading '/'.
  std::string PathOf(const InodePtr& inode) const;
  std::string NameOf(const InodePtr& inode) const;  // the root has none
  // Whether `inode` is `directory` or lies under it.
  bool IsWithin(const InodePtr& inode, const InodePtr& directory) const;
  // Whether a path leads to it: it is bound, and so is all that it lies in.
  bool IsAttached(const InodePtr& inode) const;

  size_t size() const;    // of all inodes
  size_t packed() const;  // of those that are packed

  // ---- Renames of directories that the store has not followed yet (names_moves.cc).
  // KeyOf and the like say where a thing is to be; SourceKey and the like where the store has it.
  // Everything that asks the store takes the latter. Moves that are under way are disjoint: none
  // has its old or new place in, or around, that of another. Without any, all of these cost one
  // atomic load more than KeyOf.
  std::string SourceKey(const InodePtr& inode) const;
  std::string SourceDirectoryKey(const InodePtr& directory) const;
  std::string SourceChildKey(const InodePtr& directory, absl::string_view name) const;
  // Whether what the store holds under directory + `rest` ("name", "name/" or "") is not there here:
  // it was moved away and is still to go, or it is a copy that a move has made so far.
  bool MovedAway(const InodePtr& directory, absl::string_view rest) const;
  // Grows when a source key changes: an answer asked for before may be about keys that are gone.
  uint64_t landings() const { return landings_.load(std::memory_order_acquire); }

  // Declares the rename of `directory` to `name` in `parent`; waits for such that overlap. From then
  // on PlaceUnsettled holds at both places. Ended by EndDeclared. ETIMEDOUT, ECANCELED.
  absl::Status DeclareMove(const CallContext& call, const InodePtr& directory,
                           const InodePtr& parent, absl::string_view name);
  void EndDeclared(const InodePtr& directory);

  struct MoveStep {
    InodePtr wait_for;  // busy, or a write under it: nothing was done, try again once it is not
    bool cancelled = false;  // it is back where the store has it: there is nothing left to do
  };
  // Renames `directory`, with all that is known in it, in one step; what is bound to the name goes.
  // The caller has declared it and made `directory` busy, and what is bound to the name.
  // ENAMETOOLONG: a key in it would be too long. EINVAL: into itself.
  absl::StatusOr<MoveStep> StageMove(const InodePtr& directory, const InodePtr& parent,
                                     absl::string_view name);
  // The store's copies have begun: from here on it must be finished before it is renamed again.
  void StartMove(const InodePtr& directory);
  // The store has everything under the new key: source keys become those. `rekey` is called for each
  // inode known in the directory, with its old and new key, a directory's ending in '/'. Returns an
  // inode that is busy (nothing was done) or null.
  using Rekey = std::function<void(Inode&, const std::string&, const std::string&)>;
  InodePtr LandMove(const InodePtr& directory, const Rekey& rekey);
  void EndMove(const InodePtr& directory);
  // It stands as in an earlier process, staged or landed; `directory` is bound where it is to be.
  void RestoreMove(const InodePtr& directory, const std::string& origin, MovePhase phase);

  struct Move {
    InodePtr directory;  // null: there is none
    MovePhase phase = MovePhase::kNone;
    bool started = false;
    std::string origin;  // ends in '/'
  };
  Move MoveOf(const InodePtr& directory) const;  // staged or landed
  // Some move whose old or new place holds `key` + '/', or lies in it; of another directory than
  // `except`. Of an inode the key counts.
  Move MoveAround(absl::string_view key, const InodePtr& except = nullptr) const;
  Move MoveAround(const InodePtr& inode) const;
  // Waits until no rename of `directory` is declared.
  absl::Status AwaitDeclared(const CallContext& call, const InodePtr& directory) const;
  // Whether a staged or landed move has its new place in `directory`, or is its own.
  bool KeepsMove(const InodePtr& directory) const;

 private:
  struct MoveEntry {
    InodePtr directory;
    MovePhase phase;
    bool started = false;
    std::string origin;
    std::string target;  // of declared ones; of others the directory's key
  };
  std::string PathLocked(const Inode& inode) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void BindLocked(const InodePtr& inode, const InodePtr& directory, absl::string_view name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UnbindLocked(Inode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::pair<uint64_t, uint64_t> IdLocked(uint64_t place) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void LeaveLocked(const Inode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SettleLocked(const Inode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The child, unpacked where it was packed; null where none is known.
  InodePtr FindLocked(const InodePtr& directory, absl::string_view name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  InodePtr Unpack(const InodePtr& directory, absl::string_view name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UnpackUnder(const InodePtr& directory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Parents and children hold each other: lets all that lies in it go.
  void Untie(Inode& directory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Packs or drops what it may, before an inode is added.
  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  enum class Room : uint8_t { kPack, kDrop };
  void MakeRoomUnder(Inode& directory, Room how) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string SourceDirectoryKeyLocked(const Inode& directory) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  std::string SourceKeyLocked(const Inode& inode) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool WithinLocked(const Inode* inode, const Inode* directory) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  std::string DirectoryKeyLocked(const Inode& directory) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  const MoveEntry* OriginAbove(const Inode& inode) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  const MoveEntry* MoveAroundLocked(absl::string_view place, const Inode* except) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  InodePtr BusyWithin(const InodePtr& directory, const Inode* except) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void RekeyAll(Inode& inode, const std::string& from, const std::string& to, const Rekey& rekey)
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void EraseMove(const Inode* directory, bool declared) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const NamesOptions options_;
  Fetcher* const fetcher_;
  SpillArea* const spill_;
  const InodePtr root_;
  InodePtr lost_;

  mutable absl::Mutex mu_;  // before any inode's
  // An ino is the hash of the place where the inode was first bound, so that one that was dropped
  // and is looked up again has the same. What stands here are the exceptions: places that have seen
  // a removal or a rename, at most `limit`.
  absl::flat_hash_map<uint64_t, std::pair<uint64_t, uint64_t>> ids_ ABSL_GUARDED_BY(mu_);
  uint64_t first_generation_ ABSL_GUARDED_BY(mu_) = 0;  // of places that are not in ids_
  uint64_t next_generation_ ABSL_GUARDED_BY(mu_) = 1;
  size_t unpacked_ ABSL_GUARDED_BY(mu_) = 0;
  size_t packed_ ABSL_GUARDED_BY(mu_) = 0;
  // How many of them there are when it is worth while to look again for what can go.
  size_t pack_at_ ABSL_GUARDED_BY(mu_);
  size_t drop_at_ ABSL_GUARDED_BY(mu_);

  std::vector<MoveEntry> moves_ ABSL_GUARDED_BY(mu_);
  std::atomic<size_t> move_count_{0};  // = moves_.size()
  std::atomic<uint64_t> landings_{0};
  mutable absl::CondVar declared_changed_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_NAMES_H_
