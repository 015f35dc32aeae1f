#include "lib/cache/block_cache.h"

#include <cstring>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "lib/cache/block_pool.h"

namespace s3files {
namespace {

constexpr uint64_t kBlocks = 16;

class BlockCacheTest : public ::testing::Test {
 protected:
  BlockRef Filled(char fill, BlockUse use = BlockUse::kInFlight) {
    BlockRef block = cache_.Acquire(use);
    if (block) std::memset(block.data(), fill, kBlockSize);
    return block;
  }
  void FillCache(uint64_t base, uint64_t count) {
    for (uint64_t index = 0; index < count; ++index) {
      cache_.Insert(base, index, Filled(static_cast<char>('a' + index)));
    }
  }

  BlockPool pool_{kBlocks * kBlockSize};
  BlockCache cache_{&pool_};
};

// [M1]
TEST_F(BlockCacheTest, M1_StagedBlocksTakeAtMostHalfOfThePool) {
  std::vector<BlockRef> staged;
  while (BlockRef block = cache_.Acquire(BlockUse::kStaged)) staged.push_back(std::move(block));
  EXPECT_EQ(staged.size(), kBlocks / 2);
  EXPECT_FALSE(pool_.HasShare(BlockUse::kStaged));
  EXPECT_TRUE(cache_.Acquire(BlockUse::kInFlight)) << "reads go on";
  staged[0].SetUse(BlockUse::kCached);
  EXPECT_TRUE(cache_.Acquire(BlockUse::kStaged)) << "what is committed no longer counts";
}

TEST_F(BlockCacheTest, WhatNobodyReadsMakesRoomAndWhatSomebodyReadsDoesNot) {
  FillCache(1, kBlocks);
  std::vector<BlockRef> pinned;
  for (uint64_t index = 0; index < kBlocks - 1; ++index) pinned.push_back(cache_.Find(1, index));
  EXPECT_TRUE(cache_.Acquire(BlockUse::kInFlight));
  EXPECT_FALSE(cache_.Contains(1, kBlocks - 1)) << "the only one that was not pinned";
  for (uint64_t index = 0; index < kBlocks - 1; ++index) {
    EXPECT_EQ(pinned[index].data()[0], static_cast<char>('a' + index));
    EXPECT_TRUE(cache_.Contains(1, index));
  }
}

TEST_F(BlockCacheTest, AcquireGivesUpAtOnceWhereEveryBlockIsInUse) {
  std::vector<BlockRef> held;
  while (BlockRef block = cache_.Acquire(BlockUse::kInFlight)) held.push_back(std::move(block));
  EXPECT_EQ(held.size(), kBlocks);
  EXPECT_EQ(pool_.in_use(BlockUse::kInFlight), pool_.limit());
  held.pop_back();
  EXPECT_TRUE(cache_.Acquire(BlockUse::kInFlight));
}

TEST(BlockCacheEviction, ABlockThatIsReadAgainAndAgainStays) {
  constexpr uint64_t kMany = 256;  // enough for every shard to have a choice
  BlockPool pool(kMany * kBlockSize);
  BlockCache cache(&pool);
  for (uint64_t index = 0; index < kMany; ++index) {
    cache.Insert(1, index, cache.Acquire(BlockUse::kInFlight));
  }
  std::vector<BlockRef> taken;
  for (uint64_t i = 0; i < kMany / 2; ++i) {
    ASSERT_TRUE(cache.Find(1, 100)) << "dropped after " << i;
    taken.push_back(cache.Acquire(BlockUse::kInFlight));
    ASSERT_TRUE(taken.back());
  }
}

TEST_F(BlockCacheTest, MovingABlockGivesItTheNewBasesName) {
  FillCache(1, 2);
  cache_.Move(1, 2, 0);
  cache_.Move(1, 2, 7);  // not there: nothing happens
  EXPECT_FALSE(cache_.Contains(1, 0));
  EXPECT_EQ(cache_.Find(2, 0).data()[0], 'a');
  EXPECT_TRUE(cache_.Contains(1, 1));
}

// Inserting and dropping one block for ever must not grow what eviction has to look through.
TEST_F(BlockCacheTest, ManyMovesLeaveTheCacheUsable) {
  cache_.Insert(1, 0, Filled('x'));
  for (uint64_t base = 1; base < 5000; ++base) cache_.Move(base, base + 1, 0);
  EXPECT_EQ(cache_.Find(5000, 0).data()[0], 'x');
  std::vector<BlockRef> held;
  while (BlockRef block = cache_.Acquire(BlockUse::kInFlight)) held.push_back(std::move(block));
  EXPECT_EQ(held.size(), kBlocks) << "the one block that nobody reads was evicted, too";
}

// [M1] Whatever threads do, the uses of all blocks add up to no more than the pool.
TEST_F(BlockCacheTest, M1_ThreadsShareThePoolWithinItsLimit) {
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (uint64_t i = 0; i < 2000; ++i) {
        const uint64_t index = (i * 7 + t) % 32;
        if (BlockRef found = cache_.Find(1, index)) {
          EXPECT_EQ(found.data()[0], static_cast<char>('a' + index));
        } else if (BlockRef block = Filled(static_cast<char>('a' + index))) {
          cache_.Insert(1, index, std::move(block));
        }
        uint64_t used = 0;
        for (const uint64_t bytes : pool_.usage()) used += bytes;
        EXPECT_LE(used, pool_.limit());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(pool_.in_use(BlockUse::kCached), pool_.limit());
  EXPECT_EQ(pool_.in_use(BlockUse::kInFlight), 0u);
}

}  // namespace
}  // namespace s3files
