#include "lib/fs/path_walk.h"

#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/fs/permissions.h"
#include "lib/inode/path.h"

namespace s3files {
namespace {

constexpr int kMostLinks = 40;  // as Linux

}  // namespace

// What is left of the way.
struct PathWalk::Steps {
  std::deque<std::string> left;
  bool must_be_directory = false;
};

absl::Status NameChanged() { return Error(EAGAIN, "the name has changed"); }

std::string PathWalk::Describe(const Place& place) const {
  const std::string above = names_->PathOf(place.directory);
  return absl::StrCat(above.empty() ? "" : "/", above, place.name.empty() ? "" : "/", place.name);
}

absl::Status PathWalk::CheckSearch(const CallContext& call, const InodePtr& directory) const {
  if (!IsChecked(call)) return absl::OkStatus();
  S3FILES_RETURN_IF_ERROR(importer_->FillDirectory(call, directory));
  Attributes attributes;
  {
    absl::MutexLock lock(&directory->mu);
    attributes = directory->attributes;
  }
  return CheckAccess(call, attributes, kMayExecute, names_->PathOf(directory));
}

absl::StatusOr<Place> PathWalk::Resolve(const CallContext& call, const InodePtr& start,
                                        absl::string_view path) const {
  S3FILES_ASSIGN_OR_RETURN(PathSteps split, SplitPath(path));
  Place place;
  place.directory = split.absolute ? names_->root() : start;
  if (path.empty()) {
    place.inode = start;
    return place;
  }
  if (place.directory->type != FileType::kDirectory) {
    return Error(ENOTDIR, absl::StrCat("/", names_->PathOf(start), " is not a directory"));
  }
  const InodePtr from = place.directory;
  if (!names_->IsAttached(from)) {
    return Error(ENOENT, absl::StrCat("the directory /", names_->PathOf(from), " was removed"));
  }
  for (int rounds = 0;; ++rounds) {
    Steps steps;
    steps.left.assign(split.steps.begin(), split.steps.end());
    steps.must_be_directory = split.must_be_directory;
    place = Place();
    place.directory = from;
    const absl::Status taken = Take(call, steps, place);
    if (taken.ok()) return place;
    if (ErrnoOf(taken) != EAGAIN || rounds > kMostLinks) return taken;
  }
}

absl::StatusOr<Place> PathWalk::Follow(const CallContext& call, const Place& place,
                                       const InodePtr& symlink) const {
  Place target = place;
  Steps steps;
  steps.must_be_directory = place.must_be_directory;
  if (place.name.empty()) target.directory = names_->ParentOf(symlink);
  target.inode = nullptr;
  target.name.clear();
  S3FILES_RETURN_IF_ERROR(Splice(call, symlink, steps, target));
  S3FILES_RETURN_IF_ERROR(Take(call, steps, target));
  return target;
}

// Goes all of `steps` from place.directory.
absl::Status PathWalk::Take(const CallContext& call, Steps& steps, Place& place) const {
  while (!steps.left.empty()) {
    S3FILES_RETURN_IF_ERROR(CheckSearch(call, place.directory));
    if (steps.left.front() == "..") {
      steps.left.pop_front();
      S3FILES_RETURN_IF_ERROR(StepUp(call, place));
    } else if (steps.left.size() > 1) {
      S3FILES_RETURN_IF_ERROR(Step(call, steps, place));
    } else {
      place.name = std::move(steps.left.front());
      steps.left.pop_front();
    }
  }
  place.must_be_directory = steps.must_be_directory;
  if (place.name.empty()) {
    place.inode = place.directory;
    return absl::OkStatus();
  }
  return CheckKeyLength(names_->ChildKey(place.directory, place.name));
}

absl::Status PathWalk::StepUp(const CallContext& call, Place& place) const {
  if (place.directory == names_->root()) return absl::OkStatus();
  // Here it counts whether it is a directory: where it is a symlink, ".." is another place.
  const absl::Status exists = importer_->CheckDirectory(call, place.directory);
  if (ErrnoOf(exists) == ENOENT) {
    S3FILES_ASSIGN_OR_RETURN(const bool moved, Revisit(call, {place.directory, "", nullptr}));
    if (moved) return Error(EAGAIN, "a symlink is on the way");
  }
  S3FILES_RETURN_IF_ERROR(exists);
  place.directory = names_->ParentOf(place.directory);
  return absl::OkStatus();
}

// One step that is not the last.
absl::Status PathWalk::Step(const CallContext& call, Steps& steps, Place& place) const {
  const std::string name = std::move(steps.left.front());
  steps.left.pop_front();
  while (true) {
    InodePtr child = names_->Child(place.directory, name);
    if (child == nullptr) child = names_->Bind(place.directory, name, FileType::kDirectory);
    if (child->type == FileType::kDirectory) {
      place.directory = std::move(child);
      return absl::OkStatus();
    }
    bool placeholder = false;  // only asked for, never seen
    {
      absl::MutexLock lock(&child->mu);
      placeholder = child->content == nullptr && !child->busy;
      child->removed |= placeholder;
      child->epoch += placeholder ? 1 : 0;
    }
    if (placeholder) {
      names_->Unbind(child);
      continue;
    }
    S3FILES_ASSIGN_OR_RETURN(child,
                             importer_->Lookup(call, place.directory, name, Freshness::kRecent));
    if (child == nullptr) {
      return Error(ENOENT, absl::StrCat("no file or directory /", names_->PathOf(place.directory),
                                        "/", name));
    }
    if (child->type == FileType::kSymlink) return Splice(call, child, steps, place);
    if (child->type == FileType::kFile) {
      return Error(ENOTDIR, absl::StrCat("/", names_->PathOf(child), " is not a directory"));
    }
  }
}

// Puts the symlink's target in front of what is left.
absl::Status PathWalk::Splice(const CallContext& call, const InodePtr& symlink, Steps& steps,
                              Place& place) const {
  if (++place.links > kMostLinks) {
    return Error(ELOOP, absl::StrCat("/", names_->PathOf(symlink), ": more than ", kMostLinks,
                                     " symlinks on the way"));
  }
  S3FILES_ASSIGN_OR_RETURN(const std::string target, importer_->ReadLink(call, symlink));
  S3FILES_ASSIGN_OR_RETURN(PathSteps split, SplitPath(target));
  if (split.absolute) place.directory = names_->root();
  if (steps.left.empty()) steps.must_be_directory |= split.must_be_directory;
  steps.left.insert(steps.left.begin(), split.steps.begin(), split.steps.end());
  return absl::OkStatus();
}

absl::StatusOr<bool> PathWalk::Revisit(const CallContext& call, const Place& place) const {
  if (place.directory->type != FileType::kDirectory) return false;  // a handle: there was no way
  const absl::Status exists = importer_->CheckDirectory(call, place.directory);
  if (ErrnoOf(exists) != ENOENT) {
    S3FILES_RETURN_IF_ERROR(exists);
    return false;
  }
  // From the top, so that the first that is no directory is found.
  std::vector<InodePtr> way;
  for (InodePtr node = place.directory; node != nullptr && node != names_->root();
       node = names_->ParentOf(node)) {
    way.push_back(node);
  }
  for (auto node = way.rbegin(); node != way.rend(); ++node) {
    S3FILES_ASSIGN_OR_RETURN(const InodePtr now,
                             importer_->Lookup(call, names_->ParentOf(*node), names_->NameOf(*node),
                                               Freshness::kRecent));
    if (now == nullptr) return false;
    if (now->type == FileType::kSymlink) return true;
    if (now->type == FileType::kFile) {
      return Error(ENOTDIR, absl::StrCat("/", names_->PathOf(*node), " is not a directory"));
    }
  }
  return false;
}

}  // namespace s3files
