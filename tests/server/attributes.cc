#include "tests/server/attributes.h"

#include <algorithm>
#include <array>

#include "tests/server/s3_error.h"

namespace s3files::server {
namespace {

constexpr std::string_view kMetadataPrefix = "x-amz-meta-";
constexpr size_t kMaxMetadata = 2048;
constexpr size_t kMaxTags = 10;
constexpr std::string_view kEncryption = "x-amz-server-side-encryption";
constexpr std::string_view kEncryptionKey = "x-amz-server-side-encryption-aws-kms-key-id";
constexpr std::string_view kBucketKey = "x-amz-server-side-encryption-bucket-key-enabled";
constexpr std::array<std::string_view, 11> kSystemHeaders = {"content-type",
                                                             "content-encoding",
                                                             "content-language",
                                                             "content-disposition",
                                                             "cache-control",
                                                             "expires",
                                                             "x-amz-storage-class",
                                                             kEncryption,
                                                             kEncryptionKey,
                                                             kBucketKey,
                                                             "x-amz-website-redirect-location"};

// aws-chunked says how the request is encoded, not the object.
std::string WithoutAwsChunked(const std::string& encoding) {
  std::string kept;
  for (size_t begin = 0; begin <= encoding.size();) {
    size_t end = std::min(encoding.find(',', begin), encoding.size());
    std::string item = encoding.substr(begin, end - begin);
    item.erase(0, item.find_first_not_of(' '));
    if (item != "aws-chunked" && !item.empty()) kept += (kept.empty() ? "" : ",") + item;
    begin = end + 1;
  }
  return kept;
}

void CheckEncryption(const StringMap& headers) {
  auto algorithm = headers.find(std::string(kEncryption));
  const bool given = algorithm != headers.end();
  const bool kms = given && (algorithm->second == "aws:kms" || algorithm->second == "aws:kms:dsse");
  if (given && !kms && algorithm->second != "AES256") {
    throw S3Error("InvalidEncryptionAlgorithmError", 400,
                  "The encryption request you specified is not valid.")
        .With("ArgumentValue", algorithm->second);
  }
  if (!kms && headers.contains(std::string(kEncryptionKey))) {
    throw S3Error("InvalidArgument",
                  "Server Side Encryption with AWS KMS managed key requires HTTP header "
                  "x-amz-server-side-encryption : aws:kms");
  }
}

}  // namespace

void AddEncryption(const Attributes& attributes, Reply& reply) {
  for (std::string_view name : {kEncryption, kEncryptionKey, kBucketKey}) {
    auto found = attributes.headers.find(std::string(name));
    if (found != attributes.headers.end()) reply.headers.emplace_back(*found);
  }
}

void ReplaceEncryption(const Attributes& given, Attributes& copied) {
  for (std::string_view name : {kEncryption, kEncryptionKey, kBucketKey}) {
    copied.headers.erase(std::string(name));
    auto found = given.headers.find(std::string(name));
    if (found != given.headers.end()) copied.headers.insert(*found);
  }
}

Attributes ReadAttributes(const Request& request) {
  Attributes attributes;
  size_t metadata_size = 0;
  for (const auto& [name, ignored] : request.headers) {
    bool metadata = name.starts_with(kMetadataPrefix);
    if (!metadata && std::ranges::find(kSystemHeaders, name) == kSystemHeaders.end()) continue;
    std::string value = request.HeaderOr(name);
    if (name == "content-encoding") value = WithoutAwsChunked(value);
    if (value.empty() && !metadata) continue;
    auto [at, added] = attributes.headers.emplace(name, value);
    if (metadata && added) metadata_size += name.size() - kMetadataPrefix.size() + value.size();
  }
  if (metadata_size > kMaxMetadata) {
    throw S3Error("MetadataTooLarge")
        .With("Size", std::to_string(metadata_size))
        .With("MaxSizeAllowed", std::to_string(kMaxMetadata));
  }
  attributes.headers.try_emplace("content-type", "binary/octet-stream");
  CheckEncryption(attributes.headers);
  attributes.tags = ReadTaggingHeader(request);
  return attributes;
}

StringMap ReadTaggingHeader(const Request& request) {
  StringMap tags;
  auto parameters = ParseQuery(request.HeaderOr("x-amz-tagging"));
  if (!parameters) throw S3Error("InvalidArgument", "The header 'x-amz-tagging' is malformed");
  for (QueryParameter& tag : *parameters) {
    if (!tags.emplace(std::move(tag.name), std::move(tag.value)).second) {
      throw S3Error("InvalidTag", "Cannot provide multiple Tags with the same key");
    }
  }
  CheckTags(tags);
  return tags;
}

void CheckTags(const StringMap& tags) {
  if (tags.size() > kMaxTags) {
    throw S3Error("BadRequest", 400, "Object tags cannot be greater than 10");
  }
  for (const auto& [name, value] : tags) {
    if (name.empty() || name.size() > 128 || value.size() > 256) throw S3Error("InvalidTag");
  }
}

std::optional<std::string> ConditionHeader(const Request& request, std::string_view name,
                                           Support support) {
  auto value = request.Header(name);
  if (value && support == Support::kRefused) {
    throw S3Error("NotImplemented").With("Header", std::string(name));
  }
  return support == Support::kHonoured ? value : std::nullopt;
}

WriteCondition ReadWriteCondition(const Request& request, Support if_match, Support if_none_match) {
  WriteCondition condition;
  condition.if_match = ConditionHeader(request, "if-match", if_match);
  auto none_match = ConditionHeader(request, "if-none-match", if_none_match);
  if (none_match && *none_match != "*") {
    throw S3Error("NotImplemented")
        .With("Header", "If-None-Match")
        .With("additionalMessage",
              "We don't accept the provided value of If-None-Match header "
              "for this API");
  }
  condition.if_absent = none_match.has_value();
  return condition;
}

CopySource ReadCopySource(const Request& request, const Behaviour& behaviour) {
  std::string header = request.HeaderOr("x-amz-copy-source");
  CopySource source;
  // The version follows the encoded key, which has no '?' of its own.
  size_t mark = header.find("?versionId=");
  if (mark != header.npos) {
    source.version_id = header.substr(mark + sizeof("?versionId=") - 1);
    header.resize(mark);
  }
  std::string path = PercentDecode(header).value_or("");
  if (path.starts_with('/')) path.erase(0, 1);
  size_t slash = path.find('/');
  if (slash == path.npos || slash == 0 || slash + 1 == path.size()) {
    throw S3Error("InvalidArgument",
                  "Copy Source must mention the source bucket and key: "
                  "sourcebucket/sourcekey");
  }
  source.bucket = path.substr(0, slash);
  source.key = path.substr(slash + 1);

  auto condition = [&](const char* name) {
    return ConditionHeader(request, name, behaviour.copy_source_conditions);
  };
  source.condition = {condition("x-amz-copy-source-if-match"),
                      condition("x-amz-copy-source-if-none-match"),
                      condition("x-amz-copy-source-if-modified-since"),
                      condition("x-amz-copy-source-if-unmodified-since")};
  return source;
}

}  // namespace s3files::server
