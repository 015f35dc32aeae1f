// The operations of the model test: what each should do to a World, how they are generated, and how
// they are printed, so that a failing case can be pasted into model_test.cc.
#ifndef S3FILES_TESTS_MODEL_OPERATIONS_H_
#define S3FILES_TESTS_MODEL_OPERATIONS_H_

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rapidcheck.h"
#include "tests/fs/host.h"
#include "tests/model/model.h"

namespace s3files::model {

enum class Do {
  kOpen,
  kRead,
  kWrite,
  kAppend,
  kTruncate,
  kSync,
  kClose,
  kAbandon,  // of handles but the first
  kCommit,
  kDiscard,
  kUnlink,
  kRename,
  kMakeDirectory,
  kRemoveDirectory,
  kSymlink,
  kChmod,
  kUtimens,
  kSetXattr,
  kStat,
  kList,
  kToolPut,
  kToolDelete,
  kAdvance,
};

struct Step {
  Do what = Do::kStat;
  int client = 0;
  std::string path;
  std::string to;       // rename's target, symlink's
  int handle = 0;       // modulo those that are open
  uint32_t flags = 0;   // of open
  uint64_t offset = 0;  // truncate's size, advance's milliseconds, chmod's mode
  uint64_t size = 0;
  uint64_t seed = 0;  // of the bytes
  std::optional<Fault> fault;
};

inline std::string BytesOf(const Step& step) { return Noise(step.size, step.seed); }

// Bytes as they are told of: equal where the bytes are.
inline std::string Told(const std::string& bytes) {
  return absl::StrCat(bytes.size(), " bytes, hash ", std::hash<std::string>()(bytes));
}

inline std::string ToldAttributes(char type, uint64_t size, const Meta& meta) {
  std::string text = absl::StrCat(std::string(1, type), " ", size, " bytes, mode ", meta.mode);
  return meta.mtime ? absl::StrCat(text, ", mtime ", *meta.mtime) : text + "*";
}

// --- What an operation should do. It may throw Interrupted.

class Expectation {
 public:
  Expectation(World& world, const Step& step)
      : w_(world), step_(step), c_(step.client), client_(world.clients[step.client]) {}

  Answer Run() {
    const Answer answer = Take();
    if (answer.error != ENOENT) return answer;
    // Where the directory was found gone, what is open in it may have been found so, too.
    for (const std::string& path : {step_.path, step_.to}) {
      const std::string directory = IsDirectory(path) ? path : DirectoryOf(path);
      if (directory.empty() || w_.Now(directory + "/*") || w_.luck->Pick(2) == 0) continue;
      for (const auto& [name, i] : std::map<std::string, int>(client_.names)) {
        File& file = client_.files[i];
        if (DirectoryOf(name) == directory && !w_.Dirty(c_, file)) w_.Show(c_, file, std::nullopt);
      }
    }
    return answer;
  }

 private:
  Answer Take() {
    const bool needs_handle = step_.what >= Do::kRead && step_.what <= Do::kAbandon;
    if (needs_handle && client_.handles.empty()) return {};
    w_.luck->Pick(1);
    switch (step_.what) {
      case Do::kOpen:
        return {Open(), ""};
      case Do::kRead:
        return Read();
      case Do::kWrite:
      case Do::kAppend:
      case Do::kTruncate:
        return {Stage(), ""};
      case Do::kSync:
        return {Sync(), ""};
      case Do::kClose:
        return {Close(), ""};
      case Do::kAbandon:
        return {Abandon(), ""};
      case Do::kCommit:
        return {CommitPath(), ""};
      case Do::kDiscard:
        return {DiscardPath(), ""};
      case Do::kUnlink:
        return {Unlink(), ""};
      case Do::kRename:
        return {Rename(), ""};
      case Do::kMakeDirectory:
        return {MakeDirectory(), ""};
      case Do::kRemoveDirectory:
        return {RemoveDirectory(), ""};
      case Do::kSymlink:
        return {Symlink(), ""};
      case Do::kChmod:
      case Do::kUtimens:
      case Do::kSetXattr:
        return {SetAttributes(), ""};
      case Do::kStat:
        return Stat();
      case Do::kList:
        return List();
      case Do::kToolPut:
        w_.Set(kTool, step_.path,
               NewObject(BytesOf(step_), step_.path.back() == '/' ? 0755 : 0644));
        return {};
      case Do::kToolDelete:
        if (w_.Now(step_.path)) w_.Set(kTool, step_.path, std::nullopt);
        return {};
      case Do::kAdvance:
        w_.now += static_cast<int64_t>(step_.offset) * 1'000'000;
        return {};
    }
    return {};
  }

