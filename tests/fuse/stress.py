#!/usr/bin/python3
"""What the field runs on a file system, run on a mount: fio with verify, stress-ng, dbench, and names
that are made, moved and removed at random (stress_names.py).

usage: stress.py [--seconds N] [--ratios] [--seed N] [--processes N] [--operations N] [-o OPTION]...
                 [NAME...]

Prints one line each: "ok", "deviation: why" where what failed is in EXPECTED, or "FAILED" with what
was said. In the end nothing may be lost: objects and tree are compared, and every byte after a
remount. Exits 1 if there is anything that EXPECTED does not explain. With NAMEs (as printed) only
those are run; --ratios also runs stressors and dbench on the local disk, and compares; -o is s3files-fuse's.
"names" takes a seed, which it prints.

S3FILES_FUSE and S3FILES_SERVER name the programs; `./dev stress` sets them.
"""
import argparse
import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import stress_names
from conftest import Mount, Server, objects_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = "tree"  # a directory that is there from the beginning to the end
LONGEST = 300  # seconds that any one program may take

FIO = "--ioengine=psync --bs=16k --size=32m --verify=crc32c --verify_fatal=1 --end_fsync=1"
# Each adds to, and overrides, what FIO says.
FIO_JOBS = {
    "sequential": "--rw=write --bs=128k --size=64m",
    "random": "--rw=randwrite --bs=4k --verify=sha256",
    "mixed-sizes": "--rw=randwrite --bsrange=512-64k --bs_unaligned --verify=md5 --fallocate=truncate",
    "read-and-write": "--rw=randrw --rwmixread=40",
    "backlog": "--rw=randwrite --verify_backlog=64",
    "many": "--rw=randwrite --bs=8k --numjobs=4 --nrfiles=8 --size=8m --openfiles=4",
    "reopened": "--rw=randwrite --nrfiles=64 --openfiles=1 --file_service_type=random --size=8m",
    "synced": "--rw=randwrite --fsync=64 --size=8m",
    "overwritten": "--rw=randwrite --loops=3 --size=16m",
    "mmap": "--rw=randwrite --ioengine=mmap --bs=4k --size=16m",
    "libaio": "--rw=randwrite --ioengine=libaio --iodepth=32",
    "libaio-direct": "--rw=randwrite --ioengine=libaio --iodepth=32 --direct=1",
    "io_uring": "--rw=randwrite --ioengine=io_uring --iodepth=32",
    "vectored": "--rw=write --ioengine=vsync --bs=4k --iodepth=16 --iodepth_batch=16",
}

STRESSORS = """access aio aiol chattr chdir chmod chown close copy-file dentry dir dirdeep dirmany
    dnotify dup fallocate fault fcntl fiemap file-ioctl filename flock fpunch fsize fstat getdent
    handle hdd inode-flags inotify io iomix lease link locka lockf lockofd madvise mknod
    msync msyncmany open readahead rename revio seek sendfile symlink sync-file touch utime verity
    xattr""".split()
OPTIONS = {  # sizes that a few seconds are enough for
    "hdd": ["--hdd-bytes", "16m"],
    "iomix": ["--iomix-bytes", "16m"],
    "readahead": ["--readahead-bytes", "16m"],
    "revio": ["--revio-bytes", "16m"],
    "fallocate": ["--fallocate-bytes", "1m"],
    "sync-file": ["--sync-file-bytes", "16m"],
    "chdir": ["--chdir-dirs", "256"],
}

NAMES = "names"  # the part in stress_names.py

