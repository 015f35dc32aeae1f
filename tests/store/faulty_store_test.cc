#include "tests/store/faulty_store.h"

#include <cerrno>
#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"
#include "lib/store/memory_store.h"

namespace s3files {
namespace {

class FaultyStoreTest : public testing::Test {
 protected:
  absl::Status Put(const std::string& key, absl::string_view bytes) {
    MemorySource body(bytes);
    PutRequest request;
    request.key = key;
    return store_.Put(call_, request, body).status();
  }
  bool Exists(const std::string& key) { return store_.base().Head(call_, key).ok(); }

  const CallContext call_;
  FaultyStore store_{std::make_shared<MemoryStore>()};
};

TEST_F(FaultyStoreTest, FailsTheNthBeforeItsEffect) {
  store_.Fail(Op::kPut, Error(EIO, "broken"), FaultyStore::kBefore, 2);
  EXPECT_TRUE(Put("a", "1").ok());
  EXPECT_EQ(ErrnoOf(Put("b", "2")), EIO);
  EXPECT_TRUE(Put("c", "3").ok());
  EXPECT_FALSE(Exists("b"));
}

TEST_F(FaultyStoreTest, LosesTheReplyAfterTheEffect) {
  store_.Fail(Op::kPut, Error(ETIMEDOUT, "lost"), FaultyStore::kAfter, 1, 2, "b");
  EXPECT_TRUE(Put("a", "1").ok());
  EXPECT_EQ(ErrnoOf(Put("b", "2")), ETIMEDOUT);
  EXPECT_EQ(ErrnoOf(Put("b", "3")), ETIMEDOUT);
  EXPECT_TRUE(Put("b", "4").ok());
  EXPECT_TRUE(Exists("b"));
}

TEST_F(FaultyStoreTest, HoldsUntilReleased) {
  store_.Hold(Op::kPut, "held");
  std::thread writer([this] { EXPECT_TRUE(Put("held", "x").ok()); });
  EXPECT_TRUE(store_.AwaitHeld(Op::kPut));
  EXPECT_FALSE(Exists("held"));
  EXPECT_TRUE(Put("other", "y").ok());
  store_.Release(Op::kPut, "held");
  writer.join();
  EXPECT_TRUE(Exists("held"));
  EXPECT_EQ(store_.most_at_once(), 2);
}

TEST_F(FaultyStoreTest, HeldCallEndsByItsDeadline) {
  store_.Hold(Op::kHead);
  CallContext call;
  call.deadline_ns = MonotonicNanos() + 20'000'000;
  EXPECT_EQ(ErrnoOf(store_.Head(call, "a").status()), ETIMEDOUT);
}

TEST_F(FaultyStoreTest, RunsAForeignWriterInBetween) {
  ASSERT_TRUE(Put("a", "1").ok());
  store_.Run(Op::kGet, [this] { ASSERT_TRUE(Put("a", "other").ok()); });
  StringSink sink(100);
  EXPECT_TRUE(store_.Get(call_, {"a", {}, {}, false}, sink).ok());
  EXPECT_EQ(sink.bytes(), "other");
}

TEST_F(FaultyStoreTest, Logs) {
  PutRequest request;
  request.key = "a";
  request.precondition = Precondition::Is(Version::Absent());
  request.commit_id = "id";
  MemorySource body("12345");
  ASSERT_TRUE(store_.Put(call_, request, body).ok());
  ASSERT_TRUE(store_.AwaitCalls(Op::kPut, 1));
  EXPECT_FALSE(store_.AwaitCalls(Op::kPut, 2, absl::Milliseconds(1)));
  const auto log = store_.log(Op::kPut);
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log[0].key, "a");
  EXPECT_TRUE(log[0].precondition.create());
  EXPECT_EQ(log[0].commit_id, "id");
  EXPECT_EQ(log[0].size, 5u);
  store_.ClearLog();
  EXPECT_EQ(store_.count(Op::kPut), 0);
}

}  // namespace
}  // namespace s3files
