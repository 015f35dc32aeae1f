// The pieces of the server that are functions of their input.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/server/change_codec.h"
#include "tests/server/chunk_decoder.h"
#include "tests/server/conditions.h"
#include "tests/server/flags.h"
#include "tests/server/hash.h"
#include "tests/server/json.h"
#include "tests/server/listing.h"
#include "tests/server/memory_backend.h"
#include "tests/server/range.h"
#include "tests/server/request.h"
#include "tests/server/s3_error.h"
#include "tests/server/sigv4.h"
#include "tests/server/time_format.h"
#include "tests/server/xml_reader.h"
#include "tests/server/xml_writer.h"

namespace s3files::server {
namespace {

// AWS's published examples: Signature Calculations for the Authorization Header.
constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr char kScope[] = "20130524/us-east-1/s3/aws4_request";
constexpr char kDate[] = "20130524T000000Z";

std::string SignExample(const std::string& method, const std::string& target,
                        std::vector<std::pair<std::string, std::string>> headers,
                        const std::string& hash) {
  headers.emplace_back("host", "examplebucket.s3.amazonaws.com");
  headers.emplace_back("x-amz-content-sha256", hash);
  headers.emplace_back("x-amz-date", kDate);
  Request request;
  request.method = method;
  request.target = target;
  request.headers = headers;
  ResolveTarget({"s3.amazonaws.com"}, request);
  EXPECT_EQ(request.bucket, "examplebucket");
  std::vector<std::string> names;
  for (const auto& [name, value] : headers) names.push_back(name);
  std::sort(names.begin(), names.end());
  return Sign(SigningKey(kSecret, kScope),
              StringToSign(kDate, kScope, CanonicalRequest(request, names, hash)));
}

TEST(SigV4Test, AwsExamples) {
  std::string empty = Sha256Hex("");
  EXPECT_EQ(SignExample("GET", "/test.txt", {{"range", "bytes=0-9"}}, empty),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(SignExample("GET", "/?lifecycle", {}, empty),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(SignExample("GET", "/?max-keys=2&prefix=J", {}, empty),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  EXPECT_EQ(SignExample("PUT", "/test$file.text",
                        {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                         {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                        Sha256Hex("Welcome to Amazon S3.")),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(RequestTest, NeverNormalisesAKey) {
  Request request;
  request.target = "/b//a/./../%2e+%2B%25//?x=1+%2B";
  ResolveTarget({}, request);
  EXPECT_EQ(request.bucket, "b");
  EXPECT_EQ(request.key, "/a/./../. +%//");
  EXPECT_EQ(request.Query("x"), "1 +");
}

TEST(RequestTest, RefusesWhatIsNoUtf8) {
  EXPECT_TRUE(IsUtf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (const char* bad : {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
  Request request;
  request.target = "/b/%ff";
  EXPECT_THROW(ResolveTarget({}, request), S3Error);
}

TEST(RangeTest, Forms) {
  auto read = [](const char* header) {
    auto range = ReadRange(header, 10);
    return range ? std::to_string(range->offset) + "+" + std::to_string(range->length) : "whole";
  };
  EXPECT_EQ(read("bytes=2-4"), "2+3");
  EXPECT_EQ(read("bytes=2-"), "2+8");
  EXPECT_EQ(read("bytes=-3"), "7+3");
  EXPECT_EQ(read("bytes=-30"), "0+10");
  EXPECT_EQ(read("bytes=9-99"), "9+1");
  EXPECT_EQ(read("bytes=0-1,3-4"), "whole");
  EXPECT_EQ(read("bytes=4-2"), "whole");
  EXPECT_THROW(read("bytes=10-"), S3Error);
  EXPECT_THROW(read("bytes=-0"), S3Error);
}

TEST(ConditionsTest, EtagOverrulesDate) {
  ObjectVersion version;
  version.etag = "e";
  version.last_modified_ms = 1'000'000;
  const std::string before = FormatHttpDate(0);
  using Result = ReadCondition::Result;
  EXPECT_EQ((ReadCondition{"\"e\"", {}, {}, before}).Evaluate(version), Result::kProceed);
  EXPECT_EQ((ReadCondition{"\"f\"", {}, {}, {}}).Evaluate(version), Result::kFailed);
  EXPECT_EQ((ReadCondition{"W/\"e\"", {}, {}, {}}).Evaluate(version), Result::kFailed);
  EXPECT_EQ((ReadCondition{{}, {}, {}, before}).Evaluate(version), Result::kFailed);
  EXPECT_EQ((ReadCondition{{}, "\"e\"", before, {}}).Evaluate(version), Result::kNotModified);
  EXPECT_EQ((ReadCondition{{}, "\"f\"", FormatHttpDate(NowMs()), {}}).Evaluate(version),
            Result::kProceed);
}

TEST(TimeFormatTest, RoundTrip) {
  EXPECT_EQ(FormatHttpDate(784111777000), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(FormatIso8601(784111777123), "1994-11-06T08:49:37.123Z");
  EXPECT_EQ(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777000);
  EXPECT_EQ(ParseBasicDate("19941106T084937Z"), 784111777000);
  EXPECT_EQ(ParseBasicDate("1994110 T084937Z"), std::nullopt);
}

TEST(Base64Test, RoundTrip) {
  for (std::string text : {"", "a", "ab", "abc", "abcd"}) {
    EXPECT_EQ(FromBase64(ToBase64(text)), text);
  }
  EXPECT_EQ(FromBase64("a"), std::nullopt);
}

TEST(ChunkDecoderTest, AnySplit) {
  const std::string wire = "3;s=1\r\nabc\r\n2\r\nde\r\n0;s=2\r\nname:value\r\n\r\n";
  for (size_t split = 1; split < wire.size(); ++split) {
    std::string data;
    std::string events;
    ChunkDecoder decoder({.chunk = [&](std::string_view extension) { events += extension; },
                          .data = [&](std::string_view bytes) { data += bytes; },
                          .trailer = [&](std::string_view line) { events += line; },
                          .end = [&] { events += "."; }});
    for (size_t at = 0; at < wire.size(); at += split) decoder.Feed(wire.substr(at, split));
    EXPECT_TRUE(decoder.done());
    EXPECT_EQ(data, "abcde");
    EXPECT_EQ(events, "s=1s=2name:value.");
  }
}

TEST(XmlTest, EscapesAndReadsBack) {
  std::string key = "a&<b>\"c'\n\x01é";
  std::string xml = XmlWriter("Delete", "").Begin("Object").Element("Key", key).Finish();
  EXPECT_EQ(ReadDelete(xml).objects.at(0).key, key);
  EXPECT_THROW(ReadDelete("<Delete><Object>"), S3Error);
  EXPECT_THROW(ReadCompleteMultipartUpload("<Other/>"), S3Error);
}

VersionPtr MakeVersion(const std::string& etag) {
  auto version = std::make_shared<ObjectVersion>();
  version->etag = etag;
  version->body = ToBlob("body");
  return version;
}

Bucket MakeBucket(const std::vector<std::string>& keys) {
  Bucket bucket;
  for (const std::string& key : keys) bucket.PutVersion(key, MakeVersion("e"));
  return bucket;
}

std::string Describe(const Listing& listing) {
  std::string text;
  for (const ListedVersion& listed : listing.versions) text += listed.key + " ";
  text += "| ";
  for (const std::string& prefix : listing.common_prefixes) text += prefix + " ";
  return text + (listing.truncated ? "..." : "");
}

TEST(ListingTest, PrefixDelimiterAndMarkers) {
  Bucket bucket = MakeBucket({"a", "a-1", "a/x", "a/y", "b/c/d", "\xff", "é"});
  EXPECT_EQ(Describe(ListObjects(bucket, {})), "a a-1 a/x a/y b/c/d é \xff | ");
  EXPECT_EQ(Describe(ListObjects(bucket, {.prefix = {}, .delimiter = "/", .after = {}})),
            "a a-1 é \xff | a/ b/ ");
  EXPECT_EQ(
      Describe(ListObjects(bucket, {.prefix = {}, .delimiter = "/", .after = "a-1", .limit = 1})),
      "| a/ ...");
  EXPECT_EQ(
      Describe(ListObjects(bucket, {.prefix = {}, .delimiter = "/", .after = "a/", .limit = 1})),
      "| b/ ...");
  EXPECT_EQ(Describe(ListObjects(bucket, {.prefix = "a/", .delimiter = "/", .after = "a/x"})),
            "a/y | ");
  EXPECT_EQ(Describe(ListObjects(bucket, {.prefix = "b/", .delimiter = "c/", .after = {}})),
            "| b/c/ ");
  EXPECT_EQ(Describe(ListObjects(bucket, {.prefix = {}, .delimiter = {}, .after = {}, .limit = 0})),
            "| ");
}

TEST(ListingTest, DeleteMarkersHide) {
  Bucket bucket = MakeBucket({"a/x", "b"});
  auto marker = std::make_shared<ObjectVersion>();
  marker->version_id = "m";
  marker->delete_marker = true;
  bucket.PutVersion("a/x", marker);
  EXPECT_EQ(Describe(ListObjects(bucket, {.prefix = {}, .delimiter = "/", .after = {}})), "b | ");
  EXPECT_EQ(Describe(ListVersions(bucket, {}, "")), "a/x a/x b | ");
  EXPECT_EQ(Describe(ListVersions(
                bucket, {.prefix = {}, .delimiter = {}, .after = "a/x", .limit = 1}, "m")),
            "a/x | ...");
}

TEST(ChangeCodecTest, RoundTrip) {
  Change change{.kind = Change::Kind::kPutVersion, .bucket = "b", .key = std::string("k\0\xff", 3)};
  auto version = std::make_shared<ObjectVersion>();
  version->version_id = "v";
  version->etag = "e";
  version->last_modified_ms = 5;
  version->attributes.headers["x-amz-meta-a"] = "1";
  version->attributes.tags["t"] = "2";
  version->body = ToBlob("hello").Slice(1, 3);
  change.version = version;
  std::string bytes = EncodeChange(change);

  auto storage = ToBlob("hello").extents().at(0).storage;
  auto decoded = DecodeChange(bytes, [&](uint64_t) { return storage; });
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->key, change.key);
  EXPECT_EQ(decoded->version->attributes.tags, version->attributes.tags);
  EXPECT_EQ(ToString(decoded->version->body), "ell");
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeChange(bytes.substr(0, size), [&](uint64_t) { return storage; }));
  }
}

TEST(JsonTest, FaultsByNameOfField) {
  auto faults = FaultsFromJson(R"([{"operation": "GetObject", "count": 2, "status": 503}])");
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].operation, "GetObject");
  EXPECT_EQ(faults[0].count, 2);
  EXPECT_THROW(FaultsFromJson(R"([{"opration": "GetObject"}])"), std::runtime_error);
  EXPECT_THROW(FaultsFromJson(R"([{"count": "x"}])"), std::runtime_error);
  EXPECT_THROW(FaultsFromJson("{"), std::runtime_error);
}

TEST(FlagsTest, NameWhatIsWrong) {
  Flags flags = ParseFlags({"--bucket", "a", "--bucket", "b", "--behaviour", "list-v2=refused"});
  EXPECT_EQ(flags.options.buckets, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(flags.options.behaviour.list_v2, Support::kRefused);
  for (const std::vector<std::string>& bad : {std::vector<std::string>{"--nonsense"},
                                              {"--bucket"},
                                              {"--threads", "x"},
                                              {"--behaviour", "list-v2"},
                                              {"--etag", "sha"}}) {
    EXPECT_THROW(ParseFlags(bad), std::runtime_error);
  }
}

}  // namespace
}  // namespace s3files::server
