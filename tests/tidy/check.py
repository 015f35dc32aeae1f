#!/usr/bin/python3
"""Checks the rules of the sources that no compiler checks.

usage: check.py [--root DIR] [--library libs3files.so]

Prints one line a violation, "file:line: message", and exits 1 where there is any. With --library
also checks what the built library exports.
"""
import argparse
import pathlib
import re
import subprocess
import sys

# Folder of lib/ -> the folders besides itself whose headers it may include. Always downward; only
# api/ joins the file system with the stores.
LAYERS = {
    "base": set(),
    "store": {"base"},
    "http": {"base"},
    "s3": {"base", "store", "http"},
    "cache": {"base"},
    "content": {"base", "store", "cache"},
    "inode": {"base", "store", "content"},
    "journal": {"base", "store", "content", "inode"},
    "sync": {"base", "store", "cache", "content", "inode", "journal"},
    "fs": {"base", "store", "cache", "content", "inode", "journal", "sync"},
    "api": {"base", "store", "http", "s3", "cache", "content", "inode", "journal", "sync", "fs"},
}

# Start of a vendor's include -> the one file of lib/ that may have it. (Abseil is free but for logs.)
VENDORS = {
    "curl/": "lib/http/curl_transport.cc",
    "openssl/": "lib/base/hash.cc",
    "sqlite3.h": "lib/journal/journal_database.cc",
    "tinyxml2.h": "lib/s3/xml.cc",
}
# Where exceptions of the standard library end: std::thread's refusal, and the edge of the C ABI.
# Memory that cannot be had is std::bad_alloc here as everywhere.
CATCHERS = ("lib/base/executor.cc", "lib/api/")

FORBIDDEN_INCLUDES = ("absl/log/", "absl/crc/", "boost/")

SOURCE_FOLDERS = ("include", "lib", "tests", "bindings", "examples", "bench")
CODE = {".c", ".cc", ".h", ".hpp"}
SCRIPTS = {".py", ".sh"}
MAX_LINES = 620
# An application takes each face as one file.
MAX_LINES_OF = {"include/s3files/s3files.h": 830, "include/s3files/s3files.hpp": 1400}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
GUARANTEE = re.compile(r"\*\*\[([A-Z]\d+)\]")
CITED = re.compile(r"\[([CWDNMLP][0-9]{1,2})\]")
C_FUNCTION = re.compile(r"^S3F_API\b[^;{]*?\b(s3f_\w+)\s*\(", re.MULTILINE)
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
THROW = re.compile(r"\bthrow\b(?! std::bad_alloc\(\))")
CATCH = re.compile(r"\btry\s*\{|\bcatch\s*\(")
COMMENT_OR_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


class Tree:
    """The source files under a root, read once."""

    def __init__(self, root):
        self.text = {}
        for folder in SOURCE_FOLDERS:
            for path in sorted((root / folder).rglob("*")):
                if path.suffix in CODE | SCRIPTS and path.is_file():
                    self.text[path.relative_to(root).as_posix()] = path.read_text("utf-8")
        semantics = root / "include/s3files/SEMANTICS.md"
        self.semantics = semantics.read_text("utf-8") if semantics.exists() else ""
        self.mutants = [path.stem for path in sorted((root / "tests/mutants").glob("*.patch"))]

    def code(self, *prefixes):
        return ((path, text) for path, text in self.text.items()
                if path.startswith(prefixes) and pathlib.PurePath(path).suffix in CODE)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def without_comments(text):
    """The text with comments and literals blanked, on the same lines."""
    return COMMENT_OR_LITERAL.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def includes(text):
    for match in INCLUDE.finditer(text):
        yield line_of(text, match.start(2)), match.group(1) == '"', match.group(2)


def check_layers(tree):
    for path, text in tree.code("lib/"):
        folder = path.split("/")[1]
        if folder not in LAYERS:
            yield path, 1, f"lib/{folder}/ has no row in the table of layers"
            continue
        for line, quoted, name in includes(text):
            if name.startswith("lib/"):
                target = name.split("/")[1]
                if target != folder and target not in LAYERS[folder]:
                    yield path, line, f"{folder}/ must not include {target}/"
            elif name.startswith("s3files/"):
                if folder != "api":
                    yield path, line, "only api/ includes the public headers"
            elif quoted and not name.startswith("absl/"):
                yield path, line, f'"{name}" is not named from the root of the repository'
    for path, text in tree.code("include/"):
        for line, _, name in includes(text):
            if name != "s3files/s3files.h" and not re.fullmatch(r"[a-z0-9_]+(\.h)?", name):
                yield path, line, f"a public header must not include {name}"
    for path, text in tree.code("tests/server/"):
        for line, _, name in includes(text):
            if name.startswith("lib/"):
                yield path, line, "the test server shares no code with the library"


