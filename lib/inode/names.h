// The tree of names: which inode a path means, and which key an inode has.
#ifndef S3FILES_LIB_INODE_NAMES_H_
#define S3FILES_LIB_INODE_NAMES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/inode/inode.h"

namespace s3files {

inline constexpr char kLostAndFound[] = ".s3files-lost+found";

// Thread-safe. Knows only inodes that were looked up; what the store holds besides is the
// importer's business. Inodes that nobody uses and that have nothing staged are dropped beyond
// `limit`.
class Names {
 public:
  Names(std::string prefix, size_t limit);
  ~Names();  // unties the tree; inodes that others hold lose their children only

  const InodePtr& root() const { return root_; }
  const InodePtr& lost_and_found() const { return lost_; }
  const std::string& prefix() const { return prefix_; }

  // The inode bound to the name; null where none is known.
  InodePtr Child(const InodePtr& directory, absl::string_view name) const;
  std::vector<InodePtr> Children(const InodePtr& directory) const;
  bool HasChildren(const InodePtr& directory) const;

  // The ino and generation that an inode bound to the name has, or would have.
  std::pair<uint64_t, uint64_t> IdOf(const InodePtr& directory, absl::string_view name) const;

  // A new inode bound to the name, or the one that another thread bound first.
  InodePtr Bind(const InodePtr& directory, absl::string_view name, FileType type);
  // The inode keeps what it has but no name; nothing where it has none. Whatever is bound to the name
  // next is another inode, with another generation.
  void Unbind(const InodePtr& inode);
  // Binds to another name; returns the inode that was there, now unbound, or null.
  InodePtr Rebind(const InodePtr& inode, const InodePtr& directory, absl::string_view name);

  // Its key, without a trailing '/'; of the root the prefix. Of an unbound inode: its last one.
  std::string KeyOf(const InodePtr& inode) const;
  std::string ChildKey(const InodePtr& directory, absl::string_view name) const;
  // As KeyOf with a '/' at the end: what a directory's keys begin with.
  std::string DirectoryKey(const InodePtr& directory) const;
  InodePtr ParentOf(const InodePtr& inode) const;
  // From the root, without a leading '/'.
  std::string PathOf(const InodePtr& inode) const;
  // Whether `inode` is `directory` or lies under it.
  bool IsWithin(const InodePtr& inode, const InodePtr& directory) const;

  size_t size() const;

 private:
  std::string PathLocked(const Inode& inode) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void UnbindLocked(Inode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::pair<uint64_t, uint64_t> IdLocked(uint64_t place) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void LeaveLocked(const Inode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Trim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t TrimUnder(Inode& directory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string prefix_;
  const size_t limit_;
  const InodePtr root_;
  InodePtr lost_;

  mutable absl::Mutex mu_;  // before any inode's
  // An ino is the hash of the place where the inode was first bound, so that one that was dropped
  // and is looked up again has the same. What stands here are the exceptions: places that have seen
  // a removal or a rename, at most `limit`.
  absl::flat_hash_map<uint64_t, std::pair<uint64_t, uint64_t>> ids_ ABSL_GUARDED_BY(mu_);
  uint64_t first_generation_ ABSL_GUARDED_BY(mu_) = 0;  // of places that are not in ids_
  uint64_t next_generation_ ABSL_GUARDED_BY(mu_) = 1;
  size_t count_ ABSL_GUARDED_BY(mu_) = 0;
  size_t trim_at_ ABSL_GUARDED_BY(mu_);
};

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_NAMES_H_
