"""The commands that look at files and change them, over http and on file://."""

import errno
import json
import os
import signal
import subprocess
import time

import pytest

import s3files

NAMES = [b"plain", b"with space", b"new\nline", b"%20%2e", b'"quo\\te', b"-l",
         "\u00e4\U0001f600".encode()]


def write(path, data):
    path.write_bytes(data)
    return str(path)


def put(cli, name, data=b"data"):
    with cli.open() as fs, fs.open(name, "wb") as out:
        out.write(data)


def get(cli, name):
    with cli.open() as fs, fs.open(name, "rb") as file:
        return file.read()


def test_there_and_back(cli, tmp_path):
    data = os.urandom(5_000_000)
    there = write(tmp_path / "f", data)
    os.chmod(there, 0o640)
    cli("cp", there, cli.url("f"))
    assert get(cli, "f") == data and cli("cat", cli.url("f")) == data
    cli("cp", cli.url("f"), str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data
    assert (tmp_path / "back").stat().st_mode & 0o777 == 0o640
    cli("cp", cli.url("f"), cli.url("g"))  # by the store
    assert get(cli, "g") == data
    cli("mv", cli.url("g"), cli.url("h"))
    cli("mkdir", "-p", cli.url("d/e"))
    cli("mv", cli.url("h"), cli.url("d/e"))
    assert get(cli, "d/e/h") == data
    cli("cp", there, cli.url("d"))
    assert cli("ls", "-R", cli.url()) == b"d/\nf\nd/e/\nd/f\nd/e/h\n"
    cli("rm", cli.url("f"))
    assert "directory: rm -r" in cli.error("rm", cli.url("d"))
    cli("rm", "-r", cli.url("d"))
    assert cli("ls", cli.url()) == b""


def test_trees(cli, tmp_path):
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    for i in range(5):
        (tree / f"a/b/{i}").write_bytes(b"%d" % i)
    (tree / "link").symlink_to("a/b/1")
    (tree / "empty").mkdir()
    os.mkfifo(tree / "fifo")
    assert "fifo is neither file" in cli.error("cp", "-r", str(tree), cli.url("copy"))
    cli("cp", "-r", cli.url("copy"), cli.url("again"))
    cli("cp", "-r", cli.url("again"), str(tmp_path / "back"))
    back = tmp_path / "back"
    assert sorted(p.name for p in back.iterdir()) == ["a", "empty", "link"]
    assert os.readlink(back / "link") == "a/b/1"
    assert (back / "a/b/4").read_bytes() == b"4"
    assert "into itself" in cli.error("cp", "-r", cli.url("copy"), cli.url("copy"))
    assert "cp -r" in cli.error("cp", cli.url("copy"), str(tmp_path / "no"))


def test_names(cli, tmp_path):
    source = write(tmp_path / "f", b"x")
    names = NAMES + ([b"not\xffutf-8"] if cli.root.startswith("file") else [])
    for name in names:
        cli("cp", source, cli.url(name))
    listed = cli.json("ls", "-l", cli.url())
    assert sorted(os.fsencode(entry["path"]) for entry in listed) == sorted(names)
    for name in names:
        (entry,) = cli.json("stat", cli.url(name))
        assert os.fsencode(entry["path"]) == name and entry["size"] == 1
        assert cli("cat", cli.url(name)) == b"x"
    cli("cp", "-r", cli.url(), str(tmp_path / "all"))
    assert sorted(os.listdir(os.fsencode(tmp_path / "all"))) == sorted(names)


def test_stat_and_ls(cli):
    put(cli, "f", b"12345")
    (entry,) = cli.json("stat", cli.url("f"))
    assert entry["type"] == "file" and entry["size"] == 5 and entry["mode"] == 0o644
    assert entry["etag"] and entry["mtime_ns"] > 1e18
    assert b"size:     5\n" in cli("stat", cli.url("f"))
    assert cli("ls", "-l", cli.url("f")).startswith(b"-rw-r--r--")
    with cli.open() as fs:
        fs.symlink("f", "l")
    assert cli.json("stat", cli.url("l"))[0]["target"] == "f"


@pytest.mark.parametrize("arguments, message", [
    ([], "no command"), (["nothing"], 'no command "nothing"'),
    (["--none", "ls"], "no option --none"), (["ls"], "usage: s3files ls"),
    (["ls", "-x", "s3://b"], "ls has no option -x"), (["ls", "here"], "no path in a bucket"),
    (["-o", "x", "ls", "s3://b"], "not NAME=VALUE"), (["status", "s3://b"], "needs --state-dir"),
    (["commit", "s3://b"], "needs --state-dir"), (["cp", "a", "b"], "use cp(1)"),
    (["mv", "a", "s3://b/c"], "use cp, then rm"), (["recover", "x"], "one of --list"),
    (["--root", "s3://a", "ls", "s3://b/c"], "not below --root"),
    (["-o", "bogus=1", "ls", "s3://b"], "unknown option bogus"), (["ls", "s3://"], "s3://BUCKET"),
    (["cp", "-", "-"], "use cp(1)"), (["cp", "s3://b/c", "s3://b/d", "-"], "cat writes several")])
def test_wrong_arguments(local, arguments, message):
    local.options = {}
    assert message in local.error(*arguments, code=2)


def test_errors_name_the_thing(cli, tmp_path):
    for command in ["cat", "ls", "stat", "rm"]:
        assert "none" in cli.error(command, cli.url("none"))
    assert "none: no such file" in cli.error("cp", cli.url("none"), str(tmp_path / "x"))
    assert "no directory /none" in cli.error("cp", write(tmp_path / "f", b""), cli.url("none/x"))
    assert "nofile" in cli.error("cp", str(tmp_path / "nofile"), cli.url("x"))
    cli("mkdir", cli.url("d"))
    assert "d" in cli.error("mkdir", cli.url("d"))
    assert cli("mkdir", "-p", cli.url("d")) == b""


def test_failures_for_programs(cli, tmp_path):
    def failures(*arguments, **how):
        lines = cli.error(*arguments, json_lines=True, **how).splitlines()
        return [json.loads(line) for line in lines]

    (failure,) = failures("cat", cli.url("none"))
    assert failure["errno"] == errno.ENOENT and "none" in failure["error"]
    (failure,) = failures("cp", str(tmp_path / "nodir/f"), cli.url("f"))
    assert "no such file" in failure["error"]
    (failure,) = failures("ls", "here", code=2)
    assert failure["errno"] == errno.EINVAL


def test_streams(cli):
    data = os.urandom(5_000_000)
    cli("cp", "-", cli.url("f"), stdin=data)
    assert get(cli, "f") == data and cli("cp", cli.url("f"), "-") == data
    assert cli.json("stat", cli.url("f"))[0]["mode"] == 0o644
    cli("cp", "-", cli.url("empty"))
    assert get(cli, "empty") == b""
    cli("mkdir", cli.url("d"))
    for directory in ("d", "d/", "none/"):
        assert "stdin has no name" in cli.error("cp", "-", cli.url(directory), code=2)


def test_version(local):
    local.options = {}
    assert local("--version") == f"s3files {s3files.__version__}\n".encode()


def test_rm_tells_of_everything(local):
    assert b"[--everything]" in local("--help")


def test_help(local):
    local.options = {}
    assert b"s3://BUCKET/PREFIX//PATH" in local("--help")
    for command in ["ls", "stat", "cat", "cp", "mv", "rm", "mkdir", "status", "commit", "discard",
                    "recover"]:
        assert f"usage: s3files [OPTION]... {command} ".encode() in local(command, "--help")


def test_all_of_a_bucket_is_not_removed_by_a_slip(s3):
    assert "--everything" in s3.error("rm", "-r", "s3://bucket")


def test_roots(s3):
    put(s3, "f", b"1")
    prefix = s3.root.rsplit("/", 1)[1]
    assert s3("cat", f"s3://bucket/{prefix}/f") == b"1"
    assert s3("--root", s3.root, "cat", s3.root + "/f") == b"1"
    s3("cp", s3.root + "//f", f"s3://bucket/{prefix}/g")  # two roots
    assert get(s3, "g") == b"1"


def test_progress(cli, tmp_path):
    source = write(tmp_path / "f", bytes(3_000_000))
    assert cli.run("cp", source, cli.url("f")).stderr == b""
    bars = cli.run("--progress", "cp", source, cli.url("f")).stderr
    assert b"100% 2.9 MiB" in bars and bars.endswith(b"\n")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_cp_of_stdin_publishes_nothing(s3, sent):
    process = subprocess.Popen(s3.command("cp", "-", s3.url("f")), stdin=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdin.write(b"half")
    process.stdin.flush()
    time.sleep(0.2)
    process.send_signal(sent)
    assert process.wait(timeout=30) == 130
    process.stdin.close()
    assert b"interrupted" in process.stderr.read()
    process.stderr.close()
    assert s3("ls", s3.url()) == b""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_cp_publishes_nothing(s3, tmp_path, sent):
    big = tmp_path / "big"
    big.touch()
    os.truncate(big, 2 << 30)
    process = subprocess.Popen(s3.command("cp", str(big), s3.url("big")), stderr=subprocess.PIPE)
    time.sleep(0.2)
    process.send_signal(sent)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and b"interrupted" in err
    assert s3("ls", s3.url()) == b""
