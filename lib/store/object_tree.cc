#include "lib/store/object_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

constexpr size_t kMostSnapshotEntries = 500'000;
// A directory that changed less than this before it was read may change again within one tick of
// the file system's clock, and its mtime would not show it.
constexpr int64_t kSettledNs = 50'000'000;

std::string ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? "." : std::string(path.substr(0, slash));
}

std::string Joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : absl::StrCat(path, "/", name);
}

const char* OrDot(const std::string& path) { return path.empty() ? "." : path.c_str(); }

absl::StatusOr<std::vector<TreeEntry>> ReadEntries(int fd) {
  std::vector<TreeEntry> entries;
  DIR* dir = fdopendir(fd);
  if (dir == nullptr) {
    close(fd);
    return SystemError("reading a directory");
  }
  while (const dirent* entry = readdir(dir)) {
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back(EntryOfFile(name));
  }
  closedir(dir);
  std::sort(entries.begin(), entries.end(),
            [](const TreeEntry& a, const TreeEntry& b) { return a.name < b.name; });
  return entries;
}

}  // namespace

absl::StatusOr<ObjectFile> ObjectTree::Open(absl::string_view key) const {
  auto file = OpenObjectFile(root_.get(), PathOfKey(key));
  if (!file.ok() && ErrnoOf(file.status()) == ENOENT) return NoSuchKey(key);
  return file;
}

absl::StatusOr<Version> ObjectTree::Current(absl::string_view key) const {
  const auto file = Open(key);
  if (file.ok()) return file->info.stamp.version;
  if (ErrnoOf(file.status()) == ENOENT) return Version::Absent();
  return file.status();
}

absl::Status ObjectTree::MakeParents(const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (mkdirat(root_.get(), folder.c_str(), 0777) == 0) {
      if (fsync_) S3FILES_RETURN_IF_ERROR(SyncDirectory(root_.get(), ParentOf(folder)));
    } else if (errno != EEXIST && errno != ENOENT) {  // ENOENT: removed meanwhile, made again
      return SystemError(folder);
    }
  }
  return absl::OkStatus();
}

absl::Status ObjectTree::Publish(absl::string_view key, ObjectFileWriter& file) {
  const std::string path = PathOfKey(key);
  // Most often the directory is there. Where not, somebody who removes its last object may remove
  // what was just made, so this may take more than one round.
  for (int round = 0; !file.RenameTo(root_.get(), path); ++round) {
    if (errno != ENOENT || round == 1000) return SystemError(path);
    S3FILES_RETURN_IF_ERROR(MakeParents(path));
  }
  return absl::OkStatus();
}

absl::Status ObjectTree::Remove(absl::string_view key) {
  const std::string path = PathOfKey(key);
  if (unlinkat(root_.get(), path.c_str(), 0) != 0) {
    return errno == ENOENT ? absl::OkStatus() : SystemError(path);
  }
  std::string folder = ParentOf(path);
  while (folder != "." && unlinkat(root_.get(), folder.c_str(), AT_REMOVEDIR) == 0) {
    folder = ParentOf(folder);
  }
  return absl::OkStatus();
}

absl::Status ObjectTree::Sync(absl::string_view key) const {
  if (!fsync_) return absl::OkStatus();
  std::string folder = ParentOf(PathOfKey(key));
  // Where directories went with the last object, the change is in the first one that is left.
  while (folder != "." && faccessat(root_.get(), folder.c_str(), F_OK, 0) != 0) {
    folder = ParentOf(folder);
  }
  return SyncDirectory(root_.get(), folder);
}

