"""What a state directory has: status, commit, discard, recover."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

# Stages three files, one of them a change of a committed one, and is killed.
WRITER = """
import os, s3files, sys, json
url, state, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
fs = s3files.FileSystem(url, state_dir=state, commit_delay="never", **options)
fs.mkdir("d")
for name, at, data in [("changed", 3, b"XX"), ("new", 0, b"new file"), ("d/na me\\n", 0, b"odd")]:
    file = fs.open(name, "r+b" if name == "changed" else "w+b", buffering=0)
    file.seek(at)
    file.write(data + b"." * int(sys.argv[4]))
    file.fsync()
    file.close()
print("staged", flush=True)
os.kill(os.getpid(), 9)
"""


def stage(cli, tmp_path, dots=0):
    with cli.open() as fs, fs.open("changed", "wb") as out:
        out.write(b"0123456789")
    done = subprocess.run([sys.executable, "-c", WRITER, cli.root, str(tmp_path / "state"),
                           json.dumps(cli.options), str(dots)], stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == -signal.SIGKILL and done.stdout == b"staged\n"
    return tmp_path / "state"


@pytest.fixture
def state(cli, tmp_path):
    """A state directory of a writer that was killed."""
    return stage(cli, tmp_path)


def paths(entries):
    return sorted(entry["path"] for entry in entries)


def test_looking_commits_nothing(cli, state):
    for _ in range(2):
        staged = cli.json("status", cli.url(), state=state)
        assert paths(staged) == ["changed", "d/na me\n", "new"]
        assert {entry["state"] for entry in staged} == {"staged"}
        assert sum(entry["staged_bytes"] for entry in staged) == 2 + 8 + 3
        assert all(entry["errno"] == 0 and entry["export_error"] == "" for entry in staged)
        assert cli("cat", cli.url("new"), state=state) == b"new file"
        assert b"new" in cli("ls", cli.url(), state=state)
        assert cli.json("stat", cli.url("changed"), state=state)[0]["size"] == 10
    assert cli("cat", cli.url("changed")) == b"0123456789"
    assert paths(cli.json("status", cli.url("d"), state=state)) == ["d/na me\n"]
    assert b"staged" in cli("status", cli.url(), state=state)


def test_commit_and_discard(cli, state):
    (diff,) = cli.json("commit", "--dry-run", cli.url(), state=state)
    assert diff["files"] == 3 and diff["put"] == 3
    (one,) = cli.json("commit", cli.url("changed"), state=state)
    assert one["files"] == 1 and one["bytes"] == 10
    assert one["etag"] == cli.json("stat", cli.url("changed"))[0]["etag"]
    assert cli("cat", cli.url("changed")) == b"012XX56789"
    assert "new" in cli.error("cat", cli.url("new"))
    cli("discard", cli.url("new"), state=state)
    assert "nothing staged" in cli.error("discard", cli.url("changed"), state=state)
    assert b"committed 1 file, 3 B" in cli("commit", cli.url(), state=state)
    assert cli("status", cli.url(), state=state) == b""
    assert cli("ls", cli.url()) == b"changed\nd/\n"


def test_a_conflict_is_told(cli, state):
    with cli.open() as fs, fs.open("changed", "wb") as out:
        out.write(b"of somebody else")
    assert "changed" in cli.error("commit", cli.url("changed"), state=state)
    lost = [e for e in cli.json("status", cli.url(), state=state) if e["state"] == "conflict"]
    assert len(lost) == 1 and lost[0]["path"].startswith(".s3files-lost+found/")
    entries = cli.json("recover", "--list", str(state))[1:]
    (entry,) = [e for e in entries if e["kind"] == "conflict"]
    assert entry["original"] == "changed"


def test_recover_without_the_store(cli, state, tmp_path):
    shutil.rmtree(tmp_path / "bucket", ignore_errors=True)
    cli.options = {}
    info, *entries = cli.json("recover", "--list", str(state))
    assert info["whole"] and info["url"].rstrip("/") == cli.root and info["message"] == ""
    assert paths(entries) == ["changed", "d/na me\n", "new"]
    changed = next(entry for entry in entries if entry["path"] == "changed")
    assert changed["ranges"] == [{"offset": 0, "size": 3, "where": "in_store"},
                                 {"offset": 3, "size": 2, "where": "here"},
                                 {"offset": 5, "size": 5, "where": "in_store"}]
    assert cli("recover", "--verify", str(state)).endswith(b"whole\n")
    out = tmp_path / "out"
    exported = cli("recover", "--export", str(out), str(state)).decode()
    assert f'see "ranges" in {out}/.s3files-manifest.jsonl\n' in exported
    assert (out / "changed").read_bytes() == bytes(3) + b"XX" + bytes(5)
    assert (out / "new").read_bytes() == b"new file"
    assert (out / "d/na me\n").read_bytes() == b"odd"
    manifest = [json.loads(line) for line in (out / ".s3files-manifest.jsonl").open()]
    assert manifest[1:] == entries
    assert "not empty" in cli.error("recover", "--export", str(out), str(state))


def test_looking_makes_no_journal(cli, state):
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        (state / name).unlink(missing_ok=True)
    for command in (["status"], ["ls"], ["commit", "--dry-run"]):
        assert "has no journal.db" in cli.error(*command, cli.url(), state=state)
    cli("recover", "--list", str(state))
    assert not (state / "journal.db").exists()


def contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_recover_of_a_damaged_one(local, tmp_path):
    dots = 20_000  # more than the journal has of a file
    cli, state = local, stage(local, tmp_path, dots)
    log = bytearray((state / "journal.db-wal").read_bytes())
    at = len(log) // 2
    log[at:at + 64] = bytes(64)
    (state / "journal.db-wal").write_bytes(log)
    before = contents(state)
    assert "not whole" in cli.error("recover", "--verify", str(state))
    assert b"damaged" in cli("recover", "--list", str(state))
    assert "not whole" in cli.error("recover", "--export", str(tmp_path / "out"), str(state))
    # Rows are gone, their bytes are not.
    saved = set(contents(tmp_path / "out").values())
    assert {b"odd" + b"." * dots, b"new file" + b"." * dots} <= saved
    assert contents(state) == before
    for name in ("journal.db", "journal.db-wal"):
        (state / name).write_bytes(bytes(8192))
    assert "not whole" in cli.error("recover", "--export", str(tmp_path / "out2"), str(state))
    strangers = contents(tmp_path / "out2/.s3files-strangers").values()
    assert b"odd" + b"." * dots in strangers


def test_export_names_what_is_missing(local, tmp_path):
    state = stage(local, tmp_path, dots=20_000)
    next((state / "staged").iterdir()).unlink()
    (lost,) = [e for e in local.json("recover", "--verify", str(state), code=1) if "path" in e]
    done = local.run("recover", "--export", str(tmp_path / "out"), str(state), code=1)
    assert lost["path"].encode() in done.stdout and lost["message"].encode() in done.stdout
    assert b"named above" in done.stderr


def test_a_directory_in_use(local, tmp_path):
    state = tmp_path / "state"
    with local.open(state_dir=str(state), commit_delay="never"):
        assert f"pid {os.getpid()}," in local.error("recover", "--list", str(state))
        assert "in use" in local.error("status", local.url(), state=state)
    assert "no such" in local.error("recover", "--list", str(tmp_path / "none")).lower()
    assert "none: No such" in local.error("status", local.url(), state=tmp_path / "none")
    assert not (tmp_path / "none").exists()
