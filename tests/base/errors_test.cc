#include "lib/base/errors.h"

#include <cerrno>
#include <string>

#include "gtest/gtest.h"

namespace s3files {
namespace {

TEST(Errors, EveryErrnoComesBackExactly) {
  for (int error = 1; error < 134; ++error) {
    const absl::Status status = Error(error, "text");
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(ErrnoOf(status), error);
    EXPECT_EQ(status.message(), "text");
  }
}

TEST(Errors, OkIsZero) {
  EXPECT_EQ(ErrnoOf(absl::OkStatus()), 0);
  EXPECT_TRUE(Annotate(absl::OkStatus(), "here").ok());
}

TEST(Errors, FailureNeverBecomesSuccess) {
  EXPECT_EQ(ErrnoOf(Error(0, "no errno")), EIO);
  EXPECT_EQ(ErrnoOf(Error(-ENOENT, "negative")), EIO);
}

TEST(Errors, ForeignStatusGivesTheNearestErrno) {
  EXPECT_EQ(ErrnoOf(absl::NotFoundError("")), ENOENT);
  EXPECT_EQ(ErrnoOf(absl::AlreadyExistsError("")), EEXIST);
  EXPECT_EQ(ErrnoOf(absl::AbortedError("")), ESTALE);
  EXPECT_EQ(ErrnoOf(absl::CancelledError("")), ECANCELED);
  EXPECT_EQ(ErrnoOf(absl::DeadlineExceededError("")), ETIMEDOUT);
  EXPECT_EQ(ErrnoOf(absl::UnknownError("")), EIO);
  EXPECT_EQ(ErrnoOf(absl::InternalError("")), EIO);
  EXPECT_EQ(ErrnoOf(absl::OutOfRangeError("")), ERANGE);
}

TEST(Errors, CanonicalCodeGroupsErrnos) {
  EXPECT_TRUE(absl::IsNotFound(Error(ENOENT, "")));
  EXPECT_TRUE(absl::IsAborted(Error(ESTALE, "")));
  EXPECT_TRUE(absl::IsPermissionDenied(Error(EACCES, "")));
  EXPECT_TRUE(absl::IsUnknown(Error(EXFULL, "")));
}

TEST(Errors, ReplyTravelsAlong) {
  const absl::Status status = Error(EACCES, "denied", {403, "AccessDenied", "4442587FB7D0A2F9"});
  const StoreReply reply = ReplyOf(Annotate(Annotate(status, "inner"), "outer"));
  EXPECT_EQ(reply.http_status, 403);
  EXPECT_EQ(reply.s3_code, "AccessDenied");
  EXPECT_EQ(reply.request_id, "4442587FB7D0A2F9");
}

TEST(Errors, ReplyWithHostileBytes) {
  const std::string nul("a\0b", 3);
  const StoreReply reply = ReplyOf(Error(EIO, "x", {-1, nul, "line\r\nbreak"}));
  EXPECT_EQ(reply.http_status, -1);
  EXPECT_EQ(reply.s3_code, "a");
  EXPECT_EQ(reply.request_id, "line\r\nbreak");
}

TEST(Errors, NoReplyIsEmpty) {
  const StoreReply reply = ReplyOf(Error(EIO, "x"));
  EXPECT_EQ(reply.http_status, 0);
  EXPECT_TRUE(reply.s3_code.empty());
  EXPECT_TRUE(reply.request_id.empty());
}

TEST(Errors, AnnotateKeepsErrnoAndPrefixes) {
  const absl::Status status = Annotate(Error(ESTALE, "changed"), "dir/file");
  EXPECT_EQ(ErrnoOf(status), ESTALE);
  EXPECT_EQ(status.message(), "dir/file: changed");
}

absl::StatusOr<int> Half(int n) {
  if (n % 2 != 0) return Error(EDOM, "odd");
  return n / 2;
}

absl::Status QuarterInto(int n, int* out) {
  S3FILES_ASSIGN_OR_RETURN(const int half, Half(n));
  S3FILES_ASSIGN_OR_RETURN(*out, Half(half));
  S3FILES_RETURN_IF_ERROR(absl::OkStatus());
  return absl::OkStatus();
}

TEST(Errors, Macros) {
  int out = 0;
  EXPECT_TRUE(QuarterInto(12, &out).ok());
  EXPECT_EQ(out, 3);
  EXPECT_EQ(ErrnoOf(QuarterInto(6, &out)), EDOM);
}

}  // namespace
}  // namespace s3files
