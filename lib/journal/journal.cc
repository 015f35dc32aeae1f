#include "lib/journal/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "lib/base/errors.h"
#include "lib/base/wait.h"
#include "lib/journal/row_bytes.h"

namespace s3files {
namespace {

absl::Status SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  return synced ? absl::OkStatus()
                : Error(error, absl::StrCat("cannot sync ", path, ": ", strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& state_dir,
                                                       const std::string& url) {
  S3FILES_ASSIGN_OR_RETURN(std::unique_ptr<StateDir> dir, StateDir::Open(state_dir));
  auto database = std::make_unique<JournalDatabase>(dir->journal_path());
  if (absl::Status status = database->Open(!std::filesystem::is_empty(dir->staged_path()));
      !status.ok()) {
    return Annotate(status, absl::StrCat("the journal cannot be used; staged bytes are in ",
                                         dir->staged_path(), ", nothing was changed"));
  }
  std::unique_ptr<Journal> journal(new Journal(std::move(dir), std::move(database)));
  S3FILES_RETURN_IF_ERROR(journal->Load());
  S3FILES_RETURN_IF_ERROR(journal->CheckUrl(url));
  S3FILES_RETURN_IF_ERROR(journal->RemoveStrangers());
  journal->thread_ = std::thread([raw = journal.get()] { raw->Run(); });
  return journal;
}

Journal::Journal(std::unique_ptr<StateDir> state_dir, std::unique_ptr<JournalDatabase> database)
    : state_dir_(std::move(state_dir)), database_(std::move(database)) {}

Journal::~Journal() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    put_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

// False: it is damaged.
bool Journal::LoadRow(uint64_t id, absl::string_view bytes) {
  const std::optional<RowKind> kind = OpenRow(&bytes);
  if (!kind) return false;
  switch (*kind) {
    case RowKind::kStaged: {
      StagedRow row = StagedRow::Decode(bytes);
      for (const SavedOverlay& overlay : row.overlays) {
        if (!overlay.file.empty()) names_[id].push_back(overlay.file);
      }
      recovered_.staged.emplace(id, std::move(row));
      break;
    }
    case RowKind::kUpload:
      recovered_.uploads.emplace(id, UploadRow::Decode(bytes));
      break;
    case RowKind::kMove:
      recovered_.moves.emplace(id, MoveRow::Decode(bytes));
      break;
    case RowKind::kCopies:
      recovered_.copies.emplace(id, CopiesRow::Decode(bytes));
      break;
    case RowKind::kBarrier:
      recovered_.barriers.emplace(id, BarrierRow::Decode(bytes));
      break;
  }
  next_id_ = std::max(next_id_.load(), id + 1);
  return true;
}

absl::Status Journal::Load() {
  std::vector<uint64_t> damaged;
  S3FILES_RETURN_IF_ERROR(database_->ForEach([&](uint64_t id, absl::string_view bytes) {
    if (!LoadRow(id, bytes)) damaged.push_back(id);
  }));
  if (damaged.empty()) return absl::OkStatus();
  return Error(
      EIO,
      absl::StrCat("journal ", state_dir_->journal_path(), " is damaged: rows ",
                   absl::StrJoin(damaged, ", "), "; what can be saved, from ",
                   state_dir_->staged_path(), ": ",
                   absl::StrJoin(recovered_.staged, ", ", [](std::string* out, const auto& entry) {
                     absl::StrAppend(out, "/", entry.second.path);
                     for (const SavedOverlay& overlay : entry.second.overlays) {
                       if (!overlay.file.empty()) absl::StrAppend(out, " (", overlay.file, ")");
                     }
                   })));
}

absl::Status Journal::CheckUrl(const std::string& url) {
  S3FILES_ASSIGN_OR_RETURN(const std::string known, database_->Url());
  if (known == url) return absl::OkStatus();
  if (recovered_.size() == 0) return database_->SetUrl(url);
  return Error(EINVAL, absl::StrCat("state_dir ", state_dir_->path(), " has ", recovered_.size(),
                                    " staged changes of ", known, ", not of ", url,
                                    "; open that first, or choose another directory"));
}

// Files of writers that were never put.
absl::Status Journal::RemoveStrangers() const {
  std::set<std::string> known;
  for (const auto& [id, names] : names_) known.insert(names.begin(), names.end());
  DIR* dir = opendir(state_dir_->staged_path().c_str());
  if (dir == nullptr) {
    return Error(errno,
                 absl::StrCat("cannot read ", state_dir_->staged_path(), ": ", strerror(errno)));
  }
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != ".." && !known.contains(name))
      unlinkat(dirfd(dir), entry->d_name, 0);
  }
  closedir(dir);
  return absl::OkStatus();
}

uint64_t Journal::Put(uint64_t id, const StagedRow& row,
                      std::vector<std::shared_ptr<const OverlayFile>> files) {
  Change change{row.Encode(), {}, std::move(files)};
  for (const auto& file : change.files) change.names.push_back(file->name());
  return Add(id, std::move(change));
}

uint64_t Journal::Remove(uint64_t id) { return Add(id, Change()); }

uint64_t Journal::Add(uint64_t id, Change change) {
  absl::MutexLock lock(&mu_);
  Change& pending = pending_[id];
  NoteSuperseded(pending, change);
  pending_bytes_ += change.size() - pending.size();
  pending = std::move(change);
  put_.Signal();
  return ++last_ticket_;
}

Journal::Together::Together(Journal* journal) : journal_(journal) {
  absl::MutexLock lock(&journal_->mu_);
  ++journal_->together_;
}

Journal::Together::~Together() {
  absl::MutexLock lock(&journal_->mu_);
  --journal_->together_;
  journal_->put_.Signal();
}

// What a change had that was never written goes with the next one.
void Journal::NoteSuperseded(const Change& older, const Change& newer) {
  for (const std::string& name : older.names) {
    if (std::find(newer.names.begin(), newer.names.end(), name) == newer.names.end()) {
      superseded_.push_back(name);
    }
  }
}

absl::Status Journal::Wait(const CallContext& call, uint64_t ticket) {
  absl::MutexLock lock(&mu_);
  awaited_ = std::max(awaited_, ticket);
  put_.Signal();
  S3FILES_RETURN_IF_ERROR(WaitUntil(call, mu_, written_, "waiting for the journal", [&] {
    mu_.AssertHeld();
    return done_ >= ticket || failed_ >= ticket;
  }));
  return done_ >= ticket ? absl::OkStatus() : error_;
}

absl::Status Journal::WaitForAll(const CallContext& call) {
  uint64_t ticket;
  {
    absl::MutexLock lock(&mu_);
    ticket = last_ticket_;
  }
  return Wait(call, ticket);
}

void Journal::AwaitRoom(const CallContext& call) {
  absl::MutexLock lock(&mu_);
  WaitUntil(call, mu_, written_, "waiting for the journal", [&] {
    mu_.AssertHeld();
    return pending_bytes_ < kMostPending || failed_ > done_;
  }).IgnoreError();
}

uint64_t Journal::transactions() const {
  absl::MutexLock lock(&mu_);
  return transactions_;
}

// Whether somebody waits for what has not been tried yet, or it is much.
bool Journal::Due() const {
  return stopping_ || awaited_ > std::max(done_, failed_) ||
         (pending_bytes_ >= kMostPending && failed_ <= done_);
}

void Journal::Run() {
  while (true) {
    Batch batch;
    std::vector<std::string> superseded;
    uint64_t ticket;
    {
      absl::MutexLock lock(&mu_);
      while (pending_.empty() && !stopping_) put_.Wait(&mu_);
      const bool failing = failed_ > done_;
      const absl::Time until = absl::Now() + absl::Nanoseconds(failing ? kRetryNs : kGatherNs);
      while (!Due() && !put_.WaitWithDeadline(&mu_, until)) {
      }
      while (together_ > 0) put_.Wait(&mu_);
      if (pending_.empty()) return;  // stopping
      batch.swap(pending_);
      pending_bytes_ = 0;
      written_.SignalAll();  // there is room
      superseded.swap(superseded_);
      ticket = last_ticket_;
    }
    const absl::Status status = WriteBatch(batch);
    if (status.ok()) RemoveFiles(batch, superseded);
    absl::MutexLock lock(&mu_);
    if (status.ok()) {
      done_ = ticket;
      ++transactions_;
    } else {
      failed_ = ticket;
      error_ = status;
      for (auto& [id, change] : batch) {
        auto [it, added] = pending_.try_emplace(id);
        if (added) {
          pending_bytes_ += change.size();
          it->second = std::move(change);
        } else {
          NoteSuperseded(change, it->second);
        }
      }
      superseded_.insert(superseded_.end(), superseded.begin(), superseded.end());
    }
    written_.SignalAll();
    if (!status.ok() && stopping_) return;
  }
}

absl::Status Journal::WriteBatch(const Batch& batch) {
  bool any_file = false;
  for (const auto& [id, change] : batch) {
    for (const auto& file : change.files) {
      any_file = true;
      S3FILES_RETURN_IF_ERROR(file->Sync());
    }
  }
  if (any_file) S3FILES_RETURN_IF_ERROR(SyncDirectory(state_dir_->staged_path()));
  S3FILES_RETURN_IF_ERROR(database_->Run("BEGIN IMMEDIATE"));
  absl::Status status;
  for (const auto& [id, change] : batch) {
    status.Update(change.row ? database_->Put(id, *change.row) : database_->Remove(id));
  }
  if (status.ok()) status = database_->Run("COMMIT");
  if (!status.ok()) database_->Run("ROLLBACK").IgnoreError();
  return status;
}

// Those that the rows had before, and have no more.
void Journal::RemoveFiles(const Batch& batch, const std::vector<std::string>& superseded) {
  std::vector<std::string> gone = superseded;
  for (const auto& [id, change] : batch) {
    std::vector<std::string>& names = names_[id];
    for (std::string& name : names) {
      if (std::find(change.names.begin(), change.names.end(), name) == change.names.end()) {
        gone.push_back(std::move(name));
      }
    }
    names = change.names;
    if (names.empty()) names_.erase(id);
  }
  for (const std::string& name : gone) {
    unlink(absl::StrCat(state_dir_->staged_path(), "/", name).c_str());
  }
}

}  // namespace s3files
