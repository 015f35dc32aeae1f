// Staged changes and what becomes of them: [W1]..[W6], [D1], [D3] of SEMANTICS.md.
#include <random>
#include <thread>

#include "absl/strings/str_format.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

class CommitTest : public testing::Test {
 protected:
  // A handle that has staged "mine" on top of `base`, while the store has "foreign" already.
  std::unique_ptr<Handle> StageAConflict(const std::string& base = "base") {
    bucket_.Put(kFile, base);
    std::unique_ptr<Handle> handle = here_.Open(kFile, kReadWrite);
    EXPECT_EQ(here_.Read(*handle), base);
    EXPECT_TRUE(here_.Write(*handle, 0, "mine").ok());
    bucket_.Put(kFile, "foreign");
    return handle;
  }

  Bucket bucket_;
  Host here_{bucket_};
  Host there_{bucket_};
};

// [W1]
TEST_F(CommitTest, W1EveryWriteCarriesAPrecondition) {
  ASSERT_TRUE(here_.WriteFile(kFile, "one").ok());
  ASSERT_TRUE(here_.WriteFile(kFile, "two").ok());
  ASSERT_TRUE(here_.WriteFile("large", Noise(5 * Bucket::kPart)).ok());
  ASSERT_TRUE(here_.WriteFile("large", Noise(6 * Bucket::kPart)).ok());
  ASSERT_TRUE(here_.MakeDirectory("d").ok());
  bucket_.Put("implied/only", "");
  ASSERT_TRUE(here_.Unlink("implied/only").ok());
  ASSERT_TRUE(here_.Rename(kFile, "g").ok());
  ASSERT_TRUE(here_.Rename("large", "g").ok());
  ASSERT_TRUE(here_.Unlink("g").ok());
  ASSERT_TRUE(here_.RemoveDirectory("d").ok());
  for (const LoggedCall& call : here_.store().log()) {
    const bool writes = call.op == Op::kPut || call.op == Op::kCopy || call.op == Op::kDelete ||
                        call.op == Op::kCompleteUpload;
    if (!writes) continue;
    EXPECT_FALSE(call.precondition.none()) << static_cast<int>(call.op) << " " << call.key;
    EXPECT_TRUE(call.op == Op::kDelete || !call.commit_id.empty()) << call.key;
    EXPECT_TRUE(call.op != Op::kCopy || call.if_match.known()) << call.key;
  }
}

// [W1] [W3]
TEST_F(CommitTest, W3TheStoreWinsAndLostFoundKeepsTheLoser) {
  std::unique_ptr<Handle> handle = StageAConflict();
  const uint64_t ino = here_.Stat(kFile)->ino;
  EXPECT_EQ(ErrnoOf(here_.Close(std::move(handle))), ESTALE);
  EXPECT_EQ(here_.ReadFile(kFile), "foreign");
  EXPECT_EQ(bucket_.Get(kFile), "foreign");

  const std::vector<Event> conflicts = here_.events(EventKind::kConflict);
  ASSERT_EQ(conflicts.size(), 1u);
  EXPECT_EQ(conflicts[0].path, kFile);
  EXPECT_EQ(ErrnoOf(conflicts[0].status), ESTALE);
  const std::string lost = conflicts[0].detail;
  EXPECT_EQ(here_.Status(lost).state, FileSystem::State::kConflict);
  EXPECT_EQ(here_.Status(lost).last_error, conflicts[0].status);
  EXPECT_EQ(here_.List("/").back(), "f");
  EXPECT_EQ(here_.List("/").front(), ".s3files-lost+found");
  const std::vector<std::string> names = here_.List("/.s3files-lost+found");
  ASSERT_EQ(names.size(), 1u);
  EXPECT_EQ("/.s3files-lost+found/" + names[0], lost);
  EXPECT_EQ(names[0], absl::StrFormat("%x_f", ino)) << "by the number that it had";

  EXPECT_EQ(here_.ReadFile(lost), "mine");
  EXPECT_EQ(ErrnoOf(here_.TryOpen(lost, kOpenWrite)), EROFS);
  EXPECT_EQ(ErrnoOf(here_.Rename(lost, "g")), EPERM);
  EXPECT_EQ(ErrnoOf(here_.Rename(kFile, "/.s3files-lost+found/x")), EPERM);
  EXPECT_EQ(ErrnoOf(here_.WriteFile("/.s3files-lost+found/x", "")), EROFS);
  EXPECT_TRUE(here_.Commit("/").ok()) << "it is never committed";
  EXPECT_EQ(bucket_.Keys(), std::vector<std::string>{kFile});
  EXPECT_TRUE(here_.Unlink(lost).ok());
  EXPECT_TRUE(here_.List("/.s3files-lost+found").empty());
  EXPECT_EQ(here_.ReadFile(kFile), "foreign");
}

