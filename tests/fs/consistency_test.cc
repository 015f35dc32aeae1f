// What readers see: [C1]..[C6] of SEMANTICS.md, [N3], [P2].
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

class ConsistencyTest : public testing::Test {
 protected:
  static FileSystemOptions AskAlways() {
    FileSystemOptions options = Host::Options();
    options.import.attribute_timeout_ns = 0;
    return options;
  }

  ManualClock clock_;
  Bucket bucket_;
  Host here_{bucket_, Host::Options(), &clock_};
  Host there_{bucket_, Host::Options(), &clock_};
};

// [C1]
TEST_F(ConsistencyTest, C1OpenSeesWhatAnotherHostClosed) {
  ASSERT_TRUE(here_.WriteFile(kFile, "one").ok());
  EXPECT_EQ(there_.ReadFile(kFile), "one");
  for (const char* next : {"two", "three", "", "four"}) {
    ASSERT_TRUE(here_.WriteFile(kFile, next).ok());
    EXPECT_EQ(there_.ReadFile(kFile), next) << "the attribute timeout has not passed";
  }
  ASSERT_TRUE(here_.Unlink(kFile).ok());
  EXPECT_EQ(ErrnoOf(there_.TryOpen(kFile, kOpenRead)), ENOENT);
}

// [C1]
TEST_F(ConsistencyTest, C1OpenForWritingRevalidatesToo) {
  ASSERT_TRUE(here_.WriteFile(kFile, "old bytes").ok());
  EXPECT_EQ(there_.ReadFile(kFile), "old bytes");
  ASSERT_TRUE(here_.WriteFile(kFile, "new").ok());
  std::unique_ptr<Handle> handle = there_.Open(kFile, kOpenRead | kOpenWrite);
  ASSERT_TRUE(there_.Append(*handle, "er").ok());
  ASSERT_TRUE(there_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get(kFile), "newer");
}

// [C1] The store's state is asked for by the open itself, not taken from an earlier reply.
TEST_F(ConsistencyTest, C1AReplyUnderWayWhenTheFileChangesIsNotTheLastWord) {
  bucket_.Put(kFile, "one");
  here_.store().Run(
      Op::kGet, [&] { bucket_.Put(kFile, "two"); }, FaultyStore::kAfter);
  std::unique_ptr<Handle> early = here_.Open(kFile);
  EXPECT_EQ(here_.ReadFile(kFile), "two");
  EXPECT_EQ(here_.Read(*early), "one") << "its bytes are resident";
}

// [C2] [C5]
TEST_F(ConsistencyTest, C2AHandleNeverMixesVersions) {
  const std::string one = Noise(5 * kBlockSize, 1), two = Noise(5 * kBlockSize, 2);
  bucket_.Put(kFile, one);
  std::unique_ptr<Handle> handle = here_.Open(kFile);
  EXPECT_EQ(here_.Read(*handle, 0, 10), one.substr(0, 10));
  bucket_.Put(kFile, two);
  EXPECT_EQ(here_.Read(*handle, 0, kBlockSize), one.substr(0, kBlockSize)) << "resident";
  EXPECT_EQ(here_.Read(*handle, 2 * kBlockSize, 10), "errno " + std::to_string(ESTALE));
  EXPECT_EQ(here_.ReadFile(kFile), two);
  for (const LoggedCall& call : here_.store().log(Op::kGet)) {
    const bool opens = call.range == ByteRange{0, kBlockSize};
    EXPECT_TRUE(opens || call.if_match.known()) << "every GET but an open's carries If-Match";
  }
}

// [C2] Own commits never make a handle stale, and resident blocks stay resident.
TEST_F(ConsistencyTest, C2HandlesFollowOwnCommits) {
  const std::string old = Noise(6 * kBlockSize);
  bucket_.Put(kFile, old);
  std::unique_ptr<Handle> reader = here_.Open(kFile);
  EXPECT_EQ(here_.Read(*reader), old);
  std::unique_ptr<Handle> writer = here_.Open(kFile, kOpenWrite);
  here_.Requests();

  std::string expected = old;
  for (int round = 0; round < 3; ++round) {
    const uint64_t at = round * 2 * kBlockSize + 17;
    ASSERT_TRUE(here_.Write(*writer, at, "changed").ok());
    expected.replace(at, 7, "changed");
    ASSERT_TRUE(here_.Sync(*writer).ok());
    EXPECT_EQ(here_.Read(*reader), expected);
  }
  EXPECT_EQ(here_.store().count(Op::kGet), 0) << here_.Requests();
  EXPECT_EQ(bucket_.Get(kFile), expected);
  ASSERT_TRUE(here_.Close(std::move(writer)).ok());
  EXPECT_EQ(here_.Read(*reader), expected);
}

