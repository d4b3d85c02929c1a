"""Both clients against a real server with a tiny model. ATTENDANT_SERVER_BINARY names the server."""

import dataclasses
import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import numpy as np
from attendant_client import (
    AuthenticationError,
    InvalidArgumentError,
    NotFoundError,
    RetryPolicy,
    TextPair,
    Tls,
    TokenIds,
)
from attendant_client._encode import quantize
from fake_server import BothClients, WithAsyncClient, WithClient

MODELS = pathlib.Path(__file__).resolve().parents[2] / "testdata/models"
START_TIMEOUT_S = 60
TEXTS = [f"text {i} of many" + " and a few words more" * (i % 9) for i in range(300)]


class Server:
    """A process of attendant-server on a free port."""

    def __init__(self, model, *flags):
        self.directory = tempfile.TemporaryDirectory()
        ports = pathlib.Path(self.directory.name) / "ports"
        self.process = subprocess.Popen(
            [
                os.environ["ATTENDANT_SERVER_BINARY"],
                "--model",
                str(MODELS / model),
                "--grpc-address",
                "127.0.0.1:0",
                "--http-address",
                "off",
                "--metrics-address",
                "",
                "--port-file",
                str(ports),
                "--log-level",
                "error",
                *flags,
            ]
        )
        until = time.monotonic() + START_TIMEOUT_S
        while not ports.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError("the server has not started")
            time.sleep(0.02)
        self.address = f"127.0.0.1:{dict(line.split('=', 1) for line in ports.read_text().split())['grpc']}"

    def stop(self):
        self.process.terminate()
        code = self.process.wait(60)
        self.directory.cleanup()
        return code


