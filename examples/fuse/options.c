#include "options.h"

#include <errno.h>
#include <fuse_opt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Close would wait for the store otherwise, for one file after the other; and a shell, which dups
 * what it redirects to, would commit each file twice. fsync and unmounting commit at once. */
#define DEFAULT_COMMIT_DELAY "1s"

enum { KEY_FUSE };

#define FLAG(text, member) \
  { text, offsetof(struct options, member), true }
#define FUSE(text) FUSE_OPT_KEY(text, KEY_FUSE)

/* Whatever is not here goes to the library, which names the nearest where it has no such option. */
static const struct fuse_opt known[] = {FLAG("-f", foreground),
                                        FLAG("-d", debug),
                                        FLAG("-h", help),
                                        FLAG("--help", help),
                                        FUSE("allow_other"),
                                        FUSE("allow_root"),
                                        FUSE("auto_unmount"),
                                        FUSE("default_permissions"),
                                        FUSE("fsname="),
                                        FUSE("subtype="),
                                        FUSE("max_read="),
                                        FUSE("ro"),
                                        FUSE("rw"),
                                        FUSE("suid"),
                                        FUSE("nosuid"),
                                        FUSE("dev"),
                                        FUSE("nodev"),
                                        FUSE("exec"),
                                        FUSE("noexec"),
                                        FUSE("async"),
                                        FUSE("sync"),
                                        FUSE("dirsync"),
                                        FUSE("atime"),
                                        FUSE("noatime"),
                                        FUSE_OPT_END};

static int add_s3f_option(struct options* options, const char* name, size_t length,
                          const char* value) {
  s3f_option* const grown = realloc(options->s3f, (options->s3f_count + 1) * sizeof(*options->s3f));
  if (grown == NULL) return -1;
  options->s3f = grown;
  s3f_option* const added = &grown[options->s3f_count];
  added->name = strndup(name, length);
  added->value = strdup(value);
  ++options->s3f_count;
  return added->name != NULL && added->value != NULL ? 0 : -1;
}

static int take_word(struct options* options, const char* word) {
  if (options->url == NULL) return (options->url = strdup(word)) != NULL ? 0 : -1;
  if (options->mountpoint == NULL) {
    options->mountpoint = realpath(word, NULL);
    if (options->mountpoint != NULL) return 0;
    fprintf(stderr, "s3files-fuse: mount point %s: %s\n", word, strerror(errno));
    return -1;
  }
  fprintf(stderr, "s3files-fuse: %s: only a URL and a mount point are needed\n", word);
  return -1;
}

static int take(void* data, const char* argument, int key, struct fuse_args* out) {
  (void)out;
  struct options* const options = data;
  if (key == FUSE_OPT_KEY_NONOPT) return take_word(options, argument);
  if (key == KEY_FUSE) { /* kept; the library refuses changes, too */
    if (strcmp(argument, "ro") == 0 && add_s3f_option(options, "read_only", 9, "on") != 0)
      return -1;
    return 1;
  }
  const char* const equals = strchr(argument, '=');
  if (argument[0] == '-' || equals == NULL) {
    fprintf(stderr, "s3files-fuse: %s: no such option; options of s3files are -o NAME=VALUE\n",
            argument);
    return -1;
  }
  return add_s3f_option(options, argument, (size_t)(equals - argument), equals + 1);
}

/* What the mount is called in the system's table: the URL, unless fsname is given later. */
static int name_mount(struct options* options) {
  char* list = NULL;
  char* const name = malloc(strlen(options->url) + sizeof("fsname="));
  if (name == NULL) return -1;
  sprintf(name, "fsname=%s", options->url);
  const int status = fuse_opt_add_opt_escaped(&list, name) != 0 ||
                     fuse_opt_add_opt(&list, "subtype=s3files") != 0 ||
                     fuse_opt_insert_arg(&options->fuse, 1, "-o") != 0 ||
                     fuse_opt_insert_arg(&options->fuse, 2, list) != 0;
  free(list);
  free(name);
  return status;
}

int options_parse(struct options* options, int argc, char** argv) {
  memset(options, 0, sizeof(*options));
  options->fuse = (struct fuse_args)FUSE_ARGS_INIT(argc, argv);
  if (fuse_opt_parse(&options->fuse, options, known, take) != 0) return -1;
  if (options->help) return 0;
  if (options->url == NULL || options->mountpoint == NULL) {
    options_help(argv[0]);
    return -1;
  }
  if (option_value(options, "commit_delay") == NULL &&
      add_s3f_option(options, "commit_delay", 12, DEFAULT_COMMIT_DELAY) != 0) {
    return -1;
  }
  return name_mount(options);
}

void options_free(struct options* options) {
  for (uint32_t i = 0; i < options->s3f_count; ++i) {
    free((char*)options->s3f[i].name);
    free((char*)options->s3f[i].value);
  }
  free(options->s3f);
  free(options->url);
  free(options->mountpoint);
  fuse_opt_free_args(&options->fuse);
}

void options_help(const char* program) {
  printf(
      "usage: %s URL MOUNTPOINT [-o OPTION[,OPTION...]]... [-f] [-d]\n"
      "\n"
      "  URL    s3://BUCKET[/PREFIX] or file:///DIR\n"
      "  -f     stay in the foreground\n"
      "  -d     say why operations fail\n"
      "  -o     options of s3files, NAME=VALUE, see s3files.h (commit_delay "
      "is " DEFAULT_COMMIT_DELAY
      " here),\n"
      "         and of FUSE: allow_other, default_permissions, ro, auto_unmount, ...\n",
      program);
}

const char* option_value(const struct options* options, const char* name) {
  const char* value = NULL; /* the last counts */
  for (uint32_t i = 0; i < options->s3f_count; ++i) {
    if (strcmp(options->s3f[i].name, name) == 0) value = options->s3f[i].value;
  }
  return value;
}

double seconds_of(const char* duration, double otherwise) {
  if (duration == NULL) return otherwise;
  char* unit;
  const double number = strtod(duration, &unit);
  if (strcmp(unit, "ms") == 0) return number / 1000;
  if (strcmp(unit, "m") == 0) return number * 60;
  if (strcmp(unit, "h") == 0) return number * 3600;
  return number;
}
