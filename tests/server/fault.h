#ifndef S3FILES_TESTS_SERVER_FAULT_H_
#define S3FILES_TESTS_SERVER_FAULT_H_

#include <cstdint>
#include <string>

namespace s3files::server {

// Misbehaviour by script. The first fault that selects a request and is not used up applies to
// it, with everything that is set below "What happens".
struct Fault {
  // Which requests. Empty selects all.
  std::string operation = {};  // S3's name: "GetObject", "UploadPart", ...
  std::string bucket = {};     // exact
  std::string key = {};        // exact
  std::string key_contains = {};
  int skip = 0;    // let this many pass first
  int count = -1;  // then apply to this many; -1: all

  // What happens.
  int latency_ms = 0;     // between the request's last byte and the operation
  int64_t bandwidth = 0;  // bytes a second of this body, either way; 0: no limit
  int status = 0;         // reply this error
  std::string code = {};  // its S3 code; where only this is set, its usual status
  std::string message = {};
  int retry_after_s = -1;          // adds a Retry-After header to the error
  bool error_in_200 = false;       // the error is the body of a 200
  bool take_effect = false;        // the operation is carried out before the error is replied
  bool drop_reply = false;         // it is carried out and the connection closed without a reply
  bool stall = false;              // never answer; carried out only with take_effect
  int64_t reset_request_at = -1;   // RST once this many bytes of the request's body are read
  int64_t reset_reply_at = -1;     // RST once this many bytes of the reply's body are sent
  int64_t truncate_reply_at = -1;  // FIN likewise
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_FAULT_H_
