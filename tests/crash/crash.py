#!/usr/bin/env python3
"""Kills writers with SIGKILL and looks whether anything is lost that fsync had acknowledged.

Each round a process opens a file system with a state directory on a bucket in a directory, and does
random things, telling before and after each what it does. It is killed in the midst of that. Then the
state directory is opened again, and every file must be as the acknowledged operations made it: bytes
that fsync returned for are there, names that were removed or renamed are, too, and what was not synced
is, byte by byte, one of the states since. At last all is committed, and the bucket read without the
state directory must say the same. Files of lost+found count as lost, but for an operation on names
that was under way: that one says nothing yet.

    crash.py [--rounds N] [--seed S] [--keep]
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import s3files

NAMES = ["a", "b", "c", "d/x", "d/y"]
LARGEST = 300_000  # several blocks, and with multipart_threshold=128K several parts
DELAYS = ["0s", "50ms", "never"]


def options(delay, state):
    return {"state_dir": state, "commit_delay": delay, "memory": "4M", "fsync": "off"}


# ---- The writer.

def pattern(seed, size):
    return random.Random(seed).randbytes(size)


class Writer:
    """Does `step`s until it is killed; what it does goes to stdout, a line before and after each."""

    def __init__(self, fs, rng):
        self.fs = fs
        self.rng = rng
        self.open = {}  # path -> file

    def step(self):
        rng = self.rng
        path = rng.choice(NAMES)
        what = rng.choices(["write", "append", "truncate", "fsync", "close", "remove", "rename",
                            "commit", "chmod"], [30, 15, 8, 20, 15, 5, 6, 6, 5])[0]
        if what in ("remove", "rename"):
            other = rng.choice(NAMES)
            # Open files follow their names; one writer that has none open is simpler to follow.
            for name in {path, other}:
                self.close(name)
            if what == "remove":
                self.do({"op": "remove", "path": path}, lambda: self.fs.remove(path))
            elif other != path:
                self.do({"op": "rename", "path": path, "to": other},
                        lambda: self.fs.rename(path, other))
        elif what == "commit":
            self.do({"op": "commit", "path": path}, lambda: self.fs.commit(path))
        elif what == "chmod":
            mode = rng.choice([0o600, 0o640, 0o644])
            self.do({"op": "chmod", "path": path, "mode": mode}, lambda: self.fs.chmod(path, mode))
        elif what == "close":
            self.close(path)
        else:
            self.change(path, what)

    def file(self, path):
        if path not in self.open:
            def make():
                self.open[path] = self.fs.open(path, "r+b" if self.fs.exists(path) else "w+b",
                                               buffering=0)
            self.do({"op": "open", "path": path}, make)
        return self.open.get(path)

    def close(self, path):
        file = self.open.pop(path, None)
        if file is not None:
            self.do({"op": "close", "path": path}, file.close)

    def change(self, path, what):
        file = self.file(path)
        if file is None:
            return
        rng = self.rng
        if what == "fsync":
            self.do({"op": "fsync", "path": path}, file.fsync)
            return
        if what == "truncate":
            size = rng.randrange(LARGEST)
            self.do({"op": "truncate", "path": path, "size": size}, lambda: file.truncate(size))
            return
        end = file.seek(0, 2)
        at = end if what == "append" else rng.randrange(end + 1)
        size = min(rng.choice([1, 100, 5000, 140_000]), max(1, LARGEST - at))
        seed = rng.getrandbits(32)

        def write():
            file.seek(at)
            data = pattern(seed, size)
            while data:
                data = data[file.write(data):]
        self.do({"op": "write", "path": path, "at": at, "size": size, "seed": seed}, write)

    def do(self, step, action):
        say(step)
        try:
            action()
        except OSError as error:
            say({"failed": error.errno})
        else:
            say({"done": True})


def say(line):
    os.write(1, (json.dumps(line) + "\n").encode())


def write_until_killed(url, state, delay, seed):
    fs = s3files.FileSystem(url, **options(delay, state))
    say({"ready": True})
    writer = Writer(fs, random.Random(seed))
    while True:
        writer.step()


# ---- What must be there.

class Expected:
    """Per path the states (bytes, or None: no file) that it may have; the first one is durable."""

    def __init__(self):
        self.states = {name: [None] for name in NAMES}
        self.under_way = None
        self.steps = []  # of this round, as they went

    def now(self, path):
        return self.states[path][-1]

    def settle(self, path):
        self.states[path] = [self.now(path)]

    def apply(self, step, done, delay):
        """`done` None: it was under way."""
        op, path = step["op"], step["path"]
        self.steps.append({**step, "went": {True: "done", False: "failed", None: "?"}[done]})
        if done is False:  # it says so, and nothing has changed
            return
        if op == "open":
            if self.now(path) is None:
                self.states[path].append(b"")
        elif op == "write":
            data = bytearray(self.now(path))
            end = step["at"] + step["size"]
            data.extend(bytes(max(0, end - len(data))))
            data[step["at"]:end] = pattern(step["seed"], step["size"])
            self.states[path].append(bytes(data))
        elif op == "truncate":
            data = self.now(path)[:step["size"]]
            self.states[path].append(data + bytes(step["size"] - len(data)))
        elif op in ("fsync", "commit") or (op == "close" and delay == "0s"):
            if done:
                self.settle(path)
        elif op == "remove":
            self.states[path].append(None)
            if done:
                self.settle(path)
        elif op == "rename":
            # What was not synced may be what it was before, under the new name, too.
            source, target = self.states[path], self.states[step["to"]]
            if done:
                self.states[step["to"]] = list(source)
                self.states[path] = [None]
            else:
                self.states[step["to"]] = target + source
                self.states[path] = source + [None]

    def violation(self, path, found):
        states = self.states[path]
        if isinstance(found, OSError):
            return f"{path}: {found}"
        if found in states:
            return None
        known = [state for state in states if state is not None]
        if found is None or not known:
            return f"{path}: {'gone' if found is None else 'there'}; {len(states)} states"
        if len(states) == 1:
            return f"{path}: {len(found)} bytes are not the {len(known[0])} that were synced"
        if len(found) not in {len(state) for state in known}:
            return f"{path}: a size of {len(found)} was never had"
        for i, byte in enumerate(found):
            if not any(i < len(state) and state[i] == byte or i >= len(state) and byte == 0
                       for state in known):
                return f"{path}: byte {i} was never had"
        return None


def read(fs, path):
    try:
        with fs.open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        return error


def lost(fs):
    try:
        return fs.listdir(".s3files-lost+found")
    except FileNotFoundError:
        return []


def follow(output, expected, delay):
    step, steps = None, 0
    for line in output.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            break  # cut short by the kill
        if "op" in said:
            step = said
        elif step is not None and ("done" in said or "failed" in said):
            expected.apply(step, "done" in said, delay)
            step = None
            steps += 1
    if step is not None:
        expected.apply(step, None, delay)
        expected.under_way = step["op"]
    return steps


def round_of(directory, expected, delay, rng):
    bucket, state = directory / "bucket", directory / "state"
    url = f"file://{bucket}"
    seed = rng.getrandbits(32)
    writer = subprocess.Popen([sys.executable, __file__, "--writer", url, str(state), delay, str(seed)],
                              stdout=subprocess.PIPE)
    first = writer.stdout.readline()
    assert b"ready" in first, f"the writer did not begin: {first}"
    # How long it lives is what the round tries; what it has said is read when it is dead.
    os.set_blocking(writer.stdout.fileno(), False)
    output, end = b"", time.monotonic() + rng.uniform(0.001, 0.25)
    while time.monotonic() < end:
        output += writer.stdout.read() or b""
        time.sleep(0.001)
    writer.send_signal(signal.SIGKILL)
    os.set_blocking(writer.stdout.fileno(), True)
    output += writer.stdout.read()
    writer.wait()
    for name in NAMES:
        expected.settle(name)
    expected.steps = []
    steps = follow(output.decode(), expected, delay)

    # As the next process finds it; nothing is committed by itself yet.
    with s3files.FileSystem(url, **options("never", str(state))) as fs:
        found = {name: read(fs, name) for name in NAMES}
        violations = [v for v in (expected.violation(n, found[n]) for n in NAMES) if v]
        try:
            fs.commit("")
        except OSError as error:
            if expected.under_way not in ("rename", "remove"):
                violations.append(f"commit: {error}")
            fs.commit("")
        left = lost(fs)
        if left and expected.under_way not in ("rename", "remove"):
            violations.append(f"in lost+found: {left}")
        for name in left:
            fs.remove(".s3files-lost+found/" + name)
        found = {name: read(fs, name) for name in NAMES}
    with s3files.FileSystem(url) as fs:
        for name in NAMES:
            if read(fs, name) != found[name]:
                violations.append(f"{name}: the bucket has something else than the file system")
    strangers = os.listdir(state / "staged")
    if strangers:
        violations.append(f"files of nobody: {strangers}")
    expected.states = {name: [found[name]] for name in NAMES}
    expected.under_way = None
    return steps, violations


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--keep", action="store_true", help="the directory, where a round fails")
    parser.add_argument("--writer", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.writer:
        url, state, delay, seed = arguments.writer
        write_until_killed(url, state, delay, int(seed))
    print(f"crash: seed {arguments.seed}", flush=True)
    rng = random.Random(arguments.seed)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="s3files-crash-"))
    (directory / "bucket").mkdir()
    expected, steps, bad = Expected(), 0, 0
    for i in range(arguments.rounds):
        delay = rng.choice(DELAYS)
        done, violations = round_of(directory, expected, delay, rng)
        steps += done
        for violation in violations:
            print(f"round {i}, commit_delay={delay}: {violation}", flush=True)
        if violations:
            for step in expected.steps[-25:]:
                print(f"  {step}")
        bad += bool(violations)
    print(f"crash: {arguments.rounds} rounds, {steps} operations acknowledged, "
          f"{bad} rounds with violations", flush=True)
    if bad and arguments.keep:
        print(f"kept {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
