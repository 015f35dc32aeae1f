#include "tests/proofs/tls_relay.h"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>

#include <csignal>

namespace s3files::proofs {
namespace {

// OpenSSL writes with write(2), and the client may be gone.
void BlockSigpipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

// A request's head and body come apart: the second must not wait for the first's acknowledgement.
void SendAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int ConnectTo(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

bool SendAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

void WaitForFirstBytes(int fd) {
  char byte;
  (void)!recv(fd, &byte, 1, MSG_PEEK);
}

}  // namespace

TlsRelay::TlsRelay(const Certificate& certificate, int upstream_port)
    : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free),
      upstream_port_(upstream_port),
      server_([this](RawServer::Connection& connection, int) { Serve(connection.fd()); }) {
  EXPECT_EQ(SSL_CTX_use_certificate(context_.get(), certificate.x509.get()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context_.get(), certificate.key.get()), 1);
  // A read that finds no data, but a ticket or the like, must not keep the other direction waiting.
  SSL_CTX_clear_mode(context_.get(), SSL_MODE_AUTO_RETRY);
}

std::string TlsRelay::endpoint() const { return absl::StrCat("https://127.0.0.1:", port()); }

void TlsRelay::BeOld() {
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context_.get(), TLS1_1_VERSION);
  SSL_CTX_set_cipher_list(context_.get(), "DEFAULT@SECLEVEL=0");
}

void TlsRelay::Serve(int client) {
  BlockSigpipe();
  if (stall_handshakes_) {
    char piece[4096];
    while (recv(client, piece, sizeof piece, 0) > 0) {
    }
    return;
  }
  if (cut_handshakes_ > 0 && cut_handshakes_-- > 0) {
    WaitForFirstBytes(client);  // its hello, unread: the close is a reset
    return;
  }
  const std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context_.get()), SSL_free);
  SSL_set_fd(tls.get(), client);
  if (SSL_accept(tls.get()) != 1) return;
  ++handshakes_;
  const int upstream = ConnectTo(upstream_port_);
  if (upstream < 0) return;
  SendAtOnce(client);
  SendAtOnce(upstream);
  Pump(tls.get(), client, upstream);
  close(upstream);
}

void TlsRelay::Pump(SSL* tls, int client, int upstream) {
  char piece[16 << 10];
  while (true) {
    pollfd fds[] = {{client, POLLIN, 0}, {upstream, POLLIN, 0}};
    const bool pending = SSL_pending(tls) > 0;
    if (poll(fds, 2, pending ? 0 : -1) < 0) return;
    if (pending || fds[0].revents != 0) {
      const int got = SSL_read(tls, piece, sizeof piece);
      if (got <= 0 && SSL_get_error(tls, got) != SSL_ERROR_WANT_READ) return;
      const size_t size = got <= 0 ? 0 : static_cast<size_t>(got);
      const size_t allowed = Allowed(up_left_, size);
      if (!SendAll(upstream, piece, allowed) || allowed < size) return;
    }
    if (fds[1].revents != 0) {
      const ssize_t got = recv(upstream, piece, sizeof piece, 0);
      if (got <= 0) return;
      const size_t size = static_cast<size_t>(got);
      const size_t allowed = Allowed(down_left_, size);
      if (allowed > 0 && SSL_write(tls, piece, static_cast<int>(allowed)) <= 0) return;
      if (allowed < size) return;
    }
  }
}

size_t TlsRelay::Allowed(std::atomic<int64_t>& left, size_t size) {
  int64_t before = left;
  while (before >= 0) {
    const bool cut = static_cast<size_t>(before) < size;
    if (left.compare_exchange_weak(before, cut ? -1 : before - static_cast<int64_t>(size))) {
      return cut ? static_cast<size_t>(before) : size;
    }
  }
  return size;
}

}  // namespace s3files::proofs
