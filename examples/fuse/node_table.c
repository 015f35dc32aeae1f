#include "node_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 1024 };

static struct node** bucket_of(const struct node_table* table, uint64_t ino, uint64_t generation) {
  const uint64_t hash = (ino ^ generation << 40) * UINT64_C(0x9e3779b97f4a7c15);
  return &table->buckets[hash >> 32 & (table->bucket_count - 1)];
}

static struct node* find(const struct node_table* table, uint64_t ino, uint64_t generation) {
  struct node* node = *bucket_of(table, ino, generation);
  while (node != NULL && (node->ino != ino || node->generation != generation || node->replaced)) {
    node = node->next;
  }
  return node;
}

static void remove_node(struct node_table* table, struct node* node) {
  struct node** link = bucket_of(table, node->ino, node->generation);
  while (*link != node) link = &(*link)->next;
  *link = node->next;
  --table->count;
}

/* Without memory the buckets only get longer. */
static void grow(struct node_table* table) {
  struct node** const old = table->buckets;
  const size_t old_count = table->bucket_count;
  struct node** const buckets = calloc(2 * old_count, sizeof(*buckets));
  if (buckets == NULL) return;
  table->buckets = buckets;
  table->bucket_count = 2 * old_count;
  for (size_t i = 0; i < old_count; ++i) {
    for (struct node *node = old[i], *next; node != NULL; node = next) {
      struct node** const bucket = bucket_of(table, node->ino, node->generation);
      next = node->next;
      node->next = *bucket;
      *bucket = node;
    }
  }
  free(old);
}

static void add_node(struct node_table* table, struct node* node) {
  if (table->count >= table->bucket_count) grow(table);
  struct node** const bucket = bucket_of(table, node->ino, node->generation);
  node->next = *bucket;
  *bucket = node;
  ++table->count;
}

static struct node* new_node(s3f_handle* reference, const s3f_attr* attr) {
  struct node* const node = calloc(1, sizeof(*node));
  if (node == NULL) return NULL;
  node->handle = reference;
  node->ino = attr->ino;
  node->generation = attr->generation;
  node->is_directory = attr->type == S3F_TYPE_DIRECTORY;
  node->references = 1;
  return node;
}

static void free_node(struct node* node) {
  s3f_close(node->handle, NULL); /* of a reference: nothing that could fail */
  free(node->name);
  free(node);
}

int node_table_init(struct node_table* table, s3f_handle* root, const s3f_attr* attr) {
  memset(table, 0, sizeof(*table));
  table->bucket_count = FIRST_BUCKETS;
  table->buckets = calloc(table->bucket_count, sizeof(*table->buckets));
  table->root = new_node(root, attr);
  if (table->buckets == NULL || table->root == NULL) {
    free(table->buckets);
    free(table->root);
    return -ENOMEM;
  }
  pthread_mutex_init(&table->mutex, NULL);
  add_node(table, table->root);
  return 0;
}

void node_table_destroy(struct node_table* table) {
  for (size_t i = 0; i < table->bucket_count; ++i) {
    for (struct node *node = table->buckets[i], *next; node != NULL; node = next) {
      next = node->next;
      free_node(node);
    }
  }
  free(table->buckets);
  pthread_mutex_destroy(&table->mutex);
}

/* Takes `count` references from the node, and from its parent what goes with them. Returns a chain
 * of nodes that nobody refers to any more. */
static struct node* release_locked(struct node_table* table, struct node* node, uint64_t count) {
  struct node* gone = NULL;
  while (node != NULL && (node->references -= count) == 0) {
    struct node* const parent = node->parent;
    remove_node(table, node);
    node->next = gone;
    gone = node;
    node = parent;
    count = 1;
  }
  return gone;
}

static void free_nodes(struct node* node) {
  while (node != NULL) {
    struct node* const next = node->next;
    free_node(node);
    node = next;
  }
}

