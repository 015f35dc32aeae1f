/* s3files: files over an S3 bucket, in the process that uses them.
 *
 * This header is the library's only binary promise. C99, no dependency. What the calls guarantee
 * together (consistency, durability, conflicts) is in SEMANTICS.md beside this file; its numbered
 * guarantees are quoted here as [C1], [W2] and so on.
 *
 * Rules that hold for every call
 *   - Returns 0 (or a count) on success, a negative errno on failure: -ENOENT, -ESTALE, ...
 *     Out-parameters come first and are written only on success, except where a call says otherwise.
 *     A required pointer that is NULL gives -EINVAL.
 *   - On failure nothing has changed, except where a call says otherwise.
 *   - `call` (last, may be NULL) says who calls, until when, and where to put the error's detail.
 *     It is copied on entry; what it points to must live until the call returns.
 *   - Thread-safe: any call from any thread, on shared handles too; the exceptions are the two that
 *     end an object's life (s3f_close, s3f_fs_close), which no other call on it may overlap.
 *   - Strings are UTF-8 or any other bytes, NUL-terminated, and stay the caller's. The library never
 *     returns a string to be freed.
 *   - Structs begin with `struct_size`, which the caller sets to sizeof, for in and out structs.
 *     New members are only ever appended, zero is always their default, and a non-zero tail that
 *     this version does not know is -EINVAL. S3F_INIT(type) gives a zeroed one with its size set.
 *   - After fork, calls on inherited objects return -EBUSY in the child, and closing them there does
 *     nothing and returns 0; the child may open file systems of its own.
 *
 * Paths are relative to `at` (a handle to a directory) or, where `at` is NULL, to the root of the
 * file system; a leading '/' also means the root. Components are separated by '/'; empty ones and
 * "." are skipped, ".." is resolved without asking the store and stops at the root, so a path cannot
 * leave the prefix. An empty path means `at` itself. Components over 255 bytes and keys over 1,024
 * bytes give -ENAMETOOLONG.
 */
#ifndef S3FILES_S3FILES_H_
#define S3FILES_S3FILES_H_

#include <stddef.h>
#include <stdint.h>

#if defined(S3FILES_STATIC)
#define S3F_API
#elif defined(__GNUC__)
#define S3F_API __attribute__((visibility("default")))
#else
#define S3F_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define S3F_VERSION_MAJOR 0
#define S3F_VERSION_MINOR 1
#define S3F_VERSION_PATCH 0

/* A zeroed struct with its size set: s3f_attr attr = S3F_INIT(s3f_attr); */
#ifdef __cplusplus
#define S3F_INIT(type) (::s3files_detail::init<type>())
#else
#define S3F_INIT(type) ((type){.struct_size = (uint32_t)sizeof(type)})
#endif

/* ---------------------------------------------------------------------------------------------- */
/* Objects                                                                                        */

typedef struct s3f_fs s3f_fs;         /* a file system: one prefix of one bucket */
typedef struct s3f_handle s3f_handle; /* an open file or directory */
typedef struct s3f_cancel s3f_cancel; /* a token that ends calls early */

/* ---------------------------------------------------------------------------------------------- */
/* Errors                                                                                         */

/* What went wrong, in words. `message` names the thing and the remedy; it never holds a secret. */
typedef struct s3f_error {
  uint32_t struct_size;
  int32_t code;        /* errno, positive; 0 = no error */
  int32_t http_status; /* of the reply that caused it; 0 = none */
  uint32_t reserved;
  char s3_code[64];     /* e.g. "PreconditionFailed"; "" = none */
  char request_id[128]; /* x-amz-request-id, for a support case; "" = none */
  char message[768];    /* cut at a character's end where it does not fit */
} s3f_error;

/* The calling thread's last failed call that was given no `call->error`. Never fails for a valid
 * `out`; code 0 where there was no failure. A convenience: prefer `call->error`. */
S3F_API int s3f_last_error(s3f_error* out);

/* ---------------------------------------------------------------------------------------------- */
/* Calls                                                                                          */

enum {
  S3F_CALL_IDENTITY = 1u << 0, /* uid, gid, groups are set: new files belong to them */
  S3F_CALL_UMASK = 1u << 1     /* umask is set; else 022 */
};

typedef struct s3f_call {
  uint32_t struct_size;
  uint32_t flags;       /* S3F_CALL_* */
  uint64_t deadline_ns; /* absolute, s3f_now_ns() clock (CLOCK_MONOTONIC), at most INT64_MAX;
                           0 = none. A call that passes it returns -ETIMEDOUT */
  s3f_cancel* cancel;   /* NULL = cannot be cancelled. A cancelled call returns -ECANCELED */
  s3f_error* error;     /* NULL = thread-local, see s3f_last_error. Written on failure only */
  uint32_t uid;
  uint32_t gid;
  const uint32_t* groups; /* supplementary groups */
  uint32_t group_count;   /* at most 65,536 */
  uint32_t umask;
} s3f_call;

/* Now, on the clock that deadlines are measured with, in nanoseconds. */
S3F_API uint64_t s3f_now_ns(void);

/* A cancel token. Firing it ends every call that was given it, now and later; it cannot be reset.
 * Destroy it after the last such call has returned. */
S3F_API int s3f_cancel_create(s3f_cancel** out);
S3F_API void s3f_cancel_fire(s3f_cancel* cancel);    /* async-signal-unsafe; NULL is ignored */
S3F_API void s3f_cancel_destroy(s3f_cancel* cancel); /* NULL is ignored */

/* The library's version: major << 16 | minor << 8 | patch. */
S3F_API uint32_t s3f_version(void);

/* ---------------------------------------------------------------------------------------------- */
/* File systems                                                                                   */

/* One option. Both strings are required. */
typedef struct s3f_option {
  const char* name;
  const char* value;
} s3f_option;

