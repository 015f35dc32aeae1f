"""What a disk may hold after a loss of power, from what shim.c has recorded.

The model, as strict as POSIX where that is stricter than the file systems in use:

- Bytes and size of a file are durable when an fsync or fdatasync of it is done, as far as they were
  written before it began.
- A name that was made, moved or removed is durable when a sync of its directory is done, likewise.
  A sync of the file says nothing of its name.
- Of the rest anything may be there. Of names: either a prefix of all changes, as a journaling file
  system does it, or each name for itself at any of its states (a rename is one step). Of bytes: each
  sector of 512 bytes as it was after any of the writes to it, so writes may be lost, torn or reordered;
  the size is any that the file had since. What was never written reads as zeros.
- SQLite's -shm is gone; nothing keeps anything there.
"""
import collections
import os
import pathlib
import shutil
import struct

SECTOR = 512
DIRECTORY = "directory"

Record = collections.namedtuple("Record", "kind fd number a b path data")
HEADER = struct.Struct("<IiQQQII")


def read_log(path):
    """The records; one that the kill cut short is left out."""
    log, at = path.read_bytes() if path.exists() else b"", 0
    while at + HEADER.size <= len(log):
        kind, fd, number, a, b, path_size, data_size = HEADER.unpack_from(log, at)
        at += HEADER.size
        if at + path_size + data_size > len(log):
            return
        name = log[at:at + path_size].decode()
        data = log[at + path_size:at + path_size + data_size]
        at += path_size + data_size
        yield Record(chr(kind), fd, number, a, b, name, data)


class File:
    def __init__(self, data=b""):
        self.durable = bytes(data)
        self.pending = []  # (when, what, offset or size, data)

    def sync(self, before):
        data = bytearray(self.durable)
        for change in self.pending:
            if change[0] < before:
                change_bytes(data, change)
        self.durable = bytes(data)
        self.pending = [change for change in self.pending if change[0] >= before]

    def now(self):
        data = bytearray(self.durable)
        for change in self.pending:
            change_bytes(data, change)
        return bytes(data)

    def image(self, rng, keep):
        """One of the contents that it may have; each change is kept with the probability `keep`."""
        cached, disk = bytearray(self.durable), bytearray(self.durable)
        sized = [i for i in range(len(self.pending)) if rng.random() < keep]
        last_sized, size = max(sized, default=-1), len(disk)
        for i, change in enumerate(self.pending):
            change_bytes(cached, change)
            if i <= last_sized:
                size = len(cached)
            if change[1] == "truncate":
                if i <= last_sized:
                    set_size(disk, change[2])
            elif change[1] == "write" and rng.random() < keep:
                write_back(cached, disk, change, rng)
        set_size(disk, size)
        return bytes(disk)


def change_bytes(data, change):
    _, what, at, bytes_ = change
    if what == "truncate":
        set_size(data, at)
    elif what == "extend":
        set_size(data, max(at, len(data)))
    else:
        set_size(data, max(len(data), at + len(bytes_)))
        data[at:at + len(bytes_)] = bytes_


def set_size(data, size):
    del data[size:]
    data.extend(bytes(size - len(data)))


def write_back(cached, disk, change, rng):
    """Sectors of a write as they are in memory then; a third of the writes are torn."""
    first, end = change[2] // SECTOR, -(-(change[2] + len(change[3])) // SECTOR)
    sectors = range(first, end)
    if rng.random() < 0.33:
        sectors = [i for i in sectors if rng.random() < 0.5]
    elif first < end:  # as one
        copy(cached, disk, first * SECTOR, end * SECTOR)
        return
    for i in sectors:
        copy(cached, disk, i * SECTOR, (i + 1) * SECTOR)


def copy(cached, disk, begin, end):
    end = min(end, len(cached))
    if len(disk) < end:
        disk.extend(bytes(end - len(disk)))
    disk[begin:end] = cached[begin:end]


