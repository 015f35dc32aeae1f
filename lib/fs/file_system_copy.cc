// FileSystem: copying from one open file to another.
#include <algorithm>
#include <cerrno>
#include <vector>

#include "lib/base/errors.h"
#include "lib/fs/file_system.h"

namespace s3files {
namespace {

// Remembers who shows the inode's base, and forgets, now and then, who no longer does.
void NoteBorrower(Inode& inode, const std::shared_ptr<Content>& borrower)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.mu) {
  auto& all = inode.borrowers;
  if ((all.size() & (all.size() - 1)) == 0) {  // a power of two: seldom, where there are many
    all.erase(std::remove_if(all.begin(), all.end(),
                             [](const std::weak_ptr<Content>& entry) {
                               const std::shared_ptr<Content> content = entry.lock();
                               return content == nullptr || !content->borrowed();
                             }),
              all.end());
  }
  all.push_back(borrower);
}

}  // namespace

absl::StatusOr<uint64_t> FileSystem::CopyRange(const CallContext& call, Handle& in,
                                               uint64_t in_offset, Handle& out, uint64_t out_offset,
                                               uint64_t size) {
  S3FILES_RETURN_IF_ERROR(CheckReadable(in));
  S3FILES_RETURN_IF_ERROR(CheckWritable(out, 0, 0));
  if ((out.flags & kOpenAppend) != 0) {
    return Error(EBADF, "the target is open to append: what is copied has an offset");
  }
  const uint64_t in_size = in.content->size();
  size = in_offset >= in_size ? 0 : std::min(size, in_size - in_offset);
  S3FILES_RETURN_IF_ERROR(CheckWritable(out, out_offset, size));
  const ByteRange from{in_offset, in_offset + size};
  if (in.inode == out.inode && !Intersect(from, {out_offset, out_offset + size}).empty()) {
    return Error(EINVAL, "the ranges overlap: copy_range does not move bytes within a file");
  }
  if (size == 0) return 0;
  if (in_offset == 0 && out_offset == 0 && in.inode != out.inode) {
    S3FILES_ASSIGN_OR_RETURN(const uint64_t copied, CopyWhole(call, in, out, size));
    if (copied > 0) return copied;
  }
  return CopyBytes(call, in, from, out, out_offset);
}

// The copy that the store is to make; 0 where it cannot be.
absl::StatusOr<uint64_t> FileSystem::CopyWhole(const CallContext& call, Handle& in, Handle& out,
                                               uint64_t size) {
  S3FILES_RETURN_IF_ERROR(committer_->BeforeStaging(call, out.inode));
  {
    absl::MutexLock lock(&in.inode->mu);
    // Who commits, renames or removes it has looked for borrowers already.
    if (in.inode->busy || in.inode->removed || in.inode->content != in.content) return 0;
    const BasePtr source = in.content->CleanBase();
    if (source == nullptr || source->size != size) return 0;
    // In one step: who is looking for borrowers meanwhile finds it with what it has borrowed.
    S3FILES_ASSIGN_OR_RETURN(const bool borrowed, out.content->Borrow(source));
    if (!borrowed) return 0;
    NoteBorrower(*in.inode, out.content);
  }
  OnStaged(call, out);
  return size;
}

absl::StatusOr<uint64_t> FileSystem::CopyBytes(const CallContext& call, Handle& in,
                                               const ByteRange& from, Handle& out,
                                               uint64_t out_offset) {
  std::vector<char> buffer(std::min(from.size(), kBlockSize));
  uint64_t ahead = from.begin;
  uint64_t at = from.begin;
  while (at < from.end) {
    if (at >= ahead) {
      ahead = std::min(at + kReadAheadWindow, from.end);
      in.content->ReadAhead({at, ahead});
    }
    const uint64_t wanted = std::min(from.end - at, kBlockSize - at % kBlockSize);
    S3FILES_ASSIGN_OR_RETURN(
        const size_t n,
        Read(call, in, at, absl::MakeSpan(buffer).first(std::min<size_t>(wanted, buffer.size()))));
    if (n == 0) break;  // truncated meanwhile
    S3FILES_RETURN_IF_ERROR(
        Write(call, out, out_offset + (at - from.begin), absl::MakeConstSpan(buffer).first(n)));
    at += n;
  }
  return at - from.begin;
}

}  // namespace s3files
