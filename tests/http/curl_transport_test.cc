#include "lib/http/curl_transport.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"
#include "tests/http/raw_server.h"

namespace s3files {
namespace {

using Connection = RawServer::Connection;

struct Result {
  absl::Status status;
  HttpResponse response;
  std::string body;
};

Result Perform(Transport& transport, HttpRequest request, const CallContext& call = {}) {
  Result out;
  StringSink sink(64 << 20);
  if (request.sink == nullptr) request.sink = &sink;
  out.status = transport.Perform(call, request, out.response);
  out.body = std::move(sink.bytes());
  return out;
}

HttpRequest Request(const std::string& method, const std::string& url) {
  HttpRequest out;
  out.method = method;
  out.url = url;
  return out;
}

HttpRequest Get(const std::string& url) { return Request("GET", url); }

TEST(CurlTransport, RequestsGoOutAsTheyAreWritten) {
  std::vector<std::string> seen;
  RawServer server([&seen](Connection& connection, int) {
    while (true) {
      const bool put = seen.size() == 1;
      std::string request = connection.ReadRequest(put ? 5 : 0);
      if (request.empty()) return;
      seen.push_back(std::move(request));
      connection.Send("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n");
    }
  });
  CurlTransport transport({});
  HttpRequest get = Get(server.url("/b/a/../.%2F//c?x=%20"));
  get.headers = {{"Range", "bytes=0-1"}, {"x-empty", ""}};
  EXPECT_TRUE(Perform(transport, get).status.ok());
  MemorySource body("hello");
  HttpRequest put = Request("PUT", server.url("/k"));
  put.body = &body;
  Result result = Perform(transport, put);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.response.headers.Get("etag"), "\"e\"");
  EXPECT_EQ(result.response.bytes_out, 5u);
  EXPECT_EQ(result.response.sends, 1);
  EXPECT_TRUE(Perform(transport, Request("POST", server.url("/k?uploads="))).status.ok());
  EXPECT_TRUE(Perform(transport, Request("DELETE", server.url("/k"))).status.ok());
  EXPECT_TRUE(Perform(transport, Request("HEAD", server.url("/k"))).status.ok());
  EXPECT_TRUE(Perform(transport, Get(server.url("/k"))).status.ok());
  ASSERT_EQ(seen.size(), 6u);
  EXPECT_TRUE(absl::StartsWith(seen[0], "GET /b/a/../.%2F//c?x=%20 HTTP/1.1\r\n")) << seen[0];
  EXPECT_TRUE(absl::StrContains(seen[0], "\r\nRange: bytes=0-1\r\n"));
  EXPECT_TRUE(absl::StrContains(seen[0], "\r\nx-empty:\r\n")) << seen[0];
  EXPECT_TRUE(absl::StrContains(seen[1], "PUT /k HTTP/1.1\r\n"));
  EXPECT_TRUE(absl::StrContains(seen[1], "Content-Length: 5\r\n"));
  EXPECT_TRUE(absl::EndsWith(seen[1], "\r\n\r\nhello"));
  EXPECT_FALSE(absl::StrContains(seen[1], "Expect"));
  EXPECT_TRUE(absl::StartsWith(seen[2], "POST /k?uploads= HTTP/1.1\r\n"));
  EXPECT_TRUE(absl::StrContains(seen[2], "Content-Length: 0\r\n")) << seen[2];
  EXPECT_FALSE(absl::StrContains(seen[2], "Content-Type"));
  EXPECT_TRUE(absl::StartsWith(seen[3], "DELETE /k HTTP/1.1\r\n"));
  EXPECT_TRUE(absl::StartsWith(seen[4], "HEAD /k HTTP/1.1\r\n"));
  EXPECT_TRUE(absl::StartsWith(seen[5], "GET /k HTTP/1.1\r\n"));
  EXPECT_FALSE(absl::StrContains(seen[5], "Content-Length"));
  EXPECT_EQ(server.connections(), 1);  // reused
}

TEST(CurlTransport, BodiesGoToTheSinkOnlyOnSuccess) {
  RawServer server([](Connection& connection, int) {
    connection.ReadRequest();
    connection.Send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    absl::SleepFor(absl::Milliseconds(20));
    connection.Send("lo");
    connection.ReadRequest();
    connection.Send(
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
        "4\r\ngone\r\n0\r\n\r\n");
    connection.WaitForClose();
  });
  CurlTransport transport({});
  int called = 0;
  HttpRequest request = Get(server.url());
  request.on_headers = [&called](const HttpResponse& response) {
    ++called;
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.Get("content-length"), "5");
    EXPECT_EQ(response.bytes_in, 0u);
    return absl::OkStatus();
  };
  Result result = Perform(transport, request);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.body, "hello");
  EXPECT_EQ(called, 1);
  result = Perform(transport, request);
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.response.status, 404);
  EXPECT_EQ(result.response.error_body, "gone");
  EXPECT_EQ(result.body, "");
  EXPECT_EQ(called, 1);
}

