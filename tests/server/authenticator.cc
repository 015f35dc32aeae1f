#include "tests/server/authenticator.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "tests/server/hash.h"
#include "tests/server/s3_error.h"
#include "tests/server/sigv4.h"
#include "tests/server/time_format.h"

namespace s3files::server {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";
constexpr char kUnsigned[] = "UNSIGNED-PAYLOAD";
constexpr int64_t kMaxSkewMs = 15 * 60 * 1000;
constexpr uint64_t kMaxExpirySeconds = 7 * 24 * 3600;

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// The value of "Name=value" among the comma-separated fields of an Authorization header.
std::string Field(std::string_view header, std::string_view name) {
  size_t begin = header.find(name);
  if (begin == header.npos) throw S3Error("AuthorizationHeaderMalformed");
  std::string_view value = header.substr(begin + name.size());
  return std::string(value.substr(0, value.find_first_of(", ")));
}

// "0a 1b ..." as AWS shows the bytes it hashed.
std::string SpacedHex(std::string_view bytes) {
  std::string hex;
  for (char c : bytes) hex += (hex.empty() ? "" : " ") + ToHex({&c, 1});
  return hex;
}

// Host and all x-amz-* headers have to be signed.
void CheckSignedHeaders(const Request& request, const std::vector<std::string>& signed_headers) {
  std::string missing;
  for (const auto& [name, value] : request.headers) {
    if (name != "host" && !name.starts_with("x-amz-")) continue;
    if (std::ranges::find(signed_headers, name) != signed_headers.end()) continue;
    missing += (missing.empty() ? "" : ", ") + name;
  }
  if (!missing.empty()) {
    throw S3Error("AccessDenied", "There were headers present in the request which were not signed")
        .With("HeadersNotSigned", missing);
  }
}

}  // namespace

// What a request says of its own signature.
struct Authenticator::Claim {
  std::string malformed;  // the error code where the claim makes no sense
  std::string access_key;
  std::string scope;
  std::string date;
  std::string payload_hash;
  std::string signature;
  std::vector<std::string> signed_headers;
};

int64_t Authenticator::Now() const { return NowMs() + options_.clock_offset_s * 1000; }

Authentication Authenticator::Verify(const Request& request) const {
  bool presigned =
      request.Query("X-Amz-Signature").has_value() || request.Query("X-Amz-Algorithm").has_value();
  Claim claim = presigned ? ReadQuery(request) : ReadHeader(request);
  CheckCredential(claim);
  CheckSignedHeaders(request, claim.signed_headers);

  std::string canonical = CanonicalRequest(request, claim.signed_headers, claim.payload_hash);
  std::string to_sign = StringToSign(claim.date, claim.scope, canonical);
  std::string key = SigningKey(options_.secret_key, claim.scope);
  if (Sign(key, to_sign) != claim.signature) {
    throw S3Error("SignatureDoesNotMatch")
        .With("AWSAccessKeyId", claim.access_key)
        .With("StringToSign", to_sign)
        .With("SignatureProvided", claim.signature)
        .With("StringToSignBytes", SpacedHex(to_sign))
        .With("CanonicalRequest", canonical)
        .With("CanonicalRequestBytes", SpacedHex(canonical));
  }
  return {claim.payload_hash, claim.date, claim.scope, key, claim.signature};
}

