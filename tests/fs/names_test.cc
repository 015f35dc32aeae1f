// Names: [N1]..[N7] of SEMANTICS.md.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

using Names = std::vector<std::string>;

class NamesTest : public testing::Test {
 protected:
  std::vector<std::string> After(absl::string_view name, size_t most) {
    std::unique_ptr<Handle> root = host_.Open("/", kOpenDirectory);
    const auto entries =
        host_.fs().ReadDirectory(CallContext(), *root, most, 0, std::string(name), 0);
    Names names;
    for (const DirectoryEntry& entry : entries.value()) names.push_back(entry.name);
    EXPECT_TRUE(host_.Close(std::move(root)).ok());
    return names;
  }

  ManualClock clock_;
  Bucket bucket_;
  Host host_{bucket_, Host::Options(), &clock_};
  Host other_{bucket_, Host::Options(), &clock_};
};

// [N1]
TEST_F(NamesTest, N1DirectoriesAreImpliedOrMarked) {
  bucket_.Put("a/b/c", "deep");
  EXPECT_EQ(host_.List("/"), Names{"a"});
  EXPECT_EQ(host_.List("a"), Names{"b"});
  EXPECT_EQ(host_.Stat("a/b")->attributes.type, FileType::kDirectory);
  EXPECT_EQ(host_.ReadFile("/a/./b//../b/c"), "deep");
  ASSERT_TRUE(host_.MakeDirectory("d").ok());
  EXPECT_EQ(bucket_.Get("d/"), "");
  EXPECT_TRUE(host_.List("d").empty());
  EXPECT_EQ(other_.Stat("d")->attributes.type, FileType::kDirectory);

  EXPECT_EQ(ErrnoOf(host_.WriteFile("none/f", "")), ENOENT);
  EXPECT_EQ(ErrnoOf(host_.TryOpen("none/f", kOpenWrite | kOpenCreate)), ENOENT)
      << "not by a listing";
  EXPECT_EQ(ErrnoOf(host_.MakeDirectory("none/d")), ENOENT);
  EXPECT_EQ(ErrnoOf(host_.MakeDirectory("d")), EEXIST);
  EXPECT_EQ(ErrnoOf(host_.MakeDirectory("a")), EEXIST);
  EXPECT_EQ(ErrnoOf(host_.TryOpen("a", kOpenWrite)), EISDIR);
  EXPECT_EQ(ErrnoOf(host_.TryOpen("a/b/c", kOpenDirectory)), ENOTDIR);
  EXPECT_EQ(ErrnoOf(host_.TryOpen("a/b/c/", kOpenRead)), ENOTDIR);
  EXPECT_EQ(ErrnoOf(host_.TryOpen("a/b/c/d", kOpenRead)), ENOTDIR);
  EXPECT_EQ(ErrnoOf(host_.Unlink("a")), EISDIR);
  EXPECT_EQ(ErrnoOf(host_.Rename("a", "a/b/x")), EINVAL);
  EXPECT_EQ(ErrnoOf(host_.RemoveDirectory("a/b/c")), ENOTDIR);
}

// [N1] [C6] Found by the model: what a listing has shown to be gone does not come back.
TEST_F(NamesTest, N1ADirectoryThatWasFoundGoneCanBeMadeAgain) {
  ASSERT_TRUE(host_.MakeDirectory("d").ok());
  ASSERT_TRUE(other_.RemoveDirectory("d").ok());
  EXPECT_EQ(ErrnoOf(host_.WriteFile("d/f", "")), ENOENT);
  EXPECT_TRUE(host_.MakeDirectory("d").ok());
  EXPECT_TRUE(host_.WriteFile("d/f", "").ok());

  ASSERT_TRUE(other_.Unlink("d/f").ok());
  ASSERT_TRUE(other_.RemoveDirectory("d").ok());
  EXPECT_EQ(ErrnoOf(host_.RemoveDirectory("d")), ENOENT);
  EXPECT_EQ(ErrnoOf(host_.WriteFile("d/g", "")), ENOENT);
}

