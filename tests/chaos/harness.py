"""What the chaos scripts share: a server of their own, a look at its process, a table, and a verdict.

A script states promises. Each is printed with what was seen; one broken promise makes the exit status 1. Servers
listen on the loopback at free ports and are ended by their own process id. Standard library only; calls are in
calls.py.
"""

import argparse
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY_MODEL = ROOT / "tests/testdata/models/tiny-mean"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 90
# What a sanitizer writes; its own exit status is lost when the process is killed or leaves by _exit.
SANITIZER_REPORT = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:")

# AddressSanitizer keeps 256 MB of freed memory by default, which would look like a leak; Debian's gRPC is not instrumented.
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "quarantine_size_mb=4:verify_asan_link_order=0",
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1",
}


def parser(description):
    """The flags that every script has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of attendant-server and attendant"
    )
    made.add_argument("--server-bin", type=pathlib.Path, help="another attendant-server, such as a sanitizer's build")
    made.add_argument("--model", type=pathlib.Path, default=TINY_MODEL)
    made.add_argument("--short", action="store_true", help="the form for every commit: below 20 seconds")
    made.add_argument("--seed", type=int, default=1)
    return made


class Server:
    """One attendant-server. A context manager: what still runs at its end is killed, by its own id."""

    def __init__(self, options, *arguments, environment=None, before_exec=None, log_to=None):
        self._binary = options.server_bin or options.bin / "attendant-server"
        # The same few texts again and again are to be work, too.
        self._arguments = ["--model", options.model, "--no-share-identical-items", *arguments]
        self._environment = {**SANITIZER_OPTIONS, **os.environ, **(environment or {})}
        self._before_exec, self._log_to = before_exec, log_to
        self._directory = tempfile.TemporaryDirectory()
        self.log = pathlib.Path(self._directory.name, "log")
        self.process, self.grpc, self.http, self.metrics = None, 0, 0, 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self._directory.cleanup()

    def start(self):
        """Again on the same ports, if it has had some."""
        if not self.try_start():
            raise RuntimeError(f"the server did not start:\n{self.log_text()}")

    def try_start(self):
        """False: it ended instead."""
        ports = pathlib.Path(self._directory.name, "ports")
        ports.unlink(missing_ok=True)
        command = [
            self._binary,
            *self._arguments,
            "--port-file",
            ports,
            "--grpc-address",
            f"127.0.0.1:{self.grpc}",
            "--http-address",
            f"127.0.0.1:{self.http}",
            "--metrics-address",
            f"127.0.0.1:{self.metrics}",
        ]
        with open(self._log_to or self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], stderr=log, env=self._environment, preexec_fn=self._before_exec
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ports.exists() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if not ports.exists():
            return False
        bound = dict(line.split("=") for line in ports.read_text().split())
        self.grpc, self.http, self.metrics = (int(bound[name]) for name in ("grpc", "http", "metrics"))
        return True

    @property
    def target(self):
        return f"127.0.0.1:{self.grpc}"

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """SIGTERM; the exit status, or -9 when it had to be killed."""
        if self.alive():
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9

    def kill(self):
        if self.process is not None and self.alive():
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def sanitizer_reports(self):
        return len(SANITIZER_REPORT.findall(self.log_text()))

    def scrape(self):
        """{series with labels: value}"""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {
            name: float(value)
            for name, value in (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        }

    def resident_mib(self):
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class PeakMemory(threading.Thread):
    """The largest resident size while it is open, in MiB."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self._server, self._done = server, threading.Event()
        self.start_mib = self.peak_mib = server.resident_mib()

    def run(self):
        while not self._done.wait(0.02):
            with contextlib.suppress(OSError, IndexError):
                self.peak_mib = max(self.peak_mib, self._server.resident_mib())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self.join()

    @property
    def growth_mib(self):
        return self.peak_mib - self.start_mib


def wait_until(condition, seconds):
    """Whether it became true in time. Another process can only be asked again and again."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def percentile(values, percent):
    """The smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


class Report:
    """A table and a list of promises."""

    def __init__(self, *columns):
        self._rows, self._promises = [[str(column) for column in columns]], []

    def row(self, *cells):
        self._rows.append([f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells])

    def promise(self, kept, what, seen=""):
        self._promises.append((bool(kept), what, seen))

    def server_ended_well(self, server):
        """Stops it: status 0, and nothing for a sanitizer to say."""
        status = server.stop()
        self.promise(status == 0, "the server ends with status 0", f"status {status}")
        reports = server.sanitizer_reports()
        self.promise(reports == 0, "no sanitizer reports anything", f"{reports} reports")
        if status != 0 or reports:
            sys.stderr.write(server.log_text()[-20_000:])

    def finish(self):
        """Prints everything and ends the process."""
        widths = [max(len(row[i]) for row in self._rows) for i in range(len(self._rows[0]))]
        for row in self._rows:
            print(
                "  ".join(
                    cell.ljust(width) if i == 0 else cell.rjust(width)
                    for i, (cell, width) in enumerate(zip(row, widths))
                )
            )
        print()
        for kept, what, seen in self._promises:
            print(f"{'kept  ' if kept else 'BROKEN'}  {what}{': ' + seen if seen else ''}")
        broken = sum(not kept for kept, _, _ in self._promises)
        print(f"{len(self._promises)} promises, {broken} broken", flush=True)
        sys.exit(1 if broken or not self._promises else 0)
