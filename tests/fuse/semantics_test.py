"""What POSIX, or the library's guarantees, promise of the mount, call by call."""
import ctypes
import errno
import fcntl
import mmap
import multiprocessing
import os
import signal
import stat
import struct
import subprocess
import sys
import time

import pytest

LIBC = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
AT_FDCWD = -100


def rename(source, target, flags):
    """renameat2(2); the errno, 0 where it went well."""
    failed = LIBC.renameat2(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), flags)
    return ctypes.get_errno() if failed else 0


def refused(code):
    class Refused:
        def __enter__(self):
            return self

        def __exit__(self, kind, error, trace):
            assert isinstance(error, OSError), f"not refused: {error!r}"
            assert error.errno == code, error
            return True
    return Refused()


# Opening and bytes


def test_another_hosts_version_is_seen_by_the_next_open(mount):
    mount.put("file", b"first")
    path = mount.path / "file"
    with open(path, "rb", buffering=0) as old:
        assert old.read() == b"first"
        mount.put("file", b"second")  # as long as the kernel believes what it knows
        assert path.read_bytes() == b"second"
        assert path.stat().st_size == 6
        # [C2] and [C5]: what is open stays what it was, never a mixture.
        assert os.pread(old.fileno(), 10, 0) == b"first"
        assert os.fstat(old.fileno()).st_size == 5
        assert path.read_bytes() == b"second"


def test_a_version_of_the_same_size_is_another_one_too(mount):
    mount.put("file", b"AAAA")
    path = mount.path / "file"
    with open(path, "rb", buffering=0) as old:
        assert old.read() == b"AAAA"
        mount.put("file", b"BBBB")
        assert path.read_bytes() == b"BBBB"
        assert os.pread(old.fileno(), 10, 0) == b"AAAA"
        assert path.read_bytes() == b"BBBB"


def test_removed_by_another_host(mount):
    mount.put("file", b"bytes")
    assert (mount.path / "file").read_bytes() == b"bytes"
    mount.server.client.delete_object(Bucket="bucket", Key=f"{mount.prefix}/file")
    with refused(errno.ENOENT):
        (mount.path / "file").read_bytes()


def test_own_changes_are_seen_at_once(mount):
    path = mount.path / "file"
    with open(path, "wb", buffering=0) as file:
        file.write(b"0123456789")
        assert path.read_bytes() == b"0123456789"
        os.fsync(file.fileno())
        assert mount.get("file") == b"0123456789"
        file.write(b"ab")
        assert path.stat().st_size == 12
        os.ftruncate(file.fileno(), 4)
        assert path.read_bytes() == b"0123"
        os.ftruncate(file.fileno(), 6)
    assert path.read_bytes() == b"0123\0\0"
    with open(path, "wb"):
        assert path.read_bytes() == b""


def test_append_with_a_mapping_beside_it(mount):
    path = mount.path / "file"
    path.write_bytes(b"x" * 8192)
    with open(path, "ab", buffering=0) as appender, open(path, "r+b") as file:
        with mmap.mmap(file.fileno(), 8192) as mapped:
            mapped[10:13] = b"map"
            appender.write(b"end")
            mapped.flush()
            appender.write(b"!")
    content = path.read_bytes()
    assert (len(content), content[8:15], content[-4:]) == (8196, b"xxmapxx", b"end!")


def test_open_files_outlive_their_names(mount):
    path = mount.path / "file"
    with open(path, "w+b", buffering=0) as file:
        file.write(b"bytes")
        path.unlink()
        assert not path.exists()
        assert os.pread(file.fileno(), 10, 0) == b"bytes"
        file.write(b" and more")
        path.write_bytes(b"another")
        assert os.pread(file.fileno(), 20, 0) == b"bytes and more"
        assert os.fstat(file.fileno()).st_nlink == 0
    assert path.read_bytes() == b"another"
    assert mount.stop() == 0, mount.stderr
    assert mount.keys() == {"file": 7}


def test_open_files_without_a_name_can_be_opened_again(mount):
    path = mount.path / "file"
    with open(path, "w+b", buffering=0) as file:
        file.write(b"bytes")
        os.fsync(file.fileno())
        path.unlink()
        path.write_bytes(b"another")
        with open(f"/proc/self/fd/{file.fileno()}", "r+b", buffering=0) as again:
            assert again.read() == b"bytes"
            again.write(b" and more")
        assert os.pread(file.fileno(), 20, 0) == b"bytes and more"
        open(f"/proc/self/fd/{file.fileno()}", "wb").close()
        assert os.fstat(file.fileno()).st_size == 0
    assert path.read_bytes() == b"another"


