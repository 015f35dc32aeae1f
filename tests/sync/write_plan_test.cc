#include "lib/sync/write_plan.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "lib/base/errors.h"

namespace s3files {
namespace {

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kTiB = uint64_t{1} << 40;

RangeSet SetOf(const std::vector<ByteRange>& ranges) {
  RangeSet set;
  for (const ByteRange& range : ranges) set.Add(range);
  return set;
}

WritePlan Plan(uint64_t size, const RangeSet& staged, uint64_t base_visible,
               const Capabilities& capabilities = {}, const PartPolicy& policy = {}) {
  const WriteShape shape{size, &staged, base_visible, base_visible > 0};
  auto plan = PlanWrite(shape, policy, capabilities);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *plan : WritePlan();
}

uint64_t Uploaded(const WritePlan& plan) {
  uint64_t sum = 0;
  for (const PlannedPart& part : plan.parts) sum += part.copy ? 0 : part.range.size();
  return sum;
}

// What is wrong with a multipart plan; empty where nothing is.
std::string Fault(const WritePlan& plan, const WriteShape& shape, const Capabilities& caps) {
  if (plan.parts.empty()) return "no parts";
  if (plan.parts.size() > caps.most_parts) return "too many parts";
  uint64_t at = 0;
  uint64_t copied = 0;
  for (size_t i = 0; i < plan.parts.size(); ++i) {
    const PlannedPart& part = plan.parts[i];
    const uint64_t length = part.range.size();
    const bool last = i + 1 == plan.parts.size();
    if (part.number != i + 1) return "part numbers";
    if (part.range.begin != at || part.range.empty()) return "parts do not tile";
    at = part.range.end;
    if (!last && length < caps.smallest_part) return "part too small";
    if (length > (part.copy ? caps.largest_copy : caps.largest_part)) return "part too large";
    if (caps.equal_parts && !last && length != plan.parts[0].range.size()) return "unequal part";
    if (caps.equal_parts && last && length > plan.parts[0].range.size()) return "last is larger";
    if (!part.copy) continue;
    copied += length;
    if (part.range.end > shape.base_visible || !shape.has_base) return "copies what is not there";
    if (shape.staged->Intersects(part.range)) return "copies over staged bytes";
  }
  if (at != shape.size) return "parts do not reach the end";
  if (copied != plan.copied_bytes) return "copied_bytes";
  return "";
}

TEST(PlanWrite, SmallContentIsOnePut) {
  const RangeSet all = SetOf({{0, 16 * kMiB}});
  EXPECT_EQ(Plan(0, RangeSet(), 0).kind, WritePlan::Kind::kPut);
  const WritePlan plan = Plan(16 * kMiB, all, 0);
  EXPECT_EQ(plan.kind, WritePlan::Kind::kPut);
  EXPECT_TRUE(plan.parts.empty());
  EXPECT_EQ(Plan(16 * kMiB + 1, all, 0).kind, WritePlan::Kind::kMultipart);
}

TEST(PlanWrite, LargestPutCountsBeforeTheThreshold) {
  Capabilities caps;
  caps.largest_put = 6 * kMiB;
  EXPECT_EQ(Plan(7 * kMiB, RangeSet(), 0, caps).kind, WritePlan::Kind::kMultipart);
  EXPECT_EQ(Plan(6 * kMiB, RangeSet(), 0, caps).kind, WritePlan::Kind::kPut);
}

TEST(PlanWrite, BeyondTheLargestObjectIsAnError) {
  const RangeSet none;
  const auto too_large = PlanWrite({5 * kTiB + 1, &none, 0, false}, PartPolicy(), Capabilities());
  EXPECT_EQ(ErrnoOf(too_large.status()), EFBIG);
  EXPECT_NE(too_large.status().message().find("5497558138881"), absl::string_view::npos);
  Capabilities caps;
  caps.most_parts = 10;
  caps.largest_part = 10 * kMiB;
  EXPECT_EQ(Plan(100 * kMiB, none, 0, caps).parts.size(), 10u);
  const auto no_room = PlanWrite({100 * kMiB + 1, &none, 0, false}, PartPolicy(), caps);
  EXPECT_EQ(ErrnoOf(no_room.status()), EFBIG);
}

TEST(PlanWrite, TheLargestObjectFits) {
  const WritePlan plan = Plan(5 * kTiB, RangeSet(), 0);
  const RangeSet none;
  EXPECT_EQ(Fault(plan, {5 * kTiB, &none, 0, false}, Capabilities()), "");
}

TEST(PlanWrite, NothingStagedIsAMissingSetToo) {
  const auto plan = PlanWrite({kGiB, nullptr, kGiB, true}, PartPolicy(), Capabilities());
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->copied_bytes, kGiB);  // a truncation, say
}

TEST(PlanWrite, UploadsAreBalanced) {
  const WritePlan plan = Plan(17 * kMiB, SetOf({{0, 17 * kMiB}}), 0);
  ASSERT_EQ(plan.parts.size(), 3u);
  for (const PlannedPart& part : plan.parts) EXPECT_NEAR(part.range.size(), 17 * kMiB / 3, 1);
}

TEST(PlanWrite, AFourKiBChangeOfAGiBUploadsAboutOnePart) {
  const uint64_t offsets[] = {
      0, kMiB, 5 * kMiB - 1, 512 * kMiB + 123, kGiB - 6 * kMiB, kGiB - 4 * kKiB};
  for (const uint64_t offset : offsets) {
    SCOPED_TRACE(offset);
    const RangeSet staged = SetOf({{offset, offset + 4 * kKiB}});
    const WritePlan plan = Plan(kGiB, staged, kGiB);
    EXPECT_EQ(Fault(plan, {kGiB, &staged, kGiB, true}, Capabilities()), "");
    EXPECT_LE(Uploaded(plan), 8 * kMiB);
    EXPECT_LE(plan.parts.size(), 6u);
  }
}

TEST(PlanWrite, TheEndIsUploadedAsItIs) {
  const RangeSet staged = SetOf({{kGiB - 4 * kKiB, kGiB}});
  EXPECT_EQ(Uploaded(Plan(kGiB, staged, kGiB)), 4 * kKiB);
  const RangeSet appended = SetOf({{kGiB, kGiB + 100}});
  EXPECT_EQ(Uploaded(Plan(kGiB + 100, appended, kGiB)), 100u);
}

TEST(PlanWrite, AShortCleanEndIsNotWorthACopy) {
  const RangeSet staged = SetOf({{20 * kMiB, 40 * kMiB}});
  EXPECT_EQ(Uploaded(Plan(40 * kMiB + 1, staged, 40 * kMiB + 1)), 20 * kMiB + 1);
  EXPECT_EQ(Uploaded(Plan(42 * kMiB, staged, 42 * kMiB)), 20 * kMiB);
}

TEST(PlanWrite, HolesAreUploaded) {
  const WritePlan plan = Plan(100 * kMiB, RangeSet(), 40 * kMiB);
  EXPECT_EQ(plan.copied_bytes, 40 * kMiB);
  EXPECT_EQ(Uploaded(plan), 60 * kMiB);
}

TEST(PlanWrite, ARunThatWouldCostItsNeighboursMoreIsUploaded) {
  // 5 MiB of clean bytes between two dirty ones: copying them would upload 10 MiB around them.
  const uint64_t mid = 500 * kMiB;
  const RangeSet staged = SetOf({{mid, mid + 1}, {mid + 1 + 5 * kMiB, mid + 2 + 5 * kMiB}});
  EXPECT_EQ(Uploaded(Plan(kGiB, staged, kGiB)), 5 * kMiB + 2);
}

TEST(PlanWrite, NoCopiesWhereTheStoreCannotGuardThem) {
  const RangeSet staged = SetOf({{0, 1}});
  for (const auto flag : {&Capabilities::part_copy, &Capabilities::copy_source,
                          &Capabilities::conditional_complete}) {
    Capabilities caps;
    caps.*flag = false;
    EXPECT_EQ(Plan(kGiB, staged, kGiB, caps).copied_bytes, 0u);
  }
  Capabilities caps;
  caps.equal_parts = true;
  const WritePlan plan = Plan(kGiB + 1, staged, kGiB + 1, caps);
  EXPECT_EQ(Fault(plan, {kGiB + 1, &staged, kGiB + 1, true}, caps), "");
  EXPECT_EQ(plan.parts[0].range.size(), 8 * kMiB);
  EXPECT_EQ(plan.parts.back().range.size(), 1u);
}

TEST(PlanWrite, ScatteredChangesStayWithinTheMostParts) {
  Capabilities caps;
  caps.most_parts = 20;
  RangeSet staged;
  for (uint64_t at = 0; at < 2 * kGiB; at += 32 * kMiB) staged.Add({at, at + 1});
  staged.Remove({kGiB, 2 * kGiB});  // one large clean run is worth copying with few parts, too
  const WritePlan plan = Plan(2 * kGiB, staged, 2 * kGiB, caps);
  EXPECT_EQ(Fault(plan, {2 * kGiB, &staged, 2 * kGiB, true}, caps), "");
  EXPECT_GE(plan.copied_bytes, kGiB - 32 * kMiB);
}

TEST(PlanWrite, AHundredThousandChangesArePlannedInTime) {
  RangeSet staged;
  for (uint64_t i = 0; i < 100000; ++i) staged.Add({i * 11 * kMiB, i * 11 * kMiB + 4 * kKiB});
  const uint64_t size = 100000 * 11 * kMiB;
  const WritePlan plan = Plan(size, staged, size);
  EXPECT_EQ(Fault(plan, {size, &staged, size, true}, Capabilities()), "");
}

// ---- Properties
// ----------------------------------------------------------------------------------

struct Case {
  WriteShape shape;
  RangeSet staged;
};

Case ACase(uint64_t largest) {
  Case c;
  c.shape.size = *rc::gen::inRange<uint64_t>(1, largest);
  c.shape.has_base = *rc::gen::weightedElement<bool>({{5, true}, {1, false}});
  c.shape.base_visible =
      *rc::gen::oneOf(rc::gen::just(c.shape.size), rc::gen::inRange<uint64_t>(0, largest));
  const int writes = *rc::gen::inRange(0, 12);
  for (int i = 0; i < writes; ++i) {
    const uint64_t begin = *rc::gen::inRange<uint64_t>(0, c.shape.size + 2);
    const uint64_t length = *rc::gen::oneOf(rc::gen::inRange<uint64_t>(1, 3),
                                            rc::gen::inRange<uint64_t>(1, largest / 4));
    c.staged.Add({begin, begin + length});
  }
  // What is past the base or the end is not "visible"; the planner must not rely on that.
  if (*rc::gen::arbitrary<bool>())
    c.shape.base_visible = std::min(c.shape.base_visible, c.shape.size);
  return c;
}

TEST(PlanWriteProperty, PlansAreLegalWhateverTheStore) {
  EXPECT_TRUE(rc::check("legal plans", [] {
    Case c = ACase(2000);
    c.shape.staged = &c.staged;
    Capabilities caps;
    caps.smallest_part = *rc::gen::inRange<uint64_t>(1, 40);
    caps.largest_part = caps.smallest_part + *rc::gen::inRange<uint64_t>(0, 300);
    caps.largest_copy = *rc::gen::inRange<uint64_t>(1, 600);
    caps.most_parts = *rc::gen::inRange<uint32_t>(1, 60);
    caps.equal_parts = *rc::gen::weightedElement<bool>({{4, false}, {1, true}});
    const PartPolicy policy{*rc::gen::inRange<uint64_t>(0, 100), 0};
    const auto plan = PlanWrite(c.shape, policy, caps);
    if (!plan.ok()) {
      RC_ASSERT(ErrnoOf(plan.status()) == EFBIG);
      RC_ASSERT(c.shape.size > caps.largest_part * caps.most_parts);
      RC_DISCARD("too large");
    }
    RC_CLASSIFY(plan->copied_bytes > 0, "with copies");
    RC_ASSERT(Fault(*plan, c.shape, caps) == "");
    RC_ASSERT(Uploaded(*plan) + plan->copied_bytes == c.shape.size);
  }));
}

// The most bytes that legal parts can copy, byte by byte.
uint64_t MostCopied(const WriteShape& shape, uint64_t smallest) {
  const size_t size = shape.size;
  std::vector<int64_t> best(size + 1, -1);
  best[0] = 0;
  for (size_t begin = 0; begin < size; ++begin) {
    if (best[begin] < 0) continue;
    for (size_t end = begin + 1; end <= size; ++end) {
      if (end - begin < smallest && end != size) continue;
      best[end] = std::max(best[end], best[begin]);
      const bool clean =
          end <= shape.base_visible && !shape.staged->Intersects({begin, end}) && shape.has_base;
      // A clean end is copied from a size on at which it is worth it: here that of any part.
      if (clean && end - begin >= smallest) {
        best[end] = std::max<int64_t>(best[end], best[begin] + static_cast<int64_t>(end - begin));
      }
    }
  }
  return static_cast<uint64_t>(best[size]);
}

TEST(PlanWriteProperty, NoLegalPlanUploadsLess) {
  EXPECT_TRUE(rc::check("fewest bytes", [] {
    Case c = ACase(120);
    c.shape.staged = &c.staged;
    Capabilities caps;
    caps.smallest_part = *rc::gen::inRange<uint64_t>(1, 12);
    RC_PRE(c.shape.base_visible > caps.smallest_part);
    const PartPolicy policy{*rc::gen::inRange<uint64_t>(1, 30), 0};
    const auto plan = PlanWrite(c.shape, policy, caps);
    RC_ASSERT(plan.ok());
    RC_CLASSIFY(plan->copied_bytes > 0, "with copies");
    RC_ASSERT(plan->copied_bytes == MostCopied(c.shape, caps.smallest_part));
  }));
}

// ---- Uploads of unknown length
// -------------------------------------------------------------------

TEST(StreamingParts, BeginWithPartSizeAndReachTheLargestObject) {
  const PartPolicy policy;
  const Capabilities caps;
  uint64_t at = 0;
  uint64_t before = 0;
  for (uint32_t number = 1; number <= caps.most_parts; ++number) {
    const ByteRange range = StreamingPartRange(number, policy, caps);
    ASSERT_EQ(range.begin, at);
    ASSERT_EQ(range.size(), StreamingPartSize(number, policy, caps));
    ASSERT_GE(range.size(), before);
    ASSERT_LE(range.size(), caps.largest_part);
    if (number <= 900) {
      ASSERT_EQ(range.size(), policy.part_size);
    }
    at = range.end;
    before = range.size();
  }
  EXPECT_GE(at, caps.largest_object);
}

TEST(StreamingParts, EqualPartsStayEqual) {
  Capabilities caps;
  caps.equal_parts = true;
  EXPECT_EQ(StreamingPartSize(1, PartPolicy(), caps), 8 * kMiB);
  EXPECT_EQ(StreamingPartSize(10000, PartPolicy(), caps), 8 * kMiB);
  EXPECT_EQ(StreamingPartRange(10000, PartPolicy(), caps).end, 80000 * kMiB);
}

TEST(StreamingParts, PartSizeIsMadeLegal) {
  EXPECT_EQ(StreamingPartSize(1, {kMiB, 0}, Capabilities()), 5 * kMiB);
  EXPECT_EQ(StreamingPartSize(1, {9 * kGiB, 0}, Capabilities()), 5 * kGiB);
}

TEST(StreamingPartsProperty, ContiguousMonotonicAndFarEnough) {
  EXPECT_TRUE(rc::check("streaming parts", [] {
    Capabilities caps;
    caps.smallest_part = *rc::gen::inRange<uint64_t>(1, 50);
    caps.largest_part = caps.smallest_part + *rc::gen::inRange<uint64_t>(0, 5000);
    caps.most_parts = *rc::gen::inRange<uint32_t>(1, 200);
    caps.largest_object = *rc::gen::inRange<uint64_t>(1, 400000);
    const PartPolicy policy{*rc::gen::inRange<uint64_t>(0, 500), 0};
    ByteRange range;
    uint64_t before = 0;
    for (uint32_t number = 1; number <= caps.most_parts; ++number) {
      const ByteRange next = StreamingPartRange(number, policy, caps);
      RC_ASSERT(next.begin == range.end);
      RC_ASSERT(next.size() == StreamingPartSize(number, policy, caps));
      RC_ASSERT(next.size() >= std::max(before, caps.smallest_part));
      RC_ASSERT(next.size() <= caps.largest_part);
      range = next;
      before = next.size();
    }
    const uint64_t first = StreamingPartSize(1, policy, caps);
    RC_ASSERT(first == std::clamp(policy.part_size, caps.smallest_part, caps.largest_part));
    // Doubling from the first part on is as far as steps can go.
    uint64_t farthest = 0;
    for (uint64_t i = 0, size = first; i < caps.most_parts; ++i) {
      farthest += size;
      size = std::min(size * 2, caps.largest_part);
    }
    RC_ASSERT(range.end >= std::min(caps.largest_object, farthest));
  }));
}

}  // namespace
}  // namespace s3files
