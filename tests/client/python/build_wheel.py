"""Builds client/python as its users get it: an sdist, and the wheel from that sdist. Usage: build_wheel.py
OUTPUT_DIRECTORY

Prints the wheel's path. Needs the packages `build`, `setuptools` and `grpcio-tools`.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]


def build(output):
    """The path of the wheel, which is left in `output` beside the sdist."""
    output = pathlib.Path(output)
    with tempfile.TemporaryDirectory() as scratch:
        # Of a copy, because setuptools writes beside what it builds, and two builds at a time would meet there.
        for folder in ("client/python", "proto"):
            shutil.copytree(
                ROOT / folder,
                pathlib.Path(scratch) / folder,
                ignore=shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__"),
            )
        shutil.copy(ROOT / "LICENSE", scratch)
        built = pathlib.Path(scratch) / "dist"
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "build",
                "--no-isolation",
                "--outdir",
                str(built),
                str(pathlib.Path(scratch) / "client/python"),
            ],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if run.returncode:
            sys.exit(run.stdout)
        output.mkdir(parents=True, exist_ok=True)
        for file in built.iterdir():
            shutil.copy(file, output)
        [wheel] = built.glob("*.whl")
        return output / wheel.name


if __name__ == "__main__":
    print(build(sys.argv[1]))
