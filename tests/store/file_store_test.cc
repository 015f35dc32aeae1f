#include "lib/store/file_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"
#include "lib/store/key_path.h"
#include "rapidcheck.h"

namespace s3files {
namespace {

namespace fs = std::filesystem;

class FileStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    // Memory where there is some: thousands of files are made and removed. The conformance suite
    // runs on a disk.
    const std::string base =
        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : fs::temp_directory_path().string();
    std::string name = base + "/s3files-store-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    store_ = OpenStore();
    ASSERT_NE(store_, nullptr);
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }

  std::shared_ptr<FileStore> OpenStore() const {
    FileStore::Options options;
    options.fsync = false;
    options.smallest_part = 1;
    auto store = FileStore::Open(directory_, options);
    return store.ok() ? *store : nullptr;
  }
  static absl::StatusOr<Stamp> Put(ObjectStore& store, const std::string& key,
                                   absl::string_view bytes,
                                   const Precondition& precondition = Precondition::None()) {
    PutRequest request;
    request.key = key;
    request.precondition = precondition;
    MemorySource body(bytes);
    return store.Put(CallContext(), request, body);
  }
  static std::string Read(ObjectStore& store, const std::string& key) {
    StringSink sink(uint64_t{1} << 30);
    const auto info = store.Get(CallContext(), {key, {}, {}, false}, sink);
    return info.ok() ? sink.bytes() : "error " + std::to_string(ErrnoOf(info.status()));
  }
  static std::vector<std::string> Keys(ObjectStore& store, bool hierarchical = false) {
    ListRequest request;
    request.hierarchical = hierarchical;
    const auto page = store.List(CallContext(), request);
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<std::string> keys;
    for (const auto& object : page->objects) keys.push_back(object.key);
    for (const auto& prefix : page->prefixes) keys.push_back(prefix);
    return keys;
  }
  size_t FilesIn(const std::string& path) const {
    size_t n = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(directory_ + "/" + path)) ++n;
    return n;
  }

  // Runs `body` in a child process, whose exit status it gives.
  static pid_t Fork(const std::function<int()>& body) {
    const pid_t child = fork();
    if (child == 0) _exit(body());
    return child;
  }
  static int Reap(pid_t child) {
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  std::string directory_;
  std::shared_ptr<FileStore> store_;
};