// [C2]
TEST_F(ConsistencyTest, C2AppendAndSyncNeverReadsBack) {
  std::unique_ptr<Handle> log = here_.Open("log", kOpenWrite | kOpenRead | kOpenCreate);
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const std::string line = Noise(6000, i);
    ASSERT_TRUE(here_.Append(*log, line).ok());
    ASSERT_TRUE(here_.Sync(*log).ok());
    expected += line;
  }
  EXPECT_EQ(here_.store().count(Op::kGet), 0);
  EXPECT_EQ(here_.Read(*log), expected);
  EXPECT_EQ(here_.store().count(Op::kGet), 0);
  EXPECT_EQ(bucket_.Get("log"), expected);
}

// [C2] Between the store's taking of a commit and its reply the old version is gone already.
TEST_F(ConsistencyTest, C2AReadDuringOwnCommitIsNotStale) {
  const std::string old = Noise(4 * kBlockSize);
  bucket_.Put(kFile, old);
  std::unique_ptr<Handle> handle = here_.Open(kFile, kOpenRead | kOpenWrite);
  ASSERT_TRUE(here_.Write(*handle, 0, "new").ok());
  std::thread reader;
  absl::Notification told, read;
  std::string bytes;
  here_.store().Run(
      Op::kGet, [&] { told.Notify(); }, FaultyStore::kAfter);
  auto overtaken = [&] {
    reader = std::thread([&] {
      bytes = here_.Read(*handle, 3 * kBlockSize, 100);
      read.Notify();
    });
    EXPECT_TRUE(told.WaitForNotificationWithTimeout(absl::Seconds(30)));
    EXPECT_FALSE(read.WaitForNotificationWithTimeout(absl::Milliseconds(20)));
  };
  here_.store().Run(Op::kCompleteUpload, overtaken, FaultyStore::kAfter);
  EXPECT_TRUE(here_.Sync(*handle).ok());
  reader.join();
  EXPECT_EQ(bytes, old.substr(3 * kBlockSize, 100));
}

// [C2] The same between the copy and the delete of a rename.
TEST_F(ConsistencyTest, C2AReadDuringOwnRenameIsNotStale) {
  const std::string old = Noise(4 * kBlockSize);
  bucket_.Put(kFile, old);
  std::unique_ptr<Handle> handle = here_.Open(kFile);
  std::string bytes;
  auto read = [&] { bytes = here_.Read(*handle); };
  here_.store().Run(Op::kDelete, read, FaultyStore::kAfter);
  ASSERT_TRUE(here_.Rename(kFile, "g").ok());
  EXPECT_TRUE(bytes == old);
  EXPECT_TRUE(here_.Read(*handle) == old);
}

// [C3]
TEST_F(ConsistencyTest, C3StagedBytesAreSeenAtOnceAndAskNothing) {
  std::unique_ptr<Handle> writer = here_.Create(kFile);
  ASSERT_TRUE(here_.Write(*writer, 0, "staged").ok());
  here_.Requests();
  std::unique_ptr<Handle> reader = here_.Open(kFile);
  EXPECT_EQ(here_.Read(*reader), "staged");
  ASSERT_TRUE(here_.Write(*writer, 6, " more").ok());
  EXPECT_EQ(here_.Read(*reader), "staged more");
  EXPECT_EQ(here_.Stat(kFile)->size, 11u);
  EXPECT_EQ(here_.Requests(), "");
  EXPECT_EQ(there_.ReadFile(kFile), "errno " + std::to_string(ENOENT));
}

