#include "lib/s3/s3_store.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/http/curl_transport.h"
#include "lib/store/local_rules.h"

namespace s3files {
namespace {

constexpr absl::Duration kProbeTime = absl::Seconds(5);
constexpr absl::Duration kProbeConnect = absl::Seconds(3);
constexpr int kMostPages = 10000;  // a store that never ends a list must not keep us

// Network errnos are Probe's; other calls promise EIO.
absl::Status Plain(const absl::Status& status) {
  switch (ErrnoOf(status)) {
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case EPROTO:
      return Error(EIO, status.message(), ReplyOf(status));
    default:
      return status;
  }
}

// Names what a refused request may lack.
absl::Status WithPermission(const absl::Status& status, absl::string_view permission) {
  if (ErrnoOf(status) != EACCES) return status;
  return Annotate(status, absl::StrCat("the object has tags, so ", permission, " is needed, too"));
}

WriteCondition ConditionOf(const Precondition& precondition) {
  WriteCondition out;
  if (precondition.create()) out.if_none_match_any = true;
  if (precondition.replace()) out.if_match = precondition.version().etag();
  return out;
}

// What a failed write amounts to, given what it was conditional on.
absl::Status WriteError(const S3Reply& reply, const WriteCondition& sent) {
  const std::string& code = reply.error.code;
  const bool gone = reply.http.status == 404 && !sent.if_match.empty() && code != "NoSuchBucket" &&
                    code != "NoSuchUpload";
  const bool failed = PreconditionFailed(reply.http.status, code);
  if (!gone && !failed) return Plain(reply.status);
  return Error(sent.if_none_match_any ? EEXIST : ESTALE, reply.status.message(),
               ReplyOf(reply.status));
}

absl::StatusOr<std::shared_ptr<CredentialsProvider>> ProviderOf(const S3StoreOptions& options) {
  if (options.credentials_provider != nullptr) return options.credentials_provider;
  Credentials credentials = options.credentials;
  if (options.anonymous) {
    credentials = Credentials();
  } else if (credentials.access_key_id.empty()) {
    S3FILES_ASSIGN_OR_RETURN(credentials, CredentialsFromEnvironment());
  } else if (credentials.secret_access_key.empty()) {
    return Error(EACCES, "an access key is given without its secret key");
  }
  return std::shared_ptr<CredentialsProvider>(
      std::make_shared<StaticCredentials>(std::move(credentials)));
}

std::shared_ptr<Transport> TransportOf(const S3StoreOptions& options) {
  if (options.transport != nullptr) return options.transport;
  CurlTransportOptions curl;
  curl.io_threads = options.io_threads;
  curl.max_connections = options.max_connections;
  curl.connect_timeout = options.connect_timeout;
  curl.stall_timeout = options.stall_timeout;
  curl.verify_tls = options.verify_tls;
  curl.ca_file = options.ca_file;
  return std::make_shared<CurlTransport>(curl);
}

}  // namespace

absl::StatusOr<std::unique_ptr<S3Store>> S3Store::Create(const S3StoreOptions& options) {
  S3FILES_ASSIGN_OR_RETURN(
      Endpoint endpoint,
      Endpoint::Create({options.bucket, options.region, options.endpoint, options.addressing}));
  const absl::string_view by_host = endpoint.aws() ? "aws" : "generic";
  S3FILES_ASSIGN_OR_RETURN(
      ProviderProfile profile,
      FindProviderProfile(options.provider.empty() ? by_host : options.provider));
  profile.quote_etags = options.quote_etags.value_or(profile.quote_etags);
  S3FILES_ASSIGN_OR_RETURN(std::shared_ptr<CredentialsProvider> credentials, ProviderOf(options));
  if (options.retry.max_attempts < 1) return Error(EINVAL, "at least one attempt is needed");
  S3SenderOptions sender{std::move(endpoint), options.retry, TransportOf(options),
                         std::move(credentials), options.clock};
  Capabilities capabilities = options.capabilities.value_or(profile.capabilities);
  capabilities.utf8_keys = true;
  return std::unique_ptr<S3Store>(new S3Store(std::move(sender), profile, capabilities));
}

absl::Status S3Store::Probe(const CallContext& call, absl::string_view prefix) {
  CallContext brief = call;
  const int64_t latest = MonotonicNanos() + absl::ToInt64Nanoseconds(kProbeTime);
  if (brief.deadline_ns == 0 || brief.deadline_ns > latest) brief.deadline_ns = latest;
  RetryOptions retry;
  retry.max_attempts = 2;
  ListRequest list;
  list.prefix = std::string(prefix);
  list.max_keys = 1;
  const absl::Status status = client_.ProbeList(brief, list, retry, kProbeConnect).reply.status;
  if (ErrnoOf(status) == ETIMEDOUT && brief.deadline_ns == latest) {
    return Error(EHOSTUNREACH,
                 absl::StrCat("endpoint ", client_.endpoint().host(), " does not answer within ",
                              absl::FormatDuration(kProbeTime), "; check it and the network"));
  }
  return status;
}

absl::StatusOr<ObjectInfo> S3Store::Head(const CallContext& call, absl::string_view key) {
  S3FILES_RETURN_IF_ERROR(CheckKey(key));
  S3Outcome<ObjectInfo> out = client_.HeadObject(call, key);
  if (!out.ok()) return Plain(out.reply.status);
  Learn(out.value.stamp.version);
  return std::move(out.value);
}

absl::StatusOr<ObjectInfo> S3Store::Get(const CallContext& call, const GetRequest& request,
                                        ByteSink& sink) {
  S3FILES_RETURN_IF_ERROR(CheckKey(request.key));
  if (request.range.has_value() && request.range->empty()) {
    return Error(EINVAL, absl::StrCat(request.key, ": an empty range cannot be asked for"));
  }
  GetObjectRequest get;
  get.key = request.key;
  get.range = request.range;
  if (request.by_version_id) {
    get.version_id = request.if_match.version_id();
    if (get.version_id.empty()) {
      return Error(EINVAL, absl::StrCat(request.key, ": no version id given"));
    }
  } else {
    get.if_match = request.if_match.etag();
  }
  S3Outcome<ObjectInfo> out = client_.GetObject(call, get, sink);
  if (!out.ok()) return Plain(out.reply.status);
  Learn(out.value.stamp.version);
  return std::move(out.value);
}

absl::StatusOr<ObjectTags> S3Store::GetTags(const CallContext& call, absl::string_view key) {
  S3FILES_RETURN_IF_ERROR(CheckKey(key));
  S3Outcome<ObjectTags> out = client_.GetObjectTagging(call, key);
  if (!out.ok()) return WithPermission(Plain(out.reply.status), "s3:GetObjectTagging");
  return std::move(out.value);
}

absl::StatusOr<Stamp> S3Store::Settle(const CallContext& call, const S3Reply& reply,
                                      const Unsettled& write) {
  if (!reply.ambiguous || write.commit_id.empty()) return write.error;
  const absl::StatusOr<ObjectInfo> now = Head(call, write.key);
  if (now.ok()) {
    const bool ours = CommitIdOf(now->metadata) == write.commit_id;
    return ours ? absl::StatusOr<Stamp>(now->stamp) : write.error;
  }
  if (ErrnoOf(now.status()) == ENOENT) return write.error;
  // Neither done nor refused for all we know: a conflict must not be reported.
  const int error = ErrnoOf(now.status()) == ETIMEDOUT ? ETIMEDOUT : EIO;
  return Error(error,
               absl::StrCat(write.error.message(),
                            "; whether it happened is unknown: ", now.status().message()),
               ReplyOf(write.error));
}

ConditionTrial S3Store::TrialOf(const Precondition& precondition, ConditionKind create,
                                ConditionKind replace) {
  if (precondition.none()) return ConditionTrial(nullptr);
  return ConditionTrial(&standings_[static_cast<size_t>(precondition.create() ? create : replace)]);
}

WriteCondition S3Store::Carried(const CallContext& call, absl::string_view key,
                                const Precondition& precondition, const ConditionTrial& trial,
                                bool removes) {
  WriteCondition out = trial.sent() ? ConditionOf(precondition) : WriteCondition();
  if (trial.relied_on()) return out;
  out.before_repeat = [this, &call, key, removes,
                       expected = precondition.version()]() -> absl::Status {
    const absl::StatusOr<ObjectInfo> now = Head(call, key);
    const bool gone = ErrnoOf(now.status()) == ENOENT;
    if (!now.ok() && !gone) return now.status();
    if (gone ? expected.absent() : now->stamp.version == expected) return absl::OkStatus();
    if (gone && removes) return Error(ENOENT, absl::StrCat(key, " is gone"));
    return Error(expected.absent() ? EEXIST : ESTALE,
                 absl::StrCat(key, " changed in the store between two attempts to write it"));
  };
  return out;
}

absl::StatusOr<Stamp> S3Store::Put(const CallContext& call, const PutRequest& request,
                                   ByteSource& body) {
  S3FILES_RETURN_IF_ERROR(CheckKey(request.key));
  S3FILES_RETURN_IF_ERROR(CheckExpressible(request.precondition, request.key));
  S3FILES_RETURN_IF_ERROR(CheckPutSize(capabilities_, body.size(), request.key));
  WriteObjectRequest put;
  put.key = request.key;
  put.metadata = &request.metadata;
  put.tags = &request.tags;
  put.commit_id = request.commit_id;
  put.body = &body;
  ConditionTrial trial =
      TrialOf(request.precondition, ConditionKind::kCreate, ConditionKind::kReplace);
  S3Outcome<Stamp> out;
  do {
    put.condition = Carried(call, request.key, request.precondition, trial);
    out = client_.PutObject(call, put);
  } while (trial.Again(put.condition, out.reply));
  Learn(out.value.version);
  if (out.ok()) return out.value;
  absl::Status error = WriteError(out.reply, put.condition);
  if (!request.tags.empty()) error = WithPermission(error, "s3:PutObjectTagging");
  return Settle(call, out.reply, {request.key, request.commit_id, error});
}

absl::Status S3Store::Delete(const CallContext& call, absl::string_view key,
                             const Precondition& precondition) {
  S3FILES_RETURN_IF_ERROR(CheckKey(key));
  S3FILES_RETURN_IF_ERROR(CheckDeletable(precondition, key));
  ConditionTrial trial = TrialOf(precondition, ConditionKind::kDelete, ConditionKind::kDelete);
  WriteCondition condition;
  S3Reply reply;
  do {
    condition = Carried(call, key, precondition, trial, /*removes=*/true);
    reply = client_.DeleteObject(call, key, condition);
  } while (trial.Again(condition, reply));
  const bool missing = reply.http.status == 404 && reply.error.code != "NoSuchBucket";
  const bool gone_meanwhile = reply.http.status != 404 && ErrnoOf(reply.status) == ENOENT;
  if (missing || gone_meanwhile) return absl::OkStatus();
  return reply.status.ok() ? reply.status : WriteError(reply, condition);
}

absl::StatusOr<std::vector<absl::Status>> S3Store::DeleteMany(const CallContext& call,
                                                              absl::Span<const std::string> keys) {
  if (keys.size() > 1000) return Error(EINVAL, "more than 1000 keys in one request");
  std::vector<absl::Status> statuses(keys.size());
  std::vector<std::string> batch;
  for (size_t i = 0; i < keys.size(); ++i) {
    statuses[i] = CheckKey(keys[i]);
    if (!statuses[i].ok()) continue;
    if (XmlCanCarry(keys[i])) {
      batch.push_back(keys[i]);
    } else {
      statuses[i] = Delete(call, keys[i], Precondition::None());
    }
  }
  if (batch.empty()) return statuses;
  const S3Outcome<std::vector<DeleteFailure>> out = client_.DeleteObjects(call, batch);
  if (!out.ok()) return Plain(out.reply.status);
  absl::flat_hash_map<std::string, absl::Status> failures;
  for (const DeleteFailure& failure : out.value) {
    if (failure.code == "NoSuchKey") continue;
    const int error = failure.code == "AccessDenied" ? EACCES : EIO;
    failures[failure.key] = Error(
        error, absl::StrCat("delete of ", failure.key, ": ", failure.code, ": ", failure.message),
        StoreReply{200, failure.code, out.reply.error.request_id});
  }
  size_t placed = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto it = failures.find(keys[i]);
    if (it == failures.end() || !statuses[i].ok()) continue;
    statuses[i] = it->second;
    ++placed;
  }
  if (placed < failures.size())
    return Error(EIO, "the store failed to delete keys it did not name");
  return statuses;
}

