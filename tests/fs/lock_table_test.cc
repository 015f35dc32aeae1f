// Advisory locks: ranges against a naive model that keeps a lock a byte, waiting, and deadlocks.
// [L1] [L2]
#include "lib/fs/lock_table.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

constexpr LockType kNone = LockType::kNone;
constexpr LockType kShared = LockType::kShared;
constexpr LockType kExclusive = LockType::kExclusive;
constexpr ByteRange kAll{0, kToTheEnd};

LockOwner Named(uint64_t id) { return {LockOwner::Kind::kNamed, id}; }
LockOwner OfHandle(uint64_t id) { return {LockOwner::Kind::kHandle, id}; }

// ---- The model ---------------------------------------------------------------------------------

constexpr uint64_t kBytes = 16;

class Model {
 public:
  std::optional<uint64_t> FirstConflict(const RangeLock& wanted) const {
    for (uint64_t at = wanted.range.begin; at < wanted.range.end; ++at) {
      for (const auto& [owner, types] : held_) {
        const LockType type = types[at];
        const bool exclusive = type == kExclusive || wanted.type == kExclusive;
        if (!(owner == wanted.owner) && type != kNone && wanted.type != kNone && exclusive) {
          return at;
        }
      }
    }
    return std::nullopt;
  }
  void Set(const RangeLock& lock) {
    auto& types = held_.try_emplace(lock.owner).first->second;
    for (uint64_t at = lock.range.begin; at < lock.range.end; ++at) types[at] = lock.type;
  }
  void Release(const LockOwner& owner) { held_.erase(owner); }
  // The owner's lock around `at`: as far as its type goes.
  ByteRange Around(const LockOwner& owner, uint64_t at) const {
    const auto& types = held_.at(owner);
    ByteRange range{at, at + 1};
    while (range.begin > 0 && types[range.begin - 1] == types[at]) --range.begin;
    while (range.end < kBytes && types[range.end] == types[at]) ++range.end;
    return range;
  }
  LockType At(const LockOwner& owner, uint64_t at) const {
    auto it = held_.find(owner);
    return it == held_.end() ? kNone : it->second[at];
  }

 private:
  std::map<LockOwner, std::array<LockType, kBytes>> held_;
};

RangeLock AnyLock() {
  const uint64_t begin = *rc::gen::inRange<uint64_t>(0, kBytes);
  const uint64_t end = *rc::gen::inRange<uint64_t>(begin + 1, kBytes + 1);
  // Equal numbers of the two kinds are two owners.
  const auto kind = static_cast<LockOwner::Kind>(*rc::gen::inRange(0, 2));
  return {{kind, *rc::gen::inRange<uint64_t>(1, 3)},
          static_cast<LockType>(*rc::gen::inRange(0, 3)),
          {begin, end}};
}

RC_GTEST_PROP(LockTableModelTest, RangesAreAsAModelThatKeepsALockAByte, ()) {
  LockTable table;
  Model model;
  const auto inode = std::make_shared<Inode>(1, 0, FileType::kFile);
  for (int steps = *rc::gen::inRange(1, 60); steps > 0; --steps) {
    const RangeLock lock = AnyLock();
    const std::optional<uint64_t> conflict = model.FirstConflict(lock);
    const int what = *rc::gen::inRange(0, 12);
    if (what == 0 && lock.owner.kind == LockOwner::Kind::kHandle) {
      table.ReleaseHandle(inode, lock.owner.id);
      model.Release(lock.owner);
    } else if (what < 4) {
      const std::optional<RangeLock> found = table.Test(inode, lock);
      RC_ASSERT(found.has_value() == conflict.has_value());
      if (!found) continue;
      // The one that begins first covers the first byte in conflict, whole, split and merged.
      RC_ASSERT(found->range.begin <= *conflict);
      const uint64_t at = std::max(found->range.begin, lock.range.begin);
      RC_ASSERT(model.At(found->owner, at) == found->type);
      RC_ASSERT(model.Around(found->owner, at) == found->range);
    } else {
      const absl::Status status = table.Set(CallContext(), inode, lock, /*wait=*/false);
      RC_ASSERT(ErrnoOf(status) == (conflict ? EAGAIN : 0));
      if (status.ok()) model.Set(lock);
    }
  }
}

