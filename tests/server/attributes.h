#ifndef S3FILES_TESTS_SERVER_ATTRIBUTES_H_
#define S3FILES_TESTS_SERVER_ATTRIBUTES_H_

#include <optional>
#include <string>

#include "tests/server/conditions.h"
#include "tests/server/object.h"
#include "tests/server/options.h"
#include "tests/server/reply.h"
#include "tests/server/request.h"

namespace s3files::server {

// What request headers say, read the same way by all operations that take them.

// The attributes a PutObject, CopyObject or CreateMultipartUpload gives its object.
Attributes ReadAttributes(const Request& request);

// Says in a reply how the object is encrypted.
void AddEncryption(const Attributes& attributes, Reply& reply);
// A copy never has its source's: it is as the request says.
void ReplaceEncryption(const Attributes& given, Attributes& copied);

// The tags of an x-amz-tagging header. Throws InvalidTag.
StringMap ReadTaggingHeader(const Request& request);
void CheckTags(const StringMap& tags);

// A conditional header as the server treats it: nullopt where missing or ignored.
std::optional<std::string> ConditionHeader(const Request& request, std::string_view name,
                                           Support support);

// If-Match and If-None-Match of a write.
WriteCondition ReadWriteCondition(const Request& request, Support if_match, Support if_none_match);

// x-amz-copy-source and its conditions.
struct CopySource {
  std::string bucket;
  std::string key;
  std::optional<std::string> version_id;
  ReadCondition condition;
};
CopySource ReadCopySource(const Request& request, const Behaviour& behaviour);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_ATTRIBUTES_H_
