// S3 over the wire, with each store.

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/hash.h"
#include "tests/server/server.h"
#include "tests/server/sigv4.h"
#include "tests/server/test_client.h"
#include "tests/server/time_format.h"

namespace s3files::server {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

class S3Test : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "directory") {
      std::string path = testing::TempDir() + "/s3files-server-XXXXXX";
      options_.store = ::mkdtemp(path.data());
    }
    options_.buckets = {"bkt"};
    options_.behaviour.min_part_size = 5;
    Start();
  }
  void TearDown() override {
    server_.reset();
    if (options_.store != "memory") std::filesystem::remove_all(options_.store);
  }

  void Start() {
    server_.reset();
    std::string error;
    server_ = Server::Start(options_, &error);
    ASSERT_NE(server_, nullptr) << error;
  }

  TestReply Do(const std::string& method, const std::string& target, const std::string& body = "",
               const Headers& headers = {}) {
    return Send(*server_, {.method = method, .target = target, .headers = headers, .body = body});
  }
  TestReply Put(const std::string& key, const std::string& body, const Headers& headers = {}) {
    return Do("PUT", "/bkt/" + key, body, headers);
  }
  TestReply Get(const std::string& key, const Headers& headers = {}) {
    return Do("GET", "/bkt/" + key, "", headers);
  }
  std::string CreateUpload(const std::string& key) {
    return Do("POST", "/bkt/" + key + "?uploads").Xml("UploadId");
  }
  std::string PutPart(const std::string& key, const std::string& id, int number,
                      const std::string& body) {
    return Put(key + "?partNumber=" + std::to_string(number) + "&uploadId=" + id, body)
        .headers["etag"];
  }
  TestReply Complete(const std::string& key, const std::string& id,
                     const std::vector<std::pair<int, std::string>>& parts,
                     const Headers& headers = {}) {
    std::string xml = "<CompleteMultipartUpload>";
    for (const auto& [number, etag] : parts) {
      xml += "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>" + etag +
             "</ETag></Part>";
    }
    return Do("POST", "/bkt/" + key + "?uploadId=" + id, xml + "</CompleteMultipartUpload>",
              headers);
  }

  ServerOptions options_;
  std::unique_ptr<Server> server_;
};

