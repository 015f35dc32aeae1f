// Many threads on few files of two hosts: no crash, no race, and a state in the end that both agree
// on. What the calls return is any of their documented errors. [C3] [W1] [N4]
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

constexpr int kThreads = 3;  // a host
constexpr int kFiles = 4;
constexpr absl::Duration kHowLong = absl::Milliseconds(1500);

// Files hold one letter many times, so that a mixture of two writes shows.
class Worker {
 public:
  Worker(Host* host, int seed, bool directories)
      : host_(*host), random_(seed), directories_(directories) {
    call_.deadline_ns = MonotonicNanos() + int64_t{60} * 1'000'000'000;
  }

  void Run(absl::Time end) {
    while (absl::Now() < end) Step();
  }

 private:
  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  std::string Path() { return absl::StrCat("d", Below(2), "/", Below(kFiles)); }

  void Step() {
    if (directories_ && Below(8) == 0) return RenameDirectory();
    switch (Below(7)) {
      case 0:
        return Note(host_.fs().Unlink(call_, nullptr, Path()));
      case 1:
        return Note(host_.fs().Rename(call_, nullptr, Path(), nullptr, Path(),
                                      Below(2) == 0 ? 0u : uint32_t{kRenameNoReplace}));
      case 2:
        return Note(host_.fs().Stat(call_, nullptr, Path(), true, kInfoNeedsHead).status());
      case 3:
        return List();
      case 4:
      case 5:
        return Write();
      default:
        return Read();
    }
  }
  void Write() {
    auto handle = host_.fs().Open(call_, nullptr, Path(),
                                  kOpenWrite | kOpenRead | kOpenCreate | kOpenTruncate, 0666);
    Note(handle.status());
    if (!handle.ok()) return;
    const size_t size = 1 + Below(Below(3) == 0 ? 5 * Bucket::kPart : 100);
    Note(host_.fs().Write(call_, **handle, 0,
                          std::string(size, static_cast<char>('a' + Below(26)))));
    if (Below(4) == 0) Note(host_.fs().Sync(call_, **handle));
    Note(Below(5) == 0 ? host_.fs().Abandon(call_, *std::move(handle))
                       : host_.fs().CloseHandle(call_, *std::move(handle)));
  }
  void Read() {
    auto handle = host_.fs().Open(call_, nullptr, Path(), kOpenRead, 0);
    Note(handle.status());
    if (!handle.ok()) return;
    std::string bytes(6 * Bucket::kPart, '\0');
    Note(host_.fs().Read(call_, **handle, 0, absl::MakeSpan(bytes)).status());
    Note(host_.fs().CloseHandle(call_, *std::move(handle)));
  }
  void RenameDirectory() {
    const int n = Below(2);
    const std::string d = absl::StrCat("d", n), e = absl::StrCat("e", n);
    const bool there = Below(2) == 0;
    Note(host_.fs().Rename(call_, nullptr, there ? d : e, nullptr, there ? e : d, 0));
  }
  void List() {
    auto handle = host_.fs().Open(call_, nullptr, absl::StrCat("d", Below(2)), kOpenDirectory, 0);
    Note(handle.status());
    if (!handle.ok()) return;
    Note(host_.fs().ReadDirectory(call_, **handle, 100, 0, std::nullopt, 0).status());
    Note(host_.fs().CloseHandle(call_, *std::move(handle)));
  }
  static void Note(const absl::Status& status) {
    static const std::set<int> kDocumented = {0, ENOENT, ESTALE, EEXIST, EBUSY, ENOTEMPTY};
    EXPECT_TRUE(kDocumented.contains(ErrnoOf(status))) << status;
  }

  Host& host_;
  CallContext call_;
  std::mt19937 random_;
  const bool directories_;  // renames them, too
};

void Torment(int64_t delay_ns, bool directories = false) {
  Bucket bucket;
  bucket.Put("d0/", "");
  bucket.Put("d1/", "");
  FileSystemOptions options = Host::Options();
  options.memory = 16 * kBlockSize;
  options.commit.delay_ns = delay_ns;
  // Else one of them may remember a directory that the other has renamed just now.
  if (directories) options.import.attribute_timeout_ns = 0;
  Host one(bucket, options), two(bucket, options);
  const absl::Time end = absl::Now() + kHowLong;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2 * kThreads; ++i) {
    threads.emplace_back([&, i] { Worker(i % 2 == 0 ? &one : &two, i, directories).Run(end); });
  }
  for (std::thread& thread : threads) thread.join();

  for (Host* host : {&one, &two}) {
    host->Commit("/").IgnoreError();  // conflicts go to lost+found
    EXPECT_TRUE(host->Commit("/").ok());
    uint64_t cursor = 0;
    EXPECT_EQ(host->fs().NextStaged(&cursor).value_or(""), "");
    EXPECT_EQ(host->fs().GetStats().staged_files, 0u);
  }
  for (const std::string& key : bucket.Keys()) {
    if (key.back() == '/') continue;
    EXPECT_TRUE(one.ReadFile(key) == *bucket.Get(key)) << key;
    EXPECT_TRUE(two.ReadFile(key) == *bucket.Get(key)) << key;
  }
  for (const char* directory : {"d0", "d1"}) EXPECT_EQ(one.List(directory), two.List(directory));
  one.Vanish();
  two.Vanish();
  EXPECT_EQ(bucket.PendingUploads(), 0u);
}

TEST(ThreadsTest, CommittingOnClose) { Torment(0); }

TEST(ThreadsTest, CommittingInTheBackground) { Torment(1'000'000); }

TEST(ThreadsTest, RenamingDirectories) { Torment(0, true); }

TEST(ThreadsTest, RenamingDirectoriesInTheBackground) { Torment(1'000'000, true); }

}  // namespace
}  // namespace s3files
