// Committer: when what is staged is committed, and in which order.
#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/callback_scope.h"
#include "lib/base/errors.h"
#include "lib/sync/committer.h"

namespace s3files {

absl::Status Committer::CommitWithin(const CallContext& call, const InodePtr& directory,
                                     bool unless_open, CommitTally* tally) {
  std::vector<InodePtr> inodes;
  // Renames of directories first: files under them wait for those anyway.
  absl::Status first_error = CommitMovesWithin(call, directory);
  for (const StagedInode& staged : StagedBefore(kAnyEpoch)) {
    if (!parts_.names->IsWithin(staged.inode, directory)) continue;
    // One that failed would fail again for each of the files in it.
    if (staged.inode->type == FileType::kDirectory || !MoveInBackoff(staged.inode).ok()) continue;
    const std::string path = parts_.names->PathOf(staged.inode);
    absl::MutexLock lock(&staged.inode->mu);
    if (!unless_open || !staged.inode->StagedByOpen()) {
      inodes.push_back(staged.inode);
    } else if (staged.inode->stagers.contains(kClosedHandle)) {
      first_error.Update(
          Error(EBUSY, absl::StrCat("/", path,
                                    ": a handle that staged to it is still open; dropped, with "
                                    "what closed handles had staged")));
    }
  }
  absl::Mutex mu;  // of first_error and tally, from here on
  auto commit = [&](size_t i) {
    CommitTally own;
    absl::Status status = Commit(call, inodes[i], &own);
    // Committed in the background just now, it is not yet forgotten.
    if (status.ok()) status = AwaitIdle(call, inodes[i]);
    absl::MutexLock lock(&mu);
    first_error.Update(status);
    if (tally != nullptr) {
      tally->files += own.files;
      tally->bytes += own.bytes;
    }
  };
  if (CallbackScope::Entered()) {  // other threads would not know what not to wait for
    for (size_t i = 0; i < inodes.size(); ++i) commit(i);
  } else {
    ParallelFor(parts_.commits, inodes.size(), commit);
  }
  return first_error;
}

Committer::StagedInode Committer::NextStaged(uint64_t after) const {
  absl::MutexLock lock(&mu_);
  auto it = staged_.upper_bound(after);
  if (it == staged_.end()) return {};
  return {it->second.inode, it->second.first_ns, it->second.epoch, it->second.retry_ns};
}

std::vector<Committer::StagedInode> Committer::StagedBefore(uint64_t epoch) const {
  std::vector<StagedInode> staged;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [ino, entry] : staged_) {
      if (entry.epoch >= epoch) continue;
      staged.push_back({entry.inode, entry.first_ns, entry.epoch, entry.retry_ns});
    }
  }
  std::sort(staged.begin(), staged.end(), [](const StagedInode& a, const StagedInode& b) {
    return std::tie(a.epoch, a.first_ns) < std::tie(b.epoch, b.first_ns);
  });
  return staged;
}

int64_t Committer::AgeOf(const InodePtr& inode) const {
  const int64_t now = parts_.clock->MonotonicNanos();
  absl::MutexLock lock(&mu_);
  auto it = staged_.find(inode->ino);
  return it == staged_.end() ? 0 : now - it->second.first_ns;
}

uint64_t Committer::EpochOf(const InodePtr& inode) const {
  absl::MutexLock lock(&mu_);
  auto it = staged_.find(inode->ino);
  return it == staged_.end() || it->second.inode != inode ? 0 : it->second.epoch;
}

int64_t Committer::NextAttemptOf(const InodePtr& inode) const {
  absl::MutexLock lock(&mu_);
  auto it = staged_.find(inode->ino);
  if (it == staged_.end()) return 0;
  const int64_t due = DueLocked(it->second);
  return due == kNever ? 0 : due;
}

size_t Committer::staged_count() const {
  absl::MutexLock lock(&mu_);
  return staged_.size();
}

Committer::Counters Committer::counters() const {
  absl::MutexLock lock(&mu_);
  return counters_;
}

absl::Status Committer::Barrier(const CallContext& call) {
  uint64_t ticket;
  {
    absl::MutexLock lock(&mu_);
    if (staged_.empty()) return absl::OkStatus();
    barriers_.fetch_add(1, std::memory_order_relaxed);
    if (parts_.journal == nullptr) return absl::OkStatus();
    if (barrier_row_ == 0) barrier_row_ = parts_.journal->NewId();
    ticket = parts_.journal->Put(barrier_row_, BarrierRow{barriers_});
  }
  return parts_.journal->Wait(call, ticket);
}

