// What calls cost: the requests of each, one by one ("What a call costs" in SEMANTICS.md, [W10]).
#include "tests/fs/host.h"

namespace s3files {
namespace {

class RequestsTest : public testing::Test {
 protected:
  ManualClock clock_;
  Bucket bucket_;
  Host host_{bucket_, Host::Options(), &clock_};
};

TEST_F(RequestsTest, OpenAndRead) {
  bucket_.Put("f", Noise(3 * kBlockSize));
  std::unique_ptr<Handle> handle = host_.Open("f");
  EXPECT_EQ(host_.Requests(), "GET f");
  host_.Read(*handle, 0, kBlockSize);
  EXPECT_EQ(host_.Requests(), "") << "the first bytes came with the open";
  host_.Read(*handle);
  EXPECT_EQ(host_.Requests(), "GET f") << "one for what is not resident";
  host_.Read(*handle);
  EXPECT_EQ(host_.Requests(), "");
  host_.Open("f");
  EXPECT_EQ(host_.Requests(), "HEAD f");
  host_.Open("f", kOpenWrite);
  EXPECT_EQ(host_.Requests(), "HEAD f");
}

TEST_F(RequestsTest, ReopeningWhatAnotherHostReplacedBringsItsBytes) {
  bucket_.Put("f", "one");
  host_.ReadFile("f");
  bucket_.Put("f", "two");
  host_.Requests();
  EXPECT_EQ(host_.ReadFile("f"), "two");
  EXPECT_EQ(host_.Requests(), "HEAD f, GET f");
}

TEST_F(RequestsTest, CreatingFiles) {
  ASSERT_TRUE(host_.WriteFile("d1", "bytes").ok());
  EXPECT_EQ(host_.Requests(), "LIST , PUT d1");
  ASSERT_TRUE(host_.WriteFile("d2", "bytes").ok());
  EXPECT_EQ(host_.Requests(), "PUT d2");
  ASSERT_TRUE(host_.WriteFile("d3", "").ok());
  EXPECT_EQ(host_.Requests(), "PUT d3") << "an empty file, too";
  EXPECT_TRUE(host_.Close(host_.Create("d4")).ok());
  EXPECT_EQ(host_.Requests(), "HEAD d4, LIST d4/, PUT d4") << "its bytes would matter";
  clock_.Advance(absl::Seconds(2));
  ASSERT_TRUE(host_.WriteFile("d5", "bytes").ok());
  EXPECT_EQ(host_.Requests(), "LIST , PUT d5");
}

TEST_F(RequestsTest, OverwritingAFile) {
  bucket_.Put("f", "old");
  std::unique_ptr<Handle> handle = host_.Open("f", kOpenWrite | kOpenTruncate);
  ASSERT_TRUE(host_.Write(*handle, 0, "new").ok());
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(host_.Requests(), "HEAD f, PUT f");
  ASSERT_TRUE(host_.WriteFile("f", "newer").ok());
  EXPECT_EQ(host_.Requests(), "HEAD f, PUT f") << "the name is known";
  handle = host_.Open("f", kOpenWrite);
  EXPECT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(host_.Requests(), "HEAD f") << "nothing was staged";
}

// [W9] One more where the object has tags, none where it has not.
TEST_F(RequestsTest, W9RewritingATaggedFile) {
  bucket_.Put("f", "old", {}, {{"k", "v"}});
  ASSERT_TRUE(host_.WriteFile("f", "new").ok());
  EXPECT_EQ(host_.Requests(), "LIST , HEAD f, GET-TAGS f, PUT f");
  ASSERT_TRUE(host_.WriteFile("f", "newer").ok());
  EXPECT_EQ(host_.Requests(), "HEAD f, GET-TAGS f, PUT f");
  ASSERT_TRUE(host_.Rename("f", "g").ok());
  EXPECT_EQ(host_.Requests(), "COPY g, DELETE f") << "the store copies them itself";
  std::unique_ptr<Handle> handle = host_.Open("g", kOpenWrite);
  host_.Requests();
  ASSERT_TRUE(host_.Write(*handle, 0, "N").ok());
  bucket_.Delete("g");
  EXPECT_EQ(ErrnoOf(host_.Close(std::move(handle))), ESTALE) << "a conflict, as without tags";
}

TEST_F(RequestsTest, Stat) {
  bucket_.Put("f", "bytes");
  bucket_.Put("d/x", "");
  EXPECT_TRUE(host_.Stat("f").ok());
  EXPECT_EQ(host_.Requests(), "HEAD f");
  EXPECT_TRUE(host_.Stat("f").ok());
  EXPECT_EQ(host_.Requests(), "");
  EXPECT_TRUE(host_.Stat("d", kInfoSize).ok());
  EXPECT_EQ(host_.Requests(), "HEAD d, LIST d/");
  EXPECT_TRUE(host_.Stat("d", kInfoSize).ok());
  EXPECT_EQ(host_.Requests(), "");
  EXPECT_EQ(ErrnoOf(host_.Stat("none").status()), ENOENT);
  EXPECT_EQ(host_.Requests(), "HEAD none, LIST none/");
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(host_.Stat("f").ok());
  EXPECT_EQ(host_.Requests(), "HEAD f");
}

// [C6] Compilers and shells ask for many names that are not there.
TEST_F(RequestsTest, AnAbsenceIsRemembered) {
  bucket_.Put("d/x", "");
  for (const char* path : {"none", "d/none"}) {
    EXPECT_EQ(ErrnoOf(host_.Stat(path).status()), ENOENT);
  }
  EXPECT_EQ(host_.Requests(), "HEAD none, LIST none/, HEAD d/none, LIST d/none/, LIST d/");
  for (const char* path : {"none", "none/", "d/none"}) {
    EXPECT_EQ(ErrnoOf(host_.Stat(path).status()), ENOENT);
  }
  EXPECT_EQ(host_.Requests(), "");

  bucket_.Put("none", "of another");
  EXPECT_EQ(ErrnoOf(host_.Stat("none").status()), ENOENT) << "for as long as attributes may be old";
  EXPECT_EQ(host_.ReadFile("none"), "of another") << "opens ask";
  EXPECT_TRUE(host_.Stat("none").ok());
  bucket_.Put("d/none", "of another");
  EXPECT_TRUE(host_.Unlink("d/none").ok()) << "and so do changes";
  clock_.Advance(absl::Seconds(2));
  bucket_.Put("d/none", "of another");
  EXPECT_TRUE(host_.Stat("d/none").ok());
}

// [C3] What this file system makes is there at once, and after it was forgotten, too.
TEST_F(RequestsTest, AnAbsenceEndsWhereTheNameIsMade) {
  const auto absent = [&](const char* path) {
    return ErrnoOf(host_.Stat(path).status()) == ENOENT;
  };
  ASSERT_TRUE(absent("a") && absent("b") && absent("c") && absent("e") && absent("e/f"));
  EXPECT_TRUE(host_.WriteFile("a", "").ok());
  EXPECT_TRUE(host_.Stat("a").ok());
  EXPECT_TRUE(host_.Rename("a", "b").ok());
  EXPECT_TRUE(host_.Stat("b").ok());
  EXPECT_TRUE(host_.MakeDirectory("c").ok());
  EXPECT_TRUE(host_.Stat("c").ok());
  EXPECT_TRUE(host_.WriteFile("c/f", "").ok());
  EXPECT_TRUE(host_.Rename("c", "e").ok());
  EXPECT_TRUE(host_.Stat("e").ok());
  EXPECT_TRUE(host_.Stat("e/f").ok());
  EXPECT_TRUE(absent("c"));
}

// Each page once, and no more than one that nobody reads.
TEST_F(RequestsTest, PagesOfALargeDirectory) {
  for (int i = 0; i < 4500; ++i) bucket_.Put(absl::StrCat("d/", i), "");
  const auto lists = [&] {
    const std::string requests = host_.Requests();
    size_t n = 0;
    for (size_t at = 0; (at = requests.find("LIST", at)) != std::string::npos; ++at) ++n;
    return n;
  };
  EXPECT_EQ(host_.List("d", 1000).size(), 4500u);
  EXPECT_EQ(lists(), 6u) << "one to open it";
  host_.store().Fail(Op::kList, Error(EIO, "a page ahead"), FaultyStore::kBefore, 3);
  auto ahead = host_.fs().Open({}, nullptr, "d", kOpenDirectory, 0);
  ASSERT_TRUE(ahead.ok());
  uint64_t cookie = 0;
  for (size_t size : {1000, 1000, 1000, 1000, 500}) {
    const auto page = host_.fs().ReadDirectory({}, **ahead, 1000, cookie, std::nullopt, 0);
    ASSERT_TRUE(page.ok()) << "what fails ahead of its time is asked again";
    ASSERT_EQ(page->size(), size);
    cookie = page->back().cookie;
    // Its last names need the second page; the third is under way by itself before it is wanted.
    ASSERT_TRUE(host_.store().AwaitCalls(Op::kList, 3));
  }
  EXPECT_TRUE(host_.fs().CloseHandle({}, *std::move(ahead)).ok());
  EXPECT_EQ(lists(), 6u) << "known to exist";

  auto directory = host_.fs().Open({}, nullptr, "d", kOpenDirectory, 0);
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(host_.fs().ReadDirectory({}, **directory, 100, 0, std::nullopt, 0)->size(), 100u);
  EXPECT_TRUE(host_.fs().CloseHandle({}, *std::move(directory)).ok());
  EXPECT_EQ(lists(), 1u) << "nothing is asked for that may not be read";
}

// What is expected to be a directory is asked for as one first.
TEST_F(RequestsTest, OpeningADirectory) {
  bucket_.Put("d/x", "");
  bucket_.Put("f", "bytes");
  host_.Open("d", kOpenDirectory);
  EXPECT_EQ(host_.Requests(), "LIST d/");
  host_.Open("d", kOpenDirectory);
  EXPECT_EQ(host_.Requests(), "") << "within the attribute timeout";
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(host_.Stat("d/", kInfoSize).ok());
  EXPECT_EQ(host_.Requests(), "LIST d/");
  bucket_.Delete("d/x");
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(ErrnoOf(host_.TryOpen("d", kOpenDirectory)), ENOENT);
  EXPECT_EQ(host_.Requests(), "LIST d/, HEAD d");
  EXPECT_EQ(ErrnoOf(host_.TryOpen("f", kOpenDirectory)), ENOTDIR);
  EXPECT_EQ(host_.Requests(), "LIST f/, HEAD f") << "not its bytes";
  EXPECT_EQ(ErrnoOf(host_.TryOpen("f", kOpenDirectory)), ENOTDIR);
  EXPECT_EQ(host_.Requests(), "HEAD f") << "known to be a file";
  bucket_.Put("e/", "");
  EXPECT_TRUE(host_.RemoveDirectory("e").ok());
  EXPECT_EQ(host_.Requests(), "LIST e/, LIST e/, DELETE e/");
}

// Option attributes=listed.
TEST_F(RequestsTest, ListedAttributesSendNoHead) {
  bucket_.Put("d/f", "bytes");
  bucket_.Put("d/e/", "");
  FileSystemOptions options = Host::Options();
  options.import.listed_only = true;
  Host host(bucket_, options, &clock_);
  std::unique_ptr<Handle> handle = host.Open("d", kOpenRead | kOpenDirectory);
  const auto entries =
      host.fs().ReadDirectory(host.call, *handle, 100, 0, std::nullopt, kInfoNeedsHead | kInfoSize);
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].info.attributes.mode, 0755u);
  EXPECT_EQ((*entries)[1].info.attributes.mode, 0644u);
  EXPECT_EQ((*entries)[1].info.filled & kInfoNeedsHead, kInfoNeedsHead);
  EXPECT_TRUE(host.Stat("d").ok());
  EXPECT_EQ(host.Requests(), "LIST d/, LIST d/");
}

