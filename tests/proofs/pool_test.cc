// The one pool of bulk memory is a ceiling, and nobody waits for ever below it.

#include <algorithm>
#include <atomic>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/proofs/s3_fixture.h"

namespace s3files::proofs {
namespace {

constexpr size_t kPool = 64 * kMiB;
constexpr size_t kFiles = 64;
constexpr size_t kFileSize = 2 * kMiB;
constexpr size_t kBlock = 128 * 1024;

std::string PathOf(size_t file) { return "file-" + std::to_string(file); }

// Runs work(0) to work(count - 1), each on a thread of its own.
void InThreads(size_t count, const std::function<void(size_t)>& work) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

class Pool : public OnS3 {
 protected:
  Pool() : fs_(Open({{"memory", "64M"}, {"spill_dir", testing::TempDir()}})) {}

  // Runs `work` while a thread samples what the pool holds.
  void Watched(const std::function<void()>& work) {
    std::atomic<bool> done{false};
    std::thread watcher([&] {
      while (!done) {
        Sample();
        std::this_thread::yield();
      }
    });
    work();
    done = true;
    watcher.join();
    EXPECT_GT(most_, kPool / 4) << "the pool was hardly used";
  }

  void Sample() {
    const statistics now = fs_.stats();
    const uint64_t held = now.memory_cached + now.memory_staged + now.memory_in_flight;
    ASSERT_LE(held, now.memory_limit);
    ASSERT_LE(now.memory_staged, now.memory_limit / 2);
    most_ = std::max(most_, held);
    most_spilled_ = std::max(most_spilled_, now.spilled);
  }

  void WriteInOrder(size_t file_number) const {
    const std::string bytes = Pattern(kFileSize, file_number);
    file out = fs_.open(PathOf(file_number), open_flags::write | open_flags::create);
    for (size_t at = 0; at < bytes.size(); at += 100'000) {
      out.pwrite(bytes.data() + at, std::min<size_t>(100'000, bytes.size() - at), at);
    }
    out.close();
  }

  void ExpectRead(const file_system& fs, size_t file_number) const {
    EXPECT_TRUE(ReadAll(fs, PathOf(file_number)) == Pattern(kFileSize, file_number))
        << PathOf(file_number);
  }

  // Blocks of four times the pool, each written once, in random order.
  void WriteAtRandom() const {
    std::vector<size_t> order(4 * kPool / kBlock);
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
    file out = fs_.open("random", open_flags::write | open_flags::create);
    for (const size_t block : order) {
      const std::string bytes = Pattern(kBlock, block);
      out.pwrite(bytes.data(), bytes.size(), block * kBlock);
    }
    out.close();
  }

  static void ExpectRandomRead(const file_system& fs) {
    const file in = fs.open("random", open_flags::read);
    ASSERT_EQ(in.stat().size, 4 * kPool);
    std::string bytes(kBlock, '\0');
    for (size_t block = 0; block < 4 * kPool / kBlock; ++block) {
      ASSERT_EQ(in.pread(bytes.data(), bytes.size(), block * kBlock), bytes.size());
      ASSERT_TRUE(bytes == Pattern(kBlock, block)) << "block " << block;
    }
  }

  const file_system fs_;
  uint64_t most_ = 0;
  uint64_t most_spilled_ = 0;
};

TEST_F(Pool, WritersThenReadersAndRandomWritesAllFinish) {
  Watched([&] {
    std::thread random([&] { WriteAtRandom(); });
    InThreads(kFiles, [&](size_t i) { WriteInOrder(i); });
    InThreads(kFiles, [&](size_t i) { ExpectRead(fs_, i); });
    random.join();
    ExpectRandomRead(fs_);
  });
  EXPECT_GT(most_spilled_, kPool) << "four times the pool cannot have been staged in memory";
  EXPECT_EQ(fs_.stats().spilled, 0u);
  EXPECT_EQ(fs_.stats().memory_staged, 0u);
  const file_system other = Open();
  for (size_t i = 0; i < kFiles; ++i) ExpectRead(other, i);
  ExpectRandomRead(other);
}

TEST_F(Pool, WithoutSpillingAWriterIsToldAtOnce) {
  const file_system fs = Open({{"memory", "64M"}, {"spill_dir", "off"}});
  file out = fs.open("random", open_flags::write | open_flags::create);
  const std::string bytes = Pattern(kBlock);
  std::error_code code;
  size_t written = 0;
  for (size_t block = 4 * kPool / kBlock; block-- > 0 && !code;) {  // backwards: nothing early
    out.pwrite(bytes.data(), bytes.size(), block * kBlock, code);
    if (!code) ++written;
  }
  EXPECT_EQ(code, std::errc::no_space_on_device);
  EXPECT_GT(written * kBlock, kPool / 4);
  EXPECT_LE(written * kBlock, kPool / 2);
  out.abandon();
  EXPECT_EQ(fs.stats().memory_staged, 0u);
}

}  // namespace
}  // namespace s3files::proofs
