// Warm random reads of 4 KiB: resident blocks beside pread(2) on tmpfs.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <string>

#include "bench/bench_store.h"

namespace s3files::bench {
namespace {

constexpr uint64_t kFileSize = uint64_t{64} << 20;
constexpr size_t kReadSize = 4096;

// Calls `read(buffer, offset)` at random aligned offsets.
template <typename Read>
void ReadAtRandom(benchmark::State& state, const Read& read) {
  std::minstd_rand random(1);
  std::uniform_int_distribution<uint64_t> page(0, kFileSize / kReadSize - 1);
  std::string buffer(kReadSize, '\0');
  for (auto _ : state) {
    if (read(buffer.data(), page(random) * kReadSize) != kReadSize) {
      state.SkipWithError("short read");
      break;
    }
    benchmark::DoNotOptimize(buffer.data());
  }
}

void PreadOurs(benchmark::State& state) {
  FileSystem fs("memory://bench", {});
  const std::string content(kFileSize, 'x');
  s3f_handle* file = fs.Open("file", S3F_O_WRITE | S3F_O_CREATE);
  Check(s3f_pwrite(file, content.data(), content.size(), 0, nullptr), "s3f_pwrite");
  Check(s3f_close(file, nullptr), "s3f_close");

  file = fs.Open("file", S3F_O_READ);
  std::string all(kFileSize, '\0');
  Check(s3f_pread(all.data(), all.size(), 0, file, nullptr), "s3f_pread");
  ReadAtRandom(state, [&](char* out, uint64_t offset) {
    return s3f_pread(out, kReadSize, offset, file, nullptr);
  });
  Check(s3f_close(file, nullptr), "s3f_close");
}
BENCHMARK(PreadOurs)->Name("pread_4k_warm/ours");

void PreadFloor(benchmark::State& state) {
  char path[] = "/dev/shm/s3files-bench-XXXXXX";
  const int file = mkstemp(path);
  unlink(path);
  const std::string content(kFileSize, 'x');
  if (pwrite(file, content.data(), content.size(), 0) != static_cast<ssize_t>(kFileSize)) {
    state.SkipWithError("cannot write to /dev/shm");
  }
  ReadAtRandom(state, [&](char* out, uint64_t offset) {
    return pread(file, out, kReadSize, static_cast<off_t>(offset));
  });
  close(file);
}
BENCHMARK(PreadFloor)->Name("pread_4k_warm/floor");

}  // namespace
}  // namespace s3files::bench
