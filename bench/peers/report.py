"""Turns what was measured into the Markdown tables of docs/performance.md."""

import statistics

from bench.peers import plots
from bench.peers.catalogue import PRECISIONS
from bench.peers.engines import OURS
from bench.peers.results import Results

BEGIN = "<!-- measured by bench/peers: begin -->"
END = "<!-- measured by bench/peers: end -->"
# Layers, hidden size, intermediate size: of what the cases compute.
SHAPES = {"default": (6, 384, 1536), "base": (12, 768, 3072)}
TITLES = {"default": "The default model (6 layers, hidden size 384)",
          "base": "A base-size model (12 layers, hidden size 768, random weights)"}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def spread(values, digits=2):
    """'median (least, most)'."""
    text = f"{statistics.median(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):.{digits}f}, {max(values):.{digits}f})"


def _cases(results, model):
    text = []
    for precision in PRECISIONS:
        view = results.view("cases", model, precision)
        if not view.works:
            continue
        rows = []
        for engine in view.engines(ours_last=True):
            best = [view.best(work, engine) for work in view.works]
            rows.append([view.title(engine)] + [f"{b.speed:,.0f}" if b else "" for b in best])
        ratios = [view.ratios(work) for work in view.works]
        if any(ratios):
            rows.append(["**ratio to the best peer**"] + [f"**{spread(r)}**" if r else "" for r in ratios])
        text += [f"**{precision}**", table([precision + ", tokens/s", *view.works], rows)]
    return text


def _texts(results):
    head = ["2,000 mixed texts in process, texts/s", "sorted by length", "in arrival order"]
    rows = []
    for precision in PRECISIONS:
        view = results.view("texts", "default", precision)
        if not view.works:
            continue
        ours = view.best("sorted", OURS)
        for engine in view.engines(ours_last=True):
            found = {work: view.best(work, engine) for work in view.works}
            cells = [f"{best.texts_per_second:,.0f}" if best else "" for best in map(found.get, ("sorted", "arrival"))]
            if engine == OURS:
                cells = ["not needed", f"{ours.texts_per_second:,.0f}" if ours else ""]
            rows.append([f"{view.title(engine)} {precision}", *cells])
        if ours:
            ratios = [[o / p for o, p in view.pairs_across("sorted", work)] for work in ("sorted", "arrival")]
            rows.append([f"**{precision}: ratio of Attendant to the best peer**"] +
                        [f"**{spread(r)}**" if r else "" for r in ratios])
    return [table(head, rows)] if rows else []


def _end_to_end(results):
    rounds = results.raw["end_to_end"]
    if not rounds:
        return []
    encode = {row["round"]: row["texts_per_second"] for row in rounds if row["engine"] == "sentence-transformers"}
    rows = []
    groups = {}
    for row in rounds:
        groups.setdefault((row["engine"], row["version"], row["precision"], row["concurrency"]), []).append(row)
    for (engine, version, precision, concurrency), own in groups.items():
        if concurrency == 0:
            what, latency = "`encode`, batches of 32 sorted by length", ["", ""]
        else:
            what = f"{concurrency} callers, a text a call"
            latency = [f"{statistics.median(row[key] for row in own):.0f} ms" for key in ("p50_ms", "p99_ms")]
        rows.append([" ".join(part for part in (engine, version, precision) if part), what,
                     f"{statistics.median(row['texts_per_second'] for row in own):,.0f}",
                     spread([row["texts_per_second"] / encode[row["round"]] for row in own]), *latency])
    return [table(["", "", "texts/s", "ratio to encode", "p50", "p99"], rows)]


def flops_per_token(model, length):
    """Of the encoder's matrix products, attention's included."""
    layers, hidden, inner = SHAPES[model]
    return layers * 2 * (4 * hidden * hidden + 2 * hidden * inner + 2 * length * hidden)


def _products(results, peaks):
    rows = []
    for row in results.raw.get("products", []):
        # Widening bf16 is done on the fp32 units; a table may also lack the unit that the peak was reached on.
        limit = max(rate for name, (rate, _) in peaks.items() if name in (row["precision"], "fp32"))
        rows.append([f"{row['precision']} {row['isa']}", f"{row['gflops_per_thread']:,.0f}",
                     f"{row['gflops_per_thread'] / limit:.0%}"])
    return [table(["matrix products of 6 layers, 72 rows, one thread", "10^9 operations/s", "of the best unit's peak"],
                  rows)] if rows else []


