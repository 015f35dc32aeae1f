// Committer: changes of attributes, which send no byte of the file.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/inode/xattr.h"
#include "lib/sync/committer.h"
#include "lib/sync/new_object.h"

namespace s3files {
namespace {

// How often others may come between the reading and the copy.
constexpr int kMostMerges = 8;

}  // namespace

absl::Status Committer::ChangeAttributes(const CallContext& call, const InodePtr& inode,
                                         const AttributeChange& change, uint64_t handle) {
  if (change.empty()) return absl::OkStatus();
  if (inode == parts_.names->root() && parts_.names->prefix().empty()) {
    return Error(EPERM, "the root of a bucket has no object that could carry attributes");
  }
  const bool delayed = policy_.delay_ns > 0 && inode->type != FileType::kDirectory;
  DeferredEvents events(parts_.events);
  S3FILES_RETURN_IF_ERROR(delayed ? BeforeStaging(call, inode) : SettleBarriers(call));
  S3FILES_ASSIGN_OR_RETURN(const BusyInode busy, AcquireSettled(call, inode));
  const std::string path = parts_.names->PathOf(inode);
  {
    absl::ReleasableMutexLock lock(&inode->mu);
    if (inode->conflict || inode->directory->local) {
      return Error(EROFS, absl::StrCat("/", path, " is not in the bucket: it cannot be changed"));
    }
    ObjectMetadata after = inode->ShownMetadata();
    change.ApplyTo(&after);
    StoreAttributes(inode->attributes, &after);
    S3FILES_RETURN_IF_ERROR(CheckMetadataSize(after));
    // Of a file that is gone only its handles know.
    if (inode->removed || delayed || inode->Staged()) {
      change.ApplyTo(&inode->attributes);
      inode->ctime_ns = parts_.clock->WallNanos();
      inode->change.Mutable().Append(change);
      if (inode->removed) return absl::OkStatus();
      Enlist(inode, handle);
      lock.Release();
      // No handle will be closed, and say so.
      return handle == kClosedHandle ? RecordNow(call, inode, Durable::kSoon) : absl::OkStatus();
    }
  }
  const std::string commit_id = BeginAttributes(inode);
  const absl::Status status = WriteAttributes(call, inode, change, commit_id);
  EndAttributes(inode);
  S3FILES_RETURN_IF_ERROR(status);
  RecordAgain(call, inode, Durable::kNow).IgnoreError();  // written to meanwhile
  if (change.mtime_ns) {
    absl::MutexLock lock(&inode->mu);
    inode->directory.Mutable().changed_ns = 0;
  }
  events.Add({EventKind::kCommitted, path, absl::OkStatus(), "", 0});
  return absl::OkStatus();
}

// A row of the journal tells from now on by which commit id the object may have another version: also
// one that is written meanwhile.
std::string Committer::BeginAttributes(const InodePtr& inode) {
  const std::string commit_id = RandomId();
  {
    absl::MutexLock lock(&inode->mu);
    inode->committing = commit_id;
  }
  RecordAgain(CallContext(), inode, Durable::kNow).IgnoreError();  // see Prepare
  return commit_id;
}

void Committer::EndAttributes(const InodePtr& inode) {
  absl::MutexLock lock(&inode->mu);
  inode->committing.clear();
}

// Last writer wins, field by field: what others changed besides stays.
absl::Status Committer::WriteAttributes(const CallContext& call, const InodePtr& inode,
                                        const AttributeChange& change,
                                        const std::string& commit_id) {
  S3FILES_RETURN_IF_ERROR(AdoptOwn(call, inode).status());
  S3FILES_RETURN_IF_ERROR(KeepBorrowed(call, inode));
  const bool is_directory = inode->type == FileType::kDirectory;
  const std::string key =
      is_directory ? parts_.names->DirectoryKey(inode) : parts_.names->KeyOf(inode);
  absl::Status status;
  for (int i = 0; i < kMostMerges; ++i) {
    absl::StatusOr<ObjectInfo> info = parts_.store->Head(call, key);
    if (is_directory && ErrnoOf(info.status()) == ENOENT) {
      status = WriteMarker(call, inode, change);
    } else {
      S3FILES_RETURN_IF_ERROR(info.status());
      Attributes attributes = AttributesOf(*info, is_directory, parts_.defaults);
      CopyJob job;
      job.key = key;
      job.source = std::make_shared<const Base>(key, info->stamp.version, info->size);
      ObjectMetadata metadata = info->metadata;
      change.ApplyTo(&attributes);
      change.ApplyTo(&metadata);
      StoreAttributes(attributes, &metadata);
      if (metadata == info->metadata) {
        NoteAttributes(inode, *info, info->stamp, key, info->metadata);
        return absl::OkStatus();
      }
      S3FILES_RETURN_IF_ERROR(CheckMetadataSize(metadata));  // with what others have added
      job.metadata = metadata;
      job.expected = info->stamp.version;
      job.commit_id = commit_id;
      job.tagged = info->tag_count > 0;
      absl::StatusOr<Stamp> stamp = parts_.writer->Copy(call, job);
      if (stamp.ok()) {
        NoteAttributes(inode, *info, *stamp, key, std::move(metadata));
        absl::MutexLock lock(&inode->mu);
        inode->unresolved.clear();  // what was on the way before cannot come any more
        return absl::OkStatus();
      }
      status = stamp.status();
      if (IsAmbiguous(status) && !is_directory) {
        absl::MutexLock lock(&inode->mu);
        // A copy of other bytes than the inode shows is a foreign version, whoever made it.
        if (inode->committed.version == info->stamp.version) {
          inode->unresolved.push_back(job.commit_id);
        } else {
          inode->validated_ns = 0;
        }
      }
    }
    const int error = ErrnoOf(status);
    if (error != ESTALE && error != EEXIST && error != ENOENT) return status;
  }
  return status;
}

// The first attributes of a directory that only its children implied.
absl::Status Committer::WriteMarker(const CallContext& call, const InodePtr& inode,
                                    const AttributeChange& change) {
  NewObject marker{parts_.names->DirectoryKey(inode), ImpliedDirectory(parts_.defaults), {}, ""};
  marker.attributes.mtime_ns = parts_.clock->WallNanos();
  change.ApplyTo(&marker.attributes);
  change.ApplyTo(&marker.metadata);
  S3FILES_ASSIGN_OR_RETURN(const ObjectInfo made, PutNew(call, parts_.store, parts_.guard, marker));
  NoteAttributes(inode, made, made.stamp, marker.key, made.metadata);
  return absl::OkStatus();
}

// The object that was `read` carries other metadata now, as version `written`.
void Committer::NoteAttributes(const InodePtr& inode, const ObjectInfo& read, const Stamp& written,
                               const std::string& key, ObjectMetadata metadata) {
  const int64_t now = parts_.clock->MonotonicNanos();
  absl::MutexLock lock(&inode->mu);
  const ObjectInfo info{read.size, written, std::move(metadata)};
  if (inode->type == FileType::kDirectory) {
    inode->directory.Mutable().marker = written;
    inode->directory.Mutable().exists_ns = now;
  } else {
    auto base = std::make_shared<const Base>(key, written.version, read.size);
    if (inode->content != nullptr && inode->committed.version == read.stamp.version) {
      inode->content->Rename(std::move(base));
    } else if (inode->content == nullptr || inode->content->RetireUnlessStaged()) {
      inode->content = std::make_shared<Content>(std::move(base), parts_.fetcher, parts_.spill);
    } else {
      return;  // written to meanwhile, on a version that is gone: its commit finds the conflict
    }
    inode->committed = written;
  }
  const int64_t shown_ns = inode->attributes.mtime_ns;
  inode->attributes = AttributesOf(info, inode->type == FileType::kDirectory, parts_.defaults);
  inode->change->ApplyTo(&inode->attributes);
  // Written to meanwhile: that is when it was modified.
  if (inode->content != nullptr && inode->content->staged()) inode->attributes.mtime_ns = shown_ns;
  inode->metadata = info.metadata;
  inode->tag_count = read.tag_count;
  inode->full = true;
  inode->validated_ns = now;
  inode->ctime_ns = parts_.clock->WallNanos();
  ++inode->epoch;
}

absl::Status Committer::CommitStagedAttributes(const CallContext& call, const InodePtr& inode,
                                               DeferredEvents& events) {
  AttributeChange change;
  std::optional<ObjectMetadata> before;
  const std::string commit_id = BeginAttributes(inode);  // while they are staged
  {
    absl::MutexLock lock(&inode->mu);
    change = inode->TakeChange(&before);
  }
  const absl::Status status = WriteAttributes(call, inode, change, commit_id);
  EndAttributes(inode);
  const std::string path = parts_.names->PathOf(inode);
  // Nothing is left that could carry them: the store wins.
  const bool gone = ErrnoOf(status) == ENOENT;
  absl::Status told = status;
  {
    absl::MutexLock lock(&inode->mu);
    if (gone) {
      told = Error(ESTALE, absl::StrCat("/", path,
                                        " was removed from the store: its change of "
                                        "attributes is dropped"));
      inode->validated_ns = 0;
    } else if (!status.ok()) {
      told = Annotate(status, absl::StrCat("/", path, ": its attributes stay staged"));
      inode->RestoreChange(std::move(change), before);
    }
    inode->attempts = status.ok() ? 0 : inode->attempts + 1;
    inode->last_error = told;
    inode->error_seen = true;
  }
  if (status.ok() || gone) {
    Forget(inode);
  } else {
    RecordAgain(CallContext(), inode, Durable::kSoon).IgnoreError();
  }
  {
    absl::MutexLock lock(&mu_);
    ++(status.ok() ? counters_.commits : gone ? counters_.conflicts : counters_.failures);
  }
  events.Add({status.ok() ? EventKind::kCommitted
              : gone      ? EventKind::kConflict
                          : EventKind::kCommitFailed,
              path, told, "", 0});
  return told;
}

}  // namespace s3files
