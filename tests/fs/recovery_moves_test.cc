// [D4] [N4] The rename of a directory goes on in the next file system.
#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fs/recovery.h"

namespace s3files {
namespace {

using Keys = std::vector<std::string>;

class RecoveryMovesTest : public RecoveryTest {
 protected:
  // What the bucket holds, as "key=bytes".
  Keys Contents() const {
    Keys all;
    for (const std::string& key : bucket_.Keys()) {
      all.push_back(absl::StrCat(key, "=", *bucket_.Get(key)));
    }
    return all;
  }
  void ExpectNoRow() {
    const Journal::Recovered rows = Journal::Open(dir_, "memory://test").value()->TakeRecovered();
    EXPECT_EQ(rows.size(), 0u);
  }
  void Empty() {
    for (const std::string& key : bucket_.Keys()) bucket_.Delete(key);
  }
};

// [D4] [N4]
TEST_F(RecoveryMovesTest, D4AStagedRenameSurvives) {
  bucket_.Put("p/old/a", "1");
  bucket_.Put("p/old/b/c", "2");
  std::unique_ptr<Host> host = NewHost();
  ASSERT_EQ(host->Rename("p/old", "new"), absl::OkStatus());
  EXPECT_EQ(Contents(), (Keys{"p/old/a=1", "p/old/b/c=2"})) << "put off";
  SaveState();
  host->Vanish();
  RestoreState();
  host = NewHost();
  EXPECT_EQ(host->Requests(), "");
  EXPECT_EQ(host->List("/"), (Keys{"new", "p"}));
  EXPECT_EQ(host->List("new"), (Keys{"a", "b"}));
  EXPECT_EQ(host->List("p"), Keys{});
  EXPECT_EQ(host->ReadFile("new/b/c"), "2");
  EXPECT_EQ(host->ReadFile("p/old/a"), "errno 2");
  EXPECT_EQ(host->Status("new").state, FileSystem::State::kStaged);
  EXPECT_EQ(host->Commit("/"), absl::OkStatus());
  EXPECT_EQ(Contents(), (Keys{"new/a=1", "new/b/c=2", "p/="}));
  host->Vanish();
  ExpectNoRow();
}

// [D4] [N4]
TEST_F(RecoveryMovesTest, D4ClosingKeepsAStagedRename) {
  bucket_.Put("old/a", "1");
  std::unique_ptr<Host> host = NewHost();
  ASSERT_EQ(host->Rename("old", "new"), absl::OkStatus());
  EXPECT_EQ(host->fs().Close(host->call, /*discard=*/false), absl::OkStatus());
  host->Vanish();
  EXPECT_EQ(Contents(), Keys{"old/a=1"}) << "only a commit commits";
  options_.commit.delay_ns = 0;
  host = NewHost();
  ASSERT_TRUE(host->AwaitEvents(EventKind::kCommitted, 1)) << "by itself";
  EXPECT_EQ(Contents(), Keys{"new/a=1"});
  host->Vanish();
  ExpectNoRow();
}

// [D4] [N4]
TEST_F(RecoveryMovesTest, D4ARenameThatWasTakenBackOrOnIsKnown) {
  bucket_.Put("a/f", "1");
  bucket_.Put("b/f", "2");
  std::unique_ptr<Host> host = NewHost();
  std::unique_ptr<Handle> handle = Durable(*host, "a/f", "one");
  Durable(*host, "b/f", "two");
  ASSERT_EQ(host->Rename("a", "a2"), absl::OkStatus());
  ASSERT_EQ(host->Rename("b", "b2"), absl::OkStatus());
  Durable(*host, "b2/f", "three").reset();  // recorded under a name that it loses
  Durable(*host, "a2/g", "new").reset();
  ASSERT_EQ(host->Rename("a2", "a"), absl::OkStatus());
  ASSERT_EQ(host->Rename("b2", "b3"), absl::OkStatus());
  SaveState();
  handle.reset();
  host->Vanish();
  RestoreState();
  host = NewHost();
  EXPECT_EQ(host->List("/"), (Keys{"a", "b3"}));
  EXPECT_EQ(host->ReadFile("a/f"), "one");
  EXPECT_EQ(host->ReadFile("a/g"), "new");
  EXPECT_EQ(host->ReadFile("b3/f"), "three");
  EXPECT_EQ(host->Commit("/"), absl::OkStatus());
  EXPECT_EQ(Contents(), (Keys{"a/f=one", "a/g=new", "b3/f=three"}));
  host->Vanish();
  ExpectNoRow();
}

// [D4] [N4] At each call in turn, before it and before its reply.
TEST_F(RecoveryMovesTest, D4DeathAtEachCallLosesAndDoublesNothing) {
  const Keys expected = {"n/=",           "n/a=1",     "n/big=bytes", "n/new=staged",
                         "n/part=0abc45", "n/sub/b=2", "p/=",         "x=x"};
  for (const int parallel : {1, 4}) {
    options_.parallel = parallel;
    for (const auto when : {FaultyStore::kBefore, FaultyStore::kAfter}) {
      bool died = true;
      for (int nth = 1; died; ++nth) {
        SCOPED_TRACE(absl::StrCat("parallel ", parallel, " when ", when, " call ", nth));
        Empty();
        bucket_.Put("p/old/", "");
        bucket_.Put("p/old/a", "1");
        bucket_.Put("p/old/big", "bytes");
        bucket_.Put("p/old/part", "012345");
        bucket_.Put("p/old/sub/b", "2");
        bucket_.Put("n/", "");
        bucket_.Put("x", "x");
        std::unique_ptr<Host> host = NewHost();
        std::unique_ptr<Handle> handle = host->Open("p/old/part", kOpenRead | kOpenWrite);
        ASSERT_EQ(host->Write(*handle, 1, "abc"), absl::OkStatus());
        ASSERT_EQ(host->Sync(*handle), absl::OkStatus());
        handle.reset();
        Durable(*host, "p/old/new", "staged").reset();
        ASSERT_EQ(host->Rename("p/old", "n"), absl::OkStatus());
        host->store().Die(nth, when, [&] { SaveState(); });
        const absl::Status status = host->Commit("/");
        died = host->store().died();
        EXPECT_TRUE(died || status.ok()) << status;
        host->Vanish();
        if (died) RestoreState();

        host = NewHost();
        EXPECT_EQ(host->List("n"), (Keys{"a", "big", "new", "part", "sub"}));
        EXPECT_EQ(host->ReadFile("n/part"), "0abc45");
        EXPECT_EQ(host->ReadFile("n/new"), "staged");
        EXPECT_EQ(host->ReadFile("n/sub/b"), "2");
        EXPECT_EQ(host->Commit("/"), absl::OkStatus());
        EXPECT_EQ(Contents(), expected);
        EXPECT_THAT(host->List(".s3files-lost+found"), testing::IsEmpty());
        host->Vanish();
        host = NewHost();
        EXPECT_EQ(host->Requests(), "") << "nothing is left to do";
        EXPECT_EQ(host->fs().GetStats().staged_files, 0u);
        host->Vanish();
        ExpectNoRow();
        if (HasFailure()) return;
      }
    }
  }
}

// [D4] [N4] Copies that the journal has are not asked for again.
TEST_F(RecoveryMovesTest, D4CopiesThatWereMadeAreNotMadeAgain) {
  constexpr int kFiles = 250;
  for (int i = 0; i < kFiles; ++i) bucket_.Put(absl::StrCat("old/", 1000 + i), "x");
  options_.parallel = 1;
  std::unique_ptr<Host> host = NewHost();
  ASSERT_EQ(host->Rename("old", "new"), absl::OkStatus());
  host->store().Die(1 + 230, FaultyStore::kBefore, [&] {
    absl::SleepFor(absl::Milliseconds(300));  // what nobody waits for is in the journal soon
    SaveState();
  });
  EXPECT_EQ(ErrnoOf(host->Commit("/")), EIO);
  host->Vanish();
  RestoreState();
  EXPECT_EQ(bucket_.Keys().size(), kFiles + 229u);
  host = NewHost();
  EXPECT_EQ(host->Commit("/"), absl::OkStatus());
  EXPECT_EQ(host->store().count(Op::kCopy), 50) << "200 are in the journal";
  EXPECT_EQ(host->store().count(Op::kHead), 2 * 29) << "and 29 are found";
  EXPECT_EQ(bucket_.Keys().size(), static_cast<size_t>(kFiles));
  host->Vanish();
  ExpectNoRow();
}

// [D4] [N4] What others do meanwhile is as for a rename that failed and is tried again.
TEST_F(RecoveryMovesTest, D4OthersGoOnWhileTheProcessIsDead) {
  for (const char* name : {"changed", "gone", "replaced", "same"}) {
    bucket_.Put(absl::StrCat("old/", name), "1");
  }
  bucket_.Put("old/z", "z");
  options_.parallel = 1;
  std::unique_ptr<Host> host = NewHost();
  ASSERT_EQ(host->Rename("old", "new"), absl::OkStatus());
  host->store().Fail(Op::kCopy, Error(EIO, "no"), FaultyStore::kBefore, 1, 100, "new/z");
  EXPECT_EQ(ErrnoOf(host->Commit("/")), EIO);
  host->Vanish();
  EXPECT_EQ(Contents().size(), 9u) << "all but one have both names";
  bucket_.Put("old/changed", "22");
  bucket_.Delete("old/gone");
  bucket_.Put("old/added", "3");
  bucket_.Put("new/replaced", "theirs");
  bucket_.Put("new/z", "theirs, too");
  host = NewHost();
  EXPECT_EQ(ErrnoOf(host->Commit("/")), ESTALE);
  EXPECT_EQ(host->events(EventKind::kConflict).size(), 1u);
  EXPECT_EQ(Contents(), (Keys{"new/added=3", "new/changed=22", "new/gone=1", "new/replaced=theirs",
                              "new/same=1", "new/z=theirs, too", "old/z=z"}));
  host->Vanish();
  ExpectNoRow();
}

// [D4] [N4] Where a directory is made at the old name afterwards, it is not moved along.
TEST_F(RecoveryMovesTest, D4TheOldNameIsFreeOnceTheRenameIsCommitted) {
  options_.commit.delay_ns = 0;
  bucket_.Put("old/a", "1");
  std::unique_ptr<Host> host = NewHost();
  ASSERT_EQ(host->Rename("old", "new"), absl::OkStatus());
  EXPECT_EQ(Contents(), Keys{"new/a=1"});
  SaveState();
  ASSERT_EQ(host->MakeDirectory("old"), absl::OkStatus());
  ASSERT_EQ(host->WriteFile("old/b", "2"), absl::OkStatus());
  host->Vanish();
  RestoreState();
  ExpectNoRow();
}

// [D4] [N4] The journal has the rename before the store has anything of it.
TEST_F(RecoveryMovesTest, D4ARenameThatIsCommittedAtOnceGoesOn) {
  options_.commit.delay_ns = 0;
  bucket_.Put("old/a", "1");
  bucket_.Put("old/b", "2");
  std::unique_ptr<Host> host = NewHost();
  host->store().Run(
      Op::kCopy, [&] { SaveState(); }, FaultyStore::kAfter, 1);
  host->store().Fail(Op::kCopy, Error(EIO, "dead"), FaultyStore::kBefore, 2, 1000);
  EXPECT_EQ(ErrnoOf(host->Rename("old", "new")), EIO);
  host->Vanish();
  RestoreState();
  EXPECT_GE(Contents().size(), 3u);
  host = NewHost();
  ASSERT_TRUE(host->AwaitEvents(EventKind::kCommitted, 1));
  EXPECT_EQ(Contents(), (Keys{"new/a=1", "new/b=2"}));
  host->Vanish();
  ExpectNoRow();
}

}  // namespace
}  // namespace s3files