// [N5]
TEST_F(NamesTest, N5NamesThatAreNoUtf8WhereTheStoreTakesNoOthers) {
  EXPECT_TRUE(host_.WriteFile("\xff", "").ok());
  Capabilities can = Bucket::SmallParts();
  can.utf8_keys = true;
  Bucket bucket(can);
  Host host(bucket);
  EXPECT_EQ(ErrnoOf(host.TryOpen("\xff", kOpenWrite | kOpenCreate | kOpenExclusive)), EILSEQ);
  EXPECT_EQ(ErrnoOf(host.MakeDirectory("caf\xe9")), EILSEQ);
  EXPECT_EQ(ErrnoOf(host.Stat("caf\xe9/f").status()), EILSEQ);
  EXPECT_TRUE(host.MakeDirectory("caf\xc3\xa9").ok());
  EXPECT_EQ(host.Requests(), "LIST , PUT caf\xc3\xa9/");
}

// [N3] Found by open(2) of /proc/self/fd/N.
TEST_F(NamesTest, N3WhatWasRemovedHereCanBeOpenedAgainByItsHandles) {
  ASSERT_TRUE(host_.WriteFile(kFile, "bytes").ok());
  std::unique_ptr<Handle> handle = host_.Open(kFile);
  ASSERT_TRUE(host_.Unlink(kFile).ok());
  ASSERT_TRUE(host_.WriteFile(kFile, "another").ok());
  auto again = host_.fs().Open(CallContext(), handle.get(), "", kOpenRead | kOpenWrite, 0);
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_TRUE(host_.Write(**again, 0, "B").ok());
  EXPECT_EQ(host_.Read(*handle), "Bytes");
  EXPECT_TRUE(host_.Close(*std::move(again)).ok());
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get(kFile), "another");
}

// [C5] But what others removed is gone to a new open.
TEST_F(NamesTest, C5WhatOthersRemovedCannotBeOpenedAgain) {
  bucket_.Put(kFile, "bytes");
  std::unique_ptr<Handle> handle = host_.Open(kFile);
  bucket_.Delete(kFile);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ErrnoOf(host_.fs().Open(CallContext(), handle.get(), "", kOpenRead, 0).status()),
              ESTALE);
  }
  EXPECT_EQ(host_.Read(*handle), "bytes");
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
}

// [N7] Found by fstat(2) of a directory that was removed while it was open.
TEST_F(NamesTest, N7ADirectoryThatIsGoneKeepsItsAttributes) {
  ASSERT_TRUE(host_.MakeDirectory("d").ok());
  ASSERT_TRUE(host_.Chmod("d", 0700).ok());
  std::unique_ptr<Handle> handle = host_.Open("d", kOpenDirectory);
  ASSERT_TRUE(host_.RemoveDirectory("d").ok());
  clock_.Advance(absl::Seconds(2));
  ASSERT_TRUE(other_.MakeDirectory("d").ok());
  const auto info = host_.fs().Stat(CallContext(), handle.get(), "", true, kInfoNeedsHead);
  EXPECT_EQ(info->attributes.mode, 0700u);
  EXPECT_EQ(info->nlink, 0u);
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
}

// [N7] Found by "> stamp", which make(1) counts on.
TEST_F(NamesTest, N7EmptyingAnEmptyFileModifiesIt) {
  ASSERT_TRUE(host_.WriteFile(kFile, "").ok());
  const int64_t before = host_.Stat(kFile)->attributes.mtime_ns;
  for (const bool by_open : {true, false}) {
    clock_.Advance(absl::Seconds(10));
    std::unique_ptr<Handle> handle = host_.Open(kFile, kOpenWrite | (by_open ? kOpenTruncate : 0u));
    ASSERT_TRUE(host_.Truncate(*handle, 0).ok());
    EXPECT_TRUE(host_.Close(std::move(handle)).ok());
    EXPECT_EQ(host_.Stat(kFile)->attributes.mtime_ns, clock_.WallNanos());
    EXPECT_EQ(other_.Stat(kFile)->attributes.mtime_ns, clock_.WallNanos());
  }
  EXPECT_LT(before, clock_.WallNanos());
}

// [C5] Found by the model: an emptied directory goes, and what a handle has open there with it.
TEST_F(NamesTest, C5AFileThatOthersRemovedGoesWithItsDirectory) {
  ASSERT_TRUE(host_.MakeDirectory("d").ok());
  ASSERT_TRUE(host_.WriteFile("d/f", "x").ok());
  std::unique_ptr<Handle> handle = host_.Open("d/f", kOpenRead | kOpenWrite);
  ASSERT_TRUE(other_.Unlink("d/f").ok());
  ASSERT_TRUE(host_.RemoveDirectory("d").ok());
  EXPECT_EQ(ErrnoOf(host_.Write(*handle, 0, "y")), ESTALE);
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
}

