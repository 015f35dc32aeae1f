// The C ABI's own rules: structs, errors, tokens, forks. What the calls do is tested in tests/fs.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/store/memory_store.h"
#include "s3files/s3files.h"

namespace {

using ::testing::HasSubstr;

class CApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    name_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs_ = Open();
  }
  void TearDown() override {
    EXPECT_EQ(s3f_fs_close(fs_, S3F_CLOSE_DISCARD, nullptr), 0) << Message();
    s3files::MemoryStore::Forget(name_);
  }

  s3f_fs* Open(std::vector<s3f_option> options = {}) {
    s3f_fs_config config = S3F_INIT(s3f_fs_config);
    config.options = options.data();
    config.option_count = static_cast<uint32_t>(options.size());
    s3f_fs* fs = nullptr;
    EXPECT_EQ(s3f_fs_open(&fs, ("memory://" + name_).c_str(), &config, nullptr), 0) << Message();
    return fs;
  }
  s3f_handle* OpenFile(const char* path, uint32_t flags) {
    s3f_handle* handle = nullptr;
    EXPECT_EQ(s3f_open(&handle, fs_, nullptr, path, flags, 0644, nullptr), 0) << Message();
    return handle;
  }
  void WriteFile(const char* path, const std::string& bytes) {
    s3f_handle* handle = OpenFile(path, S3F_O_WRITE | S3F_O_CREATE | S3F_O_TRUNC);
    EXPECT_EQ(s3f_pwrite(handle, bytes.data(), bytes.size(), 0, nullptr),
              static_cast<int64_t>(bytes.size()));
    EXPECT_EQ(s3f_close(handle, nullptr), 0) << Message();
  }
  static std::string Message() {
    s3f_error error = S3F_INIT(s3f_error);
    s3f_last_error(&error);
    return error.message;
  }

  std::string name_;
  s3f_fs* fs_ = nullptr;
};

TEST_F(CApiTest, VersionIsTheHeaders) {
  EXPECT_EQ(s3f_version(),
            uint32_t{S3F_VERSION_MAJOR << 16 | S3F_VERSION_MINOR << 8 | S3F_VERSION_PATCH});
}

TEST_F(CApiTest, RequiredPointersThatAreNullAreEinval) {
  s3f_handle* handle = OpenFile("f", S3F_O_READ | S3F_O_WRITE | S3F_O_CREATE);
  EXPECT_EQ(s3f_fs_open(nullptr, "memory://x", nullptr, nullptr), -EINVAL);
  EXPECT_EQ(s3f_open(nullptr, fs_, nullptr, "f", S3F_O_READ, 0, nullptr), -EINVAL);
  EXPECT_EQ(s3f_stat(nullptr, fs_, nullptr, "f", 0, S3F_STAT_ALL, nullptr), -EINVAL);
  EXPECT_EQ(s3f_unlink(fs_, nullptr, nullptr, nullptr), -EINVAL);
  EXPECT_EQ(s3f_unlink(nullptr, nullptr, "f", nullptr), -EINVAL);
  EXPECT_EQ(s3f_pread(nullptr, 1, 0, handle, nullptr), -EINVAL);
  EXPECT_EQ(s3f_pread(nullptr, 0, 0, handle, nullptr), 0);
  EXPECT_THAT(Message(), HasSubstr("NULL"));
  EXPECT_EQ(s3f_close(nullptr, nullptr), 0);
  EXPECT_EQ(s3f_fs_close(nullptr, 0, nullptr), 0);
  EXPECT_EQ(s3f_close(handle, nullptr), 0);
}

TEST_F(CApiTest, AnOutStructOfAnOlderCallerIsFilledAsFarAsItGoes) {
  WriteFile("f", "12345");
  struct {
    s3f_attr attr;
    char guard[8];
  } older;
  memset(&older, 0x5a, sizeof(older));
  older.attr.struct_size = offsetof(s3f_attr, mtime_ns);
  ASSERT_EQ(s3f_stat(&older.attr, fs_, nullptr, "f", 0, S3F_STAT_SIZE, nullptr), 0) << Message();
  EXPECT_EQ(older.attr.size, 5u);
  EXPECT_EQ(older.attr.mtime_ns, 0x5a5a5a5a5a5a5a5a) << "written past struct_size";
}

