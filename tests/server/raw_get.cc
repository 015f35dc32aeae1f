// Reads one URL by parallel ranged GETs with libcurl and throws the bytes away: the most a client
// on libcurl can get out of a server. Prints MB/s, the best of a number of rounds.
//
//   raw_get URL SIZE [CONNECTIONS [RANGE_BYTES [ROUNDS]]]

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct Job {
  std::string url;
  uint64_t size;
  uint64_t range;
  int connections;
};

size_t Discard(char*, size_t size, size_t count, void* received) {
  *static_cast<uint64_t*>(received) += size * count;
  return size * count;
}

// Sends the handle off for the next range; false when there is none.
bool StartNext(const Job& job, CURLM* multi, CURL* handle, uint64_t& offset) {
  if (offset >= job.size) return false;
  uint64_t end = std::min(job.size, offset + job.range);
  std::string range = std::to_string(offset) + "-" + std::to_string(end - 1);
  offset = end;
  curl_easy_setopt(handle, CURLOPT_RANGE, range.c_str());
  curl_multi_add_handle(multi, handle);
  return true;
}

void CheckDone(const CURLMsg& message) {
  long status = 0;
  curl_easy_getinfo(message.easy_handle, CURLINFO_RESPONSE_CODE, &status);
  if (message.data.result == CURLE_OK && status == 206) return;
  std::fprintf(stderr, "raw_get: %s, status %ld\n", curl_easy_strerror(message.data.result),
               status);
  std::exit(1);
}

// Bytes a second.
double ReadAll(const Job& job, CURLM* multi, const std::vector<CURL*>& handles,
               uint64_t& received) {
  auto begin = std::chrono::steady_clock::now();
  received = 0;
  uint64_t offset = 0;
  int running = 0;
  for (CURL* handle : handles) running += StartNext(job, multi, handle, offset);
  while (running > 0) {
    int ignored = 0;
    curl_multi_perform(multi, &ignored);
    while (CURLMsg* message = curl_multi_info_read(multi, &ignored)) {
      CheckDone(*message);
      CURL* handle = message->easy_handle;
      curl_multi_remove_handle(multi, handle);
      if (!StartNext(job, multi, handle, offset)) --running;
    }
    if (running > 0) curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
  }
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (received != job.size) std::exit(1);
  return static_cast<double>(job.size) / seconds.count();
}

}  // namespace

int main(int argc, char** argv) {
  auto number = [&](int index, uint64_t otherwise) {
    return argc > index ? std::strtoull(argv[index], nullptr, 10) : otherwise;
  };
  if (argc < 3) {
    std::fputs("usage: raw_get URL SIZE [CONNECTIONS [RANGE_BYTES [ROUNDS]]]\n", stderr);
    return 2;
  }
  Job job{argv[1], number(2, 0), number(4, 8 << 20), static_cast<int>(number(3, 4))};
  curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM* multi = curl_multi_init();
  uint64_t received = 0;
  std::vector<CURL*> handles;
  for (int i = 0; i < job.connections; ++i) {
    CURL* handle = curl_easy_init();
    curl_easy_setopt(handle, CURLOPT_URL, job.url.c_str());
    curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, Discard);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &received);
    handles.push_back(handle);
  }
  double best = 0;
  for (uint64_t round = 0; round < number(5, 5); ++round) {
    best = std::max(best, ReadAll(job, multi, handles, received));
  }
  std::printf("%.0f\n", best / 1e6);
  for (CURL* handle : handles) curl_easy_cleanup(handle);
  curl_multi_cleanup(multi);
  curl_global_cleanup();
}
