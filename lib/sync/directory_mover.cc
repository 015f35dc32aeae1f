#include "lib/sync/directory_mover.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/inode/path.h"

namespace s3files {
namespace {

// An object that changes faster than it is copied is an error after so many copies.
constexpr int kMostCopies = 8;

// What a copy by the store keeps, the name of the write itself aside.
ObjectMetadata Kept(ObjectMetadata metadata) {
  metadata.user.erase(kCommitIdName);
  return metadata;
}

// The same for the same copy, so that one whose reply was lost is known again.
std::string CopyId(absl::string_view from, absl::string_view to, const Version& version) {
  const std::string what = absl::StrCat(from, "\n", to, "\n", version.ToString());
  return Hex(AsBytes(Sha256(what))).substr(0, 32);
}

}  // namespace

struct DirectoryMover::Task {
  const InodePtr directory;
  const std::string origin;
  const std::string target;
  const std::shared_ptr<Progress> progress;
  const size_t prefix_size;  // of the file system's
  DeferredEvents& events;
  absl::Mutex events_mu;
  bool marker_copied = false;  // the origin's own

  std::string NewKey(const std::string& key) const { return target + key.substr(origin.size()); }
  void Leave(const std::string& key, const absl::Status& why, const std::string& path) {
    {
      absl::MutexLock lock(&progress->mu);
      if (!progress->left.insert(key).second) return;
      if (progress->left_because.ok()) progress->left_because = why;
    }
    absl::MutexLock lock(&events_mu);
    events.Add({EventKind::kConflict, path, why, "/" + key.substr(prefix_size), 0});
  }
};

absl::Status DirectoryMover::CheckPossible() const {
  const Capabilities& can = parts_.store->capabilities();
  const bool honoured = can.copy_target && can.conditional_create && can.conditional_delete;
  if (!parts_.strict || honoured) return absl::OkStatus();
  return Error(ENOTSUP,
               "the store does not honour conditions on copies, new objects and removals, and "
               "option `strict` forbids what goes without; directories cannot be renamed");
}

void DirectoryMover::Begin(const InodePtr& directory, const InodePtr& origin_parent,
                           const Version& replaced) {
  absl::MutexLock lock(&mu_);
  std::shared_ptr<Progress>& progress = moves_[directory->ino];
  if (progress == nullptr) {
    progress = std::make_shared<Progress>(parts_.journal);
    progress->origin_parent = origin_parent;
  }
  progress->replaced = replaced;
}

bool DirectoryMover::Replaces(const InodePtr& directory) const {
  absl::MutexLock lock(&mu_);
  auto it = moves_.find(directory->ino);
  return it != moves_.end() && !it->second->replaced.absent();
}

void DirectoryMover::Forget(const InodePtr& directory) {
  std::shared_ptr<Progress> progress;
  {
    absl::MutexLock lock(&mu_);
    auto it = moves_.find(directory->ino);
    if (it == moves_.end()) return;
    progress = std::move(it->second);
    moves_.erase(it);
  }
  progress->Unrecord();
}

void DirectoryMover::Record(const InodePtr& directory, uint64_t epoch) {
  const Names::Move move = parts_.names->MoveOf(directory);
  if (parts_.journal == nullptr || move.directory == nullptr) return;
  const std::shared_ptr<Progress> progress = ProgressOf(directory);
  MoveRow row;
  row.path = parts_.names->PathOf(directory);
  const size_t prefix = parts_.names->prefix().size();
  row.origin = move.origin.substr(prefix, move.origin.size() - prefix - 1);
  row.landed = move.phase == MovePhase::kLanded;
  row.replaced = progress->replaced;
  row.epoch = epoch;
  progress->Record(row);
}

void DirectoryMover::Restore(const InodePtr& directory, const InodePtr& origin_parent, uint64_t id,
                             const MoveRow& row, const std::map<uint64_t, CopiesRow>& copies) {
  Begin(directory, origin_parent, row.replaced);
  ProgressOf(directory)->Restore(id, row, copies);
}

std::shared_ptr<DirectoryMover::Progress> DirectoryMover::ProgressOf(const InodePtr& directory) {
  absl::MutexLock lock(&mu_);
  return moves_[directory->ino];
}

absl::Status DirectoryMover::Carry(const CallContext& call, const InodePtr& directory,
                                   DeferredEvents& events,
                                   absl::FunctionRef<absl::Status()> before_removal) {
  const Names::Move move = parts_.names->MoveOf(directory);
  if (move.directory == nullptr) return absl::OkStatus();
  Task task{directory,
            move.origin,
            parts_.names->DirectoryKey(directory),
            ProgressOf(directory),
            parts_.names->prefix().size(),
            events,
            {}};
  if (move.phase == MovePhase::kStaged) {
    S3FILES_RETURN_IF_ERROR(CopyAll(call, task));
    S3FILES_RETURN_IF_ERROR(Land(call, task));
  }
  S3FILES_RETURN_IF_ERROR(before_removal());
  S3FILES_RETURN_IF_ERROR(KeepParent(call, task));
  S3FILES_RETURN_IF_ERROR(RemoveAll(call, task));
  // What is made at the old place from here on is not to be moved by the next process.
  if (parts_.journal != nullptr) {
    task.progress->Unrecord();
    S3FILES_RETURN_IF_ERROR(parts_.journal->WaitForAll(call));
  }
  parts_.names->EndMove(directory);
  Forget(directory);
  absl::MutexLock lock(&task.progress->mu);
  return task.progress->left_because;
}

absl::Status DirectoryMover::CopyAll(const CallContext& call, Task& task) {
  ListRequest request;
  request.prefix = task.origin;
  request.hierarchical = false;
  bool any = false;
  do {
    S3FILES_ASSIGN_OR_RETURN(const ListPage page, parts_.store->List(call, request));
    any = any || !page.objects.empty();
    S3FILES_RETURN_IF_ERROR(CopyMissing(call, task, page.objects));
    request.token = page.next_token;
  } while (!request.token.empty());
  // The marker of the directory that was replaced says something about that one only.
  const Version& replaced = task.progress->replaced;
  if (!any || task.marker_copied || replaced.absent()) return absl::OkStatus();
  absl::StatusOr<Precondition> precondition =
      parts_.guard->Prepare(call, task.target, replaced, WriteKind::kDelete);
  absl::Status status = precondition.ok() ? parts_.store->Delete(call, task.target, *precondition)
                                          : precondition.status();
  if (ErrnoOf(status) == ESTALE) status = absl::OkStatus();  // somebody else's by now
  return status;
}

// Copies those of `objects` that were not copied as they are now. An object that cannot get its new
// name does not keep others from theirs; a failure of the store does.
absl::Status DirectoryMover::CopyMissing(const CallContext& call, Task& task,
                                         const std::vector<ListedObject>& objects) {
  std::vector<const ListedObject*> open;
  for (const ListedObject& object : objects) {
    if (object.key == task.origin) task.marker_copied = true;
    const uint64_t id = FingerprintOf(object.key, object.stamp.version, object.size);
    const bool copied = task.progress->Copied(id, object.stamp.last_modified_ns);
    if (!copied && !task.progress->Left(object.key)) open.push_back(&object);
  }
  if (!open.empty()) parts_.names->StartMove(task.directory);
  absl::Mutex mu;
  absl::Status first_error;  // guarded by mu
  ParallelFor(parts_.executor, open.size(), [&](size_t i) {
    {
      absl::MutexLock lock(&mu);
      if (!first_error.ok()) return;
    }
    const absl::Status status = CopyObject(call, task, *open[i]);
    absl::MutexLock lock(&mu);
    first_error.Update(status);
  });
  task.progress->RecordCopies();
  return first_error;
}

absl::Status DirectoryMover::CopyObject(const CallContext& call, Task& task,
                                        const ListedObject& listed) {
  const std::string key = task.NewKey(listed.key);
  const std::string path = key.substr(parts_.names->prefix().size());
  if (const absl::Status status = CheckKeyLength(key); !status.ok()) {
    const absl::Status told = Annotate(status, absl::StrCat(listed.key, " keeps its name"));
    task.Leave(listed.key, told, path);
    return absl::OkStatus();
  }
  CopyJob job;
  job.source = std::make_shared<const Base>(listed.key, listed.stamp.version, listed.size);
  job.key = key;
  if (key == task.target) job.expected = task.progress->replaced;
  for (int i = 0; i < kMostCopies; ++i) {
    S3FILES_RETURN_IF_ERROR(call.Check("moving a directory"));
    job.commit_id = CopyId(listed.key, key, job.source->version);
    const absl::StatusOr<Stamp> stamp = parts_.writer->Copy(call, job);
    if (stamp.ok()) {
      task.progress->NoteCopied(listed.key, key, *job.source, listed.stamp.last_modified_ns,
                                *stamp);
      return absl::OkStatus();
    }
    const int error = ErrnoOf(stamp.status());
    if (error != ESTALE && error != ENOENT && error != EEXIST) {
      return Annotate(stamp.status(), absl::StrCat("copying ", listed.key, " to ", key));
    }
    const absl::StatusOr<ObjectInfo> source = parts_.store->Head(call, listed.key);
    if (ErrnoOf(source.status()) == ENOENT) return absl::OkStatus();  // somebody removed it
    S3FILES_RETURN_IF_ERROR(source.status());
    const bool changed =
        job.source->version.known() && source->stamp.version != job.source->version;
    job.source = std::make_shared<const Base>(listed.key, source->stamp.version, source->size);
    if (error != EEXIST && changed) continue;
    S3FILES_ASSIGN_OR_RETURN(const bool again,
                             SettleTarget(call, task, listed, *source, key, &job.expected));
    if (again) continue;
    if (task.progress->Copied(FingerprintOf(listed.key, job.source->version, job.source->size),
                              listed.stamp.last_modified_ns)) {
      return absl::OkStatus();
    }
    const absl::Status told =
        Error(ESTALE, absl::StrCat("/", path, ": the store has another object there; ", listed.key,
                                   " keeps its name"));
    task.Leave(listed.key, told, path);
    return absl::OkStatus();
  }
  return Error(EIO, absl::StrCat(listed.key, " changes faster than it can be copied"));
}

// The target was not what it was expected to be. True: `*expected` says what it is, and it may be
// replaced, because it is a copy of ours of what the source was before, or gone. False: it is a copy
// of the source as it is (now noted so), or somebody else's.
absl::StatusOr<bool> DirectoryMover::SettleTarget(const CallContext& call, Task& task,
                                                  const ListedObject& listed,
                                                  const ObjectInfo& from, const std::string& key,
                                                  Version* expected) {
  const absl::StatusOr<ObjectInfo> there = parts_.store->Head(call, key);
  if (ErrnoOf(there.status()) == ENOENT) {
    *expected = Version::Absent();
    return true;
  }
  S3FILES_RETURN_IF_ERROR(there.status());
  const Version& version = there->stamp.version;
  // Of the same bytes: told by the ETag, or by the commit id, which no two writes have in common.
  const bool same_id = !CommitIdOf(from.metadata).empty() &&
                       CommitIdOf(there->metadata) == CommitIdOf(from.metadata);
  if (there->size == from.size && Kept(there->metadata) == Kept(from.metadata) &&
      (version == from.stamp.version || same_id ||
       CommitIdOf(there->metadata) == CopyId(listed.key, key, from.stamp.version))) {
    const Base source(listed.key, from.stamp.version, from.size);
    task.progress->NoteCopied(listed.key, key, source, listed.stamp.last_modified_ns, there->stamp);
    return false;
  }
  absl::MutexLock lock(&task.progress->mu);
  if (!task.progress->copied.contains(FingerprintOf(listed.key, version, there->size)) &&
      !task.progress->written.contains(FingerprintOf(key, version, there->size))) {
    return false;
  }
  *expected = version;
  return true;
}

// From here on the file side, too, has everything under the new key. Nobody waits for this while it
// is busy itself, and what is busy sees the move and ends soon.
absl::Status DirectoryMover::Land(const CallContext& call, Task& task) {
  while (true) {
    const InodePtr busy = parts_.names->LandMove(
        task.directory, [&](Inode& inode, const std::string& from, const std::string& to) {
          RekeyInode(task, inode, from, to);
        });
    if (busy == nullptr) return absl::OkStatus();
    S3FILES_RETURN_IF_ERROR(AwaitIdle(call, busy));
  }
}

void DirectoryMover::RekeyInode(const Task& task, Inode& inode, const std::string& from,
                                const std::string& to) {
  // What the version has become under the new key; nullopt: it was not copied.
  auto after = [&](const Version& version, uint64_t size) -> std::optional<Stamp> {
    const uint64_t id = FingerprintOf(from, version, size);
    absl::MutexLock lock(&task.progress->mu);
    if (!task.progress->copied.contains(id)) return std::nullopt;
    auto it = task.progress->stamps.find(id);
    if (it != task.progress->stamps.end()) return it->second;
    return Stamp{version.known() ? Version::Of(version.etag()) : version, 0};
  };
  absl::MutexLock lock(&inode.mu);
  ++inode.epoch;
  if (inode.type == FileType::kDirectory) {
    inode.directory.Mutable().marker.reset();
    inode.directory.Mutable().spare_children = 0;
    return;
  }
  const BasePtr base = inode.content == nullptr ? nullptr : inode.content->committed_base();
  const uint64_t size = base == nullptr ? 0 : base->size;
  if (!inode.committed.version.absent()) {
    const std::optional<Stamp> stamp = after(inode.committed.version, size);
    if (stamp) {
      inode.committed.version = stamp->version;
      if (stamp->last_modified_ns != 0) inode.committed.last_modified_ns = stamp->last_modified_ns;
    } else {
      inode.validated_ns = 0;  // replaced or removed by others
    }
  }
  if (base == nullptr || base->key != from) return;
  if (const std::optional<Stamp> stamp = after(base->version, size)) {
    inode.content->Rename(std::make_shared<const Base>(to, stamp->version, size));
  }
}

// The directory that it leaves may be implied by nothing else.
absl::Status DirectoryMover::KeepParent(const CallContext& call, Task& task) {
  const InodePtr& parent = task.progress->origin_parent;
  {
    absl::MutexLock lock(&parent->mu);
    parent->directory.Mutable().spare_children = 0;  // it counted keys of this directory
  }
  const HoldPlace hold(parent);
  return parts_.importer->KeepDirectory(call, parent, task.origin);
}

absl::Status DirectoryMover::RemoveAll(const CallContext& call, Task& task) {
  ListRequest request;
  request.prefix = task.origin;
  request.hierarchical = false;
  do {
    S3FILES_ASSIGN_OR_RETURN(const ListPage page, parts_.store->List(call, request));
    S3FILES_RETURN_IF_ERROR(CopyMissing(call, task, page.objects));  // what came meanwhile
    S3FILES_RETURN_IF_ERROR(RemoveKeys(call, task, page.objects));
    request.token = page.next_token;
  } while (!request.token.empty());
  return absl::OkStatus();
}

absl::Status DirectoryMover::RemoveKeys(const CallContext& call, const Task& task,
                                        const std::vector<ListedObject>& objects) {
  std::vector<std::string> keys;
  std::vector<Version> versions;
  for (const ListedObject& object : objects) {
    if (task.progress->Left(object.key)) continue;
    keys.push_back(object.key);
    versions.push_back(object.stamp.version);
  }
  if (keys.empty()) return absl::OkStatus();
  std::vector<absl::Status> statuses(keys.size());
  if (parts_.strict) {
    ParallelFor(parts_.executor, keys.size(), [&](size_t i) {
      const auto precondition =
          parts_.guard->Prepare(call, keys[i], versions[i], WriteKind::kDelete);
      statuses[i] = precondition.ok() ? parts_.store->Delete(call, keys[i], *precondition)
                                      : precondition.status();
    });
  } else {
    S3FILES_ASSIGN_OR_RETURN(statuses, parts_.store->DeleteMany(call, keys));
  }
  for (size_t i = 0; i < statuses.size(); ++i) {
    if (!statuses[i].ok()) {
      return Annotate(statuses[i], absl::StrCat("copied to ", task.NewKey(keys[i]), ", but ",
                                                keys[i], " could not be removed: both exist"));
    }
  }
  return absl::OkStatus();
}

}  // namespace s3files
