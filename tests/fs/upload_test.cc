// Large files: uploads in parts, while they are written, and what is left of them: [W7]..[W9] of
// SEMANTICS.md, [M1], [M2].
#include "absl/strings/str_cat.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

constexpr uint64_t kPart = Bucket::kPart;

class UploadTest : public testing::Test {
 protected:
  // A new file of `parts` whole parts, all of which have been uploaded already.
  std::unique_ptr<Handle> WriteEarly(int parts, const std::string& bytes) {
    std::unique_ptr<Handle> handle = host_.Create(kFile);
    for (int part = 0; part < parts; ++part) {
      EXPECT_TRUE(host_.Append(*handle, bytes.substr(part * kPart, kPart)).ok());
    }
    AwaitParts(parts);
    return handle;
  }
  // Until `n` parts have been sent and answered.
  void AwaitParts(int n) { EXPECT_TRUE(host_.store().AwaitCalls(Op::kUploadPart, n)); }
  void ExpectNothingLeft() {
    host_.Vanish();
    EXPECT_EQ(bucket_.PendingUploads(), 0u);
  }

  Bucket bucket_;
  Host host_{bucket_};
  const std::string bytes_ = Noise(6 * kPart);
};

// [W7]
TEST_F(UploadTest, W7PartsGoUpWhileTheFileIsWrittenAndNothingIsVisible) {
  std::unique_ptr<Handle> handle = WriteEarly(6, bytes_);
  EXPECT_EQ(bucket_.Get(kFile), std::nullopt);
  EXPECT_EQ(bucket_.PendingUploads(), 1u);
  EXPECT_TRUE(host_.Read(*handle) == bytes_);
  ASSERT_TRUE(host_.Append(*handle, "end").ok());
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_TRUE(bucket_.Get(kFile) == bytes_ + "end");
  EXPECT_EQ(host_.store().count(Op::kUploadPart), 7) << "no part was sent twice";
  EXPECT_EQ(host_.store().count(Op::kCreateUpload), 1);
  ExpectNothingLeft();
}

// [W7]
TEST_F(UploadTest, W7APartThatIsRewrittenIsSentAgain) {
  std::unique_ptr<Handle> handle = WriteEarly(6, bytes_);
  std::string expected = bytes_;
  expected.replace(kPart + 5, 3, "new");
  ASSERT_TRUE(host_.Write(*handle, kPart + 5, "new").ok());
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_TRUE(bucket_.Get(kFile) == expected);
  const std::vector<LoggedCall> parts = host_.store().log(Op::kUploadPart);
  ASSERT_EQ(parts.size(), 7u);
  EXPECT_EQ(parts.back().part, 2u);
  ExpectNothingLeft();
}

// [W7] A part may be rewritten while it is on its way.
TEST_F(UploadTest, W7APartThatChangesWhileItIsSentIsSentAgain) {
  host_.store().Hold(Op::kUploadPart);
  std::unique_ptr<Handle> handle = host_.Create(kFile);
  ASSERT_TRUE(host_.Write(*handle, 0, bytes_).ok());
  ASSERT_TRUE(host_.store().AwaitHeld(Op::kUploadPart));
  std::string expected = Noise(bytes_.size(), 2);
  ASSERT_TRUE(host_.Write(*handle, 0, expected).ok());
  host_.store().ReleaseAll();
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_TRUE(bucket_.Get(kFile) == expected);
  ExpectNothingLeft();
}

// [W7]
TEST_F(UploadTest, W7AFileThatIsCutOffAgain) {
  for (const uint64_t size : {uint64_t{0}, kPart / 2, 2 * kPart, 3 * kPart + 1, 5 * kPart}) {
    const std::string path = absl::StrCat("f", size);
    std::unique_ptr<Handle> handle = host_.Create(path);
    ASSERT_TRUE(host_.Write(*handle, 0, bytes_).ok());
    ASSERT_TRUE(host_.Truncate(*handle, size).ok());
    ASSERT_TRUE(host_.Append(*handle, "tail").ok());
    ASSERT_TRUE(host_.Close(std::move(handle)).ok());
    EXPECT_TRUE(bucket_.Get(path) == bytes_.substr(0, size) + "tail") << size;
  }
  ExpectNothingLeft();
}

// [W7] Parts that were uploaded of what is cut off now are not the bytes of the file any more.
TEST_F(UploadTest, W7WhatIsCutOffAndGrownAgainIsZero) {
  std::unique_ptr<Handle> handle = WriteEarly(6, bytes_);
  ASSERT_TRUE(host_.Truncate(*handle, 2 * kPart + 5).ok());
  ASSERT_TRUE(host_.Truncate(*handle, 6 * kPart).ok());
  const std::string expected = bytes_.substr(0, 2 * kPart + 5) + std::string(4 * kPart - 5, '\0');
  EXPECT_TRUE(host_.Read(*handle) == expected);
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_TRUE(bucket_.Get(kFile) == expected);
  ExpectNothingLeft();
}

