// FileSystem: renames of directories. Here a directory takes its new name in one step; the store
// follows object by object (DirectoryMover).
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/fs/file_system.h"

namespace s3files {
namespace {

// Ends what Names::DeclareMove began.
class Declared {
 public:
  Declared(Names* names, InodePtr directory) : names_(names), directory_(std::move(directory)) {}
  Declared(const Declared&) = delete;
  Declared& operator=(const Declared&) = delete;
  ~Declared() { names_->EndDeclared(directory_); }

 private:
  Names* const names_;
  const InodePtr directory_;
};

// A rename that is under way is taken along by the next one, unless the store has begun with it, or
// what is at its places would be mixed up.
bool MustFinishFirst(const Names::Move& own, bool replaces, const std::string& target) {
  if (own.directory == nullptr) return false;
  const bool overlap = absl::StartsWith(own.origin, target) || absl::StartsWith(target, own.origin);
  return own.started || replaces || own.phase == MovePhase::kLanded ||
         (overlap && own.origin != target);
}

}  // namespace

absl::Status FileSystem::RenameDirectory(const CallContext& call, const InodePtr& source,
                                         const Place& from, const Place& to, uint32_t flags) {
  if (to.directory == names_.lost_and_found() || source == names_.lost_and_found()) {
    return Error(EPERM, absl::StrCat("/", kLostAndFound,
                                     " stays where it is, and so does what is "
                                     "outside of it"));
  }
  S3FILES_RETURN_IF_ERROR(mover_.CheckPossible());
  S3FILES_RETURN_IF_ERROR(committer_->SettleBarriers(call));
  {
    // From here on nothing new is written at the two places, and what is under way ends.
    S3FILES_RETURN_IF_ERROR(names_.DeclareMove(call, source, to.directory, to.name));
    const Declared declared(&names_, source);
    S3FILES_RETURN_IF_ERROR(SettleAround(call, source, to));
    S3FILES_ASSIGN_OR_RETURN(const InodePtr target, CheckDirectoryTarget(call, source, to, flags));
    if (target == source) return absl::OkStatus();
    S3FILES_RETURN_IF_ERROR(StageDirectory(call, source, target, from, to));
    if (journal_ != nullptr)
      journal_->WaitForAll(call).IgnoreError();  // it goes on trying by itself
  }
  if (options_.commit.delay_ns > 0) return absl::OkStatus();
  return committer_->CommitMove(call, source);
}

// Renames are disjoint: those that are not finished yet, and would not be, are finished first.
absl::Status FileSystem::SettleAround(const CallContext& call, const InodePtr& source,
                                      const Place& to) {
  const std::string target = names_.ChildKey(to.directory, to.name) + "/";
  if (MustFinishFirst(names_.MoveOf(source), mover_.Replaces(source), target)) {
    const absl::Status status = committer_->CommitMove(call, source);
    if (names_.MoveOf(source).directory != nullptr) return status;
  }
  S3FILES_RETURN_IF_ERROR(committer_->SettleMoves(call, names_.KeyOf(source), source));
  return committer_->SettleMoves(call, target, source);
}

// What is at the target and may be replaced; null where nothing is.
absl::StatusOr<InodePtr> FileSystem::CheckDirectoryTarget(const CallContext& call,
                                                          const InodePtr& source, const Place& to,
                                                          uint32_t flags) {
  if (names_.IsWithin(to.directory, source)) {
    return Error(EINVAL, absl::StrCat("/", names_.PathOf(source),
                                      " cannot be moved into a directory that it holds"));
  }
  // Its absence is enforced object by object only, so the store is asked.
  S3FILES_ASSIGN_OR_RETURN(InodePtr target, importer_.LookupToCreate(call, to.directory, to.name,
                                                                     /*enforced=*/false));
  if (target == nullptr) return target;
  if ((flags & kRenameNoReplace) != 0) {
    return Error(EEXIST, absl::StrCat(Describe(to), " exists"));
  }
  if (target == source) return target;
  if (target->type != FileType::kDirectory) {
    return Error(ENOTDIR, absl::StrCat(Describe(to), " is a file"));
  }
  if (target == names_.lost_and_found()) {
    return Error(EBUSY, absl::StrCat("/", kLostAndFound, " cannot be replaced"));
  }
  if (names_.IsWithin(source, target)) {
    return Error(ENOTEMPTY, absl::StrCat(Describe(to), " is not empty"));
  }
  const absl::Status empty = importer_.CheckEmpty(call, target);
  // Gone by now: then there is nothing to replace.
  if (!empty.ok() && ErrnoOf(empty) != ENOENT) return empty;
  return target;
}

// In the journal, too, with all that this has of files in it: no crash finds one without the other.
absl::StatusOr<Names::MoveStep> FileSystem::StageMove(const CallContext& call,
                                                      const InodePtr& source, const Place& from,
                                                      const Place& to, const Version& replaced) {
  committer_->OwnWithin(call, source).IgnoreError();  // such a file keeps the row it has
  std::optional<Journal::Together> together;
  if (journal_ != nullptr) together.emplace(journal_.get());
  S3FILES_ASSIGN_OR_RETURN(const Names::MoveStep step,
                           names_.StageMove(source, to.directory, to.name));
  if (step.wait_for != nullptr) return step;
  if (step.cancelled) {
    mover_.Forget(source);
  } else {
    mover_.Begin(source, from.directory, replaced);
  }
  committer_->NoteMoved(source);
  return step;
}

absl::Status FileSystem::StageDirectory(const CallContext& call, const InodePtr& source,
                                        const InodePtr& target, const Place& from,
                                        const Place& to) {
  // A name that is free is taken for the time being: who else wants it waits.
  const bool is_free = target == nullptr;
  const InodePtr there = is_free ? names_.Bind(to.directory, to.name, FileType::kFile) : target;
  if (there == source) return NameChanged();  // another thread has just renamed it so
  while (true) {
    InodePtr wait_for;
    {
      // Tried, not awaited: those that are busy below may be waiting for one of these.
      const std::optional<BusyInode> busy_source = BusyInode::TryAcquire(source);
      const std::optional<BusyInode> busy_there = BusyInode::TryAcquire(there);
      if (!busy_source || !busy_there) {
        wait_for = busy_source ? there : source;
      } else {
        const std::string key = names_.ChildKey(to.directory, to.name) + "/";
        Version replaced;
        bool changed;
        {
          absl::MutexLock lock(&there->mu);
          if (!is_free && there->directory->marker) replaced = there->directory->marker->version;
          changed = is_free && (there->type != FileType::kFile || there->content != nullptr);
        }
        changed = changed || Recall(from) != source || Recall(to) != there ||
                  MustFinishFirst(names_.MoveOf(source), mover_.Replaces(source), key);
        if (changed) return NameChanged();
        const auto step = StageMove(call, source, from, to, replaced);
        if (!step.ok()) {
          if (is_free) Remove(there);
          return step.status();
        }
        if (step->wait_for == nullptr) {
          Remove(there);
          importer_.NoteCreated(to.directory, to.name);
          importer_.NoteRemoved(from.directory, from.name);
          return absl::OkStatus();
        }
        wait_for = step->wait_for;
      }
    }
    S3FILES_RETURN_IF_ERROR(AwaitIdle(call, wait_for));
  }
}

}  // namespace s3files
