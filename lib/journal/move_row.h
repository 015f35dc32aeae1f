// What the journal keeps of the rename of a directory that the store has not followed yet.
#ifndef S3FILES_LIB_JOURNAL_MOVE_ROW_H_
#define S3FILES_LIB_JOURNAL_MOVE_ROW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/store/version.h"

namespace s3files {

// Rows of files under `path` have their names there, not under the origin.
struct MoveRow {
  std::string path;     // the new one, from the root, without a leading '/'
  std::string origin;   // the old one, likewise
  bool landed = false;  // every object has its new key: old ones may be gone
  Version replaced;     // the target's marker before
  uint64_t epoch = 0;   // barriers before it was staged

  std::string Encode() const;
  static MoveRow Decode(absl::string_view body);  // what OpenRow has left
};

// Some of the copies that were made for it.
struct CopiesRow {
  struct Copy {
    uint64_t source = 0;  // fingerprint of the old key and its version
    int64_t listed_ns = 0;
    uint64_t target = 0;  // of the new key and its version; 0: it has its source's ETag
    Stamp stamp;          // of the new key; Absent: it can be told from the source's
  };
  uint64_t move = 0;  // id of its row
  std::vector<Copy> copies;

  std::string Encode() const;
  static CopiesRow Decode(absl::string_view body);
};

}  // namespace s3files

#endif  // S3FILES_LIB_JOURNAL_MOVE_ROW_H_
