#ifndef S3FILES_TESTS_SERVER_TEST_CLIENT_H_
#define S3FILES_TESTS_SERVER_TEST_CLIENT_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/server.h"

namespace s3files::server {

struct TestReply {
  int status = 0;                              // 0: the connection ended before the head
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;
  bool complete = false;  // as long as Content-Length says
  bool reset = false;     // ended by RST

  // The text of the first such element of an XML body.
  std::string Xml(const std::string& element) const;
};

struct TestRequest {
  std::string method = "GET";
  std::string target = {};  // encoded
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::string payload_hash = {};  // empty: the body's
  std::string date = {};          // empty: now
  std::string secret = {};        // empty: the right one
};

// Sends one signed request on a connection of its own, with blocking sockets: so plain that what
// a test sees is the server's doing.
TestReply Send(const Server& server, TestRequest request);

// Sends bytes as they are and returns all that comes back until the server closes.
std::string SendRaw(const Server& server, const std::string& bytes);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_TEST_CLIENT_H_
