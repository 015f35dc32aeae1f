// An object's metadata as an inode remembers it: in one string. As a struct of strings and a map it
// takes a kilobyte, most of what there is to know of a file.
#ifndef S3FILES_LIB_INODE_KEPT_METADATA_H_
#define S3FILES_LIB_INODE_KEPT_METADATA_H_

#include <string>

#include "absl/strings/string_view.h"
#include "lib/store/object_store.h"

namespace s3files {

class KeptMetadata {
 public:
  KeptMetadata() = default;  // of an object that carries none
  // Not explicit: an inode's metadata is assigned what an object has.
  KeptMetadata(const ObjectMetadata& metadata);
  // `bytes`: another one's.
  static KeptMetadata Of(absl::string_view bytes);

  ObjectMetadata Get() const;
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;  // a bit for each field that is set; these fields; names and values
};

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_KEPT_METADATA_H_