TEST(CurlTransport, ABreakSaysHowFarItCame) {
  RawServer server([](Connection& connection, int index) {
    connection.ReadRequest();
    connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    absl::SleepFor(absl::Milliseconds(50));
    if (index == 1) connection.Reset();
  });
  CurlTransport transport({});
  for (int i = 0; i < 2; ++i) {
    const Result result = Perform(transport, Get(server.url()));
    EXPECT_FALSE(result.status.ok());
    EXPECT_EQ(result.response.failure, HttpFailure::kBroken);
    EXPECT_EQ(result.response.status, 200);
    EXPECT_EQ(result.response.bytes_in, 4u);
    EXPECT_EQ(result.body, "half");
  }
}

TEST(CurlTransport, ADeadReusedConnectionIsCountedAsASecondSend) {
  RawServer server([](Connection& connection, int index) {
    connection.ReadRequest(4);
    connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    if (index == 0) {
      connection.ReadRequest(4);  // took effect, for all the client knows
      return;
    }
    connection.WaitForClose();
  });
  CurlTransport transport({});
  MemorySource body("body");
  HttpRequest put = Request("PUT", server.url());
  put.body = &body;
  EXPECT_EQ(Perform(transport, put).response.sends, 1);
  const Result second = Perform(transport, put);
  EXPECT_TRUE(second.status.ok()) << second.status;
  EXPECT_EQ(second.response.sends, 2);
  EXPECT_EQ(second.response.bytes_out, 8u);
}

TEST(CurlTransport, NoServerMeansNotSent) {
  std::string url;
  {
    RawServer server([](Connection&, int) {});
    url = server.url();
  }
  CurlTransport transport({});
  const Result refused = Perform(transport, Get(url));
  EXPECT_EQ(ErrnoOf(refused.status), ECONNREFUSED) << refused.status;
  EXPECT_EQ(refused.response.failure, HttpFailure::kNotSent);
  const Result unknown = Perform(transport, Get("http://no-such-host.invalid/"));
  EXPECT_EQ(ErrnoOf(unknown.status), EHOSTUNREACH) << unknown.status;
  EXPECT_EQ(unknown.response.failure, HttpFailure::kNotSent);
  EXPECT_TRUE(absl::StrContains(unknown.status.message(), "no-such-host.invalid"));
}

TEST(CurlTransport, AStallEndsTheTransfer) {
  RawServer server([](Connection& connection, int) {
    connection.ReadRequest();
    connection.WaitForClose();
  });
  CurlTransportOptions options;
  options.stall_timeout = absl::Seconds(1);
  CurlTransport transport(options);
  const Result result = Perform(transport, Get(server.url()));
  EXPECT_EQ(ErrnoOf(result.status), EIO) << result.status;
  EXPECT_EQ(result.response.failure, HttpFailure::kBroken);
}

