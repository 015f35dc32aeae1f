#include "mount.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_GROUPS = 65536 };

/* Groups are read from /proc, which costs more than most operations: only where they may matter. */
static void add_groups(struct request* r) {
  r->groups = r->few_groups;
  int room = sizeof(r->few_groups) / sizeof(*r->few_groups);
  int count = fuse_req_getgroups(r->fuse, room, r->groups);
  if (count > room && count <= MOST_GROUPS) {
    room = count;
    r->groups = malloc((size_t)room * sizeof(*r->groups));
    count = r->groups == NULL ? 0 : fuse_req_getgroups(r->fuse, room, r->groups);
  }
  if (count > room) count = room; /* grew just now */
  if (count <= 0) return;         /* the process is gone, or not to be seen from here */
  r->call.groups = r->groups;
  r->call.group_count = (uint32_t)count;
}

void begin_io(struct request* r, fuse_req_t fuse, const char* name) {
  r->fuse = fuse;
  r->mount = fuse_req_userdata(fuse);
  r->call = S3F_INIT(s3f_call);
  r->error = S3F_INIT(s3f_error);
  r->call.error = &r->error;
  r->name = name;
  r->groups = NULL;
}

void begin(struct request* r, fuse_req_t fuse, const char* name) {
  begin_io(r, fuse, name);
  const struct fuse_ctx* const caller = fuse_req_ctx(fuse);
  r->call.flags = S3F_CALL_IDENTITY | S3F_CALL_UMASK;
  r->call.uid = caller->uid;
  r->call.gid = caller->gid;
  r->call.umask = (uint32_t)caller->umask;
  if (caller->uid != 0) add_groups(r);
}

void end(struct request* r) {
  if (r->groups != r->few_groups) free(r->groups);
}

void answer(struct request* r, int64_t status) {
  if (status < 0 && r->mount->debug && r->error.code != 0) {
    report("%s: %s: %s", r->name, strerror((int)-status), r->error.message);
  }
  fuse_reply_err(r->fuse, status < 0 ? (int)-status : 0);
  end(r);
}

void answer_attr(struct request* r, s3f_handle* handle) {
  s3f_attr attr = S3F_INIT(s3f_attr);
  struct stat out;
  const int status = s3f_fstat(&attr, handle, S3F_STAT_ALL, &r->call);
  if (status < 0) {
    answer(r, status);
    return;
  }
  stat_of(r->mount, &attr, &out);
  fuse_reply_attr(r->fuse, &out, r->mount->timeout);
  end(r);
}

void answer_entry(struct request* r, int status, const struct fuse_entry_param* entry) {
  if (status < 0) {
    answer(r, status);
    return;
  }
  /* A request that was interrupted has no lookup to be forgotten. */
  if (fuse_reply_entry(r->fuse, entry) < 0) {
    node_release(&r->mount->nodes, node_of(r->mount, entry->ino), 1);
  }
  end(r);
}

struct node* node_of(struct mount* mount, fuse_ino_t nodeid) {
  return nodeid == FUSE_ROOT_ID ? mount->nodes.root : (struct node*)(uintptr_t)nodeid;
}

fuse_ino_t nodeid_of(struct mount* mount, struct node* node) {
  return node == mount->nodes.root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)node;
}

static struct timespec time_of(int64_t ns) {
  const int64_t second = INT64_C(1000000000);
  struct timespec time = {.tv_sec = ns / second, .tv_nsec = ns % second};
  if (time.tv_nsec < 0) { /* before 1970 */
    time.tv_nsec += second;
    --time.tv_sec;
  }
  return time;
}

void stat_of(const struct mount* mount, const s3f_attr* attr, struct stat* out) {
  static const mode_t types[] = {
      [S3F_TYPE_FILE] = S_IFREG, [S3F_TYPE_DIRECTORY] = S_IFDIR, [S3F_TYPE_SYMLINK] = S_IFLNK};
  memset(out, 0, sizeof(*out));
  out->st_ino = attr->ino;
  out->st_mode = types[attr->type] | attr->mode;
  out->st_nlink = attr->nlink;
  out->st_uid = attr->uid;
  out->st_gid = attr->gid;
  out->st_size = (off_t)attr->size;
  out->st_blocks = (blkcnt_t)attr->blocks;
  out->st_blksize = (blksize_t)mount->block_size;
  out->st_mtim = time_of(attr->mtime_ns);
  out->st_ctim = time_of(attr->ctime_ns);
  out->st_atim = time_of(attr->atime_ns);
}

int enter(struct fuse_entry_param* entry, struct request* r, struct node* parent,
          const char* name) {
  s3f_handle* reference;
  const int status = s3f_open(&reference, r->mount->fs, parent->handle, name,
                              S3F_O_PATH | S3F_O_NOFOLLOW, 0, &r->call);
  return status < 0 ? status : enter_reference(entry, r, reference, parent, name);
}

int enter_reference(struct fuse_entry_param* entry, struct request* r, s3f_handle* reference,
                    struct node* parent, const char* name) {
  s3f_attr attr = S3F_INIT(s3f_attr);
  struct node* node;
  int status = s3f_fstat(&attr, reference, S3F_STAT_ALL, &r->call);
  if (status < 0) {
    s3f_close(reference, NULL);
    return status;
  }
  status = node_enter(&node, &r->mount->nodes, reference, &attr, parent, name);
  if (status < 0) return status;
  memset(entry, 0, sizeof(*entry));
  entry->ino = nodeid_of(r->mount, node);
  entry->generation = attr.generation;
  entry->attr_timeout = entry->entry_timeout = r->mount->timeout;
  stat_of(r->mount, &attr, &entry->attr);
  return 0;
}
