// What becomes of a staged file whose object is not the one that the change was made on.
#ifndef S3FILES_LIB_SYNC_CONFLICT_H_
#define S3FILES_LIB_SYNC_CONFLICT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "lib/content/content.h"
#include "lib/inode/inode.h"
#include "lib/store/object_store.h"

namespace s3files {

enum class ConflictDecision : uint32_t {
  kStore = 0,   // the store's version wins, the staged bytes go to lost+found
  kMine = 1,    // what is staged replaces the store's version
  kMerged = 2,  // what was written to `result` does
  kDrop = 3,    // what is staged is dropped
  kFail = 4,    // it stays staged
};

struct ConflictCase {
  std::string path;
  int error = 0;                    // ESTALE, EEXIST
  InodePtr inode;                   // busy; its content is "mine"
  std::shared_ptr<Content> base;    // null: the file was new
  std::shared_ptr<Content> theirs;  // null: the store has nothing
  ObjectInfo their_info;            // then meaningless
  std::shared_ptr<Content> result;  // empty, staged
};

// Called with no lock held.
class ConflictJudge {
 public:
  virtual ~ConflictJudge() = default;
  virtual ConflictDecision Judge(const ConflictCase& conflict) = 0;
};

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_CONFLICT_H_
