"""What breaks around a server, one thing after the other: only the smallest part may fail, with the right code.

    faults.py [--bin build/release/bin] [--only NAME] [--clock-jump build/release/lib/libclock_jump.so] [--short]

Faults of the engine itself (a worker that is slow or stuck, an allocation that fails) are injected in
tests/integration/faults_test.cc, where the engine can be decorated. Here are those that need a process: a model that
makes NaNs, a disk that is full, files that are cut short, a clock that jumps, no descriptors left, a replica that is
killed.
"""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import grpc

import calls
import harness

INTERNAL, OK = 13, 0
GOOD = calls.embed_request(["the old house was small"])


def poison_embedding(model, token, value):
    """Sets a token's row in model.safetensors to one value. The token's id."""
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    path = model / "model.safetensors"
    data = bytearray(path.read_bytes())
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    name = next(name for name in header if name.endswith("word_embeddings.weight"))
    width = header[name]["shape"][1]
    begin = 8 + size + header[name]["data_offsets"][0] + vocabulary[token] * width * 4
    data[begin : begin + width * 4] = struct.pack("<f", value) * width
    path.write_bytes(data)
    return vocabulary[token]


def embed(server, request=GOOD, timeout=10):
    with calls.channel(server.target) as channel:
        return calls.embed_code(calls.unary(channel), request, timeout)


def goes_on(server, report, fault):
    code, answer = embed(server)
    report.promise(
        server.alive() and code == grpc.StatusCode.OK and calls.results(answer)[0][0] == OK,
        f"{fault}: the next call is served",
        code.name,
    )
    report.promise(calls.healthy(server.target), f"{fault}: health says SERVING")


def nan_model(options, report, directory):
    """A model that makes NaNs of one word: its items fail, their neighbours have the bytes that they always have."""
    model = directory / "nan-model"
    shutil.copytree(options.model, model)
    bad = poison_embedding(model, "money", float("nan"))  # not in the self-check's texts
    with harness.Server(options) as sound:
        _, answer = embed(sound, calls.embed_request(["old water runs", "a small house"]))
        expected = calls.results(answer)
    options.model, sound_model = model, options.model
    try:
        with harness.Server(options) as server:
            code, answer = embed(
                server, calls.embed_request(["old water runs", calls.ids_item([2, bad, 3]), "a small house"])
            )
            seen = calls.results(answer or b"")
            codes = [item for item, _ in seen]
            report.row("NaN model", "items of one word", f"{code.name}, items {codes}")
            report.promise(
                codes == [OK, INTERNAL, OK], "NaN model: only the poisoned item fails, with INTERNAL", str(codes)
            )
            report.promise(
                len(seen) == 3 and [seen[0], seen[2]] == expected, "NaN model: its neighbours' bytes are unchanged"
            )
            code, answer = embed(server, calls.embed_request(["old water"]))
            report.promise(
                code == grpc.StatusCode.OK and calls.results(answer)[0][0] == OK, "NaN model: the rest goes on"
            )
            report.server_ended_well(server)
    finally:
        options.model = sound_model


def nan_everywhere(options, report, directory):
    """NaNs of a word that every text has: the self-check refuses the start."""
    model = directory / "nan-everywhere"
    shutil.copytree(options.model, model)
    poison_embedding(model, "the", float("nan"))
    options.model, sound_model = model, options.model
    server = harness.Server(options)
    try:
        started = server.try_start()
        status = None if started else server.process.wait(timeout=10)
        said = "not finite" in server.log_text()
    finally:
        server.kill()
        options.model = sound_model
    report.row("NaN model", "everywhere", f"status {status}, {'says why' if said else 'silent'}")
    report.promise(not started and status == 1 and said, "NaN model, everywhere: no start, status 1, with the reason")


def broken_files(options, report, directory):
    """A disk that was full while the model was copied: a file cut short refuses the start, with a word about which."""
    sizes = {
        path.relative_to(options.model): path.stat().st_size for path in options.model.rglob("*") if path.is_file()
    }
    needed = [name for name in sizes if str(name) in ("config.json", "tokenizer.json", "model.safetensors")]
    for index, name in enumerate(needed):
        for share in (0.0, 0.5):
            model = directory / f"cut-{index}-{share}"
            shutil.copytree(options.model, model)
            os.truncate(model / name, int(sizes[name] * share))
            options.model, sound = model, options.model
            server = harness.Server(options)
            try:
                started = server.try_start()
                status = server.process.wait(timeout=10) if not started else 0
                said = str(name) in server.log_text()
            finally:
                server.kill()
                options.model = sound
            report.row(
                "cut file", f"{name} at {share:.0%}", f"status {status}, {'names it' if said else 'silent about it'}"
            )
            report.promise(
                not started and status == 1 and said, f"cut file: {name} at {share:.0%} refuses the start by name"
            )


