// What is wrong with a URL, an option or a place is said at open, within seconds, in words that
// name the thing and the remedy.

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>

#include "tests/proofs/s3_fixture.h"

namespace s3files::proofs {
namespace {

class BadInput : public OnS3 {
 protected:
  options With(const std::string& name, const std::string& value) const {
    return OptionsFor(*server_, {{name, value}});
  }
};

TEST_F(BadInput, UnreachableEndpoint) {
  ExpectRefused(kUrl, With("endpoint", "http://127.0.0.1:1"), ECONNREFUSED,
                {"127.0.0.1", "check the endpoint"});
}

TEST_F(BadInput, EndpointWithoutSuchAHost) {
  ExpectRefused(kUrl, With("endpoint", "http://no-such-host.invalid"), EHOSTUNREACH,
                {"no-such-host.invalid", "endpoint"});
}

TEST_F(BadInput, EndpointThatNeverAnswers) {
  server_->AddFault({.stall = true});
  ExpectRefused(kUrl, OptionsFor(*server_), EHOSTUNREACH, {"127.0.0.1", "check"});
}

TEST_F(BadInput, EndpointThatNeverAnswersWithinTimeout) {
  server_->AddFault({.stall = true});
  ExpectRefused(kUrl, With("timeout", "300ms"), ETIMEDOUT, {"bucket"}, std::chrono::seconds(3));
}

TEST_F(BadInput, WrongSecret) {
  ExpectRefused(kUrl, With("secret_key", "no-such-key"), EACCES,
                {"SignatureDoesNotMatch", "secret"});
}

TEST_F(BadInput, WrongAccessKey) {
  ExpectRefused(kUrl, With("access_key", "nobody"), EACCES, {"InvalidAccessKeyId", "access"});
}

TEST_F(BadInput, MissingBucket) {
  ExpectRefused("s3://no-such-bucket/x", OptionsFor(*server_), ENOENT,
                {"no-such-bucket", "create"});
}

TEST_F(BadInput, MalformedUrls) {
  ExpectRefused("bucket/prefix", {}, EINVAL, {"bucket/prefix", "s3://"});
  ExpectRefused("http://host/bucket", {}, EINVAL, {"http://host/bucket", "s3://"});
  ExpectRefused("s3://", {}, EINVAL, {"s3://BUCKET"});
  ExpectRefused("file://relative", {}, EINVAL, {"file:///"});
}

TEST_F(BadInput, UnknownOption) {
  ExpectRefused(kUrl, With("end_point", "x"), EINVAL, {"end_point", "endpoint"});
  ExpectRefused("memory://m", {{"memroy", "64M"}}, EINVAL, {"memroy", "memory"});
}

TEST_F(BadInput, ValuesThatMakeNoSense) {
  ExpectRefused("memory://m", {{"memory", "1K"}}, EINVAL, {"memory", "1K", "4M"});
  ExpectRefused("memory://m", {{"commit_delay", "soon"}}, EINVAL, {"commit_delay", "soon"});
  ExpectRefused(kUrl, With("provider", "acme"), EINVAL, {"acme", "generic"});
}

TEST_F(BadInput, MissingDirectory) {
  ExpectRefused("file:///no/such/directory", {}, ENOENT,
                {"/no/such/directory", "make the directory"});
}

// Ordinary rights while in scope: root may write anywhere.
class WithoutPrivileges {
 public:
  WithoutPrivileges() { EXPECT_EQ(geteuid() == 0 ? seteuid(kNobody) : 0, 0); }
  ~WithoutPrivileges() { EXPECT_EQ(seteuid(user_), 0); }

 private:
  static constexpr uid_t kNobody = 65534;
  const uid_t user_ = geteuid();
};

TEST_F(BadInput, DirectoryThatCannotBeWritten) {
  std::string directory = testing::TempDir() + "s3files-read-only-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  ASSERT_EQ(chmod(directory.c_str(), 0555), 0);
  {
    const WithoutPrivileges user;
    ExpectRefused("file://" + directory, {}, EACCES, {directory, "must be able to write"});
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace s3files::proofs
