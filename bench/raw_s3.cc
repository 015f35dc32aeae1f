#include "bench/raw_s3.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "bench/bench_store.h"
#include "lib/base/hash.h"

namespace s3files::bench {
namespace {

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

// The text between <name> and </name>.
std::string Element(const std::string& xml, const std::string& name) {
  const size_t begin = xml.find("<" + name + ">");
  const size_t end = xml.find("</" + name + ">");
  if (begin == std::string::npos || end == std::string::npos) return "";
  return xml.substr(begin + name.size() + 2, end - begin - name.size() - 2);
}

}  // namespace

std::string PayloadHash(std::string_view body) {
  return Hex(AsBytes(Sha256(absl::string_view(body.data(), body.size()))));
}

// A request under way, on a handle that is reused for its connection.
class RawS3::Transfer {
 public:
  Transfer(CURL* handle, bool sign, RawRequest request, RawReply* reply)
      : handle_(handle), request_(std::move(request)), reply_(reply) {
    curl_easy_reset(handle_);
    Set(CURLOPT_PRIVATE, this);
    Set(CURLOPT_URL, request_.url.c_str());
    Set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    Set(CURLOPT_BUFFERSIZE, 512L << 10);
    Set(CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
    Set(CURLOPT_HEADERFUNCTION, &OnHeader);
    Set(CURLOPT_HEADERDATA, this);
    Set(CURLOPT_WRITEFUNCTION, &OnBody);
    Set(CURLOPT_WRITEDATA, this);
    if (!request_.range.empty()) Set(CURLOPT_RANGE, request_.range.c_str());
    if (request_.method == "PUT") {
      Set(CURLOPT_UPLOAD, 1L);
      Set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      Set(CURLOPT_READFUNCTION, &OnRead);
      Set(CURLOPT_READDATA, this);
    } else if (request_.method == "POST") {
      Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      Set(CURLOPT_POSTFIELDS, request_.body.data());
    }
    headers_ = curl_slist_append(headers_, "Expect:");
    if (sign) {
      static const std::string keys = Environment("AWS_ACCESS_KEY_ID", "s3files") + ":" +
                                      Environment("AWS_SECRET_ACCESS_KEY", "s3files-secret");
      const std::string& hash = request_.payload_hash;
      headers_ = curl_slist_append(
          headers_,
          absl::StrCat("x-amz-content-sha256: ", hash.empty() ? "UNSIGNED-PAYLOAD" : hash).c_str());
      Set(CURLOPT_AWS_SIGV4, "aws:amz:us-east-1:s3");
      Set(CURLOPT_USERPWD, keys.c_str());
    }
    Set(CURLOPT_HTTPHEADER, headers_);
  }

  ~Transfer() { curl_slist_free_all(headers_); }

  CURL* handle() const { return handle_; }

  void Finish(CURLcode result) const {
    long status = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    if (result == CURLE_OK && status / 100 == 2) return;
    std::fprintf(stderr, "%s %s: %s, HTTP %ld %s\n", request_.method.c_str(), request_.url.c_str(),
                 curl_easy_strerror(result), status, reply_->body.c_str());
    std::exit(1);
  }

 private:
  template <typename T>
  void Set(CURLoption option, T value) {
    if (curl_easy_setopt(handle_, option, value) != CURLE_OK) std::abort();
  }

  static size_t OnRead(char* out, size_t size, size_t count, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    const std::string_view rest = transfer->request_.body.substr(transfer->sent_);
    const size_t bytes = std::min(rest.size(), size * count);
    std::memcpy(out, rest.data(), bytes);
    transfer->sent_ += bytes;
    return bytes;
  }

  static size_t OnBody(char* bytes, size_t size, size_t count, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    if (transfer->request_.method == "POST" || transfer->request_.keep_body) {
      transfer->reply_->body.append(bytes, size * count);
    }
    transfer->reply_->received += size * count;
    return size * count;
  }

  static size_t OnHeader(char* bytes, size_t size, size_t count, void* self) {
    absl::string_view line(bytes, size * count);
    if (absl::StartsWithIgnoreCase(line, "etag:")) {
      line.remove_prefix(5);
      static_cast<Transfer*>(self)->reply_->etag = std::string(absl::StripAsciiWhitespace(line));
    }
    return size * count;
  }

  CURL* const handle_;
  const RawRequest request_;
  RawReply* const reply_;
  size_t sent_ = 0;
  curl_slist* headers_ = nullptr;
};

RawS3::RawS3(bool sign) : multi_(curl_multi_init()), sign_(sign) {
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 64L);
}

RawS3::~RawS3() {
  for (CURL* handle : idle_) curl_easy_cleanup(handle);
  curl_multi_cleanup(multi_);
}

RawReply RawS3::One(const RawRequest& request) {
  return Many(1, 1, [&](size_t) { return request; })[0];
}

std::vector<RawReply> RawS3::Many(size_t count, size_t parallel,
                                  const std::function<RawRequest(size_t)>& make) {
  std::vector<RawReply> replies(count);
  size_t started = 0;
  size_t finished = 0;
  while (finished < count) {
    for (; started < count && started - finished < parallel; ++started) {
      if (idle_.empty()) idle_.push_back(curl_easy_init());
      auto* transfer = new Transfer(idle_.back(), sign_, make(started), &replies[started]);
      idle_.pop_back();
      curl_multi_add_handle(multi_, transfer->handle());
    }
    int running = 0;
    curl_multi_perform(multi_, &running);
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      Transfer* raw = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &raw);
      const std::unique_ptr<Transfer> transfer(raw);
      transfer->Finish(message->data.result);
      curl_multi_remove_handle(multi_, transfer->handle());
      idle_.push_back(transfer->handle());
      ++finished;
    }
    if (running > 0) curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
  }
  return replies;
}