// [C5] Found by the model: the same where a lookup finds the directory gone.
TEST_F(NamesTest, C5AFileGoesWithADirectoryThatOthersRemoved) {
  bucket_.Put("d/f", "x");
  std::unique_ptr<Handle> handle = host_.Open("d/f", kOpenRead | kOpenWrite);
  bucket_.Delete("d/f");
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(ErrnoOf(host_.Stat("d").status()), ENOENT);
  EXPECT_EQ(ErrnoOf(host_.Write(*handle, 0, "y")), ESTALE);
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
}

// [N4] Found by ThreadsTest: what was renamed was taken for removed, and its lookups never ended.
TEST_F(NamesTest, N4AFileOutlivesTheDirectoryItIsMovedOutOf) {
  bucket_.Put("d/f", "x");
  bucket_.Put("e/g", "");
  ASSERT_TRUE(host_.Stat("d/f").ok());
  host_.store().Run(
      Op::kCopy,
      [&] {
        bucket_.Delete("d/f");
        bucket_.Delete("d/");  // the marker that it was given
        clock_.Advance(absl::Seconds(2));
        EXPECT_EQ(ErrnoOf(host_.Stat("d").status()), ENOENT);
      },
      FaultyStore::kAfter);
  EXPECT_TRUE(host_.Rename("d/f", "e/f").ok());
  EXPECT_EQ(host_.ReadFile("e/f"), "x");
}

// [C5] A directory that was removed has no names, whatever stands there later.
TEST_F(NamesTest, C5NothingIsFoundOrMadeInARemovedDirectory) {
  ASSERT_TRUE(host_.MakeDirectory("d").ok());
  auto directory = host_.fs().Open({}, nullptr, "d", kOpenDirectory, 0);
  ASSERT_TRUE(directory.ok());
  ASSERT_TRUE(host_.RemoveDirectory("d").ok());
  bucket_.Put("d/f", "of another");
  for (const uint32_t flags : {uint32_t{kOpenRead}, uint32_t{kOpenWrite | kOpenCreate}}) {
    const auto file = host_.fs().Open({}, directory->get(), "f", flags, 0644);
    EXPECT_EQ(ErrnoOf(file.status()), ENOENT) << flags;
  }
  EXPECT_EQ(host_.ReadFile("d/f"), "of another");
  EXPECT_TRUE(host_.fs().CloseHandle({}, *std::move(directory)).ok());
}

// [N4] [C6] Found by the model: the copy is ours, and seen at once.
TEST_F(NamesTest, N4ARenameThatLeavesBothShowsBoth) {
  bucket_.Put("from", "new");
  bucket_.Put("to", "before");
  ASSERT_TRUE(host_.Stat("to").ok());
  host_.store().Fail(Op::kDelete, Error(EIO, "refused"));
  EXPECT_EQ(ErrnoOf(host_.Rename("from", "to")), EIO);
  EXPECT_EQ(host_.Stat("from")->size, 3u);
  EXPECT_EQ(host_.Stat("to")->size, 3u);
}

// [N1]
TEST_F(NamesTest, N1AFileBesideADirectoryIsNotListedButCanBeOpened) {
  bucket_.Put("a", "hidden");
  bucket_.Put("a-1", "");
  bucket_.Put("a/x", "");
  EXPECT_EQ(host_.List("/"), (Names{"a-1", "a"}));
  EXPECT_EQ(host_.fs().GetStats().keys_skipped, 1u);
  ASSERT_EQ(host_.events(EventKind::kKeySkipped).size(), 1u);
  EXPECT_EQ(host_.events(EventKind::kKeySkipped)[0].path, "a");
  EXPECT_EQ(other_.ReadFile("a"), "hidden");
  EXPECT_EQ(ErrnoOf(other_.TryOpen("a", kOpenDirectory)), ENOTDIR) << "known to be the file";
  EXPECT_TRUE(Host(bucket_).TryOpen("a", kOpenDirectory).ok());
}

