// The bucket, as everything above it sees it. Implementations: MemoryStore, FileStore, S3Store.
//
// All calls block, are thread-safe, end by the context's deadline (ETIMEDOUT) or cancel token
// (ECANCELED), and are retried inside where that is safe. Concurrency is the caller's: see Executor.
//
// Errors every call may return: EACCES, EIO, ETIMEDOUT, ECANCELED, EINVAL (the request cannot be
// expressed). Each call lists its own besides. A failed write changed nothing, except where the
// reply was lost and could not be resolved: then the error is EIO or ETIMEDOUT, the write may have
// happened, and a later Head shows it by commit_id.
#ifndef S3FILES_LIB_STORE_OBJECT_STORE_H_
#define S3FILES_LIB_STORE_OBJECT_STORE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/base/byte_range.h"
#include "lib/base/bytes.h"
#include "lib/base/call_context.h"
#include "lib/store/capabilities.h"
#include "lib/store/version.h"

namespace s3files {

// What an object carries besides its bytes. Empty = not set.
struct ObjectMetadata {
  std::map<std::string, std::string> user;  // x-amz-meta-*, names in lower case without the prefix
  std::string content_type;
  std::string content_encoding;
  std::string content_language;
  std::string content_disposition;
  std::string cache_control;
  std::string expires;
  std::string storage_class;
  // Who encrypts it where, as x-amz-server-side-encryption, its KMS key and "true" for a bucket key.
  std::string encryption;
  std::string encryption_key;
  std::string encryption_bucket_key;
  friend bool operator==(const ObjectMetadata&, const ObjectMetadata&) = default;
};

using ObjectTags = std::map<std::string, std::string>;

// The user metadata name under which a write's commit id is stored with the object.
inline constexpr char kCommitIdName[] = "s3files-commit";

// The commit id of the write that made an object; empty where it carries none.
inline absl::string_view CommitIdOf(const ObjectMetadata& metadata) {
  const auto id = metadata.user.find(kCommitIdName);
  return id == metadata.user.end() ? absl::string_view() : absl::string_view(id->second);
}

struct ObjectInfo {
  uint64_t size = 0;
  Stamp stamp;
  ObjectMetadata metadata;  // includes kCommitIdName in `user` where we wrote it
  uint32_t tag_count = 0;   // as far as the caller may know (on S3: s3:GetObjectTagging)
};

struct GetRequest {
  std::string key;
  // nullopt = the whole object. The end may lie past the object's; an empty object or a begin at or
  // past the end gives ERANGE (S3 answers 416 and names only the size).
  std::optional<ByteRange> range;
  // Known: ESTALE unless the object still has this version. Absent: whatever is there.
  Version if_match;
  // Read the version named by if_match's version id even where it is no longer the newest.
  bool by_version_id = false;
};

struct PutRequest {
  std::string key;
  ObjectMetadata metadata;
  Precondition precondition = Precondition::None();
  std::string commit_id;  // stored as kCommitIdName; resolves a lost reply. Empty = none
  ObjectTags tags;
};

// The target gets the source's tags.
struct CopyRequest {
  std::string source_key;
  Version source_version;  // known: ESTALE unless the source still has it; else whatever is there
  std::string key;
  Precondition precondition = Precondition::None();
  std::optional<ObjectMetadata> metadata;  // replaces the source's; nullopt keeps the source's
  std::string commit_id;                   // needs `metadata`
};

struct UploadedPart {
  uint32_t number = 0;  // from 1
  std::string etag;
  uint64_t size = 0;
};

struct PartCopyRequest {
  std::string key;
  std::string upload_id;
  uint32_t number = 0;
  std::string source_key;
  Version source_version;  // known: ESTALE unless the source still has it
  ByteRange source_range;
};

struct CompleteRequest {
  std::string key;
  std::string upload_id;
  std::vector<UploadedPart> parts;  // ascending numbers
  Precondition precondition = Precondition::None();
  std::string commit_id;  // the one given to CreateUpload
};

struct PendingUpload {
  std::string key;
  std::string upload_id;
  int64_t initiated_ns = 0;
};

struct ListRequest {
  std::string prefix;
  bool hierarchical = true;  // group keys at the next '/' after the prefix into `prefixes`
  std::string start_after;   // names after this key only; ignored with a token
  std::string token;         // from the previous page
  uint32_t max_keys = 1000;  // 1..1000
};

struct ListedObject {
  std::string key;
  uint64_t size = 0;
  Stamp stamp;
  std::string storage_class;
};

struct ListPage {
  std::vector<ListedObject> objects;  // byte order
  std::vector<std::string> prefixes;  // byte order, each ends in '/'
  std::string next_token;             // empty = this was the last page
};

// Requests sent, by kind, retries included. What they cost is the user's money.
struct RequestCounts {
  uint64_t get = 0, head = 0, put = 0, del = 0, list = 0, copy = 0;
  uint64_t create_upload = 0, upload_part = 0, copy_part = 0, complete_upload = 0, abort_upload = 0;
  uint64_t other = 0, retries = 0, errors = 0;
  uint64_t bytes_in = 0, bytes_out = 0;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // They do not change, except that `versions` may turn out to be true. The reference stays valid.
  virtual const Capabilities& capabilities() const = 0;
  virtual RequestCounts counts() const = 0;

