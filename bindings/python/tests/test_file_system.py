"""Names, directories, staged changes, events, errors, and the file system's own life."""

import errno
import gc
import os
import stat
import threading

import pytest

import s3files


def write(fs, path, text="hello"):
    with fs.open(path, "w") as out:
        out.write(text)


def test_stat_is_like_os_stat(fs):
    write(fs, "a", "12345")
    result = fs.stat("a")
    assert stat.S_ISREG(result.st_mode)
    assert stat.S_IMODE(result.st_mode) == 0o644
    assert result.st_size == 5
    assert result.st_mtime == result.st_mtime_ns / 1e9 == result.st_atime == result.st_ctime
    assert result.st_nlink == 1
    assert result.etag
    assert stat.S_ISDIR(fs.stat("").st_mode)
    assert stat.S_ISDIR(fs.stat("/").st_mode)


def test_directories(fs):
    fs.mkdir("d")
    write(fs, "d/b")
    write(fs, "d/a")
    fs.mkdir("d/sub")
    assert fs.listdir() == ["d"]
    assert fs.listdir("d") == ["a", "b", "sub"]
    with pytest.raises(OSError) as caught:
        fs.rmdir("d")
    assert caught.value.errno == errno.ENOTEMPTY
    with pytest.raises(FileExistsError):
        fs.mkdir("d")
    fs.rmdir("d/sub")
    assert not fs.exists("d/sub")


def test_scandir_knows_types_and_stats_on_demand(fs):
    fs.mkdir("d")
    write(fs, "d/file", "123")
    fs.mkdir("d/sub")
    with fs.scandir("d") as entries:
        file, sub = entries
    assert (file.name, file.path, file.is_file(), file.is_dir()) == ("file", "d/file", True, False)
    assert (sub.name, sub.is_file(), sub.is_dir(), sub.is_symlink()) == ("sub", False, True, False)
    assert file.stat().st_size == 3
    assert file.inode() == file.stat().st_ino


def test_scandir_of_many_entries_and_left_early(fs):
    for number in range(150):
        write(fs, f"{number:03}")
    assert fs.listdir() == [f"{number:03}" for number in range(150)]
    with fs.scandir() as entries:
        assert next(entries).name == "000"
    assert list(entries) == []


def test_scandir_fails_at_once(fs):
    write(fs, "file")
    with pytest.raises(FileNotFoundError):
        fs.scandir("none")
    with pytest.raises(NotADirectoryError):
        fs.listdir("file")


