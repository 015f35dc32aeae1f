// The C++17 header: locks, copies from file to file, several buffers. [L1] [L2] [W11]
#include <chrono>
#include <cstdint>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "tests/api/hpp_fixture.h"

namespace {

using namespace std::chrono_literals;
using s3files::call;
using s3files::kNew;
using s3files::open_flags;

class HppIoTest : public s3files::HppFixture {};

TEST_F(HppIoTest, L1RangeLocksExcludeOtherFiles) {
  Write("a", "text");
  const s3files::file first = fs_.open("a", open_flags::read | open_flags::write);
  const s3files::file second = fs_.open("a", open_flags::read | open_flags::write);
  first.lock(s3files::lock_type::exclusive, {0, 10});
  EXPECT_FALSE(second.try_lock(s3files::lock_type::shared, {9, 1}));
  EXPECT_TRUE(second.try_lock(s3files::lock_type::exclusive, {10}));
  const s3f_lock conflict = first.test_lock(s3files::lock_type::shared);
  EXPECT_EQ(conflict.type, uint32_t{S3F_LOCK_EXCLUSIVE});
  EXPECT_EQ(conflict.start, 10u);
  EXPECT_EQ(conflict.length, 0u);
  second.lock(s3files::lock_type::shared, {}, call(code_).within(1ms));
  EXPECT_EQ(code_, std::errc::timed_out);
  first.lock(s3files::lock_type::exclusive, {}, call(code_).within(1ms));
  EXPECT_EQ(code_, std::errc::timed_out);
  first.unlock();
  second.lock(s3files::lock_type::shared);
  EXPECT_EQ(second.test_lock(s3files::lock_type::exclusive).type, uint32_t{S3F_LOCK_NONE});
  EXPECT_THROW(first.try_lock(s3files::lock_type::shared, {UINT64_MAX}), s3files::error);
}

TEST_F(HppIoTest, L1ANamedOwnerKeepsItsLocksAcrossFiles) {
  Write("a", "text");
  {
    const s3files::file file = fs_.open("a", open_flags::write);
    file.lock(s3files::lock_type::exclusive, {0, 1, 7});
  }
  const s3files::file file = fs_.open("a", open_flags::write);
  EXPECT_FALSE(file.try_lock(s3files::lock_type::exclusive));
  EXPECT_EQ(file.test_lock(s3files::lock_type::exclusive).owner, 7u);
  file.unlock({0, 0, 7});
  EXPECT_TRUE(file.try_lock(s3files::lock_type::exclusive));
}

TEST_F(HppIoTest, L2FlockIsOneLockOfTheWholeFile) {
  Write("a", "text");
  const s3files::file first = fs_.open("a", open_flags::read);
  const s3files::file second = fs_.open("a", open_flags::read);
  first.flock(s3files::lock_type::exclusive);
  EXPECT_TRUE(second.try_lock(s3files::lock_type::shared)) << "apart from ranges";
  EXPECT_FALSE(second.try_flock(s3files::lock_type::shared));
  second.flock(s3files::lock_type::shared, call(code_).within(1ms));
  EXPECT_EQ(code_, std::errc::timed_out);
  first.flock(s3files::lock_type::none);
  EXPECT_TRUE(second.try_flock(s3files::lock_type::shared));
}

TEST_F(HppIoTest, W11ACopyIsMadeByTheStore) {
  Write("a", std::string(100000, 'x'));
  const s3files::file from = fs_.open("a", open_flags::read);
  s3files::file to = fs_.open("b", kNew | open_flags::read);
  const auto before = fs_.stats();
  EXPECT_EQ(to.copy_from(from, 0, 0, UINT64_MAX), 100000u);
  to.close();
  EXPECT_EQ(fs_.stats().copy, before.copy + 1);
  EXPECT_EQ(fs_.stats().put, before.put);
  EXPECT_EQ(Read(other_, "b"), std::string(100000, 'x'));
  s3files::file elsewhere = other_.open("c", kNew);
  elsewhere.copy_from(from, 0, 0, 1, code_);
  EXPECT_EQ(code_, std::errc::cross_device_link);
}

TEST_F(HppIoTest, SeveralBuffersAreOneCall) {
  s3files::file file = fs_.open("a", kNew | open_flags::read);
  char one[] = "one", two[] = "two", read[4] = "";
  const s3f_iovec out[] = {{one, 3}, {nullptr, 0}, {two, 3}};
  file.pwritev(out, 3, 1);
  const s3f_iovec in[] = {{one, 2}, {read, 4}};
  EXPECT_EQ(file.preadv(in, 2, 2), 5u);
  EXPECT_EQ(std::string(one, 2) + std::string(read, 3), "netwo");
  const std::vector<s3f_iovec> many(1025, s3f_iovec{one, 1});
  file.preadv(many.data(), 1025, 0, code_);
  EXPECT_EQ(code_, std::errc::invalid_argument);
  const s3f_iovec missing[] = {{nullptr, 1}};
  file.pwritev(missing, 1, 0, code_);
  EXPECT_EQ(code_, std::errc::invalid_argument);
  const s3f_iovec endless[] = {{one, SIZE_MAX}, {one, 2}};
  file.pwritev(endless, 2, 0, code_);
  EXPECT_EQ(code_, std::errc::invalid_argument);
}

TEST_F(HppIoTest, StatfsSendsNothing) {
  const auto before = fs_.stats();
  const s3f_statfs_out stated = fs_.statfs();
  EXPECT_EQ(stated.blocks * stated.block_size, uint64_t{1} << 50);
  EXPECT_EQ(stated.blocks_free, stated.blocks);
  EXPECT_EQ(stated.files_free, uint64_t{1} << 40);
  EXPECT_EQ(stated.name_max, 255u);
  EXPECT_EQ(stated.read_only, 0u);
  EXPECT_EQ(fs_.stats().list, before.list);
}

}  // namespace
