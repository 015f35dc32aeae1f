// The reference model of the whole file system: what two clients of one bucket, and another tool,
// may see, as SEMANTICS.md has it. Naive on purpose: bytes are strings, everything is copied.
//
// Where the contract leaves more than one outcome (what was seen may be as old as the attribute
// timeout; a request fails before or after its effect; bytes of a version that is gone may be
// resident) an operation asks Luck, and whoever runs it goes through all the luck there is: each
// outcome is a World. What the file system then shows rules worlds out; none left is a failure.
#ifndef S3FILES_TESTS_MODEL_MODEL_H_
#define S3FILES_TESTS_MODEL_MODEL_H_

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/fs/handle.h"
#include "tests/store/faulty_store.h"

namespace s3files::model {

inline constexpr int kTool = 2;              // who is neither client 0 nor 1
inline constexpr uint64_t kPartSize = 4096;  // so that small files are uploaded in parts
inline constexpr int64_t kAttributeTimeout = 1'000'000'000;

struct Fault {
  Op op = Op::kPut;
  int nth = 1;  // request of this kind in the operation
  FaultyStore::When when = FaultyStore::kBefore;
};

// Thrown by the model where a request fails for good.
struct Interrupted {};

// One way things may go. Begin, run, then Next until that is false.
class Luck {
 public:
  explicit Luck(const std::optional<Fault>& fault) : fault_(fault) {}

  size_t Pick(size_t n) {
    if (n <= 1) return 0;
    if (at_ == picks_.size()) picks_.emplace_back(0, n);
    return picks_[at_++].first;
  }
  bool Next() {
    at_ = 0;
    struck_ = false;
    while (!picks_.empty() && picks_.back().first + 1 == picks_.back().second) picks_.pop_back();
    if (!picks_.empty()) ++picks_.back().first;
    return !picks_.empty();
  }
  // A point where reading requests may be sent.
  void Reads() {
    if (fault_ && IsRead(fault_->op) && Strikes()) throw Interrupted();
  }
  // A HEAD that may fail without consequence.
  void MayHead() {
    if (fault_ && fault_->op == Op::kHead) Strikes();
  }
  // A request that writes, of one of `kinds`; the last of them is the one that has the effect.
  template <typename Effect>
  void Writes(std::initializer_list<Op> kinds, Effect effect) {
    Reads();
    for (const Op kind : kinds) {
      if (!fault_ || fault_->op != kind || !Strikes()) continue;
      const bool publishes = kind == Op::kPut || kind == Op::kCompleteUpload || kind == Op::kCopy ||
                             kind == Op::kDelete;
      lost_ = true;
      if (publishes && fault_->when == FaultyStore::kAfter) effect();
      lost_ = false;
      throw Interrupted();
    }
    effect();
  }
  // The write that is carried out is one of which its sender is not told.
  bool lost() const { return lost_; }
  // Parts that fail while a file is being written fail nobody: they are sent again.
  bool struck() const {
    return struck_ || !fault_ || fault_->op == Op::kCreateUpload || fault_->op == Op::kUploadPart;
  }

 private:
  static bool IsRead(Op op) { return op == Op::kHead || op == Op::kGet || op == Op::kList; }
  bool Strikes() { return !struck_ && (struck_ = Pick(2) == 1); }

