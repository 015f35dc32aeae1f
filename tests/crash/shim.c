/* LD_PRELOAD: records what a process does to the files under a directory, and can kill it on the way.
 *
 * S3FILES_SHIM_DIR      the directory; absolute, without symlinks
 * S3FILES_SHIM_LOG      where the records go, in the order of the calls; power.py reads them
 * S3FILES_SHIM_KILL_AT  kill the process before the call of this number is done (they count from 1)
 * S3FILES_SHIM_NO_SYNC  set: no sync is recorded as done, as if the disk lied
 *
 * Calls that change or sync something have numbers. They go through as they are, one at a time but for
 * syncs: those are recorded when they begin and when they are done, since only what was there when one
 * began is known to be on the disk then. Records are written by write(2), so SIGKILL does not lose them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name)                                                       \
  ({                                                                     \
    static __typeof__(&name) next;                                       \
    if (next == NULL) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    next;                                                                \
  })

enum {
  kOpen = 'o',
  kClose = 'c',
  kWrite = 'w',
  kTruncate = 't',
  kAllocate = 'a',
  kSync = 's',
  kSynced = 'S',
  kRename = 'r',
  kLink = 'l',
  kUnlink = 'u',
  kMkdir = 'm',
  kRmdir = 'd',
  kUnknown = '?', /* a call that power.py has no model of */
};

struct Record {
  uint32_t kind;
  int32_t fd;
  uint64_t number; /* 0: none */
  uint64_t a;      /* offset or size; flags of open; of kSynced the number of its kSync */
  uint64_t b;      /* length */
  uint32_t path_size;
  uint32_t data_size;
};

enum { kMaxFd = 65536 };
static char tracked[kMaxFd];
static char directory[PATH_MAX];
static size_t directory_size; /* 0: nothing is recorded */
static int log_fd = -1;
static int lying;
static uint64_t kill_at, last_number;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void Begin(void) {
  const char* dir = getenv("S3FILES_SHIM_DIR");
  const char* path = getenv("S3FILES_SHIM_LOG");
  const char* at = getenv("S3FILES_SHIM_KILL_AT");
  if (dir == NULL || path == NULL || strlen(dir) >= sizeof(directory)) return;
  log_fd = NEXT(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) abort();
  lying = getenv("S3FILES_SHIM_NO_SYNC") != NULL;
  kill_at = at == NULL ? 0 : strtoull(at, NULL, 10);
  strcpy(directory, dir);
  directory_size = strlen(dir);
}

static int Watched(const char* path) {
  return directory_size > 0 && path != NULL && strncmp(path, directory, directory_size) == 0 &&
         (path[directory_size] == '\0' || path[directory_size] == '/');
}

static int Tracked(int fd) { return fd >= 0 && fd < kMaxFd && tracked[fd]; }

/* The mutex is held from here to Unlock. */
static uint64_t Number(void) {
  pthread_mutex_lock(&mutex);
  if (++last_number == kill_at) {
    kill(getpid(), SIGKILL);
    while (1) pause();
  }
  return last_number;
}

static void Unlock(void) {
  const int error = errno;
  pthread_mutex_unlock(&mutex);
  errno = error;
}

static void Log(struct Record record, const char* path, const void* data) {
  const int error = errno;
  struct iovec parts[] = {
      {&record, sizeof(record)}, {(void*)path, record.path_size}, {(void*)data, record.data_size}};
  const size_t size = sizeof(record) + record.path_size + record.data_size;
  if (NEXT(writev)(log_fd, parts, 3) != (ssize_t)size) abort();
  errno = error;
}

static void LogCall(int kind, int fd, uint64_t number, uint64_t a, uint64_t b) {
  const struct Record record = {(uint32_t)kind, fd, number, a, b, 0, 0};
  Log(record, "", "");
}

static void LogPath(int kind, int fd, uint64_t number, uint64_t a, const char* path) {
  const struct Record record = {(uint32_t)kind, fd, number, a, 0, (uint32_t)strlen(path), 0};
  Log(record, path, "");
}

static void LogPaths(int kind, uint64_t number, const char* from, const char* to) {
  const struct Record record = {(uint32_t)kind,      -1, number, 0, 0, (uint32_t)strlen(from),
                                (uint32_t)strlen(to)};
  Log(record, from, to);
}

/* ---- Opening and closing. */

static int NeedsMode(int flags) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

static int Open(const char* path, int flags, mode_t mode) {
  if (!Watched(path)) return NEXT(open)(path, flags, mode);
  uint64_t number = 0;
  if (flags & (O_CREAT | O_TRUNC)) {
    number = Number();
  } else {
    pthread_mutex_lock(&mutex);
  }
  const int fd = NEXT(open)(path, flags, mode);
  if (fd >= kMaxFd) abort();
  if (fd >= 0) {
    tracked[fd] = 1;
    LogPath(kOpen, fd, number, (uint64_t)flags, path);
    const int other = (flags & O_TMPFILE) == O_TMPFILE || (flags & (O_DSYNC | O_APPEND)) != 0;
    if (other) LogPath(kUnknown, fd, 0, 0, "flags of open");
  }
  Unlock();
  return fd;
}

