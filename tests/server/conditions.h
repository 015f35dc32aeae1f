#ifndef S3FILES_TESTS_SERVER_CONDITIONS_H_
#define S3FILES_TESTS_SERVER_CONDITIONS_H_

#include <optional>
#include <string>

#include "tests/server/object.h"

namespace s3files::server {

// What must hold of the current object of a key for a write to it to take place.
struct WriteCondition {
  std::optional<std::string> if_match;  // an ETag, or "*": anything
  bool if_absent = false;               // If-None-Match: *

  // `current` is nullptr where there is no object. Throws 412, or 404 where If-Match names an
  // object that is not there.
  void Check(const ObjectVersion* current) const;
};

// The conditions of a GET or HEAD, and, under other header names, of the source of a copy.
struct ReadCondition {
  std::optional<std::string> if_match;
  std::optional<std::string> if_none_match;
  std::optional<std::string> if_modified_since;
  std::optional<std::string> if_unmodified_since;

  enum class Result { kProceed, kNotModified, kFailed };
  Result Evaluate(const ObjectVersion& version) const;
};

// Whether a header's list of ETags, quoted or not, or "*", names `etag`. A weak ETag never does.
bool MatchesEtag(const std::string& header, const std::string& etag);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_CONDITIONS_H_
