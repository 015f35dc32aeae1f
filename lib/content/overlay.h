// One generation of an inode's staged bytes: what was written, on top of a layer below.
#ifndef S3FILES_LIB_CONTENT_OVERLAY_H_
#define S3FILES_LIB_CONTENT_OVERLAY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/byte_range.h"
#include "lib/cache/block_cache.h"
#include "lib/content/overlay_file.h"

namespace s3files {

// Staged bytes of one range as they were when it was sealed: stays readable whatever becomes of the
// overlay, and needs no lock of its owner. Where the overlay is written there meanwhile, what is
// read is a mixture, and Overlay::rewritten() says so. Reads are thread-safe.
class SealedBytes {
 public:
  const ByteRange& range() const { return range_; }
  // Fills `out` from `offset` of the file; within range().
  absl::Status Read(uint64_t offset, absl::Span<char> out) const;

 private:
  friend class Overlay;
  ByteRange range_;
  std::vector<BlockRef> blocks_;  // from the one of range_.begin on; empty: in the file
  std::shared_ptr<const OverlayFile> file_;
};

// An overlay as a journal keeps it: its bytes are in the file or, where they are few and all in memory,
// here: a file for each costs far more than they do.
struct SavedOverlay {
  static constexpr uint64_t kMostPacked = 16 << 10;

  uint64_t size = 0;
  uint64_t below = 0;
  std::vector<ByteRange> staged;
  std::string file;    // its name in the spill area; empty: there is none
  std::string packed;  // without a file: the staged bytes, range after range
};

// A byte at `offset` < size() is the staged one where staged() has it, else the layer below's where
// offset < below(), else zero. Bytes lie in blocks of the pool or, where it had no room, in a file.
// Const calls are thread-safe among each other; the rest needs the owner's lock.
class Overlay {
 public:
  // On top of a layer of `size` bytes, all of which show through.
  Overlay(uint64_t size, BlockCache* cache, SpillArea* spill)
      : cache_(cache), spill_(spill), size_(size), below_(size) {}

  uint64_t size() const { return size_; }
  uint64_t below() const { return below_; }
  const RangeSet& staged() const { return staged_; }

  // All or nothing. ENOSPC.
  absl::Status Write(uint64_t offset, absl::Span<const char> bytes) {
    return Write(offset, absl::MakeConstSpan(&bytes, 1));
  }
  // The same of several pieces, one behind the other.
  absl::Status Write(uint64_t offset, absl::Span<const absl::Span<const char>> pieces);
  void Truncate(uint64_t size);
  // The layer below is another from now on, of `size` bytes, which all show. size() is 0.
  void ShowBelow(uint64_t size) { size_ = below_ = size; }
  // Fills `out` from `offset`; all of it must be staged.
  absl::Status Read(uint64_t offset, absl::Span<char> out) const;

  // Takes over the changes of `newer`, which was made on top of this. On error (ENOSPC, EIO) some of
  // them are taken; calling again finishes, since taking twice is taking once.
  absl::Status Absorb(const Overlay& newer);

  // Brings all staged bytes to the file; null where saved() has them. It is for the caller to keep and
  // to sync. The area has names. ENOSPC, EIO: some of them are not there.
  absl::StatusOr<std::shared_ptr<OverlayFile>> Save();
  SavedOverlay saved() const;  // after Save
  // What was saved. EIO: its bytes are not whole. ENOSPC.
  static absl::StatusOr<std::shared_ptr<Overlay>> Restore(const SavedOverlay& saved,
                                                          BlockCache* cache, SpillArea* spill);

  // The end of the bytes that were written one after another from 0: they can be uploaded already.
  uint64_t sequential_end() const { return sequential_end_; }
  // The range is to be uploaded early; changes to it are remembered from now on. All of it must be
  // staged.
  SealedBytes Seal(const ByteRange& range);
  // What changed of a range after it was sealed.
  const RangeSet& rewritten() const { return rewritten_; }
  void ForgetSeals() {
    sealed_.Clear();
    rewritten_.Clear();
  }

  // The block that holds staged bytes of block `index`, where they are in memory; else empty. Bytes
  // of it that are not staged are undefined.
  BlockRef Block(uint64_t index) const;

 private:
  absl::Status MakeRoom(const ByteRange& range);
  absl::Status Enlarge(uint64_t index, const ByteRange& piece, uint64_t size);
  absl::Status StoreBytes(uint64_t offset, absl::Span<const char> bytes);
  void NoteChange(const ByteRange& range);
  const BlockRef* Find(uint64_t index) const;  // null: not in memory

  BlockCache* const cache_;
  SpillArea* const spill_;
  uint64_t size_;
  uint64_t below_;
  uint64_t sequential_end_ = 0;
  RangeSet staged_;
  RangeSet sealed_;
  RangeSet rewritten_;
  RangeSet unsaved_;  // staged bytes in blocks that the file does not have
  absl::flat_hash_map<uint64_t, BlockRef> blocks_;
  std::shared_ptr<OverlayFile> file_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_CONTENT_OVERLAY_H_