  size_t Index() const { return step_.handle % client_.handles.size(); }
  OpenHandle& TheHandle() { return client_.handles[Index()]; }
  File& FileOf(const OpenHandle& handle) { return client_.files[handle.file]; }
  bool IsDirectory(const std::string& path) { return path == "d" || path == "e"; }

  int Open() {
    w_.luck->Reads();
    std::string path = step_.path;
    const uint32_t flags = step_.flags;
    const bool writes = (flags & kOpenWrite) != 0;
    if (IsDirectory(path)) {
      const bool exists = w_.HasStagedIn(c_, path) || w_.Recent(c_, path + "/*");
      if ((flags & kOpenExclusive) != 0 && exists) return EEXIST;
      return exists ? EISDIR : ENOENT;  // generated for writing, without creating, only
    }
    if (const int error = w_.Follow(c_, path, true)) return error;
    const bool enforced = (flags & (kOpenTruncate | kOpenExclusive)) != 0;
    const State state =
        (flags & kOpenCreate) != 0 ? w_.LookToCreate(c_, path, enforced) : w_.Look(c_, path, true);
    if (!state && (flags & kOpenCreate) == 0) return ENOENT;
    if (state && (flags & kOpenExclusive) != 0) return EEXIST;
    if (!state) {
      if (!w_.DirectoryExists(c_, path)) return ENOENT;
      File& made = w_.Attach(c_, path, std::nullopt);
      w_.ContentOf(c_, made).staged = "";
      made.meta = {0644, w_.now, {}};
      made.exclusive = (flags & kOpenExclusive) != 0;
    }
    File& file = w_.Attach(c_, path, state);
    client_.handles.push_back({++w_.made, client_.names[path], file.content, flags, false});
    Content& content = w_.ContentOf(c_, file);
    if (writes && (flags & kOpenTruncate) != 0 && !content.bytes().empty()) content.staged = "";
    if (!state) {
      w_.NoteStaged(c_, client_.handles.back());
    } else if ((flags & kOpenTruncate) != 0) {
      w_.NoteTruncated(c_, client_.handles.back());
    }
    return 0;
  }

  Answer Read() {
    OpenHandle& handle = TheHandle();
    if ((handle.flags & kOpenRead) == 0) return {EBADF, ""};
    w_.luck->Reads();
    const Content& content = client_.contents[handle.content];
    const std::string bytes = content.bytes();
    // What is not resident can be had while the store has the version: [C5], [N3].
    if (content.base && !w_.versions) {
      const State now = w_.Now(content.key);
      const bool there =
          now && (now->version == content.base->version || FileOf(handle).ours.contains(now->id));
      if (!there && w_.luck->Pick(2) == 1) return {ESTALE, ""};
    }
    const size_t begin = std::min<size_t>(step_.offset, bytes.size());
    return {0, Told(bytes.substr(begin, step_.size))};
  }