enum {
  S3F_EVENT_COMMITTED = 1,     /* a staged change is now the store's; `bytes` = size */
  S3F_EVENT_COMMIT_FAILED = 2, /* it stays staged; `code` and `message` say why */
  S3F_EVENT_CONFLICT = 3,      /* the store's version won; `detail` = where the staged bytes are */
  S3F_EVENT_KEY_SKIPPED = 4,   /* an object whose key cannot be a path is not listed */
  S3F_EVENT_UNCONDITIONAL =
      5, /* conditions not relied on, [W8]: a HEAD compares; `detail` says on what */
  S3F_EVENT_PROGRESS = 6 /* of a commit in parts: `bytes` of `total` are in the store */
};

/* Valid during the callback only. */
typedef struct s3f_event {
  uint32_t struct_size;
  uint32_t kind; /* S3F_EVENT_* */
  int32_t code;  /* errno, positive; 0 = none */
  uint32_t reserved;
  uint64_t bytes;
  const char* path; /* from the root, without a leading '/'; for KEY_SKIPPED the key */
  const char* message;
  const char* detail;
  uint64_t total; /* of PROGRESS: the file's size */
} s3f_event;

/* Runs on the thread that caused the event, with no lock held. It may call anything but
 * s3f_fs_close of its own file system, and must not throw or longjmp. From PROGRESS and UNCONDITIONAL, which
 * come in the midst of a commit, it cannot wait: calls on the same file system are -EDEADLK from PROGRESS, and
 * from UNCONDITIONAL those that would wait for a commit or rename under way. */
typedef void (*s3f_event_fn)(void* user, const s3f_event* event);

/* What becomes of a staged file whose object is not the one that the change was made on. */
enum {
  S3F_CONFLICT_STORE = 0, /* the store's version wins, `mine` goes to lost+found [W3] */
  S3F_CONFLICT_MINE = 1,  /* `mine` replaces `theirs`, under the condition that it is still that.
                              As STORE where bytes of `base` that show in `mine` are gone */
  S3F_CONFLICT_MERGED =
      2, /* what was written to `result` replaces it, likewise. Handles of the file stay
                              with `mine` and become read-only, as when others replace a file */
  S3F_CONFLICT_DROP = 3, /* `mine` is dropped: the application has kept of it what it wants */
  S3F_CONFLICT_FAIL = 4  /* it stays staged, and the commit fails with -ESTALE */
};

/* Valid, with its handles, during the callback only; closing them is nothing. */
typedef struct s3f_conflict {
  uint32_t struct_size;
  int32_t code;     /* ESTALE; EEXIST for a file made with S3F_O_EXCL */
  const char* path; /* from the root, without a leading '/' */
  s3f_fs* fs;
  s3f_handle* base;   /* the version that the change was made on; NULL: the file was new. Reads are
                         -ESTALE where they are neither resident nor kept by the bucket's versioning */
  s3f_handle* mine;   /* the file as staged */
  s3f_handle* theirs; /* what the store has; NULL: it was removed */
  s3f_handle* result; /* empty, for reading and writing */
} s3f_conflict;

/* Decides a conflict: returns S3F_CONFLICT_*, anything else is STORE. Runs on the thread that commits, with no
 * lock held; asked again where `mine` was written to meanwhile, or the store has changed again. It may call
 * anything but s3f_fs_close of its own file system. What would have to wait for a commit or rename under way,
 * such as that of this very file, is -EDEADLK (s3f_discard: -EBUSY) instead. What replaces the store's version
 * has its attributes and metadata, but for those that are staged [N8]; a file that was new keeps its own. */
typedef uint32_t (*s3f_conflict_fn)(void* user, const s3f_conflict* conflict);

typedef struct s3f_fs_config {
  uint32_t struct_size;
  uint32_t option_count;
  const s3f_option* options;
  s3f_event_fn on_event; /* NULL = events are not wanted */
  void* on_event_user;
  s3f_conflict_fn on_conflict; /* NULL = as the option `conflict` says */
  void* on_conflict_user;
} s3f_fs_config;

