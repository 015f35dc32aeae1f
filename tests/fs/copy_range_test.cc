// Copies from file to file, those that the store makes above all; and several buffers at once.
// [W11] [C3]
#include <cerrno>
#include <thread>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

class CopyRangeTest : public testing::Test {
 protected:
  static FileSystemOptions Options() {
    FileSystemOptions options = Host::Options();
    options.commit.delay_ns = 0;
    return options;
  }
  std::unique_ptr<Handle> OpenEmpty(absl::string_view path) {
    return host_.Open(path, kOpenRead | kOpenWrite | kOpenCreate | kOpenTruncate);
  }
  // Bytes copied, or the negative errno.
  int64_t Copy(Handle& in, Handle& out, uint64_t in_offset = 0, uint64_t out_offset = 0,
               uint64_t size = UINT64_MAX) {
    const absl::StatusOr<uint64_t> n =
        host_.fs().CopyRange(host_.call, in, in_offset, out, out_offset, size);
    return n.ok() ? static_cast<int64_t>(*n) : -ErrnoOf(n.status());
  }
  // A handle to "to", which is to be a copy of "from", by the store.
  std::unique_ptr<Handle> CopyAll() {
    const auto in = host_.Open("from");
    auto out = OpenEmpty("to");
    host_.Requests();
    EXPECT_EQ(Copy(*in, *out), static_cast<int64_t>(in->content->size()));
    EXPECT_EQ(host_.Requests(), "");
    EXPECT_TRUE(out->content->borrowed());
    return out;
  }

  ManualClock clock_;
  Bucket bucket_;
  Host host_{bucket_, Options(), &clock_};
  const std::string bytes_ = Noise(kLarge);
};

// [W11]
TEST_F(CopyRangeTest, W11AWholeFileIsOneCopyRequest) {
  ObjectMetadata metadata;
  metadata.content_type = "text/source";
  metadata.user["project"] = "source";
  bucket_.Put("from", bytes_, metadata);
  auto out = CopyAll();
  EXPECT_EQ(host_.Status("to").state, FileSystem::State::kStaged);
  EXPECT_EQ(host_.Status("to").staged_bytes, 0u);
  EXPECT_EQ(host_.Stat("to")->size, kLarge);
  ASSERT_TRUE(host_.Close(std::move(out)).ok());
  EXPECT_EQ(host_.Requests(), "COPY to");
  EXPECT_EQ(bucket_.Get("to"), bytes_);
  EXPECT_EQ(bucket_.Get("from"), bytes_);
  const ObjectMetadata copied = bucket_.Head("to").metadata;
  EXPECT_EQ(copied.content_type, "") << "the copy's metadata are its own";
  EXPECT_EQ(copied.user.count("project"), 0u);
  EXPECT_EQ(copied.user.count("file-mtime"), 1u);
  EXPECT_EQ(host_.ReadFile("to"), bytes_);
}

TEST_F(CopyRangeTest, AFileThatIsReplacedKeepsItsMetadataAndItsPrecondition) {
  ObjectMetadata metadata;
  metadata.content_type = "text/target";
  bucket_.Put("from", bytes_);
  bucket_.Put("to", "old", metadata);
  auto out = CopyAll();
  ASSERT_TRUE(host_.Sync(*out).ok());
  EXPECT_EQ(host_.Requests(), "COPY to");
  EXPECT_EQ(bucket_.Get("to"), bytes_);
  EXPECT_EQ(bucket_.Head("to").metadata.content_type, "text/target");

  ASSERT_TRUE(host_.Truncate(*out, 0).ok());
  ASSERT_EQ(Copy(*host_.Open("from"), *out), static_cast<int64_t>(kLarge));
  bucket_.Put("to", "foreign");
  host_.Requests();
  EXPECT_EQ(ErrnoOf(host_.Sync(*out)), ESTALE);
  EXPECT_EQ(host_.Requests(), "COPY to, HEAD from, HEAD to") << "whose condition it was";
  EXPECT_EQ(bucket_.Get("to"), "foreign");
  EXPECT_EQ(host_.events(EventKind::kConflict).size(), 1u);
  EXPECT_EQ(host_.Read(*out), bytes_) << "in lost+found";
}

