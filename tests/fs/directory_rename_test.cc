// Renames of directories: [N4] of SEMANTICS.md.
#include <algorithm>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

using Names = std::vector<std::string>;

// Renames stay staged until they are committed.
FileSystemOptions Staged() {
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = int64_t{3600} * 1'000'000'000;
  options.commit.max_age_ns = options.commit.delay_ns;
  return options;
}

FileSystemOptions Lax() {
  FileSystemOptions options = Host::Options();
  options.import.attribute_timeout_ns = 0;
  return options;
}

class DirectoryRenameTest : public testing::Test {
 protected:
  // What the bucket holds, as "key=bytes".
  Names Contents() const {
    Names all;
    for (const std::string& key : bucket_.Keys()) {
      all.push_back(absl::StrCat(key, "=", *bucket_.Get(key)));
    }
    return all;
  }
  static std::string Errno(int error) { return absl::StrCat("errno ", error); }

  Bucket bucket_;
  Host host_{bucket_};
  Host staged_{bucket_, Staged()};
  Host other_{bucket_, Lax()};
};

// [N4]
TEST_F(DirectoryRenameTest, N4ADirectoryThatWasNeverListed) {
  ObjectMetadata metadata;
  metadata.user["mine"] = "kept";
  metadata.content_type = "text/plain";
  bucket_.Put("old/a", "1", metadata);
  bucket_.Put("old/b/c", "2");
  bucket_.Put("old/b/", "");
  bucket_.Put("old//no path", "3");
  bucket_.Put("older", "x");
  host_.Requests();
  ASSERT_TRUE(host_.Rename("old", "new").ok());
  EXPECT_EQ(Contents(), (Names{"new//no path=3", "new/a=1", "new/b/=", "new/b/c=2", "older=x"}));
  EXPECT_EQ(bucket_.Head("new/a").metadata, metadata);
  EXPECT_EQ(host_.store().count(Op::kCopy), 4);
  EXPECT_EQ(host_.store().count(Op::kDeleteMany), 1);
  EXPECT_EQ(host_.store().count(Op::kDelete), 0);
  EXPECT_EQ(host_.List("/"), (Names{"new", "older"}));
  EXPECT_EQ(host_.ReadFile("new/b/c"), "2");
  EXPECT_EQ(host_.ReadFile("old/a"), Errno(ENOENT));
}

// [N4]
TEST_F(DirectoryRenameTest, N4ItsErrors) {
  bucket_.Put("d/sub/f", "");
  bucket_.Put("full/f", "");
  bucket_.Put("file", "");
  EXPECT_EQ(ErrnoOf(host_.Rename("d", "d/sub/d")), EINVAL);
  EXPECT_EQ(ErrnoOf(host_.Rename("d", "d/x")), EINVAL);
  EXPECT_TRUE(host_.Rename("d", "d").ok());
  EXPECT_EQ(ErrnoOf(host_.Rename("d", "d", false)), EEXIST) << "it does exist";
  EXPECT_EQ(ErrnoOf(host_.Rename("d/sub", "d")), ENOTEMPTY);
  EXPECT_EQ(ErrnoOf(host_.Rename("d", "full")), ENOTEMPTY);
  EXPECT_EQ(ErrnoOf(host_.Rename("d", "full", false)), EEXIST);
  EXPECT_EQ(ErrnoOf(host_.Rename("d", "file")), ENOTDIR);
  EXPECT_EQ(ErrnoOf(host_.Rename("file", "d")), EISDIR);
  EXPECT_EQ(ErrnoOf(host_.Rename("none", "x")), ENOENT);
  EXPECT_EQ(ErrnoOf(host_.Rename("d", "none/x")), ENOENT);
  EXPECT_EQ(ErrnoOf(host_.Rename("file", "x/")), ENOTDIR);
  EXPECT_EQ(ErrnoOf(host_.Rename("/", "x")), EBUSY);
  EXPECT_EQ(ErrnoOf(host_.Rename("d", "/")), EBUSY);
  EXPECT_EQ(ErrnoOf(host_.Rename("d", "/.s3files-lost+found/d")), EPERM);
  EXPECT_EQ(bucket_.Keys(), (Names{"d/sub/f", "file", "full/f"}));
  EXPECT_TRUE(host_.Rename("d/", "moved/").ok());
  EXPECT_EQ(bucket_.Keys(), (Names{"file", "full/f", "moved/sub/f"}));
}

