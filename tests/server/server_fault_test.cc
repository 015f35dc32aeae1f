// Misbehaviour on demand: faults, behaviours, the log and the admin interface.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/server.h"
#include "tests/server/test_client.h"

namespace s3files::server {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class FaultTest : public testing::Test {
 protected:
  void SetUp() override { Start({}); }

  void Start(const Behaviour& behaviour) {
    ServerOptions options;
    options.buckets = {"bkt"};
    options.behaviour = behaviour;
    std::string error;
    server_ = Server::Start(options, &error);
    ASSERT_NE(server_, nullptr) << error;
  }

  TestReply Put(const std::string& key, const std::string& body,
                const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    return Send(*server_,
                {.method = "PUT", .target = "/bkt/" + key, .headers = headers, .body = body});
  }
  TestReply Get(const std::string& key) { return Send(*server_, {.target = "/bkt/" + key}); }

  std::unique_ptr<Server> server_;
};

TEST_F(FaultTest, SelectsByOperationKeySkipAndCount) {
  Put("a", "x");
  Fault fault;
  fault.operation = "GetObject";
  fault.key_contains = "a";
  fault.skip = 1;
  fault.count = 2;
  fault.code = "SlowDown";
  fault.retry_after_s = 3;
  server_->AddFault(fault);
  EXPECT_EQ(Get("b").status, 404);
  EXPECT_EQ(Get("a").status, 200);
  TestReply slow = Get("a");
  EXPECT_EQ(slow.status, 503);
  EXPECT_EQ(slow.Xml("Code"), "SlowDown");
  EXPECT_EQ(slow.headers["retry-after"], "3");
  EXPECT_EQ(Get("a").status, 503);
  EXPECT_EQ(Get("a").status, 200);
}

TEST_F(FaultTest, ErrorWithAndWithoutEffect) {
  Fault fault;
  fault.operation = "PutObject";
  fault.count = 1;
  fault.status = 500;
  server_->AddFault(fault);
  EXPECT_EQ(Put("k", "x").Xml("Code"), "InternalError");
  EXPECT_EQ(Get("k").status, 404);
  fault.take_effect = true;
  server_->AddFault(fault);
  EXPECT_EQ(Put("k", "x").status, 500);
  EXPECT_EQ(Get("k").body, "x");
}

TEST_F(FaultTest, ErrorIn200) {
  Put("k", "x");
  Fault fault;
  fault.operation = "CopyObject";
  fault.code = "InternalError";
  fault.error_in_200 = true;
  server_->AddFault(fault);
  TestReply reply = Put("c", "", {{"x-amz-copy-source", "/bkt/k"}});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.Xml("Code"), "InternalError");
  EXPECT_EQ(Get("c").status, 404);
}

TEST_F(FaultTest, ReplyLostAfterTheEffect) {
  Fault fault;
  fault.operation = "PutObject";
  fault.drop_reply = true;
  server_->AddFault(fault);
  EXPECT_EQ(Put("k", "x").status, 0);
  EXPECT_EQ(Get("k").body, "x");
  EXPECT_EQ(server_->Log().at(0).status, 0);
}

