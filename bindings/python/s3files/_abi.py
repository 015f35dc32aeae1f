"""The C ABI of s3files.h in ctypes: structs, constants and one table of signatures.

Whatever a C function fails with is raised as the OSError subclass of its errno, by `errcheck`, with
the detail the library keeps for the thread. No function is called that is not in the table.
"""

import ctypes
import ctypes.util
import os
from ctypes import (
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path as _Path

O_READ, O_WRITE, O_CREATE, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY = (1 << n for n in range(7))
TYPE_FILE, TYPE_DIRECTORY, TYPE_SYMLINK = 1, 2, 3
STAT_TYPE, STAT_SIZE = 1 << 0, 1 << 1
STAT_LISTED, STAT_ALL = 0x143, 0x1FF
CLOSE_DISCARD = 1 << 0
RENAME_NOREPLACE = 1 << 0
NOFOLLOW = 1 << 0
SET_MODE, SET_UID, SET_GID, SET_SIZE, SET_MTIME, SET_MTIME_NOW, SET_ATIME, SET_ATIME_NOW = (
    1 << n for n in range(8))
LOCK_NONE, LOCK_SHARED, LOCK_EXCLUSIVE = 0, 1, 2
LOCK_WAIT = 1 << 0
RENAME_EXCHANGE = 1 << 1
EVENT_KINDS = {1: "committed", 2: "commit_failed", 3: "conflict", 4: "key_skipped",
               5: "unconditional", 6: "progress"}
COMMIT_NO_WAIT = 1 << 0
CONFLICT_DECISIONS = {"store": 0, "mine": 1, "merged": 2, "drop": 3, "fail": 4}
STATES = {0: "clean", 1: "staged", 2: "committing", 3: "failed", 4: "conflict"}
RESCUE_KINDS = {1: "staged", 2: "conflict", 3: "damaged", 4: "stranger", 5: "rename"}
RESCUE_WHERE = {1: "here", 2: "in_store", 3: "lost"}
PATH_MAX = 1280


class Sized(Structure):
    """A struct that begins with its own size."""

    def __init__(self, **members):
        super().__init__(struct_size=ctypes.sizeof(self), **members)


class Error(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("code", c_int32),
        ("http_status", c_int32),
        ("reserved", c_uint32),
        ("s3_code", c_char * 64),
        ("request_id", c_char * 128),
        ("message", c_char * 768),
    ]


class Call(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("deadline_ns", c_uint64),
        ("cancel", c_void_p),
        ("error", POINTER(Error)),
        ("uid", c_uint32),
        ("gid", c_uint32),
        ("groups", POINTER(c_uint32)),
        ("group_count", c_uint32),
        ("umask", c_uint32),
    ]


class Option(Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class RawEvent(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_uint32),
        ("code", c_int32),
        ("reserved", c_uint32),
        ("bytes", c_uint64),
        ("path", c_char_p),
        ("message", c_char_p),
        ("detail", c_char_p),
        ("total", c_uint64),
    ]


class RawConflict(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("code", c_int32),
        ("path", c_char_p),
        ("fs", c_void_p),
        ("base", c_void_p),
        ("mine", c_void_p),
        ("theirs", c_void_p),
        ("result", c_void_p),
    ]


EventFunction = ctypes.CFUNCTYPE(None, c_void_p, POINTER(RawEvent))
ConflictFunction = ctypes.CFUNCTYPE(c_uint32, c_void_p, POINTER(RawConflict))


class Config(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("option_count", c_uint32),
        ("options", POINTER(Option)),
        ("on_event", EventFunction),
        ("on_event_user", c_void_p),
        ("on_conflict", ConflictFunction),
        ("on_conflict_user", c_void_p),
    ]


class Stats(Sized):
    NAMES = (
        "get", "head", "put", "delete", "list", "copy", "create_upload", "upload_part", "copy_part",
        "complete_upload", "abort_upload", "other", "retries", "request_errors", "bytes_in",
        "bytes_out", "memory_limit", "memory_cached", "memory_staged", "memory_in_flight",
        "spilled", "staged_files", "commits", "commit_failures", "conflicts", "keys_skipped",
    )
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32)] + [(n, c_uint64) for n in NAMES]


class Attributes(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("filled", c_uint32),
        ("type", c_uint32),
        ("mode", c_uint32),
        ("uid", c_uint32),
        ("gid", c_uint32),
        ("ino", c_uint64),
        ("generation", c_uint64),
        ("size", c_uint64),
        ("blocks", c_uint64),
        ("mtime_ns", c_int64),
        ("ctime_ns", c_int64),
        ("atime_ns", c_int64),
        ("nlink", c_uint64),
        ("etag", c_char * 96),
        ("version_id", c_char * 128),
    ]


