// What is known of S3 implementations, by name. Only what makes them work; a store is better asked
// than guessed at, and S3StoreOptions can override it all.
#ifndef S3FILES_LIB_S3_PROVIDER_PROFILE_H_
#define S3FILES_LIB_S3_PROVIDER_PROFILE_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/store/capabilities.h"

namespace s3files {

struct ProviderProfile {
  absl::string_view name;
  Capabilities capabilities;
  bool quote_etags = true;             // in If-Match of writes
  bool percent_in_copy_source = true;  // a key with '%' can be a copy's source
};

// "aws", "ceph-rgw", "swift", "generic"; EINVAL, listing them, for another name.
absl::StatusOr<ProviderProfile> FindProviderProfile(absl::string_view name);

}  // namespace s3files

#endif  // S3FILES_LIB_S3_PROVIDER_PROFILE_H_
