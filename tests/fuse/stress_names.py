"""The part "names" of stress.py: processes that make, move and remove names at random on one mount.

Each has a tree of its own, and does everything in it on the local disk, too: results, errnos and in
the end the trees must be the same. Every other step is in a tree that all of them share, where only
an errno that a race explains may come. What a process does follows from the seed alone (but for what
the others do in the shared tree). A step that takes longer than STALL is a hang: the stacks of
s3files-fuse and of the server are printed.
"""
import collections
import ctypes
import errno
import hashlib
import multiprocessing
import multiprocessing.connection
import os
import random
import shutil
import stat
import subprocess
import time

from conftest import objects_of

STALL = 60  # seconds that no step takes
SHARED = "shared"
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
AT_FDCWD = -100
LIBC = ctypes.CDLL(None, use_errno=True)
RACES = {"ENOENT", "EEXIST", "ENOTEMPTY", "EISDIR", "ENOTDIR", "EINVAL", "ELOOP", "EBUSY", "ENODATA"}
UNEXPLAINED = set(errno.errorcode.values()) - RACES

# What a step does, and how often.
WEIGHTS = {
    "write": 12, "append": 6, "truncate": 3, "unlink": 8, "rename": 12, "noreplace": 3,
    "exchange": 4, "mkdir": 8, "rmdir": 5, "symlink": 3, "list": 3, "stat": 4, "chmod": 3,
    "read": 5, "setxattr": 2, "getxattr": 1, "fsync": 2, "stamp": 2, "exclusive": 2,
    "open": 6, "pwrite": 6, "pread": 4, "ftruncate": 2, "sync": 1, "close": 5,
}
OF_HANDLES = {"pwrite", "pread", "ftruncate", "sync", "close"}
OPEN = {"write", "append", "truncate", "read", "fsync", "stamp"}
SLOTS = 4  # handles that a process has open at a time


class Side:
    """A tree that steps are made in: on the mount, or beside it."""

    def __init__(self, root):
        self.root, self.open, self.failed = root, {}, None

    def at(self, name):
        return os.path.join(self.root, name)

    def close(self):
        for descriptor in self.open.values():
            os.close(descriptor)
        self.open.clear()

    def make(self, step):
        """What the step answers, or its errno."""
        operation, arguments = step[0], step[1:]
        try:
            return getattr(self, operation)(*arguments)
        except OSError as error:
            self.failed = error
            return errno.errorcode.get(error.errno, str(error.errno))

    def write(self, name, data):
        with open(self.at(name), "wb", buffering=0) as file:
            file.write(data)

    def append(self, name, data):
        with open(self.at(name), "ab", buffering=0) as file:
            file.write(data)

    def stamp(self, name):
        os.close(os.open(self.at(name), os.O_WRONLY | os.O_CREAT, 0o640))

    def exclusive(self, name, data):
        with open(self.at(name), "xb", buffering=0) as file:
            file.write(data)

    def truncate(self, name, size):
        os.truncate(self.at(name), size)

    def unlink(self, name):
        os.unlink(self.at(name))

    def rename(self, name, to):
        os.rename(self.at(name), self.at(to))

    def rename2(self, name, to, how):
        if LIBC.renameat2(AT_FDCWD, os.fsencode(self.at(name)), AT_FDCWD, os.fsencode(self.at(to)),
                          how):
            raise OSError(ctypes.get_errno(), "renameat2")

    def noreplace(self, name, to):
        self.rename2(name, to, RENAME_NOREPLACE)

    def exchange(self, name, to):
        self.rename2(name, to, RENAME_EXCHANGE)

    def mkdir(self, name):
        os.mkdir(self.at(name))

    def rmdir(self, name):
        os.rmdir(self.at(name))

    def symlink(self, name, target):
        os.symlink(target, self.at(name))

    def list(self, name):
        return sorted(os.listdir(self.at(name)))

    def stat(self, name):
        status = os.lstat(self.at(name))
        return status.st_mode, status.st_size * (not stat.S_ISDIR(status.st_mode))

    def chmod(self, name, mode):
        os.chmod(self.at(name), mode)

    def read(self, name):
        with open(self.at(name), "rb", buffering=0) as file:
            return hashlib.sha256(file.readall()).hexdigest()

    def setxattr(self, name, value):
        os.setxattr(self.at(name), "user.x", value)

    def getxattr(self, name):
        return os.getxattr(self.at(name), "user.x")

    def fsync(self, name, data):
        descriptor = os.open(self.at(name), os.O_RDWR)
        try:
            os.write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def open_(self, slot, name, flags):
        self.open[slot] = os.open(self.at(name), flags, 0o666)

    def pwrite(self, slot, data, offset):
        return os.pwrite(self.open[slot], data, offset)

    def pread(self, slot, size, offset):
        data = os.pread(self.open[slot], size, offset)
        return len(data), hashlib.sha256(data).hexdigest()

    def ftruncate(self, slot, size):
        os.ftruncate(self.open[slot], size)

    def sync(self, slot):
        os.fsync(self.open[slot])

    def close_(self, slot):
        os.close(self.open.pop(slot))

    def removed(self, slot):
        return os.fstat(self.open[slot]).st_nlink == 0


