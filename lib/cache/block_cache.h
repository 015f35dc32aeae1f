// Blocks of base bytes, by base and block index. A cached block is immutable.
#ifndef S3FILES_LIB_CACHE_BLOCK_CACHE_H_
#define S3FILES_LIB_CACHE_BLOCK_CACHE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "lib/cache/block_pool.h"

namespace s3files {

// Thread-safe. Keeps what it is given until the pool needs room (second-chance order).
class BlockCache {
 public:
  explicit BlockCache(BlockPool* pool) : pool_(pool) {}

  // Empty where it is not resident.
  BlockRef Find(uint64_t base, uint64_t index);
  bool Contains(uint64_t base, uint64_t index) const;
  // From now on the block's bytes must not change. Replaces what was there.
  void Insert(uint64_t base, uint64_t index, BlockRef block);
  void Erase(uint64_t base, uint64_t index);

  // Block `index` of `from` becomes that of `to` (the bytes are the same under a new version).
  void Move(uint64_t from, uint64_t to, uint64_t index);

  // A block of at least `size` for `use`, dropping cached ones that nobody reads where the pool is full; empty where
  // that does not help. Never waits.
  BlockRef Acquire(BlockUse use, uint64_t size = kBlockSize);

  BlockPool* pool() const { return pool_; }

 private:
  using Key = std::pair<uint64_t, uint64_t>;
  struct Entry {
    BlockRef block;
    bool referenced = true;
  };
  struct Shard {
    mutable absl::Mutex mu;  // before the pool's
    absl::flat_hash_map<Key, Entry> entries ABSL_GUARDED_BY(mu);
    // Eviction order. May name keys that are gone; rebuilt when those are most of it.
    std::deque<Key> order ABSL_GUARDED_BY(mu);
  };
  static constexpr size_t kShards = 16;

  Shard& ShardOf(uint64_t base, uint64_t index) const {
    // Neighbouring blocks of one base spread over all shards.
    return shards_[(base * 7 + index) % kShards];
  }
  static void Queue(Shard& shard, const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mu);
  bool EvictFrom(Shard& shard);
  bool EvictOne();

  BlockPool* const pool_;
  mutable std::array<Shard, kShards> shards_;
  std::atomic<size_t> next_victim_{0};
};

}  // namespace s3files

#endif  // S3FILES_LIB_CACHE_BLOCK_CACHE_H_