// [N4]
TEST_F(DirectoryRenameTest, N4AnEmptyTargetIsReplacedWithItsMarker) {
  ASSERT_TRUE(host_.MakeDirectory("old").ok());
  ASSERT_TRUE(host_.WriteFile("old/f", "1").ok());
  ASSERT_TRUE(host_.MakeDirectory("new").ok());
  const std::string mtime = bucket_.Head("old/").metadata.user["file-mtime"];
  ASSERT_TRUE(host_.Rename("old", "new").ok());
  EXPECT_EQ(bucket_.Keys(), (Names{"new/", "new/f"}));
  EXPECT_EQ(bucket_.Head("new/").metadata.user["file-mtime"], mtime);

  bucket_.Put("implied/f", "2");
  ASSERT_TRUE(host_.MakeDirectory("target").ok());
  ASSERT_TRUE(host_.Rename("implied", "target").ok());
  EXPECT_EQ(bucket_.Keys(), (Names{"new/", "new/f", "target/f"})) << "implied as it was";
}

// [N2]
TEST_F(DirectoryRenameTest, N2TheDirectoryThatItLeavesStays) {
  for (int i = 0; i < 3; ++i) bucket_.Put(absl::StrCat("p/old/", i), "");
  ASSERT_TRUE(host_.Rename("p/old", "new").ok());
  EXPECT_EQ(bucket_.Keys(), (Names{"new/0", "new/1", "new/2", "p/"}));
  EXPECT_EQ(other_.List("/"), (Names{"new", "p"}));
}

// [N2] Also where what else it holds goes while the rename is staged.
TEST_F(DirectoryRenameTest, N2TheDirectoryStaysWhoeverLeavesLast) {
  bucket_.Put("p/old/f", "");
  bucket_.Put("p/g", "");
  ASSERT_TRUE(staged_.Rename("p/old", "new").ok());
  ASSERT_TRUE(staged_.Unlink("p/g").ok());
  EXPECT_TRUE(staged_.List("p").empty());
  ASSERT_TRUE(staged_.Commit("/").ok());
  EXPECT_EQ(bucket_.Keys(), (Names{"new/f", "p/"}));
  bucket_.Put("p/x/f", "");
  ASSERT_TRUE(staged_.Rename("p/x", "x").ok());
  ASSERT_TRUE(staged_.RemoveDirectory("p").ok()) << "which has the rename finished first";
  EXPECT_EQ(bucket_.Keys(), (Names{"new/f", "x/f"}));
}

// [N4] Staged: the file side shows the new name at once, the store the old one until the commit.
TEST_F(DirectoryRenameTest, N4OneStepHereAndOneObjectAfterAnotherInTheStore) {
  bucket_.Put("old/a", "1");
  bucket_.Put("old/b/c", "2");
  ASSERT_TRUE(staged_.Rename("old", "new").ok());
  EXPECT_EQ(bucket_.Keys(), (Names{"old/a", "old/b/c"}));
  EXPECT_EQ(staged_.List("/"), Names{"new"});
  EXPECT_EQ(staged_.List("new"), (Names{"a", "b"}));
  EXPECT_EQ(staged_.List("old"), Names{Errno(ENOENT)});
  EXPECT_EQ(staged_.ReadFile("new/a"), "1");
  EXPECT_EQ(staged_.ReadFile("new/b/c"), "2");
  EXPECT_EQ(staged_.ReadFile("old/a"), Errno(ENOENT));
  EXPECT_EQ(ErrnoOf(staged_.Stat("old").status()), ENOENT);
  EXPECT_EQ(ErrnoOf(staged_.WriteFile("old/x", "")), ENOENT);
  EXPECT_EQ(staged_.Stat("new/b")->attributes.type, FileType::kDirectory);
  EXPECT_EQ(other_.ReadFile("old/a"), "1");
  EXPECT_EQ(other_.ReadFile("new/a"), Errno(ENOENT));
  EXPECT_EQ(staged_.Status("new").state, FileSystem::State::kStaged);
  uint64_t cursor = 0;
  EXPECT_EQ(staged_.fs().NextStaged(&cursor), "/new");
  EXPECT_EQ(staged_.fs().NextStaged(&cursor), std::nullopt);

  ASSERT_TRUE(staged_.Commit("new").ok());
  EXPECT_EQ(Contents(), (Names{"new/a=1", "new/b/c=2"}));
  EXPECT_EQ(staged_.Status("new").state, FileSystem::State::kClean);
  EXPECT_EQ(staged_.List("/"), Names{"new"});
  EXPECT_EQ(staged_.List("new"), (Names{"a", "b"}));
  EXPECT_EQ(staged_.ReadFile("new/a"), "1");
  EXPECT_EQ(other_.ReadFile("old/a"), Errno(ENOENT));
  EXPECT_EQ(other_.ReadFile("new/a"), "1");
  EXPECT_TRUE(staged_.fs().Close(CallContext(), false).ok());
}