TEST_F(RequestsTest, ChangingNames) {
  ASSERT_TRUE(host_.MakeDirectory("d").ok());
  EXPECT_EQ(host_.Requests(), "LIST , PUT d/");
  ASSERT_TRUE(host_.WriteFile("d/f", "bytes").ok());
  EXPECT_EQ(host_.Requests(), "LIST d/, PUT d/f");
  ASSERT_TRUE(host_.Rename("d/f", "d/g").ok());
  EXPECT_EQ(host_.Requests(), "COPY d/g, DELETE d/f");
  ASSERT_TRUE(host_.Unlink("d/g").ok());
  EXPECT_EQ(host_.Requests(), "DELETE d/g");
  ASSERT_TRUE(host_.RemoveDirectory("d").ok());
  EXPECT_EQ(host_.Requests(), "LIST d/, DELETE d/");
}

TEST_F(RequestsTest, RenamingInAnImpliedDirectoryNeedsNoMarker) {
  bucket_.Put("d/f", "bytes");
  host_.ReadFile("d/f");
  host_.Requests();
  ASSERT_TRUE(host_.Rename("d/f", "d/g").ok());
  EXPECT_EQ(host_.Requests(), "LIST d/, COPY d/g, DELETE d/f") << "the LIST is for the new name";
}

