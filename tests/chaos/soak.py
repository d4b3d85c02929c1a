"""Long load on one server: memory, descriptors, threads and latency must stay where they were.

    soak.py [--bin build/release/bin] [--model DIR] [--minutes 60] [--load 0.8] [--json FILE] [--short]

Finds the server's capacity with a short closed loop, then sends open-loop load at a share of it: mixed lengths, one
item in twenty wrong (an id outside the vocabulary, a blank text). Beside it a pest sends what is no request at all:
random bytes, unknown models, cancelled calls, connections that break off. The time is cut into six slices. After the
first as warm-up, resident memory may grow by 1 MiB an hour (below half an hour: by 8 MiB altogether, below a minute by 16,
which is as much as can be told from noise), descriptors and threads may not grow at all, and the last slice's p99
lies within 10 % (below half an hour: 50 %, or 100 ms) of the first's.
"""

import json
import pathlib
import random
import socket
import subprocess
import tempfile
import threading
import time

import grpc

import calls
import harness

WORDS = "the cat sits on a mat while old water runs fast to small houses by that river bank what is it why not".split()
BAD_ITEMS = ({"ids": [999_999_999]}, {"text": " \t "})
SLICES = 6
SHORT_MINUTES = 0.2
LONG_MINUTES = 30
GRACE_S = 90  # of a slice, for its warm-up and the calls that are still under way at its end


def write_items(path, seed, count=2000):
    """JSON lines of mixed lengths; every twentieth item is wrong."""
    draw = random.Random(seed)
    with open(path, "w", encoding="utf-8") as file:
        for index in range(count):
            words = min(200, max(3, int(draw.lognormvariate(3.5, 0.8))))
            bad = index % 20 == 19
            item = draw.choice(BAD_ITEMS) if bad else {"text": " ".join(draw.choices(WORDS, k=words))}
            file.write(json.dumps(item) + "\n")


def slope_per_hour(samples, index):
    """Least squares over (seconds, values)."""
    mean_x = sum(second for second, _ in samples) / len(samples)
    mean_y = sum(values[index] for _, values in samples) / len(samples)
    spread = sum((second - mean_x) ** 2 for second, _ in samples)
    return 3600 * sum((second - mean_x) * (values[index] - mean_y) for second, values in samples) / max(spread, 1e-9)


class Sampler(threading.Thread):
    """(seconds, (resident MiB, descriptors, threads)), several times a slice."""

    def __init__(self, server, interval_s):
        super().__init__(daemon=True)
        self.server, self.interval_s, self.samples, self.done = server, interval_s, [], threading.Event()

    def run(self):
        start = time.monotonic()
        while not self.done.wait(self.interval_s):
            look = (self.server.resident_mib(), self.server.descriptors(), self.server.threads())
            self.samples.append((time.monotonic() - start, look))


class Pest(threading.Thread):
    """Some ten bad calls a second; what does not end as it should."""

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server, self.draw, self.done, self.sent, self.surprises = (
            server,
            random.Random(seed),
            threading.Event(),
            0,
            set(),
        )

    def run(self):
        with calls.channel(self.server.target) as channel:
            while not self.done.wait(0.1):
                self.sent += 1
                self._bad_call(channel)
                if self.sent % 10 == 0:
                    with socket.create_connection(("127.0.0.1", self.server.grpc), timeout=5) as broken:
                        broken.sendall(self.draw.randbytes(200))

    def _bad_call(self, channel):
        method = self.draw.choice(("Embed", "Tokenize", "GetAttention"))
        kind = self.sent % 3
        if kind == 0:
            future = calls.unary(channel).future(calls.embed_request(["a text"] * 20), timeout=10)
            future.cancel()
            return
        request = self.draw.randbytes(self.draw.randrange(1, 5000)) if kind == 1 else calls.field(1, "no such model")
        stream = channel.unary_stream(calls.SERVICE + method)(request, timeout=30)
        try:
            list(stream)
            self.surprises.add(f"{method}: OK")
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND):
                self.surprises.add(f"{method}: {error.code().name} {error.details()}")


def bench(options, server, items, directory, seconds, *arguments):
    """A run of so many seconds; one that does not come back some time later has failed."""
    report = pathlib.Path(directory, "bench.json")
    command = [
        options.bin / "attendant",
        "bench",
        "--server",
        server.target,
        "--input",
        items,
        "--json",
        report,
        "--duration",
        f"{seconds:.2f}",
        *arguments,
    ]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=seconds + GRACE_S
    )
    if done.returncode not in (0, 1):  # 1: some items failed, as they should
        raise RuntimeError(f"attendant bench: status {done.returncode}\n{done.stderr}")
    return json.loads(report.read_text())


