"""One peer in a process of its own:  python -m bench.peers.worker SPEC, a JSON object (see adapters.Spec).

Talks over standard streams, a JSON object a line. First comes {"version": ...}. Then each request
{"sequences": path, "batch": n, "seconds": s} is answered with {"times": [...]}, the seconds of each repetition until
their sum exceeds s; {"sequences": path, "batch": n, "vectors": path} writes the vectors of all sequences in order.
"""

import concurrent.futures
import importlib
import json
import os
import sys
import time

import numpy as np

from bench.peers.adapters import Spec


def batches(sequences, size, lanes):
    """In order, `size` at a time (0: all at once); one batch alone is shared out evenly among the lanes."""
    size = size or len(sequences)
    if len(sequences) <= size:
        size = -(-len(sequences) // lanes)
    return [sequences[at:at + size] for at in range(0, len(sequences), size)]


class Runner:
    def __init__(self, engine, lanes):
        self.engine, self.lanes = engine, lanes
        self.pool = concurrent.futures.ThreadPoolExecutor(lanes)

    def run(self, parts):
        if self.lanes == 1:
            return [self.engine.embed(part) for part in parts]
        return list(self.pool.map(self.engine.embed, parts))

    def answer(self, request):
        with open(request["sequences"], encoding="ascii") as file:
            parts = batches([[int(n) for n in line.split()] for line in file], request["batch"], self.lanes)
        if "vectors" in request:
            np.save(request["vectors"], np.concatenate(self.run(parts)))
            return {}
        times = []
        while not times or sum(times) < request["seconds"]:
            start = time.perf_counter()
            self.run(parts)
            times.append(time.perf_counter() - start)
        return {"times": times}


def main():
    spec = Spec(**json.loads(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    engine = importlib.import_module(f"bench.peers.adapters.{spec.peer}").Engine(spec)
    runner = Runner(engine, spec.lanes)
    print(json.dumps({"version": engine.version}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(runner.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
