"""The job without a network and with a clock of the test's: cutting, order, refusals, progress, fingerprints."""

import unittest

import fake_server
import grpc
import numpy as np
from attendant_client import Limits, ModelChangedError, ModelInfo, RetryPolicy, _convert
from attendant_client._job import Job, JobSettings
from attendant_client.errors import make_error

CODE = grpc.StatusCode


def model(**limits):
    return ModelInfo(
        name="fake",
        fingerprint="f00d",
        state="READY",
        state_reason="",
        is_default=True,
        architecture="bert",
        precision="fp32",
        kernels="",
        dimension=8,
        hidden_size=8,
        num_layers=1,
        num_heads=1,
        vocab_size=100,
        max_tokens=32,
        normalize=True,
        limits=Limits(**limits),
    )


def job(items, now=0.0, limits=None, **options):
    settings = JobSettings(
        RetryPolicy(max_attempts=3),
        max_in_flight=4,
        max_message_bytes=1 << 20,
        request_timeout=30.0,
        progress_timeout=60.0,
    )
    return Job(items, options, model(**(limits or {})), settings, now)


def take_all(job_, now):
    return list(iter(lambda: job_.take(now), None))


def answer(job_, batch, now=0.0, **arguments):
    response = fake_server.embed(job_.request(batch), **arguments)
    job_.on_answer(batch, _convert.parse_embed_response(response.SerializeToString()), now)


class Cutting(unittest.TestCase):
    def sizes(self, *arguments, **options):
        return [batch.last - batch.first for batch in job(*arguments, **options)._batches]

    def test_by_the_servers_limit_of_items(self):
        self.assertEqual(self.sizes(["a"] * 25, limits={"max_items_per_request": 10}), [10, 10, 5])
        self.assertEqual(self.sizes(["a"] * 25, limits={"max_items_per_request": 10}, batch_size=8), [8, 8, 8, 1])
        self.assertEqual(self.sizes(["a"] * 130), [64, 64, 2])

    def test_by_bytes_of_the_request(self):
        self.assertEqual(self.sizes(["a" * 400_000] * 5), [1] * 5)
        self.assertEqual(self.sizes(["a" * 200_000] * 5), [2, 2, 1])
        self.assertEqual(self.sizes(["ä" * 200_000] * 3), [1] * 3)
        self.assertEqual(self.sizes(["a" * 40_000] * 5, limits={"max_message_bytes": 200_000}), [2, 2, 1])

    def test_by_bytes_of_the_answer(self):
        # 32 tokens of 8 numbers are 1 KiB an item.
        self.assertEqual(self.sizes(["a" * 1000] * 10, limits={"max_message_bytes": 8192}, output="tokens"), [4, 4, 2])

    def test_an_item_beyond_all_limits_goes_alone(self):
        self.assertEqual(self.sizes(["a", "a" * 3_000_000, "a"]), [1, 1, 1])

    def test_batch_size_is_positive(self):
        with self.assertRaisesRegex(ValueError, "batch_size"):
            job(["a"], batch_size=0)


class Sending(unittest.TestCase):
    def test_a_bounded_number_is_under_way(self):
        work = job(["a"] * 25, batch_size=1)
        self.assertEqual(len(take_all(work, 0.0)), 4)

    def test_answers_in_any_order_land_in_their_places(self):
        texts = [f"text {i}" for i in range(7)]
        work = job(texts, batch_size=2)
        for batch in reversed(take_all(work, 0.0)):
            answer(work, batch)
        self.assertTrue(work.finished)
        result = work.finish(8)
        self.assertEqual(result.vectors.tolist(), [fake_server.vector(text).tolist() for text in texts])
        self.assertEqual(result.tokens_used.tolist(), [6] * 7)

    def test_bulk_is_what_takes_several_requests(self):
        for count, expected in ((1, 0), (3, 2)):
            work = job(["a"] * count, batch_size=1)
            self.assertEqual(work.request(work.take(0.0)).service_class, expected)
        work = job(["a"] * 3, batch_size=1, service_class="interactive")
        self.assertEqual(work.request(work.take(0.0)).service_class, 1)

    def test_unusual_items_between_texts(self):
        work = job(["a", [1, 2], ("b", "c")])
        kinds = [item.WhichOneof("input") for item in work.request(work.take(0.0)).items]
        self.assertEqual(kinds, ["text", "tokens", "pair"])
        with self.assertRaisesRegex(ValueError, r"items\[1\].*UTF-8"):
            bad = job(["a", "\ud800"])
            bad.request(bad.take(0.0))

    def test_deadlines_shrink_to_the_jobs(self):
        work = job(["a"], timeout=10.0)
        self.assertEqual(work.request_timeout(4.0), 6.0)
        self.assertEqual(job(["a"]).request_timeout(4.0), 30.0)


