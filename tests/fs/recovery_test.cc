// [D4] State directories: what is staged survives the file system, and is committed by the next one.
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fs/recovery.h"

namespace s3files {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// More than a row of the journal has.
const std::string kMuch(SavedOverlay::kMostPacked + 1, 'm');

TEST_F(RecoveryTest, D4WhatFsyncSawSurvives) {
  for (const std::string& bytes : {std::string("bytes"), kMuch}) {
    const bool large = bytes.size() > SavedOverlay::kMostPacked;
    std::unique_ptr<Host> host = NewHost();
    std::unique_ptr<Handle> handle = Durable(*host, "new", bytes);
    EXPECT_EQ(StagedFiles(), large ? 1u : 0u);
    EXPECT_EQ(host->Write(*handle, bytes.size(), " that nobody synced"), absl::OkStatus());
    EXPECT_THAT(bucket_.Keys(), IsEmpty()) << "fsync sends nothing";
    handle.reset();
    host->Vanish();
    host = NewHost();
    EXPECT_EQ(host->ReadFile("new"), bytes);
    EXPECT_EQ(host->Stat("new")->attributes.mode, 0644u);
    EXPECT_EQ(host->Commit("/"), absl::OkStatus());
    EXPECT_EQ(bucket_.Get("new"), bytes);
    host->Vanish();
    EXPECT_EQ(StagedFiles(), 0u);
    host = NewHost();
    EXPECT_EQ(host->fs().GetStats().staged_files, 0u);
    EXPECT_EQ(host->fs().Unlink(host->call, nullptr, "new"), absl::OkStatus());
    host->Vanish();
  }
}

// What lies in a row goes to a file when it has become much, and the row lets it go again.
TEST_F(RecoveryTest, D4AFileThatGrowsAndShrinksSurvives) {
  std::unique_ptr<Host> host = NewHost();
  std::unique_ptr<Handle> handle = Durable(*host, "f", "few");
  std::string bytes = "few" + kMuch;
  EXPECT_EQ(host->Write(*handle, 3, kMuch), absl::OkStatus());
  EXPECT_EQ(host->Sync(*handle), absl::OkStatus());
  EXPECT_EQ(StagedFiles(), 1u);
  handle.reset();
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->ReadFile("f"), bytes);
  handle = host->Open("f", kReadWrite);
  EXPECT_EQ(host->Truncate(*handle, 5), absl::OkStatus());
  EXPECT_EQ(host->Write(*handle, 7, "!"), absl::OkStatus());
  EXPECT_EQ(host->Sync(*handle), absl::OkStatus());
  handle.reset();
  host->Vanish();
  bytes = bytes.substr(0, 5) + std::string(2, '\0') + "!";
  host = NewHost();
  EXPECT_EQ(host->ReadFile("f"), bytes);
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  handle = Durable(*host, "f", "few again");
  EXPECT_EQ(StagedFiles(), 0u);
  handle.reset();
  host->Vanish();
  EXPECT_EQ(NewHost()->ReadFile("f"), "few again");
}

TEST_F(RecoveryTest, D4WhatWasClosedSurvivesTheFileSystem) {
  std::unique_ptr<Host> host = NewHost();
  ASSERT_EQ(host->WriteFile("a", "1"), absl::OkStatus());
  ASSERT_EQ(host->fs().MakeDirectory(host->call, nullptr, "d", 0755), absl::OkStatus());
  ASSERT_EQ(host->WriteFile("d/b", "2"), absl::OkStatus());
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->fs().GetStats().staged_files, 2u);
  EXPECT_EQ(host->ReadFile("a"), "1");
  EXPECT_EQ(host->ReadFile("d/b"), "2");
}

