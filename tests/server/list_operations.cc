#include <algorithm>

#include "tests/server/hash.h"
#include "tests/server/operation.h"
#include "tests/server/s3_error.h"
#include "tests/server/time_format.h"
#include "tests/server/xml_writer.h"

namespace s3files::server {
namespace {

constexpr char kOwner[] = "s3files";
constexpr uint64_t kMaxPage = 1000;

// A number in the query that bounds a page.
uint64_t ReadLimit(const Request& request, const char* name) {
  auto text = request.Query(name);
  if (!text || text->empty()) return kMaxPage;
  auto limit = ParseNumber(*text);
  if (!limit) {
    throw S3Error("InvalidArgument",
                  "Provided " + std::string(name) + " not an integer or within integer range")
        .With("ArgumentName", name)
        .With("ArgumentValue", *text);
  }
  return std::min(*limit, kMaxPage);
}

// Writes keys as the request wants them: percent-encoded or not.
class KeyWriter {
 public:
  KeyWriter(const Request& request, XmlWriter& xml) : xml_(xml) {
    auto type = request.Query("encoding-type");
    if (type && *type != "url") {
      throw S3Error("InvalidArgument", "Invalid Encoding Method specified in Request");
    }
    encode_ = type.has_value();
  }

  void Element(const char* name, const std::string& key) {
    xml_.Element(name, encode_ ? PercentEncode(key, true) : key);
  }
  // Elements S3 leaves out where empty.
  void ElementIfAny(const char* name, const std::string& key) {
    if (!key.empty()) Element(name, key);
  }
  void Type() {
    if (encode_) xml_.Element("EncodingType", "url");
  }

