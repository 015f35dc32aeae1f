// [N8] Changes of attributes: chmod, chown, utimens, truncate by path, extended attributes.
#include <cerrno>

#include "lib/base/errors.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

class AttributeChangeTest : public testing::Test {
 protected:
  static FileSystemOptions Delayed() {
    FileSystemOptions options = Host::Options();
    options.commit.delay_ns = int64_t{60} * 1'000'000'000;
    return options;
  }

  Bucket bucket_;
  Host host_{bucket_};
  Host other_{bucket_};
};

TEST_F(AttributeChangeTest, N8AChangeIsOneCopyThatKeepsTheRest) {
  ObjectMetadata metadata;
  metadata.content_type = "text/plain";
  metadata.cache_control = "no-cache";
  metadata.user = {{"project", "apollo"}, {"file-owner", "7"}};
  bucket_.Put(kFile, "bytes", metadata);
  EXPECT_TRUE(host_.Stat(kFile).ok());
  host_.Requests();
  ASSERT_TRUE(host_.Chmod(kFile, 0640).ok());
  EXPECT_EQ(host_.Requests(), "HEAD f, COPY f");
  EXPECT_EQ(host_.Stat(kFile)->attributes.mode, 0640u);
  EXPECT_EQ(host_.Requests(), "");

  const ObjectInfo now = bucket_.Head(kFile);
  EXPECT_EQ(now.metadata.content_type, "text/plain");
  EXPECT_EQ(now.metadata.cache_control, "no-cache");
  EXPECT_EQ(now.metadata.user.at("project"), "apollo");
  EXPECT_EQ(now.metadata.user.at("file-owner"), "7");
  EXPECT_EQ(now.metadata.user.at("file-permissions"), "0100640");
  EXPECT_EQ(bucket_.Get(kFile), "bytes");
  EXPECT_EQ(other_.Stat(kFile)->attributes, host_.Stat(kFile)->attributes);
}

TEST_F(AttributeChangeTest, N8AChangeToWhatItIsSendsNoCopy) {
  ASSERT_TRUE(host_.WriteFile(kFile, "bytes").ok());
  ASSERT_TRUE(host_.Chmod(kFile, 0640).ok());
  host_.Requests();
  ASSERT_TRUE(host_.Chmod(kFile, 0640).ok());
  EXPECT_EQ(host_.Requests(), "HEAD f");
}

TEST_F(AttributeChangeTest, TimesHaveNanoseconds) {
  ASSERT_TRUE(host_.WriteFile(kFile, "bytes").ok());
  AttributeRequest times;
  times.mtime_ns = 1'234'567'890'123'456'789;
  times.atime_ns = 42;
  ASSERT_TRUE(host_.SetAttributes(kFile, times).ok());
  EXPECT_EQ(host_.Stat(kFile)->attributes.mtime_ns, 1'234'567'890'123'456'789);
  EXPECT_EQ(host_.Stat(kFile)->atime_ns, 42);
  EXPECT_EQ(other_.Stat(kFile)->attributes.mtime_ns, 1'234'567'890'123'456'789);
  EXPECT_EQ(bucket_.Head(kFile).metadata.user.at("file-mtime"), "1234567890123456789ns");
}

// [C2]
TEST_F(AttributeChangeTest, C2HandlesFollowAndNoByteIsReadAgain) {
  const std::string bytes = Noise(6 * Bucket::kPart);
  ASSERT_TRUE(host_.WriteFile(kFile, bytes).ok());
  ASSERT_TRUE(bucket_.Head(kFile).stamp.version.known());
  const std::unique_ptr<Handle> handle = host_.Open(kFile);
  EXPECT_TRUE(host_.Read(*handle) == bytes);
  host_.Requests();
  ASSERT_TRUE(host_.Chmod(kFile, 0600).ok());
  EXPECT_TRUE(host_.Read(*handle) == bytes);
  EXPECT_EQ(host_.Requests(), "HEAD f, COPY f");
  EXPECT_TRUE(host_.ReadFile(kFile) == bytes);
  EXPECT_EQ(host_.Requests(), "HEAD f");
}