class Live(BothClients):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("tiny-mean")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def setUp(self):
        self.attendant = self.client(self.server.address)

    def test_the_models_reference_vectors(self):
        expected = json.loads((MODELS / "tiny-mean/expected.json").read_text(encoding="utf-8"))
        vectors = self.attendant.encode(expected["texts"])
        np.testing.assert_allclose(vectors, expected["embeddings"], atol=1e-5)
        swapped = self.attendant.encode(expected["texts"][::-1], batch_size=3)
        self.assertEqual(swapped[::-1].tobytes(), vectors.tobytes())

    def test_many_are_as_each_alone(self):
        together = self.attendant.encode(TEXTS)
        self.assertEqual(together.dtype, np.float32)
        for index in range(0, 300, 37):
            self.assertEqual(together[index].tobytes(), self.attendant.encode(TEXTS[index]).tobytes())

    def test_pairs_and_ids(self):
        tokens = [token.id for token in self.attendant.tokenize(["a few words"])[0].tokens]
        result = self.attendant.embed(
            [
                "a few words",
                tokens,
                TokenIds(tokens[1:-1], add_special_tokens=True),
                np.array(tokens),
                TextPair("a few", "words"),
                ("a few", "words"),
            ]
        )
        self.assertEqual(result.errors, [])
        self.assertEqual(len({row.tobytes() for row in result.vectors[:4]}), 1)
        self.assertEqual(result.vectors[4].tobytes(), result.vectors[5].tobytes())
        self.assertNotEqual(result.vectors[0].tobytes(), result.vectors[4].tobytes())
        self.assertEqual(result.tokens_used[0], len(tokens))

    def test_token_embeddings_and_tokens_agree(self):
        tokenized = self.attendant.tokenize(TEXTS[:20])
        rows = self.attendant.encode(TEXTS[:20], output_value="token_embeddings")
        self.assertEqual([len(row) for row in rows], [len(item.tokens) for item in tokenized])
        text = TEXTS[3]
        self.assertTrue(
            all(
                token.special or text[token.start : token.end].lower() == token.text.removeprefix("##")
                for token in tokenized[3].tokens
                if token.text != "[UNK]"
            )
        )

    def test_encodings_and_dimensions(self):
        floats = self.attendant.encode(TEXTS)
        self.assertEqual(self.attendant.embed(TEXTS, encoding="float32").vectors.tobytes(), floats.tobytes())
        half = self.attendant.embed(TEXTS, encoding="float16").vectors
        self.assertEqual((half.dtype, half.tobytes()), (np.float16, floats.astype(np.float16).tobytes()))
        for precision in ("binary", "ubinary"):
            bits = self.attendant.encode(TEXTS, precision=precision)
            self.assertEqual(bits.tobytes(), quantize(floats, precision).tobytes())
        ranges = np.array([floats.min(0), floats.max(0)])
        for precision in ("int8", "uint8"):
            asked = self.attendant.embed(TEXTS, encoding=precision, ranges=ranges)
            self.assertEqual(asked.vectors.tobytes(), quantize(floats, precision).tobytes())
            self.assertIsNone(asked.ranges)
            self.assertEqual(self.attendant.embed(TEXTS, encoding=precision).ranges.shape, (2, floats.shape[1]))
        short = self.attendant.embed(TEXTS, dimensions=8, allow_untrained_dimensions=True)
        self.assertTrue(short.untrained_dimensions)
        cut = self.attendant.encode(TEXTS, truncate_dim=8, normalize_embeddings=True)
        np.testing.assert_allclose(short.vectors, cut, atol=1e-6)
        with self.assertRaisesRegex(InvalidArgumentError, "dimensions"):
            self.attendant.embed(TEXTS, dimensions=8)
        tokens = self.attendant.embed(TEXTS[:3], output="tokens", encoding="ubinary").vectors
        self.assertEqual({(row.dtype.str, row.shape[1]) for row in tokens}, {("|u1", floats.shape[1] // 8)})

    def test_long_texts(self):
        model = self.attendant.get_model()
        long = "cat dog mat " * model.max_tokens
        cut = self.attendant.embed([long, "cat"])
        whole = self.attendant.embed([long, "cat"], truncation="window")
        self.assertGreater(cut.tokens_dropped[0], 0)
        self.assertEqual(whole.tokens_dropped.tolist(), [0, 0])
        self.assertGreater(whole.tokens_used[0], model.max_tokens)
        self.assertNotEqual(cut.vectors[0].tobytes(), whole.vectors[0].tobytes())
        self.assertEqual(cut.vectors[1].tobytes(), whole.vectors[1].tobytes())
        [too_long] = self.attendant.embed([long], truncation="error").errors
        self.assertEqual((too_long.index, too_long.code.name), (0, "INVALID_ARGUMENT"))

    def test_rank_and_similarity(self):
        vectors = self.attendant.encode(TEXTS[:20], normalize_embeddings=True)
        matrix = self.attendant.similarity(TEXTS[:20], function="cosine")
        self.assertEqual(matrix.values.shape, (20, 20))
        np.testing.assert_allclose(matrix.values, vectors @ vectors.T, atol=1e-5)
        part = self.attendant.similarity([TEXTS[0], " "], [TEXTS[1], vectors[2]], function="dot")
        np.testing.assert_allclose(part.values[0], vectors[1:3] @ vectors[0], atol=1e-5)
        self.assertTrue(np.isnan(part.values[1]).all())
        self.assertEqual([error.index for error in part.errors], [1])
        ranking = self.attendant.rank(TEXTS[7], [*TEXTS[:20], ""], top_k=3)
        self.assertEqual((ranking.indices[0], len(ranking.indices)), (7, 3))
        self.assertEqual([(error.index, error.code.name) for error in ranking.errors], [(20, "INVALID_ARGUMENT")])
        query = self.attendant.encode_query(TEXTS[7], normalize_embeddings=True)
        expected = np.sort(self.attendant.encode_document(TEXTS[:20], normalize_embeddings=True) @ query)[::-1][:3]
        np.testing.assert_allclose(ranking.scores, expected, atol=1e-5)

    def test_attention(self):
        model = self.attendant.get_model()
        whole = self.attendant.attention(TEXTS[0])
        count = len(whole.tokens)
        self.assertEqual(whole.values.shape, (model.num_layers, model.num_heads, count, count))
        np.testing.assert_allclose(whole.values.sum(-1), 1, atol=1e-5)
        part = self.attendant.attention(TEXTS[0], layers=[0], heads=[1], query_rows=[2])
        self.assertEqual(part.values.tobytes(), whole.values[:1, 1:2, 2:3].tobytes())
        mean = self.attendant.attention(TEXTS[0], head_reduction="mean")
        np.testing.assert_allclose(mean.values[:, 0], whole.values.mean(1), atol=1e-6)

    def test_models_and_health(self):
        models = self.attendant.list_models()
        self.assertEqual(
            [(model.name, model.state, model.is_default) for model in models], [("tiny-mean", "READY", True)]
        )
        self.assertEqual(models[0], self.attendant.get_model("tiny-mean"))
        self.assertGreater(models[0].limits.max_items_per_request, 0)
        self.assertEqual(self.attendant.encode("a").shape, (models[0].dimension,))
        self.assertEqual(self.attendant.health(), "SERVING")

    def test_what_is_wrong_is_named(self):
        with self.assertRaises(InvalidArgumentError) as raised:
            self.attendant.encode([*TEXTS, "", "more"])
        self.assertEqual((raised.exception.index, raised.exception.field), (300, "items[300].text"))
        with self.assertRaisesRegex(NotFoundError, "tiny-mean"):
            self.attendant.encode(TEXTS, model="no such model")
        with self.assertRaises(InvalidArgumentError) as raised:
            self.attendant.attention("a", layers=[99])
        self.assertIn("layers", raised.exception.field)
        errors = self.attendant.embed([[1, 2], [999999]]).errors
        self.assertEqual([(error.index, error.field) for error in errors], [(1, "items[1].tokens.input_ids[0]")])
        self.assertIn("items[1]", str(self.attendant.tokenize(["a", " "])[1].error))


class Secured(BothClients):
    """With API keys, over TLS, with certificates on both sides."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        files = {name: str(pathlib.Path(cls.directory.name) / name) for name in ("cert.pem", "key.pem", "keys")}
        # Signed by itself, so it is the authority, too; of both sides, to keep it short.
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
                "-keyout",
                files["key.pem"],
                "-out",
                files["cert.pem"],
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        line = subprocess.run(
            [os.environ["ATTENDANT_SERVER_BINARY"], "--hash-api-key", "test"],
            input=b"secret-secret-secret-secret\n",
            check=True,
            capture_output=True,
        ).stdout
        pathlib.Path(files["keys"]).write_bytes(line)
        cls.tls = Tls.from_files(files["cert.pem"], files["cert.pem"], files["key.pem"], server_name="localhost")
        cls.server = Server(
            "tiny-mean",
            "--tls-cert",
            files["cert.pem"],
            "--tls-key",
            files["key.pem"],
            "--tls-client-ca",
            files["cert.pem"],
            "--api-keys-file",
            files["keys"],
        )

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0
        cls.directory.cleanup()

    def test_key_and_certificate_open_it(self):
        client = self.client(self.server.address, api_key="secret-secret-secret-secret", tls=self.tls)
        self.assertEqual(client.encode(TEXTS).shape[0], 300)
        self.assertEqual(client.health(), "SERVING")

    def test_no_key_or_another_does_not(self):
        for key in (None, "another-key-another-key"):
            with self.assertRaises(AuthenticationError):
                self.client(self.server.address, api_key=key, tls=self.tls).encode("a")

    def test_no_certificate_or_no_trust_does_not(self):
        for tls in (True, False, dataclasses.replace(self.tls, certificate=None, key=None)):
            client = self.client(self.server.address, tls=tls, retry=RetryPolicy(max_attempts=1), timeout=10.0)
            with self.assertRaises(ConnectionError):
                client.encode("a")


class SyncSecured(WithClient, Secured, unittest.TestCase):
    pass


class AsyncSecured(WithAsyncClient, Secured, unittest.TestCase):
    pass


class SyncLive(WithClient, Live, unittest.TestCase):
    pass


class AsyncLive(WithAsyncClient, Live, unittest.TestCase):
    pass


if __name__ == "__main__":
    unittest.main()
