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

// Splits `range` by where its bytes are: calls `memory(block, piece)` for what `find(index)` has a
// block for, else `file(piece)`, pieces in one stretch of the file together.
template <typename Find, typename InBlock, typename InFile>
absl::Status ForEachPlace(const ByteRange& range, Find find, InBlock memory, InFile file) {
  ByteRange stretch{range.begin, range.begin};
  auto end_stretch = [&] { return stretch.empty() ? absl::OkStatus() : file(stretch); };
  S3FILES_RETURN_IF_ERROR(ForEachBlock(range, [&](uint64_t index, const ByteRange& piece) {
    const BlockRef* block = find(index);
    if (block == nullptr) {
      stretch.end = piece.end;
      return absl::OkStatus();
    }
    S3FILES_RETURN_IF_ERROR(end_stretch());
    stretch = {piece.end, piece.end};
    memory(*block, piece);
    return absl::OkStatus();
  }));
  return end_stretch();
}

}  // namespace

absl::Status SealedBytes::Read(uint64_t offset, absl::Span<char> out) const {
  const uint64_t first = range_.begin / kBlockSize;
  return ForEachPlace(
      {offset, offset + out.size()},
      [&](uint64_t index) { return blocks_[index - first] ? &blocks_[index - first] : nullptr; },
      [&](const BlockRef& block, const ByteRange& piece) {
        absl::ReaderMutexLock lock(&block.mu());
        std::memcpy(out.data() + (piece.begin - offset), block.data() + piece.begin % kBlockSize,
                    piece.size());
      },
      [&](const ByteRange& piece) {
        return file_->Read(piece.begin, out.subspan(piece.begin - offset, piece.size()));
      });
}

SealedBytes Overlay::Seal(const ByteRange& range) {
  sealed_.Add(range);
  SealedBytes bytes;
  bytes.range_ = range;
  bytes.file_ = file_;
  for (uint64_t index = range.begin / kBlockSize; index * kBlockSize < range.end; ++index) {
    bytes.blocks_.push_back(Block(index));
  }
  return bytes;
}

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
    unsaved_.Remove(cut);
    below_ = std::min(below_, size);
    sequential_end_ = std::min(sequential_end_, size);
    if (file_ != nullptr) file_->Truncate(size);
    for (auto it = blocks_.begin(); it != blocks_.end();) {
      // One that is being uploaded stays, to be written again: it is not free yet.
      if (it->first * kBlockSize >= size && it->second.unique()) {
        blocks_.erase(it++);
      } else {
        ++it;
      }
    }
  }
  size_ = size;
}

absl::Status Overlay::Read(uint64_t offset, absl::Span<char> out) const {
  return ForEachPlace(
      {offset, offset + out.size()}, [&](uint64_t index) { return Find(index); },
      [&](const BlockRef& block, const ByteRange& piece) {
        std::memcpy(out.data() + (piece.begin - offset), block.data() + piece.begin % kBlockSize,
                    piece.size());
      },
      [&](const ByteRange& piece) {
        return file_->Read(piece.begin, out.subspan(piece.begin - offset, piece.size()));
      });
}

