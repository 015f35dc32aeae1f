// Any sequence of calls against the model of names: files and directories made, written, renamed
// (at once and staged, over others, exchanged), changed and removed, while requests fail and another
// host comes in between. [C3] [W4] [N2] [N3] [N4] [N6] [N7] [N8] [N9] [D2]
//
// A case that fails is printed, shrunk, as code that can be pasted below as a test.
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/fs/host.h"
#include "tests/model/run_cases.h"
#include "tests/model/tree.h"
#include "tests/model/tree_cases.h"

namespace s3files::model {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr char kTemporary[] = ".s3files-tmp-";

Capabilities CapabilitiesOf(Kind kind) {
  Capabilities can = Bucket::SmallParts();
  can.smallest_part = kPartSize;
  can.versions = kind == Kind::kVersioned;
  if (kind == Kind::kUnconditional || kind == Kind::kWeak) {
    can.conditional_create = can.conditional_replace = can.conditional_complete = false;
    can.conditional_delete = can.copy_source = can.copy_target = false;
  }
  can.strong_etags = kind != Kind::kWeak;
  return can;
}

FileSystemOptions OptionsOf(Kind kind) {
  FileSystemOptions options = Host::Options();
  options.parts.part_size = kPartSize;
  options.parts.multipart_threshold = 2 * kPartSize;
  options.commit.max_age_ns = int64_t{1} << 60;
  if (kind == Kind::kDelayed || kind == Kind::kForgetful)
    options.commit.delay_ns = int64_t{1} << 60;
  // As the clock stands still until it is moved, this is how often it is looked at.
  if (kind == Kind::kBackground) options.commit.delay_ns = kMillisecond;
  if (kind == Kind::kForgetful) options.entry_limit = 4;
  return options;
}

FileSystemOptions OtherOptions() {
  FileSystemOptions options = OptionsOf(Kind::kImmediate);
  options.import.attribute_timeout_ns = 0;
  return options;
}

std::string ToldErrors(const Errors& errors) {
  return errors.empty() ? "0" : absl::StrJoin(errors, " or ");
}

class TreeMachine {
 public:
  explicit TreeMachine(const TreeCase& test)
      : kind_(test.kind),
        watched_(test.watched),
        bucket_(CapabilitiesOf(kind_)),
        host_(bucket_, OptionsOf(kind_), &clock_),
        other_(bucket_, OtherOptions(), &clock_) {
    tree_.delayed = OptionsOf(kind_).commit.delay_ns != 0;
  }
  ~TreeMachine() {
    for (auto& handle : handles_) host_.Abandon(std::move(handle)).IgnoreError();
  }

  // Empty, or what the model does not allow.
  std::string Take(const TreeStep& step) {
    if (over_) return "";
    tree_.clock = clock_.WallNanos();
    std::string wrong = Try(step);
    if (over_) return "";
    if (wrong.empty() && watched_) wrong = Differs(host_, tree_, "");
    if (wrong.empty()) wrong = StagedDiffers();
    if (wrong.empty()) wrong = HandlesDiffer();
    if (wrong.empty()) wrong = BucketDiffers();
    return wrong;
  }
  std::string Finish() {
    if (over_) return "";
    std::string wrong = Settle();
    if (wrong.empty()) wrong = Differs(host_, tree_, "");
    if (wrong.empty()) wrong = StagedDiffers();
    if (wrong.empty()) wrong = BucketDiffers();
    if (wrong.empty()) wrong = Differs(other_, tree_, "");
    host_.Vanish();
    if (wrong.empty() && bucket_.PendingUploads() != 0) wrong = "an upload is left behind";
    return wrong;
  }

 private:
  std::string Try(const TreeStep& step);
  absl::Status Carry(const TreeStep& step, std::string* wrong);
  absl::Status CarryHandle(const TreeStep& step, std::string* wrong);
  static Errors Foresee(Tree& tree, const TreeStep& step);
  std::string Recover(const TreeStep& step, Tree before, const Tree& after,
                      const absl::Status& status);
  std::string Settle();
  std::string Wait();
  std::string Disturb(const TreeStep& step);

