#include "lib/sync/new_object.h"

#include <utility>

#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/inode/xattr.h"

namespace s3files {

absl::StatusOr<ObjectInfo> PutNew(const CallContext& call, ObjectStore* store, WriteGuard* guard,
                                  const NewObject& object) {
  PutRequest put;
  put.key = object.key;
  put.metadata = object.metadata;
  StoreAttributes(object.attributes, &put.metadata);
  S3FILES_RETURN_IF_ERROR(CheckMetadataSize(put.metadata));
  put.commit_id = RandomId();
  S3FILES_ASSIGN_OR_RETURN(put.precondition,
                           guard->Prepare(call, put.key, Version::Absent(), WriteKind::kPut));
  MemorySource body(object.body);
  S3FILES_ASSIGN_OR_RETURN(const Stamp stamp, store->Put(call, put, body));
  return ObjectInfo{object.body.size(), stamp, std::move(put.metadata)};
}

}  // namespace s3files
