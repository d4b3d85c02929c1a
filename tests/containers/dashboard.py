"""The dashboard as its readers need it: panels with their queries, variables filled in, and Prometheus's answers."""

import dataclasses
import json
import pathlib
import urllib.error
import urllib.parse
import urllib.request

PATH = pathlib.Path(__file__).parents[2] / "deploy/grafana/dashboards/attendant.json"
# What Grafana would fill in: all instances, and four scrape intervals or more.
VARIABLES = {"$__rate_interval": "1m", "$__interval": "15s", "$__range": "5m", "$instance": ".+"}


@dataclasses.dataclass(frozen=True)
class Query:
    expression: str
    legend: str


@dataclasses.dataclass(frozen=True)
class Panel:
    title: str
    kind: str  # Grafana's panel type
    x: int  # in a grid 24 wide
    y: int
    width: int
    height: int
    unit: str
    queries: tuple


def load():
    return json.loads(PATH.read_text(encoding="utf-8"))


def fill_in(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    if "$" in expression:
        raise ValueError(f"a variable that dashboard.py does not know: {expression}")
    return expression


def panels(document):
    """Every panel that asks Prometheus for something, in reading order."""
    found = []
    for panel in document["panels"]:
        queries = tuple(Query(fill_in(t["expr"]), t.get("legendFormat", "")) for t in panel.get("targets", ()))
        if queries:
            grid = panel["gridPos"]
            unit = panel["fieldConfig"]["defaults"].get("unit", "")
            place = (grid["x"], grid["y"], grid["w"], grid["h"])
            found.append(Panel(panel["title"], panel["type"], *place, unit, queries))
    return sorted(found, key=lambda panel: (panel.y, panel.x))


def ask(prometheus, path, **parameters):
    """The result of one call of Prometheus's HTTP API; an error of its is an exception with its reason."""
    url = f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["data"]["result"]
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error).get("error", str(error))) from error
