// 10,000 new files of 4 KiB, each committed by its close, beside as many raw PUTs at once.
#include <benchmark/benchmark.h>

#include <atomic>
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

// Names of one run; each run makes files that are not there yet.
std::string NameOf(int run, size_t file) { return absl::StrCat("new-", run, "-", file); }
std::atomic<int> next_run{0};

void CreateOurs(benchmark::State& state) {
  const std::string content(kFileSize, 'x');
  for (auto _ : state) {
    const int run = next_run++;
    const FileSystem fs = FileSystem::OnServer(absl::StrCat("/created-", run));
    std::atomic<size_t> next{0};
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kParallelFiles; ++t) {
      threads.emplace_back([&] {
        for (size_t i = next++; i < kFiles; i = next++) {
          s3f_handle* file = fs.Open(NameOf(run, i), S3F_O_WRITE | S3F_O_CREATE | S3F_O_EXCL);
          Check(s3f_pwrite(file, content.data(), content.size(), 0, nullptr), "s3f_pwrite");
          Check(s3f_close(file, nullptr), "s3f_close");
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kFiles));
}
BENCHMARK(CreateOurs)->Name("create_10k_4k/ours")->Iterations(1)->UseRealTime();

void CreateFloor(benchmark::State& state) {
  const std::string content(kFileSize, 'x');
  for (auto _ : state) {
    const int run = next_run++;
    RawPuts(kFiles, content, [run](size_t i) { return NameOf(run, i); });
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kFiles));
}
BENCHMARK(CreateFloor)->Name("create_10k_4k/floor")->Iterations(1)->UseRealTime();

}  // namespace
}  // namespace s3files::bench