void node_release(struct node_table* table, struct node* node, uint64_t count) {
  pthread_mutex_lock(&table->mutex);
  struct node* const gone = release_locked(table, node, count);
  pthread_mutex_unlock(&table->mutex);
  free_nodes(gone);
}

/* Puts the node at `name`, which it owns, in `parent`. Returns nodes to be freed. */
static struct node* set_place(struct node_table* table, struct node* node, struct node* parent,
                              char* name) {
  if (node == table->root || (node->parent == parent && strcmp(node->name, name) == 0)) {
    free(name);
    return NULL;
  }
  struct node* const old = node->parent;
  ++parent->references;
  node->parent = parent;
  free(node->name);
  node->name = name;
  return old == NULL ? NULL : release_locked(table, old, 1);
}

int node_enter(struct node** out, struct node_table* table, s3f_handle* reference,
               const s3f_attr* attr, struct node* parent, const char* name) {
  char* const copy = strdup(name);
  struct node* const fresh = new_node(reference, attr);
  if (copy == NULL || fresh == NULL) {
    free(copy);
    free(fresh);
    s3f_close(reference, NULL);
    return -ENOMEM;
  }
  struct node* other = NULL; /* stands for the same inode but another version; referred to */
  for (;;) {
    struct node* gone = NULL;
    pthread_mutex_lock(&table->mutex);
    struct node* const found = find(table, attr->ino, attr->generation);
    const bool is_new = found == NULL || found == other;
    if (is_new) {
      if (found != NULL) found->replaced = true;
      set_place(table, fresh, parent, copy);
      add_node(table, fresh);
    } else {
      ++found->references;
    }
    if (other != NULL) gone = release_locked(table, other, 1);
    pthread_mutex_unlock(&table->mutex);
    free_nodes(gone);
    *out = is_new ? fresh : found;
    if (is_new) return 0;
    if (node_shows(found, reference)) break;
    other = found;
  }
  pthread_mutex_lock(&table->mutex);
  struct node* const gone = set_place(table, *out, parent, copy);
  pthread_mutex_unlock(&table->mutex);
  free_nodes(gone);
  free_node(fresh);
  return 0;
}

struct node* node_place(struct node_table* table, struct node* node, char name[NODE_NAME_SIZE]) {
  pthread_mutex_lock(&table->mutex);
  struct node* const parent = node->parent;
  if (parent != NULL) {
    ++parent->references;
    strcpy(name, node->name);
  }
  pthread_mutex_unlock(&table->mutex);
  return parent;
}

void node_moved(struct node_table* table, uint64_t ino, uint64_t generation, struct node* parent,
                const char* name) {
  char* const copy = strdup(name);
  if (copy == NULL) return;
  struct node* gone = NULL;
  pthread_mutex_lock(&table->mutex);
  struct node* const node = find(table, ino, generation);
  if (node != NULL) {
    gone = set_place(table, node, parent, copy);
  } else {
    free(copy);
  }
  pthread_mutex_unlock(&table->mutex);
  free_nodes(gone);
}

static bool same_version(const s3f_attr* a, const s3f_attr* b) {
  return strcmp(a->etag, b->etag) == 0 && strcmp(a->version_id, b->version_id) == 0;
}

bool node_shows(const struct node* node, s3f_handle* handle) {
  const uint32_t mask = S3F_STAT_INO | S3F_STAT_VERSION;
  s3f_attr ours = S3F_INIT(s3f_attr);
  s3f_attr theirs = S3F_INIT(s3f_attr);
  if (s3f_fstat(&ours, node->handle, mask, NULL) < 0) return false;
  /* Our own commit between the two makes them look different, but only once. */
  for (int tries = 0; tries < 2; ++tries) {
    if (s3f_fstat(&theirs, handle, mask, NULL) < 0) return false;
    if (theirs.ino != node->ino || theirs.generation != node->generation) return false;
    if (node->is_directory || same_version(&ours, &theirs)) return true;
    if (s3f_fstat(&ours, node->handle, mask, NULL) < 0) return false;
    if (same_version(&ours, &theirs)) return true;
  }
  return false;
}
