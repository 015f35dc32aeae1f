// The C++17 header, on memory://. It is all this includes of the library, as an application would.
#include "tests/api/hpp_fixture.h"

#include <cerrno>
#include <chrono>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using s3files::call;
using s3files::fields;
using s3files::kNew;
using s3files::open_flags;

class HppTest : public s3files::HppFixture {};

// ------------------------------------------------------------------------------------------------
// Errors and calls

TEST_F(HppTest, FailureThrowsWithDetail) {
  try {
    fs_.stat("none");
    FAIL();
  } catch (const s3files::error& failure) {
    EXPECT_EQ(failure.code(), std::errc::no_such_file_or_directory);
    EXPECT_NE(std::string(failure.what()).find(failure.message()), std::string::npos);
    EXPECT_NE(std::string(failure.message()).find("none"), std::string::npos);
    EXPECT_GE(failure.http_status(), 0);
    EXPECT_STRNE(failure.s3_code(), nullptr);
    EXPECT_STRNE(failure.request_id(), nullptr);
    const s3files::error copy = failure;
    EXPECT_STREQ(copy.message(), failure.message());
  }
}

TEST_F(HppTest, ErrorCodeIsSetAndCleared) {
  fs_.stat("none", code_);
  EXPECT_EQ(code_, std::errc::no_such_file_or_directory);
  EXPECT_EQ(s3files::last_error().code(), code_);
  fs_.stat("", code_);
  EXPECT_FALSE(code_);
}

TEST_F(HppTest, ErrorCodeVariantsReturnEmptyValues) {
  EXPECT_FALSE(fs_.open("none", open_flags::read, code_));
  EXPECT_TRUE(code_);
  EXPECT_EQ(fs_.stat("none", code_).filled, 0u);
  EXPECT_TRUE(fs_.list("none", code_) == s3files::directory_iterator());
  EXPECT_TRUE(code_);
  s3files::file_system none("ftp://x", code_);
  EXPECT_FALSE(none);
  EXPECT_EQ(code_, std::errc::invalid_argument);
}

TEST_F(HppTest, WhatIsNotOpenIsAnInvalidArgument) {
  s3files::file_system no_fs;
  s3files::file no_file;
  char byte = 0;
  EXPECT_FALSE(no_fs);
  EXPECT_FALSE(no_file);
  no_fs.stat("a", code_);
  EXPECT_EQ(code_, std::errc::invalid_argument);
  no_fs.stats(code_);
  EXPECT_EQ(code_, std::errc::invalid_argument);
  no_file.pread(&byte, 1, 0, code_);
  EXPECT_EQ(code_, std::errc::invalid_argument);
  no_file.pwrite(&byte, 1, 0, code_);
  EXPECT_EQ(code_, std::errc::invalid_argument);
  fs_.stat({no_file, "a"}, code_);
  EXPECT_EQ(code_, std::errc::invalid_argument);
  no_file.close(code_);
  EXPECT_FALSE(code_);
  no_file.abandon(code_);
  EXPECT_FALSE(code_);
  no_fs.close(code_);
  EXPECT_FALSE(code_);
}

TEST_F(HppTest, PathWithNulIsRefused) {
  Write("a", "x");
  fs_.stat(std::string("a\0b", 3), code_);
  EXPECT_EQ(code_, std::errc::invalid_argument);
}

TEST_F(HppTest, DeadlinePasses) {
  fs_.commit(call(code_).within(-1s));
  EXPECT_EQ(code_, std::errc::timed_out);
  fs_.commit(call(code_).until(std::chrono::steady_clock::now() - 1s));
  EXPECT_EQ(code_, std::errc::timed_out);
  fs_.commit(call(code_).within(std::chrono::nanoseconds::max()));
  EXPECT_FALSE(code_);
  fs_.commit(call().within(1h));
}

TEST_F(HppTest, CancelTokenEndsCalls) {
  s3files::cancel_token token;
  const call cancellable = call(code_).cancelled_by(token);
  fs_.stat("", cancellable);
  EXPECT_FALSE(code_);
  token.fire();
  fs_.stat("", cancellable);
  EXPECT_EQ(code_, std::errc::operation_canceled);
}

