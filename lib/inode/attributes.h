// POSIX metadata as it stands in an object's user metadata, the way Amazon S3 Files (and FSx for
// Lustre, Storage Gateway) store it:
//   file-owner, file-group   decimal ids            "1000"
//   file-permissions         octal st_mode          "0100644", directory "040755", symlink "0120777"
//   file-mtime               nanoseconds, then "ns" "1595002920000000000ns"
#ifndef S3FILES_LIB_INODE_ATTRIBUTES_H_
#define S3FILES_LIB_INODE_ATTRIBUTES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "lib/store/object_store.h"

namespace s3files {

inline constexpr char kOwnerName[] = "file-owner";
inline constexpr char kGroupName[] = "file-group";
inline constexpr char kPermissionsName[] = "file-permissions";
inline constexpr char kMtimeName[] = "file-mtime";

// A symlink's target is its object's body; a larger (or empty) object is not a symlink, whatever it
// says of itself.
inline constexpr uint64_t kLongestTarget = 4095;

enum class FileType : uint8_t { kFile = 1, kDirectory = 2, kSymlink = 3 };  // as S3F_TYPE_*

struct Attributes {
  FileType type = FileType::kFile;
  uint32_t mode = 0;  // permission bits, set-id and sticky: at most 07777
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t mtime_ns = 0;  // since the epoch
  friend bool operator==(const Attributes&, const Attributes&) = default;
};

// What objects have that carry no POSIX metadata.
struct AttributeDefaults {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t file_mode = 0644;
  uint32_t dir_mode = 0755;
};

// The attributes of an object (of a directory's marker where `is_directory`). Never fails: what is
// missing, malformed, out of range or says another type than the key gives the default, one by one;
// mtime's is Last-Modified.
Attributes AttributesOf(const ObjectInfo& info, bool is_directory,
                        const AttributeDefaults& defaults);

// Of a directory that no marker stands for.
Attributes ImpliedDirectory(const AttributeDefaults& defaults);

// Sets the four names in metadata->user and leaves the rest as it is.
void StoreAttributes(const Attributes& attributes, ObjectMetadata* metadata);

// A change of attributes: what it names, and nothing else, so that it can be merged with what others
// have changed meanwhile.
struct AttributeChange {
  std::optional<uint32_t> mode;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<int64_t> mtime_ns;
  std::map<std::string, std::optional<std::string>> user;  // user metadata; nullopt = removed

  bool empty() const { return !mode && !uid && !gid && !mtime_ns && user.empty(); }
  // What the two do, one after the other.
  void Append(const AttributeChange& later);
  void ApplyTo(Attributes* attributes) const;
  void ApplyTo(ObjectMetadata* metadata) const;  // `user` only
};

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_ATTRIBUTES_H_
