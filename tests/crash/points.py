"""Kills one fixed scenario at its first point, at its second, and so on.

A point is a call on a file of the state directory, before it is done (shim.c numbers them), or a request
to a store, before the server carries it out, or after, when the reply is not sent. Where a power loss is
asked for, what the state directory holds then is one of the things that a disk may hold (power.py).
"""
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import s3files

import power
from expectations import Expected, check, follow

HERE = pathlib.Path(__file__).parent
NAMES = ["a", "b", "c", "d/x", "d/y", "e/x", "e/y", "e/z"]
BIG = 5_300_000  # two parts: 5 MiB is the smallest that stores take
PARTS = {"memory": "32M", "part_size": "5M", "multipart_threshold": "5M"}
DELAYS = ["never", "0s"]


# ---- What is done; writer.py says it.

def everything(w):
    w.write("a", 0, 5000, 1)
    w.fsync("a")
    w.write("a", 100, 100, 2)
    w.commit("a")  # one PUT
    w.write("a", 5000, 100, 3)
    w.fsync("a")
    w.close("a")
    w.write("b", 0, BIG, 4)
    w.fsync("b")
    w.write("b", 10, 50, 5)
    w.close("b")
    w.commit("b")  # in parts
    w.write("c", 0, 1000, 6)
    w.close("c")
    w.rename("c", "d/x")
    w.fsync("d/x")
    w.chmod("a", 0o600)
    w.commit("a")
    w.close("d/x")
    w.chmod("d/x", 0o640)
    w.rename("a", "c")
    names(w)


def names(w):
    w.write("d/y", 0, 2000, 7)
    w.fsync("d/y")
    w.discard("d/y")
    w.write("d/y", 0, 70_000, 8)
    w.fsync("d/y")
    w.close("d/y")
    w.write("b", 5_000_000, 100, 9)
    w.fsync("b")
    w.close("b")
    w.commit("b")  # the store copies a part
    w.rename_directory("d", "e")
    w.write("e/z", 0, 100, 10)
    w.fsync("e/z")
    w.truncate("e/z", 50)
    w.close("e/z")
    w.remove("c")
    w.write("a", 0, 10, 11)
    w.close("a")
    w.rename("a", "b")  # in the place of a committed one


def synced(w):
    w.file("a")
    w.write("a", 0, 5000, 1)
    w.fsync("a")
    w.write("d/x", 0, 100, 2)
    w.fsync("d/x")


SCENARIOS = {"everything": everything, "synced": synced}


# ---- The points.

