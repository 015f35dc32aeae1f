#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/store/store_conformance.h"

namespace s3files {
namespace {

TEST_P(StoreConformance, UploadInParts) {
  const size_t size = can().smallest_part;
  const std::string first = Bytes(size, 1), second = Bytes(size, 2), last = "the end";
  PutRequest request;
  request.key = Key("big");
  request.metadata.user = {{"file-owner", "1000"}};
  request.metadata.content_type = "video/mp4";
  request.commit_id = "abc123";
  const auto id = store_->CreateUpload(call_, request);
  ASSERT_TRUE(id.ok()) << id.status();
  // Parts may come in any order, and a number again.
  const auto three = Part("big", *id, 3, last);
  const auto one = Part("big", *id, 1, first);
  ASSERT_TRUE(Part("big", *id, 2, first).ok());
  const auto two = Part("big", *id, 2, second);
  ASSERT_TRUE(one.ok() && two.ok() && three.ok());
  EXPECT_EQ(two->number, 2u);
  EXPECT_EQ(two->size, size);
  EXPECT_FALSE(Exists("big"));

  const auto parts = store_->ListParts(call_, Key("big"), *id);
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 3u);
  EXPECT_EQ((*parts)[1].etag, two->etag);
  EXPECT_EQ((*parts)[1].number, 2u);
  EXPECT_EQ((*parts)[2].size, last.size());
  const auto uploads = store_->ListUploads(call_, prefix_);
  ASSERT_TRUE(uploads.ok()) << uploads.status();
  ASSERT_EQ(uploads->size(), 1u);
  EXPECT_EQ((*uploads)[0].key, Key("big"));
  EXPECT_EQ((*uploads)[0].upload_id, *id);
  EXPECT_GT((*uploads)[0].initiated_ns, 0);

