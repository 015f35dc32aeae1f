// One large file: sequential reads and writes through the library, beside raw parallel libcurl with
// the same part size and as many requests at once.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>

#include "bench/bench_store.h"
#include "bench/raw_s3.h"

namespace s3files::bench {
namespace {

constexpr uint64_t kFileSize = uint64_t{1} << 30;
constexpr size_t kCallSize = 1 << 20;

const std::string& Part() {
  static const std::string part = [] {
    std::string bytes(kPartSize, '\0');
    std::minstd_rand random(1);
    std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random() >> 8); });
    return bytes;
  }();
  return part;
}

// The file that is read, uploaded on first use.
const std::string& Uploaded() {
  static const std::string key = [] {
    RawS3().Upload(UrlOf("read"), kFileSize, Part(), kParallelParts, Payload::kUnsigned);
    return "read";
  }();
  return key;
}

void ReadOurs(benchmark::State& state) {
  const std::string& path = Uploaded();
  std::string buffer(kCallSize, '\0');
  for (auto _ : state) {
    const FileSystem fs = FileSystem::OnServer();  // a new one each time: nothing is cached
    s3f_handle* file = fs.Open(path, S3F_O_READ);
    uint64_t offset = 0;
    while (int64_t bytes =
               Check(s3f_pread(buffer.data(), buffer.size(), offset, file, nullptr), "s3f_pread")) {
      offset += static_cast<uint64_t>(bytes);
    }
    if (offset != kFileSize) state.SkipWithError("short file");
    Check(s3f_close(file, nullptr), "s3f_close");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kFileSize));
}

void ReadFloor(benchmark::State& state) {
  const std::string url = UrlOf(Uploaded());
  for (auto _ : state) {
    if (RawS3().Download(url, kFileSize, kPartSize, kParallelParts) != kFileSize) {
      state.SkipWithError("short object");
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kFileSize));
}

// The same from nginx, which serves such a file at S3FILES_BENCH_NGINX.
void ReadNginx(benchmark::State& state) {
  const char* url = std::getenv("S3FILES_BENCH_NGINX");
  for (auto _ : state) {
    if (url == nullptr ||
        RawS3(/*sign=*/false).Download(url, kFileSize, kPartSize, kParallelParts) != kFileSize) {
      state.SkipWithError("S3FILES_BENCH_NGINX serves no such file");
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kFileSize));
}

void WriteOurs(benchmark::State& state) {
  const FileSystem fs = FileSystem::OnServer();
  for (auto _ : state) {
    s3f_handle* file = fs.Open("written", S3F_O_WRITE | S3F_O_CREATE | S3F_O_TRUNC);
    for (uint64_t offset = 0; offset < kFileSize; offset += kCallSize) {
      Check(s3f_pwrite(file, Part().data() + offset % kPartSize, kCallSize, offset, nullptr),
            "s3f_pwrite");
    }
    Check(s3f_close(file, nullptr), "s3f_close");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kFileSize));
}

void WriteRaw(benchmark::State& state, Payload payload) {
  for (auto _ : state) {
    RawS3().Upload(UrlOf("written"), kFileSize, Part(), kParallelParts, payload);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kFileSize));
}

void WriteFloor(benchmark::State& state) { WriteRaw(state, Payload::kSigned); }
void WriteUnsigned(benchmark::State& state) { WriteRaw(state, Payload::kUnsigned); }

BENCHMARK(ReadOurs)->Name("read_1g_cold/ours")->Iterations(1)->UseRealTime();
BENCHMARK(ReadFloor)->Name("read_1g_cold/floor")->Iterations(1)->UseRealTime();
BENCHMARK(ReadNginx)->Name("read_1g_cold/nginx")->Iterations(1)->UseRealTime();
BENCHMARK(WriteOurs)->Name("write_1g/ours")->Iterations(1)->UseRealTime();
BENCHMARK(WriteFloor)->Name("write_1g/floor")->Iterations(1)->UseRealTime();
BENCHMARK(WriteUnsigned)->Name("write_1g/unsigned")->Iterations(1)->UseRealTime();

}  // namespace
}  // namespace s3files::bench
