#ifndef S3FILES_TESTS_SERVER_SERVER_H_
#define S3FILES_TESTS_SERVER_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/server/access_log.h"
#include "tests/server/fault.h"
#include "tests/server/options.h"

namespace s3files::server {

// An S3 server on a loopback port, for tests. Answers as AWS does, except where told to misbehave.
// All methods are thread-safe, except Stop and the destructor.
//
//   std::string error;
//   auto server = Server::Start({.buckets = {"bucket"}}, &error);
//   ... server->endpoint() ...
//   server->AddFault({.operation = "PutObject", .count = 1, .status = 503, .code = "SlowDown"});
class Server {
 public:
  // Listening when it returns; nullptr, with the reason in `error`, where it cannot.
  static std::unique_ptr<Server> Start(const ServerOptions& options, std::string* error);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const ServerOptions& options() const;
  std::string endpoint() const;  // http://127.0.0.1:PORT
  int port() const;

  void AddFault(Fault fault);
  void ClearFaults();
  // Of everything sent and received, for all connections together. 0: none, no limit.
  void SetLink(int latency_ms, int64_t bandwidth);

  // Requests in the order in which their replies began. Whoever has a reply finds the request.
  std::vector<LogEntry> Log() const;
  std::vector<LogEntry> TakeLog();
  Stats GetStats() const;  // by operation, since the start

  // Closes everything at once; requests in flight end without a reply. Idempotent.
  void Stop();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_SERVER_H_