absl::StatusOr<ListPage> S3Store::List(const CallContext& call, const ListRequest& request) {
  S3FILES_RETURN_IF_ERROR(CheckList(request));
  S3Outcome<ListPage> out = client_.ListObjectsV2(call, request);
  if (!out.ok()) return Plain(out.reply.status);
  return std::move(out.value);
}

absl::StatusOr<CopySource> S3Store::SourceOf(absl::string_view key) const {
  S3FILES_RETURN_IF_ERROR(CheckKey(key));
  if (!profile_.percent_in_copy_source && absl::StrContains(key, "%")) {
    return Error(ENOTSUP, absl::StrCat(key, ": provider ", profile_.name,
                                       " cannot copy from a key with '%'"));
  }
  CopySource out;
  out.key = key;
  return out;
}

absl::Status S3Store::CopyError(const CallContext& call, const CopyRequest& request,
                                const CopyObjectRequest& sent, const S3Reply& reply) {
  const auto as = [&reply](int error) {
    return Error(error, reply.status.message(), ReplyOf(reply.status));
  };
  if (absl::StrContains(reply.error.message, "copy source is larger")) return as(EFBIG);
  if (reply.http.status == 412 && sent.condition.if_none_match_any &&
      !sent.source.if_match.empty()) {
    if (absl::StrContains(reply.error.condition, "copy-source")) return as(ESTALE);
    if (absl::StrContains(reply.error.condition, "If-None-Match")) return as(EEXIST);
    return as(Head(call, request.key).ok() ? EEXIST : ESTALE);
  }
  if (reply.http.status == 404 && !sent.condition.if_match.empty() &&
      reply.error.code != "NoSuchBucket") {
    return as(Head(call, request.source_key).ok() ? ESTALE : ENOENT);
  }
  return WriteError(reply, sent.condition);
}

