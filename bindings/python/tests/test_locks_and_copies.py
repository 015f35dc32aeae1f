"""Advisory locks [L1] [L2], copies by the store [W11], several buffers, statvfs."""

import errno
import fcntl
import os
import threading

import pytest


def write(fs, path, data=b"hello"):
    with fs.open(path, "wb") as out:
        out.write(data)


def read(fs, path):
    with fs.open(path, "rb") as file:
        return file.read()


def test_a_lock_excludes_others_until_it_is_released_or_its_file_closed(fs):
    write(fs, "a")
    with fs.open("a", "r+b") as first, fs.open("a", "r+b") as second:
        first.lock(0, 3)
        with pytest.raises(BlockingIOError):
            second.lock(timeout=0)
        second.lock(3, timeout=0)
        with pytest.raises(TimeoutError):
            second.lock(0, 1, shared=True, timeout=0.001)
        first.unlock()
        second.lock(0, 1, shared=True, timeout=0)
        first.lock(0, 1, shared=True, timeout=0)
    with fs.open("a", "r+b") as third:
        third.lock(timeout=0)


def test_a_lock_is_waited_for(fs):
    write(fs, "a")
    with fs.open("a", "r+b") as first, fs.open("a", "r+b") as second:
        first.lock()
        waiting = threading.Thread(target=second.lock)
        waiting.start()
        first.unlock()
        waiting.join(30)
        assert not waiting.is_alive()
        with pytest.raises(BlockingIOError):
            first.lock(timeout=0)


def test_an_owner_that_the_application_names_has_its_locks_across_files(fs):
    write(fs, "a")
    with fs.open("a", "r+b") as file:
        file.lock(owner=7)
    with fs.open("a", "r+b") as file:
        file.lock(owner=7, timeout=0)
        with pytest.raises(BlockingIOError):
            file.lock(timeout=0)
        file.unlock(owner=7)
        file.lock(timeout=0)


def test_a_lock_needs_a_file_that_is_open_for_it(fs):
    write(fs, "a")
    with fs.open("a", "rb") as file, pytest.raises(OSError) as caught:
        file.lock()
    assert caught.value.errno == errno.EBADF


def test_flock(fs):
    write(fs, "a")
    with fs.open("a", "rb") as first, fs.open("a") as second:
        first.flock(fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            second.flock(fcntl.LOCK_SH | fcntl.LOCK_NB)
        with pytest.raises(TimeoutError):
            second.flock(fcntl.LOCK_SH, timeout=0.001)
        first.flock(fcntl.LOCK_UN)
        second.flock(fcntl.LOCK_SH)


def test_copy_is_made_by_the_store(fs, other):
    data = os.urandom(300_000)
    write(fs, "a", data)
    before = fs.stats()
    fs.copy("a", "b")
    after = fs.stats()
    assert after["copy"] - before["copy"] == 1
    assert after["put"] == before["put"]
    assert read(other, "b") == data


def test_copy_from_a_range(fs):
    write(fs, "a", b"0123456789")
    with fs.open("a", "rb", buffering=0) as source, fs.open("b", "w+b", buffering=0) as target:
        assert target.copy_from(source, 2, 1, 3) == 3
        assert target.copy_from(source, 8) == 2
        assert target.copy_from(source, 10) == 0
        assert target.readall() == b"8934"
    with fs.open("a", "r+b", buffering=0) as file, pytest.raises(OSError) as caught:
        file.copy_from(file)
    assert caught.value.errno == errno.EINVAL


def test_several_buffers(fs):
    with fs.open("a", "w+b", buffering=0) as file:
        assert file.pwritev([b"one", b"", bytearray(b"two")], 2) == 6
        first, second = bytearray(4), bytearray(10)
        assert file.preadv([first, second], 0) == 8
        assert bytes(first) == b"\0\0on"
        assert bytes(second[:4]) == b"etwo"
        assert file.preadv([], 0) == 0


def test_statvfs(fs):
    result = fs.statvfs()
    assert result.f_frsize * result.f_bavail == 2**50
    assert result.f_ffree == 2**40
    assert result.f_namemax == 255
    assert not result.f_flag & os.ST_RDONLY
