#include "tests/server/server.h"

#include <pthread.h>

#include <algorithm>
#include <utility>  // Boost 1.74's awaitable.hpp needs it and does not include it

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
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

// The listener, the connections and the threads that serve them, from construction to destruction.
class Network {
 public:
  Network(const tcp::endpoint& at, int threads, const Shared& shared) : acceptor_(io_, at) {
    asio::co_spawn(io_, Accept(shared), asio::detached);
    for (int i = 0; i < std::max(1, threads); ++i) {
      threads_.emplace_back([this] {
        BlockSigpipe();
        io_.run();
      });
    }
  }

  // What is suspended, io_ and workers_ destroy after this.
  ~Network() {
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    workers_.stop();
    workers_.join();
  }

  tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

 private:
  asio::awaitable<void> Accept(Shared shared) {
    for (uint64_t number = 1;; ++number) {
      auto strand = asio::make_strand(io_);
      tcp::socket socket(strand);
      boost::system::error_code error;
      co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
      if (!error) {
        asio::co_spawn(strand, ServeConnection(std::move(socket), shared, workers_, number),
                       asio::detached);
        continue;
      }
      // Out of descriptors, or the peer has gone already: neither is the listener's end.
      asio::steady_timer pause(io_, std::chrono::milliseconds(10));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }

  asio::io_context io_;
  asio::thread_pool workers_{1};
  tcp::acceptor acceptor_;
  std::vector<std::thread> threads_;
};

}  // namespace

struct Server::State {
  explicit State(const ServerOptions& given)
      : options(given), log(options.log_file), store(OpenBackend(options.store)) {
    for (const std::string& bucket : options.buckets) CreateBucket(bucket);
    Shared shared{service, admin, faults, log, link};
    tcp::endpoint at = ParseListen(options.listen);
    try {
      network = std::make_unique<Network>(at, options.threads, shared);
    } catch (const boost::system::system_error& error) {
      throw std::runtime_error("cannot listen on " + options.listen + ": " +
                               error.code().message());
    }
    endpoint = network->endpoint();
  }

  void CreateBucket(const std::string& bucket) {
    try {
      store.CreateBucket(bucket);
    } catch (const S3Error&) {
      // It is there from an earlier run.
    }
  }

  const ServerOptions options;
  FaultRules faults;
  Link link;
  AccessLog log;
  Store store;
  Service service{options, store};
  Admin admin{faults, link, log};
  tcp::endpoint endpoint;
  std::unique_ptr<Network> network;  // last, because connections use the rest; gone once stopped
};

std::unique_ptr<Server> Server::Start(const ServerOptions& options, std::string* error) {
  try {
    return std::unique_ptr<Server>(new Server(std::make_unique<State>(options)));
  } catch (const std::exception& exception) {
    *error = exception.what();
    return nullptr;
  }
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() { Stop(); }

void Server::Stop() { state_->network.reset(); }

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
