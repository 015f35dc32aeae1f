// A Transport that plays a script instead of a network, and remembers what it was asked.
#ifndef S3FILES_TESTS_S3_SCRIPTED_TRANSPORT_H_
#define S3FILES_TESTS_S3_SCRIPTED_TRANSPORT_H_

#include <algorithm>
#include <cerrno>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/http/transport.h"

namespace s3files {

struct ScriptedReply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  HttpFailure failure = HttpFailure::kNone;  // after the body so far
  int sends = 1;
};

inline constexpr char kSomeDate[] = "Wed, 21 Oct 2015 07:28:00 GMT";

inline ScriptedReply Broken() {
  ScriptedReply out;
  out.status = 0;
  out.failure = HttpFailure::kBroken;
  return out;
}

inline ScriptedReply NotSent() {
  ScriptedReply out = Broken();
  out.failure = HttpFailure::kNotSent;
  out.sends = 0;
  return out;
}

inline ScriptedReply Refusal(int status, const std::string& code) {
  ScriptedReply out;
  out.status = status;
  out.body = "<Error><Code>" + code + "</Code><Message>m</Message></Error>";
  return out;
}

// What HEAD says of an object.
inline ScriptedReply Described(const std::string& etag, const std::string& commit, size_t size) {
  ScriptedReply out;
  out.headers = {{"ETag", "\"" + etag + "\""},
                 {"Last-Modified", kSomeDate},
                 {"Content-Length", absl::StrCat(size)}};
  if (!commit.empty()) out.headers.emplace_back("x-amz-meta-s3files-commit", commit);
  return out;
}

// A range's reply; `sent` bytes arrive before the connection breaks where it is shorter.
inline ScriptedReply Part(const std::string& etag, const std::string& whole, size_t begin,
                          size_t end, size_t sent) {
  ScriptedReply out = Described(etag, "", end - begin);
  out.status = 206;
  out.headers.emplace_back("Content-Range",
                           absl::StrCat("bytes ", begin, "-", end - 1, "/", whole.size()));
  out.body = whole.substr(begin, sent);
  if (sent < end - begin) out.failure = HttpFailure::kBroken;
  return out;
}

struct SeenRequest {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string Header(const std::string& name) const {
    for (const auto& [n, value] : headers) {
      if (absl::EqualsIgnoreCase(n, name)) return value;
    }
    return "";
  }
};

// For one thread.
class ScriptedTransport final : public Transport {
 public:
  void Then(ScriptedReply reply) { script_.push_back(std::move(reply)); }
  const std::vector<SeenRequest>& seen() const { return seen_; }
  size_t left() const { return script_.size(); }

  absl::Status Perform(const CallContext& call, const HttpRequest& request,
                       HttpResponse& response) override {
    response = HttpResponse();
    if (absl::Status status = call.Check("scripted"); !status.ok()) {
      response.failure = HttpFailure::kGaveUp;
      return status;
    }
    SeenRequest seen{request.method, request.url, request.headers, ""};
    if (request.body != nullptr) {
      seen.body.resize(request.body->size());
      S3FILES_RETURN_IF_ERROR(request.body->Read(0, absl::MakeSpan(seen.body)));
    }
    seen_.push_back(std::move(seen));
    if (script_.empty()) {
      response.failure = HttpFailure::kRefused;
      return Error(EIO, "the script has ended");
    }
    const ScriptedReply reply = std::move(script_.front());
    script_.pop_front();
    return Play(reply, request, response);
  }

 private:
  static absl::Status Play(const ScriptedReply& reply, const HttpRequest& request,
                           HttpResponse& response) {
    response.status = reply.status;
    response.sends = reply.sends;
    for (const auto& [name, value] : reply.headers) response.headers.Add(name, value);
    if (reply.status >= 200 && reply.status < 300) {
      if (request.on_headers) {
        if (absl::Status status = request.on_headers(response); !status.ok()) {
          response.failure = HttpFailure::kRefused;
          return status;
        }
      }
      for (size_t at = 0; at < reply.body.size() && request.sink != nullptr;) {
        const size_t piece = std::min<size_t>(3, reply.body.size() - at);
        S3FILES_RETURN_IF_ERROR(
            request.sink->Write(at, absl::MakeConstSpan(reply.body.data() + at, piece)));
        at += piece;
        response.bytes_in = at;
      }
    } else {
      response.error_body = reply.body;
    }
    response.failure = reply.failure;
    if (reply.failure == HttpFailure::kNone) return absl::OkStatus();
    return Error(reply.failure == HttpFailure::kNotSent ? ECONNREFUSED : ECONNRESET, "scripted");
  }

  std::deque<ScriptedReply> script_;
  std::vector<SeenRequest> seen_;
};

}  // namespace s3files

#endif  // S3FILES_TESTS_S3_SCRIPTED_TRANSPORT_H_