TEST_F(FileStoreTest, ProcessesLoseNoReplace) {
  constexpr int kProcesses = 3, kEach = 60;
  ASSERT_TRUE(Put(*store_, "n/counter", "0").ok());
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(Fork([this] {
      const auto store = OpenStore();
      for (int done = 0; done < kEach;) {
        StringSink sink(20);
        const auto info = store->Get(CallContext(), {"n/counter", {}, {}, false}, sink);
        if (!info.ok()) return 1;
        const auto put = Put(*store, "n/counter", std::to_string(std::stoi(sink.bytes()) + 1),
                             Precondition::Is(info->stamp.version));
        if (put.ok()) {
          ++done;
        } else if (ErrnoOf(put.status()) != ESTALE) {
          return 2;
        }
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(Reap(child), 0);
  EXPECT_EQ(Read(*store_, "n/counter"), std::to_string(kProcesses * kEach));
}

TEST_F(FileStoreTest, OneProcessWinsEachCreate) {
  constexpr int kProcesses = 3, kKeys = 80;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(Fork([this] {
      const auto store = OpenStore();
      int won = 0;
      for (int key = 0; key < kKeys; ++key) {
        const auto put = Put(*store, absl::StrFormat("d%d/k%d", key % 7, key), "x",
                             Precondition::Is(Version::Absent()));
        if (!put.ok() && ErrnoOf(put.status()) != EEXIST) return 255;
        won += put.ok() ? 1 : 0;
      }
      return won;
    }));
  }
  int won = 0;
  for (const pid_t child : children) won += Reap(child);
  EXPECT_EQ(won, kKeys);
}

// Directories come and go with their objects; writers and deleters meet in the middle.
TEST_F(FileStoreTest, ProcessesMakeAndEmptyOneDirectory) {
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(Fork([this, i] {
      const auto store = OpenStore();
      const std::string key = absl::StrFormat("a/b/c/%d", i);
      for (int round = 0; round < 150; ++round) {
        if (!Put(*store, key, "x").ok()) return 1;
        if (!store->Delete(CallContext(), key, Precondition::None()).ok()) return 2;
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(Reap(child), 0);
  EXPECT_EQ(FilesIn("objects"), 0u);
}

int WriteForEver(FileStore& store) {
  for (int i = 0;; ++i) {
    const std::string bytes(i % 2 == 0 ? 700'000 : 3'000, static_cast<char>('a' + i % 26));
    MemorySource body(bytes);
    PutRequest request;
    request.key = "dir/v";
    if (!store.Put(CallContext(), request, body).ok()) return 1;
    const auto id = store.CreateUpload(CallContext(), request);
    if (!id.ok()) return 2;
    const auto part = store.UploadPart(CallContext(), request.key, *id, 1, body);
    if (!part.ok()) return 3;
    CompleteRequest complete;
    complete.key = request.key;
    complete.upload_id = *id;
    complete.parts = {*part};
    if (!store.CompleteUpload(CallContext(), complete).ok()) return 4;
  }
}

TEST_F(FileStoreTest, KilledWriterLeavesOneVersionAndNoLitter) {
  ASSERT_TRUE(Put(*store_, "dir/v", std::string(3'000, 'z')).ok());
  for (int round = 0; round < 25; ++round) {
    const pid_t child = Fork([this] { return WriteForEver(*OpenStore()); });
    absl::SleepFor(absl::Microseconds(2'000 + round * 700));  // a different instant each time
    kill(child, SIGKILL);
    ASSERT_EQ(Reap(child), -SIGKILL);
    const auto store = OpenStore();
    EXPECT_EQ(FilesIn(".s3files/tmp"), 0u);
    const std::string bytes = Read(*store, "dir/v");
    EXPECT_TRUE(bytes.size() == 700'000 || bytes.size() == 3'000) << bytes.substr(0, 40);
    EXPECT_EQ(bytes.find_first_not_of(bytes[0]), std::string::npos);
    EXPECT_EQ(Keys(*store), std::vector<std::string>({"dir/v"}));
    // An upload that was under way is still known, and can be ended.
    const auto uploads = store->ListUploads(CallContext(), "");
    ASSERT_TRUE(uploads.ok()) << uploads.status();
    EXPECT_LE(uploads->size(), 1u);
    for (const PendingUpload& upload : *uploads) {
      EXPECT_TRUE(store->AbortUpload(CallContext(), upload.key, upload.upload_id).ok());
    }
    EXPECT_EQ(FilesIn(".s3files/uploads"), 0u);
    EXPECT_TRUE(Put(*store, "dir/v", std::string(3'000, 'z')).ok());  // nothing stays locked
  }
}

TEST_F(FileStoreTest, OpeningDoesNotSweepAwayWhatIsBeingWritten) {
  class OpensAnother final : public ByteSource {
   public:
    explicit OpensAnother(std::function<void()> open) : open_(std::move(open)) {}
    uint64_t size() const override { return 1'000'000; }
    absl::Status Read(uint64_t, absl::Span<char> out) override {
      std::fill(out.begin(), out.end(), 'x');
      open_();
      return absl::OkStatus();
    }

   private:
    std::function<void()> open_;
  };
  OpensAnother body([this] { EXPECT_NE(OpenStore(), nullptr); });
  PutRequest request;
  request.key = "a";
  const auto put = store_->Put(CallContext(), request, body);
  EXPECT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(Read(*store_, "a").size(), 1'000'000u);
}

TEST_F(FileStoreTest, EverythingIsThereAfterReopening) {
  ASSERT_TRUE(Put(*store_, "a/b", "bytes").ok());
  const auto before = store_->Head(CallContext(), "a/b");
  PutRequest request;
  request.key = "up";
  request.metadata.content_type = "text/plain";
  const auto id = store_->CreateUpload(CallContext(), request);
  ASSERT_TRUE(id.ok());
  MemorySource body("part");
  ASSERT_TRUE(store_->UploadPart(CallContext(), "up", *id, 1, body).ok());

  store_ = OpenStore();
  EXPECT_EQ(Read(*store_, "a/b"), "bytes");
  EXPECT_EQ(store_->Head(CallContext(), "a/b")->stamp, before->stamp);
  CompleteRequest complete;
  complete.key = "up";
  complete.upload_id = *id;
  complete.parts = *store_->ListParts(CallContext(), "up", *id);
  ASSERT_TRUE(store_->CompleteUpload(CallContext(), complete).ok());
  EXPECT_EQ(Read(*store_, "up"), "part");
  EXPECT_EQ(store_->Head(CallContext(), "up")->metadata.content_type, "text/plain");
  EXPECT_EQ(FilesIn(".s3files/uploads"), 0u);
}

TEST_F(FileStoreTest, ReaderKeepsTheVersionItOpened) {
  class ReplacingSink final : public ByteSink {
   public:
    explicit ReplacingSink(ObjectStore* store) : store_(store) {}
    absl::Status Write(uint64_t, absl::Span<const char> piece) override {
      if (bytes_.empty()) {
        EXPECT_TRUE(Put(*store_, "v", "replaced").ok());
        EXPECT_TRUE(store_->Delete(CallContext(), "v", Precondition::None()).ok());
      }
      bytes_.append(piece.data(), piece.size());
      return absl::OkStatus();
    }
    std::string bytes_;

   private:
    ObjectStore* const store_;
  };
  const std::string old(2'000'000, 'o');
  ASSERT_TRUE(Put(*store_, "v", old).ok());
  ReplacingSink sink(store_.get());
  ASSERT_TRUE(store_->Get(CallContext(), {"v", {}, {}, false}, sink).ok());
  EXPECT_TRUE(sink.bytes_ == old);
}

TEST_F(FileStoreTest, EqualBytesWrittenTwiceAreTwoVersions) {
  const auto one = Put(*store_, "a", "same"), two = Put(*store_, "a", "same");
  EXPECT_NE(one->version, two->version);
}

TEST_F(FileStoreTest, ListingsAreNeverStale) {
  ASSERT_TRUE(Put(*store_, "a", "x").ok());
  absl::SleepFor(absl::Milliseconds(60));  // until the directory may be remembered
  const auto other = OpenStore();
  using K = std::vector<std::string>;
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(Keys(*store_), K({"a"}));
    ASSERT_TRUE(Put(*other, "b", "x").ok());
    EXPECT_EQ(Keys(*store_), K({"a", "b"}));
    ASSERT_TRUE(other->Delete(CallContext(), "b", Precondition::None()).ok());
    EXPECT_EQ(Keys(*store_), K({"a"}));
    if (round == 10) absl::SleepFor(absl::Milliseconds(60));
  }
}

TEST_F(FileStoreTest, EmptyDirectoriesAreNoPrefixes) {
  ASSERT_TRUE(Put(*store_, "keep", "x").ok());
  fs::create_directories(directory_ + "/objects/left%/over%");  // as after a crash
  EXPECT_EQ(Keys(*store_, true), std::vector<std::string>({"keep"}));
  ASSERT_TRUE(Put(*store_, "left/over/now", "x").ok());
  EXPECT_EQ(Keys(*store_, true), std::vector<std::string>({"keep", "left/"}));
}

TEST_F(FileStoreTest, ForeignFileIsNoObject) {
  ASSERT_TRUE(Put(*store_, "mine", "x").ok());
  std::ofstream(directory_ + "/objects/theirs") << "dropped in by hand, without a trailer";
  std::ofstream(directory_ + "/objects/lying") << std::string(8, '\xff') << "s3files1";
  std::ofstream(directory_ + "/objects/looks like a folder%") << "x";
  fs::create_directory(directory_ + "/objects/folder");
  fs::create_symlink("mine", directory_ + "/objects/link");
  ASSERT_EQ(mkfifo((directory_ + "/objects/pipe").c_str(), 0600), 0);
  EXPECT_EQ(Keys(*store_), std::vector<std::string>({"mine"}));
  EXPECT_EQ(ErrnoOf(store_->Head(CallContext(), "theirs").status()), EIO);
  EXPECT_EQ(ErrnoOf(store_->Head(CallContext(), "pipe").status()), EIO);
  EXPECT_EQ(ErrnoOf(store_->Head(CallContext(), "lying").status()), EIO);
}

TEST_F(FileStoreTest, MuchMetadata) {
  PutRequest request;
  request.key = "m";
  for (int i = 0; i < 100; ++i) {
    request.metadata.user["name" + std::to_string(i)] = std::string(100, 'v');
  }
  MemorySource body("x");
  ASSERT_TRUE(store_->Put(CallContext(), request, body).ok());
  EXPECT_EQ(store_->Head(CallContext(), "m")->metadata, request.metadata);
  EXPECT_EQ(Read(*store_, "m"), "x");
}

// Objects written before encryption and tags had their place in the trailer.
TEST_F(FileStoreTest, OlderFilesCanBeRead) {
  PutRequest request;
  request.key = "old";
  request.metadata.user["name"] = "value";
  MemorySource body("bytes");
  ASSERT_TRUE(store_->Put(CallContext(), request, body).ok());
  const std::string path = directory_ + "/objects/old";
  std::stringstream whole;
  whole << std::ifstream(path, std::ios::binary).rdbuf();
  std::string file = whole.str();
  constexpr size_t kNew = 3 * 8 + 8;  // three empty strings, no tags
  const size_t footer = file.size() - 16;
  uint64_t size = 0;
  std::memcpy(&size, &file[footer], sizeof size);
  size -= kNew;
  std::memcpy(&file[footer], &size, sizeof size);
  file.erase(footer - kNew, kNew);
  std::ofstream(path, std::ios::binary) << file;

  EXPECT_EQ(Read(*store_, "old"), "bytes");
  EXPECT_EQ(store_->Head(CallContext(), "old")->metadata, request.metadata);
  EXPECT_TRUE(store_->GetTags(CallContext(), "old")->empty());
}

TEST_F(FileStoreTest, NamesAreLegible) {
  ASSERT_TRUE(Put(*store_, "photos/2024/cat.jpg", "meow").ok());
  EXPECT_TRUE(fs::exists(directory_ + "/objects/photos%/2024%/cat.jpg"));
}

TEST_F(FileStoreTest, ForkedChildIsTurnedAway) {
  const int error = Reap(Fork([this] { return ErrnoOf(Put(*store_, "a", "x").status()); }));
  EXPECT_EQ(error, EBUSY);
  EXPECT_TRUE(Put(*store_, "a", "x").ok());
}

TEST_F(FileStoreTest, DeadlineHoldsWhileAnotherProcessHoldsTheLock) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = Fork([&] {
    for (int i = 0; i < 16; ++i) {
      const std::string path = absl::StrFormat("%s/.s3files/locks/%02d", directory_, i);
      if (flock(open(path.c_str(), O_RDWR | O_CREAT, 0666), LOCK_EX) != 0) return 1;
    }
    if (write(ready[1], "x", 1) != 1) return 2;
    pause();
    return 3;
  });
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  CallContext call;
  call.deadline_ns = MonotonicNanos() + 30'000'000;
  PutRequest request;
  request.key = "a";
  MemorySource body("x");
  EXPECT_EQ(ErrnoOf(store_->Put(call, request, body).status()), ETIMEDOUT);
  EXPECT_EQ(Read(*store_, "a"), "error " + std::to_string(ENOENT));  // readers need no lock
  kill(child, SIGKILL);
  EXPECT_EQ(Reap(child), -SIGKILL);
  EXPECT_TRUE(Put(*store_, "a", "x").ok());  // the dead hold nothing
  EXPECT_EQ(FilesIn(".s3files/tmp"), 0u);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(FileStoreTest, OpenSaysWhatIsWrong) {
  const auto missing = FileStore::Open(directory_ + "/no/such");
  EXPECT_EQ(ErrnoOf(missing.status()), ENOENT);
  EXPECT_NE(missing.status().message().find("/no/such"), absl::string_view::npos);
  std::ofstream(directory_ + "/file") << "x";
  EXPECT_EQ(ErrnoOf(FileStore::Open(directory_ + "/file").status()), ENOTDIR);
  FileStore::Options options;
  options.create = false;
  EXPECT_EQ(ErrnoOf(FileStore::Open(directory_ + "/new", options).status()), ENOENT);
  EXPECT_TRUE(FileStore::Open(directory_ + "/new").ok());
  fs::remove_all(directory_ + "/objects");
  EXPECT_EQ(ErrnoOf(store_->Probe(CallContext(), "")), ENOENT);
  EXPECT_EQ(ErrnoOf(Put(*store_, "a", "x").status()), ENOENT);
}

// Keys made of what the layout treats specially, in lengths around where names are split.
std::string ArbitraryKey() {
  const auto piece = rc::gen::element<std::string>(
      "a", "b", "/", "/", ".", "..", "%", "+", "-", std::string(1, '\0'), "\xff", "!",
      std::string(78, 'p'), std::string(79, 'p'), std::string(80, 'p'), std::string(79, '%'));
  std::string key;
  for (const auto& part : *rc::gen::container<std::vector<std::string>>(piece)) key += part;
  return "k" + key.substr(0, 1000);
}

TEST(KeyPath, EveryComponentFitsAndComesBack) {
  EXPECT_TRUE(rc::check("path of key", [] {
    const std::string key = ArbitraryKey();
    const std::string path = PathOfKey(key);
    RC_ASSERT(path.size() < 3500u);
    std::string back;
    for (size_t at = 0; at <= path.size();) {
      const size_t slash = std::min(path.find('/', at), path.size());
      const std::string file = path.substr(at, slash - at);
      RC_ASSERT(!file.empty() && file.size() <= 255u && file != "." && file != "..");
      RC_ASSERT(file.find('\0') == std::string::npos);
      const TreeEntry entry = EntryOfFile(file);
      RC_ASSERT(FileOfEntry(entry) == file);
      RC_ASSERT((entry.kind == TreeEntry::kObject) == (slash == path.size()));
      back += entry.name;
      at = slash + 1;
    }
    RC_ASSERT(back == key);
  }));
}

TEST_F(FileStoreTest, ListsAsASetOfKeysWould) {
  EXPECT_TRUE(rc::check("listing order", [this] {
    std::set<std::string> model;
    for (int n = *rc::gen::inRange(1, 25); n > 0; --n) {
      model.insert(ArbitraryKey());
      if (!model.empty() && n % 5 == 0) {  // neighbours of one that is there
        model.insert(*model.begin() + "/");
        model.insert((*model.rbegin()).substr(0, 80));
      }
    }
    for (const std::string& key : model) RC_ASSERT(Put(*store_, key, "x").ok());
    ListRequest request;
    request.hierarchical = false;
    request.max_keys = *rc::gen::inRange(1, 9);
    std::vector<std::string> listed;
    do {
      const auto page = store_->List(CallContext(), request);
      RC_ASSERT(page.ok());
      for (const auto& object : page->objects) listed.push_back(object.key);
      request.token = page->next_token;
    } while (!request.token.empty());
    RC_ASSERT(listed == std::vector<std::string>(model.begin(), model.end()));
    for (const std::string& key : model) {
      RC_ASSERT(store_->Delete(CallContext(), key, Precondition::None()).ok());
    }
    RC_ASSERT(FilesIn("objects") == 0u);
  }));
}

}  // namespace
}  // namespace s3files
