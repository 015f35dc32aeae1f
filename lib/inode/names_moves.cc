// Names: renames of directories that the store has not followed yet.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/wait.h"
#include "lib/inode/names.h"
#include "lib/inode/path.h"

namespace s3files {
namespace {

bool Overlap(absl::string_view a, absl::string_view b) {
  return absl::StartsWith(a, b) || absl::StartsWith(b, a);
}

// A file's object has the key without the '/' that the places under it begin with.
std::string PlaceOf(absl::string_view key) {
  return absl::EndsWith(key, "/") ? std::string(key) : absl::StrCat(key, "/");
}

// The longest key of what is known under `directory`, which has one of `length` bytes.
size_t LongestKey(const Inode& directory, size_t length) {
  size_t longest = length;
  for (const auto& [name, child] : directory.children) {
    const size_t key = length + name.size() + (child->type == FileType::kDirectory ? 1 : 0);
    longest = std::max(longest, LongestKey(*child, key));
  }
  for (const PackedInode& child : *directory.packed) {
    const size_t slash = child.type() == FileType::kDirectory ? 1 : 0;
    longest = std::max(longest, length + child.name().size() + slash);
  }
  return longest;
}

}  // namespace

std::string Names::DirectoryKeyLocked(const Inode& directory) const {
  const std::string path = PathLocked(directory);
  return path.empty() ? prefix() : absl::StrCat(prefix(), path, "/");
}

const Names::MoveEntry* Names::OriginAbove(const Inode& inode) const {
  for (const Inode* node = &inode; node != nullptr; node = node->parent.get()) {
    for (const MoveEntry& move : moves_) {
      if (move.directory.get() == node && move.phase == MovePhase::kStaged) return &move;
    }
  }
  return nullptr;
}

std::string Names::SourceDirectoryKeyLocked(const Inode& directory) const {
  std::string key = DirectoryKeyLocked(directory);
  const MoveEntry* move = OriginAbove(directory);
  if (move == nullptr) return key;
  return absl::StrCat(move->origin, key.substr(DirectoryKeyLocked(*move->directory).size()));
}

std::string Names::SourceKeyLocked(const Inode& inode) const {
  std::string key = SourceDirectoryKeyLocked(inode);
  key.pop_back();
  return key;
}

std::string Names::SourceDirectoryKey(const InodePtr& directory) const {
  if (move_count_.load(std::memory_order_acquire) == 0) return DirectoryKey(directory);
  absl::ReaderMutexLock lock(&mu_);
  return SourceDirectoryKeyLocked(*directory);
}

std::string Names::SourceKey(const InodePtr& inode) const {
  std::string key = SourceDirectoryKey(inode);
  if (inode != root_) key.pop_back();
  return key;
}

std::string Names::SourceChildKey(const InodePtr& directory, absl::string_view name) const {
  return absl::StrCat(SourceDirectoryKey(directory), name);
}

bool Names::MovedAway(const InodePtr& directory, absl::string_view rest) const {
  if (move_count_.load(std::memory_order_acquire) == 0) return false;
  absl::ReaderMutexLock lock(&mu_);
  if (OriginAbove(*directory) != nullptr) return false;  // moves are disjoint
  const std::string key = absl::StrCat(DirectoryKeyLocked(*directory), rest);
  for (const MoveEntry& move : moves_) {
    if (move.phase == MovePhase::kDeclared) continue;
    if (absl::StartsWith(key, move.origin)) return true;
    // Whoever looked the new name up before it was one must not see copies that come in.
    const bool coming = move.phase == MovePhase::kStaged;
    if (coming && absl::StartsWith(key, DirectoryKeyLocked(*move.directory))) return true;
  }
  return false;
}

const Names::MoveEntry* Names::MoveAroundLocked(absl::string_view place,
                                                const Inode* except) const {
  for (const MoveEntry& move : moves_) {
    if (move.directory.get() == except) continue;
    const bool declared = move.phase == MovePhase::kDeclared;
    if (Overlap(move.origin, place) ||
        Overlap(declared ? move.target : DirectoryKeyLocked(*move.directory), place)) {
      return &move;
    }
  }
  return nullptr;
}

Names::Move Names::MoveAround(absl::string_view key, const InodePtr& except) const {
  if (move_count_.load(std::memory_order_acquire) == 0) return {};
  absl::ReaderMutexLock lock(&mu_);
  const MoveEntry* move = MoveAroundLocked(PlaceOf(key), except.get());
  return move == nullptr ? Move() : Move{move->directory, move->phase, move->started, move->origin};
}

Names::Move Names::MoveAround(const InodePtr& inode) const {
  if (move_count_.load(std::memory_order_acquire) == 0) return {};
  absl::ReaderMutexLock lock(&mu_);
  const MoveEntry* move = MoveAroundLocked(DirectoryKeyLocked(*inode), nullptr);
  return move == nullptr ? Move() : Move{move->directory, move->phase, move->started, move->origin};
}

Names::Move Names::MoveOf(const InodePtr& directory) const {
  if (move_count_.load(std::memory_order_acquire) == 0) return {};
  absl::ReaderMutexLock lock(&mu_);
  for (const MoveEntry& move : moves_) {
    if (move.directory == directory && move.phase != MovePhase::kDeclared) {
      return {move.directory, move.phase, move.started, move.origin};
    }
  }
  return {};
}

bool Names::KeepsMove(const InodePtr& directory) const {
  if (move_count_.load(std::memory_order_acquire) == 0) return false;
  absl::ReaderMutexLock lock(&mu_);
  for (const MoveEntry& move : moves_) {
    if (move.phase != MovePhase::kDeclared && WithinLocked(move.directory.get(), directory.get())) {
      return true;
    }
  }
  return false;
}

absl::Status Names::DeclareMove(const CallContext& call, const InodePtr& directory,
                                const InodePtr& parent, absl::string_view name) {
  absl::MutexLock lock(&mu_);
  MoveEntry entry{directory, MovePhase::kDeclared, false, "", ""};
  S3FILES_RETURN_IF_ERROR(
      WaitForOthers(call, mu_, declared_changed_, "waiting for another rename of a directory", [&] {
        mu_.AssertHeld();
        entry.origin = DirectoryKeyLocked(*directory);
        entry.target = absl::StrCat(DirectoryKeyLocked(*parent), name, "/");
        return std::none_of(moves_.begin(), moves_.end(), [&](const MoveEntry& other) {
          return other.phase == MovePhase::kDeclared &&
                 (Overlap(other.origin, entry.origin) || Overlap(other.origin, entry.target) ||
                  Overlap(other.target, entry.origin) || Overlap(other.target, entry.target));
        });
      }));
  moves_.push_back(std::move(entry));
  move_count_.store(moves_.size(), std::memory_order_release);
  return absl::OkStatus();
}

void Names::EraseMove(const Inode* directory, bool declared) {
  moves_.erase(std::remove_if(moves_.begin(), moves_.end(),
                              [&](const MoveEntry& move) {
                                return move.directory.get() == directory &&
                                       (move.phase == MovePhase::kDeclared) == declared;
                              }),
               moves_.end());
  move_count_.store(moves_.size(), std::memory_order_release);
}

void Names::EndDeclared(const InodePtr& directory) {
  absl::MutexLock lock(&mu_);
  EraseMove(directory.get(), true);
  declared_changed_.SignalAll();
}

absl::Status Names::AwaitDeclared(const CallContext& call, const InodePtr& directory) const {
  absl::MutexLock lock(&mu_);
  return WaitForOthers(call, mu_, declared_changed_, "waiting for a rename of a directory", [&] {
    mu_.AssertHeld();
    return std::none_of(moves_.begin(), moves_.end(), [&](const MoveEntry& move) {
      return move.directory == directory && move.phase == MovePhase::kDeclared;
    });
  });
}

InodePtr Names::BusyWithin(const InodePtr& directory, const Inode* except) const {
  {
    absl::MutexLock lock(&directory->mu);
    if (directory->writes_here > 0 || (directory->busy && directory.get() != except)) {
      return directory;
    }
  }
  for (const auto& [name, child] : directory->children) {
    if (InodePtr busy = BusyWithin(child, except)) return busy;
  }
  return nullptr;
}

absl::StatusOr<Names::MoveStep> Names::StageMove(const InodePtr& directory, const InodePtr& parent,
                                                 absl::string_view name) {
  absl::MutexLock lock(&mu_);
  if (!directory->attached || !parent->attached) return Error(EAGAIN, "a directory is gone");
  if (WithinLocked(parent.get(), directory.get())) {
    return Error(EINVAL, absl::StrCat("/", PathLocked(*directory),
                                      " cannot be moved into a directory that it holds"));
  }
  // A commit or removal under way must not find its keys changed, nor its directory.
  if (InodePtr busy = BusyWithin(directory, directory.get())) return MoveStep{std::move(busy)};
  for (InodePtr above = parent; above != nullptr; above = above->parent) {
    absl::MutexLock node_lock(&above->mu);
    if (above->busy) return MoveStep{above};
  }
  const std::string origin = DirectoryKeyLocked(*directory);
  const std::string target = absl::StrCat(DirectoryKeyLocked(*parent), name, "/");
  if (LongestKey(*directory, target.size()) > kLongestKey) {
    return Error(ENAMETOOLONG,
                 absl::StrCat("a file of /", PathLocked(*directory), " would have a key of over ",
                              kLongestKey, " bytes; choose a shorter name"));
  }
  if (const InodePtr displaced = FindLocked(parent, name)) {
    for (const auto& [child_name, child] : displaced->children) {  // made a moment ago
      absl::MutexLock node_lock(&child->mu);
      if (!child->Staged()) continue;
      return Error(ENOTEMPTY, absl::StrCat("/", PathLocked(*displaced), " is not empty"));
    }
    UnbindLocked(*displaced);
  }
  const InodePtr self = directory;
  LeaveLocked(*directory);
  directory->parent->children.erase(directory->name);
  --unpacked_;
  BindLocked(self, parent, name);
  SettleLocked(*directory);

  for (auto move = moves_.begin(); move != moves_.end(); ++move) {
    if (move->directory != directory || move->phase != MovePhase::kStaged) continue;
    if (move->origin != target) return MoveStep();  // the store still has it where it had
    EraseMove(directory.get(), false);
    return MoveStep{nullptr, true};
  }
  moves_.push_back({directory, MovePhase::kStaged, false, origin, ""});
  move_count_.store(moves_.size(), std::memory_order_release);
  return MoveStep();
}

void Names::StartMove(const InodePtr& directory) {
  absl::MutexLock lock(&mu_);
  for (MoveEntry& move : moves_) {
    if (move.directory == directory && move.phase == MovePhase::kStaged) move.started = true;
  }
}

void Names::RekeyAll(Inode& inode, const std::string& from, const std::string& to,
                     const Rekey& rekey) {
  rekey(inode, from, to);
  for (const auto& [name, child] : inode.children) {
    const absl::string_view end = child->type == FileType::kDirectory ? "/" : "";
    RekeyAll(*child, absl::StrCat(from, name, end), absl::StrCat(to, name, end), rekey);
  }
}

InodePtr Names::LandMove(const InodePtr& directory, const Rekey& rekey) {
  absl::MutexLock lock(&mu_);
  if (InodePtr busy = BusyWithin(directory, directory.get())) return busy;
  for (MoveEntry& move : moves_) {
    if (move.directory != directory || move.phase != MovePhase::kStaged) continue;
    UnpackUnder(directory);
    // In one step with the source keys: a lookup reads an inode's epoch first and its key then.
    RekeyAll(*directory, move.origin, DirectoryKeyLocked(*directory), rekey);
    move.phase = MovePhase::kLanded;
  }
  landings_.fetch_add(1, std::memory_order_acq_rel);
  return nullptr;
}

void Names::RestoreMove(const InodePtr& directory, const std::string& origin, MovePhase phase) {
  absl::MutexLock lock(&mu_);
  moves_.push_back({directory, phase, true, origin, ""});  // it may have been started
  move_count_.store(moves_.size(), std::memory_order_release);
}

void Names::EndMove(const InodePtr& directory) {
  absl::MutexLock lock(&mu_);
  EraseMove(directory.get(), false);
}

}  // namespace s3files
