#!/usr/bin/python3
"""Runs the benchmarks, each beside its floor, and prints one table.

usage: run.py [--bin DIR] [--json FILE] [JOB...]

Starts an s3files-server and an nginx on loopback for them. A ratio is the library's speed over the
floor's: 1.00 is as fast as can be. Only ratios within one run mean anything on a busy machine.

The floors, each in the process of the library's own benchmark and taking turns with it:
- pread_4k_warm: pread(2) of a file on tmpfs.
- read_1g_cold: 8 ranged GETs of 8 MiB at a time on one thread of libcurl; the bytes are dropped.
  Beside it nginx under the same client, and curl --parallel: what server and client themselves cost.
- write_1g: a multipart upload, 8 parts of 8 MiB at a time on one thread of libcurl, all from one
  buffer in memory, each part hashed (SHA-256) on other threads while others travel: over plain http
  every S3 client signs its payload, and the server checks it. Beside it the same without signature.
  Not in it, and in ours: bytes arrive in calls of 1 MiB and stay readable until the commit, within a
  ceiling of 256 MiB; what is beyond half of that lies in a temporary file.
- create_10k_4k: 32 PUTs of 4 KiB at a time on one thread of libcurl, payload signed.
- stage_10k_4k: the PUTs of create_10k_4k. Ours are staged with commit_delay=never in a state_dir below
  $TMPDIR, and durable when the file system is closed; beside it with fsync of each, and without a
  state_dir, where nothing is durable. The other floor is that disk: as many files in a directory of
  $TMPDIR, with one syncfs at the end, or fsync of each by 32 threads.
- list_100k, list_1m: ListObjectsV2, a page after the other, on one thread of libcurl, parsed only for
  the last key. Below the table the same with all attributes (one HEAD an entry), what the requests
  cost, and what is remembered. list_1m runs only where it is named: it takes minutes.
- sign_request: the SHA-256 calls in a signature, without the strings around them.
"""
import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

GIB = 1 << 30
PART = 8 << 20
PARALLEL = 8
REPETITIONS = 3

# Job -> what it is, and how its measurement is shown.
BY_NAME_ONLY = {"list_1m"}  # take minutes
JOBS = {
    "pread_4k_warm": ("4 KiB random pread, warm | pread(2) on tmpfs", "time"),
    "read_1g_cold": ("1 GiB read in order, cold | raw libcurl", "bytes"),
    "write_1g": ("1 GiB written and committed | raw, signed", "bytes"),
    "create_10k_4k": ("10,000 files of 4 KiB created | raw PUTs", "items"),
    "stage_10k_4k": ("10,000 files of 4 KiB staged, durable | raw PUTs", "items"),
    "list_100k": ("100,000 names listed | raw ListObjectsV2", "items"),
    "list_1m": ("1,000,000 names, 20 ms a request | the same", "items"),
    "sign_request": ("signing a request | its hashing", "time"),
}
NGINX_CONF = """
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/root;
  }}
}}
"""


