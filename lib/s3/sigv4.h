// AWS Signature Version 4 for S3, in the stages of AWS's own description, each a pure function:
// canonical request -> string to sign -> (signing key) -> signature -> Authorization header.
#ifndef S3FILES_LIB_S3_SIGV4_H_
#define S3FILES_LIB_S3_SIGV4_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/hash.h"
#include "lib/s3/uri.h"

namespace s3files::sigv4 {

inline constexpr char kUnsignedPayload[] = "UNSIGNED-PAYLOAD";
inline constexpr char kEmptySha256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

using Headers = std::vector<std::pair<std::string, std::string>>;

// Lower-case names in order, values trimmed and their inner spaces folded: what is signed.
Headers CanonicalHeaders(const Headers& headers);
std::string SignedHeaderNames(const Headers& canonical);  // "host;x-amz-date"

// `path` and `query` are encoded (EncodeKey, EncodeQuery); `payload_hash` is the hex SHA-256 of the
// body or kUnsignedPayload.
std::string CanonicalRequest(absl::string_view method, absl::string_view path,
                             absl::string_view query, const Headers& canonical,
                             absl::string_view payload_hash);

std::string Timestamp(int64_t wall_ns);  // "20130524T000000Z"

// `day` is the first eight characters of the timestamp.
std::string Scope(absl::string_view day, absl::string_view region, absl::string_view service);

std::string StringToSign(absl::string_view timestamp, absl::string_view scope,
                         absl::string_view canonical_request);

Sha256Digest SigningKey(absl::string_view secret, absl::string_view day, absl::string_view region,
                        absl::string_view service);

std::string Signature(const Sha256Digest& signing_key, absl::string_view string_to_sign);

std::string Authorization(absl::string_view access_key_id, absl::string_view scope,
                          absl::string_view signed_header_names, absl::string_view signature);

// The parameters a presigned URL adds to the query before it is signed; X-Amz-Signature comes last,
// after signing. `session_token` may be empty.
QueryParameters PresignParameters(absl::string_view access_key_id, absl::string_view session_token,
                                  absl::string_view timestamp, absl::string_view scope,
                                  int64_t expires_seconds, absl::string_view signed_header_names);

// The last signing key, which holds for a day, a region and a secret. Thread-safe.
class SigningKeyCache {
 public:
  Sha256Digest Get(absl::string_view secret, absl::string_view day, absl::string_view region,
                   absl::string_view service);
  uint64_t derivations() const;

 private:
  mutable absl::Mutex mu_;  // leaf
  std::string secret_ ABSL_GUARDED_BY(mu_);
  std::string day_ ABSL_GUARDED_BY(mu_);
  std::string region_ ABSL_GUARDED_BY(mu_);
  std::string service_ ABSL_GUARDED_BY(mu_);
  Sha256Digest key_ ABSL_GUARDED_BY(mu_) = {};
  uint64_t derivations_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace s3files::sigv4

#endif  // S3FILES_LIB_S3_SIGV4_H_