TEST_F(AttributeChangeTest, N8OthersFieldsStayAndTheirBytesAreSeen) {
  ASSERT_TRUE(host_.WriteFile(kFile, "mine").ok());
  const std::unique_ptr<Handle> old = host_.Open(kFile);
  ASSERT_TRUE(other_.WriteFile(kFile, "theirs").ok());
  AttributeRequest owner;
  owner.uid = 1000;
  ASSERT_TRUE(other_.SetAttributes(kFile, owner).ok());
  ASSERT_TRUE(host_.Chmod(kFile, 0600).ok());
  const Attributes now = host_.Stat(kFile)->attributes;
  EXPECT_EQ(now.uid, 1000u);
  EXPECT_EQ(now.mode, 0600u);
  EXPECT_EQ(bucket_.Get(kFile), "theirs");
  EXPECT_EQ(host_.ReadFile(kFile), "theirs");
  EXPECT_EQ(host_.Read(*old), "mine") << "a handle reads one version";
}

TEST_F(AttributeChangeTest, N8AnotherWriteInBetweenIsMergedToo) {
  ASSERT_TRUE(host_.WriteFile(kFile, "mine").ok());
  host_.store().Run(Op::kCopy, [&] { EXPECT_TRUE(other_.WriteFile(kFile, "theirs").ok()); });
  ASSERT_TRUE(host_.Chmod(kFile, 0600).ok());
  EXPECT_EQ(bucket_.Get(kFile), "theirs");
  EXPECT_EQ(bucket_.Head(kFile).metadata.user.at("file-permissions"), "0100600");
}

TEST_F(AttributeChangeTest, StagedBytesTakeItAlong) {
  std::unique_ptr<Handle> handle = host_.Create(kFile);
  ASSERT_TRUE(host_.Write(*handle, 0, "bytes").ok());
  host_.Requests();
  ASSERT_TRUE(host_.Chmod(kFile, 0600).ok());
  ASSERT_TRUE(host_.SetXattr(kFile, "user.color", "red").ok());
  EXPECT_EQ(host_.Requests(), "");
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(host_.Requests(), "PUT f");
  EXPECT_EQ(bucket_.Head(kFile).metadata.user.at("file-permissions"), "0100600");
  EXPECT_EQ(bucket_.Head(kFile).metadata.user.at("color"), "red");
}

// Metadata of a multipart upload is fixed when it begins.
TEST_F(AttributeChangeTest, N8OfAFileThatIsUploadedEarlyItFollowsItsCommit) {
  std::unique_ptr<Handle> handle = host_.Create(kFile);
  ASSERT_TRUE(host_.Write(*handle, 0, Noise(4 * Bucket::kPart)).ok());
  AttributeRequest request;
  request.mode = 0600;
  request.mtime_ns = 4711;
  ASSERT_TRUE(host_.SetAttributes(kFile, request).ok());
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Head(kFile).metadata.user.at("file-permissions"), "0100600");
  EXPECT_EQ(bucket_.Head(kFile).metadata.user.at("file-mtime"), "4711ns");
  EXPECT_EQ(bucket_.PendingUploads(), 0u);
  EXPECT_EQ(host_.Status(kFile).state, FileSystem::State::kClean);
}

TEST_F(AttributeChangeTest, AWriteAfterwardsSetsTheTimeAgain) {
  std::unique_ptr<Handle> handle = host_.Create(kFile);
  AttributeRequest request;
  request.mtime_ns = 4711;
  ASSERT_TRUE(host_.SetAttributes(kFile, request).ok());
  ASSERT_TRUE(host_.Write(*handle, 0, "bytes").ok());
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_GT(host_.Stat(kFile)->attributes.mtime_ns, 4711);
}

TEST_F(AttributeChangeTest, AFailureChangesNothing) {
  ASSERT_TRUE(host_.WriteFile(kFile, "bytes").ok());
  const Attributes before = host_.Stat(kFile)->attributes;
  host_.store().Fail(Op::kCopy, Error(EACCES, "denied"));
  EXPECT_EQ(ErrnoOf(host_.Chmod(kFile, 0600)), EACCES);
  EXPECT_EQ(host_.Stat(kFile)->attributes, before);
  EXPECT_EQ(host_.Status(kFile).state, FileSystem::State::kClean);
  EXPECT_EQ(ErrnoOf(host_.Chmod("none", 0600)), ENOENT);
}