absl::StatusOr<ObjectTree::Entries> ObjectTree::EntriesOf(const std::string& path) {
  const int fd = openat(root_.get(), OrDot(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    const bool none = errno == ENOENT || errno == ENOTDIR;  // removed meanwhile, or not ours
    if (none) return std::make_shared<const std::vector<TreeEntry>>();
    return SystemError(path);
  }
  struct stat st;
  if (fstat(fd, &st) != 0) {
    const absl::Status status = SystemError(path);
    close(fd);
    return status;
  }
  const int64_t changed = int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
  const int64_t now = Clock::System()->WallNanos();  // the file system's clock, so never a test's
  {
    absl::MutexLock lock(&mu_);
    const auto it = snapshots_.find(path);
    if (it != snapshots_.end() && it->second.inode == st.st_ino &&
        it->second.changed_ns == changed) {
      close(fd);
      return it->second.entries;
    }
  }
  S3FILES_ASSIGN_OR_RETURN(auto read, ReadEntries(fd));
  auto entries = std::make_shared<const std::vector<TreeEntry>>(std::move(read));
  if (now - changed < kSettledNs || entries->size() > kMostSnapshotEntries) return entries;
  absl::MutexLock lock(&mu_);
  if (snapshot_entries_ + entries->size() > kMostSnapshotEntries || snapshots_.size() >= 1000) {
    snapshots_.clear();
    snapshot_entries_ = 0;
  }
  snapshot_entries_ += entries->size();  // replaced ones count until the next clear
  snapshots_[path] = {st.st_ino, changed, entries};
  return entries;
}

struct ObjectTree::Walk {
  const CallContext& call;
  const ListRequest& request;
  PageBuilder* page;
  bool full = false;
};

absl::Status ObjectTree::List(const CallContext& call, const ListRequest& request,
                              PageBuilder* page) {
  Walk walk{call, request, page};
  return WalkFolder(walk, "", "");
}

// `key` is what all keys below `path` begin with.
absl::Status ObjectTree::WalkFolder(Walk& walk, const std::string& path, const std::string& key) {
  S3FILES_RETURN_IF_ERROR(walk.call.Check("listing"));
  S3FILES_ASSIGN_OR_RETURN(const Entries entries, EntriesOf(path));
  const std::string& from = walk.page->from();
  const std::string& prefix = walk.request.prefix;
  for (const TreeEntry& entry : *entries) {
    if (walk.full) return absl::OkStatus();
    const std::string below = key + entry.name;
    if (entry.kind == TreeEntry::kObject) {
      if (below < from || !absl::StartsWith(below, prefix)) continue;
      S3FILES_RETURN_IF_ERROR(VisitObject(walk, Joined(path, FileOfEntry(entry)), below));
    } else {
      if (below < from && !absl::StartsWith(from, below)) continue;  // all of it is before
      if (!absl::StartsWith(below, prefix) && !absl::StartsWith(prefix, below)) continue;
      S3FILES_RETURN_IF_ERROR(VisitFolder(walk, entry, Joined(path, FileOfEntry(entry)), below));
    }
  }
  return absl::OkStatus();
}

absl::Status ObjectTree::VisitObject(Walk& walk, const std::string& path, const std::string& key) {
  S3FILES_RETURN_IF_ERROR(walk.call.Check("listing"));
  if (!walk.page->Takes(key)) {
    walk.full = true;
    return absl::OkStatus();
  }
  auto file = OpenObjectFile(root_.get(), path);
  if (file.ok()) {
    walk.page->Add({key, file->info.size, file->info.stamp, file->info.metadata.storage_class});
  } else if (const int error = ErrnoOf(file.status()); error != ENOENT && error != EIO) {
    return file.status();  // removed meanwhile, or not ours: no object; anything else is trouble
  }
  return absl::OkStatus();
}

absl::Status ObjectTree::VisitFolder(Walk& walk, const TreeEntry& entry, const std::string& path,
                                     const std::string& key) {
  const bool group = walk.request.hierarchical && entry.kind == TreeEntry::kFolder &&
                     key.size() > walk.request.prefix.size();
  if (!group) return WalkFolder(walk, path, key);
  S3FILES_ASSIGN_OR_RETURN(const bool shown, HasObject(path, key, walk.page->from()));
  if (!shown) return absl::OkStatus();
  walk.full = !walk.page->Takes(key);
  if (!walk.full) walk.page->AddPrefix(key);
  return absl::OkStatus();
}

// Is there a key at or past `from`? Directories without objects are what a crash leaves behind.
absl::StatusOr<bool> ObjectTree::HasObject(const std::string& path, const std::string& key,
                                           const std::string& from) {
  S3FILES_ASSIGN_OR_RETURN(const Entries entries, EntriesOf(path));
  for (const TreeEntry& entry : *entries) {
    const std::string below = key + entry.name;
    if (entry.kind == TreeEntry::kObject) {
      if (below >= from) return true;
    } else if (below >= from || absl::StartsWith(from, below)) {
      S3FILES_ASSIGN_OR_RETURN(const bool has,
                               HasObject(Joined(path, FileOfEntry(entry)), below, from));
      if (has) return true;
    }
  }
  return false;
}

}  // namespace s3files
