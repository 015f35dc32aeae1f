// The same small story against a server that none of us wrote: see `./dev test-live`.
//
//   S3FILES_LIVE_URL=s3://bucket/prefix   where; the bucket exists or can be created by its owner
//   S3FILES_LIVE_ENDPOINT=http://...      empty = AWS
//   S3FILES_LIVE_PROVIDER=ceph-rgw        empty = by the endpoint
//   S3FILES_LIVE_REGION=us-east-1
//   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/s3/s3_store.h"

namespace s3files {
namespace {

const Precondition kCreate = Precondition::Is(Version::Absent());

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class LiveTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string url = FromEnvironment("S3FILES_LIVE_URL");
    if (url.empty()) GTEST_SKIP() << "S3FILES_LIVE_URL is not set";
    absl::string_view rest = url;
    ASSERT_TRUE(absl::ConsumePrefix(&rest, "s3://")) << url;
    const size_t slash = std::min(rest.find('/'), rest.size());
    S3StoreOptions options;
    options.bucket = std::string(rest.substr(0, slash));
    prefix_ = std::string(absl::StripPrefix(rest.substr(slash), "/"));
    if (!prefix_.empty() && prefix_.back() != '/') prefix_ += '/';
    prefix_ += "live-" + RandomId().substr(0, 8) + "/";
    options.endpoint = FromEnvironment("S3FILES_LIVE_ENDPOINT");
    options.provider = FromEnvironment("S3FILES_LIVE_PROVIDER");
    options.region = FromEnvironment("S3FILES_LIVE_REGION");
    auto store = S3Store::Create(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    const absl::Status there = store_->Probe({}, "");
    ASSERT_TRUE(there.ok()) << there;
  }

  void TearDown() override {
    if (store_ == nullptr) return;
    for (const std::string& key : Keys()) {
      EXPECT_TRUE(store_->Delete({}, key, Precondition::None()).ok());
    }
  }

  std::vector<std::string> Keys() {
    std::vector<std::string> out;
    ListRequest list;
    list.prefix = prefix_;
    list.hierarchical = false;
    list.max_keys = 3;
    do {
      const auto page = store_->List({}, list);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) return out;
      for (const ListedObject& object : page->objects) out.push_back(object.key);
      list.token = page->next_token;
    } while (!list.token.empty());
    return out;
  }

  absl::StatusOr<Stamp> Put(const std::string& name, absl::string_view bytes,
                            Precondition precondition = Precondition::None()) {
    MemorySource body(bytes);
    ObjectMetadata metadata;
    metadata.user["file-mtime"] = "1ns";
    metadata.user["spaces"] = "a  b";
    metadata.content_type = "text/x-live";
    return store_->Put({}, {prefix_ + name, metadata, precondition, RandomId()}, body);
  }

  std::string Read(const std::string& name, std::optional<ByteRange> range = {}) {
    StringSink sink(64 << 20);
    const auto info = store_->Get({}, {prefix_ + name, range, {}, false}, sink);
    EXPECT_TRUE(info.ok()) << name << ": " << info.status();
    return sink.bytes();
  }

  std::string prefix_;
  std::unique_ptr<S3Store> store_;
};

TEST_F(LiveTest, PutGetHeadListDelete) {
  std::vector<std::string> names = {"plain",       "a b", "a+b",     "100%",
                                    "caf\xC3\xA9", "d/e", "a&b=c?d#"};
  for (const std::string& name : names) {
    const auto stamp = Put(name, "0123456789");
    ASSERT_TRUE(stamp.ok()) << name << ": " << stamp.status();
    const auto head = store_->Head({}, prefix_ + name);
    ASSERT_TRUE(head.ok()) << name << ": " << head.status();
    EXPECT_EQ(head->stamp.version, stamp->version);
    EXPECT_EQ(head->size, 10u);
    EXPECT_EQ(head->metadata.user.at("file-mtime"), "1ns");
    EXPECT_EQ(head->metadata.user.at("spaces"), "a  b");
    EXPECT_EQ(head->metadata.content_type, "text/x-live");
    EXPECT_EQ(Read(name), "0123456789");
    EXPECT_EQ(Read(name, ByteRange{2, 5}), "234");
    EXPECT_EQ(Read(name, ByteRange{5, 500}), "56789");
  }
  ASSERT_TRUE(Put("empty", "").ok());
  EXPECT_EQ(Read("empty"), "");
  EXPECT_EQ(Keys().size(), names.size() + 1);

  ListRequest list;
  list.prefix = prefix_;
  const auto page = store_->List({}, list);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->prefixes, std::vector<std::string>{prefix_ + "d/"});
  for (const ListedObject& object : page->objects) {
    const auto head = store_->Head({}, object.key);
    ASSERT_TRUE(head.ok()) << object.key;
    EXPECT_EQ(head->stamp, object.stamp) << object.key;  // one object, one stamp
  }
  std::vector<std::string> keys;
  for (const std::string& name : names) keys.push_back(prefix_ + name);
  const auto deleted = store_->DeleteMany({}, keys);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(Keys().size(), 1u);
  EXPECT_EQ(ErrnoOf(store_->Head({}, keys[0]).status()), ENOENT);
  EXPECT_TRUE(store_->Delete({}, keys[0], Precondition::None()).ok());
}

