#include "lib/s3/object_headers.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/base/errors.h"
#include "lib/s3/time_format.h"
#include "lib/s3/uri.h"

namespace s3files {
namespace {

constexpr absl::string_view kUserPrefix = "x-amz-meta-";

bool IsToken(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (absl::ascii_isalnum(byte) && !absl::ascii_isupper(byte)) ||
           absl::string_view("!#$%&'*+-.^_`|~").find(c) != absl::string_view::npos;
  });
}

absl::Status AppendValue(std::string name, const std::string& value, sigv4::Headers& headers) {
  const bool printable =
      std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (!printable || (!value.empty() && (value.front() == ' ' || value.back() == ' '))) {
    return Error(EINVAL, absl::StrCat("the value of ", name,
                                      " is not printable ASCII without spaces around it"));
  }
  headers.emplace_back(std::move(name), value);
  return absl::OkStatus();
}

}  // namespace

absl::Status AppendMetadata(const ObjectMetadata& metadata, absl::string_view commit_id,
                            sigv4::Headers& headers) {
  const std::pair<const char*, const std::string*> standard[] = {
      {"Content-Type", &metadata.content_type},
      {"Content-Encoding", &metadata.content_encoding},
      {"Content-Language", &metadata.content_language},
      {"Content-Disposition", &metadata.content_disposition},
      {"Cache-Control", &metadata.cache_control},
      {"Expires", &metadata.expires},
      {"x-amz-storage-class", &metadata.storage_class},
      {"x-amz-server-side-encryption", &metadata.encryption},
      {"x-amz-server-side-encryption-aws-kms-key-id", &metadata.encryption_key},
      {"x-amz-server-side-encryption-bucket-key-enabled", &metadata.encryption_bucket_key},
  };
  for (const auto& [name, value] : standard) {
    if (!value->empty()) S3FILES_RETURN_IF_ERROR(AppendValue(name, *value, headers));
  }
  for (const auto& [name, value] : metadata.user) {
    if (!IsToken(name)) {
      return Error(EINVAL, absl::StrCat("'", name,
                                        "' cannot name metadata: lower-case ASCII "
                                        "letters, digits and a few marks can"));
    }
    if (name == kCommitIdName && !commit_id.empty()) continue;
    S3FILES_RETURN_IF_ERROR(AppendValue(absl::StrCat(kUserPrefix, name), value, headers));
  }
  if (commit_id.empty()) return absl::OkStatus();
  return AppendValue(absl::StrCat(kUserPrefix, kCommitIdName), std::string(commit_id), headers);
}

void AppendTags(const ObjectTags& tags, sigv4::Headers& headers) {
  if (tags.empty()) return;
  headers.emplace_back("x-amz-tagging", EncodeQuery({tags.begin(), tags.end()}));
}

Version VersionOf(const HttpHeaders& headers, absl::string_view etag) {
  absl::string_view id = headers.Get("x-amz-version-id");
  if (id == "null") id = {};  // written while versioning was off: the next write takes its place
  return Version::Of(etag, id);
}

absl::StatusOr<ObjectInfo> InfoOf(const HttpHeaders& headers) {
  ObjectInfo out;
  out.stamp.version = VersionOf(headers, headers.Get("ETag"));
  const std::optional<int64_t> time = ParseHttpDate(headers.Get("Last-Modified"));
  if (!time.has_value()) return Error(EIO, "the store's reply has no valid Last-Modified");
  out.stamp.last_modified_ns = *time;
  ObjectMetadata& metadata = out.metadata;
  metadata.content_type = std::string(headers.Get("Content-Type"));
  metadata.content_encoding = std::string(headers.Get("Content-Encoding"));
  metadata.content_language = std::string(headers.Get("Content-Language"));
  metadata.content_disposition = std::string(headers.Get("Content-Disposition"));
  metadata.cache_control = std::string(headers.Get("Cache-Control"));
  metadata.expires = std::string(headers.Get("Expires"));
  metadata.storage_class = std::string(headers.Get("x-amz-storage-class"));
  metadata.encryption = std::string(headers.Get("x-amz-server-side-encryption"));
  metadata.encryption_key = std::string(headers.Get("x-amz-server-side-encryption-aws-kms-key-id"));
  metadata.encryption_bucket_key =
      std::string(headers.Get("x-amz-server-side-encryption-bucket-key-enabled"));
  if (!absl::SimpleAtoi(headers.Get("x-amz-tagging-count"), &out.tag_count)) out.tag_count = 0;
  if (metadata.storage_class == "STANDARD") metadata.storage_class.clear();  // AWS leaves it out
  for (size_t i = 0; i < headers.size(); ++i) {
    const absl::string_view name = headers.name(i);
    if (name.size() <= kUserPrefix.size() || !absl::StartsWithIgnoreCase(name, kUserPrefix)) {
      continue;
    }
    std::string& value = metadata.user[absl::AsciiStrToLower(name.substr(kUserPrefix.size()))];
    absl::StrAppend(&value, value.empty() ? "" : ",", headers.value(i));
  }
  return out;
}

absl::StatusOr<uint64_t> ContentLengthOf(const HttpHeaders& headers) {
  uint64_t size = 0;
  if (!absl::SimpleAtoi(headers.Get("Content-Length"), &size)) {
    return Error(EIO, "the store's reply has no valid Content-Length");
  }
  return size;
}

absl::StatusOr<ContentRange> ContentRangeOf(const HttpHeaders& headers) {
  const absl::Status malformed = Error(EIO, "the store's reply has no valid Content-Range");
  absl::string_view text = headers.Get("Content-Range");
  if (!absl::ConsumePrefix(&text, "bytes ")) return malformed;
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == absl::string_view::npos || slash == absl::string_view::npos || dash > slash) {
    return malformed;
  }
  ContentRange out;
  uint64_t last = 0;
  if (!absl::SimpleAtoi(text.substr(0, dash), &out.range.begin) ||
      !absl::SimpleAtoi(text.substr(dash + 1, slash - dash - 1), &last) ||
      !absl::SimpleAtoi(text.substr(slash + 1), &out.total) || out.range.begin > last ||
      last >= out.total) {
    return malformed;
  }
  out.range.end = last + 1;
  return out;
}

std::string RangeHeader(uint64_t begin, uint64_t end) {
  const bool open = end > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  return open ? absl::StrCat("bytes=", begin, "-") : absl::StrCat("bytes=", begin, "-", end - 1);
}

}  // namespace s3files
