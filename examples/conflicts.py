"""What an application can do about a file that others have changed meanwhile: merge, keep both, refuse.

    conflicts.py [URL]

Two file systems on one place stand for two hosts. Without a callback the store's version wins, and the
staged file is kept in /.s3files-lost+found.
"""

import difflib
import errno
import sys

import s3files


def merge_lines(conflict):
    """Both sides' new lines, in the order of the file; refuses where they changed the same ones."""
    if conflict.base is None or conflict.theirs is None:
        return "fail"
    base, mine, theirs = (file.readall().splitlines(keepends=True)
                          for file in (conflict.base, conflict.mine, conflict.theirs))
    edits = []
    for side in (mine, theirs):
        matcher = difflib.SequenceMatcher(None, base, side, autojunk=False)
        edits += [(begin, end, side[to_begin:to_end])
                  for tag, begin, end, to_begin, to_end in matcher.get_opcodes() if tag != "equal"]
    edits.sort(key=lambda edit: edit[:2])
    if any(before[1] > after[0] or before[:2] == after[:2]
           for before, after in zip(edits, edits[1:])):
        return "fail"
    for begin, end, lines in reversed(edits):
        base[begin:end] = lines
    conflict.result.write(b"".join(base))
    return "merged"


def keep_both(conflict):
    """The store's version keeps the name; ours gets another."""
    with fs.open(conflict.path + " (mine)", "wb") as copy:
        copy.write(conflict.mine.readall())
    return "drop"


def refuse(conflict):
    """The file stays staged, and its commit fails, until somebody has looked at it."""
    return "fail"


def collide(decide):
    """A line is added at the end here, and another at the start by the other host; then we commit."""
    global fs
    with other.open("list", "w") as out:
        out.write("milk\nbread\n")
    with s3files.FileSystem(url, commit_delay="1h", on_conflict=decide) as fs:
        with fs.open("list", "a") as out:
            fs.open("list").read()  # the base stays readable while it is in the cache
            out.write("honey\n")
        with other.open("list", "w") as out:
            out.write("eggs\nmilk\nbread\n")
        try:
            fs.commit("list")
        except OSError as error:
            assert error.errno == errno.ESTALE, error
            print(f"{decide.__name__}: {fs.status('list').state}")
            fs.discard("list")
        fs.commit()
    for name in sorted(other.listdir("")):
        with other.open(name) as file:
            print(f"{decide.__name__}: {name}: {' '.join(file.read().split())}")
        other.remove(name)


url = sys.argv[1] if len(sys.argv) > 1 else "memory://conflicts"
with s3files.FileSystem(url) as other:
    for decision in (merge_lines, keep_both, refuse):
        collide(decision)