  int Stage() {
    OpenHandle& handle = TheHandle();
    if ((handle.flags & kOpenWrite) == 0) return EBADF;
    Content& content = client_.contents[handle.content];
    std::string bytes = content.bytes();
    const bool same_size = step_.what == Do::kTruncate && step_.offset == bytes.size();
    if (same_size && !bytes.empty()) return 0;
    if (content.retired) return ESTALE;
    File& file = FileOf(handle);
    // Attributes that go with the bytes are those that were seen last, and that may be a while ago.
    if (!content.staged && file.change.empty() && file.named) {
      const State state = w_.KnownMeta(c_, file.path, content.base->version);
      if (state) file.meta = state->meta;
    }
    if (same_size) {
      w_.NoteTruncated(c_, handle);
      return 0;
    }
    if (step_.what == Do::kTruncate) {
      bytes.resize(step_.offset);
    } else {
      const bool at_end = step_.what == Do::kAppend || (handle.flags & kOpenAppend) != 0;
      const std::string more = BytesOf(step_);
      const size_t at = at_end ? bytes.size() : step_.offset;
      bytes.resize(std::max(bytes.size(), at + more.size()));
      bytes.replace(at, more.size(), more);
    }
    content.staged = bytes;
    w_.NoteStaged(c_, handle);
    return 0;
  }

  int LateError(const OpenHandle& handle) {
    const File& file = FileOf(handle);
    return file.lost && handle.has_staged ? file.error : 0;
  }
  int Sync() {
    OpenHandle& handle = TheHandle();
    if (const int error = w_.Commit(c_, handle.file)) return error;
    return LateError(handle);
  }
  void Release(size_t index) {
    const OpenHandle handle = client_.handles[index];
    File& file = FileOf(handle);
    if (file.stagers.erase(handle.id) > 0) file.stagers.insert(0);
    client_.handles.erase(client_.handles.begin() + index);
  }
  int Close() {
    const size_t index = Index();
    OpenHandle& handle = TheHandle();
    int error = 0;
    if ((handle.flags & kOpenWrite) != 0) {
      try {
        if (!w_.delayed) error = w_.Commit(c_, handle.file);
        if (error == 0) error = LateError(handle);
      } catch (const Interrupted&) {
        error = EIO;  // the handle is gone all the same, [W4]
      }
    }
    Release(index);
    return error;
  }
  int Abandon() {
    const size_t index = Index();
    OpenHandle& handle = TheHandle();
    File& file = FileOf(handle);
    int error = 0;
    if (handle.has_staged && file.stagers.erase(handle.id) > 0) {
      if (file.stagers.size() > file.stagers.count(kAbandoned)) {
        file.stagers.insert(kAbandoned);
        error = EBUSY;
      } else {
        w_.Discard(c_, file);
      }
    }
    Release(index);
    return error;
  }

  int CommitPath() {
    const std::string& path = step_.path;
    if (w_.Named(c_, path) != nullptr) return w_.Commit(c_, client_.names[path]);
    w_.luck->Reads();
    // What has nothing staged need not be asked for.
    return w_.Recent(c_, path) || w_.luck->Pick(2) == 1 ? 0 : ENOENT;
  }
  int DiscardPath() {
    File* file = w_.Named(c_, step_.path);
    if (file != nullptr) w_.Discard(c_, *file);
    return 0;
  }

  // Deletes the object on which the client's view rests. ESTALE: it is another one.
  int Delete(const std::string& path, const std::string& version) {
    const std::string current = w_.VersionOf(path);
    const bool wrong = !current.empty() && current != version;
    w_.luck->Writes({Op::kDelete}, [&] {
      if (!wrong && !current.empty()) w_.Set(c_, path, std::nullopt);
    });
    return wrong ? ESTALE : 0;
  }
  // The version that a removal or replacement of this file is made on: that of a commit whose reply
  // was lost is ours.
  std::string Adopt(File& file) {
    if (!file.unsure) return file.expected;
    w_.luck->Reads();
    const State now = w_.Now(file.path);
    if (now && file.ours.contains(now->id)) {
      file.expected = now->version;
      w_.ContentOf(c_, file).base = now;
    }
    return file.expected;
  }
  int Unlink() {
    w_.luck->Reads();
    const std::string& path = step_.path;
    if (IsDirectory(path)) {
      return w_.HasStagedIn(c_, path) || w_.Recent(c_, path + "/*") ? EISDIR : ENOENT;
    }
    const State state = w_.Look(c_, path, false);
    if (!state) return ENOENT;
    File* file = w_.Named(c_, path);
    const std::string version = file != nullptr ? Adopt(*file) : state->version;
    if (!version.empty()) {
      w_.KeepDirectory(c_, DirectoryOf(path), path);
      if (const int error = Delete(path, version)) return error;
    }
    if (file != nullptr) w_.Unname(c_, *file);
    return 0;
  }

