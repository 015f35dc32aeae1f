// What this file system does to a file must not look to itself like somebody else's doing. Found by
// `./dev stress names`.
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "lib/base/errors.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

// Runs `work` in a thread, and returns when that waits for something.
class Waiter {
 public:
  explicit Waiter(std::function<void()> work)
      : thread_([this, work = std::move(work)] {
          id_ = static_cast<pid_t>(syscall(SYS_gettid));
          work();
          id_ = -1;
        }) {
    while (id_ >= 0 && !Waits()) sched_yield();
  }
  ~Waiter() { thread_.join(); }

 private:
  bool Waits() const {
    std::ifstream file(absl::StrCat("/proc/self/task/", id_.load(), "/stat"));
    std::string stat;
    std::getline(file, stat);
    const size_t name_end = stat.rfind(')');
    return id_ > 0 && name_end != std::string::npos && stat.compare(name_end, 3, ") S") == 0;
  }

  std::atomic<pid_t> id_{0};  // -1: it has ended
  std::thread thread_;
};

class OwnChangesTest : public testing::Test {
 protected:
  static FileSystemOptions Delayed() {
    FileSystemOptions options = Host::Options();
    options.commit.delay_ns = int64_t{3600} * 1'000'000'000;
    return options;
  }

  Bucket bucket_;
  Host host_{bucket_};
};

// [C5] [N4] An open by the old name waits for the rename. What it finds there in the end is another
// file, or none: nothing that is said of the renamed one, whose handles go on.
TEST_F(OwnChangesTest, N4WhatWaitedForARenameSaysNothingOfTheRenamedFile) {
  for (const bool another : {false, true}) {
    bucket_.Put("c", "renamed");
    std::unique_ptr<Handle> handle = host_.Open("c", kOpenRead | kOpenWrite);
    EXPECT_EQ(host_.Read(*handle), "renamed");
    if (another) {
      host_.store().Run(
          Op::kDelete, [&] { bucket_.Put("c", "other"); }, FaultyStore::kAfter);
    }
    host_.store().Hold(Op::kDelete, "c");
    std::thread renaming(
        [&] { EXPECT_TRUE(host_.fs().Rename(CallContext(), nullptr, "c", nullptr, "d", 0).ok()); });
    ASSERT_TRUE(host_.store().AwaitHeld(Op::kDelete));
    {
      const Waiter opening([&] {
        EXPECT_EQ(host_.ReadFile("c"), another ? "other" : absl::StrCat("errno ", ENOENT));
      });
      host_.store().ReleaseAll();
      renaming.join();
    }
    EXPECT_EQ(host_.Read(*handle), "renamed");
    EXPECT_TRUE(host_.Write(*handle, 0, "REN").ok());
    EXPECT_EQ(host_.ReadFile("d"), "RENamed");
    EXPECT_TRUE(host_.Close(std::move(handle)).ok());
    EXPECT_EQ(bucket_.Get("d"), "RENamed");
    bucket_.Delete("c");
    bucket_.Delete("d");
  }
}

// [C6] A staged change is seen while its commit is under way, whether that succeeds or not.
TEST_F(OwnChangesTest, C6AStagedXattrIsSeenWhileItIsCommitted) {
  for (const bool with_bytes : {false, true}) {
    bucket_.Put(kFile, "bytes");
    Host host(bucket_, Delayed());
    std::unique_ptr<Handle> handle = host.Open(kFile, kOpenRead | kOpenWrite);
    if (with_bytes) {
      ASSERT_TRUE(host.Write(*handle, 0, "B").ok());
    }
    ASSERT_TRUE(host.SetXattr(kFile, "user.x", "1").ok());
    const Op write = with_bytes ? Op::kPut : Op::kCopy;
    for (const bool fails : {true, false}) {
      host.store().Hold(write);
      if (fails) host.store().Fail(write, Error(EACCES, "no"));
      std::thread committing([&] {
        const absl::Status status = host.fs().Commit(CallContext(), nullptr, kFile);
        EXPECT_EQ(ErrnoOf(status), fails ? EACCES : 0);
      });
      ASSERT_TRUE(host.store().AwaitHeld(write));
      const absl::StatusOr<std::string> seen =
          host.fs().GetXattr(host.call, handle.get(), "", true, "user.x");
      EXPECT_TRUE(seen.ok() && *seen == "1") << seen.status();
      host.store().ReleaseAll();
      committing.join();
      if (!fails) continue;
      EXPECT_EQ(host.GetXattr(kFile, "user.x").value_or("none"), "1");
    }
    EXPECT_EQ(bucket_.Head(kFile).metadata.user.count("x"), 1u);
    ASSERT_TRUE(host.Close(std::move(handle)).ok());
  }
}

// [W4] What a failed commit had taken can be dropped.
TEST_F(OwnChangesTest, W4ADiscardedXattrIsNotShown) {
  bucket_.Put(kFile, "bytes");
  Host host(bucket_, Delayed());
  ASSERT_TRUE(host.SetXattr(kFile, "user.x", "1").ok());
  host.store().Fail(Op::kCopy, Error(EACCES, "no"));
  EXPECT_EQ(ErrnoOf(host.Commit(kFile)), EACCES);
  ASSERT_TRUE(host.Discard(kFile).ok());
  EXPECT_EQ(ErrnoOf(host.GetXattr(kFile, "user.x").status()), ENODATA);
}

}  // namespace
}  // namespace s3files
