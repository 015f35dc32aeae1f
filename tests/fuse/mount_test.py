"""Programs that know nothing of buckets, on a mount of one."""
import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import Mount, Server, objects_of

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tree_of(directory):
    """Every file and symlink under the directory: what it holds, its mode and its mtime."""
    tree = {}
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            tree[str(path.relative_to(directory))] = os.readlink(path)
        elif path.is_file():
            status = path.stat()
            tree[str(path.relative_to(directory))] = (
                path.read_bytes(), status.st_mode, status.st_mtime_ns)
    return tree


@pytest.fixture
def sources(tmp_path):
    """A tree as projects have them: a few hundred files, directories, modes, times, a symlink."""
    directory = tmp_path / "sources"
    shutil.copytree(ROOT / "include", directory / "include")
    shutil.copytree(ROOT / "examples", directory / "examples")
    (directory / "empty").mkdir()
    (directory / "empty.txt").write_bytes(b"")
    (directory / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (directory / "run.sh").chmod(0o755)
    (directory / "header.h").symlink_to("include/s3files/s3files.h")
    os.utime(directory / "empty.txt", ns=(10**18 + 1, 10**18 + 2))
    return directory


def test_git_clone(mount):
    if not (ROOT / ".git").exists():
        pytest.skip("the sources are not a git repository")
    trust = {**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
             "GIT_CONFIG_VALUE_0": "*", "HOME": str(mount.path)}
    mount.run("git", "clone", "--quiet", str(ROOT), "clone", env=trust)
    assert mount.run("git", "-C", "clone", "status", "--porcelain", env=trust) == ""
    mount.run("git", "-C", "clone", "fsck", "--strict", env=trust)

    def remount():
        expected = objects_of(mount.path)
        mount.remount()
        assert mount.listed_by_awscli() == expected
    remount()
    assert mount.run("git", "-C", "clone", "status", "--porcelain", env=trust) == ""
    mount.run("git", "-C", "clone", "gc", "--quiet", env=trust)
    mount.run("git", "-C", "clone", "fsck", "--strict", env=trust)
    remount()


def test_make(mount):
    (mount.path / "main.c").write_text(
        '#include "part.h"\n#include <stdio.h>\nint main(void) { return puts(part()) < 0; }\n')
    (mount.path / "part.c").write_text(
        '#include "part.h"\nconst char* part(void) { return "made"; }\n')
    (mount.path / "part.h").write_text("const char* part(void);\n")
    (mount.path / "Makefile").write_text(
        "CFLAGS = -g\nmain: main.o libpart.a\nlibpart.a: part.o\n\tar rcs $@ $^\n"
        "main.o part.o: part.h\n")
    mount.run("make", "-j2")
    assert mount.run("./main") == "made\n"
    assert "up to date" in mount.run("make")
    (mount.path / "part.c").write_text(
        '#include "part.h"\nconst char* part(void) { return "made again"; }\n')
    mount.run("make")
    assert mount.run("./main") == "made again\n"


def test_tar(mount, sources, tmp_path):
    archive = tmp_path / "sources.tar"
    subprocess.run(["tar", "-C", sources, "--format=pax", "-cf", archive, "."], check=True)
    mount.run("tar", "-xpf", str(archive))
    assert tree_of(mount.path) == tree_of(sources)
    mount.remount()
    assert tree_of(mount.path) == tree_of(sources)
    mount.run("tar", "--format=pax", "-cf", str(tmp_path / "again.tar"), ".")
    again = tmp_path / "again"
    again.mkdir()
    subprocess.run(["tar", "-C", again, "-xpf", tmp_path / "again.tar"], check=True)
    assert tree_of(again) == tree_of(sources)


def test_rsync(mount, sources):
    command = ["rsync", "-a", "--itemize-changes", f"{sources}/", "copy/"]
    assert mount.run(*command) != ""
    assert tree_of(mount.path / "copy") == tree_of(sources)
    assert mount.run(*command) == ""
    mount.remount()
    assert mount.run(*command) == ""


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_sqlite(mount, journal):
    def sql(text):
        return mount.run("sqlite3", "data.db", text).splitlines()

    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)"
    assert sql(f"pragma journal_mode={journal}; create table t(i integer primary key, text);") == [
        journal]
    sql(f"{numbers} insert into t select i, hex(randomblob(20)) from n")
    sql("begin; delete from t where i % 2; rollback; delete from t where i > 10000;")
    assert sql("select count(*), sum(i) from t; pragma integrity_check") == ["10000|50005000", "ok"]
    mount.remount()
    assert sql("select count(*), sum(i) from t; pragma integrity_check") == ["10000|50005000", "ok"]


@pytest.mark.parametrize("pattern", ["write", "randwrite"])
def test_fio_verifies(mount, pattern):
    mount.run("fio", "--name=verify", "--filename=file", f"--rw={pattern}", "--bs=64k",
              "--size=64m", "--ioengine=psync", "--verify=crc32c", "--do_verify=1",
              "--verify_fatal=1", "--end_fsync=1")
    assert mount.keys()["file"] == 64 << 20
    mount.remount()
    mount.run("fio", "--name=verify", "--filename=file", f"--rw={pattern}", "--bs=64k",
              "--size=64m", "--ioengine=psync", "--verify=crc32c", "--verify_only",
              "--verify_fatal=1")


@pytest.mark.parametrize("by_signal", [False, True])
def test_unmounting_commits(mount, by_signal):
    (mount.path / "a").mkdir()
    (mount.path / "a/file").write_bytes(b"bytes")
    (mount.path / "empty").write_bytes(b"")
    kept = open(mount.path / "open", "wb", buffering=0) if by_signal else None
    if kept:
        kept.write(b"not closed")
    assert mount.stop(by_signal) == 0, mount.stderr
    expected = {"a/": 0, "a/file": 5, "empty": 0}
    if kept:
        expected["open"] = 10
        with pytest.raises(OSError):
            kept.close()
    assert mount.keys() == expected


def test_what_cannot_be_committed_is_told(tmp_path):
    server = Server()
    mount = Mount(server, tmp_path / "mnt", "told")
    mount.start("commit_delay=1h", "timeout=1s")
    (mount.path / "lost.txt").write_bytes(b"0123456789")
    server.stop()
    assert mount.stop() != 0
    assert "/lost.txt: 10 bytes are lost" in mount.stderr
