// Carries out renames of directories in the store, which knows only objects: copies each to its new
// key, then removes the old ones.
#ifndef S3FILES_LIB_SYNC_DIRECTORY_MOVER_H_
#define S3FILES_LIB_SYNC_DIRECTORY_MOVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/call_context.h"
#include "lib/base/event_sink.h"
#include "lib/base/executor.h"
#include "lib/inode/names.h"
#include "lib/journal/journal.h"
#include "lib/store/object_store.h"
#include "lib/sync/importer.h"
#include "lib/sync/move_progress.h"
#include "lib/sync/object_writer.h"
#include "lib/sync/write_guard.h"

namespace s3files {

// At every instant each committed byte stands under its old key, its new one, or both: all copies
// are made before the first old key is removed. What stood under a new key before is never
// overwritten: then the object keeps its old name. Thread-safe.
//
// Costs a LIST a thousand objects twice, a copy an object, and a DeleteObjects a thousand.
class DirectoryMover {
 public:
  struct Parts {  // all outlive the mover
    ObjectStore* store;
    Names* names;
    Importer* importer;
    ObjectWriter* writer;
    WriteGuard* guard;
    Executor* executor;
    bool strict;       // old keys are removed one by one, each under its version
    Journal* journal;  // may be null
  };
  explicit DirectoryMover(const Parts& parts) : parts_(parts) {}

  // ENOTSUP where the store's abilities and `strict` allow no such rename.
  absl::Status CheckPossible() const;

  // What Carry will need to know of a rename that was just staged: the directory that its origin
  // stands in, and the version of the target's marker (Absent: there was none). The caller has made
  // `directory` busy, here and below.
  void Begin(const InodePtr& directory, const InodePtr& origin_parent, const Version& replaced);
  bool Replaces(const InodePtr& directory) const;  // a target's marker
  void Forget(const InodePtr& directory);          // the rename is taken back

  // Puts to the journal how the rename stands, and before how many barriers it was staged; nobody
  // waits for it.
  void Record(const InodePtr& directory, uint64_t epoch);
  // Of an earlier process: in the place of Begin.
  void Restore(const InodePtr& directory, const InodePtr& origin_parent, uint64_t id,
               const MoveRow& row, const std::map<uint64_t, CopiesRow>& copies);

  // Does what is left of the rename. OK, or ESTALE or ENAMETOOLONG where it is done but for some
  // objects that keep their old names (each is an event): Names knows no move of the directory any
  // more. Any other error leaves it staged, and the next call goes on where this one ended.
  // `before_removal` is called when everything here rests on the new keys, and the old ones are still
  // there; where it fails they stay. The journal has nothing of the rename when Names has nothing.
  absl::Status Carry(const CallContext& call, const InodePtr& directory, DeferredEvents& events,
                     absl::FunctionRef<absl::Status()> before_removal);

 private:
  using Progress = MoveProgress;
  struct Task;
  std::shared_ptr<Progress> ProgressOf(const InodePtr& directory);
  absl::Status CopyAll(const CallContext& call, Task& task);
  absl::Status CopyMissing(const CallContext& call, Task& task,
                           const std::vector<ListedObject>& objects);
  absl::Status CopyObject(const CallContext& call, Task& task, const ListedObject& listed);
  absl::StatusOr<bool> SettleTarget(const CallContext& call, Task& task, const ListedObject& listed,
                                    const ObjectInfo& from, const std::string& key,
                                    Version* expected);
  absl::Status Land(const CallContext& call, Task& task);
  void RekeyInode(const Task& task, Inode& inode, const std::string& from, const std::string& to);
  absl::Status KeepParent(const CallContext& call, Task& task);
  absl::Status RemoveAll(const CallContext& call, Task& task);
  absl::Status RemoveKeys(const CallContext& call, const Task& task,
                          const std::vector<ListedObject>& objects);

  const Parts parts_;
  mutable absl::Mutex mu_;                                                               // leaf
  absl::flat_hash_map<uint64_t, std::shared_ptr<Progress>> moves_ ABSL_GUARDED_BY(mu_);  // by ino
};

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_DIRECTORY_MOVER_H_