TEST_F(CopyRangeTest, ReadsBeforeTheCommitComeFromTheSource) {
  bucket_.Put("from", bytes_);
  auto in = host_.Open("from");
  auto out = OpenEmpty("to");
  EXPECT_EQ(host_.Read(*in), bytes_);
  ASSERT_EQ(Copy(*in, *out), static_cast<int64_t>(kLarge));
  host_.Requests();
  EXPECT_EQ(host_.Read(*out), bytes_);
  EXPECT_EQ(host_.Requests(), "") << "they are resident";
  ASSERT_TRUE(host_.Sync(*out).ok());
  host_.Requests();
  EXPECT_EQ(host_.Read(*in), bytes_);
  EXPECT_EQ(host_.Requests(), "") << "and stay so for the source";
  EXPECT_EQ(host_.Read(*out), bytes_);
}

TEST_F(CopyRangeTest, ACopyThatIsChangedIsAPartialUpdateFromTheSource) {
  bucket_.Put("from", bytes_);
  auto out = CopyAll();
  ASSERT_TRUE(host_.Write(*out, 10, "changed").ok());
  ASSERT_TRUE(host_.Append(*out, "more").ok());
  std::string expected = bytes_ + "more";
  expected.replace(10, 7, "changed");
  EXPECT_EQ(host_.Read(*out), expected);
  host_.store().ClearLog();
  ASSERT_TRUE(host_.Sync(*out).ok());
  const std::vector<LoggedCall> copied = host_.store().log(Op::kCopyPart);
  ASSERT_FALSE(copied.empty());
  EXPECT_EQ(copied[0].source_key, "from");
  EXPECT_EQ(copied[0].if_match, bucket_.Head("from").stamp.version);
  EXPECT_EQ(bucket_.Get("to"), expected);
  EXPECT_EQ(bucket_.Get("from"), bytes_);
  EXPECT_EQ(host_.Read(*out), expected);
}

TEST_F(CopyRangeTest, ASmallCopyThatIsChangedOrCutIsOnePut) {
  bucket_.Put("from", "0123456789");
  auto out = CopyAll();
  ASSERT_TRUE(host_.Write(*out, 2, "xx").ok());
  ASSERT_TRUE(host_.Truncate(*out, 6).ok());
  ASSERT_TRUE(host_.Sync(*out).ok());
  EXPECT_EQ(bucket_.Get("to"), "01xx45");
  ASSERT_TRUE(host_.Truncate(*out, 0).ok());
  ASSERT_EQ(Copy(*host_.Open("from"), *out), 10);
  ASSERT_TRUE(host_.Truncate(*out, 4).ok());
  ASSERT_TRUE(host_.Truncate(*out, 6).ok());
  ASSERT_TRUE(host_.Sync(*out).ok());
  EXPECT_EQ(bucket_.Get("to"), std::string("0123\0\0", 6));
}

TEST_F(CopyRangeTest, PartsThatWereUploadedBeforeTheFileWasEmptiedAreNotUsed) {
  bucket_.Put("from", bytes_);
  auto out = OpenEmpty("to");
  ASSERT_TRUE(host_.Write(*out, 0, Noise(kLarge, 2)).ok());
  ASSERT_TRUE(host_.store().AwaitCalls(Op::kUploadPart, 1));
  ASSERT_TRUE(host_.Truncate(*out, 0).ok());
  ASSERT_EQ(Copy(*host_.Open("from"), *out), static_cast<int64_t>(kLarge));
  ASSERT_TRUE(host_.Close(std::move(out)).ok());
  EXPECT_EQ(bucket_.Get("to"), bytes_);
  EXPECT_EQ(bucket_.PendingUploads(), 0u);
  EXPECT_EQ(host_.store().count(Op::kCopy), 1);
}

