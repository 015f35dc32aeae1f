#include "lib/sync/committer.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/callback_scope.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"

namespace s3files {
namespace {

// How often a commit follows the store, which others change each time.
constexpr int kMostRounds = 16;

bool IsConflict(const absl::Status& status, const WriteJob& job) {
  const int error = ErrnoOf(status);
  return error == ESTALE || error == EEXIST || (error == ENOENT && job.snapshot.borrowed);
}

}  // namespace

Committer::Committer(const Parts& parts, const PartPolicy& part_policy, const CommitPolicy& policy)
    : parts_(parts), part_policy_(part_policy), policy_(policy), background_(parts.commits) {
  const bool recovers = parts_.journal != nullptr && policy_.delay_ns != kNever;
  absl::MutexLock lock(&mu_);
  if (recovers || (policy_.delay_ns > 0 && policy_.delay_ns != kNever)) StartSchedule();
}

Committer::~Committer() {
  Stop();
  std::thread scheduler;
  {
    absl::MutexLock lock(&mu_);
    scheduler = std::move(scheduler_);
  }
  if (scheduler.joinable()) scheduler.join();
  background_.Wait();
  AbortEarlyUploads(CallContext());
}

void Committer::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    schedule_changed_.SignalAll();
  }
  if (!CallbackScope::Entered()) background_.Wait();
}

void Committer::AbortEarlyUploads(const CallContext& call) {
  std::vector<std::shared_ptr<EarlyUpload>> uploads;
  {
    absl::MutexLock lock(&mu_);
    for (auto& [ino, entry] : staged_) {
      if (entry.early != nullptr) uploads.push_back(std::move(entry.early));
    }
  }
  for (const auto& upload : uploads) upload->Abort(call);
}

void Committer::NoteStaged(const InodePtr& inode, uint64_t handle) {
  std::shared_ptr<Content> content;
  {
    absl::MutexLock node_lock(&inode->mu);
    content = inode->content;
    // Another thread may have committed the change already: then nobody would remove the entry.
    if (inode->removed || inode->conflict || !inode->Staged()) return;
    if (content->staged()) {
      inode->ctime_ns = inode->attributes.mtime_ns = parts_.clock->WallNanos();
      inode->change.Mutable().mtime_ns.reset();
    }
    Enlist(inode, handle);
  }
  if (content->sequential_end() >= part_policy_.multipart_threshold) {
    AdvanceEarlyUpload(inode, content);
  }
}

void Committer::Enlist(const InodePtr& inode, uint64_t handle) {
  const int64_t now = parts_.clock->MonotonicNanos();
  inode->stagers.insert(handle);
  absl::MutexLock lock(&mu_);
  auto [it, added] = staged_.try_emplace(inode->ino);
  it->second.last_ns = now;
  if (handle != kClosedHandle) it->second.recovered = false;
  if (!added) return;
  it->second.inode = inode;
  it->second.first_ns = now;
  it->second.epoch = barriers_.load(std::memory_order_relaxed);
  schedule_changed_.Signal();
}

void Committer::AdvanceEarlyUpload(const InodePtr& inode, const std::shared_ptr<Content>& content) {
  std::shared_ptr<EarlyUpload> early;
  {
    absl::MutexLock lock(&mu_);
    auto it = staged_.find(inode->ino);
    if (it != staged_.end()) early = it->second.early;
  }
  if (early == nullptr) early = StartEarlyUpload(inode, content);
  if (early != nullptr) early->Advance();
}