TEST_F(RecoveryTest, D4PartOfALargerFileSurvives) {
  std::string bytes(5 * Bucket::kPart, 'x');
  bucket_.Put("big", bytes);
  std::unique_ptr<Host> host = NewHost();
  {
    std::unique_ptr<Handle> handle = host->Open("big", kOpenRead | kOpenWrite);
    EXPECT_EQ(host->Write(*handle, 2 * Bucket::kPart + 7, "here"), absl::OkStatus());
    EXPECT_EQ(host->Truncate(*handle, 4 * Bucket::kPart), absl::OkStatus());
    EXPECT_EQ(host->Sync(*handle), absl::OkStatus());
  }
  host->Vanish();
  bytes.replace(2 * Bucket::kPart + 7, 4, "here");
  bytes.resize(4 * Bucket::kPart);
  host = NewHost();
  EXPECT_EQ(host->ReadFile("big"), bytes);
  // And more on top of it.
  std::unique_ptr<Handle> handle = host->Open("big", kOpenRead | kOpenWrite);
  EXPECT_EQ(host->Write(*handle, 2 * Bucket::kPart + 9, "HERE"), absl::OkStatus());
  bytes.replace(2 * Bucket::kPart + 9, 4, "HERE");
  EXPECT_EQ(host->Sync(*handle), absl::OkStatus());
  handle.reset();
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->Commit("big"), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("big"), bytes);
}

TEST_F(RecoveryTest, D4AttributesSurvive) {
  bucket_.Put("f", "bytes");
  std::unique_ptr<Host> host = NewHost();
  std::unique_ptr<Handle> handle = host->Open("f", kOpenRead | kOpenWrite);
  ASSERT_EQ(host->Chmod("f", 0600), absl::OkStatus());
  ASSERT_EQ(host->SetXattr("f", "user.color", "red"), absl::OkStatus());
  ASSERT_EQ(host->Sync(*handle), absl::OkStatus());
  handle.reset();
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->Stat("f")->attributes.mode, 0600u);
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  EXPECT_EQ(bucket_.Head("f").metadata.user.at("color"), "red");
  EXPECT_EQ(bucket_.Get("f"), "bytes");
}

TEST_F(RecoveryTest, D4WhatWasChangedByPathSurvives) {
  bucket_.Put("f", "0123456789");
  std::unique_ptr<Host> host = NewHost();
  ASSERT_EQ(host->Chmod("f", 0600), absl::OkStatus());
  AttributeRequest request;
  request.size = 4;
  ASSERT_EQ(host->SetAttributes("f", request), absl::OkStatus());
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->Stat("f")->attributes.mode, 0600u);
  EXPECT_EQ(host->ReadFile("f"), "0123");
}

TEST_F(RecoveryTest, D4LostFilesOfOnePathDoNotReplaceEachOther) {
  for (const char* ours : {"first", "second"}) {
    bucket_.Put("f", "base");
    std::unique_ptr<Host> host = NewHost();
    Durable(*host, "f", ours).reset();
    bucket_.Put("f", "theirs");
    EXPECT_EQ(ErrnoOf(host->Commit("f")), ESTALE);
    host->Vanish();
    bucket_.Delete("f");
  }
  std::unique_ptr<Host> host = NewHost();
  std::vector<std::string> bytes;
  for (const std::string& name : host->List(".s3files-lost+found")) {
    bytes.push_back(host->ReadFile(".s3files-lost+found/" + name));
  }
  EXPECT_THAT(bytes, testing::UnorderedElementsAre("first", "second"));
}

TEST_F(RecoveryTest, D4ARenamedFileIsNotLostWithTheOneItReplaces) {
  std::unique_ptr<Host> host = NewHost();
  Durable(*host, "old", "old").reset();
  std::unique_ptr<Handle> handle = host->Create("new");  // nothing of it was recorded
  EXPECT_EQ(host->Write(*handle, 0, "new"), absl::OkStatus());
  EXPECT_EQ(host->fs().Rename(host->call, nullptr, "new", nullptr, "old", 0), absl::OkStatus());
  handle.reset();
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->ReadFile("old"), "new");
}