// [W2]
TEST_F(AttributeChangeTest, W2ALostReplyLeavesNoStaleHandle) {
  ASSERT_TRUE(host_.WriteFile(kFile, Noise(6 * Bucket::kPart)).ok());
  Host reader(bucket_);
  const std::unique_ptr<Handle> handle = reader.Open(kFile);
  reader.store().Fail(Op::kCopy, Error(EIO, "lost"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(reader.Chmod(kFile, 0600)), EIO);
  EXPECT_TRUE(reader.Read(*handle) == Noise(6 * Bucket::kPart));
  EXPECT_TRUE(reader.Chmod(kFile, 0600).ok());
  EXPECT_EQ(reader.Stat(kFile)->attributes.mode, 0600u);
}

TEST_F(AttributeChangeTest, D2WithADelayItIsStaged) {
  ASSERT_TRUE(other_.WriteFile(kFile, "bytes").ok());
  Host host(bucket_, Delayed());
  EXPECT_TRUE(host.Stat(kFile).ok());
  host.Requests();
  AttributeRequest owner;
  owner.uid = 1000;
  ASSERT_TRUE(host.Chmod(kFile, 0600).ok());
  ASSERT_TRUE(host.SetAttributes(kFile, owner).ok());
  EXPECT_EQ(host.Requests(), "");
  EXPECT_EQ(host.Status(kFile).state, FileSystem::State::kStaged);
  EXPECT_EQ(host.Stat(kFile)->attributes.mode, 0600u);
  ASSERT_TRUE(host.Commit(kFile).ok());
  EXPECT_EQ(host.Requests(), "HEAD f, COPY f") << "both in one";
  EXPECT_EQ(host.Status(kFile).state, FileSystem::State::kClean);

  ASSERT_TRUE(host.Chmod(kFile, 0644).ok());
  ASSERT_TRUE(host.Discard(kFile).ok());
  EXPECT_EQ(host.Stat(kFile)->attributes.mode, 0600u);

  ASSERT_TRUE(host.Chmod(kFile, 0644).ok());
  ASSERT_TRUE(host.fs().Close(host.call, false).ok());
  EXPECT_EQ(bucket_.Head(kFile).metadata.user.at("file-permissions"), "0100644");
}

TEST_F(AttributeChangeTest, W4AStagedChangeThatFailsStaysStaged) {
  ASSERT_TRUE(other_.WriteFile(kFile, "bytes").ok());
  Host host(bucket_, Delayed());
  ASSERT_TRUE(host.Chmod(kFile, 0600).ok());
  host.store().Fail(Op::kCopy, Error(EACCES, "denied"));
  EXPECT_EQ(ErrnoOf(host.Commit(kFile)), EACCES);
  EXPECT_EQ(host.Status(kFile).state, FileSystem::State::kFailed);
  ASSERT_TRUE(host.Commit(kFile).ok());
  EXPECT_EQ(bucket_.Head(kFile).metadata.user.at("file-permissions"), "0100600");

  ASSERT_TRUE(host.Chmod(kFile, 0644).ok());
  bucket_.Delete(kFile);
  EXPECT_EQ(ErrnoOf(host.Commit(kFile)), ESTALE);
  EXPECT_EQ(host.events(EventKind::kConflict).size(), 1u);
  EXPECT_TRUE(host.fs().Close(host.call, false).ok()) << "nothing is left to be lost";
}

TEST_F(AttributeChangeTest, OfDirectories) {
  bucket_.Put("d/f", "bytes");
  ASSERT_TRUE(host_.Chmod("d", 0700).ok());
  EXPECT_EQ(bucket_.Head("d/").metadata.user.at("file-permissions"), "040700");
  EXPECT_EQ(other_.Stat("d")->attributes.mode, 0700u);
  AttributeRequest owner;
  owner.gid = 5;
  ASSERT_TRUE(other_.SetAttributes("d", owner).ok());
  Host third(bucket_);
  EXPECT_EQ(third.Stat("d")->attributes.mode, 0700u);
  EXPECT_EQ(third.Stat("d")->attributes.gid, 5u);
  EXPECT_EQ(ErrnoOf(host_.Chmod("/", 0700)), EPERM) << "a bucket without prefix";

  FileSystemOptions options = Host::Options();
  options.prefix = "d/";
  Host inside(bucket_, options);
  ASSERT_TRUE(inside.Chmod("/", 0750).ok());
  EXPECT_EQ(bucket_.Head("d/").metadata.user.at("file-permissions"), "040750");
}

TEST_F(AttributeChangeTest, OfALinkItself) {
  ASSERT_TRUE(host_.Symlink("none", "link").ok());
  AttributeRequest owner;
  owner.uid = 9;
  EXPECT_EQ(ErrnoOf(host_.SetAttributes("link", owner)), ENOENT);
  ASSERT_TRUE(host_.SetAttributes("link", owner, /*follow=*/false).ok());
  EXPECT_EQ(other_.Stat("link", kInfoNeedsHead, false)->attributes.uid, 9u);
  EXPECT_EQ(*other_.ReadLink("link"), "none");
}

TEST_F(AttributeChangeTest, TruncateByPathIsCommitted) {
  ASSERT_TRUE(host_.WriteFile(kFile, "bytes").ok());
  AttributeRequest request;
  request.size = 2;
  ASSERT_TRUE(host_.SetAttributes(kFile, request).ok());
  EXPECT_EQ(bucket_.Get(kFile), "by");
  request.size = 4;
  ASSERT_TRUE(host_.SetAttributes(kFile, request).ok());
  EXPECT_EQ(bucket_.Get(kFile), std::string("by\0\0", 4));
  bucket_.Put("d/f", "");
  EXPECT_EQ(ErrnoOf(host_.SetAttributes("d", request)), EISDIR);
}

// [N7] As `> file` does, and in contrast to any other size that the file has.
TEST_F(AttributeChangeTest, N7EmptyingAnEmptyFileByPathSetsItsTime) {
  AttributeRequest long_ago, size;
  long_ago.mtime_ns = 1;
  long_ago.times_are_now = false;
  for (const uint64_t bytes : {0, 3}) {
    ASSERT_TRUE(host_.WriteFile(kFile, std::string(bytes, 'x')).ok());
    ASSERT_TRUE(host_.SetAttributes(kFile, long_ago).ok());
    size.size = bytes;
    ASSERT_TRUE(host_.SetAttributes(kFile, size).ok());
    EXPECT_EQ(host_.Stat(kFile)->attributes.mtime_ns != 1, bytes == 0) << bytes;
    EXPECT_EQ(AttributesOf(bucket_.Head(kFile), false, {}).mtime_ns != 1, bytes == 0) << bytes;
  }
}

TEST_F(AttributeChangeTest, ExtendedAttributesAreUserMetadata) {
  ObjectMetadata metadata;
  metadata.user = {{"project", "apollo"}};
  bucket_.Put(kFile, "bytes", metadata);
  EXPECT_EQ(*host_.GetXattr(kFile, "user.project"), "apollo");
  ASSERT_TRUE(host_.SetXattr(kFile, "user.bin", std::string("\0\xff", 2)).ok());
  EXPECT_EQ(*other_.GetXattr(kFile, "user.bin"), std::string("\0\xff", 2));
  EXPECT_EQ(bucket_.Head(kFile).metadata.user.at("bin"), "=?UTF-8?B?AP8=?=");
  EXPECT_EQ(*other_.fs().ListXattrs(other_.call, nullptr, kFile, true),
            (std::vector<std::string>{"user.bin", "user.project"}));
  ASSERT_TRUE(host_.SetXattr(kFile, "user.project", std::nullopt).ok());
  EXPECT_EQ(ErrnoOf(host_.GetXattr(kFile, "user.project").status()), ENODATA);
  EXPECT_EQ(ErrnoOf(host_.SetXattr(kFile, "user.large", std::string(2000, 'x'))), ENOSPC);
  EXPECT_EQ(ErrnoOf(host_.SetXattr(kFile, "trusted.x", "1")), ENOTSUP);
  EXPECT_EQ(bucket_.Head(kFile).metadata.user.contains("project"), false);
  // A rewrite keeps them.
  ASSERT_TRUE(host_.WriteFile(kFile, "other").ok());
  EXPECT_EQ(*other_.GetXattr(kFile, "user.bin"), std::string("\0\xff", 2));
  bucket_.Put("d/f", "");
  ASSERT_TRUE(host_.SetXattr("d", "user.x", "1").ok());
  EXPECT_EQ(bucket_.Head("d/").metadata.user.at("x"), "1");
}

TEST_F(AttributeChangeTest, AFileThatLostToARemovalHasAnEmptyWinner) {
  ASSERT_TRUE(host_.WriteFile(kFile, "base").ok());
  std::unique_ptr<Handle> handle = host_.Open(kFile, kOpenWrite);
  ASSERT_TRUE(host_.Write(*handle, 0, "mine").ok());
  bucket_.Delete(kFile);
  EXPECT_EQ(ErrnoOf(host_.Close(std::move(handle))), ESTALE);
  const std::string lost = host_.events(EventKind::kConflict)[0].detail;
  EXPECT_EQ(*host_.GetXattr(lost, "s3files.winner"), "");
}

// It is asked for when the conflict is settled, and that is done whatever the answer is.
TEST_F(AttributeChangeTest, AWinnerThatTheStoreDoesNotTellIsNoAttribute) {
  ASSERT_TRUE(host_.WriteFile(kFile, "base").ok());
  std::unique_ptr<Handle> handle = host_.Open(kFile, kOpenWrite);
  ASSERT_TRUE(host_.Write(*handle, 0, "mine").ok());
  ASSERT_TRUE(other_.WriteFile(kFile, "theirs").ok());
  host_.store().Fail(Op::kHead, Error(EIO, "no"));
  EXPECT_EQ(ErrnoOf(host_.Close(std::move(handle))), ESTALE);
  const std::string lost = host_.events(EventKind::kConflict)[0].detail;
  EXPECT_EQ(ErrnoOf(host_.GetXattr(lost, "s3files.winner").status()), ENODATA);
  EXPECT_NE(*host_.GetXattr(lost, "s3files.base"), "");
}

TEST_F(AttributeChangeTest, AFileInLostAndFoundSaysWhereItComesFrom) {
  ASSERT_TRUE(host_.WriteFile(kFile, "base").ok());
  std::unique_ptr<Handle> handle = host_.Open(kFile, kOpenWrite);
  ASSERT_TRUE(host_.Write(*handle, 0, "mine").ok());
  ASSERT_TRUE(other_.WriteFile(kFile, "theirs").ok());
  EXPECT_EQ(ErrnoOf(host_.Close(std::move(handle))), ESTALE);
  const std::string lost = host_.events(EventKind::kConflict)[0].detail;
  EXPECT_EQ(*host_.GetXattr(lost, "s3files.path"), "/f");
  EXPECT_EQ(*host_.GetXattr(lost, "s3files.key"), "f");
  EXPECT_NE(*host_.GetXattr(lost, "s3files.base"), "");
  EXPECT_EQ(*host_.GetXattr(lost, "s3files.winner"), bucket_.Head(kFile).stamp.version.etag());
  EXPECT_EQ(*host_.GetXattr(lost, "s3files.staged"), "0-4");
  EXPECT_NE(host_.GetXattr(lost, "s3files.error")->find("another version"), std::string::npos);
}

// [N11]
TEST_F(AttributeChangeTest, N11InodeNumbersAreStable) {
  FileSystemOptions options = Host::Options();
  options.entry_limit = 10;
  Host host(bucket_, options);
  for (int i = 0; i < 100; ++i) bucket_.Put(absl::StrCat("f", i), "");
  const FileInfo first = *host.Stat("f0");
  for (int i = 1; i < 100; ++i) EXPECT_NE(host.Stat(absl::StrCat("f", i))->ino, first.ino);
  EXPECT_EQ(host.Stat("f0")->ino, first.ino) << "dropped and looked up again";
  const std::unique_ptr<Handle> open = host.Open("f0");
  ASSERT_TRUE(host.Rename("f0", "g").ok());
  EXPECT_EQ(host.Stat("g")->ino, first.ino);
  EXPECT_EQ(host.Stat("g")->generation, first.generation);
  ASSERT_TRUE(host.WriteFile("f0", "new").ok());
  EXPECT_NE(host.Stat("f0")->ino, first.ino);
  ASSERT_TRUE(host.Unlink("g").ok());
  EXPECT_EQ(host.fs().Stat(host.call, open.get(), "", false, 0)->nlink, 0u);
}

// [N11] Also of what was renamed and is no longer remembered.
TEST_F(AttributeChangeTest, N11InodeNumbersFollowARenameWhenForgotten) {
  FileSystemOptions options = Host::Options();
  options.entry_limit = 10;
  Host host(bucket_, options);
  bucket_.Put("from", "");
  const FileInfo before = *host.Stat("from");
  ASSERT_TRUE(host.Rename("from", "to").ok());
  for (int i = 0; i < 100; ++i) {
    bucket_.Put(absl::StrCat("f", i), "");
    EXPECT_NE(host.Stat(absl::StrCat("f", i))->ino, before.ino);
  }
  EXPECT_EQ(host.Stat("to")->ino, before.ino);
  EXPECT_EQ(host.Stat("to")->generation, before.generation);
}

// [W1] The copy of a version that we do not rest on is no version of ours, whatever became of it.
TEST_F(AttributeChangeTest, W1ALostReplyOnAForeignVersionIsNoReasonToOverwriteIt) {
  ASSERT_TRUE(host_.WriteFile(kFile, "mine").ok());
  std::unique_ptr<Handle> handle = host_.Open(kFile, kOpenRead | kOpenWrite);
  ASSERT_TRUE(other_.WriteFile(kFile, "theirs").ok());
  host_.store().Fail(Op::kCopy, Error(EIO, "lost"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(host_.Chmod(kFile, 0600)), EIO);
  ASSERT_TRUE(host_.Write(*handle, 0, "M").ok());
  EXPECT_EQ(ErrnoOf(host_.Close(std::move(handle))), ESTALE);
  EXPECT_EQ(bucket_.Get(kFile), "theirs");
}

TEST_F(AttributeChangeTest, AWriteDuringAChangeKeepsItsTime) {
  ASSERT_TRUE(host_.WriteFile(kFile, "bytes").ok());
  AttributeRequest times;
  times.mtime_ns = 4711;
  ASSERT_TRUE(host_.SetAttributes(kFile, times).ok());
  std::unique_ptr<Handle> handle = host_.Open(kFile, kOpenWrite);
  host_.store().Run(Op::kCopy, [&] { EXPECT_TRUE(host_.Write(*handle, 0, "B").ok()); });
  ASSERT_TRUE(host_.Chmod(kFile, 0600).ok());
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get(kFile), "Bytes");
  EXPECT_GT(other_.Stat(kFile)->attributes.mtime_ns, 4711);
}

TEST_F(AttributeChangeTest, TheModeOfADirectoryLeavesItsTime) {
  ASSERT_TRUE(host_.MakeDirectory("d").ok());
  ASSERT_TRUE(host_.WriteFile("d/f", "bytes").ok());
  const int64_t before = host_.Stat("d")->attributes.mtime_ns;
  ASSERT_TRUE(host_.Chmod("d", 0700).ok());
  EXPECT_EQ(host_.Stat("d")->attributes.mtime_ns, before);
  AttributeRequest times;
  times.mtime_ns = 4711;
  ASSERT_TRUE(host_.SetAttributes("d", times).ok());
  EXPECT_EQ(host_.Stat("d")->attributes.mtime_ns, 4711);
}

// [W3]
TEST_F(AttributeChangeTest, W3LostAndFoundIsNotWrittenToTheBucket) {
  EXPECT_EQ(ErrnoOf(host_.Chmod(kLostAndFound, 0700)), EROFS);
  EXPECT_EQ(ErrnoOf(host_.SetXattr(kLostAndFound, "user.x", "1")), EROFS);
  EXPECT_EQ(bucket_.Keys(), std::vector<std::string>{});
}

// The commit id is user metadata, too.
TEST_F(AttributeChangeTest, WhatIsSetFitsIntoTheStore) {
  std::unique_ptr<Handle> handle = host_.Create(kFile);
  size_t size = 2048;
  while (size > 0 && !host_.SetXattr(kFile, "user.x", std::string(size, 'x')).ok()) --size;
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  size_t taken = 0;
  for (const auto& [name, value] : bucket_.Head(kFile).metadata.user) {
    taken += name.size() + value.size();
  }
  EXPECT_EQ(taken, 2048u);
}

// [D2] Nobody closes such a handle as a writer.
TEST_F(AttributeChangeTest, D2TruncateThroughAReferenceIsCommitted) {
  ASSERT_TRUE(host_.WriteFile(kFile, "bytes").ok());
  AttributeRequest request;
  request.size = 2;
  for (const uint32_t flags : {uint32_t{kOpenPath}, uint32_t{kOpenRead}}) {
    std::unique_ptr<Handle> node = host_.Open(kFile, flags);
    ASSERT_TRUE(host_.fs().SetAttributes(host_.call, node.get(), "", false, request).ok());
    ASSERT_TRUE(host_.Close(std::move(node)).ok());
    EXPECT_EQ(bucket_.Get(kFile)->size(), *request.size);
    request.size = 1;
  }
}

// [C5]
TEST_F(AttributeChangeTest, C5TruncateThroughAStaleHandleLeavesTheNewVersion) {
  ASSERT_TRUE(host_.WriteFile(kFile, "mine").ok());
  std::unique_ptr<Handle> handle = host_.Open(kFile, kOpenRead | kOpenWrite);
  ASSERT_TRUE(other_.WriteFile(kFile, "theirs").ok());
  EXPECT_EQ(host_.ReadFile(kFile), "theirs");
  AttributeRequest request;
  request.size = 1;
  EXPECT_EQ(ErrnoOf(host_.fs().SetAttributes(host_.call, handle.get(), "", false, request)),
            ESTALE);
  EXPECT_EQ(ErrnoOf(host_.Write(*handle, 0, "x")), ESTALE);
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get(kFile), "theirs");
}

