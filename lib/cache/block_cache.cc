#include "lib/cache/block_cache.h"

#include <utility>

namespace s3files {

BlockRef BlockCache::Find(uint64_t base, uint64_t index) {
  Shard& shard = ShardOf(base, index);
  absl::MutexLock lock(&shard.mu);
  auto it = shard.entries.find(Key(base, index));
  if (it == shard.entries.end()) return BlockRef();
  it->second.referenced = true;
  return it->second.block;
}

bool BlockCache::Contains(uint64_t base, uint64_t index) const {
  Shard& shard = ShardOf(base, index);
  absl::MutexLock lock(&shard.mu);
  return shard.entries.contains(Key(base, index));
}

void BlockCache::Insert(uint64_t base, uint64_t index, BlockRef block) {
  block.SetUse(BlockUse::kCached);
  Shard& shard = ShardOf(base, index);
  absl::MutexLock lock(&shard.mu);
  auto [it, added] = shard.entries.try_emplace(Key(base, index));
  it->second.block = std::move(block);
  it->second.referenced = true;
  if (added) Queue(shard, it->first);
}

void BlockCache::Erase(uint64_t base, uint64_t index) {
  Shard& shard = ShardOf(base, index);
  absl::MutexLock lock(&shard.mu);
  shard.entries.erase(Key(base, index));
}

void BlockCache::Move(uint64_t from, uint64_t to, uint64_t index) {
  BlockRef block;
  {
    Shard& shard = ShardOf(from, index);
    absl::MutexLock lock(&shard.mu);
    auto it = shard.entries.find(Key(from, index));
    if (it == shard.entries.end()) return;
    block = std::move(it->second.block);
    shard.entries.erase(it);
  }
  Insert(to, index, std::move(block));
}

BlockRef BlockCache::Acquire(BlockUse use, uint64_t size) {
  while (true) {
    if (BlockRef block = pool_->TryAcquire(use, size)) return block;
    if (!pool_->HasShare(use, size) || !EvictOne()) return BlockRef();
  }
}

void BlockCache::Queue(Shard& shard, const Key& key) {
  if (shard.order.size() > 2 * shard.entries.size() + 64) {
    shard.order.clear();
    for (const auto& [resident, entry] : shard.entries) {
      if (resident != key) shard.order.push_back(resident);
    }
  }
  shard.order.push_back(key);
}

bool BlockCache::EvictFrom(Shard& shard) {
  absl::MutexLock lock(&shard.mu);
  // Each entry is passed twice at most: once to lose its second chance, once to be dropped.
  for (size_t left = 2 * shard.order.size(); left > 0 && !shard.order.empty(); --left) {
    const Key key = shard.order.front();
    shard.order.pop_front();
    auto it = shard.entries.find(key);
    if (it == shard.entries.end()) continue;
    if (!it->second.referenced && it->second.block.unique()) {
      shard.entries.erase(it);
      return true;
    }
    it->second.referenced = false;
    shard.order.push_back(key);
  }
  return false;
}

bool BlockCache::EvictOne() {
  const size_t first = next_victim_.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < kShards; ++i) {
    if (EvictFrom(shards_[(first + i) % kShards])) return true;
  }
  return false;
}

}  // namespace s3files
