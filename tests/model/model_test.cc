// Two clients, another tool and faults against the model: after every operation all that can be seen
// without a request is compared. [C1] to [C6], [W1] to [W8], [N1] to [N4], [N6] to [N8], [D1], [D2].
//
// It runs for S3FILES_MODEL_SECONDS (`./dev model --minutes N` for longer). A case that fails is
// printed, shrunk, as code that can be pasted below as a test.
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/model/cases.h"
#include "tests/model/run_cases.h"

namespace s3files::model {
namespace {

Capabilities CapabilitiesOf(Setting setting) {
  Capabilities can = Bucket::SmallParts();
  can.smallest_part = kPartSize;
  can.versions = setting == Setting::kVersions;
  if (setting == Setting::kNoConditionalCopy) can.copy_source = can.copy_target = false;
  if (setting == Setting::kNoConditions) {
    can.conditional_create = can.conditional_replace = can.conditional_complete = false;
    can.conditional_delete = can.copy_source = can.copy_target = false;
  }
  return can;
}

FileSystemOptions OptionsOf(Setting setting) {
  FileSystemOptions options = Host::Options();
  options.parts.part_size = kPartSize;
  options.parts.multipart_threshold = 2 * kPartSize;
  // Longer than any case: what is committed, and when, is for the operations to say.
  options.commit.delay_ns = setting == Setting::kDelayed ? int64_t{1} << 60 : 0;
  options.commit.max_age_ns = int64_t{1} << 60;
  return options;
}

class Machine {
 public:
  explicit Machine(Setting setting)
      : bucket_(CapabilitiesOf(setting)),
        hosts_{std::make_unique<Host>(bucket_, OptionsOf(setting), &clock_),
               std::make_unique<Host>(bucket_, OptionsOf(setting), &clock_)} {
    World world;
    world.now = clock_.WallNanos();
    world.delayed = setting == Setting::kDelayed;
    world.versions = setting == Setting::kVersions;
    worlds_ = {world};
  }
  ~Machine() {
    for (int c = 0; c < 2; ++c) {
      for (auto& handle : handles_[c]) hosts_[c]->Abandon(std::move(handle)).IgnoreError();
    }
  }

  // Empty, or what the model does not allow.
  std::string Take(const Step& step) {
    Arm(step);
    Answer answer;
    const absl::Status status = Carry(step, &answer);
    answer.error = ErrnoOf(status);
    const bool struck = Disarm(step);
    const View view = Look();
    std::vector<World> left;
    std::string why;
    for (const World& world : worlds_) {
      Luck luck(struck ? step.fault : std::nullopt);
      do {
        World next = world;
        next.luck = &luck;
        Answer expected;
        try {
          expected = Expectation(next, step).Run();
        } catch (const Interrupted&) {
          expected = {EIO, ""};
        }
        if (struck && !luck.struck()) continue;
        for (int c = 0; c < 2; ++c) next.Forget(c);
        next.luck = nullptr;
        const std::string wrong = Differs(next, expected, answer, view);
        if (!wrong.empty()) {
          absl::StrAppend(&why, "  not allowed: ", wrong, "\n");
        } else if (std::none_of(left.begin(), left.end(),
                                [&](World& world) { return world.Absorb(next); })) {
          left.push_back(std::move(next));
        }
      } while (luck.Next());
    }
    worlds_ = std::move(left);
    most_worlds_ = std::max(most_worlds_, worlds_.size());
    if (!worlds_.empty()) return "";
    return absl::StrCat("returned ", status.ToString(), struck ? " (the fault struck)" : "", "\n",
                        why);
  }