absl::StatusOr<Stamp> S3Store::Copy(const CallContext& call, const CopyRequest& request) {
  S3FILES_RETURN_IF_ERROR(CheckKey(request.key));
  S3FILES_RETURN_IF_ERROR(CheckCopy(request));
  CopyObjectRequest copy;
  S3FILES_ASSIGN_OR_RETURN(copy.source, SourceOf(request.source_key));
  copy.key = request.key;
  copy.metadata = request.metadata.has_value() ? &*request.metadata : nullptr;
  copy.commit_id = request.commit_id;
  const Precondition source = request.source_version.known()
                                  ? Precondition::Is(request.source_version)
                                  : Precondition::None();
  ConditionTrial of_source =
      TrialOf(source, ConditionKind::kCopySource, ConditionKind::kCopySource);
  ConditionTrial of_target =
      TrialOf(request.precondition, ConditionKind::kCopyCreate, ConditionKind::kCopyReplace);
  WriteCondition on_source;
  S3Outcome<Stamp> out;
  do {
    on_source = Carried(call, request.source_key, source, of_source);
    copy.source.if_match = on_source.if_match;
    copy.condition = Carried(call, request.key, request.precondition, of_target);
    out = client_.CopyObject(call, copy);
    // The target's first: more stores know the source's.
  } while (of_target.Again(copy.condition, out.reply) || of_source.Again(on_source, out.reply));
  Learn(out.value.version);
  if (out.ok()) return out.value;
  return Settle(call, out.reply,
                {request.key, request.commit_id, CopyError(call, request, copy, out.reply)});
}

