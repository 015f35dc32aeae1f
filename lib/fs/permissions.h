// What an identity may do, as POSIX has it. Pure: attributes in, an answer out.
#ifndef S3FILES_LIB_FS_PERMISSIONS_H_
#define S3FILES_LIB_FS_PERMISSIONS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "lib/base/call_context.h"
#include "lib/inode/attributes.h"

namespace s3files {

// Bits of an access mode; as S3F_X_OK, S3F_W_OK, S3F_R_OK.
enum : uint32_t { kMayExecute = 1u << 0, kMayWrite = 1u << 1, kMayRead = 1u << 2 };

inline constexpr uint32_t kSetUid = 04000;
inline constexpr uint32_t kSetGid = 02000;
inline constexpr uint32_t kSticky = 01000;

// Whether permissions count for this call at all: where nobody in particular calls, or root, they do
// not (but for executing a file that nobody may execute).
bool IsChecked(const CallContext& call);

// EACCES, naming `path`, unless the caller may do all of `want`.
absl::Status CheckAccess(const CallContext& call, const Attributes& attributes, uint32_t want,
                         absl::string_view path);

// Removing or renaming `entry` from `directory`: EACCES without write and search permission, EPERM
// where the directory is sticky and neither is the caller's.
absl::Status CheckRemove(const CallContext& call, const Attributes& directory,
                         const Attributes& entry, absl::string_view path);

// What a caller asks for; see s3f_setattr.
struct AttributeRequest {
  std::optional<uint32_t> mode;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint64_t> size;
  std::optional<int64_t> mtime_ns;
  std::optional<int64_t> atime_ns;
  bool times_are_now = true;  // all times given are "now": write permission is enough
};

// Whether the caller may do all of it, and what it then means: set-id bits that go with a change of
// owner, and those of a group that the caller is not in. EPERM, EACCES.
absl::Status CheckChange(const CallContext& call, const Attributes& attributes,
                         const AttributeRequest& request, absl::string_view path,
                         AttributeChange* change);

// The attributes of a file, directory or symlink that is made in `directory`.
Attributes AttributesOfNew(const CallContext& call, FileType type, uint32_t mode,
                           const Attributes& directory, const AttributeDefaults& defaults,
                           int64_t now_ns);

// The mode after a write by the caller: others than root lose the file's set-id bits.
uint32_t ModeAfterWrite(const CallContext& call, uint32_t mode);

}  // namespace s3files

#endif  // S3FILES_LIB_FS_PERMISSIONS_H_