// [W11]
TEST_F(CopyRangeTest, W11ASourceThatOthersReplaceIsAnErrorAndNeverAMixture) {
  bucket_.Put("from", bytes_);
  auto in = host_.Open("from");
  auto out = OpenEmpty("to");
  ASSERT_EQ(Copy(*in, *out), static_cast<int64_t>(kLarge));
  bucket_.Put("from", Noise(kLarge, 2));
  EXPECT_EQ(host_.Read(*out, kLarge - 10), "errno 116") << "ESTALE";
  host_.Requests();
  const absl::Status status = host_.Sync(*out);
  EXPECT_EQ(ErrnoOf(status), ESTALE);
  EXPECT_NE(status.message().find("from changed in the store after it was copied"),
            absl::string_view::npos)
      << status;
  EXPECT_EQ(host_.Requests(), "COPY to, HEAD from, HEAD to");
  EXPECT_EQ(bucket_.Get("to"), std::nullopt);
  EXPECT_EQ(host_.Status("to").state, FileSystem::State::kClean) << "it can be copied again";
  EXPECT_EQ(ErrnoOf(host_.Close(std::move(out))), ESTALE);
  out = OpenEmpty("to");
  ASSERT_EQ(Copy(*host_.Open("from"), *out), static_cast<int64_t>(kLarge));
  EXPECT_TRUE(host_.Close(std::move(out)).ok());
  EXPECT_EQ(bucket_.Get("to"), Noise(kLarge, 2));
}

TEST_F(CopyRangeTest, ASourceThatOthersRemoveIsTheSame) {
  bucket_.Put("from", bytes_);
  auto out = CopyAll();
  bucket_.Delete("from");
  EXPECT_EQ(ErrnoOf(host_.Sync(*out)), ESTALE);
  auto small = OpenEmpty("small");
  bucket_.Put("from", "0123456789");
  ASSERT_EQ(Copy(*host_.Open("from"), *small), 10);
  ASSERT_TRUE(host_.Write(*small, 0, "x").ok());
  bucket_.Put("from", "replaced");
  EXPECT_NE(ErrnoOf(host_.Sync(*small)), EIO);
  EXPECT_TRUE(bucket_.Get("small") == std::nullopt || *bucket_.Get("small") == "x123456789")
      << "resident bytes are of the version that was copied";
}

// What this file system itself does to the source, the copy survives.
class CopySurvives : public CopyRangeTest, public testing::WithParamInterface<const char*> {
 protected:
  absl::Status DoIt() {
    const std::string what = GetParam();
    if (what == "write") return host_.Sync(*writer_);
    if (what == "unlink") return host_.Unlink("from");
    if (what == "rename") return host_.Rename("from", "elsewhere");
    if (what == "chmod") return host_.Chmod("from", 0600);
    return host_.Rename("mover", "from");
  }
  std::unique_ptr<Handle> StageACopy() {
    bucket_.Put("from", bytes_);
    bucket_.Put("mover", "other");
    if (GetParam() == std::string("write")) writer_ = host_.Open("from", kOpenWrite);
    auto out = CopyAll();
    EXPECT_TRUE(host_.Write(*out, 5, "mine").ok());
    if (writer_ != nullptr) {
      EXPECT_TRUE(host_.Write(*writer_, 0, "changed").ok());
    }
    return out;
  }
  std::unique_ptr<Handle> writer_;
};

// Its bytes are to be fetched before the source changes: where they cannot be, that waits.
TEST_P(CopySurvives, AFailureToFetchItsBytes) {
  auto out = StageACopy();
  host_.store().Fail(Op::kGet, Error(EIO, "no"), FaultyStore::kBefore, 1, 1000);
  EXPECT_EQ(ErrnoOf(DoIt()), EIO);
  EXPECT_TRUE(bucket_.Get("from") == bytes_) << "it stays";
  EXPECT_TRUE(out->content->borrowed());
  host_.store().ClearFaults();
  EXPECT_EQ(DoIt(), absl::OkStatus());
  ASSERT_TRUE(host_.Close(std::move(out)).ok());
  EXPECT_TRUE(bucket_.Get("to")->substr(9) == bytes_.substr(9));
}

TEST_P(CopySurvives, WhatIsDoneToTheSourceHere) {
  auto out = StageACopy();
  ASSERT_TRUE(DoIt().ok());
  EXPECT_FALSE(out->content->borrowed());
  std::string expected = bytes_;
  expected.replace(5, 4, "mine");
  EXPECT_EQ(host_.Read(*out), expected);
  ASSERT_TRUE(host_.Close(std::move(out)).ok());
  EXPECT_EQ(bucket_.Get("to"), expected);
}
INSTANTIATE_TEST_SUITE_P(All, CopySurvives,
                         testing::Values("write", "unlink", "rename", "replace", "chmod"));