TEST_F(CApiTest, AStructOfANewerCallerWorksWhileItsTailIsZero) {
  struct Newer {
    s3f_call call;
    uint64_t unknown;
  } newer = {};
  newer.call.struct_size = sizeof(newer);
  s3f_attr attr = S3F_INIT(s3f_attr);
  EXPECT_EQ(s3f_stat(&attr, fs_, nullptr, "", 0, S3F_STAT_TYPE, &newer.call), 0);
  newer.unknown = 1;
  EXPECT_EQ(s3f_stat(&attr, fs_, nullptr, "", 0, S3F_STAT_TYPE, &newer.call), -EINVAL);
  newer.call.struct_size = 0;
  EXPECT_EQ(s3f_stat(&attr, fs_, nullptr, "", 0, S3F_STAT_TYPE, &newer.call), -EINVAL);
}

TEST_F(CApiTest, TheErrorsDetailGoesToTheCallOrTheThread) {
  s3f_error detail = S3F_INIT(s3f_error);
  s3f_call call = S3F_INIT(s3f_call);
  call.error = &detail;
  s3f_handle* handle = nullptr;
  EXPECT_EQ(s3f_open(&handle, fs_, nullptr, "dir/missing", S3F_O_READ, 0, &call), -ENOENT);
  EXPECT_EQ(handle, nullptr);
  EXPECT_EQ(detail.code, ENOENT);
  EXPECT_THAT(detail.message, HasSubstr("/dir/missing"));

  EXPECT_EQ(s3f_rmdir(fs_, nullptr, "/", nullptr), -EBUSY);
  std::thread([] {
    s3f_error other = S3F_INIT(s3f_error);
    EXPECT_EQ(s3f_last_error(&other), 0);
    EXPECT_EQ(other.code, 0) << "another thread's error";
  }).join();
  s3f_error last = S3F_INIT(s3f_error);
  EXPECT_EQ(s3f_last_error(&last), 0);
  EXPECT_EQ(last.code, EBUSY);
}

// [L1]
TEST_F(CApiTest, LocksCheckTheirArguments) {
  s3f_handle* handle = OpenFile("f", S3F_O_READ | S3F_O_WRITE | S3F_O_CREATE);
  s3f_lock lock = S3F_INIT(s3f_lock);
  lock.type = S3F_LOCK_EXCLUSIVE;
  EXPECT_EQ(s3f_lock_range(nullptr, &lock, 0, nullptr), -EINVAL);
  EXPECT_EQ(s3f_lock_range(handle, nullptr, 0, nullptr), -EINVAL);
  EXPECT_EQ(s3f_lock_range(handle, &lock, 2, nullptr), -EINVAL) << "an unknown flag";
  EXPECT_EQ(s3f_flock(handle, S3F_LOCK_EXCLUSIVE, 2, nullptr), -EINVAL);
  EXPECT_EQ(s3f_flock(handle, 3, 0, nullptr), -EINVAL);
  lock.start = 2;
  lock.length = UINT64_MAX - 1;
  EXPECT_EQ(s3f_lock_range(handle, &lock, 0, nullptr), -EINVAL) << "past the last byte";
  lock.length = UINT64_MAX - 2;
  EXPECT_EQ(s3f_lock_range(handle, &lock, 0, nullptr), 0) << Message();
  lock.type = 3;
  EXPECT_EQ(s3f_lock_range(handle, &lock, 0, nullptr), -EINVAL);
  lock.type = S3F_LOCK_NONE;
  EXPECT_EQ(s3f_lock_test(&lock, handle, nullptr), -EINVAL);
  lock.type = S3F_LOCK_SHARED;
  lock.owner = 5;
  EXPECT_EQ(s3f_lock_test(&lock, handle, nullptr), 0);
  EXPECT_EQ(lock.type, uint32_t{S3F_LOCK_EXCLUSIVE});
  EXPECT_EQ(lock.start, 2u);
  EXPECT_EQ(lock.length, 0u) << "to the end";
  EXPECT_EQ(lock.owner, 0u) << "a handle's";
  EXPECT_EQ(lock.struct_size, sizeof(lock));
  lock.type = S3F_LOCK_SHARED;
  lock.owner = 5;
  EXPECT_EQ(s3f_lock_range(handle, &lock, 0, nullptr), -EAGAIN);
  EXPECT_THAT(Message(), HasSubstr("exclusive lock from byte 2"));
  EXPECT_EQ(s3f_copy_range(nullptr, 0, handle, 0, 1, nullptr), -EINVAL);
  EXPECT_EQ(s3f_copy_range(handle, 0, nullptr, 0, 1, nullptr), -EINVAL);
  EXPECT_EQ(s3f_statfs(nullptr, fs_, nullptr), -EINVAL);
  EXPECT_EQ(s3f_close(handle, nullptr), 0);
}

