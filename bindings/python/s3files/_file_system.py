"""FileSystem: os and os.path over a bucket."""

import contextlib
import errno
import os
import stat as stat_bits
import sys
import warnings
from ctypes import create_string_buffer, sizeof
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from . import _abi, _io
from ._abi import encode, lib

_TYPE_BITS = {
    _abi.TYPE_FILE: stat_bits.S_IFREG,
    _abi.TYPE_DIRECTORY: stat_bits.S_IFDIR,
    _abi.TYPE_SYMLINK: stat_bits.S_IFLNK,
}
_BATCH = 64  # entries a readdir call


@dataclass(frozen=True)
class Stat:
    """As os.stat_result, with what S3 adds."""

    st_mode: int
    st_ino: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int  # the last change made or seen here
    st_atime_ns: int  # as set by utime while the file system is open, else st_mtime_ns
    st_blocks: int
    etag: str  # of the committed bytes; "" where there are none
    version_id: str  # "" where the bucket has no versions

    @property
    def st_mtime(self) -> float:
        return self.st_mtime_ns / 1e9

    @property
    def st_ctime(self) -> float:
        return self.st_ctime_ns / 1e9

    @property
    def st_atime(self) -> float:
        return self.st_atime_ns / 1e9


@dataclass(frozen=True)
class Status:
    """How a path's staged changes stand."""

    state: str  # "clean", "staged", "committing", "failed" or "conflict"
    errno: int  # of the last failed commit; 0 = none
    attempts: int
    staged_bytes: int
    age: float  # seconds since the oldest staged change
    message: str
    export_error: str = ""  # why trying again cannot help, see s3f_status_info
    next_attempt: Optional[float] = None  # by itself, on time.monotonic()'s clock


@dataclass(frozen=True)
class Committed:
    """What a commit did."""

    files: int  # committed by this call
    bytes: int  # their sizes
    etag: str  # of a single file: the version that the store has; "" = none known
    version_id: str


@dataclass(frozen=True)
class Conflict:
    """A staged file whose object is not the one that the change was made on.

    The files (RawFile) are valid while on_conflict runs. It returns "store" (the store's version
    wins, `mine` goes to lost+found), "mine" (it replaces the store's version), "merged" (what was
    written to `result` does), "drop" (`mine` is dropped) or "fail" (it stays staged, and the commit
    fails with ESTALE).
    """

    path: str
    errno: int  # ESTALE; EEXIST for a file opened with "x"
    base: Optional[_io.RawFile]  # the version that the change was made on; None: the file was new
    mine: _io.RawFile  # as staged
    theirs: Optional[_io.RawFile]  # what the store has; None: it was removed
    result: _io.RawFile  # empty, for reading and writing


@dataclass(frozen=True)
class Event:
    kind: str  # "committed", "commit_failed", "conflict", "key_skipped", "unconditional", "progress"
    path: str
    errno: int
    bytes: int
    message: str
    detail: str


class DirEntry:
    """As os.DirEntry. Its type costs nothing; stat() asks for the rest once and keeps it."""

    __slots__ = ("name", "path", "_fs", "_type", "_stat")

    def __init__(self, fs, directory, name, kind):
        self.name = name
        self.path = os.path.join(directory, name)
        self._fs = fs
        self._type = kind
        self._stat = None

    def is_dir(self) -> bool:
        return self._type == _abi.TYPE_DIRECTORY

    def is_file(self) -> bool:
        return self._type == _abi.TYPE_FILE

    def is_symlink(self) -> bool:
        return self._type == _abi.TYPE_SYMLINK

    def stat(self) -> Stat:
        if self._stat is None:
            self._stat = self._fs.stat(self.path)
        return self._stat

    def inode(self) -> int:
        return self.stat().st_ino

    def __repr__(self):
        return f"<DirEntry {self.name!r}>"


