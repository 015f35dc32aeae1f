/* Advisory locks: fcntl(2) ranges by owner, flock(2) by open file. A wait has a thread of its own:
 * those that serve the mount must be there for whoever is to unlock. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

#include "open_files.h"

struct lock_wait {
  struct request request;
  s3f_handle* handle;
  bool whole_file; /* flock; else a range */
  s3f_lock lock;
  s3f_cancel* cancel;
  struct lock_wait* next; /* in the mount's list; its mutex */
  struct lock_wait** previous;
};

/* The library takes owner 0 for the handle. */
static uint64_t owner_of(uint64_t kernel_owner) { return kernel_owner != 0 ? kernel_owner : 1; }

static uint32_t type_of(short type) {
  return type == F_RDLCK ? S3F_LOCK_SHARED : type == F_WRLCK ? S3F_LOCK_EXCLUSIVE : S3F_LOCK_NONE;
}

static s3f_lock lock_of(const struct flock* range, uint64_t owner) {
  s3f_lock lock = S3F_INIT(s3f_lock);
  lock.type = type_of(range->l_type);
  lock.start = (uint64_t)range->l_start;
  lock.length = (uint64_t)range->l_len;
  lock.owner = owner_of(owner);
  return lock;
}

static void unlock_all(struct open_file* file, uint64_t owner) {
  s3f_lock lock = S3F_INIT(s3f_lock);
  lock.type = S3F_LOCK_NONE;
  lock.owner = owner;
  s3f_lock_range(file->handle, &lock, 0, NULL);
}

/* Without memory the owner is not remembered, and its locks are released by flush alone. */
static void remember_owner(struct mount* mount, struct open_file* file, uint64_t owner) {
  pthread_mutex_lock(&mount->mutex);
  struct lock_owner* known = file->owners;
  while (known != NULL && known->owner != owner) known = known->next;
  if (known == NULL && (known = malloc(sizeof(*known))) != NULL) {
    *known = (struct lock_owner){.owner = owner, .next = file->owners};
    file->owners = known;
  }
  pthread_mutex_unlock(&mount->mutex);
}

void release_locks_of(struct mount* mount, struct open_file* file, uint64_t kernel_owner) {
  const uint64_t owner = owner_of(kernel_owner);
  unlock_all(file, owner); /* also what was locked through other descriptors */
  pthread_mutex_lock(&mount->mutex);
  struct lock_owner** link = &file->owners;
  while (*link != NULL && (*link)->owner != owner) link = &(*link)->next;
  struct lock_owner* const found = *link;
  if (found != NULL) *link = found->next;
  pthread_mutex_unlock(&mount->mutex);
  free(found);
}

void release_all_locks(struct mount* mount, struct open_file* file) {
  (void)mount; /* nobody else has the file any more */
  while (file->owners != NULL) {
    struct lock_owner* const first = file->owners;
    unlock_all(file, first->owner);
    file->owners = first->next;
    free(first);
  }
}

static int take(const struct lock_wait* wait, uint32_t flags) {
  return wait->whole_file ? s3f_flock(wait->handle, wait->lock.type, flags, &wait->request.call)
                          : s3f_lock_range(wait->handle, &wait->lock, flags, &wait->request.call);
}

static void enlist(struct lock_wait* wait) {
  struct mount* const mount = wait->request.mount;
  pthread_mutex_lock(&mount->mutex);
  wait->next = mount->waits;
  if (wait->next != NULL) wait->next->previous = &wait->next;
  wait->previous = &mount->waits;
  mount->waits = wait;
  pthread_mutex_unlock(&mount->mutex);
}

static void finish(struct lock_wait* wait, int status) {
  struct mount* const mount = wait->request.mount;
  fuse_req_interrupt_func(wait->request.fuse, NULL, NULL);
  answer(&wait->request, status == -ECANCELED ? -EINTR : status);
  pthread_mutex_lock(&mount->mutex);
  *wait->previous = wait->next;
  if (wait->next != NULL) wait->next->previous = wait->previous;
  pthread_cond_broadcast(&mount->waits_changed);
  pthread_mutex_unlock(&mount->mutex);
  s3f_cancel_destroy(wait->cancel);
  free(wait);
}