def test_makedirs(fs):
    fs.makedirs("a/b/c")
    fs.makedirs("a/b/c/", exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.makedirs("a/b/c")
    write(fs, "a/file")
    with pytest.raises(FileExistsError):
        fs.makedirs("a/file", exist_ok=True)
    assert fs.exists("a/b/c")


def test_walk(fs):
    fs.makedirs("top/b/c")
    write(fs, "top/one")
    write(fs, "top/b/two")
    expected = [("top", ["b"], ["one"]), ("top/b", ["c"], ["two"]), ("top/b/c", [], [])]
    assert list(fs.walk("top")) == expected
    assert list(fs.walk("top", topdown=False)) == expected[::-1]
    for _, directories, _ in fs.walk("top"):
        directories.clear()  # prunes
    errors = []
    assert list(fs.walk("none", onerror=errors.append)) == []
    assert errors[0].errno == errno.ENOENT


def test_remove_and_rename(fs):
    write(fs, "a", "1")
    write(fs, "b", "2")
    with pytest.raises(FileExistsError) as caught:
        fs.rename("a", "b", replace=False)
    assert (caught.value.filename, caught.value.filename2) == ("a", "b")
    fs.replace("a", "b")
    assert fs.listdir() == ["b"]
    with fs.open("b") as file:
        assert file.read() == "1"
    fs.remove("b")
    assert fs.listdir() == []
    with pytest.raises(FileNotFoundError):
        fs.remove("b")


def test_paths_may_be_bytes_and_path_likes(fs):
    class Named:
        def __fspath__(self):
            return "ünï"

    write(fs, Named())
    assert fs.exists("ünï".encode())
    assert fs.listdir() == ["ünï"]
    assert fs.exists(Named())
    with pytest.raises(ValueError, match="null"):
        fs.stat("a\0b")


@pytest.mark.parametrize("number, kind, use", [
    (errno.ENOENT, FileNotFoundError, lambda fs: fs.open("none")),
    (errno.ENOENT, FileNotFoundError, lambda fs: fs.open("none/none", "w")),
    (errno.ENOENT, FileNotFoundError, lambda fs: fs.stat("none")),
    (errno.EISDIR, IsADirectoryError, lambda fs: fs.open("dir", "w")),
    (errno.EISDIR, IsADirectoryError, lambda fs: fs.remove("dir")),
    (errno.ENOTDIR, NotADirectoryError, lambda fs: fs.rmdir("file")),
])
def test_errors_are_the_subclass_of_their_errno(fs, number, kind, use):
    fs.mkdir("dir")
    write(fs, "file")
    with pytest.raises(kind) as caught:
        use(fs)
    assert caught.value.errno == number
    assert caught.value.filename
    assert caught.value.strerror
    assert hasattr(caught.value, "http_status")


def test_commit_discard_status(store):
    url, options = store
    with s3files.FileSystem(url, commit_delay="1h", **options) as fs:
        assert fs.status("").state == "clean"
        write(fs, "a", "12345")
        status = fs.status("a")
        assert (status.state, status.errno, status.staged_bytes) == ("staged", 0, 5)
        assert list(fs.staged()) == ["/a"]
        with s3files.FileSystem(url, **options) as other:
            assert not other.exists("a")
        fs.commit()
        assert fs.status("a").state == "clean"
        with fs.open("a", "w") as out:
            out.write("other")
        fs.discard("a")
        with fs.open("a") as file:
            assert file.read() == "12345"
        assert list(fs.staged()) == []


def test_stats_count(fs):
    write(fs, "a")
    stats = fs.stats()
    assert stats["commits"] >= 1
    assert stats["conflicts"] == 0
    assert stats["memory_limit"] > 0


def test_events(store):
    url, options = store
    events = []
    with s3files.FileSystem(url, on_event=events.append, **options) as fs:
        write(fs, "a", "12345")
    assert [(e.kind, e.path.lstrip("/"), e.bytes) for e in events] == [("committed", "a", 5)]


def test_options_are_text_numbers_and_switches(store):
    url, options = store
    with s3files.FileSystem(url, memory=64 << 20, read_ahead="0", **options) as fs:
        write(fs, "a")
    with s3files.FileSystem(url, read_only=True, **options) as fs:
        with pytest.raises(OSError) as caught:
            fs.open("a", "w")
        assert caught.value.errno == errno.EROFS


def test_unknown_option_and_url_name_the_remedy():
    with pytest.raises(OSError) as caught:
        s3files.FileSystem("memory://bad", memroy="64M")
    assert caught.value.errno == errno.EINVAL
    assert "memory" in str(caught.value)
    with pytest.raises(OSError) as caught:
        s3files.FileSystem("ftp://somewhere")
    assert caught.value.errno == errno.EINVAL
    assert caught.value.filename == "ftp://somewhere"


def test_the_store_s_words_are_in_the_error(server):
    with pytest.raises(PermissionError) as caught:
        s3files.FileSystem("s3://bucket", endpoint=server, access_key="K", secret_key="wrong")
    assert caught.value.http_status == 403
    assert caught.value.s3_code in ("", "SignatureDoesNotMatch")  # a reply to HEAD has no body
    with pytest.raises(FileNotFoundError) as caught:
        s3files.FileSystem("s3://none", endpoint=server, access_key="K", secret_key="S")
    assert caught.value.http_status == 404
    assert caught.value.filename == "s3://none"


def test_unreachable_endpoint_is_a_connection_error():
    with pytest.raises(ConnectionRefusedError):
        s3files.FileSystem("s3://bucket", endpoint="http://127.0.0.1:1", access_key="K",
                           secret_key="S")


def test_event_handlers_may_use_the_file_system(store):
    url, options = store
    sizes = []
    with s3files.FileSystem(
            url, on_event=lambda event: sizes.append(fs.stat(event.path).st_size), **options) as fs:
        write(fs, "a", "12345")
    assert sizes == [5]


def test_close_waits_for_files(store):
    url, options = store
    fs = s3files.FileSystem(url, **options)
    out = fs.open("a", "w")
    with pytest.raises(OSError) as caught:
        fs.close()
    assert caught.value.errno == errno.EBUSY
    out.close()
    fs.close()
    fs.close()
    assert fs.closed
    with pytest.raises(ValueError, match="closed file system"):
        fs.listdir()


def test_close_discarding_ends_open_files(store):
    url, options = store
    fs = s3files.FileSystem(url, **options)
    out = fs.open("a", "wb", buffering=0)
    out.write(b"half")
    fs.close(discard=True)
    with pytest.raises(ValueError):
        out.write(b"more")
    out.close()
    with s3files.FileSystem(url, **options) as fs:
        assert not fs.exists("a")


def test_leaving_by_an_exception_ends_the_file_system(store):
    url, options = store
    with pytest.raises(KeyError):
        with s3files.FileSystem(url, **options) as fs:
            out = fs.open("a", "wb", buffering=0)
            out.write(b"half")
            raise KeyError
    assert fs.closed
    out.close()


def test_leaving_by_an_exception_commits_what_was_closed(store, other):
    url, options = store
    with pytest.raises(KeyError):
        with s3files.FileSystem(url, commit_delay="1h", **options) as fs:
            write(fs, "closed")
            out = fs.open("open", "w")
            out.write("half")
            raise KeyError
    assert fs.closed
    out.abandon()
    assert other.listdir() == ["closed"]


def test_files_that_were_abandoned_are_closed_where_the_file_system_stays_open(store, other):
    url, options = store
    fs = s3files.FileSystem(url, commit_delay="1h", on_conflict=lambda _: "fail", **options)
    with pytest.raises(OSError):
        with fs:
            write(fs, "a", "mine")
            write(other, "a", "theirs")
            left = fs.open("left", "w+b", buffering=0)
            left.write(b"half")
            entries = fs.scandir()
            next(entries)
            raise KeyError
    assert not fs.closed
    with fs.open("new", "w+b", buffering=0) as new:  # maybe where the others' handles were
        with pytest.raises(ValueError):
            left.write(b"more")
        with pytest.raises(ValueError):
            left.stat()
        left.close()
        entries.close()
        new.write(b"bytes")
    fs.discard("a")
    fs.close()
    with other.open("new") as new:
        assert new.read() == "bytes"
    assert not other.exists("left")


def test_leaving_by_an_exception_tells_what_cannot_be_committed(store, other):
    url, options = store
    with pytest.raises(OSError) as caught:
        with s3files.FileSystem(url, commit_delay="1h", on_conflict=lambda _: "fail",
                                **options) as fs:
            write(fs, "a", "mine")
            write(other, "a", "theirs")
            raise KeyError
    assert caught.value.errno == errno.ESTALE
    assert isinstance(caught.value.__context__, KeyError)
    assert list(fs.staged()) == ["/a"]
    fs.discard("a")
    fs.close()


def test_garbage_warns(store):
    url, options = store
    fs = s3files.FileSystem(url, **options)
    with pytest.warns(ResourceWarning, match="unclosed"):
        del fs
        gc.collect()


def test_files_keep_their_file_system(store):
    url, options = store
    with pytest.warns(ResourceWarning):
        out = s3files.FileSystem(url, **options).open("a", "w")
        gc.collect()
        out.write("kept")
        out.close()
        del out
        gc.collect()
    with s3files.FileSystem(url, **options) as fs:
        assert fs.stat("a").st_size == 4


def test_threads(fs):
    failures = []

    def work(number):
        try:
            for turn in range(20):
                path = f"{number}-{turn}"
                write(fs, path, path * 100)
                with fs.open(path) as file:
                    assert file.read() == path * 100
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(fs.listdir()) == 160


def test_forked_child_gets_ebusy_and_the_parent_goes_on(fs):
    write(fs, "a")
    file = fs.open("a", "rb", buffering=0)
    child = os.fork()
    if child == 0:
        numbers = []
        for use in (file.readall, fs.listdir, lambda: fs.stat("a"), lambda: fs.open("b", "w")):
            try:
                use()
            except OSError as failure:
                numbers.append(failure.errno)
        file.close()
        fs.close()
        os._exit(0 if numbers == [errno.EBUSY] * 4 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert file.readall() == b"hello"
    file.close()