// [C3] [W1] A conflict of an open that joined is found at commit.
TEST_F(ConsistencyTest, C3AnOpenOfAStagedFileJoinsIt) {
  bucket_.Put(kFile, "base");
  std::unique_ptr<Handle> first = here_.Open(kFile, kOpenRead | kOpenWrite);
  EXPECT_EQ(here_.Read(*first), "base");
  ASSERT_TRUE(here_.Write(*first, 0, "B").ok());
  bucket_.Put(kFile, "foreign");
  here_.Requests();
  std::unique_ptr<Handle> second = here_.Open(kFile, kOpenRead | kOpenWrite);
  EXPECT_EQ(here_.Read(*second), "Base");
  EXPECT_EQ(here_.Requests(), "");
  EXPECT_EQ(ErrnoOf(here_.Close(std::move(second))), ESTALE);
  EXPECT_EQ(ErrnoOf(here_.Close(std::move(first))), ESTALE) << "it staged what is lost";
  EXPECT_EQ(here_.ReadFile(kFile), "foreign");
}

// [C3] A read and a write of staged or resident bytes are atomic to each other.
TEST_F(ConsistencyTest, C3ReadsAndWritesAreAtomic) {
  constexpr size_t kSize = kBlockSize + 999;  // over a block's end
  std::unique_ptr<Handle> handle = here_.Create(kFile);
  ASSERT_TRUE(here_.Write(*handle, 7, std::string(kSize, 'a')).ok());
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(here_.Write(*handle, 7, std::string(kSize, static_cast<char>('a' + i % 7))).ok());
    }
    done = true;
  });
  do {
    const std::string read = here_.Read(*handle, 7, kSize);
    ASSERT_EQ(read, std::string(kSize, read[0]));
  } while (!done);
  writer.join();
}

// [C4]
TEST_F(ConsistencyTest, C4AnAbsenceIsBelievedForTheAttributeTimeoutButNeverOverwrites) {
  ASSERT_TRUE(here_.WriteFile("a", "").ok());  // the directory is listed now
  bucket_.Put(kFile, "foreign");
  EXPECT_EQ(ErrnoOf(here_.WriteFile(kFile, "mine")), ESTALE);
  EXPECT_EQ(bucket_.Get(kFile), "foreign");

  bucket_.Put("g", "foreign");
  const std::unique_ptr<Handle> handle = here_.Create("g");
  EXPECT_EQ(here_.Read(*handle), "foreign") << "where its bytes matter, it is asked for";
  bucket_.Put("h", "foreign");
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(here_.WriteFile("h", "mine").ok()) << "the listing is too old to be believed";
}

// [C4] Found by the model, seed 16584319587317091378.
TEST_F(ConsistencyTest, C4WhatEexistToldIsNotForgotten) {
  ASSERT_TRUE(here_.WriteFile("a", "").ok());  // the directory is listed now
  EXPECT_EQ(ErrnoOf(here_.Stat("l").status()), ENOENT);
  bucket_.Put("l", "foreign");
  EXPECT_EQ(ErrnoOf(here_.Symlink("target", "l")), EEXIST);
  EXPECT_TRUE(here_.Stat("l").ok());
}

// [C4]
TEST_F(ConsistencyTest, C4ExclusiveIsCheckedAtOpenAndEnforcedAtCommit) {
  constexpr uint32_t kExclusive = kOpenWrite | kOpenCreate | kOpenExclusive;
  bucket_.Put(kFile, "there");
  EXPECT_EQ(ErrnoOf(here_.TryOpen(kFile, kExclusive)), EEXIST);
  std::unique_ptr<Handle> staged = here_.Open("new", kExclusive);
  EXPECT_EQ(ErrnoOf(here_.TryOpen("new", kExclusive)), EEXIST) << "staged counts, too";
  bucket_.Put("new", "foreign");
  EXPECT_EQ(ErrnoOf(here_.Close(std::move(staged))), EEXIST);
  EXPECT_EQ(bucket_.Get("new"), "foreign");
}