class Disk:
    """The tree under `root`, as it is after the records that were applied, and as it may be."""

    def __init__(self, root, lies_of=None):
        """`lies_of`: a planted bug; what has this in its path is not synced, whatever was done."""
        self.root = pathlib.Path(root)
        self.lies_of = lies_of
        self.durable = {}  # path -> File, DIRECTORY
        for path in [self.root, *self.root.rglob("*")] if self.root.exists() else []:
            self.durable[str(path)] = DIRECTORY if path.is_dir() else File(path.read_bytes())
        self.now = dict(self.durable)
        self.pending = []  # (when, {path: File, DIRECTORY or None}), in order
        self.open = {}  # descriptor -> path, File
        self.syncing = {}  # number -> when it began, path, File
        self.unknown = []
        self.time = 0
        self.last = 0  # number of the last call

    def apply(self, record):
        self.time += 1
        self.last = max(self.last, record.number)
        {"o": self._open, "c": self._close, "w": self._write, "t": self._truncate,
         "a": self._allocate, "s": self._sync, "S": self._synced, "r": self._rename,
         "l": self._link, "u": self._unlink, "m": self._mkdir, "d": self._unlink,
         "?": self._unknown}[record.kind](record)

    def _open(self, record):
        path = os.path.normpath(record.path)
        file = self.now.get(path)
        if file is None and record.a & os.O_CREAT:
            file = File()
            self._name({path: file})
        self.open[record.fd] = path, file
        if record.a & os.O_TRUNC and file.now():
            file.pending.append((self.time, "truncate", 0, b""))

    def _close(self, record):
        del self.open[record.fd]

    def _change(self, record, what, at, data=b""):
        self.open[record.fd][1].pending.append((self.time, what, at, data))

    def _write(self, record):
        self._change(record, "write", record.a, record.data)

    def _truncate(self, record):
        self._change(record, "truncate", record.a)

    def _allocate(self, record):
        self._change(record, "extend", record.a + record.b)

    def _sync(self, record):
        self.syncing[record.number] = (self.time, *self.open[record.fd])

    def _synced(self, record):
        begun, path, file = self.syncing.pop(record.a)
        if self.lies_of and self.lies_of in path:
            return
        if isinstance(file, File):
            file.sync(begun)
            return
        later = []
        for when, names in self.pending:
            synced = {p: node for p, node in names.items()
                      if when < begun and os.path.dirname(p) == path}
            self.durable.update(synced)
            rest = {p: node for p, node in names.items() if p not in synced}
            if rest:
                later.append((when, rest))
        self.pending = later

    def _name(self, names):
        self.pending.append((self.time, names))
        self.now.update(names)

    def _mkdir(self, record):
        self._name({os.path.normpath(record.path): DIRECTORY})

    def _unlink(self, record):
        self._name({os.path.normpath(record.path): None})

    def _rename(self, record):
        a, b = os.path.normpath(record.path), os.path.normpath(record.data.decode())
        if self.now[a] is DIRECTORY:
            self._unknown(record)
        self._name({b: self.now[a], a: None})

    def _link(self, record):
        a, b = os.path.normpath(record.path), os.path.normpath(record.data.decode())
        self._name({b: self.now[a]})

    def _unknown(self, record):
        self.unknown.append(record.path)

    def names(self, rng, keep):
        """One of the sets of names that there may be."""
        result, changes = dict(self.durable), self.pending
        if rng.random() < 0.5:  # a journal
            kept = sum(1 for _ in changes if rng.random() < keep)
            for _, names in changes[:kept]:
                result.update(names)
            return result
        # Per name a prefix of its changes; a rename ties the histories of its two names together.
        tied = {}
        for _, names in changes:
            groups = [tied.get(path, [path]) for path in names]
            group = sorted({path for paths in groups for path in paths})
            tied.update((path, group) for path in group)
        for group in {tuple(group) for group in tied.values()}:
            own = [names for _, names in changes if not names.keys().isdisjoint(group)]
            for names in own[:sum(1 for _ in own if rng.random() < keep)]:
                result.update(names)
        return result

    def differences(self):
        """Between the records and what is there: one call may have been done and not recorded."""
        paths = [self.root, *self.root.rglob("*")] if self.root.exists() else []
        there = {str(p): DIRECTORY if p.is_dir() else p.read_bytes() for p in paths}
        here = {p: node if node is DIRECTORY else node.now()
                for p, node in self.now.items() if node is not None}
        result = [p for p in sorted(there.keys() | here.keys())
                  if there.get(p) != here.get(p) and not p.endswith("-shm")]
        return result if len(result) > 1 else []

    def lose_power(self, rng, keep=None):
        """Replaces what is there by what may be there then; keep=0: by what is durable."""
        keep = rng.choice([0, 0.1, 0.5, 0.5, 0.9, 1]) if keep is None else keep
        names = self.names(rng, keep)
        shutil.rmtree(self.root, ignore_errors=True)
        for path, node in sorted(names.items()):
            above = os.path.dirname(path)
            if node is None or path.endswith("-shm"):
                continue
            if path != str(self.root) and not os.path.isdir(above):
                continue  # its directory was not durable
            if node is DIRECTORY:
                os.mkdir(path, 0o700)
                continue
            fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(node.image(rng, rng.choice([keep, 0, 1]) if keep else 0))


def replay(disk, log):
    """Of one process. Returns complaints: what the shim cannot have recorded rightly."""
    disk.open, disk.syncing = {}, {}
    for record in read_log(log):
        disk.apply(record)
    result = [f"the shim has no model of {what}" for what in disk.unknown]
    differences = disk.differences()
    if differences:
        result.append(f"the shim has not seen what was done to {differences}")
    return result
