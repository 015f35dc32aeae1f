#include "lib/s3/endpoint.h"

#include <gtest/gtest.h>

#include "lib/base/errors.h"

namespace s3files {
namespace {

EndpointOptions Options(const char* bucket, const char* url = "", const char* region = "",
                        Addressing addressing = Addressing::kAuto) {
  EndpointOptions out;
  out.bucket = bucket;
  out.url = url;
  out.region = region;
  out.addressing = addressing;
  return out;
}

template <typename... Arguments>
Endpoint Make(Arguments... arguments) {
  absl::StatusOr<Endpoint> out = Endpoint::Create(Options(arguments...));
  EXPECT_TRUE(out.ok()) << out.status();
  return *std::move(out);
}

std::string UrlOf(const Endpoint& endpoint, absl::string_view key) {
  return endpoint.UrlOf(endpoint.PathOf(key), "");
}

TEST(Endpoint, AwsIsAddressedByVirtualHostWhereTheNameAllowsIt) {
  const Endpoint plain = Make("my-bucket", "", "eu-west-1");
  EXPECT_EQ(UrlOf(plain, "a b"), "https://my-bucket.s3.eu-west-1.amazonaws.com/a%20b");
  EXPECT_EQ(plain.host(), "my-bucket.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(plain.PathOf(""), "/");
  // A dot would not match the wildcard certificate.
  EXPECT_EQ(UrlOf(Make("my.bucket"), "k"), "https://s3.us-east-1.amazonaws.com/my.bucket/k");
  EXPECT_EQ(UrlOf(Make("Old_Bucket"), "k"), "https://s3.us-east-1.amazonaws.com/Old_Bucket/k");
  EXPECT_EQ(Make("bkt", "", "cn-north-1").host(), "bkt.s3.cn-north-1.amazonaws.com.cn");
}

TEST(Endpoint, OthersAreAddressedByPath) {
  const Endpoint local = Make("bkt", "http://127.0.0.1:9000");
  EXPECT_EQ(UrlOf(local, "x/../y"), "http://127.0.0.1:9000/bkt/x/../y");
  EXPECT_EQ(local.host(), "127.0.0.1:9000");
  EXPECT_EQ(local.PathOf(""), "/bkt");
  EXPECT_FALSE(local.https());
  EXPECT_EQ(UrlOf(Make("bkt", "https://h/base/"), "k"), "https://h/base/bkt/k");
  EXPECT_EQ(UrlOf(Make("bkt", "http://[::1]:81"), "k"), "http://[::1]:81/bkt/k");
}

TEST(Endpoint, TheDefaultPortIsNotPartOfTheHost) {
  EXPECT_EQ(Make("bkt", "https://h:443").host(), "h");
  EXPECT_EQ(Make("bkt", "http://H:80").host(), "h");
  EXPECT_EQ(Make("bkt", "http://h:443").host(), "h:443");
}

TEST(Endpoint, AddressingCanBeForced) {
  EXPECT_EQ(UrlOf(Make("bkt", "http://s3.localhost:9000", "", Addressing::kVirtualHost), "k"),
            "http://bkt.s3.localhost:9000/k");
  EXPECT_EQ(UrlOf(Make("bkt", "", "", Addressing::kPath), "k"),
            "https://s3.us-east-1.amazonaws.com/bkt/k");
}

TEST(Endpoint, NonsenseIsRefusedWithAReason) {
  for (const EndpointOptions& bad : {
           Options(""),
           Options("ab"),
           Options("a/b"),
           Options("a..b"),
           Options("-abc"),
           Options("bkt", "", "eu west"),
           Options("bkt", "127.0.0.1:9000"),
           Options("bkt", "ftp://h"),
           Options("bkt", "http://"),
           Options("bkt", "http://:80"),
           Options("bkt", "http://h:port"),
           Options("bkt", "http://h:99999"),
           Options("bkt", "http://u:p@h"),
           Options("bkt", "http://h/?x"),
       }) {
    const absl::StatusOr<Endpoint> out = Endpoint::Create(bad);
    EXPECT_EQ(ErrnoOf(out.status()), EINVAL) << bad.bucket << " " << bad.url;
  }
}

TEST(Endpoint, CredentialsInAUrlAreNotRepeatedInTheError) {
  const auto out = Endpoint::Create(Options("bkt", "http://user:secret@h"));
  EXPECT_EQ(out.status().message().find("secret"), absl::string_view::npos);
}

}  // namespace
}  // namespace s3files
