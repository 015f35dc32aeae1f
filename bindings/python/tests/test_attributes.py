"""Attributes [N8], symlinks [N10], extended attributes."""

import errno
import os
import stat

import pytest

import s3files


def write(fs, path, data=b"hello"):
    with fs.open(path, "wb") as out:
        out.write(data)


def test_attributes_are_changed_and_kept(fs):
    write(fs, "a")
    fs.chmod("a", 0o640)
    fs.chown("a", 1000, -1)
    fs.utime("a", ns=(5, 1_234_567_890_123_456_789))
    now = fs.stat("a")
    assert stat.S_IMODE(now.st_mode) == 0o640
    assert (now.st_uid, now.st_gid) == (1000, 0)
    assert now.st_mtime_ns == 1_234_567_890_123_456_789
    assert now.st_atime_ns == 5
    assert now.st_blocks == 1
    fs.truncate("a", 2)
    with fs.open("a", "rb") as file:
        assert file.read() == b"he"
    fs.utime("a")
    assert fs.stat("a").st_mtime > 1_600_000_000
    with pytest.raises(ValueError):
        fs.utime("a", (1, 2), ns=(1, 2))
    with pytest.raises(FileNotFoundError):
        fs.chmod("none", 0o600)


def test_symlinks(fs):
    fs.mkdir("d")
    write(fs, "d/a")
    fs.symlink("d/a", "link")
    assert fs.readlink("link") == "d/a"
    assert stat.S_ISLNK(fs.lstat("link").st_mode)
    assert stat.S_ISREG(fs.stat("link").st_mode)
    with fs.open("link", "rb") as file:
        assert file.read() == b"hello"
    fs.symlink("d", "way")
    assert fs.listdir("way") == ["a"]
    fs.symlink("loop", "loop")
    with pytest.raises(OSError) as failure:
        fs.stat("loop")
    assert failure.value.errno == errno.ELOOP
    with pytest.raises(OSError) as failure:
        fs.readlink("d/a")
    assert failure.value.errno == errno.EINVAL


def test_extended_attributes(fs):
    write(fs, "a")
    fs.setxattr("a", "user.project", b"apollo")
    fs.setxattr("a", "user.bin", b"\x00\xff")
    assert fs.listxattr("a") == ["user.bin", "user.project"]
    assert fs.getxattr("a", "user.project") == b"apollo"
    assert fs.getxattr("a", "user.bin") == b"\x00\xff"
    fs.removexattr("a", "user.project")
    with pytest.raises(OSError) as failure:
        fs.getxattr("a", "user.project")
    assert failure.value.errno == errno.ENODATA
    with pytest.raises(OSError) as failure:
        fs.setxattr("a", "security.x", b"")
    assert failure.value.errno == errno.ENOTSUP


def test_a_forced_identity_is_checked():
    with s3files.FileSystem("memory://forced") as everyone:
        everyone.mkdir("shared")
        everyone.chmod("shared", 0o777)
        write(everyone, "private")
        everyone.chmod("private", 0o600)
        with s3files.FileSystem("memory://forced", force_uid=1000, force_gid=1000) as user:
            assert not user.access("private", os.R_OK)
            with pytest.raises(PermissionError):
                user.open("private", "rb")
            with pytest.raises(PermissionError):
                write(user, "new")
            write(user, "shared/new")
            assert user.stat("shared/new").st_uid == 1000
            assert user.access("shared/new", os.R_OK | os.W_OK)


def test_a_root_directory_is_made_and_not_left():
    options = dict(root_directory="/home/u", root_uid=7, root_mode="0750")
    with s3files.FileSystem("memory://rooted", **options) as fs:
        write(fs, "a")
        fs.symlink("/a", "link")
        with fs.open("link", "rb") as file:
            assert file.read() == b"hello"
        assert fs.stat("/").st_uid == 7
        assert stat.S_IMODE(fs.stat("/").st_mode) == 0o750
        assert fs.stat("../../a").st_size == 5
    with s3files.FileSystem("memory://rooted") as whole:
        assert whole.listdir("home/u") == ["a", "link"]
