"""What a figure is worth nothing without: the machine, the compiler, the versions, the date, the command."""

import datetime
import os
import pathlib
import platform
import shlex

FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16")
# Arguments whose values are paths of one user's machine.
PATHS = {"--build": "build/release", "--model": '"$(scripts/get-model)"', "--write": "docs/performance.md"}


def _cpuinfo():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines():
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()


def _compiler(build):
    cache = build / "CMakeCache.txt"
    files = sorted(build.glob("CMakeFiles/*/CMakeCXXCompiler.cmake"))
    if not cache.exists() or not files:
        return "unknown compiler"
    wanted = ("set(CMAKE_CXX_COMPILER_ID ", "set(CMAKE_CXX_COMPILER_VERSION ")
    values = dict(line[4:].rstrip(")").split(" ", 1) for line in files[-1].read_text(encoding="utf-8").splitlines()
                  if line.startswith(wanted))
    return " ".join(value.strip('"') for value in values.values()).replace("GNU", "GCC")


def _system():
    lines = pathlib.Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line).get("PRETTY_NAME", "Linux").strip('"')


def describe(options):
    cpu = dict(_cpuinfo())
    return {"cpu": cpu.get("model name", platform.machine()), "family": cpu.get("cpu family", "?"),
            "model": cpu.get("model", "?"),
            "flags": [flag for flag in FLAGS if flag in cpu.get("flags", "").split()], "cores": os.cpu_count(),
            "threads": options.threads, "rounds": options.rounds, "compiler": _compiler(options.build),
            "system": _system(), "kernel": platform.release(), "python": platform.python_version(),
            "date": datetime.date.today().isoformat(), "load_before": os.getloadavg()[0]}


def command(arguments):
    """As a reader would type it."""
    parts, left = [], list(arguments)
    while left:
        flag = left.pop(0)
        if flag in ("--json", "--artefacts"):
            left.pop(0)
        elif flag in PATHS:
            parts += [flag, PATHS[flag]]
            left.pop(0)
        else:
            parts.append(shlex.quote(flag))
    return " ".join(["python -m bench.peers", *parts])
