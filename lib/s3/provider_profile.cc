#include "lib/s3/provider_profile.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

// Only PUT's conditions: they are the ones that a store which does not know them refuses. The
// others are silently ignored by many, which would lose updates.
ProviderProfile ConditionalPuts(absl::string_view name) {
  ProviderProfile out;
  out.name = name;
  out.capabilities.conditional_complete = false;
  out.capabilities.conditional_delete = false;
  out.capabilities.copy_source = false;
  out.capabilities.copy_target = false;
  return out;
}

ProviderProfile Generic() {
  ProviderProfile out = ConditionalPuts("generic");
  out.capabilities.try_conditions = true;
  return out;
}

// Ceph 16 (pacific).
ProviderProfile CephRgw() {
  ProviderProfile out = ConditionalPuts("ceph-rgw");
  out.quote_etags = false;             // a quoted one never matches
  out.percent_in_copy_source = false;  // "%25" there crashes the gateway
  return out;
}

// OpenStack Swift 2.30 with s3api: 501 for conditional writes.
ProviderProfile Swift() {
  ProviderProfile out = ConditionalPuts("swift");
  out.capabilities.conditional_create = false;
  out.capabilities.conditional_replace = false;
  return out;
}

}  // namespace

absl::StatusOr<ProviderProfile> FindProviderProfile(absl::string_view name) {
  if (name == "aws") {
    ProviderProfile out;
    out.name = "aws";
    return out;
  }
  if (name == "generic") return Generic();
  if (name == "ceph-rgw") return CephRgw();
  if (name == "swift") return Swift();
  return Error(EINVAL, absl::StrCat("there is no provider '", name,
                                    "': use aws, ceph-rgw, swift or generic"));
}

}  // namespace s3files
