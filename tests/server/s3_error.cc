#include "tests/server/s3_error.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace s3files::server {
namespace {

struct KnownError {
  std::string_view code;
  int status;
  const char* message;
};

constexpr KnownError kKnownErrors[] = {
    {"AccessDenied", 403, "Access Denied"},
    {"AuthorizationHeaderMalformed", 400, "The authorization header is malformed."},
    {"AuthorizationQueryParametersError", 400,
     "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
     "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."},
    {"BadDigest", 400, "The Content-MD5 you specified did not match what we received."},
    {"BucketAlreadyOwnedByYou", 409,
     "Your previous request to create the named bucket succeeded and you already own it."},
    {"BucketNotEmpty", 409, "The bucket you tried to delete is not empty"},
    {"ConditionalRequestConflict", 409,
     "The conditional request cannot succeed due to a conflicting operation against this "
     "resource."},
    {"EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size"},
    {"EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size"},
    {"IllegalVersioningConfigurationException", 400,
     "The versioning configuration specified in the request is not valid"},
    {"IncompleteBody", 400,
     "You did not provide the number of bytes specified by the Content-Length HTTP header"},
    {"InternalError", 500, "We encountered an internal error. Please try again."},
    {"InvalidAccessKeyId", 403,
     "The AWS Access Key Id you provided does not exist in our records."},
    {"InvalidArgument", 400, "Invalid Argument"},
    {"InvalidBucketName", 400, "The specified bucket is not valid."},
    {"InvalidDigest", 400, "The Content-MD5 you specified was invalid."},
    {"InvalidPart", 400,
     "One or more of the specified parts could not be found. The part may not have been uploaded, "
     "or the specified entity tag may not match the part's entity tag."},
    {"InvalidPartOrder", 400,
     "The list of parts was not in ascending order. Parts must be ordered by part number."},
    {"InvalidRange", 416, "The requested range is not satisfiable"},
    {"InvalidRequest", 400, "Invalid Request"},
    {"InvalidTag", 400, "The tag provided was not a valid tag."},
    {"InvalidURI", 400, "Couldn't parse the specified URI."},
    {"KeyTooLongError", 400, "Your key is too long"},
    {"MalformedXML", 400,
     "The XML you provided was not well-formed or did not validate against our published schema"},
    {"MaxMessageLengthExceeded", 400, "Your request was too big."},
    {"MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size"},
    {"MethodNotAllowed", 405, "The specified method is not allowed against this resource."},
    {"MissingContentLength", 411, "You must provide the Content-Length HTTP header."},
    {"NoSuchBucket", 404, "The specified bucket does not exist"},
    {"NoSuchKey", 404, "The specified key does not exist."},
    {"NoSuchUpload", 404,
     "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
     "been aborted or completed."},
    {"NoSuchVersion", 404, "The specified version does not exist."},
    {"NotImplemented", 501, "A header you provided implies functionality that is not implemented"},
    {"NotModified", 304, "Not Modified"},
    {"PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"},
    {"RequestTimeTooSkewed", 403,
     "The difference between the request time and the current time is too large."},
    {"RequestTimeout", 400,
     "Your socket connection to the server was not read from or written to within the timeout "
     "period."},
    {"ServiceUnavailable", 503, "Service is unable to handle request."},
    {"SignatureDoesNotMatch", 403,
     "The request signature we calculated does not match the signature you provided. Check your "
     "key and signing method."},
    {"SlowDown", 503, "Please reduce your request rate."},
    {"XAmzContentSHA256Mismatch", 400,
     "The provided 'x-amz-content-sha256' header does not match what was computed."},
};

const KnownError& Find(std::string_view code) {
  static constexpr KnownError kUnknown{"", 500, "An injected error."};
  auto found = std::ranges::find(kKnownErrors, code, &KnownError::code);
  return found == std::end(kKnownErrors) ? kUnknown : *found;
}

}  // namespace

S3Error::S3Error(std::string code)
    : std::runtime_error(Find(code).message), code_(std::move(code)), status_(Find(code_).status) {}

S3Error::S3Error(std::string code, const std::string& message)
    : std::runtime_error(message), code_(std::move(code)), status_(Find(code_).status) {}

S3Error::S3Error(std::string code, int status, const std::string& message)
    : std::runtime_error(message.empty() ? Find(code).message : message),
      code_(std::move(code)),
      status_(status != 0 ? status : Find(code_).status) {}

S3Error&& S3Error::With(std::string element, std::string text) && {
  elements_.emplace_back(std::move(element), std::move(text));
  return std::move(*this);
}

}  // namespace s3files::server
