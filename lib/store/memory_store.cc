#include "lib/store/memory_store.h"

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"

namespace s3files {
namespace {

constexpr size_t kPiece = size_t{1} << 20;  // between two looks at the deadline

struct Registry {
  absl::Mutex mu;  // leaf
  std::map<std::string, std::shared_ptr<MemoryStore>, std::less<>> stores ABSL_GUARDED_BY(mu);
};

Registry& TheRegistry() {
  static Registry* const registry = new Registry;  // names are shared by the whole process
  return *registry;
}

std::string RawMd5(absl::string_view bytes) { return std::string(AsBytes(Md5(bytes))); }

absl::StatusOr<std::shared_ptr<const std::string>> ReadAll(ByteSource& body) {
  auto bytes = std::make_shared<std::string>(body.size(), '\0');
  S3FILES_RETURN_IF_ERROR(body.Read(0, absl::MakeSpan(*bytes)));
  return std::shared_ptr<const std::string>(std::move(bytes));
}

// std::less<> compares std::string with std::string_view, not with Abseil's.
std::string_view Std(absl::string_view view) { return {view.data(), view.size()}; }

}  // namespace

std::shared_ptr<MemoryStore> MemoryStore::Named(absl::string_view name) {
  Registry& registry = TheRegistry();
  absl::MutexLock lock(&registry.mu);
  auto& store = registry.stores[std::string(name)];
  if (store == nullptr) store = std::make_shared<MemoryStore>();
  return store;
}

void MemoryStore::Forget(absl::string_view name) {
  std::shared_ptr<MemoryStore> last;  // freed after the lock
  Registry& registry = TheRegistry();
  absl::MutexLock lock(&registry.mu);
  const auto it = registry.stores.find(Std(name));
  if (it == registry.stores.end()) return;
  last = std::move(it->second);
  registry.stores.erase(it);
}

MemoryStore::MemoryStore(Capabilities capabilities, const Clock* clock)
    : can_(capabilities), clock_(clock) {}

Version MemoryStore::VersionOf(const Object& object) const {
  return can_.strong_etags ? Version::Of(object.etag, object.version_id) : Version::Unknown();
}

ObjectInfo MemoryStore::InfoOf(const Object& object) const {
  return {object.bytes->size(),
          {VersionOf(object), object.last_modified_ns},
          object.metadata,
          static_cast<uint32_t>(object.tags.size())};
}

Version MemoryStore::Current(absl::string_view key) const {
  const auto it = objects_.find(Std(key));
  return it == objects_.end() ? Version::Absent() : VersionOf(it->second);
}

Stamp MemoryStore::Publish(const std::string& key, Object object) {
  Retire(key);
  if (can_.versions) object.version_id = absl::StrCat("v", next_id_++);
  last_ns_ = std::max(clock_->WallNanos(), last_ns_ + 1);
  object.last_modified_ns = last_ns_;
  const Stamp stamp{VersionOf(object), last_ns_};
  objects_[key] = std::move(object);
  return stamp;
}

void MemoryStore::Retire(const std::string& key) {
  const auto it = objects_.find(key);
  if (it == objects_.end()) return;
  if (can_.versions) old_[it->second.version_id] = std::move(it->second);
  objects_.erase(it);
}

absl::Status MemoryStore::Probe(const CallContext& call, absl::string_view) {
  return tally_.Perform<absl::Status>(&RequestCounts::list, call, "probe",
                                      [] { return absl::OkStatus(); });
}

absl::StatusOr<ObjectInfo> MemoryStore::Head(const CallContext& call, absl::string_view key) {
  using Result = absl::StatusOr<ObjectInfo>;
  return tally_.Perform<Result>(&RequestCounts::head, call, key, [&]() -> Result {
    absl::MutexLock lock(&mu_);
    const auto it = objects_.find(Std(key));
    if (it == objects_.end()) return NoSuchKey(key);
    return InfoOf(it->second);
  });
}

absl::StatusOr<MemoryStore::Object> MemoryStore::Find(const GetRequest& request) const {
  absl::MutexLock lock(&mu_);
  const auto it = objects_.find(request.key);
  const bool here = it != objects_.end();
  if (request.by_version_id) {
    const std::string& id = request.if_match.version_id();
    if (id.empty()) return Error(EINVAL, absl::StrCat(request.key, ": no version id given"));
    if (here && it->second.version_id == id) return it->second;
    const auto old = old_.find(id);
    if (old == old_.end()) return NoSuchKey(request.key);
    return old->second;
  }
  if (!here) return NoSuchKey(request.key);
  S3FILES_RETURN_IF_ERROR(CheckSource(request.if_match, VersionOf(it->second), request.key));
  return it->second;
}

absl::StatusOr<ObjectInfo> MemoryStore::Get(const CallContext& call, const GetRequest& request,
                                            ByteSink& sink) {
  using Result = absl::StatusOr<ObjectInfo>;
  return tally_.Perform<Result>(&RequestCounts::get, call, request.key, [&]() -> Result {
    S3FILES_ASSIGN_OR_RETURN(const Object object, Find(request));
    S3FILES_ASSIGN_OR_RETURN(const ByteRange range,
                             ResolveRange(request.range, object.bytes->size(), request.key));
    for (uint64_t at = range.begin; at < range.end;) {
      S3FILES_RETURN_IF_ERROR(call.Check(request.key));
      const size_t size = std::min<uint64_t>(kPiece, range.end - at);
      S3FILES_RETURN_IF_ERROR(
          sink.Write(at - range.begin, absl::MakeConstSpan(object.bytes->data() + at, size)));
      tally_.Bytes(size, 0);
      at += size;
    }
    return InfoOf(object);
  });
}

absl::StatusOr<ObjectTags> MemoryStore::GetTags(const CallContext& call, absl::string_view key) {
  using Result = absl::StatusOr<ObjectTags>;
  return tally_.Perform<Result>(&RequestCounts::other, call, key, [&]() -> Result {
    S3FILES_ASSIGN_OR_RETURN(const Object object, Find({std::string(key), {}, {}, false}));
    return object.tags;
  });
}

absl::StatusOr<Stamp> MemoryStore::Put(const CallContext& call, const PutRequest& request,
                                       ByteSource& body) {
  using Result = absl::StatusOr<Stamp>;
  return tally_.Perform<Result>(&RequestCounts::put, call, request.key, [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(CheckExpressible(request.precondition, request.key));
    S3FILES_RETURN_IF_ERROR(CheckPutSize(can_, body.size(), request.key));
    Object object;
    S3FILES_ASSIGN_OR_RETURN(object.bytes, ReadAll(body));
    tally_.Bytes(0, object.bytes->size());
    object.etag = Hex(RawMd5(*object.bytes));
    object.metadata = WithCommitId(request.metadata, request.commit_id);
    object.tags = request.tags;
    const Precondition condition =
        Honoured(request.precondition, can_.conditional_create, can_.conditional_replace);
    absl::MutexLock lock(&mu_);
    S3FILES_RETURN_IF_ERROR(CheckPrecondition(condition, Current(request.key), request.key));
    return Publish(request.key, std::move(object));
  });
}

absl::Status MemoryStore::Delete(const CallContext& call, absl::string_view key,
                                 const Precondition& precondition) {
  return tally_.Perform<absl::Status>(&RequestCounts::del, call, key, [&]() -> absl::Status {
    S3FILES_RETURN_IF_ERROR(CheckDeletable(precondition, key));
    const Precondition condition =
        Honoured(precondition, can_.conditional_create, can_.conditional_delete);
    absl::MutexLock lock(&mu_);
    const Version current = Current(key);
    if (current.absent()) return absl::OkStatus();
    S3FILES_RETURN_IF_ERROR(CheckPrecondition(condition, current, key));
    Retire(std::string(key));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<absl::Status>> MemoryStore::DeleteMany(
    const CallContext& call, absl::Span<const std::string> keys) {
  using Result = absl::StatusOr<std::vector<absl::Status>>;
  return tally_.Perform<Result>(&RequestCounts::del, call, "delete many", [&]() -> Result {
    if (keys.size() > 1000) return Error(EINVAL, "more than 1000 keys in one request");
    std::vector<absl::Status> results;
    absl::MutexLock lock(&mu_);
    for (const std::string& key : keys) {
      results.push_back(CheckKey(key));
      if (results.back().ok()) Retire(key);
    }
    return results;
  });
}

absl::StatusOr<ListPage> MemoryStore::List(const CallContext& call, const ListRequest& request) {
  using Result = absl::StatusOr<ListPage>;
  return tally_.Perform<Result>(&RequestCounts::list, call, "list", [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(CheckList(request));
    PageBuilder page(request);
    absl::MutexLock lock(&mu_);
    auto it = objects_.lower_bound(page.from());
    while (it != objects_.end() && absl::StartsWith(it->first, request.prefix)) {
      const auto& [key, object] = *it;
      const size_t slash =
          request.hierarchical ? key.find('/', request.prefix.size()) : std::string::npos;
      if (slash == std::string::npos) {
        if (!page.Takes(key)) break;
        page.Add({key,
                  object.bytes->size(),
                  {VersionOf(object), object.last_modified_ns},
                  object.metadata.storage_class});
        ++it;
      } else {
        std::string prefix = key.substr(0, slash + 1);
        if (!page.Takes(prefix)) break;
        it = objects_.lower_bound(key.substr(0, slash) + char{'/' + 1});  // past all it covers
        page.AddPrefix(std::move(prefix));
      }
    }
    return page.Finish();
  });
}

absl::StatusOr<Stamp> MemoryStore::Copy(const CallContext& call, const CopyRequest& request) {
  using Result = absl::StatusOr<Stamp>;
  return tally_.Perform<Result>(&RequestCounts::copy, call, request.key, [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(CheckCopy(request));
    GetRequest get{request.source_key, {}, {}, false};
    if (can_.copy_source) get.if_match = request.source_version;
    S3FILES_ASSIGN_OR_RETURN(Object object, Find(get));
    S3FILES_RETURN_IF_ERROR(CheckCopySize(can_, object.bytes->size(), request.source_key));
    object.etag = Hex(RawMd5(*object.bytes));  // one part now, whatever the source was made of
    if (request.metadata.has_value()) {
      object.metadata = WithCommitId(*request.metadata, request.commit_id);
    }
    const Precondition condition =
        Honoured(request.precondition, can_.copy_target, can_.copy_target);
    absl::MutexLock lock(&mu_);
    S3FILES_RETURN_IF_ERROR(CheckPrecondition(condition, Current(request.key), request.key));
    return Publish(request.key, std::move(object));
  });
}

absl::StatusOr<std::string> MemoryStore::CreateUpload(const CallContext& call,
                                                      const PutRequest& request) {
  using Result = absl::StatusOr<std::string>;
  return tally_.Perform<Result>(&RequestCounts::create_upload, call, request.key, [&]() -> Result {
    absl::MutexLock lock(&mu_);
    const std::string id = absl::StrCat("upload-", next_id_++);
    uploads_[id] = {request.key,
                    WithCommitId(request.metadata, request.commit_id),
                    request.tags,
                    clock_->WallNanos(),
                    {}};
    return id;
  });
}

MemoryStore::Upload* MemoryStore::FindUpload(absl::string_view key, absl::string_view upload_id) {
  const auto it = uploads_.find(Std(upload_id));
  return it == uploads_.end() || it->second.key != key ? nullptr : &it->second;
}

absl::StatusOr<UploadedPart> MemoryStore::AddPart(absl::string_view key,
                                                  absl::string_view upload_id, uint32_t number,
                                                  Bytes bytes) {
  Part part{bytes, RawMd5(*bytes)};
  const UploadedPart uploaded{number, Hex(part.md5), bytes->size()};
  absl::MutexLock lock(&mu_);
  Upload* upload = FindUpload(key, upload_id);
  if (upload == nullptr) return NoSuchUpload(key, upload_id);
  upload->parts[number] = std::move(part);
  return uploaded;
}

absl::StatusOr<UploadedPart> MemoryStore::UploadPart(const CallContext& call, absl::string_view key,
                                                     absl::string_view upload_id, uint32_t number,
                                                     ByteSource& body) {
  using Result = absl::StatusOr<UploadedPart>;
  return tally_.Perform<Result>(&RequestCounts::upload_part, call, key, [&]() -> Result {
    S3FILES_RETURN_IF_ERROR(CheckPart(can_, number, body.size()));
    S3FILES_ASSIGN_OR_RETURN(Bytes bytes, ReadAll(body));
    tally_.Bytes(0, bytes->size());
    return AddPart(key, upload_id, number, std::move(bytes));
  });
}

absl::StatusOr<UploadedPart> MemoryStore::CopyPart(const CallContext& call,
                                                   const PartCopyRequest& request) {
  using Result = absl::StatusOr<UploadedPart>;
  return tally_.Perform<Result>(&RequestCounts::copy_part, call, request.key, [&]() -> Result {
    if (!can_.part_copy) return Error(EOPNOTSUPP, "this store cannot copy parts");
    GetRequest get{request.source_key, {}, {}, false};
    if (can_.copy_source) get.if_match = request.source_version;
    S3FILES_ASSIGN_OR_RETURN(const Object source, Find(get));
    S3FILES_RETURN_IF_ERROR(CheckPartCopy(can_, request, source.bytes->size()));
    auto bytes = std::make_shared<const std::string>(
        source.bytes->substr(request.source_range.begin, request.source_range.size()));
    return AddPart(request.key, request.upload_id, request.number, std::move(bytes));
  });
}

absl::StatusOr<Stamp> MemoryStore::CompleteUpload(const CallContext& call,
                                                  const CompleteRequest& request) {
  using Result = absl::StatusOr<Stamp>;
  return tally_.Perform<Result>(
      &RequestCounts::complete_upload, call, request.key, [&]() -> Result {
        S3FILES_RETURN_IF_ERROR(CheckExpressible(request.precondition, request.key));
        const bool honoured = can_.conditional_complete;
        const Precondition condition = Honoured(request.precondition, honoured, honoured);
        absl::MutexLock lock(&mu_);
        Upload* upload = FindUpload(request.key, request.upload_id);
        if (upload == nullptr) return NoSuchUpload(request.key, request.upload_id);
        std::map<uint32_t, UploadedPart> stored;
        for (const auto& [number, part] : upload->parts) {
          stored[number] = {number, Hex(part.md5), part.bytes->size()};
        }
        S3FILES_RETURN_IF_ERROR(CheckComplete(can_, request, stored));
        S3FILES_RETURN_IF_ERROR(CheckPrecondition(condition, Current(request.key), request.key));
        std::string whole, digests;
        for (const UploadedPart& part : request.parts) {
          whole += *upload->parts[part.number].bytes;
          digests += upload->parts[part.number].md5;
        }
        Object object;
        object.bytes = std::make_shared<const std::string>(std::move(whole));
        object.etag = absl::StrCat(Hex(RawMd5(digests)), "-", request.parts.size());
        object.metadata = std::move(upload->metadata);
        object.tags = std::move(upload->tags);
        uploads_.erase(request.upload_id);
        return Publish(request.key, std::move(object));
      });
}

absl::Status MemoryStore::AbortUpload(const CallContext& call, absl::string_view key,
                                      absl::string_view upload_id) {
  return tally_.Perform<absl::Status>(&RequestCounts::abort_upload, call, key, [&] {
    absl::MutexLock lock(&mu_);
    if (FindUpload(key, upload_id) != nullptr) uploads_.erase(uploads_.find(Std(upload_id)));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<UploadedPart>> MemoryStore::ListParts(const CallContext& call,
                                                                 absl::string_view key,
                                                                 absl::string_view upload_id) {
  using Result = absl::StatusOr<std::vector<UploadedPart>>;
  return tally_.Perform<Result>(&RequestCounts::other, call, key, [&]() -> Result {
    absl::MutexLock lock(&mu_);
    const Upload* upload = FindUpload(key, upload_id);
    if (upload == nullptr) return NoSuchUpload(key, upload_id);
    std::vector<UploadedPart> parts;
    for (const auto& [number, part] : upload->parts) {
      parts.push_back({number, Hex(part.md5), part.bytes->size()});
    }
    return parts;
  });
}

absl::StatusOr<std::vector<PendingUpload>> MemoryStore::ListUploads(const CallContext& call,
                                                                    absl::string_view prefix) {
  using Result = absl::StatusOr<std::vector<PendingUpload>>;
  return tally_.Perform<Result>(&RequestCounts::other, call, "list uploads", [&]() -> Result {
    std::vector<PendingUpload> pending;
    absl::MutexLock lock(&mu_);
    for (const auto& [id, upload] : uploads_) {
      if (absl::StartsWith(upload.key, prefix)) {
        pending.push_back({upload.key, id, upload.initiated_ns});
      }
    }
    std::sort(pending.begin(), pending.end(), [](const auto& a, const auto& b) {
      return std::tie(a.key, a.initiated_ns) < std::tie(b.key, b.initiated_ns);
    });
    return pending;
  });
}

}  // namespace s3files
