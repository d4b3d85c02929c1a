"""encode()'s own part: options, cutting, quantising, shapes. What sentence-transformers itself answers is compared in
encode_parity.py."""

import unittest
from unittest import mock

import numpy as np
from attendant_client import Embeddings, InvalidArgumentError, TextPair
from attendant_client._encode import EncodePlan, ProgressBar, prompt_for_document, prompt_for_query, quantize

DEFAULTS = dict(
    prompt_name=None,
    prompt=None,
    batch_size=None,
    show_progress_bar=False,
    output_value="sentence_embedding",
    precision="float32",
    convert_to_numpy=True,
    convert_to_tensor=False,
    normalize_embeddings=False,
    truncate_dim=None,
    model="",
    timeout=None,
    fingerprint=None,
    on_error="raise",
)
VECTORS = np.array([[3, 4, 12], [-1, 0, 1], [0, 0, 5]], np.float32)


def plan(sentences, **options):
    return EncodePlan(sentences, **{**DEFAULTS, **options})


def result(vectors=VECTORS, errors=()):
    count = len(vectors)
    return Embeddings(
        vectors=vectors,
        errors=list(errors),
        tokens_used=np.zeros(count, np.int32),
        tokens_dropped=np.zeros(count, np.int32),
        model="m",
        fingerprint="f",
    )


class Inputs(unittest.TestCase):
    def test_one_gives_one_and_many_give_many(self):
        self.assertEqual(plan("a").finish(result(VECTORS[:1])).shape, (3,))
        self.assertEqual(plan(TextPair("a", "b")).finish(result(VECTORS[:1])).shape, (3,))
        self.assertEqual(plan(["a"]).finish(result(VECTORS[:1])).shape, (1, 3))
        for many in (["a", "b", "c"], ("a", "b", "c"), np.array(["a", "b", "c"]), iter("abc")):
            each = plan(many)
            self.assertEqual(each.items, ["a", "b", "c"])
            self.assertEqual(each.finish(result()).shape, (3, 3))

    def test_nothing_gives_what_sentence_transformers_gives(self):
        empty = plan([]).finish(result(VECTORS[:0]))
        self.assertEqual((empty.shape, empty.dtype), ((0,), np.float64))
        self.assertEqual(plan([], output_value="token_embeddings").finish(result([])), [])

    def test_what_makes_no_sense_is_refused(self):
        for options, what in (
            ({"precision": "int4"}, "Precision"),
            ({"output_value": "words"}, "output_value"),
            ({"truncate_dim": 0}, "truncate_dim"),
            ({"on_error": "skip"}, "on_error"),
            ({"on_error": "nan", "precision": "int8"}, "NaN"),
        ):
            with self.assertRaisesRegex(ValueError, what):
                plan(["a"], **options)
        with self.assertRaisesRegex(TypeError, "int"):
            plan(5)

    def test_prompt_goes_before_prompt_name(self):
        with self.assertLogs("attendant_client", "WARNING"):
            both = plan(["a"], prompt="p: ", prompt_name="query")
        self.assertEqual(both.options, {"output": "pooled", "model": "", "prompt": "p: "})

    def test_prompts_for_queries_and_documents(self):
        self.assertEqual(prompt_for_query({"query": "q"}), "query")
        self.assertEqual(prompt_for_document({"corpus": "c", "passage": "p"}), "passage")
        self.assertIsNone(prompt_for_query({}) or prompt_for_document({"query": "q"}))


