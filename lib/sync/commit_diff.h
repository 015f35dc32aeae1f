// What a commit would send, without sending it. Pure.
#ifndef S3FILES_LIB_SYNC_COMMIT_DIFF_H_
#define S3FILES_LIB_SYNC_COMMIT_DIFF_H_

#include <cstdint>

#include "lib/content/content.h"
#include "lib/store/capabilities.h"
#include "lib/store/version.h"
#include "lib/sync/write_plan.h"

namespace s3files {

struct CommitDiff {
  uint64_t head = 0, put = 0, copy = 0;
  uint64_t create_upload = 0, upload_part = 0, copy_part = 0, complete_upload = 0;
  uint64_t bytes_out = 0;
  uint64_t bytes_copied = 0;
  uint64_t bytes_in = 0;  // of the base, where they are sent again

  void Add(const CommitDiff& other);
};

// Of a file whose bytes are staged, for a key that holds `committed`. What the store would refuse
// costs nothing here: the commit fails.
CommitDiff DiffOfContent(const Content::Shape& shape, const Version& committed,
                         const PartPolicy& policy, const Capabilities& capabilities);
// Of one that has `size` bytes in the store, of which only attributes are staged.
CommitDiff DiffOfAttributes(uint64_t size, const PartPolicy& policy,
                            const Capabilities& capabilities);

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_COMMIT_DIFF_H_
