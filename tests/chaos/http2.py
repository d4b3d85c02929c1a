"""HTTP/2 connections that mean harm: memory stays bounded, and health answers within a second all the while.

    http2.py [--bin build/release/bin] [--seconds 20] [--only NAME] [--h2spec PATH] [--short]

Each abuse runs for some seconds against one server, on raw sockets. Meanwhile an honest client asks for health ten
times a second on its own connection, and embeds a text once a second: both must go on. With --h2spec, the conformance
suite of that name runs, too (go install github.com/summerwind/h2spec/cmd/h2spec@latest), and its failures are listed.
"""

import contextlib
import os
import re
import subprocess
import threading
import time

import grpc

import calls
import harness
import http2_frames as h2

EMBED = calls.SERVICE + "Embed"
MAX_HEALTH_S = 1.0
MAX_HEALTH_SHORT_S = 5.0  # a commit's machine does other things: the abuse takes the CPUs that are left
# A new connection waits for CPU three times: to be accepted, to be greeted, to be answered.
MAX_FRESH_S = 3.0
# The server may hold 48 MiB of requests with these; beyond, its guard cuts off who sends most. The rest is for what arrives
# until then.
LIMITS = ("--max-pending-bytes", 32 << 20, "--max-message-bytes", 8 << 20, "--max-attention-bytes", 8 << 20)
MAX_GROWTH_MIB = 512
# A commit's machine has two CPUs for server and sender: the guard's looks come late while the flood comes on.
MAX_GROWTH_SHORT_MIB = 768
CONNECTIONS = 4


class HonestClient(threading.Thread):
    """Asks for health all the time, on its own connection and, as Kubernetes does, on a new one each time."""

    def __init__(self, target, patience_s):
        super().__init__(daemon=True)
        self.patience_s = patience_s
        self.target, self.channel = target, calls.channel(target)
        self.health, self.embed = calls.unary(self.channel, calls.HEALTH), calls.unary(self.channel)
        self.waits, self.fresh_waits, self.failures, self.done = [], [], [], threading.Event()
        # After what the last abuse has left.
        self.embed(calls.embed_request(["a text"]), timeout=30, wait_for_ready=True)

    def _timed(self, call, request, timeout):
        start = time.monotonic()
        try:
            call(request, timeout=timeout)
        except grpc.RpcError as error:
            self.failures.append(f"{error.code().name} {error.details()}")
        return time.monotonic() - start

    def _fresh(self):
        fresh_s = max(MAX_FRESH_S, self.patience_s)
        patience = ("grpc.min_reconnect_backoff_ms", int(1000 * fresh_s))
        with calls.channel(self.target, options=[patience]) as own:
            self.fresh_waits.append(self._timed(calls.unary(own, calls.HEALTH), b"", fresh_s))

    def run(self):
        turn = 0
        while not self.done.wait(0.1):
            self.waits.append(self._timed(self.health, b"", self.patience_s))
            turn += 1
            if turn % 3 == 0:
                self._fresh()
            if turn % 10 == 0:
                self._timed(self.embed, calls.embed_request(["a text"]), 10)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()
        self.channel.close()


def pour(port, until, make_chunk, *setting_pairs, read=True):
    """Sends make_chunk(connection)'s bytes over and over; a closed connection is opened again. Bytes sent."""
    sent = 0
    while time.monotonic() < until:
        with contextlib.suppress(OSError), h2.Connection(port, *setting_pairs) as connection:
            while time.monotonic() < until:
                chunk = make_chunk(connection)
                connection.socket.settimeout(1)
                if not connection.send(chunk) or (read and not connection.drop_input()):
                    break
                sent += len(chunk)
    return sent