absl::Status Overlay::MakeRoom(const ByteRange& range) {
  std::vector<uint64_t> added;
  absl::Status status = ForEachBlock(range, [&](uint64_t index, const ByteRange& piece) {
    // What shows of the layer below joins it in the cache when it is committed.
    const uint64_t needed = std::min(kBlockSize, std::max(size_, range.end) - index * kBlockSize);
    if (const BlockRef* there = Find(index)) {
      if (there->size() >= piece.end - index * kBlockSize) return absl::OkStatus();
      return Enlarge(index, piece, needed);
    }
    // A block with bytes in the file stays there: its bytes are never in two places.
    if (!staged_.Intersects(BlockRange(index))) {
      if (BlockRef block = cache_->Acquire(BlockUse::kStaged, needed)) {
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

// The block is too small for `piece`: a larger one, or the file, takes its bytes.
absl::Status Overlay::Enlarge(uint64_t index, const ByteRange& piece, uint64_t size) {
  const BlockRef old = Block(index);
  if (BlockRef larger = cache_->Acquire(BlockUse::kStaged, size)) {
    std::memcpy(larger.data(), old.data(), old.size());
    blocks_[index] = std::move(larger);
    return absl::OkStatus();
  }
  if (file_ == nullptr) {
    S3FILES_ASSIGN_OR_RETURN(file_, OverlayFile::Create(spill_));
  }
  const std::vector<ByteRange> ranges = staged_.Within(BlockRange(index));
  for (const ByteRange& range : ranges) S3FILES_RETURN_IF_ERROR(file_->Reserve(range));
  S3FILES_RETURN_IF_ERROR(file_->Reserve(piece));
  for (const ByteRange& range : ranges) {
    S3FILES_RETURN_IF_ERROR(
        file_->Write(range.begin, {old.data() + range.begin % kBlockSize, range.size()}));
  }
  unsaved_.Remove(BlockRange(index));
  blocks_.erase(index);
  return absl::OkStatus();
}

absl::Status Overlay::StoreBytes(uint64_t offset, absl::Span<const char> bytes) {
  return ForEachPlace(
      {offset, offset + bytes.size()}, [&](uint64_t index) { return Find(index); },
      [&](const BlockRef& block, const ByteRange& piece) {
        if (spill_->named) unsaved_.Add(piece);
        char* to = block.data() + piece.begin % kBlockSize;
        const char* from = bytes.data() + (piece.begin - offset);
        if (block.unique()) {
          std::memcpy(to, from, piece.size());
        } else {  // being uploaded
          absl::MutexLock lock(&block.mu());
          std::memcpy(to, from, piece.size());
        }
      },
      [&](const ByteRange& piece) {
        return file_->Write(piece.begin, bytes.subspan(piece.begin - offset, piece.size()));
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

absl::StatusOr<std::shared_ptr<OverlayFile>> Overlay::Save() {
  if (file_ == nullptr && staged_.total() <= SavedOverlay::kMostPacked) return file_;
  for (const ByteRange& range : unsaved_.ranges()) {
    if (file_ == nullptr) {
      S3FILES_ASSIGN_OR_RETURN(file_, OverlayFile::Create(spill_));
    }
    S3FILES_RETURN_IF_ERROR(ForEachBlock(range, [&](uint64_t index, const ByteRange& piece) {
      S3FILES_RETURN_IF_ERROR(file_->Reserve(piece));
      return file_->Write(piece.begin,
                          {Find(index)->data() + piece.begin % kBlockSize, piece.size()});
    }));
  }
  unsaved_.Clear();
  return file_;
}

SavedOverlay Overlay::saved() const {
  SavedOverlay saved{size_, below_, staged_.ranges(), file_ == nullptr ? "" : file_->name(), ""};
  if (file_ != nullptr) return saved;
  saved.packed.resize(staged_.total());
  absl::Span<char> rest = absl::MakeSpan(saved.packed);
  for (const ByteRange& range : saved.staged) {
    Read(range.begin, rest.first(range.size())).IgnoreError();  // memory: it cannot fail
    rest.remove_prefix(range.size());
  }
  return saved;
}

absl::StatusOr<std::shared_ptr<Overlay>> Overlay::Restore(const SavedOverlay& saved,
                                                          BlockCache* cache, SpillArea* spill) {
  auto overlay = std::make_shared<Overlay>(saved.size, cache, spill);
  overlay->below_ = saved.below;
  if (!saved.file.empty()) {
    for (const ByteRange& range : saved.staged) overlay->staged_.Add(range);
    S3FILES_ASSIGN_OR_RETURN(overlay->file_,
                             OverlayFile::Open(spill, saved.file, overlay->staged_));
  }
  absl::Span<const char> rest = saved.packed;
  for (const ByteRange& range : saved.staged) {
    if (!saved.file.empty()) break;
    if (rest.size() < range.size()) return Error(EIO, "staged bytes are gone: a row was cut short");
    S3FILES_RETURN_IF_ERROR(overlay->Write(range.begin, rest.first(range.size())));
    rest.remove_prefix(range.size());
  }
  return overlay;
}

const BlockRef* Overlay::Find(uint64_t index) const {
  auto it = blocks_.find(index);
  return it == blocks_.end() ? nullptr : &it->second;
}

BlockRef Overlay::Block(uint64_t index) const {
  const BlockRef* block = Find(index);
  return block == nullptr ? BlockRef() : *block;
}

}  // namespace s3files