// What was closed elsewhere before is what is cut, as recent as the attributes known may be.
TEST_F(AttributeChangeTest, C1TruncateByPathIsOfWhatIsThereNow) {
  ASSERT_TRUE(host_.WriteFile(kFile, "mine").ok());
  EXPECT_TRUE(host_.Stat(kFile).ok());
  ASSERT_TRUE(other_.WriteFile(kFile, "theirs").ok());
  AttributeRequest request;
  request.size = 3;
  EXPECT_TRUE(host_.SetAttributes(kFile, request).ok());
  EXPECT_EQ(bucket_.Get(kFile), "the");
}

TEST_F(AttributeChangeTest, N8OfADirectoryWithoutMarkerItCostsOneHeadAndOnePut) {
  bucket_.Put("d/f", "bytes");
  EXPECT_TRUE(host_.Stat("d", 0).ok());
  host_.Requests();
  ASSERT_TRUE(host_.Chmod("d", 0700).ok());
  EXPECT_EQ(host_.Requests(), "HEAD d/, PUT d/");
}

// [N8]
TEST_F(AttributeChangeTest, N8OfADirectoryItDoesNotWaitForTheDelay) {
  bucket_.Put("d/f", "bytes");
  Host host(bucket_, Delayed());
  ASSERT_TRUE(host.Chmod("d", 0700).ok());
  EXPECT_EQ(other_.Stat("d")->attributes.mode, 0700u);
  EXPECT_EQ(host.fs().GetStats().staged_files, 0u);
}

