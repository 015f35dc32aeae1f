// [N10] Paths as the kernel goes them: symlinks, "..", trailing slashes.
#include <cerrno>

#include "lib/base/errors.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

class LinksTest : public testing::Test {
 protected:
  Bucket bucket_;
  ManualClock clock_;
  Host host_{bucket_, Host::Options(), &clock_};
  Host other_{bucket_};
};

TEST_F(LinksTest, ASymlinkIsAnObjectWithItsTarget) {
  ASSERT_TRUE(host_.WriteFile("f", "bytes").ok());
  ASSERT_TRUE(host_.Symlink("f", "link").ok());
  EXPECT_EQ(bucket_.Get("link"), "f");
  EXPECT_EQ(bucket_.Head("link").metadata.user.at(kPermissionsName), "0120777");
  for (Host* host : {&host_, &other_}) {
    EXPECT_EQ(*host->ReadLink("link"), "f");
    EXPECT_EQ(host->ReadFile("link"), "bytes");
    EXPECT_EQ(host->Stat("link")->attributes.type, FileType::kFile);
    const FileInfo link = *host->Stat("link", kInfoNeedsHead, /*follow=*/false);
    EXPECT_EQ(link.attributes.type, FileType::kSymlink);
    EXPECT_EQ(link.size, 1u);
  }
  EXPECT_EQ(ErrnoOf(host_.ReadLink("f").status()), EINVAL);
  EXPECT_EQ(ErrnoOf(host_.Symlink("x", "link")), EEXIST);
  EXPECT_EQ(ErrnoOf(host_.Symlink("", "empty")), ENOENT);
  EXPECT_EQ(ErrnoOf(host_.Symlink(std::string(4096, 'x'), "long")), ENAMETOOLONG);
}

TEST_F(LinksTest, LinksAreFollowedOnTheWay) {
  bucket_.Put("d/e/f", "bytes");
  ASSERT_TRUE(host_.Symlink("d/e", "rel").ok());
  ASSERT_TRUE(host_.Symlink("/d", "abs").ok());
  ASSERT_TRUE(host_.Symlink("../rel", "d/up").ok());
  for (Host* host : {&host_, &other_}) {
    EXPECT_EQ(host->ReadFile("rel/f"), "bytes");
    EXPECT_EQ(host->ReadFile("abs/e/f"), "bytes");
    EXPECT_EQ(host->ReadFile("abs/up/f"), "bytes");
    EXPECT_EQ(host->List("abs/up"), std::vector<std::string>{"f"});
    EXPECT_EQ(ErrnoOf(host->TryOpen("rel/none", kOpenRead)), ENOENT);
    EXPECT_EQ(ErrnoOf(host->TryOpen("rel/f/x", kOpenRead)), ENOTDIR);
  }
  // What is made through a link is made where it leads.
  ASSERT_TRUE(other_.WriteFile("rel/new", "1").ok());
  ASSERT_TRUE(other_.MakeDirectory("rel/dir").ok());
  ASSERT_TRUE(other_.Rename("rel/new", "abs/moved").ok());
  EXPECT_EQ(bucket_.Keys(),
            (std::vector<std::string>{"abs", "d/e/dir/", "d/e/f", "d/moved", "d/up", "rel"}));
}

TEST_F(LinksTest, AnAbsoluteTargetBeginsAtTheRootWhereverTheLinkIs) {
  bucket_.Put("d/f", "1");
  bucket_.Put("e/d/f", "2");
  ASSERT_TRUE(host_.Symlink("/d", "e/absolute").ok());
  ASSERT_TRUE(host_.Symlink("d", "e/relative").ok());
  for (Host* host : {&host_, &other_}) {
    EXPECT_EQ(host->ReadFile("e/absolute/f"), "1");
    EXPECT_EQ(host->ReadFile("e/relative/f"), "2");
    EXPECT_EQ(host->List("e/absolute"), std::vector<std::string>{"f"});
  }
}

TEST_F(LinksTest, DotDotIsTheParentOfWhereALinkLeads) {
  bucket_.Put("d/e/f", "1");
  bucket_.Put("d/g", "2");
  bucket_.Put("g", "3");
  ASSERT_TRUE(host_.Symlink("d/e", "link").ok());
  for (Host* host : {&host_, &other_}) {
    EXPECT_EQ(host->ReadFile("link/../g"), "2");
    EXPECT_EQ(host->ReadFile("d/../g"), "3");
    EXPECT_EQ(host->ReadFile("/../../g"), "3");
    EXPECT_EQ(ErrnoOf(host->TryOpen("none/../g", kOpenRead)), ENOENT);
    EXPECT_EQ(ErrnoOf(host->TryOpen("g/../g", kOpenRead)), ENOTDIR);
  }
}

TEST_F(LinksTest, ACycleIsEloop) {
  ASSERT_TRUE(host_.Symlink("b", "a").ok());
  ASSERT_TRUE(host_.Symlink("a", "b").ok());
  ASSERT_TRUE(host_.Symlink("self/x", "self").ok());
  for (Host* host : {&host_, &other_}) {
    EXPECT_EQ(ErrnoOf(host->TryOpen("a", kOpenRead)), ELOOP);
    EXPECT_EQ(ErrnoOf(host->TryOpen("self", kOpenRead)), ELOOP);
    EXPECT_EQ(ErrnoOf(host->TryOpen("a/x", kOpenRead)), ELOOP);
    EXPECT_EQ(*host->ReadLink("a"), "b");
  }
  // As many as POSIX systems follow are no cycle.
  bucket_.Put("end", "bytes");
  std::string last = "end";
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(host_.Symlink(last, absl::StrCat("l", i)).ok());
    last = absl::StrCat("l", i);
  }
  EXPECT_EQ(other_.ReadFile("l39"), "bytes");
  ASSERT_TRUE(host_.Symlink("l39", "l40").ok());
  EXPECT_EQ(ErrnoOf(other_.TryOpen("l40", kOpenRead)), ELOOP);
}

