#include "open_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct open_file* open_file_new(struct mount* mount, s3f_handle* handle, bool writable) {
  struct open_file* const file = calloc(1, sizeof(*file));
  if (file == NULL) {
    s3f_abandon(handle, NULL);
    return NULL;
  }
  file->handle = handle;
  file->writable = writable;
  pthread_mutex_init(&file->mutex, NULL);
  pthread_mutex_lock(&mount->mutex);
  file->next = mount->files;
  if (file->next != NULL) file->next->previous = &file->next;
  file->previous = &mount->files;
  mount->files = file;
  pthread_mutex_unlock(&mount->mutex);
  return file;
}

int open_file_close(struct mount* mount, struct open_file* file, const s3f_call* call) {
  pthread_mutex_lock(&mount->mutex);
  *file->previous = file->next;
  if (file->next != NULL) file->next->previous = file->previous;
  pthread_mutex_unlock(&mount->mutex);
  release_all_locks(mount, file);
  const int status = s3f_close(file->handle, call);
  pthread_mutex_destroy(&file->mutex);
  free(file->batch);
  free(file);
  return status;
}

struct open_file* open_file_of(const struct fuse_file_info* info) {
  return (struct open_file*)(uintptr_t)info->fh;
}

void close_all_files(struct mount* mount) {
  while (mount->files != NULL) { /* nobody else is left */
    s3f_error error = S3F_INIT(s3f_error);
    s3f_call call = S3F_INIT(s3f_call);
    call.error = &error;
    const int status = open_file_close(mount, mount->files, &call);
    if (status < 0) report("closing a file: %s: %s", strerror(-status), error.message);
  }
}
