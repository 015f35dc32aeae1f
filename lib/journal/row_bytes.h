// What rows of the journal are made of: bytes behind their digest, so that what is damaged is not
// believed.
#ifndef S3FILES_LIB_JOURNAL_ROW_BYTES_H_
#define S3FILES_LIB_JOURNAL_ROW_BYTES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/store/version.h"

namespace s3files {

// What a row begins with. They stay as they are: journals have them.
enum class RowKind : uint64_t {
  kStaged = 1,
  kUpload = 2,
  kMove = 3,
  kCopies = 4,
  kBarrier = 5,
};

std::string SealRow(RowKind kind, absl::string_view body);
// Takes what SealRow put before the body off the front; nullopt: damaged, or of no known kind.
std::optional<RowKind> OpenRow(absl::string_view* bytes);

void AppendSigned(int64_t value, std::string* out);
int64_t TakeSigned(absl::string_view* bytes);
void AppendVersion(const Version& version, std::string* out);
Version TakeVersion(absl::string_view* bytes);

}  // namespace s3files

#endif  // S3FILES_LIB_JOURNAL_ROW_BYTES_H_