NO_OPERATION = "it made no operation"
# Name -> (what all of its complaints match, why that is right).
EXPECTED = {
    "fiemap": (r"FS_IOC_FIEMAP not supported",
               "an object has no extents, as it has no holes (SEMANTICS.md, Deviations)"),
    "fsize": (r"fallocate unexpectedly succeeded|expected a SIGXFSZ|did not get expected SIGXFSZ",
              "without fallocate (SEMANTICS.md, Deviations) stress-ng writes in its place, and takes it "
              "for a success when its time is up"),
    "inode-flags": (NO_OPERATION, "stress-ng counts none on a local disk, either"),
    "link": (r"link calls not allowed|aborted early, out of system resources",
             "an object has one key, so a file has one name (SEMANTICS.md, Deviations)"),
    "verity": (r"verity is not supported",
               "an object has no hash tree beside it (SEMANTICS.md, Deviations)"),
}


class Ran:
    """One program's run: how it went, and what it complained of."""

    def __init__(self, command, directory):
        start = time.monotonic()
        try:
            done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.STDOUT, timeout=LONGEST, errors="replace")
            self.status, self.output = done.returncode, done.stdout
        except subprocess.TimeoutExpired as late:
            self.status, self.output = -1, f"did not end in {LONGEST} s\n{late.output or ''}"
        self.seconds = time.monotonic() - start


