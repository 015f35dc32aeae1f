#include "lib/fs/file_system.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/callback_scope.h"
#include "lib/base/errors.h"
#include "lib/base/wait.h"

namespace s3files {
namespace {

class IgnoreEvents final : public EventSink {
 public:
  void OnEvent(const Event&) override {}
};

EventSink* OrIgnore(EventSink* events) {
  static IgnoreEvents ignore;
  return events != nullptr ? events : &ignore;
}

template <typename Span>
uint64_t TotalSize(const Span& pieces) {
  uint64_t size = 0;
  for (const auto& piece : pieces) size += piece.size();
  return size;
}

absl::Status CheckFlags(uint32_t flags) {
  constexpr uint32_t kKnown = (kOpenNoFollow << 1) - 1;
  const bool write = (flags & kOpenWrite) != 0;
  absl::string_view wrong;
  if ((flags & ~kKnown) != 0) {
    wrong = "an unknown flag";
  } else if ((flags & kOpenPath) != 0 &&
             (flags & ~(kOpenPath | kOpenDirectory | kOpenNoFollow)) != 0) {
    wrong = "S3F_O_PATH goes with S3F_O_DIRECTORY and S3F_O_NOFOLLOW only";
  } else if ((flags & (kOpenRead | kOpenWrite | kOpenPath | kOpenDirectory)) == 0) {
    wrong = "one of S3F_O_READ, S3F_O_WRITE, S3F_O_DIRECTORY, S3F_O_PATH is needed";
  } else if (!write && (flags & (kOpenCreate | kOpenTruncate | kOpenAppend)) != 0) {
    wrong = "S3F_O_CREATE, S3F_O_TRUNC and S3F_O_APPEND need S3F_O_WRITE";
  } else if ((flags & kOpenExclusive) != 0 && (flags & kOpenCreate) == 0) {
    wrong = "S3F_O_EXCL needs S3F_O_CREATE";
  } else if (write && (flags & kOpenDirectory) != 0) {
    wrong = "directories cannot be opened for writing";
  }
  return wrong.empty() ? absl::OkStatus() : Error(EINVAL, absl::StrCat("open flags: ", wrong));
}

}  // namespace

FileSystem::FileSystem(std::shared_ptr<ObjectStore> store, const FileSystemOptions& options,
                       EventSink* events, Clock* clock, std::unique_ptr<Journal> journal,
                       ConflictJudge* judge)
    : options_(options),
      pid_(getpid()),
      events_(OrIgnore(events)),
      clock_(clock),
      store_(std::move(store)),
      journal_(std::move(journal)),
      pool_(options.memory),
      cache_(&pool_),
      transfers_(std::make_unique<Executor>(options.parallel)),
      commits_(std::make_unique<Executor>(options.parallel)),
      fetcher_(store_.get(), &cache_, transfers_.get()),
      names_({options.prefix, options.entry_limit, options.unpacked_limit}, &fetcher_, &spill_),
      importer_(store_.get(), &guard_, &fetcher_, &spill_, &names_, clock, options.import),
      walk_(&names_, &importer_),
      guard_(store_.get(), events_, options.prefix, options.strict),
      uploads_(store_.get(), transfers_.get(), journal_.get()),
      writer_(store_.get(), &uploads_, &fetcher_, &spill_, transfers_.get(), &guard_,
              options.parts),
      mover_({store_.get(), &names_, &importer_, &writer_, &guard_, transfers_.get(),
              options.strict, journal_.get()}) {
  spill_.directory = options.spill_dir;
  if (journal_ != nullptr) {
    spill_.directory = journal_->state_dir().staged_path();
    spill_.named = true;
  }
  committer_ = std::make_unique<Committer>(
      Committer::Parts{store_.get(), &fetcher_, &names_, &uploads_, &writer_, &guard_, &spill_,
                       events_, clock_, transfers_.get(), commits_.get(), options.import.defaults,
                       &mover_, journal_.get(), judge},
      options.parts, options.commit);
}

FileSystem::~FileSystem() {
  // Tasks use what is below them: they end first.
  committer_.reset();
  commits_.reset();
  transfers_.reset();
  journal_.reset();  // writes what it was told last, from files of the spill area
}

bool FileSystem::InForkedChild() const { return getpid() != pid_; }

absl::Status FileSystem::CheckUsable() const {
  if (InForkedChild()) {
    return Error(EBUSY,
                 "this file system belongs to the process that forked; open one in the child");
  }
  if (closed_.load(std::memory_order_acquire)) return Error(EBADF, "the file system is closed");
  if (CallbackScope::IsSilenced(&names_)) {
    return Error(EDEADLK, "a commit waits for this callback: it cannot use the file system");
  }
  return absl::OkStatus();
}

absl::Status FileSystem::CheckChangeable() const {
  return options_.read_only ? Error(EROFS, "the file system was opened with read_only")
                            : absl::OkStatus();
}

absl::Status FileSystem::Close(const CallContext& call, bool discard) {
  const int64_t handles = open_handles_.load(std::memory_order_acquire);
  if (handles > 0 && !discard) {
    return Error(EBUSY, absl::StrCat(handles, " handles are still open; close them first"));
  }
  // A handle that is still open is an abandoned writer: what it staged is not published.
  absl::Status status;
  if (options_.commit.delay_ns != kNever) {
    status = committer_->CommitWithin(call, names_.root(), /*unless_open=*/discard);
  } else if (journal_ == nullptr) {
    status = committer_->CommitMovesWithin(call, names_.root());
  }
  // What cannot be committed, or is not to be, the next file system on the directory has again.
  status.Update(committer_->RecordAll(call));
  for (const InodePtr& inode : names_.Children(names_.lost_and_found())) {
    absl::MutexLock lock(&inode->mu);
    if (inode->error_seen) continue;  // the application knows
    status.Update(inode->last_error);
    if (!discard) inode->error_seen = true;
  }
  if (!status.ok() && !discard) return status;
  if (journal_ == nullptr) {
    status = Annotate(
        status, absl::StrCat("dropped with the file system, files: ", committer_->staged_count()));
  }
  closed_.store(true, std::memory_order_release);
  committer_->Stop();
  // Handles that are still open may keep this object for long: what they uploaded must not stay.
  committer_->AbortEarlyUploads(call);
  return status;
}

absl::Status FileSystem::NotFound(const Place& place) const {
  return Error(ENOENT, absl::StrCat("no file or directory ", Describe(place)));
}

absl::StatusOr<Place> FileSystem::Resolve(const CallContext& call, const Handle* at,
                                          absl::string_view path) const {
  return walk_.Resolve(call, at == nullptr ? names_.root() : at->inode, path);
}

absl::StatusOr<InodePtr> FileSystem::Find(const CallContext& call, Place& place,
                                          Freshness freshness, bool follow, Expect expect) {
  while (true) {
    InodePtr inode = place.inode;
    if (inode == nullptr) {
      if (place.must_be_directory) expect = Expect::kDirectory;
      S3FILES_ASSIGN_OR_RETURN(
          inode, importer_.Lookup(call, place.directory, place.name, freshness, expect));
      if (inode == nullptr) return NotFound(place);
    }
    if (inode->type == FileType::kSymlink && place.inode == nullptr &&
        (follow || place.must_be_directory)) {
      S3FILES_ASSIGN_OR_RETURN(place, walk_.Follow(call, place, inode));
      continue;
    }
    if (place.must_be_directory && inode->type != FileType::kDirectory) {
      return Error(ENOTDIR, absl::StrCat(Describe(place), " is not a directory"));
    }
    return inode;
  }
}

absl::Status FileSystem::Revalidate(const CallContext& call, const InodePtr& inode,
                                    Freshness freshness) {
  const std::string path = names_.PathOf(inode);
  const std::string name = names_.NameOf(inode);
  const InodePtr directory = names_.ParentOf(inode);
  // What has lost its name goes on as it is.
  if (directory == nullptr || !names_.IsAttached(inode)) return absl::OkStatus();
  S3FILES_ASSIGN_OR_RETURN(const InodePtr now, importer_.Lookup(call, directory, name, freshness));
  if (now == inode) return absl::OkStatus();
  return Error(ESTALE, absl::StrCat("/", path, " is another file now"));
}

// What is known here of the place, without asking the store.
InodePtr FileSystem::Recall(const Place& place) {
  if (place.inode != nullptr) return place.inode;
  InodePtr inode = names_.Child(place.directory, place.name);
  if (inode == nullptr) return nullptr;
  absl::MutexLock lock(&inode->mu);
  return inode->removed ? nullptr : inode;  // about to lose its name
}

bool FileSystem::StillAt(const InodePtr& inode, const Place& place) {
  return Recall(place) == inode && names_.MoveAround(inode).directory == nullptr;
}

absl::StatusOr<std::unique_ptr<Handle>> FileSystem::Open(const CallContext& call, const Handle* at,
                                                         absl::string_view path, uint32_t flags,
                                                         uint32_t mode) {
  S3FILES_RETURN_IF_ERROR(CheckFlags(flags));
  if ((flags & kOpenWrite) != 0) S3FILES_RETURN_IF_ERROR(CheckChangeable());
  return AtPlace(call, at, path, [&](Place& place) { return OpenAt(call, place, flags, mode); });
}

absl::StatusOr<std::unique_ptr<Handle>> FileSystem::OpenAt(const CallContext& call, Place& place,
                                                           uint32_t flags, uint32_t mode) {
  const bool follow = (flags & (kOpenNoFollow | kOpenExclusive)) == 0;
  constexpr uint32_t kNoBytes = kOpenWrite | kOpenDirectory;
  const Freshness freshness = (flags & kOpenPath) != 0  ? Freshness::kRecent
                              : (flags & kNoBytes) != 0 ? Freshness::kNow
                                                        : Freshness::kNowToRead;
  while (place.inode == nullptr && (flags & kOpenCreate) != 0) {
    if (place.must_be_directory) {
      return Error(EISDIR, absl::StrCat(Describe(place), "/ cannot name a file"));
    }
    // Where neither the bytes nor the absence of a file matter unless the commit succeeds.
    const bool enforced = (flags & (kOpenTruncate | kOpenExclusive)) != 0;
    S3FILES_ASSIGN_OR_RETURN(const InodePtr inode,
                             importer_.LookupToCreate(call, place.directory, place.name, enforced));
    if (inode == nullptr) return Create(call, place, flags, mode);
    if (inode->type != FileType::kSymlink || !follow) return OpenFound(call, place, inode, flags);
    S3FILES_ASSIGN_OR_RETURN(place, walk_.Follow(call, place, inode));
  }
  if (place.inode != nullptr && place.inode->type != FileType::kDirectory) {
    S3FILES_RETURN_IF_ERROR(Revalidate(call, place.inode, freshness));
  }
  const Expect expect = (flags & kOpenDirectory) != 0 ? Expect::kDirectory : Expect::kFile;
  S3FILES_ASSIGN_OR_RETURN(const InodePtr inode, Find(call, place, freshness, follow, expect));
  return OpenFound(call, place, inode, flags);
}

absl::StatusOr<std::unique_ptr<Handle>> FileSystem::OpenFound(const CallContext& call,
                                                              const Place& place,
                                                              const InodePtr& inode,
                                                              uint32_t flags) {
  if ((flags & kOpenExclusive) != 0) {
    return Error(EEXIST, absl::StrCat(Describe(place), " exists"));
  }
  if (inode->type == FileType::kDirectory) {
    if ((flags & kOpenWrite) != 0) {
      return Error(EISDIR, absl::StrCat(Describe(place), " is a directory"));
    }
    S3FILES_RETURN_IF_ERROR(CheckOpen(call, inode, flags));
    return NewHandle(inode, flags);
  }
  if ((flags & kOpenDirectory) != 0) {
    return Error(ENOTDIR, absl::StrCat(Describe(place), " is not a directory"));
  }
  if (inode->type == FileType::kSymlink && (flags & kOpenPath) == 0) {
    return Error(ELOOP, absl::StrCat(Describe(place), " is a symlink, and S3F_O_NOFOLLOW is set"));
  }
  S3FILES_RETURN_IF_ERROR(CheckOpen(call, inode, flags));
  if (place.inode == nullptr && !names_.IsAttached(inode)) {
    // One of its directories was another one's by the time it was found.
    return NameChanged();
  }
  return OpenFile(call, place, inode, flags);
}

std::unique_ptr<Handle> FileSystem::NewHandle(const InodePtr& inode, uint32_t flags) {
  std::shared_ptr<Content> content;
  {
    absl::MutexLock lock(&inode->mu);
    content = inode->content;
    ++inode->open_handles;
  }
  open_handles_.fetch_add(1, std::memory_order_acq_rel);
  auto handle =
      std::make_unique<Handle>(next_handle_.fetch_add(1), inode, std::move(content), flags,
                               ReadAhead(options_.read_ahead, pool_.limit() / 4, &read_streams_));
  if (inode->type == FileType::kDirectory) {
    handle->stream = std::make_unique<DirectoryStream>(
        DirectoryStream::Parts{&importer_, &names_, events_, transfers_.get(),
                               [this](uint64_t n) { keys_skipped_.fetch_add(n); }},
        inode);
  }
  return handle;
}

absl::StatusOr<std::unique_ptr<Handle>> FileSystem::OpenFile(const CallContext& call,
                                                             const Place& place,
                                                             const InodePtr& inode,
                                                             uint32_t flags) {
  const bool by_handle = place.inode != nullptr;
  bool conflict;
  {
    absl::MutexLock lock(&inode->mu);
    conflict = inode->conflict;
    // Just now it came to be in lost+found: the path is another file's.
    const bool lost = conflict && !by_handle && place.directory != names_.lost_and_found();
    if ((inode->removed && !by_handle) || inode->content == nullptr || lost) {
      return NameChanged();
    }
    // What others have removed is open to its handles only; what was removed here goes on.
    if (inode->removed && inode->content->retired() && (flags & kOpenPath) == 0) {
      return Error(ESTALE, "others have removed the file");
    }
    if (conflict && (flags & kOpenWrite) != 0) {
      return Error(EROFS, absl::StrCat("files in /", kLostAndFound, " are read-only"));
    }
  }
  if ((flags & kOpenTruncate) != 0) {
    S3FILES_RETURN_IF_ERROR(committer_->BeforeStaging(call, inode));
  }
  std::unique_ptr<Handle> handle = NewHandle(inode, flags);
  handle->lost = conflict;
  if ((flags & kOpenTruncate) != 0) {
    const absl::Status status = handle->content->Truncate(0);
    if (!status.ok()) {
      Release(*handle);
      if (handle->content->retired()) return NameChanged();  // a foreign version came just now
      return status;
    }
    OnTruncated(call, *handle);
  }
  return handle;
}

absl::StatusOr<std::unique_ptr<Handle>> FileSystem::Create(const CallContext& call,
                                                           const Place& place, uint32_t flags,
                                                           uint32_t mode) {
  S3FILES_ASSIGN_OR_RETURN(const Attributes above, CheckMake(call, place.directory));
  const InodePtr inode = names_.Bind(place.directory, place.name, FileType::kFile);
  if (!names_.IsAttached(inode)) return NameChanged();
  {
    absl::MutexLock lock(&inode->mu);
    // A rename to this name may be under way.
    S3FILES_RETURN_IF_ERROR(
        WaitForOthers(call, inode->mu, inode->changed, "waiting for a rename", [&] {
          inode->mu.AssertHeld();
          return !inode->busy;
        }));
    // Another thread was first, or found out meanwhile that there is something.
    if (inode->type != FileType::kFile || inode->removed || inode->content != nullptr) {
      return NameChanged();
    }
    inode->content = std::make_shared<Content>(nullptr, &fetcher_, &spill_);
    inode->content->StageCreation();
    inode->attributes = AttributesOfNew(call, FileType::kFile, mode, above,
                                        options_.import.defaults, clock_->WallNanos());
    inode->exclusive = (flags & kOpenExclusive) != 0;
    inode->full = true;
    ++inode->epoch;
  }
  importer_.NoteCreated(place.directory, place.name);
  std::unique_ptr<Handle> handle = NewHandle(inode, flags);
  OnStaged(call, *handle);
  return handle;
}

void FileSystem::OnStaged(const CallContext& call, Handle& handle) {
  handle.has_staged.store(true, std::memory_order_relaxed);
  if (IsChecked(call)) {
    absl::MutexLock lock(&handle.inode->mu);
    const uint32_t mode = ModeAfterWrite(call, handle.inode->attributes.mode);
    if (mode != handle.inode->attributes.mode) {
      handle.inode->change.Mutable().mode = handle.inode->attributes.mode = mode;
    }
  }
  committer_->NoteStaged(handle.inode, handle.id);
}

absl::Status FileSystem::CheckReadable(const Handle& handle) const {
  if (handle.content == nullptr) return Error(EISDIR, "a directory cannot be read as a file");
  if ((handle.flags & kOpenRead) == 0) return Error(EBADF, "the handle is not open for reading");
  return absl::OkStatus();
}

template <typename Out>
absl::StatusOr<size_t> FileSystem::ReadInto(const CallContext& call, Handle& handle,
                                            uint64_t offset, uint64_t size, Out out) {
  S3FILES_RETURN_IF_ERROR(CheckReadable(handle));
  if (offset > UINT64_MAX - size) return Error(EINVAL, "offset + size overflows");
  if (const BasePtr base = handle.content->base(); base != nullptr && options_.read_ahead > 0) {
    ByteRange ahead;
    {
      absl::MutexLock lock(&handle.mu);
      ahead = handle.read_ahead.OnRead({offset, offset + size}, base->size);
    }
    if (!ahead.empty()) fetcher_.ReadAhead(base, ahead);
  }
  absl::StatusOr<size_t> n = handle.content->Read(call, offset, out);
  if (ErrnoOf(n.status()) != ESTALE) return n;
  if (handle.lost) {
    return Error(EIO,
                 "this was not staged, and the version that it was of is gone from the store: the "
                 "attribute s3files.staged says what can be read",
                 ReplyOf(n.status()));
  }
  // What replaced the version may be a commit of ours that seemed to fail.
  const absl::StatusOr<bool> ours = committer_->Settle(call, handle.inode);
  if (ErrnoOf(ours.status()) == EDEADLK)
    return n;  // it is just being asked what is to become of it
  S3FILES_RETURN_IF_ERROR(ours.status());
  return *ours ? handle.content->Read(call, offset, out) : n;
}

template absl::StatusOr<size_t> FileSystem::ReadInto(const CallContext&, Handle&, uint64_t,
                                                     uint64_t, absl::Span<char>);

absl::StatusOr<size_t> FileSystem::Read(const CallContext& call, Handle& handle, uint64_t offset,
                                        absl::Span<const absl::Span<char>> outs) {
  return ReadInto(call, handle, offset, TotalSize(outs), outs);
}

absl::Status FileSystem::CheckWritable(const Handle& handle, uint64_t offset, uint64_t size) const {
  if (handle.content == nullptr) return Error(EISDIR, "a directory cannot be written as a file");
  if ((handle.flags & kOpenWrite) == 0) return Error(EBADF, "the handle is not open for writing");
  const uint64_t largest = store_->capabilities().largest_object;
  if (offset > largest || size > largest - offset) {
    return Error(EFBIG, absl::StrCat("the largest object has ", largest, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status FileSystem::Write(const CallContext& call, Handle& handle, uint64_t offset,
                               absl::Span<const absl::Span<const char>> pieces) {
  if ((handle.flags & kOpenAppend) != 0) return Append(call, handle, pieces).status();
  const uint64_t size = TotalSize(pieces);
  S3FILES_RETURN_IF_ERROR(CheckWritable(handle, offset, size));
  if (size == 0) return absl::OkStatus();
  S3FILES_RETURN_IF_ERROR(committer_->BeforeStaging(call, handle.inode));
  S3FILES_RETURN_IF_ERROR(handle.content->Write(offset, pieces));
  OnStaged(call, handle);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> FileSystem::Append(const CallContext& call, Handle& handle,
                                            absl::Span<const absl::Span<const char>> pieces) {
  const uint64_t size = TotalSize(pieces);
  S3FILES_RETURN_IF_ERROR(
      CheckWritable(handle, handle.content == nullptr ? 0 : handle.content->size(), size));
  if (size > 0) S3FILES_RETURN_IF_ERROR(committer_->BeforeStaging(call, handle.inode));
  S3FILES_ASSIGN_OR_RETURN(const uint64_t offset, handle.content->Append(pieces));
  if (size > 0) OnStaged(call, handle);
  return offset;
}

absl::Status FileSystem::Truncate(const CallContext& call, Handle& handle, uint64_t size) {
  S3FILES_RETURN_IF_ERROR(CheckWritable(handle, size, 0));
  if (size == handle.content->size() && size > 0) return absl::OkStatus();
  S3FILES_RETURN_IF_ERROR(committer_->BeforeStaging(call, handle.inode));
  S3FILES_RETURN_IF_ERROR(handle.content->Truncate(size));
  OnTruncated(call, handle);
  return absl::OkStatus();
}

// Emptying an empty file modifies it, too: "> stamp" counts on that.
void FileSystem::OnTruncated(const CallContext& call, Handle& handle) {
  if (!handle.content->staged()) {
    absl::MutexLock lock(&handle.inode->mu);
    const int64_t now = clock_->WallNanos();
    handle.inode->ctime_ns = handle.inode->attributes.mtime_ns = now;
    handle.inode->change.Mutable().mtime_ns = now;
  }
  OnStaged(call, handle);
}

// What went wrong with this handle's bytes while no call of its was there to be told.
absl::Status FileSystem::LateError(Handle& handle) {
  absl::MutexLock lock(&handle.inode->mu);
  const bool lost = handle.inode->conflict && handle.has_staged.load(std::memory_order_relaxed);
  if (handle.inode->error_seen && !lost) return absl::OkStatus();
  handle.inode->error_seen = true;
  return handle.inode->last_error;
}

absl::Status FileSystem::Sync(const CallContext& call, Handle& handle) {
  if (handle.content == nullptr) return absl::OkStatus();
  S3FILES_RETURN_IF_ERROR(committer_->has_journal()
                              ? committer_->Record(call, handle.inode, Committer::Durable::kNow)
                              : committer_->Commit(call, handle.inode));
  return LateError(handle);
}

void FileSystem::Release(const Handle& handle) {
  if (handle.has_locks.load(std::memory_order_relaxed)) {
    locks_.ReleaseHandle(handle.inode, handle.id);
  }
  {
    absl::MutexLock lock(&handle.inode->mu);
    --handle.inode->open_handles;
    // From now on nobody can tell whose it was.
    if (handle.inode->stagers.erase(handle.id) > 0) handle.inode->stagers.insert(kClosedHandle);
  }
  open_handles_.fetch_sub(1, std::memory_order_acq_rel);
}

absl::Status FileSystem::CheckNotDropped(const Handle& handle) {
  absl::MutexLock lock(&handle.inode->mu);
  if (!handle.inode->stagers.contains(handle.id)) return absl::OkStatus();
  return Error(EBADF, "the file system is closed, and what this handle had staged was dropped");
}

absl::Status FileSystem::CloseHandle(const CallContext& call, std::unique_ptr<Handle> handle) {
  absl::Status status;
  if (closed_.load(std::memory_order_acquire)) {
    status = CheckNotDropped(*handle);
  } else if ((handle->flags & kOpenWrite) != 0) {
    if (options_.commit.delay_ns == 0) status = committer_->Commit(call, handle->inode);
    if (options_.commit.delay_ns != 0 || !status.ok()) {
      status.Update(committer_->Record(call, handle->inode, Committer::Durable::kSoon));
    }
    status.Update(LateError(*handle));
  }
  Release(*handle);
  return status;
}

absl::Status FileSystem::Abandon(const CallContext& call, std::unique_ptr<Handle> handle) {
  absl::Status status;
  bool staged;  // bytes or attributes
  {
    absl::MutexLock lock(&handle->inode->mu);
    staged = handle->inode->stagers.contains(handle->id);
  }
  if (staged && !closed_.load(std::memory_order_acquire)) {
    absl::StatusOr<BusyInode> busy = BusyInode::Acquire(call, handle->inode);
    status = busy.status();
    if (busy.ok()) {
      bool only_ours = false;
      {
        absl::MutexLock lock(&handle->inode->mu);
        std::set<uint64_t>& stagers = handle->inode->stagers;
        const bool ours = stagers.erase(handle->id) > 0;
        only_ours = ours && stagers.size() == stagers.count(kAbandonedHandle);
        if (ours && !only_ours) {
          stagers.insert(kAbandonedHandle);
          status = Error(EBUSY,
                         "another handle has staged to the file, too: nothing is discarded, unless "
                         "that is abandoned as well");
        }
      }
      if (only_ours) DiscardBusy(call, handle->inode);
    }
  }
  Release(*handle);
  return status;
}

void FileSystem::Remove(const InodePtr& inode) {
  {
    absl::MutexLock lock(&inode->mu);
    inode->removed = true;
    ++inode->epoch;
  }
  names_.Unbind(inode);
}

void FileSystem::DiscardBusy(const CallContext& call, const InodePtr& inode) {
  bool never_committed = false;
  {
    absl::MutexLock lock(&inode->mu);
    never_committed = inode->content != nullptr && inode->content->committed_base() == nullptr;
    if (inode->conflict) never_committed = true;
  }
  committer_->DiscardBusy(call, inode);
  if (!never_committed) return;
  {
    absl::MutexLock lock(&inode->mu);
    if (inode->Staged()) return;  // another handle has written to it meanwhile: a file again
    inode->removed = true;
    ++inode->epoch;
  }
  names_.Unbind(inode);
}

absl::StatusOr<std::vector<DirectoryEntry>> FileSystem::ReadDirectory(
    const CallContext& call, Handle& handle, size_t most, uint64_t cookie,
    const std::optional<std::string>& after_name, uint32_t mask) {
  if (handle.stream == nullptr) return Error(ENOTDIR, "the handle is not one of a directory");
  if ((handle.flags & kOpenPath) != 0) return Error(EBADF, "the handle is a reference only");
  return handle.stream->Read(call, most, cookie, after_name, mask);
}

FileSystem::Stats FileSystem::GetStats() const {
  Stats stats{};
  stats.requests = store_->counts();
  stats.memory_limit = pool_.limit();
  const BlockPool::Usage usage = pool_.usage();
  stats.memory_cached = usage[static_cast<size_t>(BlockUse::kCached)];
  stats.memory_staged = usage[static_cast<size_t>(BlockUse::kStaged)];
  stats.memory_in_flight = usage[static_cast<size_t>(BlockUse::kInFlight)];
  stats.spilled = spill_.bytes.load(std::memory_order_relaxed);
  stats.staged_files = committer_->staged_count();
  stats.commits = committer_->counters();
  stats.keys_skipped = keys_skipped_.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace s3files
