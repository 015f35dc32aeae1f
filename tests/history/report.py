"""Violations, with what went on at the path around them, for people."""

AROUND_NS = 3_000_000
MOST = 30


def render(violation, records):
    """The violation's records are marked with >; beside them, what else the path saw about then."""
    marked = {id(r) for r in violation.records}
    shown = list(violation.records)
    ids = {r["id"] for r in shown if r.get("id")} | {r["runs"][0][0] for r in shown if r.get("runs")}
    for r in records:
        if len(shown) >= MOST:
            break
        if r.get("path") == violation.path and id(r) not in marked and near(r, violation, ids):
            shown.append(r)
    shown = list({id(r): r for r in shown}.values())
    shown.sort(key=lambda r: r["t0"])
    start = shown[0]["t0"] if shown else 0
    lines = [f"{violation.kind}: {violation.path}: {violation.message}"]
    return "\n".join(lines + [line(r, start, id(r) in marked) for r in shown])


def near(record, violation, ids):
    if record["op"] in ("write", "commit", "sync", "lost") and record.get("id") in ids:
        return True
    return any(record["t0"] < r["t0"] + AROUND_NS and (record["t1"] or 0) > r["t0"] - AROUND_NS and
               record["op"] in ("commit", "remove", "discard") for r in violation.records)


def line(record, start, marked):
    since = f"{(record['t0'] - start) / 1e6:10.3f}"
    until = f"{(record['t1'] - start) / 1e6:10.3f}" if record["t1"] else "    killed"
    outcome = {0: "ok", None: "?"}.get(record["err"], f"errno {record['err']}")
    return f"  {'>' if marked else ' '} {since} to {until} ms  {record['p']:8} {told(record)}: {outcome}"


def told(record):
    op = record["op"]
    if op == "write":
        base = record["base"] or (f"etag {record['base_etag'][:8]}" if record["base_etag"] else "?")
        return f"write {record['id']} on {base}, {record['runs'][:4]}"
    if op == "commit":
        return f"{record['how']} commits {record['id']}"
    if op == "read":
        return f"read of handle {record['h']} gives {record['runs'][:4]}"
    if op == "open":
        return f"open {record['mode']} handle {record['h']}"
    return f"{op} {record.get('id') or ''}"
