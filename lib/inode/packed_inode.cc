#include "lib/inode/packed_inode.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "lib/base/varint.h"
#include "lib/inode/inode.h"

namespace s3files {
namespace {

constexpr std::array<const char*, 4> kPosixNames = {kOwnerName, kGroupName, kPermissionsName,
                                                    kMtimeName};
// Flags.
constexpr uint64_t kFull = 1u << 0;
constexpr uint64_t kPosix = 1u << 1;  // the metadata has what StoreAttributes gives, left out here
constexpr uint64_t kMarker = 1u << 2;
constexpr uint64_t kAtime = 1u << 3;

// Times are signed, and mostly large.
void AppendTime(int64_t time_ns, std::string* out) {
  for (int shift = 0; shift < 64; shift += 8) {
    out->push_back(static_cast<char>(static_cast<uint64_t>(time_ns) >> shift));
  }
}

int64_t TakeTime(absl::string_view* bytes) {
  uint64_t time = 0;
  for (int i = 7; i >= 0; --i) time = time << 8 | static_cast<uint8_t>((*bytes)[i]);
  bytes->remove_prefix(8);
  return static_cast<int64_t>(time);
}

void AppendStamp(const Stamp& stamp, std::string* out) {
  out->push_back(stamp.version.absent() ? 0 : stamp.version.unknown() ? 1 : 2);
  if (stamp.version.known()) {
    AppendDigest(stamp.version.etag(), out);
    AppendText(stamp.version.version_id(), out);
  }
  AppendTime(stamp.last_modified_ns, out);
}

Stamp TakeStamp(absl::string_view* bytes) {
  Stamp stamp;
  const uint64_t kind = TakeVarint(bytes);
  if (kind == 1) stamp.version = Version::Unknown();
  if (kind == 2) {
    const std::string etag = TakeDigest(bytes);
    stamp.version = Version::Of(etag, TakeText(bytes));
  }
  stamp.last_modified_ns = TakeTime(bytes);
  return stamp;
}

// Takes out what the attributes say already; whether it did.
bool TakeOutPosix(const Attributes& attributes, ObjectMetadata* metadata) {
  ObjectMetadata stored;
  StoreAttributes(attributes, &stored);
  const bool same = std::all_of(kPosixNames.begin(), kPosixNames.end(), [&](const char* name) {
    const auto found = metadata->user.find(name);
    return found != metadata->user.end() && found->second == stored.user[name];
  });
  if (!same) return false;
  for (const char* name : kPosixNames) metadata->user.erase(name);
  return true;
}

// What only an inode can hold.
bool HasMore(const Inode& inode, absl::string_view key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.mu) {
  if (inode.removed || inode.conflict || !inode.unresolved.empty() || !inode.error_seen)
    return true;
  if (inode.type == FileType::kDirectory) {
    const DirectoryState& state = *inode.directory;
    return state.local || state.listing || state.being_listed || !state.absent.empty() ||
           inode.writes_here > 0;
  }
  if (inode.content == nullptr || inode.content.use_count() != 1 || inode.content->retired()) {
    return true;
  }
  const BasePtr base = inode.content->base();
  const Version& version = inode.committed.version;
  const bool same_version = base != nullptr && (base->version == version ||
                                                (base->version.unknown() && version.unknown()));
  return !same_version || base->key != key;
}

}  // namespace

PackedInode::PackedInode(const std::string& bytes)
    : bytes_(new char[sizeof(uint32_t) + bytes.size()]) {
  const auto size = static_cast<uint32_t>(bytes.size());
  std::memcpy(bytes_.get(), &size, sizeof(size));
  std::memcpy(bytes_.get() + sizeof(size), bytes.data(), bytes.size());
}

absl::string_view PackedInode::bytes() const {
  uint32_t size;
  std::memcpy(&size, bytes_.get(), sizeof(size));
  return {bytes_.get() + sizeof(size), size};
}

absl::string_view PackedInode::name() const {
  absl::string_view bytes = this->bytes();
  return TakeText(&bytes);
}

FileType PackedInode::type() const {
  absl::string_view bytes = this->bytes();
  TakeText(&bytes);
  return static_cast<FileType>(bytes.front());
}

std::optional<PackedInode> PackedInode::Of(const Inode& inode, absl::string_view key) {
  absl::MutexLock lock(&inode.mu);
  if (HasMore(inode, key)) return std::nullopt;
  std::string bytes;
  AppendText(inode.name, &bytes);
  bytes.push_back(static_cast<char>(inode.type));

  ObjectMetadata metadata = inode.metadata.Get();
  const bool posix = TakeOutPosix(inode.attributes, &metadata);
  const DirectoryState& state = *inode.directory;
  AppendVarint((inode.full ? kFull : 0) | (posix ? kPosix : 0) | (state.marker ? kMarker : 0) |
                   (inode.atime_ns ? kAtime : 0),
               &bytes);
  AppendVarint(inode.attributes.mode, &bytes);
  AppendVarint(inode.attributes.uid, &bytes);
  AppendVarint(inode.attributes.gid, &bytes);
  AppendTime(inode.attributes.mtime_ns, &bytes);
  AppendTime(inode.ctime_ns, &bytes);
  if (inode.atime_ns) AppendTime(*inode.atime_ns, &bytes);
  AppendTime(inode.validated_ns, &bytes);
  AppendText(KeptMetadata(metadata).bytes(), &bytes);
  if (inode.type == FileType::kDirectory) {
    AppendTime(state.exists_ns, &bytes);
    AppendTime(state.changed_ns, &bytes);
    AppendVarint(state.spare_children, &bytes);
    if (state.marker) AppendStamp(*state.marker, &bytes);
  } else {
    const BasePtr base = inode.content->base();
    AppendStamp(inode.committed, &bytes);
    AppendVarint(inode.tag_count, &bytes);
    AppendVarint(base->id, &bytes);
    AppendVarint(base->size, &bytes);
  }
  return PackedInode(bytes);
}

void PackedInode::UnpackInto(Inode* inode, const std::string& key, Fetcher* fetcher,
                             SpillArea* spill) const {
  absl::string_view bytes = this->bytes();
  TakeText(&bytes);
  absl::MutexLock lock(&inode->mu);
  inode->epoch = 1;  // what was asked for before it was packed is old
  inode->attributes.type = static_cast<FileType>(TakeVarint(&bytes));
  const uint64_t flags = TakeVarint(&bytes);
  inode->full = (flags & kFull) != 0;
  inode->attributes.mode = TakeVarint(&bytes);
  inode->attributes.uid = TakeVarint(&bytes);
  inode->attributes.gid = TakeVarint(&bytes);
  inode->attributes.mtime_ns = TakeTime(&bytes);
  inode->ctime_ns = TakeTime(&bytes);
  if ((flags & kAtime) != 0) inode->atime_ns = TakeTime(&bytes);
  inode->validated_ns = TakeTime(&bytes);
  inode->metadata = KeptMetadata::Of(TakeText(&bytes));
  if ((flags & kPosix) != 0) {
    ObjectMetadata metadata = inode->metadata.Get();
    StoreAttributes(inode->attributes, &metadata);
    inode->metadata = metadata;
  }
  if (inode->type == FileType::kDirectory) {
    DirectoryState& state = inode->directory.Mutable();
    state.exists_ns = TakeTime(&bytes);
    state.changed_ns = TakeTime(&bytes);
    state.spare_children = TakeVarint(&bytes);
    if ((flags & kMarker) != 0) state.marker = TakeStamp(&bytes);
    return;
  }
  inode->committed = TakeStamp(&bytes);
  inode->tag_count = static_cast<uint32_t>(TakeVarint(&bytes));
  const uint64_t base_id = TakeVarint(&bytes);
  const uint64_t size = TakeVarint(&bytes);
  inode->content = std::make_shared<Content>(
      std::make_shared<const Base>(base_id, key, inode->committed.version, size), fetcher, spill);
}

}  // namespace s3files
