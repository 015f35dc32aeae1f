#include "lib/s3/s3_error.h"

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace s3files {
namespace {

struct CodeMeaning {
  absl::string_view code;
  int error;
  absl::string_view remedy;  // empty = the code says it all
};

// Codes whose HTTP status alone does not tell.
constexpr CodeMeaning kMeanings[] = {
    {"SignatureDoesNotMatch", EACCES, "check the secret key"},
    {"InvalidAccessKeyId", EACCES, "check the access key"},
    {"ExpiredToken", EACCES, "renew the session token"},
    {"TokenRefreshRequired", EACCES, "renew the session token"},
    {"InvalidToken", EACCES, "check the session token"},
    {"AuthorizationHeaderMalformed", EACCES, "check region and access key"},
    {"RequestTimeTooSkewed", EACCES, "set this machine's clock"},
    {"InvalidObjectState", EIO, "the object is archived: restore it first"},
    {"QuotaExceeded", ENOSPC, "the store's quota is used up"},
    {"EntityTooLarge", EFBIG, ""},
    {"KeyTooLongError", ENAMETOOLONG, ""},
    {"KeyTooLong", ENAMETOOLONG, ""},
    {"InvalidArgument", EINVAL, ""},
    {"InvalidRequest", EINVAL, ""},
    {"InvalidBucketName", EINVAL, ""},
    {"InvalidDigest", EINVAL, ""},
    {"InvalidPart", EINVAL, ""},
    {"InvalidPartOrder", EINVAL, ""},
    {"EntityTooSmall", EINVAL, ""},
    {"MalformedXML", EINVAL, ""},
    {"MetadataTooLarge", EINVAL, ""},
    {"InvalidStorageClass", EINVAL, ""},
};

const CodeMeaning* Find(absl::string_view code) {
  for (const CodeMeaning& meaning : kMeanings) {
    if (meaning.code == code) return &meaning;
  }
  return nullptr;
}

// A reply of another region's endpoint.
bool WrongRegion(int http_status, const S3ErrorBody& error, const Endpoint& endpoint,
                 absl::string_view bucket_region) {
  if (http_status >= 301 && http_status <= 308 && http_status != 304) return true;
  if (!bucket_region.empty() && http_status == 400) return bucket_region != endpoint.region();
  return !error.region.empty() && error.region != endpoint.region();
}

}  // namespace

Verdict VerdictOf(int http_status, absl::string_view code) {
  if (code == "RequestTimeTooSkewed") return Verdict::kSkewed;
  if (http_status == 429 || code == "TooManyRequests" || code == "RequestTimeout" ||
      code == "OperationAborted" || code == "ConditionalRequestConflict") {
    return Verdict::kRetry;
  }
  // Throttled and failed writes have been seen to take effect all the same.
  if (http_status == 500 || http_status == 502 || http_status == 503 || http_status == 504 ||
      code == "SlowDown" || code == "InternalError" || code == "ServiceUnavailable") {
    return Verdict::kRetryUnknown;
  }
  return Verdict::kFinal;
}

bool NotUnderstood(int http_status, absl::string_view code) {
  if (http_status == 501 || code == "NotImplemented") return true;
  return http_status == 400 && (code == "InvalidArgument" || code == "InvalidRequest" ||
                                code == "NotSupported" || code == "BadRequest");
}

bool PreconditionFailed(int http_status, absl::string_view code) {
  return http_status == 412 || code == "PreconditionFailed";
}

int ErrnoOfReply(int http_status, absl::string_view code) {
  if (const CodeMeaning* meaning = Find(code)) return meaning->error;
  switch (http_status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return EINVAL;
    case 401:
    case 403:
      return EACCES;
    case 404:
      return ENOENT;
    case 412:
      return ESTALE;
    case 413:
      return EFBIG;
    case 416:
      return ERANGE;
    case 405:
    case 501:
      return ENOTSUP;
    default:
      return EIO;
  }
}

std::string DescribeReply(int http_status, const S3ErrorBody& error, const Endpoint& endpoint,
                          absl::string_view bucket_region, bool head) {
  std::string out = absl::StrCat(http_status, error.code.empty() ? "" : " ", error.code);
  if (!error.message.empty()) {
    absl::StrAppend(&out, ": ", absl::string_view(error.message).substr(0, 200));
  }
  const absl::string_view region = bucket_region.empty() ? error.region : bucket_region;
  if (WrongRegion(http_status, error, endpoint, bucket_region)) {
    if (region.empty()) {
      absl::StrAppend(&out, "; a redirect, which is not followed: check the endpoint, https:// or ",
                      "http://, and that bucket '", endpoint.bucket(), "' is in region '",
                      endpoint.region(), "'");
      return out;
    }
    absl::StrAppend(&out, "; bucket '", endpoint.bucket(), "' is not in region '",
                    endpoint.region(), "' but in '", region, "': set region=", region);
    return out;
  }
  if (http_status == 400 && error.code.empty() && !head && !endpoint.https()) {
    out += "; is it an https:// endpoint?";
  }
  if (error.code == "NoSuchBucket") {
    absl::StrAppend(&out, "; there is no bucket '", endpoint.bucket(), "' at ", endpoint.host(),
                    ": create it, or check the name and the endpoint");
  } else if (const CodeMeaning* meaning = Find(error.code); meaning && !meaning->remedy.empty()) {
    absl::StrAppend(&out, "; ", meaning->remedy);
  } else if (http_status == 403 && head) {
    out += "; or the object is missing and s3:ListBucket is not granted";
  } else if (error.code == "AccessDenied") {
    absl::StrAppend(&out, "; the credentials may not do this in bucket '", endpoint.bucket(), "'");
  }
  return out;
}

}  // namespace s3files
