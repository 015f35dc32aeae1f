#include "lib/base/byte_range.h"

#include <algorithm>
#include <bitset>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck.h"

namespace s3files {
namespace {

constexpr uint64_t kUniverse = 96;
using Bitmap = std::bitset<kUniverse>;

// The maximal runs of `wanted` bits inside `range`: what any correct set must answer.
std::vector<ByteRange> Runs(const Bitmap& bits, ByteRange range, bool wanted) {
  std::vector<ByteRange> runs;
  for (uint64_t i = range.begin; i < range.end; ++i) {
    if (bits[i] != wanted) continue;
    if (!runs.empty() && runs.back().end == i) {
      ++runs.back().end;
    } else {
      runs.push_back({i, i + 1});
    }
  }
  return runs;
}

ByteRange ArbitraryRange() {
  const auto a = *rc::gen::inRange<uint64_t>(0, kUniverse + 1);
  const auto b = *rc::gen::inRange<uint64_t>(0, kUniverse + 1);
  return {std::min(a, b), std::max(a, b)};
}

void ExpectSame(const RangeSet& set, const Bitmap& bits) {
  RC_ASSERT(set.ranges() == Runs(bits, {0, kUniverse}, true));
  RC_ASSERT(set.total() == bits.count());
  RC_ASSERT(set.count() == set.ranges().size());
  RC_ASSERT(set.empty() == bits.none());
  for (int i = 0; i < 8; ++i) {
    const ByteRange probe = ArbitraryRange();
    const auto in = Runs(bits, probe, true);
    RC_ASSERT(set.Within(probe) == in);
    RC_ASSERT(set.Missing(probe) == Runs(bits, probe, false));
    RC_ASSERT(set.Intersects(probe) == !in.empty());
    RC_ASSERT(set.Contains(probe) == Runs(bits, probe, false).empty());
  }
}

TEST(RangeSet, AnswersAsABitmap) {
  EXPECT_TRUE(rc::check("any sequence of Add and Remove", [] {
    RangeSet set;
    Bitmap bits;
    const int steps = *rc::gen::inRange(1, 40);
    for (int step = 0; step < steps; ++step) {
      const ByteRange range = ArbitraryRange();
      const bool add = *rc::gen::arbitrary<bool>();
      add ? set.Add(range) : set.Remove(range);
      for (uint64_t i = range.begin; i < range.end; ++i) bits[i] = add;
    }
    ExpectSame(set, bits);
    set.Clear();
    ExpectSame(set, Bitmap());
  }));
}

TEST(RangeSet, TouchingRangesBecomeOne) {
  RangeSet set;
  set.Add({0, 10});
  set.Add({20, 30});
  EXPECT_EQ(set.count(), 2u);
  set.Add({10, 20});
  EXPECT_EQ(set.ranges(), std::vector<ByteRange>({{0, 30}}));
}

TEST(RangeSet, EndOfTheNumberLine) {
  RangeSet set;
  set.Add({UINT64_MAX - 1, UINT64_MAX});
  set.Add({0, UINT64_MAX});
  EXPECT_EQ(set.total(), UINT64_MAX);
  set.Remove({1, UINT64_MAX - 1});
  EXPECT_EQ(set.count(), 2u);
  EXPECT_TRUE(set.Contains({UINT64_MAX - 1, UINT64_MAX}));
}

TEST(RangeSet, EmptyRangesChangeNothing) {
  RangeSet set;
  set.Add({5, 5});
  set.Add({7, 3});
  EXPECT_TRUE(set.empty());
  set.Add({0, 9});
  set.Remove({4, 4});
  EXPECT_EQ(set.count(), 1u);
  EXPECT_TRUE(set.Contains({100, 100}));
  EXPECT_FALSE(set.Intersects({4, 4}));
}

TEST(ByteRange, Intersection) {
  EXPECT_EQ(Intersect({0, 10}, {5, 20}), (ByteRange{5, 10}));
  EXPECT_TRUE(Intersect({0, 5}, {5, 20}).empty());
  EXPECT_EQ(Intersect({8, 9}, {0, 2}).size(), 0u);
}

}  // namespace
}  // namespace s3files