// [W5]
TEST_F(AttributeChangeTest, W5WhatAWriterSetsIsAbandonedWithIt) {
  ASSERT_TRUE(host_.WriteFile(kFile, "bytes").ok());
  std::unique_ptr<Handle> handle = host_.Open(kFile, kOpenWrite);
  AttributeRequest request;
  request.size = 0;
  ASSERT_TRUE(host_.fs().SetAttributes(host_.call, handle.get(), "", false, request).ok());
  ASSERT_TRUE(host_.Abandon(std::move(handle)).ok());
  EXPECT_EQ(host_.ReadFile(kFile), "bytes");
  ASSERT_TRUE(host_.fs().Close(host_.call, false).ok());
  EXPECT_EQ(bucket_.Get(kFile), "bytes");
}

TEST_F(AttributeChangeTest, ExtendedAttributesOfDirectoriesAreImported) {
  ASSERT_TRUE(host_.MakeDirectory("d").ok());
  ASSERT_TRUE(host_.SetXattr("d", "user.x", "1").ok());
  EXPECT_EQ(other_.GetXattr("d", "user.x").value_or("none"), "1");
  EXPECT_EQ(ErrnoOf(other_.fs().SetXattr(other_.call, nullptr, "d", true, "user.x", "2", false)),
            EEXIST);
  ASSERT_TRUE(bucket_.Get("d/").has_value());
  ASSERT_TRUE(host_.SetXattr("d", "user.x", std::nullopt).ok());
  Host third(bucket_);
  EXPECT_EQ(ErrnoOf(third.GetXattr("d", "user.x").status()), ENODATA);
}

