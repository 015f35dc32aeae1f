#include "tests/server/conditions.h"

#include <string_view>

#include "tests/server/s3_error.h"
#include "tests/server/time_format.h"

namespace s3files::server {
namespace {

std::string_view Strip(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return text;
}

// HTTP dates count seconds. One that cannot be read is no condition.
bool ModifiedSince(const ObjectVersion& version, const std::string& date, bool otherwise) {
  std::optional<int64_t> since = ParseHttpDate(date);
  return since ? version.last_modified_ms / 1000 > *since / 1000 : otherwise;
}

}  // namespace

bool MatchesEtag(const std::string& header, const std::string& etag) {
  std::string_view rest = header;
  while (!rest.empty()) {
    std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    item = Strip(item);
    if (item == "*" || item == etag) return true;
  }
  return false;
}

void WriteCondition::Check(const ObjectVersion* current) const {
  if (if_absent && current != nullptr) {
    throw S3Error("PreconditionFailed").With("Condition", "If-None-Match");
  }
  if (!if_match) return;
  if (current == nullptr && *if_match != "*") throw S3Error("NoSuchKey");
  if (current == nullptr || !MatchesEtag(*if_match, current->etag)) {
    throw S3Error("PreconditionFailed").With("Condition", "If-Match");
  }
}

// RFC 9110's order: an ETag condition overrules the date condition of the same sense.
ReadCondition::Result ReadCondition::Evaluate(const ObjectVersion& version) const {
  if (if_match) {
    if (!MatchesEtag(*if_match, version.etag)) return Result::kFailed;
  } else if (if_unmodified_since && ModifiedSince(version, *if_unmodified_since, false)) {
    return Result::kFailed;
  }
  if (if_none_match) {
    if (MatchesEtag(*if_none_match, version.etag)) return Result::kNotModified;
  } else if (if_modified_since && !ModifiedSince(version, *if_modified_since, true)) {
    return Result::kNotModified;
  }
  return Result::kProceed;
}

}  // namespace s3files::server