TEST_F(LinksTest, NamesAreOfTheLinkItself) {
  bucket_.Put("f", "bytes");
  ASSERT_TRUE(host_.Symlink("f", "link").ok());
  ASSERT_TRUE(other_.Rename("link", "moved").ok());
  EXPECT_EQ(*other_.ReadLink("moved"), "f");
  ASSERT_TRUE(other_.Unlink("moved").ok());
  EXPECT_EQ(bucket_.Keys(), std::vector<std::string>{"f"});
}

TEST_F(LinksTest, OpeningALinkItself) {
  ASSERT_TRUE(host_.Symlink("none", "link").ok());
  EXPECT_EQ(ErrnoOf(host_.TryOpen("link", kOpenRead)), ENOENT);
  EXPECT_EQ(ErrnoOf(host_.TryOpen("link", kOpenRead | kOpenNoFollow)), ELOOP);
  const std::unique_ptr<Handle> handle = host_.Open("link", kOpenPath | kOpenNoFollow);
  EXPECT_EQ(host_.fs().Stat(host_.call, handle.get(), "", false, 0)->attributes.type,
            FileType::kSymlink);
  EXPECT_EQ(*host_.fs().ReadLink(host_.call, handle.get(), ""), "none");
  // O_EXCL does not follow; O_CREAT makes what a dangling link names.
  EXPECT_EQ(ErrnoOf(host_.TryOpen("link", kOpenWrite | kOpenCreate | kOpenExclusive)), EEXIST);
  ASSERT_TRUE(other_.WriteFile("link", "made").ok());
  EXPECT_EQ(bucket_.Get("none"), "made");
}

TEST_F(LinksTest, TrailingSlashes) {
  bucket_.Put("d/f", "bytes");
  ASSERT_TRUE(host_.Symlink("d", "link").ok());
  EXPECT_TRUE(other_.Stat("link/").ok());
  EXPECT_EQ(other_.Stat("link/", 0, /*follow=*/false)->attributes.type, FileType::kDirectory);
  EXPECT_EQ(ErrnoOf(other_.Stat("d/f/").status()), ENOTDIR);
  EXPECT_EQ(ErrnoOf(other_.TryOpen("new/", kOpenWrite | kOpenCreate)), EISDIR);
  EXPECT_EQ(ErrnoOf(other_.Unlink("d/f/")), ENOTDIR);
  EXPECT_TRUE(other_.MakeDirectory("made/").ok());
  EXPECT_TRUE(other_.RemoveDirectory("made/").ok());
}

// A link that another host has pointed elsewhere is followed there within the attribute timeout.
TEST_F(LinksTest, ALinkThatChangedIsFollowedAnew) {
  bucket_.Put("d/f", "1");
  bucket_.Put("e/f", "2");
  ASSERT_TRUE(host_.Symlink("d", "link").ok());
  EXPECT_EQ(host_.ReadFile("link/f"), "1");
  ASSERT_TRUE(other_.Unlink("link").ok());
  ASSERT_TRUE(other_.Symlink("e", "link").ok());
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(host_.ReadFile("link/f"), "2");
  ASSERT_TRUE(other_.Unlink("link").ok());
  bucket_.Put("link/f", "3");
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(host_.ReadFile("link/f"), "3");
}

// A path costs no request for what it goes through; a symlink on the way is found when it ends nowhere.
TEST_F(LinksTest, Requests) {
  bucket_.Put("a/b/c/f", "bytes");
  host_.ReadFile("a/b/c/f");
  EXPECT_EQ(host_.Requests(), "GET a/b/c/f");
  ASSERT_TRUE(host_.Symlink("a/b", "link").ok());
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(other_.ReadFile("link/c/f"), "bytes");
  EXPECT_EQ(
      other_.Requests(),
      "GET link/c/f, LIST link/c/f/, LIST link/c/, LIST link/, HEAD link, GET link, GET a/b/c/f");
  EXPECT_EQ(other_.ReadFile("link/c/f"), "bytes");
  EXPECT_EQ(other_.Requests(), "HEAD a/b/c/f") << "for as long as attributes are believed";
}

// A slash behind a link means what it leads to: that may be what has no name to give away.
TEST_F(LinksTest, WhatALinkLeadsToMayHaveNoNameToBeMoved) {
  bucket_.Put("d/f", "bytes");
  ASSERT_TRUE(host_.Symlink("/", "root").ok());
  ASSERT_TRUE(host_.Symlink("..", "d/up").ok());
  ASSERT_TRUE(host_.Symlink(".", "d/self").ok());
  for (const char* from : {"root/", "d/up/", "d/self/"}) {
    EXPECT_EQ(ErrnoOf(host_.Rename(from, "new")), EBUSY) << from;
    EXPECT_EQ(
        ErrnoOf(host_.fs().Rename(host_.call, nullptr, "d/f", nullptr, from, kRenameExchange)),
        EBUSY)
        << from;
  }
  EXPECT_EQ(bucket_.Keys(), (std::vector<std::string>{"d/f", "d/self", "d/up", "root"}));
}

}  // namespace
}  // namespace s3files
