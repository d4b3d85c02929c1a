"""A model is swapped again and again under load, once for a corrupt directory; no call may fail.

    swap.py [--bin build/release/bin] [--model DIR] [--swaps 10] [--clients 4] [--short]

Clients send Embed calls all the time while `attendant swap` changes the precision of their model back and forth, and
once gives a directory whose weights are cut off. Every answer names its model by fingerprint: for each fingerprint
there is exactly one set of vectors, only announced fingerprints are seen, and the corrupt directory is refused with
its reason. What a swap costs is in the table: the latencies without and with a load under way, and memory.
"""

import collections
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import grpc

import calls
import harness

TIMEOUT_S = 30
TEXTS = ["the old house was small", "water runs fast to the river", "a third text that is somewhat longer than those"]


class Clients:
    """Closed-loop callers, each with its own connection."""

    def __init__(self, target, count):
        self.target = target
        self.stop_now = threading.Event()
        self.swapping = threading.Event()
        self.lock = threading.Lock()
        self.latencies = {False: [], True: []}  # by whether a swap was under way at the start
        self.failures = []
        self.vectors = collections.defaultdict(set)  # by fingerprint
        self.request = calls.embed_request(TEXTS)
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def _run(self):
        with calls.channel(self.target) as channel:
            embed = calls.unary(channel)
            while not self.stop_now.is_set():
                during, start = self.swapping.is_set(), time.monotonic()
                code, answer = calls.embed_code(embed, self.request, TIMEOUT_S)
                took = time.monotonic() - start
                with self.lock:
                    self._note(during, took, code, answer)

    def _note(self, during, took, code, answer):
        if code != grpc.StatusCode.OK:
            self.failures.append(code.name)
            return
        self.latencies[during].append(took)
        results = calls.results(answer)
        if any(status for status, _ in results) or len(results) != len(TEXTS):
            self.failures.append("an item failed")
            return
        fingerprint = dict(calls.fields(answer))[2].decode()
        self.vectors[fingerprint].add(tuple(vector for _, vector in results))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop_now.set()
        for thread in self.threads:
            thread.join(TIMEOUT_S + 5)


class Admin:
    def __init__(self, options, port):
        self._command = [str(options.bin / "attendant"), "swap", "--admin", f"127.0.0.1:{port}", "m"]

    def swap(self, *arguments):
        """(exit status, what it said)"""
        done = subprocess.run([*self._command, *map(str, arguments)], capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def corrupt_copy(model, folder):
    target = pathlib.Path(folder, "corrupt")
    shutil.copytree(model, target, symlinks=False)
    with open(target / "model.safetensors", "r+b") as weights:
        weights.truncate(2000)
    return target


def fingerprint_of(said):
    return next(line.split()[1] for line in said.splitlines() if line.strip().startswith("fingerprint"))


def swap_again_and_again(options, admin, clients, corrupt, report):
    """The announced fingerprints."""
    announced = set()
    for number in range(options.swaps):
        time.sleep(0.1 if options.short else 1.0)
        clients.swapping.set()
        if number == options.swaps // 2:
            status, said = admin.swap(corrupt)
            report.promise(status != 0 and "model.safetensors" in said, "the corrupt directory is refused", said.strip())
        else:
            status, said = admin.swap("--precision", ("int8", "fp32")[number % 2])
            report.promise(status == 0, f"swap {number + 1} succeeds", "" if status == 0 else said.strip())
            if status == 0:
                announced.add(fingerprint_of(said))
        clients.swapping.clear()
    return announced


def summarise(clients, announced, first, report):
    for name, during in (("no swap under way", False), ("during a swap", True)):
        latencies = clients.latencies[during]
        report.row(name, len(latencies), *(1000 * harness.percentile(latencies, p) for p in (50, 99, 100)))
    report.promise(
        not clients.failures and clients.latencies[False],
        "no call fails",
        "; ".join(sorted(set(clients.failures))[:3]) or f"{sum(map(len, clients.latencies.values()))} calls",
    )
    seen = set(clients.vectors)
    report.promise(seen <= announced | first, "every answer names a model that was announced", f"{len(seen)} seen")
    report.promise(
        all(len(vectors) == 1 for vectors in clients.vectors.values()), "a fingerprint has one set of vectors for ever"
    )


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--swaps", type=int, default=10)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    report = harness.Report("", "calls", "p50 ms", "p99 ms", "max ms")
    port = free_port()
    arguments = ["--model-name", "m", "--admin-address", f"127.0.0.1:{port}", "--log-level", "error"]
    with tempfile.TemporaryDirectory() as folder, harness.Server(options, *arguments) as server:
        corrupt = corrupt_copy(options.model, folder)
        clients = Clients(server.target, options.clients)
        with clients:
            harness.wait_until(lambda: len(clients.latencies[False]) > 20, TIMEOUT_S)
            first = set(clients.vectors)
            with harness.PeakMemory(server) as memory:
                announced = swap_again_and_again(options, Admin(options, port), clients, corrupt, report)
            time.sleep(0.5)
        summarise(clients, announced, first, report)
        report.row("resident MiB: before, peak, after", "", memory.start_mib, memory.peak_mib, server.resident_mib())
        draining = server.scrape().get("attendant_models_draining")
        report.promise(draining == 0, "every old model has been freed", f"{draining} draining")
        report.server_ended_well(server)
    report.finish()


if __name__ == "__main__":
    main()