  const auto stamp = Complete("big", *id, *parts);
  ASSERT_TRUE(stamp.ok()) << stamp.status();
  EXPECT_TRUE(Read("big") == first + second + last);
  const auto info = store_->Head(call_, Key("big"));
  ASSERT_TRUE(info.ok());
  if (can().strong_etags) {
    EXPECT_EQ(info->stamp.version, stamp->version);
  }
  EXPECT_EQ(info->metadata.content_type, "video/mp4");
  EXPECT_EQ(info->metadata.user.at("file-owner"), "1000");
  EXPECT_EQ(info->metadata.user.at(kCommitIdName), "abc123");
  EXPECT_TRUE(store_->ListUploads(call_, prefix_)->empty());
  EXPECT_EQ(ErrorIn(store_->ListParts(call_, Key("big"), *id)), ENOENT);
}

TEST_P(StoreConformance, TagsComeBackAndAreCopied) {
  PutRequest request;
  request.key = Key("tagged");
  request.tags = {{"a b", "c=d&e+f"}, {"empty", ""}, {"\xc3\xa4", "\xe2\x82\xac"}};
  MemorySource body("x");
  ASSERT_TRUE(store_->Put(call_, request, body).ok());
  CopyRequest copy;
  copy.source_key = Key("tagged");
  copy.key = Key("copy");
  copy.metadata.emplace();
  copy.metadata->content_type = "text/plain";
  ASSERT_TRUE(store_->Copy(call_, copy).ok());
  request.key = Key("parts");
  const auto id = store_->CreateUpload(call_, request);
  ASSERT_TRUE(id.ok()) << id.status();
  const auto part = Part("parts", *id, 1, "bytes");
  ASSERT_TRUE(part.ok()) << part.status();
  ASSERT_TRUE(Complete("parts", *id, {*part}).ok());
  for (const char* name : {"tagged", "copy", "parts"}) {
    const auto tags = store_->GetTags(call_, Key(name));
    ASSERT_TRUE(tags.ok()) << name << ": " << tags.status();
    EXPECT_EQ(*tags, request.tags) << name;
    EXPECT_EQ(store_->Head(call_, Key(name))->tag_count, 3u) << name;
    StringSink sink(10);
    EXPECT_EQ(store_->Get(call_, {Key(name), {}, {}, false}, sink)->tag_count, 3u) << name;
  }
  ASSERT_TRUE(Put("tagged", "y").ok());  // nothing of the old object's stays
  EXPECT_EQ(store_->Head(call_, Key("tagged"))->tag_count, 0u);
  EXPECT_TRUE(store_->GetTags(call_, Key("tagged"))->empty());
  EXPECT_EQ(ErrorIn(store_->GetTags(call_, Key("none"))), ENOENT);
}

TEST_P(StoreConformance, PartsMayBeLeftOut) {
  const std::string id = StartUpload("a");
  ASSERT_TRUE(Part("a", id, 1, "unused").ok());
  const auto used = Part("a", id, 7, "used");
  ASSERT_TRUE(used.ok());
  S3FILES_EXPECT_OK(Complete("a", id, {*used}));
  EXPECT_EQ(Read("a"), "used");
}

TEST_P(StoreConformance, WrongCompletionsAreRefused) {
  const std::string id = StartUpload("a");
  const auto small = Part("a", id, 1, "small");
  const auto last = Part("a", id, 2, "last");
  ASSERT_TRUE(small.ok() && last.ok());
  UploadedPart wrong = *last;
  wrong.etag = "00000000000000000000000000000bad";
  UploadedPart missing = *last;
  missing.number = 3;
  EXPECT_EQ(ErrorIn(Complete("a", id, {})), EINVAL);
  EXPECT_EQ(ErrorIn(Complete("a", id, {wrong})), EINVAL);
  EXPECT_EQ(ErrorIn(Complete("a", id, {missing})), EINVAL);
  EXPECT_EQ(ErrorIn(Complete("a", id, {*last, *small})), EINVAL);
  EXPECT_EQ(ErrorIn(Complete("a", id, {*small, *small})), EINVAL);
  if (can().smallest_part > 5) {
    EXPECT_EQ(ErrorIn(Complete("a", id, {*small, *last})), EINVAL);
  }
  EXPECT_EQ(ErrorIn(Complete("a", "no-such-upload", {*last})), ENOENT);
  EXPECT_FALSE(Exists("a"));
  S3FILES_EXPECT_OK(Complete("a", id, {*last}));
  EXPECT_EQ(Read("a"), "last");
}

TEST_P(StoreConformance, PartNumbersAreChecked) {
  const std::string id = StartUpload("a");
  EXPECT_EQ(ErrorIn(Part("a", id, 0, "x")), EINVAL);
  EXPECT_EQ(ErrorIn(Part("a", id, can().most_parts + 1, "x")), EINVAL);
  S3FILES_EXPECT_OK(Part("a", id, can().most_parts, "x"));
  S3FILES_EXPECT_OK(store_->AbortUpload(call_, Key("a"), id));
}

TEST_P(StoreConformance, EqualParts) {
  const size_t size = can().smallest_part;
  const std::string id = StartUpload("a");
  const auto one = Part("a", id, 1, Bytes(size, 1));
  const auto two = Part("a", id, 2, Bytes(size + 1, 2));
  const auto three = Part("a", id, 3, "x");
  ASSERT_TRUE(one.ok() && two.ok() && three.ok());
  const int error = ErrorIn(Complete("a", id, {*one, *two, *three}));
  EXPECT_EQ(error, can().equal_parts ? EINVAL : 0);
  if (error != 0) {
    S3FILES_EXPECT_OK(Complete("a", id, {*one, *three}));
  }
}

TEST_P(StoreConformance, AbortLeavesNothing) {
  const std::string id = StartUpload("a");
  const auto part = Part("a", id, 1, "x");
  ASSERT_TRUE(part.ok());
  S3FILES_EXPECT_OK(store_->AbortUpload(call_, Key("a"), id));
  S3FILES_EXPECT_OK(store_->AbortUpload(call_, Key("a"), id));
  S3FILES_EXPECT_OK(store_->AbortUpload(call_, Key("a"), "never-was"));
  EXPECT_EQ(ErrorIn(Part("a", id, 2, "y")), ENOENT);
  EXPECT_EQ(ErrorIn(Complete("a", id, {*part})), ENOENT);
  EXPECT_TRUE(store_->ListUploads(call_, prefix_)->empty());
  EXPECT_FALSE(Exists("a"));
}

TEST_P(StoreConformance, UploadsOfOneKeyAreApart) {
  const std::string a = StartUpload("k"), b = StartUpload("k"), other = StartUpload("other");
  EXPECT_NE(a, b);
  const auto in_a = Part("k", a, 1, "from a");
  const auto in_b = Part("k", b, 1, "from b");
  ASSERT_TRUE(in_a.ok() && in_b.ok());
  EXPECT_EQ(store_->ListUploads(call_, prefix_)->size(), 3u);
  EXPECT_EQ(store_->ListUploads(call_, Key("k"))->size(), 2u);
  EXPECT_EQ(ErrorIn(Part("k", other, 1, "x")), ENOENT);  // the upload is another key's
  S3FILES_EXPECT_OK(Complete("k", b, {*in_b}));
  EXPECT_EQ(Read("k"), "from b");
  S3FILES_EXPECT_OK(Complete("k", a, {*in_a}));
  EXPECT_EQ(Read("k"), "from a");
  S3FILES_EXPECT_OK(store_->AbortUpload(call_, Key("other"), other));
}

TEST_P(StoreConformance, CompleteUnderACondition) {
  const bool honoured = can().conditional_complete;
  ASSERT_TRUE(Put("a", "before").ok());
  std::string id = StartUpload("a");
  auto part = Part("a", id, 1, "after");
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(ErrorIn(Complete("a", id, {*part}, Precondition::Is(Version::Unknown()))), EINVAL);
  EXPECT_EQ(ErrorIn(Complete("a", id, {*part}, Create())), honoured ? EEXIST : 0);
  EXPECT_EQ(Read("a"), honoured ? "before" : "after");
  if (!honoured) return;
  EXPECT_EQ(ErrorIn(Complete("a", id, {*part}, Wrong())), ESTALE);
  EXPECT_EQ(Read("a"), "before");
  S3FILES_EXPECT_OK(store_->ListParts(call_, Key("a"), id));  // the upload still exists
  if (can().strong_etags) {
    S3FILES_EXPECT_OK(Complete("a", id, {*part}, Precondition::Is(VersionOf("a"))));
    EXPECT_EQ(Read("a"), "after");
  }
  id = StartUpload("fresh");
  part = Part("fresh", id, 1, "created");
  S3FILES_EXPECT_OK(Complete("fresh", id, {*part}, Create()));
  EXPECT_EQ(Read("fresh"), "created");
}

TEST_P(StoreConformance, OneOfManyCompletionsWins) {
  if (!can().conditional_complete) GTEST_SKIP() << "not honoured";
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i, &won] {
      const std::string id = StartUpload("race");
      const auto part = Part("race", id, 1, "writer " + std::to_string(i));
      ASSERT_TRUE(part.ok()) << part.status();
      const int error = ErrorIn(Complete("race", id, {*part}, Create()));
      EXPECT_TRUE(error == 0 || error == EEXIST) << error;
      if (error == 0) ++won;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
}

TEST_P(StoreConformance, CopyingParts) {
  const size_t size = can().smallest_part;
  const std::string old = Bytes(2 * size + 100, 5);
  ASSERT_TRUE(Put("source", old).ok());
  const std::string id = StartUpload("a");
  PartCopyRequest copy;
  copy.key = Key("a");
  copy.upload_id = id;
  copy.number = 1;
  copy.source_key = Key("source");
  copy.source_version = VersionOf("source");
  copy.source_range = {100, 100 + size};
  const auto one = store_->CopyPart(call_, copy);
  if (!can().part_copy) {
    EXPECT_NE(ErrorIn(one), 0);
    return;
  }
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->size, size);
  const auto two = Part("a", id, 2, Bytes(size, 6));
  copy.number = 3;
  copy.source_range = {2 * size, 2 * size + 100};
  const auto three = store_->CopyPart(call_, copy);
  ASSERT_TRUE(two.ok() && three.ok());
  S3FILES_EXPECT_OK(Complete("a", id, {*one, *two, *three}));
  EXPECT_TRUE(Read("a") == old.substr(100, size) + Bytes(size, 6) + old.substr(2 * size));
}

