// The file system: operations on paths and handles, and the parts that carry them out.
#ifndef S3FILES_LIB_FS_FILE_SYSTEM_H_
#define S3FILES_LIB_FS_FILE_SYSTEM_H_

#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/base/call_context.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"
#include "lib/base/event_sink.h"
#include "lib/base/executor.h"
#include "lib/cache/block_cache.h"
#include "lib/content/fetcher.h"
#include "lib/content/overlay_file.h"
#include "lib/fs/directory_stream.h"
#include "lib/fs/file_info.h"
#include "lib/fs/handle.h"
#include "lib/fs/lock_table.h"
#include "lib/fs/path_walk.h"
#include "lib/fs/permissions.h"
#include "lib/inode/names.h"
#include "lib/inode/path.h"
#include "lib/journal/journal.h"
#include "lib/store/object_store.h"
#include "lib/sync/committer.h"
#include "lib/sync/directory_mover.h"
#include "lib/sync/importer.h"
#include "lib/sync/new_object.h"
#include "lib/sync/object_writer.h"
#include "lib/sync/uploads.h"
#include "lib/sync/write_guard.h"

namespace s3files {

struct FileSystemOptions {
  std::string prefix;  // normalised
  bool read_only = false;
  bool strict = false;
  uint64_t memory = uint64_t{256} << 20;
  std::string spill_dir;  // empty: off
  uint64_t read_ahead = uint64_t{32} << 20;
  int parallel = 32;
  size_t entry_limit = 100'000;
  size_t unpacked_limit = 1024;               // see NamesOptions
  std::optional<Identity> forced_identity;    // who every call is made by
  std::optional<Attributes> root_attributes;  // of the root where it is to be made, see MakeRoot
  PartPolicy parts;
  CommitPolicy commit;
  ImportPolicy import;
};

// Bits of the flags given to Rename; as S3F_RENAME_*.
enum : uint32_t {
  kRenameNoReplace = 1u << 0,
  kRenameExchange = 1u << 1,
};

// Thread-safe. Semantics and errors as documented in s3files.h, call by call.
class FileSystem {
 public:
  // `events` and `judge` may be null; they and `clock` outlive the file system.
  FileSystem(std::shared_ptr<ObjectStore> store, const FileSystemOptions& options,
             EventSink* events, Clock* clock, std::unique_ptr<Journal> journal = nullptr,
             ConflictJudge* judge = nullptr);
  ~FileSystem();  // commits nothing
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;

  // EBUSY in a forked child, EBADF after Close.
  absl::Status CheckUsable() const;
  bool InForkedChild() const;
  const std::optional<Identity>& forced_identity() const { return options_.forced_identity; }
  // Stages again what the journal has; to be called once, before anything else. EIO: some of it is
  // not whole. One HEAD for each file that was being committed.
  absl::Status Recover(const CallContext& call) { return committer_->Recover(call); }
  // Makes the root directory where options ask for it and it does not exist. One LIST, one PUT.
  absl::Status MakeRoot(const CallContext& call);
  int64_t Now() const { return clock_->WallNanos(); }  // what "now" is to attributes

  // Commits everything. With `discard` it counts as closed even on error; without, not on error.
  absl::Status Close(const CallContext& call, bool discard);

