#include "lib/s3/uri.h"

#include <gtest/gtest.h>

namespace s3files {
namespace {

TEST(Uri, KeysAreEncodedOnceAndNeverNormalised) {
  EXPECT_EQ(EncodeKey("a b"), "a%20b");
  EXPECT_EQ(EncodeKey("a+b"), "a%2Bb");
  EXPECT_EQ(EncodeKey("100%"), "100%25");
  EXPECT_EQ(EncodeKey("%20"), "%2520");
  EXPECT_EQ(EncodeKey("\xC3\xA9/\xE2\x82\xAC"), "%C3%A9/%E2%82%AC");
  EXPECT_EQ(EncodeKey("a/../b/./c//d/"), "a/../b/./c//d/");
  EXPECT_EQ(EncodeKey("-._~"), "-._~");
  EXPECT_EQ(EncodeKey("!*'();:@&=$,?#[]\""), "%21%2A%27%28%29%3B%3A%40%26%3D%24%2C%3F%23%5B%5D%22");
  EXPECT_EQ(EncodeKey(absl::string_view("\0\x01\xff", 3)), "%00%01%FF");
  EXPECT_EQ(EncodeUri("a/b"), "a%2Fb");
}

TEST(Uri, DecodingUndoesEncodingOfEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(DecodeUri(EncodeUri(all)), all);
  EXPECT_EQ(DecodeUri("a+b%2b"), "a b+");
  EXPECT_EQ(DecodeUri("%"), std::nullopt);
  EXPECT_EQ(DecodeUri("%4"), std::nullopt);
  EXPECT_EQ(DecodeUri("%4g"), std::nullopt);
}

TEST(Uri, QueriesAreOrderedByEncodedName) {
  EXPECT_EQ(EncodeQuery({{"uploadId", "x/y+z="}, {"partNumber", "1"}}),
            "partNumber=1&uploadId=x%2Fy%2Bz%3D");
  EXPECT_EQ(EncodeQuery({{"uploads", ""}}), "uploads=");
  EXPECT_EQ(EncodeQuery({{"prefix", "a b&c"}, {"prefix", "B"}}), "prefix=B&prefix=a%20b%26c");
  EXPECT_EQ(EncodeQuery({}), "");
}

}  // namespace
}  // namespace s3files
