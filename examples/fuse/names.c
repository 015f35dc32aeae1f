/* Names: finding, making, moving and removing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "open_files.h"

static void lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  struct request r;
  struct fuse_entry_param entry;
  begin(&r, req, "lookup");
  const int status = enter(&entry, &r, node_of(r.mount, parent), name);
  answer_entry(&r, status, &entry);
}

static void forget(fuse_req_t req, fuse_ino_t ino, uint64_t count) {
  struct mount* const mount = fuse_req_userdata(req);
  node_release(&mount->nodes, node_of(mount, ino), count);
  fuse_reply_none(req);
}

static void forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data* forgets) {
  struct mount* const mount = fuse_req_userdata(req);
  for (size_t i = 0; i < count; ++i) {
    node_release(&mount->nodes, node_of(mount, forgets[i].ino), forgets[i].nlookup);
  }
  fuse_reply_none(req);
}

/* Answers with what has just been made. */
static void answer_made(struct request* r, int status, struct node* parent, const char* name) {
  struct fuse_entry_param entry;
  if (status == 0) status = enter(&entry, r, parent, name);
  answer_entry(r, status, &entry);
}

static void make_dir(fuse_req_t req, fuse_ino_t ino, const char* name, mode_t mode) {
  struct request r;
  begin(&r, req, "mkdir");
  struct node* const parent = node_of(r.mount, ino);
  const int status = s3f_mkdir(r.mount->fs, parent->handle, name, mode & 07777, &r.call);
  answer_made(&r, status, parent, name);
}

static void make_symlink(fuse_req_t req, const char* target, fuse_ino_t ino, const char* name) {
  struct request r;
  begin(&r, req, "symlink");
  struct node* const parent = node_of(r.mount, ino);
  const int status = s3f_symlink(target, r.mount->fs, parent->handle, name, &r.call);
  answer_made(&r, status, parent, name);
}

static void make_node(fuse_req_t req, fuse_ino_t ino, const char* name, mode_t mode, dev_t device) {
  (void)device;
  if (!S_ISREG(mode)) { /* an object is a file, a directory or a symlink */
    fuse_reply_err(req, EPERM);
    return;
  }
  struct request r;
  begin(&r, req, "mknod");
  struct node* const parent = node_of(r.mount, ino);
  s3f_handle* file;
  int status = s3f_open(&file, r.mount->fs, parent->handle, name,
                        S3F_O_WRITE | S3F_O_CREATE | S3F_O_EXCL, mode & 07777, &r.call);
  if (status == 0) status = s3f_close(file, &r.call);
  answer_made(&r, status, parent, name);
}

/* An object has one key, so a file has one name. The kernel's own answer would be the same; git and
 * others try a link first and fall back to rename on EPERM. */
static void make_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char* name) {
  (void)ino, (void)parent, (void)name;
  fuse_reply_err(req, EPERM);
}

static void unlink_file(fuse_req_t req, fuse_ino_t parent, const char* name) {
  struct request r;
  begin(&r, req, "unlink");
  answer(&r, s3f_unlink(r.mount->fs, node_of(r.mount, parent)->handle, name, &r.call));
}

static void remove_dir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  struct request r;
  begin(&r, req, "rmdir");
  answer(&r, s3f_rmdir(r.mount->fs, node_of(r.mount, parent)->handle, name, &r.call));
}

/* The kernel moves its own names without looking them up again; opens need to know. No request: the
 * library has just bound the name. */
static void note_moved(struct request* r, struct node* parent, const char* name) {
  s3f_attr attr = S3F_INIT(s3f_attr);
  if (s3f_stat(&attr, r->mount->fs, parent->handle, name, S3F_NOFOLLOW, S3F_STAT_INO, NULL) == 0) {
    node_moved(&r->mount->nodes, attr.ino, attr.generation, parent, name);
  }
}

static void rename_name(fuse_req_t req, fuse_ino_t from_ino, const char* from, fuse_ino_t to_ino,
                        const char* to, unsigned how) {
  if ((how & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
    fuse_reply_err(req, EINVAL);
    return;
  }
  struct request r;
  begin(&r, req, "rename");
  struct node* const from_parent = node_of(r.mount, from_ino);
  struct node* const to_parent = node_of(r.mount, to_ino);
  uint32_t flags = 0;
  if ((how & RENAME_NOREPLACE) != 0) flags |= S3F_RENAME_NOREPLACE;
  if ((how & RENAME_EXCHANGE) != 0) flags |= S3F_RENAME_EXCHANGE;
  const int status =
      s3f_rename(r.mount->fs, from_parent->handle, from, to_parent->handle, to, flags, &r.call);
  if (status == 0) note_moved(&r, to_parent, to);
  if (status == 0 && (how & RENAME_EXCHANGE) != 0) note_moved(&r, from_parent, from);
  answer(&r, status);
}

void add_name_operations(struct fuse_lowlevel_ops* operations) {
  operations->lookup = lookup;
  operations->forget = forget;
  operations->forget_multi = forget_multi;
  operations->mkdir = make_dir;
  operations->symlink = make_symlink;
  operations->mknod = make_node;
  operations->link = make_link;
  operations->unlink = unlink_file;
  operations->rmdir = remove_dir;
  operations->rename = rename_name;
}