// [N2]
TEST_F(NamesTest, N2ADirectoryOutlivesItsLastChild) {
  bucket_.Put("unlinked/f", "");
  bucket_.Put("moved/f", "");
  bucket_.Put("outer/inner/", "");
  ASSERT_TRUE(host_.Unlink("unlinked/f").ok());
  ASSERT_TRUE(host_.Rename("moved/f", "f").ok());
  ASSERT_TRUE(host_.RemoveDirectory("outer/inner").ok());
  EXPECT_EQ(bucket_.Keys(), (Names{"f", "moved/", "outer/", "unlinked/"}));
  EXPECT_EQ(other_.List("/"), (Names{"f", "moved", "outer", "unlinked"}));
  for (const char* path : {"unlinked", "moved", "outer"}) {
    EXPECT_TRUE(host_.RemoveDirectory(path).ok()) << path;
  }
  EXPECT_EQ(bucket_.Keys(), Names{"f"});
}

// [N2] A marker that somebody else makes meanwhile is not overwritten.
TEST_F(NamesTest, N2AForeignMarkerKeepsItsAttributes) {
  bucket_.Put("d/f", "");
  ObjectMetadata theirs;
  theirs.user[kOwnerName] = "4711";
  host_.store().Run(Op::kPut, [&] { bucket_.Put("d/", "", theirs); });
  EXPECT_TRUE(host_.Unlink("d/f").ok());
  EXPECT_EQ(other_.Stat("d")->attributes.uid, 4711u);
}

TEST_F(NamesTest, DirectoriesThatAreNotEmptyStay) {
  bucket_.Put("d/", "");
  bucket_.Put("d/f", "");
  EXPECT_EQ(ErrnoOf(host_.RemoveDirectory("d")), ENOTEMPTY);
  ASSERT_TRUE(host_.Unlink("d/f").ok());
  std::unique_ptr<Handle> staged = host_.Create("d/staged");
  EXPECT_EQ(ErrnoOf(host_.RemoveDirectory("d")), ENOTEMPTY);
  ASSERT_TRUE(host_.Abandon(std::move(staged)).ok());
  EXPECT_TRUE(host_.RemoveDirectory("d").ok());
  EXPECT_EQ(ErrnoOf(host_.RemoveDirectory("d")), ENOENT);
  EXPECT_EQ(ErrnoOf(host_.RemoveDirectory("/")), EBUSY);
  EXPECT_EQ(ErrnoOf(host_.WriteFile("d/f", "")), ENOENT);
}

// [N3]
TEST_F(NamesTest, N3AnUnlinkedFileIsReadOnAndNeverPublished) {
  ASSERT_TRUE(host_.WriteFile("f", "resident").ok());
  std::unique_ptr<Handle> handle = host_.Open("f", kOpenRead | kOpenWrite);
  ASSERT_TRUE(host_.Write(*handle, 0, "RE").ok());
  ASSERT_TRUE(host_.Unlink("f").ok());
  EXPECT_EQ(host_.Read(*handle), "REsident");
  EXPECT_TRUE(host_.Append(*handle, "!").ok());
  EXPECT_EQ(host_.Read(*handle), "REsident!");
  EXPECT_EQ(ErrnoOf(host_.TryOpen("f", kOpenRead)), ENOENT);
  ASSERT_TRUE(host_.WriteFile("f", "another").ok());
  EXPECT_TRUE(host_.Sync(*handle).ok());
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get("f"), "another");
}

// [N3]
TEST_F(NamesTest, N3AReplacedFileIsReadOnOrStale) {
  const std::string large = Noise(3 * kBlockSize);
  bucket_.Put("f", large);
  ASSERT_TRUE(host_.WriteFile("new", "new").ok());
  std::unique_ptr<Handle> handle = host_.Open("f", kOpenRead | kOpenWrite);
  EXPECT_EQ(host_.Read(*handle, 0, 9), large.substr(0, 9));
  ASSERT_TRUE(host_.Rename("new", "f").ok());
  EXPECT_EQ(host_.Read(*handle, 5, 9), large.substr(5, 9)) << "resident";
  EXPECT_EQ(host_.Read(*handle, 2 * kBlockSize, 1), absl::StrCat("errno ", ESTALE));
  EXPECT_EQ(host_.ReadFile("f"), "new");
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get("f"), "new");
}

