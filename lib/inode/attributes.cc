#include "lib/inode/attributes.h"

#include <charconv>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace s3files {
namespace {

constexpr uint32_t kTypeBits = 0170000;
constexpr uint32_t kFileBits = 0100000;
constexpr uint32_t kDirectoryBits = 0040000;
constexpr uint32_t kSymlinkBits = 0120000;
constexpr uint32_t kModeBits = 07777;
constexpr uint32_t kNobodyId = UINT32_MAX;  // -1: "leave it" to chown, never an owner

uint32_t TypeBits(FileType type) {
  switch (type) {
    case FileType::kDirectory:
      return kDirectoryBits;
    case FileType::kSymlink:
      return kSymlinkBits;
    case FileType::kFile:
      break;
  }
  return kFileBits;
}

// The whole of `text`, nothing around it: from_chars takes no blanks and no '+'.
template <typename Int>
std::optional<Int> Parse(absl::string_view text, int base) {
  Int value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

absl::string_view Value(const ObjectMetadata& metadata, const char* name) {
  const auto it = metadata.user.find(name);
  return it == metadata.user.end() ? absl::string_view() : absl::string_view(it->second);
}

uint32_t IdOr(absl::string_view text, uint32_t default_id) {
  const std::optional<uint32_t> id = Parse<uint32_t>(text, 10);
  return id.has_value() && *id != kNobodyId ? *id : default_id;
}

int64_t MtimeOr(absl::string_view text, int64_t default_ns) {
  if (!absl::ConsumeSuffix(&text, "ns")) return default_ns;  // the unit would be a guess
  return Parse<int64_t>(text, 10).value_or(default_ns);
}

std::string Octal(uint32_t value) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 8).ptr;
  return std::string(digits, end);
}

}  // namespace

Attributes AttributesOf(const ObjectInfo& info, bool is_directory,
                        const AttributeDefaults& defaults) {
  const ObjectMetadata& metadata = info.metadata;
  Attributes attributes;
  attributes.uid = IdOr(Value(metadata, kOwnerName), defaults.uid);
  attributes.gid = IdOr(Value(metadata, kGroupName), defaults.gid);
  attributes.mtime_ns = MtimeOr(Value(metadata, kMtimeName), info.stamp.last_modified_ns);
  attributes.type = is_directory ? FileType::kDirectory : FileType::kFile;
  attributes.mode = is_directory ? defaults.dir_mode : defaults.file_mode;

  const std::optional<uint32_t> mode = Parse<uint32_t>(Value(metadata, kPermissionsName), 8);
  if (!mode.has_value() || (*mode & ~(kTypeBits | kModeBits)) != 0) return attributes;
  const uint32_t type = *mode & kTypeBits;
  const bool can_be_symlink = !is_directory && info.size > 0 && info.size <= kLongestTarget;
  if (type == kSymlinkBits && can_be_symlink) attributes.type = FileType::kSymlink;
  // Permission bits without a type are some tools' way. Bits of another type mean nothing here: a
  // directory of mode 0644 could not be entered.
  if (type == 0 || type == TypeBits(attributes.type)) attributes.mode = *mode & kModeBits;
  return attributes;
}

Attributes ImpliedDirectory(const AttributeDefaults& defaults) {
  Attributes attributes;
  attributes.type = FileType::kDirectory;
  attributes.mode = defaults.dir_mode;
  attributes.uid = defaults.uid;
  attributes.gid = defaults.gid;
  return attributes;
}

void StoreAttributes(const Attributes& attributes, ObjectMetadata* metadata) {
  const uint32_t mode = TypeBits(attributes.type) | (attributes.mode & kModeBits);
  metadata->user[kOwnerName] = absl::StrCat(attributes.uid);
  metadata->user[kGroupName] = absl::StrCat(attributes.gid);
  metadata->user[kPermissionsName] = absl::StrCat("0", Octal(mode));
  metadata->user[kMtimeName] = absl::StrCat(attributes.mtime_ns, "ns");
}

void AttributeChange::Append(const AttributeChange& later) {
  if (later.mode) mode = later.mode;
  if (later.uid) uid = later.uid;
  if (later.gid) gid = later.gid;
  if (later.mtime_ns) mtime_ns = later.mtime_ns;
  for (const auto& [name, value] : later.user) user[name] = value;
}

void AttributeChange::ApplyTo(Attributes* attributes) const {
  attributes->mode = mode.value_or(attributes->mode);
  attributes->uid = uid.value_or(attributes->uid);
  attributes->gid = gid.value_or(attributes->gid);
  attributes->mtime_ns = mtime_ns.value_or(attributes->mtime_ns);
}

void AttributeChange::ApplyTo(ObjectMetadata* metadata) const {
  for (const auto& [name, value] : user) {
    if (value) {
      metadata->user[name] = *value;
    } else {
      metadata->user.erase(name);
    }
  }
}

}  // namespace s3files