// [W7]
TEST_F(UploadTest, W7TruncatedByAnotherOpenAndRewritten) {
  std::unique_ptr<Handle> first = WriteEarly(6, bytes_);
  const std::string other = Noise(5 * kPart + 7, 2);
  std::unique_ptr<Handle> second = host_.Open(kFile, kReadWrite | kOpenTruncate);
  ASSERT_TRUE(host_.Write(*second, 0, other).ok());
  ASSERT_TRUE(host_.Close(std::move(second)).ok());
  EXPECT_TRUE(bucket_.Get(kFile) == other);
  EXPECT_TRUE(host_.Read(*first) == other);
  ASSERT_TRUE(host_.Close(std::move(first)).ok());
  ExpectNothingLeft();
}

// [W7] Parts that fail on their way are sent by the commit.
TEST_F(UploadTest, W7EarlyPartsMayFail) {
  host_.store().Fail(Op::kUploadPart, Error(EIO, "refused"), FaultyStore::kBefore, 2, 2);
  ASSERT_TRUE(host_.Close(WriteEarly(6, bytes_)).ok());
  EXPECT_TRUE(bucket_.Get(kFile) == bytes_);
  host_.store().Fail(Op::kCreateUpload, Error(EIO, "refused"));
  ASSERT_TRUE(host_.WriteFile("g", bytes_).ok());
  EXPECT_TRUE(bucket_.Get("g") == bytes_);
  ExpectNothingLeft();
}

// [W7] [W5]
TEST_F(UploadTest, W7NoUploadIsLeftBehind) {
  const struct {
    const char* what;
    std::function<absl::Status(std::unique_ptr<Handle>)> end;
    bool committed = false;
  } kEnds[] = {
      {"abandon", [&](auto handle) { return host_.Abandon(std::move(handle)); }},
      {"discard",
       [&](auto handle) {
         EXPECT_TRUE(host_.Discard(kFile).ok());
         return host_.Close(std::move(handle));
       }},
      {"unlink",
       [&](auto handle) {
         EXPECT_TRUE(host_.Unlink(kFile).ok());
         EXPECT_TRUE(host_.Append(*handle, bytes_).ok());
         return host_.Close(std::move(handle));
       }},
      {"rename",
       [&](auto handle) {
         EXPECT_TRUE(host_.Rename(kFile, "g").ok());
         return host_.Close(std::move(handle));
       },
       true},
      {"replace",
       [&](auto handle) {
         EXPECT_TRUE(host_.WriteFile("small", "x").ok());
         EXPECT_TRUE(host_.Rename("small", kFile).ok());
         return host_.Close(std::move(handle));
       }},
  };
  for (const auto& end : kEnds) {
    EXPECT_TRUE(end.end(WriteEarly(6, bytes_)).ok()) << end.what;
    EXPECT_EQ(bucket_.PendingUploads(), 0u) << end.what;
    EXPECT_EQ(bucket_.Get("g").has_value(), end.committed) << end.what;
    for (const std::string& key : bucket_.Keys()) ASSERT_TRUE(host_.Unlink(key).ok());
    host_.Requests();
  }
}

// [W7]
TEST_F(UploadTest, W7AFailedCommitLeavesNoUpload) {
  for (const Op op : {Op::kUploadPart, Op::kCompleteUpload}) {
    std::unique_ptr<Handle> handle = host_.Create(kFile);
    ASSERT_TRUE(host_.Write(*handle, kPart, bytes_).ok());  // not from the start: no early upload
    host_.store().Fail(op, Error(EIO, "refused"));
    EXPECT_EQ(ErrnoOf(host_.Sync(*handle)), EIO);
    EXPECT_EQ(bucket_.PendingUploads(), 0u);
    EXPECT_TRUE(bucket_.Keys().empty());
    EXPECT_TRUE(host_.Abandon(std::move(handle)).ok());
  }
}

// [W7] [W3]
TEST_F(UploadTest, W7AConflictLeavesNoUploadAndKeepsTheBytes) {
  std::unique_ptr<Handle> handle = WriteEarly(6, bytes_);
  bucket_.Put(kFile, "foreign");
  EXPECT_EQ(ErrnoOf(host_.Close(std::move(handle))), ESTALE);
  EXPECT_EQ(bucket_.Get(kFile), "foreign");
  EXPECT_EQ(bucket_.PendingUploads(), 0u);
  EXPECT_TRUE(host_.ReadFile(host_.events(EventKind::kConflict).at(0).detail) == bytes_);
}