  // Ends what is open and staged; then what others read is what stands in the bucket.
  std::string Finish() {
    for (int c = 0; c < 2; ++c) {
      while (!handles_[c].empty()) {
        Step read{.what = Do::kRead, .client = c, .size = 1 << 20};
        if (const std::string wrong = Take(read); !wrong.empty()) return "last read: " + wrong;
        if (const std::string wrong = Take({.what = Do::kClose, .client = c}); !wrong.empty()) {
          return "last close: " + wrong;
        }
      }
      for (const std::string& path : Staged(c)) {
        const std::string wrong = Take({.what = Do::kCommit, .client = c, .path = path});
        if (!wrong.empty()) return "last commit: " + wrong;
      }
      if (!Staged(c).empty()) return "something stays staged";
    }
    for (const auto& host : hosts_) host->Vanish();
    if (bucket_.PendingUploads() != 0) return "an upload is left behind";
    return "";
  }
  size_t most_worlds() const { return most_worlds_; }

 private:
  void Arm(const Step& step) {
    if (!step.fault) return;
    struck_ = false;
    const Fault& fault = *step.fault;
    FaultyStore& store = hosts_[step.client]->store();
    store.Run(
        fault.op, [this] { struck_ = true; }, FaultyStore::kBefore, fault.nth);
    store.Fail(fault.op, Error(EIO, "fault of the model"), fault.when, fault.nth);
  }
  bool Disarm(const Step& step) {
    if (!step.fault) return false;
    hosts_[step.client]->store().ClearFaults();
    return struck_;
  }

  absl::Status Carry(const Step& step, Answer* answer);
  absl::Status CarryHandle(const Step& step, Answer* answer);

  // All that can be seen without a request.
  struct View {
    struct Handle {
      uint64_t size;
      bool retired, staged;
    };
    struct Client {
      std::vector<std::string> staged;
      std::map<std::string, FileSystem::State> states;
      std::vector<Handle> handles;
      std::multiset<std::string> lost;
    };
    std::map<std::string, std::pair<std::string, ObjectInfo>> bucket;
    Client clients[2];
  };
  View Look() const;
  std::vector<std::string> Staged(int c) const;
  // What the world does not have as it is. Empty: the world may be this one, and knows the store's
  // versions from here on.
  std::string Differs(World& world, const Answer& expected, const Answer& answer,
                      const View& view) const;
  std::string BucketDiffers(World& world, const View& view) const;
  std::string ClientDiffers(World& world, int c, const View::Client& found) const;