def rapid_reset(port, until):
    def chunk(connection):
        out = b""
        for _ in range(100):
            stream = connection.stream()
            out += h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.call_headers(EMBED))
            out += h2.frame(h2.DATA, h2.END_STREAM, stream, h2.message(calls.embed_request(["a text"])))
            out += h2.frame(h2.RST_STREAM, 0, stream, h2.CANCEL.to_bytes(4, "big"))
        return out

    return pour(port, until, chunk)


def continuation_flood(port, until):
    """One block of headers that never ends."""
    piece = h2.frame(h2.CONTINUATION, 0, 1, h2.header(b"x-filler", b"v" * 8000) * 2) * 16

    def chunk(connection):
        if connection.next_stream > 1:
            return piece
        connection.stream()
        return h2.frame(h2.HEADERS, 0, 1, h2.call_headers(EMBED)) + piece

    return pour(port, until, chunk)


def one_huge_header(port, until):
    """A single header field that claims 2 GB and trickles in."""
    start = h2.call_headers(EMBED) + b"\x00" + h2._length(1) + b"x" + h2._length(2 << 30)
    piece = h2.frame(h2.CONTINUATION, 0, 1, b"v" * 16000) * 16

    def chunk(connection):
        if connection.next_stream > 1:
            return piece
        connection.stream()
        return h2.frame(h2.HEADERS, 0, 1, start) + piece

    return pour(port, until, chunk)


def header_flood(port, until):
    """Calls with more header fields than anybody may send, put into HPACK's table, too."""
    extra = b"".join(h2.header(b"x-%d" % i, b"v" * 200, indexed=True) for i in range(60))

    def chunk(connection):
        out = b""
        for _ in range(20):
            out += h2.frame(
                h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, connection.stream(), h2.call_headers(EMBED) + extra
            )
        return out

    return pour(port, until, chunk)


def ping_flood(port, until):
    return pour(port, until, lambda _: h2.frame(h2.PING, 0, 0, b"12345678") * 500, read=False)


def settings_flood(port, until):
    return pour(port, until, lambda _: h2.settings((h2.INITIAL_WINDOW_SIZE, 65535)) * 500, read=False)


def empty_data_flood(port, until):
    """Frames without content on an open call."""

    def chunk(connection):
        if connection.next_stream > 1:
            return h2.frame(h2.DATA, 0, 1) * 1000
        connection.stream()
        return h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.call_headers(EMBED))

    return pour(port, until, chunk)


def window_flood(port, until):
    """Windows that overflow, and streams that depend on themselves."""

    def chunk(connection):
        stream = connection.stream()
        return (
            h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.call_headers(EMBED))
            + h2.frame(h2.PRIORITY, 0, stream, stream.to_bytes(4, "big") + b"\xff")
            + h2.frame(h2.WINDOW_UPDATE, 0, stream, (0x7FFFFFFF).to_bytes(4, "big")) * 2
        )

    return pour(port, until, chunk)


def zero_window_readers(port, until):
    """Calls with large answers that are never read: all that the server may do is keep them."""
    request = h2.message(calls.embed_request(["the old house was small"] * 200))
    held = []
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS * 4):
            connection = stack.enter_context(h2.Connection(port, (h2.INITIAL_WINDOW_SIZE, 0)))
            for _ in range(100):
                stream = connection.stream()
                held.append(
                    connection.send(
                        h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.call_headers(EMBED))
                        + h2.frame(h2.DATA, h2.END_STREAM, stream, request)
                    )
                )
        time.sleep(max(0, until - time.monotonic()))
    return len(request) * len(held)