TEST_F(CApiTest, ALongMessageIsCutAtACharactersEnd) {
  const std::string name(255, 'x');
  std::string path;
  for (int i = 0; i < 3; ++i) path += name + "/";
  path += std::string(200, 'y') + "\xc3\xa4";
  s3f_handle* handle = nullptr;
  EXPECT_EQ(s3f_open(&handle, fs_, nullptr, path.c_str(), S3F_O_READ, 0, nullptr), -ENOENT);
  const std::string message = Message();
  EXPECT_LT(message.size(), sizeof(s3f_error::message));
  EXPECT_NE(static_cast<unsigned char>(message.back()), 0xc3);
}

// [P2]
TEST_F(CApiTest, P2_DeadlinesAndTokensEndCallsAndStagedBytesStay) {
  s3f_handle* handle = OpenFile("f", S3F_O_WRITE | S3F_O_CREATE);
  ASSERT_EQ(s3f_pwrite(handle, "abc", 3, 0, nullptr), 3);
  s3f_call late = S3F_INIT(s3f_call);
  late.deadline_ns = s3f_now_ns() - 1;
  EXPECT_EQ(s3f_fsync(handle, &late), -ETIMEDOUT);

  s3f_cancel* cancel = nullptr;
  ASSERT_EQ(s3f_cancel_create(&cancel), 0);
  s3f_call cancelled = S3F_INIT(s3f_call);
  cancelled.cancel = cancel;
  s3f_cancel_fire(cancel);
  EXPECT_EQ(s3f_fsync(handle, &cancelled), -ECANCELED);
  s3f_cancel_destroy(cancel);

  s3f_status_info status = S3F_INIT(s3f_status_info);
  ASSERT_EQ(s3f_status(&status, fs_, nullptr, "f", nullptr), 0);
  EXPECT_EQ(status.state, uint32_t{S3F_STATE_STAGED});
  EXPECT_EQ(status.staged_bytes, 3u);
  EXPECT_EQ(s3f_close(handle, nullptr), 0) << Message();
}

TEST_F(CApiTest, ABadCallStillConsumesTheHandle) {
  s3f_call bad = {};
  s3f_handle* handle = OpenFile("f", S3F_O_WRITE | S3F_O_CREATE);
  EXPECT_EQ(s3f_close(handle, &bad), -EINVAL);
  EXPECT_EQ(s3f_fs_close(fs_, 0, nullptr), 0) << "the handle still counts as open: " << Message();
  fs_ = Open();
}

TEST_F(CApiTest, HandlesOfAFileSystemThatWasClosedAreEbadf) {
  s3f_handle* handle = OpenFile("f", S3F_O_READ | S3F_O_WRITE | S3F_O_CREATE);
  EXPECT_EQ(s3f_fs_close(fs_, 0, nullptr), -EBUSY);
  EXPECT_THAT(Message(), HasSubstr("1 handles are still open"));
  EXPECT_EQ(s3f_fs_close(fs_, S3F_CLOSE_DISCARD, nullptr), 0) << Message();
  char byte;
  EXPECT_EQ(s3f_pread(&byte, 1, 0, handle, nullptr), -EBADF);
  s3f_close(handle, nullptr);
  fs_ = Open();
}

TEST_F(CApiTest, AnAtHandleOfAnotherFileSystemIsEinval) {
  s3f_fs* other = Open();
  s3f_handle* root = nullptr;
  ASSERT_EQ(s3f_open(&root, other, nullptr, "/", S3F_O_PATH, 0, nullptr), 0);
  EXPECT_EQ(s3f_mkdir(fs_, root, "d", 0755, nullptr), -EINVAL);
  EXPECT_EQ(s3f_mkdir(other, root, "d", 0755, nullptr), 0) << Message();
  EXPECT_EQ(s3f_close(root, nullptr), 0);
  EXPECT_EQ(s3f_fs_close(other, 0, nullptr), 0);
}