  absl::StatusOr<std::unique_ptr<Handle>> Open(const CallContext& call, const Handle* at,
                                               absl::string_view path, uint32_t flags,
                                               uint32_t mode);
  absl::StatusOr<size_t> Read(const CallContext& call, Handle& handle, uint64_t offset,
                              absl::Span<char> out) {
    return ReadInto(call, handle, offset, out.size(), out);
  }
  absl::Status Write(const CallContext& call, Handle& handle, uint64_t offset,
                     absl::Span<const char> bytes) {
    return Write(call, handle, offset, absl::MakeConstSpan(&bytes, 1));
  }
  absl::StatusOr<uint64_t> Append(const CallContext& call, Handle& handle,
                                  absl::Span<const char> bytes) {
    return Append(call, handle, absl::MakeConstSpan(&bytes, 1));
  }
  // The same of several buffers, one behind the other.
  absl::StatusOr<size_t> Read(const CallContext& call, Handle& handle, uint64_t offset,
                              absl::Span<const absl::Span<char>> outs);
  absl::Status Write(const CallContext& call, Handle& handle, uint64_t offset,
                     absl::Span<const absl::Span<const char>> pieces);
  absl::StatusOr<uint64_t> Append(const CallContext& call, Handle& handle,
                                  absl::Span<const absl::Span<const char>> pieces);
  // Returns how many bytes were copied.
  absl::StatusOr<uint64_t> CopyRange(const CallContext& call, Handle& in, uint64_t in_offset,
                                     Handle& out, uint64_t out_offset, uint64_t size);
  absl::Status Truncate(const CallContext& call, Handle& handle, uint64_t size);
  absl::Status Sync(const CallContext& call, Handle& handle);
  // The handle is gone afterwards.
  absl::Status CloseHandle(const CallContext& call, std::unique_ptr<Handle> handle);
  absl::Status Abandon(const CallContext& call, std::unique_ptr<Handle> handle);
  // Neither commits nor discards what the handle staged.
  void Drop(std::unique_ptr<Handle> handle) { Release(*handle); }
  absl::StatusOr<std::vector<DirectoryEntry>> ReadDirectory(
      const CallContext& call, Handle& handle, size_t most, uint64_t cookie,
      const std::optional<std::string>& after_name, uint32_t mask);

  absl::StatusOr<FileInfo> Stat(const CallContext& call, const Handle* at, absl::string_view path,
                                bool follow, uint32_t mask);
  absl::Status SetAttributes(const CallContext& call, const Handle* at, absl::string_view path,
                             bool follow, const AttributeRequest& request);
  absl::Status Access(const CallContext& call, const Handle* at, absl::string_view path,
                      bool follow, uint32_t want);
  absl::StatusOr<std::string> GetXattr(const CallContext& call, const Handle* at,
                                       absl::string_view path, bool follow, absl::string_view name);
  absl::StatusOr<std::vector<std::string>> ListXattrs(const CallContext& call, const Handle* at,
                                                      absl::string_view path, bool follow);
  // `value` nullopt removes. `must_exist`: ENODATA unless it does; false: EEXIST if it does.
  absl::Status SetXattr(const CallContext& call, const Handle* at, absl::string_view path,
                        bool follow, absl::string_view name,
                        const std::optional<std::string>& value, std::optional<bool> must_exist);
  absl::Status MakeSymlink(const CallContext& call, absl::string_view target, const Handle* at,
                           absl::string_view path);
  absl::StatusOr<std::string> ReadLink(const CallContext& call, const Handle* at,
                                       absl::string_view path);
  absl::Status MakeDirectory(const CallContext& call, const Handle* at, absl::string_view path,
                             uint32_t mode);
  absl::Status RemoveDirectory(const CallContext& call, const Handle* at, absl::string_view path);
  absl::Status Unlink(const CallContext& call, const Handle* at, absl::string_view path);
  absl::Status Rename(const CallContext& call, const Handle* from_at, absl::string_view from,
                      const Handle* to_at, absl::string_view to, uint32_t flags);

