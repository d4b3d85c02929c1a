"""Runs the example of each language against a server: what run-all and tests/integration/foreign have in common.

Needs nothing but Python's own library. What the languages' tools fetch is kept in their own caches and in Attendant's.
"""

import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = pathlib.Path(
    os.environ.get("ATTENDANT_CACHE_DIR")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "attendant"
)
# The first run compiles a tree of dependencies (Rust, Java).
TIMEOUT_S = 900
GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"


class Missing(Exception):
    """A tool that is not here; the message says which."""


@dataclasses.dataclass
class Outcome:
    language: str
    state: str  # "passed", "FAILED", "skipped"
    detail: str  # what the example printed, or why it did not
    seconds: float


def need(*tools):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise Missing(f"no {', '.join(missing)} on the PATH")


def output(*command, cwd=None, **environment):
    """What the command prints; its last words are the error when it fails."""
    run = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=TIMEOUT_S,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    if run.returncode:
        sys.stderr.write(run.stdout + run.stderr)
        raise RuntimeError(f"{pathlib.Path(command[0]).name}: exit {run.returncode}")
    return run.stdout


def installed_with_go(name, package):
    """The path of a Go program, made with `go install` once."""
    found = shutil.which(name)
    if found:
        return pathlib.Path(found)
    program = CACHE / "go" / name
    if not program.exists():
        need("go")
        output("go", "install", package, GOBIN=str(program.parent))
    return program


def python_with_client():
    """A Python that has the package of client/python: this one, or one of a virtual environment in the cache."""
    if (
        subprocess.run([sys.executable, "-c", "import attendant_client"], capture_output=True, check=False).returncode
        == 0
    ):
        return sys.executable
    sources = sorted(
        [
            *(ROOT / "proto").rglob("*.proto"),
            *(ROOT / "client/python/src").rglob("*.py"),
            ROOT / "client/python/pyproject.toml",
            ROOT / "client/python/setup.py",
        ]
    )
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    environment = CACHE / "venv" / f"client-{digest}"
    python = environment / "bin/python"
    if not (environment / "complete").exists():
        shutil.rmtree(environment, ignore_errors=True)
        output(sys.executable, "-m", "venv", environment)
        output(python, "-m", "pip", "install", "-q", ROOT / "client/python")
        (environment / "complete").touch()
    return python


def run_python(address):
    return output(python_with_client(), HERE / "python/embed.py", address)


def run_node(address):
    need("node", "npm")
    if not (HERE / "node/node_modules").is_dir():
        output("npm", "install", "--prefix", HERE / "node", "--no-audit", "--no-fund", "--silent")
    return output("node", HERE / "node/embed.js", address)


def run_go(address):
    need("go", "protoc")
    output("go", "generate", "./...", cwd=HERE / "go")
    return output("go", "run", ".", address, cwd=HERE / "go")


def run_java(address):
    need("java", "mvn")
    return output("mvn", "-q", "compile", "exec:java", f"-Dexec.args={address}", cwd=HERE / "java")


def run_rust(address):
    need("cargo", "protoc")
    return output(
        "cargo",
        "run",
        "--quiet",
        "--locked",
        "--",
        address,
        cwd=HERE / "rust",
        CARGO_TARGET_DIR=str(CACHE / "rust-example"),
    )


def run_grpcurl(address):
    program = installed_with_go("grpcurl", GRPCURL)
    return output(HERE / "grpcurl/embed.sh", address, PATH=f"{program.parent}:{os.environ['PATH']}")


LANGUAGES = {
    "python": run_python,
    "go": run_go,
    "java": run_java,
    "node": run_node,
    "rust": run_rust,
    "grpcurl": run_grpcurl,
}


def run(language, address):
    began = time.monotonic()
    try:
        # Maven colours its output even into a pipe.
        answer = re.sub(r"\x1b\[[0-9;]*m", "", LANGUAGES[language](address)).strip()
        good = re.fullmatch(r".+: \d+ dimensions, similarity -?\d\.\d{4}, sha256 [0-9a-f]{64}", answer)
        state, detail = ("passed", answer) if good else ("FAILED", f"printed {answer!r}")
    except Missing as reason:
        state, detail = "skipped", str(reason)
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        state, detail = "FAILED", str(error)
    return Outcome(language, state, detail, time.monotonic() - began)


def run_all(address, languages=tuple(LANGUAGES)):
    """The outcomes; one whose answer is not that of most others has failed."""
    outcomes = [run(language, address) for language in languages]
    answers = [outcome.detail for outcome in outcomes if outcome.state == "passed"]
    expected = max(answers, key=answers.count, default=None)
    for outcome in outcomes:
        if outcome.state == "passed" and outcome.detail != expected:
            outcome.state, outcome.detail = "FAILED", f"another answer than the others: {outcome.detail}"
    return outcomes
