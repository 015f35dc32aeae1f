"""What is staged, and the application's part in what becomes of it."""

import errno

import pytest

import s3files


@pytest.fixture
def staging(store):
    """Makes file systems on the place that `other` shows, which commit only when they are told."""
    url, options = store
    opened = []

    def open_one(**more):
        fs = s3files.FileSystem(url, commit_delay="1h", **options, **more)
        opened.append(fs)
        return fs
    yield open_one
    for fs in opened:
        fs.close()


def collide(fs, other):
    with fs.open("f", "w") as out:
        out.write("mine")
    with other.open("f", "w") as out:
        out.write("theirs")


def read(fs, path):
    with fs.open(path) as file:
        return file.read()


def test_a_callback_merges(staging, other):
    def merge(conflict):
        assert conflict.path == "f" and conflict.base is None
        conflict.result.write(conflict.mine.readall() + b"+" + conflict.theirs.readall())
        return "merged"

    fs = staging(on_conflict=merge)
    collide(fs, other)
    assert fs.commit("f").files == 1
    assert read(other, "f") == "mine+theirs"


def test_a_callback_keeps_both(staging, other):
    def keep_both(conflict):
        with fs.open("f (mine)", "wb") as copy:
            copy.write(conflict.mine.readall())
        return "drop"

    fs = staging(on_conflict=keep_both)
    collide(fs, other)
    fs.commit()
    fs.commit("f (mine)")
    assert read(fs, "f") == "theirs"
    assert read(other, "f (mine)") == "mine"


def test_an_exception_in_a_callback_leaves_the_file_staged(staging, other, capsys):
    def fail(conflict):
        conflict.mine.readall()
        raise RuntimeError("no decision")

    fs = staging(on_conflict=fail)
    collide(fs, other)
    with pytest.raises(OSError) as caught:
        fs.commit("f")
    assert caught.value.errno == errno.ESTALE
    assert "no decision" in capsys.readouterr().err
    assert fs.status("f").state == "failed"
    assert read(fs, "f") == "mine"
    fs.discard("f")


def test_mine_as_an_option(staging, other):
    fs = staging(conflict="mine")
    collide(fs, other)
    done = fs.commit("f")
    assert read(other, "f") == "mine"
    assert done.etag == other.stat("f").etag


def test_what_a_commit_would_send_and_what_it_did(staging, other):
    fs = staging()
    with fs.open("f", "w") as out:
        out.write("mine")
    before = fs.stats()["put"]
    diff = fs.diff()
    assert (diff["files"], diff["put"], diff["bytes_out"]) == (1, 1, 4)
    assert fs.status("f").next_attempt is not None
    done = fs.commit()
    assert (done.files, done.bytes, done.etag) == (1, 4, "")
    assert fs.stats()["put"] - before == diff["put"]
    assert fs.commit("f").etag == other.stat("f").etag


def test_barriers_and_commits_that_nobody_waits_for(staging, other):
    committed = []
    fs = staging(on_event=lambda event: committed.append((event.kind, event.path)))
    for path in ("z", "y"):
        with fs.open(path, "w") as out:
            out.write(path)
        fs.barrier()
    fs.commit("y", wait=False)
    fs.close()
    assert committed == [("committed", "z"), ("committed", "y")]
    assert read(other, "y") == "y"
