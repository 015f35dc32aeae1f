/* Directories: opening and listing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "open_files.h"

/* "." and ".." come first; the library's cookies follow theirs. */
enum { DOT = 1, DOT_DOT = 2 };

static void open_dir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info) {
  struct request r;
  s3f_handle* handle;
  begin(&r, req, "opendir");
  int status = s3f_open(&handle, r.mount->fs, node_of(r.mount, ino)->handle, "",
                        S3F_O_READ | S3F_O_DIRECTORY, 0, &r.call);
  struct open_file* dir = NULL;
  if (status == 0) {
    dir = open_file_new(r.mount, handle, false);
    if (dir == NULL) status = -ENOMEM;
  }
  if (status < 0) {
    answer(&r, status);
    return;
  }
  info->fh = (uint64_t)(uintptr_t)dir;
  if (fuse_reply_open(req, info) < 0) open_file_close(r.mount, dir, NULL);
  end(&r);
}

/* The entry after `cookie`; NULL at the end, and on an error, which is in `status`. Entries are read
 * in batches and kept until they are given: going back would ask the store again. */
static const s3f_dirent* next_entry(int* status, struct request* r, struct open_file* dir,
                                    uint64_t cookie, uint32_t mask) {
  *status = 0;
  const bool at_hand = dir->batch_next < dir->batch_end && dir->batch_cookie == cookie &&
                       (dir->batch_mask & mask) == mask;
  if (!at_hand) {
    if (dir->batch == NULL) dir->batch = calloc(BATCH, sizeof(*dir->batch));
    if (dir->batch == NULL) {
      *status = -ENOMEM;
      return NULL;
    }
    dir->batch_next = dir->batch_end = 0;
    dir->batch->struct_size = sizeof(*dir->batch);
    const int64_t n = s3f_readdir(dir->batch, BATCH, dir->handle, cookie, NULL, mask, &r->call);
    if (cookie == 0) dir->is_empty = n == 0;
    if (n <= 0) {
      *status = (int)n;
      return NULL;
    }
    dir->batch_end = (size_t)n;
    dir->batch_cookie = cookie;
    dir->batch_mask = mask;
  }
  return &dir->batch[dir->batch_next];
}

static void step_over(struct open_file* dir) {
  dir->batch_cookie = dir->batch[dir->batch_next++].cookie;
}

struct listing {
  struct request request;
  struct open_file* dir;
  struct node* node;
  bool plus; /* with attributes, and a lookup of each entry */
  char* buffer;
  size_t size;
  size_t used;
};

/* False where it does not fit. `entry` has a node where `plus` is to say so. */
static bool add(struct listing* l, const char* name, const struct fuse_entry_param* entry,
                off_t offset) {
  char* const at = l->buffer + l->used;
  const size_t room = l->size - l->used;
  fuse_req_t req = l->request.fuse;
  const size_t n = l->plus ? fuse_add_direntry_plus(req, at, room, name, entry, offset)
                           : fuse_add_direntry(req, at, room, name, &entry->attr, offset);
  if (n > room) return false;
  l->used += n;
  return true;
}

static bool add_dot(struct listing* l, const char* name, uint64_t ino, off_t offset) {
  const struct fuse_entry_param entry = {.attr = {.st_ino = ino, .st_mode = S_IFDIR}};
  return add(l, name, &entry, offset);
}

static bool add_dots(struct listing* l, off_t offset) {
  if (offset < DOT && !add_dot(l, ".", l->node->ino, DOT)) return false;
  if (offset < DOT_DOT) {
    char name[NODE_NAME_SIZE];
    struct node_table* const nodes = &l->request.mount->nodes;
    struct node* const parent = node_place(nodes, l->node, name);
    const uint64_t ino = (parent != NULL ? parent : l->node)->ino;
    if (parent != NULL) node_release(nodes, parent, 1);
    return add_dot(l, "..", ino, DOT_DOT);
  }
  return true;
}

static void describe(const struct listing* l, const s3f_attr* attr,
                     struct fuse_entry_param* entry) {
  memset(entry, 0, sizeof(*entry));
  if ((attr->filled & S3F_STAT_TYPE) != 0) stat_of(l->request.mount, attr, &entry->attr);
  /* Not known yet: "unknown" for readdir(3), where 0 would be "removed". */
  if ((attr->filled & S3F_STAT_INO) == 0) entry->attr.st_ino = UINT32_MAX;
}

static bool add_entry(struct listing* l, const s3f_dirent* dirent) {
  struct fuse_entry_param entry;
  const off_t offset = (off_t)(dirent->cookie + DOT_DOT);
  /* An entry that was removed meanwhile is given without a node: the kernel asks if it wants to. */
  if (!l->plus || enter(&entry, &l->request, l->node, dirent->name) < 0) {
    describe(l, &dirent->attr, &entry);
  }
  if (add(l, dirent->name, &entry, offset)) return true;
  struct mount* const mount = l->request.mount;
  if (entry.ino != 0) node_release(&mount->nodes, node_of(mount, entry.ino), 1);
  return false;
}

/* Fills the buffer from `offset`. An error counts only where there is nothing else to give. */
static int fill(struct listing* l, off_t offset) {
  /* Behind ".." of an empty directory is its end: the library would begin anew. */
  if (offset == DOT_DOT && l->dir->is_empty) return 0;
  if (!add_dots(l, offset)) return 0;
  uint64_t cookie = offset > DOT_DOT ? (uint64_t)(offset - DOT_DOT) : 0;
  const uint32_t mask = l->plus ? S3F_STAT_ALL : S3F_STAT_TYPE;
  for (;;) {
    int status;
    const s3f_dirent* const entry = next_entry(&status, &l->request, l->dir, cookie, mask);
    if (entry == NULL) return l->used > 0 ? 0 : status;
    if (!add_entry(l, entry)) return 0;
    cookie = entry->cookie;
    step_over(l->dir);
  }
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                 struct fuse_file_info* info, bool plus) {
  struct listing l = {.dir = open_file_of(info), .plus = plus, .size = size};
  begin(&l.request, req, plus ? "readdirplus" : "readdir");
  l.node = node_of(l.request.mount, ino);
  l.buffer = malloc(size);
  int status = -ENOMEM;
  if (l.buffer != NULL) {
    pthread_mutex_lock(&l.dir->mutex);
    status = fill(&l, offset);
    pthread_mutex_unlock(&l.dir->mutex);
  }
  if (status < 0) {
    answer(&l.request, status);
  } else {
    fuse_reply_buf(req, l.buffer, l.used);
    end(&l.request);
  }
  free(l.buffer);
}

static void read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                     struct fuse_file_info* info) {
  list(req, ino, size, offset, info, false);
}

static void read_dir_plus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                          struct fuse_file_info* info) {
  list(req, ino, size, offset, info, true);
}

static void release_dir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info) {
  (void)ino;
  open_file_close(fuse_req_userdata(req), open_file_of(info), NULL);
  fuse_reply_err(req, 0);
}

static void sync_dir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info* info) {
  (void)ino, (void)data_only;
  struct request r;
  begin_io(&r, req, "fsyncdir");
  answer(&r, s3f_fsync(open_file_of(info)->handle, &r.call));
}

void add_directory_operations(struct fuse_lowlevel_ops* operations) {
  operations->opendir = open_dir;
  operations->readdir = read_dir;
  operations->readdirplus = read_dir_plus;
  operations->releasedir = release_dir;
  operations->fsyncdir = sync_dir;
}
