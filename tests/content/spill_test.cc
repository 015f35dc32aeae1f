// The file that staged bytes spill to: what it takes of the disk, what is counted, and that a full
// one changes nothing. Sealed ranges, which are read while their overlay goes on. [M1] [M2]
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "gtest/gtest.h"
#include "lib/base/errors.h"
#include "lib/content/overlay.h"

namespace s3files {
namespace {

// What the process's unlinked files take of the disk.
uint64_t DiskBytes() {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    struct stat info;
    if (stat(entry.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink > 0) {
      continue;
    }
    bytes += static_cast<uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

// No file grows beyond `bytes` for as long as this lives; counts the signals that say so.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes) {
    signals_ = 0;
    handler_ = signal(SIGXFSZ, [](int) { ++signals_; });
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }
  int signals() const { return signals_; }

 private:
  static inline std::atomic<int> signals_{0};
  rlimit before_;
  void (*handler_)(int);
};

class SpillTest : public testing::Test {
 protected:
  absl::Status Write(Overlay& overlay, uint64_t at, uint64_t size, char fill) {
    return overlay.Write(at, std::string(size, fill));
  }
  static std::string ReadAll(const Overlay& overlay) {
    std::string bytes(overlay.size(), '\0');
    EXPECT_TRUE(overlay.Read(0, absl::MakeSpan(bytes)).ok());
    return bytes;
  }

  BlockPool pool_{16 * kBlockSize};  // eight of them may be staged
  BlockCache cache_{&pool_};
  SpillArea spill_{testing::TempDir()};
};

TEST_F(SpillTest, SpaceIsReservedAheadOfWritesThatFollowEachOther) {
  Overlay overlay(0, &cache_, &spill_);
  uint64_t calls_that_took_space = 0;
  constexpr uint64_t kBlocks = 400;
  for (uint64_t i = 0; i < kBlocks; ++i) {
    const uint64_t before = DiskBytes();
    ASSERT_TRUE(Write(overlay, i * kBlockSize, kBlockSize, 'x').ok());
    if (DiskBytes() != before) ++calls_that_took_space;
  }
  EXPECT_LE(calls_that_took_space, 20u);
  EXPECT_EQ(spill_.bytes, (kBlocks - 8) * kBlockSize) << "what is reserved is not staged";
  EXPECT_LE(DiskBytes(), spill_.bytes + (8 << 20) + kBlockSize);
}

TEST_F(SpillTest, ScatteredWritesReserveOnlyThemselves) {
  Overlay overlay(0, &cache_, &spill_);
  ASSERT_TRUE(Write(overlay, 0, 8 * kBlockSize, 'x').ok());
  for (uint64_t i = 1; i <= 50; ++i) {
    ASSERT_TRUE(Write(overlay, i * 100 * kBlockSize, 4096, 'y').ok());
  }
  EXPECT_EQ(spill_.bytes, 50u * 4096);
  EXPECT_LE(DiskBytes(), 50u * 4096 + kBlockSize) << "a file system's own blocks aside";
}

TEST_F(SpillTest, TruncateGivesBackWhatItCutsOff) {
  Overlay overlay(0, &cache_, &spill_);
  ASSERT_TRUE(Write(overlay, 0, 100 * kBlockSize, 'x').ok());
  overlay.Truncate(20 * kBlockSize + 7);
  EXPECT_EQ(spill_.bytes, 12 * kBlockSize + 7);
  EXPECT_LE(DiskBytes(), 14 * kBlockSize);
  ASSERT_TRUE(Write(overlay, overlay.size(), 3 * kBlockSize, 'y').ok());
  EXPECT_EQ(spill_.bytes, 15 * kBlockSize + 7);
  EXPECT_EQ(ReadAll(overlay),
            std::string(20 * kBlockSize + 7, 'x') + std::string(3 * kBlockSize, 'y'));
}

// [M2]
TEST_F(SpillTest, M2AFullDiskIsUsedToItsEndAndAWriteBeyondItChangesNothing) {
  constexpr uint64_t kRoom = 21;  // where a step ahead would go beyond it
  FileSizeLimit limit(kRoom * kBlockSize);
  Overlay overlay(0, &cache_, &spill_);
  for (uint64_t i = 0; i < kRoom; ++i) {
    ASSERT_TRUE(Write(overlay, i * kBlockSize, kBlockSize, 'x').ok()) << i;
  }
  EXPECT_EQ(limit.signals(), 0) << "reserving ahead must not raise what the write would not";
  const uint64_t spilled = spill_.bytes;
  EXPECT_EQ(spilled, (kRoom - 8) * kBlockSize);
  EXPECT_EQ(ErrnoOf(Write(overlay, (kRoom - 1) * kBlockSize, 2 * kBlockSize, 'y')), EFBIG);
  EXPECT_EQ(limit.signals(), 1);
  EXPECT_EQ(overlay.size(), kRoom * kBlockSize);
  EXPECT_EQ(spill_.bytes, spilled);
  EXPECT_EQ(ReadAll(overlay), std::string(kRoom * kBlockSize, 'x'));
}

TEST_F(SpillTest, SealedBytesOutliveTheirOverlay) {
  auto overlay = std::make_unique<Overlay>(0, &cache_, &spill_);
  ASSERT_TRUE(Write(*overlay, 0, 7 * kBlockSize, 'a').ok());
  ASSERT_TRUE(Write(*overlay, overlay->size(), 7 * kBlockSize, 'b').ok());
  const SealedBytes sealed = overlay->Seal({6 * kBlockSize + 9, 12 * kBlockSize});
  overlay.reset();
  EXPECT_GT(spill_.bytes, 0u);
  std::string bytes(sealed.range().size(), '\0');
  ASSERT_TRUE(sealed.Read(sealed.range().begin, absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(bytes, std::string(kBlockSize - 9, 'a') + std::string(5 * kBlockSize, 'b'));
}

// [M2] A block that is being uploaded is not free; what is written there again needs no other.
TEST_F(SpillTest, M2WhatIsSealedAndCutOffCanBeWrittenAgainWithoutASpillFile) {
  spill_.directory = "";
  Overlay overlay(0, &cache_, &spill_);
  ASSERT_TRUE(Write(overlay, 0, 8 * kBlockSize, 'a').ok());
  const SealedBytes sealed = overlay.Seal({0, 8 * kBlockSize});
  overlay.Truncate(0);
  ASSERT_TRUE(Write(overlay, 0, 8 * kBlockSize, 'b').ok());
  EXPECT_EQ(ReadAll(overlay), std::string(8 * kBlockSize, 'b'));
  EXPECT_EQ(overlay.rewritten().total(), 8 * kBlockSize);
}

TEST_F(SpillTest, SealedBytesAreReadWhileTheyAreWrittenAgain) {
  Overlay overlay(0, &cache_, &spill_);
  constexpr uint64_t kSize = 12 * kBlockSize;  // in memory and in the file
  ASSERT_TRUE(Write(overlay, 0, kSize, 'a').ok());
  const SealedBytes sealed = overlay.Seal({0, kSize});
  std::atomic<bool> over{false};
  std::thread reader([&] {
    std::string bytes(kSize, '\0');
    do {
      EXPECT_TRUE(sealed.Read(0, absl::MakeSpan(bytes)).ok());
      EXPECT_EQ(bytes.find_first_not_of("ab"), std::string::npos);
    } while (!over);
  });
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Write(overlay, 5, kSize - 5, i % 2 == 0 ? 'b' : 'a').ok());
  }
  over = true;
  reader.join();
  EXPECT_EQ(overlay.rewritten().total(), kSize - 5);
}

}  // namespace
}  // namespace s3files
