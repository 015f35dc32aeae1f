"""Rescue: what a state directory holds, read without its store and without changing it."""

import os
from ctypes import byref, create_string_buffer
from dataclasses import dataclass
from typing import Iterator, List, Tuple

from . import _abi
from ._abi import encode, lib


@dataclass(frozen=True)
class RescueEntry:
    """What is staged for one path; valid as long as its Rescue is at it."""

    kind: str  # "staged", "conflict", "damaged", "stranger" (a file that nothing names) or "rename"
    path: str  # from the root; of a stranger its file's name
    original: str  # of a conflict or a rename: the path it had
    whole: bool  # else `message` says what is missing
    message: str
    row: int
    type: int
    mode: int
    uid: int
    gid: int
    size: int
    staged_bytes: int
    mtime_ns: int
    etag: str  # of what the change was made on; "" = a new file, or unknown
    version_id: str
    commits: int  # that were sent and may have taken effect
    commit_id: str  # of the last one


class Rescue:
    """An iterator over the entries of a state directory.

        with s3files.Rescue("/var/lib/app/state") as state:
            for entry in state:
                print(entry.path, entry.staged_bytes)
    """

    def __init__(self, state_dir):
        self._raw = None
        raw, info = _abi.Rescue(), _abi.RescueInfo()
        lib.s3f_rescue_open(byref(raw), info, encode(state_dir), None)
        self._raw = raw
        self.whole = bool(info.whole)  # nothing is damaged or missing
        self.url = os.fsdecode(info.url)  # whose changes these are; "" = cannot be told
        self.endpoint = _abi.decode(info.endpoint)
        self.message = _abi.decode(info.message)  # what is damaged of the journal itself

    def __iter__(self) -> Iterator[RescueEntry]:
        return self

    def __next__(self) -> RescueEntry:
        raw = _abi.RescueEntry()
        if lib.s3f_rescue_next(raw, self._raw, None) == 0:
            raise StopIteration
        numbers = {name: getattr(raw, name) for name in (
            "row", "type", "mode", "uid", "gid", "size", "staged_bytes", "mtime_ns", "commits")}
        texts = {name: _abi.decode(getattr(raw, name))
                 for name in ("message", "etag", "version_id", "commit_id")}
        return RescueEntry(kind=_abi.RESCUE_KINDS[raw.kind], whole=bool(raw.whole),
                           path=os.fsdecode(raw.path), original=os.fsdecode(raw.original),
                           **numbers, **texts)

    def ranges(self) -> List[Tuple[int, int, str]]:
        """Offset, size and place ("here", "in_store", "lost") of all bytes of the entry."""
        found, batch, offset = [], (_abi.RescueRange * 64)(), 0
        while True:
            n = lib.s3f_rescue_ranges(batch, len(batch), offset, self._raw, None)
            found += [(r.offset, r.size, _abi.RESCUE_WHERE[r.where]) for r in batch[:n]]
            if n < len(batch):
                return found
            offset = found[-1][0] + found[-1][1]

    def read(self, offset: int, size: int) -> bytes:
        """Fewer at the end, and at the first byte that is not here; ENODATA where that is at `offset`."""
        buffer = create_string_buffer(size)
        n = lib.s3f_rescue_read(buffer, size, offset, self._raw, None)
        return buffer.raw[:n]

    def close(self):
        if self._raw is not None:
            lib.s3f_rescue_close(self._raw)
            self._raw = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __del__(self):
        self.close()