// [C5]
TEST_F(ConsistencyTest, C5AReplacedFileIsReadOnForItsHandlesAndNotWritten) {
  bucket_.Put(kFile, "one");
  std::unique_ptr<Handle> old = here_.Open(kFile, kOpenRead | kOpenWrite);
  EXPECT_EQ(here_.Read(*old), "one");
  bucket_.Put(kFile, "two");
  EXPECT_EQ(here_.ReadFile(kFile), "two");
  EXPECT_EQ(here_.Read(*old), "one");
  EXPECT_EQ(ErrnoOf(here_.Write(*old, 0, "x")), ESTALE);
  EXPECT_EQ(ErrnoOf(here_.Append(*old, "x")), ESTALE);
  EXPECT_EQ(ErrnoOf(here_.Truncate(*old, 1)), ESTALE);
  EXPECT_TRUE(here_.Close(std::move(old)).ok());

  std::unique_ptr<Handle> removed = here_.Open(kFile, kOpenRead | kOpenWrite);
  EXPECT_EQ(here_.Read(*removed), "two");
  bucket_.Delete(kFile);
  EXPECT_EQ(ErrnoOf(here_.TryOpen(kFile, kOpenRead)), ENOENT);
  EXPECT_EQ(here_.Read(*removed), "two");
  EXPECT_EQ(ErrnoOf(here_.Write(*removed, 0, "x")), ESTALE);
}

// [C5]
TEST_F(ConsistencyTest, C5AReplacedFileKeepsItsVersionForItsHandles) {
  bucket_.Put(kFile, "one");
  const auto version_of = [&](const Handle& handle) {
    return here_.fs().Stat(here_.call, &handle, "", false, kInfoVersion)->version;
  };
  const std::unique_ptr<Handle> old = here_.Open(kFile, kOpenPath);
  const Version one = version_of(*old);
  EXPECT_EQ(one, bucket_.Head(kFile).stamp.version);
  bucket_.Put(kFile, "two");
  const std::unique_ptr<Handle> now = here_.Open(kFile);
  EXPECT_EQ(version_of(*old), one);
  EXPECT_EQ(version_of(*now), bucket_.Head(kFile).stamp.version);

  // What this file system commits itself is everybody's version.
  ASSERT_TRUE(here_.WriteFile(kFile, "three").ok());
  EXPECT_EQ(version_of(*now), bucket_.Head(kFile).stamp.version);
  EXPECT_EQ(version_of(*old), one);
}

// [C5] [N3]
TEST(VersionedBucketTest, C5OldVersionsAreReadById) {
  Capabilities can = Bucket::SmallParts();
  can.versions = true;
  Bucket bucket(can);
  Host host(bucket);
  const std::string one = Noise(3 * kBlockSize, 1);
  bucket.Put(kFile, one);
  std::unique_ptr<Handle> old = host.Open(kFile);
  bucket.Put(kFile, "two");
  EXPECT_EQ(host.ReadFile(kFile), "two");
  EXPECT_EQ(host.Read(*old), one);

  // Found by the model: a request that fails does not mean that the version is gone.
  bucket.Put("g", one);
  std::unique_ptr<Handle> replaced = host.Open("g", kOpenRead | kOpenWrite);
  bucket.Put("g", "two");
  host.store().Fail(Op::kGet, Error(EIO, "no reply"), FaultyStore::kBefore, 2);
  EXPECT_EQ(host.Read(*replaced), absl::StrCat("errno ", EIO));
  EXPECT_EQ(host.Read(*replaced), one);

  bucket.Put("g", one);
  std::unique_ptr<Handle> unlinked = host.Open("g");
  ASSERT_TRUE(host.Unlink("g").ok());
  EXPECT_EQ(host.Read(*unlinked), one);
}

// [C6]
TEST_F(ConsistencyTest, C6StatIsAsOldAsTheTimeoutAtMost) {
  bucket_.Put(kFile, "one");
  EXPECT_EQ(here_.Stat(kFile)->size, 3u);
  bucket_.Put(kFile, "three");
  EXPECT_EQ(here_.Stat(kFile)->size, 3u);
  clock_.Advance(absl::Milliseconds(1001));
  EXPECT_EQ(here_.Stat(kFile)->size, 5u);
  bucket_.Delete(kFile);
  clock_.Advance(absl::Milliseconds(1001));
  EXPECT_EQ(ErrnoOf(here_.Stat(kFile).status()), ENOENT);
}

