#include "tests/server/connection.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <cctype>
#include <chrono>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "tests/server/body_sender.h"
#include "tests/server/memory_backend.h"
#include "tests/server/time_format.h"

namespace s3files::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using std::chrono::steady_clock;

constexpr uint32_t kMaxHead = 64 * 1024;
constexpr auto kDrainTime = std::chrono::seconds(2);

int64_t MonotonicUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             steady_clock::now().time_since_epoch())
      .count();
}

// What is decided about a request besides its reply.
struct Exchange {
  explicit Exchange(const std::optional<Fault>& found)
      : fault(found.value_or(Fault{})), link(fault.bandwidth) {
    log.fault = found.has_value();
    log.start_us = MonotonicUs();
  }

  Fault fault;  // selects nothing and does nothing where there is none
  Link link;    // the fault's bandwidth
  LogEntry log;
  bool keep_alive = true;
};

class Connection {
 public:
  Connection(asio::ip::tcp::socket socket, const Shared& shared, asio::thread_pool& workers,
             uint64_t number)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        shared_(shared),
        workers_(workers),
        number_(number) {}

  awaitable<void> Run();

 private:
  using Parser = http::request_parser<http::empty_body>;

  awaitable<bool> ServeRequest();
  awaitable<bool> ServeAdmin(const Parser& parser);
  awaitable<bool> ServeCall(Request request, bool keep_alive);
  awaitable<bool> Continue(const Call& call, Exchange& exchange);
  awaitable<bool> ReceiveBody(Call& call, Exchange& exchange);
  awaitable<Reply> Carry(Call& call);
  awaitable<std::optional<Reply>> MakeReply(Call& call, Exchange& exchange);
  awaitable<bool> SendReply(const Request& request, const std::string& id, Reply reply,
                            Exchange& exchange);
  awaitable<bool> SendBytes(BodySender& sender, uint64_t size, Link& link);
  awaitable<void> WaitUntil(steady_clock::time_point time);
  awaitable<void> WaitForClose();
  awaitable<void> Reset();

  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;
  Shared shared_;
  asio::thread_pool& workers_;
  uint64_t number_;
  boost::beast::flat_buffer buffer_;  // read, not yet taken
};