TEST_F(CopyRangeTest, ACopyMayTakeTheSourcesName) {
  bucket_.Put("from", bytes_);
  auto out = CopyAll();
  ASSERT_TRUE(host_.Write(*out, 0, "mine").ok());
  ASSERT_TRUE(host_.Rename("to", "from").ok());
  ASSERT_TRUE(host_.Close(std::move(out)).ok());
  EXPECT_EQ(bucket_.Get("from"), "mine" + bytes_.substr(4));
  EXPECT_EQ(bucket_.Get("to"), std::nullopt);
}

TEST_F(CopyRangeTest, ASourceThatIsCommittedWhileTheCopyIsWaitsForIt) {
  bucket_.Put("from", bytes_);
  auto out = CopyAll();
  host_.store().Hold(Op::kCopy);
  std::thread committing([&] { EXPECT_TRUE(host_.Sync(*out).ok()); });
  ASSERT_TRUE(host_.store().AwaitHeld(Op::kCopy));
  const auto writer = host_.Open("from", kOpenWrite);
  ASSERT_TRUE(host_.Write(*writer, 0, "changed").ok());
  std::thread changing([&] { EXPECT_TRUE(host_.Sync(*writer).ok()); });
  host_.store().Release(Op::kCopy);
  committing.join();
  changing.join();
  EXPECT_EQ(bucket_.Get("to"), bytes_);
  EXPECT_EQ(bucket_.Get("from"), "changed" + bytes_.substr(7));
}

TEST_F(CopyRangeTest, ALostReplyIsRecognised) {
  bucket_.Put("from", bytes_);
  auto out = CopyAll();
  host_.store().Fail(Op::kCopy, Error(EIO, "lost"), FaultyStore::kAfter);
  EXPECT_EQ(ErrnoOf(host_.Sync(*out)), EIO);
  EXPECT_EQ(host_.Read(*out), bytes_);
  EXPECT_TRUE(host_.Sync(*out).ok());
  EXPECT_EQ(bucket_.Get("to"), bytes_);
  EXPECT_TRUE(host_.events(EventKind::kConflict).empty());
}

TEST_F(CopyRangeTest, AnEarlierCommitThatTookEffectDoesNotShowThroughTheCopy) {
  bucket_.Put("from", bytes_);
  auto out = OpenEmpty("to");
  ASSERT_TRUE(host_.Write(*out, 0, "earlier").ok());
  host_.store().Fail(Op::kPut, Error(EIO, "lost"), FaultyStore::kAfter);
  ASSERT_EQ(ErrnoOf(host_.Sync(*out)), EIO);
  ASSERT_TRUE(host_.Truncate(*out, 0).ok());
  ASSERT_EQ(Copy(*host_.Open("from"), *out), static_cast<int64_t>(kLarge));
  EXPECT_TRUE(host_.Sync(*out).ok());
  EXPECT_EQ(host_.Read(*out), bytes_);
  EXPECT_EQ(bucket_.Get("to"), bytes_);
}

TEST_F(CopyRangeTest, DiscardGoesBackToTheTargetsOwn) {
  bucket_.Put("from", bytes_);
  bucket_.Put("to", "old");
  auto out = CopyAll();
  ASSERT_TRUE(host_.Discard("to").ok());
  EXPECT_EQ(host_.Read(*out), "old");
  ASSERT_TRUE(host_.Write(*out, 3, "er").ok());
  ASSERT_TRUE(host_.Close(std::move(out)).ok());
  EXPECT_EQ(bucket_.Get("to"), "older");

  auto made = OpenEmpty("new");
  ASSERT_EQ(Copy(*host_.Open("from"), *made), static_cast<int64_t>(kLarge));
  ASSERT_TRUE(host_.Abandon(std::move(made)).ok());
  EXPECT_EQ(ErrnoOf(host_.Stat("new").status()), ENOENT);
}

