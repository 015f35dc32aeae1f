#ifndef S3FILES_TESTS_SERVER_OBJECT_H_
#define S3FILES_TESTS_SERVER_OBJECT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tests/server/blob.h"

namespace s3files::server {

using StringMap = std::map<std::string, std::string>;

// What a writer says about an object beside its bytes.
struct Attributes {
  // Replied as they came, by lower-case name: Content-Type and its like, x-amz-meta-*, storage
  // class, encryption.
  StringMap headers;
  StringMap tags;
};

// The version id of objects written while versioning is not enabled.
inline constexpr char kNullVersion[] = "null";

// One version of an object. Immutable and shared: readers hold it without a lock.
struct ObjectVersion {
  std::string version_id = kNullVersion;
  bool delete_marker = false;
  std::string etag;  // without quotes
  int64_t last_modified_ms = 0;
  Attributes attributes;
  Blob body;
};
using VersionPtr = std::shared_ptr<const ObjectVersion>;

struct Part {
  std::string etag;
  int64_t last_modified_ms = 0;
  Blob body;
};

// A multipart upload in progress.
struct Upload {
  std::string key;
  int64_t initiated_ms = 0;
  Attributes attributes;
  std::map<int, Part> parts;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_OBJECT_H_
