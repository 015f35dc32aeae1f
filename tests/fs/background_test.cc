// Commits that nobody waits for: [D2] of SEMANTICS.md. Delays are real, and short.
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

FileSystemOptions After(int64_t delay_ms, int64_t max_age_ms = 3'600'000) {
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = delay_ms * kMillisecond;
  options.commit.max_age_ns = max_age_ms * kMillisecond;
  return options;
}

// [D2]
TEST(BackgroundCommitTest, D2CloseCommitsWithoutADelay) {
  Bucket bucket;
  Host host(bucket);
  ASSERT_TRUE(host.WriteFile(kFile, "bytes").ok());
  EXPECT_EQ(bucket.Get(kFile), "bytes");
}

// [D2]
TEST(BackgroundCommitTest, D2ADelayedFileIsCommittedByItself) {
  Bucket bucket;
  Host host(bucket, After(30));
  ASSERT_TRUE(host.WriteFile(kFile, "bytes").ok());
  EXPECT_EQ(host.ReadFile(kFile), "bytes");
  ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitted, 1));
  EXPECT_EQ(bucket.Get(kFile), "bytes");
  EXPECT_EQ(host.fs().GetStats().staged_files, 0u);
  EXPECT_EQ(host.fs().GetStats().commits.commits, 1u);
}

// [D2]
TEST(BackgroundCommitTest, D2CommitMaxAgeEndsTheWaitForAPause) {
  Bucket bucket;
  Host host(bucket, After(3'600'000, 40));
  std::unique_ptr<Handle> handle = host.Create(kFile);
  while (host.store().count(Op::kPut) == 0) {  // writing never pauses
    ASSERT_TRUE(host.Write(*handle, 0, "bytes").ok());
  }
  EXPECT_TRUE(host.AwaitEvents(EventKind::kCommitted, 1));
  EXPECT_TRUE(host.Close(std::move(handle)).ok());
}

// [D2] Failures are retried, and told by status, by an event and by the next fsync or close.
TEST(BackgroundCommitTest, D2AFailureIsToldOnceAndRetried) {
  Bucket bucket;
  Host host(bucket, After(10));
  host.store().Fail(Op::kPut, Error(EACCES, "refused"));
  std::unique_ptr<Handle> handle = host.Create(kFile);
  ASSERT_TRUE(host.Write(*handle, 0, "bytes").ok());
  ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitFailed, 1));
  EXPECT_EQ(host.Status(kFile).state, FileSystem::State::kFailed);
  EXPECT_EQ(ErrnoOf(host.Status(kFile).last_error), EACCES);
  EXPECT_EQ(ErrnoOf(host.Close(std::move(handle))), EACCES);
  EXPECT_TRUE(host.Close(host.Open(kFile, kOpenWrite)).ok()) << "told once";
  ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitted, 1));
  EXPECT_EQ(bucket.Get(kFile), "bytes");
  EXPECT_EQ(host.Status(kFile).state, FileSystem::State::kClean);
}

// [D2] [W3]
TEST(BackgroundCommitTest, D2AConflictInTheBackgroundIsToldByTheNextSync) {
  Bucket bucket;
  Host host(bucket, After(30));
  std::unique_ptr<Handle> handle = host.Create(kFile);
  bucket.Put(kFile, "foreign");
  ASSERT_TRUE(host.AwaitEvents(EventKind::kConflict, 1));
  EXPECT_EQ(ErrnoOf(host.Sync(*handle)), ESTALE);
  EXPECT_EQ(ErrnoOf(host.Close(std::move(handle))), ESTALE);
  EXPECT_EQ(host.ReadFile(kFile), "foreign");
}

// [D2] Writing meanwhile makes another commit, not an endless one.
TEST(BackgroundCommitTest, D2WhatIsWrittenDuringABackgroundCommitIsCommittedToo) {
  Bucket bucket;
  Host host(bucket, After(10));
  host.store().Hold(Op::kPut);
  std::unique_ptr<Handle> handle = host.Create(kFile);
  ASSERT_TRUE(host.Write(*handle, 0, "one").ok());
  ASSERT_TRUE(host.store().AwaitHeld(Op::kPut));
  ASSERT_TRUE(host.Append(*handle, " two").ok());
  host.store().ReleaseAll();
  ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitted, 2));
  EXPECT_EQ(bucket.Get(kFile), "one two");
  EXPECT_EQ(host.store().count(Op::kPut), 2);
  EXPECT_TRUE(host.Close(std::move(handle)).ok());
}

