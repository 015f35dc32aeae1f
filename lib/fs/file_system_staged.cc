// FileSystem: what is staged, and what becomes of it.
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/fs/file_system.h"

namespace s3files {
namespace {

// In no stated order.
template <typename Visit>
void ForEachStaged(const Committer& committer, Visit visit) {
  for (Committer::StagedInode staged = committer.NextStaged(0); staged.inode != nullptr;
       staged = committer.NextStaged(staged.inode->ino)) {
    visit(staged.inode);
  }
}

}  // namespace

absl::Status FileSystem::Commit(const CallContext& call, const Handle* at, absl::string_view path,
                                bool wait, Committed* out) {
  return AtPlace(call, at, path, [&](Place& place) -> absl::Status {
    InodePtr inode = Recall(place);
    // What is not known here has nothing staged; whether it exists, the store must say.
    if (inode == nullptr) {
      S3FILES_ASSIGN_OR_RETURN(inode, Find(call, place, Freshness::kRecent, /*follow=*/false));
    }
    if (!wait) return CommitSoon(inode);
    if (inode->type == FileType::kDirectory) {
      return committer_->CommitWithin(call, inode, /*unless_open=*/false, &out->tally);
    }
    // Its name is staged, too, where its directory was renamed.
    S3FILES_RETURN_IF_ERROR(committer_->SettleMoves(call, names_.KeyOf(inode)));
    const absl::Status status = committer_->Commit(call, inode, &out->tally);
    absl::MutexLock lock(&inode->mu);
    if (!inode->conflict && !inode->removed) out->version = inode->committed.version;
    return status;
  });
}

absl::Status FileSystem::CommitSoon(const InodePtr& inode) {
  ForEachStaged(*committer_, [&](const InodePtr& staged) {
    // A rename above it, too: its name is staged then.
    if (names_.IsWithin(staged, inode) || names_.IsWithin(inode, staged)) {
      committer_->CommitSoon(staged);
    }
  });
  return absl::OkStatus();
}

absl::StatusOr<FileSystem::Diff> FileSystem::DiffOf(const CallContext& call, const Handle* at,
                                                    absl::string_view path) {
  S3FILES_ASSIGN_OR_RETURN(const Place place, Resolve(call, at, path));
  Diff diff;
  const InodePtr inode = Recall(place);
  if (inode == nullptr) return diff;
  ForEachStaged(*committer_, [&](const InodePtr& staged) {
    if (!names_.IsWithin(staged, inode)) return;
    if (staged->type == FileType::kDirectory) {
      ++diff.directories;
    } else {
      ++diff.files;
      diff.requests.Add(committer_->DiffOf(staged));
    }
  });
  return diff;
}

FileSystem::ConflictHandles FileSystem::OpenConflict(const ConflictCase& conflict) {
  ConflictHandles handles;
  Stamp before;
  {
    absl::MutexLock lock(&conflict.inode->mu);
    before = conflict.inode->committed;
  }
  const Stamp& now = conflict.their_info.stamp;
  if (conflict.base != nullptr) {
    handles.base = Lend(NewHandle(conflict.inode, conflict.base, before, kOpenRead));
  }
  handles.mine = Lend(NewHandle(conflict.inode, kOpenRead));
  if (conflict.theirs != nullptr) {
    handles.theirs = Lend(NewHandle(conflict.inode, conflict.theirs, now, kOpenRead));
    absl::MutexLock lock(&handles.theirs->inode->mu);
    handles.theirs->inode->attributes =
        AttributesOf(conflict.their_info, /*is_directory=*/false, options_.import.defaults);
    handles.theirs->inode->metadata = conflict.their_info.metadata;
  }
  handles.result = Lend(NewHandle(conflict.inode, conflict.result, now, kOpenRead | kOpenWrite));
  return handles;
}

// The file system can be closed while a judge thinks: that waits for it.
std::unique_ptr<Handle> FileSystem::Lend(std::unique_ptr<Handle> handle) {
  open_handles_.fetch_sub(1, std::memory_order_acq_rel);
  return handle;
}

void FileSystem::CloseLent(std::unique_ptr<Handle> handle) {
  if (handle == nullptr) return;
  open_handles_.fetch_add(1, std::memory_order_acq_rel);
  Release(*handle);
}

// Of another version of a file: it has attributes like those of `like`, and no name.
std::unique_ptr<Handle> FileSystem::NewHandle(const InodePtr& like,
                                              std::shared_ptr<Content> content, const Stamp& stamp,
                                              uint32_t flags) {
  Attributes attributes;
  {
    absl::MutexLock lock(&like->mu);
    attributes = like->attributes;
  }
  auto inode = std::make_shared<Inode>(like->ino, like->generation, like->type);
  {
    absl::MutexLock lock(&inode->mu);
    inode->content = std::move(content);
    inode->attributes = attributes;
    inode->committed = stamp;
    inode->full = true;
    inode->removed = true;
  }
  return NewHandle(inode, flags);
}

absl::Status FileSystem::Discard(const CallContext& call, const Handle* at,
                                 absl::string_view path) {
  S3FILES_ASSIGN_OR_RETURN(const Place place, Resolve(call, at, path));
  const InodePtr inode = Recall(place);
  if (inode == nullptr) return absl::OkStatus();
  if (inode->type == FileType::kDirectory) {
    return Error(EISDIR, absl::StrCat(Describe(place), " is a directory"));
  }
  const std::optional<BusyInode> busy = BusyInode::TryAcquire(inode);
  if (!busy) return Error(EBUSY, absl::StrCat(Describe(place), " is being committed"));
  DiscardBusy(call, inode);
  return absl::OkStatus();
}

absl::StatusOr<FileSystem::PathStatus> FileSystem::Status(const CallContext& call, const Handle* at,
                                                          absl::string_view path) {
  S3FILES_ASSIGN_OR_RETURN(const Place place, Resolve(call, at, path));
  PathStatus status;
  const InodePtr inode = Recall(place);
  if (inode == nullptr) return status;
  const bool moved = names_.MoveOf(inode).directory != nullptr;
  if (inode->type == FileType::kDirectory && !moved) return status;
  status.age_ns = committer_->AgeOf(inode);
  status.next_attempt_ns = committer_->NextAttemptOf(inode);
  absl::MutexLock lock(&inode->mu);
  status.last_error = inode->last_error;
  status.attempts = inode->attempts;
  if (inode->content != nullptr) status.staged_bytes = inode->content->staged_bytes();
  if (inode->conflict) {
    status.state = State::kConflict;
  } else if (inode->Staged() || moved) {
    status.state = inode->busy               ? State::kCommitting
                   : !inode->last_error.ok() ? State::kFailed
                                             : State::kStaged;
  }
  return status;
}

std::optional<std::string> FileSystem::NextStaged(uint64_t* cursor) {
  const Committer::StagedInode staged = committer_->NextStaged(*cursor);
  if (staged.inode == nullptr) return std::nullopt;
  *cursor = staged.inode->ino;
  return "/" + names_.PathOf(staged.inode);
}

}  // namespace s3files
