// A TCP server whose behaviour a test writes byte by byte.
#ifndef S3FILES_TESTS_HTTP_RAW_SERVER_H_
#define S3FILES_TESTS_HTTP_RAW_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace s3files {

// Runs `serve` on a thread for each connection; `index` counts them from 0.
class RawServer {
 public:
  class Connection {
   public:
    explicit Connection(int fd) : fd_(fd) {}
    int fd() const { return fd_; }
    // Up to and with the blank line, and `body` bytes after it; empty once the client is gone.
    std::string ReadRequest(size_t body = 0) {
      size_t end;
      while ((end = text_.find("\r\n\r\n")) == std::string::npos || text_.size() < end + 4 + body) {
        char piece[4096];
        const ssize_t got = recv(fd_, piece, sizeof piece, 0);
        if (got <= 0) return "";
        text_.append(piece, static_cast<size_t>(got));
      }
      std::string out = text_.substr(0, end + 4 + body);
      text_.erase(0, end + 4 + body);
      return out;
    }
    void Send(absl::string_view text) { (void)!send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
    void Reset() {  // RST instead of FIN
      const linger hard = {1, 0};
      setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    void WaitForClose() {
      char byte;
      while (recv(fd_, &byte, 1, 0) > 0) {
      }
    }

   private:
    const int fd_;
    std::string text_;
  };
  using Serve = std::function<void(Connection&, int index)>;

  explicit RawServer(Serve serve) : serve_(std::move(serve)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(listener_, 64);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }

  ~RawServer() {
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    close(listener_);
    CutAll();
    for (std::thread& thread : threads_) thread.join();
  }

  std::string url(absl::string_view path = "/") const {
    return absl::StrCat("http://127.0.0.1:", port_, path);
  }
  int port() const { return port_; }
  int connections() const { return connections_; }

  // Ends the connections that are open.
  void CutAll() {
    absl::MutexLock lock(&mu_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }

 private:
  void Accept() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0 || stopping_) {
        if (fd >= 0) close(fd);
        return;
      }
      const int index = connections_++;
      absl::MutexLock lock(&mu_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd, index] {
        Connection connection(fd);
        serve_(connection, index);
        absl::MutexLock done(&mu_);
        std::erase(open_, fd);
        close(fd);
      });
    }
  }

  const Serve serve_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::thread acceptor_;
  absl::Mutex mu_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;  // the acceptor's, then the destructor's
};

}  // namespace s3files

#endif  // S3FILES_TESTS_HTTP_RAW_SERVER_H_
