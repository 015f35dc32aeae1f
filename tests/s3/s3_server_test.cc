// S3Store over libcurl against the test server, which misbehaves by script.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/http/curl_transport.h"
#include "lib/s3/s3_store.h"
#include "tests/server/server.h"

namespace s3files {
namespace {

const Precondition kCreate = Precondition::Is(Version::Absent());

std::string Pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 2654435761u >> 13);
  return out;
}

class S3ServerTest : public testing::Test {
 protected:
  S3ServerTest() { StartServer({}); }

  void StartServer(server::ServerOptions options) {
    options.buckets = {"bucket"};
    std::string error;
    server_ = server::Server::Start(options, &error);
    ASSERT_NE(server_, nullptr) << error;
    store_ = Open(Options());
  }

  S3StoreOptions Options() {
    S3StoreOptions out;
    out.bucket = "bucket";
    out.endpoint = server_->endpoint();
    out.provider = "aws";
    out.credentials = {server_->options().access_key, server_->options().secret_key, ""};
    out.stall_timeout = absl::Seconds(1);
    out.retry.base_delay = absl::Milliseconds(10);
    return out;
  }

  static std::unique_ptr<S3Store> Open(const S3StoreOptions& options) {
    auto store = S3Store::Create(options);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  absl::StatusOr<Stamp> Put(const std::string& key, absl::string_view bytes,
                            Precondition precondition = Precondition::None(),
                            const std::string& commit = "c1") {
    MemorySource body(bytes);
    return store_->Put({}, {key, {}, precondition, commit}, body);
  }

  std::string Read(const std::string& key, std::optional<ByteRange> range = {}) {
    StringSink sink(64 << 20);
    const auto info = store_->Get({}, {key, range, {}, false}, sink);
    EXPECT_TRUE(info.ok()) << info.status();
    return sink.bytes();
  }

  static server::Fault On(const std::string& operation, int count = 1) {
    server::Fault out;
    out.operation = operation;
    out.count = count;
    return out;
  }

  std::unique_ptr<server::Server> server_;
  std::unique_ptr<S3Store> store_;
};

TEST_F(S3ServerTest, AnyKeyCanBeWrittenListedCopiedReadAndDeleted) {
  const std::set<std::string> keys = {"plain",        "a b",       "a+b",           "100%",
                                      "%20",          "../up",     "a/./b",         "a//b",
                                      "caf\xC3\xA9",  "a&b=c?d#e", "trailing/",     "<&>\"'",
                                      "tab\tand\nlf", "\\back",    "\xE2\x82\xAC/*"};
  for (const std::string& key : keys) ASSERT_TRUE(Put("k/" + key, key).ok()) << key;
  ListRequest list;
  list.prefix = "k/";
  list.hierarchical = false;
  list.max_keys = 4;
  std::set<std::string> listed;
  do {
    const auto page = store_->List({}, list);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const ListedObject& object : page->objects) listed.insert(object.key.substr(2));
    list.token = page->next_token;
  } while (!list.token.empty());
  EXPECT_EQ(listed, keys);
  std::vector<std::string> doomed;
  for (const std::string& key : keys) {
    EXPECT_EQ(Read("k/" + key), key);
    const auto copied =
        store_->Copy({}, {"k/" + key, {}, "copy/" + key, Precondition::None(), {}, ""});
    EXPECT_TRUE(copied.ok()) << key << copied.status();
    EXPECT_EQ(Read("copy/" + key), key);
    doomed.push_back("k/" + key);
    EXPECT_TRUE(store_->Delete({}, "copy/" + key, Precondition::None()).ok());
  }
  const auto deleted = store_->DeleteMany({}, doomed);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  for (const absl::Status& status : *deleted) EXPECT_TRUE(status.ok()) << status;
  list.prefix = "";
  list.token = "";
  EXPECT_EQ(store_->List({}, list)->objects.size(), 0u);
}