/* Opens the file system at `url`:
 *   s3://BUCKET[/PREFIX]   a bucket of an S3-compatible store
 *   file:///DIR            objects in a directory of this host, shared between processes
 *   memory://NAME          objects in this process, shared by name, gone with the process
 * Sends one request, which shows that the endpoint, the credentials and the bucket are right.
 *
 * Options (`config->options`; sizes take the suffixes K, M, G, T = powers of 1,024; durations take
 * ms, s, m, h; switches take on and off). Defaults in brackets:
 *   read_only           [off]   every change is -EROFS; not with a state_dir
 *   memory              [256M]  the one pool of bulk memory, 4M..1T; at most half of it holds staged bytes
 *   entry_limit         [100000] names remembered, 100..1000000000, at most 200 bytes and the name each
 *                               besides `memory` (about 1.2 KiB while in use): beyond that, those that
 *                               nobody uses and nothing is staged of are forgotten, with what is
 *                               cached of them
 *   spill_dir           [$TMPDIR or /tmp] staged bytes beyond that go to an unlinked temporary file
 *                               here; "off": -ENOSPC to the writer instead
 *   state_dir           [none]  a directory of this host that makes staged changes survive the process
 *                               [D4]; made, 0700, where it does not exist; instead of spill_dir
 *   commit_delay        [0s]    0s: close commits. N: N after the last write, by itself. See [D2].
 *                               never: only s3f_commit does, not even s3f_fs_close; needs a state_dir
 *   commit_max_age      [10m]   a change staged this long is committed even if writes go on
 *   commit_open         [on]    off: the delay does not commit what a handle that is still open has staged,
 *                               which may be half a file, but begins again [W5]
 *   conflict            [store] store: see [W3]. mine: what is staged replaces the store's version, whatever
 *                               that is (S3F_CONFLICT_MINE); on_conflict is asked before
 *   staged_limit        [0]     most staged bytes, 0 = as many as fit: a write beyond first commits files
 *                               that are closed, oldest first, and is -ENOSPC where that is not enough
 *   attribute_timeout   [1s]    how old an answer of stat, or an absence, may be. Opens always ask
 *   attributes          [full]  listed: mode, owner and mtime of directories and of what s3f_readdir
 *                               gives are the default_* and Last-Modified: no HEAD is sent for them
 *   read_ahead          [32M]   most bytes read ahead for one handle; 0 = none
 *   part_size           [8M]    first part size of multipart uploads, 5M..5G
 *   multipart_threshold [16M]   larger content is uploaded in parts
 *   parallel            [32]    most requests this file system has under way by itself, 1..256
 *   strict              [off]   on: where a condition is not relied on, writes are -ENOTSUP instead
 *                               of being checked by a HEAD just before
 *   timeout             [60s]   for calls that have no deadline, per operation with the store
 *   default_uid/gid     [0]     owner of objects that carry none; default_file_mode [0644],
 *   default_dir_mode    [0755]  their permissions
 *   root_directory      [/]     this directory is the root; where it does not exist it is made, with
 *   root_uid/gid        [0]     these owners and
 *   root_mode           [0755]  these permissions
 *   force_uid, force_gid [off]  who every call is made by, whatever identity it brings (an access
 *                               point's user); force_groups [none] its groups, "1,2,3"
 *   fsync               [on]    file:// only: objects survive power loss
 * and for s3://
 *   endpoint            [$AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, else AWS of the region] http(s)://HOST[:PORT]
 *   region              [$AWS_REGION, $AWS_DEFAULT_REGION, else us-east-1]
 *   access_key, secret_key, session_token [$AWS_ACCESS_KEY_ID, $AWS_SECRET_ACCESS_KEY, $AWS_SESSION_TOKEN]
 *   anonymous           [off]   on: requests are not signed
 *   addressing          [auto]  path or virtual; auto: virtual on AWS, path with an endpoint
 *   provider            [auto]  which conditions the store is relied on to honour: aws, ceph-rgw, swift,
 *                               generic (see the table at [W8] in SEMANTICS.md); auto: aws without an
 *                               endpoint, else generic
 *   ca_file             [the system's] certificates to trust, PEM; no others are then
 *   verify_tls          [on]    off: any certificate is accepted, whoever is in between: for tests
 *   connections         [64]    most connections, 1..1,024
 *
 * With a state_dir that has staged changes they are staged again: -EBUSY: another file system has the
 * directory, -EIO: it is damaged (see s3f_rescue_open); the message names who, or what.
 * -EINVAL: malformed URL, unknown option (the message names the nearest), value out of range.
 * -ENOENT: no such bucket or directory. -EACCES: credentials refused. -ECONNREFUSED, -EHOSTUNREACH,
 * -ECONNRESET, -ETIMEDOUT: the endpoint does not answer; -EPROTO: not in TLS 1.2 or later, or with a
 * certificate that is not trusted. Takes at most `timeout`, and 10 s where the endpoint is dead.
 * `config` may be NULL. */
S3F_API int s3f_fs_open(s3f_fs** out, const char* url, const s3f_fs_config* config,
                        const s3f_call* call);

enum {
  S3F_CLOSE_DISCARD = 1u << 0 /* close whatever happens; what cannot be committed is dropped */
};

/* Commits what is staged (not with commit_delay=never) and ends the file system. On success `fs` is gone. Without
 * S3F_CLOSE_DISCARD a failure leaves it open and usable: -EBUSY where handles are still open, else
 * the error of the first change that could not be committed (each also an event; s3f_next_staged
 * lists them). With it, `fs` is gone even where an error is returned, which says what was dropped;
 * handles that are still open return -EBADF from then on, and s3f_close frees them: what they had staged is
 * dropped, and nobody is called back any more. With a state_dir
 * nothing that was closed is dropped: the next file system there has it again. NULL is 0. */
S3F_API int s3f_fs_close(s3f_fs* fs, uint32_t flags, const s3f_call* call);

/* Counters since the file system was opened. */
typedef struct s3f_stats {
  uint32_t struct_size;
  uint32_t reserved;
  /* requests sent, retries included */
  uint64_t get, head, put, del, list, copy;
  uint64_t create_upload, upload_part, copy_part, complete_upload, abort_upload, other;
  uint64_t retries, request_errors;
  uint64_t bytes_in, bytes_out; /* bodies, on the wire */
  /* the pool, in bytes, now */
  uint64_t memory_limit, memory_cached, memory_staged, memory_in_flight;
  uint64_t spilled;      /* staged bytes now in temporary files */
  uint64_t staged_files; /* files with staged changes now */
  uint64_t commits, commit_failures, conflicts, keys_skipped;
} s3f_stats;

S3F_API int s3f_fs_stats(s3f_stats* out, s3f_fs* fs);

/* ---------------------------------------------------------------------------------------------- */
/* Attributes                                                                                     */

/* s3f_attr.type */
enum { S3F_TYPE_FILE = 1, S3F_TYPE_DIRECTORY = 2, S3F_TYPE_SYMLINK = 3 };

/* what is asked for, and what was filled */
enum {
  S3F_STAT_TYPE = 1u << 0,
  S3F_STAT_SIZE = 1u << 1,
  S3F_STAT_MTIME = 1u << 2,
  S3F_STAT_MODE = 1u << 3,
  S3F_STAT_OWNER = 1u << 4,   /* uid and gid */
  S3F_STAT_INO = 1u << 5,     /* ino, generation, nlink */
  S3F_STAT_VERSION = 1u << 6, /* etag and version_id */
  S3F_STAT_TIMES = 1u << 7,   /* ctime and atime */
  S3F_STAT_BLOCKS = 1u << 8,
  /* what a listing knows */
  S3F_STAT_LISTED = S3F_STAT_TYPE | S3F_STAT_SIZE | S3F_STAT_VERSION | S3F_STAT_BLOCKS,
  S3F_STAT_ALL = 0x1ffu
};