std::shared_ptr<EarlyUpload> Committer::StartEarlyUpload(const InodePtr& inode,
                                                         const std::shared_ptr<Content>& content) {
  uint64_t epoch;
  {
    absl::MutexLock lock(&inode->mu);
    epoch = inode->epoch;
  }
  PutRequest request;
  request.key = parts_.names->KeyOf(inode);
  request.commit_id = RandomId();
  std::string tags_of = parts_.names->SourceKey(inode);  // a rename may be staged
  absl::MutexLock node_lock(&inode->mu);
  // While a commit is under way the generation it takes must not grow another upload; after a
  // rename the key is another.
  if (inode->busy || inode->epoch != epoch) return nullptr;
  request.metadata = inode->ShownMetadata();
  StoreAttributes(inode->attributes, &request.metadata);
  if (inode->tag_count == 0) tags_of.clear();
  absl::MutexLock lock(&mu_);
  auto it = staged_.find(inode->ino);
  if (it == staged_.end()) return nullptr;
  if (it->second.early == nullptr) {
    it->second.early =
        std::make_shared<EarlyUpload>(parts_.store, parts_.uploads, parts_.transfers, content,
                                      std::move(request), std::move(tags_of), part_policy_);
  }
  return it->second.early;
}

std::shared_ptr<EarlyUpload> Committer::TakeEarlyUpload(const InodePtr& inode) {
  std::shared_ptr<EarlyUpload> early;
  {
    absl::MutexLock lock(&mu_);
    auto it = staged_.find(inode->ino);
    if (it != staged_.end()) early = std::move(it->second.early);
  }
  if (early != nullptr) early->Stop();
  return early;
}

void Committer::DropEarlyUpload(const CallContext& call, const InodePtr& inode) {
  if (std::shared_ptr<EarlyUpload> early = TakeEarlyUpload(inode)) early->Abort(call);
}

void Committer::Forget(const InodePtr& inode) {
  std::shared_ptr<EarlyUpload> early;
  RemoveEntry(inode, &early);
  if (early != nullptr) early->Abort(CallContext());
  // The journal goes on trying by itself.
  RecordAgain(CallContext(), inode, Durable::kNow).IgnoreError();
}

void Committer::RemoveEntry(const InodePtr& inode, std::shared_ptr<EarlyUpload>* early) {
  absl::MutexLock node_lock(&inode->mu);
  const bool staged = inode->Staged() && !inode->removed && !inode->conflict;
  absl::MutexLock lock(&mu_);
  auto it = staged_.find(inode->ino);
  if (it == staged_.end()) return;
  if (staged) {  // written to while it was being committed
    it->second.first_ns = it->second.last_ns;
    it->second.backoff_ns = it->second.retry_ns = 0;
    it->second.wanted = false;
  } else {
    *early = std::move(it->second.early);
    staged_.erase(it);
    inode->stagers.clear();
  }
}

absl::Status Committer::Commit(const CallContext& call, const InodePtr& inode, CommitTally* tally) {
  DeferredEvents events(parts_.events);
  const absl::Status status = CommitAndTell(call, inode, events);
  if (tally == nullptr) return status;
  uint64_t most = 0;  // attributes may be committed after the bytes, by themselves
  bool committed = false;
  for (const Event& event : events.so_far()) {
    if (event.kind != EventKind::kCommitted) continue;
    committed = true;
    most = std::max(most, event.bytes);
  }
  tally->files += committed ? 1 : 0;
  tally->bytes += most;
  return status;
}

absl::Status Committer::CommitAndTell(const CallContext& call, const InodePtr& inode,
                                      DeferredEvents& events) {
  if (inode->type == FileType::kDirectory) return CommitMoveAndTell(call, inode, events);
  {
    absl::MutexLock lock(&inode->mu);
    if (!inode->Staged()) return absl::OkStatus();
  }
  if (barriers_.load(std::memory_order_relaxed) > 0) {
    S3FILES_RETURN_IF_ERROR(SettleBefore(call, EpochOf(inode)));
  }
  S3FILES_ASSIGN_OR_RETURN(const BusyInode busy, AcquireSettled(call, inode));
  return CommitBusy(call, inode, events);
}