TEST_F(HppTest, IdentityAndUmaskMakeNewFiles) {
  s3files::identity who;
  who.uid = 7;
  who.gid = 8;
  who.groups = {9, 10};
  fs_.mkdir("d", 0777, call().umask(0));
  fs_.open("d/a", kNew, 0666, call().as(who).umask(027)).close();
  const s3files::attributes attr = fs_.stat("d/a");
  EXPECT_EQ(attr.uid, 7u);
  EXPECT_EQ(attr.gid, 8u);
  EXPECT_EQ(attr.mode, 0640u);
}

// ------------------------------------------------------------------------------------------------
// Files

TEST_F(HppTest, FileReadsAndWrites) {
  s3files::file file = fs_.open("a", kNew | open_flags::read);
  EXPECT_TRUE(file);
  EXPECT_TRUE(contains(file.flags(), open_flags::read));
  file.pwrite("hello", 5, 0);
  EXPECT_EQ(file.append(" you", 4), 5u);
  file.truncate(7);
  EXPECT_EQ(file.stat().size, 7u);
  char text[10] = {};
  EXPECT_EQ(file.pread(text, sizeof text, 1), 6u);
  EXPECT_STREQ(text, "ello y");
  file.fsync();
  EXPECT_EQ(Read(other_, "a"), "hello y");
  file.close();
  EXPECT_FALSE(file);
  file.close();
}

TEST_F(HppTest, OnlyClosePublishes) {
  Write("a", "before");
  {
    s3files::file file = fs_.open("a", open_flags::write);
    file.pwrite("after!", 6, 0);
  }
  EXPECT_EQ(Read(fs_, "a"), "before");
  {
    s3files::file file = fs_.open("b", kNew);
    file.pwrite("b", 1, 0);
    file.abandon();
    EXPECT_FALSE(file);
  }
  EXPECT_FALSE(fs_.exists("b"));
}

TEST_F(HppTest, MovingAFileLeavesOneOwner) {
  s3files::file first = fs_.open("a", kNew);
  first.pwrite("1", 1, 0);
  s3files::file second = std::move(first);
  EXPECT_FALSE(first);
  second = fs_.open("b", kNew);  // abandons a
  second.pwrite("2", 1, 0);
  second.close();
  EXPECT_FALSE(fs_.exists("a"));
  EXPECT_TRUE(fs_.exists("b"));
}

TEST_F(HppTest, FilesKeepTheirFileSystem) {
  s3files::file file;
  {
    s3files::file_system fs(url_);
    file = fs.open("a", kNew);
  }
  file.pwrite("x", 1, 0);
  file.close();
  EXPECT_EQ(Read(fs_, "a"), "x");
}

TEST_F(HppTest, ExclusiveAndDirectoryFlags) {
  Write("a", "x");
  EXPECT_THROW(fs_.open("a", kNew | open_flags::exclusive), s3files::error);
  fs_.open("a", kNew | open_flags::exclusive, code_);
  EXPECT_EQ(code_, std::errc::file_exists);
  fs_.open("a", open_flags::read | open_flags::directory, code_);
  EXPECT_EQ(code_, std::errc::not_a_directory);
}

// ------------------------------------------------------------------------------------------------
// Names and directories

TEST_F(HppTest, StatAndExists) {
  Write("a", "12345");
  const s3files::attributes attr = fs_.stat("a", fields::size | fields::type);
  EXPECT_TRUE(attr.has(fields::size | fields::type));
  EXPECT_TRUE(attr.is_file());
  EXPECT_EQ(attr.size, 5u);
  const auto age = std::chrono::system_clock::now() - fs_.stat("a").modified();
  EXPECT_LT(age, 1h);
  EXPECT_GT(age, -1h);
  EXPECT_TRUE(fs_.exists("a"));
  EXPECT_FALSE(fs_.exists("none"));
  EXPECT_FALSE(fs_.exists("a/below", code_));
  EXPECT_FALSE(code_);
  s3files::cancel_token token;
  token.fire();
  EXPECT_THROW(fs_.exists("a", call().cancelled_by(token)), s3files::error);
  EXPECT_FALSE(fs_.exists("a", call(code_).cancelled_by(token)));
  EXPECT_EQ(code_, std::errc::operation_canceled);
}

