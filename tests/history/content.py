"""What the workers write: every 64 bytes say which version they are of, and on which it was made.

A version's first unit is its own. Later ones may be those of the versions it was made from, where it
changed only a part: what it consists of is told as runs, [[id, units], ...].
"""
import hashlib

UNIT = 64
CHEAP = 1 << 20  # larger content is not hashed, nor uploaded by one PUT


def stamp(path, version, base):
    return f"{path} {version} < {base}".ljust(UNIT - 1).encode() + b"\n"


def _label(path, unit):
    words = unit.decode("latin-1").split()
    if len(words) == 4 and words[0] == path and words[2] == "<" and len(unit) == UNIT:
        return words[1]
    return f"?{unit[:UNIT].decode('latin-1').strip()}"


def _run_length(data, at):
    """How many bytes from `at` on repeat the unit there."""
    unit = bytes(data[at:at + UNIT])
    length, step = UNIT, 1
    while step:
        more = step * UNIT
        if data[at + length:at + length + more] == unit * step:
            length += more
            step *= 2
        else:
            step //= 2
    return length


def runs_of(path, data):
    runs, at = [], 0
    while at < len(data):
        length = _run_length(data, at)
        runs.append([_label(path, data[at:at + UNIT]), length // UNIT])
        at += length
    return runs


def etag_of(data):
    """The store's ETag of what one PUT brought there; None where that is not known."""
    return hashlib.md5(data).hexdigest() if len(data) <= CHEAP else None
