"""Long load on a real server: memory, descriptors, threads and latency must stay where they were.

    soak.py --bin build/release/bin --model DIR [--minutes 60] [--load 0.8]

Finds the server's capacity with a short closed loop, then sends open-loop load at a share of it for the given time: mixed
lengths, one item in twenty wrong. Samples the server's own metrics every second. Fails when, after a tenth of the time as
warm-up, resident memory grows by more than 1 MiB an hour (short runs: 4 MiB altogether, which is as much as can be told
from noise), descriptors or threads differ, the last tenth's p99 is more than 10 % (short runs: 50 %) above the first's,
a request fails, or the server does not end with status 0. Writes a report as JSON with --json.
"""

import argparse
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

WORDS = "the cat sits on a mat while old water runs fast to small houses by that river bank what is it why not".split()
BAD_ITEM = {"ids": [999_999_999]}
SERIES = ("process_resident_memory_bytes", "process_open_fds", "process_threads")


def write_items(path, count=2000, seed=1):
    """JSON lines of mixed lengths; every twentieth item is outside any vocabulary."""
    draw = random.Random(seed)
    with open(path, "w", encoding="utf-8") as file:
        for index in range(count):
            words = min(200, max(3, int(draw.lognormvariate(3.5, 0.8))))
            item = BAD_ITEM if index % 20 == 19 else {"text": " ".join(draw.choices(WORDS, k=words))}
            file.write(json.dumps(item) + "\n")


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(values[name]) for name in SERIES}


def slope_per_hour(samples, name):
    """Least squares over (seconds, values)."""
    mean_x = sum(second for second, _ in samples) / len(samples)
    mean_y = sum(values[name] for _, values in samples) / len(samples)
    spread = sum((second - mean_x) ** 2 for second, _ in samples)
    return 3600 * sum((second - mean_x) * (values[name] - mean_y) for second, values in samples) / max(spread, 1e-9)


class Server:
    def __init__(self, options, directory):
        ports = directory / "ports"
        self.log = open(directory / "log", "w", encoding="utf-8")
        command = [options.bin / "attendant-server", "--model", options.model, "--grpc-address", "127.0.0.1:0",
                   "--metrics-address", "127.0.0.1:0", "--port-file", ports]
        self.process = subprocess.Popen([str(part) for part in command], stderr=self.log)
        deadline = time.monotonic() + 120
        while not ports.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server did not start:\n{(directory / 'log').read_text()}")
            time.sleep(0.02)
        bound = dict(line.split("=") for line in ports.read_text().split())
        self.grpc, self.metrics = int(bound["grpc"]), int(bound["metrics"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return -1


class Sampler(threading.Thread):
    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.samples, self.done = port, [], threading.Event()

    def run(self):
        start = time.monotonic()
        while not self.done.wait(1):
            self.samples.append((time.monotonic() - start, scrape(self.port)))


def bench(options, server, items, directory, *arguments):
    report = directory / "bench.json"
    command = [options.bin / "attendant", "bench", "--server", f"127.0.0.1:{server.grpc}", "--input", items, "--json",
               report, *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    # 1: some items failed, as they should.
    if done.returncode not in (0, 1):
        sys.exit(f"{command}: status {done.returncode}\n{done.stderr}")
    return json.loads(report.read_text())


def judge(options, slices, samples):
    """Yields what is wrong."""
    short = options.minutes < 30
    settled = [sample for sample in samples if sample[0] > 60 * options.minutes / 10]
    hours = (settled[-1][0] - settled[0][0]) / 3600
    growth = slope_per_hour(settled, SERIES[0]) * hours
    if growth > max(hours * 2**20, 4 * 2**20 if short else 0):
        yield f"resident memory grew by {growth / 2**20:.1f} MiB in {hours:.2f} h"
    for name in SERIES[1:]:
        # One connection or thread more or less at the moment of a slice's change is none of ours.
        half = len(settled) // 2
        before = sorted(values[name] for _, values in settled[:half])[half // 2]
        after = sorted(values[name] for _, values in settled[half:])[half // 2]
        if before != after:
            yield f"{name} went from {before:.0f} to {after:.0f}"
    first, last = (slices[i]["latency_us"]["client_total"]["p99"] for i in (0, -1))
    if last > first * (1.5 if short else 1.1):
        yield f"p99 went from {first / 1000:.1f} ms to {last / 1000:.1f} ms"
    for index, report in enumerate(slices):
        if report["failed_requests"]:
            yield f"slice {index}: failed requests {report['failed_requests']}"
        if set(report["failed_items"]) != {"INVALID_ARGUMENT"}:
            yield f"slice {index}: failed items {report['failed_items']}, expected some INVALID_ARGUMENT and nothing else"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--load", type=float, default=0.8)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        items = directory / "items.jsonl"
        write_items(items)
        server = Server(options, directory)
        capacity = bench(options, server, items, directory, "--duration", "10")["requests_per_second"]
        rate = capacity * options.load
        print(f"capacity {capacity:.0f} requests/s; {options.minutes} minutes at {rate:.0f} requests/s", flush=True)
        sampler = Sampler(server.metrics)
        sampler.start()
        slices = []
        for index in range(10):
            slices.append(bench(options, server, items, directory, "--rate", f"{rate:.2f}", "--duration",
                                f"{options.minutes * 6:.1f}", "--seed", str(index + 1)))
            values = scrape(server.metrics)
            print(f"{index + 1}/10: p99 {slices[-1]['latency_us']['client_total']['p99'] / 1000:.1f} ms, "
                  f"resident {values[SERIES[0]] / 2**20:.1f} MiB, descriptors {values[SERIES[1]]:.0f}", flush=True)
        sampler.done.set()
        sampler.join()
        problems = list(judge(options, slices, sampler.samples))
        status = server.stop()
        if status != 0:
            problems.append(f"the server ended with status {status}")
    if options.json:
        options.json.write_text(json.dumps({"capacity": capacity, "slices": slices, "problems": problems,
                                            "samples": sampler.samples}))
    print("\n".join(problems) or "ok")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
