"""Attendant beside ONNX Runtime, OpenVINO, CTranslate2, PyTorch and sentence-transformers, in one run.

    python -m bench.peers --build build/release --model "$(scripts/get-model)" [--write docs/performance.md]

Needs bench/peers/requirements.txt and the programs attendant-server, attendant, engine_bench, peak_bench
and kernels_bench. Every engine runs in a process of its own, stopped while another is measured; they take turns in every round. Speeds are
tokens a second that are not padding. A peer runs in several configurations (all threads on a batch, or a part of it
on each): the best one counts, case by case. The machine should do nothing else: what other processes took is measured
and reported.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

if __package__ in (None, ""):  # started by path
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2])

from bench.peers import catalogue, machine, report, sections, workload  # noqa: E402
from bench.peers.bench import Bench  # noqa: E402

SECTIONS = ("peak", "cases", "texts", "sweeps", "scaling", "server", "base")


def names(allowed):
    def parse(text):
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; there are {', '.join(allowed)}")
        return chosen
    return parse


def absolute(text):
    """Workers run in the repository, wherever this was started."""
    return pathlib.Path(text).resolve()


def case_names(text):
    try:
        for name in text.split(","):
            workload.case(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError("a case is ROWSxLENGTH or mixed32") from error
    return text.split(",")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=absolute, help="build directory, whose bin/ has the programs")
    parser.add_argument("--model", type=absolute, help="directory of the default model")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.4, help="of one engine's turn at one case")
    parser.add_argument("--quick", action="store_true", help="two rounds, short turns, fewer texts, no base model")
    parser.add_argument("--only", type=names(SECTIONS), help=",".join(SECTIONS))
    parser.add_argument("--cases", type=case_names, default=list(workload.CASES), help="such as 1x16,32x128,mixed32")
    parser.add_argument("--precisions", type=names(catalogue.PRECISIONS), default=list(catalogue.PRECISIONS))
    parser.add_argument("--peers", type=names(tuple(catalogue.LABELS)), default=list(catalogue.LABELS))
    parser.add_argument("--tei", metavar="HOST:PORT", help="a running TEI server (HTTP) to measure, too")
    parser.add_argument("--artefacts", type=absolute, help="directory to keep converted models in for the next run")
    parser.add_argument("--json", type=pathlib.Path, help="write every measurement to this file")
    parser.add_argument("--render", type=pathlib.Path, help="measure nothing; report what --json wrote")
    parser.add_argument("--write", type=pathlib.Path, help="Markdown file whose measured part is replaced")
    arguments = parser.parse_args()
    if not arguments.render and not (arguments.build and arguments.model):
        parser.error("--build and --model are required")
    if arguments.quick:
        arguments.rounds, arguments.seconds = min(arguments.rounds, 2), min(arguments.seconds, 0.2)
    arguments.only = arguments.only or [name for name in SECTIONS if name != "base" or not arguments.quick]
    return arguments


def measure(options, bench):
    bench.results |= {"machine": machine.describe(options), "command": machine.command(sys.argv[1:])}
    if "peak" in options.only:
        sections.peaks(bench)
        sections.products(bench)
    if {"cases", "texts", "sweeps", "scaling"} & set(options.only):
        sections.in_process(bench, "default", options.only)
    if "server" in options.only:
        sections.servers(bench, "default", load=True)
    if "base" in options.only:
        bench.make_base_model()
        sections.servers(bench, "base", load=False)
        sections.in_process(bench, "base", ["cases"])


def measure_and_keep(options):
    """What was measured before a failure is written, too: a run takes a while."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, folder)
        try:
            measure(options, bench)
        finally:
            if options.json:
                options.json.write_text(json.dumps(bench.results, indent=1) + "\n", encoding="utf-8")
    return bench.results


def main():
    options = parse_arguments()
    if options.render:
        results = json.loads(options.render.read_text(encoding="utf-8"))
    else:
        results = measure_and_keep(options)
    text = report.markdown(results)
    print(text)
    if options.write:
        report.write(options.write, results, text)


if __name__ == "__main__":
    main()
