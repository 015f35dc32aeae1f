// Where a bucket is: host, path and region of its requests.
#ifndef S3FILES_LIB_S3_ENDPOINT_H_
#define S3FILES_LIB_S3_ENDPOINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s3files {

enum class Addressing {
  kAuto,         // virtual host on AWS for a bucket name without dots, else path
  kPath,         // host/bucket/key
  kVirtualHost,  // bucket.host/key
};

struct EndpointOptions {
  std::string bucket;
  std::string region;  // empty = us-east-1
  std::string url;     // "http[s]://host[:port][/base]"; empty = AWS's for the region
  Addressing addressing = Addressing::kAuto;
};

// Immutable.
class Endpoint {
 public:
  // EINVAL, saying what is wrong with the bucket's name, the region or the URL.
  static absl::StatusOr<Endpoint> Create(const EndpointOptions& options);

  bool https() const { return https_; }
  bool aws() const { return aws_; }
  const std::string& bucket() const { return bucket_; }
  const std::string& region() const { return region_; }
  const std::string& host() const { return host_; }  // as in the Host header

  // The encoded path of an object, or of the bucket where `key` is empty: what is signed.
  std::string PathOf(absl::string_view key) const;
  // "https://host" + path + "?" + query, both encoded.
  std::string UrlOf(absl::string_view path, absl::string_view query) const;

 private:
  Endpoint() = default;

  bool https_ = true;
  bool aws_ = false;
  std::string bucket_;
  std::string region_;
  std::string host_;
  std::string base_path_;  // "", "/base", or with path addressing "/base/bucket"
};

}  // namespace s3files

#endif  // S3FILES_LIB_S3_ENDPOINT_H_