  const std::optional<Fault> fault_;  // that struck the real file system in this operation
  bool struck_ = false;
  bool lost_ = false;
  std::vector<std::pair<size_t, size_t>> picks_;
  size_t at_ = 0;
};

struct Meta {
  uint32_t mode = 0644;
  std::optional<int64_t> mtime;  // nullopt: Last-Modified, which the model does not foresee
  std::map<std::string, std::string> xattrs;
  bool operator==(const Meta&) const = default;
};

struct Object {
  std::string bytes;
  Meta meta;
  std::string version;  // "?n" until the store has told
  int id = 0;           // of the write that made it, as s3files-commit
  bool operator==(const Object&) const = default;
};
using State = std::optional<Object>;

inline Object NewObject(const std::string& bytes, const Meta& meta) {
  Object object;
  object.bytes = bytes;
  object.meta = meta;
  return object;
}
inline Object NewObject(const std::string& bytes, uint32_t mode,
                        std::optional<int64_t> mtime = std::nullopt) {
  Meta meta;
  meta.mode = mode;
  meta.mtime = mtime;
  return NewObject(bytes, meta);
}

struct Change {  // of attributes, as setattr and setxattr name them
  std::optional<uint32_t> mode;
  std::optional<int64_t> mtime;
  std::map<std::string, std::string> xattrs;
  bool operator==(const Change&) const = default;
  bool empty() const { return *this == Change(); }
  void ApplyTo(Meta& meta) const {
    if (mode) meta.mode = *mode;
    if (mtime) meta.mtime = mtime;
    for (const auto& [name, value] : xattrs) meta.xattrs[name] = value;
  }
  void Append(const Change& later) {
    if (later.mode) mode = later.mode;
    if (later.mtime) mtime = later.mtime;
    for (const auto& [name, value] : later.xattrs) xattrs[name] = value;
  }
};

// What handles read and write.
struct Content {
  std::string key;  // where its base stands
  State base;
  std::optional<std::string> staged;
  bool retired = false;  // another version has come: read-only
  bool operator==(const Content&) const = default;
  std::string bytes() const { return staged ? *staged : base ? base->bytes : ""; }
};

inline constexpr int kAbandoned = -1;  // among stagers, as in inode.h

// A file that a client has open or staged.
struct File {
  std::string path;  // its last
  bool named = true;
  bool lost = false;
  int content = 0;
  std::string expected;  // the version that its commit replaces; "": it creates
  Meta meta;             // with what is staged
  Change change;         // attributes that are staged
  bool exclusive = false;
  bool early = false;  // its upload may have begun, and with it the time it tells, [N7]
  int error = 0;
  std::set<int> stagers;  // handles; 0: closed ones; kAbandoned
  bool unsure = false;    // a commit failed, and may have taken effect
  std::set<int> ours;     // the ids of those that did
  bool operator==(const File&) const = default;
};

struct OpenHandle {
  int id = 0;
  int file = 0;
  int content = 0;
  uint32_t flags = 0;
  bool has_staged = false;
  bool operator==(const OpenHandle&) const = default;
};

struct Client {
  std::vector<File> files;
  std::vector<Content> contents;
  std::map<std::string, int> names;  // of files that are open or staged
  std::vector<OpenHandle> handles;
  std::map<std::string, size_t> seen;  // the oldest state of a key that it may still believe in
  std::set<std::string> touched;       // directories in which others have changed something
  std::multiset<std::string> lost;     // names in lost+found
  bool operator==(const Client&) const = default;
};

struct Past {
  State state;
  int64_t until = 0;
  bool operator==(const Past&) const = default;
};

// What an operation returns besides what it does.
struct Answer {
  int error = 0;
  std::string text;  // bytes, names, attributes; "*" at its end: whatever follows
};

std::string inline DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

class World {
 public:
  bool delayed = false;   // commit_delay is not 0
  bool versions = false;  // old versions can be read
  int64_t now = 0;
  std::map<std::string, Object> bucket;
  std::map<std::string, std::vector<Past>> past;
  Client clients[2];
  int made = 0;  // versions and handles
  Luck* luck = nullptr;
  bool operator==(const World&) const = default;

  // --- The bucket.