  struct Committed {
    CommitTally tally;
    Version version;  // of a file
  };
  // `wait` false: it is only begun. What was committed is in `*out` on failure, too.
  absl::Status Commit(const CallContext& call, const Handle* at, absl::string_view path, bool wait,
                      Committed* out);
  absl::Status Commit(const CallContext& call, const Handle* at, absl::string_view path) {
    Committed ignored;
    return Commit(call, at, path, /*wait=*/true, &ignored);
  }
  absl::Status Barrier(const CallContext& call) { return committer_->Barrier(call); }
  struct Diff {
    CommitDiff requests;
    uint32_t files = 0;
    uint32_t directories = 0;
  };
  absl::StatusOr<Diff> DiffOf(const CallContext& call, const Handle* at, absl::string_view path);
  // What a judge may read and, of the last, write; to be closed before it returns. They do not count
  // as open.
  struct ConflictHandles {
    std::unique_ptr<Handle> base, mine, theirs, result;  // the first and third may be null
  };
  ConflictHandles OpenConflict(const ConflictCase& conflict);
  void CloseLent(std::unique_ptr<Handle> handle);
  absl::Status Discard(const CallContext& call, const Handle* at, absl::string_view path);

  // Who owns a lock that is asked for through the handle; `named` 0: the handle itself.
  static LockOwner OwnerOf(const Handle& handle, uint64_t named);
  absl::Status LockRange(const CallContext& call, Handle& handle, const RangeLock& lock, bool wait);
  absl::StatusOr<std::optional<RangeLock>> TestLock(const Handle& handle,
                                                    const RangeLock& wanted) const;
  absl::Status LockWhole(const CallContext& call, Handle& handle, LockType type, bool wait);

  bool read_only() const { return options_.read_only; }

  enum class State : uint32_t { kClean, kStaged, kCommitting, kFailed, kConflict };
  struct PathStatus {
    State state = State::kClean;
    absl::Status last_error;
    uint32_t attempts = 0;
    uint64_t staged_bytes = 0;
    int64_t age_ns = 0;
    int64_t next_attempt_ns = 0;  // in the background; monotonic, 0: none
  };
  absl::StatusOr<PathStatus> Status(const CallContext& call, const Handle* at,
                                    absl::string_view path);
  // The path staged next after `*cursor`, which it moves; nullopt at the end.
  std::optional<std::string> NextStaged(uint64_t* cursor);

  struct Stats {
    RequestCounts requests;
    uint64_t memory_limit, memory_cached, memory_staged, memory_in_flight, spilled, staged_files;
    Committer::Counters commits;
    uint64_t keys_skipped;
  };
  Stats GetStats() const;

 private:
  // Runs `op(place)` at the end of the path. Where that finds nothing because a symlink on the way
  // was taken for a directory, once more along the symlink; EAGAIN: once more.
  template <typename Op>
  auto AtPlace(const CallContext& call, const Handle* at, absl::string_view path, Op op)
      -> decltype(op(std::declval<Place&>()));
  absl::StatusOr<Place> Resolve(const CallContext& call, const Handle* at,
                                absl::string_view path) const;
  // The inode at the place; ENOENT, ENOTDIR. With `follow` where a symlink there leads; `place` is
  // then that place.
  absl::StatusOr<InodePtr> Find(const CallContext& call, Place& place, Freshness freshness,
                                bool follow, Expect expect = Expect::kFile);
  // Of what a handle has open, whatever its name is now.
  absl::Status Revalidate(const CallContext& call, const InodePtr& inode, Freshness freshness);
  absl::Status NotFound(const Place& place) const;
  std::string Describe(const Place& place) const { return walk_.Describe(place); }
  InodePtr Recall(const Place& place);
  // Of an inode that was made busy there: it has that name, and no rename above it is under way.
  bool StillAt(const InodePtr& inode, const Place& place);

  // Attributes of an inode that was looked up; of directories at most one HEAD.
  absl::StatusOr<Attributes> AttributesNow(const CallContext& call, const InodePtr& inode);
  // The same where permissions count; defaults, and no request, where they do not.
  absl::StatusOr<Attributes> CheckedAttributes(const CallContext& call, const InodePtr& inode);
  // Whether the caller may make a name in it; its attributes.
  absl::StatusOr<Attributes> CheckMake(const CallContext& call, const InodePtr& directory);
  absl::Status CheckOpen(const CallContext& call, const InodePtr& inode, uint32_t flags);
  // Of what `writer` has open; null: of what the inode shows. What else it changes is added to
  // `change`.
  absl::Status SetSize(const CallContext& call, const InodePtr& inode, uint64_t size,
                       const Handle* writer, AttributeChange* change);

