"""encode() side by side with `attendant bench`, on the same texts in requests of the same size. Run by hand on a quiet
machine, where the client is installed. Usage: throughput.py BIN_DIRECTORY MODEL_DIR [--texts N] [--rounds N] [--
FLAGS...]

Client and server share the processors, so what a client computes for a text is taken from the server: besides texts a
second it prints the processor time that the client and the server spent on a text. FLAGS are the server's.
"""

import argparse
import asyncio
import json
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from attendant_client import AsyncClient, Client

BATCH, IN_FLIGHT = 64, 8  # encode()'s own
WORDS = "the of and to in is was for on that with by this from not all one new more other time people some"


def make_texts(count):
    """Words of about a token each, in log-normal numbers (mean 49, 7 to 254) as `attendant bench` has them."""
    rng = random.Random(1)
    lengths = [min(254, max(7, round(rng.lognormvariate(3.57, 0.8)))) for _ in range(count)]
    return [" ".join(rng.choices(WORDS.split(), k=length)) for length in lengths]


def cpu_of(process):
    user, system = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / 100


def run_bench(binaries, address, texts, directory):
    """(seconds, processor seconds) of sending all texts once."""
    file, report = directory / "texts.txt", directory / "report.json"
    file.write_text("\n".join(texts) + "\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [
            binaries / "attendant",
            "bench",
            "--server",
            address,
            "--input",
            file,
            "--items-per-request",
            str(BATCH),
            "--concurrency",
            str(IN_FLIGHT),
            "--requests",
            str(len(texts) // BATCH),
            "--warm-up",
            "0",
            "--json",
            report,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads(report.read_text())
    seconds = len(texts) / result["items_per_second"]
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run_sync(binaries, address, texts, directory):
    with Client(address) as client:
        client.get_model()
        wall, cpu = time.perf_counter(), time.process_time()
        client.encode(texts)
        return time.perf_counter() - wall, time.process_time() - cpu


def run_async(binaries, address, texts, directory):
    async def run():
        async with AsyncClient(address) as client:
            await client.get_model()
            wall, cpu = time.perf_counter(), time.process_time()
            await client.encode(texts)
            return time.perf_counter() - wall, time.process_time() - cpu

    return asyncio.run(run())


RUNS = {"attendant bench": run_bench, "Client": run_sync, "AsyncClient": run_async}


def measure(arguments, directory):
    """Per run: lists of texts a second, client's and server's microseconds a text."""
    ports = directory / "ports"
    server = subprocess.Popen(
        [
            arguments.binaries / "attendant-server",
            "--model",
            arguments.model,
            "--grpc-address",
            "127.0.0.1:0",
            "--metrics-address",
            "off",
            "--port-file",
            ports,
            "--log-level",
            "error",
            *arguments.flags,
        ]
    )
    try:
        while not ports.exists():
            if server.poll() is not None:
                raise SystemExit("the server has not started")
            time.sleep(0.05)
        address = f"127.0.0.1:{dict(line.split('=', 1) for line in ports.read_text().split())['grpc']}"
        texts = make_texts(arguments.texts // BATCH * BATCH)
        run_sync(arguments.binaries, address, texts[: 4 * BATCH], directory)
        results = {name: [] for name in RUNS}
        for _ in range(arguments.rounds):
            for name, run in RUNS.items():
                before = cpu_of(server)
                wall, cpu = run(arguments.binaries, address, texts, directory)
                each = 1e6 / len(texts)
                results[name].append((len(texts) / wall, cpu * each, (cpu_of(server) - before) * each))
        return results
    finally:
        server.terminate()
        server.wait(60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("model")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    own, _, flags = " ".join(sys.argv[1:]).partition(" -- ")
    arguments = parser.parse_args(own.split())
    arguments.flags = flags.split()
    with tempfile.TemporaryDirectory() as directory:
        results = measure(arguments, pathlib.Path(directory))
    base = [row[0] for row in results["attendant bench"]]
    print(f"{'':<16} {'texts/s':>9} {'(each round)':<28} {'of bench':>8} {'client us/text':>15} {'server us/text':>15}")
    for name, rows in results.items():
        rates, client, server = zip(*rows, strict=True)
        ratio = statistics.median(rate / other for rate, other in zip(rates, base, strict=True))
        each = ", ".join(f"{rate:.0f}" for rate in rates)
        print(
            f"{name:<16} {statistics.median(rates):9.1f} {each:<28} {ratio:8.3f} {statistics.median(client):15.1f} "
            f"{statistics.median(server):15.1f}"
        )


if __name__ == "__main__":
    main()
