#ifndef S3FILES_TESTS_SERVER_BUCKET_H_
#define S3FILES_TESTS_SERVER_BUCKET_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/server/change.h"
#include "tests/server/object.h"

namespace s3files::server {

// The state of one bucket: plain data, guarded by Store's lock. std::string compares as unsigned
// bytes, which is S3's order of keys.
struct Bucket {
  // A key's versions, the newest last; never empty.
  using Versions = std::vector<VersionPtr>;

  int64_t created_ms = 0;
  Versioning versioning = Versioning::kOff;
  std::map<std::string, Versions> keys;
  std::map<std::string, Upload> uploads;  // by upload id

  // What a plain GET finds: nullptr where there is no key or a delete marker is newest.
  VersionPtr Current(const std::string& key) const;
  VersionPtr FindVersion(const std::string& key, const std::string& version_id) const;

  void PutVersion(const std::string& key, VersionPtr version);
  void ReplaceVersion(const std::string& key, VersionPtr version);
  void RemoveVersion(const std::string& key, const std::string& version_id);
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_BUCKET_H_
