"""What every engine computes: cases of token ids, and texts with real English words. The same on every machine."""

import dataclasses
import pathlib

import numpy as np

CASES = ("1x16", "1x128", "32x16", "32x128", "8x512", "mixed32")
NUM_TEXTS = 2000
MEAN_TEXT_TOKENS = 49
PEER_BATCH = 32
# Texts that are run in arrival order by engines that pad: 12 batches tell the speed, all 2,000 would take minutes.
NUM_ARRIVAL_TEXTS = 384


@dataclasses.dataclass(frozen=True)
class Work:
    """Sequences of token ids; engines that pad take `batch` of them at a time (0: all at once)."""
    name: str
    sequences: list
    batch: int = 0
    # For engines that do not pad, instead: the same sequences in order of arrival.
    unsorted: tuple = ()

    @property
    def tokens(self):
        return sum(map(len, self.sequences))


def _log_normal(draw, mean, sigma, count, largest=256):
    lengths = draw.lognormal(np.log(mean) - sigma * sigma / 2, sigma, count)
    return np.clip(np.rint(lengths), 7, largest).astype(int)


def _ids(draw, lengths):
    """Of the part of BERT's vocabulary that has whole words and pieces, without special and reserved tokens."""
    return [draw.integers(1996, 29000, int(n)).tolist() for n in lengths]


def case(name):
    """'ROWSxLENGTH', or 'mixed32': one batch of 32 whose longest sequence has 256 tokens."""
    draw = np.random.default_rng(7)
    if name == "mixed32":
        lengths = _log_normal(draw, 64, 0.8, 32)
        lengths[lengths.argmax()] = 256
    else:
        rows, length = map(int, name.split("x"))
        lengths = [length] * rows
    return Work(name, _ids(draw, lengths))


def texts(model_dir, count=NUM_TEXTS):
    """Sentences of the vocabulary's own words, common ones more often; log-normal lengths."""
    vocabulary = pathlib.Path(model_dir, "vocab.txt").read_text(encoding="utf-8").split("\n")
    words = [word for word in vocabulary if word.isascii() and word.isalpha() and word.islower() and len(word) > 1]
    words = words[:8000]
    weights = 1 / np.arange(10, len(words) + 10)
    draw = np.random.default_rng(11)
    made = []
    for length in _log_normal(draw, MEAN_TEXT_TOKENS, 0.8, count):
        chosen = draw.choice(words, int(length) - 2, p=weights / weights.sum()).tolist()
        for at in range(11, len(chosen), 12):  # a mark is a token, like the word that it takes the place of
            chosen[at] = ","
        made.append(" ".join(chosen).replace(" ,", ",").capitalize())
    return made


def token_ids(model_dir, lines):
    import tokenizers
    tokenizer = tokenizers.Tokenizer.from_file(str(pathlib.Path(model_dir, "tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    return [encoding.ids for encoding in tokenizer.encode_batch(lines)]


def mixed_texts(sequences):
    """All texts sorted by length, which only an offline job can do, and the first ones as they arrive."""
    return [Work("sorted", sorted(sequences, key=len, reverse=True), PEER_BATCH, tuple(sequences)),
            Work("arrival", sequences[:NUM_ARRIVAL_TEXTS], PEER_BATCH)]
