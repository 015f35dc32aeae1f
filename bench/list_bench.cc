// A directory of 100,000 files, listed by name and with all attributes, beside raw ListObjectsV2 pages
// of the same keys.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/bench_store.h"
#include "bench/raw_s3.h"

namespace s3files::bench {
namespace {

constexpr size_t kFiles = 100'000;

const std::string& Filled() {
  static const std::string prefix = [] {
    RawS3().Many(kFiles, kParallelFiles, [](size_t i) {
      return RawRequest{.method = "PUT",
                        .url = UrlOf(absl::StrCat("listed/file-", i)),
                        .body = "",
                        .payload_hash = PayloadHash("")};
    });
    return "listed";
  }();
  return prefix;
}

double ResidentBytes() {
  long pages = 0, resident = 0;
  std::unique_ptr<FILE, int (*)(FILE*)> statm(std::fopen("/proc/self/statm", "r"), &std::fclose);
  if (std::fscanf(statm.get(), "%ld %ld", &pages, &resident) != 2) return 0;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// Reads the directory; returns what the requests cost at 5 USD a million LISTs, 0.4 a million HEADs.
void ListOurs(benchmark::State& state, uint32_t mask) {
  const std::string& path = Filled();
  for (auto _ : state) {
    const FileSystem fs = FileSystem::OnServer();
    const double before = ResidentBytes();
    s3f_handle* directory = fs.Open(path, S3F_O_READ | S3F_O_DIRECTORY);
    std::vector<s3f_dirent> entries(1000, S3F_INIT(s3f_dirent));
    uint64_t cookie = 0;
    size_t seen = 0;
    while (int64_t n = Check(s3f_readdir(entries.data(), entries.size(), directory, cookie, nullptr,
                                         mask, nullptr),
                             "s3f_readdir")) {
      seen += static_cast<size_t>(n);
      cookie = entries[static_cast<size_t>(n) - 1].cookie;
    }
    if (seen != kFiles) state.SkipWithError("entries are missing");
    state.counters["bytes_per_entry"] = (ResidentBytes() - before) / static_cast<double>(kFiles);
    s3f_stats stats = S3F_INIT(s3f_stats);
    Check(s3f_fs_stats(&stats, fs.get()), "s3f_fs_stats");
    state.counters["requests"] = static_cast<double>(stats.list + stats.head);
    state.counters["usd"] =
        static_cast<double>(stats.list) * 5e-6 + static_cast<double>(stats.head) * 0.4e-6;
    Check(s3f_close(directory, nullptr), "s3f_close");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kFiles));
}

void ListFloor(benchmark::State& state) {
  const std::string& prefix = Filled();
  for (auto _ : state) {
    RawS3 raw;
    std::string after;
    size_t pages = 0;
    for (bool more = true; more; ++pages) {
      const RawReply reply =
          raw.One({.method = "GET",
                   .url = absl::StrCat(UrlOf(""), "?delimiter=%2F&list-type=2&prefix=", prefix,
                                       "%2F", after.empty() ? "" : "&start-after=", after),
                   .keep_body = true});
      const size_t last = reply.body.rfind("<Key>");
      more = reply.body.find("<IsTruncated>true") != std::string::npos;
      if (last == std::string::npos) break;
      after = reply.body.substr(last + 5, reply.body.find("</Key>", last) - last - 5);
      for (size_t at; (at = after.find('/')) != std::string::npos;) after.replace(at, 1, "%2F");
    }
    if (pages != kFiles / 1000) state.SkipWithError("pages are missing");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kFiles));
}

void ListNames(benchmark::State& state) { ListOurs(state, S3F_STAT_LISTED); }
void ListAll(benchmark::State& state) { ListOurs(state, S3F_STAT_ALL); }

BENCHMARK(ListNames)->Name("list_100k/ours")->Iterations(1)->UseRealTime();
BENCHMARK(ListAll)->Name("list_100k/full")->Iterations(1)->UseRealTime();
BENCHMARK(ListFloor)->Name("list_100k/floor")->Iterations(1)->UseRealTime();

}  // namespace
}  // namespace s3files::bench
