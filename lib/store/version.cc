#include "lib/store/version.h"

#include "absl/strings/match.h"

namespace s3files {

Version Version::Of(absl::string_view etag, absl::string_view version_id) {
  // A weak ETag promises equivalent bytes, not equal ones.
  if (absl::StartsWith(etag, "W/")) return Unknown();
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  if (etag.empty()) return Unknown();
  // Buckets without versions say "null" for every object.
  if (version_id == "null") version_id = absl::string_view();
  return Version(Kind::kKnown, std::string(etag), std::string(version_id));
}

std::string Version::ToString() const {
  switch (kind_) {
    case Kind::kAbsent:
      return "absent";
    case Kind::kUnknown:
      return "unknown";
    case Kind::kKnown:
      break;
  }
  return etag_;
}

bool operator==(const Version& a, const Version& b) {
  if (a.kind_ != b.kind_ || a.unknown()) return false;
  if (a.absent()) return true;
  if (!a.version_id_.empty() && !b.version_id_.empty() && a.version_id_ != b.version_id_) {
    return false;
  }
  return a.etag_ == b.etag_;
}

}  // namespace s3files
