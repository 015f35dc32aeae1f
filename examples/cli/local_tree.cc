#include "examples/cli/local_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

namespace cli {
namespace {

class LocalReader final : public Reader {
 public:
  explicit LocalReader(const std::string& path)
      : path_(path), fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) throw SystemFailure(path_);
  }
  ~LocalReader() override { close(fd_); }
  std::size_t Read(char* buffer, std::size_t size, std::uint64_t offset) override {
    const ssize_t n = pread(fd_, buffer, size, static_cast<off_t>(offset));
    if (n < 0) throw SystemFailure(path_);
    return static_cast<std::size_t>(n);
  }

 private:
  const std::string path_;
  const int fd_;
};

class LocalWriter final : public Writer {
 public:
  LocalWriter(const std::string& path, std::uint32_t mode) : path_(path) {
    const std::size_t slash = path.rfind('/');
    temporary_ = (slash == std::string::npos ? "" : path.substr(0, slash + 1)) + ".s3files-XXXXXX";
    fd_ = mkostemp(temporary_.data(), O_CLOEXEC);
    if (fd_ < 0) throw SystemFailure(path_);
    const mode_t mask = umask(022);
    umask(mask);
    fchmod(fd_, mode & 0777 & ~mask);
  }
  ~LocalWriter() override {
    if (fd_ >= 0) close(fd_);
    if (!published_) unlink(temporary_.c_str());
  }
  void Write(const char* bytes, std::size_t size, std::uint64_t offset) override {
    while (size > 0) {
      const ssize_t n = pwrite(fd_, bytes, size, static_cast<off_t>(offset));
      if (n < 0) throw SystemFailure(path_);
      bytes += n;
      size -= static_cast<std::size_t>(n);
      offset += static_cast<std::uint64_t>(n);
    }
  }
  void Publish() override {
    const bool closed = close(fd_) == 0;
    fd_ = -1;
    if (!closed || rename(temporary_.c_str(), path_.c_str()) != 0) throw SystemFailure(path_);
    published_ = true;
  }

 private:
  const std::string path_;
  std::string temporary_;
  int fd_ = -1;
  bool published_ = false;
};

class Local final : public Tree {
 public:
  std::optional<Info> Look(const Place& place, bool follow) override {
    struct stat found;
    const int result =
        follow ? stat(place.path.c_str(), &found) : lstat(place.path.c_str(), &found);
    if (result != 0 && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
    if (result != 0) throw SystemFailure(place.path);
    Info info;
    info.mode = found.st_mode & 07777;
    info.size = static_cast<std::uint64_t>(found.st_size);
    info.type = S_ISREG(found.st_mode)   ? S3F_TYPE_FILE
                : S_ISDIR(found.st_mode) ? S3F_TYPE_DIRECTORY
                : S_ISLNK(found.st_mode) ? S3F_TYPE_SYMLINK
                                         : 0;
    return info;
  }
  void ForEach(const Place& directory,
               const std::function<void(const std::string& name)>& visit) override {
    DIR* const dir = opendir(directory.path.c_str());
    if (dir == nullptr) throw SystemFailure(directory.path);
    const std::unique_ptr<DIR, int (*)(DIR*)> closing(dir, closedir);
    while (const dirent* entry = readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") visit(name);
    }
  }
  void MakeDirectory(const Place& place, std::uint32_t mode) override {
    if (mkdir(place.path.c_str(), (mode | 0700) & 0777) != 0) throw SystemFailure(place.path);
  }
  std::string ReadLink(const Place& place) override {
    char target[PATH_MAX];
    const ssize_t n = readlink(place.path.c_str(), target, sizeof target);
    if (n < 0) throw SystemFailure(place.path);
    return std::string(target, static_cast<std::size_t>(n));
  }
  void MakeLink(const std::string& target, const Place& place) override {
    if (symlink(target.c_str(), place.path.c_str()) != 0) throw SystemFailure(place.path);
  }
  std::unique_ptr<Reader> Open(const Place& place) override {
    return std::make_unique<LocalReader>(place.path);
  }
  std::unique_ptr<Writer> Create(const Place& place, std::uint32_t mode) override {
    return CreateLocal(place.path, mode);
  }
};

}  // namespace

std::unique_ptr<Tree> LocalTree() { return std::make_unique<Local>(); }

std::unique_ptr<Writer> CreateLocal(const std::string& path, std::uint32_t mode) {
  return std::make_unique<LocalWriter>(path, mode);
}

}  // namespace cli
