// The making of small objects that stand for a name: markers of directories, symlinks.
#ifndef S3FILES_LIB_SYNC_NEW_OBJECT_H_
#define S3FILES_LIB_SYNC_NEW_OBJECT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/call_context.h"
#include "lib/inode/attributes.h"
#include "lib/store/object_store.h"
#include "lib/sync/write_guard.h"

namespace s3files {

struct NewObject {
  std::string key;
  Attributes attributes;
  ObjectMetadata metadata;  // what it carries besides
  absl::string_view body;
};

// Writes it in one PUT where nothing is, and returns what is there then. EEXIST: something is.
// ENOSPC: more user metadata than S3 holds.
absl::StatusOr<ObjectInfo> PutNew(const CallContext& call, ObjectStore* store, WriteGuard* guard,
                                  const NewObject& object);

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_NEW_OBJECT_H_
