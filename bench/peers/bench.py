"""Runs engines in turn on the same work and keeps every measurement as a flat record."""

import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

from bench.peers import catalogue, workload
from bench.peers.adapters import Spec
from bench.peers.engines import OURS, ROOT, Attendant, NotAvailable, Peer

# After the first round only these peers go on, as a share of the fastest one's speed: the others cost time, no insight.
CONTENDER = 0.8
# When other processes took more than this share of the machine during a turn, it is repeated once.
DISTURBED = 0.1


class Bench:
    """results: what report.py reads and --json writes. Paths of models by name: "default", "base"."""

    def __init__(self, options, folder):
        self.options, self.folder = options, pathlib.Path(folder)
        self.kept = pathlib.Path(options.artefacts or folder)
        self.models = {"default": pathlib.Path(options.model)}
        self.made = {}
        self.results = {"records": [], "unavailable": [], "cosines": [], "peaks": [], "products": [], "servers": [], "end_to_end": [],
                        "choices": {}}

    def say(self, text):
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    def binary(self, name):
        return self.options.build / "bin" / name

    def artefact(self, kind, model):
        """Made once; a failure is remembered like a result."""
        if not kind:
            return self.models[model]
        suffix = {"onnx": ".onnx", "openvino": ".xml"}.get(kind.split("_")[0], "")
        target = self.kept / f"{model}-{kind}{suffix}"
        if (kind, model) not in self.made and target.exists():
            self.made[kind, model] = ""  # kept by an earlier run
        if (kind, model) not in self.made:
            self.say(f"making {kind} of the {model} model")
            source = self.models["default" if kind == "base_model" else model]
            command = [sys.executable, "-m", "bench.peers.artefacts", kind, str(source), str(target)]
            run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
            self.made[kind, model] = "" if run.returncode == 0 else (run.stderr.strip().splitlines() or ["failed"])[-1]
            if run.returncode != 0 and target.exists():  # half of it is worse than none
                target.rename(target.with_name(target.name + ".failed"))
        if self.made[kind, model]:
            raise NotAvailable(self.made[kind, model])
        return target

    def make_base_model(self):
        self.models["base"] = self.artefact("base_model", "base")

    def file_of(self, work, unsorted=False):
        path = self.folder / f"{work.name}{'-unsorted' if unsorted else ''}.ids"
        if not path.exists():
            sequences = work.unsorted if unsorted else work.sequences
            path.write_text("".join(" ".join(map(str, ids)) + "\n" for ids in sequences), encoding="ascii")
        return path

    def unavailable(self, engine, precision, model, reason):
        entry = {"engine": engine, "precision": precision, "model": model, "reason": str(reason)}
        if entry not in self.results["unavailable"]:
            self.results["unavailable"].append(entry)
            self.say(f"{engine} {precision}: not available: {reason}")

    def _try(self, label, precision, model, start):
        try:
            return [start()]
        except (NotAvailable, OSError) as reason:
            self.unavailable(label, precision, model, reason)
            return []

    def start_ours(self, precision, model="default", threads=None):
        threads = threads or self.options.threads
        started = self._try(OURS, precision, model, lambda: Attendant(self.binary("engine_bench"), self.models[model],
                                                                      threads, precision))
        for engine in started:
            self.results["choices"][f"{model} model, {precision}"] = engine.logged()
        return started

    def start_peers(self, precision, model="default"):
        started = []
        for chosen in catalogue.configurations(precision, self.options.threads):
            if chosen.peer not in self.options.peers:
                continue
            label = catalogue.LABELS[chosen.peer]

            def start(chosen=chosen, label=label):
                made = self.artefact(chosen.artefact, model)
                spec = Spec(chosen.peer, precision, str(made), self.options.threads, chosen.lanes)
                return Peer(label, spec, chosen.setting)
            started += self._try(label, precision, model, start)
        return started

    def run(self, section, model, engines, works, rounds):
        """In each round every engine has a turn at every work, one after the other, in an order that alternates."""
        fields = {"section": section, "model": model}
        waiting = {work.name: list(engines) for work in works}
        for number in range(rounds):
            for work in works:
                for engine in waiting[work.name][::-1 if number % 2 else 1]:
                    if not self._turn(engine, work, fields | {"round": number}):
                        waiting[work.name].remove(engine)
                if number == 0:
                    waiting[work.name] = self._contenders(waiting[work.name], fields, work)

    def _turn(self, engine, work, fields):
        try:
            unsorted = engine.label == OURS and bool(work.unsorted)
            path = self.file_of(work, unsorted)
            turn = engine.turn(work, path, self.options.seconds)
            if turn.foreign > DISTURBED:
                again = engine.turn(work, path, self.options.seconds)
                turn = min(turn, again, key=lambda t: t.foreign)
        except NotAvailable as reason:
            self.say(f"{engine.label} {engine.precision} failed at {work.name}: {reason}")
            return False
        self.results["records"].append(fields | {
            "engine": engine.label, "version": engine.version, "precision": engine.precision, "lanes": engine.lanes,
            "setting": engine.setting, "work": work.name, "tokens": work.tokens, "sequences": len(work.sequences),
            "seconds": turn.seconds, "repetitions": turn.repetitions, "foreign": round(turn.foreign, 3)})
        self.say(f"{fields['section']} {fields['model']} {engine.precision} {work.name} round {fields['round'] + 1}: "
                 f"{engine.label} {engine.setting} lanes {engine.lanes}: {work.tokens / turn.seconds:,.0f} tokens/s")
        return True

    def speed(self, engine, fields, work_name):
        """Median tokens a second of this configuration; 0 when it was not measured."""
        found = [r["tokens"] / r["seconds"] for r in self.results["records"] if r["work"] == work_name and
                 all(r[key] == value for key, value in fields.items()) and r["precision"] == engine.precision and
                 (r["engine"], r["lanes"], r["setting"]) == (engine.label, engine.lanes, engine.setting)]
        return statistics.median(found) if found else 0.0

    def _contenders(self, engines, fields, work):
        speeds = {engine: self.speed(engine, fields, work.name) for engine in engines}
        best = max((speed for engine, speed in speeds.items() if engine.label != OURS), default=0)
        return [engine for engine in engines if engine.label == OURS or speeds[engine] >= CONTENDER * best]

    def best_of(self, engines, model, names):
        """Of the peers measured in the cases, those that were fastest in one of them."""
        chosen = []
        for name in names:
            ranked = sorted((e for e in engines if e.label != OURS), reverse=True,
                            key=lambda e: self.speed(e, {"section": "cases", "model": model}, name))
            chosen += [engine for engine in ranked[:1] if engine not in chosen]
        return chosen

    def compare(self, engine, model, vectors):
        """Cosines of vectors of the check texts with PyTorch's in fp32."""
        reference = self.reference(model)
        cosines = (vectors * reference).sum(1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(reference, axis=1)
        self.results["cosines"].append({"engine": engine.label, "precision": engine.precision, "model": model,
                                        "lanes": engine.lanes, "setting": engine.setting,
                                        "worst": float(cosines.min()), "mean": float(cosines.mean())})
        self.say(f"{model} {engine.precision} {engine.label} lanes {engine.lanes}: worst cosine {cosines.min():.6f}")

    def check_work(self):
        return workload.Work("check", workload.token_ids(self.options.model, self.check_texts()))

    def check_texts(self):
        return workload.texts(self.options.model)[:64]

    def reference(self, model):
        target = self.folder / f"{model}-reference.npy"
        if not target.exists():
            engine = Peer("PyTorch", Spec("pytorch", "fp32", str(self.models[model]), self.options.threads))
            engine.vectors(self.file_of(self.check_work()), target)
            engine.close()
        return np.load(target)

    def check(self, engines, model):
        for engine in engines:
            if isinstance(engine, Peer):
                target = self.folder / "vectors.npy"
                try:
                    engine.vectors(self.file_of(self.check_work()), target)
                except NotAvailable as reason:
                    self.unavailable(engine.label, engine.precision, model, reason)
                    continue
                self.compare(engine, model, np.load(target))