@contextlib.contextmanager
def running(command, **options):
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def s3_server(binaries):
    """The endpoint of an S3 server over memory that has the bucket "bench"."""
    command = [binaries / "s3files-server", "--listen", "127.0.0.1:0", "--store", "memory",
               "--etag", "fast", "--bucket", "bench",
               "--access-key", os.environ["AWS_ACCESS_KEY_ID"],
               "--secret-key", os.environ["AWS_SECRET_ACCESS_KEY"]]
    with running(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[-1]


@contextlib.contextmanager
def nginx_server():
    """The URL of a file of 1 GiB in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="s3files-nginx-") as folder:
        os.chmod(folder, 0o755)  # nginx's workers are another user's
        root = pathlib.Path(folder, "root")
        root.mkdir()
        block = os.urandom(PART)
        with open(root / "file", "wb") as file:
            for _ in range(GIB // PART):
                file.write(block)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        conf = pathlib.Path(folder, "nginx.conf")
        conf.write_text(NGINX_CONF.format(folder=folder, port=port))
        with running(["nginx", "-c", conf, "-e", f"{folder}/error.log"]):
            wait_for(port)
            yield f"http://127.0.0.1:{port}/file"


def wait_for(port):
    for _ in range(100):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    sys.exit("nginx does not answer")


def curl_parallel(url):
    """Bytes a second of curl --parallel with the floor's part size and parallelism."""
    requests = "next\n".join(
        f'url = "{url}"\nrange = {begin}-{begin + PART - 1}\noutput = /dev/null\n'
        for begin in range(0, GIB, PART))
    speeds = []
    for _ in range(REPETITIONS):
        start = time.monotonic()
        subprocess.run(["curl", "--silent", "--fail", "--parallel", "--parallel-immediate",
                        "--parallel-max", str(PARALLEL), "--config", "-"],
                       input=requests, text=True, check=True, stderr=subprocess.DEVNULL)
        speeds.append(GIB / (time.monotonic() - start))
    return statistics.median(speeds)


def run_benchmarks(binaries, jobs, environment):
    """Google Benchmark's report of the jobs; a job and its floor take turns."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        done = subprocess.run([binaries / "s3files-bench",
                               f"--benchmark_filter=^({'|'.join(jobs)})/",
                               f"--benchmark_repetitions={REPETITIONS}",
                               "--benchmark_enable_random_interleaving=true",
                               f"--benchmark_out={report.name}", "--benchmark_out_format=json"],
                              env={**os.environ, **environment}, text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return json.load(report)


def medians(report):
    """Job/side -> its median measurement, larger is better for all but times (ns)."""
    sides = {}
    for run in report["benchmarks"]:
        if run.get("error_occurred"):
            sys.exit(f"{run['name']}: {run['error_message']}")
        if run.get("aggregate_name") != "median":
            continue
        name = "/".join(run["run_name"].split("/")[:2])
        sides[name] = (run.get("bytes_per_second") or run.get("items_per_second")
                       or run["real_time"])
    return sides


def shown(value, kind):
    if kind == "time":
        return f"{value / 1000:.2f} us"
    if kind == "bytes":
        return f"{value / 1e6:.0f} MB/s"
    return f"{value:.0f} /s"


def main():
    here = pathlib.Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=here / "build/release/bin")
    parser.add_argument("--json", type=pathlib.Path, default=here / "build/bench.json")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=", ".join(JOBS))
    options = parser.parse_args()
    binaries = options.bin.resolve()
    jobs = options.jobs or [job for job in JOBS if job not in BY_NAME_ONLY]
    if unknown := set(jobs) - set(JOBS):
        parser.error(f"no such job: {', '.join(sorted(unknown))}")

    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench-secret",
                      AWS_REGION="us-east-1")
    rows = []
    with s3_server(binaries) as endpoint, nginx_server() as nginx:
        report = run_benchmarks(binaries, jobs, {"S3FILES_BENCH_ENDPOINT": endpoint,
                                                 "S3FILES_BENCH_NGINX": nginx})
        sides = medians(report)
        for job in jobs:
            label, kind = JOBS[job]
            ours, floor = sides[f"{job}/ours"], sides[f"{job}/floor"]
            rows.append((label, kind, ours, floor))
        if "write_1g" in jobs:
            rows.append(("raw libcurl upload, signed | unsigned", "bytes", sides["write_1g/floor"],
                         sides["write_1g/unsigned"]))
        if "stage_10k_4k" in jobs:
            for side, what, floor in (("synced", "the same, fsync of each | raw PUTs", "floor"),
                                      ("memory", "no state_dir | raw PUTs", "floor"),
                                      ("ours", "durable | files of the disk, syncfs", "disk"),
                                      ("synced", "fsync of each | of files of the disk",
                                       "disk_synced")):
                rows.append((what, "items", sides[f"stage_10k_4k/{side}"],
                             sides[f"stage_10k_4k/{floor}"]))
        if "read_1g_cold" in jobs:
            floor, raw_nginx = sides["read_1g_cold/floor"], sides["read_1g_cold/nginx"]
            rows.append(("raw libcurl, s3files-server | nginx", "bytes", floor, raw_nginx))
            rows.append(("raw libcurl | curl --parallel, nginx", "bytes", raw_nginx,
                         curl_parallel(nginx)))

    table = [{"job": label, "unit": {"time": "ns", "bytes": "B/s", "items": "1/s"}[kind],
              "ours": ours, "floor": floor,
              "ratio": floor / ours if kind == "time" else ours / floor}
             for label, kind, ours, floor in rows]
    print(f"{'job | floor':<50} {'ours':>12} {'floor':>12} {'ratio':>6}")
    for row, (_, kind, _, _) in zip(table, rows):
        print(f"{row['job']:<50} {shown(row['ours'], kind):>12} {shown(row['floor'], kind):>12}"
              f" {row['ratio']:>6.2f}")
    for run in report["benchmarks"]:
        if "usd" in run and run.get("aggregate_name") == "median":
            job, side = run["name"].split("/")[:2]
            print(f"{job}, {'names' if side == 'ours' else 'all attributes':<14}"
                  f" {run['real_time'] / 1e9:6.2f} s, the first after {run['first_ms']:.1f} ms,"
                  f" {run['requests']:.0f} requests, {run['usd']:.3f} USD,"
                  f" {run['bytes_per_entry']:.0f} bytes of memory an entry")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"table": table, "report": report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
