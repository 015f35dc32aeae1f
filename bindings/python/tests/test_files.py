"""The io stack: modes, buffers, text, and what is published when."""

import errno
import gc
import io
import os

import pytest


def write(fs, path, data=b"hello"):
    with fs.open(path, "wb") as out:
        out.write(data)


def read(fs, path):
    with fs.open(path, "rb") as file:
        return file.read()


def test_closed_bytes_are_seen_by_another_file_system(fs, other):
    with fs.open("a", "w", encoding="utf-8") as out:
        assert out.write("grüße\n") == 6
    with other.open("a", encoding="utf-8") as file:
        assert file.read() == "grüße\n"


@pytest.mark.parametrize("mode, kind", [
    ("rb", io.BufferedReader), ("wb", io.BufferedWriter), ("r+b", io.BufferedRandom),
    ("w+b", io.BufferedRandom), ("ab", io.BufferedWriter), ("r", io.TextIOWrapper)])
def test_open_returns_the_standard_classes(fs, mode, kind):
    write(fs, "a")
    with fs.open("a", mode) as file:
        assert isinstance(file, kind)
        assert file.name == "a"
        assert file.mode == mode
        assert file.seekable()


def test_unbuffered_is_raw(fs):
    write(fs, "a")
    with fs.open("a", "rb", buffering=0) as file:
        assert isinstance(file, io.RawIOBase)
        assert file.read(2) == b"he"
        assert file.tell() == 2
        assert file.readall() == b"llo"
        assert file.readall() == b""


def test_w_replaces(fs):
    write(fs, "a", b"something long")
    write(fs, "a", b"short")
    assert read(fs, "a") == b"short"


def test_a_appends_and_creates(fs):
    for part in (b"one ", b"two"):
        with fs.open("a", "ab") as out:
            out.write(part)
            assert out.tell() == out.seek(0, io.SEEK_END)
    assert read(fs, "a") == b"one two"


def test_x_refuses_what_exists(fs):
    with fs.open("a", "x") as out:
        out.write("1")
    with pytest.raises(FileExistsError) as caught:
        fs.open("a", "x")
    assert caught.value.filename == "a"


def test_r_plus_updates_in_place(fs):
    write(fs, "a", b"0123456789")
    with fs.open("a", "r+b") as file:
        file.seek(4)
        file.write(b"xy")
        assert file.read(2) == b"67"
        file.seek(-1, io.SEEK_END)
        file.write(b"z")
        file.truncate(9 + 1)
    assert read(fs, "a") == b"0123xy678z"


def test_text_reads_lines_and_seeks(fs):
    with fs.open("a", "w", newline="\r\n") as out:
        out.writelines(f"{n}\n" for n in range(1000))
    with fs.open("a", newline="") as file:
        assert file.readline() == "0\r\n"
    with fs.open("a") as file:
        position = file.tell()
        assert [int(line) for line in file] == list(range(1000))
        file.seek(position)
        assert file.readline() == "0\n"


def test_text_update(fs):
    with fs.open("a", "w+") as file:
        file.write("one")
        file.seek(0)
        assert file.read() == "one"
    with fs.open("a", "a+") as file:
        file.write(" two")
        file.seek(0)
        assert file.read() == "one two"


def test_large_writes_and_reads_of_any_buffer(fs):
    data = os.urandom(1 << 20)
    with fs.open("a", "wb") as out:
        out.write(data[:10])
        out.write(memoryview(data)[10:500000])
        out.write(bytearray(data[500000:]))
    got = bytearray(len(data) + 10)
    with fs.open("a", "rb", buffering=0) as file:
        assert file.readinto(memoryview(got)[5:]) == len(data)
    assert got[5:-5] == data
    assert read(fs, "a") == data


def test_readinto_needs_a_writable_buffer(fs):
    write(fs, "a")
    with fs.open("a", "rb", buffering=0) as file:
        with pytest.raises(BufferError):
            file.readinto(b"12345")
        assert file.readinto(bytearray()) == 0
        assert file.read() == b"hello"


def test_truncate_and_stat_of_open_file(fs):
    with fs.open("a", "wb", buffering=0) as out:
        out.write(b"0123456789")
        assert out.truncate(4) == 4
        assert out.stat().st_size == 4
        out.fsync()
        assert fs.stat("a").st_size == 4
    assert read(fs, "a") == b"0123"


