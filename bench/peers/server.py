"""Whole servers, from text to vectors over the network: attendant-server at each precision, and TEI by its address."""

import concurrent.futures
import glob
import http.client
import json
import os
import pathlib
import queue
import signal
import subprocess
import time

import numpy as np

from bench.peers.engines import OURS, TICKS, NotAvailable, Watch, process_ticks

IDLE_SECONDS = 2.0


class Server:
    """attendant-server on a free port of the loopback, with an own directory for what it writes."""

    def __init__(self, build, model_dir, precision, threads, folder):
        self.label, self.version, self.precision, self.lanes, self.setting = OURS, "", precision, 0, "server"
        self.client, self.folder = build / "bin" / "attendant", folder / f"server-{precision}-{model_dir.name}"
        self.folder.mkdir(exist_ok=True)
        ports = self.folder / "ports"
        ports.unlink(missing_ok=True)
        self.log = open(self.folder / "log", "w", encoding="utf-8")
        command = [build / "bin" / "attendant-server", "--model", model_dir, "--precision", precision, "--threads",
                   threads, "--grpc-address", "127.0.0.1:0", "--http-address", "off", "--metrics-address", "off",
                   "--port-file", ports]
        start = time.monotonic()
        self.process = subprocess.Popen([str(part) for part in command], stderr=self.log)
        while not ports.exists() or "grpc=" not in ports.read_text(encoding="ascii"):
            if self.process.poll() is not None or time.monotonic() - start > 120:
                self.close()
                raise NotAvailable((self.folder / "log").read_text(encoding="utf-8").strip().rpartition("\n")[2])
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - start
        self.address = "127.0.0.1:" + ports.read_text(encoding="ascii").split("grpc=")[1].split()[0]

    def _processor_seconds(self):
        """Of all its threads, from the scheduler's own account: the usual one has steps of 10 ms."""
        threads = glob.glob(f"/proc/{self.process.pid}/task/*/schedstat")
        return sum(int(pathlib.Path(path).read_text(encoding="ascii").split()[0]) for path in threads) / 1e9

    def idle(self):
        """Resident memory in MB and the share of one processor that it takes, doing nothing after loading."""
        before = self._processor_seconds()
        time.sleep(IDLE_SECONDS)
        used = (self._processor_seconds() - before) / IDLE_SECONDS
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        peak, steady = (int(fields[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS"))
        return {"precision": self.precision, "peak_mb": peak, "steady_mb": steady, "idle_cpu": used,
                "start_seconds": self.start_seconds}

    def _call(self, *arguments):
        command = [str(part) for part in (self.client, *arguments, "--server", self.address)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise NotAvailable(f"{command[1]} ended with status {run.returncode}: {run.stderr.strip()[-300:]}")

    def vectors(self, texts_file):
        self._call("embed", "--input", texts_file, "--output", self.folder / "vectors.npy")
        return np.load(self.folder / "vectors.npy")

    def load(self, texts_file, concurrency, requests):
        """Texts a second and latencies of a closed loop, a text a call."""
        report = self.folder / "report.json"
        # The client, a child of this process, is part of the work.
        watch = Watch(lambda: process_ticks(self.process.pid) + round(sum(os.times()[2:4]) * TICKS))
        self._call("bench", "--input", texts_file, "--concurrency", concurrency, "--requests", requests, "--warm-up", 1,
                   "--json", report)
        found = json.loads(report.read_text(encoding="utf-8"))
        latency = found["latency_us"]["client_total"]
        return {"texts_per_second": found["items_per_second"], "foreign": watch.foreign(),
                "p50_ms": latency["p50"] / 1000, "p99_ms": latency["p99"] / 1000}

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Tei:
    """A running text-embeddings-inference by its HTTP address, HOST:PORT; POST /embed, a text a call."""
    label, precision = "TEI", "as served"

    def __init__(self, address):
        self.address = address
        connection = http.client.HTTPConnection(address, timeout=10)
        try:
            connection.request("GET", "/info")
            self.version = json.loads(connection.getresponse().read())["version"]
        except (OSError, ValueError, KeyError) as error:
            raise NotAvailable(f"{address} does not answer as TEI does: {error}") from error

    def load(self, texts_file, concurrency, requests):
        with open(texts_file, encoding="utf-8") as file:
            texts = [json.loads(line)["text"] for line in file]
        waiting, latencies = queue.SimpleQueue(), []
        for number in range(requests):
            waiting.put(texts[number % len(texts)])
        start = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
            for done in [pool.submit(self._caller, waiting) for _ in range(concurrency)]:
                latencies += done.result()
        seconds = time.perf_counter() - start
        p50, p99 = np.percentile(latencies, [50, 99]) * 1000
        return {"texts_per_second": requests / seconds, "p50_ms": float(p50), "p99_ms": float(p99)}

    def _caller(self, waiting):
        connection, latencies = http.client.HTTPConnection(self.address, timeout=60), []
        while True:
            try:
                text = waiting.get_nowait()
            except queue.Empty:
                return latencies
            start = time.perf_counter()
            connection.request("POST", "/embed", json.dumps({"inputs": text}), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise NotAvailable(f"TEI answers {answer.status}: {body[:200]!r}")
            latencies.append(time.perf_counter() - start)

    def close(self):
        """It is not ours to stop."""


def write_texts(path, texts):
    path.write_text("".join(json.dumps({"text": text}) + os.linesep for text in texts), encoding="utf-8")
    return path
