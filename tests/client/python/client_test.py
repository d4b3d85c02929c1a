"""Both clients against a server in this process that does what the test says."""

import threading
import unittest

import grpc
import numpy as np
from attendant_client import (
    AuthenticationError,
    InvalidArgumentError,
    ModelChangedError,
    RetryPolicy,
    UnavailableError,
    _contract,
)
from fake_server import DIMENSION, BothClients, FakeServer, WithAsyncClient, WithClient, embed, refuse, vector

CODE = grpc.StatusCode
pb = _contract.pb
QUICK = RetryPolicy(max_attempts=4, initial_backoff=0.01, max_backoff=0.02)
TEXTS = [f"text {i}" for i in range(95)]


class Calls(BothClients):
    def setUp(self):
        self.server = FakeServer()
        self.addCleanup(self.server.stop)

    def connect(self, **options):
        return self.client(self.server.address, **{"retry": QUICK, **options})

    def fail_first(self, count, *arguments, **details):
        """The first Embed requests are refused."""
        left = iter(range(count))

        def scripted(request, context):
            if next(left, None) is not None:
                refuse(context, *arguments, **details)
            return embed(request)

        self.server.embed = scripted

    def expect(self, vectors):
        self.assertEqual(vectors.tolist(), [vector(text).tolist() for text in TEXTS])

    def test_results_are_in_order_whatever_the_order_of_the_answers(self):
        held = threading.Event()

        def scripted(request, context):
            if request.items[0].text == TEXTS[0]:
                held.wait(30)  # the first batch is answered last
            elif request.items[0].text == TEXTS[90]:
                held.set()
            return embed(request)

        self.server.embed = scripted
        self.expect(self.connect(max_in_flight=3).encode(TEXTS))
        self.assertEqual(len(self.server.requests), 10)  # within the server's limit of 10 items

    def test_a_bounded_number_of_requests_is_under_way(self):
        gate = threading.Semaphore(0)

        def scripted(request, context):
            if self.server.under_way == 3:
                for _ in range(100):
                    gate.release()
            self.assertTrue(gate.acquire(timeout=30))
            return embed(request)

        self.server.embed = scripted
        self.expect(self.connect(max_in_flight=3).encode(TEXTS, batch_size=7))
        self.assertEqual(self.server.most_under_way, 3)

    def test_every_request_has_a_deadline_and_shows_its_key(self):
        left = []

        def scripted(request, context):
            left.append(context.time_remaining())
            return embed(request)

        self.server.embed = scripted
        client = self.connect(api_key="secret", timeout=20.0)
        client.encode(TEXTS)
        client.encode("one", timeout=5.0)
        self.assertTrue(all(10 < seconds < 21 for seconds in left[:-1]), left)  # gRPC rounds up
        self.assertTrue(0 < left[-1] < 6)
        self.assertEqual({metadata["authorization"] for metadata in self.server.metadata}, {"Bearer secret"})

    def test_refusals_with_a_hint_are_tried_again(self):
        self.fail_first(3, CODE.RESOURCE_EXHAUSTED, retry_after_s=0.01)
        self.expect(self.connect().encode(TEXTS))
        self.assertEqual(len(self.server.requests), 13)

    def test_the_hint_may_be_in_the_trailer_only(self):
        self.fail_first(1, CODE.RESOURCE_EXHAUSTED, pushback_ms=5)
        self.assertEqual(self.connect().encode("a").shape, (DIMENSION,))

    def test_refusals_without_a_hint_are_final(self):
        self.fail_first(1, CODE.RESOURCE_EXHAUSTED, "the message is too large", pushback_ms=-1)
        with self.assertRaisesRegex(Exception, "Embed at 127.0.0.1:.*RESOURCE_EXHAUSTED: the message is too large"):
            self.connect().encode("a")
        self.assertEqual(len(self.server.requests), 1)

    def test_an_unavailable_server_is_tried_again(self):
        self.fail_first(2, CODE.UNAVAILABLE)
        self.assertEqual(self.connect().encode("a").shape, (DIMENSION,))
        self.assertEqual(len(self.server.requests), 3)

    def test_until_the_attempts_are_used_up(self):
        self.fail_first(100, CODE.UNAVAILABLE, "going away")
        with self.assertRaisesRegex(UnavailableError, "going away"):
            self.connect().encode("a")
        self.assertEqual(len(self.server.requests), 4)

    def test_what_was_wrong_is_never_tried_again(self):
        for code in (
            CODE.INVALID_ARGUMENT,
            CODE.NOT_FOUND,
            CODE.INTERNAL,
            CODE.UNIMPLEMENTED,
            CODE.FAILED_PRECONDITION,
        ):
            self.server.requests.clear()
            self.fail_first(1, code, "wrong", field="options.pooling")
            with self.assertRaises(Exception) as raised:
                self.connect().encode("a")
            self.assertEqual((raised.exception.code, raised.exception.field), (code, "options.pooling"))
            self.assertEqual(len(self.server.requests), 1)

    def test_a_wrong_request_ends_the_job(self):
        self.fail_first(1, CODE.UNAUTHENTICATED, "no key")
        with self.assertRaises(AuthenticationError):
            self.connect().encode(TEXTS)

    def test_a_silent_server_ends_in_a_timeout(self):
        over = threading.Event()
        self.addCleanup(over.set)

        def scripted(request, context):
            over.wait(30)
            return embed(request)

        self.server.embed = scripted
        with self.assertRaises(TimeoutError):
            self.connect(timeout=0.2).encode("a")
        with self.assertRaises(TimeoutError):
            self.connect(progress_timeout=0.2).encode(TEXTS)

    def test_one_bad_item_is_named_or_left_out(self):
        texts = TEXTS[:30] + [" "] + TEXTS[30:]
        client = self.connect()
        with self.assertRaises(InvalidArgumentError) as raised:
            client.encode(texts)
        self.assertEqual((raised.exception.index, raised.exception.field), (30, "items[30].text"))
        rows = client.encode(texts, on_error="nan")
        self.assertTrue(np.isnan(rows[30]).all())
        self.expect(np.delete(rows, 30, axis=0))
        self.assertEqual([error.index for error in client.embed(texts).errors], [30])

    def test_a_swap_on_the_way_is_an_error_and_vectors_are_not_mixed(self):
        self.server.embed = lambda request, context: embed(
            request, "beef" if request.items[0].text == TEXTS[50] else "f00d"
        )
        with self.assertRaises(ModelChangedError):
            self.connect().encode(TEXTS)

    def test_the_fingerprint_is_there_and_may_be_asked_for(self):
        client = self.connect()
        self.assertEqual(client.embed(["a"]).fingerprint, "f00d")
        self.assertEqual(client.encode(["a"], fingerprint="f00d").shape, (1, DIMENSION))
        with self.assertRaises(ModelChangedError):
            client.encode(["a"], fingerprint="beef")

    def test_prompts_of_queries_and_documents(self):
        client = self.connect()
        client.encode_query("a")
        client.encode_document(["a"])
        client.encode_query("a", prompt="mine: ")
        client.encode("a", prompt="")
        options = [request.options for request in self.server.requests]
        self.assertEqual([option.prompt_name for option in options], ["query", "passage", "", ""])
        self.assertEqual([option.WhichOneof("prompt") for option in options[2:]], ["prompt_text", "prompt_text"])

    def test_bits_come_from_the_server(self):
        client, floats = self.connect(), np.array([vector(text) for text in TEXTS])
        expected = np.packbits(floats > 0, axis=-1)
        rows = client.encode(TEXTS, precision="ubinary")
        self.assertEqual((rows.dtype, rows.tolist()), (np.uint8, expected.tolist()))
        rows = client.encode(TEXTS, precision="binary")
        self.assertEqual((rows.dtype, rows.tolist()), (np.int8, (expected.astype(int) - 128).tolist()))
        self.assertEqual(client.encode(TEXTS, precision="ubinary", truncate_dim=4).tolist(), (expected & 0xF0).tolist())
        self.assertEqual({request.options.encoding for request in self.server.requests[:20]}, {5, 6})

    def test_a_server_that_knows_no_encodings_is_an_error(self):
        def scripted(request, context):
            request.options.encoding = 0
            return embed(request)

        self.server.embed = scripted
        with self.assertRaisesRegex(Exception, "UNIMPLEMENTED.*too old"):
            self.connect().encode(TEXTS, precision="binary")

    def test_token_embeddings(self):
        rows = self.connect().encode(TEXTS, output_value="token_embeddings")
        self.assertEqual([row.shape for row in rows], [(3, DIMENSION)] * 95)
        self.assertEqual(rows[94][2].tolist(), vector(TEXTS[94]).tolist())

    def test_attention_is_put_together_and_tried_again(self):
        tries = []

        def attention(request, context):
            yield pb.GetAttentionResponse(
                header=pb.AttentionHeader(shape=[1, 1, 2, 2], tokens=[pb.Token(text="a")]), values=[1, 2]
            )
            tries.append(request)
            if len(tries) == 1:
                refuse(context, CODE.UNAVAILABLE)
            yield pb.GetAttentionResponse(offset=2, values=[3, 4])

        self.server.attention = attention
        result = self.connect().attention("a", layers=[0], head_reduction="mean")
        self.assertEqual(result.values.tolist(), [[[[1, 2], [3, 4]]]])
        self.assertEqual((result.tokens[0].text, len(tries)), ("a", 2))

    def test_an_empty_list_asks_for_nothing(self):
        client = self.connect()
        self.assertEqual(client.encode([]).shape, (0,))
        self.assertEqual(client.embed([]).vectors.shape, (0, DIMENSION))
        self.assertEqual(self.server.requests, [])

    def test_options_that_make_no_sense(self):
        for options in ({"timeout": 0}, {"api_key": "two words"}, {"max_in_flight": 0}):
            with self.assertRaises(ValueError):
                self.make(self.server.address, **options)
        with self.assertRaises(TypeError):
            self.make(self.server.address, no_such_option=1)
        with self.assertRaisesRegex(ValueError, "median.*none of"):
            self.connect().embed(["a"], pooling=["median"])


class SyncCalls(WithClient, Calls, unittest.TestCase):
    pass


class AsyncCalls(WithAsyncClient, Calls, unittest.TestCase):
    pass


class NoServer(unittest.TestCase):
    def test_says_where_it_looked(self):
        for make in (WithClient.make, WithAsyncClient.make):
            client = make("127.0.0.1:1", retry=QUICK, timeout=5.0)
            self.addCleanup(client.close)
            with self.assertRaisesRegex(ConnectionError, "GetModel at 127.0.0.1:1"):
                client.encode("a")


if __name__ == "__main__":
    unittest.main()