// [W3] What was not staged is read from the old version where that is still to be had.
TEST_F(CommitTest, W3UnstagedRangesOfTheLoserComeFromTheOldVersion) {
  std::unique_ptr<Handle> handle = StageAConflict("base bytes");
  EXPECT_EQ(ErrnoOf(here_.Sync(*handle)), ESTALE);
  EXPECT_EQ(here_.Read(*handle), "mine bytes") << "they are resident";
  EXPECT_EQ(ErrnoOf(here_.Write(*handle, 0, "x")), ESTALE);
}

// [W3] They are gone with it: an error, as of a disk, that says what is left.
TEST_F(CommitTest, W3RangesOfTheLoserWhoseBaseIsGoneAreEio) {
  bucket_.Put(kFile, std::string(3 * Bucket::kPart, 'b'));
  std::unique_ptr<Handle> handle = here_.Open(kFile, kReadWrite);
  ASSERT_TRUE(here_.Write(*handle, 10, "mine").ok());
  bucket_.Put(kFile, "foreign");
  EXPECT_EQ(ErrnoOf(here_.Sync(*handle)), ESTALE);
  const std::string lost = here_.events(EventKind::kConflict)[0].detail;
  std::unique_ptr<Handle> loser = here_.Open(lost, kOpenRead);
  EXPECT_EQ(here_.Read(*loser, 10, 4), "mine");
  auto try_read = [&](Handle& from) {
    char byte;
    const absl::Span<char> out = absl::MakeSpan(&byte, 1);
    return here_.fs().Read(here_.call, from, 2 * Bucket::kPart, {&out, 1}).status();
  };
  const absl::Status gone = try_read(*loser);
  EXPECT_EQ(ErrnoOf(gone), EIO);
  EXPECT_NE(gone.message().find("s3files.staged"), std::string::npos);
  EXPECT_EQ(*here_.GetXattr(lost, "s3files.staged"), "10-14");
  EXPECT_EQ(ErrnoOf(try_read(*handle)), ESTALE) << "who has the file open opens it again, [C5]";
}

// [W3] Whoever is told of a conflict may settle it in the callback.
TEST_F(CommitTest, W3EventsAreToldWhenTheFileCanBeUsed) {
  class Settling final : public EventSink {
   public:
    void OnEvent(const Event& event) override {
      if (event.kind == EventKind::kConflict) {
        settled = fs->Unlink(CallContext(), nullptr, event.detail);
      } else if (event.kind == EventKind::kCommitted) {
        settled = fs->Unlink(CallContext(), nullptr, event.path);
      }
    }
    FileSystem* fs = nullptr;
    absl::Status settled = Error(ENOENT, "no event");
  } sink;
  FileSystem fs(bucket_.store(), Host::Options(), &sink, Clock::System());
  sink.fs = &fs;
  CallContext soon;
  soon.deadline_ns = MonotonicNanos() + 10'000'000'000;
  auto handle = fs.Open(soon, nullptr, kFile, kOpenWrite | kOpenCreate, 0666);
  ASSERT_TRUE(handle.ok());
  bucket_.Put(kFile, "foreign");
  EXPECT_EQ(ErrnoOf(fs.CloseHandle(soon, *std::move(handle))), ESTALE);
  EXPECT_TRUE(sink.settled.ok()) << sink.settled;

  handle = fs.Open(soon, nullptr, "g", kOpenWrite | kOpenCreate, 0666);
  ASSERT_TRUE(handle.ok());
  EXPECT_TRUE(fs.CloseHandle(soon, *std::move(handle)).ok());
  EXPECT_TRUE(sink.settled.ok()) << sink.settled;
  EXPECT_EQ(bucket_.Keys(), std::vector<std::string>{kFile});
}

