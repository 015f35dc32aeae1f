#include "tests/server/store.h"

#include <algorithm>

#include "tests/server/hash.h"
#include "tests/server/s3_error.h"
#include "tests/server/time_format.h"

namespace s3files::server {

using Lock = std::lock_guard<std::mutex>;

Store::Store(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {
  backend_->Replay([this](const Change& change) { Apply(change); });
  backend_->Compact(Snapshot());
}

// Buckets

std::vector<std::pair<std::string, int64_t>> Store::ListBuckets() const {
  Lock lock(mutex_);
  std::vector<std::pair<std::string, int64_t>> list;
  for (const auto& [name, bucket] : buckets_) list.emplace_back(name, bucket.created_ms);
  return list;
}

void Store::CreateBucket(const std::string& bucket) {
  Lock lock(mutex_);
  if (buckets_.contains(bucket)) {
    throw S3Error("BucketAlreadyOwnedByYou").With("BucketName", bucket);
  }
  Commit({.kind = Change::Kind::kCreateBucket, .bucket = bucket, .time_ms = NowMs()});
}

void Store::DeleteBucket(const std::string& bucket) {
  Lock lock(mutex_);
  // As on AWS, unfinished uploads do not keep a bucket.
  if (!Get(bucket).keys.empty()) throw S3Error("BucketNotEmpty").With("BucketName", bucket);
  Commit({.kind = Change::Kind::kDeleteBucket, .bucket = bucket});
}

Versioning Store::GetVersioning(const std::string& bucket) const {
  Lock lock(mutex_);
  return Get(bucket).versioning;
}

void Store::SetVersioning(const std::string& bucket, Versioning versioning) {
  Lock lock(mutex_);
  Get(bucket);
  Commit({.kind = Change::Kind::kSetVersioning, .bucket = bucket, .versioning = versioning});
}

// Objects

VersionPtr Store::Find(const std::string& bucket, const std::string& key,
                       const std::optional<std::string>& version_id) const {
  Lock lock(mutex_);
  return FindIn(Get(bucket), key, version_id);
}

VersionPtr Store::Put(const std::string& bucket, const std::string& key, NewObject object,
                      const WriteCondition& condition) {
  Lock lock(mutex_);
  condition.Check(Get(bucket).Current(key).get());
  return PutIn(bucket, key, std::move(object));
}

Store::Deleted Store::Delete(const std::string& bucket, const std::string& key,
                             const std::optional<std::string>& version_id,
                             const WriteCondition& condition) {
  Lock lock(mutex_);
  const Bucket& in = Get(bucket);
  condition.Check(in.Current(key).get());
  if (version_id) {
    VersionPtr version = in.FindVersion(key, *version_id);
    if (version == nullptr) return {*version_id, false};
    Commit({.kind = Change::Kind::kRemoveVersion, .bucket = bucket, .key = key, .id = *version_id});
    return {*version_id, version->delete_marker};
  }
  if (in.versioning == Versioning::kOff) {
    if (in.keys.contains(key)) {
      Commit(
          {.kind = Change::Kind::kRemoveVersion, .bucket = bucket, .key = key, .id = kNullVersion});
    }
    return {};
  }
  auto marker = std::make_shared<ObjectVersion>();
  marker->version_id = NewVersionId(in);
  marker->delete_marker = true;
  marker->last_modified_ms = NowMs();
  Commit({.kind = Change::Kind::kPutVersion, .bucket = bucket, .key = key, .version = marker});
  return {marker->version_id, true};
}

VersionPtr Store::SetTags(const std::string& bucket, const std::string& key,
                          const std::optional<std::string>& version_id, StringMap tags) {
  Lock lock(mutex_);
  auto tagged = std::make_shared<ObjectVersion>(*FindIn(Get(bucket), key, version_id));
  if (tagged->delete_marker) throw S3Error("MethodNotAllowed");
  tagged->attributes.tags = std::move(tags);
  Commit({.kind = Change::Kind::kReplaceVersion, .bucket = bucket, .key = key, .version = tagged});
  return tagged;
}

Listing Store::List(const std::string& bucket, const ListQuery& query) const {
  Lock lock(mutex_);
  return ListObjects(Get(bucket), query);
}

Listing Store::ListVersions(const std::string& bucket, const ListQuery& query,
                            const std::string& after_version) const {
  Lock lock(mutex_);
  return server::ListVersions(Get(bucket), query, after_version);
}

// Multipart uploads

std::string Store::CreateUpload(const std::string& bucket, const std::string& key,
                                Attributes attributes) {
  Lock lock(mutex_);
  Get(bucket);
  std::string id = UniqueId();
  Commit({.kind = Change::Kind::kCreateUpload,
          .bucket = bucket,
          .key = key,
          .id = id,
          .time_ms = NowMs(),
          .attributes = std::move(attributes)});
  return id;
}

Upload Store::GetUpload(const std::string& bucket, const std::string& key,
                        const std::string& upload_id) const {
  Lock lock(mutex_);
  return GetUpload(Get(bucket), key, upload_id);
}

std::vector<std::pair<std::string, Upload>> Store::ListUploads(const std::string& bucket) const {
  Lock lock(mutex_);
  const auto& uploads = Get(bucket).uploads;
  std::vector<std::pair<std::string, Upload>> list(uploads.begin(), uploads.end());
  std::ranges::sort(list, {}, [](const auto& entry) {
    return std::tie(entry.second.key, entry.second.initiated_ms, entry.first);
  });
  return list;
}

Part Store::PutPart(const std::string& bucket, const std::string& key, const std::string& upload_id,
                    int number, std::string etag, Blob body) {
  Lock lock(mutex_);
  GetUpload(Get(bucket), key, upload_id);
  Part part{std::move(etag), NowMs(), std::move(body)};
  Commit({.kind = Change::Kind::kPutPart,
          .bucket = bucket,
          .id = upload_id,
          .part_number = number,
          .part = part});
  return part;
}

VersionPtr Store::CompleteUpload(const std::string& bucket, const std::string& key,
                                 const std::string& upload_id, const WriteCondition& condition,
                                 const std::function<NewObject(const Upload&)>& assemble) {
  Lock lock(mutex_);
  const Bucket& in = Get(bucket);
  NewObject object = assemble(GetUpload(in, key, upload_id));
  condition.Check(in.Current(key).get());
  VersionPtr version = PutIn(bucket, key, std::move(object));
  Commit({.kind = Change::Kind::kEndUpload, .bucket = bucket, .id = upload_id});
  return version;
}

void Store::AbortUpload(const std::string& bucket, const std::string& key,
                        const std::string& upload_id) {
  Lock lock(mutex_);
  GetUpload(Get(bucket), key, upload_id);
  Commit({.kind = Change::Kind::kEndUpload, .bucket = bucket, .id = upload_id});
}

// Under the lock

const Bucket& Store::Get(const std::string& bucket) const {
  auto found = buckets_.find(bucket);
  if (found == buckets_.end()) throw S3Error("NoSuchBucket").With("BucketName", bucket);
  return found->second;
}

const Upload& Store::GetUpload(const Bucket& bucket, const std::string& key,
                               const std::string& upload_id) const {
  auto found = bucket.uploads.find(upload_id);
  if (found == bucket.uploads.end() || found->second.key != key) {
    throw S3Error("NoSuchUpload").With("UploadId", upload_id);
  }
  return found->second;
}

VersionPtr Store::FindIn(const Bucket& bucket, const std::string& key,
                         const std::optional<std::string>& version_id) const {
  VersionPtr found = version_id ? bucket.FindVersion(key, *version_id) : bucket.Current(key);
  if (found == nullptr) {
    throw S3Error(version_id ? "NoSuchVersion" : "NoSuchKey").With("Key", key);
  }
  return found;
}

VersionPtr Store::PutIn(const std::string& bucket, const std::string& key, NewObject object) {
  auto version = std::make_shared<ObjectVersion>();
  version->version_id = NewVersionId(Get(bucket));
  version->etag = std::move(object.etag);
  version->last_modified_ms = NowMs();
  version->attributes = std::move(object.attributes);
  version->body = std::move(object.body);
  Commit({.kind = Change::Kind::kPutVersion, .bucket = bucket, .key = key, .version = version});
  return version;
}

std::string Store::NewVersionId(const Bucket& bucket) const {
  return bucket.versioning == Versioning::kEnabled ? UniqueId() : kNullVersion;
}

void Store::Commit(const Change& change) {
  backend_->Record(change);
  Apply(change);
}

void Store::Apply(const Change& change) {
  Bucket& bucket = buckets_[change.bucket];
  switch (change.kind) {
    case Change::Kind::kCreateBucket:
      bucket.created_ms = change.time_ms;
      break;
    case Change::Kind::kDeleteBucket:
      buckets_.erase(change.bucket);
      break;
    case Change::Kind::kSetVersioning:
      bucket.versioning = change.versioning;
      break;
    case Change::Kind::kPutVersion:
      bucket.PutVersion(change.key, change.version);
      break;
    case Change::Kind::kReplaceVersion:
      bucket.ReplaceVersion(change.key, change.version);
      break;
    case Change::Kind::kRemoveVersion:
      bucket.RemoveVersion(change.key, change.id);
      break;
    case Change::Kind::kCreateUpload:
      bucket.uploads[change.id] = {change.key, change.time_ms, change.attributes, {}};
      break;
    case Change::Kind::kPutPart:
      bucket.uploads[change.id].parts[change.part_number] = change.part;
      break;
    case Change::Kind::kEndUpload:
      bucket.uploads.erase(change.id);
      break;
  }
}

std::vector<Change> Store::Snapshot() const {
  std::vector<Change> changes;
  for (const auto& [name, bucket] : buckets_) {
    changes.push_back(
        {.kind = Change::Kind::kCreateBucket, .bucket = name, .time_ms = bucket.created_ms});
    changes.push_back(
        {.kind = Change::Kind::kSetVersioning, .bucket = name, .versioning = bucket.versioning});
    for (const auto& [key, versions] : bucket.keys) {
      for (const VersionPtr& version : versions) {
        changes.push_back(
            {.kind = Change::Kind::kPutVersion, .bucket = name, .key = key, .version = version});
      }
    }
    for (const auto& [id, upload] : bucket.uploads) {
      changes.push_back({.kind = Change::Kind::kCreateUpload,
                         .bucket = name,
                         .key = upload.key,
                         .id = id,
                         .time_ms = upload.initiated_ms,
                         .attributes = upload.attributes});
      for (const auto& [number, part] : upload.parts) {
        changes.push_back({.kind = Change::Kind::kPutPart,
                           .bucket = name,
                           .id = id,
                           .part_number = number,
                           .part = part});
      }
    }
  }
  return changes;
}

}  // namespace s3files::server