class FileSystem:
    """One prefix of one bucket: FileSystem("s3://bucket/prefix", endpoint="http://localhost:9000").

    `url` is s3://BUCKET[/PREFIX], file:///DIR or memory://NAME; the options are s3f_fs_open's
    (s3files.h), as text, numbers or switches (True = "on"). Opening sends one request, which shows
    that endpoint, credentials and bucket are right. `on_event` gets an Event of every commit,
    failed commit and conflict, on the thread that causes it; it may call anything but close().
    `on_conflict` gets a Conflict and returns what is to become of it, see there; it may use the file
    system, but not wait for the commit of that very file (EDEADLK). An exception in it leaves the
    file staged.

    Failures are the OSError subclass of their errno, with filename, http_status, s3_code and
    request_id; then nothing has changed, except where a call says otherwise. errno.ESTALE: the
    store has another version than the one a change was made on, or an open file reads. Every method
    may be called from any thread; the library runs without the GIL. In a forked child an inherited
    file system gives EBUSY; the child may open its own.

    The end of its `with` block closes it. An exception there abandons the files that are still open,
    and what was closed is committed all the same. Where that fails the OSError of close() is raised,
    with the exception as its __context__, and the file system stays open with what is staged.
    """

    _fs = None  # until open, and after close

    def __init__(self, url: str, *, on_event: Optional[Callable[[Event], None]] = None,
                 on_conflict: Optional[Callable[[Conflict], str]] = None, **options):
        self._handles = {}  # by id(), of files still open: close(discard=True) ends them first
        self.url = url
        texts = [(encode(name), encode(_option(value))) for name, value in options.items()]
        config = _abi.Config(option_count=len(texts),
                             options=(_abi.Option * len(texts))(*texts))
        if on_event is not None:
            self._deliver = _abi.EventFunction(lambda _, raw: on_event(_event(raw.contents)))
            config.on_event = self._deliver
        if on_conflict is not None:
            self._decide = _abi.ConflictFunction(
                lambda _, raw: self._ask(on_conflict, raw.contents))
            config.on_conflict = self._decide
        fs = _abi.FS()
        lib.s3f_fs_open(fs, encode(url), config, None)
        self._fs = fs

    def close(self, discard: bool = False) -> None:
        """Commits what is staged and ends the file system.

        A failure leaves it open and usable: EBUSY where files are open, else the error of the first
        change that could not be committed (staged() has them all). With `discard` it ends whatever
        happens: open files publish nothing, and an error says what was dropped.
        """
        if self._fs is None:
            return
        if not discard:
            lib.s3f_fs_close(self._fs, 0, None)
            self._fs = None
            return
        self._abandon_files()
        fs, self._fs = self._fs, None
        lib.s3f_fs_close(fs, _abi.CLOSE_DISCARD, None)

    @property
    def closed(self) -> bool:
        return self._fs is None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is not None:
            self._abandon_files()
        self.close()

    def __del__(self):
        if self._fs is not None:
            with contextlib.suppress(OSError):  # nobody to tell
                self.close(discard=True)
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self):
        return f"<s3files.FileSystem {self.url!r}>"

    # Files

    def open(self, path, mode: str = "r", buffering: int = -1, encoding: Optional[str] = None,
             errors: Optional[str] = None, newline: Optional[str] = None):
        """As the built-in open: a raw, buffered or text file of the standard io classes.

        Closing a written file commits it, and raises what that fails with; the file is closed then
        too, and its bytes stay staged until commit() or discard() of the path. Leaving its `with`
        block by an exception, abandon(), or never closing it publishes nothing. os.fsync knows no
        such file: its own fsync() is for all of them, and flushes first.
        """
        return _io.open_file(self, path, mode, buffering, encoding, errors, newline)

    def stat(self, path, *, follow_symlinks: bool = True) -> Stat:
        """Attributes; this file system's staged changes are seen at once."""
        attr = _abi.Attributes()
        lib.s3f_stat(attr, self._pointer(), None, encode(path), _flags(follow_symlinks),
                     _abi.STAT_ALL, None)
        return _stat(attr)

    def lstat(self, path) -> Stat:
        """As stat, of a symlink itself."""
        return self.stat(path, follow_symlinks=False)

    def chmod(self, path, mode: int, *, follow_symlinks: bool = True) -> None:
        self._change(path, follow_symlinks, _abi.SET_MODE, mode=stat_bits.S_IMODE(mode))

    def chown(self, path, uid: int, gid: int, *, follow_symlinks: bool = True) -> None:
        """As os.chown: -1 leaves the owner or the group as it is."""
        what = (_abi.SET_UID if uid != -1 else 0) | (_abi.SET_GID if gid != -1 else 0)
        self._change(path, follow_symlinks, what, uid=max(uid, 0), gid=max(gid, 0))

    def utime(self, path, times=None, *, ns=None, follow_symlinks: bool = True) -> None:
        """As os.utime: (atime, mtime) in seconds or, as `ns`, in nanoseconds; neither: now."""
        if times is not None and ns is not None:
            raise ValueError("utime: times and ns exclude each other")
        if times is not None:
            ns = tuple(int(time * 1_000_000_000) for time in times)
        if ns is None:
            self._change(path, follow_symlinks, _abi.SET_ATIME_NOW | _abi.SET_MTIME_NOW)
        else:
            self._change(path, follow_symlinks, _abi.SET_ATIME | _abi.SET_MTIME,
                         atime_ns=ns[0], mtime_ns=ns[1])

    def truncate(self, path, length: int) -> None:
        self._change(path, True, _abi.SET_SIZE, size=length)

    def access(self, path, mode: int = os.F_OK) -> bool:
        """Whether `path` exists and may be used so; with an identity only where one is forced."""
        try:
            lib.s3f_access(self._pointer(), None, encode(path), 0, mode, None)
        except (PermissionError, FileNotFoundError, NotADirectoryError):
            return False
        return True

    def symlink(self, target, path) -> None:
        """Makes `path` a symlink to `target`, which is resolved inside the file system."""
        lib.s3f_symlink(encode(target), self._pointer(), None, encode(path), None)

    def readlink(self, path) -> str:
        target = create_string_buffer(4096)
        size = lib.s3f_readlink(target, len(target), self._pointer(), None, encode(path), None)
        return os.fsdecode(target.raw[:size])

    # Extended attributes: "user.NAME" is the object's user metadata x-amz-meta-NAME

    def getxattr(self, path, name: str) -> bytes:
        return self._sized(lambda out, size: lib.s3f_getxattr(
            out, size, self._pointer(), None, encode(path), 0, encode(name), None))

    def listxattr(self, path) -> List[str]:
        names = self._sized(lambda out, size: lib.s3f_listxattr(
            out, size, self._pointer(), None, encode(path), 0, None))
        return [os.fsdecode(name) for name in names.split(b"\0")[:-1]]

    def setxattr(self, path, name: str, value: bytes) -> None:
        lib.s3f_setxattr(
            self._pointer(), None, encode(path), 0, encode(name), bytes(value), len(value), None)

    def removexattr(self, path, name: str) -> None:
        lib.s3f_removexattr(self._pointer(), None, encode(path), 0, encode(name), None)

    def exists(self, path) -> bool:
        """Whether there is something at `path`; raises only where that cannot be told."""
        attr = _abi.Attributes()
        try:
            lib.s3f_stat(attr, self._pointer(), None, encode(path), 0, _abi.STAT_TYPE, None)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def remove(self, path) -> None:
        """Removes a file, in the store too."""
        lib.s3f_unlink(self._pointer(), None, encode(path), None)

    unlink = remove

    def rename(self, source, target, *, replace: bool = True, exchange: bool = False) -> None:
        """Renames a file or directory; where there is a target, replaces it (a file, an empty
        directory) or raises FileExistsError. With exchange two files change places."""
        flags = 0 if replace else _abi.RENAME_NOREPLACE
        if exchange:
            flags |= _abi.RENAME_EXCHANGE
        lib.s3f_rename(self._pointer(), None, encode(source), None, encode(target), flags, None)

    def replace(self, source, target) -> None:
        """As rename."""
        self.rename(source, target)

    # Directories

    def copy(self, source, target) -> None:
        """Copies a file's bytes, replacing a file at `target`, by the store wherever it can."""
        with self.open(source, "rb", buffering=0) as reader:
            with self.open(target, "wb", buffering=0) as writer:
                done = writer.copy_from(reader)
                while count := writer.copy_from(reader, done, done):
                    done += count

    def statvfs(self) -> os.statvfs_result:
        """What programs that look for free space want to hear; no request."""
        raw = _abi.StatFs()
        lib.s3f_statfs(raw, self._pointer(), None)
        return os.statvfs_result((
            raw.block_size, raw.block_size, raw.blocks, raw.blocks_free, raw.blocks_free, raw.files,
            raw.files_free, raw.files_free, os.ST_RDONLY if raw.read_only else 0, raw.name_max))

    def mkdir(self, path, mode: int = 0o777) -> None:
        lib.s3f_mkdir(self._pointer(), None, encode(path), mode, None)

    def makedirs(self, path, mode: int = 0o777, exist_ok: bool = False) -> None:
        """Makes a directory and those above it."""
        path = os.fspath(path).rstrip("/")
        parent = os.path.dirname(path)
        if parent and not self.exists(parent):
            self.makedirs(parent, mode, exist_ok=True)
        try:
            self.mkdir(path, mode)
        except FileExistsError:
            if not exist_ok or not stat_bits.S_ISDIR(self.stat(path).st_mode):
                raise

    def rmdir(self, path) -> None:
        """Removes an empty directory."""
        lib.s3f_rmdir(self._pointer(), None, encode(path), None)

    def listdir(self, path="") -> List[str]:
        return [entry.name for entry in self.scandir(path)]

    def scandir(self, path="") -> "_Scan":
        """Iterates over a directory's DirEntry objects, by name; also a context manager."""
        return _Scan(self, os.fspath(path))

    def walk(self, top="", topdown: bool = True,
             onerror: Optional[Callable[[OSError], None]] = None,
             ) -> Iterator[Tuple[str, List[str], List[str]]]:
        """As os.walk: yields (directory, its directories, its files)."""
        top = os.fspath(top)
        directories, files = [], []
        try:
            for entry in self.scandir(top):
                (directories if entry.is_dir() else files).append(entry.name)
        except OSError as error:
            if onerror is not None:
                onerror(error)
            return
        if topdown:
            yield top, directories, files
        for name in directories:
            yield from self.walk(os.path.join(top, name), topdown, onerror)
        if not topdown:
            yield top, directories, files

    # Staged changes

    def commit(self, path="", wait: bool = True) -> Committed:
        """Makes what is staged for a file, or under a directory, the store's state, oldest first.

        ESTALE: the store has another version, which wins; the staged bytes are in
        /.s3files-lost+found. Other errors leave it staged; for a directory the rest is tried.
        Without `wait` it is only begun: an event says how it went, status(), and the next fsync,
        close or commit of the file.
        """
        raw = _abi.CommitInfo()
        lib.s3f_commit(raw, self._pointer(), None, encode(path),
                       0 if wait else _abi.COMMIT_NO_WAIT, None)
        return Committed(raw.files, raw.bytes, _abi.decode(raw.etag), _abi.decode(raw.version_id))

    def barrier(self) -> None:
        """What is staged by now is committed before anything that is staged, or named, later.

        With a state_dir this outlives the process when barrier() returns.
        """
        lib.s3f_barrier(self._pointer(), None)

    def diff(self, path="") -> Dict[str, int]:
        """What committing a path, or all under it, would send, by the names in s3f_diff_info."""
        raw = _abi.DiffInfo()
        lib.s3f_diff(raw, self._pointer(), None, encode(path), None)
        return {name: getattr(raw, name) for name in ("files", "directories") + raw.COUNTS}

    def discard(self, path) -> None:
        """Drops what is staged for a file: it is again as last committed."""
        lib.s3f_discard(self._pointer(), None, encode(path), None)

    def status(self, path) -> Status:
        """How a path's staged changes stand; no request."""
        raw = _abi.StatusInfo()
        lib.s3f_status(raw, self._pointer(), None, encode(path), None)
        return Status(_abi.STATES[raw.state], raw.code, raw.attempts, raw.staged_bytes,
                      raw.age_ns / 1e9, _abi.decode(raw.message), _abi.decode(raw.export_error),
                      raw.next_attempt_ns / 1e9 if raw.next_attempt_ns else None)

    def staged(self) -> Iterator[str]:
        """The paths with staged changes, in no stated order."""
        cursor = _abi.c_uint64()
        path = create_string_buffer(_abi.PATH_MAX)
        while lib.s3f_next_staged(cursor, path, len(path), self._pointer(), None):
            yield os.fsdecode(path.value)

    def stats(self) -> Dict[str, int]:
        """Counters since the file system was opened, by their names in s3f_stats (del: delete)."""
        raw = _abi.Stats()
        lib.s3f_fs_stats(raw, self._pointer())
        return {name: getattr(raw, name) for name in raw.NAMES}

    def _change(self, path, follow_symlinks, what, **members):
        change = _abi.SetAttributes(set=what, **members)
        lib.s3f_setattr(
            self._pointer(), None, encode(path), _flags(follow_symlinks), change, None)

    @staticmethod
    def _sized(ask):
        while True:
            out = create_string_buffer(max(ask(None, 0), 1))
            try:
                size = ask(out, len(out))
                return out.raw[:size]
            except OSError as error:
                if error.errno != errno.ERANGE:  # it grew meanwhile
                    raise

    def _ask(self, on_conflict, raw):
        path = os.fsdecode(raw.path)
        lent = {name: _io.RawFile(self, path, "r+b" if name == "result" else "rb", lent=_abi.Handle(handle))
                for name in ("base", "mine", "theirs", "result")
                if (handle := getattr(raw, name)) is not None}
        try:
            decision = on_conflict(Conflict(path, raw.code, lent.get("base"), lent["mine"],
                                            lent.get("theirs"), lent["result"]))
            return _abi.CONFLICT_DECISIONS[decision]
        except BaseException:
            sys.excepthook(*sys.exc_info())
            return _abi.CONFLICT_DECISIONS["fail"]
        finally:
            for file in lent.values():
                file._give_back()

    def _abandon_files(self):
        while self._handles:
            _, handle = self._handles.popitem()
            with contextlib.suppress(OSError):  # staged by others too: closing settles it
                lib.s3f_abandon(handle, None)
            handle.value = None  # whose it was finds it gone

    # What files need

    def _pointer(self):
        if self._fs is None:
            raise ValueError("operation on closed file system")
        return self._fs

    def _open_handle(self, path, flags):
        handle = _abi.Handle()
        lib.s3f_open(handle, self._pointer(), None, encode(path), flags, 0o666, None)
        self._handles[id(handle)] = handle
        return handle

    def _close_handle(self, handle, path, abandoned=False):
        if self._handles.pop(id(handle), None) is None:  # ended with the file system, or its block
            return
        try:
            (lib.s3f_abandon if abandoned else lib.s3f_close)(handle, None)
        except OSError as error:
            error.filename = path
            raise

    def _fstat(self, handle):
        attr = _abi.Attributes()
        lib.s3f_fstat(attr, handle, _abi.STAT_ALL, None)
        return _stat(attr)