typedef struct s3f_attr {
  uint32_t struct_size;
  uint32_t filled; /* S3F_STAT_*: these members are valid, others are zero */
  uint32_t type;   /* S3F_TYPE_* */
  uint32_t mode;   /* permission bits and set-id, sticky; no type bits */
  uint32_t uid;
  uint32_t gid;
  uint64_t ino;        /* stable, and no other file's while the file system is open */
  uint64_t generation; /* for servers whose handles carry one; 0 until names were removed */
  uint64_t size;       /* bytes, staged ones included; of a symlink the target's length */
  uint64_t blocks;     /* of 512 bytes: the size rounded up (an object has no holes) */
  int64_t mtime_ns;    /* since the epoch, as are all three */
  int64_t ctime_ns;    /* the last change made or seen here, at the earliest Last-Modified */
  int64_t atime_ns;    /* as set by s3f_setattr while the file system is open, else mtime_ns */
  uint64_t nlink; /* 1; of a directory 2 (its subdirectories are not counted); 0 once removed */
  char etag[96];  /* of the committed bytes, without quotes; "" where there are none */
  char version_id[128]; /* "" where the bucket has no versions */
} s3f_attr;

/* flags of calls that take a path */
enum {
  S3F_NOFOLLOW = 1u << 0 /* a symlink at the end of the path is meant itself */
};

/* Attributes of `path`; with S3F_NOFOLLOW (lstat) of a symlink itself. `mask` says which are needed:
 * the call may fill more. Staged changes of this file system are seen at once; others' commits no
 * later than attribute_timeout [C6]. At most one HEAD and one LIST, none within attribute_timeout.
 * An empty path with a handle at `at` is the handle itself (fstat), here and in every path call: no
 * request, never -ESTALE (a replaced file keeps the attributes it had).
 * -ENOENT, -ENOTDIR, -ELOOP, -EACCES (a directory that may not be searched). */
S3F_API int s3f_stat(s3f_attr* out, s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags,
                     uint32_t mask, const s3f_call* call);

/* s3f_stat(out, the handle's file system, handle, "", 0, mask, call). */
S3F_API int s3f_fstat(s3f_attr* out, s3f_handle* handle, uint32_t mask, const s3f_call* call);

/* s3f_setattr_in.set */
enum {
  S3F_SET_MODE = 1u << 0,
  S3F_SET_UID = 1u << 1,
  S3F_SET_GID = 1u << 2,
  S3F_SET_SIZE = 1u << 3,
  S3F_SET_MTIME = 1u << 4,
  S3F_SET_MTIME_NOW = 1u << 5,
  S3F_SET_ATIME = 1u << 6, /* kept while the file system is open, never in the store */
  S3F_SET_ATIME_NOW = 1u << 7
};

typedef struct s3f_setattr_in {
  uint32_t struct_size;
  uint32_t set;  /* S3F_SET_*: these members count */
  uint32_t mode; /* at most 07777 */
  uint32_t uid;
  uint32_t gid;
  uint32_t reserved;
  uint64_t size; /* a regular file's: as s3f_truncate */
  int64_t mtime_ns;
  int64_t atime_ns;
} s3f_setattr_in;

/* chmod, chown, utimensat and truncate in one: all of `set` or nothing. A file with staged changes
 * takes them along into its commit. Otherwise, and for directories and symlinks, the change is
 * committed before the call returns where commit_delay is 0, else staged: of an object one HEAD and
 * one copy onto itself by the store, which sends no byte and keeps what the change does not name,
 * and merges with what others changed meanwhile (last writer wins, field by field) [N8]; of a
 * directory a PUT of its marker. Open handles follow, cached bytes stay.
 * Rules with an identity as POSIX has them: the owner or root changes mode and set times; root
 * changes uid; the owner changes gid to one of its groups; chown clears set-id bits of files, by
 * whomever; "now" needs write permission only.
 * The size through a handle open for writing is staged, and committed by its close; through any other
 * it is set as by path: of the version that the store has now, and committed like the rest.
 * On failure nothing is changed, except that after -EIO or -ETIMEDOUT the store may have it.
 * -EPERM (also: the root of a bucket without prefix has no object to carry attributes), -EACCES,
 * -EINVAL, -EISDIR (the size of a directory), and as s3f_commit. */
S3F_API int s3f_setattr(s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags,
                        const s3f_setattr_in* change, const s3f_call* call);

/* s3f_access modes; 0 asks only whether the path exists. */
enum { S3F_X_OK = 1u << 0, S3F_W_OK = 1u << 1, S3F_R_OK = 1u << 2 };

/* Whether the identity of `call` may do all of `mode` with `path`: 0, or -EACCES, -EROFS (writing,
 * with read_only). Without an identity everything that exists may be done. */
S3F_API int s3f_access(s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags, uint32_t mode,
                       const s3f_call* call);

typedef struct s3f_statfs_out {
  uint32_t struct_size;
  uint32_t block_size; /* the best size of reads and writes, bytes */
  uint64_t blocks;     /* of block_size: a bucket has no size, so 2^50 bytes, all of them free */
  uint64_t blocks_free;
  uint64_t files; /* 2^40 */
  uint64_t files_free;
  uint32_t name_max; /* bytes of one component */
  uint32_t read_only;
} s3f_statfs_out;

/* What programs that ask for free space before they write want to hear. No request. */
S3F_API int s3f_statfs(s3f_statfs_out* out, s3f_fs* fs, const s3f_call* call);