def _limits(results):
    peaks = {}
    for row in results.raw["peaks"]:
        peaks[row["precision"]] = max(peaks.get(row["precision"], (0, "")), (row["gflops_per_thread"], row["isa"]))
    if not peaks:
        return []
    text = [table(["peak of the units on register operands", "10^9 operations/s and thread"],
                  [[f"{row['precision']} {row['isa']}", f"{row['gflops_per_thread']:,.0f}"]
                   for row in results.raw["peaks"]])]
    threads, rows = results.raw["machine"]["threads"], []
    for precision in PRECISIONS:
        # Where the bf16 units are slower than those for fp32, computing in fp32 is what bf16 is measured by.
        usable = {"fp32": ("fp32",), "bf16": ("fp32", "bf16"), "int8": ("int8", "fp32")}[precision]
        limit, isa = max(peaks.get(name, (0, "")) for name in usable)
        for model in SHAPES:
            ours = results.view("cases", model, precision).best("32x128", OURS)
            if ours and limit:
                reached = ours.speed * flops_per_token(model, 128) / 1e9
                rows.append([precision, model, f"{limit * threads:,.0f} ({isa})", f"{reached:,.0f}",
                             f"{reached / limit / threads:.0%}"])
    text += _products(results, peaks)
    head = ["32x128", "model", "limit, 10^9 operations/s", "whole encoder", "of the limit"]
    return text + ([table(head, rows)] if rows else [])


def _scaling(results):
    rows = []
    for precision in PRECISIONS:
        view = results.view("scaling", "default", precision)
        one, all_threads = (view.series("32x128", OURS, setting) for setting in ("1 thread", ""))
        if one and all_threads:
            medians = [f"{statistics.median(series.values()):,.0f}" for series in (one, all_threads)]
            rows.append([precision, *medians, spread([all_threads[n] / one[n] for n in one if n in all_threads])])
    threads = results.raw["machine"]["threads"]
    return [table(["32x128, tokens/s", "1 thread", f"{threads} threads", "ratio"], rows)] if rows else []


def _servers(results):
    rows = [[r["precision"], r["model"], f"{r['start_seconds']:.2f} s", f"{r['peak_mb']:.0f} MB",
             f"{r['steady_mb']:.0f} MB", f"{r['peak_mb'] / r['steady_mb']:.2f}", f"{r['idle_cpu']:.2%}"]
            for r in results.raw["servers"]]
    head = ["attendant-server", "model", "start to listening", "peak resident", "steady resident", "ratio",
            "of one processor, idle"]
    return [table(head, rows)] if rows else []


def _cosines(results):
    worst = {}
    for row in results.raw["cosines"]:
        key = row["engine"], row["precision"]
        cell = worst.setdefault(key, {})
        cell[row["model"]] = min(cell.get(row["model"], 1.0), row["worst"])
    order = sorted(worst, key=lambda key: (PRECISIONS.index(key[1]), key[0]))
    rows = [[f"{engine} {precision}"] + [f"{worst[engine, precision][m]:.6f}" if m in worst[engine, precision] else ""
                                        for m in SHAPES] for engine, precision in order]
    return [table(["worst of 64 texts", *SHAPES], rows)] if rows else []


def _machine(results):
    machine = results.raw["machine"]
    foreign = [row.get("foreign", 0.0) for row in results.raw["records"] + results.raw["end_to_end"]] or [0.0]
    reasons = [f"{r['engine']} {r['precision']}: {r['reason']}" for r in results.raw["unavailable"]]
    missing = "; ".join(dict.fromkeys(reasons))
    busiest = sorted(foreign)[int(0.95 * len(foreign))]
    lines = [f"{machine['date']}: {machine['cpu']} (family {machine['family']}, model {machine['model']}; "
             f"{', '.join(machine['flags'])}), {machine['cores']} processors, {machine['threads']} threads for every "
             f"engine; {machine['system']}, Linux {machine['kernel']}, {machine['compiler']}, "
             f"Python {machine['python']}.",
             f"{machine['rounds']} rounds. Other processes took {statistics.median(foreign):.1%} of the processors' "
             f"time during a turn (median), {busiest:.1%} at the 95th percentile."]
    if results.raw.get("choices"):
        lines += ["", "What Attendant computes in, by its gate:", ""]
        lines += [f"- {what}: {' '.join(why.split())}" for what, why in results.raw["choices"].items()]
    return ["    " + results.raw["command"], "\n".join(lines)] + ([f"Not available: {missing}."] if missing else [])


def markdown(raw):
    results = Results(raw)
    parts = [("The run", _machine(results)),
             *((TITLES[model], _cases(results, model)) for model in SHAPES),
             ("Mixed texts", _texts(results)), ("From text to vectors over gRPC", _end_to_end(results)),
             ("The physical limit", _limits(results)), ("One thread and all", _scaling(results)),
             ("Length and batch", [plots.reference(results)] if plots.reference(results) else []),
             ("Memory and start", _servers(results)), ("Cosine to PyTorch in fp32", _cosines(results))]
    return "\n\n".join("\n\n".join([f"### {title}", *text]) for title, text in parts if text) + "\n"


def write(path, raw, text):
    """Replaces what lies between the two markers; the hand-written rest stays. Draws the plots beside it."""
    old = path.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} lacks the lines {BEGIN} and {END}")
    plots.draw(Results(raw), path.parent / "images")
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
