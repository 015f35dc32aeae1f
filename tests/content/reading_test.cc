// Reading through frozen and live generations, the cache and the fetcher below them. [C2] [W6]
#include "lib/content/content.h"

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "lib/base/errors.h"
#include "lib/content/snapshot_source.h"
#include "lib/store/memory_store.h"
#include "tests/store/faulty_store.h"

namespace s3files {
namespace {

using std::literals::operator""sv;  // an array would be one byte longer

constexpr char kKey[] = "f";

class ReadingTest : public testing::Test {
 protected:
  ~ReadingTest() override { executor_.reset(); }  // its tasks use what else is here

  // Puts the object and returns the base that it is.
  BasePtr Store(absl::string_view bytes) {
    PutRequest request;
    request.key = kKey;
    MemorySource source(bytes);
    const Stamp stamp = store_.base().Put(CallContext(), request, source).value();
    return std::make_shared<const Base>(kKey, stamp.version, bytes.size());
  }
  std::string Read(Content& content, uint64_t offset = 0, size_t size = 1 << 20,
                   const CallContext& call = CallContext()) {
    std::string bytes(size, '?');
    const absl::StatusOr<size_t> n = content.Read(call, offset, absl::MakeSpan(bytes));
    if (!n.ok()) return "errno " + std::to_string(ErrnoOf(n.status()));
    bytes.resize(*n);
    return bytes;
  }
  std::string Read(const Snapshot& snapshot) {
    std::string bytes(snapshot.size(), '?');
    SnapshotSource source(&fetcher_, &spill_, &snapshot, {0, snapshot.size()});
    EXPECT_TRUE(source.Bring(CallContext()).ok());
    EXPECT_TRUE(source.Read(0, absl::MakeSpan(bytes)).ok());
    return bytes;
  }

  FaultyStore store_{std::make_shared<MemoryStore>()};
  BlockPool pool_{16 * kBlockSize};
  BlockCache cache_{&pool_};
  std::unique_ptr<Executor> executor_ = std::make_unique<Executor>(2);
  Fetcher fetcher_{&store_, &cache_, executor_.get()};
  SpillArea spill_{testing::TempDir()};
};

TEST_F(ReadingTest, GenerationsLieOnEachOther) {
  Content content(Store("0123456789"), &fetcher_, &spill_);
  EXPECT_FALSE(content.staged());
  ASSERT_TRUE(content.Write(2, "ab"sv).ok());
  const Snapshot first = content.Freeze().value();
  ASSERT_TRUE(content.Write(3, "XY"sv).ok());
  ASSERT_TRUE(content.Truncate(8).ok());
  EXPECT_EQ(*content.Append("!"sv), 8u);
  EXPECT_EQ(Read(content), "01aXY567!") << "base, frozen and live";
  EXPECT_EQ(Read(first), "01ab456789") << "what is frozen stays";
  EXPECT_EQ(content.staged_bytes(), 5u);
  ASSERT_TRUE(content.Thaw().ok());
  EXPECT_EQ(Read(content), "01aXY567!");
  EXPECT_EQ(Read(content.Freeze().value()), "01aXY567!");
}

// [C2] What was committed is cached under its new version.
TEST_F(ReadingTest, C2RebaseKeepsWhatIsInMemory) {
  std::string bytes(2 * kBlockSize + 100, 'o');
  Content content(Store(bytes), &fetcher_, &spill_);
  EXPECT_EQ(Read(content), bytes);
  ASSERT_TRUE(content.Write(kBlockSize + 5, "new"sv).ok());
  ASSERT_TRUE(content.Append("tail"sv).ok());
  bytes.replace(kBlockSize + 5, 3, "new");
  bytes += "tail";
  ASSERT_EQ(Read(content.Freeze().value()), bytes);
  store_.ClearLog();
  content.Rebase(Store(bytes));
  EXPECT_FALSE(content.staged());
  EXPECT_EQ(Read(content), bytes);
  EXPECT_EQ(store_.count(Op::kGet), 0);
  EXPECT_EQ(pool_.in_use(BlockUse::kStaged), 0u);
}

TEST_F(ReadingTest, WhatShrankAndGrewAgainIsZero) {
  Content content(Store(std::string(kBlockSize + 10, 'o')), &fetcher_, &spill_);
  ASSERT_TRUE(content.Truncate(5).ok());
  ASSERT_TRUE(content.Truncate(kBlockSize + 3).ok());
  const std::string expected = "ooooo" + std::string(kBlockSize - 2, '\0');
  EXPECT_TRUE(Read(content) == expected);
  const Snapshot snapshot = content.Freeze().value();
  EXPECT_EQ(snapshot.base_visible(), 5u);
  EXPECT_TRUE(Read(snapshot) == expected);
  content.Rebase(Store(expected));
  EXPECT_TRUE(Read(content) == expected);
}

TEST_F(ReadingTest, RetiresUnlessSomethingIsStaged) {
  Content content(Store("bytes"), &fetcher_, &spill_);
  ASSERT_TRUE(content.Write(0, "B"sv).ok());
  EXPECT_FALSE(content.RetireUnlessStaged());
  EXPECT_TRUE(content.Write(1, "Y"sv).ok());
  content.Discard();
  EXPECT_TRUE(content.RetireUnlessStaged());
  EXPECT_EQ(ErrnoOf(content.Write(0, "x"sv)), ESTALE);
  EXPECT_EQ(ErrnoOf(content.Append(""sv).status()), ESTALE);
  EXPECT_EQ(Read(content), "bytes");
}

// [C2] A reader whose version went while a commit is under way learns how that went.
TEST_F(ReadingTest, C2StaleDuringACommitThatFailsIsStale) {
  Content content(Store("old bytes"), &fetcher_, &spill_);
  ASSERT_TRUE(content.Write(0, "O"sv).ok());
  ASSERT_TRUE(content.Freeze().ok());
  Store("foreign");
  std::string read;
  std::thread reader([&] { read = Read(content); });
  EXPECT_TRUE(store_.AwaitCalls(Op::kGet, 1));
  ASSERT_TRUE(content.Thaw().ok());
  reader.join();
  EXPECT_EQ(read, "errno " + std::to_string(ESTALE));
}

// Each block is in flight once, whoever waits for it.
TEST_F(ReadingTest, ConcurrentReadersShareOneRequest) {
  const std::string bytes(3 * kBlockSize, 'x');
  Content content(Store(bytes), &fetcher_, &spill_);
  store_.Hold(Op::kGet);
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] { EXPECT_TRUE(Read(content) == bytes); });
  }
  EXPECT_TRUE(store_.AwaitHeld(Op::kGet));
  store_.ReleaseAll();
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(store_.count(Op::kGet), 1);
}

