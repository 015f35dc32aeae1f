// S3Store's meaning of replies, against a script: no network, each request accounted for.
#include "lib/s3/s3_store.h"

#include <gtest/gtest.h>

#include "lib/base/errors.h"
#include "tests/s3/scripted_transport.h"

namespace s3files {
namespace {

constexpr char kBytes[] = "0123456789";

class S3StoreTest : public testing::Test {
 protected:
  S3StoreTest() { Open("aws"); }

  static S3StoreOptions Options() {
    S3StoreOptions out;
    out.bucket = "bkt";
    out.endpoint = "http://127.0.0.1:1";
    out.credentials = {"AK", "very-secret", ""};
    out.retry.max_attempts = 3;
    out.retry.base_delay = absl::Milliseconds(1);
    return out;
  }

  void Open(const std::string& provider) {
    S3StoreOptions options = Options();
    options.provider = provider;
    transport_ = std::make_shared<ScriptedTransport>();
    options.transport = transport_;
    absl::StatusOr<std::unique_ptr<S3Store>> store = S3Store::Create(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  absl::StatusOr<Stamp> Put(Precondition precondition, const std::string& commit = "c1") {
    MemorySource body("body");
    return store_->Put({}, {"k", {}, precondition, commit}, body);
  }

  absl::StatusOr<ObjectInfo> Get(const GetRequest& request) {
    return store_->Get({}, request, sink_);
  }

  const SeenRequest& Seen(size_t i) { return transport_->seen().at(i); }
  void ExpectRequests(size_t n) {
    EXPECT_EQ(transport_->seen().size(), n);
    EXPECT_EQ(transport_->left(), 0u);
  }

  std::shared_ptr<ScriptedTransport> transport_;
  std::unique_ptr<S3Store> store_;
  StringSink sink_{1000};
};

const Precondition kIfAbsent = Precondition::Is(Version::Absent());
const Precondition kReplace = Precondition::Is(Version::Of("e0"));

TEST_F(S3StoreTest, PutSendsItsConditionAndCommitIdSigned) {
  transport_->Then({200, {{"ETag", "\"e1\""}, {"x-amz-version-id", "v7"}}, ""});
  const auto stamp = Put(kReplace);
  ASSERT_TRUE(stamp.ok()) << stamp.status();
  EXPECT_EQ(stamp->version.etag(), "e1");
  EXPECT_EQ(stamp->version.version_id(), "v7");
  EXPECT_EQ(stamp->last_modified_ns, 0);
  ExpectRequests(1);
  EXPECT_EQ(Seen(0).method, "PUT");
  EXPECT_EQ(Seen(0).url, "http://127.0.0.1:1/bkt/k");
  EXPECT_EQ(Seen(0).Header("If-Match"), "\"e0\"");
  EXPECT_EQ(Seen(0).Header("x-amz-meta-s3files-commit"), "c1");
  EXPECT_EQ(Seen(0).Header("x-amz-content-sha256"),
            "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5");
  EXPECT_TRUE(absl::StrContains(Seen(0).Header("Authorization"),
                                "SignedHeaders=host;if-match;x-amz-content-sha256;x-amz-date;"
                                "x-amz-meta-s3files-commit"));
  EXPECT_EQ(store_->counts().put, 1u);
  EXPECT_EQ(store_->counts().retries, 0u);
}

TEST_F(S3StoreTest, AnyReplyWithAVersionIdShowsThatTheBucketHasVersions) {
  const auto versioned = [](ScriptedReply reply, const std::string& id) {
    reply.headers.emplace_back("x-amz-version-id", id);
    return reply;
  };
  const std::string result = "Result><ETag>\"e1\"</ETag></";
  const ScriptedReply copied{200, {}, "<CopyObject" + result + "CopyObjectResult>"};
  const ScriptedReply completed{
      200, {}, "<CompleteMultipartUpload" + result + "CompleteMultipartUploadResult>"};
  const std::pair<ScriptedReply, std::function<bool()>> calls[] = {
      {Described("e1", "", 4), [&] { return store_->Head({}, "k").ok(); }},
      {Part("e1", kBytes, 0, 10, 10),
       [&] {
         return Get({"k", ByteRange{0, 10}, {}, false}).ok();
       }},
      {{200, {{"ETag", "\"e1\""}}, ""}, [&] { return Put(kIfAbsent).ok(); }},
      {copied,
       [&] {
         return store_->Copy({}, {"s", {}, "k"}).ok();
       }},
      {completed,
       [&] {
         return store_->CompleteUpload({}, {"k", "u", {{1, "e", 5}}}).ok();
       }},
  };
  for (const auto& [reply, send] : calls) {
    Open("aws");
    const Capabilities& before = store_->capabilities();
    for (const ScriptedReply& none : {reply, versioned(reply, "null")}) {  // off, suspended
      transport_->Then(none);
      EXPECT_TRUE(send());
      EXPECT_FALSE(store_->capabilities().versions);
    }
    transport_->Then(versioned(reply, "v7"));
    EXPECT_TRUE(send());
    EXPECT_TRUE(store_->capabilities().versions);
    EXPECT_TRUE(store_->capabilities().copy_source) << "the rest stays as it was";
    EXPECT_FALSE(before.versions) << "what was read of it stays valid";
    ExpectRequests(3);
  }
}

TEST_F(S3StoreTest, TagsGoAsOneHeaderAndARefusalNamesThePermission) {
  MemorySource body("body");
  PutRequest request{"k", {}, kReplace, ""};
  request.tags = {{"b", "x y"}, {"a", "1&2"}};
  transport_->Then({200, {{"ETag", "\"e1\""}}, ""});
  EXPECT_TRUE(store_->Put({}, request, body).ok());
  EXPECT_EQ(Seen(0).Header("x-amz-tagging"), "a=1%262&b=x%20y");
  for (const bool multipart : {false, true}) {
    transport_->Then(Refusal(403, "AccessDenied"));
    const absl::Status refused = multipart ? store_->CreateUpload({}, request).status()
                                           : store_->Put({}, request, body).status();
    EXPECT_EQ(ErrnoOf(refused), EACCES);
    EXPECT_TRUE(absl::StrContains(refused.message(), "s3:PutObjectTagging")) << refused;
  }
  transport_->Then(Refusal(403, "AccessDenied"));
  const absl::Status unread = store_->GetTags({}, "k").status();
  EXPECT_EQ(ErrnoOf(unread), EACCES);
  EXPECT_TRUE(absl::StrContains(unread.message(), "s3:GetObjectTagging")) << unread;
  transport_->Then(Refusal(501, "NotImplemented"));
  EXPECT_EQ(ErrnoOf(store_->GetTags({}, "k").status()), ENOTSUP);
  ExpectRequests(5);
  EXPECT_EQ(Seen(3).url, "http://127.0.0.1:1/bkt/k?tagging=");
}

TEST_F(S3StoreTest, FailedPreconditionsNeedNoSecondLook) {
  transport_->Then(Refusal(412, "PreconditionFailed"));
  EXPECT_EQ(ErrnoOf(Put(kIfAbsent).status()), EEXIST);
  transport_->Then(Refusal(412, "PreconditionFailed"));
  EXPECT_EQ(ErrnoOf(Put(kReplace).status()), ESTALE);
  transport_->Then(Refusal(404, "NoSuchKey"));
  EXPECT_EQ(ErrnoOf(Put(kReplace).status()), ESTALE);
  ExpectRequests(3);
  EXPECT_EQ(Seen(0).Header("If-None-Match"), "*");
  EXPECT_EQ(store_->counts().errors, 3u);
}

TEST_F(S3StoreTest, UnknownCannotBeAPrecondition) {
  EXPECT_EQ(ErrnoOf(Put(Precondition::Is(Version::Unknown())).status()), EINVAL);
  ExpectRequests(0);
}

TEST_F(S3StoreTest, OurCommitIdTurnsAConflictAfterALostReplyIntoSuccess) {
  for (const ScriptedReply& lost :
       {Broken(), Refusal(500, "InternalError"), Refusal(503, "SlowDown")}) {
    for (const ScriptedReply& then :
         {Refusal(412, "PreconditionFailed"), Refusal(404, "NoSuchKey")}) {
      Open("aws");
      transport_->Then(lost);
      transport_->Then(then);
      transport_->Then(Described("e9", "c1", 4));
      const auto stamp = Put(kReplace);
      ASSERT_TRUE(stamp.ok()) << stamp.status();
      EXPECT_EQ(stamp->version.etag(), "e9");
      EXPECT_EQ(stamp->last_modified_ns, 1445412480'000'000'000);
      ExpectRequests(3);
      EXPECT_EQ(Seen(2).method, "HEAD");
    }
  }
}

TEST_F(S3StoreTest, AnotherCommitIdAfterALostReplyIsAConflict) {
  transport_->Then(Broken());
  transport_->Then(Refusal(412, "PreconditionFailed"));
  transport_->Then(Described("e9", "other", 4));
  EXPECT_EQ(ErrnoOf(Put(kIfAbsent).status()), EEXIST);
  ExpectRequests(3);
}

TEST_F(S3StoreTest, ARequestThatTheTransportSentTwiceIsAmbiguousToo) {
  ScriptedReply resent = Refusal(412, "PreconditionFailed");
  resent.sends = 2;
  transport_->Then(resent);
  transport_->Then(Described("e9", "c1", 4));
  EXPECT_TRUE(Put(kIfAbsent).ok());
  ExpectRequests(2);
}

TEST_F(S3StoreTest, NothingIsAmbiguousBeforeTheRequestIsSent) {
  transport_->Then(NotSent());
  transport_->Then(Refusal(429, "TooManyRequests"));
  transport_->Then(Refusal(412, "PreconditionFailed"));
  EXPECT_EQ(ErrnoOf(Put(kIfAbsent).status()), EEXIST);
  ExpectRequests(3);
  EXPECT_EQ(store_->counts().retries, 2u);
}

TEST_F(S3StoreTest, ExhaustedAttemptsAreSettledByHeadToo) {
  for (int i = 0; i < 3; ++i) transport_->Then(Broken());
  transport_->Then(Described("e9", "c1", 4));
  EXPECT_TRUE(Put(kReplace).ok());
  for (int i = 0; i < 3; ++i) transport_->Then(Broken());
  transport_->Then(Described("e9", "other", 4));
  EXPECT_EQ(ErrnoOf(Put(kReplace).status()), EIO);
  ExpectRequests(8);
}

TEST_F(S3StoreTest, AConflictIsNotReportedWhileItIsUnknown) {
  transport_->Then(Broken());
  transport_->Then(Refusal(412, "PreconditionFailed"));
  transport_->Then(Refusal(403, "AccessDenied"));
  EXPECT_EQ(ErrnoOf(Put(kReplace).status()), EIO);
}

TEST_F(S3StoreTest, ConditionsThatWouldBeIgnoredAreNotSent) {
  Open("swift");
  transport_->Then({200, {{"ETag", "\"e1\""}}, ""});
  EXPECT_TRUE(Put(kReplace).ok());
  transport_->Then({204, {}, ""});
  EXPECT_TRUE(store_->Delete({}, "k", kReplace).ok());
  transport_->Then({200, {}, "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"});
  EXPECT_TRUE(store_->Copy({}, {"s", Version::Of("e0"), "k", kIfAbsent, {}, ""}).ok());
  for (const SeenRequest& request : transport_->seen()) {
    EXPECT_EQ(request.Header("If-Match"), "");
    EXPECT_EQ(request.Header("If-None-Match"), "");
    EXPECT_EQ(request.Header("x-amz-copy-source-if-match"), "");
  }
}

TEST_F(S3StoreTest, RgwTakesBareEtagsAndNoPercentInCopySources) {
  Open("ceph-rgw");
  transport_->Then({200, {{"ETag", "\"e1\""}}, ""});
  EXPECT_TRUE(Put(kReplace).ok());
  EXPECT_EQ(Seen(0).Header("If-Match"), "e0");
  EXPECT_EQ(ErrnoOf(store_->Copy({}, {"100%", {}, "k", Precondition::None(), {}, ""}).status()),
            ENOTSUP);
  ExpectRequests(1);
}

TEST_F(S3StoreTest, DeleteOfWhatIsGoneIsDone) {
  transport_->Then(Refusal(404, "NoSuchKey"));
  EXPECT_TRUE(store_->Delete({}, "k", kReplace).ok());
  transport_->Then(Broken());
  transport_->Then(Refusal(404, "NoSuchKey"));
  EXPECT_TRUE(store_->Delete({}, "k", kReplace).ok());
  transport_->Then(Refusal(412, "PreconditionFailed"));
  EXPECT_EQ(ErrnoOf(store_->Delete({}, "k", kReplace)), ESTALE);
  transport_->Then(Refusal(404, "NoSuchBucket"));
  EXPECT_EQ(ErrnoOf(store_->Delete({}, "k", Precondition::None())), ENOENT);
  EXPECT_EQ(ErrnoOf(store_->Delete({}, "k", kIfAbsent)), EINVAL);
  ExpectRequests(5);
}

TEST_F(S3StoreTest, DeleteManyGivesEachKeyItsStatus) {
  const std::vector<std::string> keys = {"a", "b", "c\x01"};
  transport_->Then({204, {}, ""});  // the key XML cannot carry
  transport_->Then({200,
                    {},
                    "<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code>"
                    "<Message>m</Message></Error></DeleteResult>"});
  const auto statuses = store_->DeleteMany({}, keys);
  ASSERT_TRUE(statuses.ok()) << statuses.status();
  EXPECT_TRUE((*statuses)[0].ok());
  EXPECT_EQ(ErrnoOf((*statuses)[1]), EACCES);
  EXPECT_TRUE((*statuses)[2].ok());
  EXPECT_EQ(Seen(0).url, "http://127.0.0.1:1/bkt/c%01");
  EXPECT_NE(Seen(1).Header("Content-MD5"), "");
  ExpectRequests(2);
}

TEST_F(S3StoreTest, A200WithAnErrorInsideIsRetriedAsItsCodeSays) {
  ScriptedReply inside = Refusal(200, "InternalError");
  transport_->Then(inside);
  transport_->Then({200, {}, "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>"});
  const auto copied = store_->Copy({}, {"s", {}, "k", Precondition::None(), {}, ""});
  ASSERT_TRUE(copied.ok()) << copied.status();
  transport_->Then(Refusal(200, "AccessDenied"));
  EXPECT_FALSE(store_->Copy({}, {"s", {}, "k", Precondition::None(), {}, ""}).ok());
  ExpectRequests(3);
}

TEST_F(S3StoreTest, ACopysConflictIsItsSourcesOrItsTargets) {
  const CopyRequest copy{"s", Version::Of("e0"), "k", kIfAbsent, ObjectMetadata{}, "c1"};
  ScriptedReply source = Refusal(412, "PreconditionFailed");
  source.body =
      "<Error><Code>PreconditionFailed</Code>"
      "<Condition>x-amz-copy-source-If-Match</Condition></Error>";
  transport_->Then(source);
  EXPECT_EQ(ErrnoOf(store_->Copy({}, copy).status()), ESTALE);
  transport_->Then(Refusal(412, "PreconditionFailed"));
  transport_->Then(Described("x", "", 1));
  EXPECT_EQ(ErrnoOf(store_->Copy({}, copy).status()), EEXIST);
  ExpectRequests(3);
  EXPECT_EQ(Seen(0).Header("x-amz-metadata-directive"), "REPLACE");
  EXPECT_EQ(Seen(0).Header("x-amz-copy-source"), "/bkt/s");
}

TEST_F(S3StoreTest, CompleteIsSettledByCommitId) {
  const CompleteRequest complete{"k", "u", {{1, "p", 4}}, kIfAbsent, "c1"};
  transport_->Then(Broken());
  transport_->Then(Refusal(404, "NoSuchUpload"));
  transport_->Then(Described("e9-1", "c1", 4));
  const auto done = store_->CompleteUpload({}, complete);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->version.etag(), "e9-1");
  transport_->Then(Refusal(404, "NoSuchUpload"));
  EXPECT_EQ(ErrnoOf(store_->CompleteUpload({}, complete).status()), ENOENT);
  ExpectRequests(4);
}

TEST_F(S3StoreTest, AnEmptyEtagAfterCompleteIsLookedUp) {
  const CompleteRequest complete{"k", "u", {{1, "p", 4}}, Precondition::None(), "c1"};
  transport_->Then({200,
                    {},
                    "<CompleteMultipartUploadResult><ETag/>"
                    "</CompleteMultipartUploadResult>"});
  transport_->Then(Described("e9-1", "c1", 4));
  const auto done = store_->CompleteUpload({}, complete);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->version.etag(), "e9-1");
  ExpectRequests(2);
}

TEST_F(S3StoreTest, AbortOfWhatIsGoneIsDone) {
  transport_->Then(Refusal(404, "NoSuchUpload"));
  EXPECT_TRUE(store_->AbortUpload({}, "k", "u").ok());
}

TEST_F(S3StoreTest, GetResumesUnderTheVersionItSaw) {
  transport_->Then(Part("e1", kBytes, 2, 8, 3));
  transport_->Then(Refusal(503, "SlowDown"));
  transport_->Then(Part("e1", kBytes, 5, 8, 3));
  const auto info = Get({"k", ByteRange{2, 8}, {}, false});
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(sink_.bytes(), "234567");
  EXPECT_EQ(info->size, 10u);
  EXPECT_EQ(info->stamp.version.etag(), "e1");
  ExpectRequests(3);
  EXPECT_EQ(Seen(0).Header("Range"), "bytes=2-7");
  EXPECT_EQ(Seen(0).Header("If-Match"), "");
  EXPECT_EQ(Seen(2).Header("Range"), "bytes=5-7");
  EXPECT_EQ(Seen(2).Header("If-Match"), "\"e1\"");
}

TEST_F(S3StoreTest, AWholeObjectResumesWithAnOpenRange) {
  ScriptedReply first = Described("e1", "", 10);
  first.body = "0123";
  first.failure = HttpFailure::kBroken;
  transport_->Then(first);
  transport_->Then(Part("e1", kBytes, 4, 10, 6));
  const auto info = Get({"k", {}, {}, false});
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(sink_.bytes(), kBytes);
  EXPECT_EQ(Seen(0).Header("Range"), "");
  EXPECT_EQ(Seen(1).Header("Range"), "bytes=4-");
}

TEST_F(S3StoreTest, AnObjectReplacedUnderAGetIsStaleAndNeverMixed) {
  transport_->Then(Part("e1", kBytes, 0, 10, 4));
  transport_->Then(Refusal(412, "PreconditionFailed"));
  EXPECT_EQ(ErrnoOf(Get({"k", ByteRange{0, 10}, {}, false}).status()), ESTALE);
  transport_->Then(Part("e1", kBytes, 0, 10, 4));
  transport_->Then(Part("e2", kBytes, 4, 10, 6));  // a store that ignores If-Match
  EXPECT_EQ(ErrnoOf(Get({"k", ByteRange{0, 10}, {}, false}).status()), ESTALE);
  transport_->Then(Part("e1", kBytes, 0, 10, 4));
  transport_->Then(Refusal(404, "NoSuchKey"));
  EXPECT_EQ(ErrnoOf(Get({"k", ByteRange{0, 10}, {}, false}).status()), ESTALE);
}

TEST_F(S3StoreTest, WithoutAnEtagABrokenGetStartsOver) {
  ScriptedReply first = Part("", kBytes, 0, 10, 4);
  transport_->Then(first);
  transport_->Then(Part("", kBytes, 0, 10, 10));
  const auto info = Get({"k", ByteRange{0, 10}, {}, false});
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(sink_.bytes(), kBytes);
  EXPECT_TRUE(info->stamp.version.unknown());
}

TEST_F(S3StoreTest, OtherBytesThanAskedForAreRefused) {
  transport_->Then(Part("e1", kBytes, 3, 8, 5));  // not the range
  EXPECT_EQ(ErrnoOf(Get({"k", ByteRange{2, 8}, {}, false}).status()), EIO);
  ScriptedReply whole = Described("e1", "", 10);
  whole.body = kBytes;
  transport_->Then(whole);  // Range ignored
  EXPECT_EQ(ErrnoOf(Get({"k", ByteRange{2, 8}, {}, false}).status()), EIO);
  EXPECT_EQ(sink_.bytes(), "");
  ScriptedReply unsized = Described("e1", "", 10);
  unsized.headers.pop_back();
  transport_->Then(unsized);
  EXPECT_EQ(ErrnoOf(Get({"k", {}, {}, false}).status()), EIO);
}

TEST_F(S3StoreTest, GetErrors) {
  transport_->Then(Refusal(416, "InvalidRange"));
  EXPECT_EQ(ErrnoOf(Get({"k", ByteRange{20, 30}, {}, false}).status()), ERANGE);
  transport_->Then(Refusal(412, "PreconditionFailed"));
  EXPECT_EQ(ErrnoOf(Get({"k", {}, Version::Of("e0"), false}).status()), ESTALE);
  transport_->Then(Refusal(404, "NoSuchKey"));
  EXPECT_EQ(ErrnoOf(Get({"k", {}, {}, false}).status()), ENOENT);
  transport_->Then(Refusal(403, "InvalidObjectState"));
  const absl::Status archived = Get({"k", {}, {}, false}).status();
  EXPECT_EQ(ErrnoOf(archived), EIO);
  EXPECT_TRUE(absl::StrContains(archived.message(), "restore")) << archived;
  EXPECT_EQ(ErrnoOf(Get({"k", ByteRange{5, 5}, {}, false}).status()), EINVAL);
  EXPECT_EQ(ErrnoOf(Get({"k", {}, Version::Of("e0"), true}).status()), EINVAL);
  ExpectRequests(4);
}

TEST_F(S3StoreTest, GetByVersionId) {
  ScriptedReply reply = Described("e1", "", 10);
  reply.body = kBytes;
  reply.headers.emplace_back("x-amz-version-id", "v/1");
  transport_->Then(reply);
  EXPECT_TRUE(Get({"k", {}, Version::Of("e1", "v/1"), true}).ok());
  EXPECT_EQ(Seen(0).url, "http://127.0.0.1:1/bkt/k?versionId=v%2F1");
  EXPECT_EQ(Seen(0).Header("If-Match"), "");
}

TEST_F(S3StoreTest, ASinksErrorEndsTheTransferWithIt) {
  class Full final : public ByteSink {
   public:
    absl::Status Write(uint64_t, absl::Span<const char>) override { return Error(ENOSPC, "full"); }
  } full;
  transport_->Then(Part("e1", kBytes, 0, 10, 10));
  const absl::Status status = store_->Get({}, {"k", ByteRange{0, 10}, {}, false}, full).status();
  EXPECT_FALSE(status.ok());
}

TEST_F(S3StoreTest, RetryAfterIsHonoured) {
  ScriptedReply slow = Refusal(503, "SlowDown");
  slow.headers = {{"Retry-After", "1"}};
  transport_->Then(slow);
  transport_->Then(Described("e", "", 1));
  const int64_t start = MonotonicNanos();
  EXPECT_TRUE(store_->Head({}, "k").ok());
  EXPECT_GE(MonotonicNanos() - start, 1'000'000'000);
}

TEST_F(S3StoreTest, AWrongClockIsCorrectedOnceByTheServersDate) {
  ScriptedReply skewed = Refusal(403, "RequestTimeTooSkewed");
  skewed.headers = {{"Date", "Fri, 24 May 2013 00:00:30 GMT"}};
  transport_->Then(skewed);
  transport_->Then({200, {{"ETag", "\"e\""}}, ""});
  EXPECT_TRUE(Put(kIfAbsent).ok());
  EXPECT_EQ(Seen(1).Header("x-amz-date").substr(0, 13), "20130524T0000");
  transport_->Then(skewed);
  transport_->Then(skewed);
  EXPECT_EQ(ErrnoOf(Put(kIfAbsent).status()), EACCES);
  ExpectRequests(4);
}

TEST_F(S3StoreTest, ErrorsNameTheThingAndTheRemedyAndNoSecret) {
  const auto probe = [this](ScriptedReply reply) {
    transport_->Then(std::move(reply));
    const absl::Status status = store_->Probe({}, "p/");
    EXPECT_FALSE(absl::StrContains(status.message(), "very-secret"));
    return status;
  };
  absl::Status status = probe(Refusal(403, "SignatureDoesNotMatch"));
  EXPECT_EQ(ErrnoOf(status), EACCES);
  EXPECT_TRUE(absl::StrContains(status.message(), "secret key")) << status;
  EXPECT_EQ(ReplyOf(status).s3_code, "SignatureDoesNotMatch");
  EXPECT_EQ(ReplyOf(status).http_status, 403);
  status = probe(Refusal(403, "InvalidAccessKeyId"));
  EXPECT_TRUE(absl::StrContains(status.message(), "access key")) << status;
  status = probe(Refusal(404, "NoSuchBucket"));
  EXPECT_EQ(ErrnoOf(status), ENOENT);
  EXPECT_TRUE(absl::StrContains(status.message(), "'bkt'")) << status;
  ScriptedReply elsewhere = Refusal(301, "PermanentRedirect");
  elsewhere.headers = {{"x-amz-bucket-region", "eu-west-3"}};
  status = probe(elsewhere);
  EXPECT_EQ(ErrnoOf(status), EINVAL);
  EXPECT_TRUE(absl::StrContains(status.message(), "region=eu-west-3")) << status;
  transport_->Then(NotSent());
  status = probe(NotSent());
  EXPECT_EQ(ErrnoOf(status), ECONNREFUSED);
  transport_->Then(NotSent());
  transport_->Then(NotSent());
  transport_->Then(NotSent());
  EXPECT_EQ(ErrnoOf(store_->Head({}, "k").status()), EIO);
  transport_->Then({403, {{"Date", "junk"}}, ""});
  status = store_->Head({}, "k").status();
  EXPECT_EQ(ErrnoOf(status), EACCES);
  EXPECT_TRUE(absl::StrContains(status.message(), "s3:ListBucket")) << status;
}

TEST_F(S3StoreTest, ListAsksForWhatItNeeds) {
  transport_->Then({200, {}, "<ListBucketResult/>"});
  ListRequest list;
  list.prefix = "a b/";
  list.start_after = "a b/c";
  EXPECT_TRUE(store_->List({}, list).ok());
  EXPECT_EQ(Seen(0).url,
            "http://127.0.0.1:1/bkt?delimiter=%2F&encoding-type=url&list-type=2&max-keys=1000"
            "&prefix=a%20b%2F&start-after=a%20b%2Fc");
  list.max_keys = 1001;
  EXPECT_EQ(ErrnoOf(store_->List({}, list).status()), EINVAL);
}

TEST_F(S3StoreTest, MetadataGoesBothWays) {
  ObjectMetadata metadata;
  metadata.content_type = "text/plain";
  metadata.user = {{"file-mtime", "12ns"}};
  MemorySource body("");
  transport_->Then({200, {{"ETag", "\"e\""}}, ""});
  EXPECT_TRUE(store_->Put({}, {"k", metadata, Precondition::None(), ""}, body).ok());
  EXPECT_EQ(Seen(0).Header("Content-Type"), "text/plain");
  EXPECT_EQ(Seen(0).Header("x-amz-meta-file-mtime"), "12ns");
  EXPECT_EQ(Seen(0).Header("x-amz-meta-s3files-commit"), "");

  ScriptedReply reply = Described("e", "c1", 5);
  reply.headers.emplace_back("X-Amz-Meta-File-Mtime", "12ns");
  reply.headers.emplace_back("content-type", "text/plain");
  reply.headers.emplace_back("x-amz-version-id", "null");
  transport_->Then(reply);
  const auto info = store_->Head({}, "k");
  ASSERT_TRUE(info.ok());
  metadata.user["s3files-commit"] = "c1";
  EXPECT_EQ(info->metadata, metadata);
  EXPECT_EQ(info->stamp.version.version_id(), "");
  EXPECT_EQ(info->size, 5u);

  for (const char* bad : {"a\nb", "caf\xC3\xA9", " a", "a "}) {
    metadata.user = {{"m", bad}};
    EXPECT_EQ(ErrnoOf(store_->Put({}, {"k", metadata, Precondition::None(), ""}, body).status()),
              EINVAL);
  }
  metadata.user = {{"Upper", "x"}};
  EXPECT_EQ(ErrnoOf(store_->Put({}, {"k", metadata, Precondition::None(), ""}, body).status()),
            EINVAL);
  ExpectRequests(2);
}

TEST_F(S3StoreTest, ADeadlineEndsTheRetriesWithEtimedout) {
  ScriptedReply slow = Refusal(503, "SlowDown");
  slow.headers = {{"Retry-After", "30"}};
  transport_->Then(slow);
  CallContext call;
  call.deadline_ns = MonotonicNanos() + 300'000'000;
  EXPECT_EQ(ErrnoOf(store_->Head(call, "k").status()), ETIMEDOUT);
  call.cancel = std::make_shared<CancelToken>();
  call.cancel->Cancel();
  EXPECT_EQ(ErrnoOf(store_->Head(call, "k").status()), ECANCELED);
}

TEST_F(S3StoreTest, AnonymousRequestsAreNotSigned) {
  S3StoreOptions options = Options();
  options.credentials = {};
  options.anonymous = true;
  options.transport = transport_;
  const auto store = S3Store::Create(options);
  ASSERT_TRUE(store.ok());
  transport_->Then(Described("e", "", 1));
  EXPECT_TRUE((*store)->Head({}, "k").ok());
  EXPECT_EQ(Seen(0).Header("Authorization"), "");
  EXPECT_TRUE(Seen(0).headers.empty());
}

TEST_F(S3StoreTest, TlsBodiesAreNotHashed) {
  S3StoreOptions options = Options();
  options.endpoint = "https://h";
  options.transport = transport_;
  const auto store = S3Store::Create(options);
  transport_->Then({200, {{"ETag", "\"e\""}}, ""});
  MemorySource body("body");
  EXPECT_TRUE((*store)->Put({}, {"k", {}, Precondition::None(), ""}, body).ok());
  EXPECT_EQ(Seen(0).Header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
}

TEST_F(S3StoreTest, WrongOptionsAreNamed) {
  S3StoreOptions options = Options();
  options.provider = "s4";
  EXPECT_EQ(ErrnoOf(S3Store::Create(options).status()), EINVAL);
  options = Options();
  options.credentials.secret_access_key.clear();
  EXPECT_EQ(ErrnoOf(S3Store::Create(options).status()), EACCES);
  options = Options();
  options.bucket = "no/bucket";
  EXPECT_EQ(ErrnoOf(S3Store::Create(options).status()), EINVAL);
}

}  // namespace
}  // namespace s3files