TEST_F(S3ServerTest, ConditionsHold) {
  const auto first = Put("k", "1", kCreate);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(ErrnoOf(Put("k", "2", kCreate).status()), EEXIST);
  const auto second = Put("k", "2", Precondition::Is(first->version));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(ErrnoOf(Put("k", "3", Precondition::Is(first->version)).status()), ESTALE);
  StringSink sink(10);
  EXPECT_EQ(ErrnoOf(store_->Get({}, {"k", {}, first->version, false}, sink).status()), ESTALE);
  EXPECT_EQ(ErrnoOf(store_->Delete({}, "k", Precondition::Is(first->version))), ESTALE);
  EXPECT_TRUE(store_->Delete({}, "k", Precondition::Is(second->version)).ok());
  EXPECT_TRUE(store_->Delete({}, "k", Precondition::Is(second->version)).ok());
  EXPECT_EQ(ErrnoOf(store_->Head({}, "k").status()), ENOENT);
  EXPECT_EQ(ErrnoOf(Put("k", "3", Precondition::Is(first->version)).status()), ESTALE);
}

TEST_F(S3ServerTest, Multipart) {
  const std::string bytes = Pattern((5 << 20) + 100);
  const auto source = Put("source", bytes);
  ASSERT_TRUE(source.ok());
  ObjectMetadata metadata;
  metadata.user["mode"] = "0100644";
  const auto id = store_->CreateUpload({}, {"k", metadata, Precondition::None(), "c9"});
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(store_->ListUploads({}, "")->size(), 1u);
  const auto one =
      store_->CopyPart({}, {"k", *id, 1, "source", source->version, ByteRange{0, 5 << 20}});
  ASSERT_TRUE(one.ok()) << one.status();
  MemorySource tail("tail");
  const auto two = store_->UploadPart({}, "k", *id, 2, tail);
  ASSERT_TRUE(two.ok()) << two.status();
  const auto parts = store_->ListParts({}, "k", *id);
  ASSERT_TRUE(parts.ok());
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[1].etag, two->etag);
  const auto done = store_->CompleteUpload({}, {"k", *id, {*one, *two}, kCreate, "c9"});
  ASSERT_TRUE(done.ok()) << done.status();
  const auto head = store_->Head({}, "k");
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->stamp.version, done->version);
  EXPECT_EQ(head->metadata.user.at("mode"), "0100644");
  EXPECT_EQ(head->metadata.user.at(kCommitIdName), "c9");
  EXPECT_EQ(Read("k"), bytes.substr(0, 5 << 20) + "tail");
  EXPECT_TRUE(store_->AbortUpload({}, "k", *id).ok());
  EXPECT_EQ(store_->ListUploads({}, "")->size(), 0u);
}

// [W9] All that a rewrite keeps is read from a reply, and sent with either kind of upload.
TEST_F(S3ServerTest, W9WhatARewriteKeepsGoesBothWays) {
  ObjectMetadata metadata;
  metadata.user = {{"project", "apollo"}, {kCommitIdName, "c1"}};
  metadata.content_type = "text/x-test";
  metadata.content_encoding = "gzip";
  metadata.content_language = "eo";
  metadata.content_disposition = "inline";
  metadata.cache_control = "no-store";
  metadata.expires = "Thu, 01 Jan 2099 00:00:00 GMT";
  metadata.storage_class = "STANDARD_IA";
  metadata.encryption = "aws:kms";
  metadata.encryption_key = "arn:aws:kms:us-east-1:111122223333:key/apollo";
  metadata.encryption_bucket_key = "true";
  MemorySource body("bytes");
  ASSERT_TRUE(store_->Put({}, {"put", metadata, kCreate, "c1"}, body).ok());
  EXPECT_EQ(store_->Head({}, "put")->metadata, metadata);
  const auto id = store_->CreateUpload({}, {"parts", metadata, kCreate, "c1"});
  ASSERT_TRUE(id.ok()) << id.status();
  const auto part = store_->UploadPart({}, "parts", *id, 1, body);
  ASSERT_TRUE(part.ok()) << part.status();
  ASSERT_TRUE(store_->CompleteUpload({}, {"parts", *id, {*part}, kCreate, "c1"}).ok());
  EXPECT_EQ(store_->Head({}, "parts")->metadata, metadata);
  ASSERT_TRUE(store_->Copy({}, {"put", {}, "copy", kCreate, metadata, "c1"}).ok());
  EXPECT_EQ(store_->Head({}, "copy")->metadata, metadata);
}

