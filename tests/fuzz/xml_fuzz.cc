// Replies come from the network: whatever they hold, parsing them ends in a value or an error.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "lib/s3/xml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view body(reinterpret_cast<const char*>(data), size);
  s3files::ParseError(body);
  s3files::ParseCompleteUpload(body).IgnoreError();
  s3files::ParseCopyObject(body).IgnoreError();
  s3files::ParseCopyPart(body).IgnoreError();
  s3files::ParseCreateUpload(body).IgnoreError();
  s3files::ParseDeleteObjects(body).IgnoreError();
  s3files::ParseListObjects(body).IgnoreError();
  s3files::ParseListParts(body).IgnoreError();
  s3files::ParseListUploads(body).IgnoreError();
  return 0;
}
