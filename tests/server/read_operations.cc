#include <array>

#include "tests/server/conditions.h"
#include "tests/server/operation.h"
#include "tests/server/range.h"
#include "tests/server/s3_error.h"
#include "tests/server/time_format.h"
#include "tests/server/xml_writer.h"

namespace s3files::server {
namespace {

struct Override {
  const char* parameter;
  const char* header;
};
constexpr std::array<Override, 6> kOverrides = {{
    {"response-cache-control", "cache-control"},
    {"response-content-disposition", "content-disposition"},
    {"response-content-encoding", "content-encoding"},
    {"response-content-language", "content-language"},
    {"response-content-type", "content-type"},
    {"response-expires", "expires"},
}};

void AddVersionHeader(const Context& context, const Request& request, const ObjectVersion& version,
                      Reply& reply) {
  if (context.store.GetVersioning(request.bucket) != Versioning::kOff) {
    reply.headers.emplace_back("x-amz-version-id", version.version_id);
  }
}

// What a GET finds behind a delete marker: 405 for the marker's own id. Without an id the store
// has answered already.
[[noreturn]] void RefuseDeleteMarker() {
  throw S3Error("MethodNotAllowed").With("Method", "GET").With("ResourceType", "DeleteMarker");
}

void AddAttributes(const Request& request, const ObjectVersion& version, Reply& reply) {
  StringMap headers = version.attributes.headers;
  for (const Override& override : kOverrides) {
    if (auto value = request.Query(override.parameter)) headers[override.header] = *value;
  }
  for (auto& [name, value] : headers) {
    // S3 does not name the default class.
    if (name == "x-amz-storage-class" && value == "STANDARD") continue;
    reply.headers.emplace_back(name, std::move(value));
  }
  if (!version.attributes.tags.empty()) {
    reply.headers.emplace_back("x-amz-tagging-count",
                               std::to_string(version.attributes.tags.size()));
  }
}

}  // namespace

Reply GetObject(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  VersionPtr version = context.store.Find(request.bucket, request.key, request.Query("versionId"));
  if (version->delete_marker) RefuseDeleteMarker();

  Reply reply;
  reply.headers = {{"ETag", "\"" + version->etag + "\""},
                   {"Last-Modified", FormatHttpDate(version->last_modified_ms)},
                   {"Accept-Ranges", "bytes"}};
  AddVersionHeader(context, request, *version, reply);

  ReadCondition condition{request.Header("if-match"), request.Header("if-none-match"),
                          request.Header("if-modified-since"),
                          request.Header("if-unmodified-since")};
  switch (condition.Evaluate(*version)) {
    case ReadCondition::Result::kFailed:
      throw S3Error("PreconditionFailed")
          .With("Condition", condition.if_match ? "If-Match" : "If-Unmodified-Since");
    case ReadCondition::Result::kNotModified:
      reply.status = 304;
      return reply;
    case ReadCondition::Result::kProceed:
      break;
  }

  AddAttributes(request, *version, reply);
  uint64_t size = version->body.size();
  auto range = ReadRange(request.HeaderOr("range"), size);
  if (range) {
    reply.status = 206;
    reply.headers.emplace_back("Content-Range",
                               "bytes " + std::to_string(range->offset) + "-" +
                                   std::to_string(range->offset + range->length - 1) + "/" +
                                   std::to_string(size));
    reply.blob = version->body.Slice(range->offset, range->length);
  } else {
    reply.blob = version->body;
  }
  return reply;
}

Reply GetObjectTagging(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  VersionPtr version = context.store.Find(request.bucket, request.key, request.Query("versionId"));
  if (version->delete_marker) RefuseDeleteMarker();
  XmlWriter xml("Tagging");
  xml.Begin("TagSet");
  for (const auto& [key, value] : version->attributes.tags) {
    xml.Begin("Tag").Element("Key", key).Element("Value", value).End();
  }
  Reply reply = XmlReply(xml.Finish());
  AddVersionHeader(context, request, *version, reply);
  return reply;
}

}  // namespace s3files::server
