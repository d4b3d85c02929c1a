"""Handles of engines, each in a process of its own that is stopped (SIGSTOP) whenever it is not its turn.

So no thread pool of one engine can spin while another is measured. A handle is used from one thread.
"""

import atexit
import dataclasses
import json
import os
import pathlib
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from bench.peers.adapters import Spec

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = "Attendant"
FIRST_RUN_COUNTS_AFTER = 1.5  # seconds
ANSWER_WITHIN = 120.0  # seconds; the slowest answer of a base-size model takes some 30


class NotAvailable(Exception):
    """The engine does not start or does not do this; the text says why."""


@dataclasses.dataclass
class Turn:
    seconds: float  # the median of the turn's repetitions
    repetitions: int
    foreign: float  # share of all processors' time that other processes took meanwhile


def busy_ticks():
    """All processors' time that was not idle, stolen time included."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(n) for n in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4]


def process_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Watch:
    """What share of all processors others took since it was made; own: ticks that the measured processes used."""

    def __init__(self, own):
        self.own, self.start = own, time.perf_counter()
        self.before = busy_ticks() - own()

    def foreign(self):
        wall = (time.perf_counter() - self.start) * TICKS * os.cpu_count()
        return max(0.0, (busy_ticks() - self.own() - self.before) / wall)


class Engine:
    """label: what tables call it; lanes: batches at a time; setting: what else tells its configurations apart."""
    version = ""
    lanes = 1
    setting = ""

    def __init__(self, label, precision, command, environment):
        self.label, self.precision, self.seen = label, precision, set()
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, env=os.environ | environment, cwd=ROOT)
        atexit.register(self.close)
        self.greeting = self._read()
        self._stop()

    def logged(self):
        # Read by position: the process writes at the offset that it shares with this one.
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace").strip()

    def _stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def _read(self):
        # One line answers one request, so nothing of it is in the file object's own buffer yet.
        if not select.select([self.process.stdout], [], [], ANSWER_WITHIN)[0]:
            self.close()
            raise NotAvailable(f"no answer within {ANSWER_WITHIN:.0f} s; its process was ended")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            lines = self.logged().splitlines()
            raise NotAvailable(lines[-1] if lines else f"ended with status {self.process.returncode}")
        return line.strip()

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise NotAvailable("its process has ended") from None
        return self._read()

    def turn(self, work, path, seconds):
        """Repeats the work (whose sequences are in `path`) for that long, after a run that warms up.

        A run that is long enough warms itself up and counts; the very first one must be longer for that, since some
        peers prepare themselves for shapes that are new to them.
        """
        limit = seconds if work.name in self.seen else max(seconds, FIRST_RUN_COUNTS_AFTER)
        self.seen.add(work.name)
        if self.process.poll() is not None:
            raise NotAvailable("its process has ended")
        self.process.send_signal(signal.SIGCONT)
        try:
            turn = self._timed(path, work, 0)
            return turn if turn.seconds >= limit else self._timed(path, work, seconds)
        finally:
            self._stop()

    def _timed(self, path, work, seconds):
        watch = Watch(lambda: process_ticks(self.process.pid))
        times = self._times(path, work, seconds)
        return Turn(statistics.median(times), len(times), watch.foreign())

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Peer(Engine):
    def __init__(self, label, spec, setting=""):
        self.lanes, self.setting = spec.lanes, setting
        # numpy only pools: its own threads would spin beside those that compute.
        environment = {"OMP_NUM_THREADS": str(spec.threads_per_lane), "OPENBLAS_NUM_THREADS": "1",
                       "TOKENIZERS_PARALLELISM": "false", "ORT_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
        super().__init__(label, spec.precision, [sys.executable, "-m", "bench.peers.worker",
                                                 json.dumps(dataclasses.asdict(spec))], environment)
        self.version = json.loads(self.greeting)["version"]

    def _times(self, path, work, seconds):
        request = {"sequences": str(path), "batch": work.batch, "seconds": seconds}
        return json.loads(self.ask(json.dumps(request)))["times"]

    def vectors(self, path, target):
        """Writes the vectors of the sequences in `path`, in their order, to the file `target` (.npy)."""
        self.process.send_signal(signal.SIGCONT)
        self.ask(json.dumps({"sequences": str(path), "batch": 0, "vectors": str(target)}))
        self._stop()


class Attendant(Engine):
    """The engine in process: its scheduler, workers and kernels; no server."""

    def __init__(self, binary, model_dir, threads, precision):
        super().__init__(OURS, precision, [str(binary), str(model_dir), str(threads), precision], {})
        self.version = self.greeting

    def _times(self, path, work, seconds):
        times = []
        while not times or sum(times) < seconds:
            times.append(float(self.ask(str(path))))
        return times


class Encode(Engine):
    """sentence-transformers' encode: from texts to vectors, sorted by length, in batches of 32."""

    def __init__(self, model_dir, threads):
        super().__init__("sentence-transformers", "fp32",
                         [sys.executable, "-m", "bench.peers.encode", str(model_dir), str(threads)],
                         {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"})
        self.version = self.greeting

    def _times(self, path, work, seconds):
        return [float(self.ask(str(path)))]
