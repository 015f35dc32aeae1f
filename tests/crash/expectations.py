"""What must be there after a crash: derived from what the writer said, and from SEMANTICS.md ([D4])."""
import base64
import hashlib
import json
import os
import random


def pattern(seed, size):
    return random.Random(seed).randbytes(size)


def digest(data):
    return None if data is None else hashlib.sha256(data).hexdigest()


class Expected:
    """Per path the states (bytes, or None: no file) that it may have; the first one is durable."""

    def __init__(self, names):
        self.names = names
        self.states = {name: [None] for name in names}
        self.modes = {name: [None] for name in names}  # likewise; None: any
        self.stored = {name: [None] for name in names}  # what the store may have
        self.opened = set()
        self.closed = {}  # path -> how many of its states came before its last close
        self.wrong = []  # what an operation has answered
        self.moving = []  # (from, to, states): under one of the two names it must be
        self.under_way = None
        self.steps = []  # of this round, as they went

    def begin_round(self, found, modes):
        """All is committed and nothing open."""
        for name in self.names:
            self.states[name], self.stored[name] = [found[name]], [found[name]]
            self.modes[name] = [modes[name]]
        self.opened, self.closed, self.wrong, self.moving = set(), {}, [], []
        self.under_way, self.steps = None, []

    def now(self, path):
        return self.states[path][-1]

    def settle(self, path):
        self.states[path] = [self.now(path)]
        self.modes[path] = self.modes[path][-1:]
        self.closed.pop(path, None)

    def apply(self, step, done, delay, answer=None):
        """`done` None: it was under way. Failed: it says so, and nothing has changed."""
        self.steps.append({**step, "went": {True: "done", False: "failed", None: "?"}[done]})
        if done is not False:
            getattr(self, "_" + step["op"])(step, done, delay, answer)

    def _open(self, step, done, delay, answer):
        self.opened.add(step["path"])
        if self.now(step["path"]) is None:
            self.states[step["path"]].append(b"")

    def _saw_all(self, step, done, delay, answer):
        """Another process has opened what a killed one had left: from that on it goes on."""
        if not done:
            return
        found = {name: data if data is None else base64.b64decode(data)
                 for name, data in json.loads(answer).items()}
        self.wrong += self.violations(found, dict.fromkeys(self.names))
        for name in self.names:
            self.states[name].append(found[name])
            self.modes[name] = [None]
        self.opened, self.closed, self.moving = set(), {}, []

    def _write(self, step, done, delay, answer):
        data = bytearray(self.now(step["path"]))
        end = step["at"] + step["size"]
        data.extend(bytes(max(0, end - len(data))))
        data[step["at"]:end] = pattern(step["seed"], step["size"])
        self.states[step["path"]].append(bytes(data))

    def _truncate(self, step, done, delay, answer):
        data = self.now(step["path"])[:step["size"]]
        self.states[step["path"]].append(data + bytes(step["size"] - len(data)))

    def _chmod(self, step, done, delay, answer):
        self.modes[step["path"]].append(step["mode"])
        # [N8]: with staged bytes it goes along with them.
        if done and delay == "0s" and step["path"] not in self.opened:
            self.modes[step["path"]] = [step["mode"]]

    def _fsync(self, step, done, delay, answer):
        if done:
            self.settle(step["path"])

    def _commit(self, step, done, delay, answer):
        if done:
            self.settle(step["path"])
            self.stored[step["path"]] = [self.now(step["path"])]

    def _close(self, step, done, delay, answer):
        self.opened.discard(step["path"])
        if delay == "0s":
            self._commit(step, done, delay, answer)
        elif done:
            self.closed[step["path"]] = len(self.states[step["path"]]) - 1

    def _close_all(self, step, done, delay, answer):
        for path in self.names if done else []:
            self._commit({"path": path}, done, delay, answer)

    def _pause(self, step, done, delay, answer):
        """Long enough that the journal has what was closed."""
        for path, before in list(self.closed.items()) if done else []:
            if before == len(self.states[path]) - 1:
                self.settle(path)
            else:
                self.states[path] = self.states[path][before:]
                del self.closed[path]

    def _remove(self, step, done, delay, answer):
        path = step["path"]
        self.states[path].append(None)
        self.modes[path].append(None)
        if done:
            self.settle(path)
            self.stored[path] = [None]

    def _discard(self, step, done, delay, answer):
        """As it was last committed; which of those it was the writer has looked up."""
        path = step["path"]
        if done:
            back = [state for state in self.stored[path] if digest(state) == answer]
            if not back:
                self.wrong.append(f"{path}: discarded, it was {answer}, none of "
                                  f"{[digest(state) for state in self.stored[path]]}")
            self.states[path] = back[:1] or list(self.stored[path])
            self.modes[path] = [None]
            self.closed.pop(path, None)
        else:
            self.states[path] = self.states[path] + self.stored[path]
            self.modes[path] = [None]

    def _rename(self, step, done, delay, answer):
        self._move(step["path"], step["to"], done)

    def _rename_directory(self, step, done, delay, answer):
        for name in self.names:
            if name.startswith(step["path"] + "/"):
                to = step["to"] + name[len(step["path"]):]
                stored = self.stored[name]
                self._move(name, to, done)
                self.stored[to] = stored

    def _move(self, path, to, done):
        """What was not synced may be what it was before, under the new name, too."""
        source, target = self.states[path], self.states[to]
        if done:
            # [N4]: what is staged of a committed file is committed first. With None among more it is
            # not known to have been: it may have come over a committed one itself.
            mine = [] if self.stored[path] == [None] else [self.now(path)]
            rest = self.stored[to] + [None] if None in self.stored[path] else []
            self.stored[to] = mine + rest
            self.states[to], self.states[path] = list(source), [None]
            self.modes[to], self.modes[path] = self.modes[path], [None]
            self.stored[path] = [None]
            self.closed.pop(to, None)
            if path in self.closed:
                self.closed[to] = self.closed.pop(path)
            return
        if None not in source:
            self.moving.append((path, to, list(source)))
        self.states[to] = target + source
        self.states[path] = source + [None]
        self.modes[to] = self.modes[path] = [None]

    def violations(self, found, modes):
        result = [self.violation(name, found[name]) for name in self.names]
        for path, to, states in self.moving:
            if found[path] not in states and found[to] not in states:
                result.append(f"{path}: neither there nor at {to}, where it was being moved")
        for name in self.names:
            allowed = self.modes[name]
            if modes[name] is not None and None not in allowed and modes[name] not in allowed:
                result.append(f"{name}: mode {modes[name]:o}, not {[oct(m) for m in allowed]}")
        return [v for v in result if v]

    def take_wrong(self):
        wrong, self.wrong = self.wrong, []
        return wrong

    def violation(self, path, found):
        states = self.states[path]
        if isinstance(found, OSError):
            return f"{path}: {found}"
        if found in states:
            return None
        known = [state for state in states if state is not None]
        if found is None or not known:
            return f"{path}: {'gone' if found is None else 'there'}; {len(states)} states"
        if len(states) == 1:
            return f"{path}: {len(found)} bytes are not the {len(known[0])} that were synced"
        if len(found) not in {len(state) for state in known}:
            return f"{path}: a size of {len(found)} was never had"
        for i, byte in enumerate(found):
            if not any(i < len(state) and state[i] == byte or i >= len(state) and byte == 0
                       for state in known):
                return f"{path}: byte {i} was never had"
        return None


