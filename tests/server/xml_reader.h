#ifndef S3FILES_TESTS_SERVER_XML_READER_H_
#define S3FILES_TESTS_SERVER_XML_READER_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/change.h"
#include "tests/server/object.h"

namespace s3files::server {

// The XML documents clients send. All throw MalformedXML for anything else.

// Part number and ETag of each part, in the document's order.
std::vector<std::pair<int, std::string>> ReadCompleteMultipartUpload(const std::string& xml);

struct DeleteRequest {
  struct Object {
    std::string key;
    std::optional<std::string> version_id;
    std::optional<std::string> etag;
  };
  std::vector<Object> objects;
  bool quiet = false;
};
DeleteRequest ReadDelete(const std::string& xml);

StringMap ReadTagging(const std::string& xml);
Versioning ReadVersioningConfiguration(const std::string& xml);
// The LocationConstraint; empty where the document is.
std::string ReadCreateBucketConfiguration(const std::string& xml);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_XML_READER_H_