  // One cheap request that shows whether the store can be used: ENOENT (no such bucket), EACCES
  // (credentials), ECONNREFUSED/EHOSTUNREACH (endpoint), each with a message that says the remedy.
  virtual absl::Status Probe(const CallContext& call, absl::string_view prefix) = 0;

  // ENOENT.
  virtual absl::StatusOr<ObjectInfo> Head(const CallContext& call, absl::string_view key) = 0;

  // Writes the range's bytes to `sink` from offset 0 and returns what the whole object is (size =
  // the object's, not the range's). The bytes are all of one version; a transfer that breaks resumes
  // under that version. ENOENT, ERANGE, ESTALE. On error `sink` may have received some bytes.
  virtual absl::StatusOr<ObjectInfo> Get(const CallContext& call, const GetRequest& request,
                                         ByteSink& sink) = 0;

  // Empty where it has none. ENOENT. ENOTSUP: the store has no tags.
  virtual absl::StatusOr<ObjectTags> GetTags(const CallContext& call, absl::string_view key) = 0;

  // Returns the stamp of what was written (last_modified_ns 0 where the reply does not say).
  // ESTALE or EEXIST: the precondition failed. EFBIG: over largest_put.
  virtual absl::StatusOr<Stamp> Put(const CallContext& call, const PutRequest& request,
                                    ByteSource& body) = 0;

  // OK where nothing is there. ESTALE: the precondition (None or a known version) failed.
  virtual absl::Status Delete(const CallContext& call, absl::string_view key,
                              const Precondition& precondition) = 0;

  // Unconditional, at most 1,000 keys; returns one status a key, in order. Missing keys are OK.
  virtual absl::StatusOr<std::vector<absl::Status>> DeleteMany(
      const CallContext& call, absl::Span<const std::string> keys) = 0;

  virtual absl::StatusOr<ListPage> List(const CallContext& call, const ListRequest& request) = 0;

  // Atomic for the target. ENOENT (source), ESTALE, EEXIST, EFBIG: over largest_copy.
  virtual absl::StatusOr<Stamp> Copy(const CallContext& call, const CopyRequest& request) = 0;

  // Multipart. Nothing is visible under the key before CompleteUpload, and nothing after AbortUpload.
  virtual absl::StatusOr<std::string> CreateUpload(const CallContext& call,
                                                   const PutRequest& request) = 0;
  // Uploading a number again replaces that part. ENOENT: no such upload.
  virtual absl::StatusOr<UploadedPart> UploadPart(const CallContext& call, absl::string_view key,
                                                  absl::string_view upload_id, uint32_t number,
                                                  ByteSource& body) = 0;
  virtual absl::StatusOr<UploadedPart> CopyPart(const CallContext& call,
                                                const PartCopyRequest& request) = 0;
  // ESTALE, EEXIST: the precondition failed (the upload still exists). ENOENT: no such upload.
  virtual absl::StatusOr<Stamp> CompleteUpload(const CallContext& call,
                                               const CompleteRequest& request) = 0;
  // OK where there is no such upload.
  virtual absl::Status AbortUpload(const CallContext& call, absl::string_view key,
                                   absl::string_view upload_id) = 0;
  virtual absl::StatusOr<std::vector<UploadedPart>> ListParts(const CallContext& call,
                                                              absl::string_view key,
                                                              absl::string_view upload_id) = 0;
  virtual absl::StatusOr<std::vector<PendingUpload>> ListUploads(const CallContext& call,
                                                                 absl::string_view prefix) = 0;
};

}  // namespace s3files

#endif  // S3FILES_LIB_STORE_OBJECT_STORE_H_
