// A large directory, listed by name and with all attributes, beside raw ListObjectsV2 pages of the same
// keys: 100,000 entries on loopback, and 1,000,000 where each request takes as long as it does in a
// region.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/bench_store.h"
#include "bench/raw_s3.h"

namespace s3files::bench {
namespace {

constexpr int kRegionMs = 20;

// The directory of so many files.
const std::string& Filled(size_t files) {
  static std::map<size_t, std::string> filled;
  std::string& path = filled[files];
  if (path.empty()) {
    path = absl::StrCat("listed-", files);
    RawS3().Many(files, kParallelFiles, [&](size_t i) {
      return RawRequest{.method = "PUT",
                        .url = UrlOf(absl::StrCat(path, "/file-", i)),
                        .body = "",
                        .payload_hash = PayloadHash("")};
    });
  }
  return path;
}

// While one lives, each request to the server takes so much longer.
class Latency {
 public:
  explicit Latency(int ms) : ms_(ms) {
    if (ms_ > 0) Tell("PUT", absl::StrCat(R"([{"latency_ms":)", ms_, "}]"));
  }
  ~Latency() {
    if (ms_ > 0) Tell("DELETE", "");
  }

 private:
  static void Tell(const std::string& method, const std::string& body) {
    RawS3().One({.method = method, .url = Endpoint() + "/-/faults", .body = body});
  }
  const int ms_;
};

double ResidentBytes() {
  long pages = 0, resident = 0;
  std::unique_ptr<FILE, int (*)(FILE*)> statm(std::fopen("/proc/self/statm", "r"), &std::fclose);
  if (std::fscanf(statm.get(), "%ld %ld", &pages, &resident) != 2) return 0;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// Reads the directory; notes what the requests cost at 5 USD a million LISTs, 0.4 a million HEADs.
void ListOurs(benchmark::State& state, size_t files, int latency_ms, uint32_t mask) {
  const std::string& path = Filled(files);
  const Latency latency(latency_ms);
  for (auto _ : state) {
    const FileSystem fs = FileSystem::OnServer();
    const double before = ResidentBytes();
    const auto begin = std::chrono::steady_clock::now();
    s3f_handle* directory = fs.Open(path, S3F_O_READ | S3F_O_DIRECTORY);
    std::vector<s3f_dirent> entries(1000, S3F_INIT(s3f_dirent));
    uint64_t cookie = 0;
    size_t seen = 0;
    while (int64_t n = Check(s3f_readdir(entries.data(), entries.size(), directory, cookie, nullptr,
                                         mask, nullptr),
                             "s3f_readdir")) {
      if (seen == 0) {
        const std::chrono::duration<double, std::milli> first =
            std::chrono::steady_clock::now() - begin;
        state.counters["first_ms"] = first.count();
      }
      seen += static_cast<size_t>(n);
      cookie = entries[static_cast<size_t>(n) - 1].cookie;
    }
    if (seen != files) state.SkipWithError("entries are missing");
    state.counters["bytes_per_entry"] = (ResidentBytes() - before) / static_cast<double>(files);
    s3f_stats stats = S3F_INIT(s3f_stats);
    Check(s3f_fs_stats(&stats, fs.get()), "s3f_fs_stats");
    state.counters["requests"] = static_cast<double>(stats.list + stats.head);
    state.counters["usd"] =
        static_cast<double>(stats.list) * 5e-6 + static_cast<double>(stats.head) * 0.4e-6;
    Check(s3f_close(directory, nullptr), "s3f_close");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(files));
}

void ListFloor(benchmark::State& state, size_t files, int latency_ms) {
  const std::string& prefix = Filled(files);
  const Latency latency(latency_ms);
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
    if (pages != files / 1000) state.SkipWithError("pages are missing");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(files));
}

void Job(const std::string& name, size_t files, int latency_ms) {
  const auto add = [&](const char* side, auto function, auto... arguments) {
    benchmark::RegisterBenchmark((name + side).c_str(), function, files, latency_ms, arguments...)
        ->Iterations(1)
        ->UseRealTime();
  };
  add("/ours", ListOurs, uint32_t{S3F_STAT_LISTED});
  if (latency_ms == 0) add("/full", ListOurs, uint32_t{S3F_STAT_ALL});
  add("/floor", ListFloor);
}

[[maybe_unused]] const bool kRegistered = [] {
  Job("list_100k", 100'000, 0);
  Job("list_1m", 1'000'000, kRegionMs);
  return true;
}();

}  // namespace
}  // namespace s3files::bench
