"""The server of the tests: started, made to misbehave, and written to past the library."""
import collections
import contextlib
import datetime
import hashlib
import hmac
import json
import random
import subprocess
import threading
import time
import urllib.request

KEY, SECRET, BUCKET = "K", "S", "bucket"
PATIENCE = 1  # seconds that the library tries again

# What happens to one request; the weights are how often.
FAULTS = [
    (4, {"code": "SlowDown"}),
    (4, {"status": 500, "code": "InternalError"}),
    (3, {"status": 500, "code": "InternalError", "take_effect": True}),
    (1, {"code": "SlowDown", "take_effect": True}),
    (4, {"drop_reply": True}),
    (3, {"reset_request_at": 0}),
    (2, {"reset_reply_at": 0}),
    (2, {"reset_reply_at": 40}),
    (2, {"truncate_reply_at": 64}),
    (5, {"latency_ms": 30}),
    (0.5, {"latency_ms": 400}),  # takes effect when the client may have been killed
]
OPERATIONS = ["", "PutObject", "PutObject", "PutObject", "GetObject", "HeadObject", "CopyObject",
              "DeleteObject", "UploadPart", "CompleteMultipartUpload"]


class Server:
    def __init__(self, program, log):
        self.log = log
        self.process = subprocess.Popen(
            [program, "--store", "memory", "--access-key", KEY, "--secret-key", SECRET,
             "--bucket", BUCKET, "--log", log], stdout=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().split()[-1]
        self.url = f"s3://{BUCKET}"
        self.options = {"endpoint": self.endpoint, "access_key": KEY, "secret_key": SECRET}

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def put_faults(self, faults):
        request = urllib.request.Request(f"{self.endpoint}/-/faults", json.dumps(faults).encode(),
                                         method="PUT")
        with urllib.request.urlopen(request):
            pass

    def fault_counts(self):
        """How many requests there were, and Counter of the faults among them by their status."""
        requests, faults = 0, collections.Counter()
        with open(self.log, encoding="utf-8") as lines:
            for line in lines:
                requests += 1
                if line.endswith(" fault\n"):
                    status = line.split()[4]
                    faults[{"0": "cut"}.get(status, "delayed" if status < "500" else status)] += 1
        return requests, faults

    def request(self, method, key, body=b"", headers=()):
        """Signed by hand, without what the library would add. Gives body and ETag."""
        now = datetime.datetime.now(datetime.timezone.utc)
        day, moment = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{day}/us-east-1/s3/aws4_request"
        signed = {"host": self.endpoint.split("//")[1], "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
                  "x-amz-date": moment}
        names = ";".join(signed)
        canonical = "\n".join([method, f"/{BUCKET}/{key}", "",
                               *(f"{name}:{value}" for name, value in signed.items()), "", names,
                               "UNSIGNED-PAYLOAD"])
        to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope,
                             hashlib.sha256(canonical.encode()).hexdigest()])
        secret = ("AWS4" + SECRET).encode()
        for part in (day, "us-east-1", "s3", "aws4_request", to_sign):
            secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
        signed["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, "
                                   f"SignedHeaders={names}, Signature={secret.hex()}")
        request = urllib.request.Request(f"{self.endpoint}/{BUCKET}/{key}",
                                         body if method == "PUT" else None,
                                         {**signed, **dict(headers)}, method=method)
        with urllib.request.urlopen(request) as reply:
            return reply.read(), reply.headers["ETag"]


class Trouble(threading.Thread):
    """Gives the server new faults all the time, each for one request; and now and then, longer than
    the library is patient, a key that cannot be written: the replies say so, whatever happened."""

    def __init__(self, server, keys, seed, period=0.1, at_once=4):
        super().__init__(daemon=True)
        self.server, self.keys, self.rng = server, keys, random.Random(seed)
        self.period, self.at_once = period, at_once
        self.burst, self.burst_end = [], 0
        self.over = threading.Event()

    def run(self):
        weights = [weight for weight, _ in FAULTS]
        while not self.over.wait(self.period):
            faults = [{"operation": self.rng.choice(OPERATIONS), "skip": self.rng.randrange(20),
                       "count": 1, **fault}
                      for _, fault in self.rng.choices(FAULTS, weights, k=self.at_once)]
            with contextlib.suppress(OSError):  # a connection of ours met one
                self.server.put_faults(self.bursts() + faults)

    def bursts(self):
        now = time.monotonic()
        if now > self.burst_end:
            self.burst = []
            if self.rng.random() < 0.01:
                self.burst_end = now + PATIENCE + 0.5
                self.burst = [{"operation": "PutObject", "key": self.rng.choice(self.keys),
                               "status": 500, "take_effect": self.rng.random() < 0.5}]
        return self.burst

    def stop(self):
        self.over.set()
        self.join()
        self.server.put_faults([])