def check_vendors(tree):
    for path, text in tree.code("lib/"):
        for line, _, name in includes(text):
            if name.startswith(FORBIDDEN_INCLUDES):
                yield path, line, f"{name} is not used in lib/"
            for vendor, owner in VENDORS.items():
                if name.startswith(vendor) and path != owner:
                    yield path, line, f"only {owner} includes {name}"


def check_exceptions(tree):
    for path, text in tree.code("lib/"):
        code = without_comments(text)
        patterns = [THROW] if path.startswith(CATCHERS) else [THROW, CATCH]
        for pattern in patterns:
            for match in pattern.finditer(code):
                yield path, line_of(code, match.start()), "errors are absl::Status, not exceptions"


def check_length(tree):
    for path, text in tree.text.items():
        lines, most = text.count("\n"), MAX_LINES_OF.get(path, MAX_LINES)
        if lines > most:
            yield path, lines, f"{lines} lines; {most} are the most"


def check_finished(tree):
    for path, text in tree.text.items():
        for match in UNFINISHED.finditer(text):
            yield path, line_of(text, match.start()), f"{match.group()}: do it, or open an issue"


def check_guarantees(tree):
    tests = "\n".join(text for path, text in tree.text.items()
                      if path.startswith(("tests/", "bindings/")) and "test" in path
                      and not path.startswith("tests/tidy/"))
    seen = set()
    for match in GUARANTEE.finditer(tree.semantics):
        where = "include/s3files/SEMANTICS.md", line_of(tree.semantics, match.start())
        name = match.group(1)
        if name in seen:
            yield *where, f"[{name}] is stated twice"
        seen.add(name)
        if f"[{name}]" not in tests:
            yield *where, f"[{name}] is named by no test"
        if not any(mutant.split("-")[0] == name for mutant in tree.mutants):
            yield *where, f"[{name}] has no mutant, tests/mutants/{name}.patch"
    if not seen:
        yield "include/s3files/SEMANTICS.md", 1, "states no guarantee as **[C1] ...**"
        return
    for mutant in tree.mutants:
        if mutant.split("-")[0] not in seen:
            yield f"tests/mutants/{mutant}.patch", 1, "breaks nothing that SEMANTICS.md states"
    for path, text in tree.text.items():
        if path.startswith("tests/tidy/"):
            continue
        for match in CITED.finditer(text):
            if match.group(1) not in seen:
                yield path, line_of(text, match.start()), f"{match.group()} is stated nowhere"


def check_symbols(header, exported):
    """`exported`: the library's defined dynamic symbols, as nm -D --defined-only prints them."""
    symbols = {line.split()[-1] for line in exported.splitlines() if line.strip()}
    declared = set(C_FUNCTION.findall(header))
    path = "include/s3files/s3files.h"
    for name in sorted(symbols - declared):
        yield path, 1, f"the library exports {name}, which the header does not declare"
    for name in sorted(declared - symbols):
        yield path, line_of(header, header.find(name)), f"the library does not export {name}"


def check(tree):
    for rule in (check_layers, check_vendors, check_exceptions, check_length, check_finished,
                 check_guarantees):
        yield from rule(tree)


def main():
    here = pathlib.Path(__file__).resolve()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=here.parents[2])
    parser.add_argument("--library", type=pathlib.Path)
    options = parser.parse_args()

    tree = Tree(options.root)
    violations = list(check(tree))
    if options.library:
        exported = subprocess.run(["nm", "-D", "--defined-only", options.library], check=True,
                                  stdout=subprocess.PIPE, text=True).stdout
        violations += check_symbols(tree.text["include/s3files/s3files.h"], exported)
    for path, line, message in violations:
        print(f"{path}:{line}: {message}")
    print(f"tidy: {len(tree.text)} files, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
