/* Regular files: opening, bytes, closing. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "open_files.h"

/* Appending is done write by write: pages that were changed through a mapping come back through
 * any open file, at their own place. */
static uint32_t open_flags(int flags) {
  uint32_t out = S3F_O_NOFOLLOW;
  if ((flags & O_ACCMODE) != O_WRONLY) out |= S3F_O_READ;
  if ((flags & O_ACCMODE) != O_RDONLY) out |= S3F_O_WRITE;
  if ((flags & O_TRUNC) != 0) out |= S3F_O_TRUNC | S3F_O_WRITE;
  return out;
}

/* Opens by name, which asks the store for what is committed by now: close-to-open [C1]. Where that
 * is no longer what the node stands for: -ESTALE, at which the kernel looks the name up again. */
static int open_node(s3f_handle** out, struct request* r, struct node* node, uint32_t flags) {
  char name[NODE_NAME_SIZE];
  /* Removed by this mount, but open still: "/proc/self/fd/3" is the way to it. */
  s3f_attr attr = S3F_INIT(s3f_attr);
  if (s3f_fstat(&attr, node->handle, S3F_STAT_INO, NULL) == 0 && attr.nlink == 0) {
    return s3f_open(out, r->mount->fs, node->handle, "", flags, 0, &r->call);
  }
  struct node_table* const nodes = &r->mount->nodes;
  struct node* const parent = node_place(nodes, node, name);
  if (parent == NULL) return -EISDIR; /* the root */
  const int status = s3f_open(out, r->mount->fs, parent->handle, name, flags, 0, &r->call);
  node_release(nodes, parent, 1);
  if (status == -ENOENT || status == -ELOOP || status == -ENOTDIR) return -ESTALE;
  if (status < 0 || node_shows(node, *out)) return status;
  s3f_abandon(*out, NULL); /* what O_TRUNC has staged */
  return -ESTALE;
}

static void open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info) {
  struct request r;
  s3f_handle* handle;
  begin(&r, req, "open");
  const uint32_t flags = open_flags(info->flags);
  int status = open_node(&handle, &r, node_of(r.mount, ino), flags);
  struct open_file* file = NULL;
  if (status == 0) {
    file = open_file_new(r.mount, handle, (flags & S3F_O_WRITE) != 0);
    if (file == NULL) status = -ENOMEM;
  }
  if (status < 0) {
    answer(&r, status);
    return;
  }
  info->fh = (uint64_t)(uintptr_t)file;
  info->keep_cache = 1; /* a node is one content: what the kernel has of it is right */
  if (fuse_reply_open(req, info) < 0) open_file_close(r.mount, file, NULL);
  end(&r);
}

static void create_file(fuse_req_t req, fuse_ino_t ino, const char* name, mode_t mode,
                        struct fuse_file_info* info) {
  struct request r;
  struct fuse_entry_param entry;
  s3f_handle *handle, *reference;
  begin(&r, req, "create");
  struct node* const parent = node_of(r.mount, ino);
  uint32_t flags = open_flags(info->flags) | S3F_O_WRITE | S3F_O_CREATE;
  if ((info->flags & O_EXCL) != 0) flags |= S3F_O_EXCL;
  int status = s3f_open(&handle, r.mount->fs, parent->handle, name, flags, mode & 07777, &r.call);
  if (status < 0) { /* a symlink that the kernel did not know of: it has to look */
    answer(&r, status == -ELOOP ? -ESTALE : status);
    return;
  }
  struct open_file* const file = open_file_new(r.mount, handle, true);
  status = file == NULL ? -ENOMEM : 0;
  if (status == 0) status = s3f_open(&reference, r.mount->fs, handle, "", S3F_O_PATH, 0, &r.call);
  if (status == 0) status = enter_reference(&entry, &r, reference, parent, name);
  if (status < 0) {
    if (file != NULL) open_file_close(r.mount, file, NULL);
    answer(&r, status);
    return;
  }
  info->fh = (uint64_t)(uintptr_t)file;
  info->keep_cache = 1;
  if (fuse_reply_create(req, &entry, info) < 0) {
    node_release(&r.mount->nodes, node_of(r.mount, entry.ino), 1);
    open_file_close(r.mount, file, NULL);
  }
  end(&r);
}

