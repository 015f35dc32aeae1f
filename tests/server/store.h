#ifndef S3FILES_TESTS_SERVER_STORE_H_
#define S3FILES_TESTS_SERVER_STORE_H_

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/backend.h"
#include "tests/server/bucket.h"
#include "tests/server/conditions.h"
#include "tests/server/listing.h"
#include "tests/server/object.h"

namespace s3files::server {

// The buckets and what S3 says happens to them. Each call is atomic: conditions are checked and
// changes made under one lock, so of concurrent conditional writes exactly one wins. Thread-safe.
// Failures are thrown as S3Error; every call but the first two throws NoSuchBucket.
class Store {
 public:
  // Loads what the backend kept.
  explicit Store(std::unique_ptr<Backend> backend);

  std::vector<std::pair<std::string, int64_t>> ListBuckets() const;  // name, created_ms
  void CreateBucket(const std::string& bucket);
  void DeleteBucket(const std::string& bucket);
  Versioning GetVersioning(const std::string& bucket) const;
  void SetVersioning(const std::string& bucket, Versioning versioning);

  std::unique_ptr<BodyWriter> NewBody(uint64_t size) { return backend_->NewBody(size); }

  // The current version, or the one named. A delete marker is not found, except by its id.
  VersionPtr Find(const std::string& bucket, const std::string& key,
                  const std::optional<std::string>& version_id) const;

  struct NewObject {
    std::string etag;
    Attributes attributes;
    Blob body;
  };
  VersionPtr Put(const std::string& bucket, const std::string& key, NewObject object,
                 const WriteCondition& condition);

  struct Deleted {
    std::string version_id;  // of the marker made or the version removed; empty if unversioned
    bool delete_marker = false;
  };
  Deleted Delete(const std::string& bucket, const std::string& key,
                 const std::optional<std::string>& version_id, const WriteCondition& condition);

  VersionPtr SetTags(const std::string& bucket, const std::string& key,
                     const std::optional<std::string>& version_id, StringMap tags);

  Listing List(const std::string& bucket, const ListQuery& query) const;
  Listing ListVersions(const std::string& bucket, const ListQuery& query,
                       const std::string& after_version) const;

  std::string CreateUpload(const std::string& bucket, const std::string& key,
                           Attributes attributes);
  // A copy; NoSuchUpload unless `upload_id` is an upload of `key`.
  Upload GetUpload(const std::string& bucket, const std::string& key,
                   const std::string& upload_id) const;
  // By key, then by time.
  std::vector<std::pair<std::string, Upload>> ListUploads(const std::string& bucket) const;
  Part PutPart(const std::string& bucket, const std::string& key, const std::string& upload_id,
               int number, std::string etag, Blob body);
  // `assemble` checks the parts and joins them, with the lock held.
  VersionPtr CompleteUpload(const std::string& bucket, const std::string& key,
                            const std::string& upload_id, const WriteCondition& condition,
                            const std::function<NewObject(const Upload&)>& assemble);
  void AbortUpload(const std::string& bucket, const std::string& key, const std::string& upload_id);

 private:
  // All private members require mutex_ held.
  const Bucket& Get(const std::string& bucket) const;
  const Upload& GetUpload(const Bucket& bucket, const std::string& key,
                          const std::string& upload_id) const;
  VersionPtr FindIn(const Bucket& bucket, const std::string& key,
                    const std::optional<std::string>& version_id) const;
  VersionPtr PutIn(const std::string& bucket, const std::string& key, NewObject object);
  std::string NewVersionId(const Bucket& bucket) const;
  void Commit(const Change& change);  // records and applies
  void Apply(const Change& change);
  std::vector<Change> Snapshot() const;

  mutable std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;  // guarded by mutex_
  // After buckets_, so that it goes first: bodies that go after their backend stay on disk.
  std::unique_ptr<Backend> backend_;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_STORE_H_