class Run:
    """One run of the scenario, on a place of its own."""

    def __init__(self, directory, delay, url, options):
        self.state, self.log = directory / "state", directory / "log"
        self.delay, self.url, self.options = delay, url, options
        self.expected = Expected(NAMES)
        for path in (self.state, directory / "bucket"):
            shutil.rmtree(path, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        if url.startswith("file:"):
            (directory / "bucket").mkdir()
        with self.open() as fs:
            fs.mkdir("d")

    def open(self, **options):
        return s3files.FileSystem(self.url, **self.options, **options)

    def start(self, environment, what="everything"):
        options = {"url": self.url, "state_dir": str(self.state), "commit_delay": self.delay}
        return subprocess.Popen(
            [sys.executable, HERE / "writer.py", json.dumps(options | self.options), what],
            stdout=subprocess.PIPE, env=os.environ | environment)

    def start_shimmed(self, shim, point, what="everything"):
        self.log.unlink(missing_ok=True)
        return self.start({"LD_PRELOAD": shim, "S3FILES_SHIM_DIR": str(self.state),
                           "S3FILES_SHIM_LOG": str(self.log), "S3FILES_SHIM_KILL_AT": str(point)}, what)

    def check(self, output):
        follow(output.decode(), self.expected, self.delay)
        try:
            return check(self.expected,
                         lambda: self.open(state_dir=str(self.state), commit_delay="never"),
                         self.open, self.state)
        except OSError as error:
            return [f"it cannot be opened: {error}"]


def ended_by_itself(process):
    assert process.returncode in (0, -signal.SIGKILL), "the writer has failed"
    return process.returncode == 0


class Files:
    """The calls on the state directory."""

    def __init__(self, directory, delay, arguments):
        self.directory, self.delay, self.arguments = directory, delay, arguments
        self.name = f"files, commit_delay={delay}" + (", power" if arguments.power else "")
        self.rng = random.Random(arguments.seed)

    def kill_at(self, point):
        """Returns what was violated, and what else was left; None where there is no such point."""
        run = Run(self.directory, self.delay, f"file://{self.directory}/bucket",
                  PARTS | {"fsync": "off"})
        disk = power.Disk(run.state)
        process = run.start_shimmed(self.arguments.shim, point)
        output = process.communicate()[0]
        if ended_by_itself(process):
            return None
        violations = []
        if self.arguments.power:
            violations = power.replay(disk, run.log)
            disk.lose_power(self.rng)
        return violations + run.check(output), [], run.expected

    def close(self):
        pass


class Twice:
    """One process is killed, the next one syncs, and what is left is what was durable by then: it may not
    rely on what the first one has not synced."""

    def __init__(self, directory, arguments):
        self.directory, self.shim = directory, arguments.shim
        self.name = "files, two processes, power"

    def kill_at(self, point):
        run = Run(self.directory, "never", f"file://{self.directory}/bucket", {"fsync": "off"})
        disk, violations = power.Disk(run.state), []
        for at in (point, 0):
            process = run.start_shimmed(self.shim, at, "synced")
            output = process.communicate()[0]
            if ended_by_itself(process) and at:
                return None
            violations += power.replay(disk, run.log)
        disk.lose_power(random.Random(0), keep=0)
        return violations + run.check(output), [], run.expected

    def close(self):
        pass


class Requests:
    """The requests to a server, each before or after it was carried out."""

    def __init__(self, directory, delay, arguments, after):
        self.directory, self.delay, self.after = directory, delay, after
        self.name = f"store, commit_delay={delay}, {'after' if after else 'before'} the effect"
        self.process = subprocess.Popen(
            [arguments.server, "--store", "memory", "--access-key", "K", "--secret-key", "S",
             "--bucket", "bucket"], stdout=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().split()[-1]
        self.admin = http.client.HTTPConnection(self.endpoint.split("//")[1])

    def ask(self, method, what, body=None):
        self.admin.request(method, "/-/" + what, body and json.dumps(body))
        return self.admin.getresponse().read()

    def kill_at(self, point):
        prefix = f"{point}"
        run = Run(self.directory, self.delay, f"s3://bucket/{prefix}",
                  PARTS | {"endpoint": self.endpoint, "access_key": "K", "secret_key": "S"})
        self.ask("PUT", "faults", [{"skip": point - 1, "count": 1, "stall": True,
                                    "take_effect": self.after}])
        process = run.start({})
        while process.poll() is None and not json.loads(self.ask("GET", "faults"))["stalled"]:
            time.sleep(0.002)
        ended = process.poll() is not None
        process.kill()
        output = process.communicate()[0]
        self.ask("DELETE", "faults")
        if ended and ended_by_itself(process):
            return None
        return run.check(output), self.uploads(prefix), run.expected

    def uploads(self, prefix):
        """Multipart uploads that nobody ends any more: (key, how many parts it has)."""
        import boto3  # here only: it takes long
        client = boto3.client("s3", endpoint_url=self.endpoint, aws_access_key_id="K",
                              aws_secret_access_key="S", region_name="us-east-1")

        def left(prefix):
            found = client.list_multipart_uploads(Bucket="bucket", Prefix=prefix + "/")
            return [(upload["Key"], len(client.list_parts(
                Bucket="bucket", Key=upload["Key"], UploadId=upload["UploadId"]).get("Parts", [])))
                for upload in found.get("Uploads", [])]
        self.uploads = left
        return left(prefix)

    def close(self):
        self.process.terminate()
        self.process.wait()


def try_all(points, arguments):
    tried, bad, left_behind = 0, 0, 0
    point = 1 + arguments.seed % arguments.every
    while (result := points.kill_at(point)) is not None:
        violations, uploads, expected = result
        tried += 1
        left_behind += len(uploads)
        # [D4]: one whose creation the process did not live to record has no part, and costs nothing.
        if any(parts for _, parts in uploads):
            violations.append(f"uploads left behind: {uploads}")
        last = expected.steps[-1] if expected.steps else "the start"
        for violation in violations:
            print(f"{points.name}, point {point}, in {last}: {violation}", flush=True)
        bad += bool(violations)
        point += arguments.every
    print(f"points: {points.name}: {tried} points, {bad} with violations"
          + (f", {left_behind} empty uploads left behind" if left_behind else ""), flush=True)
    points.close()
    return bad


def run(directory, arguments):
    bad = 0
    if arguments.only in (None, "twice"):
        bad += try_all(Twice(directory, arguments), arguments)
    for delay in DELAYS:
        if arguments.only in (None, "files"):
            bad += try_all(Files(directory, delay, arguments), arguments)
        for after in (False, True) if arguments.only in (None, "store") else ():
            bad += try_all(Requests(directory, delay, arguments, after), arguments)
    return bad
