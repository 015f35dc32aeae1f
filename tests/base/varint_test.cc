#include "lib/base/varint.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace s3files {
namespace {

TEST(VarintTest, TakesSevenBitsAByte) {
  std::string bytes;
  for (const uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, UINT64_MAX}) {
    AppendVarint(value, &bytes);
  }
  EXPECT_EQ(bytes.size(), 1u + 1 + 2 + 10);
  absl::string_view rest = bytes;
  for (const uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, UINT64_MAX}) {
    EXPECT_EQ(TakeVarint(&rest), value);
  }
  EXPECT_TRUE(rest.empty());
}

TEST(VarintTest, DigestsTakeHalf) {
  std::string bytes;
  AppendDigest("d41d8cd98f00b204e9800998ecf8427e", &bytes);
  EXPECT_EQ(bytes.size(), 17u);
}

RC_GTEST_PROP(VarintProperty, GivesBackWhatItWasGiven, ()) {
  const auto hex = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("0123abcdefA")));
  const auto text = *rc::gen::arbitrary<std::string>();
  const auto value = *rc::gen::arbitrary<uint64_t>();
  std::string bytes;
  AppendDigest(hex, &bytes);
  AppendText(text, &bytes);
  AppendDigest(text, &bytes);
  AppendVarint(value, &bytes);
  absl::string_view rest = bytes;
  RC_ASSERT(TakeDigest(&rest) == hex);
  RC_ASSERT(TakeText(&rest) == text);
  RC_ASSERT(TakeDigest(&rest) == text);
  RC_ASSERT(TakeVarint(&rest) == value);
  RC_ASSERT(rest.empty());
}

}  // namespace
}  // namespace s3files