Request ToRequest(const http::request_header<>& head) {
  Request request;
  request.method = std::string(head.method_string());
  request.target = std::string(head.target());
  for (const auto& field : head) {
    std::string name(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    request.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  return request;
}

std::string FormatHead(const Request& request, const std::string& id, const Reply& reply,
                       bool keep_alive) {
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " " +
                     std::string(http::obsolete_reason(http::int_to_status(reply.status))) + "\r\n";
  auto add = [&](const std::string& name, const std::string& value) {
    head += name + ": " + value + "\r\n";
  };
  if (!id.empty()) {
    add("x-amz-request-id", id);
    add("x-amz-id-2", "s3files-server");
  }
  add("Date", FormatHttpDate(NowMs()));
  add("Server", "s3files-server");
  for (const auto& [name, value] : reply.headers) add(name, value);
  bool no_length = reply.status == 204 || reply.status == 304;
  // S3 replies to a failed HEAD without its body, hence without its length.
  bool failed_head = request.method == "HEAD" && reply.status >= 400;
  if (!no_length && !failed_head) add("Content-Length", std::to_string(reply.size()));
  if (!keep_alive) add("Connection", "close");
  return head + "\r\n";
}

awaitable<void> Connection::Run() {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.native_non_blocking(true, ignored);
  while (co_await ServeRequest()) {
  }
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

awaitable<bool> Connection::ServeRequest() {
  Parser parser;
  parser.header_limit(kMaxHead);
  // Not boost::none: to Boost 1.74 every body is longer than that.
  parser.body_limit(std::numeric_limits<uint64_t>::max());
  error_code error;
  co_await http::async_read_header(socket_, buffer_, parser,
                                   asio::redirect_error(use_awaitable, error));
  if (error) co_return false;
  if (Admin::Owns(std::string(parser.get().target()))) co_return co_await ServeAdmin(parser);
  Request request = ToRequest(parser.get());
  co_return co_await ServeCall(std::move(request), parser.keep_alive());
}

awaitable<bool> Connection::ServeAdmin(const Parser& parser) {
  Request request = ToRequest(parser.get());
  PayloadSpec spec = DescribeWire(request);
  Call call;
  call.payload = std::make_unique<PayloadReader>(spec, Authentication{},
                                                 std::make_unique<MemoryBody>(spec.length), false);
  Exchange exchange(std::nullopt);
  exchange.keep_alive = parser.keep_alive();
  if (!co_await ReceiveBody(call, exchange)) co_return false;
  error_code error;
  bool loopback = socket_.remote_endpoint(error).address().is_loopback();
  Reply reply = {.status = 403};
  if (loopback) {
    std::string body = ToString(call.payload->Finish().body);
    reply = shared_.admin.Handle(request.method, request.target, body);
  }
  co_return co_await SendReply(request, "", std::move(reply), exchange);
}

awaitable<bool> Connection::ServeCall(Request head, bool keep_alive) {
  Call call = shared_.service.Begin(std::move(head));
  const Request& request = call.request;
  Exchange exchange(shared_.faults.Take(call.name(), request.bucket, request.key));
  exchange.keep_alive = keep_alive;
  LogEntry& log = exchange.log;
  log.operation = call.name();
  log.bucket = request.bucket;
  log.key = request.key;
  log.connection = number_;

  std::optional<Reply> reply;
  bool arrived = co_await Continue(call, exchange) && co_await ReceiveBody(call, exchange);
  if (arrived) reply = co_await MakeReply(call, exchange);
  if (reply) {
    log.status = reply->status;
    log.code = reply->code;
    log.bytes_out = request.method == "HEAD" ? 0 : reply->size();
  }
  log.end_us = MonotonicUs();
  uint64_t entry = shared_.log.Add(log);
  bool open = false;
  if (reply) {
    open = co_await SendReply(request, call.request_id, std::move(*reply), exchange);
    log.end_us = MonotonicUs();
  }
  shared_.log.Finish(entry, log);
  co_return open;
}

// Answers "Expect: 100-continue". After an error the client need not send the body at all.
awaitable<bool> Connection::Continue(const Call& call, Exchange& exchange) {
  if (call.request.HeaderOr("expect") != "100-continue") co_return true;
  if (call.error) {
    call.payload->Abandon();
    exchange.keep_alive = false;
    co_return true;
  }
  static constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
  error_code error;
  co_await asio::async_write(socket_, asio::buffer(kContinue, sizeof(kContinue) - 1),
                             asio::redirect_error(use_awaitable, error));
  co_return !error;
}

awaitable<bool> Connection::ReceiveBody(Call& call, Exchange& exchange) {
  PayloadReader& payload = *call.payload;
  const int64_t reset_at = exchange.fault.reset_request_at;
  error_code error;
  while (true) {
    if (reset_at >= 0 && exchange.log.bytes_in >= static_cast<uint64_t>(reset_at)) {
      co_await Reset();
      co_return false;
    }
    if (payload.Done()) co_return true;
    std::span<char> space = payload.Space();
    uint64_t wanted = shared_.link.Step(exchange.link.Step(space.size()));
    if (reset_at >= 0) wanted = std::min<uint64_t>(wanted, reset_at - exchange.log.bytes_in);
    asio::mutable_buffer into(space.data(), wanted);
    size_t count = asio::buffer_copy(into, buffer_.data());
    buffer_.consume(count);
    if (count == 0) {
      count = co_await socket_.async_read_some(into, asio::redirect_error(use_awaitable, error));
      if (error) co_return false;
    }
    exchange.log.bytes_in += count;
    co_await WaitUntil(std::max(exchange.link.Pass(count), shared_.link.Pass(count)));
    try {
      payload.Received(count);
      continue;
    } catch (const S3Error& broken) {
      call.error = broken;
    } catch (const std::exception& failed) {
      call.error = S3Error("InternalError", failed.what());
    }
    exchange.keep_alive = false;  // where the next request begins is not known
    co_return true;
  }
}

awaitable<Reply> Connection::Carry(Call& call) {
  if (!call.heavy()) co_return shared_.service.Finish(call);
  auto work = [this, &call]() -> awaitable<Reply> { co_return shared_.service.Finish(call); };
  co_return co_await asio::co_spawn(workers_, work, use_awaitable);
}

// nullopt: there is to be no reply, and the connection is to be closed.
awaitable<std::optional<Reply>> Connection::MakeReply(Call& call, Exchange& exchange) {
  const Fault& fault = exchange.fault;
  if (fault.stall) {
    if (fault.take_effect) co_await Carry(call);
    shared_.faults.NoteStalled();
    co_await WaitForClose();
    co_return std::nullopt;
  }
  auto latency = shared_.link.latency() + std::chrono::milliseconds(fault.latency_ms);
  if (latency.count() > 0) co_await WaitUntil(steady_clock::now() + latency);

  bool fails = fault.status != 0 || !fault.code.empty();
  if (!fails || fault.take_effect) {
    Reply reply = co_await Carry(call);
    if (fault.drop_reply) co_return std::nullopt;
    if (!fails) co_return reply;
  }
  std::string code = fault.code.empty() ? "InternalError" : fault.code;
  Reply reply = Service::ErrorReply(call, S3Error(code, fault.status, fault.message));
  if (fault.error_in_200) reply.status = 200;
  if (fault.retry_after_s >= 0) {
    reply.headers.emplace_back("Retry-After", std::to_string(fault.retry_after_s));
  }
  co_return reply;
}

awaitable<bool> Connection::SendReply(const Request& request, const std::string& id, Reply reply,
                                      Exchange& exchange) {
  const Fault& fault = exchange.fault;
  std::string head = FormatHead(request, id, reply, exchange.keep_alive);
  Blob body;
  if (request.method != "HEAD") {
    body = reply.text.empty() ? std::move(reply.blob) : ToBlob(std::move(reply.text));
  }
  uint64_t size = body.size();
  for (int64_t cut : {fault.truncate_reply_at, fault.reset_reply_at}) {
    if (cut >= 0) size = std::min<uint64_t>(size, cut);
  }
  BodySender sender(socket_.native_handle(), std::move(head), std::move(body));
  bool sent = co_await SendBytes(sender, size, exchange.link);
  exchange.log.bytes_out = sender.sent();
  if (fault.reset_reply_at >= 0) co_await Reset();
  co_return sent&& exchange.keep_alive&& fault.reset_reply_at < 0 && fault.truncate_reply_at < 0;
}

awaitable<bool> Connection::SendBytes(BodySender& sender, uint64_t size, Link& link) {
  error_code error;
  while (!sender.head_sent() || sender.sent() < size) {
    uint64_t before = sender.sent();
    uint64_t step = shared_.link.Step(link.Step(size - before));
    switch (sender.Send(step)) {
      case BodySender::Result::kFailed:
        co_return false;
      case BodySender::Result::kWouldBlock:
        co_await socket_.async_wait(asio::ip::tcp::socket::wait_write,
                                    asio::redirect_error(use_awaitable, error));
        if (error) co_return false;
        break;
      case BodySender::Result::kProgress:
        uint64_t count = sender.sent() - before;
        co_await WaitUntil(std::max(link.Pass(count), shared_.link.Pass(count)));
    }
  }
  co_return true;
}

awaitable<void> Connection::WaitUntil(steady_clock::time_point time) {
  if (time <= steady_clock::now()) co_return;
  error_code ignored;
  timer_.expires_at(time);
  co_await timer_.async_wait(asio::redirect_error(use_awaitable, ignored));
}

awaitable<void> Connection::WaitForClose() {
  error_code error;
  std::array<char, 4096> ignored;
  while (!error) {
    co_await socket_.async_read_some(asio::buffer(ignored),
                                     asio::redirect_error(use_awaitable, error));
  }
}

// Closes with RST. That discards what the peer has not acknowledged, so wait until it has: a
// reset at byte N comes behind byte N.
awaitable<void> Connection::Reset() {
  auto give_up = steady_clock::now() + kDrainTime;
  int unsent = 0;
  while (::ioctl(socket_.native_handle(), SIOCOUTQ, &unsent) == 0 && unsent > 0 &&
         steady_clock::now() < give_up) {
    co_await WaitUntil(steady_clock::now() + std::chrono::milliseconds(1));
  }
  error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

}  // namespace

awaitable<void> ServeConnection(asio::ip::tcp::socket socket, Shared shared,
                                asio::thread_pool& workers, uint64_t number) {
  Connection connection(std::move(socket), shared, workers, number);
  co_await connection.Run();
}

}  // namespace s3files::server
