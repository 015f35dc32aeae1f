// Overlays and the file they spill to, against a model of every byte. [M1] [M2]
#include "lib/content/overlay.h"

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "lib/base/errors.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace s3files {
namespace {

using std::literals::operator""sv;  // an array would be one byte longer

// Each byte: what is staged, or whether it shows what is below (true) or a zero.
struct ModelByte {
  std::optional<char> staged;
  bool below = false;
};
using ModelBytes = std::vector<ModelByte>;

class OverlayTest : public testing::Test {
 protected:
  static constexpr uint64_t kMost = 24 * kBlockSize;

  void Write(Overlay& overlay, ModelBytes& model, uint64_t at, size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_());
    ASSERT_TRUE(overlay.Write(at, bytes).ok());
    if (model.size() < at + size) model.resize(at + size);
    for (size_t i = 0; i < size; ++i) model[at + i] = {bytes[i], false};
  }
  static void Truncate(Overlay& overlay, ModelBytes& model, uint64_t size) {
    overlay.Truncate(size);
    model.resize(size);
  }
  void ExpectSame(const Overlay& overlay, const ModelBytes& model) {
    ASSERT_EQ(overlay.size(), model.size());
    std::string bytes(model.size(), '\0');
    uint64_t at = 0;
    for (const ByteRange& range : overlay.staged().ranges()) {
      ASSERT_TRUE(
          overlay.Read(range.begin, absl::MakeSpan(bytes).subspan(range.begin, range.size())).ok());
      for (; at < range.begin; ++at) ExpectUnstaged(overlay, model, at);
      for (; at < range.end; ++at) ASSERT_EQ(model[at].staged, bytes[at]) << at;
    }
    for (; at < model.size(); ++at) ExpectUnstaged(overlay, model, at);
  }
  static void ExpectUnstaged(const Overlay& overlay, const ModelBytes& model, uint64_t at) {
    ASSERT_FALSE(model[at].staged.has_value()) << at;
    ASSERT_EQ(at < overlay.below(), model[at].below) << at;
  }
  static ModelBytes Below(uint64_t size) { return ModelBytes(size, ModelByte{std::nullopt, true}); }

  std::mt19937 random_{1};
  BlockPool pool_{16 * kBlockSize};
  BlockCache cache_{&pool_};
  SpillArea spill_{testing::TempDir()};
};

TEST_F(OverlayTest, AFreshOneShowsWhatIsBelow) {
  Overlay overlay(100, &cache_, &spill_);
  ExpectSame(overlay, Below(100));
  EXPECT_TRUE(overlay.staged().empty());
}

TEST_F(OverlayTest, WhatWasCutOffDoesNotComeBack) {
  Overlay overlay(3 * kBlockSize, &cache_, &spill_);
  ModelBytes model = Below(3 * kBlockSize);
  Write(overlay, model, kBlockSize + 10, 100);
  Truncate(overlay, model, kBlockSize + 50);
  Truncate(overlay, model, 4 * kBlockSize);
  ExpectSame(overlay, model);
  Write(overlay, model, 2 * kBlockSize, 1);
  ExpectSame(overlay, model);
}

// [M1]
TEST_F(OverlayTest, M1SpillsBeyondItsShareAndGivesItBack) {
  {
    Overlay overlay(0, &cache_, &spill_);
    ModelBytes model;
    Write(overlay, model, 0, 20 * kBlockSize);
    EXPECT_EQ(pool_.in_use(BlockUse::kStaged), 8 * kBlockSize);
    EXPECT_EQ(spill_.bytes, 12 * kBlockSize);
    Write(overlay, model, 7 * kBlockSize + 5, 4 * kBlockSize);
    ExpectSame(overlay, model);
    EXPECT_EQ(spill_.bytes, 12 * kBlockSize) << "overwritten in place";
  }
  EXPECT_EQ(spill_.bytes, 0u);
  EXPECT_EQ(pool_.in_use(BlockUse::kStaged), 0u);
}

// [M1]
TEST_F(OverlayTest, M1AFileTakesWhatItNeedsAsItGrows) {
  Overlay overlay(0, &cache_, &spill_);
  ModelBytes model;
  for (const auto& [at, size, taken] : std::vector<std::array<uint64_t, 3>>{
           {0, 100, 4096}, {4000, 97, 16384}, {16000, 1000, kBlockSize}}) {
    Write(overlay, model, at, size);
    model.resize(overlay.size());
    EXPECT_EQ(pool_.in_use(BlockUse::kStaged), taken);
    ExpectSame(overlay, model);
  }
  Overlay on_more(5000, &cache_, &spill_);
  ModelBytes more = Below(5000);
  Write(on_more, more, 0, 10);
  EXPECT_EQ(pool_.in_use(BlockUse::kStaged), kBlockSize + 16384) << "with what shows below";
  ExpectSame(on_more, more);
}

// [M1]
TEST_F(OverlayTest, M1WhatGrowsWithoutRoomGoesToTheFile) {
  for (const bool saved : {false, true}) {
    spill_.named = saved;
    Overlay overlay(0, &cache_, &spill_), other(0, &cache_, &spill_);
    ModelBytes model, others;
    Write(overlay, model, 10, 100);
    Write(other, others, 0, 7 * kBlockSize);
    std::vector<BlockRef> rest;
    while (BlockRef block = pool_.TryAcquire(BlockUse::kStaged, 1))
      rest.push_back(std::move(block));
    Write(overlay, model, 100, 5000);
    ExpectSame(overlay, model);
    EXPECT_EQ(overlay.Block(0).operator bool(), false);
    Write(overlay, model, 50, 9000);
    ExpectSame(overlay, model);
    if (saved) {
      ASSERT_TRUE(overlay.Save().ok());
      const auto again = Overlay::Restore(overlay.saved(), &cache_, &spill_);
      ASSERT_TRUE(again.ok());
      ExpectSame(**again, model);
    }
  }
}

