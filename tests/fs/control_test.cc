// The application steers commits: what one does, what it would do, in which order, and how much may be
// staged.
#include <cerrno>
#include <functional>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

FileSystemOptions After(int64_t delay_ns) {
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = delay_ns;
  return options;
}

constexpr int64_t kHour = int64_t{3600} * 1'000'000'000;

// The PUTs among what was asked of the store.
std::string Puts(Host& host) {
  std::string puts;
  for (absl::string_view request : absl::StrSplit(host.Requests(), ", ")) {
    if (absl::StartsWith(request, "PUT ")) absl::StrAppend(&puts, request.substr(4), " ");
  }
  return puts;
}

TEST(CommitResultTest, SaysWhatWasCommitted) {
  Bucket bucket;
  Host host(bucket, After(kHour));
  ASSERT_TRUE(host.WriteFile("a", "one").ok());
  ASSERT_TRUE(host.WriteFile("b", "three").ok());
  FileSystem::Committed done;
  EXPECT_EQ(host.fs().Commit(host.call, nullptr, "a", true, &done), absl::OkStatus());
  EXPECT_EQ(done.tally.files, 1u);
  EXPECT_EQ(done.tally.bytes, 3u);
  EXPECT_EQ(done.version, bucket.Head("a").stamp.version);
  done = {};
  EXPECT_EQ(host.fs().Commit(host.call, nullptr, "/", true, &done), absl::OkStatus());
  EXPECT_EQ(done.tally.files, 1u) << "a was committed before";
  EXPECT_EQ(done.tally.bytes, 5u);
}

TEST(CommitResultTest, CountsWhatWentWellBesideAFailure) {
  Bucket bucket;
  Host host(bucket, After(kHour));
  ASSERT_TRUE(host.WriteFile("a", "one").ok());
  ASSERT_TRUE(host.WriteFile("b", "three").ok());
  host.store().Fail(Op::kPut, Error(EACCES, "refused"), FaultyStore::kBefore, 1, 1, "a");
  FileSystem::Committed done;
  EXPECT_EQ(ErrnoOf(host.fs().Commit(host.call, nullptr, "/", true, &done)), EACCES);
  EXPECT_EQ(done.tally.files, 1u);
  EXPECT_EQ(done.tally.bytes, 5u);
}

// Whoever does not wait is told by an event, whatever the delay.
TEST(CommitSoonTest, ReturnsAtOnceAndIsDone) {
  for (const int64_t delay : {int64_t{0}, kHour, kNever}) {
    Bucket bucket;
    Host host(bucket, After(delay));
    std::unique_ptr<Handle> handle = host.Create(kFile);
    ASSERT_TRUE(host.Write(*handle, 0, "bytes").ok());
    host.store().Hold(Op::kPut);
    FileSystem::Committed done;
    EXPECT_EQ(host.fs().Commit(host.call, nullptr, "/", false, &done), absl::OkStatus());
    EXPECT_EQ(done.tally.files, 0u);
    ASSERT_TRUE(host.store().AwaitHeld(Op::kPut));
    EXPECT_EQ(host.Status(kFile).state, FileSystem::State::kCommitting);
    host.store().ReleaseAll();
    ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitted, 1));
    EXPECT_EQ(bucket.Get(kFile), "bytes");
    EXPECT_TRUE(host.Close(std::move(handle)).ok());
  }
}

TEST(CommitSoonTest, TriesAgainByItself) {
  Bucket bucket;
  Host host(bucket, After(kNever));
  ASSERT_TRUE(host.WriteFile(kFile, "bytes").ok());
  EXPECT_EQ(host.Status(kFile).next_attempt_ns, 0) << "nobody has asked";
  host.store().Fail(Op::kPut, Error(EIO, "no"));
  ASSERT_TRUE(host.fs().Commit(host.call, nullptr, kFile, false, nullptr).ok());
  ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitFailed, 1));
  EXPECT_EQ(host.Status(kFile).attempts, 1u);
  ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitted, 1));
  EXPECT_EQ(bucket.Get(kFile), "bytes");
}