/* Extended attributes. `user.NAME` is the object's user metadata x-amz-meta-NAME: NAME of letters,
 * digits, '-', '_', '.', in lower case (the store keeps no other), not one of the names that carry
 * POSIX attributes ("file-*", "s3files-*"). Values of printable ASCII stand there as they are, others
 * as RFC 2047 encoded words ("=?UTF-8?B?...?="), as AWS itself returns them. Set and removed like
 * other attributes, see s3f_setattr. S3 holds 2,048 bytes of names and values together: -ENOSPC beyond.
 * Reading them may need one HEAD.
 * In /.s3files-lost+found, `s3files.path`, `.key`, `.base`, `.winner` (ETags; "": no object) and `.error` tell of
 * a conflict, and `.staged` what was ("0-4096 8192-8200": first byte, one past the last), the rest being the
 * base's, -EIO once that is gone; read-only.
 * -ENODATA: no such attribute. -ENOTSUP: a name in no or another namespace, or one that S3 cannot
 * hold. -ERANGE: the value or list is larger than `size` (0 asks how large it is). */
enum {
  S3F_XATTR_CREATE = 1u << 1, /* -EEXIST where there is one */
  S3F_XATTR_REPLACE = 1u << 2 /* -ENODATA where there is none */
};
S3F_API int64_t s3f_getxattr(void* value, size_t size, s3f_fs* fs, s3f_handle* at, const char* path,
                             uint32_t flags, const char* name, const s3f_call* call);
/* Names, each with a NUL behind it; returns their size in all. */
S3F_API int64_t s3f_listxattr(char* names, size_t size, s3f_fs* fs, s3f_handle* at,
                              const char* path, uint32_t flags, const s3f_call* call);
S3F_API int s3f_setxattr(s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags,
                         const char* name, const void* value, size_t size, const s3f_call* call);
S3F_API int s3f_removexattr(s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags,
                            const char* name, const s3f_call* call);

/* ---------------------------------------------------------------------------------------------- */
/* Files                                                                                          */

/* s3f_open flags */
enum {
  S3F_O_READ = 1u << 0,
  S3F_O_WRITE = 1u << 1,
  S3F_O_CREATE = 1u << 2,    /* with WRITE; makes the file where there is none */
  S3F_O_EXCL = 1u << 3,      /* with CREATE; -EEXIST where there is one. Enforced again at commit */
  S3F_O_TRUNC = 1u << 4,     /* with WRITE; size 0 at open, staged like any change */
  S3F_O_APPEND = 1u << 5,    /* with WRITE; every write goes to the end, atomically among handles */
  S3F_O_DIRECTORY = 1u << 6, /* -ENOTDIR unless a directory */
  S3F_O_PATH = 1u << 7,      /* a reference: only s3f_fstat, `at` of path calls, s3f_close */
  S3F_O_NOFOLLOW = 1u << 8   /* a symlink at the end is -ELOOP, with PATH opened itself */
};

/* Opens `path`. `mode`: permission bits of a file that is made, less the umask.
 * A file with nothing staged is revalidated: what it reads is the version that was committed when
 * open returned, or a later one [C1]; all reads of a handle are of one version, plus what this file
 * system stages and commits itself [C2]. One request for a file that exists; one or two more where
 * it does not.
 * A directory opens for READ only (-EISDIR else).
 * -ENOENT, -EEXIST, -EISDIR, -ENOTDIR, -EROFS, -EINVAL (a combination of flags that means nothing). */
S3F_API int s3f_open(s3f_handle** out, s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags,
                     uint32_t mode, const s3f_call* call);

/* Reads up to `size` bytes at `offset` into `buf`; returns how many, less than `size` only at the end
 * of the file, 0 at or past it. On failure `buf` may be partly written.
 * -ESTALE: the version this handle reads is gone from the store; open again.
 * -EBADF: not open for reading. -EISDIR. */
S3F_API int64_t s3f_pread(void* buf, size_t size, uint64_t offset, s3f_handle* handle,
                          const s3f_call* call);

/* Stages `size` bytes at `offset` (with O_APPEND: at the end); returns `size`, never less. Seen at
 * once by every handle of this file system; by others after a commit. All or nothing is staged.
 * -ESTALE: a foreign version has replaced what this handle has open. -ENOSPC: memory is full and
 * spill_dir is off or full, or staged_limit is reached. -EBUSY: see s3f_barrier. -EFBIG: past the largest object. -EBADF. */
S3F_API int64_t s3f_pwrite(s3f_handle* handle, const void* buf, size_t size, uint64_t offset,
                           const s3f_call* call);

/* s3f_pwrite at the end of the file, atomically; `offset_out` (may be NULL) gets where. */
S3F_API int64_t s3f_append(uint64_t* offset_out, s3f_handle* handle, const void* buf, size_t size,
                           const s3f_call* call);

/* s3f_pread and s3f_pwrite of several buffers, one behind the other in the file: one call's atomicity,
 * result and errors, and no more requests. At most 1,024 buffers (-EINVAL). */
typedef struct s3f_iovec {
  void* base; /* s3f_pwritev does not write to it */
  size_t size;
} s3f_iovec;
S3F_API int64_t s3f_preadv(s3f_handle* handle, const s3f_iovec* buffers, uint32_t count,
                           uint64_t offset, const s3f_call* call);
S3F_API int64_t s3f_pwritev(s3f_handle* handle, const s3f_iovec* buffers, uint32_t count,
                            uint64_t offset, const s3f_call* call);

/* Copies up to `size` bytes from `in` at `in_offset` to `out` at `out_offset`, staged like a write;
 * returns how many: less only at the end of `in`.
 * Where `in` has nothing staged, `out` is empty, and the copy goes from 0 to the end of `in`, no byte
 * is read and no request sent: the commit of `out` copies in the store [W11]. Until then reads of
 * `out` come from what `in` has, and if others replace that, they and the commit give -ESTALE.
 * Otherwise the bytes go through this process, a block at a time; on failure some may be staged.
 * -EINVAL: ranges of one file that overlap. -EXDEV: two file systems. -EBADF: also where `out` is open
 * to append. Else as s3f_pread and s3f_pwrite. */
