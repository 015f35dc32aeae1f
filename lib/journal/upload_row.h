// What the journal keeps of a multipart upload that is under way.
#ifndef S3FILES_LIB_JOURNAL_UPLOAD_ROW_H_
#define S3FILES_LIB_JOURNAL_UPLOAD_ROW_H_

#include <string>

#include "absl/strings/string_view.h"

namespace s3files {

struct UploadRow {
  std::string key;
  std::string upload_id;

  std::string Encode() const;
  static UploadRow Decode(absl::string_view body);  // what OpenRow has left
};

}  // namespace s3files

#endif  // S3FILES_LIB_JOURNAL_UPLOAD_ROW_H_
