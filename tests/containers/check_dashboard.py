"""Checks the dashboard against Grafana's schema and, query by query, against a live Prometheus.

Usage: check_dashboard.py PROMETHEUS_URL

It does not render anything: that needs Grafana itself.
"""

import itertools
import json
import math
import re
import sys

from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

import dashboard

# Of a server with --api-keys-file, which the compose file's is not: valid, but nothing to find.
NOT_HERE = re.compile(r"\battendant_key_\w+")


def lost(ours, theirs, path=""):
    """Yields the places where the schema's model dropped or changed what the file says."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from lost(value, theirs[key], f"{path}.{key}")
            else:
                yield f"{path}.{key} is unknown to Grafana's schema"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (our, their) in enumerate(zip(ours, theirs)):
            yield from lost(our, their, f"{path}[{i}]")
    elif ours != theirs:
        yield f"{path}: {ours!r} became {theirs!r}"


def schema_problems(document):
    plugins.register_default_plugins()
    model = Dashboard.from_json(document)
    yield from lost(document, json.loads(encoder.JSONEncoder().encode(model)))


def layout_problems(panels):
    """Panels that overlap or leave the grid."""
    taken = {}
    for panel in panels:
        if panel.x + panel.width > 24:
            yield f"{panel.title}: leaves the grid"
        for cell in itertools.product(range(panel.x, panel.x + panel.width), range(panel.y, panel.y + panel.height)):
            if cell in taken:
                yield f"{panel.title}: overlaps {taken[cell]}"
                break
            taken[cell] = panel.title


def query_problems(prometheus, panels):
    for panel in panels:
        for query in panel.queries:
            try:
                result = dashboard.ask(prometheus, "query", query=query.expression)
            except ValueError as error:
                yield f"{panel.title}: {query.expression}: {error}"
                continue
            if NOT_HERE.search(query.expression):
                continue
            if not any(math.isfinite(float(series["value"][1])) for series in result):
                yield f"{panel.title}: {query.expression}: {'only NaN' if result else 'no result'}"
                continue
            labels = set(re.findall(r"{{(\w+)}}", query.legend))
            if missing := labels - set().union(*(series["metric"] for series in result)):
                yield f"{panel.title}: the legend names {', '.join(missing)}, which no series has"


def main(prometheus):
    document = dashboard.load()
    panels = dashboard.panels(document)
    problems = [*schema_problems(document), *layout_problems(panels), *query_problems(prometheus, panels)]
    print("\n".join(problems) or f"{len(panels)} panels, {sum(len(p.queries) for p in panels)} queries: all answered")
    return 1 if problems or not panels else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
