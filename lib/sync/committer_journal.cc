// Committer: what is staged, in the journal.
#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/base/wait.h"
#include "lib/sync/committer.h"

namespace s3files {
namespace {

// All that the journal keeps but the path and the bytes.
StagedRow RowOf(const Inode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.mu) {
  StagedRow row;
  row.attributes = inode.attributes;
  row.attributes.type = inode.type;
  row.change = *inode.change;
  row.metadata = inode.metadata;
  row.tag_count = inode.tag_count;
  row.full = inode.full;
  row.exclusive = inode.exclusive;
  row.removing = inode.removing;
  row.committed = inode.committed;
  row.commit_ids = inode.unresolved;
  if (!inode.committing.empty()) row.commit_ids.push_back(inode.committing);
  if (const BasePtr base = inode.content->base()) row.base = {base->key, base->size};
  if (inode.conflict) {
    const LostFile& lost = *inode.lost;
    row.lost = {lost.path,
                lost.key,
                lost.base,
                lost.winner,
                ErrnoOf(inode.last_error),
                std::string(inode.last_error.message())};
  }
  return row;
}

// The path of the directory, and the name in it.
std::pair<std::string, std::string> SplitLast(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

absl::Status Committer::Record(const CallContext& call, const InodePtr& inode, Durable durable) {
  if (parts_.journal == nullptr || inode->type == FileType::kDirectory) return absl::OkStatus();
  {
    absl::MutexLock lock(&inode->mu);
    // A change of attributes that is being committed is not staged meanwhile, but may be again.
    S3FILES_RETURN_IF_ERROR(
        WaitForOthers(call, inode->mu, inode->changed, "waiting for a commit of attributes", [&] {
          inode->mu.AssertHeld();
          return !inode->busy || inode->Staged();
        }));
  }
  if (durable == Durable::kSoon) parts_.journal->AwaitRoom(call);
  return RecordNow(call, inode, durable);
}

absl::Status Committer::RecordAgain(const CallContext& call, const InodePtr& inode,
                                    Durable durable) {
  {
    absl::MutexLock lock(&inode->mu);
    if (inode->journal_id == 0) return absl::OkStatus();
  }
  return RecordNow(call, inode, durable);
}

// A copy that is yet to be made rests on another file, which may change: it needs its own bytes.
absl::Status Committer::OwnBorrowed(const CallContext& call, const InodePtr& inode) {
  std::shared_ptr<Content> content;
  {
    absl::MutexLock lock(&inode->mu);
    content = inode->content;
  }
  S3FILES_RETURN_IF_ERROR(call.Check("recording what is staged"));
  return content != nullptr && content->borrowed() ? content->Own(call) : absl::OkStatus();
}

absl::Status Committer::RecordNow(const CallContext& call, const InodePtr& inode, Durable durable) {
  if (parts_.journal == nullptr) return absl::OkStatus();
  uint64_t ticket = 0;
  for (std::string path; ticket == 0 || parts_.names->PathOf(inode) != path;) {
    S3FILES_RETURN_IF_ERROR(OwnBorrowed(call, inode));
    path = parts_.names->PathOf(inode);
    absl::MutexLock lock(&inode->mu);
    const bool kept =
        inode->content != nullptr && !inode->removed && (inode->Staged() || inode->conflict);
    if (!kept) {
      if (inode->journal_id == 0) return absl::OkStatus();
      ticket = parts_.journal->Remove(std::exchange(inode->journal_id, 0));
      break;
    }
    if (inode->content->borrowed()) continue;  // again, meanwhile
    S3FILES_ASSIGN_OR_RETURN(Content::Saved saved, inode->content->Save());
    StagedRow row = RowOf(*inode);
    row.path = path;
    row.epoch = EpochOf(inode);
    row.overlays = std::move(saved.overlays);
    if (inode->journal_id == 0) inode->journal_id = parts_.journal->NewId();
    ticket = parts_.journal->Put(inode->journal_id, row, std::move(saved.files));
  }
  return durable == Durable::kNow ? parts_.journal->Wait(call, ticket) : absl::OkStatus();
}

void Committer::RecordRemoving(const InodePtr& inode, bool removing) {
  {
    absl::MutexLock lock(&inode->mu);
    inode->removing = removing;
  }
  RecordAgain(CallContext(), inode, Durable::kNow).IgnoreError();
}

void Committer::RecordBoth(const InodePtr& a, const InodePtr& b) {
  if (parts_.journal == nullptr || (!IsRecorded(a) && !IsRecorded(b))) return;
  // Not while the journal is held back.
  for (const InodePtr& inode : {a, b}) OwnBorrowed(CallContext(), inode).IgnoreError();
  {
    const Journal::Together together(parts_.journal);
    // What has the name now first: where it cannot be saved the other one stays.
    if (!RecordNow(CallContext(), a, Durable::kSoon).ok()) return;
    RecordNow(CallContext(), b, Durable::kSoon).IgnoreError();
  }
  parts_.journal->WaitForAll(CallContext()).IgnoreError();  // it goes on trying by itself
}

std::vector<InodePtr> Committer::RecordedWithin(const InodePtr& directory) const {
  std::vector<InodePtr> within;
  for (StagedInode staged = NextStaged(0); staged.inode != nullptr;
       staged = NextStaged(staged.inode->ino)) {
    if (staged.inode->type == FileType::kDirectory || !IsRecorded(staged.inode)) continue;
    if (parts_.names->IsWithin(staged.inode, directory)) within.push_back(staged.inode);
  }
  return within;
}

absl::Status Committer::OwnWithin(const CallContext& call, const InodePtr& directory) {
  if (parts_.journal == nullptr) return absl::OkStatus();
  for (const InodePtr& inode : RecordedWithin(directory)) {
    S3FILES_RETURN_IF_ERROR(OwnBorrowed(call, inode));
  }
  return absl::OkStatus();
}

// The caller holds the journal Together, so what would ask the store first keeps the row it has: EAGAIN.
absl::Status Committer::PutWithin(const InodePtr& directory) {
  if (parts_.journal == nullptr) return absl::OkStatus();
  parts_.mover->Record(directory, EpochOf(directory));
  absl::Status first_error;
  for (const InodePtr& inode : RecordedWithin(directory)) {
    bool borrowed;
    {
      absl::MutexLock lock(&inode->mu);
      if (!inode->Staged()) continue;  // its attributes are being committed
      borrowed = inode->content != nullptr && inode->content->borrowed();
    }
    first_error.Update(borrowed ? Error(EAGAIN, "a file was copied meanwhile")
                                : RecordAgain(CallContext(), inode, Durable::kSoon));
  }
  return first_error;
}

absl::Status Committer::RecordWithin(const CallContext& call, const InodePtr& directory) {
  if (parts_.journal == nullptr) return absl::OkStatus();
  absl::Status status;
  do {
    S3FILES_RETURN_IF_ERROR(OwnWithin(call, directory));
    const Journal::Together together(parts_.journal);
    status = PutWithin(directory);
  } while (ErrnoOf(status) == EAGAIN);
  S3FILES_RETURN_IF_ERROR(status);
  return parts_.journal->WaitForAll(call);
}

absl::Status Committer::RecordAll(const CallContext& call) {
  if (parts_.journal == nullptr) return absl::OkStatus();
  for (StagedInode staged = NextStaged(0); staged.inode != nullptr;
       staged = NextStaged(staged.inode->ino)) {
    {
      absl::MutexLock lock(&staged.inode->mu);
      if (staged.inode->StagedByOpen()) continue;  // an abandoned writer's is not published
    }
    S3FILES_RETURN_IF_ERROR(Record(call, staged.inode, Durable::kSoon));
  }
  return parts_.journal->WaitForAll(call);
}

absl::Status Committer::Recover(const CallContext& call) {
  if (parts_.journal == nullptr) return absl::OkStatus();
  std::vector<InodePtr> unresolved;
  Journal::Recovered recovered = parts_.journal->TakeRecovered();
  parts_.uploads->Recover(recovered.uploads);  // before it is asked what became of their commits
  RecoverMoves(recovered);
  for (auto& [id, row] : recovered.staged) {
    if (row.removing && WasRemoved(call, row)) {
      parts_.journal->Remove(id);
      continue;
    }
    const std::string path = row.path;
    absl::StatusOr<InodePtr> inode = RecoverRow(id, row);
    if (!inode.ok()) return Annotate(inode.status(), absl::StrCat("recovering /", path));
    absl::MutexLock lock(&(*inode)->mu);
    if (!(*inode)->unresolved.empty()) unresolved.push_back(*std::move(inode));
  }
  // A commit that was under way may have replaced what the rest of the file rests on.
  ParallelFor(parts_.commits, unresolved.size(), [&](size_t i) {
    const absl::StatusOr<bool> own = Settle(call, unresolved[i]);  // else the commit asks again
    if (own.ok() && *own) RecordAgain(call, unresolved[i], Durable::kSoon).IgnoreError();
  });
  absl::MutexLock lock(&mu_);
  RecoverBarriers(recovered.barriers);
  for (auto& [ino, entry] : staged_) entry.recovered = true;
  schedule_changed_.Signal();
  return absl::OkStatus();
}

// One row is enough, and none where nothing is staged.
void Committer::RecoverBarriers(const std::map<uint64_t, BarrierRow>& rows) {
  for (const auto& [id, row] : rows) {
    if (staged_.empty() || barrier_row_ != 0) {
      parts_.journal->Remove(id);
      continue;
    }
    barrier_row_ = id;
    barriers_ = std::max(barriers_.load(), row.epoch);
  }
}

void Committer::RestoreEpoch(const InodePtr& inode, uint64_t epoch) {
  staged_[inode->ino].epoch = epoch;
  if (epoch > barriers_) barriers_ = epoch;
}

// Before the files: these are bound at the paths that the moves explain.
void Committer::RecoverMoves(Journal::Recovered& recovered) {
  for (const auto& [id, row] : recovered.moves) {
    const InodePtr directory = BindDirectory(row.path);
    parts_.names->RestoreMove(directory, absl::StrCat(parts_.names->prefix(), row.origin, "/"),
                              row.landed ? MovePhase::kLanded : MovePhase::kStaged);
    parts_.mover->Restore(directory, BindDirectory(SplitLast(row.origin).first), id, row,
                          recovered.copies);
    EnlistMove(directory);
    {
      absl::MutexLock lock(&mu_);
      RestoreEpoch(directory, row.epoch);
    }
    // Of a file that could not be recorded again, for want of space, under its new path.
    for (auto& [file_id, file] : recovered.staged) {
      if (!absl::StartsWith(file.path, row.origin + "/")) continue;
      file.path = row.path + file.path.substr(row.origin.size());
    }
  }
  for (const auto& [id, row] : recovered.copies) {
    if (!recovered.moves.contains(row.move)) parts_.journal->Remove(id);
  }
}

// Whether the process has died between the removal of the object and that of the row.
bool Committer::WasRemoved(const CallContext& call, const StagedRow& row) const {
  const std::string key = parts_.names->prefix() + row.path;
  return ErrnoOf(parts_.store->Head(call, key).status()) == ENOENT;
}

InodePtr Committer::BindDirectory(absl::string_view path) {
  InodePtr directory = parts_.names->root();
  for (const absl::string_view name : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    const InodePtr known = parts_.names->Child(directory, name);
    directory =
        known != nullptr ? known : parts_.names->Bind(directory, name, FileType::kDirectory);
  }
  return directory;
}

absl::StatusOr<InodePtr> Committer::RecoverRow(uint64_t id, StagedRow& row) {
  const auto [above, name] = SplitLast(row.path);
  const InodePtr directory = BindDirectory(above);
  InodePtr inode = parts_.names->Bind(directory, name, row.attributes.type);
  if (IsRecorded(inode)) {  // the process died between the two steps of a conflict
    inode =
        parts_.names->Bind(parts_.names->lost_and_found(),
                           absl::StrCat(RandomId(), "_", name).substr(0, 255), row.attributes.type);
    row.lost = StagedRow::Lost{row.path, parts_.names->prefix() + row.path, row.committed.version};
  }
  BasePtr base;
  if (row.base) {
    base = std::make_shared<const Base>(row.base->key, row.committed.version, row.base->size);
  }
  auto content = std::make_shared<Content>(std::move(base), parts_.fetcher, parts_.spill);
  S3FILES_RETURN_IF_ERROR(content->Restore(row.overlays));
  if (row.overlays.empty() && !row.base && row.change.empty()) content->StageCreation();
  row.overlays.clear();  // their bytes are in memory a second time
  if (row.lost) content->Retire();
  {
    absl::MutexLock lock(&inode->mu);
    inode->content = std::move(content);
    inode->attributes = row.attributes;
    inode->change = std::move(row.change);
    inode->metadata = row.metadata;
    inode->tag_count = row.tag_count;
    inode->full = row.full;
    inode->exclusive = row.exclusive;
    inode->committed = row.committed;
    inode->unresolved = std::move(row.commit_ids);
    inode->ctime_ns = parts_.clock->WallNanos();
    inode->journal_id = id;
    ++inode->epoch;
    if (row.lost) {
      inode->conflict = true;
      if (row.lost->error != 0) inode->last_error = Error(row.lost->error, row.lost->why);
      inode->lost = LostFile{row.lost->path, row.lost->key, row.lost->base, row.lost->winner};
    } else {
      Enlist(inode, kClosedHandle);
      absl::MutexLock staged_lock(&mu_);
      RestoreEpoch(inode, row.epoch);
    }
  }
  return inode;
}

}  // namespace s3files