class Outputs(unittest.TestCase):
    def test_truncation_comes_after_the_models_and_before_the_callers_normalisation(self):
        self.assertEqual(plan(["a"] * 3, truncate_dim=2).finish(result()).tolist(), [[3, 4], [-1, 0], [0, 0]])
        both = plan(["a"] * 3, truncate_dim=2, normalize_embeddings=True)
        self.assertNotIn("normalize", both.options)
        np.testing.assert_allclose(both.finish(result()), [[0.6, 0.8], [-1, 0], [0, 0]], rtol=1e-6)
        self.assertEqual(plan(["a"], normalize_embeddings=True).options["normalize"], True)

    def test_bits_are_packed_from_the_left(self):
        vectors = np.array([[1, -1, 0, 2, -3, -1, 1, 1, 9, -9]], np.float32)
        self.assertEqual(quantize(vectors, "ubinary").tolist(), [[0b10010011, 0b10000000]])
        self.assertEqual(quantize(vectors, "binary").tolist(), [[0b10010011 - 128, 0]])
        self.assertEqual(quantize(vectors, "binary").dtype, np.int8)
        self.assertEqual(plan(["a"], precision="binary").options["encoding"], "binary")
        self.assertNotIn("encoding", plan(["a"], precision="binary", truncate_dim=8).options)

    def test_bytes_are_scaled_by_each_dimensions_range(self):
        vectors = np.array([[0, 5, -255], [255, 5, 255], [127.9, 5, 0]], np.float32)
        self.assertEqual(quantize(vectors, "uint8").tolist(), [[0, 0, 0], [255, 0, 255], [127, 0, 127]])
        self.assertEqual(quantize(vectors, "int8").tolist(), [[-128, -128, -128], [127, -128, 127], [-1, -128, -1]])
        with self.assertRaisesRegex(ValueError, "no range"):
            plan("a", precision="int8").finish(result(VECTORS[:1]))

    def test_the_first_failed_item_is_raised_or_stays_nan(self):
        import grpc

        error = InvalidArgumentError(grpc.StatusCode.INVALID_ARGUMENT, "blank", index=1)
        with self.assertRaises(InvalidArgumentError) as raised:
            plan(["a"] * 3).finish(result(errors=[error]))
        self.assertIs(raised.exception, error)
        self.assertEqual(plan(["a"] * 3, on_error="nan").finish(result(errors=[error])).shape, (3, 3))

    def test_tokens_are_a_list(self):
        self.assertIs(
            plan(["a"], output_value="token_embeddings", normalize_embeddings=True).options["normalize"], False
        )
        rows = plan(["a"] * 3, output_value="token_embeddings", truncate_dim=2).finish(result([VECTORS] * 3))
        self.assertEqual([row.shape for row in rows], [(3, 3)] * 3)

    def test_tokens_share_their_ranges(self):
        rows = [np.array([[0, 5], [255, 5]], np.float32), np.array([[51, 260]], np.float32)]
        quantised = plan(["a", "b"], output_value="token_embeddings", precision="uint8").finish(result(rows))
        self.assertEqual([row.tolist() for row in quantised], [[[0, 0], [255, 0]], [[51, 255]]])
        packed = plan(["a"], output_value="token_embeddings", precision="ubinary")
        self.assertEqual(packed.options["encoding"], "ubinary")

    def test_tensors_without_torch_say_what_is_missing(self):
        with mock.patch.dict("sys.modules", {"torch": None}), self.assertRaisesRegex(ImportError, "pip install torch"):
            plan(["a"] * 3, convert_to_tensor=True).finish(result())


class Progress(unittest.TestCase):
    def test_the_bar_is_told_what_is_new(self):
        tqdm = mock.Mock()
        with mock.patch.dict("sys.modules", {"tqdm": mock.Mock(), "tqdm.auto": mock.Mock(tqdm=tqdm)}):
            with ProgressBar(10, True) as update:
                update(4)
                update(10)
        self.assertEqual([call.args[0] for call in tqdm.return_value.update.call_args_list], [4, 6])
        tqdm.return_value.close.assert_called_once()

    def test_without_tqdm_there_is_a_warning_and_no_bar(self):
        with (
            mock.patch.dict("sys.modules", {"tqdm": None, "tqdm.auto": None}),
            self.assertLogs("attendant_client", "WARNING"),
        ):
            with ProgressBar(10, True) as update:
                update(10)


if __name__ == "__main__":
    unittest.main()
