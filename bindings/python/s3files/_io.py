"""The standard io stack over an open file: raw, buffered, text.

Closing publishes; leaving by an exception, or never closing, does not. io's own classes flush and
close whichever way they end, so each layer here first marks the raw file abandoned, which then
takes what is flushed into it without a word and closes its handle without a commit.
"""

import contextlib
import fcntl
import io
import os
import time
import warnings

from . import _abi
from ._abi import lib
from ._buffer import pinned

BUFFER_SIZE = 128 * 1024  # a block of the library


_FLOCK_TYPES = {fcntl.LOCK_UN: _abi.LOCK_NONE, fcntl.LOCK_SH: _abi.LOCK_SHARED,
                fcntl.LOCK_EX: _abi.LOCK_EXCLUSIVE}


def _patience(timeout):
    """Flags and call of a lock that is waited for so many seconds; None: for ever."""
    if timeout is None:
        return _abi.LOCK_WAIT, None
    if timeout <= 0:
        return 0, None
    return _abi.LOCK_WAIT, _abi.Call(deadline_ns=time.monotonic_ns() + int(timeout * 1e9))


@contextlib.contextmanager
def _pinned_all(buffers, writable=False):
    with contextlib.ExitStack() as stack:
        pins = [stack.enter_context(pinned(buffer, writable=writable)) for buffer in buffers]
        yield (_abi.IoVector * len(pins))(*pins)


class _Abandoning:
    """What the three layers share; `_file` is the RawFile at the bottom."""

    def abandon(self):
        """Closes the file and publishes nothing of what it wrote.

        EBUSY: others have staged to the file since, and nothing is discarded.
        """
        self._file._abandoned = True
        self.close()

    def fsync(self):
        """Flushes, and returns when everything staged for the file is durable.

        That is in the journal of a state_dir, without a request, else in the store.
        """
        handle = self._file._open_handle()
        self.flush()
        lib.s3f_fsync(handle, None)

    def lock(self, start=0, length=0, *, shared=False, owner=0, timeout=None):
        """Waits for an advisory lock on `length` bytes (0: to the end, however the file grows).

        It binds those of this file system that ask for locks, too, and belongs to the open file,
        whose close releases it, or to `owner`, a number that the application chooses. What the
        owner has in the range is replaced. `timeout` seconds, 0: without waiting.

        TimeoutError, or BlockingIOError with timeout 0: another has it. EDEADLK: waiting would
        never end. EBADF: the file is not open for reading (shared) or writing.
        """
        kind = _abi.LOCK_SHARED if shared else _abi.LOCK_EXCLUSIVE
        lock = _abi.Lock(type=kind, start=start, length=length, owner=owner)
        flags, call = _patience(timeout)
        lib.s3f_lock_range(self._file._open_handle(), lock, flags, call)

    def unlock(self, start=0, length=0, *, owner=0):
        """Releases what the owner has locked of the range."""
        lock = _abi.Lock(type=_abi.LOCK_NONE, start=start, length=length, owner=owner)
        lib.s3f_lock_range(self._file._open_handle(), lock, 0, None)

    def flock(self, operation, timeout=None):
        """fcntl.flock with its LOCK_* constants: one lock of the whole file, apart from `lock`."""
        kind = _FLOCK_TYPES[operation & ~fcntl.LOCK_NB]
        flags, call = _patience(0 if operation & fcntl.LOCK_NB else timeout)
        lib.s3f_flock(self._file._open_handle(), kind, flags, call)

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.close()
        else:
            with contextlib.suppress(OSError):  # the exception under way says more
                self.abandon()

    def __del__(self):
        try:
            unclosed = not self.closed
        except ValueError:  # detached, or never made
            return
        if unclosed:
            with contextlib.suppress(OSError):  # nobody to tell
                self.abandon()
            warnings.warn(f"unclosed file {self.name!r}: what was written is not published",
                          ResourceWarning, stacklevel=2, source=self)