TEST_F(RecoveryTest, D4ADirectoryWhoseRenameIsFinishedLaterTakesItsRowsAlong) {
  bucket_.Put("d/f", "0123456789");
  std::unique_ptr<Host> host = NewHost();
  std::unique_ptr<Handle> handle = host->Open("d/f", kOpenRead | kOpenWrite);
  EXPECT_EQ(host->Write(*handle, 0, "abc"), absl::OkStatus());
  EXPECT_EQ(host->Close(std::move(handle)), absl::OkStatus());
  host->store().Fail(Op::kCopy, Error(EIO, "broken"));
  EXPECT_EQ(host->Rename("d", "e"), absl::OkStatus());
  EXPECT_EQ(ErrnoOf(host->Commit("/")), EIO);
  EXPECT_EQ(host->fs().Close(host->call, /*discard=*/false), absl::OkStatus());
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->ReadFile("e/f"), "abc3456789");
  EXPECT_EQ(host->Commit("/"), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("e/f"), "abc3456789");
}

TEST_F(RecoveryTest, D4TheRecordedPreconditionHolds) {
  bucket_.Put("f", "first");
  std::unique_ptr<Host> host = NewHost();
  Durable(*host, "f", "ours").reset();
  host->Vanish();
  bucket_.Put("f", "theirs");
  host = NewHost();
  EXPECT_EQ(ErrnoOf(host->Commit("f")), ESTALE);
  EXPECT_EQ(bucket_.Get("f"), "theirs");
  // What lost survives, too, with where it comes from.
  const std::vector<std::string> lost = host->List(".s3files-lost+found");
  ASSERT_EQ(lost.size(), 1u);
  host->Vanish();
  host = NewHost();
  ASSERT_EQ(host->List(".s3files-lost+found"), lost);
  const std::string path = ".s3files-lost+found/" + lost[0];
  EXPECT_EQ(host->ReadFile(path), "ours");
  EXPECT_EQ(ErrnoOf(host->TryOpen(path, kOpenWrite)), EROFS);
  EXPECT_EQ(*host->GetXattr(path, "s3files.winner"), bucket_.Head("f").stamp.version.etag());
  EXPECT_NE(host->GetXattr(path, "s3files.error")->find("another version"), std::string::npos);
  EXPECT_EQ(ErrnoOf(host->Status(path).last_error), ESTALE);
  EXPECT_EQ(host->ReadFile("f"), "theirs");
  EXPECT_EQ(host->fs().Unlink(host->call, nullptr, path), absl::OkStatus());
  host->Vanish();
  EXPECT_EQ(StagedFiles(), 0u);
}

TEST_F(RecoveryTest, D4ACommitWhoseReplyWasNotSeenIsOurs) {
  std::unique_ptr<Host> host = NewHost();
  std::unique_ptr<Handle> handle = Durable(*host, "f", "bytes");
  // The store has it, and the process ends before it knows.
  host->store().Fail(Op::kPut, Error(EIO, "lost"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(host->Commit("f")), EIO);
  EXPECT_EQ(bucket_.Get("f"), "bytes");
  handle.reset();
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("f"), "bytes");
  EXPECT_THAT(host->List(".s3files-lost+found"), IsEmpty());
}

// Found by ./dev crash: what the rest of the file rests on was replaced by ourselves.
TEST_F(RecoveryTest, D4AFileWhoseCommitWasUnderWayIsReadable) {
  bucket_.Put("f", "0123456789");
  std::unique_ptr<Host> host = NewHost();
  std::unique_ptr<Handle> handle = host->Open("f", kOpenRead | kOpenWrite);
  EXPECT_EQ(host->Write(*handle, 3, "abc"), absl::OkStatus());
  EXPECT_EQ(host->Sync(*handle), absl::OkStatus());
  host->store().Fail(Op::kPut, Error(EIO, "lost"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(host->Commit("f")), EIO);
  handle.reset();
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->Requests(), "HEAD f");
  EXPECT_EQ(host->ReadFile("f"), "012abc6789");
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("f"), "012abc6789");
}

