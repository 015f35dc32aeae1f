#ifndef S3FILES_TESTS_SERVER_ADMIN_H_
#define S3FILES_TESTS_SERVER_ADMIN_H_

#include <string>

#include "tests/server/access_log.h"
#include "tests/server/fault_rules.h"
#include "tests/server/link.h"
#include "tests/server/reply.h"

namespace s3files::server {

// The interface for test programs, below /-/ (no bucket can be called "-"): faults, link, log and
// stats. Not authenticated, so the connection lets only loopback peers through. Thread-safe.
class Admin {
 public:
  Admin(FaultRules& faults, Link& link, AccessLog& log) : faults_(faults), link_(link), log_(log) {}

  static bool Owns(const std::string& target) { return target.starts_with("/-/"); }

  Reply Handle(const std::string& method, const std::string& target, const std::string& body);

 private:
  FaultRules& faults_;
  Link& link_;
  AccessLog& log_;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_ADMIN_H_
