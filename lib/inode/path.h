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

// A path as it is written, in the steps that lead along it.
struct PathSteps {
  bool absolute = false;
  std::vector<std::string> steps;  // valid names and ".."; empty components and "." are left out
  bool must_be_directory = false;  // ends in "/", "/." or "/.."
};
// ENAMETOOLONG: a component over 255 bytes. EINVAL: NUL in the path.
absl::StatusOr<PathSteps> SplitPath(absl::string_view path);

// ENAMETOOLONG over 1,024 bytes.
absl::Status CheckKeyLength(absl::string_view key);

// EILSEQ where it is not UTF-8.
absl::Status CheckUtf8(absl::string_view key);

// Can be a component: not empty, not "." or "..", at most 255 bytes, without '/' and NUL.
bool IsValidName(absl::string_view name);

// The name of the object or common prefix `key` in the directory whose key is `directory_key`: what
// follows it, less one trailing '/'. nullopt where that is no valid name (or empty: the directory's
// own marker): such keys are skipped in listings.
std::optional<std::string> NameFromKey(absl::string_view key, absl::string_view directory_key);

// The prefix of a URL, without the '/' after the bucket, as it stands before keys: "a/b" and "a/b/"
// give "a/b/", "" gives "". EINVAL: a leading or double '/', a "." or ".." component, NUL.
// ENAMETOOLONG: leaves no room for a name in a key.
absl::StatusOr<std::string> NormalizePrefix(absl::string_view prefix);

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_PATH_H_
