// [D4] [W7] Multipart uploads of a process that died are aborted by the next file system.
#include <cerrno>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fs/recovery.h"

namespace s3files {
namespace {

class RecoveryUploadsTest : public RecoveryTest {
 protected:
  static constexpr uint64_t kPart = Bucket::kPart;

  // The state is that of the first such call; from then on the host aborts nothing.
  void DieAt(Host& host, Op op, FaultyStore::When when = FaultyStore::kBefore) {
    host.store().Run(
        op, [this] { SaveState(); }, when);
    host.store().Fail(Op::kAbortUpload, Error(EIO, "dead"), FaultyStore::kBefore, 1, 1000);
  }
  // Of six parts, staged in an order in which nothing is uploaded early.
  void StageBackwards(Host& host, const std::string& bytes) {
    std::unique_ptr<Handle> handle = host.Create(kFile);
    for (size_t at = bytes.size(); at > 0; at -= kPart) {
      ASSERT_EQ(host.Write(*handle, at - kPart, bytes.substr(at - kPart, kPart)), absl::OkStatus());
    }
    ASSERT_EQ(host.Sync(*handle), absl::OkStatus());
    ASSERT_EQ(host.Close(std::move(handle)), absl::OkStatus());
    ASSERT_EQ(host.store().count(Op::kCreateUpload), 0);
  }
  void ExpectNothingLeft() {
    EXPECT_EQ(bucket_.PendingUploads(), 0u);
    EXPECT_EQ(NewHost()->Requests(), "") << "a row is left";
  }

  const std::string bytes_ = Noise(6 * kPart);
};

// [D4] [W7]
TEST_F(RecoveryUploadsTest, D4AnUploadBegunWhileTheFileWasWritten) {
  std::unique_ptr<Host> host = NewHost();
  DieAt(*host, Op::kUploadPart);
  std::unique_ptr<Handle> handle = host->Create(kFile);
  ASSERT_EQ(host->Append(*handle, bytes_), absl::OkStatus());
  ASSERT_TRUE(host->store().AwaitCalls(Op::kUploadPart, 6));
  handle.reset();
  host->Vanish();
  EXPECT_EQ(bucket_.PendingUploads(), 1u);
  RestoreState();
  host = NewHost();
  EXPECT_EQ(host->Requests(), "ABORT f") << "it is in the journal before its first part is sent";
  host->Vanish();
  ExpectNothingLeft();
}

// [D4] [W7]
TEST_F(RecoveryUploadsTest, D4AnUploadOfACommit) {
  std::unique_ptr<Host> host = NewHost();
  StageBackwards(*host, bytes_);
  DieAt(*host, Op::kUploadPart);
  host->store().Fail(Op::kCompleteUpload, Error(EIO, "dead"));
  EXPECT_EQ(ErrnoOf(host->Commit("f")), EIO);
  host->Vanish();
  EXPECT_EQ(bucket_.PendingUploads(), 1u);
  RestoreState();
  host = NewHost();
  EXPECT_EQ(host->Requests(), "ABORT f, HEAD f") << "and then whether the commit took place";
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  EXPECT_TRUE(bucket_.Get("f") == bytes_);
  host->Vanish();
  ExpectNothingLeft();
}

// [D4] [W7]
TEST_F(RecoveryUploadsTest, D4AnUploadOfCopiedParts) {
  bucket_.Put("f", bytes_);
  std::unique_ptr<Host> host = NewHost();
  std::unique_ptr<Handle> handle = host->Open("f", kOpenRead | kOpenWrite);
  ASSERT_EQ(host->Write(*handle, 0, "new"), absl::OkStatus());
  ASSERT_EQ(host->Sync(*handle), absl::OkStatus());
  handle.reset();
  DieAt(*host, Op::kCopyPart);
  host->store().Fail(Op::kCompleteUpload, Error(EIO, "dead"));
  EXPECT_EQ(ErrnoOf(host->Commit("f")), EIO);
  host->Vanish();
  EXPECT_EQ(bucket_.PendingUploads(), 1u);
  RestoreState();
  host = NewHost();
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  EXPECT_TRUE(bucket_.Get("f") == "new" + bytes_.substr(3));
  host->Vanish();
  ExpectNothingLeft();
}

// [D4] The abort of an upload that was completed is nothing.
TEST_F(RecoveryUploadsTest, D4AnUploadThatWasCompletedIsTheFile) {
  std::unique_ptr<Host> host = NewHost();
  StageBackwards(*host, bytes_);
  DieAt(*host, Op::kCompleteUpload, FaultyStore::kAfter);
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  host->Vanish();
  RestoreState();
  host = NewHost();
  EXPECT_EQ(host->Requests(), "ABORT f, HEAD f");
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  EXPECT_TRUE(bucket_.Get("f") == bytes_);
  EXPECT_THAT(host->List(".s3files-lost+found"), testing::IsEmpty());
  host->Vanish();
  ExpectNothingLeft();
}

// [D4] [W7]
TEST_F(RecoveryUploadsTest, D4AnAbortThatFailsIsTriedAgainByTheNextOne) {
  std::unique_ptr<Host> host = NewHost();
  StageBackwards(*host, bytes_);
  host->store().Fail(Op::kAbortUpload, Error(EIO, "dead"));
  host->store().Fail(Op::kUploadPart, Error(EACCES, "no"));
  EXPECT_EQ(ErrnoOf(host->Commit("f")), EACCES);
  EXPECT_EQ(host->Discard("f"), absl::OkStatus());
  host->Vanish();
  {
    auto store = std::make_shared<FaultyStore>(bucket_.store());
    store->Fail(Op::kAbortUpload, Error(EIO, "still dead"));
    FileSystem fs(store, options_, nullptr, Clock::System(),
                  Journal::Open(dir_, "memory://test").value());
    EXPECT_EQ(fs.Recover({}), absl::OkStatus());
    EXPECT_EQ(store->count(Op::kAbortUpload), 1);
    EXPECT_EQ(bucket_.PendingUploads(), 1u);
  }
  EXPECT_EQ(NewHost()->Requests(), "ABORT f");
  ExpectNothingLeft();
}

// [W7] Also without a state directory.
TEST_F(RecoveryUploadsTest, W7AnAbortThatFailsIsTriedAgainAfterTheNextUpload) {
  Host host(bucket_);
  host.store().Fail(Op::kAbortUpload, Error(EIO, "dead"));
  host.store().Fail(Op::kCompleteUpload, Error(EACCES, "no"));
  EXPECT_EQ(ErrnoOf(host.WriteFile("f", bytes_)), EACCES);
  EXPECT_EQ(bucket_.PendingUploads(), 1u);
  EXPECT_EQ(host.Commit("f"), absl::OkStatus());
  host.Vanish();
  EXPECT_EQ(bucket_.PendingUploads(), 0u);
}

// [D4] [P2] A journal costs no request, and afterwards it has nothing of the upload.
TEST_F(RecoveryUploadsTest, D4UploadsCostNoFurtherRequest) {
  std::unique_ptr<Host> host = NewHost();
  StageBackwards(*host, bytes_);
  host->Requests();
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  EXPECT_EQ(host->store().log().size(), 8u) << host->Requests();
  host->Vanish();
  ExpectNothingLeft();
}

}  // namespace
}  // namespace s3files