def unfinished_requests(port, until):
    """Calls whose message is announced and never comes."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(h2.Connection(port)) for _ in range(CONNECTIONS)]
        sent = 0
        for connection in connections:
            for _ in range(900):
                stream = connection.stream()
                data = h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.call_headers(EMBED)) + h2.frame(
                    h2.DATA, 0, stream, b"\0" + (1 << 20).to_bytes(4, "big") + b"x"
                )
                sent += len(data) if connection.send(data) else 0
        time.sleep(max(0, until - time.monotonic()))
    return sent


def half_open(port, until):
    """Connections that say hello, and connections that do not even do that."""
    with contextlib.ExitStack() as stack:
        for index in range(400):
            with contextlib.suppress(OSError):
                stack.enter_context(h2.Connection(port, hello=index % 2 == 0))
        time.sleep(max(0, until - time.monotonic()))
    return 400


def slow_preface(port, until):
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(h2.Connection(port, hello=False)) for _ in range(100)]
        for byte in (h2.PREFACE + h2.settings()) * 50:
            if time.monotonic() >= until:
                break
            for connection in connections:
                connection.send(bytes([byte]))
            time.sleep(0.05)
    return 100


def garbage(port, until):
    noise = os.urandom(1 << 14)
    return pour(
        port, until, lambda connection: h2.frame(noise[connection.stream() % 4096] % 16, noise[1], 1, noise[:9000])
    )


ABUSES = (
    rapid_reset,
    continuation_flood,
    one_huge_header,
    header_flood,
    ping_flood,
    settings_flood,
    empty_data_flood,
    window_flood,
    zero_window_readers,
    unfinished_requests,
    half_open,
    slow_preface,
    garbage,
)


def run_abuse(abuse, server, seconds, report):
    short = seconds < 2
    patience_s = MAX_HEALTH_SHORT_S if short else MAX_HEALTH_S
    with HonestClient(server.target, patience_s) as honest, harness.PeakMemory(server) as memory:
        cpu = server.cpu_seconds()
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=abuse, args=(server.grpc, until)) for _ in range(1 if seconds < 5 else 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        alive = server.alive()
        cpu = server.cpu_seconds() - cpu if alive else 0.0
    name = abuse.__name__.replace("_", " ")
    worst = max(honest.waits, default=honest.patience_s)
    fresh = max(honest.fresh_waits, default=0.0)
    report.row(name, 1000 * worst, 1000 * fresh, len(honest.failures), memory.growth_mib, cpu / seconds)
    report.promise(alive, f"{name}: the server is alive")
    report.promise(
        not honest.failures and worst < honest.patience_s and fresh < max(MAX_FRESH_S, honest.patience_s),
        f"{name}: health answers within {honest.patience_s:.0f} s, calls go on",
        "; ".join(honest.failures[:2]) or f"{1000 * max(worst, fresh):.0f} ms",
    )
    allowed_mib = MAX_GROWTH_SHORT_MIB if short else MAX_GROWTH_MIB
    report.promise(
        memory.growth_mib < allowed_mib,
        f"{name}: memory grows by less than {allowed_mib} MiB",
        f"{memory.growth_mib:.1f} MiB",
    )


def run_h2spec(binary, server, report):
    done = subprocess.run(
        [binary, "-h", "127.0.0.1", "-p", str(server.grpc), "-P", calls.HEALTH, "--timeout", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    summary = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
    print(done.stdout[done.stdout.find("Failures:") :] if "Failures:" in done.stdout else "")
    report.promise(
        summary is not None, "h2spec runs", summary[0] if summary else done.stdout[-300:] + done.stderr[-300:]
    )
    report.promise(server.alive(), "h2spec: the server is alive")


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each abuse")
    parser.add_argument("--only", action="append", help="names of abuses")
    parser.add_argument("--h2spec", help="h2spec's binary")
    options = parser.parse_args()
    seconds = 1.2 if options.short else options.seconds
    report = harness.Report("abuse", "worst health ms", "new connection", "failures", "growth MiB", "CPUs used")
    with harness.Server(options, *LIMITS) as server:
        for abuse in ABUSES:
            if not options.only or abuse.__name__ in options.only:
                if not server.alive():
                    server.start()
                run_abuse(abuse, server, seconds, report)
        if options.h2spec:
            run_h2spec(options.h2spec, server, report)
        report.server_ended_well(server)
    report.finish()


if __name__ == "__main__":
    main()