// Found by ./dev crash.
TEST_F(RecoveryTest, D4AnUnlinkThatWasUnderWayIsDoneOrNot) {
  for (const bool done : {true, false}) {
    bucket_.Put("f", "committed");
    std::unique_ptr<Host> host = NewHost();
    Durable(*host, "f", "staged").reset();
    const std::filesystem::path copy = dir_ + "-copy";
    host->store().Run(
        Op::kDelete,
        [&] { std::filesystem::copy(dir_, copy, std::filesystem::copy_options::recursive); },
        done ? FaultyStore::kAfter : FaultyStore::kBefore);
    if (!done) host->store().Fail(Op::kDelete, Error(EACCES, "no"));
    EXPECT_EQ(host->fs().Unlink(host->call, nullptr, "f").ok(), done);
    host->Vanish();
    // As the directory was when the object was gone, or about to be.
    std::filesystem::remove_all(dir_);
    std::filesystem::rename(copy, dir_);
    host = NewHost();
    EXPECT_EQ(host->ReadFile("f"), done ? "errno 2" : "staged");
    host->Discard("f").IgnoreError();
  }
}

TEST_F(RecoveryTest, D4WhatWasRemovedStaysRemoved) {
  std::unique_ptr<Host> host = NewHost();
  Durable(*host, "unlinked", "1").reset();
  Durable(*host, "discarded", "2").reset();
  Durable(*host, "renamed", "3").reset();
  Durable(*host, "replaced", "4").reset();
  for (const char* name : {"unlinked", "discarded", "renamed", "replaced"}) {
    Durable(*host, absl::StrCat("large ", name), absl::StrCat(name, kMuch)).reset();
  }
  EXPECT_EQ(StagedFiles(), 4u);
  EXPECT_EQ(host->fs().Unlink(host->call, nullptr, "unlinked"), absl::OkStatus());
  EXPECT_EQ(host->Discard("discarded"), absl::OkStatus());
  EXPECT_EQ(host->fs().Rename(host->call, nullptr, "renamed", nullptr, "replaced", 0),
            absl::OkStatus());
  EXPECT_EQ(host->fs().Unlink(host->call, nullptr, "large unlinked"), absl::OkStatus());
  EXPECT_EQ(host->Discard("large discarded"), absl::OkStatus());
  EXPECT_EQ(host->fs().Rename(host->call, nullptr, "large renamed", nullptr, "large replaced", 0),
            absl::OkStatus());
  EXPECT_EQ(StagedFiles(), 1u);
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->fs().GetStats().staged_files, 2u);
  EXPECT_EQ(host->ReadFile("replaced"), "3");
  EXPECT_EQ(host->ReadFile("large replaced"), "renamed" + kMuch);
}

TEST_F(RecoveryTest, D4ARenamedDirectoryTakesWhatIsStagedInItAlong) {
  bucket_.Put("d/committed", "c");
  std::unique_ptr<Host> host = NewHost();
  Durable(*host, "d/staged", "s").reset();
  EXPECT_EQ(host->fs().Rename(host->call, nullptr, "d", nullptr, "e", 0), absl::OkStatus());
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->ReadFile("e/staged"), "s");
  EXPECT_EQ(host->Commit("/"), absl::OkStatus());
  EXPECT_THAT(bucket_.Keys(), ElementsAre("e/committed", "e/staged"));
}

TEST_F(RecoveryTest, D4TheNextFileSystemCommitsByItself) {
  std::unique_ptr<Host> host = NewHost();
  Durable(*host, "f", "bytes").reset();
  host->Vanish();
  options_.commit.delay_ns = 0;
  host = NewHost();
  ASSERT_TRUE(host->AwaitEvents(EventKind::kCommitted, 1));
  EXPECT_EQ(bucket_.Get("f"), "bytes");
}

TEST_F(RecoveryTest, D4ClosingKeepsWhatCannotBeCommitted) {
  options_.commit.delay_ns = 0;
  std::unique_ptr<Host> host = NewHost();
  host->store().Fail(Op::kPut, Error(EACCES, "no"), FaultyStore::kBefore, 1, 100);
  EXPECT_EQ(ErrnoOf(host->WriteFile("f", "bytes")), EACCES);
  EXPECT_EQ(ErrnoOf(host->fs().Close(host->call, /*discard=*/true)), EACCES);
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->Commit("/"), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("f"), "bytes");
}

