// The tree of names: which inode a path means, and which key an inode has.
#ifndef S3FILES_LIB_INODE_NAMES_H_
#define S3FILES_LIB_INODE_NAMES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
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

  // A new inode bound to the name, or the one that another thread bound first.
  InodePtr Bind(const InodePtr& directory, absl::string_view name, FileType type);
  // The inode keeps what it has but no name; nothing where it has none.
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
  void Trim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t TrimUnder(Inode& directory) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string prefix_;
  const size_t limit_;
  const InodePtr root_;
  InodePtr lost_;

  mutable absl::Mutex mu_;  // before any inode's
  uint64_t next_ino_ ABSL_GUARDED_BY(mu_) = 3;
  size_t count_ ABSL_GUARDED_BY(mu_) = 0;
  size_t trim_at_ ABSL_GUARDED_BY(mu_);
};

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_NAMES_H_
