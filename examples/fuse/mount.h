/* What the operations of the mount share. */
#ifndef S3FILES_EXAMPLES_FUSE_MOUNT_H_
#define S3FILES_EXAMPLES_FUSE_MOUNT_H_

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 12)

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <s3files/s3files.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "node_table.h"

struct open_file; /* open_files.h */
struct lock_wait; /* locks.c */

struct mount {
  s3f_fs* fs;
  bool close_commits; /* commit_delay is 0: close(2) commits, and tells how that went */
  bool debug;
  double timeout; /* seconds for which the kernel believes names and attributes */
  uint32_t block_size;
  struct node_table nodes;

  pthread_mutex_t mutex; /* of what follows; no other is taken under it */
  pthread_cond_t waits_changed;
  struct open_file* files;
  struct lock_wait* waits;
};

/* The mount's only log: stderr in the foreground, else syslog. */
void report(const char* format, ...) __attribute__((format(printf, 1, 2)));

/* One request of the kernel, on its way through the library. */
struct request {
  fuse_req_t fuse;
  struct mount* mount;
  s3f_call call;
  s3f_error error;
  const char* name; /* of the operation */
  uint32_t* groups;
  uint32_t few_groups[32];
};

/* An operation on names or permissions: made by whoever made the system call. */
void begin(struct request* request, fuse_req_t fuse, const char* name);
/* An operation on what is open already: its rights were checked then, as POSIX has it. */
void begin_io(struct request* request, fuse_req_t fuse, const char* name);
void end(struct request* request);

/* Ends the request with an answer: a status of 0, or a negative errno. */
void answer(struct request* request, int64_t status);
/* With a node's attributes, asked of `handle`. */
void answer_attr(struct request* request, s3f_handle* handle);
/* With a node, or with the error in `status`. */
void answer_entry(struct request* request, int status, const struct fuse_entry_param* entry);

struct node* node_of(struct mount* mount, fuse_ino_t nodeid);
fuse_ino_t nodeid_of(struct mount* mount, struct node* node);
void stat_of(const struct mount* mount, const s3f_attr* attr, struct stat* out);

/* Fills `entry` with the node that is `name` in `parent`, with one lookup more. */
int enter(struct fuse_entry_param* entry, struct request* request, struct node* parent,
          const char* name);
/* The same for a reference, which it owns. */
int enter_reference(struct fuse_entry_param* entry, struct request* request, s3f_handle* reference,
                    struct node* parent, const char* name);

/* The operations, by the file they are in. */
void add_attribute_operations(struct fuse_lowlevel_ops* operations);
void add_directory_operations(struct fuse_lowlevel_ops* operations);
void add_file_operations(struct fuse_lowlevel_ops* operations);
void add_lock_operations(struct fuse_lowlevel_ops* operations);
void add_name_operations(struct fuse_lowlevel_ops* operations);

/* Ends every wait for a lock, and returns when nobody waits any more. */
void end_lock_waits(struct mount* mount);

#endif /* S3FILES_EXAMPLES_FUSE_MOUNT_H_ */