TEST_F(RecoveryTest, W5AnAbandonedWriterIsNotPublished) {
  std::unique_ptr<Host> host = NewHost();
  std::unique_ptr<Handle> handle = Durable(*host, "f", "half");
  EXPECT_EQ(host->Abandon(std::move(handle)), absl::OkStatus());
  handle = host->Create("g");
  EXPECT_EQ(host->Write(*handle, 0, "half"), absl::OkStatus());
  EXPECT_EQ(host->fs().Close(host->call, /*discard=*/true), absl::OkStatus());
  handle.reset();
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->fs().GetStats().staged_files, 0u);
}

TEST_F(RecoveryTest, D4BytesThatAreGoneAreSaidToBe) {
  std::unique_ptr<Host> host = NewHost();
  Durable(*host, "f", kMuch).reset();
  host->Vanish();
  for (const auto& entry : std::filesystem::directory_iterator(dir_ + "/staged")) {
    std::filesystem::resize_file(entry.path(), 2);
  }
  FileSystem fs(bucket_.store(), options_, nullptr, Clock::System(),
                Journal::Open(dir_, "memory://test").value());
  const absl::Status status = fs.Recover({});
  EXPECT_EQ(ErrnoOf(status), EIO);
  EXPECT_THAT(std::string(status.message()), HasSubstr("recovering /f"));
}

// [D4] [W2] Found by ./dev crash --power: attributes are a new version, too, and it is ours. (Of an object
// that was uploaded in parts: its copy has another ETag.)
TEST_F(RecoveryTest, D4AttributesWhoseCommitWasCutShortAreOurs) {
  const std::string bytes = Noise(kLarge);
  ASSERT_EQ(Host(bucket_).WriteFile("f", bytes), absl::OkStatus());
  std::unique_ptr<Host> host = NewHost();
  std::unique_ptr<Handle> handle = host->Open("f", kReadWrite);
  EXPECT_EQ(host->Chmod("f", 0600), absl::OkStatus());
  EXPECT_EQ(host->Sync(*handle), absl::OkStatus());
  host->store().Run(
      Op::kCopy, [&] { SaveState(); }, FaultyStore::kAfter);
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  handle.reset();
  host->Vanish();
  RestoreState();
  host = NewHost();
  EXPECT_EQ(host->ReadFile("f"), bytes);
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("f"), bytes);
  EXPECT_EQ(host->Stat("f")->attributes.mode, 0600u);
}

// [D4] [W2] And of a file that is written to, and made durable, while they are being committed.
TEST_F(RecoveryTest, D4WrittenToWhileAttributesAreCommitted) {
  const std::string bytes = Noise(kLarge);
  ASSERT_EQ(Host(bucket_).WriteFile("f", bytes), absl::OkStatus());
  options_.commit.delay_ns = 0;
  std::unique_ptr<Host> host = NewHost();
  std::unique_ptr<Handle> handle = host->Open("f", kReadWrite);
  host->store().Run(
      Op::kCopy,
      [&] {
        EXPECT_EQ(host->Append(*handle, "!"), absl::OkStatus());
        EXPECT_EQ(host->Sync(*handle), absl::OkStatus());
        SaveState();
      },
      FaultyStore::kAfter);
  EXPECT_EQ(host->Chmod("f", 0600), absl::OkStatus());
  handle.reset();
  host->Vanish();
  RestoreState();
  options_.commit.delay_ns = kNever;
  host = NewHost();
  EXPECT_EQ(host->ReadFile("f"), bytes + "!");
  EXPECT_EQ(host->Commit("f"), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("f"), bytes + "!");
}

// [D5]
TEST_F(RecoveryTest, D5BarriersSurvive) {
  std::unique_ptr<Host> host = NewHost();
  for (const char* path : {"z", "y", "x"}) {
    EXPECT_EQ(host->Close(Durable(*host, path, "bytes")), absl::OkStatus());
    EXPECT_EQ(host->fs().Barrier(host->call), absl::OkStatus());
  }
  host->Vanish();
  host = NewHost();
  host->Requests();
  EXPECT_EQ(host->Commit("y"), absl::OkStatus());
  EXPECT_EQ(host->Requests(), "PUT z, PUT y");
  EXPECT_EQ(bucket_.Get("x"), std::nullopt);
}

