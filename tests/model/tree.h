// The reference of names: what one file system, which nobody disturbs, shows of a tree of files and
// directories, as SEMANTICS.md and POSIX have it. A path is a key of a map, and a rename of a
// directory renames every path under it.
#ifndef S3FILES_TESTS_MODEL_TREE_H_
#define S3FILES_TESTS_MODEL_TREE_H_

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/fs/file_system.h"
#include "lib/fs/handle.h"

namespace s3files::model {

// Beyond this a file may be uploaded while it is written, and then tells when that began, [N7].
inline constexpr uint64_t kEarlySize = 8192;

// What stat, read and getxattr tell of one thing.
struct Shown {
  bool directory = false;
  std::string bytes;
  std::optional<uint32_t> mode;  // nullopt: of a directory that nobody made
  std::optional<int64_t> mtime;  // nullopt: not foreseen
  std::map<std::string, std::string> xattrs;
};

struct Node {
  Shown now;
  std::optional<Shown> stored;  // of a file: what the store has under one of `keys`
  std::set<std::string> keys;
  bool dirty = false;
  bool early = false;  // its upload may have begun
  bool named = true;
  bool replaces = false;  // never committed, and `stored` is what it is to replace
};

// The errors that a call may return; empty: it succeeds. With 0 among them it may succeed as well,
// and changes nothing.
using Errors = std::set<int>;

class Tree {
 public:
  int64_t clock = 0;
  bool delayed = false;
  std::vector<Node> nodes;
  std::map<std::string, int> names;  // without the root
  std::vector<int> handles;
  std::set<int> moved;  // directories of which the store may not have the new name yet

  // --- Looking.

  static std::string Above(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
  }
  static bool Within(const std::string& path, const std::string& directory) {
    return directory.empty() || path.starts_with(directory + "/");
  }
  const Node* Find(const std::string& path) const {
    const auto it = names.find(path);
    return it == names.end() ? nullptr : &nodes[it->second];
  }
  Node* Find(const std::string& path) {
    return const_cast<Node*>(static_cast<const Tree*>(this)->Find(path));
  }
  bool Empty(const std::string& directory) const {
    return std::none_of(names.begin(), names.end(),
                        [&](const auto& name) { return Within(name.first, directory); });
  }
  std::vector<std::string> Children(const std::string& directory) const {
    std::vector<std::string> children;
    for (const auto& [path, id] : names) {
      if (Above(path) == directory) children.push_back(path);
    }
    return children;
  }
  bool IsOpen(const std::string& path) const {
    const auto it = names.find(path);
    return it != names.end() && std::count(handles.begin(), handles.end(), it->second) > 0;
  }
  // What is wrong with the way to it.
  Errors Way(const std::string& path) const {
    Errors errors;
    for (std::string above = Above(path); !above.empty(); above = Above(above)) {
      const Node* node = Find(above);
      if (node == nullptr) errors.insert(ENOENT);
      if (node != nullptr && !node->now.directory) errors.insert(ENOTDIR);
    }
    return errors;
  }
  Errors Exists(const std::string& path) const {
    Errors errors = Way(path);
    if (errors.empty() && !path.empty() && Find(path) == nullptr) errors.insert(ENOENT);
    return errors;
  }

  // --- Files.

  Errors Open(const std::string& path, uint32_t flags) {
    Errors errors = Way(path);
    Node* node = Find(path);
    if (node == nullptr && (flags & kOpenCreate) == 0) errors.insert(ENOENT);
    if (node != nullptr && node->now.directory) errors.insert(EISDIR);
    if (node != nullptr && (flags & kOpenExclusive) != 0) errors.insert(EEXIST);
    if (!errors.empty()) return errors;
    if (node == nullptr) {
      node = &Make(path);
      node->now.mode = 0644;
      Stage(*node);
    } else if ((flags & kOpenTruncate) != 0) {
      node->now.bytes.clear();
      Stage(*node);
    }
    handles.push_back(names[path]);
    return {};
  }
  void Write(int id, uint64_t at, const std::string& bytes) {
    std::string& now = nodes[id].now.bytes;
    now.resize(std::max<size_t>(now.size(), at + bytes.size()));
    now.replace(at, bytes.size(), bytes);
    Stage(nodes[id]);
  }
  // A size that it has is no change, unless it is 0.
  void Resize(int id, uint64_t size) {
    std::string& now = nodes[id].now.bytes;
    if (size == now.size() && size != 0) return;
    now.resize(size);
    Stage(nodes[id]);
  }
  void Close(size_t index) {
    const int id = handles[index];
    handles.erase(handles.begin() + index);
    if (!delayed) Commit(id);
  }
  Errors Truncate(const std::string& path, uint64_t size) {
    Errors errors = Exists(path);
    if (!errors.empty()) return errors;
    if (Find(path)->now.directory) return {EISDIR};
    Resize(names[path], size);
    if (!delayed) Commit(names[path]);
    return {};
  }
  // `change` is given what is shown of it.
  template <typename Change>
  Errors Alter(const std::string& path, Change change) {
    Errors errors = Exists(path);
    if (!errors.empty()) return errors;
    Node& node = *Find(path);
    change(node.now);
    if (node.now.directory) return {};
    const bool staged = delayed || node.dirty;
    node.dirty = true;
    if (!staged) Commit(names[path]);
    return {};
  }

  // --- Committing.