  State Now(const std::string& key) const {
    if (key.ends_with("/*")) return Exists(key.substr(0, key.size() - 1));
    const auto it = bucket.find(key);
    if (it == bucket.end()) return std::nullopt;
    return it->second;
  }
  // A directory is whatever has keys.
  State Exists(const std::string& prefix) const {
    const auto it = bucket.lower_bound(prefix);
    if (it == bucket.end() || !it->first.starts_with(prefix)) return std::nullopt;
    return std::make_optional<Object>();
  }
  std::string VersionOf(const std::string& key) const {
    const State state = Now(key);
    return state ? state->version : "";
  }
  int IdOf(const std::string& key) const {
    const State state = Now(key);
    return state ? state->id : 0;
  }
  // `who` knows at once, others may believe in the old state for a while.
  void Set(int who, const std::string& key, State state) {
    const std::string above = DirectoryOf(key);
    const std::string directory = above.empty() ? "" : above + "/*";
    if (state) {
      state->id = ++made;
      state->version = "?" + std::to_string(made);
    }
    for (const std::string& name : {key, directory}) {
      if (!name.empty()) past[name].push_back({Now(name), now});
    }
    if (state) {
      bucket[key] = *state;
    } else {
      bucket.erase(key);
    }
    for (int c = 0; c < 2; ++c) {
      if (c != who || luck->lost()) {
        clients[c].touched.insert(above);
        continue;
      }
      clients[c].seen[key] = past[key].size();
      // A directory that goes with its last child does so unnoticed: see KeepDirectory.
      const bool noticed = Now(directory) || key.ends_with("/");
      if (!directory.empty() && noticed) clients[c].seen[directory] = past[directory].size();
    }
  }
  // What the client may believe the key to be, [C6]; it never goes back behind it.
  State Recent(int c, const std::string& key) {
    const std::vector<Past>& before = past[key];
    size_t& seen = clients[c].seen[key];
    while (seen < before.size() && now - before[seen].until >= kAttributeTimeout) ++seen;
    std::vector<std::pair<State, size_t>> states;  // each once, as old as it may be
    for (size_t i = seen; i <= before.size(); ++i) {
      const State state = i == before.size() ? Now(key) : before[i].state;
      const auto same = [&](const auto& one) { return one.first == state; };
      if (std::none_of(states.begin(), states.end(), same)) states.emplace_back(state, i);
    }
    const auto& picked = states[luck->Pick(states.size())];
    seen = picked.second;
    return picked.first;
  }
  State Fresh(int c, const std::string& key) {
    clients[c].seen[key] = past[key].size();
    return Now(key);
  }

  // What it may know of the attributes of a version that it has: as they were at any time since it
  // saw them.
  State KnownMeta(int c, const std::string& key, const std::string& version) {
    const std::vector<Past>& before = past[key];
    std::vector<State> candidates;
    for (size_t i = clients[c].seen[key]; i <= before.size(); ++i) {
      const State state = i == before.size() ? Now(key) : before[i].state;
      const auto same = [&](const State& one) { return one->meta == state->meta; };
      if (state && state->version == version &&
          std::none_of(candidates.begin(), candidates.end(), same)) {
        candidates.push_back(state);
      }
    }
    if (candidates.empty()) return std::nullopt;
    return candidates[luck->Pick(candidates.size())];
  }

  // --- What a client knows.

  File* Named(int c, const std::string& path) {
    const auto it = clients[c].names.find(path);
    return it == clients[c].names.end() ? nullptr : &clients[c].files[it->second];
  }
  Content& ContentOf(int c, const File& file) { return clients[c].contents[file.content]; }
  bool Dirty(int c, const File& file) {
    return ContentOf(c, file).staged.has_value() || !file.change.empty();
  }
  int NewContent(int c, const std::string& key, const State& base) {
    clients[c].contents.push_back({key, base, std::nullopt, false});
    return static_cast<int>(clients[c].contents.size()) - 1;
  }
  // The client's file at the path, which shows `state`.
  File& Attach(int c, const std::string& path, const State& state) {
    if (File* file = Named(c, path)) return *file;
    File file;
    file.path = path;
    file.content = NewContent(c, path, state);
    file.expected = state ? state->version : "";
    if (state) file.meta = state->meta;
    clients[c].files.push_back(file);
    clients[c].names[path] = static_cast<int>(clients[c].files.size()) - 1;
    return clients[c].files.back();
  }
  void Unname(int c, File& file) {
    clients[c].names.erase(file.path);
    file.named = false;
    file.stagers.clear();
  }
  // What is at the path: staged changes are joined, [C3]; a version that is not the one that is
  // open retires that, [C5]. Null: nothing.
  State Look(int c, const std::string& path, bool fresh) {
    File* file = Named(c, path);
    if (file != nullptr && Dirty(c, *file)) {
      return NewObject(ContentOf(c, *file).bytes(), file->meta);
    }
    luck->Reads();
    const State state = fresh ? Fresh(c, path) : Recent(c, path);
    if (file != nullptr) Show(c, *file, state);
    luck->Reads();
    return state;
  }
  // The file, with nothing staged, shows this state from now on.
  void Show(int c, File& file, const State& state) {
    Content& content = ContentOf(c, file);
    if (!state) {
      content.retired = true;
      Unname(c, file);
      return;
    }
    file.meta = state->meta;
    const bool same = content.base && content.base->version == state->version;
    if (!content.retired && (same || file.ours.contains(state->id))) {  // [C2] [W2]
      content.base = state;
      file.expected = state->version;
      return;
    }
    content.retired = true;
    file.expected = state->version;
    file.content = NewContent(c, file.path, state);
  }
  bool DirectoryExists(int c, const std::string& path) {
    const std::string directory = DirectoryOf(path);
    return directory.empty() || Recent(c, directory + "/*").has_value();
  }
  bool HasStagedIn(int c, const std::string& directory) {
    for (const auto& [path, i] : clients[c].names) {
      if (path.starts_with(directory + "/") && Dirty(c, clients[c].files[i])) return true;
    }
    return false;
  }
  // A name that is to be made: an absence may be believed in, [C4].
  State LookToCreate(int c, const std::string& path, bool enforced) {
    if (enforced && Named(c, path) == nullptr && !Recent(c, path)) return std::nullopt;
    return Look(c, path, true);
  }
  // Follows "l", the only symlink there may be. An error, or 0.
  int Follow(int c, std::string& path, bool fresh) {
    if (path != "l") return 0;
    const State link = fresh ? Fresh(c, path) : Recent(c, path);
    if (!link) return ENOENT;
    if (!fresh && link != Now(path) && luck->Pick(2) == 1) return ESTALE;
    path = link->bytes;
    return 0;
  }

