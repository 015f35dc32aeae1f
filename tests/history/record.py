"""A history: JSON lines, one file a process, as records of operations.

Members of a record, besides those of its operation: p (process), n (number, growing within p), t0
and t1 (CLOCK_MONOTONIC, ns; t1 None: the process was killed before), err (errno, 0, or None).

    open    h, path, mode, staged (its process may have had staged bytes), etag   err ENOENT: absent
    read    h, path, runs, t0 of the open where it is the first one; first, staged as of the open
    write   path, id, base (an id, ABSENT, or None: not known), base_etag, runs, etag
    commit  path, id, how (close, commit, fsync, rename), acks (0 would mean that id is committed)
    sync    path, id                     fsync into a state directory
    remove  path, staged
    discard path
    lost    path, id                     found in lost+found
    start   loose, delayed (see worker.py): an incarnation of the process, n // INCARNATION, begins
    left    it ends by itself: where it has none of these, it was killed
"""
import json
import os
import time

ABSENT = "absent"
INCARNATION = 10_000_000
FINAL = "final"  # the process that reads when all is over


class Log:
    """Appends records, each with one write(2): what was said survives SIGKILL."""

    def __init__(self, file, process, incarnation):
        self.file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.process = process
        self.number = incarnation * INCARNATION

    def next_id(self):
        return f"{self.process}.{self.number + 1}"

    def _say(self, record):
        os.write(self.file, (json.dumps(record, separators=(",", ":")) + "\n").encode())

    def begin(self, op, **members):
        self.number += 1
        self._say({"p": self.process, "n": self.number, "op": op, "t0": time.monotonic_ns(),
                   **members})
        return self.number

    def end(self, number, err, **members):
        self._say({"n": number, "t1": time.monotonic_ns(), "err": err, **members})

    def whole(self, op, t0, err, **members):
        """Of an operation without effect: one line is enough."""
        self.number += 1
        self._say({"p": self.process, "n": self.number, "op": op, "t0": t0,
                   "t1": time.monotonic_ns(), "err": err, **members})


def load(lines):
    """Records by their t0, of the lines of one process's file."""
    records = {}
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue  # cut short by the kill
        known = records.setdefault(said["n"], {"t1": None, "err": None})
        known.update(said)
    return sorted((r for r in records.values() if "op" in r), key=lambda r: r["t0"])


def load_files(files):
    records = []
    for file in files:
        with open(file, encoding="utf-8") as lines:
            records += load(lines)
    return sorted(records, key=lambda r: r["t0"])
