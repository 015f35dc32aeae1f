// The C ABI: several buffers at once, copies from file to file, and what the file system holds.
#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/types/span.h"
#include "lib/api/c_call.h"
#include "lib/api/mount.h"
#include "lib/base/errors.h"
#include "lib/fs/file_system.h"
#include "lib/inode/path.h"
#include "s3files/s3files.h"

namespace s3files {
namespace {

constexpr uint32_t kMostBuffers = 1024;
constexpr uint64_t kStatedBytes = uint64_t{1} << 50;
constexpr uint64_t kStatedFiles = uint64_t{1} << 40;

// The caller's buffers as spans of `T`. EINVAL: too many, NULL, or more bytes than a result can say.
template <typename T>
absl::StatusOr<std::vector<absl::Span<T>>> BuffersOf(const s3f_iovec* buffers, uint32_t count,
                                                     int64_t* total) {
  if (count > kMostBuffers) {
    return Error(EINVAL, absl::StrCat(count, " buffers; ", kMostBuffers, " are the most"));
  }
  if (buffers == nullptr && count > 0) return Missing("buffers");
  std::vector<absl::Span<T>> spans;
  spans.reserve(count);
  uint64_t bytes = 0;
  for (const s3f_iovec& buffer : absl::MakeConstSpan(buffers, count)) {
    if (buffer.base == nullptr && buffer.size > 0) return Missing("the base of a buffer");
    if (buffer.size > INT64_MAX - bytes) return Error(EINVAL, "the buffers' sizes overflow");
    bytes += buffer.size;
    spans.emplace_back(static_cast<T*>(buffer.base), buffer.size);
  }
  *total = static_cast<int64_t>(bytes);
  return spans;
}

}  // namespace
}  // namespace s3files

using s3files::CallContext;
using s3files::FileSystem;
using s3files::Handle;
using s3files::RunCall;
using s3files::RunHandle;

extern "C" {

int64_t s3f_preadv(s3f_handle* handle, const s3f_iovec* buffers, uint32_t count, uint64_t offset,
                   const s3f_call* call) {
  return RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        int64_t total = 0;
        S3FILES_ASSIGN_OR_RETURN(const auto spans,
                                 s3files::BuffersOf<char>(buffers, count, &total));
        S3FILES_ASSIGN_OR_RETURN(const size_t n,
                                 fs.Read(context, file, offset, absl::MakeConstSpan(spans)));
        return static_cast<int64_t>(n);
      });
}

int64_t s3f_pwritev(s3f_handle* handle, const s3f_iovec* buffers, uint32_t count, uint64_t offset,
                    const s3f_call* call) {
  return RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        int64_t total = 0;
        S3FILES_ASSIGN_OR_RETURN(const auto spans,
                                 s3files::BuffersOf<const char>(buffers, count, &total));
        S3FILES_RETURN_IF_ERROR(fs.Write(context, file, offset, absl::MakeConstSpan(spans)));
        return total;
      });
}

int64_t s3f_copy_range(s3f_handle* in, uint64_t in_offset, s3f_handle* out, uint64_t out_offset,
                       uint64_t size, const s3f_call* call) {
  return RunHandle(
      out, call,
      [&](const CallContext& context, FileSystem& fs, Handle& to) -> absl::StatusOr<int64_t> {
        if (in == nullptr) return s3files::Missing("in");
        if (in->mount != out->mount) {
          return s3files::Error(EXDEV, "the two handles belong to different file systems");
        }
        const uint64_t most = std::min<uint64_t>(size, INT64_MAX);
        S3FILES_ASSIGN_OR_RETURN(
            const uint64_t n, fs.CopyRange(context, *in->handle, in_offset, to, out_offset, most));
        return static_cast<int64_t>(n);
      });
}

int s3f_statfs(s3f_statfs_out* out, s3f_fs* fs, const s3f_call* call) {
  return static_cast<int>(RunCall(call, [&](const CallContext&) -> absl::Status {
    if (out == nullptr) return s3files::Missing("out");
    S3FILES_RETURN_IF_ERROR(s3files::CheckAt(fs, nullptr));
    s3f_statfs_out filled = {};
    filled.block_size = s3files::kBlockSize;
    filled.blocks = filled.blocks_free = s3files::kStatedBytes / s3files::kBlockSize;
    filled.files = filled.files_free = s3files::kStatedFiles;
    filled.name_max = s3files::kLongestName;
    filled.read_only = fs->mount->fs->read_only() ? 1 : 0;
    return s3files::WriteStruct(out, filled);
  }));
}

}  // extern "C"
