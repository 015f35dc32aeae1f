/* The command line: s3files-fuse URL MOUNTPOINT [-o OPTION[,OPTION...]] [-f] [-d]. */
#ifndef S3FILES_EXAMPLES_FUSE_OPTIONS_H_
#define S3FILES_EXAMPLES_FUSE_OPTIONS_H_

#include "mount.h"

struct options {
  char* url;
  char* mountpoint; /* absolute */
  int foreground;   /* ints: libfuse writes them */
  int debug;
  int help;
  struct fuse_args fuse; /* what is for libfuse */
  s3f_option* s3f;       /* what is for s3f_fs_open */
  uint32_t s3f_count;
};

/* 0, or non-zero after a message. */
int options_parse(struct options* options, int argc, char** argv);
void options_free(struct options* options);
void options_help(const char* program);

/* The value of an option of the library; NULL where it is not given. */
const char* option_value(const struct options* options, const char* name);
/* A duration as the library takes it ("500ms", "10s", "5m", "1h"; it has checked that), in seconds. */
double seconds_of(const char* duration, double otherwise);

#endif /* S3FILES_EXAMPLES_FUSE_OPTIONS_H_ */
