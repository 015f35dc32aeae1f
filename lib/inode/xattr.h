// Extended attributes as they stand in an object's user metadata: `user.NAME` is x-amz-meta-NAME.
#ifndef S3FILES_LIB_INODE_XATTR_H_
#define S3FILES_LIB_INODE_XATTR_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/store/object_store.h"

namespace s3files {

// What S3 takes of names and values together.
inline constexpr size_t kMostUserMetadata = 2048;

// The metadata name of the attribute `name`. ENOTSUP: not of the namespace "user.", or of characters
// that a header's name cannot have or a store does not keep; EPERM: it carries what other calls set.
absl::StatusOr<std::string> MetadataNameOf(absl::string_view name);
// The attributes of an object, in order, with "user." in front.
std::vector<std::string> XattrNamesOf(const ObjectMetadata& metadata);

// Printable ASCII as it is, anything else as RFC 2047 encoded words ("=?UTF-8?B?...?="), which is how
// AWS returns what a header cannot hold. Decoding never fails: what is not so encoded is the value.
std::string EncodeXattr(absl::string_view value);
std::string DecodeXattr(absl::string_view text);

// ENOSPC over kMostUserMetadata, with the commit id that it will carry.
absl::Status CheckMetadataSize(const ObjectMetadata& metadata);

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_XATTR_H_
