// A bucket in memory: `memory://name`, and the store of tests, where each capability can be
// switched off.
#ifndef S3FILES_LIB_STORE_MEMORY_STORE_H_
#define S3FILES_LIB_STORE_MEMORY_STORE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/clock.h"
#include "lib/store/local_rules.h"
#include "lib/store/object_store.h"

namespace s3files {

// ETags are S3's (MD5 of the bytes, MD5 of the parts' MD5s). A condition that `capabilities` says
// is not honoured is ignored, as stores without it do; without `strong_etags` every version is
// Unknown; without `part_copy` CopyPart gives EOPNOTSUPP. Last-Modified never repeats for a key.
class MemoryStore final : public ObjectStore {
 public:
  // The process's store of this name, made when first asked for; it keeps its objects for the rest
  // of the process, or until Forget.
  static std::shared_ptr<MemoryStore> Named(absl::string_view name);
  static void Forget(absl::string_view name);  // who holds it keeps it

  explicit MemoryStore(Capabilities capabilities = Capabilities(),
                       const Clock* clock = Clock::System());

  const Capabilities& capabilities() const override { return can_; }
  RequestCounts counts() const override { return tally_.counts(); }

  absl::Status Probe(const CallContext& call, absl::string_view prefix) override;
  absl::StatusOr<ObjectInfo> Head(const CallContext& call, absl::string_view key) override;
  absl::StatusOr<ObjectInfo> Get(const CallContext& call, const GetRequest& request,
                                 ByteSink& sink) override;
  absl::StatusOr<ObjectTags> GetTags(const CallContext& call, absl::string_view key) override;
  absl::StatusOr<Stamp> Put(const CallContext& call, const PutRequest& request,
                            ByteSource& body) override;
  absl::Status Delete(const CallContext& call, absl::string_view key,
                      const Precondition& precondition) override;
  absl::StatusOr<std::vector<absl::Status>> DeleteMany(const CallContext& call,
                                                       absl::Span<const std::string> keys) override;
  absl::StatusOr<ListPage> List(const CallContext& call, const ListRequest& request) override;
  absl::StatusOr<Stamp> Copy(const CallContext& call, const CopyRequest& request) override;
  absl::StatusOr<std::string> CreateUpload(const CallContext& call,
                                           const PutRequest& request) override;
  absl::StatusOr<UploadedPart> UploadPart(const CallContext& call, absl::string_view key,
                                          absl::string_view upload_id, uint32_t number,
                                          ByteSource& body) override;
  absl::StatusOr<UploadedPart> CopyPart(const CallContext& call,
                                        const PartCopyRequest& request) override;
  absl::StatusOr<Stamp> CompleteUpload(const CallContext& call,
                                       const CompleteRequest& request) override;
  absl::Status AbortUpload(const CallContext& call, absl::string_view key,
                           absl::string_view upload_id) override;
  absl::StatusOr<std::vector<UploadedPart>> ListParts(const CallContext& call,
                                                      absl::string_view key,
                                                      absl::string_view upload_id) override;
  absl::StatusOr<std::vector<PendingUpload>> ListUploads(const CallContext& call,
                                                         absl::string_view prefix) override;

 private:
  // Immutable bytes, so that a reader needs no lock and sees one version.
  using Bytes = std::shared_ptr<const std::string>;
  struct Object {
    Bytes bytes;
    std::string etag;
    std::string version_id;  // empty without versions
    int64_t last_modified_ns = 0;
    ObjectMetadata metadata;
    ObjectTags tags;
  };
  struct Part {
    Bytes bytes;
    std::string md5;  // raw, for the ETag of the whole
  };
  struct Upload {
    std::string key;
    ObjectMetadata metadata;
    ObjectTags tags;
    int64_t initiated_ns = 0;
    std::map<uint32_t, Part> parts;
  };

  Version VersionOf(const Object& object) const;
  ObjectInfo InfoOf(const Object& object) const;
  Version Current(absl::string_view key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Object> Find(const GetRequest& request) const;
  Upload* FindUpload(absl::string_view key, absl::string_view upload_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Makes `object` what `key` has.
  Stamp Publish(const std::string& key, Object object) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Retire(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<UploadedPart> AddPart(absl::string_view key, absl::string_view upload_id,
                                       uint32_t number, Bytes bytes);

  const Capabilities can_;
  const Clock* const clock_;
  RequestTally tally_;
  mutable absl::Mutex mu_;  // leaf; never held while a source or sink is called
  std::map<std::string, Object, std::less<>> objects_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, Object> old_ ABSL_GUARDED_BY(mu_);  // by version id
  std::map<std::string, Upload, std::less<>> uploads_ ABSL_GUARDED_BY(mu_);
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  int64_t last_ns_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace s3files

#endif  // S3FILES_LIB_STORE_MEMORY_STORE_H_