class Steps:
    """An endless row of steps, the same for the same seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.crowded = False

    def name(self):
        if self.crowded and self.random.random() < 0.5:
            return self.random.choice("cde")  # where they meet
        depth = self.random.choice([1, 1, 2, 2, 3])
        letters = ["abcd"] * (depth - 1) + ["abcdefgh"]
        return "/".join(self.random.choice(each) for each in letters)

    def data(self, most=(0, 1, 100, 5000, 200000)):
        return self.random.randbytes(self.random.choice(most))

    def step(self, shared, slots):
        """`slots` are open; none in the shared tree."""
        pick = self.random
        self.crowded = shared
        while True:
            what = pick.choices(list(WEIGHTS), WEIGHTS.values())[0]
            if what == "open" and not shared and len(slots) < SLOTS:
                slot = next(i for i in range(SLOTS) if i not in slots)
                flags = os.O_RDWR | pick.choice([0, os.O_CREAT, os.O_CREAT | os.O_TRUNC])
                return "open_", slot, self.name(), flags
            if what == "open" or what in OF_HANDLES:
                if shared or not slots or what == "open":
                    continue
                return self.of_handle(what, pick.choice(sorted(slots)))
            return (what, self.name(), *self.more(what))

    def more(self, what):
        pick = self.random
        if what in ("write", "exclusive"):
            return [self.data()]
        if what in ("append", "fsync"):
            return [self.data((1, 50))]
        if what == "truncate":
            return [pick.randrange(1000)]
        if what in ("rename", "noreplace", "exchange", "symlink"):
            return [self.name()]
        if what == "chmod":
            return [pick.choice([0o600, 0o640, 0o755, 0o700])]
        if what == "setxattr":
            return [b"%d" % pick.randrange(1000)]
        return []

    def of_handle(self, what, slot):
        pick = self.random
        if what == "pwrite":
            return what, slot, self.data((1, 100, 5000)), pick.randrange(10000)
        if what == "pread":
            return what, slot, pick.randrange(1, 300000), pick.randrange(10000)
        if what == "ftruncate":
            return what, slot, pick.randrange(10000)
        return ("close_" if what == "close" else what), slot


def shown(step):
    return " ".join(f"<{len(word)} bytes>" if isinstance(word, bytes) else str(word)
                    for word in step)


def tolerated(step, answer, beside):
    """A deviation that SEMANTICS.md states: [N9] is of files, and [N3] of what is resident."""
    if step[0] == "exchange" and answer == "ENOTSUP":
        return beside is None or any(os.path.isdir(path) and not os.path.islink(path)
                                     for path in map(beside.at, step[1:]))
    if step[0] == "pread" and answer == "ESTALE":
        return beside.removed(step[1])
    return False


def work(watch, mount, local, number, seed, operations):
    """One of the processes; what went wrong."""
    os.umask(0o022)
    steps = Steps(f"{seed}/{number}")
    mine, beside = Side(mount / str(number)), Side(local / str(number))
    all_of_us = Side(mount / SHARED)
    last, wrong = collections.deque(maxlen=12), []
    for i in range(operations):
        shared = i % 2 == 1
        step = steps.step(shared, beside.open.keys())
        watch.note(i, ("shared: " if shared else "") + shown(step))
        if shared:
            answer = all_of_us.make(step)
            # An open met another file by its name each time that the kernel tried; later than at
            # the open it would be a conflict with ourselves.
            if answer == "ESTALE" and step[0] in OPEN and all_of_us.failed.filename is not None:
                continue
            if str(answer) in UNEXPLAINED and not tolerated(step, answer, None):
                wrong.append(f"process {number}, step {i}, shared: {shown(step)}: "
                             f"{all_of_us.failed}")
            continue
        answer = mine.make(step)
        last.append(f"{i} {shown(step)}: {answer if isinstance(answer, str) else 'ok'}")
        if tolerated(step, answer, beside):
            continue
        expected = beside.make(step)
        if answer != expected:
            wrong.append(f"process {number}, step {i}: {shown(step)}: {answer}, not {expected}; "
                         "before it: " + "; ".join(list(last)[:-1]))
            break
    mine.close()
    beside.close()
    return wrong


def tree_of(watch, directory, times):
    """Everything below the directory; only what both places have in common without `times`."""
    tree = {}
    for path in sorted(directory.rglob("*")):
        watch.note(len(tree), f"tree: {path}")
        name, status = str(path.relative_to(directory)), path.lstat()
        if path.is_symlink():
            tree[name] = "symlink", os.readlink(path)
        elif path.is_dir():
            tree[name] = "directory", oct(status.st_mode)
        else:
            xattrs = {of: os.getxattr(path, of) for of in os.listxattr(path)}
            tree[name] = ("file", oct(status.st_mode), status.st_size, xattrs,
                          hashlib.sha256(path.read_bytes()).hexdigest())
        if times and not path.is_dir():
            tree[name] += (status.st_mtime_ns,)
    return tree


class Hang(Exception):
    pass


class Watch:
    """What a process is at, for the one that watches it."""

    def __init__(self):
        self.count = multiprocessing.Value("q", -1)
        self.what = multiprocessing.Array("c", 400)

    def note(self, count, what):
        self.what.value = what.encode("utf-8", "replace")[:399]
        self.count.value = count


def answer_to(connection, function, *arguments):
    try:
        connection.send((True, function(*arguments)))
    except Exception as error:  # of any kind: it is the parent's to tell
        connection.send((False, f"{type(error).__name__}: {error}"))


def watched(calls):
    """Runs each (function, arguments...) in a process of its own; their answers. Hang where one stalls."""
    running = []
    for function, *arguments in calls:
        watch = Watch()
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.Process(target=answer_to, daemon=True,
                                          args=(theirs, function, watch, *arguments))
        process.start()
        theirs.close()
        running.append([process, ours, watch, -1, time.monotonic()])
    answers = [None] * len(running)
    waiting = dict(enumerate(running))
    while waiting:
        multiprocessing.connection.wait([entry[1] for entry in waiting.values()], timeout=1)
        for i, entry in list(waiting.items()):
            process, ours, watch, seen, since = entry
            if ours.poll():
                try:
                    answers[i] = ours.recv()
                except EOFError:
                    answers[i] = False, "it ended without an answer"
                process.join()
                del waiting[i]
            elif watch.count.value != seen:
                entry[3:] = watch.count.value, time.monotonic()
            elif time.monotonic() - since > STALL:
                raise Hang([f"process {n} ({e[0].pid}): step {e[2].count.value}: "
                            + e[2].what.value.decode("utf-8", "replace")
                            + (" HANGS" if time.monotonic() - e[4] > STALL else "")
                            for n, e in waiting.items()])
    for ok, answer in answers:
        if not ok:
            raise RuntimeError(answer)
    return [answer for _, answer in answers]


def stacks_of(process):
    """Where the threads of a program are, as far as anything here can tell."""
    if process is None or process.poll() is not None:
        return ["the program has ended"]
    if shutil.which("gdb"):
        told = subprocess.run(["gdb", "-p", str(process.pid), "-batch", "-ex", "thread apply all bt"],
                              capture_output=True, text=True, timeout=STALL)
        return [line for line in told.stdout.splitlines() if line.startswith(("#", "Thread"))]
    lines = []
    for task in sorted(os.listdir(f"/proc/{process.pid}/task")):
        for what in ("wchan", "syscall", "stack"):
            try:
                with open(f"/proc/{process.pid}/task/{task}/{what}", encoding="ascii") as file:
                    lines += [f"{task} {what}: {line}" for line in file.read().splitlines()]
            except OSError as error:
                lines.append(f"{task} {what}: {error.strerror}")
    return lines


def run(mount, local, report, differences, seed, processes, operations, options):
    """On `mount`, not started; a line of the report each."""
    what = "names" + "".join(f" {option}" for option in options)
    local.mkdir()
    print(f"{what}: --seed {seed} --processes {processes} --operations {operations}", flush=True)
    mount.start(*options)
    start = time.monotonic()
    try:
        (mount.path / SHARED).mkdir()
        for number in range(processes):
            (mount.path / str(number)).mkdir()
            (local / str(number)).mkdir()
        wrong = watched([(work, mount.path, local, number, seed, operations)
                         for number in range(processes)])
        report.check(what, [line for lines in wrong for line in lines], time.monotonic() - start)
        before, beside = watched([(tree_of, mount.path, True), (tree_of, local, False)])
        if not any(wrong):
            report.check(f"{what}, beside the local disk", differences(
                beside, {name: entry[:len(beside.get(name, ()))] for name, entry in before.items()
                         if not name.startswith(SHARED)}))
        entries = objects_of(mount.path)
        status = mount.stop()
        report.check(f"{what}, unmount",
                     mount.stderr.splitlines() or [f"status {status}"] * (status != 0))
        report.check(f"{what}, objects are the tree",
                     differences(entries, mount.listed_by_awscli()))
        mount.start(*options)
        after, = watched([(tree_of, mount.path, True)])
        report.check(f"{what}, after the remount", differences(before, after))
        mount.stop()
    except (Hang, subprocess.TimeoutExpired) as error:
        report.fail(what, "a hang", *(error.args[0] if isinstance(error, Hang) else [str(error)]),
                    "s3files-fuse:", *stacks_of(mount.process),
                    "the server:", *stacks_of(mount.server.process))
    except RuntimeError as error:
        report.fail(what, str(error), *mount.log.read_text().splitlines()[-20:])
    finally:
        if mount.process is not None:
            mount.process.kill()  # whoever waits for it goes on, with an error
            mount.process.wait()
            mount.process.stdout.close()
            mount.process = None
            subprocess.run(["fusermount3", "-u", "-z", mount.path], check=False)