  int Rename() {
    w_.luck->Reads();
    const std::string &from = step_.path, &to = step_.to;
    const State source_state = w_.Look(c_, from, false);
    if (!source_state) return ENOENT;
    const State target_state = w_.LookToCreate(c_, to, true);
    if (from == to) return target_state ? 0 : ENOENT;
    if (!target_state && !w_.DirectoryExists(c_, to)) return ENOENT;
    const int source = IndexOf(w_.Attach(c_, from, source_state), from);
    File* target = w_.Named(c_, to);
    File& file = client_.files[source];
    if (!w_.ContentOf(c_, file).base && file.expected.empty() && !file.unsure) {
      file.expected = target != nullptr ? Adopt(*target)
                      : target_state    ? target_state->version
                                        : "";
      file.exclusive = false;
    } else if (const int error = RenameCommitted(source, target, target_state, from, to)) {
      return error;
    }
    if (target != nullptr) w_.Unname(c_, *target);
    client_.names.erase(from);
    file.path = to;
    client_.names[to] = source;
    return 0;
  }
  int IndexOf(const File&, const std::string& path) { return client_.names[path]; }
  // A copy under both preconditions, then a delete, [N4].
  int RenameCommitted(int source, File* target, const State& target_state, const std::string& from,
                      const std::string& to) {
    File& file = client_.files[source];
    if (const int error = w_.Commit(c_, source)) return error;
    if (file.lost) return ESTALE;
    const std::string replaced = target != nullptr ? Adopt(*target)
                                 : target_state    ? target_state->version
                                                   : "";
    if (DirectoryOf(from) != DirectoryOf(to)) w_.KeepDirectory(c_, DirectoryOf(from), from);
    Content& content = w_.ContentOf(c_, file);
    // As above, of what nothing was staged to.
    Object object = *content.base;
    if (const State known = w_.KnownMeta(c_, from, object.version)) object.meta = known->meta;
    const State now = w_.Now(from);
    const bool source_stands = now && now->version == object.version;
    const bool target_stands = w_.VersionOf(to) == replaced;
    w_.luck->Writes({Op::kCopy}, [&] {
      if (source_stands && target_stands) w_.Set(c_, to, object);
    });
    if (!now && (target_stands || w_.luck->Pick(2) == 0)) return ENOENT;
    if (!source_stands || !target_stands) return ESTALE;
    if (const int error = Delete(from, object.version)) return error;
    content.base = w_.Now(to);
    content.key = to;
    file.expected = content.base->version;
    file.meta = content.base->meta;
    return 0;
  }

