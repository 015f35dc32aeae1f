#include "lib/inode/names.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace s3files {
namespace {

constexpr uint64_t kRootIno = 1;
constexpr uint64_t kLostIno = 2;

// Where a name stands. 64 bits, so that a million places are distinct for all practical purposes.
uint64_t PlaceOf(const Inode& directory, absl::string_view name) {
  return absl::HashOf(directory.ino, name);
}

uint64_t InoOf(uint64_t place, uint64_t generation) {
  const uint64_t ino = generation == 0 ? place : absl::HashOf(place, generation);
  return ino > kLostIno ? ino : ino + kLostIno + 1;
}

// Whether it stood for anything: names that were only asked for have an inode, too.
bool WasKnown(const Inode& inode) {
  absl::MutexLock lock(&inode.mu);
  return inode.content != nullptr || inode.directory->exists_ns != 0;
}

// Copies are to be made of it: they must be told before it goes.
bool IsBorrowed(const Inode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.mu) {
  return std::any_of(inode.borrowers.begin(), inode.borrowers.end(), [](const auto& borrower) {
    const std::shared_ptr<Content> content = borrower.lock();
    return content != nullptr && content->borrowed();
  });
}

// Nobody has it but the tree, and nothing would be lost.
bool Droppable(const InodePtr& inode) {
  if (inode.use_count() != 1) return false;
  absl::MutexLock lock(&inode->mu);
  return !inode->busy && !inode->conflict && inode->open_handles == 0 && inode->locks == nullptr &&
         !inode->Staged() && !IsBorrowed(*inode);
}

}  // namespace

Names::Names(NamesOptions options, Fetcher* fetcher, SpillArea* spill)
    : options_(std::move(options)),
      fetcher_(fetcher),
      spill_(spill),
      root_(std::make_shared<Inode>(kRootIno, 0, FileType::kDirectory)),
      pack_at_(options_.unpacked_limit),
      drop_at_(options_.limit) {
  lost_ = std::make_shared<Inode>(kLostIno, 0, FileType::kDirectory);
  lost_->parent = root_;
  lost_->name = kLostAndFound;
  root_->attached = lost_->attached = true;
  absl::MutexLock lock(&lost_->mu);
  lost_->directory.Mutable().local = true;
}

Names::~Names() {
  absl::MutexLock lock(&mu_);
  Untie(*lost_);
  Untie(*root_);
}

InodePtr Names::Child(const InodePtr& directory, absl::string_view name) {
  if (directory == root_ && name == kLostAndFound) return lost_;
  {
    absl::ReaderMutexLock lock(&mu_);
    auto it = directory->children.find(name);
    if (it != directory->children.end()) return it->second;
    if (!directory->packed->contains(name)) return nullptr;
  }
  absl::MutexLock lock(&mu_);
  MakeRoom();
  return FindLocked(directory, name);
}

InodePtr Names::FindLocked(const InodePtr& directory, absl::string_view name) {
  auto it = directory->children.find(name);
  return it != directory->children.end() ? it->second : Unpack(directory, name);
}

InodePtr Names::Unpack(const InodePtr& directory, absl::string_view name) {
  if (!directory->packed->contains(name)) return nullptr;
  PackedInodes& siblings = directory->packed.Mutable();
  auto it = siblings.find(name);
  const auto [ino, generation] = IdLocked(PlaceOf(*directory, name));
  auto inode = std::make_shared<Inode>(ino, generation, it->type());
  BindLocked(inode, directory, name);
  it->UnpackInto(inode.get(), SourceKeyLocked(*inode), fetcher_, spill_);
  siblings.erase(it);
  --packed_;
  return inode;
}

void Names::UnpackUnder(const InodePtr& directory) {
  while (!directory->packed->empty()) {
    Unpack(directory, std::string(directory->packed->begin()->name()));
  }
  for (const auto& [name, child] : directory->children) UnpackUnder(child);
}

std::vector<InodePtr> Names::Children(const InodePtr& directory) const {
  absl::ReaderMutexLock lock(&mu_);
  std::vector<InodePtr> children;
  children.reserve(directory->children.size());
  for (const auto& [name, child] : directory->children) children.push_back(child);
  return children;
}

bool Names::HasChildren(const InodePtr& directory) const {
  absl::ReaderMutexLock lock(&mu_);
  return !directory->children.empty();
}

std::pair<uint64_t, uint64_t> Names::IdLocked(uint64_t place) const {
  auto it = ids_.find(place);
  if (it != ids_.end()) return it->second;
  return {InoOf(place, first_generation_), first_generation_};
}

std::pair<uint64_t, uint64_t> Names::IdOf(const InodePtr& directory, absl::string_view name) const {
  absl::ReaderMutexLock lock(&mu_);
  return IdLocked(PlaceOf(*directory, name));
}

// The next inode at the place of this one is another.
void Names::LeaveLocked(const Inode& inode) {
  // What was found in a directory that was only gone through must not be found again in the next.
  if (!WasKnown(inode) && inode.children.empty() && inode.packed->empty()) return;
  if (ids_.size() >= options_.limit) {  // all at once: what is bound from here on is new
    ids_.clear();
    first_generation_ = next_generation_++;
  }
  const uint64_t place = PlaceOf(*inode.parent, inode.name);
  const uint64_t generation = next_generation_++;
  ids_[place] = {InoOf(place, generation), generation};
}

// An inode that was dropped and is looked up at its new place is the same.
void Names::SettleLocked(const Inode& inode) {
  ids_[PlaceOf(*inode.parent, inode.name)] = {inode.ino, inode.generation};
}

