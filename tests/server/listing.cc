#include "tests/server/listing.h"

#include <algorithm>
#include <utility>

namespace s3files::server {
namespace {

// The first string behind all those that begin with `prefix`; empty where there is none.
std::string Behind(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

// Walks the keys of a listing: those with the prefix, behind `after`, rolled up at the delimiter.
class Walk {
 public:
  using Iterator = std::map<std::string, Bucket::Versions>::const_iterator;

  Walk(const Bucket& bucket, const ListQuery& query) : keys_(bucket.keys), query_(query) {
    at_ = keys_.lower_bound(query.prefix);
    if (query.after < query.prefix || query.after.empty()) return;
    // A marker that is itself a common prefix stands for every key it hides.
    if (CommonPrefix(query.after) == query.after) {
      SkipPrefix(query.after);
    } else {
      at_ = keys_.upper_bound(query.after);
    }
  }

  bool Done() const { return at_ == keys_.end() || !at_->first.starts_with(query_.prefix); }
  const std::string& key() const { return at_->first; }
  const Bucket::Versions& versions() const { return at_->second; }
  void Next() { ++at_; }

  void SkipPrefix(const std::string& prefix) {
    std::string behind = Behind(prefix);
    at_ = behind.empty() ? keys_.end() : keys_.lower_bound(behind);
  }

  // What a key is rolled up to; empty where it is listed itself.
  std::string CommonPrefix(const std::string& key) const {
    if (query_.delimiter.empty() || !key.starts_with(query_.prefix)) return "";
    size_t found = key.find(query_.delimiter, query_.prefix.size());
    return found == key.npos ? "" : key.substr(0, found + query_.delimiter.size());
  }

 private:
  const std::map<std::string, Bucket::Versions>& keys_;
  const ListQuery& query_;
  Iterator at_;
};

bool Full(const Listing& listing, const ListQuery& query) {
  return listing.versions.size() + listing.common_prefixes.size() >= query.limit;
}

}  // namespace

Listing ListObjects(const Bucket& bucket, const ListQuery& query) {
  Listing listing;
  if (query.limit == 0) return listing;
  Walk walk(bucket, query);
  while (!walk.Done()) {
    const VersionPtr& current = walk.versions().back();
    if (current->delete_marker) {
      walk.Next();
      continue;
    }
    if (Full(listing, query)) {
      listing.truncated = true;
      break;
    }
    std::string common = walk.CommonPrefix(walk.key());
    if (common.empty()) {
      listing.versions.push_back({walk.key(), current, true});
      listing.last = walk.key();
      walk.Next();
    } else {
      walk.SkipPrefix(common);
      listing.last = common;
      listing.common_prefixes.push_back(std::move(common));
    }
  }
  return listing;
}

Listing ListVersions(const Bucket& bucket, const ListQuery& query,
                     const std::string& after_version) {
  Listing listing;
  if (query.limit == 0) return listing;

  // False once the page is full.
  auto list_versions = [&](const std::string& key, const Bucket::Versions& versions,
                           Bucket::Versions::const_reverse_iterator from) {
    for (auto version = from; version != versions.rend(); ++version) {
      if (Full(listing, query)) {
        listing.truncated = true;
        return false;
      }
      listing.versions.push_back({key, *version, version == versions.rbegin()});
      listing.last = key;
    }
    return true;
  };

  auto begun = after_version.empty() ? bucket.keys.end() : bucket.keys.find(query.after);
  if (begun != bucket.keys.end()) {
    const Bucket::Versions& versions = begun->second;
    auto at = std::find_if(versions.rbegin(), versions.rend(), [&](const VersionPtr& version) {
      return version->version_id == after_version;
    });
    if (at != versions.rend() && !list_versions(query.after, versions, at + 1)) return listing;
  }
  Walk walk(bucket, query);
  while (!walk.Done()) {
    std::string common = walk.CommonPrefix(walk.key());
    if (common.empty()) {
      if (!list_versions(walk.key(), walk.versions(), walk.versions().rbegin())) break;
      walk.Next();
    } else if (Full(listing, query)) {
      listing.truncated = true;
      break;
    } else {
      walk.SkipPrefix(common);
      listing.last = common;
      listing.common_prefixes.push_back(std::move(common));
    }
  }
  return listing;
}

}  // namespace s3files::server