class StatFs(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("block_size", c_uint32),
        ("blocks", c_uint64),
        ("blocks_free", c_uint64),
        ("files", c_uint64),
        ("files_free", c_uint64),
        ("name_max", c_uint32),
        ("read_only", c_uint32),
    ]


class Lock(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("type", c_uint32),
        ("start", c_uint64),
        ("length", c_uint64),
        ("owner", c_uint64),
    ]


class IoVector(Structure):
    _fields_ = [("base", c_void_p), ("size", c_size_t)]


class StatusInfo(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("state", c_uint32),
        ("code", c_int32),
        ("attempts", c_uint32),
        ("staged_bytes", c_uint64),
        ("age_ns", c_uint64),
        ("message", c_char * 768),
        ("export_error", c_char * 32),
        ("next_attempt_ns", c_uint64),
    ]


class CommitInfo(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("files", c_uint32),
        ("bytes", c_uint64),
        ("etag", c_char * 96),
        ("version_id", c_char * 128),
    ]


class DiffInfo(Sized):
    COUNTS = ("head", "put", "copy", "create_upload", "upload_part", "copy_part",
              "complete_upload", "bytes_out", "bytes_copied", "bytes_in")
    _fields_ = [
        ("struct_size", c_uint32),
        ("files", c_uint32),
        ("directories", c_uint32),
        ("reserved", c_uint32),
    ] + [(name, c_uint64) for name in COUNTS]


class SetAttributes(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("set", c_uint32),
        ("mode", c_uint32),
        ("uid", c_uint32),
        ("gid", c_uint32),
        ("reserved", c_uint32),
        ("size", c_uint64),
        ("mtime_ns", c_int64),
        ("atime_ns", c_int64),
    ]


class Dirent(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("cookie", c_uint64),
        ("name", c_char * 256),
        ("attr", Attributes),
    ]


class RescueInfo(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("whole", c_uint32),
        ("url", c_char * 1280),
        ("endpoint", c_char * 256),
        ("message", c_char * 768),
    ]


class RescueEntry(Sized):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_uint32),
        ("whole", c_uint32),
        ("type", c_uint32),
        ("mode", c_uint32),
        ("uid", c_uint32),
        ("gid", c_uint32),
        ("commits", c_uint32),
        ("row", c_uint64),
        ("size", c_uint64),
        ("staged_bytes", c_uint64),
        ("mtime_ns", c_int64),
        ("etag", c_char * 96),
        ("version_id", c_char * 128),
        ("commit_id", c_char * 64),
        ("path", c_char * 1280),
        ("original", c_char * 1280),
        ("message", c_char * 768),
    ]


class RescueRange(Structure):
    _fields_ = [("offset", c_uint64), ("size", c_uint64), ("where", c_uint64)]


class Path(c_char_p):
    """A path argument, made by `encode`. A failed call names it as OSError.filename."""