INSTANTIATE_TEST_SUITE_P(Stores, S3Test, testing::Values("memory", "directory"),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(S3Test, PutGetHeadDelete) {
  TestReply put = Put("k", "hello", {{"x-amz-meta-a", "1"}, {"content-type", "text/plain"}});
  EXPECT_EQ(put.status, 200);
  EXPECT_EQ(put.headers["etag"], "\"5d41402abc4b2a76b9719d911017c592\"");
  TestReply get = Get("k");
  EXPECT_EQ(get.body, "hello");
  EXPECT_EQ(get.headers["x-amz-meta-a"], "1");
  EXPECT_EQ(get.headers["content-type"], "text/plain");
  TestReply head = Do("HEAD", "/bkt/k");
  EXPECT_EQ(head.headers["content-length"], "5");
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(Get("k?response-content-type=a/b").headers["content-type"], "a/b");
  EXPECT_EQ(Do("DELETE", "/bkt/k").status, 204);
  EXPECT_EQ(Get("k").Xml("Code"), "NoSuchKey");
  EXPECT_EQ(Do("HEAD", "/bkt/k").status, 404);
  EXPECT_EQ(Put("empty", "").headers["etag"], "\"d41d8cd98f00b204e9800998ecf8427e\"");
  EXPECT_EQ(Get("empty").status, 200);
}

TEST_P(S3Test, Ranges) {
  Put("k", "0123456789");
  TestReply part = Get("k", {{"range", "bytes=2-4"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(part.headers["content-range"], "bytes 2-4/10");
  EXPECT_EQ(Get("k", {{"range", "bytes=-3"}}).body, "789");
  EXPECT_EQ(Get("k", {{"range", "bytes=10-"}}).Xml("Code"), "InvalidRange");
  EXPECT_EQ(Get("k", {{"range", "bytes=0-1,4-5"}}).status, 200);
}

TEST_P(S3Test, ConditionalReads) {
  std::string etag = Put("k", "x").headers["etag"];
  EXPECT_EQ(Get("k", {{"if-none-match", etag}}).status, 304);
  EXPECT_EQ(Get("k", {{"if-match", "\"other\""}}).status, 412);
  EXPECT_EQ(Get("k", {{"if-match", etag}}).status, 200);
  EXPECT_EQ(Get("k", {{"if-modified-since", FormatHttpDate(NowMs() + 5000)}}).status, 304);
}

TEST_P(S3Test, ConditionalWrites) {
  EXPECT_EQ(Put("k", "1", {{"if-match", "\"e\""}}).Xml("Code"), "NoSuchKey");
  std::string etag = Put("k", "1", {{"if-none-match", "*"}}).headers["etag"];
  EXPECT_EQ(Put("k", "2", {{"if-none-match", "*"}}).Xml("Code"), "PreconditionFailed");
  EXPECT_EQ(Put("k", "2", {{"if-none-match", "\"x\""}}).status, 501);
  EXPECT_EQ(Put("k", "2", {{"if-match", "\"other\""}}).status, 412);
  EXPECT_EQ(Put("k", "2", {{"if-match", etag}}).status, 200);
  EXPECT_EQ(Do("DELETE", "/bkt/k", "", {{"if-match", etag}}).status, 412);
  EXPECT_EQ(Do("DELETE", "/bkt/k", "", {{"if-match", "*"}}).status, 204);
  EXPECT_EQ(Do("DELETE", "/bkt/k", "", {{"if-match", etag}}).status, 404);
}

TEST_P(S3Test, OneOfManyConditionalWritesWins) {
  std::atomic<int> created = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      TestReply reply = Put("race", std::to_string(i), {{"if-none-match", "*"}});
      created += reply.status == 200;
      EXPECT_TRUE(reply.status == 200 || reply.status == 412);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 1);
}

TEST_P(S3Test, Multipart) {
  std::string id = CreateUpload("m");
  std::string one = PutPart("m", id, 1, "aaaaa");
  std::string two = PutPart("m", id, 2, "bb");
  EXPECT_EQ(Get("m").status, 404);
  EXPECT_EQ(Complete("m", id, {{2, two}, {1, one}}).Xml("Code"), "InvalidPartOrder");
  EXPECT_EQ(Complete("m", id, {{1, two}}).Xml("Code"), "InvalidPart");
  EXPECT_EQ(Complete("m", id, {{1, one}, {3, two}}).Xml("Code"), "InvalidPart");
  TestReply parts = Do("GET", "/bkt/m?max-parts=1&uploadId=" + id);
  EXPECT_EQ(parts.Xml("IsTruncated"), "true");
  EXPECT_EQ(parts.Xml("NextPartNumberMarker"), "1");
  EXPECT_EQ(Do("GET", "/bkt?uploads").Xml("UploadId"), id);
  Put("m", "in the way");
  EXPECT_EQ(Complete("m", id, {{1, one}, {2, two}}, {{"if-none-match", "*"}}).status, 412);
  EXPECT_EQ(Complete("m", id, {{1, one}, {2, two}}).status, 200);
  TestReply get = Get("m", {{"range", "bytes=3-6"}});
  EXPECT_EQ(get.body, "aabb");
  EXPECT_EQ(get.headers["etag"], "\"" + ToHex(Md5(Md5("aaaaa") + Md5("bb"))) + "-2\"");
  EXPECT_EQ(Complete("m", id, {{1, one}}).Xml("Code"), "NoSuchUpload");
}

TEST_P(S3Test, PartsHaveAMinimumButTheLast) {
  std::string id = CreateUpload("m");
  std::string one = PutPart("m", id, 1, "aaaa");
  std::string two = PutPart("m", id, 2, "b");
  EXPECT_EQ(Complete("m", id, {{1, one}, {2, two}}).Xml("Code"), "EntityTooSmall");
  EXPECT_EQ(Do("DELETE", "/bkt/m?uploadId=" + id).status, 204);
  EXPECT_EQ(Do("GET", "/bkt/m?uploadId=" + id).status, 404);
}

TEST_P(S3Test, UploadPartCopy) {
  Put("src", "0123456789");
  std::string id = CreateUpload("m");
  std::string part = "m?partNumber=1&uploadId=" + id;
  Headers copy = {{"x-amz-copy-source", "/bkt/src"}, {"x-amz-copy-source-range", "bytes=2-7"}};
  TestReply copied = Put(part, "", copy);
  EXPECT_EQ(copied.Xml("ETag"), "&quot;" + ToHex(Md5("234567")) + "&quot;");
  EXPECT_EQ(Complete("m", id, {{1, ToHex(Md5("234567"))}}).status, 200);
  EXPECT_EQ(Get("m").body, "234567");
  id = CreateUpload("m");
  copy[1].second = "bytes=2-10";
  EXPECT_EQ(Put("m?partNumber=1&uploadId=" + id, "", copy).Xml("Code"), "InvalidArgument");
}

TEST_P(S3Test, Copy) {
  std::string etag =
      Put("a%20b", "x", {{"x-amz-meta-m", "1"}, {"x-amz-tagging", "t=1"}}).headers["etag"];
  Headers source = {{"x-amz-copy-source", "/bkt/a%20b"}};
  EXPECT_EQ(Put("c", "", source).status, 200);
  EXPECT_EQ(Get("c").headers["x-amz-meta-m"], "1");
  EXPECT_EQ(Get("c").headers["x-amz-tagging-count"], "1");
  EXPECT_EQ(Put("a%20b", "", source).Xml("Code"), "InvalidRequest");
  Headers replace = source;
  replace.emplace_back("x-amz-metadata-directive", "REPLACE");
  replace.emplace_back("x-amz-meta-m", "2");
  EXPECT_EQ(Put("a%20b", "", replace).status, 200);
  EXPECT_EQ(Get("a%20b").headers["x-amz-meta-m"], "2");
  Headers conditional = source;
  conditional.emplace_back("x-amz-copy-source-if-match", "\"other\"");
  EXPECT_EQ(Put("c", "", conditional).status, 412);
  conditional[1].second = etag;
  conditional.emplace_back("if-none-match", "*");
  EXPECT_EQ(Put("c", "", conditional).status, 412);
  EXPECT_EQ(Put("d", "", conditional).status, 200);
}

TEST_P(S3Test, Tagging) {
  Put("k", "x");
  std::string xml = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
  EXPECT_EQ(Put("k?tagging", xml).status, 200);
  EXPECT_EQ(Get("k?tagging").Xml("Value"), "1");
  EXPECT_EQ(Do("DELETE", "/bkt/k?tagging").status, 204);
  EXPECT_EQ(Get("k?tagging").Xml("Value"), "");
  EXPECT_EQ(Get("k").body, "x");
}

TEST_P(S3Test, Encryption) {
  const std::string algorithm = "x-amz-server-side-encryption", key = algorithm + "-aws-kms-key-id";
  const Headers kms = {{algorithm, "aws:kms"}, {key, "arn:key/1"}};
  TestReply put = Put("k", "x", kms);
  EXPECT_EQ(put.headers[algorithm], "aws:kms");
  EXPECT_EQ(put.headers[key], "arn:key/1");
  EXPECT_EQ(Get("k").headers[key], "arn:key/1");
  EXPECT_EQ(Do("POST", "/bkt/m?uploads", "", kms).headers[key], "arn:key/1");
  // A copy has the bucket's default, not its source's.
  Headers copy = {{"x-amz-copy-source", "/bkt/k"}};
  EXPECT_EQ(Put("c", "", copy).status, 200);
  EXPECT_EQ(Get("c").headers.count(algorithm) + Get("c").headers.count(key), 0u);
  copy.emplace_back(algorithm, "AES256");
  EXPECT_EQ(Put("c", "", copy).headers[algorithm], "AES256");
  EXPECT_EQ(Get("c").headers[algorithm], "AES256");
  EXPECT_EQ(Put("k", "x", {{algorithm, "rot13"}}).Xml("Code"), "InvalidEncryptionAlgorithmError");
  EXPECT_EQ(Put("k", "x", {{key, "arn:key/1"}}).Xml("Code"), "InvalidArgument");
}

TEST_P(S3Test, Versions) {
  EXPECT_EQ(Do("PUT", "/bkt?versioning",
               "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
                .status,
            200);
  std::string first = Put("k", "1").headers["x-amz-version-id"];
  std::string second = Put("k", "2").headers["x-amz-version-id"];
  EXPECT_EQ(Get("k").body, "2");
  EXPECT_EQ(Get("k?versionId=" + first).body, "1");
  std::string marker = Do("DELETE", "/bkt/k").headers["x-amz-version-id"];
  EXPECT_EQ(Get("k").status, 404);
  EXPECT_EQ(Get("k?versionId=" + marker).status, 405);
  EXPECT_EQ(Do("DELETE", "/bkt/k?versionId=" + marker).headers["x-amz-delete-marker"], "true");
  EXPECT_EQ(Get("k").body, "2");
  EXPECT_EQ(Do("DELETE", "/bkt/k?versionId=" + second).status, 204);
  EXPECT_EQ(Get("k").body, "1");
  EXPECT_EQ(Get("k?versionId=" + second).Xml("Code"), "NoSuchVersion");
}

TEST_P(S3Test, Buckets) {
  EXPECT_EQ(Do("PUT", "/bkt").Xml("Code"), "BucketAlreadyOwnedByYou");
  EXPECT_EQ(Do("PUT", "/Bad_Name").Xml("Code"), "InvalidBucketName");
  EXPECT_EQ(Do("PUT", "/other").status, 200);
  EXPECT_EQ(Do("HEAD", "/other").status, 200);
  EXPECT_EQ(Do("PUT", "/other/k", "x").status, 200);
  EXPECT_EQ(Do("DELETE", "/other").Xml("Code"), "BucketNotEmpty");
  EXPECT_EQ(Do("DELETE", "/other/k").status, 204);
  EXPECT_EQ(Do("DELETE", "/other").status, 204);
  EXPECT_EQ(Do("GET", "/other?location").Xml("Code"), "NoSuchBucket");
  EXPECT_EQ(Do("GET", "/").Xml("Name"), "bkt");
  EXPECT_EQ(Do("GET", "/bkt?lifecycle").status, 501);
  EXPECT_EQ(Do("PUT", "/bkt/k?acl").status, 501);
}

TEST_P(S3Test, DeleteObjects) {
  std::string etag = Put("a", "x").headers["etag"];
  Put("b", "x");
  std::string xml = "<Delete><Object><Key>a</Key><ETag>" + etag +
                    "</ETag></Object><Object><Key>b</Key><ETag>other</ETag></Object></Delete>";
  TestReply reply = Do("POST", "/bkt?delete", xml);
  EXPECT_EQ(reply.Xml("Key"), "a");
  EXPECT_EQ(reply.Xml("Code"), "PreconditionFailed");
  EXPECT_EQ(Get("a").status, 404);
  EXPECT_EQ(Get("b").status, 200);
}

TEST_P(S3Test, ListPages) {
  for (const char* key : {"a", "a-1", "a/x", "a/y", "b%2Bc"}) Put(key, "");
  TestReply page = Do("GET", "/bkt?list-type=2&delimiter=%2F&max-keys=2&encoding-type=url");
  EXPECT_EQ(page.Xml("KeyCount"), "2");
  std::string token = page.Xml("NextContinuationToken");
  page = Do("GET", "/bkt?list-type=2&delimiter=%2F&encoding-type=url&continuation-token=" +
                       PercentEncode(token, false));
  EXPECT_EQ(page.Xml("Key"), "b%2Bc");
  EXPECT_EQ(page.Xml("CommonPrefixes"), "<Prefix>a/</Prefix>");
  EXPECT_EQ(Do("GET", "/bkt?marker=a%2Fx").Xml("Key"), "a/y");
}

TEST_P(S3Test, VirtualHost) {
  Put("k", "x");
  EXPECT_EQ(Do("GET", "/k", "", {{"host", "bkt.s3.localhost:80"}}).body, "x");
  EXPECT_EQ(Do("GET", "/bkt/k", "", {{"host", "s3.localhost"}}).body, "x");
}

TEST_P(S3Test, Authentication) {
  auto code = [&](TestRequest request) {
    request.target = "/bkt/k";
    return Send(*server_, std::move(request)).Xml("Code");
  };
  TestReply wrong = Send(*server_, {.target = "/bkt/k", .secret = "wrong"});
  EXPECT_EQ(wrong.status, 403);
  EXPECT_EQ(wrong.Xml("Code"), "SignatureDoesNotMatch");
  EXPECT_NE(wrong.Xml("CanonicalRequest"), "");
  EXPECT_EQ(code({.date = "20200101T000000Z"}), "RequestTimeTooSkewed");
  EXPECT_EQ(code({.method = "PUT", .body = "x", .payload_hash = Sha256Hex("y")}),
            "XAmzContentSHA256Mismatch");
  EXPECT_EQ(code({.method = "PUT", .headers = {{"content-md5", ToBase64(Md5("y"))}}, .body = "x"}),
            "BadDigest");
  EXPECT_EQ(code({.method = "PUT", .headers = {{"content-md5", "zz"}}, .body = "x"}),
            "InvalidDigest");
  EXPECT_EQ(code({}), "NoSuchKey");
  std::string none =
      SendRaw(*server_, "GET /bkt/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_NE(none.find("<Code>AccessDenied</Code>"), std::string::npos);
}

// A body in signed chunks, as AWS documents them.
TEST_P(S3Test, SignedChunks) {
  auto put = [&](bool forge) {
    std::string date = FormatBasicDate(NowMs());
    std::string scope = date.substr(0, 8) + "/us-east-1/s3/aws4_request";
    std::string key = SigningKey(options_.secret_key, scope);
    const std::string kHash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    Request request;
    request.method = "PUT";
    request.target = "/bkt/chunked";
    request.headers = {{"host", "127.0.0.1"},
                       {"x-amz-content-sha256", kHash},
                       {"x-amz-date", date},
                       {"x-amz-decoded-content-length", "8"}};
    ResolveTarget({"127.0.0.1"}, request);
    std::vector<std::string> names;
    std::string head = "PUT /bkt/chunked HTTP/1.1\r\nConnection: close\r\n";
    for (const auto& [name, value] : request.headers) {
      names.push_back(name);
      head += name + ": " + value + "\r\n";
    }
    std::string signature =
        Sign(key, StringToSign(date, scope, CanonicalRequest(request, names, kHash)));
    head += "Authorization: AWS4-HMAC-SHA256 Credential=" + options_.access_key + "/" + scope +
            ", SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length, "
            "Signature=" +
            signature + "\r\n";
    std::string body;
    for (std::string chunk : {"hello", "you", ""}) {
      signature = Sign(key, "AWS4-HMAC-SHA256-PAYLOAD\n" + date + "\n" + scope + "\n" + signature +
                                "\n" + Sha256Hex("") + "\n" + Sha256Hex(chunk));
      if (forge && chunk == "you") chunk = "foe";
      body +=
          std::to_string(chunk.size()) + ";chunk-signature=" + signature + "\r\n" + chunk + "\r\n";
    }
    head += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    return SendRaw(*server_, head + body);
  };
  EXPECT_NE(put(false).find("200 OK"), std::string::npos);
  EXPECT_EQ(Get("chunked").body, "helloyou");
  EXPECT_NE(put(true).find("SignatureDoesNotMatch"), std::string::npos);
}

TEST_P(S3Test, UnsignedChunksWithTrailer) {
  TestRequest request = {.method = "PUT", .target = "/bkt/k"};
  request.headers = {{"content-encoding", "gzip,aws-chunked"},
                     {"x-amz-decoded-content-length", "8"},
                     {"x-amz-trailer", "x-amz-checksum-crc32"}};
  request.body = "5\r\nhello\r\n3\r\nyou\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
  request.payload_hash = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
  EXPECT_EQ(Send(*server_, request).status, 200);
  EXPECT_EQ(Get("k").body, "helloyou");
  EXPECT_EQ(Get("k").headers["content-encoding"], "gzip");
  request.headers[1].second = "9";
  EXPECT_EQ(Send(*server_, request).Xml("Code"), "IncompleteBody");
}

TEST_P(S3Test, Limits) {
  EXPECT_EQ(Put(std::string(1024, 'k'), "x").status, 200);
  EXPECT_EQ(Put(std::string(1025, 'k'), "x").Xml("Code"), "KeyTooLongError");
  EXPECT_EQ(Put("k", "x", {{"x-amz-meta-a", std::string(2048, 'm')}}).Xml("Code"),
            "MetadataTooLarge");
}

TEST_P(S3Test, RestartKeepsADirectory) {
  if (options_.store == "memory") GTEST_SKIP() << "memory is forgotten, as it should be";
  Put("gone", "x");
  Do("DELETE", "/bkt/gone");
  std::string id = CreateUpload("m");
  std::string one = PutPart("m", id, 1, "aaaaa");
  Put("src", "0123456789", {{"x-amz-meta-a", "1"}});
  Put("copy", "", {{"x-amz-copy-source", "/bkt/src"}});
  Do("DELETE", "/bkt/src");
  for (int restart = 0; restart < 2; ++restart) {
    Start();
    EXPECT_EQ(Get("copy").body, "0123456789");
    EXPECT_EQ(Get("copy").headers["x-amz-meta-a"], "1");
    EXPECT_EQ(Get("gone").status, 404);
  }
  EXPECT_EQ(Complete("m", id, {{1, one}}).status, 200);
  EXPECT_EQ(Get("m").body, "aaaaa");
  std::string error;
  EXPECT_EQ(Server::Start(options_, &error), nullptr);
  EXPECT_NE(error.find("in use"), std::string::npos);
}

TEST_P(S3Test, LargeBodies) {
  std::string body(3 << 20, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 2654435761u >> 13);
  Put("big", body);
  EXPECT_EQ(Get("big").body, body);
  EXPECT_EQ(Get("big", {{"range", "bytes=1000000-2000000"}}).body, body.substr(1000000, 1000001));
}

}  // namespace
}  // namespace s3files::server
