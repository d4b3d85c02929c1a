"""Open-loop load at 1, 2, 5 and 10 times what the server can do, and what is left of it.

    overload.py [--bin build/release/bin] [--model DIR] [--threads N] [--deadline-ms 500] [--seconds 20] [--short]

`attendant bench` finds the capacity with a closed loop, then sends requests by a Poisson process whatever becomes of
them; their times count from their arrivals, so nothing hides behind a stalled sender. Goodput is what is answered
within its deadline. The sender needs a CPU of its own: by default the server computes on all but one.
"""

import json
import os
import pathlib
import subprocess
import tempfile

import harness

LEVELS = (1, 2, 5, 10)
QUIET_LOAD = 0.5
CONCURRENCY = 1000  # waiting callers: far more than capacity x deadline
TOKENS = 64
# Items of a request: as many as it takes for the sender to manage ten times the capacity with a fraction of one CPU.
ITEMS = (2, 8, 32, 128)
MAX_CAPACITY = 300
LATENESS_MS = 20  # of the sender's threads, which is in the times that it takes
MIN_GOODPUT = 0.95
MIN_GOODPUT_SHORT = 0.75  # three seconds are some ninety answers
MAX_REFUSAL_MS = 5
MAX_REFUSAL_SHORT_MS = 50  # a commit's machine does other things: this tells a queue from a refusal
MAX_GROWTH_MIB = 32
RECOVERY_S = 1


class Load:
    def __init__(self, options, server, directory):
        self.options, self.server, self.report = options, server, pathlib.Path(directory, "bench.json")
        self.seed, self.items, self.capacity = options.seed, 0, 0.0

    def run(self, seconds, warm_up, *arguments, timeout_s=60.0):
        self.seed += 1
        command = [
            self.options.bin / "attendant",
            "bench",
            "--server",
            self.server.target,
            "--json",
            self.report,
            "--synthetic",
            "ids",
            "--lengths",
            TOKENS,
            "--items-per-request",
            self.items,
            "--timeout",
            timeout_s,
            "--duration",
            seconds,
            "--warm-up",
            warm_up,
            "--seed",
            self.seed,
            *arguments,
        ]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):  # 1: some requests failed, as they should
            raise RuntimeError(f"attendant bench: status {done.returncode}\n{done.stderr}")
        return json.loads(self.report.read_text())

    def find_capacity(self, seconds):
        """Of the smallest requests that the sender can send ten times as many of."""
        for self.items in ITEMS:
            self.capacity = self.run(0.5, 0.2, "--concurrency", 8)["requests_per_second"]
            if self.capacity <= MAX_CAPACITY:
                break
        self.capacity = self.run(seconds, 0.5, "--concurrency", 8)["requests_per_second"]

    def open_loop(self, rate, seconds, warm_up, timeout_s):
        return self.run(seconds, warm_up, "--rate", f"{rate:.3f}", "--concurrency", CONCURRENCY, timeout_s=timeout_s)


def ms(report, stage, rank):
    return report["latency_us"].get(stage, {}).get(rank, 0) / 1000


def storm(load, capacity, seconds, deadline_s, report):
    """{level: bench's report}, and the peak of memory at each."""
    levels, peaks = {}, {}
    for level in LEVELS:
        with harness.PeakMemory(load.server) as memory:
            levels[level] = load.open_loop(level * capacity, seconds, 1, deadline_s)
        peaks[level] = memory.peak_mib
        now = levels[level]
        report.row(
            f"{level} x",
            now["requests"] / seconds,
            now["requests_per_second"],
            ms(now, "client_total", "p50"),
            ms(now, "client_total", "p99"),
            ms(now, "refused", "p50"),
            ms(now, "refused", "p99"),
            peaks[level],
            " ".join(f"{code} {count}" for code, count in now["failed_requests"].items()) or "none",
        )
    return levels, peaks


def judge(report, levels, peaks, options):
    goodput = {level: levels[level]["requests_per_second"] for level in LEVELS}
    peak = max(goodput.values())
    share = goodput[LEVELS[-1]] / peak
    least = MIN_GOODPUT_SHORT if options.short else MIN_GOODPUT
    report.promise(
        share >= least, f"goodput at {LEVELS[-1]} x is at least {least:.0%} of the peak", f"{share:.1%}"
    )
    for level in LEVELS:
        worst = ms(levels[level], "client_total", "p99")
        report.promise(
            worst <= options.deadline_ms + LATENESS_MS,
            f"{level} x: p99 of what is answered lies within the deadline",
            f"{worst:.0f} of {options.deadline_ms} ms",
        )
    allowed = MAX_REFUSAL_SHORT_MS if options.short else MAX_REFUSAL_MS
    refusal = max(ms(levels[level], "refused", "p99") for level in LEVELS)
    report.promise(0 < refusal < allowed, f"refusals take less than {allowed} ms (p99)", f"{refusal:.1f} ms")
    codes = {code for level in LEVELS for code in levels[level]["failed_requests"]}
    report.promise(
        codes <= {"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"},
        "what fails is refused or late, nothing else",
        " ".join(sorted(codes)),
    )
    growth = peaks[LEVELS[-1]] - peaks[LEVELS[0]]
    report.promise(
        growth < MAX_GROWTH_MIB,
        f"memory at {LEVELS[-1]} x is within {MAX_GROWTH_MIB} MiB of that at 1 x",
        f"{growth:+.1f} MiB",
    )


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--threads", type=int, default=max(1, len(os.sched_getaffinity(0)) - 1), help="of the server")
    parser.add_argument("--deadline-ms", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20, help="of each level")
    # A model whose work is in computing, so that sender and server do not fight for the CPU.
    if default_model := os.environ.get("ATTENDANT_TEST_MODEL_DIR"):
        parser.set_defaults(model=pathlib.Path(default_model))
    options = parser.parse_args()
    seconds = 3 if options.short else options.seconds
    deadline_s = options.deadline_ms / 1000
    report = harness.Report(
        "load", "sent/s", "answered/s", "p50 ms", "p99 ms", "refused p50", "p99", "peak MiB", "failed"
    )
    with harness.Server(options, "--threads", options.threads) as server, tempfile.TemporaryDirectory() as directory:
        load = Load(options, server, directory)
        load.find_capacity(2 if options.short else 5)
        capacity = load.capacity
        print(
            f"capacity: {capacity:.1f} requests/s of {load.items} x {TOKENS} tokens on {options.threads} threads; "
            f"deadline {options.deadline_ms} ms\n"
        )
        seed = load.seed
        quiet = load.open_loop(QUIET_LOAD * capacity, seconds, RECOVERY_S, deadline_s)
        levels, peaks = storm(load, capacity, seconds, deadline_s, report)
        load.seed = seed  # the same arrivals as before the storm: in a few seconds one burst decides the p90
        after = load.open_loop(QUIET_LOAD * capacity, seconds, RECOVERY_S, deadline_s)
        judge(report, levels, peaks, options)
        before_ms, after_ms = (ms(bench, "client_total", "p90") for bench in (quiet, after))
        report.promise(
            after_ms <= 1.5 * before_ms + 5 and not after["failed_requests"],
            f"{RECOVERY_S} s after the storm, half load has its latency (p90) and no failures again",
            f"{before_ms:.1f} ms before, {after_ms:.1f} ms after, failed {after['failed_requests']}",
        )
        report.server_ended_well(server)
    report.finish()


if __name__ == "__main__":
    main()
