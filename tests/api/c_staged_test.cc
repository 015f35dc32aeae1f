// The C ABI: what is staged, and the application's part in what becomes of it.
#include <cerrno>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/api/export_error.h"
#include "lib/base/errors.h"
#include "lib/store/memory_store.h"
#include "s3files/s3files.h"

namespace {

using ::testing::HasSubstr;

std::string Message() {
  s3f_error error = S3F_INIT(s3f_error);
  s3f_last_error(&error);
  return error.message;
}

std::string Bytes(s3f_handle* handle) {
  char bytes[64];
  const int64_t n = s3f_pread(bytes, sizeof(bytes), 0, handle, nullptr);
  return n < 0 ? "errno " + std::to_string(-n) : std::string(bytes, static_cast<size_t>(n));
}

// Two file systems on one place in memory; the first has a conflict callback.
class CStagedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    mine_ = Open(&CStagedTest::Decide);
    theirs_ = Open(nullptr);
  }
  void TearDown() override {
    for (s3f_fs* fs : {mine_, theirs_}) {
      EXPECT_EQ(s3f_fs_close(fs, S3F_CLOSE_DISCARD, nullptr), 0) << Message();
    }
    s3files::MemoryStore::Forget(name_);
  }

  s3f_fs* Open(s3f_conflict_fn decide, const char* delay = "1h") {
    const s3f_option options[] = {{"commit_delay", delay}};
    s3f_fs_config config = S3F_INIT(s3f_fs_config);
    config.options = options;
    config.option_count = 1;
    config.on_conflict = decide;
    config.on_conflict_user = this;
    s3f_fs* fs = nullptr;
    EXPECT_EQ(s3f_fs_open(&fs, ("memory://" + name_).c_str(), &config, nullptr), 0) << Message();
    return fs;
  }
  static void Write(s3f_fs* fs, const char* path, const std::string& bytes) {
    s3f_handle* handle = nullptr;
    ASSERT_EQ(s3f_open(&handle, fs, nullptr, path, S3F_O_WRITE | S3F_O_CREATE | S3F_O_TRUNC, 0644,
                       nullptr),
              0)
        << Message();
    EXPECT_EQ(s3f_pwrite(handle, bytes.data(), bytes.size(), 0, nullptr),
              static_cast<int64_t>(bytes.size()));
    EXPECT_EQ(s3f_close(handle, nullptr), 0) << Message();
  }
  std::string Read(s3f_fs* fs, const char* path) {
    s3f_handle* handle = nullptr;
    if (const int error = s3f_open(&handle, fs, nullptr, path, S3F_O_READ, 0, nullptr); error < 0) {
      return "errno " + std::to_string(-error);
    }
    const std::string bytes = Bytes(handle);
    EXPECT_EQ(s3f_close(handle, nullptr), 0);
    return bytes;
  }
  // "f" is staged in one file system, and committed by the other meanwhile.
  void Collide() {
    Write(mine_, "f", "base");
    ASSERT_EQ(s3f_commit(nullptr, mine_, nullptr, "f", 0, nullptr), 0);
    Write(mine_, "f", "mine");
    Write(theirs_, "f", "theirs");
    ASSERT_EQ(s3f_commit(nullptr, theirs_, nullptr, "f", 0, nullptr), 0);
  }

  static uint32_t Decide(void* user, const s3f_conflict* conflict) {
    auto* test = static_cast<CStagedTest*>(user);
    test->asked_.push_back(conflict->path);
    EXPECT_EQ(conflict->code, ESTALE);
    EXPECT_EQ(Bytes(conflict->mine), "mine");
    EXPECT_EQ(Bytes(conflict->theirs), "theirs");
    s3f_attr attr = S3F_INIT(s3f_attr);
    EXPECT_EQ(s3f_fstat(&attr, conflict->theirs, S3F_STAT_SIZE, nullptr), 0);
    EXPECT_EQ(attr.size, 6u);
    EXPECT_EQ(s3f_commit(nullptr, conflict->fs, nullptr, "f", 0, nullptr), -EDEADLK);
    EXPECT_EQ(s3f_pwrite(conflict->mine, "x", 1, 0, nullptr), -EBADF);
    EXPECT_EQ(s3f_pwrite(conflict->result, "both", 4, 0, nullptr), 4);
    EXPECT_EQ(s3f_close(conflict->result, nullptr), 0) << "nothing";
    return test->answer_;
  }

  const std::string name_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
  s3f_fs* mine_ = nullptr;
  s3f_fs* theirs_ = nullptr;
  uint32_t answer_ = S3F_CONFLICT_STORE;
  std::vector<std::string> asked_;
};

TEST_F(CStagedTest, W12TheCallbackMerges) {
  Collide();
  answer_ = S3F_CONFLICT_MERGED;
  EXPECT_EQ(s3f_commit(nullptr, mine_, nullptr, "f", 0, nullptr), 0) << Message();
  EXPECT_EQ(Read(theirs_, "f"), "both");
  EXPECT_THAT(asked_, ::testing::ElementsAre("f"));
}

TEST_F(CStagedTest, W12TheCallbackInsists) {
  Collide();
  answer_ = S3F_CONFLICT_MINE;
  EXPECT_EQ(s3f_commit(nullptr, mine_, nullptr, "f", 0, nullptr), 0) << Message();
  EXPECT_EQ(Read(theirs_, "f"), "mine");
}

