#include "lib/cache/block_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <new>

namespace s3files {

struct BlockRef::Block {
  BlockPool* pool = nullptr;
  char* data = nullptr;
  Split* split = nullptr;  // of a part: what it is of
  uint64_t size = kBlockSize;
  std::atomic<uint32_t> references{0};
  BlockUse use = BlockUse::kCached;  // guarded by the pool's lock
  absl::Mutex mu;
};

// Guarded by the pool's lock. It is a block again when all its parts are free.
struct BlockRef::Split {
  Block* whole;
  size_t size_class;
  std::vector<Block> parts;
  std::vector<Block*> free;
};

namespace {

constexpr uint64_t kFewestBlocks = 16;

char* Reserve(uint64_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(memory);
}

}  // namespace

BlockRef::BlockRef(const BlockRef& other) : block_(other.block_) {
  if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
}

BlockRef::~BlockRef() {
  if (block_ != nullptr && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    block_->pool->Release(block_);
  }
}

char* BlockRef::data() const { return block_->data; }

uint64_t BlockRef::size() const { return block_->size; }

absl::Mutex& BlockRef::mu() const { return block_->mu; }

void BlockRef::SetUse(BlockUse use) const { block_->pool->ChangeUse(block_, use); }

bool BlockRef::unique() const { return block_->references.load(std::memory_order_acquire) == 1; }

BlockPool::BlockPool(uint64_t bytes)
    : count_(std::max(bytes / kBlockSize, kFewestBlocks)),
      memory_(Reserve(count_ * kBlockSize)),
      blocks_(new BlockRef::Block[count_]) {}

BlockPool::~BlockPool() { munmap(memory_, count_ * kBlockSize); }

bool BlockPool::HasShareLocked(BlockUse use, uint64_t size) const {
  return use != BlockUse::kStaged ||
         used_[static_cast<size_t>(use)] + size <= count_ / 2 * kBlockSize;
}

bool BlockPool::HasShare(BlockUse use, uint64_t size) const {
  absl::MutexLock lock(&mu_);
  return HasShareLocked(use, size);
}

BlockPool::Usage BlockPool::usage() const {
  absl::MutexLock lock(&mu_);
  return used_;
}

BlockRef BlockPool::TryAcquire(BlockUse use, uint64_t size) {
  const size_t size_class = static_cast<size_t>(
      std::lower_bound(kPartSizes.begin(), kPartSizes.end(), size) - kPartSizes.begin());
  BlockRef::Block* block = nullptr;
  {
    absl::MutexLock lock(&mu_);
    const bool whole = size_class == kPartSizes.size();
    if (!HasShareLocked(use, whole ? kBlockSize : kPartSizes[size_class])) return BlockRef();
    block = whole ? TakeWhole() : TakePart(size_class);
    if (block == nullptr) return BlockRef();
    Bytes(use) += block->size;
    block->use = use;
  }
  block->references.store(1, std::memory_order_relaxed);
  return BlockRef(block);
}

BlockRef::Block* BlockPool::TakeWhole() {
  if (!free_.empty()) {
    BlockRef::Block* const block = free_.back();
    free_.pop_back();
    return block;
  }
  if (untouched_ == count_) return nullptr;
  BlockRef::Block* const block = &blocks_[untouched_];
  block->pool = this;
  block->data = memory_ + untouched_ * kBlockSize;
  ++untouched_;
  return block;
}

BlockRef::Block* BlockPool::TakePart(size_t size_class) {
  std::set<BlockRef::Split*>& splits = splits_[size_class];
  if (splits.empty()) {
    BlockRef::Block* const whole = TakeWhole();
    if (whole == nullptr) return nullptr;
    const uint64_t size = kPartSizes[size_class];
    auto* split =
        new BlockRef::Split{whole, size_class, std::vector<BlockRef::Block>(kBlockSize / size), {}};
    for (size_t i = split->parts.size(); i-- > 0;) {
      BlockRef::Block& part = split->parts[i];
      part.pool = this;
      part.data = whole->data + i * size;
      part.split = split;
      part.size = size;
      split->free.push_back(&part);
    }
    splits.insert(split);
  }
  BlockRef::Split* const split = *splits.begin();
  BlockRef::Block* const part = split->free.back();
  split->free.pop_back();
  if (split->free.empty()) splits.erase(splits.begin());
  return part;
}

void BlockPool::GiveBackPart(BlockRef::Block* part) {
  BlockRef::Split* const split = part->split;
  split->free.push_back(part);
  if (split->free.size() == 1) splits_[split->size_class].insert(split);
  if (split->free.size() < split->parts.size()) return;
  splits_[split->size_class].erase(split);
  free_.push_back(split->whole);
  delete split;
}

void BlockPool::Release(BlockRef::Block* block) {
  absl::MutexLock lock(&mu_);
  Bytes(block->use) -= block->size;
  if (block->split != nullptr) {
    GiveBackPart(block);
  } else {
    free_.push_back(block);
  }
}

void BlockPool::ChangeUse(BlockRef::Block* block, BlockUse use) {
  absl::MutexLock lock(&mu_);
  Bytes(block->use) -= block->size;
  Bytes(use) += block->size;
  block->use = use;
}

}  // namespace s3files