  // --- Committing.

  int Commit(int c, int index) {
    File& file = clients[c].files[index];
    Content& content = ContentOf(c, file);
    if (!file.named || file.lost || !Dirty(c, file)) return 0;
    if (!content.staged) return CommitAttributes(c, file);
    const std::string current = VersionOf(file.path);
    const int id = IdOf(file.path);
    const bool adopted = current != file.expected && file.ours.contains(id);
    const bool wins = current == file.expected || adopted;
    if (file.early) file.meta.mtime.reset();
    const Object object = NewObject(*content.staged, file.meta);
    try {
      if (adopted)
        luck->Writes({Op::kCreateUpload, Op::kUploadPart, Op::kCompleteUpload, Op::kPut}, [] {});
      luck->Writes({Op::kCreateUpload, Op::kUploadPart, Op::kCompleteUpload, Op::kPut}, [&] {
        if (wins) Set(c, file.path, object);
      });
      if (!wins) luck->Reads();
    } catch (const Interrupted&) {
      file.unsure = true;
      if (IdOf(file.path) != id) file.ours.insert(IdOf(file.path));
      file.error = EIO;
      throw;
    }
    if (!wins) return Lose(c, file);
    content.base = Now(file.path);
    content.key = file.path;
    content.staged.reset();
    file.expected = content.base->version;
    Settle(file);
    return 0;
  }
  void Settle(File& file) {
    file.change = Change();
    file.exclusive = file.early = false;
    file.error = 0;
    file.stagers.clear();
    file.unsure = false;
    file.ours.clear();
  }
  // [W3]
  int Lose(int c, File& file) {
    const size_t slash = file.path.rfind('/');
    clients[c].lost.insert(slash == std::string::npos ? file.path : file.path.substr(slash + 1));
    ContentOf(c, file).retired = true;
    file.change = Change();
    file.lost = true;
    file.ours.clear();
    file.error = file.exclusive ? EEXIST : ESTALE;
    luck->MayHead();  // which version has won
    Unname(c, file);
    return file.error;
  }
  // Merges with what the store has, [N8].
  int WriteAttributes(int c, const std::string& path, const Change& change) {
    luck->Reads();
    State state = Now(path);
    if (!state) return ENOENT;
    change.ApplyTo(state->meta);
    const std::string before = VersionOf(path);
    const int id = IdOf(path);
    auto note = [&](File& file) {
      const State& base = ContentOf(c, file).base;
      const bool same = base && (base->version == before || file.ours.contains(id));
      if (same && !ContentOf(c, file).retired) {
        ContentOf(c, file).base = Now(path);
        file.expected = VersionOf(path);
        file.meta = state->meta;
      } else {
        Show(c, file, Now(path));
      }
    };
    // Nothing is written where the object carries just that already.
    const bool same = state->meta.mtime && state->meta == Now(path)->meta;
    try {
      if (!same) luck->Writes({Op::kCopy}, [&] { Set(c, path, state); });
    } catch (const Interrupted&) {
      if (File* file = Named(c, path); file != nullptr && IdOf(path) != id) {
        file->unsure = true;
        file->ours.insert(IdOf(path));
      }
      throw;
    }
    if (File* file = Named(c, path)) note(*file);
    return 0;
  }
  int CommitAttributes(int c, File& file) {
    const std::string path = file.path;
    const Change change = std::exchange(file.change, Change());
    int error = 0;
    try {
      error = WriteAttributes(c, path, change);
    } catch (const Interrupted&) {
      file.change = change;
      file.error = EIO;
      throw;
    }
    file.error = error == ENOENT ? ESTALE : error;
    file.stagers.clear();
    if (error == ENOENT) clients[c].seen[path] = past[path].size();
    return file.error;
  }
  // Before the last object of an implied directory leaves, [N2].
  void KeepDirectory(int c, const std::string& directory, const std::string& leaving) {
    if (directory.empty() || bucket.contains(directory + "/")) return;
    for (const auto& [key, object] : bucket) {
      if (key.starts_with(directory + "/") && key != leaving) return;
    }
    // What it knows of a marker or of other children may be old.
    if (clients[c].touched.contains(directory) && luck->Pick(2) == 1) return;
    luck->Writes({Op::kPut}, [&] { Set(c, directory + "/", NewObject("", 0755)); });
  }
  void Discard(int c, File& file) {
    Content& content = ContentOf(c, file);
    content.staged.reset();
    if (content.base) file.meta = content.base->meta;
    const bool never = !content.base || file.lost;
    Settle(file);
    if (file.lost) {
      const size_t slash = file.path.rfind('/');
      auto& lost = clients[c].lost;
      lost.erase(lost.find(slash == std::string::npos ? file.path : file.path.substr(slash + 1)));
      file.lost = false;
    }
    if (never) Unname(c, file);
  }
  // Staged through the handle.
  void NoteStaged(int c, OpenHandle& handle) {
    File& file = clients[c].files[handle.file];
    handle.has_staged = true;
    if (!file.named || file.lost) return;
    file.meta.mtime = now;
    file.change.mtime.reset();
    file.early |= ContentOf(c, file).bytes().size() >= 2 * kPartSize;
    file.stagers.insert(handle.id);
  }
  // Where it was empty before, its time alone is staged.
  void NoteTruncated(int c, OpenHandle& handle) {
    if (clients[c].contents[handle.content].staged) return NoteStaged(c, handle);
    File& file = clients[c].files[handle.file];
    handle.has_staged = true;
    if (!file.named) return;
    file.meta.mtime = file.change.mtime = now;
    file.stagers.insert(handle.id);
  }
  // The store has told which version the key has.
  void Resolve(const std::string& key, const std::string& version) {
    const std::string mine = bucket[key].version;
    if (mine == version) return;
    auto resolve = [&](State& state) {
      if (state && state->version == mine) state->version = version;
    };
    bucket[key].version = version;
    for (auto& [name, states] : past) {
      for (Past& state : states) resolve(state.state);
    }
    for (Client& client : clients) {
      for (Content& content : client.contents) resolve(content.base);
      for (File& file : client.files) {
        if (file.expected == mine) file.expected = version;
      }
    }
  }
  // Worlds that differ in how old the clients' knowledge may be become one.
  bool Absorb(const World& other) {
    World same = other;
    for (int c = 0; c < 2; ++c) same.clients[c].seen = clients[c].seen;
    if (same != *this) return false;
    for (int c = 0; c < 2; ++c) {
      for (auto& [key, seen] : clients[c].seen) {
        const auto it = other.clients[c].seen.find(key);
        seen = std::min(seen, it == other.clients[c].seen.end() ? 0 : it->second);
      }
    }
    return true;
  }
  // Files that nobody has open, and that have nothing staged, are what the store says.
  void Forget(int c) {
    Client& client = clients[c];
    for (auto it = client.names.begin(); it != client.names.end();) {
      const File& file = client.files[it->second];
      bool open = false;
      for (const OpenHandle& handle : client.handles) open |= handle.file == it->second;
      it = open || Dirty(c, file) ? std::next(it) : client.names.erase(it);
    }
  }
};

}  // namespace s3files::model

#endif  // S3FILES_TESTS_MODEL_MODEL_H_
