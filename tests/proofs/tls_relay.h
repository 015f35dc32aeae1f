// TLS in front of a server that speaks plain TCP, which can be cut where a test wants it.
#ifndef S3FILES_TESTS_PROOFS_TLS_RELAY_H_
#define S3FILES_TESTS_PROOFS_TLS_RELAY_H_

#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "tests/http/raw_server.h"
#include "tests/proofs/certificates.h"

namespace s3files::proofs {

class TlsRelay {
 public:
  TlsRelay(const Certificate& certificate, int upstream_port);

  std::string endpoint() const;  // https://127.0.0.1:PORT
  int port() const { return server_.port(); }
  int connections() const { return server_.connections(); }
  int handshakes() const { return handshakes_; }  // completed

  // Speaks no TLS newer than 1.1. Before the first connection.
  void BeOld();

  // Of the connections from now on, so many are closed after the client's first bytes.
  void CutHandshakes(int count) { cut_handshakes_ = count; }
  // Of the connections from now on, none gets an answer to its first bytes.
  void StallHandshakes(bool on) { stall_handshakes_ = on; }
  // The connection on which so many bytes have passed since now, to the client or from it, is
  // closed; once. Without TLS's word of farewell, as by a line that breaks.
  void CutAfterBytesDown(int64_t bytes) { down_left_ = bytes; }
  void CutAfterBytesUp(int64_t bytes) { up_left_ = bytes; }
  // Cuts those that are open.
  void CutAll() { server_.CutAll(); }

 private:
  void Serve(int client);
  void Pump(SSL* tls, int client, int upstream);
  // What of `size` bytes may pass; less: the connection is to be cut then.
  static size_t Allowed(std::atomic<int64_t>& left, size_t size);

  const std::shared_ptr<SSL_CTX> context_;
  const int upstream_port_;
  std::atomic<int> handshakes_{0};
  std::atomic<int> cut_handshakes_{0};
  std::atomic<bool> stall_handshakes_{false};
  std::atomic<int64_t> down_left_{-1};  // negative: no limit
  std::atomic<int64_t> up_left_{-1};
  RawServer server_;  // last: its threads use the rest
};

}  // namespace s3files::proofs

#endif  // S3FILES_TESTS_PROOFS_TLS_RELAY_H_