def p99_ms(bench_report):
    return bench_report["latency_us"]["client_total"]["p99"] / 1000


def judge(report, slices, samples, minutes):
    short = minutes < LONG_MINUTES
    settled = [sample for sample in samples if sample[0] > 60 * minutes / SLICES]
    hours = (settled[-1][0] - settled[0][0]) / 3600
    growth = slope_per_hour(settled, 0) * hours
    # In the first seconds the allocator's arenas still fill.
    allowed = max(hours, 16.0 if minutes < 1 else 8.0 if short else 0.0)
    report.promise(
        growth <= allowed,
        f"resident memory grows by at most {allowed:.1f} MiB after warm-up",
        f"{growth:+.2f} MiB in {hours:.2f} h, {slope_per_hour(settled, 0):+.2f} MiB/h",
    )
    for index, name in ((1, "descriptors"), (2, "threads")):
        # One connection or thread more or less in the moment of a slice's change is none of ours: medians.
        half = len(settled) // 2
        before, after = (
            sorted(values[index] for _, values in part)[len(part) // 2] for part in (settled[:half], settled[half:])
        )
        report.promise(after <= before, f"{name} do not grow", f"{before} to {after}")
    first, last = p99_ms(slices[0]), p99_ms(slices[-1])
    drift = 1.5 if short else 1.1
    # Slices of seconds: one pause of the machine is a p99. What they can tell is a queue that grows.
    floor_ms = 100.0 if short else 0.0
    report.promise(
        last <= max(first * drift, floor_ms),
        f"the last slice's p99 is at most {drift} times the first's" + (f", or {floor_ms:.0f} ms" if short else ""),
        f"{first:.1f} to {last:.1f} ms",
    )
    failed = [slice_["failed_requests"] for slice_ in slices if slice_["failed_requests"]]
    report.promise(not failed, "no request fails", str(failed or ""))
    codes = {code for slice_ in slices for code in slice_["failed_items"]}
    report.promise(
        codes == {"INVALID_ARGUMENT"}, "the wrong items fail, with INVALID_ARGUMENT, and no others", " ".join(codes)
    )


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--load", type=float, default=0.8)
    parser.add_argument("--json", type=pathlib.Path, help="write slices and samples there")
    options = parser.parse_args()
    minutes = SHORT_MINUTES if options.short else options.minutes
    report = harness.Report("slice", "requests/s", "p50 ms", "p99 ms", "resident MiB", "descriptors", "threads")
    slices = []
    with tempfile.TemporaryDirectory() as directory, harness.Server(options) as server:
        items = pathlib.Path(directory, "items.jsonl")
        write_items(items, options.seed)
        capacity = bench(options, server, items, directory, 2 if options.short else 10)["requests_per_second"]
        rate = capacity * options.load
        print(f"capacity {capacity:.0f} requests/s; {minutes} minutes at {rate:.0f} requests/s\n", flush=True)
        sampler, pest = Sampler(server, min(1.0, minutes)), Pest(server, options.seed)
        sampler.start()
        pest.start()
        for index in range(SLICES):
            slices.append(
                bench(
                    options,
                    server,
                    items,
                    directory,
                    minutes * 60 / SLICES,
                    "--rate",
                    f"{rate:.2f}",
                    "--warm-up",
                    0.2,
                    "--seed",
                    index + 1,
                )
            )
            last = slices[-1]
            report.row(
                f"{index + 1} of {SLICES}",
                last["requests_per_second"],
                last["latency_us"]["client_total"]["p50"] / 1000,
                p99_ms(last),
                server.resident_mib(),
                server.descriptors(),
                server.threads(),
            )
        for thread in (sampler, pest):
            thread.done.set()
            thread.join()
        judge(report, slices, sampler.samples, minutes)
        report.promise(
            pest.sent and not pest.surprises,
            "what is no request gets INVALID_ARGUMENT or NOT_FOUND",
            "; ".join(sorted(pest.surprises)[:3]) or f"{pest.sent} sent",
        )
        report.server_ended_well(server)
    if options.json:
        options.json.write_text(json.dumps({"capacity": capacity, "slices": slices, "samples": sampler.samples}))
    report.finish()


if __name__ == "__main__":
    main()