S3F_API int64_t s3f_copy_range(s3f_handle* in, uint64_t in_offset, s3f_handle* out,
                               uint64_t out_offset, uint64_t size, const s3f_call* call);

/* Sets the size; what is added reads as zeros. Staged like a write; to the size that the file has it is
 * nothing, but an empty file that is emptied is modified now. Errors as s3f_pwrite. */
S3F_API int s3f_truncate(s3f_handle* handle, uint64_t size, const s3f_call* call);

/* Returns when everything staged for the file is durable [D1]: with a state_dir in its journal, and no
 * request is sent (-ENOSPC, -EIO: it is not, and stays staged); else committed. Errors then as
 * s3f_commit. The error of a commit in the background is returned as well, once, although the bytes are
 * durable: s3f_status tells it (state FAILED, last error). 0 where nothing is staged. */
S3F_API int s3f_fsync(s3f_handle* handle, const s3f_call* call);

/* Closes the handle, which is gone afterwards whatever is returned. Where commit_delay is 0 and the
 * handle could write, commits what is staged for the file (other handles' bytes included) and
 * returns how that went: a failure leaves it staged, and s3f_commit or s3f_discard of its path
 * settles it. NULL is 0. Errors as s3f_commit; -EBADF: s3f_fs_close has dropped what it had staged. */
S3F_API int s3f_close(s3f_handle* handle, const s3f_call* call);

/* Closes the handle without committing: what it staged is discarded. Where other handles have
 * staged to the file since, nothing is discarded and -EBUSY says so, until they are abandoned, too. The
 * handle is gone either way.
 * This is what unwinding should call: a half-written file is never published [W5]. NULL is 0. */
S3F_API int s3f_abandon(s3f_handle* handle, const s3f_call* call);

/* ---------------------------------------------------------------------------------------------- */
/* Advisory locks: among the handles of this file system, never in the store                      */

/* s3f_lock.type */
enum { S3F_LOCK_NONE = 0, S3F_LOCK_SHARED = 1, S3F_LOCK_EXCLUSIVE = 2 };

/* s3f_lock_range and s3f_flock flags */
enum {
  S3F_LOCK_WAIT = 1u << 0 /* until it is granted, the deadline passes, or the call is cancelled */
};

typedef struct s3f_lock {
  uint32_t struct_size;
  uint32_t type;   /* S3F_LOCK_* */
  uint64_t start;  /* bytes */
  uint64_t length; /* 0 = to the end of the file, however it grows */
  uint64_t owner;  /* 0 = the handle ("OFD" locks: its close releases them). Else whom the caller
                      says, across handles; for fcntl's rule release all of an owner when it closes
                      any handle of the file: NONE, from 0, length 0 */
} s3f_lock;

/* Sets or releases (NONE) a lock on a range of the handle's file [L1]. Within one owner locks of a
 * range replace each other, split and merge; between owners exclusive ones exclude. On failure the
 * owner has what it had. Who waits stands in a queue: a waiting EXCLUSIVE is not overtaken by those
 * who come to wait later. SHARED needs a handle open for reading, EXCLUSIVE one for writing (-EBADF).
 * Locks stay with a file that is renamed or replaced, and bind nobody who does not ask for them.
 * -EAGAIN: another owner has a lock (without WAIT). -EDEADLK: each of a circle of owners waits for
 * the next, on whichever files, so that waiting would never end. -ETIMEDOUT, -ECANCELED. */
S3F_API int s3f_lock_range(s3f_handle* handle, const s3f_lock* lock, uint32_t flags,
                           const s3f_call* call);
/* The first lock that stands in the way of `lock` (which is of type SHARED or EXCLUSIVE), into
 * `*lock`, with owner 0 for a handle's; with type NONE, and else unchanged, where nothing does. */
S3F_API int s3f_lock_test(s3f_lock* lock, s3f_handle* handle, const s3f_call* call);
/* flock(2): one lock of the whole file, owned by the handle, apart from ranges [L2]. `type`:
 * S3F_LOCK_*; any handle but one of S3F_O_PATH may have each. A conversion gives up the old lock
 * first, and has none where it fails. Never -EDEADLK: a deadline ends a wait that would not end.
 * -EAGAIN, -ETIMEDOUT, -ECANCELED. */
S3F_API int s3f_flock(s3f_handle* handle, uint32_t type, uint32_t flags, const s3f_call* call);

/* ---------------------------------------------------------------------------------------------- */
/* Staged changes                                                                                 */

/* s3f_status_info.state */
enum {
  S3F_STATE_CLEAN = 0,
  S3F_STATE_STAGED = 1,
  S3F_STATE_COMMITTING = 2,
  S3F_STATE_FAILED = 3,  /* staged; the last commit failed, `code` says how */
  S3F_STATE_CONFLICT = 4 /* in lost+found: readable, removable, never committed */
};

typedef struct s3f_status_info {
  uint32_t struct_size;
  uint32_t state; /* S3F_STATE_* */
  int32_t code;   /* errno of the last failed commit, positive; 0 = none */
  uint32_t attempts;
  uint64_t staged_bytes;
  uint64_t age_ns; /* since the oldest staged change */
  char message[768];
  /* Why the last commit failed where trying again cannot help until somebody has acted, in Amazon S3
   * Files' words: "S3AccessDenied", "S3BucketNotFound", "EncryptionKeyInaccessible", "S3ObjectArchived",
   * "S3UserMetadataTooLarge", "FileSizeExceedsS3Limit", "PathTooLong". "" = none: trying again may
   * help, or nothing failed. */
  char export_error[32];
  uint64_t next_attempt_ns; /* by itself, on s3f_now_ns()'s clock; 0 = none */
} s3f_status_info;

/* s3f_commit flags */
enum {
  S3F_COMMIT_NO_WAIT =
      1u << 0 /* return at once: it is done in the background, and tried again as with
                                  a commit_delay. An event says how it went, s3f_status, and the next
                                  s3f_fsync, s3f_close or s3f_commit of the file */
};

