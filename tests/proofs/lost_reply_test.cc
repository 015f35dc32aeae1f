// A reply that is lost after the write took effect: the call succeeds, and the effect is one.
// Every version is kept by the bucket, so that a second effect would show.

#include <cerrno>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "tests/proofs/s3_fixture.h"

namespace s3files::proofs {
namespace {

using server::Fault;

class LostReply : public OnS3 {
 protected:
  LostReply() { KeepVersions(); }

  void LoseOneReplyTo(const std::string& operation) {
    server_->AddFault({.operation = operation, .count = 1, .drop_reply = true});
  }
  void ExpectOneWasLost(const std::string& operation) const {
    ASSERT_GE(Requests(operation).size(), 1u);
    EXPECT_EQ(Requests(operation).front().status, 0);
  }
};

TEST_F(LostReply, OfPut) {
  const file_system fs = Open();
  LoseOneReplyTo("PutObject");
  WriteAll(fs, "a", "created");
  ExpectOneWasLost("PutObject");
  EXPECT_EQ(CountVersions(), 1u);
  LoseOneReplyTo("PutObject");
  WriteAll(fs, "a", "replaced");
  EXPECT_EQ(CountVersions(), 2u);
  EXPECT_EQ(ReadAll(Open(), "a"), "replaced");
}

TEST_F(LostReply, OfComplete) {
  const std::string bytes = Pattern(20 * kMiB);
  const file_system fs = Open();
  LoseOneReplyTo("CompleteMultipartUpload");
  WriteAll(fs, "a", bytes);
  ExpectOneWasLost("CompleteMultipartUpload");
  EXPECT_EQ(CountVersions(), 1u);
  EXPECT_EQ(CountPendingUploads(), 0u);
  EXPECT_TRUE(ReadAll(Open(), "a") == bytes);
}

TEST_F(LostReply, OfCopyInRename) {
  const file_system fs = Open();
  WriteAll(fs, "a", "bytes");
  LoseOneReplyTo("CopyObject");
  fs.rename("a", "b");
  ExpectOneWasLost("CopyObject");
  EXPECT_EQ(CountVersions(), 2u);  // of a, which is deleted, and of b
  EXPECT_EQ(CountDeleteMarkers(), 1u);
  const file_system other = Open();
  EXPECT_EQ(ReadAll(other, "b"), "bytes");
  EXPECT_FALSE(other.exists("a"));
}

TEST_F(LostReply, OfDeleteInRename) {
  const file_system fs = Open();
  WriteAll(fs, "a", "bytes");
  LoseOneReplyTo("DeleteObject");
  fs.rename("a", "b");
  ExpectOneWasLost("DeleteObject");
  EXPECT_EQ(CountVersions(), 2u);
  EXPECT_EQ(CountDeleteMarkers(), 1u);
  EXPECT_EQ(ReadAll(Open(), "b"), "bytes");
}

TEST_F(LostReply, OfDelete) {
  const file_system fs = Open();
  WriteAll(fs, "a", "bytes");
  LoseOneReplyTo("DeleteObject");
  fs.unlink("a");
  ExpectOneWasLost("DeleteObject");
  EXPECT_EQ(CountDeleteMarkers(), 1u);
  EXPECT_EQ(CountVersions(), 1u);
  EXPECT_FALSE(Open().exists("a"));
}

TEST_F(LostReply, OfEveryPutIsSettledByTheNextCommit) {
  const file_system fs = Open({{"timeout", "2s"}});
  server_->AddFault({.operation = "PutObject", .drop_reply = true});
  file out = fs.open("a", open_flags::write | open_flags::create);
  out.pwrite("bytes", 5, 0);
  server_->AddFault({.operation = "HeadObject", .status = 503, .code = "SlowDown"});
  std::error_code code;
  out.close(code);
  EXPECT_TRUE(code.value() == EIO || code.value() == ETIMEDOUT) << code.message();
  server_->ClearFaults();
  fs.commit("a");
  EXPECT_EQ(fs.status("a").state, staged_state::clean);
  EXPECT_EQ(ReadAll(Open(), "a"), "bytes");
}

// The option bounds one silent attempt, too, not only when the next may begin.
TEST_F(LostReply, OfAStoreThatFallsSilentIsWaitedForAsLongAsTheTimeout) {
  const file_system fs = Open({{"timeout", "1s"}});
  server_->AddFault({.operation = "PutObject", .count = 1, .stall = true});
  file out = fs.open("a", open_flags::write | open_flags::create);
  out.pwrite("bytes", 5, 0);
  const auto begin = std::chrono::steady_clock::now();
  std::error_code code;
  out.close(code);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
  EXPECT_TRUE(code.value() == EIO || code.value() == ETIMEDOUT) << code.message();
  fs.commit("a");
  EXPECT_EQ(ReadAll(Open(), "a"), "bytes");
}

// A 200 whose body is an error: the operation had no effect.
TEST_F(LostReply, AnErrorInA200IsAnErrorAndCommitSucceedsLater) {
  const std::string bytes = Pattern(20 * kMiB);
  const file_system fs = Open({{"timeout", "2s"}});
  server_->AddFault(
      {.operation = "CompleteMultipartUpload", .code = "InternalError", .error_in_200 = true});
  file out = fs.open("a", open_flags::write | open_flags::create);
  out.pwrite(bytes.data(), bytes.size(), 0);
  std::error_code code;
  out.close(code);
  EXPECT_TRUE(code.value() == EIO || code.value() == ETIMEDOUT) << code.message();
  EXPECT_EQ(fs.status("a").state, staged_state::failed);
  EXPECT_EQ(CountObjects(), 0u);
  server_->ClearFaults();
  fs.commit("a");
  EXPECT_EQ(CountVersions(), 1u);
  EXPECT_EQ(CountPendingUploads(), 0u);
  EXPECT_TRUE(ReadAll(Open(), "a") == bytes);
}

TEST_F(LostReply, AnErrorInA200OfCopyIsRetried) {
  const file_system fs = Open();
  WriteAll(fs, "a", "bytes");
  server_->AddFault(
      {.operation = "CopyObject", .count = 1, .code = "InternalError", .error_in_200 = true});
  fs.rename("a", "b");
  EXPECT_EQ(Requests("CopyObject").size(), 2u);
  EXPECT_EQ(CountVersions(), 2u);
  EXPECT_EQ(ReadAll(Open(), "b"), "bytes");
}

// [W8] Where a condition is not honoured, the comparison is made anew before a write is repeated:
// what another commits while the library waits for that is not overwritten.
class RepeatedWithoutCondition : public OnS3 {
 protected:
  RepeatedWithoutCondition() : OnS3(OnlyPuts(server::Support::kIgnored)) {
    WriteAll(other_, "a", "old");
  }

