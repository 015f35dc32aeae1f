#include "tests/server/server.h"

#include <pthread.h>

#include <algorithm>
#include <utility>  // Boost 1.74's awaitable.hpp needs it and does not include it

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <exception>
#include <stdexcept>
#include <thread>

#include "tests/server/connection.h"
#include "tests/server/directory_backend.h"
#include "tests/server/memory_backend.h"

namespace s3files::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

std::unique_ptr<Backend> OpenBackend(const std::string& store) {
  if (store == "memory") return std::make_unique<MemoryBackend>();
  return std::make_unique<DirectoryBackend>(store);
}

tcp::endpoint ParseListen(const std::string& listen) {
  size_t colon = listen.rfind(':');
  uint64_t port = UINT64_MAX;
  if (colon != listen.npos) port = ParseNumber(listen.substr(colon + 1)).value_or(UINT64_MAX);
  boost::system::error_code error;
  auto address = asio::ip::make_address(listen.substr(0, colon), error);
  if (error || port > 65535) {
    throw std::runtime_error("cannot listen on \"" + listen + "\": not ADDRESS:PORT");
  }
  return {address, static_cast<uint16_t>(port)};
}

// sendfile(2) has no MSG_NOSIGNAL, and the program around need not ignore SIGPIPE.
void BlockSigpipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

struct Server::State {
  explicit State(const ServerOptions& given)
      : options(given), log(options.log_file), store(OpenBackend(options.store)) {
    for (const std::string& bucket : options.buckets) CreateBucket(bucket);
    Listen();
  }

  void CreateBucket(const std::string& bucket) {
    try {
      store.CreateBucket(bucket);
    } catch (const S3Error&) {
      // It is there from an earlier run.
    }
  }

  void Listen() {
    tcp::endpoint at = ParseListen(options.listen);
    try {
      acceptor.open(at.protocol());
      acceptor.set_option(tcp::acceptor::reuse_address(true));
      acceptor.bind(at);
      acceptor.listen();
      endpoint = acceptor.local_endpoint();
    } catch (const boost::system::system_error& error) {
      throw std::runtime_error("cannot listen on " + options.listen + ": " +
                               error.code().message());
    }
  }

  void Run() {
    asio::co_spawn(io, Accept(), asio::detached);
    for (int i = 0; i < std::max(1, options.threads); ++i) {
      threads.emplace_back([this] {
        BlockSigpipe();
        io.run();
      });
    }
  }

  asio::awaitable<void> Accept() {
    Shared shared{service, admin, faults, log, link, workers};
    for (uint64_t number = 1;; ++number) {
      auto strand = asio::make_strand(io);
      tcp::socket socket(strand);
      boost::system::error_code error;
      co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
      // Out of descriptors, or the peer has gone already: neither is the listener's end.
      if (error) continue;
      asio::co_spawn(strand, ServeConnection(std::move(socket), shared, number), asio::detached);
    }
  }

  const ServerOptions options;
  FaultRules faults;
  Link link;
  AccessLog log;
  Store store;
  Service service{options, store};
  Admin admin{faults, link, log};

  // Last, so that connections in flight, which io and workers hold, go first.
  asio::io_context io;
  asio::thread_pool workers{1};
  tcp::acceptor acceptor{io};
  tcp::endpoint endpoint;
  std::vector<std::thread> threads;
};

std::unique_ptr<Server> Server::Start(const ServerOptions& options, std::string* error) {
  try {
    auto state = std::make_unique<State>(options);
    state->Run();
    return std::unique_ptr<Server>(new Server(std::move(state)));
  } catch (const std::exception& exception) {
    *error = exception.what();
    return nullptr;
  }
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() { Stop(); }

void Server::Stop() {
  state_->io.stop();
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
  state_->workers.stop();
  state_->workers.join();
}

const ServerOptions& Server::options() const { return state_->options; }

std::string Server::endpoint() const {
  std::string address = state_->endpoint.address().to_string();
  if (state_->endpoint.address().is_v6()) address = "[" + address + "]";
  return "http://" + address + ":" + std::to_string(port());
}

int Server::port() const { return state_->endpoint.port(); }

void Server::AddFault(Fault fault) { state_->faults.Add(std::move(fault)); }
void Server::ClearFaults() { state_->faults.Clear(); }
void Server::SetLink(int latency_ms, int64_t bandwidth) { state_->link.Set(latency_ms, bandwidth); }

std::vector<LogEntry> Server::Log() const { return state_->log.Entries(); }
std::vector<LogEntry> Server::TakeLog() { return state_->log.TakeEntries(); }
Stats Server::GetStats() const { return state_->log.GetStats(); }

}  // namespace s3files::server
