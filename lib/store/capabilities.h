// What a store honours, so that planning is arithmetic and not hope.
#ifndef S3FILES_LIB_STORE_CAPABILITIES_H_
#define S3FILES_LIB_STORE_CAPABILITIES_H_

#include <cstdint>

namespace s3files {

struct Capabilities {
  // Conditions the store checks atomically with the write. Where one is false the store's caller
  // compares a HEAD just before.
  bool conditional_create = true;    // PUT If-None-Match: *
  bool conditional_replace = true;   // PUT If-Match
  bool conditional_complete = true;  // either, on CompleteMultipartUpload
  bool conditional_delete = true;    // DELETE If-Match
  bool copy_source = true;           // x-amz-copy-source-if-match, on copies of objects and parts
  bool copy_target = true;           // If-None-Match / If-Match on the target of CopyObject
  bool try_conditions = false;       // S3Store sends those that are false, too: see [W8]
  bool versions = false;             // old versions can be read by version id; see capabilities()
  bool part_copy = true;             // UploadPartCopy
  bool equal_parts = false;          // all parts but the last must have one size
  bool strong_etags = true;          // writes and listings name versions that compare
  bool utf8_keys = false;            // others are refused

  uint64_t largest_copy = uint64_t{5} << 30;   // one CopyObject or UploadPartCopy
  uint64_t largest_put = uint64_t{5} << 30;    // one PUT
  uint64_t smallest_part = uint64_t{5} << 20;  // every part but the last
  uint64_t largest_part = uint64_t{5} << 30;
  uint64_t largest_object = uint64_t{5} << 40;
  uint32_t most_parts = 10000;
};

}  // namespace s3files

#endif  // S3FILES_LIB_STORE_CAPABILITIES_H_