// [N3]
TEST_F(NamesTest, N3WhatIsStagedToAReplacedFileIsNotPublished) {
  bucket_.Put("f", "old bytes");
  std::unique_ptr<Handle> handle = host_.Open("f", kOpenRead | kOpenWrite);
  EXPECT_EQ(host_.Read(*handle), "old bytes");
  ASSERT_TRUE(host_.Write(*handle, 0, "OLD").ok());
  ASSERT_TRUE(host_.WriteFile("new", "new").ok());
  ASSERT_TRUE(host_.Rename("new", "f").ok());
  EXPECT_EQ(host_.Read(*handle), "OLD bytes");
  EXPECT_TRUE(host_.Append(*handle, "!").ok());
  EXPECT_TRUE(host_.Sync(*handle).ok());
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get("f"), "new");
  EXPECT_TRUE(host_.events(EventKind::kConflict).empty());
  EXPECT_EQ(host_.fs().GetStats().staged_files, 0u);
}

// [N4]
TEST_F(NamesTest, N4TheBytesStandUnderOneOfTheNamesAtEveryInstant) {
  bucket_.Put("from", "bytes");
  bucket_.Put("to", "old");
  auto both = [&] {
    EXPECT_EQ(bucket_.Get("from"), "bytes");
    EXPECT_EQ(bucket_.Get("to"), "bytes");
  };
  host_.store().Run(Op::kCopy, both, FaultyStore::kAfter);
  std::unique_ptr<Handle> handle = host_.Open("from", kOpenRead | kOpenWrite);
  ASSERT_TRUE(host_.Rename("from", "to").ok());
  EXPECT_EQ(bucket_.Keys(), Names{"to"});
  ASSERT_TRUE(host_.Append(*handle, "!").ok());
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get("to"), "bytes!") << "open handles follow";
}

// [N4]
TEST_F(NamesTest, N4AFailureInBetweenLeavesBothAndSaysSo) {
  bucket_.Put("from", Noise(3 * kBlockSize));
  std::unique_ptr<Handle> handle = host_.Open("from");
  host_.store().Fail(Op::kDelete, Error(EACCES, "refused"));
  const absl::Status status = host_.Rename("from", "to");
  EXPECT_EQ(ErrnoOf(status), EACCES);
  EXPECT_TRUE(absl::StrContains(status.message(), "both exist")) << status;
  EXPECT_EQ(bucket_.Keys(), (Names{"from", "to"}));
  EXPECT_EQ(host_.Read(*handle), Noise(3 * kBlockSize));
  EXPECT_EQ(host_.Stat("to")->size, 3 * kBlockSize);
  EXPECT_TRUE(host_.Rename("from", "to").ok()) << "trying again finishes";
  EXPECT_EQ(bucket_.Keys(), Names{"to"});
  EXPECT_EQ(host_.Read(*handle), Noise(3 * kBlockSize));
}

// [N4]
TEST_F(NamesTest, N4BothPreconditionsHold) {
  bucket_.Put("from", "one");
  bucket_.Put("to", "old");
  host_.ReadFile("from");
  bucket_.Put("from", "two");
  EXPECT_EQ(ErrnoOf(host_.Rename("from", "to")), ESTALE) << "the source has changed";
  host_.store().Run(Op::kCopy, [&] { bucket_.Put("to", "foreign"); });
  EXPECT_EQ(ErrnoOf(host_.Rename("from", "to")), ESTALE) << "the target has changed";
  EXPECT_EQ(bucket_.Get("to"), "foreign");
  EXPECT_EQ(ErrnoOf(host_.Rename("from", "to", false)), EEXIST);
  EXPECT_TRUE(host_.Rename("from", "to").ok());
  EXPECT_EQ(bucket_.Get("to"), "two");
  EXPECT_EQ(ErrnoOf(host_.Rename("from", "x")), ENOENT);
  EXPECT_TRUE(host_.Rename("to", "to").ok());
  EXPECT_EQ(ErrnoOf(host_.Rename("to", "to", false)), EEXIST) << "it does exist";
}

// [N4] The target is replaced as it was when the rename looked, however late somebody else comes.
TEST_F(NamesTest, N4ATargetThatComesToBeWhileItLooksIsNotReplaced) {
  bucket_.Put("from", "bytes");
  bucket_.Put("to", "old");
  host_.store().Run(
      Op::kHead, [&] { bucket_.Put("to", "foreign"); }, FaultyStore::kAfter, 1, "to");
  EXPECT_EQ(ErrnoOf(host_.Rename("from", "to")), ESTALE);
  EXPECT_EQ(bucket_.Get("to"), "foreign");
  EXPECT_EQ(bucket_.Get("from"), "bytes");
}

