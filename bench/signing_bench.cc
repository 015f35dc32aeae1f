// Signing a request beside the hashing in it: what the strings around the hashes cost.
#include <benchmark/benchmark.h>

#include <string>

#include "absl/strings/string_view.h"
#include "lib/base/hash.h"
#include "lib/s3/sigv4.h"

namespace s3files::bench {
namespace {

constexpr int64_t kWallNanos = 1'700'000'000'000'000'000;
constexpr char kPath[] = "/bucket/some/folder/with/a-file-of-usual-length.parquet";
constexpr char kRegion[] = "us-east-1";
constexpr char kService[] = "s3";
constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

sigv4::Headers RequestHeaders(const std::string& timestamp) {
  return {{"Host", "bucket.s3.us-east-1.amazonaws.com"},
          {"Range", "bytes=8388608-16777215"},
          {"If-Match", "\"d41d8cd98f00b204e9800998ecf8427e\""},
          {"x-amz-date", timestamp},
          {"x-amz-content-sha256", sigv4::kEmptySha256}};
}

void SignOurs(benchmark::State& state) {
  sigv4::SigningKeyCache keys;
  for (auto _ : state) {
    const std::string timestamp = sigv4::Timestamp(kWallNanos);
    const absl::string_view day = absl::string_view(timestamp).substr(0, 8);
    const sigv4::Headers canonical = sigv4::CanonicalHeaders(RequestHeaders(timestamp));
    const std::string scope = sigv4::Scope(day, kRegion, kService);
    const std::string string_to_sign = sigv4::StringToSign(
        timestamp, scope,
        sigv4::CanonicalRequest("GET", kPath, "", canonical, sigv4::kEmptySha256));
    const Sha256Digest key = keys.Get(kSecret, day, kRegion, kService);
    benchmark::DoNotOptimize(sigv4::Authorization("AKIAIOSFODNN7EXAMPLE", scope,
                                                  sigv4::SignedHeaderNames(canonical),
                                                  sigv4::Signature(key, string_to_sign)));
  }
}
BENCHMARK(SignOurs)->Name("sign_request/ours");

// A SHA-256 of the canonical request and an HMAC of the string to sign, both made beforehand.
void SignFloor(benchmark::State& state) {
  const std::string timestamp = sigv4::Timestamp(kWallNanos);
  const absl::string_view day = absl::string_view(timestamp).substr(0, 8);
  const sigv4::Headers canonical = sigv4::CanonicalHeaders(RequestHeaders(timestamp));
  const std::string request =
      sigv4::CanonicalRequest("GET", kPath, "", canonical, sigv4::kEmptySha256);
  const std::string string_to_sign =
      sigv4::StringToSign(timestamp, sigv4::Scope(day, kRegion, kService), request);
  const Sha256Digest key = sigv4::SigningKey(kSecret, day, kRegion, kService);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Sha256(request));
    benchmark::DoNotOptimize(HmacSha256(AsBytes(key), string_to_sign));
  }
}
BENCHMARK(SignFloor)->Name("sign_request/floor");

}  // namespace
}  // namespace s3files::bench
