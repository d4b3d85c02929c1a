"""Drives a server with the real clients of other protocols and prints a table. Usage: run.py SERVER_BINARY MODEL_DIR

Each driver is a program of its own (*_client.py HOST:PORT), which says on stderr what is wrong.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
START_TIMEOUT_S = 120
DRIVER_TIMEOUT_S = 300


def start(binary, model, directory):
    """The server and its address."""
    port_file = pathlib.Path(directory) / "ports"
    server = subprocess.Popen([binary, "--model", model, "--grpc-address", "127.0.0.1:0", "--metrics-address", "",
                               "--port-file", str(port_file), "--log-level", "warning"])
    until = time.monotonic() + START_TIMEOUT_S
    while not port_file.exists():
        if server.poll() is not None or time.monotonic() > until:
            server.kill()
            raise RuntimeError("the server has not started")
        time.sleep(0.05)
    ports = dict(line.split("=", 1) for line in port_file.read_text().split())
    return server, f"127.0.0.1:{ports['grpc']}"


def drive(driver, address):
    began = time.monotonic()
    run = subprocess.run([sys.executable, str(driver), address], timeout=DRIVER_TIMEOUT_S, check=False)
    return run.returncode == 0, time.monotonic() - began


def main(binary, model):
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        server, address = start(binary, model, directory)
        try:
            for driver in sorted(HERE.glob("*_client.py")):
                rows.append((driver.stem, *drive(driver, address)))
                if server.poll() is not None:
                    rows.append(("(the server)", False, 0.0))
                    break
        finally:
            server.terminate()
            server.wait(60)
    for name, passed, seconds in rows:
        print(f"{name:<24} {'passed' if passed else 'FAILED':<8} {seconds:6.1f} s")
    return 0 if rows and all(passed for _, passed, _ in rows) and server.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