TEST_F(CApiTest, UnknownOptionsNameTheNearest) {
  s3f_fs_config config = S3F_INIT(s3f_fs_config);
  const auto open = [&](const char* url, const char* name, const char* value) {
    const s3f_option option = {name, value};
    config.options = &option;
    config.option_count = 1;
    s3f_fs* fs = nullptr;
    const int result = s3f_fs_open(&fs, url, &config, nullptr);
    EXPECT_EQ(result, -EINVAL);
    return Message();
  };
  EXPECT_THAT(open("memory://x", "memry", "1G"), HasSubstr("did you mean memory"));
  EXPECT_THAT(open("memory://x", "memory", "12parsecs"), HasSubstr("suffixes K, M, G, T"));
  EXPECT_THAT(open("memory://x", "memory", "1K"), HasSubstr("from 4194304"));
  EXPECT_THAT(open("memory://x", "entry_limit", "10"), HasSubstr("from 100"));
  EXPECT_THAT(open("memory://x", "commit_delay", "60"), HasSubstr("500ms, 10s, 5m, 1h"));
  EXPECT_THAT(open("memory://x", "endpoint", "http://x"), HasSubstr("s3:// URLs only"));
  EXPECT_THAT(open("memory://x", "read_only", "yes"), HasSubstr("on or off"));
  EXPECT_THAT(open("ftp://x", "read_only", "on"), HasSubstr("s3://BUCKET[/PREFIX]"));
  EXPECT_THAT(open("s3://", "read_only", "on"), HasSubstr("names no bucket"));
  EXPECT_THAT(open("file://relative", "read_only", "on"), HasSubstr("must be absolute"));
}

TEST_F(CApiTest, AReadOnlyFileSystemHasNoStateDir) {
  const s3f_option options[] = {{"read_only", "on"}, {"state_dir", "/tmp/never-made"}};
  s3f_fs_config config = S3F_INIT(s3f_fs_config);
  config.options = options;
  config.option_count = 2;
  s3f_fs* fs = nullptr;
  EXPECT_EQ(s3f_fs_open(&fs, "memory://x", &config, nullptr), -EINVAL);
  EXPECT_THAT(Message(), HasSubstr("commit_delay=never"));
}

// [D3] Whatever handles do that outlive it.
TEST_F(CApiTest, D3NobodyIsCalledBackAfterTheEnd) {
  int events = 0;
  s3f_fs_config config = S3F_INIT(s3f_fs_config);
  config.on_event = [](void* user, const s3f_event*) { ++*static_cast<int*>(user); };
  config.on_event_user = &events;
  s3f_fs* fs = nullptr;
  ASSERT_EQ(s3f_fs_open(&fs, "memory://the-end", &config, nullptr), 0);
  s3f_handle* half = nullptr;
  ASSERT_EQ(s3f_open(&half, fs, nullptr, "half", S3F_O_WRITE | S3F_O_CREATE, 0644, nullptr), 0);
  ASSERT_EQ(s3f_pwrite(half, "half", 4, 0, nullptr), 4);
  EXPECT_EQ(s3f_fs_close(fs, S3F_CLOSE_DISCARD, nullptr), 0);
  EXPECT_EQ(s3f_pwrite(half, "more", 4, 0, nullptr), -EBADF);
  EXPECT_EQ(s3f_close(half, nullptr), -EBADF);
  EXPECT_EQ(events, 0);
  ASSERT_EQ(s3f_fs_open(&fs, "memory://the-end", nullptr, nullptr), 0);
  EXPECT_EQ(s3f_open(&half, fs, nullptr, "half", S3F_O_READ, 0, nullptr), -ENOENT);
  EXPECT_EQ(s3f_fs_close(fs, 0, nullptr), 0);
}

TEST_F(CApiTest, StagedPathsCanBeIterated) {
  s3f_handle* first = OpenFile("one", S3F_O_WRITE | S3F_O_CREATE);
  s3f_handle* second = OpenFile("two", S3F_O_WRITE | S3F_O_CREATE);
  std::vector<std::string> paths;
  uint64_t cursor = 0;
  char path[1280];
  while (s3f_next_staged(&cursor, path, sizeof(path), fs_, nullptr) == 1) paths.push_back(path);
  EXPECT_THAT(paths, ::testing::UnorderedElementsAre("/one", "/two"));
  cursor = 0;
  EXPECT_EQ(s3f_next_staged(&cursor, path, 4, fs_, nullptr), -ERANGE);
  EXPECT_EQ(cursor, 0u);
  EXPECT_EQ(s3f_close(first, nullptr), 0);
  EXPECT_EQ(s3f_close(second, nullptr), 0);
  EXPECT_EQ(s3f_next_staged(&cursor, path, sizeof(path), fs_, nullptr), 0);
}