absl::StatusOr<std::string> S3Store::CreateUpload(const CallContext& call,
                                                  const PutRequest& request) {
  S3FILES_RETURN_IF_ERROR(CheckKey(request.key));
  WriteObjectRequest create;
  create.key = request.key;
  create.metadata = &request.metadata;
  create.tags = &request.tags;
  create.commit_id = request.commit_id;
  S3Outcome<std::string> out = client_.CreateMultipartUpload(call, create);
  if (!out.ok()) {
    const absl::Status error = Plain(out.reply.status);
    return request.tags.empty() ? error : WithPermission(error, "s3:PutObjectTagging");
  }
  return std::move(out.value);
}

absl::StatusOr<UploadedPart> S3Store::UploadPart(const CallContext& call, absl::string_view key,
                                                 absl::string_view upload_id, uint32_t number,
                                                 ByteSource& body) {
  S3FILES_RETURN_IF_ERROR(CheckKey(key));
  S3FILES_RETURN_IF_ERROR(CheckPart(capabilities_, number, body.size()));
  S3Outcome<UploadedPart> out = client_.UploadPart(call, {key, upload_id, number, &body});
  if (!out.ok()) return Plain(out.reply.status);
  return std::move(out.value);
}

absl::StatusOr<UploadedPart> S3Store::CopyPart(const CallContext& call,
                                               const PartCopyRequest& request) {
  if (!capabilities_.part_copy) return Error(ENOTSUP, "this store cannot copy parts");
  S3FILES_RETURN_IF_ERROR(CheckKey(request.key));
  S3FILES_RETURN_IF_ERROR(CheckPart(capabilities_, request.number, request.source_range.size()));
  if (request.source_range.empty()) {
    return Error(EINVAL, absl::StrCat(request.source_key, ": an empty range cannot be copied"));
  }
  UploadPartCopyRequest copy;
  copy.key = request.key;
  copy.upload_id = request.upload_id;
  copy.number = request.number;
  S3FILES_ASSIGN_OR_RETURN(copy.source, SourceOf(request.source_key));
  // Never tried: only where it is relied on are parts copied.
  if (capabilities_.copy_source) copy.source.if_match = request.source_version.etag();
  copy.range = request.source_range;
  S3Outcome<UploadedPart> out = client_.UploadPartCopy(call, copy);
  if (!out.ok()) return Plain(out.reply.status);
  if (out.value.etag.empty()) return Error(EIO, "the store gave the copied part no ETag");
  return std::move(out.value);
}

