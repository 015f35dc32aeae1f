// An object's metadata as an inode remembers it: in one string. As a struct of strings and a map it
// takes a kilobyte, most of what there is to know of a file.
#ifndef S3FILES_LIB_INODE_KEPT_METADATA_H_
#define S3FILES_LIB_INODE_KEPT_METADATA_H_

#include <string>

#include "lib/store/object_store.h"

namespace s3files {

class KeptMetadata {
 public:
  KeptMetadata() = default;  // of an object that carries none
  KeptMetadata(const ObjectMetadata& metadata);

  ObjectMetadata Get() const;

 private:
  std::string packed_;  // each string behind its length: the fields, then names and values
};

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_KEPT_METADATA_H_