class _Scan:
    """scandir's iterator. At its end, or closed before, it closes the directory."""

    _handle = None

    def __init__(self, fs, path):
        self._fs = fs
        self._path = path
        self._cookie = 0
        self._batch = []  # entries read and not yet returned, the next one last
        self._handle = fs._open_handle(path, _abi.O_READ | _abi.O_DIRECTORY)

    def __iter__(self):
        return self

    def __next__(self):
        if not self._batch and self._handle is not None:
            self._read()
        if not self._batch:
            self.close()
            raise StopIteration
        return self._batch.pop()

    def _read(self):
        raw = (_abi.Dirent * _BATCH)()
        raw[0].struct_size = sizeof(_abi.Dirent)
        count = lib.s3f_readdir(
            raw, _BATCH, self._handle, self._cookie, None, _abi.STAT_LISTED, None)
        if count:
            self._cookie = raw[count - 1].cookie
        self._batch = [DirEntry(self._fs, self._path, os.fsdecode(entry.name), entry.attr.type)
                       for entry in reversed(raw[:count])]

    def close(self):
        handle, self._handle, self._batch = self._handle, None, []
        if handle is not None:
            self._fs._close_handle(handle, self._path)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __del__(self):
        with contextlib.suppress(OSError):  # nobody to tell
            self.close()


def _flags(follow_symlinks):
    return 0 if follow_symlinks else _abi.NOFOLLOW


def _option(value):
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, (bytes, os.PathLike)) else str(value)


def _stat(attr) -> Stat:
    return Stat(
        st_mode=_TYPE_BITS.get(attr.type, 0) | attr.mode,
        st_ino=attr.ino,
        st_nlink=attr.nlink,
        st_uid=attr.uid,
        st_gid=attr.gid,
        st_size=attr.size,
        st_mtime_ns=attr.mtime_ns,
        st_ctime_ns=attr.ctime_ns,
        st_atime_ns=attr.atime_ns,
        st_blocks=attr.blocks,
        etag=_abi.decode(attr.etag),
        version_id=_abi.decode(attr.version_id),
    )


def _event(raw) -> Event:
    return Event(
        kind=_abi.EVENT_KINDS.get(raw.kind, str(raw.kind)),
        path=os.fsdecode(raw.path or b""),
        errno=raw.code,
        bytes=raw.bytes,
        message=_abi.decode(raw.message or b""),
        detail=_abi.decode(raw.detail or b""),
    )
