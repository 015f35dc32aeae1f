#ifndef S3FILES_TESTS_SERVER_REPLY_H_
#define S3FILES_TESTS_SERVER_REPLY_H_

#include <string>
#include <utility>
#include <vector>

#include "tests/server/blob.h"

namespace s3files::server {

// An HTTP reply. The body is `text` or `blob`, whichever is not empty.
struct Reply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string text = {};
  Blob blob = {};
  std::string code = {};  // the S3 error code, for the log

  uint64_t size() const { return text.size() + blob.size(); }
};

inline Reply XmlReply(std::string xml) {
  return {.status = 200, .headers = {{"Content-Type", "application/xml"}}, .text = std::move(xml)};
}

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_REPLY_H_
