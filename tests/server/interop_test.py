"""Debian's S3 clients, unmodified, against s3files-server.

Run as: S3FILES_SERVER=path/to/s3files-server /usr/bin/python3 -m pytest interop_test.py
"""

import filecmp
import os
import shutil
import subprocess
import time
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ACCESS_KEY = "interop-key"
SECRET_KEY = "interop/secret+key"
BUCKET = "interop"
MIB = 1 << 20


def clean_environment():
    """The environment without proxies, and with credentials for any SDK."""
    drop = ("AWS_", "RCLONE_")
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(drop) and not name.lower().endswith("_proxy")
    }
    env.update(
        AWS_ACCESS_KEY_ID=ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY=SECRET_KEY,
        AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE="/nonexistent",
        AWS_SHARED_CREDENTIALS_FILE="/nonexistent",
    )
    return env


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    command = [
        os.environ["S3FILES_SERVER"], "--listen", "127.0.0.1:0", "--store", str(store),
        "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY, "--bucket", BUCKET,
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        yield line.split()[-1]
    finally:
        server.terminate()
        assert server.wait(timeout=5) == 0


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    env = clean_environment()
    for name in list(os.environ):
        if name not in env:
            monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3(endpoint):
    # boto3 presigns with version 2, which AWS retires, until told otherwise.
    return boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY, region_name="us-east-1",
        config=Config(signature_version="s3v4", retries={"max_attempts": 0}),
    )


@pytest.fixture
def tree(tmp_path):
    """A small directory with awkward names."""
    root = tmp_path / "tree"
    (root / "sub dir" / "ünï").mkdir(parents=True)
    (root / "empty").write_bytes(b"")
    (root / "plus+percent%20").write_bytes(b"awkward")
    (root / "sub dir" / "ünï" / "file").write_bytes(os.urandom(100_000))
    return root


def same_tree(left, right):
    comparison = filecmp.dircmp(left, right)
    if comparison.left_only or comparison.right_only or comparison.funny_files:
        return False
    same, different, errors = filecmp.cmpfiles(
        left, right, comparison.common_files, shallow=False)
    if different or errors:
        return False
    return all(same_tree(left / d, right / d) for d in comparison.common_dirs)


def run(*command, **kwargs):
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, **kwargs)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


def test_boto3_objects(s3):
    key = "a b+c%/é//./../x"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"hello", Metadata={"m": "v"}, Tagging="t=1")
    got = s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=1-2")
    assert (got["Body"].read(), got["Metadata"], got["TagCount"]) == (b"el", {"m": "v"}, 1)
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == 5
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": key})
    s3.put_object_tagging(Bucket=BUCKET, Key="copy", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_object_tagging(Bucket=BUCKET, Key="copy")["TagSet"] == [{"Key": "a", "Value": "b"}]
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=BUCKET, Key="missing")
    deleted = s3.delete_objects(
        Bucket=BUCKET, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert [entry["Key"] for entry in deleted["Deleted"]] == [key, "copy"]


def test_boto3_checksum(s3):
    # A header over http; a trailer, which server_s3_test sends, only over https.
    s3.put_object(Bucket=BUCKET, Key="sum", Body=b"hello", ChecksumAlgorithm="SHA256")
    assert s3.get_object(Bucket=BUCKET, Key="sum")["Body"].read() == b"hello"
    s3.delete_object(Bucket=BUCKET, Key="sum")


def test_boto3_multipart_and_copy(s3, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom(17 * MIB))
    s3.upload_file(str(big), BUCKET, "big")
    assert s3.head_object(Bucket=BUCKET, Key="big")["ETag"].endswith('-3"')
    s3.copy({"Bucket": BUCKET, "Key": "big"}, BUCKET, "big2")
    s3.download_file(BUCKET, "big2", str(tmp_path / "back"))
    assert filecmp.cmp(big, tmp_path / "back", shallow=False)
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "big"}, {"Key": "big2"}]})


def test_boto3_listing(s3):
    keys = [f"list/{n:03}/{m}" for n in range(12) for m in "ab"]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation).paginate(
            Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 5})
        assert [entry["Key"] for page in pages for entry in page["Contents"]] == keys
        pages = s3.get_paginator(operation).paginate(
            Bucket=BUCKET, Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 5})
        prefixes = [entry["Prefix"] for page in pages for entry in page["CommonPrefixes"]]
        assert prefixes == [f"list/{n:03}/" for n in range(12)]
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})


