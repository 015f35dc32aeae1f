// FileSystem: the operations that change names.
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/fs/file_system.h"

namespace s3files {

absl::Status FileSystem::MakeDirectory(const CallContext& call, const Handle* at,
                                       absl::string_view path, uint32_t mode) {
  S3FILES_RETURN_IF_ERROR(CheckChange());
  S3FILES_ASSIGN_OR_RETURN(const Place place, Resolve(at, path));
  if (place.inode != nullptr) return Error(EEXIST, "the root exists");
  S3FILES_ASSIGN_OR_RETURN(const InodePtr there,
                           importer_.LookupToCreate(call, place.directory, place.name));
  if (there != nullptr) return Error(EEXIST, absl::StrCat(Describe(place), " exists"));

  Attributes attributes;
  attributes.type = FileType::kDirectory;
  attributes.mode = mode & ~call.umask & 07777;
  attributes.uid = call.identity ? call.identity->uid : options_.import.defaults.uid;
  attributes.gid = call.identity ? call.identity->gid : options_.import.defaults.gid;
  attributes.mtime_ns = clock_->WallNanos();
  PutRequest put;
  put.key = names_.ChildKey(place.directory, place.name) + "/";
  S3FILES_RETURN_IF_ERROR(CheckKeyLength(put.key));
  std::optional<HoldPlace> hold;  // the directory that it is made in keeps its key
  do {
    hold.reset();
    put.key = names_.ChildKey(place.directory, place.name) + "/";
    S3FILES_RETURN_IF_ERROR(committer_->SettleMoves(call, put.key));
    hold.emplace(place.directory);
  } while (names_.MoveAround(put.key).directory != nullptr ||
           names_.ChildKey(place.directory, place.name) + "/" != put.key);
  StoreAttributes(attributes, &put.metadata);
  put.commit_id = RandomId();
  S3FILES_ASSIGN_OR_RETURN(put.precondition,
                           guard_.Prepare(call, put.key, Version::Absent(), WriteKind::kPut));
  MemorySource empty("");
  S3FILES_ASSIGN_OR_RETURN(const Stamp stamp, store_->Put(call, put, empty));

  importer_.NoteCreated(place.directory, place.name);
  const InodePtr inode = names_.Bind(place.directory, place.name, FileType::kDirectory);
  if (inode->type != FileType::kDirectory) return absl::OkStatus();
  absl::MutexLock lock(&inode->mu);
  inode->attributes = attributes;
  inode->full = true;
  inode->validated_ns = inode->directory.exists_ns = clock_->MonotonicNanos();
  inode->directory.marker = stamp;
  return absl::OkStatus();
}

absl::Status FileSystem::RemoveDirectory(const CallContext& call, const Handle* at,
                                         absl::string_view path) {
  S3FILES_RETURN_IF_ERROR(CheckChange());
  S3FILES_ASSIGN_OR_RETURN(const Place place, Resolve(at, path));
  while (true) {
    bool again = false;
    const absl::Status status = RemoveDirectoryAt(call, place, &again);
    if (!again) return status;
    S3FILES_RETURN_IF_ERROR(call.Check("removing a directory"));
  }
}

absl::Status FileSystem::RemoveDirectoryAt(const CallContext& call, const Place& place,
                                           bool* again) {
  S3FILES_ASSIGN_OR_RETURN(const InodePtr inode, Find(call, place, Freshness::kRecent));
  if (inode == names_.root()) return Error(EBUSY, "the root cannot be removed");
  if (inode->type != FileType::kDirectory) {
    return Error(ENOTDIR, absl::StrCat(Describe(place), " is not a directory"));
  }
  if (inode == names_.lost_and_found()) {
    return Error(EBUSY, absl::StrCat("/", kLostAndFound, " cannot be removed, its files can"));
  }
  S3FILES_ASSIGN_OR_RETURN(const BusyInode busy, committer_->AcquireSettled(call, inode));
  if (Recall(place) != inode) {  // renamed before it was busy
    *again = true;
    return absl::OkStatus();
  }
  S3FILES_RETURN_IF_ERROR(importer_.CheckEmpty(call, inode));
  const std::string key = names_.DirectoryKey(inode);
  S3FILES_RETURN_IF_ERROR(importer_.KeepDirectory(call, place.directory, key));
  Version marker;
  {
    absl::MutexLock lock(&inode->mu);
    if (inode->directory.marker) marker = inode->directory.marker->version;
  }
  S3FILES_RETURN_IF_ERROR(DeleteObject(call, key, marker));
  Remove(inode);
  importer_.NoteRemoved(place.directory, place.name);
  return absl::OkStatus();
}

absl::Status FileSystem::DeleteObject(const CallContext& call, const std::string& key,
                                      const Version& expected) {
  S3FILES_ASSIGN_OR_RETURN(const Precondition precondition,
                           guard_.Prepare(call, key, expected, WriteKind::kDelete));
  return store_->Delete(call, key, precondition);
}

absl::Status FileSystem::Unlink(const CallContext& call, const Handle* at, absl::string_view path) {
  S3FILES_RETURN_IF_ERROR(CheckChange());
  S3FILES_ASSIGN_OR_RETURN(const Place place, Resolve(at, path));
  while (true) {
    bool again = false;
    const absl::Status status = UnlinkAt(call, place, &again);
    if (!again) return status;
    S3FILES_RETURN_IF_ERROR(call.Check("removing a file"));
  }
}

absl::Status FileSystem::UnlinkAt(const CallContext& call, const Place& place, bool* again) {
  S3FILES_ASSIGN_OR_RETURN(const InodePtr inode, FindFile(call, place, Freshness::kRecent));
  S3FILES_ASSIGN_OR_RETURN(const BusyInode busy, committer_->AcquireSettled(call, inode));
  if (Recall(place) != inode) {  // the name was given to another before it was busy
    *again = true;
    return absl::OkStatus();
  }
  committer_->DropEarlyUpload(call, inode);
  S3FILES_RETURN_IF_ERROR(committer_->AdoptOwn(call, inode).status());
  Version committed;
  {
    absl::MutexLock lock(&inode->mu);
    if (inode->removed) return NotFound(place);
    if (!inode->conflict) committed = inode->committed.version;
  }
  if (!committed.absent()) {
    const std::string key = names_.KeyOf(inode);
    S3FILES_RETURN_IF_ERROR(importer_.KeepDirectory(call, place.directory, key));
    absl::Status status = DeleteObject(call, key, committed);
    if (!status.ok()) {
      absl::MutexLock lock(&inode->mu);
      inode->validated_ns = 0;  // the next lookup asks
      return status;
    }
  }
  Remove(inode);
  importer_.NoteRemoved(place.directory, place.name);
  committer_->ForgetRemoved(inode);
  return absl::OkStatus();
}

absl::Status FileSystem::Rename(const CallContext& call, const Handle* from_at,
                                absl::string_view from, const Handle* to_at, absl::string_view to,
                                uint32_t flags) {
  S3FILES_RETURN_IF_ERROR(CheckChange());
  if ((flags & ~(kRenameNoReplace | kRenameExchange)) != 0 ||
      flags == (kRenameNoReplace | kRenameExchange)) {
    return Error(EINVAL, "rename flags: an unknown one, or NOREPLACE with EXCHANGE");
  }
  while (true) {
    S3FILES_ASSIGN_OR_RETURN(const Place source_place, Resolve(from_at, from));
    S3FILES_ASSIGN_OR_RETURN(const Place target_place, Resolve(to_at, to));
    if (source_place.inode == names_.root() || target_place.inode != nullptr) {
      return Error(EBUSY, "the root cannot be renamed or replaced");
    }
    bool again = false;
    const absl::Status status = RenameAt(call, source_place, target_place, flags, &again);
    if (!again) return status;
    S3FILES_RETURN_IF_ERROR(call.Check("renaming a file"));
  }
}

absl::StatusOr<std::pair<BusyInode, BusyInode>> FileSystem::AcquireBoth(const CallContext& call,
                                                                        const InodePtr& a,
                                                                        const InodePtr& b) {
  const bool a_first = a->ino < b->ino;
  S3FILES_ASSIGN_OR_RETURN(BusyInode first, BusyInode::Acquire(call, a_first ? a : b));
  S3FILES_ASSIGN_OR_RETURN(BusyInode second, BusyInode::Acquire(call, a_first ? b : a));
  return std::pair<BusyInode, BusyInode>(std::move(first), std::move(second));
}

absl::Status FileSystem::RenameAt(const CallContext& call, const Place& from, const Place& to,
                                  uint32_t flags, bool* again) {
  S3FILES_ASSIGN_OR_RETURN(const InodePtr source, Find(call, from, Freshness::kRecent));
  if ((flags & kRenameExchange) != 0) return ExchangeFiles(call, source, from, to, again);
  if (source->type == FileType::kDirectory) {
    return RenameDirectory(call, source, from, to, flags, again);
  }
  if (to.must_be_directory) {
    return Error(ENOTDIR, absl::StrCat(Describe(from), " is a file, and ", Describe(to),
                                       "/ cannot name one"));
  }
  if (to.directory == names_.lost_and_found()) {
    return Error(EPERM, absl::StrCat("nothing can be moved into /", kLostAndFound));
  }
  S3FILES_ASSIGN_OR_RETURN(InodePtr target, importer_.LookupToCreate(call, to.directory, to.name));
  if (target == source) return absl::OkStatus();
  if (target != nullptr && (flags & kRenameNoReplace) != 0) {
    return Error(EEXIST, absl::StrCat(Describe(to), " exists"));
  }
  if (target != nullptr && target->type == FileType::kDirectory) {
    return Error(EISDIR, absl::StrCat(Describe(to), " is a directory"));
  }

  const std::string target_key = names_.ChildKey(to.directory, to.name);
  S3FILES_RETURN_IF_ERROR(committer_->SettleMoves(call, names_.KeyOf(source)));
  S3FILES_RETURN_IF_ERROR(committer_->SettleMoves(call, target_key));
  // A name that is free is taken for the time being: who else wants it waits.
  const bool is_free = target == nullptr;
  if (is_free) target = names_.Bind(to.directory, to.name, FileType::kFile);
  if (target == source) {  // another thread has just renamed it so
    *again = true;
    return absl::OkStatus();
  }

  DeferredEvents events(events_);
  S3FILES_ASSIGN_OR_RETURN(const auto busy, AcquireBoth(call, source, target));
  // The names may have changed before both were busy.
  *again = Recall(from) != source || Recall(to) != target ||
           names_.MoveAround(source).directory != nullptr ||
           names_.MoveAround(target).directory != nullptr;
  if (is_free) {
    absl::MutexLock lock(&target->mu);
    *again = *again || target->content != nullptr;
  }
  if (*again) return absl::OkStatus();
  const absl::Status status = RenameBusy(call, source, target, from, to, events);
  if (!status.ok() && is_free) Remove(target);
  return status;
}

absl::Status FileSystem::RenameBusy(const CallContext& call, const InodePtr& source,
                                    const InodePtr& target, const Place& from, const Place& to,
                                    DeferredEvents& events) {
  bool never_committed;
  {
    absl::MutexLock lock(&source->mu);
    if (source->removed) return NotFound(from);
    if (source->conflict) {
      return Error(EPERM,
                   absl::StrCat("copy files out of /", kLostAndFound, " instead of moving them"));
    }
    // What may have been committed after all, and a file that this one is to replace, must not be
    // left behind under the old name.
    never_committed = source->content->base() == nullptr && source->committed.version.absent() &&
                      source->unresolved.empty();
  }
  if (never_committed) {
    S3FILES_RETURN_IF_ERROR(RenameStaged(call, source, target, to));
  } else {
    S3FILES_RETURN_IF_ERROR(RenameCommitted(call, source, target, to, events));
  }
  importer_.NoteRemoved(from.directory, from.name);
  return absl::OkStatus();
}

// The source takes over the target's name, and the target is gone.
void FileSystem::Replace(const CallContext& call, const InodePtr& source, const InodePtr& target,
                         const Place& to) {
  importer_.NoteCreated(to.directory, to.name);
  names_.Rebind(source, to.directory, to.name);
  committer_->DropEarlyUpload(call, target);
  Remove(target);
  committer_->ForgetRemoved(target);
}

// The file side's names change; the commit to come writes the new key, under the version of what
// stands there.
absl::Status FileSystem::RenameStaged(const CallContext& call, const InodePtr& source,
                                      const InodePtr& target, const Place& to) {
  committer_->DropEarlyUpload(call, source);
  S3FILES_RETURN_IF_ERROR(committer_->AdoptOwn(call, target).status());
  Stamp replaced;
  {
    absl::MutexLock lock(&target->mu);
    replaced = target->committed;
  }
  {
    absl::MutexLock lock(&source->mu);
    source->committed = replaced;
    source->exclusive = false;  // that was about the old name
    ++source->epoch;
  }
  Replace(call, source, target, to);
  return absl::OkStatus();
}

absl::Status FileSystem::RenameCommitted(const CallContext& call, const InodePtr& source,
                                         const InodePtr& target, const Place& to,
                                         DeferredEvents& events) {
  S3FILES_RETURN_IF_ERROR(committer_->CommitBusy(call, source, events));
  const std::string old_key = names_.KeyOf(source);
  const InodePtr old_directory = names_.ParentOf(source);
  std::shared_ptr<Content> content;
  CopyJob job;
  job.key = names_.ChildKey(to.directory, to.name);
  job.commit_id = RandomId();
  S3FILES_RETURN_IF_ERROR(committer_->AdoptOwn(call, target).status());
  {
    absl::MutexLock lock(&target->mu);
    job.expected = target->committed.version;
  }
  {
    absl::MutexLock lock(&source->mu);
    if (source->conflict || source->removed) {
      return Error(ESTALE, absl::StrCat("/", old_key, " was replaced in the store"));
    }
    content = source->content;
    job.source = content->base();
    job.metadata = source->metadata;
  }
  // A directory that the file stays in has it as a child throughout.
  if (!names_.IsWithin(to.directory, old_directory)) {
    S3FILES_RETURN_IF_ERROR(importer_.KeepDirectory(call, old_directory, old_key));
  }
  absl::StatusOr<Stamp> stamp = writer_.Copy(call, job);
  importer_.NoteCreated(to.directory, to.name);  // by whomever: it is not known to be absent
  if (!stamp.ok()) {
    for (const InodePtr& inode : {source, target}) {
      absl::MutexLock lock(&inode->mu);
      inode->validated_ns = 0;
    }
    // To the caller of a rename "another file came to be at the target" is a conflict like any
    // other.
    if (ErrnoOf(stamp.status()) == EEXIST) {
      return Error(ESTALE, stamp.status().message(), ReplyOf(stamp.status()));
    }
    return stamp.status();
  }
  // Handles move over before the old key goes, so that none of them finds its bytes gone.
  content->Rename(std::make_shared<const Base>(job.key, stamp->version, job.source->size));
  const absl::Status deleted = DeleteObject(call, old_key, job.source->version);
  if (!deleted.ok()) {
    content->Rename(job.source);
    absl::MutexLock lock(&source->mu);
    source->validated_ns = 0;
    return Annotate(deleted, absl::StrCat("copied to ", job.key, ", but ", old_key,
                                          " could not be removed: both exist"));
  }
  {
    absl::MutexLock lock(&source->mu);
    source->committed = *stamp;
    source->validated_ns = clock_->MonotonicNanos();
    ++source->epoch;
  }
  Replace(call, source, target, to);
  return absl::OkStatus();
}

}  // namespace s3files
