#!/usr/bin/python3
"""Breaks each guarantee of SEMANTICS.md once and sees that its test notices.

usage: run.py [--only ID_OR_NAME]... [--timeout SECONDS]

A mutant is a patch of lib/, tests/mutants/<ID>[-<words>].patch: a bug that somebody could make. Its
first lines are what it breaks and, once or more, "kills: BINARY TEST": a test that passes on the
sources as they are and must fail on the mutant (a crash and a hang are failures). Works on a copy of
the sources in build/mutants, which is kept: the next run compiles only what has changed. Exits 1
where a mutant survives, or cannot be tried.
"""
import argparse
import dataclasses
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATCHES = ROOT / "tests/mutants"
SOURCE = ROOT / "build/mutants/src"
BUILD = ROOT / "build/mutants/build"

GUARANTEE = re.compile(r"\*\*\[([A-Z]\d+)\]")
KILLS = re.compile(r"^kills: (s3files_\w+_test) (\S+)$", re.MULTILINE)
CHANGED = re.compile(r"^\+\+\+ b/(lib/\S+)", re.MULTILINE)
RAN = re.compile(r"^\[==========\] (\d+) tests? from .* ran\.", re.MULTILINE)


class Wrong(Exception):
    """A mutant cannot be tried."""


@dataclasses.dataclass
class Mutant:
    name: str  # C1 or C1-writers
    patch: pathlib.Path
    tests: list  # (binary, gtest filter)
    files: list  # that it changes

    @property
    def guarantee(self):
        return self.name.split("-")[0]


def read_mutants():
    """All of them, in the order of SEMANTICS.md. Each guarantee has one, and each has a guarantee."""
    text = (ROOT / "include/s3files/SEMANTICS.md").read_text("utf-8")
    order = {name: i for i, name in enumerate(GUARANTEE.findall(text))}
    mutants = []
    for patch in sorted(PATCHES.glob("*.patch")):
        header, _, _ = patch.read_text("utf-8").partition("\n--- ")
        mutant = Mutant(patch.stem, patch, KILLS.findall(header),
                        CHANGED.findall(patch.read_text("utf-8")))
        if mutant.guarantee not in order:
            raise Wrong(f"{patch.name}: SEMANTICS.md states no [{mutant.guarantee}]")
        if not mutant.tests or not mutant.files:
            raise Wrong(f"{patch.name}: names no test that it kills, or changes nothing in lib/")
        mutants.append(mutant)
    missing = order.keys() - {mutant.guarantee for mutant in mutants}
    if missing:
        raise Wrong(f"no mutant of {', '.join(sorted(missing, key=order.get))}")
    return sorted(mutants, key=lambda mutant: (order[mutant.guarantee], mutant.name))


def write_if_changed(path, data):
    """Leaves the time of what is as it should be, so that Ninja builds no more than it must."""
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def copy_sources():
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    names = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    for name in names:
        write_if_changed(SOURCE / name, (ROOT / name).read_bytes())
        (SOURCE / name).chmod((ROOT / name).stat().st_mode)
    for path in SOURCE.rglob("*"):
        if path.is_file() and str(path.relative_to(SOURCE)) not in names:
            path.unlink()


def run(command, what, where=ROOT):
    done = subprocess.run(command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode != 0:
        raise Wrong(f"{what}:\n{done.stdout[-4000:]}")


def configure():
    """As the preset `dev`, warnings are errors; what the tests do not need is left out."""
    if (BUILD / "build.ninja").exists():
        return
    run(["cmake", "--preset", "dev", "-S", SOURCE, "-B", BUILD, "-DCMAKE_CXX_FLAGS_DEBUG=-O0",
         "-DCMAKE_C_FLAGS_DEBUG=-O0", "-DCMAKE_UNITY_BUILD=OFF", "-DS3FILES_BENCH=OFF",
         "-DS3FILES_EXAMPLES=OFF"], "cmake", SOURCE)


def build(binaries):
    run(["cmake", "--build", BUILD, "--target", *sorted(binaries)], "it does not compile")


def passes(binary, test, timeout):
    """Whether the test passes, and how it fails."""
    command = [BUILD / "bin" / binary, f"--gtest_filter={test}"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, errors="replace")
    except subprocess.TimeoutExpired:
        return False, "a hang"
    ran = RAN.search(done.stdout)
    if ran and int(ran.group(1)) == 0:
        raise Wrong(f"{binary} has no test {test}")
    return done.returncode == 0, "a failure" if ran else f"a crash ({done.returncode})"


def try_mutant(mutant, timeout):
    """True: all its tests noticed. Prints a line."""
    start = time.monotonic()
    before = {name: (SOURCE / name).read_bytes() for name in mutant.files}
    try:
        run(["git", "apply", "-p1", f"--directory={SOURCE.relative_to(ROOT)}",
             mutant.patch], f"{mutant.patch.name} does not apply")
        build({binary for binary, _ in mutant.tests})
        outcomes = [(binary, test, *passes(binary, test, timeout)) for binary, test in mutant.tests]
    finally:
        for name, data in before.items():
            write_if_changed(SOURCE / name, data)
    survived = [f"{binary} {test}" for binary, test, passed, _ in outcomes if passed]
    if survived:
        print(f"{mutant.name} SURVIVED {', '.join(survived)}", flush=True)
        return False
    killers = ", ".join(f"{binary} {test}" for binary, test, _, _ in outcomes)
    how = " by a hang" if any(outcome[3] == "a hang" for outcome in outcomes) else ""
    print(f"{mutant.name} killed by {killers} in {time.monotonic() - start:.0f} s{how}", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="ID_OR_NAME",
                        help="of this guarantee (C1), or this one (C1-writers); may be repeated")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for a test (60)")
    options = parser.parse_args()
    start = time.monotonic()
    mutants = read_mutants()
    if options.only:
        mutants = [m for m in mutants if m.name in options.only or m.guarantee in options.only]
        if not mutants:
            raise Wrong(f"no mutant is called {' or '.join(options.only)}")
    copy_sources()
    configure()
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    print(f"building the tests of {len(mutants)} mutants in {BUILD.relative_to(ROOT)}", flush=True)
    build({binary for binary, _ in tests})
    for binary, test in tests:
        passed, how = passes(binary, test, options.timeout)
        if not passed:
            raise Wrong(f"{binary} {test} does not pass on the sources as they are: {how}")
    print(f"{len(tests)} tests pass unmutated, after {time.monotonic() - start:.0f} s", flush=True)

    killed = wrong = 0
    for mutant in mutants:
        try:
            killed += try_mutant(mutant, options.timeout)
        except Wrong as error:
            wrong += 1
            print(f"{mutant.name}: {error}", flush=True)
    guarantees = len({mutant.guarantee for mutant in mutants})
    print(f"{len(mutants)} mutants of {guarantees} guarantees, {killed} killed"
          + (f", {wrong} could not be tried" if wrong else "")
          + f", in {time.monotonic() - start:.0f} s")
    return 0 if killed == len(mutants) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as error:
        sys.exit(f"mutants: {error}")
