#include "lib/http/http_headers.h"

#include <gtest/gtest.h>

#include <string>

namespace s3files {
namespace {

TEST(HttpHeaders, NamesHaveNoCase) {
  HttpHeaders headers;
  EXPECT_TRUE(headers.Add("ETag", "\"a\""));
  EXPECT_TRUE(headers.Add("x-amz-meta-B", ""));
  EXPECT_EQ(headers.Get("etag"), "\"a\"");
  EXPECT_EQ(headers.Get("ETAGS"), "");
  EXPECT_TRUE(headers.Has("X-Amz-Meta-b"));
  EXPECT_FALSE(headers.Has("X-Amz-Meta-c"));
  EXPECT_EQ(headers.name(1), "x-amz-meta-B");
  headers.Clear();
  EXPECT_EQ(headers.size(), 0u);
}

TEST(HttpHeaders, AreBounded) {
  HttpHeaders many;
  int added = 0;
  while (added < 1000 && many.Add("n", "v")) ++added;
  EXPECT_EQ(added, 256);
  HttpHeaders large;
  EXPECT_FALSE(large.Add("n", std::string(70000, 'x')));
  EXPECT_TRUE(large.Add("n", std::string(60000, 'x')));
  EXPECT_FALSE(large.Add("n", std::string(10000, 'x')));
}

}  // namespace
}  // namespace s3files