// [N4] [C2] Handles follow, their resident blocks stay.
TEST_F(DirectoryRenameTest, N4HandlesFollow) {
  const std::string large = Noise(3 * kBlockSize);
  bucket_.Put("old/read", large);
  bucket_.Put("old/append", "a");
  bucket_.Put("old/gone", "unlinked");
  std::unique_ptr<Handle> read = staged_.Open("old/read");
  EXPECT_EQ(staged_.Read(*read, 0, 10), large.substr(0, 10));
  std::unique_ptr<Handle> append = staged_.Open("old/append", kOpenRead | kOpenWrite);
  std::unique_ptr<Handle> gone = staged_.Open("old/gone");
  EXPECT_EQ(staged_.Read(*gone), "unlinked");
  ASSERT_TRUE(staged_.Unlink("old/gone").ok());
  ASSERT_TRUE(staged_.Append(*append, "b").ok());
  ASSERT_TRUE(staged_.Rename("old", "new").ok());
  std::unique_ptr<Handle> made = staged_.Create("new/made");
  ASSERT_TRUE(staged_.Append(*append, "c").ok());
  ASSERT_TRUE(staged_.Append(*made, "m").ok());
  EXPECT_EQ(staged_.List("new"), (Names{"append", "made", "read"}));
  EXPECT_EQ(staged_.Read(*read, kBlockSize, 10), large.substr(kBlockSize, 10));
  ASSERT_TRUE(staged_.Commit("/").ok());
  EXPECT_EQ(bucket_.Keys(), (Names{"new/append", "new/made", "new/read"}));
  EXPECT_EQ(bucket_.Get("new/append"), "abc");
  EXPECT_EQ(bucket_.Get("new/made"), "m");
  staged_.Requests();
  EXPECT_EQ(staged_.Read(*read, kBlockSize, 10), large.substr(kBlockSize, 10));
  EXPECT_EQ(staged_.Read(*gone), "unlinked");
  EXPECT_EQ(staged_.Requests(), "") << "resident";
  EXPECT_EQ(staged_.Read(*read), large);
  EXPECT_EQ(staged_.Read(*append), "abc");
  ASSERT_TRUE(staged_.Append(*append, "d").ok());
  for (auto* handle : {&read, &append, &gone, &made}) {
    EXPECT_TRUE(staged_.Close(std::move(*handle)).ok());
  }
  ASSERT_TRUE(staged_.Commit("/").ok());
  EXPECT_EQ(bucket_.Get("new/append"), "abcd");
}

// [N4] Opens, reads and staging go on while the store copies; commits wait for it.
TEST_F(DirectoryRenameTest, N4NothingWaitsButCommits) {
  bucket_.Put("old/a", "1");
  bucket_.Put("old/b", "2");
  host_.store().Hold(Op::kCopy);
  std::thread renaming([&] {
    EXPECT_TRUE(host_.fs().Rename(CallContext(), nullptr, "old", nullptr, "new", 0).ok());
  });
  ASSERT_TRUE(host_.store().AwaitHeld(Op::kCopy));
  EXPECT_EQ(host_.ReadFile("new/a"), "1");
  EXPECT_EQ(host_.List("new"), (Names{"a", "b"}));
  std::unique_ptr<Handle> writer = host_.Open("new/b", kOpenRead | kOpenWrite);
  ASSERT_TRUE(host_.Append(*writer, "+").ok());
  EXPECT_EQ(host_.Read(*writer), "2+");
  EXPECT_EQ(ErrnoOf(host_.Soon().Commit("new/b")), ETIMEDOUT);
  EXPECT_EQ(ErrnoOf(host_.Soon().Sync(*writer)), ETIMEDOUT);
  EXPECT_EQ(ErrnoOf(host_.Soon().Unlink("new/a")), ETIMEDOUT);
  EXPECT_EQ(ErrnoOf(host_.Soon().MakeDirectory("old")), ETIMEDOUT);
  host_.call.deadline_ns = 0;
  EXPECT_EQ(bucket_.Keys(), (Names{"old/a", "old/b"}));
  host_.store().ReleaseAll();
  renaming.join();
  EXPECT_TRUE(host_.Close(std::move(writer)).ok());
  EXPECT_EQ(Contents(), (Names{"new/a=1", "new/b=2+"}));
}

