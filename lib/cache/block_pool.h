// The one pool of bulk memory of a file system: the memory ceiling. Every bulk byte in memory,
// cached, in flight or staged, lives in one of its blocks.
#ifndef S3FILES_LIB_CACHE_BLOCK_POOL_H_
#define S3FILES_LIB_CACHE_BLOCK_POOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace s3files {

inline constexpr uint64_t kBlockSize = 128 << 10;
// What small files are staged in: whole blocks of them would fill the pool with nothing.
inline constexpr std::array<uint64_t, 2> kPartSizes = {4 << 10, 16 << 10};

enum class BlockUse : uint8_t { kCached, kInFlight, kStaged };
inline constexpr size_t kBlockUses = 3;

class BlockPool;

// Shared ownership of one block, or of a part of one; the last reference gives it back to the pool, which must outlive
// it. Copying is thread-safe, as of a shared_ptr. Who may write the bytes is the holders' business.
class BlockRef {
 public:
  BlockRef() = default;
  BlockRef(const BlockRef& other);
  BlockRef(BlockRef&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~BlockRef();

  explicit operator bool() const { return block_ != nullptr; }
  char* data() const;  // size() bytes
  uint64_t size() const;
  // Leaf, for a block that is written while others read it: held shared by these, exclusively by the
  // writer, for the time of a copy.
  absl::Mutex& mu() const;
  // What the block counts as from now on.
  void SetUse(BlockUse use) const;
  // No other reference exists (another may appear unless the caller prevents it).
  bool unique() const;

 private:
  friend class BlockPool;
  struct Block;
  struct Split;
  explicit BlockRef(Block* block) : block_(block) {}
  Block* block_ = nullptr;
};

// Thread-safe. Never waits and never evicts: see BlockCache::Acquire.
class BlockPool {
 public:
  explicit BlockPool(uint64_t bytes);  // rounded down to blocks, at least 16
  ~BlockPool();                        // all references are gone
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block of at least `size` undefined bytes; empty where none is free or `use` has had its share:
  // staged ones take at most half, so that reads and transfers can always go on.
  BlockRef TryAcquire(BlockUse use, uint64_t size = kBlockSize);

  // Whether `use` may take one more block of `size`, were one free.
  bool HasShare(BlockUse use, uint64_t size = kBlockSize) const;
  uint64_t limit() const { return count_ * kBlockSize; }
  // Bytes by use, all of one moment: their sum is at most the limit.
  using Usage = std::array<uint64_t, kBlockUses>;
  Usage usage() const;
  uint64_t in_use(BlockUse use) const { return usage()[static_cast<size_t>(use)]; }

 private:
  friend class BlockRef;
  void Release(BlockRef::Block* block);
  void ChangeUse(BlockRef::Block* block, BlockUse use);
  uint64_t& Bytes(BlockUse use) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return used_[static_cast<size_t>(use)];
  }
  bool HasShareLocked(BlockUse use, uint64_t size) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  BlockRef::Block* TakeWhole() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  BlockRef::Block* TakePart(size_t size_class) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void GiveBackPart(BlockRef::Block* part) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const uint64_t count_;
  char* const memory_;  // reserved at once, touched block by block
  std::unique_ptr<BlockRef::Block[]> blocks_;

  mutable absl::Mutex mu_;                                        // leaf
  std::array<uint64_t, kBlockUses> used_ ABSL_GUARDED_BY(mu_){};  // bytes
  std::vector<BlockRef::Block*> free_ ABSL_GUARDED_BY(mu_);
  uint64_t untouched_ ABSL_GUARDED_BY(mu_) = 0;  // blocks_[untouched_..] were never used
  // Blocks that are split into parts of each size and have a free one.
  std::array<std::set<BlockRef::Split*>, kPartSizes.size()> splits_ ABSL_GUARDED_BY(mu_);
};

}  // namespace s3files

#endif  // S3FILES_LIB_CACHE_BLOCK_POOL_H_
