/* s3files-fuse: mounts a prefix of a bucket. See README.md. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "open_files.h"
#include "options.h"

enum { MOST_THREADS = 64, IDLE_THREADS = 8 };

static bool to_syslog; /* set once, before the mount's threads start */

void report(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (to_syslog) {
    vsyslog(LOG_ERR, format, arguments);
  } else {
    flockfile(stderr);
    fputs("s3files-fuse: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
  }
  va_end(arguments);
}

static void on_event(void* user, const s3f_event* event) {
  const struct mount* const mount = user;
  switch (event->kind) {
    case S3F_EVENT_COMMIT_FAILED:
      report("/%s is not committed yet: %s", event->path, event->message);
      break;
    case S3F_EVENT_CONFLICT:
      report(
          "/%s was changed by another host, whose version stays; the bytes of this one are in %s",
          event->path, event->detail);
      break;
    case S3F_EVENT_UNCONDITIONAL:
      report("%s", event->detail);
      break;
    default:
      if (mount->debug) report("event %u: %s: %s", event->kind, event->path, event->message);
  }
}

static void init(void* user, struct fuse_conn_info* connection) {
  (void)user;
  /* Whoever writes to a set-id file takes the bits away by an ordinary setattr. */
  connection->want &= ~(unsigned)FUSE_CAP_HANDLE_KILLPRIV;
  /* What a reader is ahead by is the library's business; the kernel may ask for as much at once. */
  connection->max_background = MOST_THREADS;
}

static int open_mount(struct mount* mount, const struct options* options) {
  s3f_fs_config config = S3F_INIT(s3f_fs_config);
  s3f_error error = S3F_INIT(s3f_error);
  s3f_call call = S3F_INIT(s3f_call);
  s3f_attr attr = S3F_INIT(s3f_attr);
  s3f_statfs_out statfs = S3F_INIT(s3f_statfs_out);
  s3f_handle* root = NULL;
  call.error = &error;
  config.options = options->s3f;
  config.option_count = options->s3f_count;
  config.on_event = on_event;
  config.on_event_user = mount;
  mount->debug = options->debug;
  mount->timeout = seconds_of(option_value(options, "attribute_timeout"), 1);
  mount->close_commits = seconds_of(option_value(options, "commit_delay"), 0) == 0;
  pthread_mutex_init(&mount->mutex, NULL);
  pthread_cond_init(&mount->waits_changed, NULL);

  int status = s3f_fs_open(&mount->fs, options->url, &config, &call);
  if (status == 0) status = s3f_statfs(&statfs, mount->fs, &call);
  mount->block_size = statfs.block_size;
  if (status == 0) status = s3f_open(&root, mount->fs, NULL, "", S3F_O_PATH, 0, &call);
  if (status == 0) status = s3f_fstat(&attr, root, S3F_STAT_INO | S3F_STAT_TYPE, &call);
  if (status == 0) status = node_table_init(&mount->nodes, root, &attr);
  if (status == 0) return 0;
  report("%s: %s", options->url, error.code != 0 ? error.message : strerror(-status));
  s3f_close(root, NULL);
  s3f_fs_close(mount->fs, S3F_CLOSE_DISCARD, NULL);
  return status;
}

static void report_staged(struct mount* mount) {
  uint64_t cursor = 0;
  char path[1280];
  while (s3f_next_staged(&cursor, path, sizeof(path), mount->fs, NULL) == 1) {
    s3f_status_info status = S3F_INIT(s3f_status_info);
    if (s3f_status(&status, mount->fs, NULL, path, NULL) < 0) continue;
    report("%s: %llu bytes are lost: %s", path, (unsigned long long)status.staged_bytes,
           status.message);
  }
}

/* Commits everything, once the kernel is gone. */
static int close_mount(struct mount* mount) {
  s3f_error error = S3F_INIT(s3f_error);
  s3f_call call = S3F_INIT(s3f_call);
  call.error = &error;
  end_lock_waits(mount);
  close_all_files(mount);
  node_table_destroy(&mount->nodes);
  const int status = s3f_fs_close(mount->fs, 0, &call);
  if (status == 0) return 0;
  report("not everything could be committed: %s", error.message);
  report_staged(mount);
  s3f_fs_close(mount->fs, S3F_CLOSE_DISCARD, NULL);
  return status;
}

static int serve(struct fuse_session* session) {
  struct fuse_loop_config* const config = fuse_loop_cfg_create();
  if (config == NULL) return -ENOMEM;
  /* A thread waits while the store is asked. */
  fuse_loop_cfg_set_max_threads(config, MOST_THREADS);
  fuse_loop_cfg_set_idle_threads(config, IDLE_THREADS);
  const int status = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  if (status < 0) report("serving the mount: %s", strerror(-status));
  return status < 0 ? status : 0; /* above: the signal that ended it */
}

/* From the open file system to the unmounted one; `ready` is called in between. */
static int run(struct mount* mount, const struct options* options, struct fuse_session* session,
               void (*ready)(int), int ready_argument) {
  if (open_mount(mount, options) < 0) return 1;
  int status = fuse_set_signal_handlers(session);
  if (status == 0) {
    status = fuse_session_mount(session, options->mountpoint);
    if (status == 0) {
      ready(ready_argument);
      status = serve(session);
      fuse_session_unmount(session);
    }
  }
  /* Signals that come now do not end the commit. */
  if (close_mount(mount) < 0) status = -1;
  fuse_remove_signal_handlers(session);
  return status == 0 ? 0 : 1;
}

static void announce(int unused) {
  (void)unused;
  puts("mounted");
  fflush(stdout);
}

/* Lets the parent end, and leaves its terminal. */
static void detach(int parent) {
  const char ok = 1;
  to_syslog = true;
  openlog("s3files-fuse", LOG_PID, LOG_DAEMON);
  if (chdir("/") != 0 || freopen("/dev/null", "r", stdin) == NULL ||
      freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL) {
    report("detaching: %s", strerror(errno));
  }
  if (write(parent, &ok, 1) != 1) report("the parent is gone");
  close(parent);
}

/* The library's threads do not survive a fork: the child does everything, and the parent waits until
 * the mount is there, or the child has said why not. */
static int run_in_background(struct mount* mount, const struct options* options,
                             struct fuse_session* session) {
  int ends[2];
  if (pipe(ends) != 0) {
    report("pipe: %s", strerror(errno));
    return 1;
  }
  const pid_t child = fork();
  if (child < 0) {
    report("fork: %s", strerror(errno));
    return 1;
  }
  if (child == 0) {
    close(ends[0]);
    setsid();
    return run(mount, options, session, detach, ends[1]);
  }
  close(ends[1]);
  char ok;
  _exit(read(ends[0], &ok, 1) == 1 ? 0 : 1);
}

static const struct fuse_lowlevel_ops* all_operations(void) {
  static struct fuse_lowlevel_ops operations = {.init = init};
  add_attribute_operations(&operations);
  add_directory_operations(&operations);
  add_file_operations(&operations);
  add_lock_operations(&operations);
  add_name_operations(&operations);
  return &operations;
}

int main(int argc, char** argv) {
  static struct mount mount;
  struct options options;
  if (options_parse(&options, argc, argv) != 0) return 2;
  if (options.help) {
    options_help(argv[0]);
    return 0;
  }
  int status = 1;
  struct fuse_session* const session =
      fuse_session_new(&options.fuse, all_operations(), sizeof(struct fuse_lowlevel_ops), &mount);
  if (session != NULL) { /* else it has said why */
    status = options.foreground ? run(&mount, &options, session, announce, 0)
                                : run_in_background(&mount, &options, session);
    fuse_session_destroy(session);
  }
  options_free(&options);
  return status;
}