// [N4]
TEST_F(DirectoryRenameTest, N4ANewThingAtTheOldName) {
  bucket_.Put("old/a", "1");
  ASSERT_TRUE(staged_.Rename("old", "new").ok());
  ASSERT_TRUE(staged_.MakeDirectory("old").ok());
  EXPECT_EQ(bucket_.Keys(), (Names{"new/a", "old/"})) << "the rename had to come first";
  EXPECT_TRUE(staged_.List("old").empty());
  ASSERT_TRUE(staged_.WriteFile("old/a", "another").ok());
  ASSERT_TRUE(staged_.Commit("/").ok());
  EXPECT_EQ(Contents(), (Names{"new/a=1", "old/=", "old/a=another"}));

  bucket_.Put("x/f", "x");
  ASSERT_TRUE(staged_.Rename("x", "y").ok());
  ASSERT_TRUE(staged_.WriteFile("x", "a file now").ok());
  ASSERT_TRUE(staged_.Commit("x").ok());
  EXPECT_EQ(bucket_.Get("x"), "a file now");
  EXPECT_EQ(bucket_.Get("y/f"), "x");
}

// [N4]
TEST_F(DirectoryRenameTest, N4AgainWhilePendingAndBack) {
  bucket_.Put("a/f", "1");
  ASSERT_TRUE(staged_.Rename("a", "b").ok());
  ASSERT_TRUE(staged_.Rename("b", "c").ok());
  EXPECT_EQ(staged_.ReadFile("c/f"), "1");
  EXPECT_EQ(staged_.List("/"), Names{"c"});
  EXPECT_EQ(bucket_.Keys(), Names{"a/f"}) << "taken along";
  ASSERT_TRUE(staged_.Rename("c", "a").ok());
  EXPECT_EQ(staged_.ReadFile("a/f"), "1");
  EXPECT_EQ(staged_.fs().GetStats().staged_files, 0u) << "back where it was";
  ASSERT_TRUE(staged_.Commit("/").ok());
  EXPECT_EQ(staged_.store().count(Op::kCopy), 0);

  // Nested and swapped: what overlaps is finished first.
  bucket_.Put("a/sub/g", "2");
  ASSERT_TRUE(staged_.Rename("a", "b").ok());
  ASSERT_TRUE(staged_.Rename("b/sub", "sub").ok());
  ASSERT_TRUE(staged_.MakeDirectory("top").ok());
  ASSERT_TRUE(staged_.Rename("b", "top/b").ok());
  ASSERT_TRUE(staged_.Rename("sub", "a").ok());
  EXPECT_EQ(staged_.ReadFile("top/b/f"), "1");
  EXPECT_EQ(staged_.ReadFile("a/g"), "2");
  ASSERT_TRUE(staged_.Rename("top", "t").ok());
  EXPECT_EQ(staged_.ReadFile("t/b/f"), "1");
  ASSERT_TRUE(staged_.Commit("/").ok());
  EXPECT_EQ(Contents(), (Names{"a/g=2", "t/=", "t/b/f=1"}));
}

