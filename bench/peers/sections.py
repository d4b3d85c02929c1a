"""The parts of the benchmark; each adds to Bench.results what report.py turns into its tables."""

import pathlib
import subprocess

from bench.peers import catalogue, server, workload
from bench.peers.engines import OURS, Encode, NotAvailable

SWEEP_LENGTHS = (16, 32, 64, 128, 256, 512)
SWEEP_BATCHES = (1, 2, 4, 8, 16, 32, 64)
CONCURRENCY = 64
NUM_QUICK_TEXTS = 640
# A peer slower than this share of the fastest one at a batch of mixed lengths is not asked for thousands of texts.
WORTH_TEXTS = 0.5


def _lines(bench, program, *arguments):
    try:
        run = subprocess.run([str(bench.binary(program)), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        bench.say(f"no {program}: {error}")
        return
    for line in run.stdout.splitlines():
        yield line.split()


def peaks(bench):
    """What the units can do, on all threads."""
    for precision, isa, rate, *unit in _lines(bench, "peak_bench", str(bench.options.threads)):
        bench.results["peaks"].append({"precision": precision, "isa": isa, "gflops_per_thread": float(rate)})
        bench.say(f"{precision} {isa} {rate} {' '.join(unit)}")


def products(bench):
    """What the matrix products reach by themselves, in every precision and instruction set, on one thread."""
    for precision, isa, *shape, rate, _ in _lines(bench, "kernels_bench"):
        if shape == ["all"]:
            bench.results["products"].append({"precision": precision, "isa": isa, "gflops_per_thread": float(rate)})


def in_process(bench, model, sections):
    """Cases, texts and sweeps, a precision at a time: what is compared is in memory together, and nothing else is."""
    for precision in bench.options.precisions:
        engines = bench.start_ours(precision, model) + bench.start_peers(precision, model)
        try:
            bench.check(engines, model)
            if "cases" in sections:
                works = [workload.case(name) for name in bench.options.cases]
                bench.run("cases", model, engines, works, bench.options.rounds)
            if "texts" in sections:
                _texts(bench, model, engines)
            if "sweeps" in sections:
                _sweeps(bench, model, engines)
            if "scaling" in sections:
                _scaling(bench, model, precision, engines)
        finally:
            for engine in engines:
                engine.close()


def _ours(engines):
    return [engine for engine in engines if engine.label == OURS]


def _texts(bench, model, engines):
    peers = []
    for label in catalogue.LABELS.values():  # each peer as it is best at a batch of mixed lengths
        own = [engine for engine in engines if engine.label == label]
        peers += bench.best_of(own, model, ["mixed32"])
    speeds = {peer: bench.speed(peer, {"section": "cases", "model": model}, "mixed32") for peer in peers}
    peers = [peer for peer in peers if speeds[peer] >= WORTH_TEXTS * max(speeds.values())]
    count = NUM_QUICK_TEXTS if bench.options.quick else workload.NUM_TEXTS
    ids = workload.token_ids(bench.options.model, workload.texts(bench.options.model, count))
    bench.run("texts", model, _ours(engines) + peers, workload.mixed_texts(ids), min(2, bench.options.rounds))


def _sweeps(bench, model, engines):
    chosen = _ours(engines) + bench.best_of(engines, model, bench.options.cases)
    by_length = [workload.case(f"8x{length}") for length in SWEEP_LENGTHS]
    by_batch = [workload.case(f"{rows}x64") for rows in SWEEP_BATCHES]
    bench.run("sweeps", model, chosen, by_length + by_batch, min(2, bench.options.rounds))


def _scaling(bench, model, precision, engines):
    alone = bench.start_ours(precision, model, threads=1)
    for engine in alone:
        engine.setting = "1 thread"
    try:
        bench.run("scaling", model, _ours(engines) + alone, [workload.case("32x128")], bench.options.rounds)
    finally:
        for engine in alone:
            engine.close()


def servers(bench, model, load):
    """Memory, idle processor time and vectors of the server at each precision; with `load` its throughput, too."""
    texts = workload.texts(bench.options.model)
    everything = server.write_texts(bench.folder / "texts.jsonl", texts)
    few = server.write_texts(bench.folder / "check.jsonl", bench.check_texts())
    running = []
    try:
        for precision in bench.options.precisions:
            try:
                running.append(server.Server(bench.options.build, pathlib.Path(bench.models[model]), precision,
                                             bench.options.threads, bench.folder))
            except (NotAvailable, OSError) as reason:
                bench.unavailable("attendant-server", precision, model, reason)
                continue
            found = running[-1].idle()
            bench.results["servers"].append(found | {"model": model})
            bench.say(f"{model} server {precision}: peak {found['peak_mb']:.0f} MB, steady {found['steady_mb']:.0f} "
                      f"MB, idle {found['idle_cpu']:.3%}, started in {found['start_seconds']:.2f} s")
            bench.compare(running[-1], model, running[-1].vectors(few))
        if load:
            _end_to_end(bench, model, running, everything)
    finally:
        for each in running:
            each.close()


def _end_to_end(bench, model, running, texts_file):
    targets = [(each, CONCURRENCY) for each in running]
    if bench.options.tei:
        try:
            tei = server.Tei(bench.options.tei)
            targets += [(tei, 1), (tei, CONCURRENCY)]
        except NotAvailable as reason:
            bench.unavailable("TEI", "as served", model, reason)
    encode = Encode(bench.models[model], bench.options.threads)
    count = NUM_QUICK_TEXTS if bench.options.quick else workload.NUM_TEXTS
    few = server.write_texts(bench.folder / "load.jsonl", workload.texts(bench.options.model, count))
    work = workload.Work("encode", [[0]] * count)
    try:
        for number in range(min(3, bench.options.rounds)):
            turn = encode.turn(work, few, 0)
            rows = [{"engine": encode.label, "version": encode.version, "precision": "fp32", "concurrency": 0,
                     "texts_per_second": count / turn.seconds, "foreign": turn.foreign}]
            for target, concurrency in list(targets):
                try:
                    found = target.load(texts_file, concurrency, count)
                except (NotAvailable, OSError) as reason:
                    bench.unavailable(f"{target.label} at {concurrency}", target.precision, model, reason)
                    targets.remove((target, concurrency))
                    continue
                rows.append({"engine": target.label, "version": target.version, "precision": target.precision,
                             "concurrency": concurrency} | found)
            for row in rows:
                bench.results["end_to_end"].append(row | {"round": number, "model": model})
                bench.say(f"end to end round {number + 1}: {row['engine']} {row['precision']} at {row['concurrency']}: "
                          f"{row['texts_per_second']:,.0f} texts/s (others took {row.get('foreign', 0):.0%})")
    finally:
        encode.close()