TEST(LockListTest, WhatBecomesOfOneTypeIsOneLock) {
  LockList list;
  const RangeLock all{Named(2), kExclusive, kAll};
  list.Set({Named(1), kShared, {0, 4}});
  list.Set({Named(1), kExclusive, {4, 8}});
  list.Set({Named(1), kShared, {8, 12}});
  EXPECT_EQ(list.FirstConflict(all)->range, (ByteRange{0, 4}));
  list.Set({Named(1), kShared, {4, 8}});
  EXPECT_EQ(list.FirstConflict(all)->range, (ByteRange{0, 12}));
  list.Set({Named(1), kNone, {2, 3}});
  EXPECT_EQ(list.FirstConflict(all)->range, (ByteRange{0, 2}));
  list.Set({Named(1), kNone, kAll});
  EXPECT_TRUE(list.empty());
}

// ---- Waiting -----------------------------------------------------------------------------------

class LockTableTest : public testing::Test {
 protected:
  // A request on a thread of its own.
  class Request {
   public:
    template <typename Body>
    explicit Request(Body body)
        : thread_([this, body] {
            const int result = ErrnoOf(body());
            absl::MutexLock lock(&mu_);
            result_ = result;
          }) {}
    ~Request() { thread_.join(); }
    bool done() const {
      absl::MutexLock lock(&mu_);
      return result_ != kNotYet;
    }
    int Result() const {
      absl::MutexLock lock(&mu_);
      auto is_there = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return result_ != kNotYet; };
      mu_.AwaitWithTimeout(absl::Condition(&is_there), absl::Seconds(30));
      return result_;
    }

   private:
    static constexpr int kNotYet = -1;
    mutable absl::Mutex mu_;
    int result_ ABSL_GUARDED_BY(mu_) = kNotYet;
    std::thread thread_;  // the last: it uses the others
  };

  int Try(LockOwner owner, LockType type, ByteRange range = kAll) {
    return ErrnoOf(table_.Set(CallContext(), file_, {owner, type, range}, false));
  }
  std::unique_ptr<Request> Wait(const InodePtr& inode, LockOwner owner, LockType type,
                                ByteRange range = kAll, const CallContext& call = {}) {
    return std::make_unique<Request>([=, this] {
      return table_.Set(call, inode, {owner, type, range}, true);
    });
  }
  // Until `owner` stands in the queue of the file for an exclusive lock: seen from who would have to
  // wait behind it, and is not let pass. A reader that may pass has the lock for a moment.
  void AwaitQueued(const InodePtr& inode, ByteRange range = kAll) {
    for (uint64_t probe = 1000;; ++probe) {
      CallContext call;
      call.deadline_ns = MonotonicNanos() + 20'000'000;
      const RangeLock lock{Named(probe), kShared, range};
      const absl::Status status = table_.Set(call, inode, lock, true);
      if (ErrnoOf(status) == ETIMEDOUT) return;
      ASSERT_TRUE(status.ok()) << status;
      ASSERT_TRUE(table_.Set(call, inode, {lock.owner, kNone, range}, false).ok());
    }
  }

  LockTable table_;
  const InodePtr file_ = std::make_shared<Inode>(1, 0, FileType::kFile);
  const InodePtr other_ = std::make_shared<Inode>(2, 0, FileType::kFile);
};

TEST_F(LockTableTest, WaitsUntilWhatIsInTheWayIsReleased) {
  ASSERT_EQ(Try(Named(1), kExclusive, {0, 10}), 0);
  auto waiting = Wait(file_, Named(2), kExclusive, {5, 15});
  EXPECT_EQ(Try(Named(1), kNone, {0, 4}), 0);
  EXPECT_FALSE(waiting->done());
  EXPECT_EQ(Try(Named(1), kNone, {4, 10}), 0);
  EXPECT_EQ(waiting->Result(), 0);
  EXPECT_EQ(Try(Named(1), kShared, {14, 15}), EAGAIN);
}

