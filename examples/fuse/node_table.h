/* Inodes as the kernel knows them.
 *
 * A node is one inode that the kernel holds a nodeid of (the node's address), with a reference
 * (S3F_O_PATH) to it. It stands for one content: what this mount changes and commits itself stays
 * the same node, but a version that another host wrote is another node. So the page cache, which
 * the kernel keeps by nodeid, never mixes the bytes of two versions, and may be kept across opens.
 *
 * Thread-safe. The lock is held across no call that may ask the store. */
#ifndef S3FILES_EXAMPLES_FUSE_NODE_TABLE_H_
#define S3FILES_EXAMPLES_FUSE_NODE_TABLE_H_

#include <pthread.h>
#include <s3files/s3files.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODE_NAME_SIZE 256 /* a component's 255 bytes and a NUL */

struct node {
  s3f_handle* handle; /* a reference; valid as long as the node */
  uint64_t ino;
  uint64_t generation;
  bool is_directory;
  /* The rest belongs to the table. */
  uint64_t references; /* the kernel's lookups, and nodes whose parent this is */
  struct node* parent; /* where it was found last; NULL for the root */
  char* name;
  struct node* next; /* in its bucket */
  bool replaced;     /* a newer version is another node: this one is not found any more */
};

struct node_table {
  struct node* root;
  pthread_mutex_t mutex;
  struct node** buckets;
  size_t bucket_count; /* a power of two */
  size_t count;
};

/* A table whose root is `root`, which it owns from then on. -ENOMEM: it owns nothing. */
int node_table_init(struct node_table* table, s3f_handle* root, const s3f_attr* attr);
/* Frees every node, whatever the kernel has not forgotten, and closes the references. */
void node_table_destroy(struct node_table* table);

/* The node that `reference` means, found as `name` in `parent`, with one reference more. Owns
 * `reference` whatever comes of it. -ENOMEM. */
int node_enter(struct node** out, struct node_table* table, s3f_handle* reference,
               const s3f_attr* attr, struct node* parent, const char* name);
/* Gives back `count` references; a node without any is gone. */
void node_release(struct node_table* table, struct node* node, uint64_t count);

/* Where the node is: its name to `name`, and its parent with one reference more. NULL: the root. */
struct node* node_place(struct node_table* table, struct node* node, char name[NODE_NAME_SIZE]);
/* The inode `ino`, where it is known, is now `name` in `parent`. Without memory for that it keeps
 * its place, and opens of it are -ESTALE until it is looked up again. */
void node_moved(struct node_table* table, uint64_t ino, uint64_t generation, struct node* parent,
                const char* name);

/* Whether `handle` shows the content that the node stands for. */
bool node_shows(const struct node* node, s3f_handle* handle);

#endif /* S3FILES_EXAMPLES_FUSE_NODE_TABLE_H_ */