TEST(StatusTest, SaysWhenItIsTriedNext) {
  Bucket bucket;
  ManualClock clock;
  constexpr int64_t kMinute = kHour / 60;
  Host host(bucket, After(kMinute), &clock);
  ASSERT_TRUE(host.WriteFile(kFile, "bytes").ok());
  EXPECT_EQ(host.Status(kFile).next_attempt_ns, clock.MonotonicNanos() + kMinute);
  EXPECT_EQ(host.Status(kFile).age_ns, 0);
  clock.Advance(absl::Seconds(7));
  EXPECT_EQ(host.Status(kFile).age_ns, 7'000'000'000);
}

// Parts of a commit are told as they arrive, and the file may be asked about meanwhile.
TEST(ProgressTest, TellsOfPartsAsTheyArrive) {
  Bucket bucket;
  Host host(bucket);
  std::unique_ptr<Handle> handle = host.Create(kFile);
  // From its end, so that nothing is uploaded while it is written.
  const std::string bytes = Noise(4 * Bucket::kPart);
  ASSERT_TRUE(host.Write(*handle, bytes.size() / 2, bytes.substr(bytes.size() / 2)).ok());
  ASSERT_TRUE(host.Write(*handle, 0, bytes.substr(0, bytes.size() / 2)).ok());
  ASSERT_TRUE(host.Close(std::move(handle)).ok());
  const std::vector<Event> told = host.events(EventKind::kProgress);
  ASSERT_FALSE(told.empty());
  EXPECT_LE(told.size(), 4u);
  uint64_t before = 0;
  for (const Event& event : told) {
    EXPECT_EQ(event.path, kFile);
    EXPECT_EQ(event.total, bytes.size());
    EXPECT_GT(event.bytes, before);
    before = event.bytes;
  }
  EXPECT_EQ(before, bytes.size());
}

// A callback of a transfer waits for nothing: it cannot use the file system.
TEST(ProgressTest, TheCallbackCannotUseTheFileSystem) {
  Bucket bucket;
  class Sink final : public EventSink {
   public:
    void OnEvent(const Event& event) override {
      if (event.kind == EventKind::kProgress) usable.push_back(fs->CheckUsable());
    }
    FileSystem* fs = nullptr;
    std::vector<absl::Status> usable;
  } sink;
  FileSystem fs(bucket.store(), Host::Options(), &sink, Clock::System());
  sink.fs = &fs;
  const CallContext call;
  auto handle = fs.Open(call, nullptr, kFile, kReadWrite | kOpenCreate, 0644).value();
  const std::string bytes = Noise(4 * Bucket::kPart);
  ASSERT_TRUE(fs.Write(call, *handle, Bucket::kPart, bytes).ok());
  ASSERT_TRUE(fs.CloseHandle(call, std::move(handle)).ok());
  ASSERT_FALSE(sink.usable.empty());
  for (const absl::Status& status : sink.usable) EXPECT_EQ(ErrnoOf(status), EDEADLK);
  EXPECT_EQ(fs.CheckUsable(), absl::OkStatus());
}

// ---- The plan.

// What is announced is what is sent.
class DiffTest : public testing::Test {
 protected:
  void ExpectExact(Host& host, const std::string& path) {
    const FileSystem::Diff diff = host.fs().DiffOf(host.call, nullptr, path).value();
    const RequestCounts before = host.fs().GetStats().requests;
    FileSystem::Committed done;
    ASSERT_EQ(host.fs().Commit(host.call, nullptr, path, true, &done), absl::OkStatus());
    const RequestCounts after = host.fs().GetStats().requests;
    EXPECT_EQ(diff.files, done.tally.files);
    EXPECT_EQ(diff.requests.head, after.head - before.head);
    EXPECT_EQ(diff.requests.put, after.put - before.put);
    EXPECT_EQ(diff.requests.copy, after.copy - before.copy);
    EXPECT_EQ(diff.requests.create_upload, after.create_upload - before.create_upload);
    EXPECT_EQ(diff.requests.upload_part, after.upload_part - before.upload_part);
    EXPECT_EQ(diff.requests.copy_part, after.copy_part - before.copy_part);
    EXPECT_EQ(diff.requests.complete_upload, after.complete_upload - before.complete_upload);
    EXPECT_EQ(diff.requests.bytes_out, after.bytes_out - before.bytes_out);
    const FileSystem::Diff clean = host.fs().DiffOf(host.call, nullptr, path).value();
    EXPECT_EQ(clean.files, 0u);
    EXPECT_EQ(clean.requests.put, 0u);
  }
};

TEST_F(DiffTest, IsWhatTheCommitSends) {
  Bucket bucket;
  bucket.Put("small", "old");
  bucket.Put("large", Noise(20 * Bucket::kPart));
  bucket.Put("chmod", "bytes");
  Host host(bucket, After(kHour));
  ASSERT_TRUE(host.WriteFile("new", "bytes").ok());
  std::unique_ptr<Handle> handle = host.Open("small", kReadWrite);
  ASSERT_TRUE(host.Append(*handle, " and new").ok());
  ASSERT_TRUE(host.Close(std::move(handle)).ok());
  handle = host.Open("large", kReadWrite);
  ASSERT_TRUE(host.Write(*handle, 10 * Bucket::kPart, "4 KiB").ok());
  ASSERT_TRUE(host.Close(std::move(handle)).ok());
  ASSERT_TRUE(host.Chmod("chmod", 0600).ok());
  for (const char* path : {"new", "small", "large", "chmod"}) {
    SCOPED_TRACE(path);
    ExpectExact(host, path);
  }
}

TEST_F(DiffTest, OfADirectoryIsTheSum) {
  Bucket bucket;
  Host host(bucket, After(kHour));
  ASSERT_TRUE(host.MakeDirectory("d").ok());
  for (const char* path : {"d/a", "d/b", "e"}) ASSERT_TRUE(host.WriteFile(path, "bytes").ok());
  EXPECT_EQ(host.fs().DiffOf(host.call, nullptr, "d").value().requests.put, 2u);
  ExpectExact(host, "d");
  EXPECT_EQ(host.fs().DiffOf(host.call, nullptr, "").value().requests.put, 1u);
}

// A change of 4 KiB in a large object sends about one part, wherever it is.
TEST_F(DiffTest, W10ASmallChangeOfALargeFileIsSmall) {
  constexpr uint64_t kParts = 64;
  Bucket bucket;
  bucket.Put(kFile, Noise(kParts * Bucket::kPart));
  for (const uint64_t at :
       {uint64_t{0}, uint64_t{1 << 20}, Bucket::kPart - 1, kParts * Bucket::kPart - 1}) {
    Host host(bucket, After(kHour));
    std::unique_ptr<Handle> handle = host.Open(kFile, kReadWrite);
    ASSERT_TRUE(host.Write(*handle, at, Noise(4096, at)).ok());
    ASSERT_TRUE(host.Close(std::move(handle)).ok());
    EXPECT_LE(host.fs().DiffOf(host.call, nullptr, kFile).value().requests.bytes_out,
              2 * Bucket::kPart)
        << at;
    ExpectExact(host, kFile);
  }
}

// ---- Barriers.

// [D5]
TEST(BarrierTest, D5WhatIsBeforeComesFirst) {
  Bucket bucket;
  Host host(bucket, After(kHour));
  ASSERT_TRUE(host.WriteFile("data", "bytes").ok());
  EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
  ASSERT_TRUE(host.WriteFile("index", "of data").ok());
  host.Requests();
  EXPECT_EQ(host.Commit("index"), absl::OkStatus());
  EXPECT_EQ(Puts(host), "data index ");
}

// [D5] What is before is in no order, and needs nothing that is behind.
TEST(BarrierTest, D5WhatIsBeforeWaitsForNothing) {
  Bucket bucket;
  Host host(bucket, After(kHour));
  ASSERT_TRUE(host.WriteFile("a", "1").ok());
  ASSERT_TRUE(host.WriteFile("b", "2").ok());
  EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
  ASSERT_TRUE(host.WriteFile("c", "3").ok());
  host.Requests();
  EXPECT_EQ(host.Commit("b"), absl::OkStatus());
  EXPECT_EQ(Puts(host), "b ");
}

// [D5]
TEST(BarrierTest, D5ManyBarriersAreAllKept) {
  Bucket bucket;
  Host host(bucket, After(kHour));
  std::string expected;
  for (int i = 9; i >= 0; --i) {  // not the order of names
    ASSERT_TRUE(host.WriteFile(absl::StrCat("f", i), "x").ok());
    absl::StrAppend(&expected, "f", i, " ");
    EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
  }
  host.Requests();
  EXPECT_EQ(host.Commit("/"), absl::OkStatus());
  EXPECT_EQ(Puts(host), expected);
}

// [D5] What cannot be committed holds back what is behind it, which says so.
TEST(BarrierTest, D5AFailureHoldsBackWhatIsBehind) {
  Bucket bucket;
  Host host(bucket, After(kHour));
  ASSERT_TRUE(host.WriteFile("data", "bytes").ok());
  EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
  ASSERT_TRUE(host.WriteFile("index", "of data").ok());
  host.store().Fail(Op::kPut, Error(EIO, "no"), FaultyStore::kBefore, 1, 1, "data");
  const absl::Status status = host.Commit("index");
  EXPECT_EQ(ErrnoOf(status), EIO);
  EXPECT_TRUE(absl::StrContains(status.message(), "barrier")) << status;
  EXPECT_EQ(bucket.Get("index"), std::nullopt);
  EXPECT_EQ(host.Commit("index"), absl::OkStatus());
  EXPECT_EQ(bucket.Get("data"), "bytes");
}

// [D5] A conflict is settled, too: the store has what others wrote.
TEST(BarrierTest, D5AConflictHoldsNothingBack) {
  Bucket bucket;
  Host host(bucket, After(kHour));
  ASSERT_TRUE(host.WriteFile("data", "bytes").ok());
  EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
  ASSERT_TRUE(host.WriteFile("index", "of data").ok());
  bucket.Put("data", "theirs");
  EXPECT_EQ(host.Commit("index"), absl::OkStatus());
  EXPECT_EQ(bucket.Get("index"), "of data");
}

// [D5] Changes of names behind a barrier wait for it.
TEST(BarrierTest, D5NamesComeAfter) {
  const std::vector<std::function<absl::Status(Host&)>> changes = {
      [](Host& host) { return host.Unlink("there"); },
      [](Host& host) { return host.Rename("there", "elsewhere"); },
      [](Host& host) { return host.MakeDirectory("new"); },
      [](Host& host) { return host.RemoveDirectory("d"); },
      [](Host& host) { return host.Symlink("there", "link"); },
      [](Host& host) { return host.Rename("d", "e"); },
      [](Host& host) { return host.Chmod("d", 0700); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    Bucket bucket;
    bucket.Put("there", "x");
    bucket.Put("d/", "");
    Host host(bucket, After(kHour));
    ASSERT_TRUE(host.WriteFile("data", "bytes").ok());
    EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
    ASSERT_TRUE(host.WriteFile("behind", "x").ok());
    host.Requests();
    EXPECT_EQ(changes[i](host), absl::OkStatus()) << i;
    EXPECT_EQ(bucket.Get("data"), "bytes") << i;
    EXPECT_EQ(bucket.Get("behind"), std::nullopt) << i;
  }
}

// [D5] Attributes that are just being committed are before the barrier, too.
TEST(BarrierTest, D5WhatIsUnderWayComesFirst) {
  Bucket bucket;
  bucket.Put("data", "bytes");
  Host host(bucket, After(kHour));
  ASSERT_TRUE(host.Chmod("data", 0600).ok());
  EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
  ASSERT_TRUE(host.WriteFile("index", "of data").ok());
  host.store().Fail(Op::kCopy, Error(EIO, "no"));
  host.store().Hold(Op::kCopy);
  std::thread other([&] { EXPECT_EQ(ErrnoOf(host.Commit("data")), EIO); });
  ASSERT_TRUE(host.store().AwaitHeld(Op::kCopy));
  std::thread behind([&] { EXPECT_EQ(host.Commit("index"), absl::OkStatus()); });
  absl::SleepFor(absl::Milliseconds(20));  // it could go ahead here
  EXPECT_EQ(bucket.Get("index"), std::nullopt);
  host.store().ReleaseAll();
  other.join();
  behind.join();
  EXPECT_EQ(host.Status("data").state, FileSystem::State::kClean) << "tried again, and before";
}

// [D5] The rename of a directory that is staged later is behind it.
TEST(BarrierTest, D5ADirectoryRenameIsBehindWhatWasBefore) {
  Bucket bucket;
  bucket.Put("d/f", "x");
  Host host(bucket, After(kHour));
  ASSERT_TRUE(host.WriteFile("data", "bytes").ok());
  EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
  EXPECT_EQ(host.Rename("d", "e"), absl::OkStatus());
  EXPECT_EQ(bucket.Get("data"), "bytes");
  EXPECT_EQ(host.MakeDirectory("n"), absl::OkStatus());
  EXPECT_EQ(bucket.Get("e/f"), std::nullopt) << "behind the barrier, and asked for by nobody";
}

// [D5] A file that lies before a barrier and is written to again is two versions.
TEST(BarrierTest, D5WritingAcrossABarrierCommitsTheOlderBytes) {
  Bucket bucket;
  Host host(bucket, After(kHour));
  std::unique_ptr<Handle> handle = host.Create(kFile);
  ASSERT_TRUE(host.Write(*handle, 0, "one").ok());
  EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
  ASSERT_TRUE(host.Append(*handle, " two").ok());
  EXPECT_EQ(bucket.Get(kFile), "one");
  ASSERT_TRUE(host.Append(*handle, " three").ok());
  EXPECT_EQ(bucket.Get(kFile), "one") << "no barrier since";
  EXPECT_TRUE(host.Close(std::move(handle)).ok());
  EXPECT_EQ(host.Commit("/"), absl::OkStatus());
  EXPECT_EQ(bucket.Get(kFile), "one two three");
}

// [D5] Nothing is committed without being asked for.
TEST(BarrierTest, D5NeverIsNever) {
  Bucket bucket;
  Host host(bucket, After(kNever));
  std::unique_ptr<Handle> handle = host.Create(kFile);
  ASSERT_TRUE(host.Write(*handle, 0, "one").ok());
  EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
  EXPECT_EQ(ErrnoOf(host.Append(*handle, " two")), EBUSY);
  EXPECT_EQ(ErrnoOf(host.MakeDirectory("d")), EBUSY);
  EXPECT_EQ(host.Commit(kFile), absl::OkStatus());
  EXPECT_TRUE(host.Append(*handle, " two").ok());
  EXPECT_TRUE(host.MakeDirectory("d").ok());
  EXPECT_TRUE(host.Close(std::move(handle)).ok());
}

// [D5]
TEST(BarrierTest, D5ABarrierWithNothingStagedIsNothing) {
  Bucket bucket;
  Host host(bucket);
  EXPECT_EQ(host.fs().Barrier(host.call), absl::OkStatus());
  host.Requests();
  ASSERT_TRUE(host.WriteFile(kFile, "bytes").ok());
  EXPECT_EQ(Puts(host), "f ");
}

// ---- Room.

TEST(StagedLimitTest, OldestClosedFilesAreCommittedToMakeRoom) {
  Bucket bucket;
  FileSystemOptions options = After(kHour);
  options.commit.staged_limit = 3 * kBlockSize;
  Host host(bucket, options);
  const std::string block = Noise(kBlockSize);
  for (const char* path : {"c", "b", "a"}) ASSERT_TRUE(host.WriteFile(path, block).ok());
  EXPECT_EQ(bucket.Keys(), std::vector<std::string>());
  ASSERT_TRUE(host.WriteFile("d", block).ok());
  EXPECT_EQ(bucket.Keys(), std::vector<std::string>{"c"}) << "the oldest";
}

TEST(StagedLimitTest, WhatIsOpenIsNobodyElsesToPublish) {
  Bucket bucket;
  FileSystemOptions options = After(kHour);
  options.commit.staged_limit = 2 * kBlockSize;
  Host host(bucket, options);
  std::unique_ptr<Handle> handle = host.Create(kFile);
  ASSERT_TRUE(host.Write(*handle, 0, Noise(2 * kBlockSize)).ok());
  EXPECT_EQ(ErrnoOf(host.Append(*handle, "x")), ENOSPC);
  EXPECT_EQ(bucket.Keys(), std::vector<std::string>());
  EXPECT_EQ(host.Sync(*handle), absl::OkStatus());
  EXPECT_TRUE(host.Append(*handle, "x").ok());
  EXPECT_TRUE(host.Close(std::move(handle)).ok());
}

TEST(StagedLimitTest, AFailureIsNotTriedAgainByEveryWrite) {
  Bucket bucket;
  FileSystemOptions options = After(kHour);
  options.commit.staged_limit = kBlockSize;
  Host host(bucket, options);
  ASSERT_TRUE(host.WriteFile("a", Noise(kBlockSize)).ok());
  host.store().Fail(Op::kPut, Error(EACCES, "refused"), FaultyStore::kBefore, 1, 100);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ErrnoOf(host.WriteFile("b", "x")), ENOSPC);
  EXPECT_EQ(host.store().count(Op::kPut), 1u);
}

TEST(StagedLimitTest, TheErrorOfACommitIsTold) {
  Bucket bucket;
  FileSystemOptions options = After(kHour);
  options.commit.staged_limit = kBlockSize;
  Host host(bucket, options);
  ASSERT_TRUE(host.WriteFile("a", Noise(kBlockSize)).ok());
  host.store().Fail(Op::kPut, Error(EACCES, "refused"));
  const absl::Status status = host.WriteFile("b", "x");
  EXPECT_EQ(ErrnoOf(status), ENOSPC);
  EXPECT_TRUE(absl::StrContains(status.message(), "refused")) << status;
}

}  // namespace
}  // namespace s3files
