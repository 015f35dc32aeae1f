// One HTTP request and its reply. The interface that the S3 client is tested against without a
// network.
#ifndef S3FILES_LIB_HTTP_TRANSPORT_H_
#define S3FILES_LIB_HTTP_TRANSPORT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "lib/base/bytes.h"
#include "lib/base/call_context.h"
#include "lib/http/http_headers.h"

namespace s3files {

struct HttpResponse;

struct HttpRequest {
  std::string method;  // GET, HEAD, PUT, POST or DELETE
  std::string url;     // absolute; path and query percent-encoded, sent as they are
  std::vector<std::pair<std::string, std::string>> headers;  // Host and Content-Length excluded

  // PUT and POST; null = empty. Read from the transport's thread, from 0 again where it must be
  // sent again.
  ByteSource* body = nullptr;

  // Takes the body of a 2xx reply from offset 0; null = it is dropped. Other bodies go to
  // HttpResponse::error_body.
  ByteSink* sink = nullptr;

  // Called once, on the transport's thread, when the headers of a 2xx reply are complete and no
  // byte has gone to `sink`; an error ends the transfer with it.
  std::function<absl::Status(const HttpResponse&)> on_headers;

  absl::Duration connect_timeout = absl::ZeroDuration();  // zero = the transport's own
};

// How a transfer without a complete reply ended: says what may be done about it.
enum class HttpFailure {
  kNone,
  kNotSent,  // no connection: the server has not seen the request
  kBroken,   // lost or stalled: the server may have acted on it
  kRefused,  // by us: sink, source or on_headers failed, certificate not trusted, malformed URL
  kGaveUp,   // the caller's deadline or cancel token
};

struct HttpResponse {
  int status = 0;  // 0 = none arrived
  HttpHeaders headers;
  std::string error_body;  // of a reply that is not 2xx; its first 64 KiB
  uint64_t bytes_in = 0;   // body bytes received
  uint64_t bytes_out = 0;  // body bytes sent, those sent again included
  // How often the request was put on the wire. 0 = never. More than once: a reused connection
  // turned out dead, and the server may have acted on an earlier one.
  int sends = 0;
  HttpFailure failure = HttpFailure::kNone;
};

// Thread-safe.
class Transport {
 public:
  virtual ~Transport() = default;

  // Blocks until the reply is complete (OK, whatever its status), the transfer failed, the call's
  // deadline passed (ETIMEDOUT) or its token fired (ECANCELED). `response` holds what arrived, on
  // failure too. Once it returned nothing touches the request, its body and its sink any more.
  virtual absl::Status Perform(const CallContext& call, const HttpRequest& request,
                               HttpResponse& response) = 0;
};

}  // namespace s3files

#endif  // S3FILES_LIB_HTTP_TRANSPORT_H_