// [W7] The file system may go while an upload is under way.
TEST_F(UploadTest, W7VanishingAbortsUploads) {
  ASSERT_NE(WriteEarly(6, bytes_), nullptr);
  EXPECT_EQ(bucket_.PendingUploads(), 1u);
  ExpectNothingLeft();
  EXPECT_TRUE(bucket_.Keys().empty());
}

// [N7] Of a file that was uploaded while it was written, mtime is when the upload began.
TEST_F(UploadTest, N7MtimeOfAnEarlyUploadIsTheSameEverywhere) {
  ASSERT_TRUE(host_.Close(WriteEarly(6, bytes_)).ok());
  const Attributes here = host_.Stat(kFile)->attributes;
  Host there(bucket_);
  EXPECT_EQ(there.Stat(kFile)->attributes, here);
}

// [W5] Regression: what another handle wrote while a discard was aborting its upload was neither
// committed nor reported.
TEST_F(UploadTest, W5AWriteDuringADiscardIsAFileAgain) {
  std::unique_ptr<Handle> abandoned = host_.Create("f");
  ASSERT_TRUE(host_.Write(*abandoned, 0, Noise(4 * Bucket::kPart)).ok());
  ASSERT_TRUE(host_.store().AwaitCalls(Op::kCreateUpload, 1));
  std::unique_ptr<Handle> other = host_.Open("f", kOpenWrite);
  host_.store().Hold(Op::kAbortUpload);
  std::thread abandon([&] { EXPECT_TRUE(host_.Abandon(std::move(abandoned)).ok()); });
  ASSERT_TRUE(host_.store().AwaitHeld(Op::kAbortUpload));
  ASSERT_TRUE(host_.Write(*other, 0, "bytes").ok());
  host_.store().ReleaseAll();
  abandon.join();
  ASSERT_TRUE(host_.Close(std::move(other)).ok());
  EXPECT_EQ(bucket_.Get("f"), "bytes");
  EXPECT_EQ(host_.fs().GetStats().staged_files, 0u);
}

// [W9]
TEST_F(UploadTest, W9ARewriteKeepsTheMetadata) {
  ObjectMetadata metadata;
  metadata.user = {{"project", "apollo"}, {"file-owner", "77"}};
  metadata.content_type = "text/x-test";
  metadata.content_encoding = "gzip";
  metadata.content_language = "eo";
  metadata.content_disposition = "inline";
  metadata.cache_control = "no-store";
  metadata.expires = "Thu, 01 Jan 2099 00:00:00 GMT";
  metadata.storage_class = "STANDARD_IA";
  metadata.encryption = "aws:kms";
  metadata.encryption_key = "arn:aws:kms:us-east-1:111122223333:key/apollo";
  metadata.encryption_bucket_key = "true";
  const ObjectTags tags = {{"cost center", "42 & more"}, {"empty", ""}};
  const auto expect_kept = [&](const std::string& key) {
    ObjectMetadata now = bucket_.Head(key).metadata;
    EXPECT_EQ(now.user["project"], "apollo") << key;
    EXPECT_EQ(now.user["file-owner"], "77") << key;
    now.user = metadata.user;
    EXPECT_EQ(now, metadata) << key;
    EXPECT_EQ(bucket_.Tags(key), tags) << key;
  };
  bucket_.Put(kFile, "old", metadata, tags);
  bucket_.Put("large", Noise(10 * kPart), metadata, tags);
  ASSERT_TRUE(host_.WriteFile(kFile, "new").ok());
  expect_kept(kFile);
  std::unique_ptr<Handle> handle = host_.Open("large", kOpenWrite);
  ASSERT_TRUE(host_.Append(*handle, "more").ok());
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  expect_kept("large");
  ASSERT_TRUE(host_.WriteFile("large", bytes_).ok());
  expect_kept("large");
  ASSERT_TRUE(host_.Rename("large", "renamed").ok());
  expect_kept("renamed");
}

