// Committer: renames of directories.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/sync/committer.h"

namespace s3files {

void Committer::NoteMoved(const InodePtr& directory) {
  const bool staged = parts_.names->MoveOf(directory).directory != nullptr;
  {
    absl::MutexLock lock(&directory->mu);
    directory->last_error = absl::OkStatus();
    directory->error_seen = true;
    directory->attempts = 0;
  }
  if (staged) {
    EnlistMove(directory);
  } else {
    absl::MutexLock lock(&mu_);
    staged_.erase(directory->ino);
  }
  // What cannot be written there now is when it is written next, and at the latest before old keys go.
  PutWithin(directory).IgnoreError();
}

void Committer::EnlistMove(const InodePtr& directory) {
  const int64_t now = parts_.clock->MonotonicNanos();
  absl::MutexLock lock(&mu_);
  auto [it, added] = staged_.try_emplace(directory->ino);
  it->second.last_ns = now;
  if (!added) return;
  it->second.inode = directory;
  it->second.first_ns = now;
  it->second.epoch = barriers_.load(std::memory_order_relaxed);
  schedule_changed_.Signal();
}

// An error that only a call for some other path was there to see.
absl::Status Committer::TellMoveError(const InodePtr& directory) {
  absl::MutexLock lock(&directory->mu);
  if (directory->error_seen) return absl::OkStatus();
  directory->error_seen = true;
  return directory->last_error;
}

absl::Status Committer::CommitMove(const CallContext& call, const InodePtr& directory) {
  DeferredEvents events(parts_.events);
  return CommitMoveAndTell(call, directory, events);
}

absl::Status Committer::CommitMoveAndTell(const CallContext& call, const InodePtr& directory,
                                          DeferredEvents& events) {
  {
    S3FILES_ASSIGN_OR_RETURN(const BusyInode busy, BusyInode::Acquire(call, directory));
    const absl::Status status = CarryMove(call, directory, events);
    if (!status.ok()) {  // whoever else has seen it by now
      absl::MutexLock lock(&directory->mu);
      directory->error_seen = true;
      return status;
    }
  }
  return TellMoveError(directory);
}

absl::Status Committer::KeepBorrowedWithin(const CallContext& call, const InodePtr& directory) {
  for (const InodePtr& child : parts_.names->Children(directory)) {
    S3FILES_RETURN_IF_ERROR(child->type == FileType::kDirectory ? KeepBorrowedWithin(call, child)
                                                                : KeepBorrowed(call, child));
  }
  return absl::OkStatus();
}

absl::Status Committer::CarryMove(const CallContext& call, const InodePtr& directory,
                                  DeferredEvents& events) {
  if (parts_.names->MoveOf(directory).directory == nullptr) {
    absl::MutexLock lock(&mu_);
    staged_.erase(directory->ino);
    return absl::OkStatus();
  }
  const std::string path = parts_.names->PathOf(directory);
  // The store does nothing of it before the journal has it, unless that cannot be written.
  if (parts_.journal != nullptr) parts_.journal->WaitForAll(call).IgnoreError();
  // Not earlier: copies that are asked for while the store is moving the source rest on its old key.
  absl::Status status = parts_.mover->Carry(call, directory, events, [&]() -> absl::Status {
    S3FILES_RETURN_IF_ERROR(KeepBorrowedWithin(call, directory));
    return RecordWithin(call, directory);
  });
  const bool finished = parts_.names->MoveOf(directory).directory == nullptr;
  if (!finished) status = Annotate(status, absl::StrCat("the rename to /", path, " stays staged"));
  {
    absl::MutexLock lock(&directory->mu);
    directory->last_error = status;
    directory->error_seen = status.ok();
    directory->attempts = finished ? 0 : directory->attempts + 1;
  }
  {
    absl::MutexLock lock(&mu_);
    auto it = staged_.find(directory->ino);
    if (finished && it != staged_.end()) staged_.erase(it);
    if (!finished && it != staged_.end()) {
      it->second.retry_ns = parts_.clock->MonotonicNanos() + kShortestBackoffNs;
    }
    if (status.ok()) {
      ++counters_.commits;
    } else if (finished) {
      ++counters_.conflicts;
    } else {
      ++counters_.failures;
    }
  }
  if (!finished) {
    events.Add({EventKind::kCommitFailed, path, status, "", 0});
  } else if (status.ok()) {
    events.Add({EventKind::kCommitted, path, absl::OkStatus(), "", 0});
  }
  return status;
}

absl::Status Committer::SettleMove(const CallContext& call, const Names::Move& move) {
  if (move.phase == MovePhase::kDeclared) {
    return parts_.names->AwaitDeclared(call, move.directory);
  }
  DeferredEvents events(parts_.events);
  S3FILES_ASSIGN_OR_RETURN(const BusyInode busy, BusyInode::Acquire(call, move.directory));
  const absl::Status status = CarryMove(call, move.directory, events);
  if (parts_.names->MoveOf(move.directory).directory == nullptr) return absl::OkStatus();
  absl::MutexLock lock(&move.directory->mu);
  move.directory->error_seen = true;  // it is returned now
  return status;
}

absl::Status Committer::SettleMoves(const CallContext& call, absl::string_view key,
                                    const InodePtr& except) {
  while (true) {
    const Names::Move move = parts_.names->MoveAround(key, except);
    if (move.directory == nullptr) return absl::OkStatus();
    S3FILES_RETURN_IF_ERROR(SettleMove(call, move));
  }
}

absl::Status Committer::CommitMovesWithin(const CallContext& call, const InodePtr& directory) {
  absl::Status first_error = TellMoveError(directory);
  const std::string place = parts_.names->DirectoryKey(directory);
  for (StagedInode staged = NextStaged(0); staged.inode != nullptr;
       staged = NextStaged(staged.inode->ino)) {
    if (staged.inode->type != FileType::kDirectory) continue;
    const Names::Move move = parts_.names->MoveOf(staged.inode);
    const std::string target = parts_.names->DirectoryKey(staged.inode);
    const bool there = absl::StartsWith(target, place) || absl::StartsWith(place, target) ||
                       absl::StartsWith(move.origin, place) || absl::StartsWith(place, move.origin);
    if (there) first_error.Update(CommitMove(call, staged.inode));
  }
  return first_error;
}

absl::StatusOr<BusyInode> Committer::AcquireSettled(const CallContext& call,
                                                    const InodePtr& inode) {
  while (true) {
    for (Names::Move move = parts_.names->MoveAround(inode); move.directory != nullptr;
         move = parts_.names->MoveAround(inode)) {
      S3FILES_RETURN_IF_ERROR(SettleMove(call, move));
    }
    S3FILES_ASSIGN_OR_RETURN(BusyInode busy, BusyInode::Acquire(call, inode));
    if (parts_.names->MoveAround(inode).directory == nullptr) return busy;
  }
}

absl::Status Committer::MoveInBackoff(const InodePtr& inode) const {
  const Names::Move move = parts_.names->MoveAround(inode);
  if (move.directory == nullptr || move.directory == inode) return absl::OkStatus();
  const int64_t now = parts_.clock->MonotonicNanos();
  {
    absl::MutexLock lock(&mu_);
    auto it = staged_.find(move.directory->ino);
    if (it == staged_.end() || it->second.retry_ns <= now) return absl::OkStatus();
  }
  absl::MutexLock lock(&move.directory->mu);
  return move.directory->last_error;
}

}  // namespace s3files
