#!/usr/bin/env python3
"""Processes on one bucket, each with its own file system, and a proof over what they saw.

They open, read, write, close, rename over and remove a few shared files while the server fails, cuts
and delays requests; with --kills they are killed and started again. What each did is logged with the
times of one clock; then checker.py looks for updates that were lost, opens that gave what had been
replaced, handles that showed two versions, and versions that are none. SEMANTICS.md: [C1] [C2] [C5]
[W1]-[W5] [W7] [D1]-[D4].

    history.py [--closes N] [--processes P] [--seed S] [--kills] [--minutes M] [--plant WHAT] [--provider NAME] [--keep]
    history.py --check DIR      the checker alone, over a history that was kept
"""
import argparse
import collections
import errno
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import plants
import s3files
from checker import check
from content import runs_of
from record import FINAL, Log, load_files
from report import render
from store import PATIENCE, Server, Trouble

HERE = pathlib.Path(__file__).parent
# c: each version names its base, so that all of them must be one chain; b: renamed over and removed,
# too; L: uploaded in parts.
PATHS = ["c0", "c1", "c2", "c3", "b0", "b1", "b2", "L0"]
COMMON = {"timeout": f"{PATIENCE}s", "multipart_threshold": "5M", "part_size": "5M", "memory": "32M"}
KINDS = [
    {"loose": True, "delayed": False, "state": False, "options": {"commit_delay": "0s"}},
    {"loose": False, "delayed": True, "state": False, "options": {"commit_delay": "40ms"}},
    {"loose": False, "delayed": False, "state": True, "options": {"commit_delay": "0s"}},
    {"loose": False, "delayed": True, "state": True, "options": {"commit_delay": "30ms"}},
]
MOST_SHOWN = 10
STOP = "stop"  # in the directory: the workers leave


class Process:
    """One worker through its incarnations."""

    def __init__(self, number, directory, server, provider, rng):
        kind = KINDS[number % len(KINDS)]
        self.name = f"p{number}"
        self.log = directory / f"{self.name}.log"
        self.rng = rng
        self.closes, self.seen = 0, 0
        self.incarnation = -1
        options = {**server.options, **COMMON, **kind["options"], "provider": provider}
        if kind["state"]:
            options["state_dir"] = str(directory / f"{self.name}.state")
        self.plan = {**kind, "name": self.name, "log": str(self.log), "url": server.url,
                     "options": options, "paths": PATHS, "stop": str(directory / STOP)}

    def start(self):
        self.incarnation += 1
        plan = {**self.plan, "incarnation": self.incarnation, "seed": self.rng.getrandbits(32)}
        self.popen = subprocess.Popen([sys.executable, str(HERE / "worker.py"), json.dumps(plan)])

    def count(self):
        """The closes of changed files in the log so far."""
        if self.log.exists():
            with open(self.log, "rb") as log:
                log.seek(self.seen)
                new = log.read()
            new = new[:new.rfind(b"\n") + 1]
            self.seen += len(new)
            for line in new.splitlines():
                self.closes += (b'"how":"close"' in line and b'"id":null' not in line
                                or b'"how":"rename"' in line)
        return self.closes

    def kill(self):
        self.popen.kill()
        self.popen.wait()
        self.start()

    def ended(self):
        status = self.popen.poll()
        if status:
            raise RuntimeError(f"{self.name} ended with status {status}")
        return status == 0

    def finish(self):
        """Once more, without faults: what its state directory kept is committed or in lost+found."""
        self.start()
        self.popen.wait()
        self.ended()


def work(processes, arguments, planter, stop, rng):
    """Until together they have done what is asked for; gives how many were killed."""
    killed, running = 0, list(processes)
    for process in processes:
        process.start()
    next_kill = time.monotonic() + 0.5
    deadline = time.monotonic() + arguments.minutes * 60
    while running:
        time.sleep(0.05)
        done = sum(process.count() for process in processes) >= arguments.closes
        if (done and not (planter and planter.is_alive())) or time.monotonic() > deadline:
            stop.touch()
        running = [process for process in running if not process.ended()]
        if arguments.kills and running and time.monotonic() > next_kill:
            rng.choice(running).kill()
            killed += 1
            next_kill = time.monotonic() + rng.uniform(0.1, 0.8)
    return killed


