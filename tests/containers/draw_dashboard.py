"""Draws the dashboard's layout with a live Prometheus's data, for the README. Not a rendering by Grafana.

Usage: draw_dashboard.py PROMETHEUS_URL OUTPUT.png [MINUTES]
"""

import sys
import time

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot, ticker  # noqa: E402  # the backend is chosen first

import dashboard  # noqa: E402

CELL_WIDTH, CELL_HEIGHT = 0.5, 0.26  # inches of one grid cell
BACKGROUND, PANEL, TEXT, FAINT = "#111217", "#181b1f", "#d8d9da", "#5a5e66"
COLOURS = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#fade2a"]


def human(value, unit):
    """As Grafana would shorten it."""
    steps = {"s": ((1, "s"), (1e-3, "ms"), (1e-6, "µs")), "bytes": ((2**30, "GiB"), (2**20, "MiB"), (1, "B"))}
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    for size, name in steps.get(unit, ((1e6, "M"), (1e3, "k"), (1, ""))):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}".strip()
    return f"{value:.3g}"


def legend_of(query, metric):
    legend = query.legend
    for name, value in metric.items():
        legend = legend.replace("{{" + name + "}}", value)
    return legend


def draw_stat(axes, panel, prometheus):
    axes.set_axis_off()
    lines = []
    for query in panel.queries:
        for series in dashboard.ask(prometheus, "query", query=query.expression):
            text = human(float(series["value"][1]), panel.unit)
            lines.append(legend_of(query, series["metric"]) if query.legend else text)
    # A panel of names (the model's) is told by its legend, one of numbers by its value.
    size = 15 if len("".join(lines)) < 12 else 8
    axes.text(0.5, 0.42, "\n".join(lines), transform=axes.transAxes, ha="center", va="center", color=COLOURS[0],
              size=size)


def draw_series(axes, panel, prometheus, minutes):
    end = time.time()
    series_list = [
        (legend_of(query, series["metric"]), series["values"])
        for query in panel.queries
        for series in dashboard.ask(prometheus, "query_range", query=query.expression, start=end - 60 * minutes,
                                    end=end, step=5)
    ]
    for i, (legend, values) in enumerate(series_list):
        x = [(float(t) - end) / 60 for t, _ in values]
        y = [float(value) for _, value in values]
        axes.plot(x, y, color=COLOURS[i % len(COLOURS)], linewidth=1, label=legend)
    axes.set_xlim(-minutes, 0)
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    axes.grid(color=FAINT, linewidth=0.3)
    axes.tick_params(colors=FAINT, labelsize=5, length=0)
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: human(value, panel.unit) if value else "0"))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g} min"))
    if len(series_list) > 1 or series_list and series_list[0][0]:
        axes.legend(fontsize=5, loc="upper left", frameon=False, labelcolor=TEXT, ncols=2)


def place(figure, panel, rows):
    """The panel's background, title and axes, at its place in the grid."""
    left, width = panel.x / 24, panel.width / 24
    top, height = 1 - panel.y / rows, panel.height / rows
    gap_x, gap_y = 0.004, 0.1 / rows
    figure.patches.append(
        pyplot.Rectangle((left + gap_x, top - height + gap_y), width - 2 * gap_x, height - 2 * gap_y, color=PANEL,
                         transform=figure.transFigure, zorder=-1))
    figure.text(left + 2 * gap_x, top - 3 * gap_y, panel.title, color=TEXT, size=6.5, weight="bold", va="top")
    margin = 0.030 if panel.kind == "timeseries" else 0.006
    axes = figure.add_axes((left + margin, top - height + 9 * gap_y, width - margin - 0.01, height - 25 * gap_y))
    axes.set_facecolor(PANEL)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def main(prometheus, output, minutes=5.0):
    panels = dashboard.panels(dashboard.load())
    rows = max(panel.y + panel.height for panel in panels)
    figure = pyplot.figure(figsize=(24 * CELL_WIDTH, rows * CELL_HEIGHT), facecolor=BACKGROUND)
    for panel in panels:
        axes = place(figure, panel, rows)
        if panel.kind == "stat":
            draw_stat(axes, panel, prometheus)
        else:
            draw_series(axes, panel, prometheus, float(minutes))
    figure.savefig(output, dpi=110, facecolor=BACKGROUND)


if __name__ == "__main__":
    main(*sys.argv[1:])