  // `change` meets a store that first says later, having done it or not; another writes meanwhile.
  void Expect(const std::string& operation, bool take_effect,
              const std::function<void(const file_system&)>& change) {
    const file_system fs = Open({{"provider", "generic"}});
    WriteAll(fs, "b", "new");
    EXPECT_EQ(ReadAll(fs, "a"), "old");
    server_->AddFault({.operation = operation,
                       .count = 1,
                       .code = "SlowDown",
                       .retry_after_s = 1,
                       .take_effect = take_effect});
    const size_t before = Requests(operation).size();
    std::thread changing([&] { change(fs); });
    while (Requests(operation).size() == before)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    WriteAll(other_, "a", "of another");
    changing.join();
    EXPECT_TRUE(ReadAll(Open(), "a") == "of another");
  }

  const file_system other_ = Open();
};

TEST_F(RepeatedWithoutCondition, W8CopyInRename) {
  for (const bool take_effect : {false, true}) {
    Expect("CopyObject", take_effect, [](const file_system& fs) {
      std::error_code code;
      fs.rename("b", "a", code);
      EXPECT_EQ(code.value(), ESTALE) << code.message();
    });
    WriteAll(other_, "a", "old");
  }
}

TEST_F(RepeatedWithoutCondition, W8Delete) {
  for (const bool take_effect : {false, true}) {
    Expect("DeleteObject", take_effect, [](const file_system& fs) {
      std::error_code code;
      fs.unlink("a", code);
      EXPECT_EQ(code.value(), ESTALE) << code.message();
    });
    WriteAll(other_, "a", "old");
  }
}

TEST_F(RepeatedWithoutCondition, W8Complete) {
  Expect("CompleteMultipartUpload", false, [](const file_system& fs) {
    file out = fs.open("a", open_flags::write | open_flags::truncate);
    const std::string bytes = Pattern(20 * kMiB);
    out.pwrite(bytes.data(), bytes.size(), 0);
    std::error_code code;
    out.close(code);
    EXPECT_EQ(code.value(), ESTALE) << code.message();
  });
}

TEST_F(RepeatedWithoutCondition, W8IsRepeatedWhereNothingChanged) {
  const file_system fs = Open({{"provider", "generic"}});
  WriteAll(fs, "b", "new");
  server_->AddFault({.operation = "CopyObject", .count = 1, .code = "SlowDown"});
  server_->AddFault({.operation = "CopyObject", .count = 1, .drop_reply = true});
  server_->AddFault({.operation = "DeleteObject", .count = 1, .code = "SlowDown"});
  server_->AddFault({.operation = "DeleteObject", .count = 1, .drop_reply = true});
  fs.rename("b", "a");
  EXPECT_EQ(ReadAll(Open(), "a"), "new");
  EXPECT_FALSE(Open().exists("b"));
}

}  // namespace
}  // namespace s3files::proofs
