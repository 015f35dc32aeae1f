"""Violations made on purpose, for the checker to find: in the bucket, past the library, or in the log.

Both writes here are made under If-Match of what is there, so that nothing else goes wrong with them.
"""
import contextlib
import errno
import threading
import time
import urllib.error

from checker import check
from content import UNIT, etag_of, runs_of, stamp
from record import Log, load_files

PATH = "c0"
TIMES = 3
KINDS = ["lost-update", "mixed", "stale-open"]


class Planter(threading.Thread):
    """Beside the workers, a few times: `lost-update` or `mixed`."""

    def __init__(self, what, server, log_file):
        super().__init__(daemon=True)
        self.act = {"lost-update": self.lose, "mixed": self.mix}[what]
        self.server = server
        self.log = Log(log_file, "planter", 0)
        self.log.whole("start", time.monotonic_ns(), 0, loose=True, delayed=False)
        self.over = threading.Event()
        self.done = 0

    def run(self):
        while self.done < TIMES and not self.over.wait(0.1):
            with contextlib.suppress(OSError, IndexError):  # faults, conflicts, no file
                self.done += self.act()

    def stop(self):
        self.over.set()
        self.join()

    def current(self):
        body, etag = self.server.request("GET", PATH)
        return body, etag, body[:UNIT].decode().split()[1]

    def put(self, body, etag):
        """True where it is there; a lost reply is looked after, as the library would.

        Whoever had lost the reply to the version that it replaces is told of a conflict, [W2]: the
        checker is to take it for what may have replaced any.
        """
        replaced = self.log.begin("remove", path=PATH, staged=False)
        try:
            self.server.request("PUT", PATH, body, {"If-Match": etag})
            return True
        except (urllib.error.URLError, OSError):
            return any(self.stored(body) for _ in range(2))
        finally:
            self.log.end(replaced, errno.ESTALE)

    def stored(self, body):
        with contextlib.suppress(OSError):
            return self.server.request("GET", PATH)[0] == body
        return False

    def lose(self):
        """Made on a version that somebody else has replaced meanwhile, and put over that."""
        _, _, base = self.current()
        time.sleep(0.05)
        _, etag, now = self.current()
        if now == base:
            return False
        version = self.log.next_id()
        body = stamp(PATH, version, base) * 5
        write = self.log.begin("write", path=PATH, id=version, base=base, base_etag=None,
                               runs=runs_of(PATH, body), etag=etag_of(body), h=None)
        self.log.end(write, 0)
        commit = self.log.begin("commit", path=PATH, id=version, how="close", acks=True)
        done = self.put(body, etag)
        self.log.end(commit, 0 if done else 5)
        return done

    def mix(self):
        """The second half of the version's bytes are of the one before."""
        body, etag, now = self.current()
        base = body[:UNIT].decode().split()[3]
        half = len(body) // UNIT // 2
        if half == 0 or "." not in base:
            return False
        return self.put(body[:half * UNIT] + stamp(PATH, base, "?") * half, etag)


def make_stale(directory):
    """In a log of its own: an open that gives what another's version, seen before it, was made on.

    Gives the path: which of them have changed is up to the clock. Of those that are removed, too, only
    where no other has: that a version was there in a later life of the file is found twice.
    """
    records = load_files(directory.glob("*.log"))
    writes = {r["id"]: r for r in records if r["op"] == "write"}
    reads = [r for r in records if r["op"] == "read" and r["err"] == 0 and not r["staged"]]
    for seen in sorted(reads, key=lambda r: r["path"].startswith("b")):
        write = writes[seen["runs"][0][0]]
        if write["base"] in writes and write["p"] != seen["p"]:
            Log(directory / "planter.log", "planter", 0).whole(
                "read", seen["t1"] + 1, 0, h=1, path=seen["path"],
                runs=writes[write["base"]]["runs"], staged=False, first=True)
            return seen["path"]
    raise RuntimeError("nobody saw a version that another had made on one before")


def verdict(what, path, records):
    """None, or why the plant was not found as what it is."""
    found = check(records).violations
    kinds = {violation.kind for violation in found}
    paths = {violation.path for violation in found}
    if kinds == {what} and paths == {path}:
        return None
    return f"planted {what} at {path}, found {sorted(kinds)} at {sorted(paths)}"
