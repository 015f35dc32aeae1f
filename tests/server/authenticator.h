#ifndef S3FILES_TESTS_SERVER_AUTHENTICATOR_H_
#define S3FILES_TESTS_SERVER_AUTHENTICATOR_H_

#include <cstdint>
#include <string>

#include "tests/server/options.h"
#include "tests/server/request.h"

namespace s3files::server {

// What a verified request says of its body, and the seed of its chunks' signatures.
struct Authentication {
  std::string payload_hash;  // x-amz-content-sha256: a hex digest or one of AWS's constants
  std::string date;
  std::string scope;
  std::string signing_key;
  std::string signature;
};

// Verifies the signature of a request's head, in the Authorization header or in the query.
// Stateless, thread-safe.
class Authenticator {
 public:
  explicit Authenticator(const ServerOptions& options) : options_(options) {}

  // Throws AWS's error for what is wrong.
  Authentication Verify(const Request& request) const;

 private:
  struct Claim;

  Claim ReadHeader(const Request& request) const;
  Claim ReadQuery(const Request& request) const;
  void CheckCredential(const Claim& claim) const;
  int64_t Now() const;

  const ServerOptions& options_;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_AUTHENTICATOR_H_
