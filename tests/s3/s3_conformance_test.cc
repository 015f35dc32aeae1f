// The stores' conformance suite over S3Store, against the test server in several characters.
#include <functional>
#include <memory>

#include "gtest/gtest.h"
#include "lib/http/curl_transport.h"
#include "lib/s3/s3_sender.h"
#include "lib/s3/s3_store.h"
#include "tests/server/server.h"
#include "tests/store/store_conformance.h"

namespace s3files {
namespace {

using server::Support;

constexpr uint64_t kSmallPart = 4096;

struct Served {
  std::unique_ptr<server::Server> server;
  std::unique_ptr<S3Store> store;
};

// Makes the bucket keep old versions.
void EnableVersions(const S3StoreOptions& options) {
  auto endpoint = Endpoint::Create({options.bucket, "", options.endpoint, Addressing::kAuto});
  ASSERT_TRUE(endpoint.ok());
  S3Sender sender({*endpoint,
                   {},
                   std::make_shared<CurlTransport>(CurlTransportOptions()),
                   std::make_shared<StaticCredentials>(options.credentials)});
  MemorySource body("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
  S3Request request;
  request.method = "PUT";
  request.query = {{"versioning", ""}};
  request.body = &body;
  const S3Reply reply = sender.Send({}, request);
  ASSERT_TRUE(reply.status.ok()) << reply.status;
}

// A server that treats some features as `change` says, and a store that knows.
StoreCase On(const std::string& name,
             std::function<void(server::Behaviour&, Capabilities&)> change) {
  return {name, [change]() -> std::shared_ptr<ObjectStore> {
            auto served = std::make_shared<Served>();
            server::ServerOptions options;
            options.buckets = {"bucket"};
            options.behaviour.min_part_size = kSmallPart;
            Capabilities can;
            can.smallest_part = kSmallPart;
            change(options.behaviour, can);
            std::string error;
            served->server = server::Server::Start(options, &error);
            if (served->server == nullptr) return nullptr;
            S3StoreOptions store;
            store.bucket = "bucket";
            store.endpoint = served->server->endpoint();
            store.credentials = {options.access_key, options.secret_key, ""};
            store.capabilities = can;
            store.retry.max_attempts = 2;
            if (can.versions) EnableVersions(store);
            store.capabilities->versions = false;  // the store finds out
            auto made = S3Store::Create(store);
            if (!made.ok()) return nullptr;
            served->store = *std::move(made);
            return std::shared_ptr<ObjectStore>(served, served->store.get());
          }};
}

std::vector<StoreCase> Servers() {
  return {
      On("Aws", [](server::Behaviour&, Capabilities&) {}),
      On("Versions", [](server::Behaviour&, Capabilities& can) { can.versions = true; }),
      On("Lax",
         [](server::Behaviour& server, Capabilities& can) {
           server.complete_conditions = server.delete_if_match = Support::kIgnored;
           server.copy_source_conditions = server.copy_target_conditions = Support::kIgnored;
           server.delete_objects_needs_md5 = true;
           can.conditional_complete = can.conditional_delete = false;
           can.copy_source = can.copy_target = false;
         }),
      On("Bare",
         [](server::Behaviour& server, Capabilities& can) {
           server.put_if_none_match = server.put_if_match = Support::kRefused;
           server.complete_conditions = server.delete_if_match = Support::kRefused;
           server.copy_source_conditions = server.copy_target_conditions = Support::kRefused;
           server.upload_part_copy = Support::kRefused;
           can.conditional_create = can.conditional_replace = false;
           can.conditional_complete = can.conditional_delete = false;
           can.copy_source = can.copy_target = can.part_copy = false;
         }),
  };
}

INSTANTIATE_TEST_SUITE_P(S3, StoreConformance, testing::ValuesIn(Servers()), StoreCaseName);

}  // namespace
}  // namespace s3files
