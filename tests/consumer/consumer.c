/* Writes a file in C99 and reads it back. */
#include <s3files/s3files.h>
#include <stdio.h>
#include <string.h>

static const char kText[] = "from C99\n";

static int write_file(s3f_fs* fs, const s3f_call* call) {
  s3f_handle* file;
  int result = s3f_open(&file, fs, NULL, "a", S3F_O_WRITE | S3F_O_CREATE, 0644, call);
  if (result < 0) return result;
  int64_t written = s3f_pwrite(file, kText, strlen(kText), 0, call);
  if (written < 0) {
    s3f_abandon(file, NULL);
    return (int)written;
  }
  return s3f_close(file, call);
}

static int64_t read_file(char* text, size_t size, s3f_fs* fs, const s3f_call* call) {
  s3f_handle* file;
  int result = s3f_open(&file, fs, NULL, "a", S3F_O_READ, 0, call);
  if (result < 0) return result;
  int64_t got = s3f_pread(text, size, 0, file, call);
  s3f_close(file, call);
  return got;
}

int main(void) {
  s3f_error error = S3F_INIT(s3f_error);
  s3f_call call = S3F_INIT(s3f_call);
  call.error = &error;
  s3f_fs* fs = NULL;
  char text[64];
  int ok =
      s3f_version() == (S3F_VERSION_MAJOR << 16 | S3F_VERSION_MINOR << 8 | S3F_VERSION_PATCH) &&
      s3f_fs_open(&fs, "memory://consumer", NULL, &call) == 0 && write_file(fs, &call) == 0 &&
      read_file(text, sizeof text, fs, &call) == (int64_t)strlen(kText) &&
      memcmp(text, kText, strlen(kText)) == 0 && s3f_fs_close(fs, 0, &call) == 0;
  printf("%s\n", ok ? "ok" : error.message);
  return ok ? 0 : 1;
}
