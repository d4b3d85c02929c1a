"""Waits between attempts, and errors as exceptions."""

import random
import unittest

import grpc
from attendant_client import RetryPolicy
from attendant_client._contract import pb
from attendant_client._retry import Attempts, Backoff, is_retryable
from attendant_client.errors import from_item_status, make_error

CODE = grpc.StatusCode


class Waits(unittest.TestCase):
    def test_they_double_to_a_cap_and_are_jittered(self):
        backoff = Backoff(RetryPolicy(initial_backoff=0.1, max_backoff=1.0), random.Random(1))
        for base in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
            self.assertTrue(base / 2 <= backoff.next_wait(None) <= base)
        backoff.reset()
        self.assertLessEqual(backoff.next_wait(None), 0.1)

    def test_never_before_the_servers_hint(self):
        backoff = Backoff(RetryPolicy(), random.Random(1))
        waits = [backoff.next_wait(3.0) for _ in range(20)]
        self.assertTrue(all(3.0 <= wait <= 5.5 for wait in waits))
        self.assertGreater(len(set(waits)), 10)

    def test_a_thousand_failures_do_not_overflow(self):
        backoff = Backoff(RetryPolicy(multiplier=1e10), random.Random(1))
        self.assertTrue(all(backoff.next_wait(None) <= 5.0 for _ in range(1000)))


class Decisions(unittest.TestCase):
    def test_what_is_tried_again(self):
        self.assertTrue(is_retryable(make_error(CODE.UNAVAILABLE, "")))
        self.assertTrue(is_retryable(make_error(CODE.CANCELLED, "")))
        self.assertTrue(is_retryable(make_error(CODE.RESOURCE_EXHAUSTED, "", retry_after=0.0)))
        self.assertFalse(is_retryable(make_error(CODE.RESOURCE_EXHAUSTED, "")))
        for code in (
            CODE.INVALID_ARGUMENT,
            CODE.NOT_FOUND,
            CODE.DEADLINE_EXCEEDED,
            CODE.INTERNAL,
            CODE.UNAUTHENTICATED,
        ):
            self.assertFalse(is_retryable(make_error(code, "", retry_after=1.0)), code)

    def test_attempts_end(self):
        error = make_error(CODE.UNAVAILABLE, "")
        attempts = Attempts(RetryPolicy(max_attempts=3), deadline=100.0)
        attempts.wait_after(error, 0.0)
        attempts.wait_after(error, 0.0)
        with self.assertRaises(ConnectionError):
            attempts.wait_after(error, 0.0)

    def test_a_wait_beyond_the_deadline_is_not_begun(self):
        error = make_error(CODE.RESOURCE_EXHAUSTED, "", retry_after=10.0)
        with self.assertRaises(Exception) as raised:
            Attempts(RetryPolicy(), deadline=9.0).wait_after(error, 0.0)
        self.assertIs(raised.exception, error)


class Errors(unittest.TestCase):
    def test_they_are_the_built_in_ones_too(self):
        for code, kind in (
            (CODE.INVALID_ARGUMENT, ValueError),
            (CODE.NOT_FOUND, LookupError),
            (CODE.UNAVAILABLE, ConnectionError),
            (CODE.DEADLINE_EXCEEDED, TimeoutError),
            (CODE.UNAUTHENTICATED, PermissionError),
        ):
            self.assertIsInstance(make_error(code, "x"), kind)

    def test_an_items_error_names_its_place_in_what_the_caller_gave(self):
        status = pb.ItemStatus(
            code=3, field="items[2].tokens.input_ids[7]", message="items[2].tokens.input_ids[7]: no such id"
        )
        error = from_item_status(status, 1002)
        self.assertEqual((error.index, error.field), (1002, "items[1002].tokens.input_ids[7]"))
        self.assertEqual(str(error), "INVALID_ARGUMENT: items[1002].tokens.input_ids[7]: no such id")

    def test_a_code_from_the_future_is_unknown(self):
        self.assertEqual(from_item_status(pb.ItemStatus(code=99), 0).code, CODE.UNKNOWN)


if __name__ == "__main__":
    unittest.main()