def read_final(server, file):
    log = Log(file, FINAL, 0)
    with s3files.FileSystem(server.url, **server.options) as fs:
        for path in PATHS:
            at, err, runs = time.monotonic_ns(), 0, []
            try:
                with fs.open(path, "rb", buffering=0) as opened:
                    runs = runs_of(path, opened.readall())
            except FileNotFoundError:
                err = errno.ENOENT
            log.whole("open", at, err, h=1, path=path, mode="rb", staged=False)
            if err == 0:
                log.whole("read", at, 0, h=log.number, path=path, runs=runs, staged=False, first=True)


def run(arguments, directory):
    rng = random.Random(arguments.seed)
    server = Server(os.environ["S3FILES_SERVER"], str(directory / "server.txt"))
    processes = [Process(i, directory, server, arguments.provider,
                         random.Random(rng.getrandbits(32)))
                 for i in range(arguments.processes)]
    trouble, planter = Trouble(server, PATHS, rng.getrandbits(32)), None
    planted = plants.PATH
    if arguments.plant in ("lost-update", "mixed"):
        planter = plants.Planter(arguments.plant, server, str(directory / "planter.log"))
    helpers = [helper for helper in (planter, trouble) if helper]
    try:
        for helper in helpers:
            helper.start()
        killed = work(processes, arguments, planter, directory / STOP, rng)
        for helper in helpers:
            helper.stop()
        for process in processes:
            process.finish()
        time.sleep(1)  # requests that the server has delayed
        read_final(server, str(directory / "final.log"))
        faults = server.fault_counts()
    finally:
        for process in processes:
            if process.incarnation >= 0 and process.popen.poll() is None:
                process.popen.kill()
        server.stop()
    if arguments.plant == "stale-open":
        planted = plants.make_stale(directory)
    return killed, faults, planted


def figures(records):
    count = collections.Counter()
    for r in records:
        if r["op"] == "commit" and (r["id"] or r["how"] == "rename"):
            if r["how"] in ("close", "rename"):
                count["closes"] += 1
            count["acknowledged"] += r["err"] == 0 and r["acks"]
            count["conflicts"] += r["err"] in (errno.ESTALE, errno.EEXIST)
            count["failures"] += r["err"] not in (0, None, errno.ESTALE, errno.EEXIST)
            count["cut by a kill"] += r["err"] is None
        elif r["op"] in ("open", "read", "remove", "sync"):
            count[r["op"] + "s"] += r["err"] == 0
    return ", ".join(f"{value} {name}" for name, value in count.items())


def conclude(directory):
    started = time.monotonic()
    records = load_files(sorted(directory.glob("*.log")))
    result = check(records)
    violations = result.violations
    print(f"history: {figures(records)}")
    print(f"history: {result.acknowledged} versions acknowledged, each in its place; "
          f"{len(result.overtaken)} told as conflicts after they had taken effect, "
          f"{len(result.reborn)} absences before a file was made again ([W2])")
    for violation in violations[:MOST_SHOWN]:
        print(render(violation, records))
    kinds = collections.Counter(violation.kind for violation in violations)
    print(f"history: {len(violations)} violations {dict(kinds) or ''} "
          f"(checked in {time.monotonic() - started:.1f} s)", flush=True)
    return records, violations


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--closes", type=int, default=10_000, help="of all processes together")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--kills", action="store_true")
    parser.add_argument("--minutes", type=float, default=60, help="at the longest")
    parser.add_argument("--plant", choices=plants.KINDS, help="fails unless it is found")
    parser.add_argument("--provider", default="aws", help="what the library takes the store for; "
                        "with others than aws some updates may be lost, [W8]")
    parser.add_argument("--keep", action="store_true", help="the history")
    parser.add_argument("--check", metavar="DIR")
    arguments = parser.parse_args()
    if arguments.check:
        return 1 if conclude(pathlib.Path(arguments.check))[1] else 0
    print(f"history: seed {arguments.seed}", flush=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="s3files-history-"))
    started = time.monotonic()
    killed, (requests, faults), planted = run(arguments, directory)
    print(f"history: {time.monotonic() - started:.0f} s, {killed} kills, {requests} requests, "
          f"{sum(faults.values())} faults: {dict(faults)}", flush=True)
    records, violations = conclude(directory)
    bad = bool(violations)
    if arguments.plant:
        missed = plants.verdict(arguments.plant, planted, records)
        print(f"history: {missed or 'found what was planted, and nothing else'}")
        bad = missed is not None
    if bad or arguments.keep:
        print(f"kept {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
