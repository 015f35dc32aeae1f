#!/usr/bin/env python3
"""Kills writers and looks whether anything is lost that was acknowledged.

Each round a process (writer.py) opens a file system with a state directory on a bucket in a directory,
and does random things, telling before and after each what it does. It is killed in the midst of that.
Then the state directory is opened again, and every file must be as the acknowledged operations made it
(expectations.py): bytes that fsync returned for are there, names that were removed or renamed are, too,
and what was not synced is, byte by byte, one of the states since. At last all is committed, and the
bucket read without the state directory must say the same. Files of lost+found count as lost, but for an
operation on names that was under way: that one says nothing yet.

--power   before it is opened again, the state directory is made what a disk may hold after a loss of
          power (power.py); sometimes that happens again while it is opened
--points  a small fixed scenario is killed before the first call on a file of the state directory,
          before the second, ... and likewise before and after each request to a store (points.py)

    crash.py [--power] [--rounds N] [--seed S] [--keep]
    crash.py --points [--every K] [--only NAME]
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

import points
import power
import writer
from expectations import MOVING, Expected, check, follow, read_all

HERE = pathlib.Path(__file__).parent
DELAYS = ["0s", "50ms", "never"]


class Harness:
    def __init__(self, directory, arguments):
        self.bucket, self.state = directory / "bucket", directory / "state"
        self.log = directory / "log"
        self.power, self.shim, self.planted = arguments.power, arguments.shim, arguments.planted
        self.rng = random.Random(arguments.seed)
        self.expected = Expected(writer.NAMES)
        self.bucket.mkdir()
        with self.open_bucket() as fs:
            fs.mkdir("d")

    def options(self, delay):
        return {"url": f"file://{self.bucket}", "state_dir": str(self.state), "commit_delay": delay,
                "memory": "4M", "fsync": "off"}

    def open(self, delay):
        options = self.options(delay)
        return s3files.FileSystem(options.pop("url"), **options)

    def start(self, delay, what, **environment):
        if self.power:
            self.log.unlink(missing_ok=True)
            environment |= {"LD_PRELOAD": self.shim, "S3FILES_SHIM_DIR": str(self.state),
                            "S3FILES_SHIM_LOG": str(self.log)}
            if self.planted == "all":
                environment["S3FILES_SHIM_NO_SYNC"] = "1"
        return subprocess.Popen(
            [sys.executable, HERE / "writer.py", json.dumps(self.options(delay)), what],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if what == "open" else None,
            env=os.environ | environment)

    def round(self, delay):
        environment = {}
        fresh = self.power and self.rng.random() < 0.15
        if fresh:  # all is committed: a state directory of its own
            shutil.rmtree(self.state, ignore_errors=True)
        if self.power and self.rng.random() < (0.5 if fresh else 0.1):  # killed while it opens that
            environment = {"S3FILES_SHIM_KILL_AT": str(self.rng.randrange(1, 30))}
        disk = self.disk() if self.power else None
        output = self.write_until_killed(delay, str(self.rng.getrandbits(32)), environment)
        steps = follow(output, self.expected, delay)
        violations = power.replay(disk, self.log) if self.power else []
        if self.rng.random() < (0.7 if environment else 0.3) and self.expected.under_way not in MOVING:
            violations += self.go_on(disk)
        if self.power:
            violations += self.lose_power(disk)
        try:
            return steps, violations + self.check()
        except OSError as error:
            return steps, violations + [f"it cannot be opened: {error}"]

    def go_on(self, disk):
        """Another process opens what the first has left to the kernel, and is killed, too."""
        delay = self.rng.choice(DELAYS)
        output = self.write_until_killed(delay, f"again-{self.rng.getrandbits(32)}", {})
        follow(output, self.expected, delay)
        return power.replay(disk, self.log) if self.power else []

    def write_until_killed(self, delay, what, environment):
        """How long it lives is what the round tries; what it has said is read when it is dead."""
        rng = self.rng
        life = rng.uniform(0.001, 0.9 if rng.random() < 0.1 else 0.25)
        process = self.start(delay, what, **environment)
        first = process.stdout.readline()
        if b"ready" not in first and not environment:
            self.expected.wrong.append(f"a writer did not begin: {first}")
        os.set_blocking(process.stdout.fileno(), False)
        output, end = b"", time.monotonic() + life
        while time.monotonic() < end:
            output += process.stdout.read() or b""
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        os.set_blocking(process.stdout.fileno(), True)
        output += process.stdout.read()
        process.wait()
        return output.decode()

    def disk(self):
        return power.Disk(self.state, self.planted)

    def lose_power(self, disk):
        violations = []
        disk.lose_power(self.rng)
        if self.rng.random() < 0.3:  # and again, while it is opened
            disk = self.disk()
            at = str(self.rng.randrange(1, 30))
            process = self.start("never", "open", S3FILES_SHIM_KILL_AT=at)
            process.communicate()
            violations += power.replay(disk, self.log)
            disk.lose_power(self.rng)
        return violations

    def check(self):
        return check(self.expected, lambda: self.open("never"), self.open_bucket, self.state)

    def open_bucket(self):
        return s3files.FileSystem(f"file://{self.bucket}")

    def begin_round(self, violated):
        """After violations, too, the next one begins with what there is."""
        if violated and self.broken():
            shutil.rmtree(self.state)
        with self.open_bucket() as fs:
            self.expected.begin_round(*read_all(fs, self.expected.names))

    def broken(self):
        try:
            self.open("never").close()
        except OSError:
            return True
        return False


def show(steps, violations):
    """The last steps that name a path which is complained of."""
    paths = {violation.split(":")[0] for violation in violations} & set(writer.NAMES)
    named = [step for step in steps if not paths or paths & {step.get("path"), step.get("to")}]
    for step in named[-40:]:
        print(f"  {step}")


def run_rounds(harness, arguments):
    rounds, steps, bad = 0, 0, 0
    try:
        while rounds < arguments.rounds and not (bad and arguments.keep):
            delay = harness.rng.choice(DELAYS)
            done, violations = harness.round(delay)
            for violation in violations:
                print(f"round {rounds}, commit_delay={delay}: {violation}", flush=True)
            if violations and not arguments.planted:
                show(harness.expected.steps, violations)
            rounds, steps, bad = rounds + 1, steps + done, bad + bool(violations)
            if arguments.planted and bad == 3:
                break
            if not (bad and arguments.keep):
                harness.begin_round(violations)
    except KeyboardInterrupt:  # enough
        pass
    print(f"crash: {rounds} rounds, {steps} operations acknowledged, "
          f"{bad} rounds with violations", flush=True)
    return bad


def arguments_of():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--keep", action="store_true",
                        help="stop at the first violation and keep the directory")
    parser.add_argument("--power", action="store_true")
    parser.add_argument("--planted", metavar="PART",
                        help="the disk lies, nothing (\"all\") or nothing with PART in its path is "
                             "synced: success is that violations are found")
    parser.add_argument("--points", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="of the points each K-th")
    parser.add_argument("--only", choices=["files", "twice", "store"])
    parser.add_argument("--shim", default=os.environ.get("S3FILES_CRASH_SHIM"))
    parser.add_argument("--server", default=os.environ.get("S3FILES_SERVER"))
    return parser.parse_args()


def main():
    arguments = arguments_of()
    # Where syncs cost nothing, as many rounds as can be; what was synced the shim knows.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = pathlib.Path(tempfile.mkdtemp(prefix="s3files-crash-", dir=memory)).resolve()
    bad = 0
    try:
        if arguments.points:
            bad = points.run(directory, arguments)
        else:
            print(f"crash: seed {arguments.seed}", flush=True)
            bad = run_rounds(Harness(directory, arguments), arguments)
    finally:
        if bad and arguments.keep:
            print(f"kept {directory}")
        else:
            shutil.rmtree(directory)
    return 1 if bool(bad) != bool(arguments.planted) else 0


if __name__ == "__main__":
    sys.exit(main())
