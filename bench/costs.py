#!/usr/bin/python3
"""What common changes cost in requests and bytes, on an s3files-server: every request is billed.

usage: costs.py [--bin DIR] [JOB...]

- rename: a directory of 10,000 files that was never listed, with commit_delay: here, and in the store.
- change: 4 KiB in 1 GiB, at several places, beside what s3f_diff announced.
- save: a file as editors do: in place; and a temporary file, fsync, renamed over the old one.
"""
import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import subprocess
import tempfile
import time

import s3files

SHOWN = ("get", "head", "list", "put", "copy", "delete", "create_upload", "upload_part", "copy_part",
         "complete_upload", "abort_upload", "other", "bytes_in", "bytes_out")


@contextlib.contextmanager
def server(program):
    command = [program, "--listen", "127.0.0.1:0", "--store", "memory", "--bucket", "bench",
               "--access-key", "K", "--secret-key", "S"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            endpoint = process.stdout.readline().split()[-1]
            yield dict(endpoint=endpoint, access_key="K", secret_key="S", provider="aws")
        finally:
            process.terminate()


class Meter:
    """What was sent, and how long it took, since the last time."""

    def __init__(self, fs):
        self.fs, self.before, self.start = fs, fs.stats(), time.perf_counter()

    def print(self, what):
        elapsed, now = time.perf_counter() - self.start, self.fs.stats()
        sent = ", ".join(f"{now[name] - self.before[name]:,} {name}" for name in SHOWN
                         if now[name] != self.before[name])
        print(f"{what:<42} {elapsed * 1e3:9.2f} ms  {sent or 'nothing sent'}")
        self.__init__(self.fs)


def write(fs, path, *chunks):
    with fs.open(path, "wb", buffering=0) as out:
        for chunk in chunks:
            out.write(chunk)


def rename(options):
    with s3files.FileSystem("s3://bench", **options) as fs:
        fs.mkdir("old")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda i: write(fs, f"old/{i}", b"x"), range(10_000)))
    with s3files.FileSystem("s3://bench", commit_delay="1h", **options) as fs:
        meter = Meter(fs)
        fs.rename("old", "new")
        meter.print("rename of 10,000 files, here")
        fs.commit()
        meter.print("the same, in the store")
        assert len(fs.listdir("new")) == 10_000 and not fs.exists("old")


def change(options):
    size = 1 << 30
    block = os.urandom(8 << 20)
    with s3files.FileSystem("s3://bench", **options) as fs:
        write(fs, "large", *[block] * (size // len(block)))
    for name, at in {"0": 0, "1 MiB": 1 << 20, "5 MiB - 1": (5 << 20) - 1, "EOF - 1": size - 1}.items():
        with s3files.FileSystem("s3://bench", commit_delay="1h", **options) as fs:
            meter = Meter(fs)
            with fs.open("large", "r+b", buffering=0) as file:
                file.seek(at)
                file.write(b"x" * 4096)
            announced = fs.diff("large")["bytes_out"]
            fs.commit()
            meter.print(f"4 KiB in 1 GiB at {name} ({announced:,} bytes announced)")


def save(options):
    with s3files.FileSystem("s3://bench", **options) as fs:
        write(fs, "document", b"old")
    with tempfile.TemporaryDirectory() as state:
        for delay, more in (("0s", {}), ("1h", {}), ("1h", {"state_dir": state})):
            with s3files.FileSystem("s3://bench", commit_delay=delay, **options, **more) as fs:
                fs.stat("document")
                meter = Meter(fs)
                with fs.open("temporary", "wb", buffering=0) as out:
                    out.write(b"new")
                    out.fsync()
                fs.rename("temporary", "document")
                fs.commit()
                meter.print(f"saved by rename, {delay}{', state_dir' if more else ''}")
    with s3files.FileSystem("s3://bench", **options) as fs:
        fs.stat("document")
        meter = Meter(fs)
        write(fs, "document", b"new")
        meter.print("saved in place")


JOBS = {"rename": rename, "change": change, "save": save}


def main():
    here = pathlib.Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=here / "build/release/bin")
    parser.add_argument("jobs", nargs="*", choices=[[], *JOBS], metavar="JOB", help=", ".join(JOBS))
    arguments = parser.parse_args()
    with server(arguments.bin / "s3files-server") as options:
        for job in arguments.jobs or JOBS:
            JOBS[job](options)


if __name__ == "__main__":
    main()