def cut_while_served(options, report, directory):
    """A model's file is cut short while it is served: that model's calls fail, another's and the process do not."""
    model = directory / "cut-while-served"
    shutil.copytree(options.model, model)
    weights = (model / "model.safetensors").read_bytes()
    sound_model, options.model = options.model, model
    try:
        with harness.Server(options, "--model", f"whole={sound_model}", "--watchdog-timeout-ms", 1000) as server:
            whole = calls.field(1, "whole") + GOOD
            _, expected = embed(server, whole)
            os.truncate(model / "model.safetensors", 0)
            code, answer = embed(server)
            codes = [item for item, _ in calls.results(answer or b"")]
            report.row("cut file", "while it is served", f"{code.name}, items {codes}")
            report.promise(codes == [INTERNAL], "cut file, served: its model's items fail, with INTERNAL", str(codes))
            code, answer = embed(server, whole)
            report.promise(
                code == grpc.StatusCode.OK and calls.results(answer) == calls.results(expected),
                "cut file, served: another model's bytes are unchanged",
                code.name,
            )
            told = harness.wait_until(lambda: not calls.healthy(server.target), 10)
            report.promise(
                told and str(model / "model.safetensors") in server.log_text(),
                "cut file, served: health says NOT_SERVING, the log names the file",
            )
            # As operators mend it: a whole file under the same name, and SIGHUP.
            (model / "mended").write_bytes(weights)
            os.rename(model / "mended", model / "model.safetensors")
            server.signal(signal.SIGHUP)
            back = harness.wait_until(lambda: calls.healthy(server.target), 20)
            report.promise(back, "cut file, served: SIGHUP loads the file that was put right")
            goes_on(server, report, "cut file, served")
            report.server_ended_well(server)
    finally:
        options.model = sound_model


def full_disk(options, report, directory):
    """Nothing can be written: the log's loss is nobody's; without a port file there is no start."""
    with harness.Server(options, "--access-log", log_to="/dev/full") as server:
        goes_on(server, report, "full disk under the log")
        report.row("full disk", "log", "serves")
        report.promise(server.stop() == 0, "full disk under the log: the server ends with status 0")

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    with harness.Server(options, "--access-log", before_exec=small_files) as server:
        for _ in range(60):
            embed(server)
        report.row("full disk", f"log over its size limit ({server.log.stat().st_size} bytes)", "serves")
        report.promise(server.log.stat().st_size >= 4096 - 300, "file size limit: the log has reached it")
        goes_on(server, report, "file size limit under the log")

    def no_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    server = harness.Server(options, before_exec=no_files, log_to="/dev/null")
    started = server.try_start()
    status = None if started else server.process.returncode
    server.kill()
    report.row("full disk", "port file", f"status {status}")
    report.promise(not started and status == 1, "full disk under the port file: no start, status 1", f"status {status}")


# Waits as Abseil does, and prints for how long: arguments are the wait in seconds, and the jump that comes a tenth of a
# second after its begin.
TIMED_WAIT = """
import ctypes, struct, sys, threading, time
wait_s, jump_s = float(sys.argv[1]), int(sys.argv[2])
def jump():
    with open(sys.argv[3], "r+b", buffering=0) as file:
        file.write(struct.pack("<q", jump_s))
if jump_s:
    threading.Timer(0.1, jump).start()
until, start, word = time.time() + wait_s, time.monotonic(), ctypes.c_uint32(0)
deadline = (ctypes.c_long * 2)(int(until), int(until % 1 * 1e9))
FUTEX, WAIT_UNTIL_WALL_CLOCK, ANY = 202, 9 | 128 | 256, 0xFFFFFFFF
ctypes.CDLL(None).syscall(FUTEX, ctypes.byref(word), WAIT_UNTIL_WALL_CLOCK, 0, deadline, None, ctypes.c_uint(ANY))
print(time.monotonic() - start)
"""


def shim_is_true(preload, offset, report):
    """The clock of the shim and the waits on it agree, as after a real jump; otherwise it would prove nothing."""
    seen = []
    for before, wait_s, jump_s in ((3600, 0.2, 0), (-86400, 0.2, 0), (31536000, 0, 0), (0, 30, 3600)):
        offset.write_bytes(struct.pack("<q", before))
        arguments = [sys.executable, "-c", TIMED_WAIT, str(wait_s), str(jump_s), str(offset)]
        done = subprocess.run(
            arguments, env={**os.environ, **preload}, capture_output=True, text=True, timeout=60, check=True
        )
        seen.append(float(done.stdout))
    offset.write_bytes(struct.pack("<q", 0))
    kept = 0.15 < seen[0] < 5 and 0.15 < seen[1] < 5 and seen[2] < 5 and seen[3] < 5
    report.promise(
        kept, "clock jumps: waits end when the shim's clock says so", " ".join(f"{wait:.2f}" for wait in seen) + " s"
    )