// [N4] Whatever call fails, before or after its effect: the new name is valid here, another commit
// goes on, and in the end everything is there once.
TEST_F(DirectoryRenameTest, N4EveryCallMayFail) {
  for (const Op op : {Op::kList, Op::kCopy, Op::kDeleteMany, Op::kPut}) {
    for (const auto when : {FaultyStore::kBefore, FaultyStore::kAfter}) {
      for (int nth = 1; nth <= 6; ++nth) {
        const std::string p = absl::StrCat("p", static_cast<int>(op), "-", when, "-", nth);
        Host host(bucket_, Staged());
        for (int i = 0; i < 4; ++i) bucket_.Put(absl::StrCat(p, "/old/", i), absl::StrCat(i));
        bucket_.Put(p + "/old/", "");
        const std::string multipart = Noise(3 * Bucket::kPart);
        ASSERT_TRUE(other_.WriteFile(p + "/old/large", multipart).ok());
        std::unique_ptr<Handle> handle = host.Open(p + "/old/large");
        ASSERT_TRUE(host.Rename(p + "/old", p + "/new").ok());
        const int before = host.store().count(op);
        host.store().Fail(op, Error(EIO, "refused"), when, nth);
        absl::Status status = host.Commit(p);
        const bool failed = host.store().count(op) - before >= nth;
        EXPECT_EQ(status.ok(), !failed) << p << " " << status;
        if (failed) {
          EXPECT_EQ(ErrnoOf(status), EIO);
          EXPECT_EQ(host.Status(p + "/new").state, FileSystem::State::kFailed) << p;
          EXPECT_EQ(ErrnoOf(host.Status(p + "/new").last_error), EIO);
          EXPECT_EQ(host.List(p), Names{"new"}) << p;
          EXPECT_EQ(host.ReadFile(p + "/new/3"), "3") << p;
          EXPECT_EQ(host.Read(*handle), multipart) << p;
          status = host.Commit(p + "/new");
          EXPECT_TRUE(status.ok()) << p << status;
        }
        EXPECT_EQ(host.Read(*handle), multipart) << p;
        EXPECT_TRUE(host.Close(std::move(handle)).ok());
        Names expected = {p + "/new/"};
        for (int i = 0; i < 4; ++i) expected.push_back(absl::StrCat(p, "/new/", i));
        expected.push_back(p + "/new/large");
        Names found;
        for (const std::string& key : bucket_.Keys()) {
          if (absl::StartsWith(key, p + "/") && key != p + "/") found.push_back(key);
        }
        EXPECT_EQ(found, expected) << p;
        EXPECT_EQ(bucket_.Get(p + "/new/large"), multipart);
        if (!failed) break;  // it sends no more of them
      }
    }
  }
}

// [N4] [D3]
TEST_F(DirectoryRenameTest, N4AFailedRenameKeepsTheFileSystemOpen) {
  bucket_.Put("old/a", "1");
  host_.store().Fail(Op::kCopy, Error(EACCES, "refused"), FaultyStore::kBefore, 1, 4);
  const absl::Status status = host_.Rename("old", "new");
  EXPECT_EQ(ErrnoOf(status), EACCES);
  EXPECT_TRUE(absl::StrContains(status.message(), "stays staged")) << status;
  EXPECT_EQ(host_.events(EventKind::kCommitFailed).size(), 1u);
  EXPECT_EQ(host_.ReadFile("new/a"), "1");
  EXPECT_EQ(ErrnoOf(host_.WriteFile("new/b", "2")), EACCES);
  EXPECT_EQ(ErrnoOf(host_.Rename("new", "newer")), EACCES) << "begun, so it must be finished first";
  EXPECT_EQ(ErrnoOf(host_.fs().Close(CallContext(), false)), EACCES);
  EXPECT_TRUE(host_.fs().Close(CallContext(), false).ok());
  EXPECT_EQ(Contents(), (Names{"new/a=1", "new/b=2"}));
}

TEST_F(DirectoryRenameTest, N4ClosingWithDiscardSaysWhatWasDropped) {
  bucket_.Put("old/a", "1");
  host_.store().Fail(Op::kCopy, Error(EACCES, "refused"), FaultyStore::kBefore, 1, 100);
  EXPECT_EQ(ErrnoOf(host_.Rename("old", "new")), EACCES);
  EXPECT_EQ(ErrnoOf(host_.fs().Close(CallContext(), true)), EACCES);
  EXPECT_EQ(bucket_.Keys(), Names{"old/a"});
}

