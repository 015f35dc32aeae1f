// [P3] Permissions, where an identity is given.
#include "lib/fs/permissions.h"

#include <cerrno>

#include "lib/base/errors.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

CallContext As(uint32_t uid, uint32_t gid, std::vector<uint32_t> groups = {}) {
  CallContext call;
  call.identity = Identity{uid, gid, std::move(groups)};
  return call;
}

Attributes Owned(uint32_t uid, uint32_t gid, uint32_t mode, FileType type = FileType::kFile) {
  Attributes attributes;
  attributes.type = type;
  attributes.uid = uid;
  attributes.gid = gid;
  attributes.mode = mode;
  return attributes;
}

TEST(Permissions, TheFirstClassThatFitsCounts) {
  const Attributes file = Owned(1, 2, 0470);
  EXPECT_TRUE(CheckAccess(As(1, 9), file, kMayRead, "f").ok());
  EXPECT_EQ(ErrnoOf(CheckAccess(As(1, 2), file, kMayWrite, "f")), EACCES);
  EXPECT_TRUE(CheckAccess(As(3, 2), file, kMayRead | kMayWrite | kMayExecute, "f").ok());
  EXPECT_TRUE(CheckAccess(As(3, 9, {5, 2}), file, kMayWrite, "f").ok());
  EXPECT_EQ(ErrnoOf(CheckAccess(As(3, 9), file, kMayRead, "f")), EACCES);
  EXPECT_EQ(ErrnoOf(CheckAccess(As(3, 2), Owned(1, 2, 0707), kMayRead, "f")), EACCES);
  EXPECT_TRUE(CheckAccess(CallContext(), Owned(1, 2, 0), 7, "f").ok()) << "nobody in particular";
}

TEST(Permissions, RootMayAllButExecuteWhatNobodyMay) {
  EXPECT_TRUE(CheckAccess(As(0, 0), Owned(1, 2, 0), kMayRead | kMayWrite, "f").ok());
  EXPECT_EQ(ErrnoOf(CheckAccess(As(0, 0), Owned(1, 2, 0666), kMayExecute, "f")), EACCES);
  EXPECT_TRUE(CheckAccess(As(0, 0), Owned(1, 2, 0010), kMayExecute, "f").ok());
  EXPECT_TRUE(CheckAccess(As(0, 0), Owned(1, 2, 0, FileType::kDirectory), kMayExecute, "d").ok());
}

TEST(Permissions, StickyDirectoriesProtectOthersFiles) {
  const Attributes sticky = Owned(0, 0, 01777, FileType::kDirectory);
  EXPECT_EQ(ErrnoOf(CheckRemove(As(2, 2), sticky, Owned(1, 1, 0666), "f")), EPERM);
  EXPECT_TRUE(CheckRemove(As(1, 1), sticky, Owned(1, 1, 0), "f").ok());
  EXPECT_TRUE(CheckRemove(As(0, 0), sticky, Owned(1, 1, 0), "f").ok());
  EXPECT_TRUE(
      CheckRemove(As(2, 2), Owned(2, 2, 01777, FileType::kDirectory), Owned(1, 1, 0), "f").ok());
}

