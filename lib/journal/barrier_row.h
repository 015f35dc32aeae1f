// What the journal keeps of barriers, behind which nothing may be staged yet.
#ifndef S3FILES_LIB_JOURNAL_BARRIER_ROW_H_
#define S3FILES_LIB_JOURNAL_BARRIER_ROW_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace s3files {

struct BarrierRow {
  uint64_t epoch = 0;  // how many there have been

  std::string Encode() const;
  static BarrierRow Decode(absl::string_view body);  // what OpenRow has left
};

}  // namespace s3files

#endif  // S3FILES_LIB_JOURNAL_BARRIER_ROW_H_
