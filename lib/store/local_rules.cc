#include "lib/store/local_rules.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

constexpr size_t kLongestKey = 1024;

absl::Status Invalid(absl::string_view key, absl::string_view what) {
  return Error(EINVAL, absl::StrCat(key, ": ", what));
}

}  // namespace

absl::Status CheckKey(absl::string_view key) {
  if (key.empty()) return Error(EINVAL, "a key has at least one byte");
  if (key.size() > kLongestKey) {
    return Error(EINVAL,
                 absl::StrCat("a key of ", key.size(), " bytes; at most 1024 are possible"));
  }
  return absl::OkStatus();
}

absl::Status CheckExpressible(const Precondition& precondition, absl::string_view key) {
  if (precondition.replace() && precondition.version().unknown()) {
    return Invalid(key, "an unknown version cannot be a precondition");
  }
  return absl::OkStatus();
}

absl::Status CheckDeletable(const Precondition& precondition, absl::string_view key) {
  if (precondition.create()) return Invalid(key, "delete on condition that nothing is there");
  return CheckExpressible(precondition, key);
}

Precondition Honoured(const Precondition& precondition, bool create, bool replace) {
  const bool ignored = (precondition.create() && !create) || (precondition.replace() && !replace);
  return ignored ? Precondition::None() : precondition;
}

absl::Status CheckPrecondition(const Precondition& precondition, const Version& current,
                               absl::string_view key) {
  if (precondition.create() && !current.absent()) {
    return Error(EEXIST, absl::StrCat(key, ": is there already"), {412, "PreconditionFailed", ""});
  }
  if (precondition.replace() && precondition.version() != current) {
    return Error(
        ESTALE,
        absl::StrCat(key, ": is ", current.ToString(), ", not ", precondition.version().ToString()),
        {412, "PreconditionFailed", ""});
  }
  return absl::OkStatus();
}

absl::Status CheckSource(const Version& wanted, const Version& current, absl::string_view key) {
  if (!wanted.known()) return absl::OkStatus();
  return CheckPrecondition(Precondition::Is(wanted), current, key);
}

absl::StatusOr<ByteRange> ResolveRange(const std::optional<ByteRange>& range, uint64_t size,
                                       absl::string_view key) {
  if (!range.has_value()) return ByteRange{0, size};
  if (range->empty()) return Invalid(key, "an empty range cannot be asked for");
  if (range->begin >= size) {
    return Error(ERANGE, absl::StrCat(key, ": byte ", range->begin, " of ", size),
                 {416, "InvalidRange", ""});
  }
  return ByteRange{range->begin, std::min(range->end, size)};
}

absl::Status CheckPutSize(const Capabilities& can, uint64_t size, absl::string_view key) {
  if (size <= can.largest_put) return absl::OkStatus();
  return Error(EFBIG, absl::StrCat(key, ": ", size, " bytes; one PUT takes ", can.largest_put),
               {400, "EntityTooLarge", ""});
}