TEST_F(HppTest, DirectoriesAndPathsRelativeToThem) {
  fs_.mkdir("d");
  EXPECT_THROW(fs_.mkdir("d"), s3files::error);
  const s3files::file d = fs_.open("d", open_flags::read | open_flags::directory);
  s3files::file made = fs_.open({d, "x"}, kNew);
  made.close();
  EXPECT_TRUE(fs_.exists("d/x"));
  EXPECT_TRUE(fs_.exists({d, std::string("x")}));
  fs_.rename({d, "x"}, {d, "y"});
  EXPECT_TRUE(fs_.exists("d/y"));
  fs_.rmdir("d", code_);
  EXPECT_EQ(code_, std::errc::directory_not_empty);
  fs_.unlink({d, "y"});
  fs_.rmdir("d");
  EXPECT_FALSE(fs_.exists("d"));
}

TEST_F(HppTest, RenameReplacesUnlessToldNot) {
  Write("a", "1");
  Write("b", "2");
  fs_.rename("a", "b", s3files::rename_flags::no_replace, code_);
  EXPECT_EQ(code_, std::errc::file_exists);
  fs_.rename("a", "b");
  EXPECT_EQ(Read(fs_, "b"), "1");
  EXPECT_FALSE(fs_.exists("a"));
  EXPECT_THROW(fs_.unlink("a"), s3files::error);
}

TEST_F(HppTest, ListIteratesInOrderOverManyBatches) {
  fs_.mkdir("d");
  std::vector<std::string> expected;
  for (int i = 100; i < 250; ++i) {
    expected.push_back(std::to_string(i));
    Write("d/" + expected.back(), "x");
  }
  fs_.mkdir("d/sub");
  expected.push_back("sub");
  std::vector<std::string> names;
  for (const s3files::directory_entry& entry : fs_.list("d")) {
    names.push_back(entry.name());
    EXPECT_EQ(entry.is_directory(), entry.name() == "sub");
    EXPECT_EQ(entry.is_file(), entry.name() != "sub");
    EXPECT_EQ(entry.attributes().size, entry.is_file() ? 1u : 0u);
  }
  EXPECT_EQ(names, expected);
}

TEST_F(HppTest, ListReportsErrorsOfEachStep) {
  Write("a", "x");
  EXPECT_THROW(fs_.list("none"), s3files::error);
  fs_.list("a", code_);
  EXPECT_EQ(code_, std::errc::not_a_directory);
  s3files::directory_iterator it = fs_.list("", fields::all, code_);
  EXPECT_FALSE(code_);
  EXPECT_EQ(it->name(), "a");
  EXPECT_TRUE(it->attributes().has(fields::all));
  it.increment(code_);
  EXPECT_FALSE(code_);
  EXPECT_TRUE(it == s3files::directory_iterator());
}

// ------------------------------------------------------------------------------------------------
// Staged changes and the file system's own life

TEST_F(HppTest, StagedChangesAreCommittedOrDiscarded) {
  s3files::file_system fs(url_, {{"commit_delay", "1h"}});
  s3files::ofstream out(fs, "a");
  out << "12345";
  out.close();
  EXPECT_FALSE(other_.exists("a"));
  const s3files::status_info status = fs.status("a");
  EXPECT_EQ(status.state, s3files::staged_state::staged);
  EXPECT_EQ(status.staged_bytes, 5u);
  EXPECT_FALSE(status.code);
  EXPECT_EQ(fs.staged().size(), 1u);
  fs.commit("a");
  EXPECT_EQ(Read(other_, "a"), "12345");
  EXPECT_EQ(fs.status("a").state, s3files::staged_state::clean);
  fs.open("b", kNew).close();
  fs.discard("b");
  EXPECT_FALSE(fs.exists("b"));
  EXPECT_TRUE(fs.staged().empty());
}

TEST_F(HppTest, ConflictIsEstale) {
  Write("a", "first");
  s3files::file mine = fs_.open("a", open_flags::write);
  mine.pwrite("mine!", 5, 0);
  s3files::file theirs = other_.open("a", open_flags::write);
  theirs.pwrite("theirs", 6, 0);
  theirs.close();
  mine.close(code_);
  EXPECT_EQ(code_.value(), ESTALE);
  EXPECT_FALSE(mine);
  EXPECT_EQ(Read(fs_, "a"), "theirs");
}

TEST_F(HppTest, EventsArrive) {
  std::vector<std::string> paths;
  s3files::file_system fs(url_, {}, [&](const s3files::event& event) {
    if (event.kind != s3files::event_kind::committed) return;
    EXPECT_EQ(event.bytes, 3u);
    EXPECT_FALSE(event.code);
    paths.emplace_back(event.path);
  });
  s3files::ofstream out(fs, "a");
  out << "abc";
  out.close();
  ASSERT_EQ(paths.size(), 1u);
  EXPECT_NE(paths[0].find('a'), std::string::npos);
}