  static std::string Differs(Host& host, const Tree& tree, const std::string& path);
  static std::string ShownDiffers(Host& host, const Tree& tree, const std::string& path);
  std::string StagedDiffers();
  std::string HandlesDiffer() const;
  std::string BucketDiffers();
  std::string ObjectDiffers(const std::string& key, const Shown& stored) const;
  // Whether what is not resident of it may be out of reach, [N3].
  bool MayBeGone(const Node& node) const {
    return kind_ == Kind::kWeak || (!node.named && kind_ != Kind::kVersioned);
  }
  // Without versions that compare, what an open or a stat finds is another one, and handles of the
  // one before are stale.
  bool IsStale(const TreeStep& step) const {
    return kind_ == Kind::kWeak && handles_[Index(step)]->content->retired();
  }
  size_t Index(const TreeStep& step) const { return step.handle % handles_.size(); }

  const Kind kind_;
  const bool watched_;
  ManualClock clock_;
  Bucket bucket_;
  Host host_, other_;
  std::vector<std::unique_ptr<Handle>> handles_;
  Tree tree_;
  bool over_ = false;  // what comes now is the other model's
};

// --- Steps.

absl::Status TreeMachine::CarryHandle(const TreeStep& step, std::string* wrong) {
  auto& handle = handles_[Index(step)];
  const Node& node = tree_.nodes[tree_.handles[Index(step)]];
  switch (step.what) {
    case Act::kRead: {
      const std::string found = host_.Read(*handle);
      if (IsStale(step)) return absl::OkStatus();
      if (found == absl::StrCat("errno ", ESTALE) && MayBeGone(node)) return absl::OkStatus();
      if (found != node.now.bytes) {
        *wrong = absl::StrCat("read ", Told(found), ", not ", Told(node.now.bytes));
      }
      return absl::OkStatus();
    }
    case Act::kWrite:
      return host_.Write(*handle, step.offset, Noise(step.size, step.seed));
    case Act::kResize:
      return host_.Truncate(*handle, step.offset);
    case Act::kSync:
      return host_.Sync(*handle);
    default: {
      std::unique_ptr<Handle> taken = std::move(handle);
      handles_.erase(handles_.begin() + Index(step));
      return host_.Close(std::move(taken));
    }
  }
}

absl::Status TreeMachine::Carry(const TreeStep& step, std::string* wrong) {
  AttributeRequest request;
  request.times_are_now = false;
  switch (step.what) {
    case Act::kOpen: {
      auto handle = host_.fs().Open(host_.call, nullptr, step.path, step.flags, 0666);
      if (handle.ok()) handles_.push_back(*std::move(handle));
      return handle.status();
    }
    case Act::kStat: {
      const absl::StatusOr<FileInfo> info = host_.Stat(step.path);
      if (info.ok()) *wrong = ShownDiffers(host_, tree_, step.path);
      return info.status();
    }
    case Act::kList: {
      auto handle = host_.fs().Open(host_.call, nullptr, "/" + step.path, kOpenDirectory, 0);
      if (!handle.ok()) return handle.status();
      host_.fs().Drop(*std::move(handle));
      std::vector<std::string> names = tree_.Children(step.path);
      for (std::string& name : names) name = name.substr(name.rfind('/') + 1);
      const std::string expected = absl::StrJoin(names, " ");
      const std::string found = absl::StrJoin(host_.List("/" + step.path, 2), " ");
      if (found != expected) *wrong = absl::StrCat("lists '", found, "', not '", expected, "'");
      return absl::OkStatus();
    }
    case Act::kTruncate:
      request.size = step.offset;
      return host_.SetAttributes(step.path, request);
    case Act::kChmod:
      return host_.Chmod(step.path, step.offset);
    case Act::kUtimens:
      request.mtime_ns = step.offset;
      return host_.SetAttributes(step.path, request);
    case Act::kSetXattr:
      return host_.SetXattr(step.path, "user." + step.to, absl::StrCat(step.offset));
    case Act::kRemoveXattr:
      return host_.fs().SetXattr(host_.call, nullptr, step.path, true, "user." + step.to,
                                 std::nullopt, true);
    case Act::kCommit:
      return host_.Commit("/" + step.path);
    case Act::kDiscard:
      return host_.Discard(step.path);
    case Act::kMakeDirectory:
      return host_.MakeDirectory(step.path);
    case Act::kRemoveDirectory:
      return host_.RemoveDirectory(step.path);
    case Act::kUnlink:
      return host_.Unlink(step.path);
    case Act::kRename:
      return host_.fs().Rename(host_.call, nullptr, step.path, nullptr, step.to, step.flags);
    default:
      return CarryHandle(step, wrong);
  }
}

// What the step does to the tree.
Errors TreeMachine::Foresee(Tree& tree, const TreeStep& step) {
  const size_t index = tree.handles.empty() ? 0 : step.handle % tree.handles.size();
  switch (step.what) {
    case Act::kOpen:
      return tree.Open(step.path, step.flags);
    case Act::kWrite:
      tree.Write(tree.handles[index], step.offset, Noise(step.size, step.seed));
      return {};
    case Act::kResize:
      tree.Resize(tree.handles[index], step.offset);
      return {};
    case Act::kSync:
      tree.Commit(tree.handles[index]);
      return {};
    case Act::kClose:
      tree.Close(index);
      return {};
    case Act::kStat:
      return tree.Exists(step.path);
    case Act::kList: {
      Errors errors = tree.Exists(step.path);
      const Node* node = tree.Find(step.path);
      if (node != nullptr && !node->now.directory) errors.insert(ENOTDIR);
      return errors;
    }
    case Act::kTruncate:
      return tree.Truncate(step.path, step.offset);
    case Act::kChmod:
      return tree.Alter(step.path, [&](Shown& shown) { shown.mode = step.offset; });
    case Act::kUtimens:
      return tree.Alter(step.path, [&](Shown& shown) { shown.mtime = step.offset; });
    case Act::kSetXattr:
      return tree.Alter(step.path,
                        [&](Shown& shown) { shown.xattrs[step.to] = absl::StrCat(step.offset); });
    case Act::kRemoveXattr: {
      const Node* node = tree.Find(step.path);
      if (node != nullptr && !node->now.xattrs.contains(step.to)) return {ENODATA};
      return tree.Alter(step.path, [&](Shown& shown) { shown.xattrs.erase(step.to); });
    }
    case Act::kCommit:
      if (!step.path.empty()) return tree.CommitPath(step.path);
      tree.CommitAll();
      return {};
    case Act::kDiscard:
      return tree.Discard(step.path);
    case Act::kMakeDirectory:
      return tree.MakeDirectory(step.path);
    case Act::kRemoveDirectory:
      return tree.Remove(step.path, true);
    case Act::kUnlink:
      return tree.Remove(step.path, false);
    case Act::kRename:
      return tree.Rename(step.path, step.to, step.flags);
    default:
      return {};
  }
}

std::string TreeMachine::Try(const TreeStep& step) {
  const bool by_handle = step.what >= Act::kRead && step.what <= Act::kClose;
  if (by_handle && handles_.empty()) return "";
  if (step.what == Act::kWait) return Wait();
  if (step.what == Act::kOther) return Disturb(step);
  if (step.what == Act::kDiscard) {
    // What handles of it read then, and what the object is that it was to replace, is not foreseen.
    const Node* node = tree_.Find(step.path);
    if (node != nullptr && (node->now.directory || node->replaces || tree_.IsOpen(step.path))) {
      return "";
    }
  }
  // The background's failures would wait for their next attempt.
  const bool armed = step.fault.has_value() && kind_ != Kind::kBackground;
  bool struck = false;
  if (armed) {
    const Fault& fault = *step.fault;
    host_.store().Run(
        fault.op, [&] { struck = true; }, FaultyStore::kBefore, fault.nth);
    host_.store().Fail(fault.op, Error(EIO, "fault of the model"), fault.when, fault.nth);
  }
  const bool estale_allowed = by_handle && MayBeGone(tree_.nodes[tree_.handles[Index(step)]]);
  const bool changes = step.what == Act::kWrite || step.what == Act::kResize;
  const bool refused = changes && IsStale(step);
  std::string wrong;
  const absl::Status status = Carry(step, &wrong);
  if (armed) host_.store().ClearFaults();
  if (!wrong.empty()) return absl::StrCat(wrong, "\n");
  Tree after = tree_;
  const Errors errors = Foresee(after, step);
  const int error = ErrnoOf(status);
  if (struck && error == EIO) return Recover(step, tree_, after, status);
  if (error == ESTALE && estale_allowed) return "";
  if (refused && error == 0) return "";  // the size that it has
  if (errors.empty() ? error != 0 : !errors.contains(error)) {
    return absl::StrCat("returned ", status.ToString(), struck ? " (the fault struck)" : "",
                        ", not ", ToldErrors(errors), "\n");
  }
  tree_ = after;
  return "";
}

// A call that failed has had its effect or not, and what it has staged can be committed, [W4] [N4].
std::string TreeMachine::Recover(const TreeStep& step, Tree before, const Tree& after,
                                 const absl::Status& status) {
  std::vector<Tree> candidates = {before, after};
  if (step.what == Act::kClose) {
    const auto index = step.handle % before.handles.size();
    candidates[0].handles.erase(candidates[0].handles.begin() + index);
  }
  if (step.what == Act::kRename && step.flags != kRenameExchange) {
    candidates.push_back(before);
    candidates.back().KeepBoth(step.path, step.to);
    // Moved by the store, but the reply of the removal was lost, and the target is staged as it was.
    candidates.push_back(before);
    candidates.back().Remove(step.path, false);
  }
  clock_.Advance(absl::Seconds(2));
  std::string why;
  for (const Tree& candidate : candidates) {
    const std::string wrong = Differs(host_, candidate, "");
    if (!wrong.empty()) {
      absl::StrAppend(&why, "  not as one outcome: ", wrong, "\n");
      continue;
    }
    tree_ = candidate;
    const absl::Status again = host_.Commit("/");
    // A removal or copy whose reply was lost is, to what is staged there, one by somebody else: a
    // conflict, [W3].
    auto staged = [&](const std::string& path) {
      const Node* node = before.Find(path);
      return node != nullptr && node->dirty;
    };
    const bool replaced = step.what == Act::kRename && staged(step.to);
    const bool removed = step.what == Act::kUnlink && staged(step.path);
    const bool refused = ErrnoOf(again) == ESTALE || ErrnoOf(again) == EEXIST;
    const bool conflict = (replaced || removed) && refused;
    // Its handles stay with the old name, and may not have noticed yet that it is gone, [C5].
    const bool went =
        (step.what == Act::kRename && step.flags != kRenameExchange) || step.what == Act::kUnlink;
    const bool effective =
        &candidate == &candidates[1] && (before.IsOpen(step.path) || before.IsOpen(step.to));
    const bool left = went && (effective || &candidate - candidates.data() == 3);
    if (conflict || left) {
      over_ = true;
      return "";
    }
    if (!again.ok()) {
      return absl::StrCat("after ", status.ToString(), " commit failed: ", again.ToString(), "\n");
    }
    tree_.CommitAll();
    for (const std::string& key : bucket_.Keys()) {
      const bool told = absl::StrContains(status.message(), kTemporary);
      if (absl::StrContains(key, kTemporary) && told) bucket_.Delete(key);
    }
    return "";
  }
  return absl::StrCat("after ", status.ToString(), "\n", why);
}

// Nothing is open or staged any more.
std::string TreeMachine::Settle() {
  while (!handles_.empty()) {
    const bool gone = MayBeGone(tree_.nodes[tree_.handles[0]]);
    std::string wrong;
    const absl::Status status = CarryHandle({.what = Act::kClose}, &wrong);
    if (!status.ok() && !gone) return absl::StrCat("close: ", status.ToString(), "\n");
    tree_.Close(0);
  }
  const absl::Status status = host_.Commit("/");
  if (!status.ok()) return absl::StrCat("commit: ", status.ToString(), "\n");
  tree_.CommitAll();
  return "";
}

std::string TreeMachine::Wait() {
  clock_.Advance(absl::Seconds(2));
  if (kind_ != Kind::kBackground) return "";
  for (int i = 0; host_.fs().GetStats().staged_files != 0; ++i) {
    if (i == 20'000) return "the background does not commit\n";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  tree_.CommitAll();
  return "";
}

std::string TreeMachine::Disturb(const TreeStep& step) {
  if (std::string wrong = Settle(); !wrong.empty()) return wrong;
  tree_.delayed = false;
  tree_.clock = clock_.WallNanos();
  Errors errors;
  absl::Status status;
  if (tree_.Find(step.path) != nullptr) {
    errors = tree_.Rename(step.path, step.to, 0);
    status = other_.Rename(step.path, step.to);
  } else {
    errors = tree_.Open(step.path, kOpenWrite | kOpenCreate);
    if (errors.empty()) {
      tree_.Write(tree_.handles[0], 0, "other");
      tree_.Close(0);
    }
    status = other_.WriteFile(step.path, "other");
  }
  tree_.delayed = OptionsOf(kind_).commit.delay_ns != 0;
  const int error = ErrnoOf(status);
  if (errors.empty() ? error != 0 : !errors.contains(error)) {
    return absl::StrCat("the other host's returned ", status.ToString(), ", not ",
                        ToldErrors(errors), "\n");
  }
  clock_.Advance(absl::Seconds(2));  // as long as what was seen before may be believed in
  return "";
}

// --- Comparing.

// Everything under the directory.
std::string TreeMachine::Differs(Host& host, const Tree& tree, const std::string& path) {
  const std::vector<std::string> children = tree.Children(path);
  std::vector<std::string> names;
  for (const std::string& child : children) names.push_back(child.substr(child.rfind('/') + 1));
  const std::string found = absl::StrJoin(host.List("/" + path), " ");
  const std::string expected = absl::StrJoin(names, " ");
  if (found != expected) {
    return absl::StrCat("/", path, " lists '", found, "', not '", expected, "'");
  }
  for (const std::string& child : children) {
    std::string wrong = ShownDiffers(host, tree, child);
    if (wrong.empty() && tree.Find(child)->now.directory) wrong = Differs(host, tree, child);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::string TreeMachine::ShownDiffers(Host& host, const Tree& tree, const std::string& path) {
  const Node* node = tree.Find(path);
  if (node == nullptr) return absl::StrCat(path, " is there");
  const Shown& shown = node->now;
  const absl::StatusOr<FileInfo> info = host.Stat(path);
  if (!info.ok()) return info.status().ToString();
  const Attributes& found = info->attributes;
  if ((found.type == FileType::kDirectory) != shown.directory) return path + " is of another type";
  if (shown.mode && found.mode != *shown.mode) {
    return absl::StrCat(path, " has mode ", found.mode, ", not ", *shown.mode);
  }
  const auto names = host.fs().ListXattrs(host.call, nullptr, path, true);
  if (!names.ok()) return names.status().ToString();
  std::map<std::string, std::string> xattrs;
  for (const std::string& name : *names) {
    const auto value = host.GetXattr(path, name);
    xattrs[name.substr(name.find('.') + 1)] = value.ok() ? *value : value.status().ToString();
  }
  if (xattrs != shown.xattrs) return path + " has other extended attributes";
  if (shown.directory) return "";
  if (info->size != shown.bytes.size()) {
    return absl::StrCat(path, " has ", info->size, " bytes, not ", shown.bytes.size());
  }
  if (shown.mtime && found.mtime_ns != *shown.mtime) {
    return absl::StrCat(path, " has mtime ", found.mtime_ns, ", not ", *shown.mtime);
  }
  const std::string bytes = host.ReadFile(path);
  return bytes == shown.bytes
             ? ""
             : absl::StrCat(path, " reads ", Told(bytes), ": ", bytes.substr(0, 20));
}

std::string TreeMachine::StagedDiffers() {
  std::set<std::string> staged;
  bool moving = false;
  uint64_t cursor = 0;
  while (auto path = host_.fs().NextStaged(&cursor)) {
    const std::string name = path->substr(1);
    const Node* node = tree_.Find(name);
    if (node == nullptr) return absl::StrCat(name, " is staged, and does not exist\n");
    if (!node->dirty && !tree_.moved.contains(tree_.names[name])) {
      return absl::StrCat(name, " is staged\n");
    }
    moving = moving || node->now.directory;
    staged.insert(name);
  }
  for (const auto& [path, id] : tree_.names) {
    if (tree_.nodes[id].dirty && !staged.contains(path)) {
      return absl::StrCat(path, " is not staged\n");
    }
  }
  // When a rename is finished that is staged, is for the file system to decide: then it shows.
  if (!moving) {
    tree_.moved.clear();
    for (const auto& [path, id] : tree_.names) tree_.nodes[id].keys = {path};
  }
  return "";
}

std::string TreeMachine::HandlesDiffer() const {
  for (size_t i = 0; i < handles_.size(); ++i) {
    const Node& node = tree_.nodes[tree_.handles[i]];
    const uint64_t size = handles_[i]->content->size();
    if (size != node.now.bytes.size() && !MayBeGone(node)) {
      return absl::StrCat("handle ", i, " has ", size, " bytes, not ", node.now.bytes.size(), "\n");
    }
  }
  return "";
}

std::string TreeMachine::ObjectDiffers(const std::string& key, const Shown& stored) const {
  if (bucket_.Get(key) != stored.bytes) return "other bytes";
  const ObjectInfo info = bucket_.Head(key);
  const Attributes found = AttributesOf(info, false, {});
  if (stored.mode && found.mode != *stored.mode) return absl::StrCat("mode ", found.mode);
  if (stored.mtime && found.mtime_ns != *stored.mtime) {
    return absl::StrCat("mtime ", found.mtime_ns, ", not ", *stored.mtime);
  }
  std::map<std::string, std::string> xattrs;
  for (const char* name : {"x", "y"}) {
    const auto it = info.metadata.user.find(name);
    if (it != info.metadata.user.end()) xattrs[name] = it->second;
  }
  return xattrs == stored.xattrs ? "" : "other extended attributes";
}

// What others see. While a rename of a directory is staged, each object stands under one of its
// names.
std::string TreeMachine::BucketDiffers() {
  const std::vector<std::string> all = bucket_.Keys();
  const std::set<std::string> keys(all.begin(), all.end());
  std::set<std::string> expected;
  for (const auto& [path, id] : tree_.names) {
    const Node& node = tree_.nodes[id];
    if (!node.stored) continue;
    std::string wrong = "missing";
    for (const std::string& key : node.keys) {
      if (!keys.contains(key)) continue;
      wrong = ObjectDiffers(key, *node.stored);
      if (wrong.empty()) break;
    }
    if (!wrong.empty()) return absl::StrCat("the bucket's ", path, ": ", wrong, "\n");
    expected.insert(path);
  }
  if (!tree_.moved.empty()) return "";
  for (const std::string& key : keys) {
    if (key.ends_with("/")) {
      const Node* node = tree_.Find(key.substr(0, key.size() - 1));
      if (node == nullptr || !node->now.directory) return "the bucket has " + key + "\n";
    } else if (!expected.contains(key)) {
      return "the bucket has " + key + "\n";
    }
  }
  for (const auto& [path, id] : tree_.names) {
    if (!tree_.nodes[id].now.directory) continue;
    const auto it = keys.lower_bound(path + "/");
    if (it == keys.end() || !it->starts_with(path + "/")) {
      return absl::StrCat("the bucket has no ", path, "/\n");
    }
  }
  return "";
}

// --- Cases.

// Runs it; what went wrong where.
std::string Play(const TreeCase& test, uint64_t* operations = nullptr) {
  TreeMachine machine(test);
  for (size_t i = 0; i < test.steps.size(); ++i) {
    const std::string wrong = machine.Take(test.steps[i]);
    if (!wrong.empty()) return absl::StrCat("step ", i, " ", wrong);
    if (operations != nullptr) ++*operations;
  }
  const std::string wrong = machine.Finish();
  return wrong.empty() ? "" : "at the end " + wrong;
}

TEST(TreeTest, FilesAndDirectoriesUnderTheirNames) {
  RunCases(AnyTreeCase(), S3FILES_MODEL_SEEDS / 3,
           [](const TreeCase& test, Effort& effort) { return Play(test, &effort.operations); });
}

}  // namespace
}  // namespace s3files::model