TEST_F(LockTableTest, ADeadlineOrACancelEndsTheWaitAndKeepsWhatWasHeld) {
  ASSERT_EQ(Try(Named(1), kShared), 0);
  ASSERT_EQ(Try(Named(2), kShared, {0, 10}), 0);
  CallContext late;
  late.deadline_ns = MonotonicNanos() + 1'000'000;
  EXPECT_EQ(Wait(file_, Named(2), kExclusive, kAll, late)->Result(), ETIMEDOUT);
  CallContext cancelled;
  cancelled.cancel = std::make_shared<CancelToken>();
  auto waiting = Wait(file_, Named(2), kExclusive, kAll, cancelled);
  AwaitQueued(file_, {20, 30});
  cancelled.cancel->Cancel();
  EXPECT_EQ(waiting->Result(), ECANCELED);
  EXPECT_EQ(Try(Named(1), kNone), 0);
  EXPECT_EQ(Try(Named(3), kExclusive), EAGAIN) << "the upgrade failed, its shared lock is there";
  EXPECT_EQ(Try(Named(3), kExclusive, {10, 20}), 0) << "and nobody waits any more";
}

TEST_F(LockTableTest, AWriterThatWaitsIsNotOvertakenByLaterReaders) {
  ASSERT_EQ(Try(Named(1), kShared), 0);
  auto writer = Wait(file_, Named(2), kExclusive);
  AwaitQueued(file_);
  auto reader = Wait(file_, Named(3), kShared);
  EXPECT_EQ(Try(Named(4), kShared), 0) << "who does not wait is refused only for held locks";
  EXPECT_EQ(Try(Named(4), kNone), 0);
  EXPECT_FALSE(reader->done());
  EXPECT_EQ(Try(Named(1), kNone), 0);
  EXPECT_EQ(writer->Result(), 0);
  EXPECT_FALSE(reader->done());
  EXPECT_EQ(Try(Named(2), kNone), 0);
  EXPECT_EQ(reader->Result(), 0);
}

TEST_F(LockTableTest, WhoHoldsWhatTheWriterWaitsForMayTakeMore) {
  ASSERT_EQ(Try(Named(1), kShared, {0, 10}), 0);
  auto writer = Wait(file_, Named(2), kExclusive, {0, 20});
  AwaitQueued(file_, {10, 20});
  EXPECT_EQ(Wait(file_, Named(1), kShared, {5, 20})->Result(), 0)
      << "behind the writer it would wait for itself";
  EXPECT_EQ(Try(Named(1), kNone), 0);
  EXPECT_EQ(writer->Result(), 0);
}

TEST_F(LockTableTest, ACircleOverTwoFilesIsADeadlock) {
  ASSERT_EQ(Try(Named(1), kExclusive), 0);
  ASSERT_TRUE(table_.Set(CallContext(), other_, {OfHandle(1), kExclusive, kAll}, false).ok());
  auto first = Wait(other_, Named(1), kExclusive);
  auto second = Wait(file_, OfHandle(1), kShared);
  // One of the two is told; once it has let go, the other goes on.
  while (!first->done() && !second->done()) std::this_thread::yield();
  if (first->done()) {
    EXPECT_EQ(first->Result(), EDEADLK);
    EXPECT_EQ(Try(Named(1), kNone), 0);
    EXPECT_EQ(second->Result(), 0);
  } else {
    EXPECT_EQ(second->Result(), EDEADLK);
    EXPECT_TRUE(table_.Set(CallContext(), other_, {OfHandle(1), kNone, kAll}, false).ok());
    EXPECT_EQ(first->Result(), 0);
  }
}

TEST_F(LockTableTest, TwoReadersThatBothUpgradeAreADeadlock) {
  ASSERT_EQ(Try(Named(1), kShared), 0);
  ASSERT_EQ(Try(Named(2), kShared), 0);
  auto first = Wait(file_, Named(1), kExclusive);
  AwaitQueued(file_);
  EXPECT_EQ(Wait(file_, Named(2), kExclusive)->Result(), EDEADLK);
  EXPECT_EQ(Try(Named(2), kNone), 0);
  EXPECT_EQ(first->Result(), 0);
}

