// S3's REST interface, one method a call. What a reply means to a file system is S3Store's
// business.
#ifndef S3FILES_LIB_S3_S3_CLIENT_H_
#define S3FILES_LIB_S3_S3_CLIENT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/base/byte_range.h"
#include "lib/base/bytes.h"
#include "lib/base/call_context.h"
#include "lib/s3/object_download.h"
#include "lib/s3/s3_sender.h"
#include "lib/s3/xml.h"
#include "lib/store/object_store.h"

namespace s3files {

// The reply, and what it says where reply.status is OK.
template <typename T>
struct S3Outcome {
  S3Reply reply;
  T value{};
  bool ok() const { return reply.status.ok(); }
};

// ETags without quotes.
struct WriteCondition {
  bool if_none_match_any = false;
  std::string if_match;  // empty = none
  // Where the store would ignore both: whether the write may be sent once more.
  std::function<absl::Status()> before_repeat = {};
};

struct WriteObjectRequest {  // PutObject and CreateMultipartUpload
  absl::string_view key;
  const ObjectMetadata* metadata = nullptr;
  const ObjectTags* tags = nullptr;
  absl::string_view commit_id;
  WriteCondition condition;    // PutObject only
  ByteSource* body = nullptr;  // PutObject only
};

struct CopySource {
  absl::string_view key;
  absl::string_view version_id;
  absl::string_view if_match;
};

struct CopyObjectRequest {
  CopySource source;
  absl::string_view key;
  const ObjectMetadata* metadata = nullptr;  // null = the source's
  absl::string_view commit_id;
  WriteCondition condition;
};

struct UploadPartRequest {
  absl::string_view key;
  absl::string_view upload_id;
  uint32_t number = 0;
  ByteSource* body = nullptr;
};

struct UploadPartCopyRequest {
  absl::string_view key;
  absl::string_view upload_id;
  uint32_t number = 0;
  CopySource source;
  ByteRange range;
};

struct CompleteUploadRequest {
  absl::string_view key;
  absl::string_view upload_id;
  absl::Span<const UploadedPart> parts;
  WriteCondition condition;
};

struct ListUploadsRequest {
  absl::string_view prefix;
  std::string key_marker;
  std::string upload_id_marker;
};

// Thread-safe.
class S3Client {
 public:
  // `quote_etags`: in the conditions of writes, as AWS has it (RGW 16 wants them bare).
  S3Client(S3SenderOptions options, bool quote_etags)
      : sender_(std::move(options)), quote_etags_(quote_etags) {}

  S3Outcome<ObjectInfo> GetObject(const CallContext& call, const GetObjectRequest& request,
                                  ByteSink& sink);
  S3Outcome<ObjectInfo> HeadObject(const CallContext& call, absl::string_view key);
  S3Outcome<ObjectTags> GetObjectTagging(const CallContext& call, absl::string_view key);
  S3Outcome<Stamp> PutObject(const CallContext& call, const WriteObjectRequest& request);
  S3Reply DeleteObject(const CallContext& call, absl::string_view key,
                       const WriteCondition& condition);
  S3Outcome<std::vector<DeleteFailure>> DeleteObjects(const CallContext& call,
                                                      absl::Span<const std::string> keys);
  S3Outcome<ListPage> ListObjectsV2(const CallContext& call, const ListRequest& request);
  // The same with other retries and connect timeout: to see whether the store is there at all.
  S3Outcome<ListPage> ProbeList(const CallContext& call, const ListRequest& request,
                                const RetryOptions& retry, absl::Duration connect_timeout);
  S3Outcome<Stamp> CopyObject(const CallContext& call, const CopyObjectRequest& request);

  S3Outcome<std::string> CreateMultipartUpload(const CallContext& call,
                                               const WriteObjectRequest& request);
  S3Outcome<UploadedPart> UploadPart(const CallContext& call, const UploadPartRequest& request);
  S3Outcome<UploadedPart> UploadPartCopy(const CallContext& call,
                                         const UploadPartCopyRequest& request);
  // The version is Unknown where the reply has no ETag.
  S3Outcome<Stamp> CompleteMultipartUpload(const CallContext& call,
                                           const CompleteUploadRequest& request);
  S3Reply AbortMultipartUpload(const CallContext& call, absl::string_view key,
                               absl::string_view upload_id);
  S3Outcome<PartsPage> ListParts(const CallContext& call, absl::string_view key,
                                 absl::string_view upload_id, absl::string_view marker);
  S3Outcome<UploadsPage> ListMultipartUploads(const CallContext& call,
                                              const ListUploadsRequest& request);

  // URLs that work without credentials until they expire.
  absl::StatusOr<std::string> PresignGet(const CallContext& call, absl::string_view key,
                                         absl::Duration expires);
  absl::StatusOr<std::string> PresignPut(const CallContext& call, absl::string_view key,
                                         absl::Duration expires);

  const Endpoint& endpoint() const { return sender_.endpoint(); }
  RequestCounts counts() const { return sender_.counts(); }

 private:
  // All headers of a new object but its condition.
  static absl::Status AppendObject(const WriteObjectRequest& request, sigv4::Headers& headers);
  void SetCondition(const WriteCondition& condition, S3Request& http) const;
  void AppendCopySource(const CopySource& source, sigv4::Headers& headers) const;

  S3Sender sender_;
  const bool quote_etags_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_S3_S3_CLIENT_H_
