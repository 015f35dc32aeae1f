#include "tests/server/directory_backend.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include "tests/server/change_codec.h"
#include "tests/server/memory_backend.h"

namespace s3files::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBufferSize = 256 * 1024;

[[noreturn]] void Fail(const std::string& what, const fs::path& path) {
  throw std::runtime_error("cannot " + what + " " + path.string() + ": " + std::strerror(errno));
}

int OpenOrFail(const fs::path& path, int flags) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (fd < 0) Fail("open", path);
  return fd;
}

void WriteAll(int fd, const char* bytes, size_t size, const fs::path& path) {
  while (size > 0) {
    ssize_t written = ::write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) Fail("write", path);
    bytes += written;
    size -= static_cast<size_t>(written);
  }
}

std::string Frame(const Change& change) {
  std::string record = EncodeChange(change);
  uint32_t size = static_cast<uint32_t>(record.size());
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + record;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

// DIR/data: names, numbers and removes the files. Thread-safe.
class DataDirectory {
 public:
  explicit DataDirectory(fs::path path) : path_(std::move(path)) { fs::create_directories(path_); }

  // A thousand files in a directory.
  fs::path PathOf(uint64_t id) const {
    return path_ / std::to_string(id / 1000) / std::to_string(id);
  }
  int Create(uint64_t id) const {
    fs::path path = PathOf(id);
    fs::create_directory(path.parent_path());
    return OpenOrFail(path, O_WRONLY | O_CREAT | O_EXCL);
  }
  uint64_t NextId() { return next_id_++; }
  void Remove(uint64_t id) const {
    if (!closed_) ::unlink(PathOf(id).c_str());
  }
  // From now on dropping the last reference keeps the file: the server stops, the data stays.
  void Close() { closed_ = true; }

  // Removes the bodies of uploads that a kill cut short, and numbers new ones after the rest.
  void Sweep(const std::unordered_set<uint64_t>& live) {
    for (const auto& entry : fs::recursive_directory_iterator(path_)) {
      if (entry.is_directory()) continue;
      std::string name = entry.path().filename();
      uint64_t id = 0;
      std::from_chars(name.data(), name.data() + name.size(), id);
      if (!live.contains(id)) fs::remove(entry.path());
      next_id_ = std::max(next_id_.load(), id + 1);
    }
  }

 private:
  const fs::path path_;
  std::atomic<uint64_t> next_id_ = 1;
  std::atomic<bool> closed_ = false;
};

namespace {

class File : public Storage {
 public:
  File(std::shared_ptr<DataDirectory> directory, uint64_t id)
      : directory_(std::move(directory)), id_(id) {}
  ~File() override { directory_->Remove(id_); }

  int OpenFile() const override { return OpenOrFail(directory_->PathOf(id_), O_RDONLY); }
  uint64_t id() const override { return id_; }

 private:
  std::shared_ptr<DataDirectory> directory_;
  uint64_t id_;
};

class FileBody : public BodyWriter {
 public:
  FileBody(std::shared_ptr<DataDirectory> directory, uint64_t size)
      : id_(directory->NextId()),
        path_(directory->PathOf(id_)),
        size_(size),
        buffer_(new char[std::min<uint64_t>(size, kBufferSize)]),
        file_(std::make_shared<File>(directory, id_)),
        fd_(directory->Create(id_)) {}
  ~FileBody() override { ::close(fd_); }

  std::span<char> Space() override {
    return {buffer_.get(), std::min<uint64_t>(size_ - written_, kBufferSize)};
  }
  void Advance(size_t count) override {
    WriteAll(fd_, buffer_.get(), count, path_);
    written_ += count;
  }
  Blob Finish() override { return Blob({file_, 0, written_}); }

 private:
  uint64_t id_;
  fs::path path_;
  uint64_t size_;
  uint64_t written_ = 0;
  std::unique_ptr<char[]> buffer_;
  std::shared_ptr<const File> file_;  // removes the file unless the blob is kept
  int fd_;
};

}  // namespace

DirectoryBackend::DirectoryBackend(const fs::path& directory) : directory_(directory) {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) {
    throw std::runtime_error("cannot create " + directory_.string() + ": " + error.message());
  }
  lock_fd_ = OpenOrFail(directory_ / "lock", O_RDWR | O_CREAT);
  if (::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_fd_);
    throw std::runtime_error(directory_.string() + " is in use by another server");
  }
  data_ = std::make_shared<DataDirectory>(directory_ / "data");
}

DirectoryBackend::~DirectoryBackend() {
  data_->Close();
  if (journal_fd_ >= 0) ::close(journal_fd_);
  ::close(lock_fd_);
}

std::unique_ptr<BodyWriter> DirectoryBackend::NewBody(uint64_t size) {
  // An empty body has no extents, hence no file.
  if (size == 0) return std::make_unique<MemoryBody>(0);
  return std::make_unique<FileBody>(data_, size);
}

void DirectoryBackend::Replay(const std::function<void(const Change&)>& apply) {
  std::string journal = ReadFile(directory_ / "journal");
  std::map<uint64_t, std::weak_ptr<const File>> files;
  auto find_file = [&](uint64_t id) -> std::shared_ptr<const Storage> {
    std::shared_ptr<const File> file = files[id].lock();
    if (file == nullptr) files[id] = file = std::make_shared<File>(data_, id);
    return file;
  };
  std::string_view rest = journal;
  uint32_t size = 0;
  while (rest.size() >= sizeof(size)) {
    std::memcpy(&size, rest.data(), sizeof(size));
    if (rest.size() - sizeof(size) < size) break;  // cut short by a kill: never acknowledged
    std::optional<Change> change = DecodeChange(rest.substr(sizeof(size), size), find_file);
    if (!change) throw std::runtime_error("damaged journal in " + directory_.string());
    apply(*change);
    rest.remove_prefix(sizeof(size) + size);
  }
  std::unordered_set<uint64_t> live;
  for (const auto& [id, file] : files) {
    if (!file.expired()) live.insert(id);
  }
  data_->Sweep(live);
}

void DirectoryBackend::Compact(const std::vector<Change>& changes) {
  fs::path path = directory_ / "journal";
  fs::path fresh = directory_ / "journal.new";
  journal_fd_ = OpenOrFail(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
  std::string buffer;
  for (const Change& change : changes) {
    buffer += Frame(change);
    if (buffer.size() < kBufferSize) continue;
    WriteAll(journal_fd_, buffer.data(), buffer.size(), fresh);
    buffer.clear();
  }
  WriteAll(journal_fd_, buffer.data(), buffer.size(), fresh);
  fs::rename(fresh, path);
}

void DirectoryBackend::Record(const Change& change) {
  std::string frame = Frame(change);
  WriteAll(journal_fd_, frame.data(), frame.size(), directory_ / "journal");
}

}  // namespace s3files::server
