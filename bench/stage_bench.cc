// 10,000 new files of 4 KiB staged, with a journal and without, beside as many raw PUTs at once.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/bench_store.h"
#include "bench/raw_s3.h"

namespace s3files::bench {
namespace {

constexpr size_t kFiles = 10000;
constexpr size_t kFileSize = 4096;
std::atomic<int> next_run{0};

class StateDir {
 public:
  StateDir() {
    std::string name = std::filesystem::temp_directory_path() / "s3files-bench-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~StateDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

enum class Durable { kNot, kAtTheEnd, kEach };

// A prefix of its own for each run: what it costs to learn that a name is free grows with what is there.
std::string NewUrl() { return absl::StrCat("s3://bench/staged-", next_run++); }

void Stage(const FileSystem& fs, Durable durable) {
  const std::string content(kFileSize, 'x');
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kParallelFiles; ++t) {
    threads.emplace_back([&] {
      for (size_t i = next++; i < kFiles; i = next++) {
        s3f_handle* file =
            fs.Open(absl::StrCat("file-", i), S3F_O_WRITE | S3F_O_CREATE | S3F_O_TRUNC);
        Check(s3f_pwrite(file, content.data(), content.size(), 0, nullptr), "s3f_pwrite");
        if (durable == Durable::kEach) Check(s3f_fsync(file, nullptr), "s3f_fsync");
        Check(s3f_close(file, nullptr), "s3f_close");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// The end of the file system makes what was closed durable, and sends nothing.
void StageDurably(benchmark::State& state, Durable durable) {
  for (auto _ : state) {
    const StateDir dir;
    const FileSystem fs(NewUrl(), {{"endpoint", Endpoint()},
                                   {"provider", "aws"},
                                   {"commit_delay", "never"},
                                   {"state_dir", dir.path()}});
    Stage(fs, durable);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kFiles));
}

void StageOurs(benchmark::State& state) { StageDurably(state, Durable::kAtTheEnd); }
BENCHMARK(StageOurs)->Name("stage_10k_4k/ours")->Iterations(1)->UseRealTime();

void StageSynced(benchmark::State& state) { StageDurably(state, Durable::kEach); }
BENCHMARK(StageSynced)->Name("stage_10k_4k/synced")->Iterations(1)->UseRealTime();

void StageInMemory(benchmark::State& state) {
  for (auto _ : state) {
    FileSystem fs(NewUrl(), {{"endpoint", Endpoint()},
                             {"provider", "aws"},
                             {"commit_delay", "1h"},
                             {"parallel", absl::StrCat(kParallelFiles)}});
    Stage(fs, Durable::kNot);
    state.PauseTiming();
    fs.Close();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kFiles));
}
BENCHMARK(StageInMemory)->Name("stage_10k_4k/memory")->Iterations(1)->UseRealTime();

void StageFloor(benchmark::State& state) {
  const std::string content(kFileSize, 'x');
  for (auto _ : state) {
    const int run = next_run++;
    RawPuts(kFiles, content, [run](size_t i) { return absl::StrCat("raw-", run, "-", i); });
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kFiles));
}
BENCHMARK(StageFloor)->Name("stage_10k_4k/floor")->Iterations(1)->UseRealTime();

// As many files of the disk, made durable at the end by one call, or each by kParallelFiles threads.
void StageOnDisk(benchmark::State& state, bool each) {
  const std::string content(kFileSize, 'x');
  for (auto _ : state) {
    auto dir = std::make_unique<StateDir>();
    std::atomic<size_t> next{0};
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kParallelFiles; ++t) {
      threads.emplace_back([&] {
        for (size_t i = next++; i < kFiles; i = next++) {
          const int fd = open(absl::StrCat(dir->path(), "/", i).c_str(), O_CREAT | O_WRONLY, 0600);
          Check(pwrite(fd, content.data(), content.size(), 0), "pwrite");
          if (each) Check(fsync(fd), "fsync");
          Check(close(fd), "close");
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    const int fd = open(dir->path().c_str(), O_RDONLY | O_DIRECTORY);
    Check(syncfs(fd), "syncfs");
    Check(close(fd), "close");
    state.PauseTiming();
    dir.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kFiles));
}
void StageDisk(benchmark::State& state) { StageOnDisk(state, false); }
BENCHMARK(StageDisk)->Name("stage_10k_4k/disk")->Iterations(1)->UseRealTime();
void StageDiskSynced(benchmark::State& state) { StageOnDisk(state, true); }
BENCHMARK(StageDiskSynced)->Name("stage_10k_4k/disk_synced")->Iterations(1)->UseRealTime();

}  // namespace
}  // namespace s3files::bench
