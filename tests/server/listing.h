#ifndef S3FILES_TESTS_SERVER_LISTING_H_
#define S3FILES_TESTS_SERVER_LISTING_H_

#include <cstddef>
#include <string>
#include <vector>

#include "tests/server/bucket.h"

namespace s3files::server {

struct ListQuery {
  std::string prefix;
  std::string delimiter;
  std::string after;  // begin behind this key or common prefix
  size_t limit = 1000;
};

struct ListedVersion {
  std::string key;
  VersionPtr version;
  bool latest;
};

struct Listing {
  std::vector<ListedVersion> versions;
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string last;  // of what was listed: the next page's `after`
};

// The current objects. Takes time for what it returns, not for what a common prefix hides.
Listing ListObjects(const Bucket& bucket, const ListQuery& query);

// All versions and delete markers, the newest of a key first; `after_version` continues within
// the key `query.after`.
Listing ListVersions(const Bucket& bucket, const ListQuery& query,
                     const std::string& after_version);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_LISTING_H_