TEST(Permissions, WhoMayChangeAttributes) {
  const Attributes file = Owned(1, 1, 06755);
  AttributeChange change;
  AttributeRequest mode;
  mode.mode = 0600;
  EXPECT_TRUE(CheckChange(As(1, 1), file, mode, "f", &change).ok());
  EXPECT_EQ(ErrnoOf(CheckChange(As(2, 1), file, mode, "f", &change)), EPERM);
  AttributeRequest owner;
  owner.uid = 2;
  EXPECT_EQ(ErrnoOf(CheckChange(As(1, 1), file, owner, "f", &change)), EPERM);
  change = {};
  EXPECT_TRUE(CheckChange(As(0, 0), file, owner, "f", &change).ok());
  EXPECT_EQ(change.mode, 0755u) << "set-id bits go with the owner";
  AttributeRequest group;
  group.gid = 7;
  EXPECT_EQ(ErrnoOf(CheckChange(As(1, 1), file, group, "f", &change)), EPERM);
  EXPECT_TRUE(CheckChange(As(1, 1, {7}), file, group, "f", &change).ok());
  AttributeRequest set_gid;
  set_gid.mode = 02755;
  change = {};
  EXPECT_TRUE(CheckChange(As(1, 5), file, set_gid, "f", &change).ok());
  EXPECT_EQ(change.mode, 0755u) << "of a group that the caller is not in";
  AttributeRequest times;
  times.mtime_ns = 5;
  times.times_are_now = false;
  const Attributes shared = Owned(1, 1, 0666);
  EXPECT_EQ(ErrnoOf(CheckChange(As(2, 2), shared, times, "f", &change)), EPERM);
  times.times_are_now = true;
  EXPECT_TRUE(CheckChange(As(2, 2), shared, times, "f", &change).ok());
  EXPECT_EQ(ErrnoOf(CheckChange(As(2, 2), file, times, "f", &change)), EACCES);
}

// chown to who owns it already is a change of owner all the same: it takes set-id bits away.
TEST(Permissions, OnlyTheOwnerGivesAFileToItself) {
  const Attributes file = Owned(1, 1, 06755);
  AttributeRequest same;
  same.uid = 1;
  AttributeChange change;
  EXPECT_EQ(ErrnoOf(CheckChange(As(2, 2), file, same, "f", &change)), EPERM);
  EXPECT_TRUE(CheckChange(As(1, 1), file, same, "f", &change).ok());
}

class PermissionsTest : public testing::Test {
 protected:
  PermissionsTest() {
    user_.call = As(1000, 1000);
    user_.call.umask = 022;
    root_.call = As(0, 0);
  }
  void Make(absl::string_view path, uint32_t mode, uint32_t uid = 0, uint32_t gid = 0) {
    ASSERT_TRUE(root_.MakeDirectory(path).ok());
    Give(path, mode, uid, gid);
  }
  void Give(absl::string_view path, uint32_t mode, uint32_t uid = 0, uint32_t gid = 0) {
    AttributeRequest request;
    request.mode = mode;
    request.uid = uid;
    request.gid = gid;
    ASSERT_TRUE(root_.SetAttributes(path, request).ok());
  }

  Bucket bucket_;
  Host root_{bucket_};
  Host user_{bucket_};
};

TEST_F(PermissionsTest, P3EveryDirectoryOnTheWayMustBeSearchable) {
  Make("d", 0711);
  Make("d/e", 0755);
  ASSERT_TRUE(root_.WriteFile("d/e/f", "bytes").ok());
  EXPECT_EQ(user_.ReadFile("d/e/f"), "bytes");
  EXPECT_EQ(ErrnoOf(user_.TryOpen("d", kOpenRead)), EACCES) << "searched, not listed";
  Give("d", 0700);
  Host later(bucket_);
  later.call = user_.call;
  EXPECT_EQ(ErrnoOf(later.TryOpen("d/e/f", kOpenRead)), EACCES);
  EXPECT_EQ(ErrnoOf(later.Stat("d/e/f").status()), EACCES);
  EXPECT_EQ(ErrnoOf(later.Unlink("d/e/f")), EACCES);
  later.call = CallContext();
  EXPECT_EQ(later.ReadFile("d/e/f"), "bytes") << "not checked where nobody is named";
}

TEST_F(PermissionsTest, P3FilesOpenAsTheirModeSays) {
  Make("d", 0755);
  ASSERT_TRUE(root_.WriteFile("d/f", "bytes").ok());
  Give("d/f", 0640, 0, 1000);
  EXPECT_EQ(user_.ReadFile("d/f"), "bytes");
  EXPECT_EQ(ErrnoOf(user_.TryOpen("d/f", kOpenWrite)), EACCES);
  EXPECT_EQ(ErrnoOf(user_.TryOpen("d/f", kOpenRead | kOpenWrite | kOpenTruncate)), EACCES);
  EXPECT_TRUE(user_.TryOpen("d/f", kOpenPath).ok());
  EXPECT_TRUE(user_.fs().Access(user_.call, nullptr, "d/f", true, kMayRead).ok());
  EXPECT_EQ(ErrnoOf(user_.fs().Access(user_.call, nullptr, "d/f", true, kMayWrite)), EACCES);
}