InodePtr Names::Bind(const InodePtr& directory, absl::string_view name, FileType type) {
  absl::MutexLock lock(&mu_);
  MakeRoom();
  if (InodePtr known = FindLocked(directory, name)) return known;
  const auto [ino, generation] = IdLocked(PlaceOf(*directory, name));
  auto inode = std::make_shared<Inode>(ino, generation, type);
  BindLocked(inode, directory, name);
  return inode;
}

void Names::BindLocked(const InodePtr& inode, const InodePtr& directory, absl::string_view name) {
  inode->parent = directory;
  inode->name = std::string(name);
  inode->attached = directory->attached;
  if (!inode->attached) return;
  directory->children.emplace(inode->name, inode);
  ++unpacked_;
}

void Names::UnbindLocked(Inode& inode) {
  // Its parent and name stay, so that messages and KeyOf can still tell what it was.
  if (!inode.attached || inode.parent == nullptr) return;
  LeaveLocked(inode);
  auto it = inode.parent->children.find(inode.name);
  const InodePtr self = std::move(it->second);  // until this returns
  inode.parent->children.erase(it);
  --unpacked_;
  Untie(inode);
}

void Names::Untie(Inode& directory) {
  unpacked_ -= directory.children.size();
  packed_ -= directory.packed->size();
  for (auto& [name, child] : directory.children) Untie(*child);
  directory.children.clear();
  directory.packed.Take();
  directory.attached = false;
}

void Names::Unbind(const InodePtr& inode) {
  absl::MutexLock lock(&mu_);
  UnbindLocked(*inode);
}

InodePtr Names::Rebind(const InodePtr& inode, const InodePtr& directory, absl::string_view name) {
  absl::MutexLock lock(&mu_);
  const InodePtr displaced = FindLocked(directory, name);
  if (displaced == inode) return nullptr;
  if (displaced != nullptr) UnbindLocked(*displaced);
  UnbindLocked(*inode);
  BindLocked(inode, directory, name);
  SettleLocked(*inode);
  return displaced;
}

void Names::Exchange(const InodePtr& a, const InodePtr& b) {
  absl::MutexLock lock(&mu_);
  if (a->attached) a->parent->children[a->name] = b;
  if (b->attached) b->parent->children[b->name] = a;
  std::swap(a->parent, b->parent);
  std::swap(a->name, b->name);
  std::swap(a->attached, b->attached);
  SettleLocked(*a);
  SettleLocked(*b);
}

std::string Names::PathLocked(const Inode& inode) const {
  if (inode.parent == nullptr) return "";
  const std::string above = PathLocked(*inode.parent);
  return above.empty() ? inode.name : absl::StrCat(above, "/", inode.name);
}

std::string Names::PathOf(const InodePtr& inode) const {
  absl::ReaderMutexLock lock(&mu_);
  return PathLocked(*inode);
}

std::string Names::NameOf(const InodePtr& inode) const {
  absl::ReaderMutexLock lock(&mu_);
  return inode->name;
}

InodePtr Names::ParentOf(const InodePtr& inode) const {
  absl::ReaderMutexLock lock(&mu_);
  return inode->parent;
}

std::string Names::KeyOf(const InodePtr& inode) const { return prefix() + PathOf(inode); }

std::string Names::ChildKey(const InodePtr& directory, absl::string_view name) const {
  return absl::StrCat(DirectoryKey(directory), name);
}

std::string Names::DirectoryKey(const InodePtr& directory) const {
  return directory == root_ ? prefix() : KeyOf(directory) + "/";
}

bool Names::IsWithin(const InodePtr& inode, const InodePtr& directory) const {
  absl::ReaderMutexLock lock(&mu_);
  return WithinLocked(inode.get(), directory.get());
}

bool Names::WithinLocked(const Inode* inode, const Inode* directory) const {
  for (const Inode* node = inode; node != nullptr; node = node->parent.get()) {
    if (node == directory) return true;
  }
  return false;
}

bool Names::IsAttached(const InodePtr& inode) const {
  absl::ReaderMutexLock lock(&mu_);
  return inode->attached;
}

size_t Names::size() const {
  absl::ReaderMutexLock lock(&mu_);
  return unpacked_ + packed_;
}

size_t Names::packed() const {
  absl::ReaderMutexLock lock(&mu_);
  return packed_;
}

void Names::MakeRoomUnder(Inode& directory, Room how) {
  if (how == Room::kDrop) packed_ -= directory.packed.Take().size();
  for (auto it = directory.children.begin(); it != directory.children.end();) {
    Inode& child = *it->second;
    // Depth first: a directory can go once nothing is left under it.
    if (child.type == FileType::kDirectory) MakeRoomUnder(child, how);
    std::optional<PackedInode> packed;
    bool goes = child.children.empty() && child.packed->empty() && Droppable(it->second);
    if (goes && how == Room::kPack && WasKnown(child)) {
      packed = PackedInode::Of(child, SourceKeyLocked(child));
      goes = packed.has_value();
    }
    if (!goes) {
      ++it;
      continue;
    }
    if (packed) {
      directory.packed.Mutable().insert(*std::move(packed));
      ++packed_;
    }
    directory.children.erase(it++);
    --unpacked_;
  }
}

// What is in use may exceed a limit: it is looked for again only after as many more came.
void Names::MakeRoom() {
  if (unpacked_ + packed_ >= drop_at_) {
    MakeRoomUnder(*root_, Room::kDrop);
    drop_at_ = std::max(options_.limit, 2 * unpacked_);
  } else if (unpacked_ >= pack_at_) {
    MakeRoomUnder(*root_, Room::kPack);
    pack_at_ = std::max(options_.unpacked_limit, 2 * unpacked_);
  }
}

}  // namespace s3files
