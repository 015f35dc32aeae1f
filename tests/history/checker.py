"""Proves of a history that it is one of close-to-open files, or finds where it is not.

check(records) gives a Result. For each path the versions are put in order, and whatever was seen
must fit the clock. A write names the version it was made on, so most of the order is given: versions
hang together in chains by their bases, and each chain is one stretch of the path's life, for its
writes were conditional. What ends a stretch is a write that names no base (a rename over the path) or
a remove. So within a chain every operation is checked against the ones behind it, and between chains
their stretches must not overlap (Gibbons and Korach's zones, of chains instead of values).
"""
import errno
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from record import ABSENT, FINAL, INCARNATION

CONFLICT = (errno.ESTALE, errno.EEXIST)
NEVER = float("inf")
SOON_NS = 3_000_000_000  # until then a request of a process that was killed is done


@dataclass
class Violation:
    kind: str
    path: str
    message: str
    records: list = field(default_factory=list)  # those that show it


@dataclass
class Version:
    """One write, and what is known of it. `first` and `last` are (time, record): the latest moment at
    which it began to be the store's, and the latest moment since which it still was."""

    id: str
    write: dict
    base: str
    attempts: list = field(default_factory=list)
    acked: dict = None
    lost: dict = None
    seen: dict = None
    effective: bool = False
    first: tuple = (NEVER, None)
    last: tuple = (0, None)
    children: list = field(default_factory=list)  # the effective ones

    def present(self, since, until, record):
        if until < self.first[0]:
            self.first = (until, record)
        if since is not None and since > self.last[0]:
            self.last = (since, record)


@dataclass
class Result:
    violations: list
    acknowledged: int  # versions whose commit returned 0, all of which were found in their place
    # What a lost reply excuses, [W2], as records:
    overtaken: list  # conflicts that were told of versions which had taken effect
    reborn: list  # absences of new files that were removed, and made again by the repeated request


@dataclass
class Chain:
    """The effective versions from `root` on: one stretch of time."""

    root: Version
    versions: list
    first: tuple = (NEVER, None)
    last: tuple = (0, None)

    def __post_init__(self):
        self.first = min((v.first for v in self.versions), key=lambda pair: pair[0])
        self.last = max((v.last for v in self.versions), key=lambda pair: pair[0])


