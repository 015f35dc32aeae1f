#include "lib/s3/s3_client.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/s3/object_headers.h"

namespace s3files {
namespace {

S3Request RequestOf(S3Operation operation, absl::string_view method, absl::string_view key) {
  S3Request out;
  out.operation = operation;
  out.method = method;
  out.key = key;
  return out;
}

// A reply that never was, because the request cannot be expressed.
template <typename T>
S3Outcome<T> Rejected(absl::Status status) {
  S3Outcome<T> out;
  out.reply.status = std::move(status);
  return out;
}

// Takes the value parsed from a successful reply into the outcome.
template <typename T>
void Take(absl::StatusOr<T> parsed, S3Outcome<T>& out) {
  if (parsed.ok()) {
    out.value = *std::move(parsed);
  } else {
    out.reply.status = parsed.status();
  }
}

S3Request ListRequestOf(const ListRequest& request) {
  S3Request http = RequestOf(S3Operation::kList, "GET", "");
  http.query = {{"list-type", "2"},
                {"encoding-type", "url"},
                {"max-keys", absl::StrCat(request.max_keys)},
                {"prefix", request.prefix}};
  if (request.hierarchical) http.query.emplace_back("delimiter", "/");
  if (!request.token.empty()) {
    http.query.emplace_back("continuation-token", request.token);
  } else if (!request.start_after.empty()) {
    http.query.emplace_back("start-after", request.start_after);
  }
  return http;
}

S3Request UploadRequestOf(S3Operation operation, absl::string_view method, absl::string_view key,
                          absl::string_view upload_id) {
  S3Request http = RequestOf(operation, method, key);
  http.query = {{"uploadId", std::string(upload_id)}};
  return http;
}

}  // namespace

absl::Status S3Client::AppendObject(const WriteObjectRequest& request, sigv4::Headers& headers) {
  AppendTags(*request.tags, headers);
  return AppendMetadata(*request.metadata, request.commit_id, headers);
}

void S3Client::SetCondition(const WriteCondition& condition, S3Request& http) const {
  if (condition.if_none_match_any) http.headers.emplace_back("If-None-Match", "*");
  if (!condition.if_match.empty()) {
    const absl::string_view quote = quote_etags_ ? "\"" : "";
    http.headers.emplace_back("If-Match", absl::StrCat(quote, condition.if_match, quote));
  }
  http.before_repeat = condition.before_repeat;
}

void S3Client::AppendCopySource(const CopySource& source, sigv4::Headers& headers) const {
  std::string path = absl::StrCat("/", EncodeUri(endpoint().bucket()), "/", EncodeKey(source.key));
  if (!source.version_id.empty()) {
    absl::StrAppend(&path, "?versionId=", EncodeUri(source.version_id));
  }
  headers.emplace_back("x-amz-copy-source", std::move(path));
  if (!source.if_match.empty()) {
    headers.emplace_back("x-amz-copy-source-if-match", absl::StrCat("\"", source.if_match, "\""));
  }
}

S3Outcome<ObjectInfo> S3Client::GetObject(const CallContext& call, const GetObjectRequest& request,
                                          ByteSink& sink) {
  ObjectDownload download(&sender_, request, sink);
  S3Outcome<ObjectInfo> out;
  out.reply = download.Run(call);
  if (out.ok()) out.value = download.info();
  return out;
}

S3Outcome<ObjectInfo> S3Client::HeadObject(const CallContext& call, absl::string_view key) {
  S3Request http = RequestOf(S3Operation::kHead, "HEAD", key);
  S3Outcome<ObjectInfo> out;
  out.reply = sender_.Send(call, http);
  if (!out.ok()) return out;
  const absl::StatusOr<uint64_t> size = ContentLengthOf(out.reply.http.headers);
  if (!size.ok()) return Rejected<ObjectInfo>(size.status());
  Take(InfoOf(out.reply.http.headers), out);
  out.value.size = *size;
  return out;
}

S3Outcome<ObjectTags> S3Client::GetObjectTagging(const CallContext& call, absl::string_view key) {
  S3Request http = RequestOf(S3Operation::kOther, "GET", key);
  http.query = {{"tagging", ""}};
  S3Outcome<ObjectTags> out;
  out.reply = sender_.Send(call, http);
  if (out.ok()) Take(ParseTagging(out.reply.body), out);
  return out;
}

S3Outcome<Stamp> S3Client::PutObject(const CallContext& call, const WriteObjectRequest& request) {
  S3Request http = RequestOf(S3Operation::kPut, "PUT", request.key);
  http.body = request.body;
  absl::Status status = AppendObject(request, http.headers);
  if (!status.ok()) return Rejected<Stamp>(std::move(status));
  SetCondition(request.condition, http);
  S3Outcome<Stamp> out;
  out.reply = sender_.Send(call, http);
  const HttpHeaders& headers = out.reply.http.headers;
  if (out.ok()) out.value.version = VersionOf(headers, headers.Get("ETag"));
  return out;
}

S3Reply S3Client::DeleteObject(const CallContext& call, absl::string_view key,
                               const WriteCondition& condition) {
  S3Request http = RequestOf(S3Operation::kDelete, "DELETE", key);
  SetCondition(condition, http);
  return sender_.Send(call, http);
}

S3Outcome<std::vector<DeleteFailure>> S3Client::DeleteObjects(const CallContext& call,
                                                              absl::Span<const std::string> keys) {
  S3Request http = RequestOf(S3Operation::kDelete, "POST", "");
  http.query = {{"delete", ""}};
  const std::string body = DeleteObjectsBody(keys);
  MemorySource source(body);
  http.body = &source;
  http.headers = {{"Content-MD5", Base64(AsBytes(Md5(body)))}, {"Content-Type", "application/xml"}};
  http.ok_may_be_error = true;
  S3Outcome<std::vector<DeleteFailure>> out;
  out.reply = sender_.Send(call, http);
  if (out.ok()) Take(ParseDeleteObjects(out.reply.body), out);
  return out;
}

S3Outcome<ListPage> S3Client::ListObjectsV2(const CallContext& call, const ListRequest& request) {
  return ProbeList(call, request, sender_.retry(), absl::ZeroDuration());
}

S3Outcome<ListPage> S3Client::ProbeList(const CallContext& call, const ListRequest& request,
                                        const RetryOptions& retry, absl::Duration connect_timeout) {
  S3Request http = ListRequestOf(request);
  http.connect_timeout = connect_timeout;
  S3Outcome<ListPage> out;
  out.reply = sender_.Send(call, http, retry);
  if (out.ok()) Take(ParseListObjects(out.reply.body), out);
  return out;
}

S3Outcome<Stamp> S3Client::CopyObject(const CallContext& call, const CopyObjectRequest& request) {
  S3Request http = RequestOf(S3Operation::kCopy, "PUT", request.key);
  http.ok_may_be_error = true;
  AppendCopySource(request.source, http.headers);
  SetCondition(request.condition, http);
  if (request.metadata != nullptr) {
    http.headers.emplace_back("x-amz-metadata-directive", "REPLACE");
    absl::Status status = AppendMetadata(*request.metadata, request.commit_id, http.headers);
    if (!status.ok()) return Rejected<Stamp>(std::move(status));
  }
  S3Outcome<Stamp> out;
  out.reply = sender_.Send(call, http);
  if (!out.ok()) return out;
  const absl::StatusOr<WriteResult> result = ParseCopyObject(out.reply.body);
  if (!result.ok()) return Rejected<Stamp>(result.status());
  out.value = {VersionOf(out.reply.http.headers, result->etag), result->last_modified_ns};
  return out;
}

S3Outcome<std::string> S3Client::CreateMultipartUpload(const CallContext& call,
                                                       const WriteObjectRequest& request) {
  S3Request http = RequestOf(S3Operation::kCreateUpload, "POST", request.key);
  http.query = {{"uploads", ""}};
  absl::Status status = AppendObject(request, http.headers);
  if (!status.ok()) return Rejected<std::string>(std::move(status));
  S3Outcome<std::string> out;
  out.reply = sender_.Send(call, http);
  if (out.ok()) Take(ParseCreateUpload(out.reply.body), out);
  return out;
}

S3Outcome<UploadedPart> S3Client::UploadPart(const CallContext& call,
                                             const UploadPartRequest& request) {
  S3Request http = UploadRequestOf(S3Operation::kUploadPart, "PUT", request.key, request.upload_id);
  http.query.emplace_back("partNumber", absl::StrCat(request.number));
  http.body = request.body;
  S3Outcome<UploadedPart> out;
  out.reply = sender_.Send(call, http);
  if (!out.ok()) return out;
  const std::string etag = Version::Of(out.reply.http.headers.Get("ETag")).etag();
  if (etag.empty()) return Rejected<UploadedPart>(Error(EIO, "the store gave the part no ETag"));
  out.value = {request.number, etag, request.body->size()};
  return out;
}

S3Outcome<UploadedPart> S3Client::UploadPartCopy(const CallContext& call,
                                                 const UploadPartCopyRequest& request) {
  S3Request http = UploadRequestOf(S3Operation::kCopyPart, "PUT", request.key, request.upload_id);
  http.query.emplace_back("partNumber", absl::StrCat(request.number));
  http.ok_may_be_error = true;
  AppendCopySource(request.source, http.headers);
  http.headers.emplace_back("x-amz-copy-source-range",
                            RangeHeader(request.range.begin, request.range.end));
  S3Outcome<UploadedPart> out;
  out.reply = sender_.Send(call, http);
  if (!out.ok()) return out;
  const absl::StatusOr<WriteResult> result = ParseCopyPart(out.reply.body);
  if (!result.ok()) return Rejected<UploadedPart>(result.status());
  out.value = {request.number, Version::Of(result->etag).etag(), request.range.size()};
  return out;
}

S3Outcome<Stamp> S3Client::CompleteMultipartUpload(const CallContext& call,
                                                   const CompleteUploadRequest& request) {
  S3Request http =
      UploadRequestOf(S3Operation::kCompleteUpload, "POST", request.key, request.upload_id);
  const std::string body = CompleteUploadBody(request.parts);
  MemorySource source(body);
  http.body = &source;
  http.headers = {{"Content-Type", "application/xml"}};
  http.ok_may_be_error = true;
  SetCondition(request.condition, http);
  S3Outcome<Stamp> out;
  out.reply = sender_.Send(call, http);
  if (!out.ok()) return out;
  const absl::StatusOr<WriteResult> result = ParseCompleteUpload(out.reply.body);
  if (!result.ok()) return Rejected<Stamp>(result.status());
  out.value.version = VersionOf(out.reply.http.headers, result->etag);
  return out;
}

S3Reply S3Client::AbortMultipartUpload(const CallContext& call, absl::string_view key,
                                       absl::string_view upload_id) {
  S3Request http = UploadRequestOf(S3Operation::kAbortUpload, "DELETE", key, upload_id);
  return sender_.Send(call, http);
}

S3Outcome<PartsPage> S3Client::ListParts(const CallContext& call, absl::string_view key,
                                         absl::string_view upload_id, absl::string_view marker) {
  S3Request http = UploadRequestOf(S3Operation::kOther, "GET", key, upload_id);
  if (!marker.empty()) http.query.emplace_back("part-number-marker", std::string(marker));
  S3Outcome<PartsPage> out;
  out.reply = sender_.Send(call, http);
  if (out.ok()) Take(ParseListParts(out.reply.body), out);
  return out;
}

S3Outcome<UploadsPage> S3Client::ListMultipartUploads(const CallContext& call,
                                                      const ListUploadsRequest& request) {
  S3Request http = RequestOf(S3Operation::kOther, "GET", "");
  // Without encoding-type: RGW would encode the keys, but not their marker, and not say so.
  http.query = {{"uploads", ""}, {"prefix", std::string(request.prefix)}};
  if (!request.key_marker.empty()) http.query.emplace_back("key-marker", request.key_marker);
  if (!request.upload_id_marker.empty()) {
    http.query.emplace_back("upload-id-marker", request.upload_id_marker);
  }
  S3Outcome<UploadsPage> out;
  out.reply = sender_.Send(call, http);
  if (out.ok()) Take(ParseListUploads(out.reply.body), out);
  return out;
}

absl::StatusOr<std::string> S3Client::PresignGet(const CallContext& call, absl::string_view key,
                                                 absl::Duration expires) {
  return sender_.Presign(call, "GET", key, expires);
}

absl::StatusOr<std::string> S3Client::PresignPut(const CallContext& call, absl::string_view key,
                                                 absl::Duration expires) {
  return sender_.Presign(call, "PUT", key, expires);
}

}  // namespace s3files
