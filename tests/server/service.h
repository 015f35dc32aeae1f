#ifndef S3FILES_TESTS_SERVER_SERVICE_H_
#define S3FILES_TESTS_SERVER_SERVICE_H_

#include <memory>
#include <optional>
#include <string>

#include "tests/server/authenticator.h"
#include "tests/server/operation.h"
#include "tests/server/options.h"
#include "tests/server/payload_reader.h"
#include "tests/server/reply.h"
#include "tests/server/request.h"
#include "tests/server/s3_error.h"
#include "tests/server/store.h"

namespace s3files::server {

// One request on its way through the service. The connection feeds `payload` between Begin and
// Finish.
struct Call {
  Request request;
  const Operation* operation = nullptr;    // nullptr where there is none
  std::optional<S3Error> error;            // found before the body was read
  std::unique_ptr<PayloadReader> payload;  // skips the body after an error
  std::string request_id;

  std::string name() const { return operation == nullptr ? "Unknown" : operation->name; }
  bool heavy() const { return operation != nullptr && operation->heavy && !error; }
};

// S3 without the network: requests in, replies out. Thread-safe. Nothing is thrown from here: an
// S3Error becomes a reply.
class Service {
 public:
  Service(const ServerOptions& options, Store& store);

  // Takes the request's head: finds the operation, verifies the signature, prepares for the body.
  Call Begin(Request request);

  // Once the body is there: verifies it and carries the operation out.
  Reply Finish(Call& call);

  static Reply ErrorReply(const Call& call, const S3Error& error);

 private:
  void Prepare(Call& call);
  Reply Run(Call& call);

  const ServerOptions& options_;
  Store& store_;
  Authenticator authenticator_;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_SERVICE_H_
