// A bucket behind S3's REST interface, as an ObjectStore.
#ifndef S3FILES_LIB_S3_S3_STORE_H_
#define S3FILES_LIB_S3_S3_STORE_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lib/base/clock.h"
#include "lib/http/transport.h"
#include "lib/s3/conditions.h"
#include "lib/s3/credentials.h"
#include "lib/s3/endpoint.h"
#include "lib/s3/provider_profile.h"
#include "lib/s3/retry.h"
#include "lib/s3/s3_client.h"
#include "lib/store/object_store.h"

namespace s3files {

struct S3StoreOptions {
  std::string bucket;
  std::string endpoint;  // URL; empty = AWS
  std::string region;    // empty = us-east-1
  Addressing addressing = Addressing::kAuto;
  std::string provider;  // empty = "aws" at amazonaws.com, else "generic"

  // Without a provider and an access key: the environment's.
  std::shared_ptr<CredentialsProvider> credentials_provider;
  Credentials credentials;
  bool anonymous = false;

  std::string ca_file;  // PEM, in place of the system's; empty = those
  bool verify_tls = true;
  int io_threads = 2;
  int max_connections = 64;
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration stall_timeout = absl::Seconds(30);
  RetryOptions retry;

  // In place of the provider's.
  std::optional<Capabilities> capabilities;
  std::optional<bool> quote_etags;

  // In place of libcurl and the system's clock.
  std::shared_ptr<Transport> transport;
  Clock* clock = Clock::System();
};

// On conditions that the capabilities do not name the write's caller does not rely: it has compared a
// HEAD before. They are tried, or not sent at all (see conditions.h). Metadata values are printable ASCII
// (EINVAL for others). Last-Modified is whole seconds everywhere. Copies from a key with '%' are
// ENOTSUP where the provider cannot do them: the caller rewrites.
class S3Store final : public ObjectStore {
 public:
  // EINVAL or EACCES, saying which option is wrong. Sends nothing: see Probe.
  static absl::StatusOr<std::unique_ptr<S3Store>> Create(const S3StoreOptions& options);

  S3Client& client() { return client_; }

  // `versions` is true from the first reply on that names a version id: no request asks for it.
  const Capabilities& capabilities() const override {
    return has_versions_.load(std::memory_order_acquire) ? with_versions_ : capabilities_;
  }
  RequestCounts counts() const override { return client_.counts(); }

  absl::Status Probe(const CallContext& call, absl::string_view prefix) override;
  absl::StatusOr<ObjectInfo> Head(const CallContext& call, absl::string_view key) override;
  absl::StatusOr<ObjectInfo> Get(const CallContext& call, const GetRequest& request,
                                 ByteSink& sink) override;
  absl::StatusOr<ObjectTags> GetTags(const CallContext& call, absl::string_view key) override;
  absl::StatusOr<Stamp> Put(const CallContext& call, const PutRequest& request,
                            ByteSource& body) override;
  absl::Status Delete(const CallContext& call, absl::string_view key,
                      const Precondition& precondition) override;
  absl::StatusOr<std::vector<absl::Status>> DeleteMany(const CallContext& call,
                                                       absl::Span<const std::string> keys) override;
  absl::StatusOr<ListPage> List(const CallContext& call, const ListRequest& request) override;
  absl::StatusOr<Stamp> Copy(const CallContext& call, const CopyRequest& request) override;
  absl::StatusOr<std::string> CreateUpload(const CallContext& call,
                                           const PutRequest& request) override;
  absl::StatusOr<UploadedPart> UploadPart(const CallContext& call, absl::string_view key,
                                          absl::string_view upload_id, uint32_t number,
                                          ByteSource& body) override;
  absl::StatusOr<UploadedPart> CopyPart(const CallContext& call,
                                        const PartCopyRequest& request) override;
  absl::StatusOr<Stamp> CompleteUpload(const CallContext& call,
                                       const CompleteRequest& request) override;
  absl::Status AbortUpload(const CallContext& call, absl::string_view key,
                           absl::string_view upload_id) override;
  absl::StatusOr<std::vector<UploadedPart>> ListParts(const CallContext& call,
                                                      absl::string_view key,
                                                      absl::string_view upload_id) override;
  absl::StatusOr<std::vector<PendingUpload>> ListUploads(const CallContext& call,
                                                         absl::string_view prefix) override;

 private:
  // A write that failed, or whose reply does not name what it wrote.
  struct Unsettled {
    absl::string_view key;
    absl::string_view commit_id;
    absl::Status error;  // what it amounts to if it did not happen
  };

  S3Store(S3SenderOptions sender, const ProviderProfile& profile, const Capabilities& capabilities)
      : client_(std::move(sender), profile.quote_etags),
        profile_(profile),
        capabilities_(capabilities),
        with_versions_(WithVersions(capabilities)),
        has_versions_(capabilities.versions) {
    SetStandings(capabilities, standings_);
  }

  static Capabilities WithVersions(Capabilities capabilities) {
    capabilities.versions = true;
    return capabilities;
  }
  // Of every version that a reply names.
  void Learn(const Version& version) {
    if (!version.version_id().empty()) has_versions_.store(true, std::memory_order_release);
  }

  // HEAD decides whether an ambiguous write happened: our commit id there = success.
  absl::StatusOr<Stamp> Settle(const CallContext& call, const S3Reply& reply,
                               const Unsettled& write);
  // `create`, `replace`: the kind of condition that `precondition` is, if it is one.
  ConditionTrial TrialOf(const Precondition& precondition, ConditionKind create,
                         ConditionKind replace);
  // What the next request on `key` carries. Where the condition is not relied on, whoever asks has
  // compared just before, and each repetition compares anew ([W8]).
  WriteCondition Carried(const CallContext& call, absl::string_view key,
                         const Precondition& precondition, const ConditionTrial& trial,
                         bool removes = false);
  absl::StatusOr<CopySource> SourceOf(absl::string_view key) const;
  // 412 and 404 of a copy can mean its source or its target.
  absl::Status CopyError(const CallContext& call, const CopyRequest& request,
                         const CopyObjectRequest& sent, const S3Reply& reply);

  S3Client client_;
  const ProviderProfile profile_;
  const Capabilities capabilities_;   // as given
  const Capabilities with_versions_;  // the same, with versions
  std::atomic<bool> has_versions_;
  Standings standings_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_S3_S3_STORE_H_
