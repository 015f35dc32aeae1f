// What the benchmarks share: the server under them, and checked calls of the public API.
#ifndef S3FILES_BENCH_BENCH_STORE_H_
#define S3FILES_BENCH_BENCH_STORE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "s3files/s3files.h"

namespace s3files::bench {

// The same for the library and its floor.
inline constexpr uint64_t kPartSize = uint64_t{8} << 20;
inline constexpr size_t kParallelParts = 8;
inline constexpr size_t kParallelFiles = 32;

// http://host:port of the S3 server, from S3FILES_BENCH_ENDPOINT; exits where it is not set.
// `./dev bench` starts one. The bucket "bench" is there.
const std::string& Endpoint();

// The URL of a key in the bucket.
std::string UrlOf(const std::string& key);

// A file system, closed at the end of the scope. Failures exit the process with their message.
class FileSystem {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;

  FileSystem(const std::string& url, const Options& options);
  // On the server's bucket, its options and the ones shared with the floor.
  static FileSystem OnServer(const std::string& prefix = "");  // "", or "/PREFIX"
  FileSystem(const FileSystem&) = delete;
  ~FileSystem() { Close(); }
  void Close();  // once

  s3f_fs* get() const { return fs_; }
  s3f_handle* Open(const std::string& path, uint32_t flags) const;

 private:
  s3f_fs* fs_ = nullptr;
};

// `result`, or the end of the process where it is an error.
int64_t Check(int64_t result, const char* what);

}  // namespace s3files::bench

#endif  // S3FILES_BENCH_BENCH_STORE_H_
