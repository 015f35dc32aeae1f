// The file system: operations on paths and handles, and the parts that carry them out.
#ifndef S3FILES_LIB_FS_FILE_SYSTEM_H_
#define S3FILES_LIB_FS_FILE_SYSTEM_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/base/call_context.h"
#include "lib/base/clock.h"
#include "lib/base/event_sink.h"
#include "lib/base/executor.h"
#include "lib/cache/block_cache.h"
#include "lib/content/fetcher.h"
#include "lib/content/overlay_file.h"
#include "lib/fs/directory_stream.h"
#include "lib/fs/file_info.h"
#include "lib/fs/handle.h"
#include "lib/inode/names.h"
#include "lib/inode/path.h"
#include "lib/store/object_store.h"
#include "lib/sync/committer.h"
#include "lib/sync/directory_mover.h"
#include "lib/sync/importer.h"
#include "lib/sync/object_writer.h"
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
  size_t entry_limit = 1'000'000;
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
  // `events` may be null; it and `clock` outlive the file system.
  FileSystem(std::shared_ptr<ObjectStore> store, const FileSystemOptions& options,
             EventSink* events, Clock* clock);
  ~FileSystem();  // commits nothing
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;

  // EBUSY in a forked child, EBADF after Close.
  absl::Status CheckUsable() const;
  bool InForkedChild() const;

  // Commits everything. With `discard` it counts as closed even on error; without, not on error.
  absl::Status Close(const CallContext& call, bool discard);

  absl::StatusOr<std::unique_ptr<Handle>> Open(const CallContext& call, const Handle* at,
                                               absl::string_view path, uint32_t flags,
                                               uint32_t mode);
  absl::StatusOr<size_t> Read(const CallContext& call, Handle& handle, uint64_t offset,
                              absl::Span<char> out);
  absl::Status Write(const CallContext& call, Handle& handle, uint64_t offset,
                     absl::Span<const char> bytes);
  absl::StatusOr<uint64_t> Append(const CallContext& call, Handle& handle,
                                  absl::Span<const char> bytes);
  absl::Status Truncate(const CallContext& call, Handle& handle, uint64_t size);
  absl::Status Sync(const CallContext& call, Handle& handle);
  // The handle is gone afterwards.
  absl::Status CloseHandle(const CallContext& call, std::unique_ptr<Handle> handle);
  absl::Status Abandon(const CallContext& call, std::unique_ptr<Handle> handle);
  // Neither commits nor discards what the handle staged.
  void Drop(std::unique_ptr<Handle> handle) { Release(*handle); }
  absl::StatusOr<FileInfo> HandleInfo(const CallContext& call, Handle& handle, uint32_t mask);
  absl::StatusOr<std::vector<DirectoryEntry>> ReadDirectory(
      const CallContext& call, Handle& handle, size_t most, uint64_t cookie,
      const std::optional<std::string>& after_name, uint32_t mask);

  absl::StatusOr<FileInfo> Stat(const CallContext& call, const Handle* at, absl::string_view path,
                                uint32_t mask);
  absl::Status MakeDirectory(const CallContext& call, const Handle* at, absl::string_view path,
                             uint32_t mode);
  absl::Status RemoveDirectory(const CallContext& call, const Handle* at, absl::string_view path);
  absl::Status Unlink(const CallContext& call, const Handle* at, absl::string_view path);
  absl::Status Rename(const CallContext& call, const Handle* from_at, absl::string_view from,
                      const Handle* to_at, absl::string_view to, uint32_t flags);

  absl::Status Commit(const CallContext& call, const Handle* at, absl::string_view path);
  absl::Status Discard(const CallContext& call, const Handle* at, absl::string_view path);

  enum class State : uint32_t { kClean, kStaged, kCommitting, kFailed, kConflict };
  struct PathStatus {
    State state = State::kClean;
    absl::Status last_error;
    uint32_t attempts = 0;
    uint64_t staged_bytes = 0;
    int64_t age_ns = 0;
  };
  absl::StatusOr<PathStatus> Status(const Handle* at, absl::string_view path);
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
  // Where a path leads: a name in a directory, or (no name) an inode that is known.
  struct Place {
    InodePtr directory;
    std::string name;
    InodePtr inode;  // set where there is no name
    bool must_be_directory = false;
  };

  absl::StatusOr<Place> Resolve(const Handle* at, absl::string_view path);
  absl::StatusOr<InodePtr> Descend(const InodePtr& directory, const std::string& name);
  // The inode at the place; ENOENT, ENOTDIR.
  absl::StatusOr<InodePtr> Find(const CallContext& call, const Place& place, Freshness freshness);
  absl::StatusOr<InodePtr> FindFile(const CallContext& call, const Place& place,
                                    Freshness freshness);
  absl::Status NotFound(const Place& place) const;
  std::string Describe(const Place& place) const;
  InodePtr Recall(const Place& place) const;

  absl::StatusOr<std::unique_ptr<Handle>> OpenAt(const CallContext& call, const Place& place,
                                                 uint32_t flags, uint32_t mode, bool* again);
  absl::StatusOr<std::unique_ptr<Handle>> OpenFile(const InodePtr& inode, uint32_t flags,
                                                   bool in_lost_and_found, bool* again);
  absl::StatusOr<std::unique_ptr<Handle>> Create(const CallContext& call, const Place& place,
                                                 uint32_t flags, uint32_t mode, bool* again);
  std::unique_ptr<Handle> NewHandle(const InodePtr& inode, uint32_t flags);
  absl::Status OnStaged(Handle& handle);
  absl::Status CheckWritable(const Handle& handle, uint64_t offset, uint64_t size) const;
  absl::Status LateError(Handle& handle);
  void Release(const Handle& handle);
  // Forgets the staged state of an inode that is busy; one that never was committed is gone.
  void DiscardBusy(const CallContext& call, const InodePtr& inode);
  void Remove(const InodePtr& inode);
  absl::Status CheckChange() const;  // EROFS

  // `again`: another thread has changed one of the names meanwhile.
  absl::Status UnlinkAt(const CallContext& call, const Place& place, bool* again);
  absl::Status RenameAt(const CallContext& call, const Place& from, const Place& to, uint32_t flags,
                        bool* again);
  absl::Status RemoveDirectoryAt(const CallContext& call, const Place& place, bool* again);
  // Directories (directory_rename.cc).
  absl::Status RenameDirectory(const CallContext& call, const InodePtr& source, const Place& from,
                               const Place& to, uint32_t flags, bool* again);
  absl::Status SettleAround(const CallContext& call, const InodePtr& source, const Place& to);
  absl::StatusOr<InodePtr> CheckDirectoryTarget(const CallContext& call, const InodePtr& source,
                                                const Place& to, uint32_t flags);
  absl::Status StageDirectory(const CallContext& call, const InodePtr& source,
                              const InodePtr& target, const Place& from, const Place& to,
                              bool* again);
  // Two files change places (exchange.cc).
  struct Exchange;
  absl::Status ExchangeFiles(const CallContext& call, const InodePtr& source, const Place& from,
                             const Place& to, bool* again);
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
  Importer importer_;
  WriteGuard guard_;
  ObjectWriter writer_;
  DirectoryMover mover_;
  std::unique_ptr<Committer> committer_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_FS_FILE_SYSTEM_H_