// [C6]
TEST_F(AttributeChangeTest, C6AnAnswerAboutADirectoryDoesNotUndoAChange) {
  ASSERT_TRUE(other_.MakeDirectory("d").ok());
  EXPECT_TRUE(host_.Stat("d", 0).ok());
  host_.store().Run(
      Op::kHead, [&] { EXPECT_TRUE(host_.Chmod("d", 0700).ok()); }, FaultyStore::kAfter, 1, "d/");
  EXPECT_TRUE(host_.Stat("d").ok());
  EXPECT_EQ(host_.Stat("d")->attributes.mode, 0700u);
}

TEST_F(AttributeChangeTest, AFileThatIsGoneIsNoMissingDirectory) {
  ASSERT_TRUE(host_.WriteFile(kFile, "bytes").ok());
  std::unique_ptr<Handle> handle = host_.Open(kFile);
  bucket_.Delete(kFile);
  AttributeRequest request;
  request.mode = 0600;
  EXPECT_EQ(ErrnoOf(host_.fs().SetAttributes(host_.call, handle.get(), "", false, request)),
            ENOENT);
}

// [N11] A directory that was only gone through has no answer of its own that would tell.
TEST_F(AttributeChangeTest, N11WhatIsMadeAgainInADirectoryMadeAgainIsAnotherFile) {
  bucket_.Put("a/b/f", "old");
  const std::unique_ptr<Handle> open = host_.Open("a/b/f");
  const uint64_t ino = open->inode->ino;
  bucket_.Delete("a/b/f");
  EXPECT_EQ(ErrnoOf(host_.Stat("a").status()), ENOENT);
  bucket_.Put("a/b/f", "new");
  EXPECT_NE(host_.Stat("a/b/f")->ino, ino);
}