TEST_F(CopyRangeTest, ALargerCopyThanOneRequestMakesGoesInParts) {
  Capabilities can = Bucket::SmallParts();
  can.largest_copy = 2 * Bucket::kPart;
  Bucket bucket(can);
  Host host(bucket, Options(), &clock_);
  bucket.Put("from", bytes_);
  const auto in = host.Open("from");
  auto out = host.Open("to", kOpenWrite | kOpenCreate | kOpenTruncate);
  ASSERT_EQ(host.fs().CopyRange(host.call, *in, 0, *out, 0, kLarge).value(), kLarge);
  ASSERT_TRUE(host.Close(std::move(out)).ok());
  EXPECT_EQ(bucket.Get("to"), bytes_);
  EXPECT_GE(host.store().count(Op::kCopyPart), 3);
  EXPECT_EQ(host.store().count(Op::kUploadPart), 0);
  EXPECT_EQ(host.store().count(Op::kCopy), 0);
}

TEST_F(CopyRangeTest, OtherCopiesGoThroughHere) {
  bucket_.Put("from", bytes_);
  auto in = host_.Open("from", kOpenRead | kOpenWrite);
  auto out = OpenEmpty("to");
  host_.Requests();
  EXPECT_EQ(Copy(*in, *out, 100, 50, 1000), 1000);
  EXPECT_EQ(Copy(*in, *out, kLarge - 10, 1050), 10) << "less at the end";
  EXPECT_EQ(Copy(*in, *out, kLarge, 0), 0);
  EXPECT_EQ(Copy(*in, *out, kLarge + 1, 0), 0);
  EXPECT_EQ(host_.Read(*out),
            std::string(50, '\0') + bytes_.substr(100, 1000) + bytes_.substr(kLarge - 10));
  ASSERT_TRUE(host_.Write(*in, 3 * kBlockSize - 4, "staged").ok());
  std::string expected = bytes_;
  expected.replace(3 * kBlockSize - 4, 6, "staged");
  ASSERT_TRUE(host_.Truncate(*out, 0).ok());
  EXPECT_EQ(Copy(*in, *out), static_cast<int64_t>(expected.size()));
  EXPECT_EQ(host_.Read(*out), expected) << "with what is staged";
  ASSERT_TRUE(host_.Close(std::move(out)).ok());
  EXPECT_EQ(bucket_.Get("to"), expected);
}

TEST_F(CopyRangeTest, CopyingThroughHereBringsTheSourceInFewRequests) {
  bucket_.Put("from", Noise(16 * kBlockSize));
  const auto in = host_.Open("from", kOpenRead);
  auto out = OpenEmpty("to");
  host_.store().ClearLog();
  ASSERT_EQ(Copy(*in, *out, 1), static_cast<int64_t>(16 * kBlockSize - 1));
  EXPECT_LE(host_.store().count(Op::kGet), 2);
}

TEST_F(CopyRangeTest, WithinOneFile) {
  bucket_.Put("f", "0123456789");
  const auto file = host_.Open("f", kOpenRead | kOpenWrite);
  const auto same = host_.Open("f", kOpenRead | kOpenWrite);
  EXPECT_EQ(Copy(*file, *same, 0, 4, 5), -EINVAL);
  EXPECT_EQ(Copy(*file, *same, 0, 5, 5), 5);
  EXPECT_EQ(Copy(*file, *file, 0, 0), -EINVAL);
  EXPECT_EQ(host_.Read(*file), "0123401234");
}

TEST_F(CopyRangeTest, NeedsTheRightHandles) {
  bucket_.Put("from", "bytes");
  const auto in = host_.Open("from");
  const auto out = OpenEmpty("to");
  const auto writer = host_.Open("from", kOpenWrite);
  const auto appender = host_.Open("to", kOpenWrite | kOpenAppend);
  const auto directory = host_.Open("/", kOpenDirectory);
  EXPECT_EQ(Copy(*writer, *out), -EBADF);
  EXPECT_EQ(Copy(*in, *in), -EBADF);
  EXPECT_EQ(Copy(*in, *appender), -EBADF);
  EXPECT_EQ(Copy(*directory, *out), -EISDIR);
  EXPECT_EQ(Copy(*in, *directory), -EISDIR);
  EXPECT_EQ(Copy(*in, *out, 0, UINT64_MAX - 1), -EFBIG);
}