TEST_P(StoreConformance, CopyingPartsGoesWrong) {
  if (!can().part_copy) GTEST_SKIP() << "no part copies";
  ASSERT_TRUE(Put("source", "0123456789").ok());
  PartCopyRequest copy;
  copy.key = Key("a");
  copy.upload_id = StartUpload("a");
  copy.number = 1;
  copy.source_key = Key("source");
  copy.source_range = {0, 10};
  copy.source_version = Wrong().version();
  EXPECT_EQ(ErrorIn(store_->CopyPart(call_, copy)), can().copy_source ? ESTALE : 0);
  copy.source_version = Version();
  copy.source_key = Key("missing");
  EXPECT_EQ(ErrorIn(store_->CopyPart(call_, copy)), ENOENT);
  copy.source_key = Key("source");
  copy.source_range = {0, 11};
  const int error = ErrorIn(store_->CopyPart(call_, copy));
  EXPECT_TRUE(error == ERANGE || error == EINVAL) << error;
  copy.source_range = {0, 10};
  const std::string id = copy.upload_id;
  copy.upload_id = "no-such-upload";
  EXPECT_EQ(ErrorIn(store_->CopyPart(call_, copy)), ENOENT);
  S3FILES_EXPECT_OK(store_->AbortUpload(call_, Key("a"), id));
}

TEST_P(StoreConformance, PartsInParallel) {
  const size_t size = can().smallest_part;
  const std::string id = StartUpload("a");
  std::vector<UploadedPart> parts(4);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const auto part = Part("a", id, i + 1, Bytes(size, static_cast<int>(i)));
      ASSERT_TRUE(part.ok()) << part.status();
      parts[i] = *part;
    });
  }
  for (std::thread& thread : threads) thread.join();
  S3FILES_EXPECT_OK(Complete("a", id, parts));
  std::string whole;
  for (int i = 0; i < 4; ++i) whole += Bytes(size, i);
  EXPECT_TRUE(Read("a") == whole);
}

}  // namespace
}  // namespace s3files