// [W2]
TEST_F(CommitTest, W2ACommitWhoseReplyWasLostIsRecognised) {
  here_.store().Fail(Op::kPut, Error(EIO, "no reply"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(here_.WriteFile(kFile, "one")), EIO);
  std::unique_ptr<Handle> handle = here_.Open(kFile, kReadWrite);
  EXPECT_EQ(here_.Read(*handle), "one");
  ASSERT_TRUE(here_.Append(*handle, " two").ok());
  EXPECT_TRUE(here_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get(kFile), "one two");

  here_.store().Fail(Op::kPut, Error(EIO, "no reply"), FaultyStore::kAfter, 1, 2);
  EXPECT_EQ(ErrnoOf(here_.WriteFile(kFile, "three")), EIO);
  EXPECT_EQ(ErrnoOf(here_.Commit(kFile)), EIO) << "adopted, written again, and lost again";
  EXPECT_TRUE(here_.Commit(kFile).ok());
  EXPECT_EQ(bucket_.Get(kFile), "three");
}

// [W2] [C2] Until then its version is no reason for ESTALE.
TEST_F(CommitTest, W2AFileWhoseReplyWasLostCanBeRead) {
  std::string bytes = Noise(4 * kBlockSize);
  bucket_.Put(kFile, bytes);
  std::unique_ptr<Handle> handle = here_.Open(kFile, kReadWrite);
  ASSERT_TRUE(here_.Write(*handle, 5, "new").ok());
  bytes.replace(5, 3, "new");
  here_.store().Fail(Op::kCompleteUpload, Error(EIO, "no reply"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(here_.Sync(*handle)), EIO);
  EXPECT_TRUE(here_.Read(*handle) == bytes) << "most of it is not resident";
  EXPECT_TRUE(here_.Close(std::move(handle)).ok());
  EXPECT_TRUE(bucket_.Get(kFile) == bytes);
}

// [W2]
TEST_F(CommitTest, W2ACompletionWhoseReplyWasLostIsRecognised) {
  const std::string bytes = Noise(5 * Bucket::kPart);
  here_.store().Fail(Op::kCompleteUpload, Error(ETIMEDOUT, "no reply"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(here_.WriteFile(kFile, bytes)), ETIMEDOUT);
  EXPECT_TRUE(here_.Commit(kFile).ok());
  EXPECT_EQ(bucket_.Get(kFile), bytes);
  EXPECT_EQ(bucket_.PendingUploads(), 0u);
}

// [W2] [W3]
TEST_F(CommitTest, W2AForeignWriteAfterALostReplyIsAConflict) {
  here_.store().Fail(Op::kPut, Error(EIO, "no reply"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(here_.WriteFile(kFile, "mine")), EIO);
  bucket_.Put(kFile, "foreign");
  EXPECT_EQ(ErrnoOf(here_.Commit(kFile)), ESTALE);
  EXPECT_EQ(bucket_.Get(kFile), "foreign");
}

// [W3] [C4] Found by the model: a listing from before does not hide what the conflict was with.
TEST_F(CommitTest, W3WhoTriesAgainAfterAConflictSeesTheStoresVersion) {
  ASSERT_TRUE(here_.MakeDirectory("d").ok()) << "lists the root: the file is not there";
  std::unique_ptr<Handle> handle = StageAConflict();
  EXPECT_EQ(ErrnoOf(here_.Close(std::move(handle))), ESTALE);
  EXPECT_TRUE(here_.WriteFile(kFile, "again").ok());
  EXPECT_EQ(bucket_.Get(kFile), "again");
}

// [W3] Found by the model: the copies of untouched parts find no source.
TEST_F(CommitTest, W3ARemovalUnderAPartialUpdateIsAConflict) {
  bucket_.Put(kFile, Noise(5 * Bucket::kPart));
  std::unique_ptr<Handle> handle = here_.Open(kFile, kReadWrite);
  ASSERT_TRUE(here_.Append(*handle, Noise(Bucket::kPart)).ok());
  bucket_.Delete(kFile);
  EXPECT_EQ(ErrnoOf(here_.Close(std::move(handle))), ESTALE);
  EXPECT_EQ(here_.events(EventKind::kConflict).size(), 1u);
  EXPECT_FALSE(bucket_.Get(kFile));
  EXPECT_EQ(bucket_.PendingUploads(), 0u);
}

// [W2] [C2] Found by the model: a copy gives an object that was uploaded in parts another version.
TEST_F(CommitTest, W2HandlesFollowAChangeOfAttributesWhoseReplyWasLost) {
  const std::string bytes = Noise(5 * Bucket::kPart);
  ASSERT_TRUE(here_.WriteFile(kFile, bytes).ok());
  std::unique_ptr<Handle> handle = here_.Open(kFile, kReadWrite);
  here_.store().Fail(Op::kCopy, Error(EIO, "no reply"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(here_.Chmod(kFile, 0600)), EIO);
  EXPECT_TRUE(here_.ReadFile(kFile) == bytes);
  EXPECT_EQ(here_.Stat(kFile)->attributes.mode, 0600u);
  ASSERT_TRUE(here_.Write(*handle, 0, "new").ok()) << "nobody else has written";
  EXPECT_TRUE(here_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get(kFile)->substr(0, 3), "new");
}

// [W2] A file whose commit may have happened does not stay behind when it is removed or renamed.
TEST_F(CommitTest, W2RemovingAndRenamingKnowOfALostReply) {
  here_.store().Fail(Op::kPut, Error(EIO, "no reply"), FaultyStore::kAfter, 1, 2);
  EXPECT_EQ(ErrnoOf(here_.WriteFile("removed", "x")), EIO);
  EXPECT_EQ(ErrnoOf(here_.WriteFile("renamed", "y")), EIO);
  EXPECT_TRUE(here_.Unlink("removed").ok());
  EXPECT_TRUE(here_.Rename("renamed", "new").ok());
  EXPECT_EQ(bucket_.Keys(), std::vector<std::string>{"new"});
  EXPECT_EQ(bucket_.Get("new"), "y");
}

// [W4]
TEST_F(CommitTest, W4AFailedCommitKeepsWhatIsStaged) {
  for (const int error : {EIO, EACCES, ETIMEDOUT}) {
    here_.store().Fail(Op::kPut, Error(error, "refused"));
    EXPECT_EQ(ErrnoOf(here_.WriteFile(kFile, "staged")), error);
    EXPECT_EQ(here_.ReadFile(kFile), "staged");
    const FileSystem::PathStatus status = here_.Status(kFile);
    EXPECT_EQ(status.state, FileSystem::State::kFailed);
    EXPECT_EQ(ErrnoOf(status.last_error), error);
    EXPECT_EQ(status.attempts, 1u);
    EXPECT_EQ(status.staged_bytes, 6u);
    uint64_t cursor = 0;
    EXPECT_EQ(here_.fs().NextStaged(&cursor), "/f");
    EXPECT_EQ(here_.fs().NextStaged(&cursor), std::nullopt);
    EXPECT_TRUE(here_.Discard(kFile).ok());
    EXPECT_EQ(here_.ReadFile(kFile), "errno " + std::to_string(ENOENT));
  }
  EXPECT_EQ(here_.events(EventKind::kCommitFailed).size(), 3u);
  here_.store().Fail(Op::kPut, Error(EIO, "refused"));
  EXPECT_EQ(ErrnoOf(here_.WriteFile(kFile, "staged")), EIO);
  EXPECT_TRUE(here_.Commit(kFile).ok());
  EXPECT_EQ(here_.Status(kFile).state, FileSystem::State::kClean);
  EXPECT_EQ(here_.Status(kFile).attempts, 0u);
  EXPECT_EQ(bucket_.Get(kFile), "staged");
}

// [W4] The attributes that were to go along with the bytes, too.
TEST_F(CommitTest, W4AFailedCommitKeepsStagedAttributes) {
  std::unique_ptr<Handle> handle = here_.Create(kFile);
  ASSERT_TRUE(here_.Write(*handle, 0, "bytes").ok());
  ASSERT_TRUE(here_.SetXattr(kFile, "user.color", "red").ok());
  here_.store().Fail(Op::kPut, Error(EIO, "refused"));
  EXPECT_EQ(ErrnoOf(here_.Sync(*handle)), EIO);
  EXPECT_EQ(here_.GetXattr(kFile, "user.color").value_or("none"), "red");
  ASSERT_TRUE(here_.SetXattr(kFile, "user.shape", "round").ok());
  EXPECT_TRUE(here_.Close(std::move(handle)).ok());
  EXPECT_EQ(there_.GetXattr(kFile, "user.color").value_or("none"), "red");
  EXPECT_EQ(there_.GetXattr(kFile, "user.shape").value_or("none"), "round");
}

// [W4] [N7] A discarded change leaves the file as it was committed, attributes included.
TEST_F(CommitTest, W4DiscardRevertsToTheCommittedState) {
  FileSystemOptions options = Host::Options();
  options.import.defaults.uid = 1234;
  Host host(bucket_, options);
  bucket_.Put(kFile, "committed");
  const FileInfo before = host.Stat(kFile).value();
  EXPECT_EQ(before.attributes.uid, 1234u);
  std::unique_ptr<Handle> handle = host.Open(kFile, kReadWrite);
  ASSERT_TRUE(host.Truncate(*handle, 3).ok());
  EXPECT_EQ(host.Read(*handle), "com");
  ASSERT_TRUE(host.Discard(kFile).ok());
  EXPECT_EQ(host.Read(*handle), "committed") << "open handles follow";
  EXPECT_EQ(host.Stat(kFile)->attributes, before.attributes);
  EXPECT_TRUE(host.Close(std::move(handle)).ok());
  EXPECT_EQ(host.store().count(Op::kPut), 0);
}

// [W5]
TEST_F(CommitTest, W5AbandonedIsNotPublished) {
  std::unique_ptr<Handle> handle = here_.Create(kFile);
  ASSERT_TRUE(here_.Write(*handle, 0, "half").ok());
  EXPECT_TRUE(here_.Abandon(std::move(handle)).ok());
  EXPECT_EQ(ErrnoOf(here_.TryOpen(kFile, kOpenRead)), ENOENT);

  bucket_.Put(kFile, "committed");
  handle = here_.Open(kFile, kReadWrite | kOpenTruncate);
  ASSERT_TRUE(here_.Write(*handle, 0, "half").ok());
  EXPECT_TRUE(here_.Abandon(std::move(handle)).ok());
  EXPECT_EQ(here_.ReadFile(kFile), "committed");
  EXPECT_EQ(here_.store().count(Op::kPut), 0);
}

// [W5]
TEST_F(CommitTest, W5AbandonLeavesWhatOthersStaged) {
  std::unique_ptr<Handle> first = here_.Create(kFile);
  std::unique_ptr<Handle> second = here_.Open(kFile, kReadWrite);
  std::unique_ptr<Handle> reader = here_.Open(kFile);
  ASSERT_TRUE(here_.Write(*second, 0, "second").ok());
  EXPECT_TRUE(here_.Abandon(std::move(reader)).ok()) << "it staged nothing";
  EXPECT_EQ(ErrnoOf(here_.Abandon(std::move(first))), EBUSY);
  EXPECT_EQ(here_.Read(*second), "second");
  EXPECT_TRUE(here_.Close(std::move(second)).ok());
  EXPECT_EQ(bucket_.Get(kFile), "second");
}

// [W5] What one of them alone could not take back.
TEST_F(CommitTest, W5WhenAllAreAbandonedNothingIsPublished) {
  bucket_.Put(kFile, "committed");
  std::unique_ptr<Handle> first = here_.Open(kFile, kReadWrite);
  std::unique_ptr<Handle> second = here_.Open(kFile, kReadWrite);
  ASSERT_TRUE(here_.Write(*first, 0, "11").ok());
  ASSERT_TRUE(here_.Write(*second, 1, "22").ok());
  EXPECT_EQ(ErrnoOf(here_.Abandon(std::move(first))), EBUSY);
  EXPECT_EQ(here_.Read(*second), "122mitted");
  EXPECT_TRUE(here_.Abandon(std::move(second)).ok());
  EXPECT_EQ(here_.ReadFile(kFile), "committed");
  EXPECT_TRUE(here_.fs().Close(CallContext(), false).ok());
  EXPECT_EQ(bucket_.Get(kFile), "committed");
}

// [W5] Also what was staged by a handle that is closed, where nothing has committed it yet.
TEST_F(CommitTest, W5AbandonLeavesWhatAClosedHandleStaged) {
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = int64_t{3600} * 1'000'000'000;
  Host host(bucket_, options);
  ASSERT_TRUE(host.WriteFile(kFile, "closed").ok());
  std::unique_ptr<Handle> handle = host.Open(kFile, kReadWrite);
  ASSERT_TRUE(host.Append(*handle, "!").ok());
  EXPECT_EQ(ErrnoOf(host.Abandon(std::move(handle))), EBUSY);
  EXPECT_EQ(host.ReadFile(kFile), "closed!");
  ASSERT_TRUE(host.Commit(kFile).ok());
  EXPECT_EQ(bucket_.Get(kFile), "closed!");
}

// [W5]
TEST_F(CommitTest, W5AbandonLeavesTheFileToItsOtherHandles) {
  bucket_.Put(kFile, "committed");
  std::unique_ptr<Handle> abandoned = here_.Open(kFile, kReadWrite);
  std::unique_ptr<Handle> other = here_.Open(kFile, kReadWrite);
  ASSERT_TRUE(here_.Write(*abandoned, 0, "half").ok());
  EXPECT_TRUE(here_.Abandon(std::move(abandoned)).ok());
  EXPECT_EQ(here_.Read(*other), "committed");
  ASSERT_TRUE(here_.Append(*other, "!").ok());
  EXPECT_TRUE(here_.Close(std::move(other)).ok());
  EXPECT_EQ(bucket_.Get(kFile), "committed!");
}

// [W6]
TEST_F(CommitTest, W6ClosingOneWriterCommitsTheOthersBytes) {
  std::unique_ptr<Handle> first = here_.Create(kFile);
  std::unique_ptr<Handle> second = here_.Open(kFile, kReadWrite);
  ASSERT_TRUE(here_.Write(*first, 0, "first ").ok());
  ASSERT_TRUE(here_.Write(*second, 6, "second").ok());
  EXPECT_TRUE(here_.Close(std::move(first)).ok());
  EXPECT_EQ(bucket_.Get(kFile), "first second");
  EXPECT_TRUE(here_.Close(std::move(second)).ok());
  EXPECT_EQ(here_.store().count(Op::kPut), 1);
}

// [W6]
TEST_F(CommitTest, W6WhatIsWrittenDuringACommitIsInTheNext) {
  std::unique_ptr<Handle> handle = here_.Create(kFile);
  ASSERT_TRUE(here_.Write(*handle, 0, "frozen").ok());
  here_.store().Hold(Op::kPut);
  std::thread committer([&] { EXPECT_TRUE(here_.Sync(*handle).ok()); });
  ASSERT_TRUE(here_.store().AwaitHeld(Op::kPut));
  EXPECT_EQ(here_.Status(kFile).state, FileSystem::State::kCommitting);
  ASSERT_TRUE(here_.Write(*handle, 3, "live").ok());
  EXPECT_EQ(here_.Read(*handle), "frolive");
  EXPECT_EQ(here_.ReadFile(kFile), "frolive");
  here_.store().ReleaseAll();
  committer.join();
  EXPECT_EQ(bucket_.Get(kFile), "frozen");
  EXPECT_EQ(here_.Read(*handle), "frolive");
  EXPECT_TRUE(here_.Close(std::move(handle)).ok());
  EXPECT_EQ(bucket_.Get(kFile), "frolive");
  EXPECT_EQ(here_.store().count(Op::kPut), 2);
}

// [W4] [W6] Where the first commit fails the second one has both generations.
TEST_F(CommitTest, W6AFailedCommitMergesWithWhatCameMeanwhile) {
  std::mt19937 random(7);
  const auto below = [&](uint64_t n) {
    return std::uniform_int_distribution<uint64_t>(0, n)(random);
  };
  for (int round = 0; round < 20; ++round) {
    const std::string path = "f" + std::to_string(round);
    std::string model = Noise(3 * kBlockSize, round);
    bucket_.Put(path, model);
    std::unique_ptr<Handle> handle = here_.Open(path, kReadWrite);
    EXPECT_EQ(here_.Read(*handle), model);
    auto change = [&] {
      for (int i = 0; i < 6; ++i) {
        if (below(3) == 0) {
          model.resize(below(4 * kBlockSize));
          ASSERT_TRUE(here_.Truncate(*handle, model.size()).ok());
        }
        const std::string bytes = Noise(1 + below(kBlockSize), 100 * round + i);
        const uint64_t at = below(4 * kBlockSize);
        model.resize(std::max(model.size(), at + bytes.size()));
        model.replace(at, bytes.size(), bytes);
        ASSERT_TRUE(here_.Write(*handle, at, bytes).ok());
      }
    };
    change();
    auto meanwhile = [&] {
      change();
      EXPECT_TRUE(here_.Read(*handle) == model);
    };
    for (const Op op : {Op::kPut, Op::kCreateUpload}) {
      here_.store().Run(op, meanwhile, FaultyStore::kBefore, 1, path);
      here_.store().Fail(op, Error(EIO, "refused"), FaultyStore::kBefore, 1, 1, path);
    }
    EXPECT_EQ(ErrnoOf(here_.Sync(*handle)), EIO);
    EXPECT_TRUE(here_.Read(*handle) == model);
    here_.Sync(*handle).IgnoreError();  // the other kind of request may still be to fail
    EXPECT_TRUE(here_.Close(std::move(handle)).ok());
    EXPECT_TRUE(bucket_.Get(path) == model);
    EXPECT_TRUE(there_.ReadFile(path) == model);
  }
}

// [D1]
TEST_F(CommitTest, D1SyncReturnsWhenEverythingStagedIsCommitted) {
  std::unique_ptr<Handle> writer = here_.Create(kFile);
  std::unique_ptr<Handle> other = here_.Open(kFile, kReadWrite);
  ASSERT_TRUE(here_.Write(*writer, 0, "bytes").ok());
  EXPECT_TRUE(here_.Sync(*other).ok());
  EXPECT_EQ(bucket_.Get(kFile), "bytes");
  here_.Requests();
  EXPECT_TRUE(here_.Sync(*writer).ok());
  EXPECT_EQ(here_.Requests(), "") << "nothing is staged";
}

// [D3]
TEST_F(CommitTest, D3ClosingCommitsEverythingOrStaysOpen) {
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = int64_t{3600} * 1'000'000'000;
  Host host(bucket_, options);
  for (const char* path : {"a", "b", "c"}) ASSERT_TRUE(host.WriteFile(path, path).ok());
  std::unique_ptr<Handle> open = host.Open("a");
  EXPECT_EQ(ErrnoOf(host.fs().Close(CallContext(), false)), EBUSY) << "a handle is open";
  ASSERT_TRUE(host.Close(std::move(open)).ok());

  host.store().Fail(Op::kPut, Error(EIO, "refused"), FaultyStore::kBefore, 1, 1, "b");
  EXPECT_EQ(ErrnoOf(host.fs().Close(CallContext(), false)), EIO);
  EXPECT_EQ(bucket_.Keys(), (std::vector<std::string>{"a", "c"}));
  EXPECT_TRUE(host.fs().CheckUsable().ok());
  EXPECT_EQ(host.ReadFile("b"), "b");
  EXPECT_TRUE(host.fs().Close(CallContext(), false).ok());
  EXPECT_EQ(ErrnoOf(host.fs().CheckUsable()), EBADF);
  EXPECT_EQ(bucket_.Get("b"), "b");
}

// [D3] [W5]
TEST_F(CommitTest, D3WhoIsStillWritingWhenItIsClosedIsAbandoned) {
  std::unique_ptr<Handle> half = here_.Create(kFile);
  std::unique_ptr<Handle> reader = here_.Open(kFile);
  ASSERT_TRUE(here_.Write(*half, 0, "half").ok());
  std::unique_ptr<Handle> other = here_.Create("other");
  ASSERT_TRUE(here_.Write(*other, 0, "half").ok());
  EXPECT_TRUE(here_.fs().Close(CallContext(), true).ok());
  EXPECT_TRUE(here_.Close(std::move(reader)).ok());
  EXPECT_EQ(ErrnoOf(here_.Close(std::move(half))), EBADF) << "it is told";
  EXPECT_TRUE(here_.Abandon(std::move(other)).ok());
  EXPECT_TRUE(bucket_.Keys().empty());
}

// [D3]
TEST_F(CommitTest, D3ClosingWithDiscardTellsWhatWasDropped) {
  here_.store().Fail(Op::kPut, Error(EACCES, "refused"), FaultyStore::kBefore, 1, 2);
  EXPECT_EQ(ErrnoOf(here_.WriteFile(kFile, "dropped")), EACCES);
  EXPECT_EQ(ErrnoOf(here_.fs().Close(CallContext(), true)), EACCES);
  EXPECT_EQ(ErrnoOf(here_.fs().CheckUsable()), EBADF);
  here_.Vanish();
  EXPECT_TRUE(bucket_.Keys().empty());
}

}  // namespace
}  // namespace s3files
