import itertools
import os
import subprocess

import pytest

import s3files

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server():
    """The endpoint of an s3files-server with a bucket "bucket"."""
    program = os.environ.get("S3FILES_SERVER")
    if not program:
        pytest.skip("S3FILES_SERVER does not name the test server")
    command = [program, "--listen", "127.0.0.1:0", "--store", "memory",
               "--access-key", "K", "--secret-key", "S", "--bucket", "bucket"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            greeting = process.stdout.readline()
            assert greeting.startswith("listening on "), greeting
            yield greeting.split()[-1]
        finally:
            process.terminate()


@pytest.fixture(params=["memory", "s3"])
def store(request):
    """A URL and options that open the same, empty place each time."""
    name = f"{os.getpid()}-{next(_numbers)}"
    if request.param == "memory":
        return f"memory://{name}", {}
    return f"s3://bucket/{name}", {
        "endpoint": request.getfixturevalue("server"), "access_key": "K", "secret_key": "S"}


@pytest.fixture
def fs(store):
    url, options = store
    with s3files.FileSystem(url, **options) as file_system:
        yield file_system


@pytest.fixture
def other(store):
    """A second file system on the place that `fs` shows."""
    url, options = store
    with s3files.FileSystem(url, **options) as file_system:
        yield file_system