class RawFile(_Abandoning, io.RawIOBase):
    """An open file without a buffer."""

    _handle = None  # until open, and after close

    def __init__(self, fs, path, mode, lent=None):
        """`lent`: a handle that is somebody else's to close, who then calls _give_back."""
        self._abandoned = False
        self._position = 0
        self._fs = fs
        self.name = path
        self.mode = mode
        self._flags = _flags(mode)
        self._is_lent = lent is not None
        self._handle = lent if self._is_lent else fs._open_handle(path, self._flags)
        if self._flags & _abi.O_APPEND:
            self.seek(0, io.SEEK_END)

    def _give_back(self):
        self._handle = None

    @property
    def _file(self):
        return self

    @property
    def closed(self):
        return self._handle is None

    def close(self):
        handle, self._handle = self._handle, None
        if handle is not None:
            self._fs._close_handle(handle, self.name, self._abandoned)

    def _open_handle(self):
        if not (self._is_lent or self._abandoned):  # the library keeps those; what is flushed is lost
            self._fs._pointer()
        gone = self._handle is not None and self._handle.value is None  # with the file system's block
        if self._handle is None or (gone and not self._abandoned):
            raise ValueError("I/O operation on closed file")
        return self._handle

    def readable(self):
        return bool(self._flags & _abi.O_READ)

    def writable(self):
        return bool(self._flags & _abi.O_WRITE)

    def seekable(self):
        return True

    def readinto(self, buffer):
        handle = self._open_handle()
        self._require(self.readable(), "reading")
        with pinned(buffer, writable=True) as (address, size):
            count = lib.s3f_pread(address, size, self._position, handle, None) if size else 0
        self._position += count
        return count

    def readall(self):
        data = bytearray(max(0, self.stat().st_size - self._position))
        count = self.readinto(data)
        return bytes(memoryview(data)[:count])

    def write(self, data):
        handle = self._open_handle()
        self._require(self.writable(), "writing")
        with pinned(data) as (address, size):
            if self._abandoned or size == 0:
                return size
            if self._flags & _abi.O_APPEND:
                offset = _abi.c_uint64()
                lib.s3f_append(offset, handle, address, size, None)
                self._position = offset.value
            else:
                lib.s3f_pwrite(handle, address, size, self._position, None)
        self._position += size
        return size

    def seek(self, offset, whence=io.SEEK_SET):
        self._open_handle()
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += self.stat().st_size
        elif whence != io.SEEK_SET:
            raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        self._position = offset
        return offset

    def tell(self):
        self._open_handle()
        return self._position

    def truncate(self, size=None):
        handle = self._open_handle()
        self._require(self.writable(), "writing")
        size = self._position if size is None else size
        if not self._abandoned:
            lib.s3f_truncate(handle, size, None)
        return size

    def preadv(self, buffers, offset):
        """Fills the buffers, in order, from `offset`, as of one moment; returns how many bytes."""
        handle = self._open_handle()
        self._require(self.readable(), "reading")
        with _pinned_all(buffers, writable=True) as vectors:
            return lib.s3f_preadv(handle, vectors, len(vectors), offset, None)

    def pwritev(self, buffers, offset):
        """Writes the buffers, one behind the other, at `offset`: all or nothing."""
        handle = self._open_handle()
        self._require(self.writable(), "writing")
        with _pinned_all(buffers) as vectors:
            if self._abandoned:
                return sum(vector.size for vector in vectors)
            return lib.s3f_pwritev(handle, vectors, len(vectors), offset, None)

    def copy_from(self, source, source_offset=0, offset=0, size=None):
        """Copies from another RawFile; returns how many bytes, less than `size` only at its end.

        A whole file that has nothing staged is copied onto an empty one by the store, when this
        file is committed; no byte travels.
        """
        handle = self._open_handle()
        size = 2**63 - 1 if size is None else size
        return lib.s3f_copy_range(source._open_handle(), source_offset, handle, offset, size, None)

    def stat(self):
        """Attributes of the open file; no request."""
        return self._fs._fstat(self._open_handle())

    def _require(self, able, what):
        if not able:
            raise io.UnsupportedOperation(f"not open for {what}")


class _Buffered(_Abandoning):
    @property
    def _file(self):
        return self.raw


class BufferedReader(_Buffered, io.BufferedReader):
    pass


class BufferedWriter(_Buffered, io.BufferedWriter):
    pass


class BufferedRandom(_Buffered, io.BufferedRandom):
    pass


class TextFile(_Abandoning, io.TextIOWrapper):
    @property
    def _file(self):
        return self.buffer.raw


_BASE_FLAGS = {
    "r": _abi.O_READ,
    "w": _abi.O_WRITE | _abi.O_CREATE | _abi.O_TRUNC,
    "a": _abi.O_WRITE | _abi.O_CREATE | _abi.O_APPEND,
    "x": _abi.O_WRITE | _abi.O_CREATE | _abi.O_EXCL,
}


def _flags(mode):
    """Of "rb", "w+", ...: exactly one of rwax, at most one of each of + b t, not both b and t."""
    letters = set(mode)
    if (len(letters) != len(mode) or letters - set("rwax+bt") or len(letters & set("rwax")) != 1
            or {"b", "t"} <= letters):
        raise ValueError(f"invalid mode: {mode!r}")
    (base,) = letters & set("rwax")
    update = _abi.O_READ | _abi.O_WRITE if "+" in letters else 0
    return _BASE_FLAGS[base] | update


def open_file(fs, path, mode, buffering, encoding, errors, newline):
    """io.open over a RawFile."""
    binary = "b" in mode
    if binary and not (encoding is None and errors is None and newline is None):
        raise ValueError("binary mode takes no encoding, errors or newline argument")
    if buffering == 0 and not binary:
        raise ValueError("can't have unbuffered text I/O")
    raw = RawFile(fs, os.fspath(path), mode)
    try:
        if buffering == 0:
            return raw
        size = buffering if buffering > 1 else BUFFER_SIZE
        if raw.readable() and raw.writable():
            stream = BufferedRandom(raw, size)
        elif raw.writable():
            stream = BufferedWriter(raw, size)
        else:
            stream = BufferedReader(raw, size)
        if binary:
            return stream
        text = TextFile(stream, encoding, errors, newline, line_buffering=buffering == 1)
        text.mode = mode
        return text
    except BaseException:
        raw.abandon()
        raise
