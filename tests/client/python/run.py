"""Builds the Python client's wheel and runs its tests on it. Usage: run.py SERVER_BINARY [UNITTEST ARGUMENTS...]

The tests see the wheel, not the sources, so what is missing in it is missing in them. ATTENDANT_CLIENT_PYTHON names a
Python with the packages of requirements.txt, this one if it is unset; `scripts/test` makes one.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77  # for ctest


def main(server, *arguments):
    python = os.environ.get("ATTENDANT_CLIENT_PYTHON", sys.executable)
    missing = subprocess.run(
        [python, "-c", "import build, grpc_tools, numpy, setuptools"], capture_output=True, text=True, check=False
    )
    if missing.returncode:
        print(
            f"{python} lacks what {HERE / 'requirements.txt'} lists ({missing.stderr.strip().splitlines()[-1]}); "
            "set ATTENDANT_CLIENT_PYTHON, as scripts/test does"
        )
        return 1 if "ATTENDANT_CLIENT_PYTHON" in os.environ else SKIPPED
    with tempfile.TemporaryDirectory() as output:
        wheel = subprocess.run(
            [python, "-B", str(HERE / "build_wheel.py"), output], check=True, stdout=subprocess.PIPE, text=True
        )
        environment = {
            **os.environ,
            "PYTHONPATH": wheel.stdout.strip(),
            "ATTENDANT_SERVER_BINARY": str(pathlib.Path(server).resolve()),
        }
        environment["GRPC_VERBOSITY"] = "NONE"  # it logs the failures that tests are about
        environment.pop("ATTENDANT_SERVER", None)
        environment.pop("ATTENDANT_API_KEY", None)
        tests = [python, "-B", "-W", "error::ResourceWarning", "-m", "unittest"]
        return subprocess.run(
            [*tests, *(arguments or ["discover", "-p", "*_test.py"])], cwd=HERE, env=environment, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