TEST_F(RequestsTest, UnlinkingInAnImpliedDirectoryListsOnce) {
  for (const char* key : {"d/1", "d/2", "d/3", "d/4"}) bucket_.Put(key, "");
  for (const char* path : {"d/1", "d/2", "d/3"}) EXPECT_TRUE(host_.Stat(path).ok());
  host_.Requests();
  ASSERT_TRUE(host_.Unlink("d/1").ok());
  EXPECT_EQ(host_.Requests(), "LIST d/, DELETE d/1");
  ASSERT_TRUE(host_.Unlink("d/2").ok());
  EXPECT_EQ(host_.Requests(), "DELETE d/2");
}

// [W10] [N4] An editor's save: one PUT, under the version of the file that is replaced.
TEST_F(RequestsTest, N4WriteTemporaryAndRenameOverCostsOnePut) {
  bucket_.Put("f", "old");
  host_.ReadFile("f");
  const Version old = bucket_.Head("f").stamp.version;
  std::unique_ptr<Handle> handle = host_.Create("f.tmp");
  ASSERT_TRUE(host_.Write(*handle, 0, "new").ok());
  host_.Requests();
  ASSERT_TRUE(host_.Rename("f.tmp", "f").ok());
  EXPECT_EQ(host_.Requests(), "HEAD f");
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  ASSERT_EQ(host_.store().log(Op::kPut).size(), 1u);
  EXPECT_EQ(host_.store().log(Op::kPut)[0].precondition.version(), old);
  EXPECT_EQ(host_.Requests(), "PUT f");
  EXPECT_EQ(bucket_.Keys(), std::vector<std::string>{"f"});
  EXPECT_EQ(bucket_.Get("f"), "new");
}

