// Files that change places: [N9] of SEMANTICS.md.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

using Names = std::vector<std::string>;

class ExchangeTest : public testing::Test {
 protected:
  absl::Status Exchange(Host& host, absl::string_view a, absl::string_view b) {
    return host.fs().Rename(host.call, nullptr, a, nullptr, b, kRenameExchange);
  }
  // What the bucket holds, as "key=bytes".
  Names Contents() const {
    Names all;
    for (const std::string& key : bucket_.Keys()) {
      all.push_back(absl::StrCat(key, "=", *bucket_.Get(key)));
    }
    return all;
  }

  Bucket bucket_;
  Host host_{bucket_};
  Host other_{bucket_};
};

// [N9]
TEST_F(ExchangeTest, N9CommittedFilesChangePlaces) {
  bucket_.Put("a", "1");
  bucket_.Put("d/b", Noise(3 * kBlockSize));
  std::unique_ptr<Handle> a = host_.Open("a", kOpenRead | kOpenWrite);
  std::unique_ptr<Handle> b = host_.Open("d/b");
  host_.store().Run(
      Op::kCopy, [&] { EXPECT_EQ(other_.List("d"), Names{"b"}) << "hidden"; }, FaultyStore::kAfter);
  ASSERT_TRUE(Exchange(host_, "a", "d/b").ok());
  EXPECT_EQ(Contents(), (Names{"a=" + Noise(3 * kBlockSize), "d/b=1"}));
  EXPECT_EQ(host_.Read(*a), "1");
  EXPECT_EQ(host_.Read(*b), Noise(3 * kBlockSize));
  ASSERT_TRUE(host_.Append(*a, "+").ok());
  EXPECT_TRUE(host_.Close(std::move(a)).ok());
  EXPECT_TRUE(host_.Close(std::move(b)).ok());
  EXPECT_EQ(bucket_.Get("d/b"), "1+");
  EXPECT_EQ(host_.ReadFile("a"), Noise(3 * kBlockSize));
}

// [N9]
TEST_F(ExchangeTest, N9StagedFilesOnlySwapNames) {
  std::unique_ptr<Handle> a = host_.Create("a");
  std::unique_ptr<Handle> b = host_.Create("b");
  ASSERT_TRUE(host_.Write(*a, 0, "1").ok());
  ASSERT_TRUE(host_.Write(*b, 0, "2").ok());
  host_.Requests();
  ASSERT_TRUE(Exchange(host_, "a", "b").ok());
  EXPECT_EQ(host_.Requests(), "");
  EXPECT_TRUE(host_.Close(std::move(a)).ok());
  EXPECT_TRUE(host_.Close(std::move(b)).ok());
  EXPECT_EQ(Contents(), (Names{"a=2", "b=1"}));
}

// [N9]
TEST_F(ExchangeTest, N9ItsErrors) {
  bucket_.Put("a", "1");
  bucket_.Put("d/b", "2");
  EXPECT_EQ(ErrnoOf(Exchange(host_, "a", "none")), ENOENT);
  EXPECT_EQ(ErrnoOf(Exchange(host_, "a", "d")), ENOTSUP);
  EXPECT_EQ(ErrnoOf(Exchange(host_, "d", "a")), ENOTSUP);
  EXPECT_TRUE(Exchange(host_, "a", "a").ok());
  EXPECT_EQ(ErrnoOf(host_.fs().Rename(host_.call, nullptr, "a", nullptr, "d/b",
                                      kRenameExchange | kRenameNoReplace)),
            EINVAL);
  EXPECT_EQ(Contents(), (Names{"a=1", "d/b=2"}));
}

// Whatever fails, before or after its effect: both files are there, under these or those names, and
// handles go on.
// [N9]
TEST_F(ExchangeTest, N9EveryCallMayFail) {
  for (const auto when : {FaultyStore::kBefore, FaultyStore::kAfter}) {
    for (int nth = 1; nth <= 3; ++nth) {
      for (const int error : {EIO, EACCES}) {
        if (when == FaultyStore::kAfter && error == EACCES) continue;
        const std::string p = absl::StrCat("p", when, nth, error);
        bucket_.Put(p + "/a", "1");
        bucket_.Put(p + "/b", "2");
        std::unique_ptr<Handle> a = host_.Open(p + "/a");
        host_.store().Fail(Op::kCopy, Error(error, "refused"), when, nth);
        const absl::Status status = Exchange(host_, p + "/a", p + "/b");
        EXPECT_EQ(status.ok(), when == FaultyStore::kAfter) << p << status;
        EXPECT_EQ(bucket_.Get(p + "/a"), status.ok() ? "2" : "1") << p;
        EXPECT_EQ(bucket_.Get(p + "/b"), status.ok() ? "1" : "2") << p;
        EXPECT_EQ(host_.Read(*a), "1") << p;
        EXPECT_TRUE(host_.Close(std::move(a)).ok());
        EXPECT_EQ(host_.List(p), (Names{"a", "b"}));
        EXPECT_TRUE(Exchange(host_, p + "/a", p + "/b").ok());
        EXPECT_EQ(bucket_.Get(p + "/a"), status.ok() ? "1" : "2") << p;
      }
    }
  }
  for (const std::string& key : bucket_.Keys()) {
    EXPECT_FALSE(absl::StrContains(key, ".s3files-tmp-")) << key;
  }
  bucket_.Put("a", "1");
  bucket_.Put("b", "2");
  host_.store().Run(
      Op::kCopy, [&] { bucket_.Put("b", "foreign"); }, FaultyStore::kBefore, 3);
  EXPECT_EQ(ErrnoOf(Exchange(host_, "a", "b")), ESTALE);
  EXPECT_EQ(bucket_.Get("a"), "1");
  EXPECT_EQ(bucket_.Get("b"), "foreign");
}

// [N9] However late somebody else writes.
TEST_F(ExchangeTest, N9WhatOthersWriteMeanwhileStays) {
  bucket_.Put("a", "1");
  bucket_.Put("b", "2");
  host_.store().Run(
      Op::kCopy, [&] { bucket_.Put("b", "foreign"); }, FaultyStore::kAfter, 2);
  EXPECT_EQ(ErrnoOf(Exchange(host_, "a", "b")), ESTALE);
  EXPECT_EQ(Contents(), (Names{"a=1", "b=foreign"}));
  host_.store().Run(
      Op::kCopy, [&] { bucket_.Put("a", "foreign"); }, FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(Exchange(host_, "a", "b")), ESTALE);
  EXPECT_EQ(Contents(), (Names{"a=foreign", "b=foreign"}));
}

// [N9]
TEST_F(ExchangeTest, N9WhatCannotBeUndoneNamesTheTemporaryKey) {
  bucket_.Put("a", "1");
  bucket_.Put("b", "2");
  std::unique_ptr<Handle> a = host_.Open("a");
  host_.store().Fail(Op::kCopy, Error(EACCES, "refused"), FaultyStore::kBefore, 3, 2);
  const absl::Status status = Exchange(host_, "a", "b");
  EXPECT_EQ(ErrnoOf(status), EACCES);
  const Names keys = bucket_.Keys();
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_TRUE(absl::StrContains(status.message(), keys[0])) << status;
  EXPECT_EQ(Contents(), (Names{keys[0] + "=1", "a=2", "b=2"}));
  EXPECT_EQ(host_.Read(*a), "1");
  EXPECT_TRUE(host_.Close(std::move(a)).ok());
}

}  // namespace
}  // namespace s3files