// ---- Several buffers ---------------------------------------------------------------------------

class VectoredTest : public testing::Test {
 protected:
  Bucket bucket_;
  Host host_{bucket_};
};

TEST_F(VectoredTest, ReadFillsTheBuffersInOrderInOneRequest) {
  const std::string bytes = Noise(4 * kBlockSize + 7);
  bucket_.Put("f", bytes);
  auto file = host_.Open("f", kOpenRead | kOpenWrite);
  ASSERT_TRUE(host_.Write(*file, kBlockSize + 3, "staged").ok());
  std::string expected = bytes;
  expected.replace(kBlockSize + 3, 6, "staged");
  host_.Requests();
  std::string a(10, '\0'), none, b(3 * kBlockSize, '\0'), c(2 * kBlockSize, '\0');
  const absl::Span<char> outs[] = {absl::MakeSpan(a), absl::MakeSpan(none), absl::MakeSpan(b),
                                   absl::MakeSpan(c)};
  const auto n = host_.fs().Read(host_.call, *file, 1, absl::MakeConstSpan(outs));
  ASSERT_TRUE(n.ok()) << n.status();
  EXPECT_EQ(*n, expected.size() - 1);
  EXPECT_EQ((a + b + c).substr(0, *n), expected.substr(1));
  EXPECT_LE(host_.store().count(Op::kGet), 2) << "before and behind what is staged";
}

TEST_F(VectoredTest, WriteIsAllOrNothing) {
  FileSystemOptions options = Host::Options();
  options.spill_dir = "";
  Host host(bucket_, options);
  auto file = host.Create("f");
  ASSERT_TRUE(host.Write(*file, 0, "before").ok());
  const std::string small = "new", large(options.memory, 'x');
  const absl::Span<const char> too_much[] = {small, large};
  EXPECT_EQ(ErrnoOf(host.fs().Write(host.call, *file, 0, absl::MakeConstSpan(too_much))), ENOSPC);
  EXPECT_EQ(host.Read(*file), "before");
  const absl::Span<const char> fits[] = {small, {}, small};
  EXPECT_TRUE(host.fs().Write(host.call, *file, 1, absl::MakeConstSpan(fits)).ok());
  EXPECT_EQ(host.Read(*file), "bnewnew");
  const auto appender = host.Open("f", kOpenWrite | kOpenAppend);
  EXPECT_TRUE(host.fs().Write(host.call, *appender, 0, absl::MakeConstSpan(fits)).ok());
  EXPECT_EQ(host.Read(*file), "bnewnewnewnew");
}

// [C3] While another thread writes and commits, a read into several buffers sees one moment.
TEST_F(VectoredTest, C3AReadNeverSeesHalfOfAWrite) {
  constexpr size_t kSize = 2 * kBlockSize;
  auto file = host_.Create("f");
  ASSERT_TRUE(host_.Write(*file, 0, std::string(kSize, 'a')).ok());
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (char c = 'b'; c <= 'z'; ++c) {
      const std::string half(kSize / 2, c);
      const absl::Span<const char> pieces[] = {half, half};
      EXPECT_TRUE(host_.fs().Write(host_.call, *file, 0, absl::MakeConstSpan(pieces)).ok());
      if (c % 4 == 0) {
        EXPECT_TRUE(host_.Sync(*file).ok());
      }
    }
    stop = true;
  });
  std::string first(kSize / 3, '\0'), second(kSize - kSize / 3, '\0');
  const absl::Span<char> outs[] = {absl::MakeSpan(first), absl::MakeSpan(second)};
  do {
    const auto n = host_.fs().Read(host_.call, *file, 0, absl::MakeConstSpan(outs));
    ASSERT_TRUE(n.ok()) << n.status();
    EXPECT_EQ(first.find_first_not_of(first[0]), std::string::npos);
    EXPECT_EQ(second.find_first_not_of(first[0]), std::string::npos);
  } while (!stop);
  writer.join();
}

}  // namespace
}  // namespace s3files