  void Commit(int id) {
    Node& node = nodes[id];
    if (!node.named || node.now.directory || !node.dirty) return;
    node.dirty = node.replaces = node.early = false;
    node.stored = node.now;
    const std::string path = PathOf(id);
    if (moved.empty()) node.keys.clear();
    node.keys.insert(path);
  }
  Errors CommitPath(const std::string& path) {
    // What has nothing staged need not be asked for.
    if (!Exists(path).empty()) return {0, ENOENT, ENOTDIR};
    for (const auto& [name, id] : names) {
      if (name == path || Within(name, path)) Commit(id);
    }
    return {};
  }
  void CommitAll() {
    moved.clear();
    for (const auto& [path, id] : names) {
      Commit(id);
      nodes[id].keys = {path};
    }
  }
  Errors Discard(const std::string& path) {
    Node* node = Find(path);
    if (node == nullptr) return {0, ENOENT, ENOTDIR, EISDIR};  // nor to be asked what it would be
    if (!node->dirty) return {0, EISDIR};
    node->dirty = node->early = false;
    if (node->stored) {
      node->now = *node->stored;
    } else {
      Unname(path);
    }
    return {};
  }

  // --- Names.

  Errors MakeDirectory(const std::string& path) {
    Errors errors = Way(path);
    if (Find(path) != nullptr) errors.insert(EEXIST);
    if (errors.empty()) Make(path).now = {.directory = true, .mode = 0755};
    return errors;
  }
  Errors Remove(const std::string& path, bool directory) {
    Errors errors = Exists(path);
    if (!errors.empty()) return errors;
    const bool is_directory = Find(path)->now.directory;
    if (is_directory != directory) return {directory ? ENOTDIR : EISDIR};
    if (directory && !Empty(path)) return {ENOTEMPTY};
    Unname(path);
    return {};
  }
  Errors Rename(const std::string& from, const std::string& to, uint32_t flags) {
    Errors errors = Exists(from);
    errors.merge(Way(to));
    const Node* source = Find(from);
    const Node* target = Find(to);
    if (source == nullptr) return errors;
    if ((flags & kRenameExchange) != 0) return Exchange(from, to, errors);
    if (target != nullptr && (flags & kRenameNoReplace) != 0) errors.insert(EEXIST);
    if (target == source) return errors;
    if (Within(from, to)) errors.insert(ENOTEMPTY);
    if (source->now.directory && Within(to, from)) errors.insert(EINVAL);
    if (target != nullptr && source->now.directory && !target->now.directory) {
      errors.insert(ENOTDIR);
    }
    if (target != nullptr && target->now.directory) {
      if (!source->now.directory) errors.insert(EISDIR);
      if (source->now.directory && !Empty(to)) errors.insert(ENOTEMPTY);
    }
    if (!errors.empty()) return errors;
    if (source->now.directory) {
      RenameDirectory(from, to);
    } else {
      RenameFile(from, to);
    }
    return {};
  }
  // A failure between the copy and the removal leaves both, [N4].
  void KeepBoth(const std::string& from, const std::string& to) {
    const Node* source = Find(from);
    const Node* target = Find(to);
    const bool directories = (source != nullptr && source->now.directory) ||
                             (target != nullptr && target->now.directory);
    if (source == nullptr || source == target || directories || !Way(to).empty()) return;
    Commit(names[from]);
    if (Find(to) != nullptr) Unname(to);
    const Node copy = *Find(from);
    Node& made = Make(to);
    made.now = copy.now;
    made.stored = copy.stored;
    made.keys = {to};
  }

 private:
  std::string PathOf(int id) const {
    for (const auto& [path, i] : names) {
      if (i == id) return path;
    }
    return "";
  }
  Node& Make(const std::string& path) {
    names[path] = static_cast<int>(nodes.size());
    nodes.emplace_back();
    return nodes.back();
  }
  void Stage(Node& node) {
    node.dirty = true;
    node.early = node.early || node.now.bytes.size() >= kEarlySize;
    node.now.mtime = node.early ? std::nullopt : std::make_optional(clock);
  }
  void Unname(const std::string& path) {
    nodes[names[path]].named = false;
    moved.erase(names[path]);
    names.erase(path);
  }
  void RenameFile(const std::string& from, const std::string& to) {
    const int id = names[from];
    if (nodes[id].stored) Commit(id);
    // What was never committed takes the place of the target's object when it is.
    if (const Node* target = Find(to); target != nullptr) {
      if (!nodes[id].stored && target->stored) {
        nodes[id].stored = target->stored;
        nodes[id].keys = target->keys;
        nodes[id].replaces = true;
      }
      Unname(to);
    }
    names.erase(from);
    names[to] = id;
    if (moved.empty() && !nodes[id].replaces) nodes[id].keys.clear();
    nodes[id].keys.insert(to);
  }
  void RenameDirectory(const std::string& from, const std::string& to) {
    if (Find(to) != nullptr) Unname(to);
    const std::map<std::string, int> before = names;
    for (const auto& [path, id] : before) {
      if (path != from && !Within(path, from)) continue;
      const std::string renamed = to + path.substr(from.size());
      names.erase(path);
      names[renamed] = id;
      if (!delayed) nodes[id].keys.clear();
      nodes[id].keys.insert(renamed);
    }
    if (delayed) moved.insert(names[to]);
  }
  Errors Exchange(const std::string& from, const std::string& to, Errors errors) {
    const Node* target = Find(to);
    if (target == nullptr) {
      errors.insert(ENOENT);
      return errors;
    }
    if (Find(from)->now.directory || target->now.directory) {
      errors.insert(ENOTSUP);
      if (from == to) errors.insert(0);
    }
    if (!errors.empty() || from == to) return errors;
    const int a = names[from], b = names[to];
    if (nodes[a].stored || nodes[b].stored) {
      Commit(a);
      Commit(b);
    }
    std::swap(names[from], names[to]);
    std::swap(nodes[a].keys, nodes[b].keys);
    if (nodes[a].replaces) std::swap(nodes[a].stored, nodes[b].stored);
    return {};
  }
};

}  // namespace s3files::model

#endif  // S3FILES_TESTS_MODEL_TREE_H_
