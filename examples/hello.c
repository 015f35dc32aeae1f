#include <s3files/s3files.h>
#include <stdio.h>

int main(int argc, char **argv) {
  s3f_error error = S3F_INIT(s3f_error);
  s3f_call call = {.struct_size = sizeof call, .error = &error};
  s3f_fs *fs = NULL;
  s3f_handle *file = NULL;
  int result = s3f_fs_open(&fs, argc > 1 ? argv[1] : "memory://hello", NULL, &call);
  if (result == 0)
    result = s3f_open(&file, fs, NULL, "hello.txt", S3F_O_WRITE | S3F_O_CREATE, 0644, &call);
  if (result == 0 && s3f_pwrite(file, "hello, bucket\n", 14, 0, &call) == 14)
    result = s3f_close(file, &call); /* the object is in the bucket now */
  s3f_fs_close(fs, S3F_CLOSE_DISCARD, NULL);
  puts(error.code ? error.message : "written");
  return error.code != 0;
}