Authenticator::Claim Authenticator::ReadHeader(const Request& request) const {
  std::string header = request.HeaderOr("authorization");
  // Version 2 in the query, which boto3 prefers for presigned URLs until told otherwise.
  bool version2 = request.Query("AWSAccessKeyId").has_value();
  if (header.empty() && !version2) throw S3Error("AccessDenied");
  if (!header.starts_with(kAlgorithm)) {
    throw S3Error("InvalidRequest",
                  "The authorization mechanism you have provided is not supported. Please use "
                  "AWS4-HMAC-SHA256.");
  }
  std::string credential = Field(header, "Credential=");
  Claim claim;
  claim.malformed = "AuthorizationHeaderMalformed";
  claim.access_key = credential.substr(0, credential.find('/'));
  claim.scope = credential.substr(std::min(credential.size(), claim.access_key.size() + 1));
  claim.signed_headers = Split(Field(header, "SignedHeaders="), ';');
  claim.signature = Field(header, "Signature=");

  std::optional<int64_t> time;
  if (auto date = request.Header("x-amz-date")) {
    time = ParseBasicDate(*date);
  } else if (auto http_date = request.Header("date")) {
    time = ParseHttpDate(*http_date);
    if (!time) time = ParseBasicDate(*http_date);
  }
  if (!time) {
    throw S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  }
  if (std::abs(Now() - *time) > kMaxSkewMs) {
    throw S3Error("RequestTimeTooSkewed")
        .With("RequestTime", FormatBasicDate(*time))
        .With("ServerTime", FormatIso8601(Now()))
        .With("MaxAllowedSkewMilliseconds", std::to_string(kMaxSkewMs));
  }
  claim.date = FormatBasicDate(*time);
  auto payload_hash = request.Header("x-amz-content-sha256");
  if (!payload_hash) {
    throw S3Error("InvalidRequest",
                  "Missing required header for this request: "
                  "x-amz-content-sha256");
  }
  claim.payload_hash = *payload_hash;
  return claim;
}

Authenticator::Claim Authenticator::ReadQuery(const Request& request) const {
  const char kMalformed[] = "AuthorizationQueryParametersError";
  auto required = [&](const char* name) {
    auto value = request.Query(name);
    if (!value) throw S3Error(kMalformed);
    return *value;
  };
  if (required("X-Amz-Algorithm") != kAlgorithm) {
    throw S3Error(kMalformed, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  }
  std::string credential = required("X-Amz-Credential");
  Claim claim;
  claim.malformed = kMalformed;
  claim.access_key = credential.substr(0, credential.find('/'));
  claim.scope = credential.substr(std::min(credential.size(), claim.access_key.size() + 1));
  claim.signed_headers = Split(required("X-Amz-SignedHeaders"), ';');
  claim.signature = required("X-Amz-Signature");
  claim.date = required("X-Amz-Date");
  claim.payload_hash = request.Header("x-amz-content-sha256").value_or(kUnsigned);

  auto time = ParseBasicDate(claim.date);
  auto expires = ParseNumber(required("X-Amz-Expires"));
  if (!time) throw S3Error(kMalformed, "X-Amz-Date must be in the ISO8601 Long Format");
  if (!expires) throw S3Error(kMalformed, "X-Amz-Expires should be a number");
  if (*expires < 1 || *expires > kMaxExpirySeconds) {
    throw S3Error(kMalformed, "X-Amz-Expires must be between 1 and 604800 seconds");
  }
  if (Now() > *time + static_cast<int64_t>(*expires) * 1000) {
    throw S3Error("AccessDenied", "Request has expired")
        .With("X-Amz-Expires", std::to_string(*expires))
        .With("ServerTime", FormatIso8601(Now()));
  }
  if (*time > Now() + kMaxSkewMs) throw S3Error("AccessDenied", "Request is not valid yet");
  return claim;
}

void Authenticator::CheckCredential(const Claim& claim) const {
  std::vector<std::string> scope = Split(claim.scope, '/');
  if (scope.size() != 4 || scope[2] != "s3" || scope[3] != "aws4_request") {
    throw S3Error(claim.malformed,
                  "The Credential is mal-formed; expecting "
                  "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
  }
  if (claim.access_key != options_.access_key) {
    throw S3Error("InvalidAccessKeyId").With("AWSAccessKeyId", claim.access_key);
  }
  if (scope[1] != options_.region) {
    throw S3Error(claim.malformed,
                  "The region '" + scope[1] + "' is wrong; expecting '" + options_.region + "'")
        .With("Region", options_.region);
  }
  if (!claim.date.starts_with(scope[0] + "T")) {
    throw S3Error(claim.malformed, "Invalid credential date \"" + scope[0] +
                                       "\". This date is not the same as X-Amz-Date: \"" +
                                       claim.date.substr(0, 8) + "\".");
  }
}

}  // namespace s3files::server
