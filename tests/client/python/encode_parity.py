"""encode() of the client against encode() of sentence-transformers, option by option. Run by hand, where
sentence-transformers and the client are installed. Usage: encode_parity.py HOST:PORT MODEL_DIR

float32 may differ by 1e-5 (hidden states, whose elements are larger, by 1e-4). Quantised values are decided by a
float's side of a border, so a few may be off by one; none by more.
"""

import itertools
import sys

import numpy as np
import torch
from attendant_client import Client
from sentence_transformers import SentenceTransformer

TEXTS = [f"sentence {i}" + " with some more words in it" * (i % 11) for i in range(64)] + [
    "x",
    "Ünïcödé 漢字",
    "word " * 600,
]
MAX_SHARE_OFF_BY_ONE = 0.002


def numbers(value):
    return value.numpy() if isinstance(value, torch.Tensor) else value


def compare(name, ours, theirs):
    if isinstance(theirs, list):
        assert isinstance(ours, list) and len(ours) == len(theirs), name
        assert [row.shape for row in map(numbers, ours)] == [row.shape for row in map(numbers, theirs)], name
        if not theirs:
            return 0.0
        ours, theirs = (
            np.concatenate([np.atleast_2d(numbers(row)) for row in ours]),
            np.concatenate([np.atleast_2d(numbers(row)) for row in theirs]),
        )
    else:
        assert type(ours) is type(theirs), f"{name}: {type(ours)} instead of {type(theirs)}"
    ours, theirs = numbers(ours), numbers(theirs)
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, (
        f"{name}: {ours.shape} {ours.dtype}, {theirs.shape} {theirs.dtype}"
    )
    if ours.dtype.kind == "f":
        difference = float(np.abs(ours - theirs).max(initial=0.0))
        assert difference <= (1e-4 if "token_embeddings" in name else 1e-5), f"{name}: {difference}"
        return difference
    if "binary" in name:
        off = np.unpackbits((ours ^ theirs).view(np.uint8)).mean()
    else:
        steps = np.abs(ours.astype(int) - theirs.astype(int))
        assert steps.max() <= 1, f"{name}: off by {steps.max()}"
        off = (steps > 0).mean()
    assert off <= MAX_SHARE_OFF_BY_ONE, f"{name}: {off:.2%} are off"
    return float(off)


def main(address, directory):
    theirs = SentenceTransformer(directory, device="cpu", prompts={})
    worst = {}
    with Client(address) as client:

        def check(sentences, **options):
            name = f"{type(sentences).__name__}{len(sentences)} {options}"
            kind = options.get("precision", "float32")
            worst[kind] = max(
                worst.get(kind, 0.0),
                compare(name, client.encode(sentences, **options), theirs.encode(sentences, **options)),
            )

        for precision, normalize, dimension in itertools.product(
            ("float32", "int8", "uint8", "binary", "ubinary"), (False, True), (None, 64)
        ):
            check(TEXTS, precision=precision, normalize_embeddings=normalize, truncate_dim=dimension)
        for sentences in (TEXTS[0], [TEXTS[0]], tuple(TEXTS[:3]), np.array(TEXTS[:3]), []):
            check(sentences)
            check(sentences, convert_to_tensor=True)
            check(sentences, convert_to_numpy=False)
            check(sentences, prompt="query: ")
        for precision in ("float32", "uint8", "binary"):
            check(TEXTS, output_value="token_embeddings", precision=precision)
    for kind, value in worst.items():
        print(f"{kind:<8} {'largest difference' if kind == 'float32' else 'share off by one'}: {value:.3g}")


if __name__ == "__main__":
    main(*sys.argv[1:])
