#include "lib/inode/inode.h"

#include <algorithm>

#include "lib/base/errors.h"
#include "lib/base/wait.h"

namespace s3files {
ObjectMetadata Inode::ShownMetadata() const {
  ObjectMetadata shown = metadata.Get();
  change->ApplyTo(&shown);
  return shown;
}

AttributeChange Inode::TakeChange(std::optional<ObjectMetadata>* before) {
  AttributeChange taken = change.Take();
  if (!taken.user.empty()) {
    *before = metadata.Get();
    ObjectMetadata shown = **before;
    taken.ApplyTo(&shown);
    metadata = shown;
  }
  return taken;
}

void Inode::RestoreChange(AttributeChange taken, const std::optional<ObjectMetadata>& before) {
  taken.Append(*change);
  change = std::move(taken);
  if (before) metadata = *before;
}

bool Inode::MayHaveWritten(const ObjectMetadata& found) const {
  const absl::string_view id = CommitIdOf(found);
  return !id.empty() && std::find(unresolved.begin(), unresolved.end(), id) != unresolved.end();
}

absl::StatusOr<BusyInode> BusyInode::Acquire(const CallContext& call, InodePtr inode) {
  Inode& node = *inode;
  absl::MutexLock lock(&node.mu);
  S3FILES_RETURN_IF_ERROR(
      WaitForOthers(call, node.mu, node.changed, "waiting for another commit of the file", [&] {
        node.mu.AssertHeld();
        return !node.busy;
      }));
  node.busy = true;
  return BusyInode(std::move(inode));
}

std::optional<BusyInode> BusyInode::TryAcquire(InodePtr inode) {
  Inode& node = *inode;
  absl::MutexLock lock(&node.mu);
  if (node.busy) return std::nullopt;
  node.busy = true;
  return BusyInode(std::move(inode));
}

BusyInode::~BusyInode() {
  if (inode_ == nullptr) return;
  absl::MutexLock lock(&inode_->mu);
  inode_->busy = false;
  inode_->changed.SignalAll();
}

HoldPlace::HoldPlace(InodePtr directory) : directory_(std::move(directory)) {
  absl::MutexLock lock(&directory_->mu);
  ++directory_->writes_here;
}

HoldPlace::~HoldPlace() {
  absl::MutexLock lock(&directory_->mu);
  --directory_->writes_here;
  directory_->changed.SignalAll();
}

absl::Status AwaitIdle(const CallContext& call, const InodePtr& inode) {
  Inode& node = *inode;
  absl::MutexLock lock(&node.mu);
  return WaitForOthers(call, node.mu, node.changed, "waiting for another commit", [&] {
    node.mu.AssertHeld();
    return !node.busy && node.writes_here == 0;
  });
}

}  // namespace s3files
