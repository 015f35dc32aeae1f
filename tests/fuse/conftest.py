import contextlib
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import boto3
import botocore.config
import pytest

_numbers = itertools.count()
_LONG = 60  # seconds; nothing here takes nearly as long


def pytest_collection_modifyitems(items):
    why = _why_not()
    if why:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=why))


def _why_not():
    """Why nothing can be mounted here; None where it can."""
    for variable in ("S3FILES_FUSE", "S3FILES_SERVER"):
        if not os.environ.get(variable):
            return f"{variable} does not name a program"
    if not os.path.exists("/dev/fuse"):
        return "/dev/fuse is missing: this kernel or container has no FUSE"
    if not shutil.which("fusermount3"):
        return "fusermount3 is missing (package fuse3)"
    with tempfile.TemporaryDirectory() as directory:
        store, mount_point = pathlib.Path(directory, "store"), pathlib.Path(directory, "mnt")
        store.mkdir(), mount_point.mkdir()
        tried = subprocess.run([os.environ["S3FILES_FUSE"], f"file://{store}", mount_point],
                               capture_output=True, text=True, timeout=_LONG)
        if tried.returncode != 0:
            return f"mounting is not permitted here: {tried.stderr.strip()}"
        subprocess.run(["fusermount3", "-u", mount_point], check=True)
    return None


class Server:
    def __init__(self):
        command = [os.environ["S3FILES_SERVER"], "--listen", "127.0.0.1:0", "--store", "memory",
                   "--access-key", "K", "--secret-key", "S", "--bucket", "bucket"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().split()[-1]
        self.client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1",
            aws_access_key_id="K", aws_secret_access_key="S",
            config=botocore.config.Config(s3={"addressing_style": "path"}))

    def stop(self):
        self.process.terminate()
        self.process.wait(_LONG)
        self.process.stdout.close()


def objects_of(directory):
    """The keys and sizes of the objects that a tree of files, directories and symlinks is."""
    found = subprocess.run(["find", directory, "-mindepth", "1", "-printf", r"%y %s %P\0"],
                           check=True, capture_output=True, text=True).stdout
    entries = (entry.split(" ", 2) for entry in found.split("\0") if entry)
    return dict((name + "/", 0) if kind == "d" else (name, int(size))
                for kind, size, name in entries)


@pytest.fixture(scope="session")
def server():
    running = Server()
    yield running
    running.stop()


class Mount:
    """A prefix of the server's bucket, mounted at `path`."""

    def __init__(self, server, path, prefix):
        self.server, self.path, self.prefix = server, path, prefix
        self.process = self.stderr = None
        self.log = path.with_name(path.name + ".log")
        path.mkdir()

    def start(self, *options):
        options = ["provider=aws", f"endpoint={self.server.endpoint}", "access_key=K",
                   "secret_key=S", *options]
        command = [os.environ["S3FILES_FUSE"], f"s3://bucket/{self.prefix}", str(self.path), "-f",
                   *(word for option in options for word in ("-o", option))]
        with open(self.log, "wb") as log:  # a pipe that nobody reads would block it in the end
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        said = self.process.stdout.readline()
        assert said == "mounted\n", self.log.read_text()

    def stop(self, by_signal=False):
        """Unmounts, and returns how the program ended; what it said is in `stderr`."""
        if by_signal:
            self.process.terminate()
        else:
            subprocess.run(["fusermount3", "-u", self.path], check=True)
        self.process.communicate(timeout=_LONG)
        self.stderr = self.log.read_text()
        status, self.process = self.process.returncode, None
        return status

    def remount(self, *options):
        assert self.stop() == 0, self.stderr
        self.start(*options)

    def run(self, *command, **options):
        """Runs the command in the mount; its output."""
        done = subprocess.run(command, cwd=self.path, capture_output=True, text=True, timeout=_LONG,
                              **options)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def keys(self):
        """Every object under the prefix, and its size."""
        pages = self.server.client.get_paginator("list_objects_v2").paginate(
            Bucket="bucket", Prefix=self.prefix + "/")
        return {entry["Key"][len(self.prefix) + 1:]: entry["Size"]
                for page in pages for entry in page.get("Contents", [])}

    def listed_by_awscli(self):
        """What keys() says, as told by another client."""
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S",
                       "AWS_DEFAULT_REGION": "us-east-1"}
        url = f"s3://bucket/{self.prefix}/"
        listed = subprocess.run(
            ["aws", "--endpoint-url", self.server.endpoint, "s3", "ls", "--recursive", url],
            env=environment, check=True, capture_output=True, text=True, timeout=_LONG).stdout
        lines = (re.fullmatch(r"\S+ \S+ +(\d+) (.*)", line) for line in listed.splitlines())
        return {line[2].removeprefix(self.prefix + "/"): int(line[1]) for line in lines}

    def put(self, name, body):
        """What another host does."""
        self.server.client.put_object(Bucket="bucket", Key=f"{self.prefix}/{name}", Body=body)

    def get(self, name):
        return self.server.client.get_object(
            Bucket="bucket", Key=f"{self.prefix}/{name}")["Body"].read()


@pytest.fixture
def unmounted(server, tmp_path):
    mount = Mount(server, tmp_path / "mnt", f"{os.getpid()}-{next(_numbers)}")
    yield mount
    if mount.process is not None:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["fusermount3", "-u", "-z", mount.path], check=True)
        mount.process.terminate()
        mount.process.communicate(timeout=_LONG)


@pytest.fixture
def mount(unmounted):
    unmounted.start()
    return unmounted