// [W10]
TEST_F(RequestsTest, W10APartialUpdateCopiesWhatItLeavesAlone) {
  std::string bytes = Noise(40 * Bucket::kPart);
  bucket_.Put("f", bytes);
  std::unique_ptr<Handle> handle = host_.Open("f", kOpenWrite);
  ASSERT_TRUE(host_.Write(*handle, 20 * Bucket::kPart + 5, "changed").ok());
  bytes.replace(20 * Bucket::kPart + 5, 7, "changed");
  host_.store().ClearLog();
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  EXPECT_EQ(host_.store().count(Op::kPut), 0);
  EXPECT_EQ(host_.store().count(Op::kCompleteUpload), 1);
  EXPECT_GE(host_.store().count(Op::kCopyPart), 2);
  EXPECT_EQ(host_.store().count(Op::kUploadPart), 1);
  EXPECT_LE(host_.store().log(Op::kUploadPart)[0].size, 2 * Bucket::kPart);
  for (const LoggedCall& copy : host_.store().log(Op::kCopyPart)) {
    EXPECT_TRUE(copy.if_match.known());
  }
  EXPECT_TRUE(bucket_.Get("f") == bytes);
}

// [M1] Reading costs one GET for up to 8 MiB, whatever is read at once.
TEST_F(RequestsTest, ALongReadIsOneRequestForEightMebibytes) {
  FileSystemOptions options = Host::Options();
  options.memory = 64 << 20;
  Host host(bucket_, options);
  bucket_.Put("f", std::string(20 << 20, 'x'));
  std::unique_ptr<Handle> handle = host.Open("f");
  host.Requests();
  EXPECT_EQ(host.Read(*handle).size(), size_t{20} << 20);
  EXPECT_EQ(host.Requests(), "GET f, GET f, GET f");
}

}  // namespace
}  // namespace s3files