TEST_F(FaultTest, RepliesCutShort) {
  Put("k", std::string(1 << 20, 'x'));
  Fault fault;
  fault.operation = "GetObject";
  fault.count = 1;
  fault.truncate_reply_at = 300'000;
  server_->AddFault(fault);
  TestReply truncated = Get("k");
  EXPECT_EQ(truncated.body.size(), 300'000u);
  EXPECT_FALSE(truncated.complete);
  EXPECT_FALSE(truncated.reset);
  fault.truncate_reply_at = -1;
  fault.reset_reply_at = 300'000;
  server_->AddFault(fault);
  TestReply reset = Get("k");
  EXPECT_EQ(reset.body.size(), 300'000u);
  EXPECT_TRUE(reset.reset);
}

TEST_F(FaultTest, RequestReset) {
  Fault fault;
  fault.operation = "PutObject";
  fault.reset_request_at = 1000;
  server_->AddFault(fault);
  EXPECT_TRUE(Put("k", std::string(100'000, 'x')).reset);
  EXPECT_EQ(Get("k").status, 404);
}

TEST_F(FaultTest, StallEndsWithTheServer) {
  Fault fault;
  fault.operation = "GetObject";
  fault.stall = true;
  server_->AddFault(fault);
  auto begin = Clock::now();
  std::thread stop([this] {
    std::this_thread::sleep_for(milliseconds(50));
    server_->Stop();
  });
  EXPECT_EQ(Get("k").status, 0);
  EXPECT_GE(Clock::now() - begin, milliseconds(40));
  stop.join();
}

TEST_F(FaultTest, StallAfterTheEffect) {
  Fault fault;
  fault.operation = "PutObject";
  fault.stall = fault.take_effect = true;
  server_->AddFault(fault);
  std::thread put([this] { EXPECT_EQ(Put("k", "x").status, 0); });
  while (SendRaw(*server_, "GET /-/faults HTTP/1.1\r\nConnection: close\r\n\r\n")
             .find("{\"stalled\": 1}") == std::string::npos) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(Get("k").body, "x");
  server_->Stop();
  put.join();
}

TEST_F(FaultTest, LatencyIsNotSerial) {
  Put("k", "x");
  Fault fault;
  fault.operation = "GetObject";
  fault.latency_ms = 100;
  server_->AddFault(fault);
  auto begin = Clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) threads.emplace_back([this] { EXPECT_EQ(Get("k").status, 200); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(Clock::now() - begin, milliseconds(100));
  EXPECT_LT(Clock::now() - begin, milliseconds(1000));
}

TEST_F(FaultTest, Bandwidth) {
  Put("k", std::string(100'000, 'x'));
  server_->SetLink(0, 1'000'000);
  auto begin = Clock::now();
  EXPECT_EQ(Get("k").body.size(), 100'000u);
  EXPECT_EQ(Put("k", std::string(100'000, 'x')).status, 200);
  EXPECT_GE(Clock::now() - begin, milliseconds(190));
}

TEST_F(FaultTest, Behaviours) {
  Behaviour behaviour;
  behaviour.put_if_none_match = Support::kIgnored;
  behaviour.put_if_match = Support::kRefused;
  behaviour.upload_part_copy = Support::kRefused;
  behaviour.list_v2 = Support::kIgnored;
  behaviour.versioning = Support::kRefused;
  behaviour.delete_objects_needs_md5 = true;
  Start(behaviour);
  EXPECT_EQ(Put("k", "1", {{"if-none-match", "*"}}).status, 200);
  EXPECT_EQ(Put("k", "2", {{"if-none-match", "*"}}).status, 200);
  EXPECT_EQ(Put("k", "3", {{"if-match", "\"x\""}}).status, 501);
  EXPECT_EQ(Get("k").body, "2");
  EXPECT_EQ(Put("k?partNumber=1&uploadId=u", "", {{"x-amz-copy-source", "/bkt/k"}}).status, 501);
  EXPECT_NE(Send(*server_, {.target = "/bkt?list-type=2"}).body.find("<Marker>"),
            std::string::npos);
  EXPECT_EQ(Send(*server_, {.method = "PUT", .target = "/bkt?versioning"}).status, 501);
  EXPECT_EQ(Send(*server_, {.method = "POST", .target = "/bkt?delete"}).Xml("Code"),
            "InvalidRequest");
}

TEST_F(FaultTest, LogAndStats) {
  Put("k", "hello");
  Get("k");
  std::vector<LogEntry> log = server_->Log();
  EXPECT_EQ(log[0].operation, "PutObject");
  EXPECT_EQ(log[0].bytes_in, 5u);
  EXPECT_EQ(log[1].bytes_out, 5u);
  EXPECT_LE(log[1].start_us, log[1].end_us);
  EXPECT_EQ(server_->GetStats()["GetObject"].requests, 1u);
  EXPECT_EQ(server_->TakeLog().size(), 2u);
  EXPECT_TRUE(server_->Log().empty());
}

TEST_F(FaultTest, AdminInterface) {
  auto admin = [&](const std::string& method, const std::string& what, const std::string& body) {
    return SendRaw(*server_, method + " /-/" + what + " HTTP/1.1\r\nConnection: close\r\n" +
                                 "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                                 body);
  };
  std::string list = R"([{"operation": "PutObject", "code": "SlowDown", "count": 1}])";
  EXPECT_NE(admin("PUT", "faults", list).find(" 204 "), std::string::npos);
  EXPECT_EQ(Put("k", "x").status, 503);
  EXPECT_EQ(Put("k", "x").status, 200);
  EXPECT_NE(admin("PUT", "faults", "[{\"cuont\": 1}]").find("cuont"), std::string::npos);
  EXPECT_NE(admin("PUT", "link", "{\"latency_ms\": 1}").find(" 204 "), std::string::npos);
  EXPECT_NE(admin("GET", "log", "").find("\"SlowDown\""), std::string::npos);
  EXPECT_NE(admin("GET", "stats", "").find("\"requests\": 2"), std::string::npos);
  EXPECT_NE(admin("GET", "nonsense", "").find(" 404 "), std::string::npos);
}

TEST_F(FaultTest, ExpectContinue) {
  std::string reply = SendRaw(*server_,
                              "PUT /bkt/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                              "Content-Length: 5\r\n\r\n");
  EXPECT_TRUE(reply.starts_with("HTTP/1.1 403"));
}

TEST(ServerTest, StartsAndStopsQuickly) {
  std::string error;
  auto begin = Clock::now();
  for (int i = 0; i < 20; ++i) {
    auto server = Server::Start({}, &error);
    ASSERT_NE(server, nullptr) << error;
    server->Stop();
    server->Stop();
  }
  EXPECT_LT(Clock::now() - begin, milliseconds(20 * 50));
}

TEST(ServerTest, SaysWhyItCannotStart) {
  std::string error;
  ServerOptions options;
  options.listen = "nonsense";
  EXPECT_EQ(Server::Start(options, &error), nullptr);
  EXPECT_NE(error.find("nonsense"), std::string::npos);
  auto first = Server::Start({}, &error);
  options.listen = "127.0.0.1:" + std::to_string(first->port());
  EXPECT_EQ(Server::Start(options, &error), nullptr);
  EXPECT_NE(error.find("in use"), std::string::npos) << error;
  options.listen = "127.0.0.1:0";
  options.store = "/proc/nonsense";
  EXPECT_EQ(Server::Start(options, &error), nullptr);
  EXPECT_NE(error.find("/proc/nonsense"), std::string::npos);
}

}  // namespace
}  // namespace s3files::server
