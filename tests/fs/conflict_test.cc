// Who decides what becomes of a file whose object others have replaced: [W12] of SEMANTICS.md.
#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/barrier.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

// Decides as the test says, and counts.
class TestJudge final : public ConflictJudge {
 public:
  using Decide = std::function<ConflictDecision(const ConflictCase&)>;
  explicit TestJudge(Decide decide) : decide_(std::move(decide)) {}
  explicit TestJudge(ConflictDecision always)
      : decide_([always](const ConflictCase&) { return always; }) {}

  ConflictDecision Judge(const ConflictCase& conflict) override {
    ++asked_;
    return decide_(conflict);
  }
  int asked() const { return asked_; }

 private:
  const Decide decide_;
  std::atomic<int> asked_{0};
};

std::string All(Content& content) {
  std::string bytes(content.size(), '\0');
  const absl::StatusOr<size_t> n = content.Read(CallContext(), 0, absl::MakeSpan(bytes));
  return n.ok() ? bytes.substr(0, *n) : absl::StrCat("errno ", ErrnoOf(n.status()));
}

class ConflictTest : public testing::Test {
 protected:
  // A host with "old" changed to "mine", whose object is "theirs" by now.
  void Collide(ConflictJudge* judge, const FileSystemOptions& options = Host::Options()) {
    bucket_.Put(kFile, "old");
    host_ = std::make_unique<Host>(bucket_, options, Clock::System(), judge);
    handle_ = host_->Open(kFile, kReadWrite);
    EXPECT_EQ(host_->Truncate(*handle_, 0), absl::OkStatus());
    EXPECT_EQ(host_->Write(*handle_, 0, "mine"), absl::OkStatus());
    bucket_.Put(kFile, "theirs");
    host_->Requests();
  }

  Bucket bucket_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<Handle> handle_;
};