TEST_F(CStagedTest, W12WhatIsNoDecisionIsTheStores) {
  Collide();
  answer_ = 77;
  EXPECT_EQ(s3f_commit(nullptr, mine_, nullptr, "f", 0, nullptr), -ESTALE);
  EXPECT_THAT(Message(), HasSubstr("lost+found"));
  EXPECT_EQ(Read(mine_, "f"), "theirs");
}

// What would wait for a callback that waits itself must not hang.
TEST_F(CStagedTest, W12ClosingDiscardingWaitsForTheCallback) {
  Collide();
  answer_ = S3F_CONFLICT_MINE;
  EXPECT_EQ(s3f_commit(nullptr, mine_, nullptr, "f", S3F_COMMIT_NO_WAIT, nullptr), 0);
  EXPECT_EQ(s3f_fs_close(mine_, S3F_CLOSE_DISCARD, nullptr), 0) << Message();
  EXPECT_EQ(asked_.size(), 1u);
  mine_ = Open(nullptr);
  EXPECT_EQ(Read(mine_, "f"), "mine");
}

TEST_F(CStagedTest, ACommitSaysWhatItDid) {
  Write(mine_, "f", "four");
  s3f_commit_info info = S3F_INIT(s3f_commit_info);
  EXPECT_EQ(s3f_commit(&info, mine_, nullptr, "f", 0, nullptr), 0);
  EXPECT_EQ(info.files, 1u);
  EXPECT_EQ(info.bytes, 4u);
  s3f_attr attr = S3F_INIT(s3f_attr);
  EXPECT_EQ(s3f_stat(&attr, theirs_, nullptr, "f", 0, S3F_STAT_VERSION, nullptr), 0);
  EXPECT_STREQ(info.etag, attr.etag);
  EXPECT_EQ(s3f_commit(&info, mine_, nullptr, "f", 0x80, nullptr), -EINVAL);
}

TEST_F(CStagedTest, D5ABarrierOrdersCommits) {
  Write(mine_, "z", "before");
  EXPECT_EQ(s3f_barrier(mine_, nullptr), 0);
  Write(mine_, "a", "behind");
  s3f_commit_info info = S3F_INIT(s3f_commit_info);
  EXPECT_EQ(s3f_commit(&info, mine_, nullptr, "a", 0, nullptr), 0);
  EXPECT_EQ(Read(theirs_, "z"), "before");
  EXPECT_EQ(s3f_barrier(nullptr, nullptr), -EINVAL);
}

TEST_F(CStagedTest, ADiffSaysWhatACommitWouldSend) {
  Write(mine_, "a", "four");
  Write(mine_, "b", "four more");
  s3f_diff_info diff = S3F_INIT(s3f_diff_info);
  EXPECT_EQ(s3f_diff(&diff, mine_, nullptr, "", nullptr), 0);
  EXPECT_EQ(diff.files, 2u);
  EXPECT_EQ(diff.put, 2u);
  EXPECT_EQ(diff.bytes_out, 13u);
  EXPECT_EQ(s3f_diff(&diff, mine_, nullptr, "unknown", nullptr), 0);
  EXPECT_EQ(diff.files, 0u);
}

TEST_F(CStagedTest, StatusSaysWhenItIsTriedNext) {
  const uint64_t before = s3f_now_ns();
  Write(mine_, "f", "four");
  s3f_status_info status = S3F_INIT(s3f_status_info);
  ASSERT_EQ(s3f_status(&status, mine_, nullptr, "f", nullptr), 0);
  EXPECT_GT(status.next_attempt_ns, before);
  EXPECT_STREQ(status.export_error, "");
}

// Names: docs.aws.amazon.com/AmazonS3/latest/userguide/s3-files-troubleshooting.html
TEST(ExportErrorTest, OnlyWhatSomebodyMustActOnHasAName) {
  using s3files::Error;
  using s3files::ExportErrorOf;
  EXPECT_EQ(ExportErrorOf(Error(EACCES, "")), "S3AccessDenied");
  EXPECT_EQ(ExportErrorOf(Error(ENOENT, "", {404, "NoSuchBucket", ""})), "S3BucketNotFound");
  EXPECT_EQ(ExportErrorOf(Error(EIO, "", {400, "KMS.DisabledException", ""})),
            "EncryptionKeyInaccessible");
  EXPECT_EQ(ExportErrorOf(Error(EIO, "", {403, "InvalidObjectState", ""})), "S3ObjectArchived");
  EXPECT_EQ(ExportErrorOf(Error(EINVAL, "", {400, "MetadataTooLarge", ""})),
            "S3UserMetadataTooLarge");
  EXPECT_EQ(ExportErrorOf(Error(EFBIG, "")), "FileSizeExceedsS3Limit");
  EXPECT_EQ(ExportErrorOf(Error(ENAMETOOLONG, "")), "PathTooLong");
  for (int error : {0, EIO, ETIMEDOUT, ESTALE, ECONNREFUSED}) {
    EXPECT_EQ(ExportErrorOf(error == 0 ? absl::OkStatus() : Error(error, "")), "");
  }
}

}  // namespace
