// Committer: what becomes of a change that the store does not take as it is.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/callback_scope.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/sync/committer.h"

namespace s3files {
namespace {

constexpr absl::string_view kStoreWins = "the store has another version, which wins";

}  // namespace

absl::StatusOr<bool> Committer::SettleConflict(const CallContext& call, const InodePtr& inode,
                                               const WriteJob& job, const absl::Status& status,
                                               DeferredEvents& events) {
  if (job.snapshot.borrowed) {
    const absl::StatusOr<bool> changed = parts_.writer->SourceChanged(call, job);
    if (!changed.ok()) return Fail(inode, changed.status(), events);
    if (*changed) {
      const std::string why =
          absl::StrCat(job.snapshot.base->key,
                       " changed in the store after it was copied, and before the copy was "
                       "committed: copy it again");
      return ToLostAndFound(inode, job, {ESTALE, why, WinnerOf(call, job)}, status, events);
    }
    if (ErrnoOf(status) == ENOENT) return Fail(inode, status, events);
    if (parts_.judge != nullptr) return OwnAndRetry(call, inode, events);
  }
  bool exclusive;
  {
    absl::MutexLock lock(&inode->mu);
    exclusive = inode->exclusive;
  }
  const int error = exclusive ? EEXIST : ESTALE;
  if (parts_.judge != nullptr) return AskJudge(call, inode, job, error, status, events);
  return ToLostAndFound(inode, job, {error, kStoreWins, WinnerOf(call, job)}, status, events);
}

// The refusal did not say what the key holds.
Version Committer::WinnerOf(const CallContext& call, const WriteJob& job) const {
  return parts_.guard->Current(call, job.key).value_or(Version::Unknown());
}

// A judge takes its time, and others may replace what the copy rests on meanwhile.
absl::StatusOr<bool> Committer::OwnAndRetry(const CallContext& call, const InodePtr& inode,
                                            DeferredEvents& events) {
  absl::Status status;
  {
    absl::MutexLock lock(&inode->mu);
    status = inode->content->Thaw();
  }
  if (status.ok()) status = OwnBorrowed(call, inode);
  if (!status.ok()) return Fail(inode, status, events);
  return true;
}

absl::StatusOr<ConflictCase> Committer::CaseOf(const CallContext& call, const InodePtr& inode,
                                               const WriteJob& job, int error) {
  ConflictCase conflict;
  conflict.path = parts_.names->PathOf(inode);
  conflict.error = error;
  conflict.inode = inode;
  auto content_of = [&](BasePtr base) {
    return std::make_shared<Content>(std::move(base), parts_.fetcher, parts_.spill);
  };
  absl::StatusOr<ObjectInfo> info = parts_.store->Head(call, job.key);
  BasePtr theirs;
  if (info.ok()) {
    theirs = std::make_shared<const Base>(job.key, info->stamp.version, info->size);
    conflict.theirs = content_of(theirs);
    conflict.their_info = *std::move(info);
  } else if (ErrnoOf(info.status()) == ENOENT) {
    conflict.their_info.stamp.version = Version::Absent();
  } else {
    return info.status();
  }
  {
    absl::MutexLock lock(&inode->mu);
    BasePtr base = inode->content->committed_base();
    if (base != nullptr) conflict.base = content_of(std::move(base));
    // Reads of what is staged must not wait for a commit that waits for the judge.
    inode->content->Suspend();
  }
  conflict.result = content_of(std::move(theirs));
  S3FILES_RETURN_IF_ERROR(conflict.result->Truncate(0));
  conflict.result->StageCreation();
  return conflict;
}

absl::StatusOr<bool> Committer::AskJudge(const CallContext& call, const InodePtr& inode,
                                         const WriteJob& job, int error, const absl::Status& status,
                                         DeferredEvents& events) {
  while (true) {
    const absl::StatusOr<ConflictCase> conflict = CaseOf(call, inode, job, error);
    if (!conflict.ok()) return Fail(inode, conflict.status(), events);
    switch (Judge(*conflict)) {
      case ConflictDecision::kMine:
        return CommitMine(call, inode, job, *conflict, status, events);
      case ConflictDecision::kMerged:
        if (TakeMerged(inode, *conflict)) return true;
        break;
      case ConflictDecision::kDrop:
        if (DropMine(call, inode)) return false;
        break;
      case ConflictDecision::kFail:
        return Fail(
            inode,
            Error(ESTALE, absl::StrCat("the store has another version (", status.message(), ")"),
                  ReplyOf(status)),
            events);
      case ConflictDecision::kStore:
        return ToLostAndFound(inode, job, {error, kStoreWins, conflict->their_info.stamp.version},
                              status, events);
    }
    // It was written to meanwhile, which the judge has not seen.
    absl::Status again = call.Check("asking what is to become of a conflict");
    if (again.ok()) {
      absl::MutexLock lock(&inode->mu);
      again = inode->content->Freeze().status();
    }
    if (!again.ok()) return Fail(inode, again, events);
  }
}

ConflictDecision Committer::Judge(const ConflictCase& conflict) {
  const CallbackScope scope;
  return parts_.judge->Judge(conflict);
}

// The staged change is on top of their version from now on.
void Committer::Rest(const InodePtr& inode, const ConflictCase& conflict) {
  const ObjectInfo& theirs = conflict.their_info;
  inode->committed = theirs.stamp;
  inode->tag_count = conflict.theirs == nullptr ? 0 : theirs.tag_count;
  // Attributes are merged field by field [N8]: only those that are staged are ours.
  if (conflict.theirs != nullptr && conflict.base != nullptr) {
    const int64_t mtime_ns = inode->attributes.mtime_ns;
    inode->attributes = AttributesOf(theirs, /*is_directory=*/false, parts_.defaults);
    inode->attributes.mtime_ns = mtime_ns;
    inode->change->ApplyTo(&inode->attributes);
    inode->metadata = theirs.metadata;
  }
  inode->exclusive = false;
  inode->unresolved.clear();
  ++inode->epoch;
}

absl::StatusOr<bool> Committer::CommitMine(const CallContext& call, const InodePtr& inode,
                                           const WriteJob& job, const ConflictCase& conflict,
                                           const absl::Status& status, DeferredEvents& events) {
  std::shared_ptr<Content> content;
  absl::Status thawed;
  {
    absl::MutexLock lock(&inode->mu);
    content = inode->content;
    thawed = content->Thaw();
  }
  if (!thawed.ok()) return Fail(inode, thawed, events);
  const absl::Status whole = content->StageBase(call);
  if (ErrnoOf(whole) == ESTALE || ErrnoOf(whole) == ENOENT) {
    return ToLostAndFound(inode, job,
                          {conflict.error,
                           "the store has another version, and what was not changed of the old one "
                           "is gone",
                           conflict.their_info.stamp.version},
                          status, events);
  }
  if (!whole.ok()) return Fail(inode, whole, events);
  {
    absl::MutexLock lock(&inode->mu);
    content->Adopt(conflict.theirs == nullptr ? nullptr : conflict.theirs->base());
    Rest(inode, conflict);
  }
  NoteSettledConflict();
  RecordAgain(CallContext(), inode, Durable::kSoon).IgnoreError();
  return true;
}

bool Committer::TakeMerged(const InodePtr& inode, const ConflictCase& conflict) {
  {
    absl::MutexLock lock(&inode->mu);
    if (!inode->content->RetireUnlessWritten()) return false;
    inode->content = conflict.result;
    inode->attributes.mtime_ns = inode->ctime_ns = parts_.clock->WallNanos();
    inode->stagers = {kClosedHandle};
    Rest(inode, conflict);
  }
  NoteSettledConflict();
  RecordAgain(CallContext(), inode, Durable::kSoon).IgnoreError();
  return true;
}

bool Committer::DropMine(const CallContext& call, const InodePtr& inode) {
  {
    absl::MutexLock lock(&inode->mu);
    if (!inode->content->RetireUnlessWritten()) return false;
    inode->removed = true;  // its handles stay with what they have
    ++inode->epoch;
  }
  DiscardBusy(call, inode);
  parts_.names->Unbind(inode);
  NoteSettledConflict();
  return true;
}

void Committer::NoteSettledConflict() {
  absl::MutexLock lock(&mu_);
  ++counters_.conflicts;
}

absl::StatusOr<bool> Committer::AdoptOwn(const CallContext& call, const InodePtr& inode) {
  {
    absl::MutexLock lock(&inode->mu);
    if (inode->unresolved.empty()) return false;
  }
  const std::string key = parts_.names->SourceKey(inode);
  absl::StatusOr<ObjectInfo> info = parts_.store->Head(call, key);
  if (ErrnoOf(info.status()) == ENOENT) return false;
  S3FILES_RETURN_IF_ERROR(info.status());
  absl::MutexLock lock(&inode->mu);
  if (!inode->MayHaveWritten(info->metadata)) return false;
  S3FILES_RETURN_IF_ERROR(inode->content->Thaw());
  inode->content->Adopt(std::make_shared<const Base>(key, info->stamp.version, info->size));
  inode->committed = info->stamp;
  inode->tag_count = info->tag_count;
  ++inode->epoch;
  return true;
}

absl::Status Committer::ToLostAndFound(const InodePtr& inode, const WriteJob& job,
                                       const Defeat& defeat, const absl::Status& status,
                                       DeferredEvents& events) {
  const std::string path = parts_.names->PathOf(inode);
  std::string kept = absl::StrFormat("%x_%s", inode->ino, parts_.names->NameOf(inode));
  kept.resize(std::min(kept.size(), size_t{255}));
  // One of an earlier file system may have the same number.
  if (parts_.names->Child(parts_.names->lost_and_found(), kept) != nullptr) {
    kept = absl::StrCat(RandomId(), "_", parts_.names->NameOf(inode)).substr(0, 255);
  }
  const std::string where = absl::StrCat("/", kLostAndFound, "/", kept);
  // First of all, so that from here on the path means what the store has.
  parts_.names->Rebind(inode, parts_.names->lost_and_found(), kept);
  absl::Status told;
  {
    absl::MutexLock lock(&inode->mu);
    told = Error(defeat.error,
                 absl::StrCat("/", path, ": ", defeat.why, "; the staged bytes are in ", where,
                              " (", status.message(), ")"),
                 ReplyOf(status));
    inode->content->Thaw().IgnoreError();
    inode->content->Retire();
    inode->change.Take();
    inode->conflict = true;
    inode->lost = LostFile{path, job.key, job.expected, defeat.winner};
    inode->unresolved.clear();
    ++inode->attempts;
    inode->last_error = told;
    inode->error_seen = true;
  }
  Forget(inode);
  RecordNow(CallContext(), inode, Durable::kNow)
      .IgnoreError();  // it is readable as long as we live
  NoteSettledConflict();
  events.Add({EventKind::kConflict, path, told, where, 0});
  return told;
}

}  // namespace s3files