TEST_F(AttributeChangeTest, DiscardOfALinksChange) {
  ASSERT_TRUE(other_.Symlink("none", "link").ok());
  Host host(bucket_, Delayed());
  AttributeRequest owner;
  owner.uid = 9;
  ASSERT_TRUE(host.SetAttributes("link", owner, /*follow=*/false).ok());
  ASSERT_TRUE(host.Discard("link").ok());
  const Attributes now = host.Stat("link", kInfoNeedsHead, false)->attributes;
  EXPECT_EQ(now.uid, 0u);
  EXPECT_EQ(now.mode, 0777u);
}

// [C3] However deep it lies in a directory that others have emptied.
TEST_F(AttributeChangeTest, C3AStagedFileKeepsAllItsDirectories) {
  bucket_.Put("d/e/x", "1");
  Host host(bucket_, Delayed());
  std::unique_ptr<Handle> handle = host.Create("d/e/f");
  ASSERT_TRUE(host.Write(*handle, 0, "bytes").ok());
  ASSERT_TRUE(host.Close(std::move(handle)).ok());
  bucket_.Delete("d/e/x");
  EXPECT_TRUE(host.Stat("d", 0).ok());
  EXPECT_EQ(host.ReadFile("d/e/f"), "bytes");
  ASSERT_TRUE(host.fs().Close(host.call, false).ok());
  EXPECT_EQ(bucket_.Get("d/e/f"), "bytes");
}

}  // namespace
}  // namespace s3files
