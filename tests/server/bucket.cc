#include "tests/server/bucket.h"

#include <algorithm>
#include <utility>

namespace s3files::server {

VersionPtr Bucket::Current(const std::string& key) const {
  auto found = keys.find(key);
  if (found == keys.end() || found->second.back()->delete_marker) return nullptr;
  return found->second.back();
}

VersionPtr Bucket::FindVersion(const std::string& key, const std::string& version_id) const {
  auto found = keys.find(key);
  if (found == keys.end()) return nullptr;
  for (const VersionPtr& version : found->second) {
    if (version->version_id == version_id) return version;
  }
  return nullptr;
}

void Bucket::PutVersion(const std::string& key, VersionPtr version) {
  Versions& versions = keys[key];
  // There is one null version at most.
  if (version->version_id == kNullVersion) {
    std::erase_if(versions, [](const VersionPtr& v) { return v->version_id == kNullVersion; });
  }
  versions.push_back(std::move(version));
}

void Bucket::ReplaceVersion(const std::string& key, VersionPtr version) {
  for (VersionPtr& present : keys[key]) {
    if (present->version_id == version->version_id) present = version;
  }
}

void Bucket::RemoveVersion(const std::string& key, const std::string& version_id) {
  auto found = keys.find(key);
  if (found == keys.end()) return;
  std::erase_if(found->second, [&](const VersionPtr& v) { return v->version_id == version_id; });
  if (found->second.empty()) keys.erase(found);
}

}  // namespace s3files::server