def test_boto3_presigned(s3):
    url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "a +b"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(urllib.request.Request(url, data=b"signed", method="PUT",
                                       headers={"Content-Type": ""}))
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "a +b"})
    assert opener.open(url).read() == b"signed"
    s3.delete_object(Bucket=BUCKET, Key="a +b")


def test_boto3_versions(s3):
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(
        Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="versioned", Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket="versioned", Key="k", Body=b"2")
    assert s3.delete_object(Bucket="versioned", Key="k")["DeleteMarker"]
    got = s3.get_object(Bucket="versioned", Key="k", VersionId=first)
    assert got["Body"].read() == b"1"
    listed = s3.list_object_versions(Bucket="versioned")
    assert (len(listed["Versions"]), len(listed["DeleteMarkers"])) == (2, 1)
    for entry in listed["Versions"] + listed["DeleteMarkers"]:
        s3.delete_object(Bucket="versioned", Key="k", VersionId=entry["VersionId"])
    s3.delete_bucket(Bucket="versioned")


def test_awscli(endpoint, tree, tmp_path):
    def aws(*arguments):
        return run("/usr/bin/aws", "--endpoint-url", endpoint, *arguments)

    aws("s3", "sync", str(tree), f"s3://{BUCKET}/cli/")
    aws("s3", "cp", "--recursive", f"s3://{BUCKET}/cli/", f"s3://{BUCKET}/cli2/")
    aws("s3", "sync", f"s3://{BUCKET}/cli2/", str(tmp_path / "back"))
    assert same_tree(tree, tmp_path / "back")
    url = aws("s3", "presign", f"s3://{BUCKET}/cli/plus+percent%20").strip()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert opener.open(url).read() == b"awkward"
    aws("s3", "rm", "--recursive", f"s3://{BUCKET}/")


def test_rclone(endpoint, tree, tmp_path):
    (tree / "big").write_bytes(os.urandom(11 * MIB))
    options = [
        "--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", endpoint,
        "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--config", "/dev/null",
    ]

    def rclone(*arguments):
        return run("rclone", *arguments, *options)

    rclone("sync", str(tree), f":s3:{BUCKET}/rclone")
    rclone("check", "--download", str(tree), f":s3:{BUCKET}/rclone")
    rclone("copy", f":s3:{BUCKET}/rclone", f":s3:{BUCKET}/rclone2")
    rclone("sync", f":s3:{BUCKET}/rclone2", str(tmp_path / "back"))
    assert same_tree(tree, tmp_path / "back")
    assert "plus+percent%20" in rclone("lsf", f":s3:{BUCKET}/rclone")
    rclone("delete", f":s3:{BUCKET}/rclone")
    rclone("delete", f":s3:{BUCKET}/rclone2")


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="s3fs needs /dev/fuse")
@pytest.mark.skipif(os.geteuid() != 0, reason="s3fs is mounted as root here")
def test_s3fs(endpoint, tree, tmp_path):
    mount = tmp_path / "mount"
    mount.mkdir()
    passwd = tmp_path / "passwd"
    passwd.write_text(f"{ACCESS_KEY}:{SECRET_KEY}")
    passwd.chmod(0o600)
    s3fs = subprocess.Popen(
        ["s3fs", BUCKET, str(mount), "-f", "-o",
         f"url={endpoint},use_path_request_style,passwd_file={passwd},endpoint=us-east-1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.time() + 10
        while not os.path.ismount(mount):
            if s3fs.poll() is not None and "fuse" in (message := s3fs.stderr.read()):
                pytest.skip(f"cannot mount: {message}")
            assert s3fs.poll() is None and time.time() < deadline
            time.sleep(0.02)
        shutil.copytree(tree, mount / "tree")
        assert same_tree(tree, mount / "tree")
        with open(mount / "tree" / "plus+percent%20", "ab") as file:
            file.write(b" name")
        assert (mount / "tree" / "plus+percent%20").read_bytes() == b"awkward name"
        (mount / "tree" / "empty").rename(mount / "tree" / "renamed")
        assert sorted(os.listdir(mount / "tree")) == ["plus+percent%20", "renamed", "sub dir"]
        shutil.rmtree(mount / "tree")
    finally:
        subprocess.run(["umount", str(mount)], check=False)
        s3fs.wait(timeout=10)