// [N4] What others have written to the old name since it was copied is not removed with it.
TEST_F(NamesTest, N4TheOldNameIsRemovedOnlyAsItWasCopied) {
  bucket_.Put("from", "bytes");
  host_.store().Run(
      Op::kCopy, [&] { bucket_.Put("from", "foreign"); }, FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(host_.Rename("from", "to")), ESTALE);
  EXPECT_EQ(bucket_.Get("from"), "foreign");
  EXPECT_EQ(bucket_.Get("to"), "bytes");
}

// [N4] Staged bytes of the source are committed first.
TEST_F(NamesTest, N4AStagedChangeGoesAlong) {
  bucket_.Put("from", "bytes");
  std::unique_ptr<Handle> handle = host_.Open("from", kOpenWrite);
  ASSERT_TRUE(host_.Append(*handle, "+").ok());
  ASSERT_TRUE(host_.Rename("from", "to").ok());
  EXPECT_EQ(bucket_.Get("to"), "bytes+");
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Keys(), Names{"to"});
}

// [N5]
TEST_F(NamesTest, N5KeysThatAreNoPathsAreNotListed) {
  for (const char* key : {"/x", "a//b", "./x", "../x", "ok"}) bucket_.Put(key, "");
  bucket_.Put(std::string(256, 'n'), "");
  EXPECT_EQ(host_.List("/"), (Names{"a", "ok"}));
  EXPECT_EQ(host_.fs().GetStats().keys_skipped, 4u);
  EXPECT_EQ(host_.events(EventKind::kKeySkipped).size(), 4u);
  EXPECT_TRUE(host_.List("a").empty());
  EXPECT_EQ(ErrnoOf(host_.WriteFile(std::string(256, 'n'), "")), ENAMETOOLONG);
  std::string deep;
  for (int i = 0; i < 6; ++i) deep += std::string(200, 'd') + "/";
  EXPECT_EQ(ErrnoOf(host_.WriteFile(deep + "f", "")), ENAMETOOLONG);
}

// [N5]
TEST_F(NamesTest, N5NoPathLeavesThePrefix) {
  bucket_.Put("secret", "outside");
  bucket_.Put("home/f", "inside");
  FileSystemOptions options = Host::Options();
  options.prefix = "home/";
  Host host(bucket_, options);
  EXPECT_EQ(host.List("/"), Names{"f"});
  EXPECT_EQ(host.ReadFile("../f"), "inside");
  EXPECT_EQ(host.ReadFile("../secret"), absl::StrCat("errno ", ENOENT));
  EXPECT_EQ(host.ReadFile("/../../secret"), absl::StrCat("errno ", ENOENT));
  ASSERT_TRUE(host.WriteFile("../g", "").ok());
  EXPECT_EQ(bucket_.Keys(), (Names{"home/f", "home/g", "secret"}));
}

// [N6]
TEST_F(NamesTest, N6ListingsOfManyPagesGiveEveryEntryOnceInOrder) {
  Names expected;
  for (int i = 0; i < 2300; ++i) {
    expected.push_back(absl::StrFormat("%05d", i));
    bucket_.Put(i % 7 == 0 ? expected.back() + "/x" : expected.back(), "");
  }
  std::unique_ptr<Handle> staged = host_.Create("01000-staged");
  expected.insert(expected.begin() + 1000, "01000-staged");  // "-" is before "/"
  host_.Requests();
  EXPECT_EQ(host_.List("/", 700), expected);
  EXPECT_EQ(host_.store().count(Op::kList), 3);
  EXPECT_EQ(host_.List("/", 1), expected);
  EXPECT_EQ(After("01999", 2), (Names{"02000", "02001"}));
  EXPECT_EQ(After("01000", 1), Names{"01001"});
  EXPECT_EQ(After("01000-a", 2), (Names{"01000-staged", "01000"}));
  EXPECT_TRUE(After("02299", 5).empty());
}