absl::Status CheckCopy(const CopyRequest& request) {
  S3FILES_RETURN_IF_ERROR(CheckKey(request.source_key));
  S3FILES_RETURN_IF_ERROR(CheckExpressible(request.precondition, request.key));
  if (!request.metadata.has_value()) {
    if (!request.commit_id.empty()) return Invalid(request.key, "a commit id needs metadata");
    if (request.source_key == request.key) {
      return Invalid(request.key, "a copy onto itself must change the metadata");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCopySize(const Capabilities& can, uint64_t size, absl::string_view key) {
  if (size <= can.largest_copy) return absl::OkStatus();
  return Error(EFBIG, absl::StrCat(key, ": ", size, " bytes; one copy takes ", can.largest_copy),
               {400, "InvalidRequest", ""});
}

absl::Status CheckPart(const Capabilities& can, uint32_t number, uint64_t size) {
  if (number < 1 || number > can.most_parts) {
    return Error(EINVAL, absl::StrCat("part ", number, " of at most ", can.most_parts),
                 {400, "InvalidArgument", ""});
  }
  if (size > can.largest_part) {
    return Error(EFBIG,
                 absl::StrCat("part ", number, " has ", size, " bytes; at most ", can.largest_part,
                              " are possible"),
                 {400, "EntityTooLarge", ""});
  }
  return absl::OkStatus();
}

absl::Status CheckPartCopy(const Capabilities& can, const PartCopyRequest& request,
                           uint64_t source_size) {
  const ByteRange& range = request.source_range;
  if (range.empty()) return Invalid(request.source_key, "an empty range cannot be copied");
  if (range.end > source_size) {
    return Error(ERANGE,
                 absl::StrCat(request.source_key, ": bytes up to ", range.end, " of ", source_size),
                 {416, "InvalidRange", ""});
  }
  S3FILES_RETURN_IF_ERROR(CheckCopySize(can, range.size(), request.source_key));
  return CheckPart(can, request.number, range.size());
}

absl::Status CheckComplete(const Capabilities& can, const CompleteRequest& request,
                           const std::map<uint32_t, UploadedPart>& stored) {
  if (request.parts.empty()) return Invalid(request.key, "an upload has at least one part");
  uint64_t total = 0;
  for (size_t i = 0; i < request.parts.size(); ++i) {
    const UploadedPart& part = request.parts[i];
    const bool last = i + 1 == request.parts.size();
    if (i > 0 && part.number <= request.parts[i - 1].number) {
      return Error(EINVAL, absl::StrCat(request.key, ": parts out of order"),
                   {400, "InvalidPartOrder", ""});
    }
    const auto it = stored.find(part.number);
    if (it == stored.end() || it->second.etag != part.etag) {
      return Error(EINVAL, absl::StrCat(request.key, ": part ", part.number, " is not there"),
                   {400, "InvalidPart", ""});
    }
    const uint64_t size = it->second.size;  // what was stored counts, not what the caller says
    if (!last && size < can.smallest_part) {
      return Error(EINVAL,
                   absl::StrCat(request.key, ": part ", part.number, " has ", size,
                                " bytes; at least ", can.smallest_part, " are needed"),
                   {400, "EntityTooSmall", ""});
    }
    const uint64_t first = stored.at(request.parts[0].number).size;
    if (can.equal_parts && (last ? size > first : size != first)) {
      return Error(EINVAL, absl::StrCat(request.key, ": parts but the last must be of one size"),
                   {400, "InvalidPart", ""});
    }
    total += size;
  }
  if (total <= can.largest_object) return absl::OkStatus();
  return Error(EFBIG,
               absl::StrCat(request.key, ": ", total, " bytes; at most ", can.largest_object,
                            " are possible"),
               {400, "EntityTooLarge", ""});
}

absl::Status CheckList(const ListRequest& request) {
  if (request.max_keys >= 1 && request.max_keys <= 1000) return absl::OkStatus();
  return Error(EINVAL, absl::StrCat("a page of ", request.max_keys, " keys; 1..1000 are possible"));
}

ObjectMetadata WithCommitId(ObjectMetadata metadata, absl::string_view commit_id) {
  if (!commit_id.empty()) metadata.user[kCommitIdName] = std::string(commit_id);
  return metadata;
}

absl::Status NoSuchKey(absl::string_view key) {
  return Error(ENOENT, absl::StrCat(key, ": no such object"), {404, "NoSuchKey", ""});
}

absl::Status NoSuchUpload(absl::string_view key, absl::string_view upload_id) {
  return Error(ENOENT, absl::StrCat(key, ": no upload ", upload_id), {404, "NoSuchUpload", ""});
}

PageBuilder::PageBuilder(const ListRequest& request) : max_keys_(request.max_keys) {
  if (!request.token.empty()) {
    from_ = request.token;
  } else if (!request.start_after.empty()) {
    from_ = request.start_after + '\0';  // the least key past it
  }
  from_ = std::max(from_, request.prefix);
}

bool PageBuilder::Takes(absl::string_view position) {
  if (page_.objects.size() + page_.prefixes.size() < max_keys_) return true;
  page_.next_token = std::string(position);
  return false;
}

}  // namespace s3files