// [W9] The tags of a file that is uploaded while it is written, and of a copy in parts.
TEST_F(UploadTest, W9TagsAreKeptHoweverTheObjectIsWritten) {
  const ObjectTags tags = {{"k", "v"}};
  bucket_.Put(kFile, "old", {}, tags);
  std::unique_ptr<Handle> handle = host_.Open(kFile, kOpenWrite | kOpenTruncate);
  ASSERT_TRUE(host_.Append(*handle, bytes_).ok());
  AwaitParts(6);
  EXPECT_EQ(host_.store().count(Op::kGetTags), 1);
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Tags(kFile), tags);
  EXPECT_EQ(host_.store().count(Op::kGetTags), 1);
  EXPECT_EQ(host_.store().count(Op::kCreateUpload), 1);

  Capabilities can = Bucket::SmallParts();
  can.largest_copy = 4 * kPart;
  Bucket bucket(can);
  bucket.Put(kFile, bytes_, {}, tags);
  Host host(bucket);
  ASSERT_TRUE(host.Rename(kFile, "moved").ok());
  EXPECT_GT(host.store().count(Op::kCopyPart), 0);
  EXPECT_EQ(bucket.Tags("moved"), tags);
}

// [W9] What would be lost is not: the file stays staged until the tags can be read.
TEST_F(UploadTest, W9TagsThatCannotBeReadFailTheCommit) {
  const ObjectTags tags = {{"k", "v"}};
  const absl::Status denied = Error(EACCES, "s3:GetObjectTagging is needed");
  for (const std::string& bytes : {std::string("new"), bytes_}) {
    bucket_.Put(kFile, "old", {}, tags);
    // The early upload asks, too, and leaves it to the commit to tell.
    const int times = bytes.size() > kPart ? 2 : 1;
    host_.store().Fail(Op::kGetTags, denied, FaultyStore::kBefore, 1, times);
    std::unique_ptr<Handle> handle = host_.Open(kFile, kOpenWrite | kOpenTruncate);
    ASSERT_TRUE(host_.Append(*handle, bytes).ok());
    const absl::Status closed = host_.Sync(*handle);
    EXPECT_EQ(ErrnoOf(closed), EACCES) << closed;
    EXPECT_EQ(*bucket_.Get(kFile), "old");
    ASSERT_TRUE(host_.Close(std::move(handle)).ok());
    EXPECT_TRUE(*bucket_.Get(kFile) == bytes);
    EXPECT_EQ(bucket_.Tags(kFile), tags);
  }
  ExpectNothingLeft();
}

Bucket WithoutConditions() {
  Capabilities can = Bucket::SmallParts();
  can.conditional_create = can.conditional_replace = can.conditional_complete = false;
  can.conditional_delete = can.copy_source = can.copy_target = false;
  return Bucket(can);
}

// [W8]
TEST(UnconditionalStoreTest, W8AHeadJustBeforeComparesInstead) {
  Bucket bucket = WithoutConditions();
  Host host(bucket);
  ASSERT_TRUE(host.WriteFile(kFile, "one").ok());
  EXPECT_EQ(host.Requests(), "LIST , HEAD f, PUT f");
  EXPECT_EQ(host.events(EventKind::kUnconditional).size(), 1u);
  std::unique_ptr<Handle> handle = host.Open(kFile, kReadWrite);
  ASSERT_TRUE(host.Write(*handle, 0, "two").ok());
  bucket.Put(kFile, "foreign");
  EXPECT_EQ(ErrnoOf(host.Close(std::move(handle))), ESTALE);
  EXPECT_EQ(bucket.Get(kFile), "foreign");
  ASSERT_TRUE(host.WriteFile(kFile, "three").ok());
  ASSERT_TRUE(host.Rename(kFile, "g").ok());
  ASSERT_TRUE(host.Unlink("g").ok());
  EXPECT_TRUE(bucket.Keys().empty());
  EXPECT_LE(host.events(EventKind::kUnconditional).size(), 4u) << "told once for each kind";
}

// [W8]
TEST(UnconditionalStoreTest, W8StrictRefuses) {
  Bucket bucket = WithoutConditions();
  bucket.Put("g", "");
  bucket.Put("d/x", "");
  FileSystemOptions options = Host::Options();
  options.strict = true;
  Host host(bucket, options);
  EXPECT_EQ(ErrnoOf(host.WriteFile(kFile, "x")), ENOTSUP);
  EXPECT_EQ(ErrnoOf(host.MakeDirectory("new")), ENOTSUP);
  EXPECT_EQ(ErrnoOf(host.Rename("g", "h")), ENOTSUP);
  EXPECT_EQ(ErrnoOf(host.Unlink("g")), ENOTSUP);
  EXPECT_EQ(ErrnoOf(host.Unlink("d/x")), ENOTSUP);
  EXPECT_EQ(bucket.Keys(), (std::vector<std::string>{"d/x", "g"}));
}