TEST_F(PermissionsTest, P3NamesNeedTheirDirectoryWritable) {
  Make("d", 0755);
  ASSERT_TRUE(root_.WriteFile("d/f", "bytes").ok());
  EXPECT_EQ(ErrnoOf(user_.TryOpen("d/new", kOpenWrite | kOpenCreate)), EACCES);
  EXPECT_EQ(ErrnoOf(user_.MakeDirectory("d/new")), EACCES);
  EXPECT_EQ(ErrnoOf(user_.Symlink("x", "d/new")), EACCES);
  EXPECT_EQ(ErrnoOf(user_.Unlink("d/f")), EACCES);
  EXPECT_EQ(ErrnoOf(user_.Rename("d/f", "d/g")), EACCES);
  EXPECT_EQ(ErrnoOf(user_.Chmod("d/f", 0777)), EPERM);
  EXPECT_EQ(bucket_.Keys(), (std::vector<std::string>{"d/", "d/f"}));
}

TEST_F(PermissionsTest, P3ARenameNeedsBothDirectoriesWritable) {
  Make("own", 0755, 1000, 1000);
  Make("theirs", 0755);
  ASSERT_TRUE(root_.WriteFile("own/f", "bytes").ok());
  ASSERT_TRUE(root_.WriteFile("theirs/g", "bytes").ok());
  EXPECT_EQ(ErrnoOf(user_.Rename("own/f", "theirs/f")), EACCES);
  EXPECT_EQ(ErrnoOf(user_.Rename("own/f", "theirs/g")), EACCES);
  EXPECT_EQ(ErrnoOf(user_.Rename("theirs/g", "own/g")), EACCES);
  EXPECT_TRUE(user_.Rename("own/f", "own/g").ok());
  EXPECT_EQ(bucket_.Keys(), (std::vector<std::string>{"own/", "own/g", "theirs/", "theirs/g"}));
}

TEST_F(PermissionsTest, P3WhatIsMadeBelongsToTheCaller) {
  Make("d", 02777, 0, 77);
  ASSERT_TRUE(user_.WriteFile("d/f", "bytes").ok());
  ASSERT_TRUE(user_.MakeDirectory("d/e").ok());
  Host third(bucket_);
  EXPECT_EQ(third.Stat("d/f")->attributes.uid, 1000u);
  EXPECT_EQ(third.Stat("d/f")->attributes.gid, 77u) << "set-gid directory";
  EXPECT_EQ(third.Stat("d/e")->attributes.mode, 02755u);
  EXPECT_EQ(third.Stat("d/e")->attributes.gid, 77u);
}

TEST_F(PermissionsTest, P3AWriteClearsSetIdBits) {
  Make("d", 0777);
  ASSERT_TRUE(root_.WriteFile("d/f", "bytes").ok());
  Give("d/f", 06777, 0, 0);
  std::unique_ptr<Handle> handle = user_.Open("d/f", kOpenWrite);
  ASSERT_TRUE(user_.Write(*handle, 0, "x").ok());
  ASSERT_TRUE(user_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Head("d/f").metadata.user.at("file-permissions"), "0100777");
}

TEST_F(PermissionsTest, P3CheckingCostsOneHeadForEachDirectory) {
  Make("d", 0755);
  ASSERT_TRUE(root_.WriteFile("d/f", "bytes").ok());
  Host host(bucket_);
  host.call = user_.call;
  host.ReadFile("d/f");
  EXPECT_EQ(host.Requests(), "HEAD d/, GET d/f");
  host.ReadFile("d/f");
  EXPECT_EQ(host.Requests(), "HEAD d/f");
  host.call = As(0, 0);
  Host as_root(bucket_);
  as_root.call = As(0, 0);
  as_root.ReadFile("d/f");
  EXPECT_EQ(as_root.Requests(), "GET d/f");
}

}  // namespace
}  // namespace s3files
