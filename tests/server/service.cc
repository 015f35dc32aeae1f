#include "tests/server/service.h"

#include <exception>
#include <utility>

#include "tests/server/hash.h"
#include "tests/server/memory_backend.h"
#include "tests/server/xml_writer.h"

namespace s3files::server {
namespace {

constexpr size_t kMaxKey = 1024;
constexpr uint64_t kMaxDocument = 8 << 20;

}  // namespace

Service::Service(const ServerOptions& options, Store& store)
    : options_(options), store_(store), authenticator_(options) {}

Call Service::Begin(Request request) {
  Call call;
  call.request = std::move(request);
  call.request_id = UniqueId();
  try {
    Prepare(call);
  } catch (const S3Error& error) {
    call.error = error;
  } catch (const std::exception& error) {
    call.error = S3Error("InternalError", error.what());
  }
  if (call.error) call.payload = std::make_unique<PayloadReader>(DescribeWire(call.request));
  return call;
}

void Service::Prepare(Call& call) {
  ResolveTarget(options_.domains, call.request);
  const Request& request = call.request;
  call.operation = &FindOperation(request);
  Authentication authentication = authenticator_.Verify(request);
  if (request.key.size() > kMaxKey) {
    throw S3Error("KeyTooLongError")
        .With("Size", std::to_string(request.key.size()))
        .With("MaxSizeAllowed", std::to_string(kMaxKey));
  }
  PayloadSpec spec = DescribePayload(request, authentication);
  bool object = call.operation->body == BodyKind::kObject;
  if (object && !spec.http_chunked && !request.Header("content-length")) {
    throw S3Error("MissingContentLength");
  }
  if (object && spec.length > options_.behaviour.max_put_size) {
    throw S3Error("EntityTooLarge")
        .With("ProposedSize", std::to_string(spec.length))
        .With("MaxSizeAllowed", std::to_string(options_.behaviour.max_put_size));
  }
  if (!object && spec.length > kMaxDocument) throw S3Error("MaxMessageLengthExceeded");
  if (object) store_.GetVersioning(request.bucket);  // no bucket: not worth reading the body
  std::unique_ptr<BodyWriter> writer =
      object ? store_.NewBody(spec.length) : std::make_unique<MemoryBody>(spec.length);
  bool md5 = object && !options_.behaviour.fast_etag;
  call.payload = std::make_unique<PayloadReader>(spec, authentication, std::move(writer), md5);
}

Reply Service::Finish(Call& call) {
  Reply reply;
  try {
    reply = Run(call);
  } catch (const S3Error& error) {
    reply = ErrorReply(call, error);
  } catch (const std::exception& error) {
    reply = ErrorReply(call, S3Error("InternalError", error.what()));
  }
  return reply;
}

Reply Service::Run(Call& call) {
  if (call.error) throw S3Error(*call.error);
  Arrived arrived{call.request, call.payload->Finish(), {}};
  if (call.operation->body == BodyKind::kDocument) {
    arrived.document = ToString(std::exchange(arrived.payload.body, {}));
  }
  Context context{options_, store_};
  return call.operation->run(context, arrived);
}

Reply Service::ErrorReply(const Call& call, const S3Error& error) {
  XmlWriter xml("Error", "");
  xml.Element("Code", error.code()).Element("Message", error.what());
  for (const auto& [element, text] : error.elements()) xml.Element(element, text);
  xml.Element("Resource", call.request.path)
      .Element("RequestId", call.request_id)
      .Element("HostId", "s3files-server");
  Reply reply = XmlReply(xml.Finish());
  reply.status = error.status();
  reply.code = error.code();
  return reply;
}

}  // namespace s3files::server
