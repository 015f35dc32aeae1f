#include "lib/s3/s3_sender.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/s3/time_format.h"

namespace s3files {
namespace {

constexpr char kService[] = "s3";
constexpr uint64_t kMostReplyBody = 16 << 20;  // a list of 1,000 encoded keys is under 4 MB
constexpr int64_t kLargestSkewNs = int64_t{5} * 60 * 1'000'000'000;

bool Writes(S3Operation operation) {
  return operation != S3Operation::kGet && operation != S3Operation::kHead &&
         operation != S3Operation::kList;
}

absl::StatusOr<std::string> HashOf(ByteSource& body) {
  const uint64_t size = body.size();
  std::vector<char> piece(static_cast<size_t>(std::min<uint64_t>(size, 256 << 10)));
  Sha256Stream hash;
  for (uint64_t offset = 0; offset < size;) {
    const size_t take = static_cast<size_t>(std::min<uint64_t>(piece.size(), size - offset));
    S3FILES_RETURN_IF_ERROR(body.Read(offset, absl::MakeSpan(piece.data(), take)));
    hash.Update(absl::string_view(piece.data(), take));
    offset += take;
  }
  return Hex(AsBytes(hash.Finish()));
}

}  // namespace

S3Reply S3Sender::Send(const CallContext& call, S3Request& request) {
  return Send(call, request, options_.retry);
}

S3Reply S3Sender::Send(const CallContext& call, S3Request& request, const RetryOptions& retry) {
  S3Reply reply;
  Retrier retrier(retry, options_.clock);
  while (true) {
    const Verdict verdict = Attempt(call, request, reply);
    if (verdict == Verdict::kDone || verdict == Verdict::kFinal) break;
    if (!WaitForNext(call, verdict, retrier, reply)) break;
    const absl::Status may = request.before_repeat ? request.before_repeat() : absl::OkStatus();
    if (!may.ok()) {
      reply.status = may;
      reply.ambiguous = true;
      break;
    }
  }
  if (!reply.status.ok()) CountFailure();
  return reply;
}

Verdict S3Sender::Attempt(const CallContext& call, S3Request& request, S3Reply& reply) {
  reply.body.clear();
  reply.error = S3ErrorBody();
  reply.http = HttpResponse();
  reply.status = HashPayload(request);
  if (!reply.status.ok()) return Verdict::kFinal;

  HttpRequest http;
  http.method = std::string(request.method);
  reply.status = Sign(call, request, http);
  if (!reply.status.ok()) return Verdict::kFinal;
  StringSink text(kMostReplyBody);
  http.body = request.body;
  http.sink = request.sink != nullptr ? request.sink : &text;
  http.on_headers = request.on_headers;
  http.connect_timeout = request.connect_timeout;

  sent_[static_cast<size_t>(request.operation)].fetch_add(1, std::memory_order_relaxed);
  const absl::Status status = options_.transport->Perform(call, http, reply.http);
  bytes_in_.fetch_add(reply.http.bytes_in, std::memory_order_relaxed);
  bytes_out_.fetch_add(reply.http.bytes_out, std::memory_order_relaxed);
  reply.body = std::move(text.bytes());

  const Verdict verdict = Judge(request, status, reply);
  // Sent again inside the transport: the server may have acted on an earlier one.
  const bool unknown = verdict == Verdict::kRetryUnknown || reply.http.sends > 1 ||
                       reply.http.failure == HttpFailure::kGaveUp;
  if (unknown && verdict != Verdict::kDone && Writes(request.operation)) reply.ambiguous = true;
  if (!reply.status.ok()) reply.status = Annotate(reply.status, Name(request));
  return verdict;
}

bool S3Sender::WaitForNext(const CallContext& call, Verdict verdict, Retrier& retrier,
                           S3Reply& reply) {
  if (verdict == Verdict::kSkewed) {
    if (!CorrectClock(reply)) return false;
    retries_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  const absl::Duration at_least =
      ParseRetryAfter(reply.http.headers.Get("Retry-After"), options_.clock->WallNanos());
  const absl::Status wait = retrier.WaitForNext(call, at_least);
  if (wait.ok()) {
    retries_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  // Where attempts are used up the last failure's errno tells more.
  const int error = ErrnoOf(wait) == EIO ? ErrnoOf(reply.status) : ErrnoOf(wait);
  reply.status = Error(error, absl::StrCat(reply.status.message(), " (", wait.message(), ")"),
                       ReplyOf(reply.status));
  return false;
}

std::string S3Sender::Name(const S3Request& request) const {
  return absl::StrCat(request.method, " s3://", options_.endpoint.bucket(),
                      request.key.empty() ? "" : "/", request.key);
}

int64_t S3Sender::ServerNanos() const {
  return options_.clock->WallNanos() + clock_offset_ns_.load(std::memory_order_relaxed);
}

absl::Status S3Sender::HashPayload(S3Request& request) const {
  if (!request.payload_hash.empty()) return absl::OkStatus();
  if (request.body == nullptr || request.body->size() == 0) {
    request.payload_hash = sigv4::kEmptySha256;
  } else if (options_.endpoint.https()) {
    request.payload_hash = sigv4::kUnsignedPayload;  // TLS protects the body already
  } else {
    S3FILES_ASSIGN_OR_RETURN(request.payload_hash, HashOf(*request.body));
  }
  return absl::OkStatus();
}

absl::Status S3Sender::Sign(const CallContext& call, const S3Request& request, HttpRequest& http) {
  const Endpoint& endpoint = options_.endpoint;
  const std::string path = endpoint.PathOf(request.key);
  const std::string query = EncodeQuery(request.query);
  http.url = endpoint.UrlOf(path, query);
  http.headers.reserve(request.headers.size() + 4);
  http.headers = request.headers;
  S3FILES_ASSIGN_OR_RETURN(const std::shared_ptr<const Credentials> credentials,
                           options_.credentials->Get(call));
  if (credentials->anonymous()) return absl::OkStatus();

  const std::string timestamp = sigv4::Timestamp(ServerNanos());
  const absl::string_view day = absl::string_view(timestamp).substr(0, 8);
  http.headers.emplace_back("x-amz-content-sha256", request.payload_hash);
  http.headers.emplace_back("x-amz-date", timestamp);
  if (!credentials->session_token.empty()) {
    http.headers.emplace_back("x-amz-security-token", credentials->session_token);
  }
  sigv4::Headers to_sign = http.headers;
  to_sign.emplace_back("host", endpoint.host());
  const sigv4::Headers canonical = sigv4::CanonicalHeaders(to_sign);
  const std::string scope = sigv4::Scope(day, endpoint.region(), kService);
  const std::string string_to_sign = sigv4::StringToSign(
      timestamp, scope,
      sigv4::CanonicalRequest(request.method, path, query, canonical, request.payload_hash));
  const Sha256Digest key =
      signing_keys_.Get(credentials->secret_access_key, day, endpoint.region(), kService);
  http.headers.emplace_back(
      "Authorization",
      sigv4::Authorization(credentials->access_key_id, scope, sigv4::SignedHeaderNames(canonical),
                           sigv4::Signature(key, string_to_sign)));
  return absl::OkStatus();
}

Verdict S3Sender::Judge(const S3Request& request, const absl::Status& transport_status,
                        S3Reply& reply) {
  reply.status = transport_status;
  if (!transport_status.ok()) {
    switch (reply.http.failure) {
      case HttpFailure::kNotSent:
        return Verdict::kRetry;
      case HttpFailure::kBroken:
        return Verdict::kRetryUnknown;
      default:
        return Verdict::kFinal;
    }
  }
  const bool success = reply.http.status >= 200 && reply.http.status < 300;
  if (success && !request.ok_may_be_error) return Verdict::kDone;
  std::optional<S3ErrorBody> error = ParseError(success ? reply.body : reply.http.error_body);
  if (success && !error.has_value()) return Verdict::kDone;
  if (error.has_value()) reply.error = *std::move(error);
  return JudgeReply(request, reply);
}

Verdict S3Sender::JudgeReply(const S3Request& request, S3Reply& reply) {
  const HttpHeaders& headers = reply.http.headers;
  const int http_status = reply.http.status;
  if (reply.error.request_id.empty()) {
    reply.error.request_id = std::string(headers.Get("x-amz-request-id"));
  }
  const bool head = request.operation == S3Operation::kHead;
  reply.status = Error(ErrnoOfReply(http_status, reply.error.code),
                       DescribeReply(http_status, reply.error, options_.endpoint,
                                     headers.Get("x-amz-bucket-region"), head),
                       StoreReply{http_status, reply.error.code, reply.error.request_id});
  if (head && http_status == 403) {  // a HEAD has no body to say that it is the clock
    const std::optional<int64_t> date = ParseHttpDate(headers.Get("Date"));
    if (date.has_value() && std::llabs(*date - ServerNanos()) > kLargestSkewNs) {
      return Verdict::kSkewed;
    }
  }
  return VerdictOf(http_status, reply.error.code);
}

bool S3Sender::CorrectClock(S3Reply& reply) {
  if (reply.clock_corrected) return false;
  int64_t server_ns = reply.error.server_time_ns;
  if (server_ns == 0) server_ns = ParseHttpDate(reply.http.headers.Get("Date")).value_or(0);
  if (server_ns == 0) return false;
  reply.clock_corrected = true;
  clock_offset_ns_.store(server_ns - options_.clock->WallNanos(), std::memory_order_relaxed);
  return true;
}

absl::StatusOr<std::string> S3Sender::Presign(const CallContext& call, absl::string_view method,
                                              absl::string_view key, absl::Duration expires) {
  const int64_t seconds = absl::ToInt64Seconds(expires);
  if (seconds < 1 || seconds > 7 * 24 * 3600) {
    return Error(EINVAL, "a presigned URL lives from 1 second to 7 days");
  }
  S3FILES_ASSIGN_OR_RETURN(const std::shared_ptr<const Credentials> credentials,
                           options_.credentials->Get(call));
  const Endpoint& endpoint = options_.endpoint;
  const std::string path = endpoint.PathOf(key);
  if (credentials->anonymous()) return endpoint.UrlOf(path, "");
  const std::string timestamp = sigv4::Timestamp(ServerNanos());
  const absl::string_view day = absl::string_view(timestamp).substr(0, 8);
  const std::string scope = sigv4::Scope(day, endpoint.region(), kService);
  const std::string query = EncodeQuery(sigv4::PresignParameters(
      credentials->access_key_id, credentials->session_token, timestamp, scope, seconds, "host"));
  const std::string string_to_sign =
      sigv4::StringToSign(timestamp, scope,
                          sigv4::CanonicalRequest(method, path, query, {{"host", endpoint.host()}},
                                                  sigv4::kUnsignedPayload));
  const Sha256Digest signing_key =
      signing_keys_.Get(credentials->secret_access_key, day, endpoint.region(), kService);
  return endpoint.UrlOf(
      path,
      absl::StrCat(query, "&X-Amz-Signature=", sigv4::Signature(signing_key, string_to_sign)));
}

RequestCounts S3Sender::counts() const {
  const auto sent = [this](S3Operation operation) {
    return sent_[static_cast<size_t>(operation)].load(std::memory_order_relaxed);
  };
  RequestCounts out;
  out.get = sent(S3Operation::kGet);
  out.head = sent(S3Operation::kHead);
  out.put = sent(S3Operation::kPut);
  out.del = sent(S3Operation::kDelete);
  out.list = sent(S3Operation::kList);
  out.copy = sent(S3Operation::kCopy);
  out.create_upload = sent(S3Operation::kCreateUpload);
  out.upload_part = sent(S3Operation::kUploadPart);
  out.copy_part = sent(S3Operation::kCopyPart);
  out.complete_upload = sent(S3Operation::kCompleteUpload);
  out.abort_upload = sent(S3Operation::kAbortUpload);
  out.other = sent(S3Operation::kOther);
  out.retries = retries_.load(std::memory_order_relaxed);
  out.errors = errors_.load(std::memory_order_relaxed);
  out.bytes_in = bytes_in_.load(std::memory_order_relaxed);
  out.bytes_out = bytes_out_.load(std::memory_order_relaxed);
  return out;
}

}  // namespace s3files
