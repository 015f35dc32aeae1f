#include "lib/s3/credentials.h"

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

absl::StatusOr<Credentials> CredentialsFromEnvironment() {
  Credentials out;
  out.access_key_id = FromEnvironment("AWS_ACCESS_KEY_ID");
  out.secret_access_key = FromEnvironment("AWS_SECRET_ACCESS_KEY");
  out.session_token = FromEnvironment("AWS_SESSION_TOKEN");
  for (const auto& [name, value] : {std::pair("AWS_ACCESS_KEY_ID", &out.access_key_id),
                                    std::pair("AWS_SECRET_ACCESS_KEY", &out.secret_access_key)}) {
    if (value->empty()) {
      return Error(EACCES, absl::StrCat("no credentials: ", name,
                                        " is not set; set it, give access_key and secret_key, or "
                                        "ask for anonymous access"));
    }
  }
  return out;
}

}  // namespace s3files