// [C6]
TEST_F(ConsistencyTest, C6TimeoutZeroAsksEveryTimeAndOwnChangesAreAlwaysSeen) {
  Host asking(bucket_, AskAlways(), &clock_);
  bucket_.Put(kFile, "one");
  EXPECT_EQ(asking.Stat(kFile)->size, 3u);
  bucket_.Put(kFile, "three");
  EXPECT_EQ(asking.Stat(kFile)->size, 5u);

  EXPECT_EQ(here_.Stat(kFile)->size, 5u);
  const int64_t before = here_.Stat(kFile)->attributes.mtime_ns;
  std::unique_ptr<Handle> handle = here_.Open(kFile, kOpenWrite);
  clock_.Advance(absl::Milliseconds(1));
  ASSERT_TRUE(here_.Append(*handle, "!").ok());
  EXPECT_EQ(here_.Stat(kFile)->size, 6u);
  const int64_t staged = here_.Stat(kFile)->attributes.mtime_ns;
  EXPECT_NE(staged, before);
  ASSERT_TRUE(here_.Close(std::move(handle)).ok());
  EXPECT_EQ(here_.Stat(kFile)->size, 6u);
  EXPECT_EQ(here_.Stat(kFile)->attributes.mtime_ns, staged);
  EXPECT_EQ(there_.Stat(kFile)->attributes.mtime_ns, staged);
}

// [P2]
TEST_F(ConsistencyTest, P2DeadlinesAndTokensEndCallsAndWhatIsStagedStays) {
  std::unique_ptr<Handle> handle = here_.Create(kFile);
  ASSERT_TRUE(here_.Write(*handle, 0, "kept").ok());
  here_.store().Hold(Op::kPut);
  CallContext patient;
  patient.deadline_ns = MonotonicNanos() + 20'000'000;
  EXPECT_EQ(ErrnoOf(here_.fs().Sync(patient, *handle)), ETIMEDOUT);

  CallContext cancelled;
  cancelled.cancel = std::make_shared<CancelToken>();
  std::thread canceller([&] {
    EXPECT_TRUE(here_.store().AwaitHeld(Op::kPut));
    cancelled.cancel->Cancel();
  });
  EXPECT_EQ(ErrnoOf(here_.fs().CloseHandle(cancelled, std::move(handle))), ECANCELED);
  canceller.join();
  EXPECT_EQ(here_.ReadFile(kFile), "kept");
  EXPECT_EQ(here_.Status(kFile).state, FileSystem::State::kFailed);
  here_.store().ReleaseAll();
  EXPECT_TRUE(here_.Commit(kFile).ok());
  EXPECT_EQ(bucket_.Get(kFile), "kept");
}

// [P2] A call that waits for another one's commit is ended by its own deadline.
TEST_F(ConsistencyTest, P2WaitingForAnotherCommitEndsInTime) {
  std::unique_ptr<Handle> handle = here_.Create(kFile);
  here_.store().Hold(Op::kPut);
  std::thread committer([&] { EXPECT_TRUE(here_.Sync(*handle).ok()); });
  EXPECT_TRUE(here_.store().AwaitHeld(Op::kPut));
  CallContext patient;
  patient.deadline_ns = MonotonicNanos() + 20'000'000;
  EXPECT_EQ(ErrnoOf(here_.fs().Commit(patient, nullptr, kFile)), ETIMEDOUT);
  EXPECT_EQ(ErrnoOf(here_.fs().Unlink(patient, nullptr, kFile)), ETIMEDOUT);
  EXPECT_EQ(ErrnoOf(here_.fs().Rename(patient, nullptr, kFile, nullptr, "g", 0)), ETIMEDOUT);
  here_.store().ReleaseAll();
  committer.join();
}

// [P2] Parts that went up before the commit do not outlive the call's patience either.
TEST_F(ConsistencyTest, P2WaitingForEarlyPartsEndsInTime) {
  here_.store().Hold(Op::kUploadPart);
  std::unique_ptr<Handle> handle = here_.Create(kFile);
  const std::string bytes = Noise(5 * Bucket::kPart);
  ASSERT_TRUE(here_.Write(*handle, 0, bytes).ok());
  ASSERT_TRUE(here_.store().AwaitHeld(Op::kUploadPart));
  CallContext patient;
  patient.deadline_ns = MonotonicNanos() + 20'000'000;
  EXPECT_EQ(ErrnoOf(here_.fs().Sync(patient, *handle)), ETIMEDOUT);
  here_.store().ReleaseAll();
  ASSERT_TRUE(here_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get(kFile), bytes);
  here_.Vanish();  // waits for the abort, for which the call that ran out of time did not
  EXPECT_EQ(bucket_.PendingUploads(), 0u);
}

}  // namespace
}  // namespace s3files