  ManualClock clock_;
  Bucket bucket_;
  const std::unique_ptr<Host> hosts_[2];
  std::vector<std::unique_ptr<Handle>> handles_[2];
  std::vector<World> worlds_;
  std::atomic<bool> struck_{false};
  size_t most_worlds_ = 1;
};

absl::Status Machine::CarryHandle(const Step& step, Answer* answer) {
  auto& handles = handles_[step.client];
  if (handles.empty()) return absl::OkStatus();
  Host& host = *hosts_[step.client];
  auto& handle = handles[step.handle % handles.size()];
  auto taken = [&] {
    std::unique_ptr<Handle> out = std::move(handle);
    handles.erase(handles.begin() + step.handle % handles.size());
    return out;
  };
  switch (step.what) {
    case Do::kRead: {
      std::string bytes(step.size, '\0');
      const auto n = host.fs().Read(host.call, *handle, step.offset, absl::MakeSpan(bytes));
      if (n.ok()) answer->text = Told(bytes.substr(0, *n));
      return n.status();
    }
    case Do::kWrite:
      return host.Write(*handle, step.offset, BytesOf(step));
    case Do::kAppend:
      return host.Append(*handle, BytesOf(step));
    case Do::kTruncate:
      return host.Truncate(*handle, step.offset);
    case Do::kSync:
      return host.Sync(*handle);
    case Do::kClose:
      return host.Close(taken());
    default:
      return host.Abandon(taken());
  }
}

absl::Status Machine::Carry(const Step& step, Answer* answer) {
  Host& host = *hosts_[step.client];
  AttributeRequest request;
  switch (step.what) {
    case Do::kOpen: {
      auto handle = host.fs().Open(host.call, nullptr, step.path, step.flags, 0666);
      if (handle.ok()) handles_[step.client].push_back(*std::move(handle));
      return handle.status();
    }
    case Do::kCommit:
      return host.Commit(step.path);
    case Do::kDiscard:
      return host.Discard(step.path);
    case Do::kUnlink:
      return host.Unlink(step.path);
    case Do::kRename:
      return host.Rename(step.path, step.to);
    case Do::kMakeDirectory:
      return host.MakeDirectory(step.path);
    case Do::kRemoveDirectory:
      return host.RemoveDirectory(step.path);
    case Do::kSymlink:
      return host.Symlink(step.to, step.path);
    case Do::kChmod:
      return host.Chmod(step.path, step.offset & 0777);
    case Do::kUtimens:
      request.mtime_ns = static_cast<int64_t>(step.offset);
      request.times_are_now = false;
      return host.SetAttributes(step.path, request);
    case Do::kSetXattr:
      return host.SetXattr(step.path, "user.x", absl::StrCat(step.offset));
    case Do::kStat: {
      const absl::StatusOr<FileInfo> info = host.Stat(step.path);
      if (!info.ok()) return info.status();
      const Attributes& found = info->attributes;
      answer->text = ToldAttributes(found.type == FileType::kDirectory ? 'd' : 'f', info->size,
                                    {found.mode, found.mtime_ns, {}});
      return absl::OkStatus();
    }
    case Do::kList: {
      auto handle = host.fs().Open(host.call, nullptr, step.path.empty() ? "/" : step.path,
                                   kOpenDirectory, 0);
      if (!handle.ok()) return handle.status();
      const auto entries = host.fs().ReadDirectory(host.call, **handle, 100, 0, std::nullopt, 0);
      if (entries.ok()) {
        std::set<std::string> names;
        for (const DirectoryEntry& entry : *entries) names.insert(entry.name);
        for (const std::string& name : names) absl::StrAppend(&answer->text, name, " ");
        if (names.size() != entries->size()) answer->text = "an entry twice";
      }
      host.fs().Drop(*std::move(handle));
      return entries.status();
    }
    case Do::kToolPut:
      bucket_.Put(step.path, BytesOf(step));
      return absl::OkStatus();
    case Do::kToolDelete:
      bucket_.Delete(step.path);
      return absl::OkStatus();
    case Do::kAdvance:
      clock_.Advance(absl::Milliseconds(static_cast<int64_t>(step.offset)));
      return absl::OkStatus();
    default:
      return CarryHandle(step, answer);
  }
}

std::vector<std::string> Machine::Staged(int c) const {
  std::vector<std::string> paths;
  uint64_t cursor = 0;
  while (auto path = hosts_[c]->fs().NextStaged(&cursor)) paths.push_back(path->substr(1));
  std::sort(paths.begin(), paths.end());
  return paths;
}

Machine::View Machine::Look() const {
  View view;
  for (const std::string& key : bucket_.Keys()) {
    view.bucket[key] = {*bucket_.Get(key), bucket_.Head(key)};
  }
  for (int c = 0; c < 2; ++c) {
    View::Client& client = view.clients[c];
    client.staged = Staged(c);
    for (const std::string& path : client.staged) {
      client.states[path] = hosts_[c]->Status(path).state;
    }
    for (const auto& handle : handles_[c]) {
      const s3files::Content& content = *handle->content;
      client.handles.push_back({content.size(), content.retired(), content.staged()});
    }
    for (const std::string& name : hosts_[c]->List("/.s3files-lost+found")) {
      client.lost.insert(name.substr(name.find('_') + 1));
    }
  }
  return view;
}

std::string Machine::Differs(World& world, const Answer& expected, const Answer& answer,
                             const View& view) const {
  if (expected.error != answer.error) return absl::StrCat("errno ", expected.error);
  std::string wanted = expected.text, got = answer.text;
  if (answer.error != 0) got = wanted = "";
  if (!wanted.empty() && wanted.back() == '*') {
    wanted.pop_back();
    got.resize(std::min(got.size(), wanted.size()));
  }
  if (wanted != got) return absl::StrCat("'", wanted, "' instead of '", got, "'");
  std::string wrong = BucketDiffers(world, view);
  for (int c = 0; c < 2 && wrong.empty(); ++c) wrong = ClientDiffers(world, c, view.clients[c]);
  return wrong;
}

std::string Machine::BucketDiffers(World& world, const View& view) const {
  auto key_of = [](std::string* out, const auto& object) { out->append(object.first); };
  const std::string keys = absl::StrJoin(world.bucket, " ", key_of);
  const std::string found_keys = absl::StrJoin(view.bucket, " ", key_of);
  if (keys != found_keys) return absl::StrCat("keys {", keys, "} instead of {", found_keys, "}");
  for (const auto& [key, object] : world.bucket) {
    const auto& [bytes, info] = view.bucket.at(key);
    if (bytes != object.bytes) {
      return absl::StrCat(key, " with ", Told(object.bytes), " instead of ", Told(bytes));
    }
    const Meta& meta = object.meta;
    const Attributes found = AttributesOf(info, key.back() == '/', {});
    if (found.mode != meta.mode) return absl::StrCat(key, " with mode ", meta.mode);
    if (meta.mtime && found.mtime_ns != *meta.mtime) {
      return absl::StrCat(key, " with mtime ", *meta.mtime, " instead of ", found.mtime_ns);
    }
    std::map<std::string, std::string> xattrs;
    if (const auto x = info.metadata.user.find("x"); x != info.metadata.user.end()) {
      xattrs["x"] = x->second;
    }
    if (xattrs != meta.xattrs) return absl::StrCat(key, " with other extended attributes");
  }
  for (const auto& [key, found] : view.bucket) {
    const Version& version = found.second.stamp.version;
    world.Resolve(key, absl::StrCat(version.etag(), "/", version.version_id()));
  }
  return "";
}

std::string Machine::ClientDiffers(World& world, int c, const View::Client& found) const {
  const std::string who = absl::StrCat("client ", c, ": ");
  const Client& client = world.clients[c];
  std::vector<std::string> staged;
  for (const auto& [path, i] : client.names) {
    if (world.Dirty(c, client.files[i])) staged.push_back(path);
  }
  if (staged != found.staged) {
    return absl::StrCat(who, "staged {", absl::StrJoin(staged, " "), "} instead of {",
                        absl::StrJoin(found.staged, " "), "}");
  }
  for (const std::string& path : staged) {
    // The reverse does not hold: what failed before counts until a commit succeeds.
    const bool failed = client.files[client.names.at(path)].error != 0;
    if (failed && found.states.at(path) != FileSystem::State::kFailed) {
      return absl::StrCat(who, path, " failed");
    }
  }
  for (size_t i = 0; i < client.handles.size(); ++i) {
    const View::Handle& handle = found.handles[i];
    const Content& content = client.contents[client.handles[i].content];
    const std::string name = absl::StrCat(who, "handle ", i);
    if (handle.size != content.bytes().size()) {
      return absl::StrCat(name, " with ", content.bytes().size(), " bytes, not ", handle.size);
    }
    if (handle.retired != content.retired) return absl::StrCat(name, " retired: ", content.retired);
    if (handle.staged != content.staged.has_value()) {
      return absl::StrCat(name, " staged: ", content.staged.has_value());
    }
  }
  if (found.lost != client.lost) {
    return absl::StrCat(who, client.lost.size(), " files in lost+found");
  }
  return "";
}

// --- Cases.

// Runs it; what went wrong where.
std::string Play(const Case& test, uint64_t* operations = nullptr, size_t* most_worlds = nullptr) {
  Machine machine(test.setting);
  for (size_t i = 0; i < test.steps.size(); ++i) {
    const std::string wrong = machine.Take(test.steps[i]);
    if (!wrong.empty()) return absl::StrCat("step ", i, " ", wrong);
    if (operations != nullptr) ++*operations;
  }
  const std::string wrong = machine.Finish();
  if (most_worlds != nullptr) *most_worlds = std::max(*most_worlds, machine.most_worlds());
  return wrong;
}

TEST(ModelTest, TwoClientsAnotherToolAndFaults) {
  RunCases(AnyCase(), S3FILES_MODEL_SEEDS, [](const Case& test, Effort& effort) {
    return Play(test, &effort.operations, &effort.most_worlds);
  });
}

}  // namespace
}  // namespace s3files::model