class Failures(unittest.TestCase):
    def test_a_refused_batch_goes_again_after_the_hint_with_fewer_at_a_time(self):
        work = job(["a"] * 8, batch_size=1)
        batches = take_all(work, 0.0)
        for batch in batches:
            work.on_error(batch, make_error(CODE.RESOURCE_EXHAUSTED, "busy", retry_after=2.0), 1.0)
        self.assertIsNone(work.take(2.9))
        self.assertTrue(2.0 <= work.wait_s(1.0) <= 2.1)
        again = take_all(work, 3.2)
        self.assertEqual([batch.first for batch in again], [0, 1])  # four refusals at once are one: half as many
        answer(work, again[0], 3.3)
        self.assertEqual(len(take_all(work, 3.3)), 2)  # and one more with an answer

    def test_refusals_go_on_until_there_was_no_progress_for_too_long(self):
        work, now = job(["a"] * 2, batch_size=1), 0.0
        error = make_error(CODE.RESOURCE_EXHAUSTED, "busy", retry_after=5.0)
        with self.assertRaises(Exception) as raised:
            while True:
                for batch in take_all(work, now):
                    work.on_error(batch, error, now)
                now += work.wait_s(now)
                work.check(now)
        self.assertIs(raised.exception, error)
        self.assertTrue(60.0 <= now < 66.0, now)

    def test_a_server_that_was_never_there_is_given_up_soon(self):
        work, now = job(["a"] * 9, batch_size=1), 0.0
        with self.assertRaises(ConnectionError):
            while True:
                for batch in take_all(work, now):
                    work.on_error(batch, make_error(CODE.UNAVAILABLE, "gone"), now)
                now += work.wait_s(now)
        self.assertLess(now, 5.0)

    def test_one_that_restarts_is_waited_for(self):
        work, now = job(["a"] * 9, batch_size=1), 0.0
        answer(work, work.take(now), now)
        while now < 55.0:
            for batch in take_all(work, now):
                work.on_error(batch, make_error(CODE.UNAVAILABLE, "gone"), now)
            now += work.wait_s(now)
            work.check(now)
        while not work.finished:
            for batch in take_all(work, now):
                answer(work, batch, now)
        self.assertEqual(work.items_done, 9)

    def test_what_is_wrong_is_not_sent_again(self):
        for code in (CODE.INVALID_ARGUMENT, CODE.NOT_FOUND, CODE.DEADLINE_EXCEEDED, CODE.INTERNAL):
            work = job(["a"])
            with self.assertRaises(Exception):
                work.on_error(work.take(0.0), make_error(code, "wrong"), 0.0)

    def test_silence_ends_the_job(self):
        work = job(["a"])
        work.take(0.0)
        work.check(59.9)
        with self.assertRaisesRegex(TimeoutError, "nothing for 60 s; 0 of 1"):
            work.check(60.0)

    def test_the_time_for_the_job_ends_it(self):
        work = job(["a"] * 2, batch_size=1, timeout=10.0)
        answer(work, work.take(0.0), 1.0)
        work.take(1.0)
        self.assertEqual(work.wait_s(1.0), 9.0)
        with self.assertRaisesRegex(TimeoutError, "time for the whole job"):
            work.check(10.0)

    def test_an_items_fault_is_its_own(self):
        work = job(["a", " ", "c"])
        answer(work, work.take(0.0))
        result = work.finish(8)
        self.assertEqual(np.isnan(result.vectors).any(axis=1).tolist(), [False, True, False])
        self.assertEqual(result.vectors[2].tolist(), fake_server.vector("c").tolist())
        self.assertEqual([(error.index, error.field) for error in result.errors], [(1, "items[1].text")])

    def test_nothing_but_faults_has_the_models_dimension(self):
        work = job([" ", ""])
        answer(work, work.take(0.0))
        self.assertEqual(work.finish(8).vectors.shape, (2, 8))

    def test_a_put_off_item_sends_its_batch_again(self):
        work = job(["a"])
        batch = work.take(0.0)
        response = fake_server.embed(work.request(batch))
        response.results[0].Clear()
        response.results[0].status.code = CODE.UNAVAILABLE.value[0]
        work.on_answer(batch, _convert.parse_embed_response(response.SerializeToString()), 0.0)
        self.assertFalse(work.finished)
        answer(work, work.take(1.0), 1.0)
        self.assertTrue(work.finished)
        self.assertEqual(work.finish(8).errors, [])

    def test_too_few_results_are_the_servers_fault(self):
        work = job(["a", "b"])
        with self.assertRaisesRegex(Exception, "0 results for 2 items"):
            work.on_answer(work.take(0.0), _convert.parse_embed_response(b""), 0.0)


class Fingerprints(unittest.TestCase):
    def test_a_swap_on_the_way_is_an_error(self):
        work = job(["a"] * 2, batch_size=1)
        first, second = take_all(work, 0.0)
        answer(work, first)
        with self.assertRaises(ModelChangedError) as raised:
            answer(work, second, fingerprint="beef")
        self.assertEqual((raised.exception.expected, raised.exception.found), ("f00d", "beef"))

    def test_another_model_than_the_caller_expects_is_an_error(self):
        work = job(["a"], fingerprint="beef")
        with self.assertRaises(ModelChangedError):
            answer(work, work.take(0.0))


if __name__ == "__main__":
    unittest.main()