 private:
  XmlWriter& xml_;
  bool encode_;
};

void WriteOwner(XmlWriter& xml, const char* element) {
  xml.Begin(element).Element("ID", kOwner).Element("DisplayName", kOwner).End();
}

std::string StorageClass(const Attributes& attributes) {
  auto found = attributes.headers.find("x-amz-storage-class");
  return found == attributes.headers.end() ? "STANDARD" : found->second;
}

void WriteContents(const Listing& listing, bool with_owner, XmlWriter& xml, KeyWriter& keys) {
  for (const ListedVersion& listed : listing.versions) {
    const ObjectVersion& version = *listed.version;
    xml.Begin("Contents");
    keys.Element("Key", listed.key);
    xml.Element("LastModified", FormatIso8601(version.last_modified_ms))
        .Element("ETag", "\"" + version.etag + "\"")
        .Element("Size", version.body.size());
    if (with_owner) WriteOwner(xml, "Owner");
    xml.Element("StorageClass", StorageClass(version.attributes)).End();
  }
}

void WriteCommonPrefixes(const Listing& listing, XmlWriter& xml, KeyWriter& keys) {
  for (const std::string& prefix : listing.common_prefixes) {
    xml.Begin("CommonPrefixes");
    keys.Element("Prefix", prefix);
    xml.End();
  }
}

ListQuery ReadListQuery(const Request& request) {
  return {.prefix = request.QueryOr("prefix"),
          .delimiter = request.QueryOr("delimiter"),
          .after = {},
          .limit = ReadLimit(request, "max-keys")};
}

}  // namespace

Reply ListObjects(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  ListQuery query = ReadListQuery(request);
  query.after = request.QueryOr("marker");
  Listing listing = context.store.List(request.bucket, query);

  XmlWriter xml("ListBucketResult");
  KeyWriter keys(request, xml);
  xml.Element("Name", request.bucket);
  keys.Element("Prefix", query.prefix);
  keys.Element("Marker", query.after);
  xml.Element("MaxKeys", query.limit);
  keys.ElementIfAny("Delimiter", query.delimiter);
  keys.Type();
  xml.Element("IsTruncated", listing.truncated);
  // Without a delimiter, clients take the last key for the next marker.
  if (listing.truncated && !query.delimiter.empty()) keys.Element("NextMarker", listing.last);
  WriteContents(listing, true, xml, keys);
  WriteCommonPrefixes(listing, xml, keys);
  return XmlReply(xml.Finish());
}

Reply ListObjectsV2(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  Support support = context.options.behaviour.list_v2;
  if (support == Support::kRefused) throw S3Error("NotImplemented");
  if (support == Support::kIgnored) return ListObjects(context, arrived);
  if (request.Query("list-type") != "2") throw S3Error("InvalidArgument");

  ListQuery query = ReadListQuery(request);
  auto token = request.Query("continuation-token");
  auto after_token = token ? FromBase64(*token) : std::nullopt;
  if (token && !after_token.value_or("").starts_with('k')) {
    throw S3Error("InvalidArgument", "The continuation token provided is incorrect");
  }
  query.after = token ? after_token->substr(1) : request.QueryOr("start-after");
  Listing listing = context.store.List(request.bucket, query);

  XmlWriter xml("ListBucketResult");
  KeyWriter keys(request, xml);
  xml.Element("Name", request.bucket);
  keys.Element("Prefix", query.prefix);
  keys.ElementIfAny("Delimiter", query.delimiter);
  keys.ElementIfAny("StartAfter", request.QueryOr("start-after"));
  xml.Element("MaxKeys", query.limit)
      .Element("KeyCount", listing.versions.size() + listing.common_prefixes.size());
  keys.Type();
  xml.Element("IsTruncated", listing.truncated);
  if (token) xml.Element("ContinuationToken", *token);
  // The letter keeps a token of the empty string apart from none.
  if (listing.truncated) xml.Element("NextContinuationToken", ToBase64("k" + listing.last));
  WriteContents(listing, request.Query("fetch-owner") == "true", xml, keys);
  WriteCommonPrefixes(listing, xml, keys);
  return XmlReply(xml.Finish());
}

Reply ListObjectVersions(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  ListQuery query = ReadListQuery(request);
  query.after = request.QueryOr("key-marker");
  std::string version_marker = request.QueryOr("version-id-marker");
  Listing listing = context.store.ListVersions(request.bucket, query, version_marker);

  XmlWriter xml("ListVersionsResult");
  KeyWriter keys(request, xml);
  xml.Element("Name", request.bucket);
  keys.Element("Prefix", query.prefix);
  keys.Element("KeyMarker", query.after);
  xml.Element("VersionIdMarker", version_marker).Element("MaxKeys", query.limit);
  keys.ElementIfAny("Delimiter", query.delimiter);
  keys.Type();
  xml.Element("IsTruncated", listing.truncated);
  if (listing.truncated) {
    keys.Element("NextKeyMarker", listing.last);
    bool at_version = !listing.versions.empty() && listing.versions.back().key == listing.last;
    if (at_version) {
      xml.Element("NextVersionIdMarker", listing.versions.back().version->version_id);
    }
  }
  for (const ListedVersion& listed : listing.versions) {
    const ObjectVersion& version = *listed.version;
    xml.Begin(version.delete_marker ? "DeleteMarker" : "Version");
    keys.Element("Key", listed.key);
    xml.Element("VersionId", version.version_id)
        .Element("IsLatest", listed.latest)
        .Element("LastModified", FormatIso8601(version.last_modified_ms));
    if (!version.delete_marker) {
      xml.Element("ETag", "\"" + version.etag + "\"")
          .Element("Size", version.body.size())
          .Element("StorageClass", StorageClass(version.attributes));
    }
    WriteOwner(xml, "Owner");
    xml.End();
  }
  WriteCommonPrefixes(listing, xml, keys);
  return XmlReply(xml.Finish());
}

Reply ListMultipartUploads(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  std::string prefix = request.QueryOr("prefix");
  std::string key_marker = request.QueryOr("key-marker");
  std::string id_marker = request.QueryOr("upload-id-marker");
  uint64_t limit = ReadLimit(request, "max-uploads");
  auto uploads = context.store.ListUploads(request.bucket);

  // Behind the markers: the rest of the marker's key where an upload is named, else what follows.
  bool id_seen = id_marker.empty();
  auto behind = [&](const std::pair<std::string, Upload>& entry) {
    if (entry.second.key != key_marker) return entry.second.key > key_marker;
    bool listed = id_seen && !id_marker.empty();
    if (entry.first == id_marker) id_seen = true;
    return listed;
  };
  std::erase_if(uploads, [&](const auto& entry) {
    return !behind(entry) || !entry.second.key.starts_with(prefix);
  });
  bool truncated = uploads.size() > limit;
  uploads.resize(std::min<size_t>(uploads.size(), limit));

  XmlWriter xml("ListMultipartUploadsResult");
  KeyWriter keys(request, xml);
  xml.Element("Bucket", request.bucket);
  keys.Element("KeyMarker", key_marker);
  xml.Element("UploadIdMarker", id_marker);
  if (truncated && !uploads.empty()) {
    keys.Element("NextKeyMarker", uploads.back().second.key);
    xml.Element("NextUploadIdMarker", uploads.back().first);
  }
  keys.Element("Prefix", prefix);
  keys.Type();
  xml.Element("MaxUploads", limit).Element("IsTruncated", truncated);
  for (const auto& [id, upload] : uploads) {
    xml.Begin("Upload");
    keys.Element("Key", upload.key);
    xml.Element("UploadId", id);
    WriteOwner(xml, "Initiator");
    WriteOwner(xml, "Owner");
    xml.Element("StorageClass", StorageClass(upload.attributes))
        .Element("Initiated", FormatIso8601(upload.initiated_ms))
        .End();
  }
  return XmlReply(xml.Finish());
}

Reply ListParts(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  std::string id = request.QueryOr("uploadId");
  uint64_t limit = ReadLimit(request, "max-parts");
  uint64_t marker = ParseNumber(request.QueryOr("part-number-marker")).value_or(0);
  Upload upload = context.store.GetUpload(request.bucket, request.key, id);

  auto begin = upload.parts.upper_bound(static_cast<int>(std::min<uint64_t>(marker, 10000)));
  auto end = begin;
  uint64_t next_marker = 0;
  for (uint64_t n = 0; n < limit && end != upload.parts.end(); ++n, ++end) {
    next_marker = end->first;
  }

  XmlWriter xml("ListPartsResult");
  KeyWriter keys(request, xml);
  xml.Element("Bucket", request.bucket);
  keys.Element("Key", request.key);
  xml.Element("UploadId", id);
  WriteOwner(xml, "Initiator");
  WriteOwner(xml, "Owner");
  xml.Element("StorageClass", StorageClass(upload.attributes))
      .Element("PartNumberMarker", marker)
      .Element("NextPartNumberMarker", next_marker)
      .Element("MaxParts", limit)
      .Element("IsTruncated", end != upload.parts.end());
  for (auto part = begin; part != end; ++part) {
    xml.Begin("Part")
        .Element("PartNumber", static_cast<uint64_t>(part->first))
        .Element("LastModified", FormatIso8601(part->second.last_modified_ms))
        .Element("ETag", "\"" + part->second.etag + "\"")
        .Element("Size", part->second.body.size())
        .End();
  }
  return XmlReply(xml.Finish());
}

}  // namespace s3files::server