TEST_F(HppTest, StatsCount) {
  Write("a", "x");
  EXPECT_GE(fs_.stats().commits, 1u);
  EXPECT_GT(fs_.stats().memory_limit, 0u);
}

TEST_F(HppTest, UnknownOptionIsRefused) {
  EXPECT_THROW(s3files::file_system("memory://x", {{"memroy", "64M"}}), s3files::error);
  s3files::file_system fs("memory://x", {{"memroy", "64M"}}, code_);
  EXPECT_EQ(code_, std::errc::invalid_argument);
  EXPECT_FALSE(fs);
}

TEST_F(HppTest, CloseLeavesItOpenWhereFilesAre) {
  s3files::file file = fs_.open("a", kNew);
  fs_.close(code_);
  EXPECT_EQ(code_, std::errc::device_or_resource_busy);
  EXPECT_TRUE(fs_);
  file.close();
  fs_.close();
  EXPECT_FALSE(fs_);
}

TEST_F(HppTest, CloseDiscardingEndsOpenFiles) {
  s3files::file file = fs_.open("a", kNew);
  fs_.close_discarding();
  EXPECT_FALSE(fs_);
  file.pwrite("x", 1, 0, code_);
  EXPECT_EQ(code_, std::errc::bad_file_descriptor);
}

TEST_F(HppTest, MovingAFileSystemKeepsItOpen) {
  s3files::file_system moved = std::move(fs_);
  EXPECT_FALSE(fs_);
  moved.mkdir("d");
  fs_ = std::move(moved);
  EXPECT_TRUE(fs_.exists("d"));
}

// ------------------------------------------------------------------------------------------------
// Streams

TEST_F(HppTest, StreamsWriteAndRead) {
  s3files::ofstream out(fs_, "a");
  EXPECT_TRUE(out.is_open());
  for (int i = 0; i < 100000; ++i) out << i << '\n';
  EXPECT_TRUE(out.flush());
  EXPECT_FALSE(other_.exists("a"));
  out.close();
  EXPECT_FALSE(out.is_open());
  s3files::ifstream in(other_, "a");
  for (int i = 0, got = -1; i < 100000; ++i) {
    ASSERT_TRUE(in >> got);
    ASSERT_EQ(got, i);
  }
  int more;
  EXPECT_FALSE(in >> more);
  EXPECT_TRUE(in.eof());
}

TEST_F(HppTest, LargeReadsAndWritesPassTheBuffer) {
  std::string text(1 << 20, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 256);
  s3files::ofstream out(fs_, "a");
  out.write(text.data(), 100);
  out.write(text.data() + 100, static_cast<std::streamsize>(text.size() - 200));
  EXPECT_EQ(out.tellp(), static_cast<std::streamoff>(text.size() - 100));
  out.write(text.data() + text.size() - 100, 100);
  out.close();
  std::string got(text.size() + 10, '\0');
  s3files::ifstream in(fs_, "a");
  in.get(got[0]);
  in.read(&got[1], 500000);
  in.unget();
  EXPECT_EQ(in.tellg(), in.bad() || in.fail() ? -1 : 500000);
  in.clear();
  in.seekg(500001);
  in.read(&got[500001], static_cast<std::streamsize>(got.size() - 500001));
  EXPECT_EQ(in.gcount(), static_cast<std::streamsize>(text.size() - 500001));
  got.resize(text.size());
  EXPECT_EQ(got, text);
}

TEST_F(HppTest, StreamSeeks) {
  Write("a", "0123456789");
  s3files::ifstream in(fs_, "a");
  EXPECT_EQ(in.get(), '0');
  EXPECT_EQ(in.tellg(), 1);
  in.seekg(-2, std::ios::end);
  EXPECT_EQ(in.get(), '8');
  in.seekg(-4, std::ios::cur);
  EXPECT_EQ(in.get(), '5');
  in.unget();
  EXPECT_EQ(in.get(), '5');
  in.seekg(-1);
  EXPECT_TRUE(in.fail());
}

TEST_F(HppTest, FstreamUpdatesInPlace) {
  Write("a", "0123456789");
  s3files::fstream both(fs_, "a");
  std::string two(2, ' ');
  both.read(&two[0], 2);
  both << "xy";
  both.read(&two[0], 2);
  EXPECT_EQ(two, "45");
  EXPECT_EQ(both.tellp(), 6);
  both.seekp(8);
  both << 'z';
  both.close();
  EXPECT_EQ(Read(other_, "a"), "01xy4567z9");
}