def follow(output, expected, delay):
    """Applies what a writer said. Returns how many operations it said were done or had failed."""
    step, steps = None, 0
    for line in output.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            break  # cut short by the kill
        if "op" in said:
            step = said
        elif step is not None and ("done" in said or "failed" in said):
            if "failed" in said:
                step["why"] = said["message"]
            expected.apply(step, "done" in said, delay, said.get("answer"))
            step = None
            steps += 1
    if step is not None:
        expected.apply(step, None, delay)
        expected.under_way = step["op"]
    return steps


# ---- What is there.

def read(fs, path):
    try:
        with fs.open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        return error


def mode(fs, path):
    try:
        return fs.stat(path).st_mode & 0o777
    except OSError:
        return None


def read_all(fs, names):
    return {name: read(fs, name) for name in names}, {name: mode(fs, name) for name in names}


def lost(fs):
    try:
        return fs.listdir(".s3files-lost+found")
    except FileNotFoundError:
        return []


MOVING = ("rename", "rename_directory", "remove", "discard")


def check(expected, with_state, without, state):
    """Opens by `with_state`, as the next process does, where nothing is committed by itself yet; then
    all is committed, and must be the same as one opened by `without` has it. Returns violations."""
    names, moving = expected.names, expected.under_way in MOVING
    with with_state() as fs:
        violations = expected.take_wrong() + expected.violations(*read_all(fs, names))
        try:
            fs.commit("")
        except OSError as error:
            if not moving:
                violations.append(f"commit: {error}")
            fs.commit("")
        left = lost(fs)
        if left and not moving:
            violations.append(f"in lost+found: {left}")
        for name in left:
            fs.remove(".s3files-lost+found/" + name)
        found, modes = read_all(fs, names)
    with without() as fs:
        stored, stored_modes = read_all(fs, names)
        there = {os.path.join(top, name) for top, _, files in fs.walk("") for name in files}
    for name in names:
        if stored[name] != found[name] or stored_modes[name] != modes[name]:
            violations.append(f"{name}: the bucket has something else than the file system")
    if expected.under_way == "rename_directory":  # it goes on where the process died
        step = expected.steps[-1]
        violations += [f"{name}: doubled by the rename of its directory" for name in names
                       if name.startswith(step["path"] + "/") and stored[name] is not None
                       and stored[step["to"] + name[len(step["path"]):]] is not None]
    if there - set(names):
        violations.append(f"in the bucket without being made: {sorted(there - set(names))}")
    strangers = os.listdir(state / "staged")
    if strangers:
        violations.append(f"files of nobody: {strangers}")
    return violations
