// Content against a string: whatever is written, cut, committed or refused, in whatever order.
#include "lib/content/content.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "lib/base/errors.h"
#include "lib/base/executor.h"
#include "lib/content/snapshot_source.h"
#include "lib/store/memory_store.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace s3files {
namespace {

// A content over a small pool, and the store that its commits go to.
class Bench {
 public:
  explicit Bench(std::string spill_dir = "/tmp") { spill_.directory = std::move(spill_dir); }

  Content& content() { return *content_; }
  MemoryStore& store() { return store_; }
  BlockPool& pool() { return pool_; }
  SpillArea& spill() { return spill_; }
  bool Resident() { return fetcher_.Resident(*content_->base()); }

  std::string ReadAll() { return Read(0, content_->size()); }
  std::string Read(uint64_t offset, uint64_t size) {
    std::string out(size, '?');
    absl::StatusOr<size_t> n = content_->Read(CallContext(), offset, absl::MakeSpan(out));
    if (!n.ok()) return "error: " + std::string(n.status().message());
    out.resize(*n);
    return out;
  }

  absl::Status Write(uint64_t offset, const std::string& bytes) {
    return content_->Write(offset, absl::MakeConstSpan(bytes));
  }

  // What a committer does: the snapshot's bytes become an object, and the content rests on it.
  Snapshot Freeze() {
    absl::StatusOr<Snapshot> snapshot = content_->Freeze();
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    return *snapshot;
  }
  void Commit(const Snapshot& snapshot) {
    SnapshotSource source(&fetcher_, &spill_, &snapshot, {0, snapshot.size()});
    ASSERT_TRUE(source.Bring(CallContext()).ok());
    PutRequest put;
    put.key = "f";
    absl::StatusOr<Stamp> stamp = store_.Put(CallContext(), put, source);
    ASSERT_TRUE(stamp.ok()) << stamp.status();
    content_->Rebase(std::make_shared<const Base>("f", stamp->version, snapshot.size()));
  }