TEST_F(HppTest, AppendingStreamGoesToTheEnd) {
  Write("a", "one");
  s3files::ofstream out(fs_, "a", open_flags::append);
  out << " two";
  out.flush();
  EXPECT_EQ(out.tellp(), 7);
  out.close();
  EXPECT_EQ(Read(fs_, "a"), "one two");
}

TEST_F(HppTest, StreamOnNoFileFails) {
  EXPECT_THROW(s3files::ifstream(fs_, "none"), s3files::error);
  s3files::ifstream in(fs_, "none", code_);
  EXPECT_EQ(code_, std::errc::no_such_file_or_directory);
  EXPECT_FALSE(in);
  EXPECT_FALSE(in.is_open());
}

TEST_F(HppTest, UnwoundStreamPublishesNothing) {
  Write("a", "before");
  try {
    s3files::ofstream out(fs_, "a");
    out << "half" << std::flush;
    throw std::runtime_error("half way");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(Read(fs_, "a"), "before");
  EXPECT_EQ(Read(other_, "a"), "before");
  {
    s3files::ofstream out(fs_, "b");
    out << "never closed";
  }
  {
    s3files::ofstream out(fs_, "b");
    out << "given up";
    out.abandon();
    EXPECT_FALSE(out.is_open());
  }
  EXPECT_FALSE(fs_.exists("b"));
}

TEST_F(HppTest, CloseReportsTheFirstWriteThatFailed) {
  fs_.open("a", kNew).close();
  s3files::ofstream out(fs_.open("a", open_flags::read));  // each write is EBADF
  out << "x" << std::flush;
  EXPECT_TRUE(out.bad());
  out.clear();
  out << std::string(1 << 20, 'x');
  EXPECT_TRUE(out.bad());
  out.close(code_);
  EXPECT_EQ(code_, std::errc::bad_file_descriptor);
  EXPECT_FALSE(out.is_open());

  s3files::ofstream unflushed(fs_.open("a", open_flags::read));
  unflushed << "x";
  EXPECT_TRUE(unflushed);
  EXPECT_THROW(unflushed.close(), s3files::error);
}

TEST_F(HppTest, AStreamThatIsClosedTakesNothing) {
  s3files::ofstream out(fs_, "a");
  out << "x";
  out.close();
  out << "y";
  EXPECT_TRUE(out.bad());
  out.clear();
  out << std::string(1 << 20, 'y');
  EXPECT_TRUE(out.bad());
  out.close();  // what is not open closes without a word
  EXPECT_THROW(out.fsync(), s3files::error);
  s3files::ifstream in(fs_, "a");
  in.peek();
  in.close();
  EXPECT_EQ(in.get(), std::char_traits<char>::eof());
  EXPECT_TRUE(in.bad());
  EXPECT_EQ(Read(other_, "a"), "x");
}

TEST_F(HppTest, FsyncOfAStreamFlushesIt) {
  s3files::ofstream out(fs_, "a");
  out << "x";
  out.fsync();
  EXPECT_EQ(Read(other_, "a"), "x");
  out << "y";
  out.fsync(call(code_).within(-1s));
  EXPECT_EQ(code_, std::errc::timed_out);
  EXPECT_THROW(out.close(), s3files::error) << "a write has failed";
  EXPECT_EQ(Read(other_, "a"), "x");
}

TEST_F(HppTest, StreamsPassErrorsOnWhereAskedTo) {
  fs_.open("a", kNew).close();
  s3files::ofstream out(fs_.open("a", open_flags::read));
  out.exceptions(std::ios::badbit);
  EXPECT_THROW(out << "x" << std::flush, s3files::error);
  s3files::ifstream in(fs_.open("b", kNew));  // each read is EBADF
  EXPECT_EQ(in.get(), std::char_traits<char>::eof());
  EXPECT_TRUE(in.bad());
}

TEST_F(HppTest, CloseOfAStreamTakesACall) {
  s3files::ofstream out(fs_, "a");
  out << "x";
  out.close(call(code_).within(-1s));
  EXPECT_EQ(code_, std::errc::timed_out);
  EXPECT_FALSE(fs_.exists("a"));
}

}  // namespace