  absl::StatusOr<std::unique_ptr<Handle>> OpenAt(const CallContext& call, Place& place,
                                                 uint32_t flags, uint32_t mode);
  absl::StatusOr<std::unique_ptr<Handle>> OpenFound(const CallContext& call, const Place& place,
                                                    const InodePtr& inode, uint32_t flags);
  absl::StatusOr<std::unique_ptr<Handle>> OpenFile(const CallContext& call, const Place& place,
                                                   const InodePtr& inode, uint32_t flags);
  absl::StatusOr<std::unique_ptr<Handle>> Create(const CallContext& call, const Place& place,
                                                 uint32_t flags, uint32_t mode);
  std::unique_ptr<Handle> NewHandle(const InodePtr& inode, uint32_t flags);
  std::unique_ptr<Handle> NewHandle(const InodePtr& like, std::shared_ptr<Content> content,
                                    const Stamp& stamp, uint32_t flags);
  std::unique_ptr<Handle> Lend(std::unique_ptr<Handle> handle);
  absl::Status CommitSoon(const InodePtr& inode);
  void OnStaged(const CallContext& call, Handle& handle);
  void OnTruncated(const CallContext& call, Handle& handle);
  template <typename Out>  // one buffer or several
  absl::StatusOr<size_t> ReadInto(const CallContext& call, Handle& handle, uint64_t offset,
                                  uint64_t size, Out out);
  absl::StatusOr<uint64_t> CopyWhole(const CallContext& call, Handle& in, Handle& out,
                                     uint64_t size);
  absl::StatusOr<uint64_t> CopyBytes(const CallContext& call, Handle& in, const ByteRange& from,
                                     Handle& out, uint64_t out_offset);
  absl::Status CheckReadable(const Handle& handle) const;
  absl::Status CheckWritable(const Handle& handle, uint64_t offset, uint64_t size) const;
  absl::Status LateError(Handle& handle);
  void Release(const Handle& handle);
  // Forgets the staged state of an inode that is busy; one that never was committed is gone.
  void DiscardBusy(const CallContext& call, const InodePtr& inode);
  void Remove(const InodePtr& inode);
  absl::Status CheckChangeable() const;  // EROFS
  // When the file system is closed. EBADF: with it went what the handle had staged.
  static absl::Status CheckNotDropped(const Handle& handle);
  // Whether the caller may take `inode` away from `directory`.
  absl::Status CheckTake(const CallContext& call, const InodePtr& directory, const InodePtr& inode);
  // A directory or symlink at a free name.
  absl::Status MakeAt(const CallContext& call, const Handle* at, absl::string_view path,
                      FileType type, uint32_t mode, absl::string_view body);
  // A new object for `attributes` at the free name, whose key ends in '/' where it is a directory.
  absl::Status MakeObject(const CallContext& call, const Place& place, const Attributes& attributes,
                          absl::string_view body);

