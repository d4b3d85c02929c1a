"""What an interactive caller notices of bulk work, and a light caller of a heavy one.

    classes.py [--bin build/release/bin] [--model DIR] [--threads N] [--seconds 20] [--short]

Interactive requests come by a Poisson process at a tenth of the capacity; first alone, then while bulk requests keep
every worker busy, then (with an API key each) beside another interactive caller who has 64 requests waiting.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import tempfile

import harness

TOKENS = 64
LOAD = 0.1
CONCURRENCY = 64
SLOWER = 1.3
ALLOWANCE_MS = 50  # of compute time that another caller may be ahead (class_queue.h)
LATENESS_MS = 5  # of this machine's threads
SHORT_LATENESS_MS = 100  # where other work shares the CPUs
MIN_BULK_SHARE = 0.7  # of the capacity, beside a tenth of interactive load
KEYS = {"heavy": "heavy-secret", "light": "light-secret"}


class Bench:
    """`attendant bench` with the settings that all runs share."""

    def __init__(self, options, server, directory, key=None):
        self._options, self._server, self._directory, self._key = options, server, pathlib.Path(directory), key

    def start(self, name, seconds, *arguments):
        command = [self._options.bin / "attendant", "bench", "--server", self._server.target]
        command += ["--synthetic", "ids", "--lengths", TOKENS, "--duration", seconds, "--warm-up", 0.5]
        command += ["--json", self._directory / name, *arguments]
        environment = {**os.environ, **({"ATTENDANT_API_KEY": self._key} if self._key else {})}
        return name, subprocess.Popen(
            [str(part) for part in command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def finish(self, started):
        name, process = started
        _, errors = process.communicate(timeout=300)
        if process.returncode != 0:
            raise RuntimeError(f"attendant bench {name}: status {process.returncode}\n{errors.decode()}")
        return json.loads((self._directory / name).read_text())

    def run(self, name, seconds, *arguments):
        return self.finish(self.start(name, seconds, *arguments))


def ms(report, stage, rank):
    return report["latency_us"].get(stage, {}).get(rank, 0) / 1000


def beside(light, heavy, seconds, rate, *heavy_arguments):
    """The light caller's report and the heavy one's, both under way for the whole time."""
    background = heavy.start("heavy", seconds + 2, "--concurrency", CONCURRENCY, *heavy_arguments)
    report = light.run("light", seconds, "--rate", rate, "--class", "interactive")
    return report, heavy.finish(background)


def measure(options, server, directory, seconds, report):
    """Reports of: the interactive caller alone, beside bulk, beside a heavy caller; of these two; and the capacity."""
    light, heavy = (Bench(options, server, directory, KEYS[name]) for name in ("light", "heavy"))
    capacity = heavy.run("capacity", seconds, "--concurrency", CONCURRENCY)["requests_per_second"]
    rate = f"{LOAD * capacity:.3f}"
    alone = light.run("alone", seconds, "--rate", rate, "--class", "interactive")
    by_bulk, bulk = beside(light, heavy, seconds, rate, "--class", "bulk")
    by_heavy, other = beside(light, heavy, seconds, rate)
    for name, own, neighbour in (
        ("alone", alone, None),
        ("beside bulk", by_bulk, bulk),
        ("beside a heavy caller", by_heavy, other),
    ):
        report.row(
            name,
            ms(own, "client_total", "p50"),
            ms(own, "client_total", "p99"),
            neighbour["requests_per_second"] if neighbour else 0.0,
            ms(neighbour, "compute", "p99") if neighbour else 0.0,
        )
    return alone, by_bulk, bulk, by_heavy, other, capacity


def judge(report, measured, lateness_ms):
    alone, by_bulk, bulk, by_heavy, other, capacity = measured
    idle_ms = SLOWER * ms(alone, "client_total", "p99") + lateness_ms
    limit_ms = idle_ms + ms(bulk, "compute", "p99")
    report.promise(
        ms(by_bulk, "client_total", "p99") <= limit_ms,
        f"beside bulk, interactive p99 is at most {SLOWER} x that of an idle server and one micro-batch",
        f"{ms(by_bulk, 'client_total', 'p99'):.1f} of {limit_ms:.1f} ms",
    )
    share = bulk["requests_per_second"] / capacity
    report.promise(
        share >= MIN_BULK_SHARE,
        f"bulk has at least {MIN_BULK_SHARE:.0%} of the capacity beside {LOAD:.0%} of interactive load",
        f"{share:.0%}",
    )
    # The micro-batch under way, and its own, which it shares with the heavy caller: they are of one class.
    limit_ms = idle_ms + 2 * ms(other, "compute", "p99") + ALLOWANCE_MS
    report.promise(
        ms(by_heavy, "client_total", "p99") <= limit_ms,
        f"a light caller waits for a heavy one's allowance ({ALLOWANCE_MS} ms) and two micro-batches at most",
        f"{ms(by_heavy, 'client_total', 'p99'):.1f} of {limit_ms:.1f} ms",
    )


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--threads", type=int, default=max(1, len(os.sched_getaffinity(0)) - 1), help="of the server")
    parser.add_argument("--seconds", type=float, default=20, help="of each part")
    options = parser.parse_args()
    seconds = 3 if options.short else options.seconds
    report = harness.Report("interactive", "p50 ms", "p99 ms", "beside it, requests/s", "batch p99 ms")
    with tempfile.TemporaryDirectory() as directory:
        keys = pathlib.Path(directory, "keys")
        keys.write_text("".join(f"{name} {hashlib.sha256(key.encode()).hexdigest()}\n" for name, key in KEYS.items()))
        with harness.Server(options, "--threads", options.threads, "--api-keys-file", keys) as server:
            measured = measure(options, server, directory, seconds, report)
            judge(report, measured, SHORT_LATENESS_MS if options.short else LATENESS_MS)
            report.server_ended_well(server)
    report.finish()


if __name__ == "__main__":
    main()