// [N4] [W1]
TEST_F(DirectoryRenameTest, N4AForeignObjectAtTheTargetIsNotOverwritten) {
  for (const char* key : {"old/a", "old/b", "old/c"}) bucket_.Put(key, "ours");
  std::unique_ptr<Handle> handle = host_.Open("old/b", kOpenRead | kOpenWrite);
  host_.store().Run(
      Op::kCopy, [&] { bucket_.Put("new/b", "foreign"); }, FaultyStore::kBefore, 1, "new/b");
  const absl::Status status = host_.Rename("old", "new");
  EXPECT_EQ(ErrnoOf(status), ESTALE) << status;
  EXPECT_EQ(Contents(), (Names{"new/a=ours", "new/b=foreign", "new/c=ours", "old/b=ours"}));
  ASSERT_EQ(host_.events(EventKind::kConflict).size(), 1u);
  EXPECT_EQ(host_.events(EventKind::kConflict)[0].path, "new/b");
  EXPECT_EQ(host_.events(EventKind::kConflict)[0].detail, "/old/b");
  EXPECT_EQ(host_.ReadFile("new/b"), "foreign");
  EXPECT_EQ(host_.ReadFile("old/b"), "ours");
  EXPECT_EQ(host_.List("old"), Names{"b"});
  EXPECT_EQ(host_.Read(*handle), "ours") << "one version a handle";
  EXPECT_EQ(ErrnoOf(host_.Append(*handle, "x")), ESTALE);
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_TRUE(host_.fs().Close(CallContext(), false).ok());
}

// [N4] What others add, change or remove under the old name while it is copied.
TEST_F(DirectoryRenameTest, N4OthersGoOnUnderTheOldName) {
  for (const char* key : {"old/a", "old/b", "old/c", "old/d"}) bucket_.Put(key, "1");
  std::unique_ptr<Handle> handle = host_.Open("old/b");
  for (const char* name : {"a", "b", "c"}) {
    host_.store().Run(
        Op::kCopy,
        [this, name] { bucket_.Put(absl::StrCat("old/", name), "changed before its copy"); },
        FaultyStore::kBefore, 1, absl::StrCat("new/", name));
  }
  host_.store().Run(
      Op::kCopy, [&] { bucket_.Delete("old/d"); }, FaultyStore::kBefore, 1, "new/d");
  host_.store().Run(
      Op::kList,
      [&] {
        bucket_.Put("old/a", "changed after its copy");
        bucket_.Put("old/new", "added");
      },
      FaultyStore::kBefore, 3);  // the lookup sends one, the copies one
  const absl::Status status = host_.Rename("old", "new");
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Contents(), (Names{"new/a=changed after its copy", "new/b=changed before its copy",
                               "new/c=changed before its copy", "new/new=added"}))
      << host_.Requests();
  EXPECT_EQ(host_.ReadFile("new/b"), "changed before its copy");
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
}

// [N4] The requests it costs; and what a large directory takes.
TEST_F(DirectoryRenameTest, N4TenThousandObjects) {
  constexpr int kObjects = 10'000;
  for (int i = 0; i < kObjects; ++i) bucket_.Put(absl::StrFormat("p/old/%05d", i), "x");
  bucket_.Put("p/q", "");
  staged_.store().ClearLog();
  const absl::Time start = absl::Now();
  ASSERT_TRUE(staged_.Rename("p/old", "new").ok());
  const absl::Time renamed = absl::Now();
  EXPECT_LE(staged_.store().log().size(), 6u) << staged_.Requests();
  staged_.store().ClearLog();
  ASSERT_TRUE(staged_.Commit("new").ok());
  absl::PrintF("10,000 objects: %s here, %s to commit\n", absl::FormatDuration(renamed - start),
               absl::FormatDuration(absl::Now() - renamed));
  EXPECT_EQ(staged_.store().count(Op::kCopy), kObjects);
  EXPECT_EQ(staged_.store().count(Op::kDeleteMany), kObjects / 1000);
  EXPECT_EQ(staged_.store().count(Op::kList), 2 * kObjects / 1000 + 1);
  EXPECT_EQ(staged_.store().log().size(), kObjects + 3u * kObjects / 1000 + 1);
  EXPECT_EQ(bucket_.Keys().size(), kObjects + 1u);
}

