#!/usr/bin/env python3
"""One process of the history: does random things to shared paths and logs what it did.

A `loose` worker commits by close alone, so that several calls may make one version. In the others
what is staged may be published between any two calls, by a delay or by the next process on the state
directory: there every version is one pwrite from the file's start.
"""
import argparse
import contextlib
import errno
import json
import os
import random
import time
from dataclasses import dataclass

import s3files

from content import UNIT, etag_of, runs_of, stamp
from record import ABSENT, Log

LOST = ".s3files-lost+found"
CONFLICT = (errno.ESTALE, errno.EEXIST)
KEPT_OPEN = 5
STEPS = {"read": 30, "update": 40, "replace": 6, "remove": 3, "held": 20, "commit": 6, "fsync": 8,
         "discard": 2, "abandon": 2, "truncate": 5}


@dataclass
class Held:
    """An open file, and what it showed last."""

    file: object
    path: str
    h: int
    since: int  # when its open began
    staged: bool
    writable: bool
    last: object = None
    data: bytes = b""
    wrote: bool = False
    reads: int = 0


class Worker:
    def __init__(self, fs, log, rng, plan):
        self.fs = fs
        self.log = log
        self.rng = rng
        self.paths = plan["paths"]
        self.loose = plan["loose"]
        self.delayed = plan["delayed"]
        self.state = plan["state"]
        self.held = []
        self.top = {}  # path -> the id that is staged there, as far as this process knows

    # ---- Records around calls.

    def call(self, op, action, **members):
        number = self.log.begin(op, **members)
        err = 0
        try:
            action()
        except OSError as error:
            err = error.errno
        return number, err

    def done(self, op, action, **members):
        number, err = self.call(op, action, **members)
        self.log.end(number, err)
        return err

    def committing(self, how, path, version, acks, action, **members):
        """The conflicts are collected before the outcome is told: a kill between tells neither."""
        number, err = self.call("commit", action, path=path, id=version, how=how, acks=acks, **members)
        if err in CONFLICT or self.delayed:
            self.collect_lost()
        self.log.end(number, err)
        if err in CONFLICT or (err == 0 and acks and version == self.top.get(path)):
            self.top.pop(path, None)
        return err

    def collect_lost(self):
        try:
            names = self.fs.listdir(LOST)
        except FileNotFoundError:
            return
        for name in names:
            at = time.monotonic_ns()
            # Those of temporary names hold what was meant for another path: the stamp says which.
            with contextlib.suppress(OSError):
                with self.fs.open(f"{LOST}/{name}", "rb", buffering=0) as file:
                    words = (file.read(UNIT) or b"").decode("latin-1").split()
                if len(words) == 4:
                    self.log.whole("lost", at, 0, path=words[0], id=words[1])
                    if self.top.get(words[0]) == words[1]:
                        self.top.pop(words[0])
            with contextlib.suppress(OSError):
                self.fs.remove(f"{LOST}/{name}")

    # ---- Files.

    def is_staged(self, path):
        return self.fs.status(path).state != "clean"

    def open(self, path, mode):
        staged = self.is_staged(path)
        at, file, err, etag = time.monotonic_ns(), None, 0, None
        try:
            file = self.fs.open(path, mode, buffering=0)
            if mode[0] in "wx" and not staged:
                etag = file.stat().etag
        except OSError as error:
            err = error.errno
        self.log.whole("open", at, err, h=self.log.number + 1, path=path, mode=mode, staged=staged)
        if file is None:
            return None, err
        if not staged:
            self.top.pop(path, None)
        held = Held(file, path, self.log.number, at, staged, mode != "rb")
        self.held.append(held)
        return held, etag

    def read(self, held):
        """The whole file, sometimes a piece at a time; None where that fails."""
        at = held.since if not held.reads else time.monotonic_ns()
        data, err = b"", 0
        try:
            held.file.seek(0)
            if self.rng.random() < 0.7:
                data = held.file.readall()
            else:
                data = self.read_pieces(held.file)
        except OSError as error:
            err = error.errno
        runs = runs_of(held.path, data) if err == 0 else []
        self.log.whole("read", at, err, h=held.h, path=held.path, runs=runs, staged=held.staged,
                       first=not held.reads)
        held.reads += 1
        if err:
            return None
        held.data, held.last = data, runs[0][0] if runs else None
        return data

    def read_pieces(self, file):
        size = file.stat().st_size
        piece = max(UNIT, size // self.rng.choice([2, 3, 5]))
        data = bytearray()
        while len(data) < size:
            buffer = bytearray(min(piece, size - len(data)))
            count = file.readinto(buffer)
            if not count:
                break
            data += buffer[:count]
            if self.rng.random() < 0.2:
                time.sleep(self.rng.uniform(0, 0.003))
        return bytes(data)

    def close(self, held):
        self.held.remove(held)
        if not held.writable:
            with contextlib.suppress(OSError):
                held.file.close()
            return 0
        return self.committing("close", held.path, held.last if held.wrote else None,
                               held.wrote and not self.delayed, held.file.close)

    def abandon(self, held):
        self.held.remove(held)
        with contextlib.suppress(OSError):
            held.file.abandon()

    def close_all(self, path):
        for held in [held for held in self.held if held.path == path]:
            self.close(held)

    def drop(self, path):
        """What is staged for a path, and who has it open, goes."""
        for held in [held for held in self.held if held.path == path]:
            self.abandon(held)
        self.done("discard", lambda: self.fs.discard(path), path=path)
        self.top.pop(path, None)

    # ---- Versions.

    def units(self, path):
        rng = self.rng
        if path.startswith("L"):
            return rng.randrange(70_000, 110_000)  # over multipart_threshold, or just below
        return rng.choice([1, 3, 20, 20, 100, 700, rng.randrange(1, 6000)])

    def edits(self, path, old, version, base):
        """[(at, bytes), ...], and the size to cut to before them or None."""
        mark = stamp(path, version, base)
        units = self.units(path)
        if not self.loose:
            if old and self.rng.random() < 0.5:
                units = min(units, self.rng.randrange(1, 50))
            return None, [(0, mark * units)]
        how = self.rng.choice(["rewrite", "rewrite", "rewrite", "region", "append"])
        if how == "rewrite" or not old or len(old) > 8 << 20:
            return units * UNIT, [(0, mark * units)]
        some = mark * min(units, self.rng.randrange(1, 300))
        at = len(old) if how == "append" else self.rng.randrange(len(old) // UNIT) * UNIT
        return None, [(0, mark), (at, some)]

    def write(self, held, base, old, base_etag=None):
        """One new version of what `held` shows."""
        version = self.log.next_id()
        cut, edits = self.edits(held.path, old, version, base)
        new = bytearray(old[:cut])
        for at, data in edits:
            new[at:at + len(data)] = data

        def act():
            if cut is not None and cut < len(old):
                held.file.truncate(cut)
            for at, data in edits:
                held.file.seek(at)
                while data:
                    data = data[held.file.write(data):]
        err = self.done("write", act, path=held.path, id=version, base=base, base_etag=base_etag,
                        runs=runs_of(held.path, new), etag=etag_of(new), h=held.h)
        if err:
            self.drop(held.path)
            return False
        held.last, held.wrote = version, True
        self.top[held.path] = version
        return True

    def change(self, held):
        """Read, modify, write; then the file may stay open, or is closed."""
        old = self.read(held)
        if not old:
            self.close(held)
            return
        if not self.write(held, held.last, old):
            return
        if self.rng.random() < 0.1 and len(self.held) < KEPT_OPEN:
            if self.rng.random() < 0.5:
                self.read(held)
            return
        if self.state and self.rng.random() < 0.5:
            self.fsync(held)
        self.settle(held.path, self.close(held))

    def settle(self, path, err):
        """After a failure: try again, drop it, or leave it to a later commit."""
        if err in CONFLICT:
            return
        choice = self.rng.random()
        if err and choice < 0.2:
            self.drop(path)
        elif (err and choice < 0.8) or (self.delayed and choice < 0.5):
            self.commit(path)

    def commit(self, path):
        version = self.top.get(path)
        self.committing("commit", path, version, version is not None, lambda: self.fs.commit(path))

    def fsync(self, held):
        version = held.last if held.wrote else None
        if self.state:
            self.done("sync", held.file.fsync, path=held.path, id=version)
        else:
            self.committing("fsync", held.path, version, version is not None, held.file.fsync)

    # ---- Steps.

    def step(self):
        self.step_of(self.rng.choices(list(STEPS), STEPS.values())[0], self.rng.choice(self.paths))

    def step_of(self, what, path):
        if path.startswith("L") and self.rng.random() < 0.98:
            return
        if what in ("replace", "remove"):
            if path.startswith("b"):
                getattr(self, "do_" + what)(path)
        elif what in ("held", "fsync", "abandon"):
            if self.held:
                getattr(self, "do_" + what)(self.rng.choice(self.held))
        else:
            getattr(self, "do_" + what)(path)

    def do_read(self, path):
        held, _ = self.open(path, "rb")
        if held is None:
            return
        self.read(held)
        if self.rng.random() < 0.9 or len(self.held) > KEPT_OPEN:
            self.close(held)

    def do_update(self, path):
        held, err = self.open(path, "r+b")
        if held is not None:
            self.change(held)
        elif err == errno.ENOENT:
            if not self.loose:
                if path.startswith("b"):
                    self.do_replace(path)
            elif self.rng.random() < 0.3:
                self.create(path)

    def create(self, path):
        held, _ = self.open(path, "xb")
        if held is not None and self.write(held, ABSENT, b""):
            self.settle(path, self.close(held))

    def do_truncate(self, path):
        """Opened with O_TRUNC: the version that it replaces is known by its ETag alone."""
        if not self.loose or self.is_staged(path):
            return
        held, etag = self.open(path, "wb")
        if held is None:
            return
        base = ABSENT if etag == "" else None
        if self.write(held, base, b"", base_etag=etag or None):
            self.settle(path, self.close(held))

    def do_replace(self, path):
        """A temporary file, renamed over the path before or after it is committed."""
        self.close_all(path)
        temporary = f"tmp-{self.log.process}"
        version = self.log.next_id()
        data = stamp(path, version, "rename") * self.units(path)
        number = self.log.begin("write", path=path, id=version, base=None, base_etag=None,
                                runs=runs_of(path, data), etag=etag_of(data), h=None)
        try:
            file = self.fs.open(temporary, "wb", buffering=0)
            file.write(data)
            if self.rng.random() < 0.5:
                file.close()
        except OSError as error:
            self.log.end(number, error.errno)
            with contextlib.suppress(OSError):
                self.fs.discard(temporary)
            return
        self.log.end(number, 0)

        def rename():
            try:
                self.fs.rename(temporary, path)
                self.top[path] = version
            finally:
                file.close()
        err = self.committing("rename", path, version, not self.delayed, rename)
        if err:
            with contextlib.suppress(OSError):
                self.fs.discard(temporary)
            if self.is_staged(path):
                self.top[path] = version
            self.settle(path, err)

    def do_remove(self, path):
        self.close_all(path)
        if self.done("remove", lambda: self.fs.remove(path), path=path,
                     staged=self.is_staged(path)) == 0:
            self.top.pop(path, None)

    def do_held(self, held):
        if held.writable and self.rng.random() < 0.5:
            self.change(held)
        elif self.rng.random() < 0.6:
            self.read(held)
        else:
            self.close(held)

    def do_fsync(self, held):
        if held.writable:
            self.fsync(held)

    def do_abandon(self, held):
        """Only where nobody else could publish, or have joined, what it staged."""
        if self.loose and [held.path for held in self.held].count(held.path) == 1:
            self.drop(held.path)

    def do_commit(self, path):
        self.commit(path)

    def do_discard(self, path):
        if self.is_staged(path) and self.rng.random() < 0.3:
            self.drop(path)

    def leave(self):
        """All that is staged is committed, as far as the store lets it be."""
        for held in list(self.held):
            self.close(held)
        for _ in range(3):
            for path in list(self.fs.staged()):
                if path in self.paths:
                    self.commit(path)
                else:
                    with contextlib.suppress(OSError):
                        self.fs.commit(path)
        self.collect_lost()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", help="JSON: name, incarnation, seed, stop, url, options, paths, ...")
    plan = json.loads(parser.parse_args().plan)
    log = Log(plan["log"], plan["name"], plan["incarnation"])
    while True:  # it takes a request, and with a state directory whoever was killed must be gone
        try:
            fs = s3files.FileSystem(plan["url"], **plan["options"])
            break
        except OSError as error:
            log.whole("start", time.monotonic_ns(), error.errno)
    log.whole("start", time.monotonic_ns(), 0, loose=plan["loose"], delayed=plan["delayed"])
    worker = Worker(fs, log, random.Random(plan["seed"]), plan)
    while not os.path.exists(plan["stop"]):
        for _ in range(20):
            worker.step()
    worker.leave()
    with contextlib.suppress(OSError):
        fs.close(discard=not plan["state"])
    log.begin("left")


if __name__ == "__main__":
    main()