absl::StatusOr<Stamp> S3Store::CompleteUpload(const CallContext& call,
                                              const CompleteRequest& request) {
  S3FILES_RETURN_IF_ERROR(CheckKey(request.key));
  S3FILES_RETURN_IF_ERROR(CheckExpressible(request.precondition, request.key));
  if (request.parts.empty()) {
    return Error(EINVAL, absl::StrCat(request.key, ": an upload has at least one part"));
  }
  CompleteUploadRequest complete;
  complete.key = request.key;
  complete.upload_id = request.upload_id;
  complete.parts = request.parts;
  ConditionTrial trial = TrialOf(request.precondition, ConditionKind::kCompleteCreate,
                                 ConditionKind::kCompleteReplace);
  S3Outcome<Stamp> out;
  do {
    complete.condition = Carried(call, request.key, request.precondition, trial);
    out = client_.CompleteMultipartUpload(call, complete);
  } while (trial.Again(complete.condition, out.reply));
  Learn(out.value.version);
  if (!out.ok()) {
    return Settle(call, out.reply,
                  {request.key, request.commit_id, WriteError(out.reply, complete.condition)});
  }
  if (!out.value.version.unknown()) return out.value;
  // RGW 16 does not name what it made. HEAD does; only a commit id shows that it is still ours.
  if (request.commit_id.empty()) {
    S3FILES_ASSIGN_OR_RETURN(const ObjectInfo info, Head(call, request.key));
    return info.stamp;
  }
  out.reply.ambiguous = true;
  return Settle(call, out.reply,
                {request.key, request.commit_id,
                 Error(ESTALE, absl::StrCat(request.key, " was replaced once it was written"))});
}

absl::Status S3Store::AbortUpload(const CallContext& call, absl::string_view key,
                                  absl::string_view upload_id) {
  S3FILES_RETURN_IF_ERROR(CheckKey(key));
  const S3Reply reply = client_.AbortMultipartUpload(call, key, upload_id);
  if (reply.http.status == 404 && reply.error.code != "NoSuchBucket") return absl::OkStatus();
  return Plain(reply.status);
}

absl::StatusOr<std::vector<UploadedPart>> S3Store::ListParts(const CallContext& call,
                                                             absl::string_view key,
                                                             absl::string_view upload_id) {
  S3FILES_RETURN_IF_ERROR(CheckKey(key));
  std::vector<UploadedPart> parts;
  std::string marker;
  for (int page = 0; page < kMostPages; ++page) {
    S3Outcome<PartsPage> out = client_.ListParts(call, key, upload_id, marker);
    if (!out.ok()) return Plain(out.reply.status);
    parts.insert(parts.end(), out.value.parts.begin(), out.value.parts.end());
    if (!out.value.truncated) return parts;
    marker = std::move(out.value.next_part_number);
  }
  return Error(EIO, "the store's list of parts does not end");
}

absl::StatusOr<std::vector<PendingUpload>> S3Store::ListUploads(const CallContext& call,
                                                                absl::string_view prefix) {
  std::vector<PendingUpload> uploads;
  ListUploadsRequest request;
  request.prefix = prefix;
  for (int page = 0; page < kMostPages; ++page) {
    S3Outcome<UploadsPage> out = client_.ListMultipartUploads(call, request);
    if (!out.ok()) return Plain(out.reply.status);
    uploads.insert(uploads.end(), out.value.uploads.begin(), out.value.uploads.end());
    if (!out.value.truncated) return uploads;
    request.key_marker = std::move(out.value.next_key);
    request.upload_id_marker = std::move(out.value.next_upload_id);
  }
  return Error(EIO, "the store's list of uploads does not end");
}

}  // namespace s3files