class Processes:
    """What kind each process is, and which of its incarnations were killed."""

    def __init__(self, records):
        self.loose, self.delayed, self.alive, self.left = {}, {}, {}, set()
        for r in records:
            incarnation = (r["p"], r["n"] // INCARNATION)
            if r["op"] == "start" and not r["err"]:
                self.loose[r["p"]] = r["loose"]
                self.delayed[r["p"]] = r["delayed"]
            elif r["op"] == "left":
                self.left.add(incarnation)

    def killed(self, record):
        return (record["p"] in self.loose and
                (record["p"], record["n"] // INCARNATION) not in self.left)


def check(records):
    processes = Processes(records)
    paths = {}
    for r in records:
        if "path" in r:
            paths.setdefault(r["path"], []).append(r)
    result = Result([], 0, [], [])
    for path in sorted(paths):
        checker = PathChecker(path, paths[path], processes)
        result.violations += checker.check()
        result.acknowledged += sum(1 for v in checker.versions.values() if v.acked)
        result.overtaken += checker.overtaken
        result.reborn += checker.reborn
    return result


def owner(version):
    return version.rsplit(".", 1)[0]


class PathChecker:
    def __init__(self, path, records, processes):
        self.path = path
        self.records = records  # by t0
        self.processes = processes
        self.versions = {}
        self.absences = []  # (t0, t1, record): at some moment between there was no file
        self.removes = []  # that may have taken effect
        self.found = []
        self.overtaken = []
        self.reborn = []
        self.opens = {}  # process -> its opens with nothing staged, where they were asked for
        self.odd = {}  # id -> runs of a version that a kill has torn, or that was told of as mixed

    def tell(self, kind, message, *records):
        self.found.append(Violation(kind, self.path, message, [r for r in records if r]))

    def of(self, op):
        return (r for r in self.records if r["op"] == op)

    def check(self):
        self.collect_writes()
        self.collect_commits()
        self.collect_reads()
        self.collect_absences()
        self.mark_effective()
        self.check_forks()
        self.check_failed()
        self.check_published()
        chains = self.chains()
        for chain in chains:
            self.check_chain(chain)
        self.check_stretches(chains)
        self.check_absences(chains)
        self.check_creations(chains)
        self.check_final(chains)
        self.check_synced()
        self.check_handles()
        return self.found

    # ---- What was written.

    def collect_writes(self):
        by_etag = {r["etag"]: r["id"] for r in self.of("write") if r["etag"]}
        for r in self.of("write"):
            base = r["base"] or by_etag.get(r["base_etag"])
            self.versions[r["id"]] = Version(r["id"], r, base)
        for r in self.of("lost"):
            if r["id"] in self.versions:
                self.versions[r["id"]].lost = r

    def collect_commits(self):
        times = {}  # process -> when its commits of this path began
        for r in self.of("commit"):
            times.setdefault(r["p"], []).append(r["t0"])
            version = self.versions.get(r["id"])
            if version is None:
                continue
            version.attempts.append(r)
            if r["err"] == 0 and r["acks"] and not version.lost and not version.acked:
                version.acked = r
        self.commit_times = times
        for version in self.versions.values():
            if version.acked:
                only = self.first_attempt(version, version.acked)
                since = version.acked if only else version.write
                version.present(since["t0"], version.acked["t1"], version.acked)

    def first_attempt(self, version, commit):
        """Whether nothing can have committed the version before `commit` began."""
        times = self.commit_times[commit["p"]]
        return (not self.processes.delayed.get(commit["p"]) and
                times[bisect_left(times, version.write["t0"])] == commit["t0"])

    # ---- What was read.

    def collect_reads(self):
        for r in self.of("read"):
            if r["err"] != 0 or not r["runs"]:
                if r["err"] == 0:
                    self.tell("unknown-version", "the file is empty, and nobody made it so", r)
                continue
            version = self.versions.get(r["runs"][0][0])
            if version is None:
                self.tell("unknown-version", f"nobody wrote {r['runs'][0][0]} here", r)
                continue
            self.check_runs(version, r)
            if r["t1"] < version.write["t0"]:
                self.tell("order", f"{version.id} was read before it was written", r, version.write)
            own = owner(version.id) == r["p"]
            if own and (r["staged"] or not r["first"] or version.write["t0"] > r["t0"]):
                continue  # maybe staged only
            version.seen = version.seen or r
            fresh = r["first"] and not r["staged"]
            version.present(r["t0"] if fresh else None, r["t1"], r)

    def check_runs(self, version, read):
        if read["runs"] == self.odd.get(version.id, version.write["runs"]):
            return
        if version.id not in self.odd and self.may_be_torn(version):
            if owner(version.id) != read["p"] or version.write["t1"] is None:
                self.odd[version.id] = read["runs"]
            return
        if version.id not in self.odd:
            self.odd[version.id] = read["runs"]
        self.tell("mixed", f"{version.id} is {version.write['runs']}, and {read['runs']} was read",
                  version.write, read)

    def may_be_torn(self, version):
        """Of what was neither synced nor committed when its process was killed any part may be left."""
        return self.processes.killed(version.write) and version.acked is None and not any(
            r["id"] == version.id and r["err"] == 0 for r in self.of("sync"))

    def collect_absences(self):
        for r in self.of("open"):
            if r["err"] == errno.ENOENT and not r["staged"]:
                self.absences.append((r["t0"], r["t1"], r))
        for r in self.of("remove"):
            if r["err"] in (0, errno.ENOENT) and not r["staged"]:
                self.absences.append((r["t0"], r["t1"], r))
            # [W2]: a conflict may be what came after it had taken effect, and its reply was lost.
            if r["err"] != errno.ENOENT:
                self.removes.append(r)

    # ---- What took effect.

    def mark_effective(self):
        for version in list(self.versions.values()):
            if not (version.acked or version.seen):
                continue
            while version is not None and not version.effective:
                version.effective = True
                version = self.versions.get(version.base)
        for version in self.versions.values():
            if version.effective and version.base in self.versions:
                self.versions[version.base].children.append(version)

    def check_forks(self):
        for version in self.versions.values():
            if len(version.children) > 1:
                names = " and ".join(child.id for child in version.children)
                records = [version.write]
                for child in version.children:
                    records += [child.write, child.acked, child.seen]
                self.tell("lost-update", f"{names} were both made on {version.id}, and committed",
                          *records)

    def check_failed(self):
        """A conflict that was told is final: the precondition cannot come true again.

        Where a reply is lost, and another replaces the version before it is asked for, the library
        finds another's commit id and tells of a conflict ([W2]): nobody can know then.
        """
        for version in self.versions.values():
            if not version.seen or version.base not in self.versions:
                continue
            attempts = version.attempts
            refused = (len(attempts) == 1 and attempts[0]["err"] in CONFLICT and
                       self.first_attempt(version, attempts[0]))
            if not (version.lost or refused):
                continue
            told = version.lost or attempts[0]
            if self.replaced_before(version, told["t1"]):
                self.overtaken.append(told)
            else:
                self.tell("failed-visible", f"{version.id} had failed, and was read", version.write,
                          *attempts[-1:], version.lost, version.seen)

    def replaced_before(self, version, time):
        """Also by one that nobody saw, as long as it was not refused."""
        replacing = (v.write for v in self.versions.values()
                     if v.base in (None, version.id) and v is not version and
                     (v.effective or not self.refused(v)))
        return any(r["t0"] < time and (r["t1"] is None or r["t1"] > version.write["t0"])
                   for r in [*self.removes, *replacing])

    @staticmethod
    def refused(version):
        return version.lost is not None or version.write["err"] not in (0, None) or (
            bool(version.attempts) and all(r["err"] in CONFLICT for r in version.attempts))

    def check_published(self):
        """Of a process that commits by close and commit alone, nothing is seen before."""
        for version in self.versions.values():
            process = owner(version.id)
            if not version.seen or not self.processes.loose.get(process):
                continue
            times = self.commit_times.get(process, [])
            next_one = bisect_right(times, version.write["t0"])
            if next_one == len(times) or times[next_one] > version.seen["t1"]:
                self.tell("unpublished", f"{version.id} was read, and never committed before",
                          version.write, version.seen)

    # ---- The order.

    def chains(self):
        roots = [v for v in self.versions.values()
                 if v.effective and v.base not in self.versions]
        chains = []
        for root in roots:
            if root.base not in (None, ABSENT):
                self.tell("unknown-version", f"{root.id} was made on {root.base}, which nobody wrote",
                          root.write)
            versions = [root]
            for version in versions:  # grows as it goes: children behind their parents
                versions += version.children
            chains.append(Chain(root, versions))
        return chains

    def check_chain(self, chain):
        later = {}  # id -> the earliest (time, record) that shows a descendant
        for version in reversed(chain.versions):
            behind = min((min(later[child.id], child.first, key=lambda pair: pair[0])
                          for child in version.children), key=lambda pair: pair[0],
                         default=(NEVER, None))
            later[version.id] = behind
            if version.last[0] > behind[0]:
                self.tell_late(version.last[1], behind[1], version.id)

    def tell_late(self, record, before, what):
        """`record` began when `before` was over, and stands before it in the order."""
        if record["op"] == "commit":
            self.tell("order", f"{what} was committed after what was made on it", before, record)
        else:
            self.tell("stale-open", f"an open gave {what} after another version was there",
                      before, record)

    def check_stretches(self, chains):
        forward = sorted((c for c in chains if c.first[0] < c.last[0]), key=lambda c: c.first[0])
        for before, behind in zip(forward, forward[1:]):
            if before.last[0] <= behind.first[0]:
                continue
            if self.may_be_repeated(before.root, behind.first[0]):
                self.reborn.append(behind.first[1])
            else:
                self.tell_late(before.last[1], behind.first[1], before.root.id)
        starts = [chain.first[0] for chain in forward]
        for chain in chains:
            if chain.first[0] < chain.last[0] or chain.first[0] == NEVER:
                continue
            at = bisect_right(starts, chain.last[0]) - 1
            if at >= 0 and chain.first[0] < forward[at].last[0]:
                self.tell("order", f"{chain.root.id} was there within the time of another chain",
                          forward[at].first[1], chain.first[1], forward[at].last[1])

    def check_absences(self, chains):
        forward = sorted((c for c in chains if c.first[0] < c.last[0]), key=lambda c: c.first[0])
        starts = [chain.first[0] for chain in forward]
        for t0, t1, record in self.absences:
            at = bisect_right(starts, t0) - 1
            if at < 0 or not (starts[at] < t0 and t1 < forward[at].last[0]):
                continue
            if self.may_be_repeated(forward[at].root, t0):
                self.reborn.append(record)
            else:
                kind = "stale-open" if record["op"] == "open" else "order"
                self.tell(kind, f"there was no file, between two moments of {forward[at].root.id}",
                          forward[at].first[1], record, forward[at].last[1])

    @staticmethod
    def may_be_repeated(root, time):
        """A new file's condition is that there is none: true again once another has removed it."""
        first = [root]  # what its process made of it may have been committed at once
        for version in first:
            first += [v for v in version.children if owner(v.id) == owner(root.id)]
        return root.base in (None, ABSENT) and any(
            v.write["t0"] < time and (r["t1"] is None or r["t1"] > time)
            for v in first for r in v.attempts)

    def check_creations(self, chains):
        """A file that was made on none: whatever was there before had been removed."""
        for chain in chains:
            if chain.root.base != ABSENT:
                continue
            begun = chain.root.write["t0"]
            before = [c for c in chains if c is not chain and c.first[0] < begun]
            if before:
                last = max(before, key=lambda c: c.last[0])
                if not self.removed_between(last.last[0], chain.first[0]):
                    self.tell("lost-update", f"{chain.root.id} was made as a new file, and "
                              f"{last.root.id} was there", last.first[1], last.last[1],
                              chain.root.write, chain.first[1])

    def removed_between(self, since, until):
        return any((r["t1"] is None or r["err"] != 0 or r["t1"] >= since) and r["t0"] <= until
                   for r in self.removes)

    def check_final(self, chains):
        """What is there when all is over is the end of the order."""
        final = [r for r in self.records if r["p"] == FINAL]
        if not final or not chains:
            return
        latest = max(chains, key=lambda c: c.last[0])
        seen = next((self.versions.get(r["runs"][0][0]) for r in final
                     if r["op"] == "read" and r["err"] == 0 and r["runs"]), None)
        if seen is None:
            if not self.removed_between(latest.last[0], NEVER):
                self.tell("lost-update", f"{latest.root.id} is gone, and nobody removed it",
                          latest.last[1], *final)
            return
        end = next(c for c in chains if any(v is seen for v in c.versions))
        for chain in chains:
            if chain is end or end.root.base != ABSENT:
                continue
            if not self.removed_between(chain.first[0], end.first[0]):
                self.tell("lost-update", f"{chain.root.id} is not in the final chain, and nobody "
                          "removed it", chain.first[1], end.first[1], *final)

    # ---- What fsync promised, and handles.

    def check_synced(self):
        kept = {v.id for v in self.versions.values() if v.effective}
        for version in self.versions.values():
            part = version if version.lost else None
            while part is not None and part.id not in kept:
                kept.add(part.id)
                part = self.versions.get(part.base)
        wipes = sorted(self.wipes())
        for r in self.of("sync"):
            version = self.versions.get(r["id"])
            if r["err"] != 0 or version is None or version.id in kept:
                continue
            until = self.settled(r)
            late = bisect_right(wipes, (until, NEVER, ""))
            if not any(end >= version.write["t0"] and process in ("", r["p"])
                       for _, end, process in wipes[:late]):
                self.tell("fsync-lost", f"{version.id} was synced, and is nowhere", version.write, r,
                          *version.attempts)

    def wipes(self):
        """(begin, end, process or "" for all): what may have ended a version that nobody saw."""
        for version in self.versions.values():
            if version.effective and version.base is None:
                yield version.write["t0"], version.first[0], ""
        for r in self.of("remove"):
            yield r["t0"], r["t1"] or r["t0"] + SOON_NS, ""
        for r in self.of("discard"):
            yield r["t0"], r["t1"] or r["t0"] + SOON_NS, r["p"]
        for r in self.of("commit"):
            if r["how"] == "rename":
                yield r["t0"], r["t1"] or r["t0"] + SOON_NS, r["p"]

    def settled(self, sync):
        """When its process next found nothing staged, so that it was committed, lost or dropped."""
        opens = self.opens.setdefault(sync["p"], [r for r in self.of("open") if r["p"] == sync["p"]
                                                  and not r["staged"]])
        at = bisect_right(opens, sync["t1"], key=lambda r: r["t0"])
        return opens[at]["t1"] if at < len(opens) else NEVER

    def check_handles(self):
        shown = {}  # (process, handle) -> the read before
        for r in self.of("read"):
            if r["err"] != 0 or not r["runs"]:
                continue
            key = (r["p"], r["h"])
            before = shown.get(key)
            shown[key] = r
            if before and not self.follows(r["runs"][0][0], before["runs"][0][0], r["p"]):
                self.tell("handle-switched", f"a handle showed {before['runs'][0][0]} and then "
                          f"{r['runs'][0][0]}", before, r)

    def follows(self, version, before, process):
        """`before` itself, or what the handle's own process made of it."""
        while version != before:
            if version not in self.versions or owner(version) != process:
                return False
            version = self.versions[version].base
            if version is None:  # a truncating open of its own, of whatever the handle showed
                return True
        return True
