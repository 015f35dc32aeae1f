#include "lib/cache/block_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <new>

namespace s3files {

struct BlockRef::Block {
  BlockPool* pool = nullptr;
  char* data = nullptr;
  std::atomic<uint32_t> references{0};
  BlockUse use = BlockUse::kCached;  // guarded by the pool's lock
  absl::Mutex mu;
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

absl::Mutex& BlockRef::mu() const { return block_->mu; }

void BlockRef::SetUse(BlockUse use) const { block_->pool->ChangeUse(block_, use); }

bool BlockRef::unique() const { return block_->references.load(std::memory_order_acquire) == 1; }

BlockPool::BlockPool(uint64_t bytes)
    : count_(std::max(bytes / kBlockSize, kFewestBlocks)),
      memory_(Reserve(count_ * kBlockSize)),
      blocks_(new BlockRef::Block[count_]) {}

BlockPool::~BlockPool() { munmap(memory_, count_ * kBlockSize); }

bool BlockPool::HasShareLocked(BlockUse use) const {
  return use != BlockUse::kStaged || used_[static_cast<size_t>(use)] < count_ / 2;
}

bool BlockPool::HasShare(BlockUse use) const {
  absl::MutexLock lock(&mu_);
  return HasShareLocked(use);
}

BlockPool::Usage BlockPool::usage() const {
  absl::MutexLock lock(&mu_);
  Usage bytes = used_;
  for (uint64_t& use : bytes) use *= kBlockSize;
  return bytes;
}

BlockRef BlockPool::TryAcquire(BlockUse use) {
  BlockRef::Block* block = nullptr;
  {
    absl::MutexLock lock(&mu_);
    if (!HasShareLocked(use)) return BlockRef();
    if (!free_.empty()) {
      block = free_.back();
      free_.pop_back();
    } else if (untouched_ < count_) {
      block = &blocks_[untouched_];
      block->pool = this;
      block->data = memory_ + untouched_ * kBlockSize;
      ++untouched_;
    } else {
      return BlockRef();
    }
    ++Blocks(use);
    block->use = use;
  }
  block->references.store(1, std::memory_order_relaxed);
  return BlockRef(block);
}

void BlockPool::Release(BlockRef::Block* block) {
  absl::MutexLock lock(&mu_);
  --Blocks(block->use);
  free_.push_back(block);
}

void BlockPool::ChangeUse(BlockRef::Block* block, BlockUse use) {
  absl::MutexLock lock(&mu_);
  --Blocks(block->use);
  ++Blocks(use);
  block->use = use;
}

}  // namespace s3files