 private:
  MemoryStore store_;
  BlockPool pool_{16 * kBlockSize};
  BlockCache cache_{&pool_};
  Executor executor_{2};
  Fetcher fetcher_{&store_, &cache_, &executor_};
  SpillArea spill_;
  std::unique_ptr<Content> content_ = std::make_unique<Content>(nullptr, &fetcher_, &spill_);
};

std::string Pattern(uint64_t size, char seed) {
  std::string bytes(size, seed);
  for (uint64_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(seed + i % 251);
  return bytes;
}

// Sizes around what matters: bytes, blocks, and more than the staged half of the pool.
rc::Gen<uint64_t> Offsets() {
  return rc::gen::oneOf(rc::gen::inRange<uint64_t>(0, 300),
                        rc::gen::map(rc::gen::pair(rc::gen::inRange<uint64_t>(0, 12),
                                                   rc::gen::inRange<uint64_t>(0, 5)),
                                     [](std::pair<uint64_t, uint64_t> p) {
                                       const uint64_t edge = p.first * kBlockSize;
                                       return edge + p.second - std::min<uint64_t>(edge, 2);
                                     }));
}
rc::Gen<uint64_t> Lengths() {
  return rc::gen::oneOf(rc::gen::inRange<uint64_t>(0, 300),
                        rc::gen::inRange<uint64_t>(kBlockSize - 2, 3 * kBlockSize));
}

void WriteBoth(Bench& bench, std::string& model) {
  const uint64_t offset = *Offsets();
  const std::string bytes = Pattern(*Lengths(), *rc::gen::inRange<char>('A', 'Z'));
  RC_ASSERT(bench.Write(offset, bytes).ok());
  if (bytes.empty()) return;
  model.resize(std::max<uint64_t>(model.size(), offset + bytes.size()), '\0');
  model.replace(offset, bytes.size(), bytes);
}

void TruncateBoth(Bench& bench, std::string& model) {
  const uint64_t size = *Offsets();
  RC_ASSERT(bench.content().Truncate(size).ok());
  model.resize(size, '\0');
}

RC_GTEST_PROP(ContentTest, C3_ReadsWhatWasWrittenThroughAnyHistory, ()) {
  Bench bench;
  std::string model;
  std::string committed;
  const int steps = *rc::gen::inRange(1, 25);
  for (int i = 0; i < steps; ++i) {
    switch (*rc::gen::inRange(0, 7)) {
      case 0:
      case 1:
      case 2:
        WriteBoth(bench, model);
        break;
      case 3:
        TruncateBoth(bench, model);
        break;
      case 4: {  // a commit, with changes while it is under way, that succeeds or not
        const bool staged = bench.content().staged();
        const Snapshot snapshot = bench.Freeze();
        RC_ASSERT(staged == (snapshot.overlay != nullptr));
        const std::string frozen = model;
        if (*rc::gen::arbitrary<bool>()) WriteBoth(bench, model);
        if (*rc::gen::arbitrary<bool>()) TruncateBoth(bench, model);
        RC_ASSERT(bench.ReadAll() == model);
        if (!staged) break;
        if (*rc::gen::arbitrary<bool>()) {
          bench.Commit(snapshot);
          committed = frozen;
        } else {
          RC_ASSERT(bench.content().Thaw().ok());
        }
        break;
      }
      case 5:
        bench.content().Discard();
        model = committed;
        break;
      case 6: {
        const uint64_t offset = *Offsets();
        const uint64_t size = *Lengths();
        const std::string expected = offset < model.size() ? model.substr(offset, size) : "";
        RC_ASSERT(bench.Read(offset, size) == expected);
        break;
      }
    }
    RC_ASSERT(bench.content().size() == model.size());
  }
  RC_ASSERT(bench.ReadAll() == model);
  RC_ASSERT(bench.pool().in_use(BlockUse::kStaged) <= bench.pool().limit() / 2);
}

// [M1]
TEST(ContentTest, M1_WhatFindsNoRoomInMemoryIsSpilledAndGivenBack) {
  Bench bench;
  const std::string bytes = Pattern(32 * kBlockSize, 'a');
  ASSERT_TRUE(bench.Write(0, bytes).ok());
  EXPECT_EQ(bench.pool().in_use(BlockUse::kStaged), 8 * kBlockSize);
  EXPECT_EQ(bench.spill().bytes.load(), 24 * kBlockSize);
  EXPECT_EQ(bench.ReadAll(), bytes);
  bench.Commit(bench.Freeze());
  EXPECT_EQ(bench.spill().bytes.load(), 0u);
  EXPECT_EQ(bench.pool().in_use(BlockUse::kStaged), 0u);
  EXPECT_EQ(bench.ReadAll(), bytes);
}

// [C2] What is committed is longer than the part of a block that was staged in.
TEST(ContentTest, C2_ASmallFileThatGrewByTruncateStaysResidentAlone) {
  Bench bench;
  ASSERT_TRUE(bench.Write(0, "bytes").ok());
  // Its neighbours.
  std::vector<BlockRef> parts;
  for (size_t i = 0; i < kBlockSize / kPartSizes[0]; ++i) {
    parts.push_back(bench.pool().TryAcquire(BlockUse::kStaged, 1));
    std::memset(parts.back().data(), 'n', kPartSizes[0]);
  }
  ASSERT_TRUE(bench.content().Truncate(100'000).ok());
  bench.Commit(bench.Freeze());
  for (const BlockRef& part : parts) {
    ASSERT_EQ(std::string(part.data(), part.size()), std::string(part.size(), 'n'));
  }
  EXPECT_TRUE(bench.Resident());
  EXPECT_EQ(bench.ReadAll(), "bytes" + std::string(100'000 - 5, '\0'));
}

// [M2]
TEST(ContentTest, M2_WithoutASpillDirectoryAWriteThatFindsNoRoomChangesNothing) {
  Bench bench("");
  const std::string half = Pattern(8 * kBlockSize, 'a');
  ASSERT_TRUE(bench.Write(0, half).ok());
  EXPECT_EQ(ErrnoOf(bench.Write(8 * kBlockSize - 1, "xy")), ENOSPC);
  EXPECT_EQ(bench.ReadAll(), half);
  EXPECT_TRUE(bench.Write(0, "over").ok()) << "what is staged can still be overwritten";
}

// [C2] Appending and committing again and again reads nothing from the store.
TEST(ContentTest, C2_CommittedBytesStayResident) {
  Bench bench;
  std::string model;
  for (int i = 0; i < 50; ++i) {
    const std::string line = Pattern(5000, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(bench.content().Append(absl::MakeConstSpan(line)).ok());
    model += line;
    bench.Commit(bench.Freeze());
  }
  EXPECT_EQ(bench.ReadAll(), model);
  EXPECT_EQ(bench.store().counts().get, 0u);
}

// [C5]
TEST(ContentTest, C5_AfterAForeignVersionItIsReadOnly) {
  Bench bench;
  ASSERT_TRUE(bench.Write(0, "mine").ok());
  bench.Commit(bench.Freeze());
  bench.content().Retire();
  EXPECT_EQ(ErrnoOf(bench.Write(0, "x")), ESTALE);
  EXPECT_EQ(ErrnoOf(bench.content().Truncate(0)), ESTALE);
  EXPECT_EQ(ErrnoOf(bench.content().Append("x").status()), ESTALE);
  EXPECT_EQ(bench.ReadAll(), "mine");
}

// [C3] Two threads overwrite the same staged blocks with one letter each; every read sees one
// letter.
TEST(ContentTest, C3_ReadsAndWritesOfStagedBytesAreAtomic) {
  Bench bench;
  const std::string a(10000, 'a'), b(10000, 'b');
  ASSERT_TRUE(bench.Write(kBlockSize - 5000, a).ok());
  std::vector<std::thread> writers;
  for (const std::string* bytes : {&a, &b}) {
    writers.emplace_back([&bench, bytes] {
      for (int i = 0; i < 300; ++i) EXPECT_TRUE(bench.Write(kBlockSize - 5000, *bytes).ok());
    });
  }
  for (int i = 0; i < 300; ++i) {
    const std::string seen = bench.Read(kBlockSize - 5000, 10000);
    EXPECT_TRUE(seen == a || seen == b);
  }
  for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace s3files