TEST_F(LockTableTest, ACircleThatOnlyQueuesCloseIsNoDeadlock) {
  // 1 holds file, 3 holds other; 2 and 4 queue for them, then 1 and 3 queue behind 4 and 2.
  ASSERT_EQ(Try(Named(1), kShared), 0);
  ASSERT_TRUE(table_.Set(CallContext(), other_, {Named(3), kShared, kAll}, false).ok());
  auto second = Wait(file_, Named(2), kExclusive);
  AwaitQueued(file_);
  auto fourth = Wait(other_, Named(4), kExclusive);
  AwaitQueued(other_);
  auto first = Wait(other_, Named(1), kShared);
  auto third = Wait(file_, Named(3), kShared);
  // One of the two is let pass; then the rest follows.
  while (!first->done() && !third->done()) std::this_thread::yield();
  auto release = [&](const InodePtr& inode, uint64_t owner) {
    EXPECT_TRUE(table_.Set(CallContext(), inode, {Named(owner), kNone, kAll}, false).ok());
  };
  for (const InodePtr& inode : {file_, other_}) {
    for (const uint64_t owner : {1, 3}) release(inode, owner);
  }
  EXPECT_EQ(second->Result(), 0);
  EXPECT_EQ(fourth->Result(), 0);
  release(file_, 2);
  release(other_, 4);
  EXPECT_EQ(first->Result(), 0);
  EXPECT_EQ(third->Result(), 0);
}

TEST_F(LockTableTest, FlockIsApartFromRangesAndGivesUpBeforeItConverts) {
  CallContext call;
  ASSERT_EQ(Try(OfHandle(1), kExclusive), 0);
  EXPECT_TRUE(table_.SetWhole(call, file_, 2, kExclusive, false).ok()) << "ranges do not matter";
  EXPECT_EQ(ErrnoOf(table_.SetWhole(call, file_, 3, kShared, false)), EAGAIN);
  EXPECT_TRUE(table_.SetWhole(call, file_, 2, kShared, false).ok());
  EXPECT_TRUE(table_.SetWhole(call, file_, 3, kShared, false).ok());
  EXPECT_EQ(ErrnoOf(table_.SetWhole(call, file_, 3, kExclusive, false)), EAGAIN);
  EXPECT_TRUE(table_.SetWhole(call, file_, 2, kExclusive, true).ok()) << "3 gave up its own";
}

TEST_F(LockTableTest, FlockWaitsForAClosedHandle) {
  CallContext call;
  ASSERT_TRUE(table_.SetWhole(call, file_, 1, kExclusive, false).ok());
  Request waiting([&] { return table_.SetWhole(CallContext(), file_, 2, kShared, true); });
  EXPECT_FALSE(waiting.done());
  table_.ReleaseHandle(file_, 1);
  EXPECT_EQ(waiting.Result(), 0);
}

TEST_F(LockTableTest, ManyThreadsCountWithoutLosing) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 200;
  int counter = 0;
  std::vector<std::unique_ptr<Request>> threads;
  for (uint64_t id = 1; id <= kThreads; ++id) {
    threads.push_back(std::make_unique<Request>([&, id]() -> absl::Status {
      for (int i = 0; i < kRounds; ++i) {
        S3FILES_RETURN_IF_ERROR(
            table_.Set(CallContext(), file_, {Named(id), kExclusive, {0, 1}}, true));
        ++counter;
        S3FILES_RETURN_IF_ERROR(
            table_.Set(CallContext(), file_, {Named(id), kNone, {0, 1}}, false));
      }
      return absl::OkStatus();
    }));
  }
  for (auto& thread : threads) EXPECT_EQ(thread->Result(), 0);
  threads.clear();
  EXPECT_EQ(counter, kThreads * kRounds);
}

// ---- In the file system ------------------------------------------------------------------------