TEST_F(LiveTest, ReadErrors) {
  const auto stamp = Put("k", "0123456789");
  ASSERT_TRUE(stamp.ok());
  StringSink sink(100);
  EXPECT_EQ(ErrnoOf(store_->Get({}, {prefix_ + "no", {}, {}, false}, sink).status()), ENOENT);
  EXPECT_EQ(ErrnoOf(store_->Get({}, {prefix_ + "k", ByteRange{10, 20}, {}, false}, sink).status()),
            ERANGE);
  EXPECT_TRUE(store_->Get({}, {prefix_ + "k", {}, stamp->version, false}, sink).ok());
  const Version other = Version::Of("00000000000000000000000000000000");
  EXPECT_EQ(ErrnoOf(store_->Get({}, {prefix_ + "k", {}, other, false}, sink).status()), ESTALE);
}

TEST_F(LiveTest, ConditionalCreate) {
  if (!store_->capabilities().conditional_create) GTEST_SKIP() << "not honoured by this store";
  ASSERT_TRUE(Put("k", "1", kCreate).ok());
  EXPECT_EQ(ErrnoOf(Put("k", "2", kCreate).status()), EEXIST);
  EXPECT_EQ(Read("k"), "1");
}

TEST_F(LiveTest, ConditionalReplace) {
  if (!store_->capabilities().conditional_replace) GTEST_SKIP() << "not honoured by this store";
  const auto first = Put("k", "1");
  ASSERT_TRUE(first.ok());
  const auto second = Put("k", "2", Precondition::Is(first->version));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(ErrnoOf(Put("k", "3", Precondition::Is(first->version)).status()), ESTALE);
  EXPECT_EQ(Read("k"), "2");
  EXPECT_EQ(ErrnoOf(Put("gone", "3", Precondition::Is(first->version)).status()), ESTALE);
}

TEST_F(LiveTest, ConditionalDelete) {
  if (!store_->capabilities().conditional_delete) GTEST_SKIP() << "not honoured by this store";
  const auto first = Put("k", "1");
  const auto second = Put("k", "2");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(ErrnoOf(store_->Delete({}, prefix_ + "k", Precondition::Is(first->version))), ESTALE);
  EXPECT_TRUE(store_->Delete({}, prefix_ + "k", Precondition::Is(second->version)).ok());
}

TEST_F(LiveTest, Copy) {
  for (const char* name : {"k", "a b+c", "caf\xC3\xA9"}) {
    ASSERT_TRUE(Put(name, "0123456789").ok());
    const auto kept =
        store_->Copy({}, {prefix_ + name, {}, prefix_ + "kept", Precondition::None(), {}, ""});
    ASSERT_TRUE(kept.ok()) << name << ": " << kept.status();
    const auto head = store_->Head({}, prefix_ + "kept");
    ASSERT_TRUE(head.ok());
    EXPECT_EQ(head->stamp.version, kept->version);
    EXPECT_EQ(head->metadata.user.at("file-mtime"), "1ns");
    EXPECT_EQ(Read("kept"), "0123456789");
  }
  ObjectMetadata metadata;
  metadata.user["file-mtime"] = "2ns";
  ASSERT_TRUE(
      store_->Copy({}, {prefix_ + "k", {}, prefix_ + "k", Precondition::None(), metadata, "cc"})
          .ok());
  const auto head = store_->Head({}, prefix_ + "k");
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->metadata.user.at("file-mtime"), "2ns");
  EXPECT_EQ(head->metadata.user.at(kCommitIdName), "cc");
  EXPECT_EQ(
      ErrnoOf(store_->Copy({}, {prefix_ + "no", {}, prefix_ + "x", Precondition::None(), {}, ""})
                  .status()),
      ENOENT);
}

TEST_F(LiveTest, Multipart) {
  const std::string key = prefix_ + "multi part+";
  const std::string bytes(5 << 20, 'm');
  ASSERT_TRUE(Put("source", bytes + "tail").ok());
  const auto id = store_->CreateUpload({}, {key, {}, Precondition::None(), "cm"});
  ASSERT_TRUE(id.ok()) << id.status();
  MemorySource body(bytes);
  std::vector<UploadedPart> parts;
  const auto first = store_->UploadPart({}, key, *id, 1, body);
  ASSERT_TRUE(first.ok()) << first.status();
  parts.push_back(*first);
  if (store_->capabilities().part_copy) {
    const auto second =
        store_->CopyPart({}, {key, *id, 2, prefix_ + "source", {}, ByteRange{4, (5 << 20) + 4}});
    ASSERT_TRUE(second.ok()) << second.status();
    parts.push_back(*second);
  }
  const auto listed = store_->ListParts({}, key, *id);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->size(), parts.size());
  const auto uploads = store_->ListUploads({}, prefix_);
  ASSERT_TRUE(uploads.ok()) << uploads.status();
  EXPECT_EQ(uploads->size(), 1u);
  if (!uploads->empty()) {
    EXPECT_EQ((*uploads)[0].key, key);
  }
  const auto done = store_->CompleteUpload({}, {key, *id, parts, kCreate, "cm"});
  ASSERT_TRUE(done.ok()) << done.status();
  const auto head = store_->Head({}, key);
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->stamp.version, done->version);
  EXPECT_EQ(head->size, parts.size() * bytes.size());
  EXPECT_EQ(head->metadata.user.at(kCommitIdName), "cm");

  const auto aborted = store_->CreateUpload({}, {prefix_ + "no", {}, Precondition::None(), ""});
  ASSERT_TRUE(aborted.ok());
  EXPECT_TRUE(store_->AbortUpload({}, prefix_ + "no", *aborted).ok());
  EXPECT_TRUE(store_->AbortUpload({}, prefix_ + "no", *aborted).ok());
  EXPECT_EQ(ErrnoOf(store_->UploadPart({}, prefix_ + "no", *aborted, 1, body).status()), ENOENT);
  EXPECT_EQ(store_->ListUploads({}, prefix_)->size(), 0u);
}

}  // namespace
}  // namespace s3files
