#include "lib/store/file_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/base/wait.h"

namespace s3files {
namespace {

Capabilities CapabilitiesOf(const FileStore::Options& options) {
  Capabilities can;
  can.smallest_part = options.smallest_part;
  return can;
}

absl::StatusOr<Fd> OpenDirectory(int parent, const std::string& path, bool create) {
  if (create && mkdirat(parent, path.c_str(), 0777) != 0 && errno != EEXIST) {
    return SystemError(path);
  }
  Fd fd(openat(parent, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return SystemError(path);
  return fd;
}

absl::string_view RemedyFor(const absl::Status& status) {
  switch (ErrnoOf(status)) {
    case ENOENT:
      return " (make the directory first)";
    case EACCES:
    case EPERM:
    case EROFS:
      return " (this user must be able to write there)";
    default:
      return "";
  }
}

std::string PartPath(absl::string_view upload_id, uint32_t number) {
  return absl::StrFormat("%s/%05d", upload_id, number);
}

// All bytes of a small file.
absl::StatusOr<std::string> BytesOf(const ObjectFile& file) {
  StringSink sink(4096);
  if (file.info.size == 0) return std::string();
  S3FILES_RETURN_IF_ERROR(SendBytes(CallContext(), file, {0, file.info.size}, sink));
  return std::move(sink.bytes());
}

}  // namespace

absl::StatusOr<FileStore::Directories> FileStore::OpenDirectories(const std::string& directory,
                                                                  bool create) {
  S3FILES_ASSIGN_OR_RETURN(const Fd root, OpenDirectory(AT_FDCWD, directory, create));
  // An existing store may be on a read-only file system; it can still be read.
  const bool inside = faccessat(root.get(), ".s3files/locks", F_OK, 0) != 0;
  Directories all;
  S3FILES_ASSIGN_OR_RETURN(all.objects, OpenDirectory(root.get(), "objects", inside));
  S3FILES_ASSIGN_OR_RETURN(const Fd own, OpenDirectory(root.get(), ".s3files", inside));
  S3FILES_ASSIGN_OR_RETURN(all.temporaries, OpenDirectory(own.get(), "tmp", inside));
  S3FILES_ASSIGN_OR_RETURN(all.uploads, OpenDirectory(own.get(), "uploads", inside));
  S3FILES_ASSIGN_OR_RETURN(all.locks, OpenDirectory(own.get(), "locks", inside));
  if (inside) {
    S3FILES_RETURN_IF_ERROR(SyncDirectory(own.get(), "."));
    S3FILES_RETURN_IF_ERROR(SyncDirectory(root.get(), "."));
    S3FILES_RETURN_IF_ERROR(SyncDirectory(root.get(), ".."));
  }
  return all;
}

absl::StatusOr<std::shared_ptr<FileStore>> FileStore::Open(const std::string& directory,
                                                           const Options& options) {
  auto directories = OpenDirectories(directory, options.create);
  if (!directories.ok()) {
    return Annotate(directories.status(), absl::StrCat("cannot open the store in ", directory,
                                                       RemedyFor(directories.status())));
  }
  SweepTemporaries(directories->temporaries.get());
  for (const std::string& id : NamesIn(directories->uploads.get(), ".")) {
    // One whose creator died before its head was there; any other is not empty.
    unlinkat(directories->uploads.get(), id.c_str(), AT_REMOVEDIR);
  }
  return std::shared_ptr<FileStore>(
      new FileStore(directory, std::move(directories).value(), options));
}

FileStore::FileStore(std::string name, Directories directories, const Options& options)
    : name_(std::move(name)),
      can_(CapabilitiesOf(options)),
      fsync_(options.fsync),
      clock_(options.clock),
      pid_(getpid()),
      temporaries_(std::move(directories.temporaries)),
      uploads_(std::move(directories.uploads)),
      locks_(std::move(directories.locks)),
      tree_(std::move(directories.objects), options.fsync) {}

// Excludes other changes to the keys of one shard, by threads and processes alike. Held for a
// comparison and a rename, never while bytes move.
class FileStore::KeyLock {
 public:
  KeyLock() = default;
  ~KeyLock() {
    if (shard_ == nullptr) return;
    flock(shard_->file.get(), LOCK_UN);  // not by closing: a forked child may hold a copy
    Leave(shard_);
  }
  KeyLock(const KeyLock&) = delete;
  KeyLock& operator=(const KeyLock&) = delete;

  absl::Status Lock(const CallContext& call, FileStore* store, absl::string_view key) {
    const size_t index = IndexOf(key);
    Shard* shard = &store->shards_[index];
    {
      absl::MutexLock lock(&shard->mu);
      S3FILES_RETURN_IF_ERROR(
          WaitUntil(call, shard->mu, shard->free, key,
                    [shard]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !shard->busy; }));
      shard->busy = true;
    }
    absl::Status status = LockFile(call, store, index, key);
    if (status.ok()) {
      shard_ = shard;
    } else {
      Leave(shard);
    }
    return status;
  }

 private:
  // The same in every process (absl::Hash is not).
  static size_t IndexOf(absl::string_view key) {
    uint32_t hash = 2166136261u;
    for (const unsigned char c : key) hash = (hash ^ c) * 16777619u;
    return (hash ^ hash >> 16) % std::tuple_size<decltype(FileStore::shards_)>::value;
  }

  static absl::Status LockFile(const CallContext& call, FileStore* store, size_t index,
                               absl::string_view key) {
    Shard& shard = store->shards_[index];
    if (!shard.file.ok()) {
      const std::string name = absl::StrFormat("%02d", index);
      shard.file =
          Fd(openat(store->locks_.get(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
      if (!shard.file.ok()) return SystemError(absl::StrCat(store->name_, ": lock"));
    }
    const bool unlimited = call.deadline_ns == 0 && call.cancel == nullptr;
    absl::Duration pause = absl::Microseconds(20);
    while (flock(shard.file.get(), unlimited ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) return SystemError(store->name_);
      if (unlimited) continue;
      S3FILES_RETURN_IF_ERROR(call.Check(key));
      absl::SleepFor(std::min(pause, call.Remaining()));  // another process; no event tells
      pause = std::min(pause * 2, absl::Milliseconds(2));
    }
    return absl::OkStatus();
  }

  static void Leave(Shard* shard) {
    absl::MutexLock lock(&shard->mu);
    shard->busy = false;
    shard->free.Signal();
  }

  Shard* shard_ = nullptr;
};

template <typename Result, typename Run>
Result FileStore::Perform(uint64_t RequestCounts::*kind, const CallContext& call,
                          absl::string_view key, Run run) {
  if (getpid() != pid_) {
    return Result(Error(EBUSY, absl::StrCat(name_, ": was opened by the parent process")));
  }
  return tally_.Perform<Result>(kind, call, key, std::move(run));
}

absl::Status FileStore::Probe(const CallContext& call, absl::string_view) {
  return Perform<absl::Status>(&RequestCounts::list, call, "probe", [&]() -> absl::Status {
    struct stat st;
    if (fstatat(tree_.root(), ".", &st, 0) != 0 || st.st_nlink == 0) {
      return Error(ENOENT, absl::StrCat(name_, ": the directory is gone"));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<ObjectInfo> FileStore::Head(const CallContext& call, absl::string_view key) {
  using Result = absl::StatusOr<ObjectInfo>;
  return Perform<Result>(&RequestCounts::head, call, key, [&]() -> Result {
    S3FILES_ASSIGN_OR_RETURN(ObjectFile file, tree_.Open(key));
    return std::move(file.info);
  });
}

absl::StatusOr<ObjectInfo> FileStore::Get(const CallContext& call, const GetRequest& request,
                                          ByteSink& sink) {
  using Result = absl::StatusOr<ObjectInfo>;
  return Perform<Result>(&RequestCounts::get, call, request.key, [&]() -> Result {
    if (request.by_version_id) return Error(EINVAL, "this store keeps no old versions");
    S3FILES_ASSIGN_OR_RETURN(ObjectFile file, tree_.Open(request.key));
    S3FILES_RETURN_IF_ERROR(CheckSource(request.if_match, file.info.stamp.version, request.key));
    S3FILES_ASSIGN_OR_RETURN(const ByteRange range,
                             ResolveRange(request.range, file.info.size, request.key));
    S3FILES_RETURN_IF_ERROR(SendBytes(call, file, range, sink));
    tally_.Bytes(range.size(), 0);
    return std::move(file.info);
  });
}

absl::StatusOr<ObjectTags> FileStore::GetTags(const CallContext& call, absl::string_view key) {
  using Result = absl::StatusOr<ObjectTags>;
  return Perform<Result>(&RequestCounts::other, call, key, [&]() -> Result {
    S3FILES_ASSIGN_OR_RETURN(ObjectFile file, tree_.Open(key));
    return std::move(file.tags);
  });
}

absl::Status FileStore::Replace(const CallContext& call, const std::string& key,
                                ObjectFileWriter& file, const Precondition& precondition) {
  {
    KeyLock lock;
    S3FILES_RETURN_IF_ERROR(lock.Lock(call, this, key));
    if (!precondition.none()) {
      S3FILES_ASSIGN_OR_RETURN(const Version current, tree_.Current(key));
      S3FILES_RETURN_IF_ERROR(CheckPrecondition(precondition, current, key));
    }
    S3FILES_RETURN_IF_ERROR(tree_.Publish(key, file));
  }
  return tree_.Sync(key);
}

absl::StatusOr<Stamp> FileStore::Put(const CallContext& call, const PutRequest& request,
                                     ByteSource& body) {
  using Result = absl::StatusOr<Stamp>;
  return Perform<Result>(&RequestCounts::put, call, request.key, [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(CheckExpressible(request.precondition, request.key));
    S3FILES_RETURN_IF_ERROR(CheckPutSize(can_, body.size(), request.key));
    S3FILES_ASSIGN_OR_RETURN(ObjectFileWriter file, ObjectFileWriter::Create(temporaries_.get()));
    S3FILES_RETURN_IF_ERROR(file.Append(call, body));
    tally_.Bytes(0, body.size());
    S3FILES_RETURN_IF_ERROR(file.Finish(clock_->WallNanos(),
                                        WithCommitId(request.metadata, request.commit_id),
                                        request.tags, fsync_));
    S3FILES_RETURN_IF_ERROR(Replace(call, request.key, file, request.precondition));
    return file.stamp();
  });
}

absl::Status FileStore::Remove(const CallContext& call, absl::string_view key,
                               const Precondition& precondition) {
  {
    KeyLock lock;
    S3FILES_RETURN_IF_ERROR(lock.Lock(call, this, key));
    if (!precondition.none()) {
      S3FILES_ASSIGN_OR_RETURN(const Version current, tree_.Current(key));
      if (current.absent()) return absl::OkStatus();
      S3FILES_RETURN_IF_ERROR(CheckPrecondition(precondition, current, key));
    }
    S3FILES_RETURN_IF_ERROR(tree_.Remove(key));
  }
  return tree_.Sync(key);
}

absl::Status FileStore::Delete(const CallContext& call, absl::string_view key,
                               const Precondition& precondition) {
  return Perform<absl::Status>(&RequestCounts::del, call, key, [&]() -> absl::Status {
    S3FILES_RETURN_IF_ERROR(CheckDeletable(precondition, key));
    return Remove(call, key, precondition);
  });
}

absl::StatusOr<std::vector<absl::Status>> FileStore::DeleteMany(
    const CallContext& call, absl::Span<const std::string> keys) {
  using Result = absl::StatusOr<std::vector<absl::Status>>;
  return Perform<Result>(&RequestCounts::del, call, "delete many", [&]() -> Result {
    if (keys.size() > 1000) return Error(EINVAL, "more than 1000 keys in one request");
    std::vector<absl::Status> results;
    for (const std::string& key : keys) {
      absl::Status status = CheckKey(key);
      if (status.ok()) status = Remove(call, key, Precondition::None());
      results.push_back(std::move(status));
    }
    return results;
  });
}

absl::StatusOr<ListPage> FileStore::List(const CallContext& call, const ListRequest& request) {
  using Result = absl::StatusOr<ListPage>;
  return Perform<Result>(&RequestCounts::list, call, "list", [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(CheckList(request));
    PageBuilder page(request);
    S3FILES_RETURN_IF_ERROR(tree_.List(call, request, &page));
    return page.Finish();
  });
}

absl::StatusOr<Stamp> FileStore::Copy(const CallContext& call, const CopyRequest& request) {
  using Result = absl::StatusOr<Stamp>;
  return Perform<Result>(&RequestCounts::copy, call, request.key, [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(CheckCopy(request));
    S3FILES_ASSIGN_OR_RETURN(const ObjectFile source, tree_.Open(request.source_key));
    S3FILES_RETURN_IF_ERROR(
        CheckSource(request.source_version, source.info.stamp.version, request.source_key));
    S3FILES_RETURN_IF_ERROR(CheckCopySize(can_, source.info.size, request.source_key));
    S3FILES_ASSIGN_OR_RETURN(ObjectFileWriter file, ObjectFileWriter::Create(temporaries_.get()));
    S3FILES_RETURN_IF_ERROR(file.AppendFrom(call, source, {0, source.info.size}));
    const ObjectMetadata metadata = request.metadata.has_value()
                                        ? WithCommitId(*request.metadata, request.commit_id)
                                        : source.info.metadata;
    S3FILES_RETURN_IF_ERROR(file.Finish(clock_->WallNanos(), metadata, source.tags, fsync_));
    S3FILES_RETURN_IF_ERROR(Replace(call, request.key, file, request.precondition));
    return file.stamp();
  });
}

absl::StatusOr<std::string> FileStore::CreateUpload(const CallContext& call,
                                                    const PutRequest& request) {
  using Result = absl::StatusOr<std::string>;
  return Perform<Result>(&RequestCounts::create_upload, call, request.key, [&]() -> Result {
    S3FILES_ASSIGN_OR_RETURN(ObjectFileWriter head, ObjectFileWriter::Create(temporaries_.get()));
    MemorySource key(request.key);
    S3FILES_RETURN_IF_ERROR(head.Append(call, key));
    S3FILES_RETURN_IF_ERROR(head.Finish(clock_->WallNanos(),
                                        WithCommitId(request.metadata, request.commit_id),
                                        request.tags, fsync_));
    const std::string id = RandomId();
    bool named = false;
    while (!named) {
      // A store being opened removes empty directories here, even one made this very moment.
      const bool made = mkdirat(uploads_.get(), id.c_str(), 0777) == 0;
      named = made && head.RenameTo(uploads_.get(), absl::StrCat(id, "/head"));
      if (!named && (!made || errno != ENOENT)) {
        return SystemError(absl::StrCat(name_, ": upload of ", request.key));
      }
    }
    if (fsync_) {
      S3FILES_RETURN_IF_ERROR(SyncDirectory(uploads_.get(), id));
      S3FILES_RETURN_IF_ERROR(SyncDirectory(uploads_.get(), "."));
    }
    return id;
  });
}

absl::StatusOr<ObjectFile> FileStore::OpenUpload(absl::string_view key,
                                                 absl::string_view upload_id) const {
  // The id becomes a file name, so it must be one of ours.
  const bool ours = upload_id.size() == 32 &&
                    std::all_of(upload_id.begin(), upload_id.end(), absl::ascii_isxdigit);
  if (!ours) return NoSuchUpload(key, upload_id);
  auto head = OpenObjectFile(uploads_.get(), absl::StrCat(upload_id, "/head"));
  if (!head.ok()) {
    return ErrnoOf(head.status()) == ENOENT ? NoSuchUpload(key, upload_id) : head.status();
  }
  S3FILES_ASSIGN_OR_RETURN(const std::string owner, BytesOf(*head));
  if (owner != key) return NoSuchUpload(key, upload_id);
  return head;
}

absl::StatusOr<UploadedPart> FileStore::AddPart(absl::string_view key, absl::string_view upload_id,
                                                uint32_t number, ObjectFileWriter& file) {
  S3FILES_RETURN_IF_ERROR(file.Finish(clock_->WallNanos(), {}, {}, fsync_));
  if (!file.RenameTo(uploads_.get(), PartPath(upload_id, number))) {
    if (errno == ENOENT) return NoSuchUpload(key, upload_id);  // ended meanwhile
    return SystemError(absl::StrCat(name_, ": part of ", key));
  }
  if (fsync_) S3FILES_RETURN_IF_ERROR(SyncDirectory(uploads_.get(), std::string(upload_id)));
  return UploadedPart{number, file.stamp().version.etag(), file.size()};
}

absl::StatusOr<UploadedPart> FileStore::UploadPart(const CallContext& call, absl::string_view key,
                                                   absl::string_view upload_id, uint32_t number,
                                                   ByteSource& body) {
  using Result = absl::StatusOr<UploadedPart>;
  return Perform<Result>(&RequestCounts::upload_part, call, key, [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(CheckPart(can_, number, body.size()));
    S3FILES_RETURN_IF_ERROR(OpenUpload(key, upload_id).status());
    S3FILES_ASSIGN_OR_RETURN(ObjectFileWriter file, ObjectFileWriter::Create(temporaries_.get()));
    S3FILES_RETURN_IF_ERROR(file.Append(call, body));
    tally_.Bytes(0, body.size());
    return AddPart(key, upload_id, number, file);
  });
}

absl::StatusOr<UploadedPart> FileStore::CopyPart(const CallContext& call,
                                                 const PartCopyRequest& request) {
  using Result = absl::StatusOr<UploadedPart>;
  return Perform<Result>(&RequestCounts::copy_part, call, request.key, [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(CheckKey(request.source_key));
    S3FILES_RETURN_IF_ERROR(OpenUpload(request.key, request.upload_id).status());
    S3FILES_ASSIGN_OR_RETURN(const ObjectFile source, tree_.Open(request.source_key));
    S3FILES_RETURN_IF_ERROR(
        CheckSource(request.source_version, source.info.stamp.version, request.source_key));
    S3FILES_RETURN_IF_ERROR(CheckPartCopy(can_, request, source.info.size));
    S3FILES_ASSIGN_OR_RETURN(ObjectFileWriter file, ObjectFileWriter::Create(temporaries_.get()));
    S3FILES_RETURN_IF_ERROR(file.AppendFrom(call, source, request.source_range));
    return AddPart(request.key, request.upload_id, request.number, file);
  });
}

absl::StatusOr<std::vector<UploadedPart>> FileStore::PartsOf(absl::string_view upload_id) const {
  std::vector<UploadedPart> parts;
  for (const std::string& name : NamesIn(uploads_.get(), std::string(upload_id))) {
    uint32_t number = 0;
    if (!absl::SimpleAtoi(name, &number)) continue;  // the head
    const auto part = OpenObjectFile(uploads_.get(), PartPath(upload_id, number));
    if (!part.ok() && ErrnoOf(part.status()) == ENOENT) continue;
    S3FILES_RETURN_IF_ERROR(part.status());
    parts.push_back({number, part->info.stamp.version.etag(), part->info.size});
  }
  std::sort(parts.begin(), parts.end(),
            [](const UploadedPart& a, const UploadedPart& b) { return a.number < b.number; });
  return parts;
}

absl::Status FileStore::JoinParts(const CallContext& call, const CompleteRequest& request,
                                  ObjectFileWriter& file) const {
  S3FILES_ASSIGN_OR_RETURN(const auto parts, PartsOf(request.upload_id));
  std::map<uint32_t, UploadedPart> stored;
  for (const UploadedPart& part : parts) stored[part.number] = part;
  S3FILES_RETURN_IF_ERROR(CheckComplete(can_, request, stored));
  for (const UploadedPart& part : request.parts) {
    const auto source = OpenObjectFile(uploads_.get(), PartPath(request.upload_id, part.number));
    if (!source.ok() && ErrnoOf(source.status()) != ENOENT) return source.status();
    if (!source.ok() || source->info.stamp.version.etag() != part.etag) {
      return Error(EINVAL, absl::StrCat(request.key, ": part ", part.number, " was replaced"),
                   {400, "InvalidPart", ""});
    }
    S3FILES_RETURN_IF_ERROR(file.AppendFrom(call, *source, {0, source->info.size}));
  }
  return absl::OkStatus();
}

absl::StatusOr<Stamp> FileStore::CompleteUpload(const CallContext& call,
                                                const CompleteRequest& request) {
  using Result = absl::StatusOr<Stamp>;
  return Perform<Result>(&RequestCounts::complete_upload, call, request.key, [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(CheckExpressible(request.precondition, request.key));
    S3FILES_ASSIGN_OR_RETURN(const ObjectFile head, OpenUpload(request.key, request.upload_id));
    // What counts is the comparison under the lock; this one saves copying bytes for nothing.
    S3FILES_ASSIGN_OR_RETURN(const Version before, tree_.Current(request.key));
    S3FILES_RETURN_IF_ERROR(CheckPrecondition(request.precondition, before, request.key));
    S3FILES_ASSIGN_OR_RETURN(ObjectFileWriter file, ObjectFileWriter::Create(temporaries_.get()));
    S3FILES_RETURN_IF_ERROR(JoinParts(call, request, file));
    S3FILES_RETURN_IF_ERROR(
        file.Finish(clock_->WallNanos(), head.info.metadata, head.tags, fsync_));
    {
      KeyLock lock;
      S3FILES_RETURN_IF_ERROR(lock.Lock(call, this, request.key));
      S3FILES_RETURN_IF_ERROR(OpenUpload(request.key, request.upload_id).status());
      S3FILES_ASSIGN_OR_RETURN(const Version current, tree_.Current(request.key));
      S3FILES_RETURN_IF_ERROR(CheckPrecondition(request.precondition, current, request.key));
      S3FILES_RETURN_IF_ERROR(tree_.Publish(request.key, file));
      HideUpload(request.upload_id);  // if it cannot, the object is written all the same
    }
    S3FILES_RETURN_IF_ERROR(tree_.Sync(request.key));
    RemoveFlatDirectory(temporaries_.get(), request.upload_id);
    return file.stamp();
  });
}

// Ends an upload at once: what is left is for RemoveFlatDirectory, or the next sweep.
bool FileStore::HideUpload(const std::string& upload_id) const {
  return renameat(uploads_.get(), upload_id.c_str(), temporaries_.get(), upload_id.c_str()) == 0;
}

absl::Status FileStore::AbortUpload(const CallContext& call, absl::string_view key,
                                    absl::string_view upload_id) {
  return Perform<absl::Status>(&RequestCounts::abort_upload, call, key, [&]() -> absl::Status {
    const std::string id(upload_id);
    {
      KeyLock lock;  // a completion either has the upload to its end or does not have it
      S3FILES_RETURN_IF_ERROR(lock.Lock(call, this, key));
      const absl::Status found = OpenUpload(key, upload_id).status();
      if (!found.ok()) return ErrnoOf(found) == ENOENT ? absl::OkStatus() : found;
      if (!HideUpload(id)) return SystemError(absl::StrCat(name_, ": upload of ", key));
    }
    RemoveFlatDirectory(temporaries_.get(), id);
    return fsync_ ? SyncDirectory(uploads_.get(), ".") : absl::OkStatus();
  });
}

absl::StatusOr<std::vector<UploadedPart>> FileStore::ListParts(const CallContext& call,
                                                               absl::string_view key,
                                                               absl::string_view upload_id) {
  using Result = absl::StatusOr<std::vector<UploadedPart>>;
  return Perform<Result>(&RequestCounts::other, call, key, [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(OpenUpload(key, upload_id).status());
    return PartsOf(upload_id);
  });
}

absl::StatusOr<std::vector<PendingUpload>> FileStore::ListUploads(const CallContext& call,
                                                                  absl::string_view prefix) {
  using Result = absl::StatusOr<std::vector<PendingUpload>>;
  return Perform<Result>(&RequestCounts::other, call, "list uploads", [&]() -> Result {
    std::vector<PendingUpload> pending;
    for (const std::string& id : NamesIn(uploads_.get(), ".")) {
      const auto head = OpenObjectFile(uploads_.get(), absl::StrCat(id, "/head"));
      if (!head.ok() && ErrnoOf(head.status()) == ENOENT) continue;  // ended, or never began
      S3FILES_RETURN_IF_ERROR(head.status());
      S3FILES_ASSIGN_OR_RETURN(std::string key, BytesOf(*head));
      if (!absl::StartsWith(key, prefix)) continue;
      pending.push_back({std::move(key), id, head->info.stamp.last_modified_ns});
    }
    std::sort(pending.begin(), pending.end(), [](const auto& a, const auto& b) {
      return std::tie(a.key, a.initiated_ns) < std::tie(b.key, b.initiated_ns);
    });
    return pending;
  });
}

}  // namespace s3files