TEST(CurlTransport, DeadlineAndCancelEndTheCall) {
  RawServer server([](Connection& connection, int) {
    connection.ReadRequest();
    connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    connection.WaitForClose();
  });
  CurlTransport transport({});
  CallContext call;
  call.deadline_ns = MonotonicNanos() + 200'000'000;
  const int64_t start = MonotonicNanos();
  Result result = Perform(transport, Get(server.url()), call);
  EXPECT_EQ(ErrnoOf(result.status), ETIMEDOUT) << result.status;
  EXPECT_EQ(result.response.failure, HttpFailure::kGaveUp);
  EXPECT_LT(MonotonicNanos() - start, 5'000'000'000);

  call.deadline_ns = 0;
  call.cancel = std::make_shared<CancelToken>();
  std::thread canceller([&call] {
    absl::SleepFor(absl::Milliseconds(100));
    call.cancel->Cancel();
  });
  result = Perform(transport, Get(server.url()), call);
  EXPECT_EQ(ErrnoOf(result.status), ECANCELED) << result.status;
  canceller.join();
  EXPECT_EQ(ErrnoOf(Perform(transport, Get(server.url()), call).status), ECANCELED);
}

TEST(CurlTransport, RequestsBeyondTheConnectionsWaitTheirTurn) {
  std::atomic<int> now{0}, most{0};
  RawServer server([&](Connection& connection, int) {
    while (!connection.ReadRequest().empty()) {
      const int running = ++now;
      if (running > most) most = running;
      absl::SleepFor(absl::Milliseconds(10));
      --now;
      connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  CurlTransportOptions options;
  options.io_threads = 2;
  options.max_connections = 4;
  CurlTransport transport(options);
  std::atomic<int> good{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([&] {
      for (int k = 0; k < 5; ++k) good += Perform(transport, Get(server.url())).body == "ok";
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(good, 80);
  EXPECT_LE(most, 4);
  EXPECT_LE(server.connections(), 4);
}

TEST(CurlTransport, AQueuedRequestCanBeGivenUp) {
  RawServer server([](Connection& connection, int) {
    connection.ReadRequest();
    connection.WaitForClose();
  });
  CurlTransportOptions options;
  options.io_threads = 1;
  options.max_connections = 1;
  CurlTransport transport(options);
  CallContext call;
  call.deadline_ns = MonotonicNanos() + 500'000'000;
  std::thread first([&] { Perform(transport, Get(server.url()), call); });
  absl::SleepFor(absl::Milliseconds(100));
  CallContext sooner;
  sooner.deadline_ns = MonotonicNanos() + 100'000'000;
  const Result queued = Perform(transport, Get(server.url()), sooner);
  EXPECT_EQ(ErrnoOf(queued.status), ETIMEDOUT);
  EXPECT_EQ(queued.response.sends, 0);
  first.join();
}

TEST(CurlTransport, SinksAndSourcesEndATransferWithTheirError) {
  RawServer server([](Connection& connection, int) {
    while (!connection.ReadRequest().empty()) {
      connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    }
  });
  class Full final : public ByteSink {
    absl::Status Write(uint64_t, absl::Span<const char>) override { return Error(ENOSPC, "full"); }
  } full;
  class Broken final : public ByteSource {
    uint64_t size() const override { return 5; }
    absl::Status Read(uint64_t, absl::Span<char>) override { return Error(ESTALE, "gone"); }
  } broken;
  CurlTransport transport({});
  HttpRequest get = Get(server.url());
  get.sink = &full;
  Result result = Perform(transport, get);
  EXPECT_EQ(ErrnoOf(result.status), ENOSPC);
  EXPECT_EQ(result.response.failure, HttpFailure::kRefused);
  HttpRequest put = Request("PUT", server.url());
  put.body = &broken;
  EXPECT_EQ(ErrnoOf(Perform(transport, put).status), ESTALE);
  get.sink = nullptr;
  get.on_headers = [](const HttpResponse&) { return Error(ERANGE, "no"); };
  EXPECT_EQ(ErrnoOf(Perform(transport, get).status), ERANGE);
  get.on_headers = nullptr;
  EXPECT_EQ(Perform(transport, get).body, "hello");
}

TEST(CurlTransport, HeadersAreBounded) {
  RawServer server([](Connection& connection, int) {
    connection.ReadRequest();
    connection.Send("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 300; ++i) connection.Send(absl::StrCat("x-", i, ": v\r\n"));
    connection.Send("Content-Length: 0\r\n\r\n");
    connection.WaitForClose();
  });
  CurlTransport transport({});
  EXPECT_EQ(ErrnoOf(Perform(transport, Get(server.url())).status), EIO);
}

TEST(CurlTransport, LoopbackIsReachedWithoutTheProxy) {
  RawServer server([](Connection& connection, int) {
    connection.ReadRequest();
    connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  CurlTransport transport({});
  EXPECT_EQ(Perform(transport, Get(server.url())).body, "ok");
  unsetenv("http_proxy");
}

TEST(CurlTransport, AForkedChildMayDestroyItButNotUseIt) {
  RawServer server([](Connection& connection, int) {
    while (!connection.ReadRequest().empty()) {
      connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  auto transport = std::make_unique<CurlTransport>(CurlTransportOptions());
  EXPECT_EQ(Perform(*transport, Get(server.url())).body, "ok");
  const pid_t child = fork();
  if (child == 0) {
    HttpResponse response;
    const bool busy = ErrnoOf(transport->Perform({}, Get(server.url()), response)) == EBUSY;
    transport.reset();
    _exit(busy ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(Perform(*transport, Get(server.url())).body, "ok");
  EXPECT_EQ(server.connections(), 1);
}

}  // namespace
}  // namespace s3files
