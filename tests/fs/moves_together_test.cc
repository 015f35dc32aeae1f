// Renames together with what else goes on: copies by the store, tags, foreign changes. [N4] [W9] [W11]
#include <cerrno>
#include <thread>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

using Names = std::vector<std::string>;

FileSystemOptions DelayedOptions() {
  FileSystemOptions options = Host::Options();
  options.commit.delay_ns = int64_t{3600} * 1'000'000'000;
  options.commit.max_age_ns = options.commit.delay_ns;
  return options;
}

class MovesTogetherTest : public testing::Test {
 protected:
  // `to` is to be a copy of `from` by the store; its handle.
  static std::unique_ptr<Handle> CopyAll(Host& host, absl::string_view from, absl::string_view to) {
    std::unique_ptr<Handle> in = host.Open(from);
    std::unique_ptr<Handle> out =
        host.Open(to, kOpenRead | kOpenWrite | kOpenCreate | kOpenTruncate);
    EXPECT_EQ(host.fs().CopyRange(host.call, *in, 0, *out, 0, UINT64_MAX).value(),
              in->content->size());
    EXPECT_TRUE(out->content->borrowed());
    EXPECT_TRUE(host.Close(std::move(in)).ok());
    return out;
  }
  static absl::Status Exchange(Host& host, absl::string_view a, absl::string_view b) {
    return host.fs().Rename(host.call, nullptr, a, nullptr, b, kRenameExchange);
  }

  Bucket bucket_;
  Host host_{bucket_};
  Host staged_{bucket_, DelayedOptions()};
  const ObjectTags tags_ = {{"k", "v"}};
};

// [N4] A change that leaves the ETag as it was is a change, too.
TEST_F(MovesTogetherTest, N4AForeignChangeOfAttributesAfterTheCopyIsMovedAlong) {
  bucket_.Put("old/f", "same");
  ObjectMetadata changed;
  changed.user["theirs"] = "new";
  host_.store().Run(
      Op::kCopy, [&] { bucket_.Put("old/f", "same", changed); }, FaultyStore::kAfter);
  ASSERT_TRUE(host_.Rename("old", "new").ok());
  EXPECT_EQ(bucket_.Keys(), Names{"new/f"});
  EXPECT_EQ(bucket_.Head("new/f").metadata.user["theirs"], "new");
}

// [N4] Somebody moves the copy back over the original, which is no change that an ETag tells.
TEST_F(MovesTogetherTest, N4ACopyThatOthersMovedBackIsNotLost) {
  bucket_.Put("old/f", "bytes");
  host_.store().Run(
      Op::kCopy,
      [&] {
        bucket_.Put("old/f", "bytes");
        bucket_.Delete("new/f");
      },
      FaultyStore::kAfter);
  ASSERT_TRUE(host_.Rename("old", "new").ok());
  EXPECT_EQ(bucket_.Get("new/f"), "bytes");
}

// [W8] What could be copied, but not removed, is not begun.
TEST_F(MovesTogetherTest, W8StrictWithoutConditionalDeletesRenamesNoDirectory) {
  Capabilities can = Bucket::SmallParts();
  can.conditional_delete = false;
  Bucket bucket(can);
  bucket.Put("old/f", "1");
  FileSystemOptions options = Host::Options();
  options.strict = true;
  Host host(bucket, options);
  EXPECT_EQ(ErrnoOf(host.Rename("old", "new")), ENOTSUP);
  EXPECT_EQ(bucket.Keys(), Names{"old/f"});
  EXPECT_EQ(host.ReadFile("old/f"), "1");
  EXPECT_TRUE(host.fs().Close(CallContext(), false).ok());
}

// [W9] An upload that begins before the store has followed a rename.
TEST_F(MovesTogetherTest, W9TagsOfAFileUploadedEarlyUnderAStagedRename) {
  bucket_.Put("old/f", "1", {}, tags_);
  ASSERT_TRUE(staged_.Rename("old", "new").ok());
  std::unique_ptr<Handle> handle = staged_.Open("new/f", kOpenWrite | kOpenTruncate);
  ASSERT_TRUE(staged_.Append(*handle, Noise(kLarge)).ok());
  ASSERT_TRUE(staged_.store().AwaitCalls(Op::kUploadPart, 1));
  ASSERT_TRUE(staged_.Sync(*handle).ok());
  EXPECT_EQ(bucket_.Get("new/f"), Noise(kLarge));
  EXPECT_EQ(bucket_.Tags("new/f"), tags_);
  EXPECT_TRUE(staged_.Close(std::move(handle)).ok());
}

// [W9] [N9] Where the store cannot copy a file in one request.
TEST_F(MovesTogetherTest, W9TagsOfLargeFilesThatChangePlaces) {
  Capabilities can = Bucket::SmallParts();
  can.largest_copy = 4 * Bucket::kPart;
  Bucket bucket(can);
  bucket.Put("a", Noise(kLarge), {}, tags_);
  bucket.Put("b", Noise(kLarge, 2), {}, {{"other", "tag"}});
  Host host(bucket);
  ASSERT_TRUE(Exchange(host, "a", "b").ok());
  EXPECT_EQ(bucket.Tags("b"), tags_);
  EXPECT_EQ(bucket.Tags("a"), (ObjectTags{{"other", "tag"}}));
}

