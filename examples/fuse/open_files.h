/* Open files and directories: what fuse_file_info.fh points to. */
#ifndef S3FILES_EXAMPLES_FUSE_OPEN_FILES_H_
#define S3FILES_EXAMPLES_FUSE_OPEN_FILES_H_

#include "mount.h"

enum { BATCH = 64 }; /* directory entries asked for at once */

struct lock_owner {
  uint64_t owner;
  struct lock_owner* next;
};

struct open_file {
  s3f_handle* handle;
  bool writable;
  struct open_file* next; /* in the mount's list; its mutex, as for `previous` and `owners` */
  struct open_file** previous;
  struct lock_owner* owners; /* of range locks that were set through this file */

  /* Directories only: entries that are read but not given yet, and where the first of them is. */
  pthread_mutex_t mutex;
  s3f_dirent* batch;
  size_t batch_next;
  size_t batch_end;
  uint64_t batch_cookie;
  uint32_t batch_mask; /* what it was asked for with */
  bool is_empty;       /* there was no entry when it was read from the start */
};

/* Wraps `handle`, which it owns; NULL without memory: the handle is abandoned. */
struct open_file* open_file_new(struct mount* mount, s3f_handle* handle, bool writable);
/* Closes it; what s3f_close says. */
int open_file_close(struct mount* mount, struct open_file* file, const s3f_call* call);
struct open_file* open_file_of(const struct fuse_file_info* info);

/* Closes what a kernel that is gone has left open; reports what fails. */
void close_all_files(struct mount* mount);

/* Releases the owner's range locks of the file: closing any descriptor does, says POSIX. */
void release_locks_of(struct mount* mount, struct open_file* file, uint64_t owner);
/* Those of the owners that have never closed a descriptor of this file: locks of the open file
 * description itself (F_OFD_SETLK), which the kernel does not release. */
void release_all_locks(struct mount* mount, struct open_file* file);

#endif /* S3FILES_EXAMPLES_FUSE_OPEN_FILES_H_ */
