#include "tests/server/test_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>

#include "tests/server/hash.h"
#include "tests/server/request.h"
#include "tests/server/sigv4.h"
#include "tests/server/time_format.h"

namespace s3files::server {
namespace {

int Connect(int port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) std::abort();
  return fd;
}

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;  // the server has closed: reading will tell
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

// Adds the headers of a signature to the request, and their names to what is signed.
void SignHeaders(const ServerOptions& options, TestRequest& test) {
  std::string date = test.date.empty() ? FormatBasicDate(NowMs()) : test.date;
  std::string hash = test.payload_hash.empty() ? Sha256Hex(test.body) : test.payload_hash;
  test.headers.emplace_back("x-amz-date", date);
  test.headers.emplace_back("x-amz-content-sha256", hash);

  Request request;
  request.method = test.method;
  request.target = test.target;
  request.headers = test.headers;
  ResolveTarget({"127.0.0.1"}, request);
  std::vector<std::string> names;
  for (const auto& [name, value] : test.headers) names.push_back(name);
  std::ranges::sort(names);
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ";") + name;

  std::string scope = date.substr(0, 8) + "/" + options.region + "/s3/aws4_request";
  std::string secret = test.secret.empty() ? options.secret_key : test.secret;
  std::string to_sign = StringToSign(date, scope, CanonicalRequest(request, names, hash));
  test.headers.emplace_back("authorization",
                            "AWS4-HMAC-SHA256 Credential=" + options.access_key + "/" + scope +
                                ", SignedHeaders=" + joined +
                                ", Signature=" + Sign(SigningKey(secret, scope), to_sign));
}

TestReply ReadReply(int fd, bool head_only) {
  TestReply reply;
  std::string bytes;
  char buffer[65536];
  size_t head_end = std::string::npos;
  size_t length = std::string::npos;
  while (head_end == std::string::npos || bytes.size() < head_end + length) {
    ssize_t count = ::recv(fd, buffer, sizeof(buffer), 0);
    if (count <= 0) {
      reply.reset = count < 0 && errno == ECONNRESET;
      break;
    }
    bytes.append(buffer, static_cast<size_t>(count));
    if (head_end != std::string::npos) continue;
    size_t blank = bytes.find("\r\n\r\n");
    if (blank == std::string::npos) continue;
    head_end = blank + 4;
    reply.status = std::atoi(bytes.c_str() + 9);
    for (size_t at = bytes.find("\r\n") + 2; at < blank; at = bytes.find("\r\n", at) + 2) {
      size_t colon = bytes.find(':', at);
      std::string name = bytes.substr(at, colon - at);
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      reply.headers[name] = bytes.substr(colon + 2, bytes.find("\r\n", at) - colon - 2);
    }
    length = head_only || !reply.headers.contains("content-length")
                 ? 0
                 : std::stoul(reply.headers["content-length"]);
  }
  if (head_end != std::string::npos) reply.body = bytes.substr(head_end);
  reply.complete = length != std::string::npos && reply.body.size() == length;
  return reply;
}

}  // namespace

std::string TestReply::Xml(const std::string& element) const {
  std::string open = "<" + element + ">";
  size_t begin = body.find(open);
  if (begin == std::string::npos) return "";
  begin += open.size();
  return body.substr(begin, body.find("</" + element + ">", begin) - begin);
}

TestReply Send(const Server& server, TestRequest request) {
  auto has_host = [](const auto& header) { return header.first == "host"; };
  if (std::ranges::none_of(request.headers, has_host)) {
    request.headers.emplace_back("host", "127.0.0.1:" + std::to_string(server.port()));
  }
  SignHeaders(server.options(), request);
  std::string bytes = request.method + " " + request.target + " HTTP/1.1\r\n";
  for (const auto& [name, value] : request.headers) bytes += name + ": " + value + "\r\n";
  bytes += "content-length: " + std::to_string(request.body.size()) + "\r\n\r\n";

  int fd = Connect(server.port());
  WriteAll(fd, bytes + request.body);
  TestReply reply = ReadReply(fd, request.method == "HEAD");
  ::close(fd);
  return reply;
}

std::string SendRaw(const Server& server, const std::string& bytes) {
  int fd = Connect(server.port());
  WriteAll(fd, bytes);
  std::string all;
  char buffer[65536];
  for (ssize_t count; (count = ::recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
    all.append(buffer, static_cast<size_t>(count));
  }
  ::close(fd);
  return all;
}

}  // namespace s3files::server
