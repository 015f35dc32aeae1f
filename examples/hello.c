#include <s3files/s3files.h>
#include <stdio.h>

int main(int argc, char** argv) {
  s3f_fs* fs;
  s3f_handle* file;
  s3f_error error = S3F_INIT(s3f_error);
  if (s3f_fs_open(&fs, argc > 1 ? argv[1] : "memory://hello", NULL, NULL) == 0 &&
      s3f_open(&file, fs, NULL, "hello.txt", S3F_O_WRITE | S3F_O_CREATE, 0644, NULL) == 0 &&
      s3f_pwrite(file, "hello, bucket\n", 14, 0, NULL) == 14 &&
      s3f_close(file, NULL) == 0 /* commits: the object is in the bucket now */ &&
      s3f_fs_close(fs, 0, NULL) == 0)
    return puts("hello.txt is in the bucket") < 0;
  s3f_last_error(&error);
  puts(error.message);
  return 1;
}
