/* Attributes, extended attributes, and what is asked of the whole file system. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "open_files.h"

static void get_attr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info) {
  struct request r;
  begin_io(&r, req, "getattr");
  answer_attr(&r, info != NULL ? open_file_of(info)->handle : node_of(r.mount, ino)->handle);
}

static int64_t ns_of(const struct timespec* time) {
  return (int64_t)time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
}

static s3f_setattr_in change_of(const struct stat* attr, int to_set) {
  static const struct {
    int fuse;
    uint32_t s3f;
  } flags[] = {{FUSE_SET_ATTR_MODE, S3F_SET_MODE},   {FUSE_SET_ATTR_UID, S3F_SET_UID},
               {FUSE_SET_ATTR_GID, S3F_SET_GID},     {FUSE_SET_ATTR_SIZE, S3F_SET_SIZE},
               {FUSE_SET_ATTR_ATIME, S3F_SET_ATIME}, {FUSE_SET_ATTR_MTIME, S3F_SET_MTIME}};
  s3f_setattr_in change = S3F_INIT(s3f_setattr_in);
  for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); ++i) {
    if ((to_set & flags[i].fuse) != 0) change.set |= flags[i].s3f;
  }
  /* "Now" comes with the time as well, which does not count then. */
  if ((to_set & FUSE_SET_ATTR_ATIME_NOW) != 0) {
    change.set = (change.set & ~(uint32_t)S3F_SET_ATIME) | S3F_SET_ATIME_NOW;
  }
  if ((to_set & FUSE_SET_ATTR_MTIME_NOW) != 0) {
    change.set = (change.set & ~(uint32_t)S3F_SET_MTIME) | S3F_SET_MTIME_NOW;
  }
  change.mode = attr->st_mode & 07777;
  change.uid = attr->st_uid;
  change.gid = attr->st_gid;
  change.size = (uint64_t)attr->st_size;
  change.mtime_ns = ns_of(&attr->st_mtim);
  change.atime_ns = ns_of(&attr->st_atim);
  return change;
}

static void set_attr(fuse_req_t req, fuse_ino_t ino, struct stat* attr, int to_set,
                     struct fuse_file_info* info) {
  struct request r;
  begin(&r, req, "setattr");
  s3f_handle* const node = node_of(r.mount, ino)->handle;
  s3f_handle* const file = info != NULL ? open_file_of(info)->handle : NULL;
  int status = 0;
  /* ftruncate asks for no permission but that the file is open for writing. */
  if (file != NULL && (to_set & FUSE_SET_ATTR_SIZE) != 0) {
    status = s3f_truncate(file, (uint64_t)attr->st_size, &r.call);
    to_set &= ~FUSE_SET_ATTR_SIZE;
  }
  const s3f_setattr_in change = change_of(attr, to_set);
  if (status == 0 && change.set != 0) {
    status = s3f_setattr(r.mount->fs, node, "", S3F_NOFOLLOW, &change, &r.call);
  }
  if (status < 0) {
    answer(&r, status);
  } else {
    answer_attr(&r, file != NULL ? file : node);
  }
}

static void check_access(fuse_req_t req, fuse_ino_t ino, int mask) {
  struct request r;
  begin(&r, req, "access");
  uint32_t mode = 0;
  if ((mask & 4) != 0) mode |= S3F_R_OK;
  if ((mask & 2) != 0) mode |= S3F_W_OK;
  if ((mask & 1) != 0) mode |= S3F_X_OK;
  answer(&r,
         s3f_access(r.mount->fs, node_of(r.mount, ino)->handle, "", S3F_NOFOLLOW, mode, &r.call));
}

static void read_link(fuse_req_t req, fuse_ino_t ino) {
  struct request r;
  char target[4096]; /* 4,095 bytes are the most */
  begin_io(&r, req, "readlink");
  const int64_t n = s3f_readlink(target, sizeof(target) - 1, r.mount->fs,
                                 node_of(r.mount, ino)->handle, "", &r.call);
  if (n < 0) {
    answer(&r, n);
    return;
  }
  target[n] = '\0';
  fuse_reply_readlink(req, target);
  end(&r);
}

