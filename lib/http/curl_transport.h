// HTTP/1.1 by libcurl's multi interface on a few threads of its own.
#ifndef S3FILES_LIB_HTTP_CURL_TRANSPORT_H_
#define S3FILES_LIB_HTTP_CURL_TRANSPORT_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "lib/http/transport.h"

namespace s3files {

struct CurlTransportOptions {
  int io_threads = 2;        // started on demand
  int max_connections = 64;  // in all; further requests wait their turn
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration stall_timeout = absl::Seconds(30);  // without a byte in either direction
  bool verify_tls = true;
  std::string ca_file;  // PEM, in place of the system's; empty = those
  std::string user_agent = "s3files";
};

// Proxies are taken from the environment as curl does, except for loopback hosts. Connections are
// kept and reused. A forked child must not use an inherited transport (EBUSY) and may destroy it:
// that sends nothing on, and closes nothing of, the parent's connections.
class CurlTransport final : public Transport {
 public:
  explicit CurlTransport(const CurlTransportOptions& options);
  ~CurlTransport() override;  // no call may be under way

  absl::Status Perform(const CallContext& call, const HttpRequest& request,
                       HttpResponse& response) override;

 private:
  class IoThread;
  struct Transfer;

  IoThread* LeastLoaded();

  const CurlTransportOptions options_;
  const pid_t pid_;
  std::vector<std::unique_ptr<IoThread>> threads_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_HTTP_CURL_TRANSPORT_H_