// [W12]
TEST_F(ConflictTest, W12MineReplacesTheStoresVersion) {
  TestJudge judge(ConflictDecision::kMine);
  Collide(&judge);
  EXPECT_EQ(host_->Sync(*handle_), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine");
  EXPECT_EQ(host_->Requests(), "PUT f, HEAD f, PUT f");
  EXPECT_EQ(host_->Write(*handle_, 4, "!"), absl::OkStatus()) << "handles follow";
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine!");
  EXPECT_EQ(judge.asked(), 1);
  EXPECT_EQ(host_->fs().GetStats().commits.conflicts, 1u);
}

// [W12] What was not written is the version that the change was made on, never theirs.
TEST_F(ConflictTest, W12MineKeepsItsOwnRest) {
  TestJudge judge(ConflictDecision::kMine);
  const std::string old = Noise(3 * kBlockSize);
  bucket_.Put(kFile, old);
  Host host(bucket_, Host::Options(), Clock::System(), &judge);
  std::unique_ptr<Handle> handle = host.Open(kFile, kReadWrite);
  EXPECT_EQ(host.Read(*handle), old);  // resident
  EXPECT_EQ(host.Write(*handle, 10, "mine"), absl::OkStatus());
  bucket_.Put(kFile, Noise(3 * kBlockSize, 2));
  EXPECT_EQ(host.Close(std::move(handle)), absl::OkStatus());
  std::string expected = old;
  expected.replace(10, 4, "mine");
  EXPECT_EQ(bucket_.Get(kFile), expected);
}

// [W12] [W3]
TEST_F(ConflictTest, W12MineWhoseRestIsGoneIsNeverAMixture) {
  TestJudge judge(ConflictDecision::kMine);
  bucket_.Put(kFile, Noise(3 * kBlockSize));
  Host host(bucket_, Host::Options(), Clock::System(), &judge);
  std::unique_ptr<Handle> handle = host.Open(kFile, kReadWrite);
  EXPECT_EQ(host.Write(*handle, 10, "mine"), absl::OkStatus());
  const std::string theirs = Noise(3 * kBlockSize, 2);
  bucket_.Put(kFile, theirs);
  EXPECT_EQ(ErrnoOf(host.Close(std::move(handle))), ESTALE);
  EXPECT_EQ(bucket_.Get(kFile), theirs);
  EXPECT_EQ(host.events(EventKind::kConflict).size(), 1u);
}

// [W12] [W1] They replace it again and again: each commit has the condition of what was judged.
TEST_F(ConflictTest, W12AskedAgainWhereTheStoreHasChangedAgain) {
  TestJudge judge(ConflictDecision::kMine);
  Collide(&judge);
  host_->store().Run(
      Op::kPut, [&] { bucket_.Put(kFile, "theirs again"); }, FaultyStore::kBefore, 2);
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine");
  EXPECT_EQ(judge.asked(), 2);
}

// [W12]
TEST_F(ConflictTest, W12MineOverARemovedObjectIsMadeAnew) {
  TestJudge judge([](const ConflictCase& conflict) {
    EXPECT_EQ(conflict.theirs, nullptr);
    return ConflictDecision::kMine;
  });
  Collide(&judge);
  bucket_.Delete(kFile);
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine");
}

// [W12] An application merges: all three versions can be read, and what it writes is committed.
TEST_F(ConflictTest, W12AMergeOfAllThree) {
  TestJudge judge([](const ConflictCase& conflict) {
    EXPECT_EQ(conflict.path, kFile);
    EXPECT_EQ(conflict.error, ESTALE);
    const std::string merged = absl::StrCat(All(*conflict.inode->content), "+",
                                            All(*conflict.theirs), "-", All(*conflict.base));
    EXPECT_EQ(conflict.result->size(), 0u);
    EXPECT_EQ(conflict.result->Write(0, merged), absl::OkStatus());
    return ConflictDecision::kMerged;
  });
  Collide(&judge);
  EXPECT_EQ(host_->Sync(*handle_), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine+theirs-errno 116") << "the old version is gone";
  EXPECT_EQ(host_->ReadFile(kFile), "mine+theirs-errno 116");
  EXPECT_EQ(host_->Read(*handle_), "mine") << "an older handle stays with its version";
  EXPECT_EQ(ErrnoOf(host_->Write(*handle_, 0, "x")), ESTALE);
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
  EXPECT_EQ(host_->Status(kFile).state, FileSystem::State::kClean);
}

// [W12] What is written while the application merges is not lost.
TEST_F(ConflictTest, W12WrittenToDuringAMergeIsAskedAgain) {
  TestJudge judge([&](const ConflictCase& conflict) {
    const std::string mine = All(*conflict.inode->content);
    if (mine == "mine") {
      EXPECT_EQ(host_->Write(*handle_, 4, " too"), absl::OkStatus());
    }
    EXPECT_EQ(conflict.result->Write(0, absl::StrCat(mine, "+", All(*conflict.theirs))),
              absl::OkStatus());
    return ConflictDecision::kMerged;
  });
  Collide(&judge);
  EXPECT_EQ(host_->Sync(*handle_), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine too+theirs");
  EXPECT_EQ(judge.asked(), 2);
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
}

// [W12] An application keeps both: it copies what is staged to another name, and drops it here.
TEST_F(ConflictTest, W12BothAreKept) {
  TestJudge judge([&](const ConflictCase& conflict) {
    EXPECT_EQ(host_->WriteFile("copy", All(*conflict.inode->content)), absl::OkStatus());
    return ConflictDecision::kDrop;
  });
  Collide(&judge);
  EXPECT_EQ(host_->Sync(*handle_), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "theirs");
  EXPECT_EQ(bucket_.Get("copy"), "mine");
  EXPECT_EQ(host_->ReadFile(kFile), "theirs");
  EXPECT_EQ(host_->List("/.s3files-lost+found"), std::vector<std::string>());
  EXPECT_EQ(host_->fs().GetStats().staged_files, 0u);
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
}

// [W12] An application refuses: the file stays staged, as after any failed commit.
TEST_F(ConflictTest, W12AFailureStaysStaged) {
  std::atomic<bool> mine{false};
  TestJudge judge([&](const ConflictCase&) {
    return mine ? ConflictDecision::kMine : ConflictDecision::kFail;
  });
  Collide(&judge);
  EXPECT_EQ(ErrnoOf(host_->Sync(*handle_)), ESTALE);
  EXPECT_EQ(host_->Status(kFile).state, FileSystem::State::kFailed);
  EXPECT_EQ(host_->ReadFile(kFile), "mine");
  EXPECT_EQ(bucket_.Get(kFile), "theirs");
  mine = true;
  EXPECT_EQ(host_->Commit(kFile), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine");
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
}

// [W12] [W3]
TEST_F(ConflictTest, W12TheStoreMayBeGivenWayTo) {
  TestJudge judge(ConflictDecision::kStore);
  Collide(&judge);
  EXPECT_EQ(ErrnoOf(host_->Close(std::move(handle_))), ESTALE);
  EXPECT_EQ(host_->ReadFile(kFile), "theirs");
  EXPECT_EQ(host_->events(EventKind::kConflict).size(), 1u);
}

// [W12] A file that was made with O_EXCL, while another host made it, too.
TEST_F(ConflictTest, W12AnExclusiveFileHasNoBase) {
  TestJudge judge([](const ConflictCase& conflict) {
    EXPECT_EQ(conflict.error, EEXIST);
    EXPECT_EQ(conflict.base, nullptr);
    return ConflictDecision::kMine;
  });
  Host host(bucket_, Host::Options(), Clock::System(), &judge);
  std::unique_ptr<Handle> handle = host.Open(kFile, kOpenWrite | kOpenCreate | kOpenExclusive);
  EXPECT_EQ(host.Write(*handle, 0, "mine"), absl::OkStatus());
  bucket_.Put(kFile, "theirs");
  EXPECT_EQ(host.Close(std::move(handle)), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine");
}

// [W12] What would wait for the very commit that asks is an error, not a hang; the rest works.
TEST_F(ConflictTest, W12TheJudgeMayUseTheFileSystem) {
  TestJudge judge([&](const ConflictCase&) {
    EXPECT_EQ(ErrnoOf(host_->Commit(kFile)), EDEADLK);
    EXPECT_EQ(ErrnoOf(host_->Unlink(kFile)), EDEADLK);
    EXPECT_EQ(ErrnoOf(host_->Rename(kFile, "g")), EDEADLK);
    EXPECT_EQ(ErrnoOf(host_->Chmod(kFile, 0600)), EDEADLK);
    EXPECT_EQ(ErrnoOf(host_->Discard(kFile)), EBUSY);
    EXPECT_EQ(host_->ReadFile(kFile), "mine");
    EXPECT_EQ(host_->WriteFile("other", "bytes"), absl::OkStatus());
    EXPECT_EQ(host_->Rename("other", "another"), absl::OkStatus());
    return ConflictDecision::kMine;
  });
  Collide(&judge);
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("another"), "bytes");
}

// [W12] Committing everything in a callback, with helpers or without, is no hang either.
TEST_F(ConflictTest, W12CommittingEverythingInACallback) {
  TestJudge judge([&](const ConflictCase&) {
    EXPECT_EQ(ErrnoOf(host_->Commit("/")), EDEADLK);
    return ConflictDecision::kMine;
  });
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = int64_t{3600} * 1'000'000'000;
  Collide(&judge, options);
  for (const char* path : {"a", "z"}) ASSERT_TRUE(host_->WriteFile(path, "bytes").ok());
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
  EXPECT_EQ(host_->Commit(kFile), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("a"), "bytes") << "those that nobody has in hand are committed";
  EXPECT_EQ(bucket_.Get("z"), "bytes");
}

// [W12] Two callbacks that want each other's file.
TEST_F(ConflictTest, W12CallbacksDoNotWaitForEachOther) {
  absl::Barrier* both = new absl::Barrier(2);
  TestJudge judge([&](const ConflictCase& conflict) {
    if (both->Block()) delete both;
    host_->Commit(conflict.path == "a" ? "b" : "a").IgnoreError();
    return ConflictDecision::kMine;
  });
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = int64_t{3600} * 1'000'000'000;
  host_ = std::make_unique<Host>(bucket_, options, Clock::System(), &judge);
  for (const char* path : {"a", "b"}) {
    ASSERT_TRUE(host_->WriteFile(path, "mine").ok());
    bucket_.Put(path, "theirs");
  }
  std::thread other([&] { EXPECT_EQ(host_->Commit("a"), absl::OkStatus()); });
  EXPECT_EQ(host_->Commit("b"), absl::OkStatus());
  other.join();
  EXPECT_EQ(bucket_.Get("a"), "mine");
  EXPECT_EQ(bucket_.Get("b"), "mine");
}

// [W12] [N8] What others changed besides the bytes stays.
TEST_F(ConflictTest, W12AttributesAreMerged) {
  TestJudge judge(ConflictDecision::kMine);
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = int64_t{3600} * 1'000'000'000;
  Collide(&judge, options);
  EXPECT_EQ(host_->Chmod(kFile, 0600), absl::OkStatus());
  ObjectMetadata metadata;
  metadata.user = {{"owner", "them"}, {"file-permissions", "0100666"}};
  bucket_.Put(kFile, "theirs", metadata);
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
  EXPECT_EQ(host_->Commit(kFile), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine");
  EXPECT_EQ(host_->GetXattr(kFile, "user.owner").value(), "them");
  EXPECT_EQ(host_->Stat(kFile)->attributes.mode, 0600u);
}

// [W12] The handles that an application gets: of another version each, and closed with the callback.
TEST_F(ConflictTest, W12HandlesOfAConflict) {
  TestJudge judge([&](const ConflictCase& conflict) {
    FileSystem::ConflictHandles handles = host_->fs().OpenConflict(conflict);
    EXPECT_EQ(host_->Read(*handles.mine), "mine");
    EXPECT_EQ(host_->Read(*handles.theirs), "theirs");
    EXPECT_EQ(host_->Read(*handles.base), "errno 116");
    EXPECT_EQ(ErrnoOf(host_->Write(*handles.mine, 0, "x")), EBADF);
    EXPECT_EQ(host_->fs().CopyRange(host_->call, *handles.theirs, 0, *handles.result, 0, 6).value(),
              6u);
    EXPECT_EQ(host_->Append(*handles.result, " and mine"), absl::OkStatus());
    EXPECT_EQ(host_->Read(*handles.result), "theirs and mine");
    for (auto* handle : {&handles.base, &handles.mine, &handles.theirs, &handles.result}) {
      host_->fs().CloseLent(std::move(*handle));
    }
    return ConflictDecision::kMerged;
  });
  Collide(&judge);
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "theirs and mine");
  EXPECT_EQ(host_->fs().Close(host_->call, false), absl::OkStatus()) << "no handle is left open";
}

// [W12] [W11] A copy that is yet to be made, whose target others have made meanwhile.
TEST_F(ConflictTest, W12OfACopy) {
  TestJudge judge(ConflictDecision::kMine);
  bucket_.Put("source", "copied");
  Host host(bucket_, Host::Options(), Clock::System(), &judge);
  std::unique_ptr<Handle> source = host.Open("source");
  std::unique_ptr<Handle> handle = host.Create(kFile);
  ASSERT_EQ(host.fs().CopyRange(host.call, *source, 0, *handle, 0, 6).value(), 6u);
  bucket_.Put(kFile, "theirs");
  EXPECT_EQ(host.Close(std::move(handle)), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "copied");
  EXPECT_EQ(judge.asked(), 1);
}

// [W12] The file system can be closed while it waits for a decision.
TEST_F(ConflictTest, W12ClosingTheFileSystemAsks) {
  TestJudge judge([&](const ConflictCase& conflict) {
    FileSystem::ConflictHandles handles = host_->fs().OpenConflict(conflict);
    for (auto* handle : {&handles.base, &handles.mine, &handles.theirs, &handles.result}) {
      host_->fs().CloseLent(std::move(*handle));
    }
    return ConflictDecision::kMine;
  });
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = int64_t{3600} * 1'000'000'000;
  Collide(&judge, options);
  EXPECT_EQ(host_->Close(std::move(handle_)), absl::OkStatus());
  EXPECT_EQ(host_->fs().Close(host_->call, false), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine");
}

// ---- [W3]: what is a conflict, and what is none.

// [W3] The store's version is that there is none: the path is gone, the bytes are not.
TEST_F(ConflictTest, W3RemovedByOthers) {
  Collide(nullptr);
  bucket_.Delete(kFile);
  EXPECT_EQ(ErrnoOf(host_->Close(std::move(handle_))), ESTALE);
  EXPECT_EQ(bucket_.Get(kFile), std::nullopt);
  EXPECT_EQ(ErrnoOf(host_->TryOpen(kFile, kOpenRead)), ENOENT);
  const std::vector<Event> told = host_->events(EventKind::kConflict);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(host_->ReadFile(told[0].detail), "mine");
}

// [W3] A new file whose directory others have removed makes it again.
TEST_F(ConflictTest, W3ADirectoryThatIsGoneIsImplied) {
  bucket_.Put("d/", "");
  Host host(bucket_);
  std::unique_ptr<Handle> handle = host.Create("d/f");
  EXPECT_EQ(host.Write(*handle, 0, "mine"), absl::OkStatus());
  bucket_.Delete("d/");
  EXPECT_EQ(host.Close(std::move(handle)), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("d/f"), "mine");
}

// [W3] [N1] Keys are what conflicts: a directory in place of the file has others.
TEST_F(ConflictTest, W3ADirectoryInPlaceOfTheFile) {
  Host host(bucket_);
  std::unique_ptr<Handle> handle = host.Create(kFile);
  EXPECT_EQ(host.Write(*handle, 0, "mine"), absl::OkStatus());
  bucket_.Put("f/x", "theirs");
  EXPECT_EQ(host.Close(std::move(handle)), absl::OkStatus());
  EXPECT_EQ(bucket_.Get(kFile), "mine");
  EXPECT_EQ(bucket_.Get("f/x"), "theirs");
  EXPECT_EQ(Host(bucket_).ReadFile("f/x"), "theirs");
}

// [W3] And a file in place of the directory in which something is staged.
TEST_F(ConflictTest, W3AFileInPlaceOfTheDirectory) {
  bucket_.Put("d/", "");
  Host host(bucket_);
  std::unique_ptr<Handle> handle = host.Create("d/f");
  EXPECT_EQ(host.Write(*handle, 0, "mine"), absl::OkStatus());
  bucket_.Delete("d/");
  bucket_.Put("d", "theirs");
  EXPECT_EQ(host.Close(std::move(handle)), absl::OkStatus());
  EXPECT_EQ(bucket_.Get("d"), "theirs");
  EXPECT_EQ(Host(bucket_).ReadFile("d/f"), "mine");
}

// [W3] Attributes that nothing is left to carry are dropped, and that is told.
TEST_F(ConflictTest, W3AttributesOfARemovedFile) {
  bucket_.Put(kFile, "old");
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = int64_t{3600} * 1'000'000'000;
  Host host(bucket_, options);
  EXPECT_EQ(host.Chmod(kFile, 0600), absl::OkStatus());
  bucket_.Delete(kFile);
  EXPECT_EQ(ErrnoOf(host.Commit(kFile)), ESTALE);
  EXPECT_EQ(host.events(EventKind::kConflict).size(), 1u);
  EXPECT_EQ(ErrnoOf(host.Stat(kFile).status()), ENOENT);
  EXPECT_EQ(host.fs().GetStats().staged_files, 0u);
}

// [W12] Commits that nobody waits for ask as well.
TEST_F(ConflictTest, W12InTheBackground) {
  TestJudge judge(ConflictDecision::kMine);
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = 50'000'000;
  bucket_.Put(kFile, "old");
  Host host(bucket_, options, Clock::System(), &judge);
  std::unique_ptr<Handle> handle = host.Open(kFile, kReadWrite);
  host.store().Run(Op::kPut, [&] { bucket_.Put(kFile, "theirs"); });
  EXPECT_EQ(host.Truncate(*handle, 0), absl::OkStatus());
  EXPECT_EQ(host.Write(*handle, 0, "mine"), absl::OkStatus());
  ASSERT_TRUE(host.AwaitEvents(EventKind::kCommitted, 1));
  EXPECT_EQ(bucket_.Get(kFile), "mine");
  EXPECT_EQ(host.Close(std::move(handle)), absl::OkStatus());
}

}  // namespace
}  // namespace s3files
