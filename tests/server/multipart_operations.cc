#include <algorithm>

#include "tests/server/attributes.h"
#include "tests/server/etag.h"
#include "tests/server/operation.h"
#include "tests/server/range.h"
#include "tests/server/s3_error.h"
#include "tests/server/time_format.h"
#include "tests/server/xml_reader.h"
#include "tests/server/xml_writer.h"

namespace s3files::server {
namespace {

using PartList = std::vector<std::pair<int, std::string>>;  // number, ETag as sent

int PartNumber(const Request& request) {
  auto number = ParseNumber(request.QueryOr("partNumber"));
  if (!number || *number < 1 || *number > 10000) {
    throw S3Error("InvalidArgument",
                  "Part number must be an integer between 1 and 10000, inclusive")
        .With("ArgumentName", "partNumber")
        .With("ArgumentValue", request.QueryOr("partNumber"));
  }
  return static_cast<int>(*number);
}

// Checks the list against what was uploaded, and joins the parts.
Store::NewObject Assemble(const Upload& upload, const PartList& list, uint64_t min_part_size) {
  auto disordered = [](const auto& one, const auto& next) { return one.first >= next.first; };
  if (std::ranges::adjacent_find(list, disordered) != list.end()) {
    throw S3Error("InvalidPartOrder");
  }
  Store::NewObject object;
  object.attributes = upload.attributes;
  MultipartEtag etag;
  for (const auto& [number, claimed_etag] : list) {
    auto part = upload.parts.find(number);
    if (part == upload.parts.end() || !MatchesEtag(claimed_etag, part->second.etag)) {
      throw S3Error("InvalidPart")
          .With("PartNumber", std::to_string(number))
          .With("ETag", claimed_etag);
    }
    const Blob& body = part->second.body;
    if (body.size() < min_part_size && number != list.back().first) {
      throw S3Error("EntityTooSmall")
          .With("ProposedSize", std::to_string(body.size()))
          .With("MinSizeAllowed", std::to_string(min_part_size))
          .With("PartNumber", std::to_string(number))
          .With("ETag", part->second.etag);
    }
    object.body.Append(body);
    etag.Add(part->second.etag);
  }
  object.etag = etag.Finish();
  return object;
}

Blob CopiedRange(const Request& request, const ObjectVersion& source, uint64_t max_size) {
  auto header = request.Header("x-amz-copy-source-range");
  auto range = ReadRange(header.value_or(""), source.body.size());
  // Unlike a GET's, this range has to be two numbers and lie within the object.
  if (header) {
    size_t dash = header->find('-');
    auto last = ParseNumber(std::string_view(*header).substr(dash + 1));
    if (!range || !header->starts_with("bytes=") || !last || *last >= source.body.size()) {
      throw S3Error("InvalidArgument", "Range specified is not valid for source object of size: " +
                                           std::to_string(source.body.size()));
    }
  }
  Blob body = range ? source.body.Slice(range->offset, range->length) : source.body;
  if (body.size() > max_size) {
    throw S3Error("InvalidRequest",
                  "The specified copy source is larger than the maximum allowable size for a copy "
                  "source: " +
                      std::to_string(max_size));
  }
  return body;
}

}  // namespace

Reply CreateMultipartUpload(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  const Attributes attributes = ReadAttributes(request);
  std::string id = context.store.CreateUpload(request.bucket, request.key, attributes);
  XmlWriter xml("InitiateMultipartUploadResult");
  xml.Element("Bucket", request.bucket).Element("Key", request.key).Element("UploadId", id);
  Reply reply = XmlReply(xml.Finish());
  AddEncryption(attributes, reply);
  return reply;
}

Reply UploadPart(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  Part part = context.store.PutPart(
      request.bucket, request.key, request.QueryOr("uploadId"), PartNumber(request),
      EtagOf(arrived.payload.md5, context.options.behaviour), arrived.payload.body);
  return {.status = 200, .headers = {{"ETag", "\"" + part.etag + "\""}}};
}

Reply UploadPartCopy(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  const Behaviour& behaviour = context.options.behaviour;
  if (behaviour.upload_part_copy == Support::kRefused) {
    throw S3Error("NotImplemented").With("Header", "x-amz-copy-source");
  }
  // The body such a server takes for the part is the empty one that came.
  if (behaviour.upload_part_copy == Support::kIgnored) {
    arrived.payload.md5 = Hasher(Hasher::Algorithm::kMd5).Finish();
    return UploadPart(context, arrived);
  }
  int number = PartNumber(request);
  std::string id = request.QueryOr("uploadId");
  context.store.GetUpload(request.bucket, request.key, id);
  CopySource source = ReadCopySource(request, behaviour);
  VersionPtr from = context.store.Find(source.bucket, source.key, source.version_id);
  if (from->delete_marker) throw S3Error("InvalidRequest", "The source is a delete marker");
  if (source.condition.Evaluate(*from) != ReadCondition::Result::kProceed) {
    throw S3Error("PreconditionFailed").With("Condition", "x-amz-copy-source-If-Match");
  }
  Blob body = CopiedRange(request, *from, behaviour.max_copy_size);
  std::string etag = EtagOf(body, behaviour);
  Part part = context.store.PutPart(request.bucket, request.key, id, number, etag, body);

  XmlWriter xml("CopyPartResult");
  xml.Element("LastModified", FormatIso8601(part.last_modified_ms))
      .Element("ETag", "\"" + part.etag + "\"");
  Reply reply = XmlReply(xml.Finish());
  if (from->version_id != kNullVersion) {
    reply.headers.emplace_back("x-amz-copy-source-version-id", from->version_id);
  }
  return reply;
}

Reply CompleteMultipartUpload(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  const Behaviour& behaviour = context.options.behaviour;
  PartList list = ReadCompleteMultipartUpload(arrived.document);
  VersionPtr version = context.store.CompleteUpload(
      request.bucket, request.key, request.QueryOr("uploadId"),
      ReadWriteCondition(request, behaviour.complete_conditions, behaviour.complete_conditions),
      [&](const Upload& upload) { return Assemble(upload, list, behaviour.min_part_size); });

  XmlWriter xml("CompleteMultipartUploadResult");
  xml.Element("Location", "http://" + request.HeaderOr("host") + "/" + request.bucket + "/" +
                              PercentEncode(request.key, true))
      .Element("Bucket", request.bucket)
      .Element("Key", request.key)
      .Element("ETag", "\"" + version->etag + "\"");
  Reply reply = XmlReply(xml.Finish());
  if (version->version_id != kNullVersion) {
    reply.headers.emplace_back("x-amz-version-id", version->version_id);
  }
  AddEncryption(version->attributes, reply);
  return reply;
}

Reply AbortMultipartUpload(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  context.store.AbortUpload(request.bucket, request.key, request.QueryOr("uploadId"));
  return {.status = 204};
}

}  // namespace s3files::server