def encode(path):
    """str, bytes or os.PathLike, as the C library takes it."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded


FS = Handle = Rescue = c_void_p
CallPointer = POINTER(Call)

# name: (result, arguments). Results of int and int64 are checked: negative ones are raised.
SIGNATURES = {
    "s3f_last_error": (c_int, [POINTER(Error)]),
    "s3f_version": (c_uint32, []),
    "s3f_fs_open": (c_int, [POINTER(FS), Path, POINTER(Config), CallPointer]),
    "s3f_fs_close": (c_int, [FS, c_uint32, CallPointer]),
    "s3f_fs_stats": (c_int, [POINTER(Stats), FS]),
    "s3f_statfs": (c_int, [POINTER(StatFs), FS, CallPointer]),
    "s3f_stat": (
        c_int, [POINTER(Attributes), FS, Handle, Path, c_uint32, c_uint32, CallPointer]),
    "s3f_fstat": (c_int, [POINTER(Attributes), Handle, c_uint32, CallPointer]),
    "s3f_setattr": (
        c_int, [FS, Handle, Path, c_uint32, POINTER(SetAttributes), CallPointer]),
    "s3f_access": (c_int, [FS, Handle, Path, c_uint32, c_uint32, CallPointer]),
    "s3f_getxattr": (
        c_int64, [c_void_p, c_size_t, FS, Handle, Path, c_uint32, c_char_p, CallPointer]),
    "s3f_listxattr": (c_int64, [c_void_p, c_size_t, FS, Handle, Path, c_uint32, CallPointer]),
    "s3f_setxattr": (
        c_int, [FS, Handle, Path, c_uint32, c_char_p, c_char_p, c_size_t, CallPointer]),
    "s3f_removexattr": (c_int, [FS, Handle, Path, c_uint32, c_char_p, CallPointer]),
    "s3f_symlink": (c_int, [c_char_p, FS, Handle, Path, CallPointer]),
    "s3f_readlink": (c_int64, [c_void_p, c_size_t, FS, Handle, Path, CallPointer]),
    "s3f_open": (c_int, [POINTER(Handle), FS, Handle, Path, c_uint32, c_uint32, CallPointer]),
    "s3f_pread": (c_int64, [c_void_p, c_size_t, c_uint64, Handle, CallPointer]),
    "s3f_pwrite": (c_int64, [Handle, c_void_p, c_size_t, c_uint64, CallPointer]),
    "s3f_append": (c_int64, [POINTER(c_uint64), Handle, c_void_p, c_size_t, CallPointer]),
    "s3f_preadv": (c_int64, [Handle, POINTER(IoVector), c_uint32, c_uint64, CallPointer]),
    "s3f_pwritev": (c_int64, [Handle, POINTER(IoVector), c_uint32, c_uint64, CallPointer]),
    "s3f_copy_range": (c_int64, [Handle, c_uint64, Handle, c_uint64, c_uint64, CallPointer]),
    "s3f_lock_range": (c_int, [Handle, POINTER(Lock), c_uint32, CallPointer]),
    "s3f_lock_test": (c_int, [POINTER(Lock), Handle, CallPointer]),
    "s3f_flock": (c_int, [Handle, c_uint32, c_uint32, CallPointer]),
    "s3f_truncate": (c_int, [Handle, c_uint64, CallPointer]),
    "s3f_fsync": (c_int, [Handle, CallPointer]),
    "s3f_close": (c_int, [Handle, CallPointer]),
    "s3f_abandon": (c_int, [Handle, CallPointer]),
    "s3f_commit": (c_int, [POINTER(CommitInfo), FS, Handle, Path, c_uint32, CallPointer]),
    "s3f_barrier": (c_int, [FS, CallPointer]),
    "s3f_diff": (c_int, [POINTER(DiffInfo), FS, Handle, Path, CallPointer]),
    "s3f_discard": (c_int, [FS, Handle, Path, CallPointer]),
    "s3f_status": (c_int, [POINTER(StatusInfo), FS, Handle, Path, CallPointer]),
    "s3f_next_staged": (c_int, [POINTER(c_uint64), c_void_p, c_size_t, FS, CallPointer]),
    "s3f_rescue_open": (c_int, [POINTER(Rescue), POINTER(RescueInfo), Path, CallPointer]),
    "s3f_rescue_next": (c_int, [POINTER(RescueEntry), Rescue, CallPointer]),
    "s3f_rescue_ranges": (
        c_int64, [POINTER(RescueRange), c_size_t, c_uint64, Rescue, CallPointer]),
    "s3f_rescue_read": (c_int64, [c_void_p, c_size_t, c_uint64, Rescue, CallPointer]),
    "s3f_rescue_close": (None, [Rescue]),
    "s3f_readdir": (
        c_int64, [POINTER(Dirent), c_size_t, Handle, c_uint64, c_char_p, c_uint32, CallPointer]),
    "s3f_mkdir": (c_int, [FS, Handle, Path, c_uint32, CallPointer]),
    "s3f_rmdir": (c_int, [FS, Handle, Path, CallPointer]),
    "s3f_unlink": (c_int, [FS, Handle, Path, CallPointer]),
    "s3f_rename": (c_int, [FS, Handle, Path, Handle, Path, c_uint32, CallPointer]),
}


def decode(text):
    """Text for people: never fails, whatever a store has put into it."""
    return text.decode("utf-8", "replace")


def _error(code, arguments):
    detail = Error()
    lib.s3f_last_error(detail)
    paths = [os.fsdecode(argument) for argument, kind in arguments if kind is Path]
    error = OSError(code, decode(detail.message) or os.strerror(code), *paths[:1])
    if len(paths) == 2:
        error.filename2 = paths[1]
    error.http_status = detail.http_status
    error.s3_code = decode(detail.s3_code)
    error.request_id = decode(detail.request_id)
    return error


def _check(result, function, arguments):
    if result is not None and result < 0:
        raise _error(-result, zip(arguments, function.argtypes))
    return result


def _load():
    beside = sorted(_Path(__file__).parent.glob("libs3files.so*"))
    name = (os.environ.get("S3FILES_LIBRARY")
            or (str(beside[0]) if beside else None)
            or ctypes.util.find_library("s3files"))
    if name is None:
        raise ImportError("libs3files.so is not found: install s3files, or set S3FILES_LIBRARY "
                          "to the library's path")
    library = ctypes.CDLL(name)
    for function_name, (result, arguments) in SIGNATURES.items():
        function = getattr(library, function_name)
        function.restype = result
        function.argtypes = arguments
        function.errcheck = _check
    return library


lib = _load()