uint64_t RawS3::Download(const std::string& url, uint64_t size, uint64_t part_size,
                         size_t parallel) {
  const auto replies = Many((size + part_size - 1) / part_size, parallel, [&](size_t i) {
    const uint64_t begin = i * part_size;
    const uint64_t last = std::min(size, begin + part_size) - 1;
    return RawRequest{.method = "GET", .url = url, .range = absl::StrCat(begin, "-", last)};
  });
  uint64_t received = 0;
  for (const RawReply& reply : replies) received += reply.received;
  return received;
}

void RawS3::Upload(const std::string& url, uint64_t size, std::string_view part, size_t parallel,
                   Payload payload) {
  const RawReply created = One({.method = "POST", .url = url + "?uploads="});
  const std::string id = Element(created.body, "UploadId");
  const size_t count = (size + part.size() - 1) / part.size();
  auto body = [&](size_t i) { return part.substr(0, size - i * part.size()); };
  std::vector<std::future<std::string>> hashes;
  auto hash_ahead = [&](size_t until) {
    for (size_t i = hashes.size(); i < std::min(until, count); ++i) {
      hashes.push_back(std::async(std::launch::async, PayloadHash, body(i)));
    }
  };
  const auto parts = Many(count, parallel, [&](size_t i) {
    RawRequest request{.method = "PUT",
                       .url = absl::StrCat(url, "?partNumber=", i + 1, "&uploadId=", id),
                       .body = body(i)};
    if (payload == Payload::kUnsigned) return request;
    hash_ahead(i + parallel);
    request.payload_hash = hashes[i].get();
    return request;
  });
  std::string list = "<CompleteMultipartUpload>";
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StrAppend(&list, "<Part><PartNumber>", i + 1, "</PartNumber><ETag>", parts[i].etag,
                    "</ETag></Part>");
  }
  list += "</CompleteMultipartUpload>";
  One({.method = "POST", .url = url + "?uploadId=" + id, .body = list});
}

void RawPuts(size_t files, std::string_view content,
             const std::function<std::string(size_t)>& key) {
  RawS3().Many(files, kParallelFiles, [&](size_t i) {
    return RawRequest{.method = "PUT",
                      .url = UrlOf(key(i)),
                      .body = content,
                      .payload_hash = PayloadHash(content)};
  });
}

}  // namespace s3files::bench