def clock_jumps(options, report, directory):
    """An hour forward, a day back, under load: no call may fail or hang, none may be late."""
    if not options.clock_jump.exists():
        report.promise(False, "clock jumps: the shim is built (target clock_jump; --clock-jump)")
        return
    offset = directory / "offset"
    offset.write_bytes(struct.pack("<q", 0))
    preload = {"LD_PRELOAD": str(options.clock_jump), "CLOCK_JUMP_FILE": str(offset)}
    shim_is_true(preload, offset, report)
    failures, waits, done = [], [], threading.Event()

    def load(server):
        with calls.channel(server.target) as channel:
            call = calls.unary(channel)
            while not done.is_set():
                start = time.monotonic()
                code, _ = calls.embed_code(call, GOOD, 5)
                waits.append(time.monotonic() - start)
                if code != grpc.StatusCode.OK:
                    failures.append(code.name)

    with harness.Server(options, environment=preload) as server:
        threads = [threading.Thread(target=load, args=(server,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        with open(offset, "r+b", buffering=0) as file:
            for seconds in (3600, 0, -86400, 31536000, 0):
                time.sleep(0.5)
                file.seek(0)
                file.write(struct.pack("<q", seconds))
        time.sleep(0.5)
        done.set()
        for thread in threads:
            thread.join()
        report.row("clock jumps", "+1 h, -1 h, -1 d, +1 y, back", f"{len(waits)} calls, {len(failures)} failed")
        report.promise(
            waits and not failures,
            "clock jumps: no call fails",
            " ".join(sorted(set(failures))) or f"{len(waits)} calls",
        )
        report.promise(
            max(waits, default=9) < 1,
            "clock jumps: no call waits for the wall clock",
            f"longest {max(waits, default=9):.2f} s",
        )
        goes_on(server, report, "clock jumps")
        report.server_ended_well(server)


def no_descriptors(options, report, directory):
    """More connections than descriptors: those that are there go on, and new ones come in when there is room again."""
    limit = 96

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    with harness.Server(options, before_exec=few) as server:
        with calls.channel(server.target) as early:
            call = calls.unary(early)
            calls.embed_code(call, GOOD, 10)
            cpu = server.cpu_seconds()
            with contextlib.ExitStack() as stack:
                for _ in range(2 * limit):
                    with contextlib.suppress(OSError):
                        stack.enter_context(socket.create_connection(("127.0.0.1", server.grpc), timeout=1))
                time.sleep(1)
                codes = {calls.embed_code(call, GOOD, 10)[0].name for _ in range(20)}
                spinning = server.cpu_seconds() - cpu
                held = server.descriptors()
            report.row(
                "descriptors", f"{held} of {limit} used", f"early connection {sorted(codes)}, {spinning:.1f} s of CPU"
            )
            report.promise(codes == {"OK"}, "no descriptors: who is connected is served", str(sorted(codes)))
            report.promise(
                spinning < 1.0, "no descriptors: the server does not spin", f"{spinning:.1f} s of CPU in some 1.5 s"
            )
        back = harness.wait_until(lambda: server.alive() and calls.healthy(server.target), 10)
        report.promise(back, "no descriptors: new connections come in when there is room again")
        report.promise(server.stop() == 0, "no descriptors: the server ends with status 0")


def killed_replica(options, report, directory):
    """kill -9 of one of two: with retries no call fails, without them only what that replica was holding."""
    failures, count, done = [], [0], threading.Event()

    def load(target):
        with calls.channel(target, calls.ROUND_ROBIN) as channel:
            call = calls.unary(channel)
            while not done.is_set():
                code, _ = calls.embed_code(call, GOOD, 10)
                count[0] += 1
                if code != grpc.StatusCode.OK:
                    failures.append(code.name)

    with harness.Server(options) as first, harness.Server(options) as second:
        target = f"ipv4:{first.target},{second.target}"
        threads = [threading.Thread(target=load, args=(target,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(1 if options.short else 5):
            time.sleep(1)
            second.signal(signal.SIGKILL)
            second.process.wait()
            time.sleep(1)
            second.start()
        time.sleep(1)
        done.set()
        for thread in threads:
            thread.join()
        report.row("kill -9", "one of two replicas", f"{count[0]} calls, {len(failures)} failed")
        report.promise(
            count[0] and not failures,
            "kill -9 of a replica: no call fails",
            " ".join(sorted(set(failures))) or f"{count[0]} calls",
        )
        goes_on(second, report, "kill -9 of a replica")


FAULTS = (nan_model, nan_everywhere, broken_files, cut_while_served, full_disk, clock_jumps, no_descriptors, killed_replica)


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--only", action="append", help="names of faults")
    parser.add_argument("--clock-jump", type=pathlib.Path, help="default: beside --bin, in lib")
    options = parser.parse_args()
    options.clock_jump = options.clock_jump or options.bin.parent / "lib/libclock_jump.so"
    report = harness.Report("fault", "where", "what came of it")
    for fault in FAULTS:
        if not options.only or fault.__name__ in options.only:
            with tempfile.TemporaryDirectory() as directory:
                fault(options, report, pathlib.Path(directory))
    report.finish()


if __name__ == "__main__":
    main()