typedef struct s3f_commit_info {
  uint32_t struct_size;
  uint32_t files; /* committed by this call */
  uint64_t bytes; /* their sizes */
  /* where `path` is a file: the version that the store has of it; "" where none is known */
  char etag[96];
  char version_id[128];
} s3f_commit_info;

/* Commits what is staged for `path` (a file) or, for a directory, for all under it; "" or "/": all,
 * oldest first. `out` may be NULL.
 * Returns when it is the store's state, under the precondition that the store still has the version
 * the change was made on. Parts of a large file go in parallel.
 * -ESTALE: the store has another version. It wins: the staged bytes are moved to
 *   /.s3files-lost+found, the path shows the store's version, an event tells [W3].
 *   Unless the option `conflict` or on_conflict say otherwise.
 * -EEXIST: likewise, for a file opened with O_EXCL.
 * -EIO, -ETIMEDOUT, -EACCES, ...: it stays staged; commit again. For a directory the rest is tried,
 *   and the first error is returned; `out` is written all the same.
 * 0 where nothing is staged. -ENOENT: no such path. */
S3F_API int s3f_commit(s3f_commit_info* out, s3f_fs* fs, s3f_handle* at, const char* path,
                       uint32_t flags, const s3f_call* call);

/* What is staged by now is committed before anything that is staged from now on, and before any change of
 * names from now on [D5]. Sends nothing; with a state_dir returns when the barrier would survive a loss of
 * power (-ENOSPC, -EIO, -ETIMEDOUT: it holds, but may be forgotten with the process). Where it is written to a
 * file that has changes from before, these are committed by that write first (-EBUSY with commit_delay=never). */
S3F_API int s3f_barrier(s3f_fs* fs, const s3f_call* call);

/* What committing `path`, or all under it, would send as things stand: requests and bytes, without retries,
 * what tags take, and as if nothing had been uploaded while it was written. No request, nothing changes. Of a directory whose rename is staged the requests depend on what the store lists:
 * it is only counted. */
typedef struct s3f_diff_info {
  uint32_t struct_size;
  uint32_t files;       /* with staged bytes or attributes */
  uint32_t directories; /* whose rename is staged */
  uint32_t reserved;
  uint64_t head, put, copy, create_upload, upload_part, copy_part, complete_upload;
  uint64_t bytes_out;    /* request bodies */
  uint64_t bytes_copied; /* by the store itself */
  uint64_t bytes_in; /* that must be read from the store first, at most: what is resident is not */
} s3f_diff_info;

S3F_API int s3f_diff(s3f_diff_info* out, s3f_fs* fs, s3f_handle* at, const char* path,
                     const s3f_call* call);

/* Drops what is staged for the file `path`: it is again as last committed, and gone where it never
 * was. Open handles follow. 0 where nothing is staged. -EBUSY while a commit of it is under way.
 * -EISDIR: a directory. A rename of one that is staged cannot be dropped: before its commit has begun
 * renaming it back undoes it; from then on only s3f_commit ends it. */
S3F_API int s3f_discard(s3f_fs* fs, s3f_handle* at, const char* path, const s3f_call* call);

/* How `path` stands. No request: of a path that is not known here it says clean. */
S3F_API int s3f_status(s3f_status_info* out, s3f_fs* fs, s3f_handle* at, const char* path,
                       const s3f_call* call);

/* Iterates over the paths with staged changes, in no stated order: `*cursor` starts at 0. Returns 1
 * and writes a path, with a leading '/', to `path` (`size` bytes; -ERANGE where it does not fit, 1,280
 * always does), or 0
 * at the end. Changes made meanwhile may or may not be seen. */
S3F_API int s3f_next_staged(uint64_t* cursor, char* path, size_t size, s3f_fs* fs,
                            const s3f_call* call);

/* ---------------------------------------------------------------------------------------------- */
/* Rescue: what a state_dir holds, read without its store, its credentials or the application     */

typedef struct s3f_rescue s3f_rescue;
/* s3f_rescue_entry.kind */
enum {
  S3F_RESCUE_STAGED = 1,
  S3F_RESCUE_CONFLICT = 2, /* was in lost+found; `original` is the path it had */
  S3F_RESCUE_DAMAGED = 3,  /* what the journal has cannot be read; `message` says where */
  S3F_RESCUE_STRANGER = 4, /* a file of bytes that nothing readable names; `path` is its name */
  S3F_RESCUE_RENAME = 5 /* of the directory `original`, to `path`; the store has not followed yet */
};

typedef struct s3f_rescue_info {
  uint32_t struct_size;
  uint32_t whole;     /* 1: nothing is damaged or missing; strangers are then what nobody synced */
  char url[1280];     /* whose changes these are; "" = cannot be told */
  char endpoint[256]; /* of s3://; "" = AWS */
  char message[768];  /* what is damaged of the journal itself; "" = nothing */
} s3f_rescue_info;

typedef struct s3f_rescue_entry {
  uint32_t struct_size;
  uint32_t kind;  /* S3F_RESCUE_* */
  uint32_t whole; /* 1: all staged bytes are here; 0: `message` says what is missing */
  uint32_t type, mode, uid, gid;
  uint32_t commits; /* that were sent and may have taken effect; `commit_id` is the last one's */
  uint64_t row;     /* number in the journal */
  uint64_t size, staged_bytes;
  int64_t mtime_ns;               /* since the epoch */
  char etag[96], version_id[128]; /* what the change was made on; "" = a new file, or unknown */
  char commit_id[64];
  char path[1280], original[1280]; /* from the root, without a leading '/' */
  char message[768];
} s3f_rescue_entry;

/* Opens the state directory `state_dir` and changes nothing in it, however damaged it is: the journal is
 * read from a copy in $TMPDIR. `info` may be NULL. -EBUSY: a file system has the directory (the message
 * names it); none can open it meanwhile. -ENOENT: there is no such directory, or nothing in it. */
