// The floor under the library: plain libcurl on one thread, many transfers at once, nothing kept.
#ifndef S3FILES_BENCH_RAW_S3_H_
#define S3FILES_BENCH_RAW_S3_H_

#include <curl/curl.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace s3files::bench {

// One request; `body` must outlive it.
struct RawRequest {
  std::string method = "GET";
  std::string url;
  std::string range;  // "0-99"; empty = none
  std::string_view body;
  std::string payload_hash = {};  // of the body in hex; empty = UNSIGNED-PAYLOAD
  bool keep_body = false;         // of the reply
};

// What `body` hashes to, for RawRequest.
std::string PayloadHash(std::string_view body);

// Over plain http a client hashes what it sends, as aws-cli and s3files do: nothing else protects
// it. Unsigned is what is left without that.
enum class Payload { kSigned, kUnsigned };

struct RawReply {
  std::string etag;
  std::string body;  // of POST, and where asked for; other bodies are counted and dropped
  uint64_t received = 0;
};

// Connections are kept between calls. Exits the process where a request fails: a benchmark of
// failures measures nothing. Not thread-safe.
class RawS3 {
 public:
  // Signs with the keys of the environment; `sign` off: sends requests as they are.
  explicit RawS3(bool sign = true);
  ~RawS3();

  RawReply One(const RawRequest& request);

  // `count` requests, at most `parallel` at a time, each made when its turn comes.
  std::vector<RawReply> Many(size_t count, size_t parallel,
                             const std::function<RawRequest(size_t)>& make);

  // Ranged GETs of `part_size`; returns the bytes received.
  uint64_t Download(const std::string& url, uint64_t size, uint64_t part_size, size_t parallel);

  // A multipart upload of `size` bytes whose parts are all `part`, but for the last. Hashes ahead
  // of the transfers, on threads of its own.
  void Upload(const std::string& url, uint64_t size, std::string_view part, size_t parallel,
              Payload payload);

 private:
  class Transfer;

  CURLM* const multi_;
  const bool sign_;
  std::vector<CURL*> idle_;
};

// `files` objects of `content`, kParallelFiles at once: the floor of making files.
void RawPuts(size_t files, std::string_view content, const std::function<std::string(size_t)>& key);

}  // namespace s3files::bench

#endif  // S3FILES_BENCH_RAW_S3_H_
