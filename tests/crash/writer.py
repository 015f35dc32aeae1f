#!/usr/bin/env python3
"""The process that is killed: says on stdout what it does, a line before and after each operation.

    writer.py OPTIONS WHAT   WHAT: a seed, "again-" and a seed, "open" or a scenario; OPTIONS: JSON with
                             "url" and the library's
"""
import base64
import json
import os
import random
import sys
import time

import s3files

import points
from expectations import digest, pattern, read, read_all

NAMES = ["a", "b", "c", "d/x", "d/y"]
LARGEST = 300_000  # several blocks
# [D4] says "about 50 ms" for what was closed; with this nobody can say that the machine was busy.
PAUSE = 0.4


def say(line):
    os.write(1, (json.dumps(line) + "\n").encode())


def do(step, action):
    say(step)
    try:
        answer = action()
    except OSError as error:
        say({"failed": error.errno, "message": str(error)})
    else:
        say({"done": True, "answer": answer} if isinstance(answer, str) else {"done": True})


class Writer:
    """Operations on a file system; `step` does a random one."""

    def __init__(self, fs, rng, discards):
        self.fs = fs
        self.rng = rng
        self.discards = discards
        self.open = {}  # path -> file

    def step(self):
        rng = self.rng
        path = rng.choice(NAMES)
        what = rng.choices(["write", "append", "truncate", "fsync", "close", "remove", "rename",
                            "commit", "chmod", "discard", "pause"],
                           [30, 15, 8, 20, 15, 5, 6, 6, 5, 4, 1])[0]
        if what == "remove":
            self.remove(path)
        elif what == "rename":
            other = rng.choice(NAMES)
            if other != path:
                self.rename(path, other)
        elif what == "commit":
            self.commit(path)
        elif what == "chmod":
            self.chmod(path, rng.choice([0o600, 0o640, 0o644]))
        elif what == "close":
            self.close(path)
        elif what == "discard":
            if self.discards:
                self.discard(path)
        elif what == "pause":
            do({"op": "pause"}, lambda: time.sleep(PAUSE))
        else:
            self.change(path, what)

    def change(self, path, what):
        file = self.file(path)
        if file is None:
            return
        rng = self.rng
        if what == "fsync":
            self.fsync(path)
        elif what == "truncate":
            self.truncate(path, rng.randrange(LARGEST))
        else:
            end = file.seek(0, 2)
            at = end if what == "append" else rng.randrange(end + 1)
            size = min(rng.choice([1, 100, 5000, 140_000]), max(1, LARGEST - at))
            self.write(path, at, size, rng.getrandbits(32))

    def file(self, path):
        if path not in self.open:
            def make():
                self.open[path] = self.fs.open(path, "r+b" if self.fs.exists(path) else "w+b",
                                               buffering=0)
            do({"op": "open", "path": path}, make)
        return self.open.get(path)

    def write(self, path, at, size, seed):
        file = self.file(path)

        def write():
            file.seek(at)
            data = memoryview(pattern(seed, size))
            while data:
                data = data[file.write(data):]
        do({"op": "write", "path": path, "at": at, "size": size, "seed": seed}, write)

    def truncate(self, path, size):
        file = self.file(path)
        do({"op": "truncate", "path": path, "size": size}, lambda: file.truncate(size) and None)

    def fsync(self, path):
        do({"op": "fsync", "path": path}, self.file(path).fsync)

    def close(self, path):
        file = self.open.pop(path, None)
        if file is not None:
            do({"op": "close", "path": path}, file.close)

    # Open files follow their names; one writer that has none open is simpler to follow.

    def remove(self, path):
        self.close(path)
        do({"op": "remove", "path": path}, lambda: self.fs.remove(path))

    def rename(self, path, other):
        for name in (path, other):
            self.close(name)
        do({"op": "rename", "path": path, "to": other}, lambda: self.fs.rename(path, other))

    def rename_directory(self, path, other):
        do({"op": "rename_directory", "path": path, "to": other},
           lambda: self.fs.rename(path, other))

    def discard(self, path):
        self.close(path)

        def discard():
            self.fs.discard(path)
            data = read(self.fs, path)
            return str(data) if isinstance(data, OSError) else digest(data)
        do({"op": "discard", "path": path}, discard)

    def commit(self, path):
        do({"op": "commit", "path": path}, lambda: self.fs.commit(path))

    def chmod(self, path, mode):
        do({"op": "chmod", "path": path, "mode": mode}, lambda: self.fs.chmod(path, mode))


def saw_all(fs):
    found = read_all(fs, NAMES)[0]
    return json.dumps({name: None if data is None else base64.b64encode(data).decode()
                       for name, data in found.items()})


def main():
    options, what = json.loads(sys.argv[1]), sys.argv[2]
    delay = options["commit_delay"]
    fs = s3files.FileSystem(options.pop("url"), **options)
    say({"ready": True})
    if what == "open":
        fs.close()
    elif what not in points.SCENARIOS:
        again = what.startswith("again-")
        if again:
            do({"op": "saw_all"}, lambda: saw_all(fs))
        # What the store has is known only to one who has begun with all committed.
        discards = delay == "never" and not again
        writer = Writer(fs, random.Random(int(what.removeprefix("again-"))), discards)
        while True:
            writer.step()
    else:
        writer = Writer(fs, None, discards=True)  # to the end: files that it drops are abandoned
        points.SCENARIOS[what](writer)
        if what != "synced":
            do({"op": "close_all"}, fs.close)
        os._exit(0)


if __name__ == "__main__":
    main()
