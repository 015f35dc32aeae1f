#include "bench/bench_store.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

namespace s3files::bench {

const std::string& Endpoint() {
  static const std::string endpoint = [] {
    const char* value = std::getenv("S3FILES_BENCH_ENDPOINT");
    if (value == nullptr) {
      std::fprintf(stderr, "S3FILES_BENCH_ENDPOINT is not set; run ./dev bench\n");
      std::exit(2);
    }
    return std::string(value);
  }();
  return endpoint;
}

std::string UrlOf(const std::string& key) { return Endpoint() + "/bench/" + key; }

int64_t Check(int64_t result, const char* what) {
  if (result >= 0) return result;
  s3f_error error = S3F_INIT(s3f_error);
  s3f_last_error(&error);
  std::fprintf(stderr, "%s: %s\n", what, error.message);
  std::exit(1);
}

FileSystem::FileSystem(const std::string& url, const Options& options) {
  std::vector<s3f_option> list;
  for (const auto& [name, value] : options) list.push_back({name.c_str(), value.c_str()});
  s3f_fs_config config = S3F_INIT(s3f_fs_config);
  config.options = list.data();
  config.option_count = static_cast<uint32_t>(list.size());
  Check(s3f_fs_open(&fs_, url.c_str(), &config, nullptr), url.c_str());
}

FileSystem FileSystem::OnServer(const std::string& prefix) {
  return FileSystem("s3://bench" + prefix,
                    {{"endpoint", Endpoint()},
                     {"provider", "aws"},
                     {"part_size", absl::StrCat(kPartSize)},
                     {"read_ahead", absl::StrCat(kPartSize * kParallelParts)},
                     {"parallel", absl::StrCat(kParallelFiles)}});
}

void FileSystem::Close() {
  Check(s3f_fs_close(std::exchange(fs_, nullptr), 0, nullptr), "s3f_fs_close");
}

s3f_handle* FileSystem::Open(const std::string& path, uint32_t flags) const {
  s3f_handle* handle = nullptr;
  Check(s3f_open(&handle, fs_, nullptr, path.c_str(), flags, 0644, nullptr), path.c_str());
  return handle;
}

}  // namespace s3files::bench