// [N6] A listing that is under way goes on after its last name.
TEST_F(DirectoryRenameTest, N6AListingSurvivesTheSwitch) {
  Names expected;
  for (int i = 0; i < 2500; ++i) {
    expected.push_back(absl::StrFormat("%05d", i));
    bucket_.Put("old/" + expected.back(), "");
  }
  std::unique_ptr<Handle> handle = staged_.Open("old", kOpenDirectory);
  Names names;
  uint64_t cookie = 0;
  for (int step = 0;; ++step) {
    const auto entries =
        staged_.fs().ReadDirectory(CallContext(), *handle, 700, cookie, std::nullopt, 0).value();
    if (entries.empty()) break;
    for (const DirectoryEntry& entry : entries) names.push_back(entry.name);
    cookie = entries.back().cookie;
    if (step == 0) {
      ASSERT_TRUE(staged_.Rename("old", "new").ok());
    }
    if (step == 1) {
      ASSERT_TRUE(staged_.Commit("new").ok());
    }
  }
  EXPECT_EQ(names, expected);
  EXPECT_TRUE(staged_.Close(std::move(handle)).ok());
}

// [N5]
TEST_F(DirectoryRenameTest, N5KeysThatBecomeTooLong) {
  const std::string deep = std::string(200, 'd') + "/" + std::string(200, 'e');
  const std::string name(250, 'n');
  bucket_.Put("old/" + deep + "/f", "known");
  bucket_.Put("old/g", "");
  ASSERT_TRUE(host_.MakeDirectory(name).ok());
  ASSERT_TRUE(host_.MakeDirectory(name + "/" + name).ok());
  EXPECT_EQ(host_.ReadFile("old/" + deep + "/f"), "known");
  const std::string target = name + "/" + name + "/" + std::string(200, 't');
  EXPECT_EQ(ErrnoOf(host_.Rename("old", target)), ENAMETOOLONG);
  EXPECT_EQ(host_.ReadFile("old/" + deep + "/f"), "known") << "nothing was done";
  const absl::Status status = other_.Rename("old", target);
  EXPECT_EQ(ErrnoOf(status), ENAMETOOLONG) << "not known before it was listed";
  EXPECT_TRUE(absl::StrContains(status.message(), deep)) << status;
  EXPECT_EQ(bucket_.Get(target + "/g"), "");
  EXPECT_EQ(bucket_.Get("old/" + deep + "/f"), "known");
  EXPECT_EQ(other_.ReadFile("old/" + deep + "/f"), "known");
}

// [W8]
TEST(DirectoryRenameStores, W8WithoutConditionsOnCopies) {
  Capabilities can = Bucket::SmallParts();
  can.copy_source = can.copy_target = can.conditional_delete = false;
  Bucket bucket(can);
  Host host(bucket);
  bucket.Put("old/a", "1");
  bucket.Put("old/b", "2");
  bucket.Put("old/c", "3");
  host.store().Run(
      Op::kCopy, [&] { bucket.Put("new/c", "foreign"); }, FaultyStore::kBefore, 1, "new/a");
  const absl::Status status = host.Rename("old", "new");
  EXPECT_TRUE(status.ok() || ErrnoOf(status) == ESTALE) << status;
  EXPECT_EQ(bucket.Get("new/a"), "1");
  EXPECT_EQ(bucket.Get("new/b"), "2");
  EXPECT_EQ(host.events(EventKind::kUnconditional).size(), 1u);
  FileSystemOptions strict = Host::Options();
  strict.strict = true;
  Host careful(bucket, strict);
  EXPECT_EQ(ErrnoOf(careful.Rename("new", "x")), ENOTSUP);
}

TEST(DirectoryRenameStores, N4StrictRemovesUnderConditions) {
  Bucket bucket;
  FileSystemOptions strict = Host::Options();
  strict.strict = true;
  Host host(bucket, strict);
  bucket.Put("old/a", "1");
  bucket.Put("old/b", "2");
  ASSERT_TRUE(host.Rename("old", "new").ok());
  EXPECT_EQ(host.store().count(Op::kDelete), 2);
  EXPECT_EQ(host.store().count(Op::kDeleteMany), 0);
  EXPECT_TRUE(host.store().log(Op::kDelete)[0].precondition.replace());
  EXPECT_EQ(bucket.Keys(), (Names{"new/a", "new/b"}));
}

