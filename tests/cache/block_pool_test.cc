// The memory ceiling: [M1] of SEMANTICS.md.
#include "lib/cache/block_pool.h"

#include <cstring>
#include <thread>

#include "gtest/gtest.h"

namespace s3files {
namespace {

std::vector<BlockRef> TakeAll(BlockPool& pool, BlockUse use) {
  std::vector<BlockRef> blocks;
  while (BlockRef block = pool.TryAcquire(use)) blocks.push_back(std::move(block));
  return blocks;
}

// [M1]
TEST(BlockPoolTest, M1GivesWhatItHasAndTakesItBack) {
  BlockPool pool(20 * kBlockSize + 5);
  EXPECT_EQ(pool.limit(), 20 * kBlockSize);
  for (int round = 0; round < 3; ++round) {
    const std::vector<BlockRef> blocks = TakeAll(pool, BlockUse::kCached);
    EXPECT_EQ(blocks.size(), 20u);
    EXPECT_EQ(pool.in_use(BlockUse::kCached), pool.limit());
    for (const BlockRef& block : blocks) std::memset(block.data(), round, kBlockSize);
  }
  EXPECT_EQ(pool.in_use(BlockUse::kCached), 0u);
}

TEST(BlockPoolTest, HasSixteenBlocksAtLeast) {
  BlockPool pool(0);
  EXPECT_EQ(pool.limit(), 16 * kBlockSize);
  EXPECT_EQ(TakeAll(pool, BlockUse::kInFlight).size(), 16u);
}

// [M1]
TEST(BlockPoolTest, M1StagedBlocksTakeHalfAtMost) {
  BlockPool pool(16 * kBlockSize);
  std::vector<BlockRef> staged = TakeAll(pool, BlockUse::kStaged);
  EXPECT_EQ(staged.size(), 8u);
  EXPECT_FALSE(pool.HasShare(BlockUse::kStaged));
  EXPECT_TRUE(pool.HasShare(BlockUse::kInFlight));
  EXPECT_EQ(TakeAll(pool, BlockUse::kInFlight).size(), 8u);
  staged[0].SetUse(BlockUse::kCached);
  EXPECT_EQ(pool.in_use(BlockUse::kStaged), 7 * kBlockSize);
  EXPECT_EQ(pool.in_use(BlockUse::kCached), kBlockSize);
  EXPECT_TRUE(pool.TryAcquire(BlockUse::kStaged)) << "its share has room again";
}

// [M1]
TEST(BlockPoolTest, M1SmallOnesArePartsOfABlock) {
  BlockPool pool(16 * kBlockSize);
  {
    std::vector<BlockRef> parts;
    while (BlockRef part = pool.TryAcquire(BlockUse::kStaged, 100)) {
      EXPECT_EQ(part.size(), 4096u);
      std::memset(part.data(), static_cast<int>(parts.size()), part.size());
      parts.push_back(std::move(part));
    }
    EXPECT_EQ(parts.size(), 8 * kBlockSize / 4096);
    EXPECT_FALSE(pool.HasShare(BlockUse::kStaged, 100));
    for (size_t i = 0; i < parts.size(); ++i) {
      ASSERT_EQ(std::string(parts[i].data(), 4096), std::string(4096, static_cast<char>(i)));
    }
    parts[0] = BlockRef();
    EXPECT_FALSE(pool.TryAcquire(BlockUse::kStaged, 4097)) << "that is one of 16 KiB";
    EXPECT_EQ(pool.TryAcquire(BlockUse::kCached, 4097).size(), 16384u);
    EXPECT_EQ(pool.TryAcquire(BlockUse::kCached, 16385).size(), kBlockSize);
    EXPECT_EQ(TakeAll(pool, BlockUse::kCached).size(), 8u);
    EXPECT_TRUE(pool.TryAcquire(BlockUse::kStaged, 1));
  }
  EXPECT_EQ(pool.in_use(BlockUse::kStaged), 0u);
  EXPECT_EQ(TakeAll(pool, BlockUse::kCached).size(), 16u) << "whole ones again";
}

TEST(BlockPoolTest, ABlockLivesAsLongAsItsLastReference) {
  BlockPool pool(16 * kBlockSize);
  BlockRef first = pool.TryAcquire(BlockUse::kCached);
  EXPECT_TRUE(first.unique());
  {
    const BlockRef second = first;
    EXPECT_FALSE(first.unique());
    EXPECT_EQ(second.data(), first.data());
    first = BlockRef();
    EXPECT_TRUE(second.unique());
    EXPECT_EQ(pool.in_use(BlockUse::kCached), kBlockSize);
  }
  EXPECT_EQ(pool.in_use(BlockUse::kCached), 0u);
}

// Blocks are never given twice: each holder finds what it wrote.
TEST(BlockPoolTest, ThreadsShareThePool) {
  BlockPool pool(16 * kBlockSize);
  std::vector<std::thread> threads;
  for (int id = 1; id <= 4; ++id) {
    threads.emplace_back([&pool, id] {
      for (int round = 0; round < 500; ++round) {
        std::vector<BlockRef> mine;
        for (int i = 0; i < 6; ++i) {
          BlockRef block = pool.TryAcquire(BlockUse::kInFlight);
          if (!block) break;
          std::memset(block.data(), id, 64);
          mine.push_back(std::move(block));
        }
        for (const BlockRef& block : mine) {
          ASSERT_EQ(std::string(block.data(), 64), std::string(64, static_cast<char>(id)));
          block.SetUse(BlockUse::kCached);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.in_use(BlockUse::kInFlight), 0u);
  EXPECT_EQ(pool.in_use(BlockUse::kCached), 0u);
}

}  // namespace
}  // namespace s3files
