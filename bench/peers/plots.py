"""Tokens a second against length and against batch size, as small SVG files on a light background."""

import re

from bench.peers.catalogue import PRECISIONS
from bench.peers.engines import OURS

NAMES = {"length": "speed-by-length.svg", "batch": "speed-by-batch.svg"}
AXES = {"length": "tokens of each of 8 sequences", "batch": "sequences of 64 tokens"}
COLOURS = {"fp32": "#1f77b4", "bf16": "#d9730d", "int8": "#2a8f3c"}


def _points(view, axis):
    """[(x, ours, the best peer's)] in tokens a second."""
    pattern = re.compile(r"^8x(\d+)$" if axis == "length" else r"^(\d+)x64$")
    points = []
    for work in view.works:
        match, ours, peer = pattern.match(work), view.best(work, OURS), view.best_peer(work)
        if match and (ours or peer):
            points.append((int(match.group(1)), ours and ours.speed, peer and peer[1].speed))
    return sorted(points, key=lambda point: point[0])


def reference(results):
    """The images and their captions in Markdown; empty without measurements."""
    if not any(results.view("sweeps", "default", precision).works for precision in PRECISIONS):
        return ""
    return ("Solid: Attendant; dashed: the fastest peer at each point.\n\n"
            f"![Tokens a second by length](images/{NAMES['length']})\n"
            f"![Tokens a second by batch](images/{NAMES['batch']})")


def draw(results, folder):
    if not reference(results):
        return
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot, ticker
    matplotlib.rcParams.update({"svg.hashsalt": "attendant", "font.size": 9, "svg.fonttype": "none"})
    folder.mkdir(exist_ok=True)
    for axis, name in NAMES.items():
        figure, plot = pyplot.subplots(figsize=(5.6, 3.6), facecolor="white")
        for precision in PRECISIONS:
            points = _points(results.view("sweeps", "default", precision), axis)
            for index, style, who in ((1, "-o", OURS), (2, "--s", "best peer")):
                line = [(point[0], point[index]) for point in points if point[index]]
                if line:
                    plot.plot(*zip(*line), style, color=COLOURS[precision], markersize=3.5, linewidth=1.4,
                              markerfacecolor=COLOURS[precision] if index == 1 else "white", label=f"{who} {precision}")
        plot.set_xscale("log", base=2)
        plot.xaxis.set_major_formatter(ticker.ScalarFormatter())
        plot.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: f"{y:,.0f}"))
        plot.set_ylim(bottom=0)
        plot.set_xlabel(AXES[axis])
        plot.set_ylabel("tokens a second")
        plot.grid(alpha=0.3)
        plot.legend(fontsize=7, ncol=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
        figure.tight_layout()
        figure.savefig(folder / name, metadata={"Date": None})
        pyplot.close(figure)
