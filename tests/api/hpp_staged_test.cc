// The C++17 header: what is staged, and the application's part in what becomes of it. [W12] [D5]
#include <chrono>
#include <string>
#include <vector>

#include "tests/api/hpp_fixture.h"

namespace {

using s3files::conflict;
using s3files::conflict_decision;
using s3files::file;
using s3files::handlers;
using s3files::staged_state;

std::string All(const file& from) {
  std::string bytes(100, '\0');
  bytes.resize(from.pread(bytes.data(), bytes.size(), 0));
  return bytes;
}

class HppStagedTest : public s3files::HppFixture {
 protected:
  s3files::file_system Staging(handlers call_back = {}) {
    return s3files::file_system(url_, {{"commit_delay", "1h"}}, std::move(call_back));
  }
  void Stage(const s3files::file_system& fs, const std::string& path, const std::string& bytes) {
    file out = fs.open(path, s3files::kNew | s3files::open_flags::truncate);
    out.pwrite(bytes.data(), bytes.size(), 0);
    out.close();
  }
};

TEST_F(HppStagedTest, W12AHandlerMerges) {
  handlers call_back;
  call_back.on_conflict = [](conflict& asked) {
    const std::string merged = All(asked.mine) + "+" + All(asked.theirs);
    EXPECT_FALSE(asked.base) << "the file was new";
    asked.result.pwrite(merged.data(), merged.size(), 0);
    return conflict_decision::merged;
  };
  s3files::file_system fs = Staging(std::move(call_back));
  Stage(fs, "f", "mine");
  Write("f", "theirs");
  EXPECT_EQ(fs.commit("f").files, 1u);
  EXPECT_EQ(Read(other_, "f"), "mine+theirs");
  fs.close();
}

TEST_F(HppStagedTest, ACommitSaysWhatItDid) {
  s3files::file_system fs = Staging();
  Stage(fs, "f", "mine");
  EXPECT_EQ(fs.diff("").put, 1u);
  const auto next = fs.status("f").next_attempt;
  ASSERT_TRUE(next);
  EXPECT_GT(*next, std::chrono::steady_clock::now());
  const s3files::commit_info done = fs.commit("f");
  EXPECT_EQ(done.bytes, 4u);
  EXPECT_EQ(done.etag, other_.stat("f").etag);
  EXPECT_FALSE(fs.status("f").next_attempt);
  fs.close();
}

TEST_F(HppStagedTest, D5BarriersAndCommitsThatNobodyWaitsFor) {
  s3files::file_system fs = Staging();
  Stage(fs, "data", "bytes");
  fs.barrier();
  Stage(fs, "index", "of data");
  fs.commit_soon("index");
  fs.close();  // waits for it
  EXPECT_EQ(Read(other_, "data"), "bytes");
  EXPECT_EQ(Read(other_, "index"), "of data");
}

}  // namespace