S3F_API int s3f_rescue_open(s3f_rescue** out, s3f_rescue_info* info, const char* state_dir,
                            const s3f_call* call);
/* Goes to the next entry, by row, strangers last: 1, or 0 at the end. */
S3F_API int s3f_rescue_next(s3f_rescue_entry* out, s3f_rescue* rescue, const s3f_call* call);

/* Where the bytes of the current entry are: HERE (staged, or zeros), IN_STORE (in the version that the
 * change was made on), or LOST (staged, and gone). Each byte below its size is in one range. */
enum { S3F_RESCUE_HERE = 1, S3F_RESCUE_IN_STORE = 2, S3F_RESCUE_LOST = 3 };
typedef struct s3f_rescue_range {
  uint64_t offset, size, where;
} s3f_rescue_range;
/* The ranges from `offset` on, in order; returns how many of at most `capacity`, 0 at the end. */
S3F_API int64_t s3f_rescue_ranges(s3f_rescue_range* out, size_t capacity, uint64_t offset,
                                  s3f_rescue* rescue, const s3f_call* call);
/* As s3f_pread, of bytes that are here: less at the first that is not. -ENODATA: that one is at `offset`. */
S3F_API int64_t s3f_rescue_read(void* buf, size_t size, uint64_t offset, s3f_rescue* rescue,
                                const s3f_call* call);
S3F_API void s3f_rescue_close(s3f_rescue* rescue); /* NULL is ignored */

/* ---------------------------------------------------------------------------------------------- */
/* Directories and names                                                                          */

typedef struct s3f_dirent {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t cookie; /* continue after this entry; valid for the handle */
  char name[256];
  s3f_attr attr; /* of the entry itself, symlinks too */
} s3f_dirent;

/* Reads the next entries of the directory `dir`: up to `capacity` into `out` (an array whose first
 * element's struct_size is set; all members are written, struct_sizes too), and returns how many; 0 at the end.
 * Continues after `cookie` (0 = from the start), or after the name `after_name` where that is not
 * NULL. In byte order of name + "/", which is the order that a bucket's listing makes certain; "."
 * and ".." are not listed. An entry that stays for the whole
 * iteration is seen exactly once. `mask`: S3F_STAT_LISTED costs one LIST a thousand entries; more
 * costs one HEAD an entry besides, several at a time.
 * -ENOTDIR, -EINVAL (a cookie of another handle). */
S3F_API int64_t s3f_readdir(s3f_dirent* out, size_t capacity, s3f_handle* dir, uint64_t cookie,
                            const char* after_name, uint32_t mask, const s3f_call* call);

/* Makes a directory: a zero-byte object "path/". -EEXIST, -ENOENT (no parent), -EROFS. */
S3F_API int s3f_mkdir(s3f_fs* fs, s3f_handle* at, const char* path, uint32_t mode,
                      const s3f_call* call);

/* Removes an empty directory. -ENOTEMPTY, -ENOENT, -ENOTDIR, -EBUSY (the root). */
S3F_API int s3f_rmdir(s3f_fs* fs, s3f_handle* at, const char* path, const s3f_call* call);

/* Removes a file or symlink, in the store too before it returns; staged bytes are dropped. Open
 * handles go on (see [N3]) and are never published. -ENOENT, -EISDIR, -ESTALE (replaced by others
 * meanwhile). */
S3F_API int s3f_unlink(s3f_fs* fs, s3f_handle* at, const char* path, const s3f_call* call);

/* Makes a symlink: an object with the target as its body. `target`: 1 to 4,095 bytes, resolved inside
 * the file system when the link is followed, '/' being its root. -EEXIST, -ENOENT (no directory),
 * -ENAMETOOLONG. */
S3F_API int s3f_symlink(const char* target, s3f_fs* fs, s3f_handle* at, const char* path,
                        const s3f_call* call);

/* The target of a symlink, without a NUL behind it; returns its length, cut at `size`. -EINVAL: not a
 * symlink. */
S3F_API int64_t s3f_readlink(char* target, size_t size, s3f_fs* fs, s3f_handle* at,
                             const char* path, const s3f_call* call);

/* s3f_rename flags */
enum {
  S3F_RENAME_NOREPLACE = 1u << 0, /* -EEXIST where the target exists */
  S3F_RENAME_EXCHANGE = 1u << 1   /* both exist, and change places */
};

/* Renames a file or symlink, replacing one at the target, or a directory, replacing an empty one; open
 * handles follow. The store holds the bytes under one of the two names at every instant, and under the
 * new one alone when it returns. A file that was never committed only changes its name.
 * A directory takes its new name here in one step, whatever it holds; then the store copies each
 * object, and removes the old ones once all are copied. A failure on the way leaves the rest staged:
 * the new name is valid here, and s3f_commit of it goes on [N4]. With a commit_delay it is staged like
 * a write: 0 says that the new name is valid here; the store follows by the delay, by s3f_commit, or
 * before anything else is written at one of the two names, which then waits, and fails as this would.
 * EXCHANGE: files and symlinks; through a hidden temporary key.
 * -ENOENT, -EISDIR or -ENOTDIR (kinds differ), -ENOTEMPTY, -ESTALE (source or target replaced by
 * others), -EINVAL (into itself), -ENOTSUP (EXCHANGE of directories). */
S3F_API int s3f_rename(s3f_fs* fs, s3f_handle* from_at, const char* from, s3f_handle* to_at,
                       const char* to, uint32_t flags, const s3f_call* call);

#ifdef __cplusplus
} /* extern "C" */

namespace s3files_detail {
template <typename T>
inline T init() {
  T value = T();
  value.struct_size = static_cast<uint32_t>(sizeof(T));
  return value;
}
}  // namespace s3files_detail
#endif

#endif /* S3FILES_S3FILES_H_ */