// [N4] Objects larger than one copy go in parts, with their metadata, and are known again.
TEST(DirectoryRenameStores, N4LargerThanOneCopy) {
  Capabilities can = Bucket::SmallParts();
  can.largest_copy = 2 * Bucket::kPart;
  can.versions = true;
  Bucket bucket(can);
  Host host(bucket);
  ObjectMetadata metadata;
  metadata.user["mine"] = "kept";
  const std::string large = Noise(5 * Bucket::kPart);
  bucket.Put("old/large", large, metadata);
  std::unique_ptr<Handle> handle = host.Open("old/large");
  host.store().Fail(Op::kCompleteUpload, Error(EIO, "lost"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(host.Rename("old", "new")), EIO);
  EXPECT_TRUE(host.Commit("new").ok());
  EXPECT_EQ(bucket.Keys(), Names{"new/large"});
  EXPECT_EQ(bucket.Get("new/large"), large);
  EXPECT_EQ(bucket.Head("new/large").metadata.user["mine"], "kept");
  EXPECT_EQ(host.Read(*handle), large);
  EXPECT_EQ(bucket.PendingUploads(), 0u);
  EXPECT_TRUE(host.Close(std::move(handle)).ok());
}

// [N4] [D2] In the background.
TEST(DirectoryRenameStores, D2CommittedAfterTheDelay) {
  Bucket bucket;
  ManualClock clock;
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = int64_t{60} * 1'000'000'000;
  Host host(bucket, options, &clock);
  bucket.Put("old/a", "1");
  host.store().Fail(Op::kCopy, Error(EIO, "refused"));
  ASSERT_TRUE(host.Rename("old", "new").ok());
  clock.Advance(absl::Seconds(61));
  ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitFailed, 1));
  clock.Advance(absl::Seconds(200));
  ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitted, 1));
  EXPECT_EQ(bucket.Keys(), Names{"new/a"});
}

// [N4] [C2] Readers, writers and listings while directories are renamed to and fro.
TEST(DirectoryRenameStores, N4ReadersNeverNotice) {
  Bucket bucket;
  FileSystemOptions options = Host::Options();
  options.import.attribute_timeout_ns = 0;
  Host host(bucket, options);
  constexpr int kFiles = 8;
  for (int i = 0; i < kFiles; ++i) {
    bucket.Put(absl::StrCat("a/s/", i), Noise(2 * kBlockSize + 7, i));
  }
  std::atomic<bool> done{false};
  std::atomic<int> reads{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::unique_ptr<Handle> held;
      for (int i = t; !done.load(); ++i) {
        const int file = i % kFiles;
        const std::string expected = Noise(2 * kBlockSize + 7, file);
        for (const char* top : {"a", "b"}) {
          auto handle = host.fs().Open(CallContext(), nullptr, absl::StrCat(top, "/s/", file),
                                       t == 0 ? kOpenRead | kOpenWrite : uint32_t{kOpenRead}, 0666);
          if (!handle.ok()) {
            EXPECT_EQ(ErrnoOf(handle.status()), ENOENT) << handle.status();
            continue;
          }
          std::string bytes(expected.size(), '\0');
          const auto n = host.fs().Read(CallContext(), **handle, 0, absl::MakeSpan(bytes));
          EXPECT_TRUE(n.ok()) << n.status();
          EXPECT_TRUE(bytes == expected);
          reads.fetch_add(1);
          if (t == 0) {  // the same bytes once more
            EXPECT_TRUE(host.fs().Write(CallContext(), **handle, 0, expected.substr(0, 9)).ok());
          }
          EXPECT_TRUE(host.fs().CloseHandle(CallContext(), *std::move(handle)).ok());
          auto listing =
              host.fs().Open(CallContext(), nullptr, absl::StrCat(top, "/s"), kOpenDirectory, 0);
          if (!listing.ok()) continue;
          const auto entries =
              host.fs().ReadDirectory(CallContext(), **listing, 100, 0, std::nullopt, 0);
          EXPECT_TRUE(entries.ok()) << entries.status();
          if (entries.ok() && !entries->empty()) {
            EXPECT_EQ(entries->size(), size_t{kFiles});
          }
          EXPECT_TRUE(host.fs().CloseHandle(CallContext(), *std::move(listing)).ok());
        }
      }
    });
  }
  for (int i = 0; i < 30; ++i) {
    const absl::Status status = i % 2 == 0 ? host.Rename("a", "b") : host.Rename("b", "a");
    EXPECT_TRUE(status.ok()) << status;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(reads.load(), 0);
  EXPECT_EQ(bucket.Keys().size(), size_t{kFiles});
}

}  // namespace
}  // namespace s3files