def test_emptying_an_empty_file_modifies_it(mount):
    path = mount.path / "stamp"
    path.write_bytes(b"")
    mount.remount()
    before = path.stat().st_mtime_ns
    mount.run("sh", "-c", "> stamp")
    assert path.stat().st_mtime_ns > before
    mount.remount()
    assert path.stat().st_mtime_ns > before


def test_created_for_reading_only(mount):
    descriptor = os.open(mount.path / "lock", os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with refused(errno.EBADF):
        os.write(descriptor, b"x")
    os.close(descriptor)
    with refused(errno.EEXIST):
        os.open(mount.path / "lock", os.O_RDONLY | os.O_CREAT | os.O_EXCL)
    assert mount.stop() == 0, mount.stderr
    assert mount.keys() == {"lock": 0}


def test_copy_file_range(mount):
    source, target = mount.path / "source", mount.path / "target"
    source.write_bytes(os.urandom(3 << 20))
    with open(source, "rb") as read, open(target, "wb") as write:
        done = 0
        while n := os.copy_file_range(read.fileno(), write.fileno(), 8 << 20):
            done += n
    assert done == 3 << 20
    assert target.read_bytes() == source.read_bytes()
    mount.remount()
    assert target.read_bytes() == source.read_bytes()


def test_close_commits_and_tells_where_there_is_no_delay(unmounted):
    mount = unmounted
    mount.start("commit_delay=0s")
    (mount.path / "file").write_bytes(b"bytes")
    assert mount.get("file") == b"bytes"
    file = open(mount.path / "file", "ab", buffering=0)
    file.write(b" and more")
    mount.put("file", b"theirs")
    with refused(errno.ESTALE):
        file.close()
    assert (mount.path / "file").read_bytes() == b"theirs"
    assert mount.stop() == 0, mount.stderr
    assert "file was changed by another host" in mount.stderr


# Names


def test_rename(mount):
    a, b = mount.path / "a", mount.path / "b"
    a.write_bytes(b"a")
    b.write_bytes(b"b")
    assert rename(a, b, RENAME_NOREPLACE) == errno.EEXIST
    assert rename(a, mount.path / "c", RENAME_NOREPLACE) == 0
    os.rename(mount.path / "c", b)
    assert b.read_bytes() == b"a"
    assert not a.exists()
    assert rename(b, a, 4) == errno.EINVAL  # RENAME_WHITEOUT
    mount.remount()
    assert mount.keys() == {"b": 1}


def test_rename_exchange(mount):
    a, b = mount.path / "a", mount.path / "b"
    a.write_bytes(b"a")
    b.write_bytes(b"bb")
    mount.remount()
    assert (a.read_bytes(), b.read_bytes()) == (b"a", b"bb")
    assert rename(a, b, RENAME_EXCHANGE) == 0
    assert (a.read_bytes(), b.read_bytes()) == (b"bb", b"a")
    mount.remount()
    assert (a.read_bytes(), b.read_bytes()) == (b"bb", b"a")
    assert rename(a, mount.path / "none", RENAME_EXCHANGE) == errno.ENOENT


def test_rename_of_a_directory(mount):
    (mount.path / "from/below").mkdir(parents=True)
    (mount.path / "from/below/file").write_bytes(b"bytes")
    mount.remount()
    with open(mount.path / "from/below/file", "r+b", buffering=0) as file:
        os.rename(mount.path / "from", mount.path / "to")
        file.write(b"BY")
        assert (mount.path / "to/below/file").read_bytes() == b"BYtes"
        (mount.path / "to/new").write_bytes(b"new")
    assert not (mount.path / "from").exists()
    with refused(errno.EINVAL):
        os.rename(mount.path / "to", mount.path / "to/below/inside")
    assert mount.stop() == 0, mount.stderr
    assert mount.keys() == {"to/": 0, "to/below/": 0, "to/below/file": 5, "to/new": 3}


def test_symlinks(mount):
    (mount.path / "directory").mkdir()
    (mount.path / "directory/file").write_bytes(b"bytes")
    (mount.path / "link").symlink_to("directory/file")
    (mount.path / "dangling").symlink_to("none")
    assert (mount.path / "link").read_bytes() == b"bytes"
    mount.remount()
    assert os.readlink(mount.path / "link") == "directory/file"
    assert (mount.path / "link").lstat().st_size == len("directory/file")
    assert (mount.path / "link").read_bytes() == b"bytes"
    assert {entry.name for entry in os.scandir(mount.path) if entry.is_symlink()} == {
        "link", "dangling"}
    with refused(errno.ELOOP):
        os.open(mount.path / "link", os.O_RDONLY | os.O_NOFOLLOW)


def test_what_no_object_can_be(mount):
    (mount.path / "file").write_bytes(b"")
    with refused(errno.EPERM):
        os.link(mount.path / "file", mount.path / "second")
    with refused(errno.EPERM):
        os.mkfifo(mount.path / "fifo")
    os.mknod(mount.path / "regular", stat.S_IFREG | 0o640)
    assert (mount.path / "regular").stat().st_mode == stat.S_IFREG | 0o640
    with refused(errno.ENAMETOOLONG):
        (mount.path / ("n" * 256)).write_bytes(b"")
    with refused(errno.EOPNOTSUPP):
        with open(mount.path / "file", "wb") as file:
            if LIBC.fallocate(file.fileno(), 0, ctypes.c_long(0), ctypes.c_long(100)) != 0:
                raise OSError(ctypes.get_errno(), "fallocate")


def test_large_directory(mount):
    names = [f"{i:05}" for i in range(2500)]
    for name in names:
        mount.put(f"many/{name}", b"")
    directory = mount.path / "many"
    assert sorted(os.listdir(directory)) == names
    listed = mount.run("ls", "-a", "many").split()
    assert listed == [".", "..", *names]
    for name in names[::2]:  # while it is being listed
        (directory / name).unlink()
    with os.scandir(directory) as entries:
        kept = [next(entries).name]
        kept.append(next(entries).name)
        (directory / names[-1]).unlink()
        kept += [entry.name for entry in entries]
    assert [name for name in kept if name != names[-1]] == names[1:-1:2]
    assert sorted(os.listdir(directory)) == names[1:-1:2]


def test_an_empty_directory_is_rewound(mount):
    (mount.path / "directory").mkdir()
    program = ("opendir my $dir, 'directory'; my @none = readdir $dir; mkdir 'directory/new'; "
               "rewinddir $dir; print join ' ', sort readdir $dir")
    assert mount.run("perl", "-e", program) == ". .. new"


def test_names_are_utf8(mount):
    (mount.path / "caf\u00e9").write_bytes(b"")
    for call in (os.stat, os.mkdir, lambda path: os.open(path, os.O_CREAT | os.O_WRONLY)):
        with refused(errno.EILSEQ):
            call(os.fsencode(mount.path) + b"/caf\xe9")


# Attributes


def test_attributes(mount):
    path = mount.path / "file"
    path.write_bytes(b"bytes")
    path.chmod(0o4751)
    os.chown(path, 1001, 1002)
    path.chmod(0o4751)
    os.utime(path, ns=(10**18 + 1, 10**18 + 123456789))
    (mount.path / "directory").mkdir()
    (mount.path / "directory").chmod(0o2770)

    def check():
        status = path.stat()
        assert (status.st_mode, status.st_uid, status.st_gid) == (stat.S_IFREG | 0o4751, 1001, 1002)
        assert status.st_mtime_ns == 10**18 + 123456789
        assert (mount.path / "directory").stat().st_mode == stat.S_IFDIR | 0o2770
    check()
    mount.remount()
    check()
    os.utime(path)
    assert path.stat().st_mtime_ns > 10**18 + 123456789
    os.truncate(path, 2)
    assert path.read_bytes() == b"by"


def test_extended_attributes(mount):
    path = mount.path / "file"
    path.write_bytes(b"")
    os.setxattr(path, "user.colour", b"red")
    with refused(errno.EEXIST):
        os.setxattr(path, "user.colour", b"blue", os.XATTR_CREATE)
    with refused(errno.ENODATA):
        os.setxattr(path, "user.size", b"1", os.XATTR_REPLACE)
    with refused(errno.ENOTSUP):
        os.setxattr(path, "trusted.colour", b"red")
    mount.remount()
    assert os.listxattr(path) == ["user.colour"]
    assert os.getxattr(path, "user.colour") == b"red"
    os.removexattr(path, "user.colour")
    with refused(errno.ENODATA):
        os.getxattr(path, "user.colour")


def test_space(mount):
    space = os.statvfs(mount.path)
    assert space.f_bavail * space.f_frsize >= 1 << 40
    assert space.f_namemax == 255


def as_nobody(*command):
    return subprocess.run(command, user=65534, group=65534, extra_groups=[4242],
                          capture_output=True, text=True, timeout=60)


def test_permissions(unmounted):
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    mount = unmounted
    mount.path.parent.chmod(0o755)
    for parent in mount.path.parents:
        if not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    mount.start("allow_other")
    (mount.path / "secret").write_text("secret")
    (mount.path / "secret").chmod(0o600)
    (mount.path / "group").write_text("group")
    os.chown(mount.path / "group", 0, 4242)
    (mount.path / "group").chmod(0o640)
    (mount.path / "own").mkdir()
    os.chown(mount.path / "own", 65534, 65534)

    assert "Permission denied" in as_nobody("cat", mount.path / "secret").stderr
    assert as_nobody("cat", mount.path / "group").stdout == "group"
    assert "Permission denied" in as_nobody("touch", mount.path / "new").stderr
    assert "Operation not permitted" in as_nobody("chmod", "666", mount.path / "secret").stderr
    assert as_nobody("sh", "-c", f"umask 027; echo x > '{mount.path}/own/new'").stderr == ""
    status = (mount.path / "own/new").stat()
    assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o640, 65534, 65534)


