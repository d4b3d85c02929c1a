"""Drives a server with real clients and prints a table. Usage: run.py SERVER_BINARY MODEL_DIR [--all]

Without --all those in Python: each driver is a program of its own, *_client.py GRPC_HOST:PORT HTTP_HOST:PORT, which
says on stderr what is wrong. With --all also the examples of all languages, grpcurl and ghz. What cannot run because a
tool is missing is skipped, with the reason, and then the exit status is 1: a table with a gap proves nothing about it.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "client/examples"), str(ROOT / "tests/client/python")]
import languages
import build_wheel

START_TIMEOUT_S = 120
DRIVER_TIMEOUT_S = 300
GHZ = "github.com/bojand/ghz/cmd/ghz@v0.121.0"
GHZ_CALLS = 200


def start(binary, model, directory):
    """The server and its addresses."""
    port_file = pathlib.Path(directory) / "ports"
    server = subprocess.Popen([binary, "--model", model, "--grpc-address", "127.0.0.1:0",
                               "--http-address", "127.0.0.1:0", "--metrics-address", "",
                               "--port-file", str(port_file), "--log-level", "warning"])
    until = time.monotonic() + START_TIMEOUT_S
    while not port_file.exists():
        if server.poll() is not None or time.monotonic() > until:
            server.kill()
            raise RuntimeError("the server has not started")
        time.sleep(0.05)
    ports = dict(line.split("=", 1) for line in port_file.read_text().split())
    return server, [f"127.0.0.1:{ports[name]}" for name in ("grpc", "http")]


def drive(driver, addresses):
    began = time.monotonic()
    run = subprocess.run([sys.executable, str(driver), *addresses], timeout=DRIVER_TIMEOUT_S, check=False)
    state, detail = ("passed", "") if run.returncode == 0 else ("FAILED", f"exit {run.returncode}")
    return languages.Outcome(driver.stem, state, detail, time.monotonic() - began)


def drive_ghz(address):
    """Load from ghz, which knows the contract from the server's reflection; every call must succeed."""
    began = time.monotonic()
    try:
        program = languages.installed_with_go("ghz", GHZ)
        report = json.loads(
            languages.output(
                program,
                "--insecure",
                "--call",
                "attendant.v1.EmbeddingService.Embed",
                "--data",
                '{"items": [{"text": "request {{.RequestNumber}}"}]}',
                "--total",
                GHZ_CALLS,
                "--concurrency",
                4,
                "--timeout",
                "20s",
                "--format",
                "json",
                address,
            )
        )
        good = report["statusCodeDistribution"] == {"OK": GHZ_CALLS}
        state, detail = "passed" if good else "FAILED", f"{report['statusCodeDistribution']}"
    except languages.Missing as reason:
        state, detail = "skipped", str(reason)
    except (OSError, RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
        state, detail = "FAILED", str(error)
    return languages.Outcome("ghz", state, detail, time.monotonic() - began)


def drive_all(addresses, with_languages):
    """Yields the outcomes."""
    for driver in sorted(HERE.glob("*_client.py")):
        yield drive(driver, addresses)
    if with_languages:
        yield from languages.run_all(addresses[0])
        yield drive_ghz(addresses[0])


def main(binary, model, *options):
    if set(options) - {"--all"}:
        sys.exit(__doc__)
    outcomes = []
    with tempfile.TemporaryDirectory() as directory:
        # The drivers see our own package as a wheel, like one from a registry.
        os.environ["PYTHONPATH"] = str(build_wheel.build(pathlib.Path(directory) / "dist"))
        server, addresses = start(binary, model, directory)
        try:
            for outcome in drive_all(addresses, "--all" in options):
                outcomes.append(outcome)
                if server.poll() is not None:
                    outcomes.append(languages.Outcome("(the server)", "FAILED", f"exit {server.returncode}", 0.0))
                    break
        finally:
            server.terminate()
            server.wait(60)
    for outcome in outcomes:
        print(f"{outcome.language:<16} {outcome.state:<8} {outcome.seconds:6.1f} s  {outcome.detail}".rstrip())
    return 0 if outcomes and all(outcome.state == "passed" for outcome in outcomes) and server.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