// [D5] Nothing was staged behind it when the process died.
TEST_F(RecoveryTest, D5ABarrierAtTheEndSurvives) {
  std::unique_ptr<Host> host = NewHost();
  EXPECT_EQ(host->Close(Durable(*host, "z", "bytes")), absl::OkStatus());
  EXPECT_EQ(host->fs().Barrier(host->call), absl::OkStatus());
  for (const char* path : {"y", "x"}) {
    host->Vanish();
    host = NewHost();
    EXPECT_EQ(host->Close(Durable(*host, path, "bytes")), absl::OkStatus());
  }
  host->Requests();
  EXPECT_EQ(host->Commit("y"), absl::OkStatus());
  EXPECT_EQ(host->Requests(), "PUT z, PUT y");
  // When all is committed it is behind nothing, and holds back no name.
  EXPECT_EQ(host->Commit("x"), absl::OkStatus());
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->Close(Durable(*host, "v", "bytes")), absl::OkStatus());
  EXPECT_EQ(host->MakeDirectory("d"), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("v"), std::nullopt);
}

// [D5]
TEST_F(RecoveryTest, D5ARenameOfADirectoryKeepsItsPlace) {
  bucket_.Put("d/f", "x");
  std::unique_ptr<Host> host = NewHost();
  EXPECT_EQ(host->Close(Durable(*host, "first", "bytes")), absl::OkStatus());
  EXPECT_EQ(host->fs().Barrier(host->call), absl::OkStatus());
  EXPECT_EQ(host->Commit("first"), absl::OkStatus());
  EXPECT_EQ(host->Rename("d", "e"), absl::OkStatus());
  EXPECT_EQ(host->fs().Barrier(host->call), absl::OkStatus());
  EXPECT_EQ(host->Close(Durable(*host, "z", "bytes")), absl::OkStatus());
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->Commit("z"), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("e/f"), "x") << "it was staged before the barrier";
  EXPECT_EQ(bucket_.Get("d/f"), std::nullopt);
}

// [D5] The other way round.
TEST_F(RecoveryTest, D5ARenameOfADirectoryComesAfterWhatWasBefore) {
  bucket_.Put("d/f", "x");
  std::unique_ptr<Host> host = NewHost();
  EXPECT_EQ(host->Close(Durable(*host, "before", "bytes")), absl::OkStatus());
  EXPECT_EQ(host->fs().Barrier(host->call), absl::OkStatus());
  EXPECT_EQ(host->Commit("before"), absl::OkStatus());
  EXPECT_EQ(host->Rename("d", "e"), absl::OkStatus());
  EXPECT_EQ(host->Close(Durable(*host, "z", "bytes")), absl::OkStatus());
  host->Vanish();
  host = NewHost();
  EXPECT_EQ(host->Commit("z"), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("e/f"), std::nullopt) << "no barrier stands between them";
}

// [W12] What the application decided is what the next process goes on with.
TEST_F(RecoveryTest, W12AMergeSurvives) {
  class Merge final : public ConflictJudge {
    ConflictDecision Judge(const ConflictCase& conflict) override {
      EXPECT_EQ(conflict.result->Write(0, std::string("merged")), absl::OkStatus());
      return ConflictDecision::kMerged;
    }
  } judge;
  Host before(bucket_, dir_, options_, &judge);
  std::unique_ptr<Handle> handle = Durable(before, "f", "mine");
  bucket_.Put("f", "theirs");
  before.store().Fail(Op::kPut, Error(EIO, "no"), FaultyStore::kBefore, 2);
  EXPECT_EQ(ErrnoOf(before.Commit("f")), EIO);
  EXPECT_EQ(before.Close(std::move(handle)), absl::OkStatus());
  EXPECT_EQ(before.fs().Close(before.call, false), absl::OkStatus());
  before.Vanish();
  std::unique_ptr<Host> host = NewHost();
  EXPECT_EQ(host->ReadFile("f"), "merged");
  EXPECT_EQ(host->Commit("f"), absl::OkStatus()) << "on top of what was looked at";
  EXPECT_EQ(bucket_.Get("f"), "merged");
}

}  // namespace
}  // namespace s3files