// [N6] Cookies name a position for as long as the handle is open, in any order.
TEST_F(NamesTest, N6CookiesCanBeReturnedTo) {
  for (int i = 0; i < 1500; ++i) bucket_.Put(absl::StrFormat("%05d", i), "");
  std::unique_ptr<Handle> root = host_.Open("/", kOpenDirectory);
  auto read = [&](size_t most, uint64_t cookie) {
    return host_.fs().ReadDirectory(CallContext(), *root, most, cookie, std::nullopt, 0);
  };
  std::vector<DirectoryEntry> all = read(2000, 0).value();
  ASSERT_EQ(all.size(), 1500u);
  for (const size_t at : {1400u, 3u, 999u, 1000u, 1001u, 0u}) {
    EXPECT_EQ(read(1, all[at].cookie)->at(0).name, all[at + 1].name) << at;
  }
  EXPECT_EQ(ErrnoOf(read(1, 99999).status()), EINVAL);
  // Reading by name in between does not move what cookies mean.
  const auto by_name = host_.fs().ReadDirectory(CallContext(), *root, 4, 0, "01000", 0);
  EXPECT_EQ(by_name->at(0).name, "01001");
  EXPECT_EQ(read(1, all[3].cookie)->at(0).name, all[4].name);
  EXPECT_TRUE(host_.Close(std::move(root)).ok());
}

// [N6] Found by rewinddir(3).
TEST_F(NamesTest, N6AnEmptyDirectoryReadAgainFromItsStartShowsWhatIsThereByNow) {
  std::unique_ptr<Handle> root = host_.Open("/", kOpenDirectory);
  auto names = [&] {
    Names names;
    const auto entries = host_.fs().ReadDirectory(CallContext(), *root, 9, 0, std::nullopt, 0);
    for (const DirectoryEntry& entry : entries.value()) names.push_back(entry.name);
    return names;
  };
  EXPECT_EQ(names(), Names());
  ASSERT_TRUE(host_.MakeDirectory("d").ok());
  std::unique_ptr<Handle> staged = host_.Create("f");
  EXPECT_EQ(names(), (Names{"d", "f"}));
  EXPECT_TRUE(host_.Close(std::move(staged)).ok());
  EXPECT_TRUE(host_.Close(std::move(root)).ok());
}

// [N6]
TEST_F(NamesTest, N6WhatIsCommittedOrRemovedMeanwhileIsSeenOnceAtMost) {
  for (const char* key : {"a", "b", "y", "z"}) bucket_.Put(key, "");
  std::unique_ptr<Handle> staged = host_.Create("m");
  std::unique_ptr<Handle> root = host_.Open("/", kOpenDirectory);
  Names names;
  uint64_t cookie = 0;
  for (int step = 0;; ++step) {
    const auto entries =
        host_.fs().ReadDirectory(CallContext(), *root, 1, cookie, std::nullopt, 0).value();
    if (entries.empty()) break;
    names.push_back(entries[0].name);
    cookie = entries[0].cookie;
    if (step == 0) {
      ASSERT_TRUE(host_.Close(std::move(staged)).ok());
    }
  }
  EXPECT_EQ(names, (Names{"a", "b", "m", "y", "z"}));
  EXPECT_TRUE(host_.Close(std::move(root)).ok());
}

// [N6] The iteration knew it as staged before it came to the page that lists it.
TEST_F(NamesTest, N6AFileThatIsCommittedBeforeItsPageIsListedIsSeenOnce) {
  Names expected;
  for (int i = 0; i < 1100; ++i) {
    expected.push_back(absl::StrFormat("%05d", i));
    bucket_.Put(expected.back(), "");
  }
  std::unique_ptr<Handle> staged = host_.Create("01050-staged");
  expected.insert(expected.begin() + 1050, "01050-staged");
  std::unique_ptr<Handle> root = host_.Open("/", kOpenDirectory);
  Names names;
  for (uint64_t cookie = 0;;) {
    const auto entries =
        host_.fs().ReadDirectory(CallContext(), *root, 500, cookie, std::nullopt, 0).value();
    if (entries.empty()) break;
    for (const DirectoryEntry& entry : entries) names.push_back(entry.name);
    cookie = entries.back().cookie;
    if (staged != nullptr) {
      ASSERT_TRUE(host_.Close(std::move(staged)).ok());
    }
  }
  EXPECT_EQ(names, expected);
  EXPECT_TRUE(host_.Close(std::move(root)).ok());
}

