"""Objects written through the library are anybody's objects, and anybody's are files.

Run as: S3FILES_SERVER=path/to/s3files-server S3FILES_LIBRARY=path/to/libs3files.so
        PYTHONPATH=bindings/python /usr/bin/python3 -m pytest interop_test.py
"""

import os
import subprocess

import boto3
import pytest
from botocore.config import Config

import s3files

KEY, SECRET, BUCKET = "interop", "interop-secret", "interop"
MIB = 1 << 20

NAMES = [
    "plain.txt",
    "with space",
    "per%cent %20 100%",
    "a+b=c&d?e#f",
    "ünïcødé 漢字 😀",
    "quote'\"<>`$(x)\\;!*,@:[]{}|^~",
    "deep/er/and deeper/äö+",
]


@pytest.fixture(scope="module")
def endpoint():
    command = [
        os.environ["S3FILES_SERVER"], "--listen", "127.0.0.1:0", "--store", "memory",
        "--access-key", KEY, "--secret-key", SECRET, "--bucket", BUCKET,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture
def fs(endpoint):
    with s3files.FileSystem(f"s3://{BUCKET}/tree", endpoint=endpoint, provider="aws") as opened:
        yield opened


@pytest.fixture
def s3(endpoint):
    return boto3.client("s3", endpoint_url=endpoint,
                        config=Config(retries={"max_attempts": 0}, proxies={}))


def aws(endpoint, *words):
    result = subprocess.run(["aws", "--endpoint-url", endpoint, *words],
                            capture_output=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def write(fs, path, data):
    directory = ""
    for part in path.split("/")[:-1]:
        directory = f"{directory}{part}/"
        if not fs.exists(directory):
            fs.mkdir(directory)
    with fs.open(path, "wb") as out:
        out.write(data)


def read(fs, path):
    with fs.open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("name", NAMES)
def test_boto3_reads_what_the_library_wrote(fs, s3, name):
    data = name.encode() * 1000
    write(fs, name, data)
    got = s3.get_object(Bucket=BUCKET, Key=f"tree/{name}")
    assert got["Body"].read() == data
    metadata = got["Metadata"]
    assert metadata["file-permissions"] == "0100644"
    assert metadata["file-owner"] == metadata["file-group"] == "0"
    assert metadata["file-mtime"] == f"{fs.stat(name).st_mtime_ns}ns"
    assert got["ETag"].strip('"') == fs.stat(name).etag


@pytest.mark.parametrize("name", NAMES)
def test_the_library_reads_what_boto3_wrote(fs, s3, name):
    data = name.encode() * 1000
    s3.put_object(Bucket=BUCKET, Key=f"tree/theirs/{name}", Body=data, Metadata={
        "file-permissions": "0100600", "file-owner": "1000", "file-group": "100",
        "file-mtime": "1700000000123456789ns"})
    assert read(fs, f"theirs/{name}") == data
    stat = fs.stat(f"theirs/{name}")
    assert (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid) == (0o600, 1000, 100)
    assert stat.st_mtime_ns == 1700000000123456789
    above, _, last = f"theirs/{name}".rpartition("/")
    assert last in fs.listdir(above)


def test_awscli_copies_both_ways(fs, endpoint, tmp_path):
    large = os.urandom(20 * MIB + 1)  # in parts, from either side
    write(fs, "ours large+", large)
    aws(endpoint, "s3", "cp", f"s3://{BUCKET}/tree/ours large+", str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == large
    aws(endpoint, "s3", "cp", str(tmp_path / "got"), f"s3://{BUCKET}/tree/theirs large %")
    assert read(fs, "theirs large %") == large
    assert fs.stat("theirs large %").st_size == len(large)


def test_awscli_syncs_a_tree(fs, endpoint, tmp_path):
    for name in NAMES:
        write(fs, f"sync/{name}", name.encode())
    aws(endpoint, "s3", "sync", f"s3://{BUCKET}/tree/sync", str(tmp_path))
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == name.encode()


@pytest.mark.parametrize("size", [100, 20 * MIB])
def test_a_rewrite_keeps_what_others_said_of_the_object(fs, s3, size):
    path = f"kept-{size}"
    s3.put_object(
        Bucket=BUCKET, Key=f"tree/{path}", Body=b"<p>old</p>", ContentType="text/html",
        ContentLanguage="de", ContentDisposition="inline", CacheControl="no-cache",
        Metadata={"colour": "blue"})
    with fs.open(path, "r+b") as file:
        file.write(b"x" * size)
    got = s3.get_object(Bucket=BUCKET, Key=f"tree/{path}")
    assert got["Body"].read() == b"x" * size
    assert got["ContentType"] == "text/html"
    assert got["ContentLanguage"] == "de"
    assert got["ContentDisposition"] == "inline"
    assert got["CacheControl"] == "no-cache"
    assert got["Metadata"]["colour"] == "blue"


def test_a_rename_keeps_it_too(fs, s3):
    s3.put_object(Bucket=BUCKET, Key="tree/old name", Body=b"x", ContentType="image/png",
                  Metadata={"colour": "blue"})
    fs.rename("old name", "new+näme")
    got = s3.head_object(Bucket=BUCKET, Key="tree/new+näme")
    assert (got["ContentType"], got["Metadata"]["colour"]) == ("image/png", "blue")


def test_a_change_by_boto3_is_seen_by_the_next_open(fs, s3):
    write(fs, "shared", b"ours")
    s3.put_object(Bucket=BUCKET, Key="tree/shared", Body=b"theirs, longer")
    assert read(fs, "shared") == b"theirs, longer"
    s3.delete_object(Bucket=BUCKET, Key="tree/shared")
    with pytest.raises(FileNotFoundError):
        fs.open("shared", "rb")
