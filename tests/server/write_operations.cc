#include "tests/server/attributes.h"
#include "tests/server/etag.h"
#include "tests/server/operation.h"
#include "tests/server/s3_error.h"
#include "tests/server/time_format.h"
#include "tests/server/xml_reader.h"
#include "tests/server/xml_writer.h"

namespace s3files::server {
namespace {

void AddVersionId(const ObjectVersion& version, Reply& reply) {
  if (version.version_id == kNullVersion) return;
  reply.headers.emplace_back("x-amz-version-id", version.version_id);
}

// COPY or REPLACE.
bool ReadDirective(const Request& request, const char* header) {
  std::string directive = request.Header(header).value_or("COPY");
  if (directive != "COPY" && directive != "REPLACE") {
    throw S3Error("InvalidArgument", "Unknown " + std::string(header) + ".")
        .With("ArgumentValue", directive);
  }
  return directive == "REPLACE";
}

Attributes CopiedAttributes(const Request& request, const ObjectVersion& source) {
  Attributes given = ReadAttributes(request);
  Attributes copied =
      ReadDirective(request, "x-amz-metadata-directive") ? given : source.attributes;
  copied.tags =
      ReadDirective(request, "x-amz-tagging-directive") ? given.tags : source.attributes.tags;
  // Never copied either: it is the request's or the default.
  copied.headers.erase("x-amz-storage-class");
  auto storage_class = given.headers.find("x-amz-storage-class");
  if (storage_class != given.headers.end()) copied.headers.insert(*storage_class);
  ReplaceEncryption(given, copied);
  return copied;
}

// S3 refuses to copy an object onto itself with nothing changed.
void CheckSelfCopy(const Request& request, const CopySource& source) {
  if (source.bucket != request.bucket || source.key != request.key || source.version_id ||
      ReadDirective(request, "x-amz-metadata-directive") || request.Header("x-amz-storage-class") ||
      request.Header("x-amz-server-side-encryption")) {
    return;
  }
  throw S3Error("InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself "
                "without changing the object's metadata, storage class, website redirect location "
                "or encryption attributes.");
}

// A multipart ETag is not a copy's: that is one piece.
std::string CopiedEtag(const ObjectVersion& source, const Behaviour& behaviour) {
  bool multipart = source.etag.find('-') != std::string::npos;
  return multipart ? EtagOf(source.body, behaviour) : source.etag;
}

}  // namespace

Reply PutObject(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  const Behaviour& behaviour = context.options.behaviour;
  VersionPtr version = context.store.Put(
      request.bucket, request.key,
      {EtagOf(arrived.payload.md5, behaviour), ReadAttributes(request), arrived.payload.body},
      ReadWriteCondition(request, behaviour.put_if_match, behaviour.put_if_none_match));
  Reply reply;
  reply.headers = {{"ETag", "\"" + version->etag + "\""}};
  AddVersionId(*version, reply);
  AddEncryption(version->attributes, reply);
  return reply;
}

Reply CopyObject(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  const Behaviour& behaviour = context.options.behaviour;
  CopySource source = ReadCopySource(request, behaviour);
  CheckSelfCopy(request, source);
  VersionPtr from = context.store.Find(source.bucket, source.key, source.version_id);
  if (from->delete_marker) throw S3Error("InvalidRequest", "The source is a delete marker");
  if (source.condition.Evaluate(*from) != ReadCondition::Result::kProceed) {
    throw S3Error("PreconditionFailed").With("Condition", "x-amz-copy-source-If-Match");
  }
  if (from->body.size() > behaviour.max_copy_size) {
    throw S3Error("InvalidRequest",
                  "The specified copy source is larger than the maximum allowable size for a copy "
                  "source: " +
                      std::to_string(behaviour.max_copy_size));
  }
  VersionPtr version = context.store.Put(
      request.bucket, request.key,
      {CopiedEtag(*from, behaviour), CopiedAttributes(request, *from), from->body},
      ReadWriteCondition(request, behaviour.copy_target_conditions,
                         behaviour.copy_target_conditions));
  XmlWriter xml("CopyObjectResult");
  xml.Element("LastModified", FormatIso8601(version->last_modified_ms))
      .Element("ETag", "\"" + version->etag + "\"");
  Reply reply = XmlReply(xml.Finish());
  AddVersionId(*version, reply);
  AddEncryption(version->attributes, reply);
  if (from->version_id != kNullVersion) {
    reply.headers.emplace_back("x-amz-copy-source-version-id", from->version_id);
  }
  return reply;
}

Reply DeleteObject(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  WriteCondition condition;
  condition.if_match =
      ConditionHeader(request, "if-match", context.options.behaviour.delete_if_match);
  Store::Deleted deleted =
      context.store.Delete(request.bucket, request.key, request.Query("versionId"), condition);
  Reply reply;
  reply.status = 204;
  if (!deleted.version_id.empty()) {
    reply.headers.emplace_back("x-amz-version-id", deleted.version_id);
  }
  if (deleted.delete_marker) reply.headers.emplace_back("x-amz-delete-marker", "true");
  return reply;
}

Reply DeleteObjects(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  const Behaviour& behaviour = context.options.behaviour;
  if (behaviour.delete_objects_needs_md5 && !request.Header("content-md5")) {
    throw S3Error("InvalidRequest", "Missing required header for this request: Content-MD5");
  }
  DeleteRequest wanted = ReadDelete(arrived.document);
  context.store.GetVersioning(request.bucket);
  XmlWriter xml("DeleteResult");
  for (const DeleteRequest::Object& object : wanted.objects) {
    try {
      WriteCondition condition;
      if (object.etag && behaviour.delete_if_match == Support::kRefused) {
        throw S3Error("NotImplemented");
      }
      if (behaviour.delete_if_match == Support::kHonoured) condition.if_match = object.etag;
      Store::Deleted deleted =
          context.store.Delete(request.bucket, object.key, object.version_id, condition);
      if (wanted.quiet) continue;
      xml.Begin("Deleted").Element("Key", object.key);
      if (object.version_id) xml.Element("VersionId", *object.version_id);
      if (deleted.delete_marker) {
        xml.Element("DeleteMarker", true).Element("DeleteMarkerVersionId", deleted.version_id);
      }
      xml.End();
    } catch (const S3Error& error) {
      // The one place besides Service that answers an error: here it is one key's.
      xml.Begin("Error").Element("Key", object.key);
      if (object.version_id) xml.Element("VersionId", *object.version_id);
      xml.Element("Code", error.code()).Element("Message", error.what()).End();
    }
  }
  return XmlReply(xml.Finish());
}

Reply PutObjectTagging(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  StringMap tags = ReadTagging(arrived.document);
  CheckTags(tags);
  Reply reply;
  AddVersionId(*context.store.SetTags(request.bucket, request.key, request.Query("versionId"),
                                      std::move(tags)),
               reply);
  return reply;
}

Reply DeleteObjectTagging(const Context& context, Arrived& arrived) {
  const Request& request = arrived.request;
  Reply reply;
  reply.status = 204;
  AddVersionId(*context.store.SetTags(request.bucket, request.key, request.Query("versionId"), {}),
               reply);
  return reply;
}

}  // namespace s3files::server