class Place:
    """A directory in which the suites are run."""

    def __init__(self, path, seconds):
        self.path, self.seconds = path, seconds

    def fio(self, name, *more):
        return Ran(["fio", f"--name={name}", f"--directory={self.path}", *FIO.split(),
                    *FIO_JOBS[name].split(), *more], self.path)

    def stressor(self, name):
        with tempfile.TemporaryDirectory() as report:  # a directory of ours for what is not a test's
            metrics = pathlib.Path(report, "metrics")
            ran = Ran(["stress-ng", f"--{name}", "2", *OPTIONS.get(name, []), "--verify",
                       "--metrics", "--timeout", f"{self.seconds}s", "--temp-path", str(self.path),
                       "--yaml", str(metrics)], report)
            rate = re.search(r"bogo-ops-per-second-real-time: ([\d.]+)",
                             metrics.read_text() if metrics.exists() else "")
        ran.rate = float(rate[1]) if rate else 0.0
        if not ran.rate and not complaints(ran.output):
            ran.output += f"stress-ng: warn:  [0] {NO_OPERATION}\n"
        return ran

    def dbench(self, clients):
        ran = Ran(["dbench", "-D", str(self.path), "-t", str(5 * self.seconds), str(clients)],
                  self.path)
        rate = re.search(r"^Throughput ([\d.]+) MB/sec", ran.output, re.MULTILINE)
        ran.rate = float(rate[1]) if rate else 0.0
        if not rate:
            ran.status = ran.status or 1
        return ran

    def digests(self):
        """Every file below, by what it holds."""
        return {str(path.relative_to(self.path)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.path.rglob("*") if path.is_file() and not path.is_symlink()}


def complaints(output):
    """What stress-ng or fio found wrong, or left out."""
    found = re.findall(r"^stress-ng: (?:fail|error|warn): +\[\d+\] (.*)$", output, re.MULTILINE)
    found += re.findall(r"^stress-ng: info: +\[\d+\] (.*(?:skip|not (?:supported|implemented)).*)$",
                        output, re.MULTILINE)
    found += re.findall(r"^(fio: .*|.*verify.* failed.*|.*: error=.*)$", output, re.MULTILINE)
    return list(dict.fromkeys(found))


class Report:
    def __init__(self):
        self.failed = 0

    def line(self, name, ran):
        found = complaints(ran.output)
        expected, why = EXPECTED.get(name, (None, None))
        if ran.status == 0 and not found:
            self.say(name, "ok", ran.seconds)
        elif expected and found and all(re.search(expected, what) for what in found):
            self.say(name, f"deviation: {why}", ran.seconds)
        else:
            self.fail(name, f"status {ran.status}", *(found or ran.output.splitlines()[-20:]))

    def say(self, name, outcome, seconds=None):
        time_taken = "" if seconds is None else f"{seconds:5.1f} s"
        print(f"{name:24} {time_taken:>8}  {outcome}", flush=True)

    def check(self, name, differences, seconds=None):
        differences = list(differences)
        if differences:
            self.fail(name, *differences[:20])
        else:
            self.say(name, "ok", seconds)

    def fail(self, name, *said):
        self.failed += 1
        self.say(name, "FAILED")
        for line in said:
            print(f"    {line}", flush=True)


def differences(expected, found):
    """A line for each name of which the two mappings say something else."""
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield f"{name}: {expected.get(name, 'none')}, but {found.get(name, 'none')}"


def run_all(mount, local, report, arguments):
    def wanted(name):
        return not arguments.names or name in arguments.names

    place = Place(mount.path, arguments.seconds)
    ratios = []

    def beside(name, ran, again):
        if arguments.ratios and ran.rate:
            ratios.append((name, ran.rate, again().rate))

    shutil.copytree(ROOT / "lib", mount.path / TREE, symlinks=True)
    jobs = [name for name in FIO_JOBS if wanted(f"fio {name}")]
    for name in jobs:
        report.line(f"fio {name}", place.fio(name))
    for name in STRESSORS:
        if wanted(name):
            ran = place.stressor(name)
            report.line(name, ran)
            beside(name, ran, lambda: local.stressor(name))
    for clients in (1, 4):
        if wanted(f"dbench {clients}"):
            ran = place.dbench(clients)
            report.line(f"dbench {clients}", ran)
            beside(f"dbench {clients}", ran, lambda: local.dbench(clients))

    entries, digests = objects_of(mount.path), place.digests()
    status = mount.stop()
    report.check("unmount", mount.stderr.splitlines() or [f"status {status}"] * (status != 0))
    report.check("objects are the tree", differences(entries, mount.listed_by_awscli()))
    mount.start(*arguments.options)
    report.check("tree after the remount", differences(entries, objects_of(mount.path)))
    report.check("bytes after the remount", differences(digests, place.digests()))
    for name in jobs:
        report.line(f"fio {name} again", place.fio(name, "--verify_only"))
    status = mount.stop()
    report.check("unmount again", mount.stderr.splitlines() or [f"status {status}"] * (status != 0))
    for name, here, there in ratios:
        print(f"{name:24} {here / there if there else 0:8.3f} of the local disk's rate")


def run_names(server, directory, report, arguments):
    """Where a close commits, and where commits come later."""
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    for delay in ("0s", "1s"):
        mount = Mount(server, directory / f"names-{delay}", f"names-{delay}")
        stress_names.run(mount, directory / f"local-{delay}", report, differences, seed,
                         arguments.processes, arguments.operations,
                         [*arguments.options, f"commit_delay={delay}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3, help="for each stressor (3)")
    parser.add_argument("--ratios", action="store_true", help="beside the local disk")
    parser.add_argument("--seed", type=int, help="of names (a new one)")
    parser.add_argument("--processes", type=int, default=4, help="of names (4)")
    parser.add_argument("--operations", type=int, default=2000, help="of each of them (2000)")
    parser.add_argument("-o", dest="options", action="append", default=[], metavar="OPTION",
                        help="of the mount")
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to run (all)")
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="s3files-stress-") as directory:
        directory = pathlib.Path(directory)
        directory.chmod(0o755)  # stressors become nobody here and there
        (directory / "local").mkdir()
        server = Server()
        mount = Mount(server, directory / "mnt", "stress")
        try:
            if arguments.names != [NAMES]:
                mount.start(*arguments.options)
                run_all(mount, Place(directory / "local", arguments.seconds), report, arguments)
            if not arguments.names or NAMES in arguments.names:
                run_names(server, directory, report, arguments)
        finally:
            if mount.process is not None:
                subprocess.run(["fusermount3", "-u", "-z", mount.path], check=False)
                mount.process.terminate()
                mount.process.wait()
            server.stop()
    print(f"{report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
