"""Handles of engines, each in a process of its own that is stopped (SIGSTOP) whenever it is not its turn.

So no thread pool of one engine can spin while another is measured. A handle is used from one thread.
"""

import dataclasses
import json
import os
import signal
import statistics
import subprocess
import sys
import time

from bench.peers.adapters import Spec

TICKS = os.sysconf("SC_CLK_TCK")


class NotAvailable(Exception):
    """The engine does not start or does not do this; the text says why."""


@dataclasses.dataclass
class Turn:
    seconds: float  # the median of the turn's repetitions
    repetitions: int
    foreign: float  # share of all processors' time that other processes took meanwhile


def _busy_ticks():
    """All processors' time that was not idle, stolen time included."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(n) for n in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4]


def _process_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Engine:
    """label: what tables call it; ours: whether it is Attendant's; lanes: batches at a time."""
    version = ""
    ours = False
    lanes = 1

    def __init__(self, label, precision, command, environment):
        self.label, self.precision = label, precision
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=os.environ | environment)
        self.greeting = self._read()
        self._stop()

    def _stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            lines = self.process.stderr.read().strip().splitlines()
            self.process.wait()
            raise NotAvailable(lines[-1] if lines else f"ended with status {self.process.returncode}")
        return line.strip()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._read()

    def turn(self, work, path, seconds):
        """Repeats the work (whose sequences are in `path`) for that long. The first run warms up, unless it is long."""
        self.process.send_signal(signal.SIGCONT)
        try:
            times = self._times(path, work, 0)
            busy, own, start = _busy_ticks(), _process_ticks(self.process.pid), time.perf_counter()
            foreign = 0.0
            if times[0] < seconds:
                times = self._times(path, work, seconds)
                wall = (time.perf_counter() - start) * TICKS * os.cpu_count()
                foreign = (_busy_ticks() - busy - _process_ticks(self.process.pid) + own) / wall
        finally:
            self._stop()
        return Turn(statistics.median(times), len(times), max(0.0, foreign))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Peer(Engine):
    def __init__(self, label, spec):
        self.lanes = spec.lanes
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
        self.process.send_signal(signal.SIGCONT)
        self.ask(json.dumps({"sequences": str(path), "batch": 0, "vectors": str(target)}))
        self._stop()


class Attendant(Engine):
    ours = True

    def __init__(self, binary, model_dir, threads, precision):
        super().__init__("Attendant", precision, [str(binary), str(model_dir), str(threads), precision], {})
        self.version = self.greeting

    def _times(self, path, work, seconds):
        times = []
        while not times or sum(times) < seconds:
            times.append(float(self.ask(str(path))))
        return times


LABELS = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ctranslate2": "CTranslate2", "pytorch": "PyTorch"}


def artefact_of(peer, precision):
    """The kind of bench.peers.artefacts that the peer loads ('' is the model directory itself)."""
    if peer == "pytorch":
        return ""
    kind = {"onnxruntime": "onnx"}.get(peer, peer)
    return kind + "_int8" if precision == "int8" and kind in ("onnx", "openvino") else kind


def peer_specs(peer, precision, artefact, threads):
    """One batch on all threads, and, where it may be faster, a batch or half a batch on each."""
    lanes = [1] if threads == 1 or peer == "pytorch" else [1, threads]
    return [Spec(peer, precision, str(artefact), threads, n) for n in lanes]
