#include "lib/s3/sigv4.h"

#include <time.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace s3files::sigv4 {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";

std::string FoldSpaces(absl::string_view value) {
  value = absl::StripAsciiWhitespace(value);
  std::string out;
  out.reserve(value.size());
  for (const char c : value) {
    if (c == ' ' && !out.empty() && out.back() == ' ') continue;
    out.push_back(c);
  }
  return out;
}

}  // namespace

Headers CanonicalHeaders(const Headers& headers) {
  Headers out;
  out.reserve(headers.size());
  for (const auto& [name, value] : headers) {
    out.emplace_back(absl::AsciiStrToLower(name), FoldSpaces(value));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string SignedHeaderNames(const Headers& canonical) {
  std::string out;
  for (const auto& [name, value] : canonical) {
    if (!out.empty()) out.push_back(';');
    out.append(name);
  }
  return out;
}

std::string CanonicalRequest(absl::string_view method, absl::string_view path,
                             absl::string_view query, const Headers& canonical,
                             absl::string_view payload_hash) {
  std::string out;
  out.reserve(512);
  absl::StrAppend(&out, method, "\n", path, "\n", query, "\n");
  for (const auto& [name, value] : canonical) absl::StrAppend(&out, name, ":", value, "\n");
  absl::StrAppend(&out, "\n", SignedHeaderNames(canonical), "\n", payload_hash);
  return out;
}

std::string Timestamp(int64_t wall_ns) {
  const time_t seconds = static_cast<time_t>(wall_ns / 1'000'000'000);
  tm utc;
  gmtime_r(&seconds, &utc);
  char text[64];
  strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return text;
}

std::string Scope(absl::string_view day, absl::string_view region, absl::string_view service) {
  return absl::StrCat(day, "/", region, "/", service, "/aws4_request");
}

std::string StringToSign(absl::string_view timestamp, absl::string_view scope,
                         absl::string_view canonical_request) {
  return absl::StrCat(kAlgorithm, "\n", timestamp, "\n", scope, "\n",
                      Hex(AsBytes(Sha256(canonical_request))));
}

Sha256Digest SigningKey(absl::string_view secret, absl::string_view day, absl::string_view region,
                        absl::string_view service) {
  const Sha256Digest day_key = HmacSha256(absl::StrCat("AWS4", secret), day);
  const Sha256Digest region_key = HmacSha256(AsBytes(day_key), region);
  const Sha256Digest service_key = HmacSha256(AsBytes(region_key), service);
  return HmacSha256(AsBytes(service_key), "aws4_request");
}

std::string Signature(const Sha256Digest& signing_key, absl::string_view string_to_sign) {
  return Hex(AsBytes(HmacSha256(AsBytes(signing_key), string_to_sign)));
}

std::string Authorization(absl::string_view access_key_id, absl::string_view scope,
                          absl::string_view signed_header_names, absl::string_view signature) {
  return absl::StrCat(kAlgorithm, " Credential=", access_key_id, "/", scope,
                      ",SignedHeaders=", signed_header_names, ",Signature=", signature);
}

QueryParameters PresignParameters(absl::string_view access_key_id, absl::string_view session_token,
                                  absl::string_view timestamp, absl::string_view scope,
                                  int64_t expires_seconds, absl::string_view signed_header_names) {
  QueryParameters out = {
      {"X-Amz-Algorithm", kAlgorithm},
      {"X-Amz-Credential", absl::StrCat(access_key_id, "/", scope)},
      {"X-Amz-Date", std::string(timestamp)},
      {"X-Amz-Expires", absl::StrCat(expires_seconds)},
      {"X-Amz-SignedHeaders", std::string(signed_header_names)},
  };
  if (!session_token.empty()) out.emplace_back("X-Amz-Security-Token", std::string(session_token));
  return out;
}

Sha256Digest SigningKeyCache::Get(absl::string_view secret, absl::string_view day,
                                  absl::string_view region, absl::string_view service) {
  absl::MutexLock lock(&mu_);
  if (derivations_ == 0 || day_ != day || secret_ != secret || region_ != region ||
      service_ != service) {
    key_ = SigningKey(secret, day, region, service);
    secret_ = std::string(secret);
    day_ = std::string(day);
    region_ = std::string(region);
    service_ = std::string(service);
    ++derivations_;
  }
  return key_;
}

uint64_t SigningKeyCache::derivations() const {
  absl::MutexLock lock(&mu_);
  return derivations_;
}

}  // namespace s3files::sigv4
