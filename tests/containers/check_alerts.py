"""Checks that a live Prometheus has loaded the alert rules, and knows every metric that they name.

Usage: check_alerts.py PROMETHEUS_URL
"""

import json
import re
import sys
import urllib.request

import dashboard

# Of a server with --tls-cert, which the compose file's is not.
NOT_HERE = {"attendant_tls_certificate_expiry_timestamp_seconds"}


def problems(prometheus):
    with urllib.request.urlopen(f"{prometheus}/api/v1/rules", timeout=30) as response:
        rules = [rule for group in json.load(response)["data"]["groups"] for rule in group["rules"]]
    if not rules:
        yield "Prometheus has loaded no rules"
    for rule in rules:
        if rule["health"] != "ok":
            yield f"{rule['name']}: {rule['health']}: {rule.get('lastError', 'not evaluated yet')}"
        for metric in sorted(set(re.findall(r"\b(?:attendant|process)_\w+|\bup\b", rule["query"]))):
            if metric not in NOT_HERE and not dashboard.ask(prometheus, "query", query=metric):
                yield f"{rule['name']}: nothing is called {metric}"


def main(prometheus):
    found = list(problems(prometheus))
    print("\n".join(found) or "the alert rules are loaded, evaluated, and name metrics that exist")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