// Delays by a clock that the test moves. One thread commits, in the order in which files become due.
class DelayTest : public testing::Test {
 protected:
  static FileSystemOptions Options(int64_t delay_ms, int64_t max_age_ms) {
    FileSystemOptions options = After(delay_ms, max_age_ms);
    options.parallel = 1;
    return options;
  }
  void AwaitCommit(const std::string& name) {
    const absl::Time end = absl::Now() + absl::Seconds(30);
    while (!bucket_.Get(name)) {
      ASSERT_LT(absl::Now(), end) << name;
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  // Returns when all that is due by now has been tried: another file, and one that became due after
  // it, are committed.
  void AwaitTurn(Host& host, int64_t delay_ms) {
    for (int i = 0; i < 2; ++i) {
      const std::string name = absl::StrCat("turn", turns_++);
      ASSERT_TRUE(host.WriteFile(name, "").ok());
      clock_.Advance(absl::Milliseconds(delay_ms));
      AwaitCommit(name);
    }
  }

  ManualClock clock_;
  Bucket bucket_;
  int turns_ = 0;
};

// [D3] [W5] What handles keep alive does nothing by itself.
TEST_F(DelayTest, D3NothingIsCommittedAfterTheEnd) {
  Host host(bucket_, Options(10, 100), &clock_);
  std::unique_ptr<Handle> half = host.Create(kFile);
  ASSERT_TRUE(host.Write(*half, 0, "half").ok());
  ASSERT_TRUE(host.fs().Close(CallContext(), true).ok());
  clock_.Advance(absl::Milliseconds(1000));
  host.Create("wakes whoever would commit").reset();
  // Another one has had its turns meanwhile.
  Host other(bucket_, Options(10, 100), &clock_);
  for (int i = 0; i < 20; ++i) AwaitTurn(other, 10);
  EXPECT_EQ(bucket_.Get(kFile), std::nullopt);
  EXPECT_EQ(ErrnoOf(host.Close(std::move(half))), EBADF);
  EXPECT_EQ(bucket_.Get(kFile), std::nullopt);
}

// [W5] With commit_open=off.
TEST_F(DelayTest, W5WhatIsStillBeingWrittenWaitsWhereThatIsWanted) {
  FileSystemOptions options = Options(10, 100);
  options.commit.open_files = false;
  Host host(bucket_, options, &clock_);
  std::unique_ptr<Handle> half = host.Create(kFile);
  ASSERT_TRUE(host.Write(*half, 0, "half").ok());
  for (int i = 0; i < 20; ++i) AwaitTurn(host, 10);
  EXPECT_EQ(bucket_.Get(kFile), std::nullopt);
  host.fs().Commit(host.call, nullptr, kFile, /*wait=*/false, nullptr).IgnoreError();
  AwaitCommit(kFile);
  EXPECT_EQ(bucket_.Get(kFile), "half") << "who asks for it gets it";
  ASSERT_TRUE(host.Write(*half, 4, " and whole").ok());
  ASSERT_TRUE(host.Close(std::move(half)).ok());
  for (int i = 0; i < 2; ++i) AwaitTurn(host, 10);
  EXPECT_EQ(bucket_.Get(kFile), "half and whole");
}

// [D2] The delay is from the last write, commit_max_age from the first.
TEST_F(DelayTest, D2TheDelayBeginsAnewWithEachWriteUntilCommitMaxAge) {
  Host host(bucket_, Options(10, 100), &clock_);
  std::unique_ptr<Handle> handle = host.Create(kFile);
  for (int step = 0; step < 21; ++step) {
    ASSERT_TRUE(host.Write(*handle, 0, "bytes").ok());
    ASSERT_TRUE(host.WriteFile(absl::StrCat("turn", step), "").ok());
    clock_.Advance(absl::Milliseconds(6));
    // What was due in the step before has been tried.
    if (step > 0) AwaitCommit(absl::StrCat("turn", step - 1));
    if (step < 16) {
      EXPECT_EQ(bucket_.Get(kFile), std::nullopt) << step;
    }
  }
  EXPECT_EQ(bucket_.Get(kFile), "bytes");
  EXPECT_TRUE(host.Close(std::move(handle)).ok());
}

// [D2]
TEST_F(DelayTest, D2FailuresAreRetriedAfterASecondAndThenHalfAsOften) {
  Host host(bucket_, Options(1, 3'600'000), &clock_);
  host.store().Fail(Op::kPut, Error(EIO, "refused"), FaultyStore::kBefore, 1, 9, kFile);
  ASSERT_TRUE(host.WriteFile(kFile, "bytes").ok());
  uint64_t attempts = 1;
  clock_.Advance(absl::Milliseconds(1));
  AwaitTurn(host, 1);
  EXPECT_EQ(host.Status(kFile).attempts, attempts);
  for (const int seconds : {1, 2, 4, 8, 16, 32, 60, 60}) {
    clock_.Advance(absl::Seconds(seconds) - absl::Milliseconds(100));
    AwaitTurn(host, 1);
    EXPECT_EQ(host.Status(kFile).attempts, attempts) << seconds;
    clock_.Advance(absl::Milliseconds(100));
    AwaitTurn(host, 1);
    EXPECT_EQ(host.Status(kFile).attempts, ++attempts) << seconds;
  }
  clock_.Advance(absl::Seconds(60));
  AwaitTurn(host, 1);
  EXPECT_EQ(bucket_.Get(kFile), "bytes");
}

// [D2] Names of committed files change at once, whatever the delay.
TEST(BackgroundCommitTest, D2NamesDoNotWait) {
  Bucket bucket;
  bucket.Put("a", "a");
  bucket.Put("b", "b");
  Host host(bucket, After(3'600'000));
  ASSERT_TRUE(host.MakeDirectory("d").ok());
  ASSERT_TRUE(host.Rename("a", "d/a").ok());
  ASSERT_TRUE(host.Unlink("b").ok());
  EXPECT_EQ(bucket.Keys(), (std::vector<std::string>{"d/", "d/a"}));
}

// [D2] A file that goes while its commit is due, and one that never was committed.
TEST(BackgroundCommitTest, D2RemovedFilesAreNotCommitted) {
  Bucket bucket;
  Host host(bucket, After(20));
  ASSERT_TRUE(host.WriteFile(kFile, "bytes").ok());
  ASSERT_TRUE(host.Unlink(kFile).ok());
  ASSERT_TRUE(host.WriteFile("other", "bytes").ok());
  ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitted, 1));
  EXPECT_EQ(bucket.Keys(), std::vector<std::string>{"other"});
  EXPECT_EQ(host.fs().GetStats().staged_files, 0u);
}

}  // namespace
}  // namespace s3files
