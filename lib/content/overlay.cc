#include "lib/content/overlay.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "lib/base/errors.h"

namespace s3files {
namespace {

ByteRange BlockRange(uint64_t index) { return {index * kBlockSize, (index + 1) * kBlockSize}; }

// Calls `visit(index, piece)` for the piece of `range` in each block; stops at an error.
template <typename Visit>
absl::Status ForEachBlock(const ByteRange& range, Visit visit) {
  for (uint64_t at = range.begin; at < range.end;) {
    const uint64_t index = at / kBlockSize;
    const ByteRange piece = Intersect(BlockRange(index), {at, range.end});
    S3FILES_RETURN_IF_ERROR(visit(index, piece));
    at = piece.end;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Overlay::Write(uint64_t offset, absl::Span<const absl::Span<const char>> pieces) {
  ByteRange range{offset, offset};
  for (const absl::Span<const char>& bytes : pieces) range.end += bytes.size();
  if (range.empty()) return absl::OkStatus();
  S3FILES_RETURN_IF_ERROR(MakeRoom(range));
  for (const absl::Span<const char>& bytes : pieces) {
    S3FILES_RETURN_IF_ERROR(StoreBytes(offset, bytes));
    offset += bytes.size();
  }
  NoteChange(range);
  staged_.Add(range);
  size_ = std::max(size_, range.end);
  if (range.begin <= sequential_end_) sequential_end_ = std::max(sequential_end_, range.end);
  return absl::OkStatus();
}

void Overlay::Truncate(uint64_t size) {
  if (size < size_) {
    const ByteRange cut{size, size_};
    NoteChange(cut);
    staged_.Remove(cut);
    below_ = std::min(below_, size);
    sequential_end_ = std::min(sequential_end_, size);
    for (auto it = blocks_.begin(); it != blocks_.end();) {
      if (it->first * kBlockSize >= size) {
        blocks_.erase(it++);
      } else {
        ++it;
      }
    }
  }
  size_ = size;
}

absl::Status Overlay::Read(uint64_t offset, absl::Span<char> out) const {
  return ForEachBlock({offset, offset + out.size()}, [&](uint64_t index, const ByteRange& piece) {
    char* to = out.data() + (piece.begin - offset);
    auto it = blocks_.find(index);
    if (it == blocks_.end()) return file_->Read(piece.begin, absl::MakeSpan(to, piece.size()));
    std::memcpy(to, it->second.data() + piece.begin % kBlockSize, piece.size());
    return absl::OkStatus();
  });
}

absl::Status Overlay::MakeRoom(const ByteRange& range) {
  std::vector<uint64_t> added;
  absl::Status status = ForEachBlock(range, [&](uint64_t index, const ByteRange& piece) {
    if (blocks_.contains(index)) return absl::OkStatus();
    // A block with bytes in the file stays there: its bytes are never in two places.
    if (!staged_.Intersects(BlockRange(index))) {
      if (BlockRef block = cache_->Acquire(BlockUse::kStaged)) {
        blocks_.emplace(index, std::move(block));
        added.push_back(index);
        return absl::OkStatus();
      }
    }
    if (file_ == nullptr) {
      S3FILES_ASSIGN_OR_RETURN(file_, OverlayFile::Create(spill_));
    }
    return file_->Reserve(piece);
  });
  if (!status.ok()) {
    for (uint64_t index : added) blocks_.erase(index);
  }
  return status;
}

absl::Status Overlay::StoreBytes(uint64_t offset, absl::Span<const char> bytes) {
  return ForEachBlock({offset, offset + bytes.size()}, [&](uint64_t index, const ByteRange& piece) {
    const char* from = bytes.data() + (piece.begin - offset);
    auto it = blocks_.find(index);
    if (it == blocks_.end()) return file_->Write(piece.begin, absl::MakeSpan(from, piece.size()));
    std::memcpy(it->second.data() + piece.begin % kBlockSize, from, piece.size());
    return absl::OkStatus();
  });
}

void Overlay::NoteChange(const ByteRange& range) {
  if (sealed_.empty()) return;
  for (const ByteRange& piece : sealed_.Within(range)) rewritten_.Add(piece);
}

absl::Status Overlay::Absorb(const Overlay& newer) {
  if (newer.below_ < size_) Truncate(newer.below_);
  std::vector<char> buffer;
  for (const ByteRange& range : newer.staged_.ranges()) {
    S3FILES_RETURN_IF_ERROR(ForEachBlock(range, [&](uint64_t index, const ByteRange& piece) {
      auto it = newer.blocks_.find(index);
      if (it != newer.blocks_.end() && !blocks_.contains(index) &&
          !staged_.Intersects(BlockRange(index))) {
        blocks_.emplace(index, it->second);  // the whole block, without a copy
      }
      buffer.resize(piece.size());
      S3FILES_RETURN_IF_ERROR(newer.Read(piece.begin, absl::MakeSpan(buffer)));
      return Write(piece.begin, buffer);
    }));
  }
  if (size_ != newer.size_) Truncate(newer.size_);
  return absl::OkStatus();
}

BlockRef Overlay::Block(uint64_t index) const {
  auto it = blocks_.find(index);
  return it == blocks_.end() ? BlockRef() : it->second;
}

}  // namespace s3files