class FileLocksTest : public testing::Test {
 protected:
  int Lock(Handle& handle, LockType type, uint64_t owner = 0, ByteRange range = kAll) {
    return ErrnoOf(host_.fs().LockRange(host_.call, handle,
                                        {FileSystem::OwnerOf(handle, owner), type, range}, false));
  }
  static FileSystemOptions Options() {
    FileSystemOptions options = Host::Options();
    options.entry_limit = 4;
    return options;
  }
  Bucket bucket_;
  Host host_{bucket_, Options()};
};

TEST_F(FileLocksTest, NeedTheRightHandle) {
  bucket_.Put("f", "bytes");
  const auto reader = host_.Open("f");
  const auto writer = host_.Open("f", kOpenWrite);
  const auto reference = host_.Open("f", kOpenPath);
  EXPECT_EQ(Lock(*reader, kExclusive), EBADF);
  EXPECT_EQ(Lock(*writer, kShared), EBADF);
  EXPECT_EQ(Lock(*reference, kShared), EBADF);
  EXPECT_EQ(ErrnoOf(host_.fs().LockWhole(host_.call, *reference, kShared, false)), EBADF);
  EXPECT_EQ(ErrnoOf(host_.fs().LockWhole(host_.call, *reader, kExclusive, false)), 0);
  EXPECT_EQ(Lock(*reader, kShared), 0);
  EXPECT_EQ(Lock(*writer, kExclusive), EAGAIN);
}

TEST_F(FileLocksTest, CloseReleasesTheHandlesOwnAndNoOthers) {
  bucket_.Put("f", "bytes");
  auto first = host_.Open("f", kOpenRead | kOpenWrite);
  const auto second = host_.Open("f", kOpenRead | kOpenWrite);
  ASSERT_EQ(Lock(*first, kExclusive, 0, {0, 5}), 0);
  ASSERT_EQ(Lock(*first, kExclusive, 7, {5, 10}), 0);
  ASSERT_TRUE(host_.fs().LockWhole(host_.call, *first, kExclusive, false).ok());
  ASSERT_TRUE(host_.Close(std::move(first)).ok());
  EXPECT_EQ(Lock(*second, kExclusive, 0, {0, 5}), 0);
  EXPECT_EQ(Lock(*second, kExclusive, 0, {5, 10}), EAGAIN);
  EXPECT_EQ(Lock(*second, kExclusive, 7, {5, 10}), 0) << "the owner is the application's";
  EXPECT_TRUE(host_.fs().LockWhole(host_.call, *second, kExclusive, false).ok());
}

TEST_F(FileLocksTest, SendNothingAndStayWithTheFileThroughARename) {
  bucket_.Put("a", "bytes");
  const auto handle = host_.Open("a", kOpenRead | kOpenWrite);
  host_.Requests();
  ASSERT_EQ(Lock(*handle, kExclusive), 0);
  EXPECT_EQ(host_.Requests(), "");
  ASSERT_TRUE(host_.Rename("a", "b").ok());
  const auto renamed = host_.Open("b");
  EXPECT_EQ(Lock(*renamed, kShared), EAGAIN);
  ASSERT_TRUE(host_.WriteFile("c", "new").ok());
  ASSERT_TRUE(host_.Rename("c", "b").ok());
  EXPECT_EQ(Lock(*host_.Open("b"), kShared), 0) << "another file has the name";
  EXPECT_EQ(Lock(*renamed, kShared), EAGAIN) << "and the lock is the old one's";
}

TEST_F(FileLocksTest, AFileWithLocksIsNotForgotten) {
  bucket_.Put("f", "bytes");
  auto handle = host_.Open("f");
  ASSERT_EQ(Lock(*handle, kShared, 7), 0);
  ASSERT_TRUE(host_.Close(std::move(handle)).ok());
  for (int i = 0; i < 20; ++i) {
    const std::string name = "other" + std::to_string(i);
    bucket_.Put(name, "bytes");
    EXPECT_EQ(host_.ReadFile(name), "bytes");
  }
  const auto again = host_.Open("f", kOpenWrite);
  EXPECT_EQ(Lock(*again, kExclusive), EAGAIN);
  EXPECT_EQ(Lock(*again, kNone, 7), 0);
  EXPECT_EQ(Lock(*again, kExclusive), 0);
}

}  // namespace
}  // namespace s3files
