// What is known of an inode that nobody uses, in one allocation: a tenth of what the inode takes.
#ifndef S3FILES_LIB_INODE_PACKED_INODE_H_
#define S3FILES_LIB_INODE_PACKED_INODE_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "lib/inode/attributes.h"

namespace s3files {

struct Inode;
class Fetcher;
struct SpillArea;

// Immutable.
class PackedInode {
 public:
  // Of an inode that only the tree has, that has no children, and of which nothing is staged; `key`
  // is where the store has it. Nullopt where it holds what only an inode can.
  static std::optional<PackedInode> Of(const Inode& inode, absl::string_view key);

  absl::string_view name() const;
  FileType type() const;
  // Gives a new inode what that one knew, its cached bytes too; `key` is where the store has it now.
  void UnpackInto(Inode* inode, const std::string& key, Fetcher* fetcher, SpillArea* spill) const;

 private:
  explicit PackedInode(const std::string& bytes);
  absl::string_view bytes() const;  // the name, the type, and what else Of appends

  std::unique_ptr<char[]> bytes_;  // behind their number
};

// The packed inodes of a directory, by name.
struct PackedHash {
  using is_transparent = void;
  size_t operator()(absl::string_view name) const { return absl::HashOf(name); }
  size_t operator()(const PackedInode& packed) const { return absl::HashOf(packed.name()); }
};
struct PackedEqual {
  using is_transparent = void;
  bool operator()(const PackedInode& a, const PackedInode& b) const { return a.name() == b.name(); }
  bool operator()(const PackedInode& a, absl::string_view b) const { return a.name() == b; }
};
using PackedInodes = absl::flat_hash_set<PackedInode, PackedHash, PackedEqual>;

}  // namespace s3files

#endif  // S3FILES_LIB_INODE_PACKED_INODE_H_