absl::Status Committer::CommitBusy(const CallContext& call, const InodePtr& inode,
                                   DeferredEvents& events) {
  int rounds = 0;
  for (bool adopted = false;;) {
    std::shared_ptr<Content> content;
    {
      absl::MutexLock lock(&inode->mu);
      if (!inode->Staged() || inode->removed || inode->conflict) return absl::OkStatus();
      content = inode->content;
    }
    S3FILES_RETURN_IF_ERROR(call.Check("committing a file"));
    if (!content->staged()) return CommitStagedAttributes(call, inode, events);
    if (absl::Status kept = KeepBorrowed(call, inode, content.get()); !kept.ok()) {
      return Fail(inode, kept, events);
    }
    S3FILES_ASSIGN_OR_RETURN(WriteJob job, Prepare(call, inode));
    job.on_progress = [&](uint64_t done) {
      const CallbackScope scope(parts_.names);
      parts_.events->OnEvent({EventKind::kProgress, parts_.names->PathOf(inode), absl::OkStatus(),
                              "", done, job.snapshot.size()});
    };
    absl::StatusOr<Stamp> stamp = parts_.writer->Write(call, job);
    if (stamp.ok()) {
      Succeed(inode, job, *stamp, events);
      absl::MutexLock lock(&inode->mu);
      // What changed after an early upload began is not in its metadata.
      if (job.early == nullptr || inode->content->staged() || inode->change->empty()) {
        return absl::OkStatus();
      }
      continue;
    }
    {
      absl::MutexLock lock(&inode->mu);
      inode->RestoreChange(job.change, job.before);
      if (IsAmbiguous(stamp.status())) inode->unresolved.push_back(job.commit_id);
      inode->committing.clear();
    }
    if (!IsConflict(stamp.status(), job)) return Fail(inode, stamp.status(), events);
    if (!std::exchange(adopted, true)) {
      absl::StatusOr<bool> own = AdoptOwn(call, inode);
      if (!own.ok()) return Fail(inode, own.status(), events);
      if (*own) continue;
    }
    if (++rounds == kMostRounds) return Fail(inode, stamp.status(), events);
    S3FILES_ASSIGN_OR_RETURN(const bool again,
                             SettleConflict(call, inode, job, stamp.status(), events));
    if (!again) return absl::OkStatus();
    adopted = false;
  }
}

absl::StatusOr<WriteJob> Committer::Prepare(const CallContext& call, const InodePtr& inode) {
  WriteJob job;
  job.key = parts_.names->KeyOf(inode);
  job.early = TakeEarlyUpload(inode);
  if (job.early != nullptr && job.early->request().key != job.key) {
    std::exchange(job.early, nullptr)->Abort(CallContext());  // its directory was renamed
  }
  job.commit_id = job.early != nullptr ? job.early->request().commit_id : RandomId();
  {
    absl::MutexLock lock(&inode->mu);
    inode->committing = job.commit_id;
  }
  // Where the journal cannot have it the commit goes on all the same: after a crash its own object is
  // then taken for another's, and the bytes go to lost+found.
  RecordAgain(call, inode, Durable::kNow).IgnoreError();
  absl::ReleasableMutexLock lock(&inode->mu);
  absl::StatusOr<Snapshot> snapshot = inode->content->Freeze();
  if (!snapshot.ok()) {
    inode->committing.clear();
    lock.Release();
    if (job.early != nullptr) job.early->Abort(CallContext());
    return snapshot.status();
  }
  job.snapshot = *std::move(snapshot);
  job.expected = inode->committed.version;
  if (inode->tag_count > 0) job.tags_of = job.key;
  if (job.early != nullptr) {
    job.metadata = job.early->request().metadata;
  } else {
    job.change = inode->TakeChange(&job.before);
    job.metadata = inode->metadata.Get();
    StoreAttributes(inode->attributes, &job.metadata);
  }
  return job;
}