static void* run(void* argument) {
  struct lock_wait* const wait = argument;
  finish(wait, take(wait, S3F_LOCK_WAIT));
  return NULL;
}

static void interrupt(fuse_req_t req, void* argument) {
  (void)req;
  s3f_cancel_fire(argument);
}

/* Waits for the lock of `tried`, which another has, and answers then. */
static void wait_for(const struct lock_wait* tried) {
  struct lock_wait* const wait = malloc(sizeof(*wait));
  s3f_cancel* cancel = NULL;
  if (wait == NULL || s3f_cancel_create(&cancel) < 0) {
    free(wait);
    fuse_reply_err(tried->request.fuse, ENOLCK);
    return;
  }
  *wait = *tried;
  wait->request.call.error = &wait->request.error;
  wait->request.call.cancel = wait->cancel = cancel;
  enlist(wait);
  fuse_req_interrupt_func(wait->request.fuse, interrupt, cancel);
  pthread_t thread;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  const int error = pthread_create(&thread, &detached, run, wait);
  pthread_attr_destroy(&detached);
  if (error != 0) finish(wait, -ENOLCK);
}

static void lock(struct lock_wait* wanted, bool may_wait) {
  const int status = take(wanted, 0);
  if (status == -EAGAIN && may_wait) {
    wait_for(wanted);
  } else {
    answer(&wanted->request, status);
  }
}

static void set_lock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info,
                     struct flock* range, int may_wait) {
  (void)ino;
  struct lock_wait wanted = {0};
  begin_io(&wanted.request, req, "lock");
  struct open_file* const file = open_file_of(info);
  wanted.handle = file->handle;
  wanted.lock = lock_of(range, info->lock_owner);
  if (wanted.lock.type != S3F_LOCK_NONE) {
    remember_owner(wanted.request.mount, file, wanted.lock.owner);
  }
  lock(&wanted, may_wait != 0);
}

static void flock_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info, int operation) {
  (void)ino;
  struct lock_wait wanted = {.whole_file = true};
  begin_io(&wanted.request, req, "flock");
  wanted.handle = open_file_of(info)->handle;
  wanted.lock.type = (operation & LOCK_SH) != 0   ? S3F_LOCK_SHARED
                     : (operation & LOCK_EX) != 0 ? S3F_LOCK_EXCLUSIVE
                                                  : S3F_LOCK_NONE;
  lock(&wanted, (operation & LOCK_NB) == 0);
}

static void get_lock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info* info,
                     struct flock* range) {
  (void)ino;
  struct request r;
  begin_io(&r, req, "lock");
  s3f_lock found = lock_of(range, info->lock_owner);
  const int status = s3f_lock_test(&found, open_file_of(info)->handle, &r.call);
  if (status < 0) {
    answer(&r, status);
    return;
  }
  range->l_type = found.type == S3F_LOCK_NONE     ? F_UNLCK
                  : found.type == S3F_LOCK_SHARED ? F_RDLCK
                                                  : F_WRLCK;
  if (found.type != S3F_LOCK_NONE) {
    range->l_whence = SEEK_SET;
    range->l_start = (off_t)found.start;
    range->l_len = (off_t)found.length;
    range->l_pid = 0; /* owners are not processes */
  }
  fuse_reply_lock(req, range);
  end(&r);
}

void end_lock_waits(struct mount* mount) {
  pthread_mutex_lock(&mount->mutex);
  for (struct lock_wait* wait = mount->waits; wait != NULL; wait = wait->next) {
    s3f_cancel_fire(wait->cancel);
  }
  while (mount->waits != NULL) pthread_cond_wait(&mount->waits_changed, &mount->mutex);
  pthread_mutex_unlock(&mount->mutex);
}

void add_lock_operations(struct fuse_lowlevel_ops* operations) {
  operations->getlk = get_lock;
  operations->setlk = set_lock;
  operations->flock = flock_file;
}