absl::Status Committer::SettleBarriers(const CallContext& call) {
  const uint64_t epoch = barriers_.load(std::memory_order_relaxed);
  if (epoch > 0 && policy_.delay_ns == kNever && !StagedBefore(epoch).empty()) {
    return Error(EBUSY, "changes from before a barrier are staged: commit them first");
  }
  return SettleBefore(call, epoch);
}

// A commit of one of these settles what is before it, in turn: never what comes later.
absl::Status Committer::SettleBefore(const CallContext& call, uint64_t epoch) {
  if (epoch == 0) return absl::OkStatus();
  for (const StagedInode& staged : StagedBefore(epoch)) {
    while (IsStaged(staged.inode) && EpochOf(staged.inode) < epoch) {
      S3FILES_RETURN_IF_ERROR(call.Check("committing what is staged before a barrier"));
      absl::Status status = staged.inode->type == FileType::kDirectory
                                ? CommitMove(call, staged.inode)
                                : Commit(call, staged.inode);
      // Attributes that another thread is committing are not staged, but may be again.
      if (status.ok()) status = AwaitIdle(call, staged.inode);
      // In lost+found it is before nothing any more.
      if (!status.ok() && IsStaged(staged.inode)) {
        return Annotate(status, "it is staged before a barrier, and comes first");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Committer::BeforeStaging(const CallContext& call, const InodePtr& inode) {
  const uint64_t epoch = barriers_.load(std::memory_order_relaxed);
  // EpochOf says 0 where nothing is staged.
  if (epoch > 0 && IsStaged(inode) && EpochOf(inode) < epoch) {
    if (policy_.delay_ns == kNever) {
      return Error(EBUSY, absl::StrCat("/", parts_.names->PathOf(inode),
                                       " has changes from before a barrier: commit them first"));
    }
    S3FILES_RETURN_IF_ERROR(Commit(call, inode));
  }
  return policy_.staged_limit == 0 ? absl::OkStatus() : MakeRoom(call);
}

absl::Status Committer::MakeRoom(const CallContext& call) {
  // At most so much, and quickly told: what is in a file may be in memory, too.
  if (parts_.fetcher->cache()->pool()->in_use(BlockUse::kStaged) +
          parts_.spill->bytes.load(std::memory_order_relaxed) <
      policy_.staged_limit) {
    return absl::OkStatus();
  }
  if (StagedBytes() < policy_.staged_limit) return absl::OkStatus();
  absl::Status error;
  const int64_t now = parts_.clock->MonotonicNanos();
  for (const StagedInode& staged : StagedBefore(kAnyEpoch)) {
    if (policy_.delay_ns == kNever) break;
    {
      absl::MutexLock lock(&staged.inode->mu);
      // What its writer has not closed is nobody else's to publish.
      if (staged.inode->StagedByOpen()) continue;
      if (staged.retry_ns > now) {
        error.Update(staged.inode->last_error);
        continue;
      }
    }
    const absl::Status status = Commit(call, staged.inode);
    NoteAttempt(staged.inode, status);
    error.Update(status);
    if (StagedBytes() < policy_.staged_limit) return absl::OkStatus();
  }
  return Error(
      ENOSPC,
      absl::StrCat("more than staged_limit = ", policy_.staged_limit, " bytes are staged",
                   error.ok() ? ", by files that are open" : absl::StrCat(": ", error.message())));
}

uint64_t Committer::StagedBytes() const {
  uint64_t bytes = 0;
  for (const StagedInode& staged : StagedBefore(kAnyEpoch)) {
    absl::MutexLock lock(&staged.inode->mu);
    if (staged.inode->content != nullptr) bytes += staged.inode->content->staged_bytes();
  }
  return bytes;
}

void Committer::CommitSoon(const InodePtr& inode) {
  absl::MutexLock lock(&mu_);
  auto it = staged_.find(inode->ino);
  if (it == staged_.end()) return;
  it->second.wanted = true;
  it->second.retry_ns = it->second.backoff_ns = 0;
  StartSchedule();
  schedule_changed_.Signal();
}

CommitDiff Committer::DiffOf(const InodePtr& inode) const {
  const Capabilities& can = parts_.store->capabilities();
  absl::MutexLock lock(&inode->mu);
  if (!inode->Staged() || inode->removed || inode->conflict) return {};
  if (inode->content->staged()) {
    return DiffOfContent(inode->content->shape(), inode->committed.version, part_policy_, can);
  }
  return DiffOfAttributes(inode->content->size(), part_policy_, can);
}

bool Committer::IsStaged(const InodePtr& inode) const {
  absl::MutexLock lock(&mu_);
  auto it = staged_.find(inode->ino);
  return it != staged_.end() && it->second.inode == inode;
}

int64_t Committer::DueLocked(const Entry& entry) const {
  const int64_t delay = policy_.delay_ns;
  if (entry.under_way) return kNever;
  if (entry.wanted) return entry.retry_ns;
  if (delay == kNever || (delay == 0 && !entry.recovered)) return kNever;
  if (entry.recovered) return entry.retry_ns;
  const int64_t due = std::min(entry.last_ns + delay, entry.first_ns + policy_.max_age_ns);
  return std::max(due, entry.retry_ns);
}

void Committer::StartSchedule() {
  if (stopping_ || scheduler_.joinable()) return;
  scheduler_ = std::thread([this] { RunSchedule(); });
}

void Committer::RunSchedule() {
  absl::MutexLock lock(&mu_);
  while (!stopping_) {
    const int64_t now = parts_.clock->MonotonicNanos();
    int64_t next = now + 1'000'000'000;  // a clock that a test moves signals nobody
    for (const auto& [ino, entry] : staged_) {
      const int64_t due = DueLocked(entry);
      if (due > now) next = std::min(next, due);
    }
    SubmitDue(now);
    schedule_changed_.WaitWithTimeout(&mu_, absl::Nanoseconds(next - now));
  }
}

// Oldest first: one that is always written to must not keep others waiting.
void Committer::SubmitDue(int64_t now) {
  std::vector<Entry*> due;
  for (auto& [ino, entry] : staged_) {
    if (DueLocked(entry) <= now) due.push_back(&entry);
  }
  std::sort(due.begin(), due.end(),
            [](const Entry* a, const Entry* b) { return a->first_ns < b->first_ns; });
  for (Entry* entry : due) {
    entry->under_way = true;
    background_.Submit([this, inode = entry->inode] { CommitInBackground(inode); });
  }
}

// No while it is being written, where that is not wanted, and when all ends: it is due again later.
bool Committer::MayCommitInBackground(const InodePtr& inode) {
  bool may = policy_.open_files;
  if (!may) {
    absl::MutexLock lock(&inode->mu);
    may = !inode->StagedByOpen();
  }
  absl::MutexLock lock(&mu_);
  auto it = staged_.find(inode->ino);
  if (it != staged_.end() && it->second.wanted) may = true;
  if (stopping_) may = false;
  if (may || it == staged_.end()) return may;
  it->second.under_way = false;
  it->second.retry_ns = parts_.clock->MonotonicNanos() + policy_.delay_ns;
  return false;
}

void Committer::CommitInBackground(const InodePtr& inode) {
  // Told when all else is done: who is told may ask, or move the clock.
  DeferredEvents events(parts_.events);
  if (!MayCommitInBackground(inode)) return;
  absl::Status status = MoveInBackoff(inode);
  if (status.ok()) status = CommitAndTell(CallContext(), inode, events);
  // Where another thread commits its attributes it is not staged just now, and not done yet.
  if (status.ok()) status = AwaitIdle(CallContext(), inode);
  if (!status.ok()) {
    absl::MutexLock lock(&inode->mu);
    inode->error_seen = false;  // a later call of the application returns it
  }
  NoteAttempt(inode, status);
  absl::MutexLock lock(&mu_);
  auto it = staged_.find(inode->ino);
  if (it != staged_.end()) it->second.under_way = false;
  schedule_changed_.Signal();
}

void Committer::NoteAttempt(const InodePtr& inode, const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  auto it = staged_.find(inode->ino);
  if (it == staged_.end()) return;
  Entry& entry = it->second;
  if (!status.ok()) {
    entry.backoff_ns = std::clamp(2 * entry.backoff_ns, kShortestBackoffNs, kLongestBackoffNs);
    entry.retry_ns = parts_.clock->MonotonicNanos() + entry.backoff_ns;
  }
}

}  // namespace s3files