  int MakeDirectory() {
    w_.luck->Reads();
    const std::string& path = step_.path;
    if (!IsDirectory(path)) return w_.Look(c_, path, true) ? EEXIST : 0;
    if (w_.HasStagedIn(c_, path) || w_.Recent(c_, path + "/*")) return EEXIST;
    const bool marked = w_.Now(path + "/").has_value();
    w_.luck->Writes({Op::kPut}, [&] {
      if (!marked) w_.Set(c_, path + "/", NewObject("", 0755, w_.now));
    });
    return marked ? EEXIST : 0;
  }
  int RemoveDirectory() {
    w_.luck->Reads();
    const std::string& path = step_.path;
    if (!IsDirectory(path)) return w_.Look(c_, path, false) ? ENOTDIR : ENOENT;
    if (w_.HasStagedIn(c_, path)) return ENOTEMPTY;
    for (const auto& [key, object] : w_.bucket) {
      if (key.starts_with(path + "/") && key != path + "/") return ENOTEMPTY;
    }
    if (!w_.Now(path + "/")) {
      w_.Fresh(c_, path + "/*");
      return ENOENT;
    }
    w_.luck->Writes({Op::kDelete}, [&] { w_.Set(c_, path + "/", std::nullopt); });
    for (const auto& [name, i] : std::map<std::string, int>(client_.names)) {
      if (DirectoryOf(name) == path) w_.Show(c_, client_.files[i], std::nullopt);
    }
    return 0;
  }
  int Symlink() {
    w_.luck->Reads();
    if (w_.Now("l")) {
      // As the PUT may be what finds out.
      w_.luck->Writes({Op::kPut}, [] {});
      w_.Fresh(c_, "l");
      return EEXIST;
    }
    w_.luck->Writes({Op::kPut}, [&] { w_.Set(c_, "l", NewObject(step_.to, 0777, w_.now)); });
    return 0;
  }

  int SetAttributes() {
    w_.luck->Reads();
    std::string path = step_.path;
    if (const int error = w_.Follow(c_, path, false)) return error;
    const State state = w_.Look(c_, path, false);
    if (!state) return ENOENT;
    Change change;
    if (step_.what == Do::kChmod) change.mode = step_.offset & 0777;
    if (step_.what == Do::kUtimens) change.mtime = static_cast<int64_t>(step_.offset);
    if (step_.what == Do::kSetXattr) change.xattrs["x"] = absl::StrCat(step_.offset);
    const File* known = w_.Named(c_, path);
    if (!w_.delayed && (known == nullptr || !w_.Dirty(c_, *known))) {
      return w_.WriteAttributes(c_, path, change);
    }
    File& file = w_.Attach(c_, path, state);
    change.ApplyTo(file.meta);
    file.change.Append(change);
    file.stagers.insert(0);
    return 0;
  }

  Answer Stat() {
    w_.luck->Reads();
    std::string path = step_.path;
    if (IsDirectory(path)) {
      const bool exists = w_.HasStagedIn(c_, path) || w_.Recent(c_, path + "/*");
      return exists ? Answer{0, "d*"} : Answer{ENOENT, ""};
    }
    if (const int error = w_.Follow(c_, path, false)) return {error, ""};
    const State state = w_.Look(c_, path, false);
    if (!state) return {ENOENT, ""};
    return {0, ToldAttributes('f', state->bytes.size(), state->meta)};
  }
  Answer List() {
    w_.luck->Reads();
    const std::string& path = step_.path;
    if (!path.empty() && !w_.HasStagedIn(c_, path) && !w_.Recent(c_, path + "/*"))
      return {ENOENT, ""};
    const std::string prefix = path.empty() ? "" : path + "/";
    std::set<std::string> names;
    auto add = [&](const std::string& key) {
      if (!key.starts_with(prefix) || key == prefix) return;
      names.insert(key.substr(prefix.size(), key.find('/', prefix.size()) - prefix.size()));
    };
    for (const auto& [key, object] : w_.bucket) add(key);
    for (const auto& [name, i] : client_.names) {
      const File& file = client_.files[i];
      const bool is_new = w_.ContentOf(c_, file).staged && file.expected.empty();
      if (is_new && DirectoryOf(name) == path) add(name);
    }
    if (path.empty() && !client_.lost.empty()) names.insert(".s3files-lost+found");
    std::string text;
    for (const std::string& name : names) absl::StrAppend(&text, name, " ");
    return {0, text};
  }

  World& w_;
  const Step& step_;
  const int c_;
  Client& client_;
};

}  // namespace s3files::model

#endif  // S3FILES_TESTS_MODEL_OPERATIONS_H_