TEST_F(CApiTest, EventsReachTheCallbackWhichMayCallBack) {
  struct Seen {
    s3f_fs* fs = nullptr;
    std::vector<std::string> committed;
  } seen;
  s3f_fs_config config = S3F_INIT(s3f_fs_config);
  config.on_event_user = &seen;
  config.on_event = [](void* user, const s3f_event* event) {
    auto* seen = static_cast<Seen*>(user);
    if (event->kind != S3F_EVENT_COMMITTED) return;
    seen->committed.push_back(event->path);
    EXPECT_EQ(s3f_commit(nullptr, seen->fs, nullptr, "/", 0, nullptr), 0) << Message();
  };
  ASSERT_EQ(s3f_fs_open(&seen.fs, ("memory://" + name_).c_str(), &config, nullptr), 0);
  s3f_handle* handle = nullptr;
  ASSERT_EQ(s3f_open(&handle, seen.fs, nullptr, "f", S3F_O_WRITE | S3F_O_CREATE, 0644, nullptr), 0);
  EXPECT_EQ(s3f_close(handle, nullptr), 0) << Message();
  EXPECT_THAT(seen.committed, ::testing::ElementsAre("f"));
  EXPECT_EQ(s3f_fs_close(seen.fs, 0, nullptr), 0);
}

// [P1]. The child reports by its exit status; 0 = all as promised.
TEST_F(CApiTest, P1_InAForkedChildInheritedObjectsAreBusyAndNewOnesWork) {
  s3f_handle* handle = OpenFile("f", S3F_O_READ | S3F_O_WRITE | S3F_O_CREATE);
  ASSERT_EQ(s3f_pwrite(handle, "abc", 3, 0, nullptr), 3);
  ASSERT_EQ(s3f_fsync(handle, nullptr), 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    if (s3f_pread(&byte, 1, 0, handle, nullptr) != -EBUSY) _exit(1);
    if (s3f_unlink(fs_, nullptr, "f", nullptr) != -EBUSY) _exit(2);
    if (s3f_close(handle, nullptr) != 0) _exit(3);
    if (s3f_fs_close(fs_, 0, nullptr) != 0) _exit(4);
    s3f_fs* own = nullptr;
    if (s3f_fs_open(&own, "memory://forked", nullptr, nullptr) != 0) _exit(5);
    s3f_handle* file = nullptr;
    if (s3f_open(&file, own, nullptr, "g", S3F_O_WRITE | S3F_O_CREATE, 0644, nullptr) != 0)
      _exit(6);
    if (s3f_close(file, nullptr) != 0) _exit(7);
    if (s3f_fs_close(own, 0, nullptr) != 0) _exit(8);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(s3f_close(handle, nullptr), 0) << "the parent goes on";
}

// [P1] What the parent has staged is the parent's to commit.
TEST_F(CApiTest, P1_ClosingInAForkedChildCommitsNothing) {
  int committed = 0;  // in this process
  s3f_fs_config config = S3F_INIT(s3f_fs_config);
  config.on_event_user = &committed;
  config.on_event = [](void* user, const s3f_event* event) {
    if (event->kind == S3F_EVENT_COMMITTED) ++*static_cast<int*>(user);
  };
  s3f_fs* fs = nullptr;
  ASSERT_EQ(s3f_fs_open(&fs, ("memory://" + name_).c_str(), &config, nullptr), 0);
  s3f_handle* handle = nullptr;
  ASSERT_EQ(s3f_open(&handle, fs, nullptr, "f", S3F_O_WRITE | S3F_O_CREATE, 0644, nullptr), 0);
  ASSERT_EQ(s3f_pwrite(handle, "abc", 3, 0, nullptr), 3);
  const pid_t child = fork();
  if (child == 0) {
    const int results = s3f_close(handle, nullptr) | s3f_fs_close(fs, 0, nullptr);
    _exit(results != 0 ? 100 : committed);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(s3f_close(handle, nullptr), 0) << Message();
  EXPECT_EQ(committed, 1);
  EXPECT_EQ(s3f_fs_close(fs, 0, nullptr), 0) << Message();
}

}  // namespace