// [D4]
TEST_F(OverlayTest, D4FewBytesAreSavedWithoutAFile) {
  spill_.named = true;
  Overlay overlay(30'000, &cache_, &spill_);
  ModelBytes model = Below(30'000);
  Write(overlay, model, 5, 10);
  Write(overlay, model, 20'000, 7);
  Truncate(overlay, model, 25'000);
  ASSERT_EQ(overlay.Save().value(), nullptr);
  SavedOverlay saved = overlay.saved();
  EXPECT_EQ(saved.file, "");
  EXPECT_EQ(saved.packed.size(), 17u);
  const auto again = Overlay::Restore(saved, &cache_, &spill_);
  ASSERT_TRUE(again.ok());
  ExpectSame(**again, model);
  saved.packed.pop_back();
  EXPECT_EQ(ErrnoOf(Overlay::Restore(saved, &cache_, &spill_).status()), EIO);
  // More of them than a row has.
  Write(**again, model, 1000, SavedOverlay::kMostPacked);
  ASSERT_NE((*again)->Save().value(), nullptr);
  saved = (*again)->saved();
  EXPECT_EQ(saved.packed, "");
  const auto from_file = Overlay::Restore(saved, &cache_, &spill_);
  ASSERT_TRUE(from_file.ok());
  ExpectSame(**from_file, model);
}

// [M2]
TEST_F(OverlayTest, M2AWriteThatFindsNoRoomStagesNothing) {
  spill_.directory = "";
  Overlay overlay(0, &cache_, &spill_);
  ModelBytes model;
  Write(overlay, model, 0, 7 * kBlockSize);
  EXPECT_EQ(ErrnoOf(overlay.Write(6 * kBlockSize, std::string(4 * kBlockSize, 'x'))), ENOSPC);
  ExpectSame(overlay, model);
  EXPECT_EQ(pool_.in_use(BlockUse::kStaged), 7 * kBlockSize);
  Write(overlay, model, 7 * kBlockSize, kBlockSize);
  ExpectSame(overlay, model);
}

TEST_F(OverlayTest, ASpillDirectoryThatIsNotThereIsNoSpace) {
  spill_.directory = "/nonexistent/s3files";
  Overlay overlay(0, &cache_, &spill_);
  EXPECT_EQ(ErrnoOf(overlay.Write(0, std::string(9 * kBlockSize, 'x'))), ENOSPC);
}

TEST_F(OverlayTest, KnowsWhatWasWrittenFromTheStart) {
  Overlay overlay(0, &cache_, &spill_);
  ASSERT_TRUE(overlay.Write(0, "0123456789"sv).ok());
  ASSERT_TRUE(overlay.Write(10, "more"sv).ok());
  EXPECT_EQ(overlay.sequential_end(), 14u);
  ASSERT_TRUE(overlay.Write(20, "apart"sv).ok());
  EXPECT_EQ(overlay.sequential_end(), 14u);
  ASSERT_TRUE(overlay.Write(2, "again"sv).ok());
  EXPECT_EQ(overlay.sequential_end(), 14u);
  overlay.Truncate(3);
  EXPECT_EQ(overlay.sequential_end(), 3u);
}

TEST_F(OverlayTest, RemembersChangesOfSealedRanges) {
  Overlay overlay(0, &cache_, &spill_);
  ASSERT_TRUE(overlay.Write(0, std::string(100, 'x')).ok());
  ASSERT_TRUE(overlay.Write(5, "before"sv).ok());
  overlay.Seal({0, 50});
  EXPECT_TRUE(overlay.rewritten().empty());
  ASSERT_TRUE(overlay.Write(45, std::string(10, 'y')).ok());
  EXPECT_EQ(overlay.rewritten().ranges(), (std::vector<ByteRange>{{45, 50}}));
  overlay.Truncate(40);
  EXPECT_EQ(overlay.rewritten().ranges(), (std::vector<ByteRange>{{40, 50}}));
  overlay.ForgetSeals();
  ASSERT_TRUE(overlay.Write(0, "z"sv).ok());
  EXPECT_TRUE(overlay.rewritten().empty());
}

// Two generations, of whatever changes, taken together show what the newer showed on the older.
RC_GTEST_FIXTURE_PROP(OverlayTest, AbsorbingAddsTheNewerGeneration, ()) {
  const uint64_t base = *rc::gen::inRange<uint64_t>(0, 4 * kBlockSize);
  Overlay older(base, &cache_, &spill_);
  ModelBytes model = Below(base);
  auto change = [&](Overlay& overlay, ModelBytes& bytes) {
    const int changes = *rc::gen::inRange(0, 8);
    for (int i = 0; i < changes; ++i) {
      const uint64_t at = *rc::gen::inRange<uint64_t>(0, kMost / 2);
      if (*rc::gen::inRange(0, 4) == 0) {
        Truncate(overlay, bytes, at);
      } else {
        Write(overlay, bytes, at, *rc::gen::inRange<size_t>(1, 3 * kBlockSize));
      }
    }
  };
  change(older, model);
  Overlay newer(older.size(), &cache_, &spill_);
  ModelBytes upper = Below(model.size());
  change(newer, upper);
  ExpectSame(newer, upper);

  RC_ASSERT(older.Absorb(newer).ok());
  for (size_t i = 0; i < upper.size(); ++i) {
    if (upper[i].below) upper[i] = model[i];
  }
  ExpectSame(older, upper);
  RC_ASSERT(older.Absorb(newer).ok());  // taking twice is taking once
  ExpectSame(older, upper);
  RC_ASSERT(!HasFatalFailure());
}

}  // namespace
}  // namespace s3files
