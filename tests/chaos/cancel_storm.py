"""Half of all calls are cancelled at a random moment; the other half must not notice, and nothing may be left behind.

    cancel_storm.py [--bin build/release/bin] [--server-bin build/asan/bin/attendant-server] [--seconds 60] [--short]

Embed, EmbedStream and GetAttention, from several connections. A cancelled call ends before it is sent, in the queue,
during compute or while its answer is written: the moment is drawn from nothing to one and a half times what a call
takes. Every other call must succeed with exactly the bytes that it gets alone. Afterwards the server holds no call,
no item, no descriptor and no thread more than before, and about the memory that it had after a third of the time.
"""

import random
import threading
import time

import grpc

import calls
import harness

WORDS = "the cat sits on a mat while old water runs fast to small houses by that river bank what is it why not".split()
CONCURRENCY = 48
CHANNELS = 4
TIMEOUT_S = 60
MAX_GROWTH_MIB = 24


def make_requests(draw, count=24):
    """[(method, bytes)] of all three kinds."""
    made = []
    for index in range(count):
        texts = [" ".join(draw.choices(WORDS, k=draw.randint(2, 60))) for _ in range(draw.randint(1, 12))]
        if index % 4 == 3:
            made.append(("GetAttention", calls.attention_request(texts[0])))
        else:
            made.append(("EmbedStream" if index % 4 == 2 else "Embed", calls.embed_request(texts)))
    return made


def stream_messages(request):
    return [calls.field(1, str(index)) + calls.field(2, request) for index in range(3)]


def start(channel, method, request):
    """The call on its way; with result() and cancel(), or to be iterated and cancelled."""
    if method == "Embed":
        return calls.unary(channel).future(request, timeout=TIMEOUT_S)
    if method == "GetAttention":
        return channel.unary_stream(calls.SERVICE + method)(request, timeout=TIMEOUT_S)
    return channel.stream_stream(calls.SERVICE + method)(iter(stream_messages(request)), timeout=TIMEOUT_S)


def answer_of(call, method):
    """The whole answer as bytes, in an order that does not depend on chance."""
    if method == "Embed":
        return call.result()
    return b"".join(list(call) if method == "GetAttention" else sorted(call))


class Storm:
    """Callers that each make one call after the other, on a few connections."""

    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.requests = make_requests(random.Random(seed))
        self.expected, self.typical_s = {}, {}
        self.slowdown = CONCURRENCY / 4  # how much longer a call takes in the storm than alone; learned
        self.lock = threading.Lock()  # guards what follows
        self.served = self.cancelled = self.beaten = 0
        self.wrong, self.failed = [], []

    def learn(self, channel):
        """What each request answers, and how long it takes, while nothing else is there."""
        for index, (method, request) in enumerate(self.requests):
            begin = time.monotonic()
            self.expected[index] = answer_of(start(channel, method, request), method)
            self.typical_s[index] = time.monotonic() - begin

    def cancelled_call(self, channel, index, after_s):
        method, request = self.requests[index]
        call = start(channel, method, request)
        if after_s > 0:
            time.sleep(after_s)
        call.cancel()
        try:
            answer_of(call, method)
            with self.lock:
                self.beaten += 1
        except grpc.FutureCancelledError:
            pass
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.CANCELLED:
                self.fail(method, error)
        with self.lock:
            self.cancelled += 1

    def whole_call(self, channel, index):
        method, request = self.requests[index]
        begin = time.monotonic()
        try:
            answer = answer_of(start(channel, method, request), method)
        except grpc.RpcError as error:
            return self.fail(method, error)
        ratio = (time.monotonic() - begin) / self.typical_s[index]
        with self.lock:
            self.served += 1
            self.slowdown += (ratio - self.slowdown) / 20
            if answer != self.expected[index]:
                self.wrong.append(method)

    def fail(self, method, error):
        with self.lock:
            self.failed.append(f"{method}: {error.code().name} {error.details()}")

    def one_caller(self, channel, number, until):
        draw = random.Random(self.seed * 1000 + number)
        while time.monotonic() < until:
            index = draw.randrange(len(self.requests))
            if draw.random() < 0.5:
                self.whole_call(channel, index)
            else:
                # One in five before it has left; the others anywhere from the start to after the end.
                late = draw.uniform(0, 1.5) * self.slowdown * self.typical_s[index]
                self.cancelled_call(channel, index, 0 if draw.random() < 0.2 else late)

    def run(self, seconds, on_third=lambda: None):
        channels = [calls.channel(self.server.target) for _ in range(CHANNELS)]
        self.learn(channels[0])
        until = time.monotonic() + seconds
        callers = [
            threading.Thread(target=self.one_caller, args=(channels[i % CHANNELS], i, until), daemon=True)
            for i in range(CONCURRENCY)
        ]
        for caller in callers:
            caller.start()
        time.sleep(seconds / 3)
        on_third()
        for caller in callers:
            caller.join()
        for channel in channels:
            channel.close()


def in_flight(server):
    """Calls and items that the server still holds, after what the scrape itself says."""
    return sum(
        value
        for name, value in server.scrape().items()
        if name.startswith(
            (
                "attendant_requests_in_flight",
                "attendant_open_streams",
                "attendant_queue_items",
                "attendant_running_items",
            )
        )
    )


def main():
    parser = harness.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    seconds = 10 if options.short else options.seconds
    report = harness.Report("", "before", "after a third", "after the storm")
    with harness.Server(options) as server:
        # Threads and descriptors that only the first calls of a kind make are no leak.
        warm = Storm(server, options.seed + 1)
        warm.run(1)
        harness.wait_until(lambda: in_flight(server) == 0, 10)
        looks = [
            ("resident MiB", server.resident_mib),
            ("descriptors", server.descriptors),
            ("threads", server.threads),
        ]
        before, third = [look() for _, look in looks], []
        storm = Storm(server, options.seed)
        storm.run(seconds, lambda: third.extend(look() for _, look in looks))
        idle = harness.wait_until(lambda: in_flight(server) == 0, 10)
        harness.wait_until(lambda: server.descriptors() <= before[1], 10)
        after = [look() for _, look in looks]
        for (name, _), *cells in zip(looks, before, third, after):
            report.row(name, *cells)
        report.promise(
            storm.served and storm.cancelled,
            "there was a storm",
            f"{storm.served} calls served, {storm.cancelled} cancelled, {storm.beaten} of them too late",
        )
        report.promise(not storm.failed, "no other call fails", "; ".join(storm.failed[:3]) or "none of them")
        report.promise(
            not storm.wrong, "every other answer has the bytes that it has alone", f"{len(storm.wrong)} differ"
        )
        report.promise(idle, "the server holds no call and no item afterwards", f"{in_flight(server):.0f} held")
        report.promise(
            after[0] - third[0] < MAX_GROWTH_MIB,
            f"memory grows by less than {MAX_GROWTH_MIB} MiB",
            f"{after[0] - third[0]:.1f} MiB",
        )
        report.promise(after[1] <= before[1], "no descriptor is left over", f"{before[1]} before, {after[1]} after")
        # gRPC's own pool of threads follows the load; it does not shrink at once.
        report.promise(
            after[2] <= max(before[2], third[2]) + 2, "no thread is left over", f"{before[2]} before, {after[2]} after"
        )
        report.server_ended_well(server)
    report.finish()


if __name__ == "__main__":
    main()
