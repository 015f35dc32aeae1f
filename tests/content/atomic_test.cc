// [C3] A write that is held in its midst, by a page of its bytes that cannot be read yet: no race of
// threads that may or may not happen.
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "lib/base/executor.h"
#include "lib/content/content.h"
#include "lib/store/memory_store.h"

namespace s3files {
namespace {

// A thread that reads when the write stands still.
struct Reader {
  sem_t may_begin;
  char stat_file[64];  // known when it began
  std::atomic<bool> began{false};
  std::atomic<bool> done{false};
};

Reader reader;
char* page = nullptr;  // what cannot be read
size_t page_size = 0;

// 'S' where it waits for something. Only what a signal handler may call.
char StateOf(const char* stat_file) {
  char stat[256] = {};
  const int file = open(stat_file, O_RDONLY);
  if (file < 0) return '?';
  const ssize_t n = read(file, stat, sizeof(stat) - 1);
  close(file);
  const char* end = n > 0 ? std::strrchr(stat, ')') : nullptr;
  return end == nullptr ? '?' : end[2];
}

// In the midst of the write: lets the reader go until it has read, or waits for the write.
void OnFault(int, siginfo_t* info, void*) {
  const char* at = static_cast<const char*>(info->si_addr);
  if (at < page || at >= page + page_size) {
    signal(SIGSEGV, SIG_DFL);  // a fault that is none of ours
    return;
  }
  sem_post(&reader.may_begin);
  while (!reader.done && !(reader.began && StateOf(reader.stat_file) == 'S')) sched_yield();
  mprotect(page, page_size, PROT_READ);
}

TEST(AtomicTest, C3_AReadWaitsForAWriteThatIsHalfDone) {
  MemoryStore store;
  BlockPool pool{16 * kBlockSize};
  BlockCache cache{&pool};
  Executor executor{1};
  Fetcher fetcher{&store, &cache, &executor};
  SpillArea spill;
  Content content{nullptr, &fetcher, &spill};

  page_size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  page = static_cast<char*>(
      mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(page, MAP_FAILED);
  std::fill_n(page, page_size, 'b');
  const std::string first(100, 'b');
  const std::string before(first.size() + page_size, 'a');
  ASSERT_TRUE(content.Write(0, absl::MakeConstSpan(before)).ok());
  ASSERT_EQ(mprotect(page, page_size, PROT_NONE), 0);

  struct sigaction ours = {};
  struct sigaction theirs;
  ours.sa_sigaction = OnFault;
  ours.sa_flags = SA_SIGINFO;
  ASSERT_EQ(sigaction(SIGSEGV, &ours, &theirs), 0);
  ASSERT_EQ(sem_init(&reader.may_begin, 0, 0), 0);
  std::string seen(before.size(), '?');
  std::thread reading([&] {
    std::snprintf(reader.stat_file, sizeof(reader.stat_file), "/proc/self/task/%ld/stat",
                  syscall(SYS_gettid));
    while (sem_wait(&reader.may_begin) != 0) {
    }
    reader.began = true;
    EXPECT_TRUE(content.Read(CallContext(), 0, absl::MakeSpan(seen)).ok());
    reader.done = true;
  });
  const absl::Span<const char> pieces[] = {first, {page, page_size}};
  EXPECT_TRUE(content.Write(0, pieces).ok());
  reading.join();
  EXPECT_EQ(sigaction(SIGSEGV, &theirs, nullptr), 0);
  EXPECT_EQ(seen, std::string(before.size(), 'b'));
  munmap(page, page_size);
  sem_destroy(&reader.may_begin);
}

}  // namespace
}  // namespace s3files
