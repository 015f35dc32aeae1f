// FileSystem: the operations that change names.
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/fs/file_system.h"

namespace s3files {

absl::Status FileSystem::CheckTake(const CallContext& call, const InodePtr& directory,
                                   const InodePtr& inode) {
  if (!IsChecked(call)) return absl::OkStatus();
  S3FILES_ASSIGN_OR_RETURN(const Attributes above, AttributesNow(call, directory));
  S3FILES_ASSIGN_OR_RETURN(const Attributes own, AttributesNow(call, inode));
  return CheckRemove(call, above, own, names_.PathOf(inode));
}

absl::Status FileSystem::MakeDirectory(const CallContext& call, const Handle* at,
                                       absl::string_view path, uint32_t mode) {
  return MakeAt(call, at, path, FileType::kDirectory, mode, "");
}

absl::Status FileSystem::MakeSymlink(const CallContext& call, absl::string_view target,
                                     const Handle* at, absl::string_view path) {
  S3FILES_RETURN_IF_ERROR(CheckChangeable());
  if (target.empty()) return Error(ENOENT, "a symlink needs a target");
  if (target.size() > kLongestTarget) {
    return Error(ENAMETOOLONG, absl::StrCat("the target of a symlink has ", target.size(),
                                            " bytes; at most ", kLongestTarget));
  }
  return MakeAt(call, at, path, FileType::kSymlink, 0777, target);
}

absl::Status FileSystem::MakeAt(const CallContext& call, const Handle* at, absl::string_view path,
                                FileType type, uint32_t mode, absl::string_view body) {
  S3FILES_RETURN_IF_ERROR(CheckChangeable());
  return AtPlace(call, at, path, [&](Place& place) -> absl::Status {
    if (place.inode != nullptr) return Error(EEXIST, absl::StrCat(Describe(place), "/ exists"));
    S3FILES_ASSIGN_OR_RETURN(const InodePtr there,
                             importer_.LookupToCreate(call, place.directory, place.name));
    if (there != nullptr) return Error(EEXIST, absl::StrCat(Describe(place), " exists"));
    if (place.must_be_directory && type != FileType::kDirectory) return NotFound(place);
    S3FILES_ASSIGN_OR_RETURN(const Attributes above, CheckMake(call, place.directory));
    return MakeObject(
        call, place,
        AttributesOfNew(call, type, mode, above, options_.import.defaults, clock_->WallNanos()),
        body);
  });
}

absl::Status FileSystem::MakeRoot(const CallContext& call) {
  if (!options_.root_attributes || names_.prefix().empty()) return absl::OkStatus();
  ListRequest list;
  list.prefix = names_.prefix();
  list.hierarchical = false;
  list.max_keys = 1;
  S3FILES_ASSIGN_OR_RETURN(const ListPage page, store_->List(call, list));
  if (!page.objects.empty()) return absl::OkStatus();
  S3FILES_RETURN_IF_ERROR(CheckChangeable());
  Attributes attributes = *options_.root_attributes;
  attributes.mtime_ns = clock_->WallNanos();
  const absl::Status status =
      PutNew(call, store_.get(), &guard_, {names_.prefix(), attributes, {}, ""}).status();
  return ErrnoOf(status) == EEXIST ? absl::OkStatus() : status;  // another was first
}

absl::Status FileSystem::MakeObject(const CallContext& call, const Place& place,
                                    const Attributes& attributes, absl::string_view body) {
  const bool is_directory = attributes.type == FileType::kDirectory;
  const auto key_now = [&] {
    return names_.ChildKey(place.directory, place.name) + (is_directory ? "/" : "");
  };
  S3FILES_RETURN_IF_ERROR(committer_->SettleBarriers(call));
  std::string key;
  std::optional<HoldPlace> hold;  // the directory that it is made in keeps its key
  do {
    hold.reset();
    key = key_now();
    S3FILES_RETURN_IF_ERROR(committer_->SettleMoves(call, key));
    hold.emplace(place.directory);
  } while (names_.MoveAround(key).directory != nullptr || key_now() != key);
  S3FILES_RETURN_IF_ERROR(CheckKeyLength(key));
  const absl::StatusOr<ObjectInfo> made =
      PutNew(call, store_.get(), &guard_, {key, attributes, {}, body});
  if (ErrnoOf(made.status()) == EEXIST) importer_.NoteFound(place.directory, place.name);
  S3FILES_RETURN_IF_ERROR(made.status());

  importer_.NoteCreated(place.directory, place.name);
  const InodePtr inode = names_.Bind(place.directory, place.name, attributes.type);
  if (inode->type != attributes.type) return absl::OkStatus();  // what it is, the next lookup asks
  absl::MutexLock lock(&inode->mu);
  if (is_directory) {
    inode->directory.Mutable().exists_ns = clock_->MonotonicNanos();
    inode->directory.Mutable().marker = made->stamp;
  } else if (inode->content == nullptr) {
    inode->content = std::make_shared<Content>(
        std::make_shared<const Base>(key, made->stamp.version, body.size()), &fetcher_, &spill_);
    inode->committed = made->stamp;
  }
  inode->attributes = attributes;
  inode->metadata = made->metadata;
  inode->full = true;
  ++inode->epoch;
  inode->validated_ns = clock_->MonotonicNanos();
  return absl::OkStatus();
}

absl::StatusOr<std::string> FileSystem::ReadLink(const CallContext& call, const Handle* at,
                                                 absl::string_view path) {
  return AtPlace(call, at, path, [&](Place& place) -> absl::StatusOr<std::string> {
    S3FILES_ASSIGN_OR_RETURN(const InodePtr inode,
                             Find(call, place, Freshness::kRecent, /*follow=*/false));
    return importer_.ReadLink(call, inode);
  });
}

absl::Status FileSystem::RemoveDirectory(const CallContext& call, const Handle* at,
                                         absl::string_view path) {
  S3FILES_RETURN_IF_ERROR(CheckChangeable());
  return AtPlace(call, at, path, [&](Place& place) { return RemoveDirectoryAt(call, place); });
}

absl::Status FileSystem::RemoveDirectoryAt(const CallContext& call, Place& place) {
  S3FILES_ASSIGN_OR_RETURN(const InodePtr inode, Find(call, place, Freshness::kRecent,
                                                      /*follow=*/false, Expect::kDirectory));
  if (inode == names_.root()) return Error(EBUSY, "the root cannot be removed");
  if (inode->type != FileType::kDirectory) {
    return Error(ENOTDIR, absl::StrCat(Describe(place), " is not a directory"));
  }
  if (inode == names_.lost_and_found()) {
    return Error(EBUSY, absl::StrCat("/", kLostAndFound, " cannot be removed, its files can"));
  }
  S3FILES_RETURN_IF_ERROR(CheckTake(call, names_.ParentOf(inode), inode));
  S3FILES_RETURN_IF_ERROR(committer_->SettleBarriers(call));
  S3FILES_ASSIGN_OR_RETURN(const BusyInode busy, committer_->AcquireSettled(call, inode));
  if (Recall(place) != inode) return NameChanged();  // renamed before it was busy
  const InodePtr above = names_.ParentOf(inode);
  S3FILES_RETURN_IF_ERROR(importer_.CheckEmpty(call, inode));
  const std::string key = names_.DirectoryKey(inode);
  S3FILES_RETURN_IF_ERROR(importer_.KeepDirectory(call, above, key));
  Version marker;
  {
    absl::MutexLock lock(&inode->mu);
    if (inode->directory->marker) marker = inode->directory->marker->version;
  }
  S3FILES_RETURN_IF_ERROR(DeleteObject(call, key, marker));
  const std::string name = names_.NameOf(inode);
  importer_.NoteEmpty(inode);
  Remove(inode);
  importer_.NoteRemoved(above, name);
  return absl::OkStatus();
}

absl::Status FileSystem::DeleteObject(const CallContext& call, const std::string& key,
                                      const Version& expected) {
  S3FILES_ASSIGN_OR_RETURN(const Precondition precondition,
                           guard_.Prepare(call, key, expected, WriteKind::kDelete));
  return store_->Delete(call, key, precondition);
}

absl::Status FileSystem::Unlink(const CallContext& call, const Handle* at, absl::string_view path) {
  S3FILES_RETURN_IF_ERROR(CheckChangeable());
  return AtPlace(call, at, path, [&](Place& place) { return UnlinkAt(call, place); });
}

absl::Status FileSystem::UnlinkAt(const CallContext& call, Place& place) {
  S3FILES_ASSIGN_OR_RETURN(const InodePtr inode,
                           Find(call, place, Freshness::kRecent, /*follow=*/false));
  if (inode->type == FileType::kDirectory) {
    return Error(EISDIR, absl::StrCat(Describe(place), " is a directory"));
  }
  if (place.inode != nullptr) {
    return Error(EINVAL, "an empty path names no directory entry to remove");
  }
  S3FILES_RETURN_IF_ERROR(CheckTake(call, place.directory, inode));
  S3FILES_RETURN_IF_ERROR(committer_->SettleBarriers(call));
  S3FILES_ASSIGN_OR_RETURN(const BusyInode busy, committer_->AcquireSettled(call, inode));
  if (Recall(place) != inode) return NameChanged();  // given to another before it was busy
  committer_->DropEarlyUpload(call, inode);
  S3FILES_RETURN_IF_ERROR(committer_->AdoptOwn(call, inode).status());
  Version committed;
  bool removed;
  {
    absl::MutexLock lock(&inode->mu);
    removed = inode->removed;
    if (!inode->conflict) committed = inode->committed.version;
  }
  if (removed) return NotFound(place);
  if (!committed.absent()) {
    const std::string key = names_.KeyOf(inode);
    S3FILES_RETURN_IF_ERROR(importer_.KeepDirectory(call, place.directory, key));
    S3FILES_RETURN_IF_ERROR(committer_->KeepBorrowed(call, inode));
    committer_->RecordRemoving(inode, true);
    absl::Status status = DeleteObject(call, key, committed);
    if (!status.ok()) {
      committer_->RecordRemoving(inode, false);
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

absl::Status FileSystem::CheckNamed(const Place& place) {
  if (place.inode == nullptr) return absl::OkStatus();
  return Error(EBUSY, "the root, or what a handle has open, is not a name to be renamed");
}

absl::Status FileSystem::Rename(const CallContext& call, const Handle* from_at,
                                absl::string_view from, const Handle* to_at, absl::string_view to,
                                uint32_t flags) {
  S3FILES_RETURN_IF_ERROR(CheckChangeable());
  if ((flags & ~(kRenameNoReplace | kRenameExchange)) != 0 ||
      flags == (kRenameNoReplace | kRenameExchange)) {
    return Error(EINVAL, "rename flags: an unknown one, or NOREPLACE with EXCHANGE");
  }
  return AtPlace(call, from_at, from, [&](Place& source) {
    return AtPlace(call, to_at, to, [&](Place& target) -> absl::Status {
      S3FILES_RETURN_IF_ERROR(CheckNamed(source));
      S3FILES_RETURN_IF_ERROR(CheckNamed(target));
      return RenameAt(call, source, target, flags);
    });
  });
}

absl::StatusOr<std::pair<BusyInode, BusyInode>> FileSystem::AcquireBoth(const CallContext& call,
                                                                        const InodePtr& a,
                                                                        const InodePtr& b) {
  const bool a_first = a->ino < b->ino;
  S3FILES_ASSIGN_OR_RETURN(BusyInode first, BusyInode::Acquire(call, a_first ? a : b));
  S3FILES_ASSIGN_OR_RETURN(BusyInode second, BusyInode::Acquire(call, a_first ? b : a));
  return std::pair<BusyInode, BusyInode>(std::move(first), std::move(second));
}

absl::Status FileSystem::RenameAt(const CallContext& call, Place& from, Place& to, uint32_t flags) {
  S3FILES_ASSIGN_OR_RETURN(const InodePtr source,
                           Find(call, from, Freshness::kRecent, /*follow=*/false));
  S3FILES_RETURN_IF_ERROR(CheckNamed(from));  // a link with a slash behind it was followed
  S3FILES_RETURN_IF_ERROR(CheckTake(call, from.directory, source));
  S3FILES_RETURN_IF_ERROR(CheckMake(call, to.directory).status());
  if ((flags & kRenameExchange) != 0) return ExchangeFiles(call, source, from, to);
  if (source->type == FileType::kDirectory) {
    return RenameDirectory(call, source, from, to, flags);
  }
  if (to.must_be_directory) {
    return Error(ENOTDIR, absl::StrCat(Describe(from), " is a file, and ", Describe(to),
                                       "/ cannot name one"));
  }
  if (to.directory == names_.lost_and_found()) {
    return Error(EPERM, absl::StrCat("nothing can be moved into /", kLostAndFound));
  }
  S3FILES_ASSIGN_OR_RETURN(InodePtr target, importer_.LookupToCreate(call, to.directory, to.name));
  if (target != nullptr && (flags & kRenameNoReplace) != 0) {
    return Error(EEXIST, absl::StrCat(Describe(to), " exists"));
  }
  if (target == source) return absl::OkStatus();
  if (target != nullptr && target->type == FileType::kDirectory) {
    return Error(EISDIR, absl::StrCat(Describe(to), " is a directory"));
  }
  if (target != nullptr) S3FILES_RETURN_IF_ERROR(CheckTake(call, to.directory, target));

  const std::string target_key = names_.ChildKey(to.directory, to.name);
  S3FILES_RETURN_IF_ERROR(committer_->SettleBarriers(call));
  S3FILES_RETURN_IF_ERROR(committer_->SettleMoves(call, names_.KeyOf(source)));
  S3FILES_RETURN_IF_ERROR(committer_->SettleMoves(call, target_key));
  // A name that is free is taken for the time being: who else wants it waits.
  const bool is_free = target == nullptr;
  if (is_free) target = names_.Bind(to.directory, to.name, FileType::kFile);
  if (target == source) return NameChanged();  // another thread has just renamed it so

  DeferredEvents events(events_);
  S3FILES_ASSIGN_OR_RETURN(const auto busy, AcquireBoth(call, source, target));
  // The names may have changed before both were busy.
  bool changed = !StillAt(source, from) || !StillAt(target, to);
  if (is_free) {
    absl::MutexLock lock(&target->mu);
    changed = changed || target->content != nullptr;
  }
  if (changed) return NameChanged();
  const absl::Status status = RenameBusy(call, source, target, from, to, events);
  if (!status.ok() && is_free) Remove(target);
  return status;
}

absl::Status FileSystem::RenameBusy(const CallContext& call, const InodePtr& source,
                                    const InodePtr& target, const Place& from, const Place& to,
                                    DeferredEvents& events) {
  const absl::Status gone = NotFound(from);  // the lock of names comes before an inode's
  bool never_committed;
  {
    absl::MutexLock lock(&source->mu);
    if (source->removed) return gone;
    if (source->conflict) {
      return Error(EPERM,
                   absl::StrCat("copy files out of /", kLostAndFound, " instead of moving them"));
    }
    // What may have been committed after all, and a file that this one is to replace, must not be
    // left behind under the old name.
    never_committed = source->content->committed_base() == nullptr &&
                      source->committed.version.absent() && source->unresolved.empty();
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
  committer_->RecordBoth(source, target);
  committer_->ForgetRemoved(target);
}

// The file side's names change; the commit to come writes the new key, under the version of what
// stands there.
absl::Status FileSystem::RenameStaged(const CallContext& call, const InodePtr& source,
                                      const InodePtr& target, const Place& to) {
  committer_->DropEarlyUpload(call, source);
  S3FILES_RETURN_IF_ERROR(committer_->AdoptOwn(call, target).status());
  // A copy of the target that takes its place, "cp a b; mv b a", is not in its own way.
  std::shared_ptr<Content> content;
  {
    absl::MutexLock lock(&source->mu);
    content = source->content;
  }
  S3FILES_RETURN_IF_ERROR(committer_->KeepBorrowed(call, target, content.get()));
  Stamp replaced;
  {
    absl::MutexLock lock(&target->mu);
    replaced = target->committed;
  }
  {
    absl::MutexLock lock(&source->mu);
    source->committed = replaced;
    source->exclusive = false;                                      // that was about the old name
    if (content->borrowed()) source->borrowers.push_back(content);  // maybe of its own key now
    ++source->epoch;
  }
  Replace(call, source, target, to);
  return absl::OkStatus();
}

absl::Status FileSystem::RenameCommitted(const CallContext& call, const InodePtr& source,
                                         const InodePtr& target, const Place& to,
                                         DeferredEvents& events) {
  S3FILES_RETURN_IF_ERROR(committer_->CommitBusy(call, source, events));
  // What the journal has of the target rests on the object that is to be replaced, until it is.
  if (committer_->IsRecorded(target)) {
    S3FILES_RETURN_IF_ERROR(committer_->CommitBusy(call, target, events));
  }
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
    job.source = content->committed_base();
    job.metadata = source->metadata.Get();
    job.tagged = source->tag_count > 0;
  }
  // A directory that the file stays in has it as a child throughout.
  if (!names_.IsWithin(to.directory, old_directory)) {
    S3FILES_RETURN_IF_ERROR(importer_.KeepDirectory(call, old_directory, old_key));
  }
  S3FILES_RETURN_IF_ERROR(committer_->KeepBorrowed(call, source));
  S3FILES_RETURN_IF_ERROR(committer_->KeepBorrowed(call, target));
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
    for (const InodePtr& inode : {source, target}) {  // the next lookups ask
      absl::MutexLock lock(&inode->mu);
      inode->validated_ns = 0;
    }
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