TEST_F(S3ServerTest, LostRepliesAreSettled) {
  server::Fault lost = On("PutObject");
  lost.drop_reply = true;
  server_->AddFault(lost);
  const auto created = Put("k", "1", kCreate, "first");
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(store_->Head({}, "k")->stamp, *created);

  server_->AddFault(lost);
  const auto replaced = Put("k", "2", Precondition::Is(created->version), "second");
  ASSERT_TRUE(replaced.ok()) << replaced.status();

  server::Fault failed = On("PutObject");
  failed.status = 500;
  failed.code = "InternalError";
  failed.take_effect = true;
  server_->AddFault(failed);
  EXPECT_TRUE(Put("k", "3", Precondition::Is(replaced->version), "third").ok());
  EXPECT_EQ(Read("k"), "3");

  server::Fault dropped = On("DeleteObject");
  dropped.drop_reply = true;
  server_->AddFault(dropped);
  EXPECT_TRUE(store_->Delete({}, "k", Precondition::None()).ok());
}

TEST_F(S3ServerTest, ALostReplyOfCompleteIsSettled) {
  const auto id = store_->CreateUpload({}, {"k", {}, Precondition::None(), "c9"});
  MemorySource body("bytes");
  const auto part = store_->UploadPart({}, "k", *id, 1, body);
  ASSERT_TRUE(part.ok());
  server::Fault lost = On("CompleteMultipartUpload");
  lost.drop_reply = true;
  server_->AddFault(lost);
  const auto done = store_->CompleteUpload({}, {"k", *id, {*part}, kCreate, "c9"});
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(store_->Head({}, "k")->stamp.version, done->version);
}

TEST_F(S3ServerTest, BrokenReadsResume) {
  const std::string bytes = Pattern(3 << 20);
  ASSERT_TRUE(Put("k", bytes).ok());
  server::Fault reset = On("GetObject", 2);
  reset.reset_reply_at = 1 << 20;
  server_->AddFault(reset);
  server::Fault cut = On("GetObject");
  cut.truncate_reply_at = 100000;
  server_->AddFault(cut);
  EXPECT_EQ(Read("k"), bytes);
  EXPECT_GE(store_->counts().get, 2u);
  server_->ClearFaults();
  server_->AddFault(cut);
  EXPECT_EQ(Read("k", ByteRange{1000, 2000000}), bytes.substr(1000, 1999000));
}

TEST_F(S3ServerTest, BrokenWritesAreRepeated) {
  const std::string bytes = Pattern(3 << 20);
  server::Fault reset = On("PutObject", 2);
  reset.reset_request_at = 1 << 20;
  server_->AddFault(reset);
  ASSERT_TRUE(Put("k", bytes).ok());
  EXPECT_EQ(Read("k"), bytes);
}

TEST_F(S3ServerTest, StallsAndThrottlingAreWaitedOut) {
  server::Fault stall = On("HeadObject");
  stall.stall = true;
  server_->AddFault(stall);
  server::Fault slow = On("HeadObject", 2);
  slow.status = 503;
  slow.code = "SlowDown";
  server_->AddFault(slow);
  ASSERT_TRUE(Put("k", "1").ok());
  EXPECT_TRUE(store_->Head({}, "k").ok());
  EXPECT_EQ(store_->counts().head, 4u);
  EXPECT_EQ(store_->counts().retries, 3u);
}

TEST_F(S3ServerTest, AnErrorInsideA200) {
  ASSERT_TRUE(Put("s", "1").ok());
  server::Fault inside = On("CopyObject");
  inside.status = 500;
  inside.code = "InternalError";
  inside.error_in_200 = true;
  server_->AddFault(inside);
  const auto copied = store_->Copy({}, {"s", {}, "k", Precondition::None(), {}, ""});
  EXPECT_TRUE(copied.ok()) << copied.status();
  EXPECT_EQ(store_->counts().copy, 2u);
}

TEST_F(S3ServerTest, NoRequestIsSentTwiceWithoutNeed) {
  ASSERT_TRUE(Put("k", "1").ok());
  EXPECT_EQ(Read("k"), "1");
  EXPECT_TRUE(store_->Head({}, "k").ok());
  const RequestCounts counts = store_->counts();
  EXPECT_EQ(counts.put + counts.get + counts.head, 3u);
  EXPECT_EQ(counts.retries + counts.errors, 0u);
  EXPECT_EQ(counts.bytes_in, 1u);
  EXPECT_EQ(counts.bytes_out, 1u);
}