// [N6] An error in the middle loses no entry.
TEST_F(NamesTest, N6AListingThatFailsCanGoOn) {
  for (int i = 0; i < 2100; ++i) bucket_.Put(absl::StrFormat("%05d", i), "");
  std::unique_ptr<Handle> root = host_.Open("/", kOpenDirectory);
  host_.store().Fail(Op::kList, Error(EIO, "refused"), FaultyStore::kBefore, 2);
  size_t seen = 0;
  int failures = 0;
  for (uint64_t cookie = 0;;) {
    const auto entries =
        host_.fs().ReadDirectory(CallContext(), *root, 1500, cookie, std::nullopt, 0);
    if (!entries.ok()) {
      ASSERT_EQ(++failures, 1);
      continue;
    }
    if (entries->empty()) break;
    for (const DirectoryEntry& entry : *entries) {
      EXPECT_EQ(entry.name, absl::StrFormat("%05d", seen++));
    }
    cookie = entries->back().cookie;
  }
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(seen, 2100u);
  EXPECT_TRUE(host_.Close(std::move(root)).ok());
}

// [N7]
TEST_F(NamesTest, N7AttributesAreStoredAsAmazonDoes) {
  host_.call.identity = Identity{1001, 1002, {}};
  host_.call.umask = 027;
  FileSystemOptions options = Host::Options();
  options.import.defaults.dir_mode = 0777;
  Host host(bucket_, options, &clock_);
  host.call = host_.call;
  ASSERT_TRUE(host.WriteFile("f", "x").ok());
  ASSERT_TRUE(host.MakeDirectory("d").ok());
  std::map<std::string, std::string> user = bucket_.Head("f").metadata.user;
  EXPECT_EQ(user["file-owner"], "1001");
  EXPECT_EQ(user["file-group"], "1002");
  EXPECT_EQ(user["file-permissions"], "0100640");
  EXPECT_EQ(user["file-mtime"], absl::StrCat(clock_.WallNanos(), "ns"));
  EXPECT_EQ(bucket_.Head("d/").metadata.user["file-permissions"], "040750");
  EXPECT_EQ(other_.Stat("f")->attributes, host.Stat("f")->attributes);
  EXPECT_EQ(other_.Stat("d")->attributes, host.Stat("d")->attributes);
}

// [N7]
TEST_F(NamesTest, N7ObjectsWithoutAttributesHaveTheDefaults) {
  FileSystemOptions options = Host::Options();
  options.import.defaults = {5, 6, 0600, 0700};
  Host host(bucket_, options);
  bucket_.Put("d/f", "");
  const Attributes file = host.Stat("d/f")->attributes;
  EXPECT_EQ(file.uid, 5u);
  EXPECT_EQ(file.gid, 6u);
  EXPECT_EQ(file.mode, 0600u);
  EXPECT_EQ(file.mtime_ns, bucket_.Head("d/f").stamp.last_modified_ns);
  EXPECT_EQ(host.Stat("d")->attributes.mode, 0700u);
}

// [N7] The mtime of a directory is when something was made, removed or renamed in it here.
TEST_F(NamesTest, N7TheTimeOfADirectoryFollowsItsNames) {
  ASSERT_TRUE(host_.MakeDirectory("d").ok());
  const auto now = [&] { return host_.Stat("d")->attributes.mtime_ns; };
  const std::function<absl::Status()> kChanges[] = {
      [&] { return host_.WriteFile("d/f", "x"); }, [&] { return host_.Rename("d/f", "d/g"); },
      [&] { return host_.Rename("d/g", "g"); },    [&] { return host_.Rename("g", "d/f"); },
      [&] { return host_.Unlink("d/f"); },         [&] { return host_.Symlink("x", "d/link"); },
      [&] { return host_.MakeDirectory("d/e"); },  [&] { return host_.RemoveDirectory("d/e"); },
  };
  for (size_t i = 0; i < std::size(kChanges); ++i) {
    clock_.Advance(absl::Seconds(5));
    ASSERT_TRUE(kChanges[i]().ok()) << i;
    EXPECT_EQ(now(), clock_.WallNanos()) << i;
  }
  ASSERT_TRUE(host_.WriteFile("d/f", "x").ok());
  const int64_t before = now();
  clock_.Advance(absl::Seconds(5));
  ASSERT_TRUE(host_.WriteFile("d/f", "other bytes").ok());
  EXPECT_EQ(now(), before) << "its names are the same";
}

}  // namespace
}  // namespace s3files
