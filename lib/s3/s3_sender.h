// Signs requests, sends them, reads the verdict and tries again: what all REST calls share.
#ifndef S3FILES_LIB_S3_S3_SENDER_H_
#define S3FILES_LIB_S3_S3_SENDER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/base/bytes.h"
#include "lib/base/call_context.h"
#include "lib/base/clock.h"
#include "lib/http/transport.h"
#include "lib/s3/credentials.h"
#include "lib/s3/endpoint.h"
#include "lib/s3/retry.h"
#include "lib/s3/s3_error.h"
#include "lib/s3/sigv4.h"
#include "lib/s3/uri.h"
#include "lib/s3/xml.h"
#include "lib/store/object_store.h"

namespace s3files {

enum class S3Operation {
  kGet,
  kHead,
  kPut,
  kDelete,
  kList,
  kCopy,
  kCreateUpload,
  kUploadPart,
  kCopyPart,
  kCompleteUpload,
  kAbortUpload,
  kOther,
};
inline constexpr size_t kS3Operations = 12;

struct S3Request {
  S3Operation operation = S3Operation::kOther;
  absl::string_view method;
  absl::string_view key;  // empty = the bucket
  QueryParameters query;
  sigv4::Headers headers;
  ByteSource* body = nullptr;
  // A 2xx reply's body goes to the sink (with on_headers before it), or to S3Reply::body.
  ByteSink* sink = nullptr;
  std::function<absl::Status(const HttpResponse&)> on_headers;
  bool ok_may_be_error = false;  // a 200 may carry an <Error>
  // Asked before each attempt but the first: an error ends the call. (An earlier attempt may have
  // taken effect all the same.)
  std::function<absl::Status()> before_repeat = {};
  absl::Duration connect_timeout = absl::ZeroDuration();
  std::string payload_hash;  // filled by the sender, once for all attempts
};

struct S3Reply {
  absl::Status status;  // of the last attempt; OK = the store did it
  HttpResponse http;
  std::string body;
  S3ErrorBody error;
  // An attempt (this or an earlier one) may have taken effect without our learning it.
  bool ambiguous = false;
  bool clock_corrected = false;
};

struct S3SenderOptions {
  Endpoint endpoint;
  RetryOptions retry;
  std::shared_ptr<Transport> transport;
  std::shared_ptr<CredentialsProvider> credentials;
  Clock* clock = Clock::System();
};

// Thread-safe.
class S3Sender {
 public:
  explicit S3Sender(S3SenderOptions options) : options_(std::move(options)) {}

  // Tries until it is done, hopeless, or out of time. `status` of the reply: OK, the last refusal
  // as ErrnoOfReply or the transport has it, ETIMEDOUT, ECANCELED.
  S3Reply Send(const CallContext& call, S3Request& request);
  S3Reply Send(const CallContext& call, S3Request& request, const RetryOptions& retry);

  // One attempt of Send, for callers with a loop of their own. `reply.ambiguous` and
  // `clock_corrected` accumulate.
  Verdict Attempt(const CallContext& call, S3Request& request, S3Reply& reply);

  // After an attempt that may be repeated: true = waited, repeat it; false = `reply.status` says
  // why not.
  bool WaitForNext(const CallContext& call, Verdict verdict, Retrier& retrier, S3Reply& reply);

  // A URL that allows `method` on `key` for `expires` without credentials.
  absl::StatusOr<std::string> Presign(const CallContext& call, absl::string_view method,
                                      absl::string_view key, absl::Duration expires);

  const Endpoint& endpoint() const { return options_.endpoint; }
  const RetryOptions& retry() const { return options_.retry; }
  Clock* clock() const { return options_.clock; }
  RequestCounts counts() const;
  void CountFailure() { errors_.fetch_add(1, std::memory_order_relaxed); }

 private:
  absl::Status Sign(const CallContext& call, const S3Request& request, HttpRequest& http);
  absl::Status HashPayload(S3Request& request) const;
  Verdict Judge(const S3Request& request, const absl::Status& transport_status, S3Reply& reply);
  Verdict JudgeReply(const S3Request& request, S3Reply& reply);
  bool CorrectClock(S3Reply& reply);
  std::string Name(const S3Request& request) const;
  int64_t ServerNanos() const;  // our clock, corrected by what the store said

  const S3SenderOptions options_;
  sigv4::SigningKeyCache signing_keys_;
  std::atomic<int64_t> clock_offset_ns_{0};
  std::array<std::atomic<uint64_t>, kS3Operations> sent_{};
  std::atomic<uint64_t> retries_{0};
  std::atomic<uint64_t> errors_{0};
  std::atomic<uint64_t> bytes_in_{0};
  std::atomic<uint64_t> bytes_out_{0};
};

}  // namespace s3files

#endif  // S3FILES_LIB_S3_S3_SENDER_H_