# Locks


def locked_elsewhere(path, take):
    """What `take` says in another process: 0, or an errno."""
    program = f"""
import fcntl, os, struct, sys
file = open({str(path)!r}, "r+b")
try:
    {take}
except OSError as error:
    sys.exit(error.errno)
"""
    return subprocess.run([sys.executable, "-c", program], timeout=60).returncode


POSIX = "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, {length}, {start})"
FLOCK = "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)"


def test_range_locks(mount):
    path = mount.path / "file"
    path.write_bytes(b"bytes")
    with open(path, "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 10, 0)
        assert locked_elsewhere(path, POSIX.format(length=5, start=5)) == errno.EAGAIN
        assert locked_elsewhere(path, POSIX.format(length=5, start=10)) == 0
        fcntl.lockf(file, fcntl.LOCK_UN, 5, 5)
        assert locked_elsewhere(path, POSIX.format(length=5, start=5)) == 0
        assert locked_elsewhere(path, POSIX.format(length=5, start=0)) == errno.EAGAIN
        open(path, "rb").close()  # closing any descriptor of the file releases them, says POSIX
        assert locked_elsewhere(path, POSIX.format(length=5, start=0)) == 0


def test_locks_of_an_open_file_end_with_it(mount):
    path = mount.path / "file"
    path.write_bytes(b"bytes")
    with open(path, "r+b") as file:
        ofd = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(file, 37, ofd)  # F_OFD_SETLK
        open(path, "rb").close()
        assert locked_elsewhere(path, POSIX.format(length=5, start=0)) == errno.EAGAIN
    assert_released(path, POSIX.format(length=5, start=0))
    with open(path, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert locked_elsewhere(path, FLOCK) == errno.EAGAIN
    assert_released(path, FLOCK)


def assert_released(path, take):
    """The kernel tells of the last close when it comes to it: waits for the lock, and has it."""
    assert locked_elsewhere(path, take.replace(" | fcntl.LOCK_NB", "")) == 0


def _lock_and_tell(path, waiting, result, kind):
    signal.signal(signal.SIGUSR1, lambda *_: (_ for _ in ()).throw(InterruptedError()))
    with open(path, "r+b") as file:
        waiting.set()
        try:
            (fcntl.flock if kind == "flock" else fcntl.lockf)(file, fcntl.LOCK_EX)
            result.put("locked")
        except InterruptedError:
            result.put("interrupted")


@pytest.mark.parametrize("kind", ["flock", "lockf"])
@pytest.mark.parametrize("end", ["unlock", "signal"])
def test_waiting_for_a_lock(mount, kind, end):
    path = mount.path / "file"
    path.write_bytes(b"bytes")
    (mount.path / "another").write_bytes(b"bytes")  # closing a lock's file would release it
    context = multiprocessing.get_context("fork")
    waiters = []
    with open(path, "r+b") as file:
        (fcntl.flock if kind == "flock" else fcntl.lockf)(file, fcntl.LOCK_EX)
        # More than there are threads that serve the mount: none of those must wait.
        for _ in range(80 if end == "unlock" else 1):
            waiting, result = context.Event(), context.Queue()
            process = context.Process(target=_lock_and_tell, args=(path, waiting, result, kind))
            process.start()
            waiters.append((process, waiting, result))
        for process, waiting, _ in waiters:
            assert waiting.wait(60)
        assert (mount.path / "another").read_bytes() == b"bytes"
        for process, _, result in waiters:
            wait_until_blocked(process.pid)
            if end == "signal":
                os.kill(process.pid, signal.SIGUSR1)
                assert result.get(timeout=60) == "interrupted"
        # The waiters have inherited the file: closing it here would not unlock.
        (fcntl.flock if kind == "flock" else fcntl.lockf)(file, fcntl.LOCK_UN)
    for process, _, result in waiters:
        if end == "unlock":
            assert result.get(timeout=60) == "locked"
        process.join(60)
        assert process.exitcode == 0


def wait_until_blocked(pid):
    """Until the process sleeps in the lock call (72 is fcntl, 73 flock)."""
    give_up = time.monotonic() + 60
    while open(f"/proc/{pid}/syscall").read().split()[0] not in ("72", "73"):
        assert time.monotonic() < give_up, "it does not wait"
        os.sched_yield()
