// A host in tests of the file system: one FileSystem over a FaultyStore of its own, so that its
// requests are counted and its faults are its own. Several hosts share a bucket.
#ifndef S3FILES_TESTS_FS_HOST_H_
#define S3FILES_TESTS_FS_HOST_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "lib/fs/file_system.h"
#include "lib/store/memory_store.h"
#include "tests/store/faulty_store.h"

namespace s3files {

// Where one file is enough.
inline constexpr char kFile[] = "f";

// A clock that stands still until it is moved.
class ManualClock final : public Clock {
 public:
  int64_t WallNanos() const override { return kEpoch + now_.load(); }
  int64_t MonotonicNanos() const override { return now_.load(); }
  void Advance(absl::Duration by) { now_.fetch_add(absl::ToInt64Nanoseconds(by)); }

 private:
  static constexpr int64_t kEpoch = int64_t{1'700'000'000} * 1'000'000'000;
  std::atomic<int64_t> now_{int64_t{1'000'000} * 1'000'000'000};
};

// What the bucket holds, seen by another tool.
class Bucket {
 public:
  // Small enough for tests that a few hundred kilobytes are many parts.
  static constexpr uint64_t kPart = 64 << 10;

  static Capabilities SmallParts() {
    Capabilities can;
    can.smallest_part = 16 << 10;
    return can;
  }
  explicit Bucket(const Capabilities& can = SmallParts())
      : store_(std::make_shared<MemoryStore>(can)) {}

  const std::shared_ptr<MemoryStore>& store() const { return store_; }
  void Put(const std::string& key, absl::string_view bytes, const ObjectMetadata& metadata = {},
           const ObjectTags& tags = {});
  void Delete(const std::string& key);
  std::optional<std::string> Get(const std::string& key) const;  // nullopt: there is none
  ObjectInfo Head(const std::string& key) const;
  ObjectTags Tags(const std::string& key) const;
  std::vector<std::string> Keys() const;
  size_t PendingUploads() const;

 private:
  const std::shared_ptr<MemoryStore> store_;
};

inline constexpr uint32_t kReadWrite = kOpenRead | kOpenWrite;
inline constexpr uint64_t kLarge = 6 * Bucket::kPart;  // parts are used from 2 on

class Host final : public EventSink {
 public:
  // Parts of Bucket::kPart, uploads in parts from twice that on; no read-ahead.
  static FileSystemOptions Options();
  explicit Host(const Bucket& bucket, const FileSystemOptions& options = Options(),
                Clock* clock = Clock::System(), ConflictJudge* judge = nullptr)
      : store_(std::make_shared<FaultyStore>(bucket.store())),
        fs_(std::make_unique<FileSystem>(store_, options, this, clock, nullptr, judge)) {}

  FileSystem& fs() { return *fs_; }
  FaultyStore& store() { return *store_; }
  // Whose next calls have 20 ms.
  Host& Soon() {
    call.deadline_ns = MonotonicNanos() + 20'000'000;
    return *this;
  }
  // One with a journal in the directory.
  Host(const Bucket& bucket, const std::string& state_dir, const FileSystemOptions& options,
       Clock* clock = Clock::System());
  Host(const Bucket& bucket, const std::string& state_dir, const FileSystemOptions& options,
       ConflictJudge* judge);
  // Ends the file system without closing it, as if the process had.
  void Vanish() { fs_.reset(); }

  // Fail the test where the file system fails.
  std::unique_ptr<Handle> Open(absl::string_view path, uint32_t flags = kOpenRead);
  std::unique_ptr<Handle> Create(absl::string_view path) {
    return Open(path, kOpenRead | kOpenWrite | kOpenCreate);
  }
  // The bytes, or "errno N".
  std::string Read(Handle& handle, uint64_t offset = 0, size_t size = 1 << 26);
  std::string ReadFile(absl::string_view path);
  // Names of a directory's entries, `page` at a time; "errno N" for the rest where that fails.
  std::vector<std::string> List(absl::string_view path, size_t page = 100);

  absl::Status TryOpen(absl::string_view path, uint32_t flags);
  absl::Status Write(Handle& handle, uint64_t offset, absl::string_view bytes) {
    return fs_->Write(call, handle, offset, bytes);
  }
  absl::Status Append(Handle& handle, absl::string_view bytes) {
    return fs_->Append(call, handle, bytes).status();
  }
  absl::Status Truncate(Handle& handle, uint64_t size) { return fs_->Truncate(call, handle, size); }
  absl::Status Sync(Handle& handle) { return fs_->Sync(call, handle); }
  absl::Status Close(std::unique_ptr<Handle> handle) {
    return fs_->CloseHandle(call, std::move(handle));
  }
  absl::Status Abandon(std::unique_ptr<Handle> handle) {
    return fs_->Abandon(call, std::move(handle));
  }
  // Opens (made or truncated), writes and closes.
  absl::Status WriteFile(absl::string_view path, absl::string_view bytes);
  absl::StatusOr<FileInfo> Stat(absl::string_view path, uint32_t mask = kInfoNeedsHead,
                                bool follow = true) {
    return fs_->Stat(call, nullptr, path, follow, mask);
  }
  absl::Status SetAttributes(absl::string_view path, const AttributeRequest& request,
                             bool follow = true) {
    return fs_->SetAttributes(call, nullptr, path, follow, request);
  }
  absl::Status Chmod(absl::string_view path, uint32_t mode) {
    AttributeRequest request;
    request.mode = mode;
    return SetAttributes(path, request);
  }
  absl::Status SetXattr(absl::string_view path, absl::string_view name,
                        const std::optional<std::string>& value) {
    return fs_->SetXattr(call, nullptr, path, true, name, value, std::nullopt);
  }
  absl::StatusOr<std::string> GetXattr(absl::string_view path, absl::string_view name) {
    return fs_->GetXattr(call, nullptr, path, true, name);
  }
  absl::Status Symlink(absl::string_view target, absl::string_view path) {
    return fs_->MakeSymlink(call, target, nullptr, path);
  }
  absl::StatusOr<std::string> ReadLink(absl::string_view path) {
    return fs_->ReadLink(call, nullptr, path);
  }
  absl::Status MakeDirectory(absl::string_view path) {
    return fs_->MakeDirectory(call, nullptr, path, 0777);
  }
  absl::Status RemoveDirectory(absl::string_view path) {
    return fs_->RemoveDirectory(call, nullptr, path);
  }
  absl::Status Unlink(absl::string_view path) { return fs_->Unlink(call, nullptr, path); }
  absl::Status Rename(absl::string_view from, absl::string_view to, bool replace = true) {
    return fs_->Rename(call, nullptr, from, nullptr, to, replace ? 0u : uint32_t{kRenameNoReplace});
  }
  absl::Status Commit(absl::string_view path) { return fs_->Commit(call, nullptr, path); }
  absl::Status Discard(absl::string_view path) { return fs_->Discard(call, nullptr, path); }
  FileSystem::PathStatus Status(absl::string_view path) {
    return fs_->Status(call, nullptr, path).value();
  }

  // What was asked of the store since the last time: "HEAD f, PUT f".
  std::string Requests();
  std::vector<Event> events() const;
  std::vector<Event> events(EventKind kind) const;
  bool AwaitEvents(EventKind kind, size_t n) const;

  CallContext call;  // of every call here

 private:
  void OnEvent(const Event& event) override;

  mutable absl::Mutex mu_;
  std::vector<Event> events_ ABSL_GUARDED_BY(mu_);
  const std::shared_ptr<FaultyStore> store_;
  std::unique_ptr<FileSystem> fs_;
};

// Bytes that differ from block to block and from seed to seed.
std::string Noise(size_t size, uint64_t seed = 1);

}  // namespace s3files

#endif  // S3FILES_TESTS_FS_HOST_H_
