#include "lib/journal/upload_row.h"

#include "lib/base/varint.h"
#include "lib/journal/row_bytes.h"

namespace s3files {

std::string UploadRow::Encode() const {
  std::string out;
  AppendText(key, &out);
  AppendText(upload_id, &out);
  return SealRow(RowKind::kUpload, out);
}

UploadRow UploadRow::Decode(absl::string_view body) {
  UploadRow row;
  row.key = std::string(TakeText(&body));
  row.upload_id = std::string(TakeText(&body));
  return row;
}

}  // namespace s3files