TEST_F(S3ServerTest, AnEmptyObject) {
  ASSERT_TRUE(Put("k", "").ok());
  EXPECT_EQ(Read("k"), "");
  StringSink sink(10);
  EXPECT_EQ(ErrnoOf(store_->Get({}, {"k", ByteRange{0, 1}, {}, false}, sink).status()), ERANGE);
}

TEST_F(S3ServerTest, AWrongClockIsCorrected) {
  server::ServerOptions late;
  late.clock_offset_s = 7200;
  StartServer(late);
  EXPECT_TRUE(store_->Probe({}, "").ok());
  EXPECT_EQ(store_->counts().retries, 1u);
  EXPECT_TRUE(Put("k", "1").ok());
  EXPECT_EQ(store_->counts().retries, 1u);
}

TEST_F(S3ServerTest, ProbeSaysWhatIsWrong) {
  EXPECT_TRUE(store_->Probe({}, "some/prefix").ok());
  S3StoreOptions options = Options();
  options.credentials.secret_access_key = "wrong-secret";
  absl::Status status = Open(options)->Probe({}, "");
  EXPECT_EQ(ErrnoOf(status), EACCES);
  EXPECT_TRUE(absl::StrContains(status.message(), "secret key")) << status;
  EXPECT_FALSE(absl::StrContains(status.message(), "wrong-secret")) << status;
  options = Options();
  options.credentials.access_key_id = "nobody";
  status = Open(options)->Probe({}, "");
  EXPECT_EQ(ErrnoOf(status), EACCES);
  EXPECT_TRUE(absl::StrContains(status.message(), "check the access key")) << status;
  options = Options();
  options.bucket = "no-bucket";
  status = Open(options)->Probe({}, "");
  EXPECT_EQ(ErrnoOf(status), ENOENT);
  EXPECT_TRUE(absl::StrContains(status.message(), "no bucket 'no-bucket'")) << status;
  options = Options();
  options.region = "eu-west-1";
  status = Open(options)->Probe({}, "");
  EXPECT_TRUE(absl::StrContains(status.message(), "region=us-east-1")) << status;
  options = Options();
  options.endpoint = "http://127.0.0.1:1";
  const int64_t start = MonotonicNanos();
  status = Open(options)->Probe({}, "");
  EXPECT_EQ(ErrnoOf(status), ECONNREFUSED) << status;
  EXPECT_LT(MonotonicNanos() - start, 6'000'000'000);
}

TEST_F(S3ServerTest, PresignedUrlsWorkWithoutCredentials) {
  CurlTransport transport({});
  const auto put = store_->client().PresignPut({}, "a b/%+", absl::Minutes(5));
  ASSERT_TRUE(put.ok());
  MemorySource body("by url");
  HttpRequest request;
  request.method = "PUT";
  request.url = *put;
  request.body = &body;
  HttpResponse response;
  EXPECT_TRUE(transport.Perform({}, request, response).ok());
  EXPECT_EQ(response.status, 200) << response.error_body;
  request.method = "GET";
  request.url = *store_->client().PresignGet({}, "a b/%+", absl::Minutes(5));
  request.body = nullptr;
  StringSink sink(100);
  request.sink = &sink;
  EXPECT_TRUE(transport.Perform({}, request, response).ok());
  EXPECT_EQ(sink.bytes(), "by url");
  EXPECT_FALSE(store_->client().PresignGet({}, "k", absl::Hours(200)).ok());
}

TEST_F(S3ServerTest, VirtualHostAddressing) {
  S3StoreOptions options = Options();
  options.endpoint = absl::StrCat("http://s3.localhost:", server_->port());
  options.addressing = Addressing::kVirtualHost;
  store_ = Open(options);
  ASSERT_TRUE(Put("k", "1").ok());
  EXPECT_EQ(Read("k"), "1");
}

TEST_F(S3ServerTest, ManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> bad{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const std::string key = absl::StrCat("t", t, "/", i);
        const std::string bytes = Pattern(static_cast<size_t>(1000 * i));
        if (!Put(key, bytes).ok() || Read(key) != bytes) ++bad;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
}

}  // namespace
}  // namespace s3files
