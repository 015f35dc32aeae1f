#ifndef S3FILES_TESTS_SERVER_CHANGE_H_
#define S3FILES_TESTS_SERVER_CHANGE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "tests/server/object.h"

namespace s3files::server {

enum class Versioning : uint8_t { kOff, kEnabled, kSuspended };

// One step of the store's state. Every mutation is first made a Change, then recorded by the
// backend, then applied; a restart applies the recorded ones again. Fields a kind does not name
// are empty.
struct Change {
  enum class Kind : uint8_t {
    kCreateBucket,    // bucket, time_ms
    kDeleteBucket,    // bucket
    kSetVersioning,   // bucket, versioning
    kPutVersion,      // bucket, key, version: becomes the newest
    kReplaceVersion,  // bucket, key, version: takes the place of the one with its version id
    kRemoveVersion,   // bucket, key, id: version id
    kCreateUpload,    // bucket, key, id: upload id, time_ms, attributes
    kPutPart,         // bucket, id: upload id, part_number, part
    kEndUpload,       // bucket, id: upload id
  };

  Kind kind;
  std::string bucket = {};
  std::string key = {};
  std::string id = {};
  int64_t time_ms = 0;
  Versioning versioning = Versioning::kOff;
  int part_number = 0;
  Part part = {};
  Attributes attributes = {};
  VersionPtr version = {};
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_CHANGE_H_
