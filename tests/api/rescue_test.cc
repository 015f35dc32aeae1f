// What a state directory holds, through the C ABI and its C++ face. Damage is tested in tests/journal.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "s3files/s3files.hpp"

namespace {

using s3files::open_flags;
using ::testing::HasSubstr;

class RescueApiTest : public ::testing::Test {
 protected:
  RescueApiTest() {
    std::string name = testing::TempDir() + "/s3files-rescue-api-XXXXXX";
    dir_ = mkdtemp(name.data());
    std::filesystem::create_directory(dir_ + "/bucket");
    url_ = "file://" + dir_ + "/bucket";
    state_ = dir_ + "/state";
  }
  ~RescueApiTest() override { std::filesystem::remove_all(dir_); }

  s3files::file_system Open(const std::string& state_dir) const {
    s3files::options options = {{"fsync", "off"}};
    if (!state_dir.empty()) {
      options["state_dir"] = state_dir;
      options["commit_delay"] = "never";
    }
    return s3files::file_system(url_, options);
  }
  // A committed file, and then a staged change of it, a new one, and one with a strange name.
  void Stage() const {
    s3files::file_system before = Open("");
    s3files::ofstream out(before, "changed");
    out << "0123456789";
    out.close();
    before.close();
    s3files::file_system fs = Open(state_);
    s3files::file changed = fs.open("changed", open_flags::read | open_flags::write);
    changed.pwrite("XX", 2, 3);
    changed.close();
    fs.mkdir("d");
    for (const char* name : {"d/new", "d/\n\xff"}) {
      s3files::file made = fs.open(name, open_flags::write | open_flags::create, 0600);
      made.pwrite("new", 3, 0);
      made.close();
    }
    fs.close();
  }

  std::string dir_, url_, state_;
};

TEST_F(RescueApiTest, TellsAndReadsWhatIsStaged) {
  Stage();
  s3files::rescue state(state_);
  EXPECT_EQ(state.info().whole, 1u);
  EXPECT_EQ(std::string(state.info().url), url_ + "/");
  EXPECT_EQ(std::string(state.info().message), "");
  ASSERT_TRUE(state.next());
  EXPECT_EQ(std::string(state.entry().path), "changed");
  EXPECT_EQ(state.entry().kind, unsigned{S3F_RESCUE_STAGED});
  EXPECT_EQ(state.entry().type, unsigned{S3F_TYPE_FILE});
  EXPECT_EQ(state.entry().size, 10u);
  EXPECT_EQ(state.entry().staged_bytes, 2u);
  EXPECT_NE(std::string(state.entry().etag), "");
  const std::vector<s3f_rescue_range> ranges = state.ranges();
  ASSERT_EQ(ranges.size(), 3u);
  EXPECT_EQ(ranges[1].offset, 3u);
  EXPECT_EQ(ranges[1].size, 2u);
  EXPECT_EQ(ranges[1].where, unsigned{S3F_RESCUE_HERE});
  EXPECT_EQ(ranges[2].where, unsigned{S3F_RESCUE_IN_STORE});
  char bytes[10];
  EXPECT_EQ(state.read(bytes, 10, 3), 2u);
  EXPECT_EQ(std::string(bytes, 2), "XX");
  std::error_code code;
  state.read(bytes, 10, 0, code);
  EXPECT_EQ(code.value(), ENODATA);
  EXPECT_THAT(s3files::last_error().message(), HasSubstr("in the store"));
  ASSERT_TRUE(state.next());
  EXPECT_EQ(std::string(state.entry().path), "d/new");
  EXPECT_EQ(state.entry().mode, 0600u);
  EXPECT_EQ(std::string(state.entry().etag), "");
  EXPECT_EQ(state.read(bytes, 10, 0), 3u);
  ASSERT_TRUE(state.next());
  EXPECT_EQ(std::string(state.entry().path), "d/\n\xff");
  EXPECT_FALSE(state.next());
  EXPECT_TRUE(state.ranges().empty());
}

TEST_F(RescueApiTest, ManyRanges) {
  constexpr int kRanges = 200;
  {
    s3files::file_system fs = Open("");
    s3files::file file = fs.open("f", open_flags::write | open_flags::create);
    file.truncate(10 * kRanges);
    file.close();
  }
  {
    s3files::file_system fs = Open(state_);
    s3files::file file = fs.open("f", open_flags::write);
    for (int i = 0; i < kRanges; ++i) file.pwrite("x", 1, static_cast<std::uint64_t>(10 * i + 5));
    file.close();
    fs.close();
  }
  s3files::rescue state(state_);
  ASSERT_TRUE(state.next());
  const auto ranges = state.ranges();
  ASSERT_EQ(ranges.size(), 2u * kRanges + 1);
  std::uint64_t end = 0;
  for (const s3f_rescue_range& range : ranges) {
    EXPECT_EQ(range.offset, end);
    end += range.size;
  }
  EXPECT_EQ(end, 10u * kRanges);
}

TEST_F(RescueApiTest, RulesOfTheAbi) {
  EXPECT_EQ(s3f_rescue_open(nullptr, nullptr, state_.c_str(), nullptr), -EINVAL);
  s3f_rescue* rescue = nullptr;
  EXPECT_EQ(s3f_rescue_open(&rescue, nullptr, nullptr, nullptr), -EINVAL);
  EXPECT_EQ(s3f_rescue_open(&rescue, nullptr, state_.c_str(), nullptr), -ENOENT);
  Stage();
  s3f_rescue_info info = {};
  EXPECT_EQ(s3f_rescue_open(&rescue, &info, state_.c_str(), nullptr), -EINVAL);
  ASSERT_EQ(s3f_rescue_open(&rescue, nullptr, state_.c_str(), nullptr), 0);
  s3f_rescue_entry entry = {};
  EXPECT_EQ(s3f_rescue_next(&entry, rescue, nullptr), -EINVAL);
  entry = S3F_INIT(s3f_rescue_entry);
  EXPECT_EQ(s3f_rescue_next(&entry, rescue, nullptr), 1);
  EXPECT_STREQ(entry.path, "changed");
  EXPECT_EQ(s3f_rescue_read(nullptr, 1, 0, rescue, nullptr), -EINVAL);
  EXPECT_EQ(s3f_rescue_ranges(nullptr, 1, 0, rescue, nullptr), -EINVAL);
  EXPECT_EQ(s3f_rescue_next(&entry, nullptr, nullptr), -EINVAL);
  const pid_t child = fork();
  if (child == 0) {
    const bool busy = s3f_rescue_next(&entry, rescue, nullptr) == -EBUSY;
    s3f_rescue_close(rescue);
    s3f_rescue* own = nullptr;
    // The parent's lock is still there, and is shared by those that read.
    const bool opened = s3f_rescue_open(&own, nullptr, state_.c_str(), nullptr) == 0;
    _exit(busy && opened ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  std::error_code code;
  s3files::file_system fs(url_, {{"state_dir", state_}}, code);
  EXPECT_EQ(code.value(), EBUSY);
  s3f_rescue_close(rescue);
  s3f_rescue_close(nullptr);
  s3files::file_system again = Open(state_);
  EXPECT_EQ(again.staged().size(), 3u);
}

}  // namespace
