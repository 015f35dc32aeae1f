// Paths and keys: key = prefix + path, a directory's key ends in '/'. No i/o.
#ifndef S3FILES_LIB_INODE_PATH_H_
#define S3FILES_LIB_INODE_PATH_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s3files {

inline constexpr size_t kLongestName = 255;  // bytes of one component
inline constexpr size_t kLongestKey = 1024;  // bytes, prefix included

// What names begin with that stand for a moment only; listings do not give them.
inline constexpr char kTemporaryName[] = ".s3files-tmp-";

// A place in the file system. Components are valid names; none = the root.
struct Path {
  std::vector<std::string> components;
  bool must_be_directory = false;  // written with a trailing "/", "/." or "/.."

  bool IsRoot() const { return components.empty(); }
  const std::string& Name() const { return components.back(); }  // not of the root
  Path Parent() const;                                           // the root's is the root
  Path Child(absl::string_view name) const;                      // `name` is valid
  std::string ToString() const;                                  // "/a/b"; "/" for the root

  // Same place; how it was written does not count.
  friend bool operator==(const Path& a, const Path& b) { return a.components == b.components; }
};

// What a caller's `path` names, seen from the directory `at`: a leading '/' is the root, empty
// components and "." are skipped, ".." is resolved without asking the store and stops at the root,
// an empty path is `at`. `prefix` (normalised) counts for the key's length.
// ENAMETOOLONG: a component over 255 bytes, or the key over 1,024. EINVAL: NUL in the path.
absl::StatusOr<Path> ResolvePath(const Path& at, absl::string_view path, absl::string_view prefix);

// The key of the file `path`. The root has none: it gives the prefix.
std::string KeyOf(absl::string_view prefix, const Path& path);
// The key of the directory's marker, and the prefix of what it holds; the root's is the prefix.
std::string DirectoryKeyOf(absl::string_view prefix, const Path& path);

// ENAMETOOLONG over 1,024 bytes. For keys ResolvePath has not seen: a child's, a new directory's.
absl::Status CheckKeyLength(absl::string_view key);

// Can be a component: not empty, not "." or "..", at most 255 bytes, without '/' and NUL.
bool IsValidName(absl::string_view name);

// The name of the object or common prefix `key` in the directory whose key is `directory_key`: what
// follows it, less one trailing '/'. nullopt where that is no valid name (or empty: the directory's
// own marker): such keys are skipped in listings.
std::optional<std::string> NameFromKey(absl::string_view key, absl::string_view directory_key);

// The path whose file or directory has `key` (must_be_directory where it ends in '/'). nullopt: not
// under `prefix`, or a component that cannot be a name.
std::optional<Path> PathFromKey(absl::string_view key, absl::string_view prefix);

// The prefix of a URL, without the '/' after the bucket, as it stands before keys: "a/b" and "a/b/"
// give "a/b/", "" gives "". EINVAL: a leading or double '/', a "." or ".." component, NUL.
// ENAMETOOLONG: leaves no room for a name in a key.
absl::StatusOr<std::string> NormalizePrefix(absl::string_view prefix);

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_PATH_H_