void Committer::Succeed(const InodePtr& inode, const WriteJob& job, const Stamp& stamp,
                        DeferredEvents& events) {
  const uint64_t size = job.snapshot.size();
  {
    absl::MutexLock lock(&inode->mu);
    inode->content->Rebase(std::make_shared<const Base>(job.key, stamp.version, size));
    inode->committed = stamp;
    inode->validated_ns = parts_.clock->MonotonicNanos();
    ++inode->epoch;
    inode->metadata = job.metadata;
    inode->full = true;
    if (!inode->content->staged()) {
      // Of a file uploaded while it was written the store has the time when that began.
      inode->attributes = AttributesOf({size, stamp, job.metadata}, false, {});
      inode->change->ApplyTo(&inode->attributes);
    }
    inode->exclusive = false;
    inode->committing.clear();
    inode->attempts = 0;
    inode->last_error = absl::OkStatus();
    inode->error_seen = true;
    inode->unresolved.clear();
  }
  Forget(inode);
  {
    absl::MutexLock lock(&mu_);
    ++counters_.commits;
  }
  events.Add({EventKind::kCommitted, parts_.names->PathOf(inode), absl::OkStatus(), "", size});
}

absl::Status Committer::Fail(const InodePtr& inode, const absl::Status& status,
                             DeferredEvents& events) {
  const std::string path = parts_.names->PathOf(inode);
  const absl::Status told = Annotate(status, absl::StrCat("/", path, " stays staged"));
  {
    absl::MutexLock lock(&inode->mu);
    // Where even that fails both generations stay, readable, and the next commit tries again.
    inode->content->Thaw().IgnoreError();
    ++inode->attempts;
    inode->last_error = told;
    inode->error_seen = true;
  }
  {
    absl::MutexLock lock(&mu_);
    ++counters_.failures;
  }
  events.Add({EventKind::kCommitFailed, path, told, "", 0});
  return told;
}

absl::StatusOr<bool> Committer::Settle(const CallContext& call, const InodePtr& inode) {
  {
    absl::MutexLock lock(&inode->mu);
    if (inode->unresolved.empty()) return false;
  }
  S3FILES_ASSIGN_OR_RETURN(const BusyInode busy, BusyInode::Acquire(call, inode));
  return AdoptOwn(call, inode);
}

absl::Status Committer::KeepBorrowed(const CallContext& call, const InodePtr& inode,
                                     const Content* except) {
  std::vector<std::weak_ptr<Content>> borrowers;
  absl::Status first_error;
  {
    absl::MutexLock lock(&inode->mu);
    borrowers.swap(inode->borrowers);
  }
  for (const std::weak_ptr<Content>& borrower : borrowers) {
    const std::shared_ptr<Content> content = borrower.lock();
    if (content == nullptr) continue;
    absl::Status owned;
    if (content.get() != except) owned = content->Own(call);
    // Gone already: its own commit says what is missing.
    if (ErrnoOf(owned) == ESTALE || ErrnoOf(owned) == ENOENT) continue;
    first_error.Update(Annotate(owned, "a copy of it is staged, and cannot have its bytes"));
    absl::MutexLock lock(&inode->mu);
    if (content->borrowed()) inode->borrowers.push_back(borrower);
  }
  return first_error;
}

void Committer::DiscardBusy(const CallContext& call, const InodePtr& inode) {
  std::shared_ptr<EarlyUpload> early = TakeEarlyUpload(inode);
  {
    absl::MutexLock lock(&inode->mu);
    if (inode->content != nullptr) inode->content->Discard();
    inode->change.Take();
    inode->last_error = absl::OkStatus();
    inode->error_seen = true;
    inode->attempts = 0;
    // An attempt that may have happened after all must be noticed: what we know is no longer sure.
    if (!inode->unresolved.empty()) inode->validated_ns = 0;
    inode->unresolved.clear();
    if (inode->full && inode->type != FileType::kDirectory) {
      const uint64_t size = inode->content == nullptr ? 0 : inode->content->size();
      inode->attributes =
          AttributesOf({size, inode->committed, inode->metadata.Get()}, false, parts_.defaults);
    }
  }
  Forget(inode);
  if (early != nullptr) early->Abort(call);
}

}  // namespace s3files