static void read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                      struct fuse_file_info* info) {
  (void)ino;
  struct request r;
  begin_io(&r, req, "read");
  char* const buffer = malloc(size);
  const int64_t n = buffer == NULL ? -ENOMEM
                                   : s3f_pread(buffer, size, (uint64_t)offset,
                                               open_file_of(info)->handle, &r.call);
  if (n < 0) {
    answer(&r, n);
  } else {
    fuse_reply_buf(req, buffer, (size_t)n);
    end(&r);
  }
  free(buffer);
}

static void answer_written(struct request* r, int64_t n) {
  if (n < 0) {
    answer(r, n);
    return;
  }
  fuse_reply_write(r->fuse, (size_t)n);
  end(r);
}

static void write_file(fuse_req_t req, fuse_ino_t ino, const char* bytes, size_t size, off_t offset,
                       struct fuse_file_info* info) {
  (void)ino;
  struct request r;
  begin_io(&r, req, "write");
  s3f_handle* const handle = open_file_of(info)->handle;
  const bool append = (info->flags & O_APPEND) != 0 && !info->writepage;
  answer_written(&r, append ? s3f_append(NULL, handle, bytes, size, &r.call)
                            : s3f_pwrite(handle, bytes, size, (uint64_t)offset, &r.call));
}

/* What the commit in the background has met since: there is no other close to tell of it. */
static int late_error(struct request* r, s3f_handle* handle) {
  s3f_status_info info = S3F_INIT(s3f_status_info);
  const int status = s3f_status(&info, r->mount->fs, handle, "", &r->call);
  if (status < 0) return status;
  if (info.state == S3F_STATE_CONFLICT) return -ESTALE;
  return info.state == S3F_STATE_FAILED ? -info.code : 0;
}

/* Every close(2) of a descriptor, dup'ed and inherited ones too, each of which tells its caller how
 * the bytes fare: release comes once, but later, and tells nobody. */
static void flush_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info) {
  (void)ino;
  struct request r;
  begin_io(&r, req, "close");
  struct open_file* const file = open_file_of(info);
  release_locks_of(r.mount, file, info->lock_owner);
  int status = 0;
  if (file->writable) {
    status =
        r.mount->close_commits ? s3f_fsync(file->handle, &r.call) : late_error(&r, file->handle);
  }
  answer(&r, status);
}

static void release_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info) {
  (void)ino;
  struct request r;
  begin_io(&r, req, "release");
  const int status = open_file_close(r.mount, open_file_of(info), &r.call);
  if (status < 0) report("closing a file: %s: %s", strerror(-status), r.error.message);
  fuse_reply_err(req, 0);
  end(&r);
}

static void sync_file(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info* info) {
  (void)ino, (void)data_only;
  struct request r;
  begin_io(&r, req, "fsync");
  answer(&r, s3f_fsync(open_file_of(info)->handle, &r.call));
}

static void copy_range(fuse_req_t req, fuse_ino_t in_ino, off_t in_offset,
                       struct fuse_file_info* in, fuse_ino_t out_ino, off_t out_offset,
                       struct fuse_file_info* out, size_t size, int flags) {
  (void)in_ino, (void)out_ino, (void)flags;
  struct request r;
  begin_io(&r, req, "copy_file_range");
  answer_written(
      &r, s3f_copy_range(open_file_of(in)->handle, (uint64_t)in_offset, open_file_of(out)->handle,
                         (uint64_t)out_offset, size, &r.call));
}

void add_file_operations(struct fuse_lowlevel_ops* operations) {
  operations->open = open_file;
  operations->create = create_file;
  operations->read = read_file;
  operations->write = write_file;
  operations->flush = flush_file;
  operations->release = release_file;
  operations->fsync = sync_file;
  operations->copy_file_range = copy_range;
  /* Without lseek the kernel takes a file for data from start to end, which is right: an object has
   * no holes. Without fallocate it says EOPNOTSUPP: a bucket has nothing to reserve. */
}