#define MODE_OF(flags)                \
  mode_t mode = 0;                    \
  if (NeedsMode(flags)) {             \
    va_list arguments;                \
    va_start(arguments, flags);       \
    mode = va_arg(arguments, mode_t); \
    va_end(arguments);                \
  }

int open(const char* path, int flags, ...) {
  MODE_OF(flags)
  return Open(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  MODE_OF(flags)
  return Open(path, flags, mode);
}

int __open_2(const char* path, int flags) { return Open(path, flags, 0); }

int __open64_2(const char* path, int flags) { return Open(path, flags, 0); }

int creat(const char* path, mode_t mode) { return Open(path, O_WRONLY | O_CREAT | O_TRUNC, mode); }

int creat64(const char* path, mode_t mode) { return creat(path, mode); }

/* Makes `out` the path that a call relative to a descriptor means, if it is under the directory. */
static int WatchedAt(int at, const char* path, char* out) {
  if (directory_size == 0 || path == NULL) return 0;
  if (path[0] == '/' || at == AT_FDCWD) {
    if (!Watched(path)) return 0;
    return snprintf(out, PATH_MAX, "%s", path) < PATH_MAX;
  }
  char link[64], base[PATH_MAX];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
  const ssize_t n = readlink(link, base, sizeof(base) - 1);
  if (n <= 0) return 0;
  base[n] = '\0';
  return Watched(base) && (size_t)n + 1 + strlen(path) < PATH_MAX &&
         sprintf(out, "%s/%s", base, path) > 0;
}

int openat(int at, const char* path, int flags, ...) {
  MODE_OF(flags)
  char whole[PATH_MAX];
  return WatchedAt(at, path, whole) ? Open(whole, flags, mode)
                                    : NEXT(openat)(at, path, flags, mode);
}

int openat64(int at, const char* path, int flags, ...) {
  MODE_OF(flags)
  return openat(at, path, flags, mode);
}

int close(int fd) {
  if (!Tracked(fd)) return NEXT(close)(fd);
  pthread_mutex_lock(&mutex);
  tracked[fd] = 0;
  LogCall(kClose, fd, 0, 0, 0);
  const int result = NEXT(close)(fd);
  Unlock();
  return result;
}

/* ---- Bytes. */

static void LogWrite(int fd, uint64_t number, off_t offset, const void* data, ssize_t n) {
  if (n <= 0) return;
  const struct Record record = {kWrite, fd, number, (uint64_t)offset, (uint64_t)n, 0, (uint32_t)n};
  Log(record, "", data);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  if (!Tracked(fd)) return NEXT(pwrite)(fd, data, size, offset);
  const uint64_t number = Number();
  const ssize_t n = NEXT(pwrite)(fd, data, size, offset);
  LogWrite(fd, number, offset, data, n);
  Unlock();
  return n;
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  return pwrite(fd, data, size, offset);
}

ssize_t write(int fd, const void* data, size_t size) {
  if (!Tracked(fd)) return NEXT(write)(fd, data, size);
  const uint64_t number = Number();
  const ssize_t n = NEXT(write)(fd, data, size);
  if (n > 0) LogWrite(fd, number, lseek(fd, 0, SEEK_CUR) - n, data, n);
  Unlock();
  return n;
}

/* `at` < 0: where the descriptor stands. */
static ssize_t WriteVector(int fd, const struct iovec* parts, int count, off_t at) {
  const uint64_t number = Number();
  const ssize_t n = at < 0 ? NEXT(writev)(fd, parts, count) : NEXT(pwritev)(fd, parts, count, at);
  if (n > 0) {
    if (at < 0) at = lseek(fd, 0, SEEK_CUR) - n;
    char* const all = malloc((size_t)n);
    if (all == NULL) abort();
    size_t size = 0;
    for (int i = 0; size < (size_t)n; ++i) {
      const size_t rest = (size_t)n - size;
      const size_t part = parts[i].iov_len < rest ? parts[i].iov_len : rest;
      memcpy(all + size, parts[i].iov_base, part);
      size += part;
    }
    LogWrite(fd, number, at, all, n);
    free(all);
  }
  Unlock();
  return n;
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  return Tracked(fd) ? WriteVector(fd, parts, count, -1) : NEXT(writev)(fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec* parts, int count, off_t offset) {
  return Tracked(fd) ? WriteVector(fd, parts, count, offset)
                     : NEXT(pwritev)(fd, parts, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec* parts, int count, off64_t offset) {
  return pwritev(fd, parts, count, offset);
}

int ftruncate(int fd, off_t size) {
  if (!Tracked(fd)) return NEXT(ftruncate)(fd, size);
  const uint64_t number = Number();
  const int result = NEXT(ftruncate)(fd, size);
  if (result == 0) LogCall(kTruncate, fd, number, (uint64_t)size, 0);
  Unlock();
  return result;
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static int Allocated(int fd, uint64_t number, off_t offset, off_t size, int result) {
  if (result == 0) LogCall(kAllocate, fd, number, (uint64_t)offset, (uint64_t)size);
  Unlock();
  return result;
}

int posix_fallocate(int fd, off_t offset, off_t size) {
  if (!Tracked(fd)) return NEXT(posix_fallocate)(fd, offset, size);
  const uint64_t number = Number();
  return Allocated(fd, number, offset, size, NEXT(posix_fallocate)(fd, offset, size));
}

int posix_fallocate64(int fd, off64_t offset, off64_t size) {
  return posix_fallocate(fd, offset, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size) {
  if (!Tracked(fd)) return NEXT(fallocate)(fd, mode, offset, size);
  const uint64_t number = Number();
  if (mode != 0) LogPath(kUnknown, fd, number, 0, "mode of fallocate");
  return Allocated(fd, number, offset, size, NEXT(fallocate)(fd, mode, offset, size));
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
  return fallocate(fd, mode, offset, size);
}

/* What power.py would be wrong about. (Shared mappings are seen by no shim: nothing here writes to one
 * but SQLite to its -shm, which it does not keep.) */
static void Unknown(int fd, const char* name) {
  if (!Tracked(fd)) return;
  const uint64_t number = Number();
  LogPath(kUnknown, fd, number, 0, name);
  Unlock();
}

ssize_t sendfile(int to, int from, off_t* offset, size_t size) {
  Unknown(to, "sendfile");
  return NEXT(sendfile)(to, from, offset, size);
}

ssize_t copy_file_range(int from, off64_t* at, int to, off64_t* offset, size_t size,
                        unsigned flags) {
  Unknown(to, "copy_file_range");
  return NEXT(copy_file_range)(from, at, to, offset, size, flags);
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
  Unknown(fd, "sync_file_range");
  return NEXT(sync_file_range)(fd, offset, size, flags);
}

int truncate(const char* path, off_t size) {
  if (Watched(path)) {
    const uint64_t number = Number();
    LogPath(kUnknown, -1, number, 0, "truncate");
    Unlock();
  }
  return NEXT(truncate)(path, size);
}

/* ---- Syncs. */

static int Sync(int fd, int (*next)(int)) {
  const uint64_t number = Number();
  LogCall(kSync, fd, number, 0, 0);
  Unlock();
  const int result = next(fd);
  const int error = errno;
  if (result == 0 && !lying) {
    pthread_mutex_lock(&mutex);
    LogCall(kSynced, fd, 0, number, 0);
    Unlock();
  }
  errno = error;
  return result;
}

int fsync(int fd) { return Tracked(fd) ? Sync(fd, NEXT(fsync)) : NEXT(fsync)(fd); }

int fdatasync(int fd) { return Tracked(fd) ? Sync(fd, NEXT(fdatasync)) : NEXT(fdatasync)(fd); }

/* ---- Names. */

static int Made(int kind, uint64_t number, const char* path, int result) {
  if (result == 0) LogPath(kind, -1, number, 0, path);
  Unlock();
  return result;
}

int unlink(const char* path) {
  if (!Watched(path)) return NEXT(unlink)(path);
  const uint64_t number = Number();
  return Made(kUnlink, number, path, NEXT(unlink)(path));
}

int unlinkat(int at, const char* path, int flags) {
  char whole[PATH_MAX];
  if (!WatchedAt(at, path, whole)) return NEXT(unlinkat)(at, path, flags);
  const uint64_t number = Number();
  return Made(flags & AT_REMOVEDIR ? kRmdir : kUnlink, number, whole,
              NEXT(unlinkat)(at, path, flags));
}

int mkdir(const char* path, mode_t mode) {
  if (!Watched(path)) return NEXT(mkdir)(path, mode);
  const uint64_t number = Number();
  return Made(kMkdir, number, path, NEXT(mkdir)(path, mode));
}

int rmdir(const char* path) {
  if (!Watched(path)) return NEXT(rmdir)(path);
  const uint64_t number = Number();
  return Made(kRmdir, number, path, NEXT(rmdir)(path));
}

static int Moved(int kind, uint64_t number, const char* from, const char* to, int result) {
  if (result == 0) LogPaths(kind, number, from, to);
  Unlock();
  return result;
}

int rename(const char* from, const char* to) {
  if (!Watched(from) && !Watched(to)) return NEXT(rename)(from, to);
  const uint64_t number = Number();
  return Moved(kRename, number, from, to, NEXT(rename)(from, to));
}

int renameat(int at, const char* from, int other, const char* to) {
  char a[PATH_MAX], b[PATH_MAX];
  if (!WatchedAt(at, from, a) || !WatchedAt(other, to, b)) {
    return NEXT(renameat)(at, from, other, to);
  }
  return rename(a, b);
}

int link(const char* from, const char* to) {
  if (!Watched(to)) return NEXT(link)(from, to);
  const uint64_t number = Number();
  return Moved(kLink, number, from, to, NEXT(link)(from, to));
}
