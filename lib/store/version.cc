#include "lib/store/version.h"

#include "absl/strings/match.h"

namespace s3files {

Version Version::Unknown() {
  static const auto& unknown = *new std::shared_ptr<const Rep>(std::make_shared<const Rep>());
  return Version(unknown);
}

const Version::Rep& Version::rep() const {
  static const Rep& absent = *new Rep();
  return rep_ == nullptr ? absent : *rep_;
}

Version Version::Of(absl::string_view etag, absl::string_view version_id) {
  // A weak ETag promises equivalent bytes, not equal ones.
  if (absl::StartsWith(etag, "W/")) return Unknown();
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  if (etag.empty()) return Unknown();
  // Buckets without versions say "null" for every object.
  if (version_id == "null") version_id = absl::string_view();
  return Version(std::make_shared<const Rep>(Rep{std::string(etag), std::string(version_id)}));
}

std::string Version::ToString() const {
  if (absent()) return "absent";
  return unknown() ? "unknown" : etag();
}

bool operator==(const Version& a, const Version& b) {
  if (a.unknown() || b.unknown()) return false;
  if (a.rep_ == b.rep_) return true;
  if (a.absent() || b.absent()) return false;
  if (!a.version_id().empty() && !b.version_id().empty() && a.version_id() != b.version_id()) {
    return false;
  }
  return a.etag() == b.etag();
}

}  // namespace s3files