  static absl::Status CheckNamed(const Place& place);  // EBUSY: not a name to be renamed
  // At places that were resolved. EAGAIN: another thread has changed one of the names meanwhile.
  absl::Status RemoveDirectoryAt(const CallContext& call, Place& place);
  absl::Status UnlinkAt(const CallContext& call, Place& place);
  absl::Status RenameAt(const CallContext& call, Place& from, Place& to, uint32_t flags);
  // Directories (directory_rename.cc).
  absl::Status RenameDirectory(const CallContext& call, const InodePtr& source, const Place& from,
                               const Place& to, uint32_t flags);
  absl::Status SettleAround(const CallContext& call, const InodePtr& source, const Place& to);
  absl::StatusOr<InodePtr> CheckDirectoryTarget(const CallContext& call, const InodePtr& source,
                                                const Place& to, uint32_t flags);
  absl::Status StageDirectory(const CallContext& call, const InodePtr& source,
                              const InodePtr& target, const Place& from, const Place& to);
  absl::StatusOr<Names::MoveStep> StageMove(const CallContext& call, const InodePtr& source,
                                            const Place& from, const Place& to,
                                            const Version& replaced);
  // Two files change places (exchange.cc).
  struct Exchange;
  absl::Status ExchangeFiles(const CallContext& call, const InodePtr& source, const Place& from,
                             Place& to);
  absl::Status ExchangeBusy(const CallContext& call, const InodePtr& a, const InodePtr& b,
                            DeferredEvents& events);
  absl::Status ExchangeObjects(const CallContext& call, Exchange& exchange);
  static void Doubt(const Exchange& exchange);
  absl::Status ExchangeBack(const Exchange& exchange, const absl::Status& why);
  // Makes both busy, the lower number first, so that two renames cannot wait for each other.
  static absl::StatusOr<std::pair<BusyInode, BusyInode>> AcquireBoth(const CallContext& call,
                                                                     const InodePtr& a,
                                                                     const InodePtr& b);
  // The rest has both inodes busy; a free target is an inode without content.
  absl::Status RenameBusy(const CallContext& call, const InodePtr& source, const InodePtr& target,
                          const Place& from, const Place& to, DeferredEvents& events);
  absl::Status RenameStaged(const CallContext& call, const InodePtr& source, const InodePtr& target,
                            const Place& to);
  absl::Status RenameCommitted(const CallContext& call, const InodePtr& source,
                               const InodePtr& target, const Place& to, DeferredEvents& events);
  void Replace(const CallContext& call, const InodePtr& source, const InodePtr& target,
               const Place& to);
  absl::Status DeleteObject(const CallContext& call, const std::string& key,
                            const Version& expected);

  const FileSystemOptions options_;
  const pid_t pid_;
  EventSink* const events_;
  Clock* const clock_;
  const std::shared_ptr<ObjectStore> store_;
  std::unique_ptr<Journal> journal_;  // may be null

  std::atomic<bool> closed_{false};
  std::atomic<uint64_t> next_handle_{1};
  std::atomic<int64_t> open_handles_{0};
  std::atomic<int> read_streams_{0};
  std::atomic<uint64_t> keys_skipped_{0};

  SpillArea spill_;
  BlockPool pool_;
  BlockCache cache_;
  std::unique_ptr<Executor> transfers_;
  std::unique_ptr<Executor> commits_;
  Fetcher fetcher_;
  Names names_;
  LockTable locks_;
  Importer importer_;
  PathWalk walk_;
  WriteGuard guard_;
  Uploads uploads_;
  ObjectWriter writer_;
  DirectoryMover mover_;
  std::unique_ptr<Committer> committer_;
};

template <typename Op>
auto FileSystem::AtPlace(const CallContext& call, const Handle* at, absl::string_view path, Op op)
    -> decltype(op(std::declval<Place&>())) {
  while (true) {
    S3FILES_ASSIGN_OR_RETURN(Place place, Resolve(call, at, path));
    auto result = op(place);
    int error;
    if constexpr (std::is_same_v<decltype(result), absl::Status>) {
      error = ErrnoOf(result);
    } else {
      error = ErrnoOf(result.status());
    }
    if (error == ENOENT) {
      S3FILES_ASSIGN_OR_RETURN(const bool moved, walk_.Revisit(call, place));
      if (!moved) return result;
    } else if (error != EAGAIN) {
      return result;
    }
    S3FILES_RETURN_IF_ERROR(call.Check(path));
  }
}

}  // namespace s3files

#endif  // S3FILES_LIB_FS_FILE_SYSTEM_H_
