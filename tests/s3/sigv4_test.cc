// AWS's published examples ("Authenticating Requests", S3 API reference), every stage of each.
#include "lib/s3/sigv4.h"

#include <gtest/gtest.h>

#include "lib/base/hash.h"
#include "lib/s3/uri.h"

namespace s3files::sigv4 {
namespace {

constexpr char kAccessKey[] = "AKIAIOSFODNN7EXAMPLE";
constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr char kTimestamp[] = "20130524T000000Z";
constexpr char kDay[] = "20130524";
constexpr char kScope[] = "20130524/us-east-1/s3/aws4_request";
constexpr char kHost[] = "examplebucket.s3.amazonaws.com";

struct Example {
  const char* name;
  const char* method;
  const char* key;
  QueryParameters query;
  Headers headers;
  const char* payload_hash;
  const char* canonical_request;
  const char* string_to_sign;
  const char* signature;
  const char* authorization;
};

const Example kExamples[] = {
    {"GetObject",
     "GET",
     "test.txt",
     {},
     {{"Host", kHost},
      {"Range", "bytes=0-9"},
      {"x-amz-content-sha256", kEmptySha256},
      {"x-amz-date", kTimestamp}},
     kEmptySha256,
     "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
     "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
     "x-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n"
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
     "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
     "AWS4-HMAC-SHA256 "
     "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
     "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
     "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PutObject",
     "PUT",
     "test$file.text",
     {},
     {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
      {"Host", kHost},
      {"x-amz-date", kTimestamp},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
      {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}},
     "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
     "PUT\n/test%24file.text\n\ndate:Fri, 24 May 2013 00:00:00 GMT\n"
     "host:examplebucket.s3.amazonaws.com\n"
     "x-amz-content-sha256:44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\n"
     "x-amz-date:20130524T000000Z\nx-amz-storage-class:REDUCED_REDUNDANCY\n\n"
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class\n"
     "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
     "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
     "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
     "AWS4-HMAC-SHA256 "
     "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
     "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
     "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GetBucketLifecycle",
     "GET",
     "",
     {{"lifecycle", ""}},
     {{"Host", kHost}, {"x-amz-date", kTimestamp}, {"x-amz-content-sha256", kEmptySha256}},
     kEmptySha256,
     "GET\n/\nlifecycle=\nhost:examplebucket.s3.amazonaws.com\n"
     "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
     "x-amz-date:20130524T000000Z\n\nhost;x-amz-content-sha256;x-amz-date\n"
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
     "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
     "AWS4-HMAC-SHA256 "
     "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
     "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
     "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"ListObjects",
     "GET",
     "",
     {{"prefix", "J"}, {"max-keys", "2"}},
     {{"Host", kHost}, {"x-amz-date", kTimestamp}, {"x-amz-content-sha256", kEmptySha256}},
     kEmptySha256,
     "GET\n/\nmax-keys=2&prefix=J\nhost:examplebucket.s3.amazonaws.com\n"
     "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
     "x-amz-date:20130524T000000Z\n\nhost;x-amz-content-sha256;x-amz-date\n"
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
     "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
     "AWS4-HMAC-SHA256 "
     "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
     "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
     "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

class PublishedExample : public testing::TestWithParam<Example> {};

TEST_P(PublishedExample, EveryStage) {
  const Example& example = GetParam();
  const Headers canonical = CanonicalHeaders(example.headers);
  const std::string request =
      CanonicalRequest(example.method, "/" + EncodeKey(example.key), EncodeQuery(example.query),
                       canonical, example.payload_hash);
  EXPECT_EQ(request, example.canonical_request);
  EXPECT_EQ(Scope(kDay, "us-east-1", "s3"), kScope);
  const std::string to_sign = StringToSign(kTimestamp, kScope, request);
  EXPECT_EQ(to_sign, example.string_to_sign);
  const std::string signature = Signature(SigningKey(kSecret, kDay, "us-east-1", "s3"), to_sign);
  EXPECT_EQ(signature, example.signature);
  EXPECT_EQ(Authorization(kAccessKey, kScope, SignedHeaderNames(canonical), signature),
            example.authorization);
}

INSTANTIATE_TEST_SUITE_P(Sigv4, PublishedExample, testing::ValuesIn(kExamples),
                         [](const auto& param) { return param.param.name; });

TEST(Sigv4, PublishedPayloadHash) {
  EXPECT_EQ(Hex(AsBytes(Sha256("Welcome to Amazon S3."))),
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  EXPECT_EQ(Hex(AsBytes(Sha256(""))), kEmptySha256);
}

// "Examples of how to derive a signing key", AWS general reference.
TEST(Sigv4, PublishedSigningKey) {
  EXPECT_EQ(Hex(AsBytes(SigningKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830",
                                   "us-east-1", "iam"))),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
  EXPECT_EQ(Hex(AsBytes(SigningKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215",
                                   "us-east-1", "iam"))),
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
}

// "Authenticating Requests: Using Query Parameters", S3 API reference.
TEST(Sigv4, PublishedPresignedGet) {
  const std::string query =
      EncodeQuery(PresignParameters(kAccessKey, "", kTimestamp, kScope, 86400, "host"));
  EXPECT_EQ(query,
            "X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host");
  const std::string request =
      CanonicalRequest("GET", "/" + EncodeKey("test.txt"), query,
                       CanonicalHeaders({{"host", kHost}}), kUnsignedPayload);
  EXPECT_EQ(request, "GET\n/test.txt\n" + query +
                         "\nhost:examplebucket.s3.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD");
  const std::string to_sign = StringToSign(kTimestamp, kScope, request);
  EXPECT_EQ(to_sign,
            "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
            "3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04");
  EXPECT_EQ(Signature(SigningKey(kSecret, kDay, "us-east-1", "s3"), to_sign),
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

// aws-sig-v4-test-suite: get-vanilla (service "service").
TEST(Sigv4, SuiteGetVanilla) {
  const Headers canonical =
      CanonicalHeaders({{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}});
  const std::string to_sign =
      StringToSign("20150830T123600Z", Scope("20150830", "us-east-1", "service"),
                   CanonicalRequest("GET", "/", "", canonical, kEmptySha256));
  EXPECT_EQ(to_sign,
            "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
            "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63");
  EXPECT_EQ(Signature(SigningKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830",
                                 "us-east-1", "service"),
                      to_sign),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(Sigv4, HeadersAreLoweredTrimmedFoldedAndOrdered) {
  const Headers canonical =
      CanonicalHeaders({{"X-Amz-Meta-B", "  a   b  c "}, {"Host", "h"}, {"X-Amz-Meta-A", "\tx"}});
  EXPECT_EQ(canonical, (Headers{{"host", "h"}, {"x-amz-meta-a", "x"}, {"x-amz-meta-b", "a b c"}}));
  EXPECT_EQ(SignedHeaderNames(canonical), "host;x-amz-meta-a;x-amz-meta-b");
}

TEST(Sigv4, Timestamp) { EXPECT_EQ(Timestamp(1369353600'000'000'000), kTimestamp); }

TEST(Sigv4, SessionTokenIsPartOfAPresignedQuery) {
  const std::string query =
      EncodeQuery(PresignParameters("K", "a+/=", kTimestamp, kScope, 1, "host"));
  EXPECT_NE(query.find("&X-Amz-Security-Token=a%2B%2F%3D&"), std::string::npos) << query;
}

TEST(SigningKeyCache, DerivesOncePerDayRegionAndSecret) {
  SigningKeyCache cache;
  const Sha256Digest key = cache.Get(kSecret, kDay, "us-east-1", "s3");
  EXPECT_EQ(key, SigningKey(kSecret, kDay, "us-east-1", "s3"));
  EXPECT_EQ(cache.Get(kSecret, kDay, "us-east-1", "s3"), key);
  EXPECT_EQ(cache.derivations(), 1u);
  EXPECT_NE(cache.Get(kSecret, "20130525", "us-east-1", "s3"), key);
  EXPECT_NE(cache.Get(kSecret, kDay, "eu-west-1", "s3"), key);
  EXPECT_NE(cache.Get("other", kDay, "us-east-1", "s3"), key);
  EXPECT_EQ(cache.derivations(), 4u);
}

}  // namespace
}  // namespace s3files::sigv4