/* The library knows two name spaces. The kernel asks for others on its own, security.capability
 * before each write: those are answered here. */
static bool may_have_xattr(const char* name) {
  return strncmp(name, "user.", 5) == 0 || strncmp(name, "s3files.", 8) == 0;
}

/* Answers with `n` bytes of `value`, or with their number where none were asked for. */
static void answer_bytes(struct request* r, const char* value, size_t size, int64_t n) {
  if (n < 0) {
    answer(r, n);
    return;
  }
  if (size == 0) {
    fuse_reply_xattr(r->fuse, (size_t)n);
  } else {
    fuse_reply_buf(r->fuse, value, (size_t)n);
  }
  end(r);
}

static void get_xattr(fuse_req_t req, fuse_ino_t ino, const char* name, size_t size) {
  if (!may_have_xattr(name)) {
    fuse_reply_err(req, ENOTSUP);
    return;
  }
  struct request r;
  begin(&r, req, "getxattr");
  char* const value = size > 0 ? malloc(size) : NULL;
  const int64_t n = size > 0 && value == NULL
                        ? -ENOMEM
                        : s3f_getxattr(value, size, r.mount->fs, node_of(r.mount, ino)->handle, "",
                                       S3F_NOFOLLOW, name, &r.call);
  answer_bytes(&r, value, size, n);
  free(value);
}

static void list_xattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
  struct request r;
  begin(&r, req, "listxattr");
  char* const names = size > 0 ? malloc(size) : NULL;
  const int64_t n = size > 0 && names == NULL
                        ? -ENOMEM
                        : s3f_listxattr(names, size, r.mount->fs, node_of(r.mount, ino)->handle, "",
                                        S3F_NOFOLLOW, &r.call);
  answer_bytes(&r, names, size, n);
  free(names);
}

static void set_xattr(fuse_req_t req, fuse_ino_t ino, const char* name, const char* value,
                      size_t size, int how) {
  if (!may_have_xattr(name)) {
    fuse_reply_err(req, ENOTSUP);
    return;
  }
  struct request r;
  begin(&r, req, "setxattr");
  uint32_t flags = S3F_NOFOLLOW;
  if ((how & XATTR_CREATE) != 0) flags |= S3F_XATTR_CREATE;
  if ((how & XATTR_REPLACE) != 0) flags |= S3F_XATTR_REPLACE;
  answer(&r, s3f_setxattr(r.mount->fs, node_of(r.mount, ino)->handle, "", flags, name, value, size,
                          &r.call));
}

static void remove_xattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
  if (!may_have_xattr(name)) {
    fuse_reply_err(req, ENOTSUP);
    return;
  }
  struct request r;
  begin(&r, req, "removexattr");
  answer(&r, s3f_removexattr(r.mount->fs, node_of(r.mount, ino)->handle, "", S3F_NOFOLLOW, name,
                             &r.call));
}

static void stat_fs(fuse_req_t req, fuse_ino_t ino) {
  (void)ino;
  struct request r;
  begin_io(&r, req, "statfs");
  s3f_statfs_out fs = S3F_INIT(s3f_statfs_out);
  const int status = s3f_statfs(&fs, r.mount->fs, &r.call);
  if (status < 0) {
    answer(&r, status);
    return;
  }
  const struct statvfs out = {.f_bsize = fs.block_size,
                              .f_frsize = fs.block_size,
                              .f_blocks = fs.blocks,
                              .f_bfree = fs.blocks_free,
                              .f_bavail = fs.blocks_free,
                              .f_files = fs.files,
                              .f_ffree = fs.files_free,
                              .f_favail = fs.files_free,
                              .f_flag = fs.read_only ? ST_RDONLY : 0,
                              .f_namemax = fs.name_max};
  fuse_reply_statfs(req, &out);
  end(&r);
}

void add_attribute_operations(struct fuse_lowlevel_ops* operations) {
  operations->getattr = get_attr;
  operations->setattr = set_attr;
  operations->access = check_access;
  operations->readlink = read_link;
  operations->getxattr = get_xattr;
  operations->listxattr = list_xattr;
  operations->setxattr = set_xattr;
  operations->removexattr = remove_xattr;
  operations->statfs = stat_fs;
}