// [W9] [W11] However the store makes the copy, the target keeps its own tags.
TEST_F(MovesTogetherTest, W9ACopyOntoATaggedFileKeepsItsTags) {
  for (const uint64_t largest : {uint64_t{1} << 30, uint64_t{4 * Bucket::kPart}}) {
    Capabilities can = Bucket::SmallParts();
    can.largest_copy = largest;
    Bucket bucket(can);
    Host host(bucket);
    bucket.Put("from", Noise(kLarge), {}, {{"source", "tag"}});
    bucket.Put("to", "old", {}, tags_);
    ASSERT_TRUE(host.Close(CopyAll(host, "from", "to")).ok());
    EXPECT_EQ(bucket.Get("to"), Noise(kLarge));
    EXPECT_EQ(bucket.Tags("to"), tags_) << largest;
  }
}

// [W11] A copy that is asked for while the store is moving the source.
TEST_F(MovesTogetherTest, W11ACopyOfAFileThatIsBeingMoved) {
  bucket_.Put("old/f", "bytes");
  host_.store().Hold(Op::kCopy, "new/f");
  std::thread renaming([&] {
    EXPECT_TRUE(host_.fs().Rename(CallContext(), nullptr, "old", nullptr, "new", 0).ok());
  });
  ASSERT_TRUE(host_.store().AwaitHeld(Op::kCopy));
  std::unique_ptr<Handle> copy = CopyAll(host_, "new/f", "copy");
  host_.store().ReleaseAll();
  renaming.join();
  const absl::Status closed = host_.Close(std::move(copy));
  EXPECT_TRUE(closed.ok()) << closed;
  EXPECT_EQ(bucket_.Get("copy"), "bytes");
  EXPECT_EQ(bucket_.Get("new/f"), "bytes");
}

// [W11] A source that nobody has open may be forgotten, but not who was promised its bytes.
TEST_F(MovesTogetherTest, W11TheEntryLimitDoesNotForgetCopies) {
  FileSystemOptions options = DelayedOptions();
  options.entry_limit = 4;
  Host host(bucket_, options);
  bucket_.Put("from", "bytes");
  std::unique_ptr<Handle> copy = CopyAll(host, "from", "copy");
  for (int i = 0; i < 20; ++i) {
    bucket_.Put(absl::StrCat("x", i), "");
    EXPECT_TRUE(host.Stat(absl::StrCat("x", i)).ok());
  }
  ASSERT_TRUE(host.Unlink("from").ok());
  EXPECT_EQ(host.Read(*copy), "bytes");
  const absl::Status synced = host.Sync(*copy);
  EXPECT_TRUE(synced.ok()) << synced;
  EXPECT_EQ(bucket_.Get("copy"), "bytes");
  EXPECT_TRUE(host.Close(std::move(copy)).ok());
}

// [W11] "cp a b; mv b a", and then the directory gets another name.
TEST_F(MovesTogetherTest, W11ACopyThatTookItsSourcesNameIsMoved) {
  bucket_.Put("old/a", Noise(kLarge));
  std::unique_ptr<Handle> copy = CopyAll(staged_, "old/a", "old/b");
  ASSERT_TRUE(staged_.Rename("old/b", "old/a").ok());
  ASSERT_TRUE(staged_.Rename("old", "new").ok());
  const absl::Status committed = staged_.Commit("/");
  EXPECT_TRUE(committed.ok()) << committed;
  EXPECT_EQ(bucket_.Keys(), Names{"new/a"});
  EXPECT_EQ(bucket_.Get("new/a"), Noise(kLarge));
  EXPECT_EQ(staged_.Read(*copy), Noise(kLarge));
  EXPECT_TRUE(staged_.Close(std::move(copy)).ok());
}

// [W11] [N4] What a copy is to replace moves with its directory, and discarding goes back to it.
TEST_F(MovesTogetherTest, N4DiscardOfACopyAfterItsDirectoryMoved) {
  bucket_.Put("from", "source");
  bucket_.Put("old/f", "own");
  std::unique_ptr<Handle> copy = CopyAll(staged_, "from", "old/f");
  ASSERT_TRUE(staged_.Rename("old", "new").ok());
  staged_.store().Fail(Op::kCopy, Error(EIO, "refused"), FaultyStore::kBefore, 2);
  EXPECT_EQ(ErrnoOf(staged_.Commit("/")), EIO) << "the rename is done, the copy is not";
  EXPECT_EQ(bucket_.Keys(), (Names{"from", "new/f"}));
  ASSERT_TRUE(staged_.Discard("new/f").ok());
  EXPECT_EQ(staged_.Read(*copy), "own");
  EXPECT_TRUE(staged_.Close(std::move(copy)).ok());
}

}  // namespace
}  // namespace s3files
