// Whose requests these are.
#ifndef S3FILES_LIB_S3_CREDENTIALS_H_
#define S3FILES_LIB_S3_CREDENTIALS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/call_context.h"

namespace s3files {

// Never printed, in errors neither. Anonymous (requests are not signed) where the id is empty.
struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;
  bool anonymous() const { return access_key_id.empty(); }
};

// Where they come from; a provider may refresh them between calls. Thread-safe.
class CredentialsProvider {
 public:
  virtual ~CredentialsProvider() = default;
  virtual absl::StatusOr<std::shared_ptr<const Credentials>> Get(const CallContext& call) = 0;
};

// Always the same.
class StaticCredentials final : public CredentialsProvider {
 public:
  explicit StaticCredentials(Credentials credentials)
      : credentials_(std::make_shared<const Credentials>(std::move(credentials))) {}
  absl::StatusOr<std::shared_ptr<const Credentials>> Get(const CallContext&) override {
    return credentials_;
  }

 private:
  const std::shared_ptr<const Credentials> credentials_;
};

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN as they are now. EACCES, naming
// what is missing, without the first two.
absl::StatusOr<Credentials> CredentialsFromEnvironment();

}  // namespace s3files

#endif  // S3FILES_LIB_S3_CREDENTIALS_H_
