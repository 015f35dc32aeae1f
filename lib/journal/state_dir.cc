#include "lib/journal/state_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

// A process may take a lock of fcntl's that it has already, and loses it with the first descriptor it
// closes: what this process owns is known here.
struct Owned {
  absl::Mutex mu;
  std::set<std::tuple<pid_t, dev_t, ino_t>> locks  // a forked child has none of them
      ABSL_GUARDED_BY(mu);
};

Owned& OwnedHere() {
  static Owned& owned = *new Owned();
  return owned;
}

absl::Status SystemError(const std::string& path, absl::string_view what) {
  const int error = errno;
  return Error(error, absl::StrCat("state_dir: cannot ", what, " ", path, ": ", strerror(error)));
}

// It is there after a loss of power, too, even if who made it was killed before that was so.
absl::Status MakeDirectory(const std::string& path) {
  const bool made = mkdir(path.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return SystemError(path, "make");
  const int above = open((path + "/..").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // Made by somebody else, who may list what we may not.
  if (above < 0 && errno == EACCES && !made) return absl::OkStatus();
  const bool synced = above >= 0 && fsync(above) == 0;
  if (above >= 0) close(above);
  return synced ? absl::OkStatus() : SystemError(path, "sync the directory of");
}

// `pid`: of the lock; what the file says is an older one's where that only reads.
std::string OwnerOf(int fd, pid_t pid) {
  char text[256];
  const ssize_t n = pread(fd, text, sizeof(text), 0);
  const std::string said(text, n > 0 ? static_cast<size_t>(n) : 0);
  const std::string owner = absl::StrCat("pid ", pid);
  if (pid > 0 && said.rfind(owner + ",", 0) != 0) return owner + ", which reads it";
  return said.empty() ? "another process" : said;
}

// When a process began, in the kernel's ticks: with it a number that was used again is told apart.
std::string StartOf(pid_t pid) {
  const int fd = open(absl::StrCat("/proc/", pid, "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "?";
  char text[1024];
  const ssize_t n = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (n <= 0) return "?";
  text[n] = '\0';
  const char* field = strrchr(text, ')');  // the second field; names may hold anything
  for (int i = 2; field != nullptr && i < 22; ++i) {
    field = strchr(field + 1, ' ');
  }
  if (field == nullptr) return "?";
  ++field;
  return std::string(field, strcspn(field, " "));
}

absl::Status Lock(int fd, const std::string& path, bool to_read) {
  struct flock lock = {};
  lock.l_type = to_read ? F_RDLCK : F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(fd, F_SETLK, &lock) != 0) {
    if (errno != EAGAIN && errno != EACCES) return SystemError(path, "lock");
    lock.l_pid = 0;  // its owner, now, unless it has just gone, or is of another host
    const bool known = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    return Error(EBUSY, absl::StrCat("state_dir ", path, " is in use by ",
                                     OwnerOf(fd, known ? lock.l_pid : 0),
                                     "; close that file system, or choose another directory"));
  }
  if (to_read) return absl::OkStatus();
  const std::string owner = absl::StrCat("pid ", getpid(), ", started at tick ", StartOf(getpid()));
  if (ftruncate(fd, 0) != 0 || pwrite(fd, owner.data(), owner.size(), 0) < 0) {
    return SystemError(path, "write the lock of");
  }
  return absl::OkStatus();
}

// The process may go to another directory.
absl::StatusOr<std::string> Resolve(const std::string& given) {
  const std::unique_ptr<char, void (*)(void*)> resolved(realpath(given.c_str(), nullptr), free);
  if (resolved == nullptr) return SystemError(given, "resolve");
  return std::string(resolved.get());
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateDir>> StateDir::Open(const std::string& given) {
  S3FILES_RETURN_IF_ERROR(MakeDirectory(given));
  S3FILES_ASSIGN_OR_RETURN(const std::string path, Resolve(given));
  S3FILES_RETURN_IF_ERROR(MakeDirectory(path + "/staged"));
  return Own(path, /*to_read=*/false);
}

absl::StatusOr<std::unique_ptr<StateDir>> StateDir::OpenToRead(const std::string& given) {
  S3FILES_ASSIGN_OR_RETURN(const std::string path, Resolve(given));
  for (const char* name : {"/journal.db", "/staged"}) {
    if (access((path + name).c_str(), R_OK) == 0) return Own(path, /*to_read=*/true);
    if (errno != ENOENT) return SystemError(path + name, "read");
  }
  return Error(ENOENT, absl::StrCat(path,
                                    " is not a state_dir: it has neither journal.db nor "
                                    "staged/"));
}

absl::StatusOr<std::unique_ptr<StateDir>> StateDir::Own(const std::string& path, bool to_read) {
  const std::string lock_path = path + "/lock";
  // Looked at before it is opened: closing it would give up a lock that is held here.
  absl::MutexLock lock(&OwnedHere().mu);
  struct stat info = {};
  if (stat(lock_path.c_str(), &info) == 0 &&
      OwnedHere().locks.contains({getpid(), info.st_dev, info.st_ino})) {
    return Error(EBUSY, absl::StrCat("state_dir ", path,
                                     " is in use by another file system of this process"));
  }
  const int fd = to_read ? open(lock_path.c_str(), O_RDONLY | O_CLOEXEC)
                         : open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 && to_read && errno == ENOENT) {  // a copy without it, or it was lost
    return std::unique_ptr<StateDir>(new StateDir(path, -1, 0, 0));
  }
  if (fd < 0) return SystemError(lock_path, "open");
  absl::Status status =
      fstat(fd, &info) == 0 ? Lock(fd, path, to_read) : SystemError(lock_path, "stat");
  if (!status.ok()) {
    close(fd);
    return status;
  }
  OwnedHere().locks.insert({getpid(), info.st_dev, info.st_ino});
  return std::unique_ptr<StateDir>(new StateDir(path, fd, info.st_dev, info.st_ino));
}

StateDir::~StateDir() {
  if (fd_ < 0) return;
  absl::MutexLock lock(&OwnedHere().mu);
  OwnedHere().locks.erase({getpid(), device_, inode_});
  close(fd_);
}

}  // namespace s3files