def test_wrong_direction_is_unsupported(fs):
    write(fs, "a")
    with fs.open("a", "rb") as file, pytest.raises(io.UnsupportedOperation):
        file.write(b"x")
    with fs.open("a", "wb", buffering=0) as file, pytest.raises(io.UnsupportedOperation):
        file.read(1)


@pytest.mark.parametrize("mode, buffering", [("w", -1), ("wb", -1), ("w+b", -1), ("wb", 0)])
def test_fsync_of_every_kind_of_file(fs, other, mode, buffering):
    with fs.open("a", mode, buffering) as out:
        out.write(b"half" if "b" in mode else "half")
        out.fsync()
        assert other.stat("a").st_size == 4
    with fs.open("a", mode.replace("w", "r")) as file:
        file.fsync()
    with pytest.raises(ValueError):
        out.fsync()


def test_closed_file_raises_value_error(fs):
    write(fs, "a")
    file = fs.open("a", "rb", buffering=0)
    file.close()
    file.close()
    assert file.closed
    for use in (file.read, file.tell, file.stat, lambda: file.seek(0), lambda: file.write(b"")):
        with pytest.raises(ValueError):
            use()


@pytest.mark.parametrize("mode", ["", "rw", "b", "rbt", "r++", "q", "wU"])
def test_bad_modes(fs, mode):
    with pytest.raises(ValueError, match="invalid mode"):
        fs.open("a", mode)
    assert not fs.exists("a")


def test_bad_combinations(fs):
    with pytest.raises(ValueError):
        fs.open("a", "wb", encoding="utf-8")
    with pytest.raises(ValueError):
        fs.open("a", "w", buffering=0)
    with pytest.raises(LookupError):
        fs.open("a", "w", encoding="no such encoding")
    assert not fs.exists("a")


# Publishing


@pytest.mark.parametrize("mode, buffering", [("w", -1), ("wb", -1), ("wb", 0), ("w+b", -1)])
def test_an_exception_inside_with_publishes_nothing(fs, other, mode, buffering):
    write(fs, "a", b"before")
    for path in ("a", "new"):
        with pytest.raises(KeyError):
            with fs.open(path, mode, buffering=buffering) as out:
                out.write(b"half" if "b" in mode else "half")
                out.flush()
                out.write(b" of it" if "b" in mode else " of it")
                raise KeyError
        assert out.closed
    assert read(fs, "a") == b"before"
    assert read(other, "a") == b"before"
    assert not fs.exists("new")
    assert not other.exists("new")
    assert list(fs.staged()) == []


def test_an_exception_inside_append_and_update_publishes_nothing(fs):
    write(fs, "a", b"before")
    for mode in ("ab", "r+b"):
        with pytest.raises(KeyError), fs.open("a", mode) as out:
            out.write(b"xyz")
            raise KeyError
        assert read(fs, "a") == b"before"


def test_abandon_publishes_nothing(fs):
    out = fs.open("a", "w")
    out.write("half")
    out.abandon()
    assert out.closed
    assert not fs.exists("a")


@pytest.mark.parametrize("mode, buffering", [("w", -1), ("wb", -1), ("wb", 0)])
def test_garbage_publishes_nothing_and_warns(fs, mode, buffering):
    out = fs.open("a", mode, buffering=buffering)
    out.write(b"half" if "b" in mode else "half")
    with pytest.warns(ResourceWarning, match="unclosed file 'a'"):
        del out
        gc.collect()
    assert not fs.exists("a")


def test_garbage_in_a_cycle_publishes_nothing(fs):
    class Holder:
        pass

    holder = Holder()
    holder.self = holder
    holder.out = fs.open("a", "w")
    holder.out.write("half")
    with pytest.warns(ResourceWarning):
        del holder
        gc.collect()
    assert not fs.exists("a")


def test_conflict_is_estale_with_the_detail(fs, other):
    write(fs, "a", b"first")
    out = fs.open("a", "r+b")
    out.write(b"mine!")
    write(other, "a", b"theirs")
    with pytest.raises(OSError) as caught:
        out.close()
    assert caught.value.errno == errno.ESTALE
    assert caught.value.filename == "a"
    assert isinstance(caught.value.http_status, int)
    assert isinstance(caught.value.s3_code, str)
    assert isinstance(caught.value.request_id, str)
    assert out.closed
    assert read(fs, "a") == b"theirs"
