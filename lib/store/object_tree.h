// The directory tree that maps keys to object files: publishing, removing, walking in key order.
#ifndef S3FILES_LIB_STORE_OBJECT_TREE_H_
#define S3FILES_LIB_STORE_OBJECT_TREE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/call_context.h"
#include "lib/store/key_path.h"
#include "lib/store/local_rules.h"
#include "lib/store/object_file.h"

namespace s3files {

// Thread-safe, and safe beside other processes that change the same tree. Directories come with
// the first object in them and go with the last.
class ObjectTree {
 public:
  ObjectTree(Fd root, bool fsync) : root_(std::move(root)), fsync_(fsync) {}

  absl::StatusOr<ObjectFile> Open(absl::string_view key) const;  // ENOENT
  // Absent where there is nothing.
  absl::StatusOr<Version> Current(absl::string_view key) const;
  absl::Status Publish(absl::string_view key, ObjectFileWriter& file);
  absl::Status Remove(absl::string_view key);  // OK where there is nothing
  // Makes the last change to `key`'s name durable. Apart from the change, so that it can be done
  // without holding up other writers.
  absl::Status Sync(absl::string_view key) const;

  absl::Status List(const CallContext& call, const ListRequest& request, PageBuilder* page);

  int root() const { return root_.get(); }

 private:
  struct Walk;
  using Entries = std::shared_ptr<const std::vector<TreeEntry>>;
  struct Snapshot {
    uint64_t inode = 0;
    int64_t changed_ns = 0;
    Entries entries;
  };

  absl::Status MakeParents(const std::string& path);
  absl::StatusOr<Entries> EntriesOf(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status WalkFolder(Walk& walk, const std::string& path, const std::string& key);
  absl::Status VisitObject(Walk& walk, const std::string& path, const std::string& key);
  absl::Status VisitFolder(Walk& walk, const TreeEntry& entry, const std::string& path,
                           const std::string& key);
  absl::StatusOr<bool> HasObject(const std::string& path, const std::string& key,
                                 const std::string& from);

  const Fd root_;
  const bool fsync_;
  absl::Mutex mu_;  // leaf
  // Sorted entries of the directories listed last, so that the pages of a large one do not each
  // read it whole. Valid while the directory's mtime stays.
  absl::flat_hash_map<std::string, Snapshot> snapshots_ ABSL_GUARDED_BY(mu_);
  size_t snapshot_entries_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace s3files

#endif  // S3FILES_LIB_STORE_OBJECT_TREE_H_