// [W8] A store whose versions do not compare.
TEST(UnconditionalStoreTest, W8WithoutStrongEtagsFilesCanBeWrittenAndRenamed) {
  Capabilities can = Bucket::SmallParts();
  can.strong_etags = can.copy_source = can.copy_target = can.conditional_delete = false;
  Bucket bucket(can);
  Host host(bucket);
  ASSERT_TRUE(host.WriteFile(kFile, "one").ok());
  ASSERT_TRUE(host.WriteFile(kFile, "two").ok());
  EXPECT_TRUE(host.Rename(kFile, "g").ok());
  EXPECT_EQ(host.ReadFile("g"), "two");
  EXPECT_TRUE(host.Unlink("g").ok());
}

// [M1]
TEST(MemoryTest, M1StagedBytesTakeHalfOfTheMemoryAndSpill) {
  Bucket bucket;
  FileSystemOptions options = Host::Options();
  options.memory = 16 * kBlockSize;
  Host host(bucket, options);
  const std::string bytes = Noise(64 * kBlockSize);
  std::unique_ptr<Handle> handle = host.Create(kFile);
  for (uint64_t at = 0; at < bytes.size(); at += kBlockSize) {
    ASSERT_TRUE(host.Write(*handle, at, bytes.substr(at, kBlockSize)).ok());
    const FileSystem::Stats stats = host.fs().GetStats();
    EXPECT_LE(stats.memory_staged, options.memory / 2);
    EXPECT_LE(stats.memory_staged + stats.memory_cached + stats.memory_in_flight, options.memory);
  }
  EXPECT_GT(host.fs().GetStats().spilled, 0u);
  EXPECT_TRUE(host.Read(*handle) == bytes);
  ASSERT_TRUE(host.Close(std::move(handle)).ok());
  EXPECT_EQ(host.fs().GetStats().spilled, 0u);
  EXPECT_EQ(host.fs().GetStats().memory_staged, 0u);
  EXPECT_TRUE(bucket.Get(kFile) == bytes);
  EXPECT_TRUE(host.ReadFile(kFile) == bytes);
  const FileSystem::Stats stats = host.fs().GetStats();
  EXPECT_LE(stats.memory_cached + stats.memory_in_flight, options.memory);
}

// [M2]
TEST(MemoryTest, M2WithoutSpillingAWriteThatFindsNoRoomFailsAtOnceAndReadsGoOn) {
  Bucket bucket;
  const std::string other = Noise(40 * kBlockSize, 2);
  bucket.Put("other", other);
  FileSystemOptions options = Host::Options();
  options.memory = 16 * kBlockSize;
  options.spill_dir = "";
  Host host(bucket, options);
  std::unique_ptr<Handle> handle = host.Create(kFile);
  const std::string bytes = Noise(8 * kBlockSize);
  ASSERT_TRUE(host.Write(*handle, 0, bytes).ok());
  EXPECT_EQ(ErrnoOf(host.Write(*handle, 7 * kBlockSize, Noise(3 * kBlockSize, 3))), ENOSPC);
  EXPECT_TRUE(host.Read(*handle) == bytes) << "all or nothing is staged";
  EXPECT_TRUE(host.ReadFile("other") == other);
  ASSERT_TRUE(host.Close(std::move(handle)).ok());
  EXPECT_TRUE(host.WriteFile("more", bytes).ok());
  EXPECT_TRUE(bucket.Get(kFile) == bytes);
}

// [M2] A commit takes room for what it resends and is not staged, or fails; it never sends less.
TEST(MemoryTest, M2ACommitThatFindsNoRoomForWhatItResendsKeepsTheFileStaged) {
  Bucket bucket;
  std::string bytes = Noise(kBlockSize);
  bucket.Put(kFile, bytes);
  FileSystemOptions options = Host::Options();
  options.memory = 16 * kBlockSize;
  options.spill_dir = "";
  Host host(bucket, options);
  std::unique_ptr<Handle> handle = host.Open(kFile, kReadWrite);
  ASSERT_TRUE(host.Write(*handle, 5, "new").ok());
  std::unique_ptr<Handle> full = host.Create("full");
  ASSERT_TRUE(host.Write(*full, 0, Noise(7 * kBlockSize, 2)).ok());
  EXPECT_EQ(ErrnoOf(host.Sync(*handle)), ENOSPC);
  EXPECT_TRUE(bucket.Get(kFile) == bytes);
  EXPECT_EQ(host.Status(kFile).state, FileSystem::State::kFailed);
  ASSERT_TRUE(host.Abandon(std::move(full)).ok());
  EXPECT_TRUE(host.Close(std::move(handle)).ok());
  bytes.replace(5, 3, "new");
  EXPECT_TRUE(bucket.Get(kFile) == bytes);
}

}  // namespace
}  // namespace s3files
