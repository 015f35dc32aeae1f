import itertools
import json
import os
import subprocess

import pytest

import s3files

_numbers = itertools.count()


class Cli:
    """Runs the command on one root."""

    def __init__(self, root, options):
        self.root = root
        self.options = options

    def command(self, *arguments, state=None, json_lines=False):
        command = [os.environ["S3FILES_CLI"]]
        for name, value in self.options.items():
            command += ["-o", f"{name}={value}"]
        if state is not None:
            command += ["--state-dir", str(state)]
        return command + ["--json"] * json_lines + list(arguments)

    def run(self, *arguments, code=0, stdin=b"", **how):
        done = subprocess.run(self.command(*arguments, **how), input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def __call__(self, *arguments, **how):
        return self.run(*arguments, **how).stdout

    def error(self, *arguments, code=1, **how):
        return self.run(*arguments, code=code, **how).stderr.decode()

    def json(self, *arguments, **how):
        return [json.loads(line) for line in self(*arguments, json_lines=True, **how).splitlines()]

    def url(self, path=b""):
        """`path` may be bytes."""
        return os.fsencode(self.root) + b"//" + os.fsencode(path)

    def open(self, **options):
        return s3files.FileSystem(self.root, **self.options, **options)


@pytest.fixture(scope="session")
def server():
    command = [os.environ["S3FILES_SERVER"], "--listen", "127.0.0.1:0", "--store", "memory",
               "--access-key", "K", "--secret-key", "S", "--bucket", "bucket"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@pytest.fixture
def s3(server):
    return Cli(f"s3://bucket/{next(_numbers)}",
               {"endpoint": server, "access_key": "K", "secret_key": "S"})


@pytest.fixture
def local(tmp_path):
    (tmp_path / "bucket").mkdir()
    return Cli(f"file://{tmp_path}/bucket", {"fsync": "off"})


@pytest.fixture(params=["s3", "local"])
def cli(request):
    return request.getfixturevalue(request.param)