// [P2] Whoever loses patience does not take others with him.
TEST_F(ReadingTest, P2AWaitingReaderTriesForItself) {
  Content content(Store("bytes"), &fetcher_, &spill_);
  store_.Hold(Op::kGet);
  CallContext hasty;
  hasty.deadline_ns = MonotonicNanos() + 50'000'000;
  std::thread first(
      [&] { EXPECT_EQ(Read(content, 0, 5, hasty), "errno " + std::to_string(ETIMEDOUT)); });
  EXPECT_TRUE(store_.AwaitHeld(Op::kGet));
  std::thread second([&] { EXPECT_EQ(Read(content), "bytes"); });
  first.join();
  store_.ReleaseAll();
  second.join();
}

// [M2] Without a free block a read brings exactly the bytes asked for.
TEST_F(ReadingTest, M2ReadsNeedNoBlock) {
  Content content(Store("some bytes"), &fetcher_, &spill_);
  std::vector<BlockRef> all;
  while (BlockRef block = pool_.TryAcquire(BlockUse::kInFlight)) all.push_back(std::move(block));
  EXPECT_EQ(Read(content, 5, 3), "byt");
  const std::vector<LoggedCall> gets = store_.log(Op::kGet);
  ASSERT_EQ(gets.size(), 1u);
  EXPECT_EQ(gets[0].range, (ByteRange{5, 8}));
}

TEST_F(ReadingTest, ReadAheadBringsBlocksBeforeTheyAreAskedFor) {
  const std::string bytes(4 * kBlockSize, 'x');
  const BasePtr base = Store(bytes);
  Content content(base, &fetcher_, &spill_);
  fetcher_.ReadAhead(base, {0, bytes.size()});
  EXPECT_TRUE(store_.AwaitCalls(Op::kGet, 1));
  EXPECT_TRUE(Read(content) == bytes);
  EXPECT_EQ(store_.count(Op::kGet), 1);
}

TEST_F(ReadingTest, ErrorsOfReadAheadAreNotRemembered) {
  const BasePtr base = Store("bytes");
  store_.Fail(Op::kGet, Error(EIO, "refused"));
  fetcher_.ReadAhead(base, {0, kBlockSize});
  EXPECT_TRUE(store_.AwaitCalls(Op::kGet, 1));
  Content content(base, &fetcher_, &spill_);
  const std::string read = Read(content);  // may have waited for the one that failed
  EXPECT_TRUE(read == "bytes" || read == "errno " + std::to_string(EIO)) << read;
  EXPECT_EQ(Read(content), "bytes");
}

}  // namespace
}  // namespace s3files
