// What the journal keeps of an inode that is staged.
#ifndef S3FILES_LIB_JOURNAL_STAGED_ROW_H_
#define S3FILES_LIB_JOURNAL_STAGED_ROW_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/content/overlay.h"
#include "lib/inode/attributes.h"
#include "lib/inode/kept_metadata.h"
#include "lib/store/version.h"

namespace s3files {

struct StagedRow {
  std::string path;  // from the root, without a leading '/'
  Attributes attributes;
  AttributeChange change;
  KeptMetadata metadata;
  uint32_t tag_count = 0;
  bool full = false;
  bool exclusive = false;
  bool removing = false;
  uint64_t epoch = 0;  // barriers before it was staged
  Stamp committed;     // what the change was made on
  struct BaseOf {      // the same, as bytes; the version is committed's
    std::string key;
    uint64_t size = 0;
  };
  std::optional<BaseOf> base;
  std::vector<std::string> commit_ids;  // of commits that may have taken effect
  std::vector<SavedOverlay> overlays;   // the older one first
  struct Lost {                         // in lost+found: where it was
    std::string path;
    std::string key;
    Version base;
    Version winner = Version::Unknown();
    int error = 0;  // what the application was told
    std::string why{};
  };
  std::optional<Lost> lost;

  std::string Encode() const;
  static StagedRow Decode(absl::string_view body);  // what OpenRow has left
};

}  // namespace s3files

#endif  // S3FILES_LIB_JOURNAL_STAGED_ROW_H_
