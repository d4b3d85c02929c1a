"""Parsing: vectors taken as bytes are those of protobuf's ordinary parser, in whatever legal form they come."""

import struct
import unittest

import numpy as np
from attendant_client import _contract, _convert

pb, wire = _contract.pb, _contract.wire


def tag(field, wire_type):
    return bytes([field << 3 | wire_type])


def delimited(field, data):
    size, length = len(data), b""
    while size >= 0x80:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return tag(field, 2) + length + bytes([size]) + data


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def response_bytes(*embeddings):
    """An EmbedResponse whose results have these encoded Embeddings."""
    return b"".join(delimited(3, delimited(2, embedding)) for embedding in embeddings)


VALUES = [0.0, -0.0, 1.5, float("inf"), -1e-42, 3.4e38, float("nan"), 7.0]
PACKED = delimited(1, floats(VALUES)) + delimited(2, bytes([8]))
UNPACKED = b"".join(tag(1, 5) + floats([value]) for value in VALUES) + tag(2, 0) + bytes([8])
IN_TWO_PACKS = delimited(1, floats(VALUES[:3])) + delimited(2, bytes([8])) + delimited(1, floats(VALUES[3:]))
MIXED = tag(1, 5) + floats(VALUES[:1]) + delimited(1, floats(VALUES[1:])) + delimited(2, bytes([8]))


class EmbedResponses(unittest.TestCase):
    def test_every_legal_form_gives_the_ordinary_parsers_floats(self):
        for form in (PACKED, UNPACKED, IN_TWO_PACKS, MIXED):
            data = response_bytes(form)
            ordinary = np.array(pb.EmbedResponse.FromString(data).results[0].embedding.values, dtype="<f4")
            self.assertEqual(ordinary.tobytes(), floats(VALUES))
            self.assertEqual(_convert.parse_embed_response(data).results[0].embedding.values, floats(VALUES))

    def test_neighbours_in_other_forms_do_not_disturb_each_other(self):
        results = _convert.parse_embed_response(response_bytes(PACKED, UNPACKED, IN_TWO_PACKS, PACKED)).results
        self.assertEqual([result.embedding.values for result in results], [floats(VALUES)] * 4)

    def test_a_real_message_keeps_everything_else(self):
        message = pb.EmbedResponse(model="m", model_fingerprint="f")
        message.results.add().embedding.values.extend(range(6))
        message.results[0].embedding.shape.extend([2, 3])
        message.results[0].tokens_used = 5
        bad = message.results.add().status
        bad.code, bad.field = 3, "items[1].text"
        parsed = _convert.parse_embed_response(message.SerializeToString())
        self.assertEqual((parsed.model, parsed.model_fingerprint), ("m", "f"))
        self.assertEqual((parsed.results[0].tokens_used, parsed.results[1].status.field), (5, "items[1].text"))
        self.assertEqual(_convert.to_matrix(parsed.results[0].embedding).tolist(), [[0, 1, 2], [3, 4, 5]])

    def test_random_responses(self):
        random = np.random.default_rng(1)
        for _ in range(50):
            message = pb.EmbedResponse()
            for _ in range(random.integers(0, 5)):
                embedding = message.results.add().embedding
                embedding.shape.append(int(random.integers(0, 400)))
                embedding.values.extend(random.standard_normal(embedding.shape[0]).astype(np.float32))
            parsed = _convert.parse_embed_response(message.SerializeToString())
            for result, plain in zip(parsed.results, message.results, strict=True):
                self.assertEqual(_convert.to_matrix(result.embedding).tolist(), list(plain.embedding.values))

    def test_a_shape_that_is_not_that_of_the_values_is_an_error(self):
        data = response_bytes(delimited(1, floats(VALUES)) + delimited(2, bytes([7])))
        with self.assertRaisesRegex(Exception, "8 numbers for the shape"):
            _convert.to_matrix(_convert.parse_embed_response(data).results[0].embedding)


class AttentionPieces(unittest.TestCase):
    def pieces(self, *slices):
        values = np.arange(24, dtype=np.float32)
        first = pb.GetAttentionResponse(header=pb.AttentionHeader(shape=[1, 2, 3, 4], layers=[0], heads=[0, 1]))
        return [first, *(pb.GetAttentionResponse(offset=part.start, values=values[part]) for part in slices)]

    def assemble(self, pieces, max_bytes=1000):
        assembler = _convert.AttentionAssembler(max_bytes)
        for piece in pieces:
            assembler.add(_convert.parse_attention_response(piece.SerializeToString()))
        return assembler.finish()

    def test_pieces_make_the_tensor(self):
        result = self.assemble(self.pieces(slice(0, 5), slice(5, 24)))
        self.assertEqual(result.values.tolist(), np.arange(24).reshape(1, 2, 3, 4).tolist())
        self.assertEqual(result.heads, [0, 1])

    def test_unpacked_pieces_do_too(self):
        data = tag(2, 0) + bytes([3]) + b"".join(tag(3, 5) + floats([value]) for value in VALUES)
        self.assertEqual(_convert.parse_attention_response(data).values, floats(VALUES))
        twice = tag(2, 0) + bytes([3]) + delimited(3, floats(VALUES[:2])) + delimited(3, floats(VALUES[2:]))
        self.assertEqual(_convert.parse_attention_response(twice).values, floats(VALUES))

    def test_pieces_out_of_place_are_errors(self):
        for slices in ((slice(0, 5), slice(6, 24)), (slice(5, 24),), (slice(0, 5), slice(0, 5)), (slice(0, 23),)):
            with self.assertRaisesRegex(Exception, "INTERNAL"):
                self.assemble(self.pieces(*slices))
        with self.assertRaisesRegex(Exception, "out of place"):
            self.assemble(self.pieces(slice(0, 24))[1:])

    def test_a_map_beyond_the_limit_is_refused_before_memory_is_taken(self):
        huge = pb.GetAttentionResponse(header=pb.AttentionHeader(shape=[1 << 20, 1 << 20, 1 << 10, 1]))
        with self.assertRaisesRegex(Exception, "max_attention_bytes"):
            self.assemble([huge])


class Items(unittest.TestCase):
    def test_every_form(self):
        from attendant_client import TextPair, TokenIds

        self.assertEqual(_convert.to_item("a", 0).text, "a")
        for pair in (TextPair("a", "b"), ("a", "b"), ["a", "b"]):
            self.assertEqual(_convert.to_item(pair, 0).pair, pb.TextPair(first="a", second="b"))
        for ids in ([1, 2], (1, 2), np.array([1, 2]), TokenIds([1, 2])):
            self.assertEqual(list(_convert.to_item(ids, 0).tokens.input_ids), [1, 2])
        self.assertTrue(_convert.to_item(TokenIds([1], [0], add_special_tokens=True), 0).tokens.add_special_tokens)

    def test_what_is_no_item_is_named(self):
        for item in (None, b"a", 1.5, ["a", 1], [1.5], [2**40], "\ud800", {"text": "a"}):
            with self.assertRaisesRegex(ValueError, r"items\[7\]"):
                _convert.to_item(item, 7)


if __name__ == "__main__":
    unittest.main()
