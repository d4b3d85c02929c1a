"""Writes tests/testdata/tokenizer: small tokenizers trained on WordNet, and what the `tokenizers` package makes of some
2,000 texts with them. Deterministic. Usage: tokenizer_golden.py tests/testdata/tokenizer

golden.txt, a record a line, fields between tabs: the tokenizer's file; the longest length and side of truncation, or "-"; the
text or two texts, as JSON strings, or x and hexadecimal where they are not UTF-8; ids; type ids; offsets. Numbers have
spaces between them.
"""

import json
import pathlib
import random
import sys

import tokenizer_oracle as oracle
import tokenizer_texts as texts
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train(glosses):
    """An uncased BERT tokenizer of 3,000 pieces."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=3000, special_tokens=SPECIALS, show_progress=False, initial_alphabet=list(
        "\u03b1\u03c3\u0431\u0434\u4e00\u4e8c\u1100\u1161\u11a8\u0301\u00e9\u00df"))
    tokenizer.train_from_iterator(glosses, trainer)
    ids = {token: tokenizer.token_to_id(token) for token in SPECIALS}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[(t, ids[t]) for t in ("[CLS]", "[SEP]")])
    definition = json.loads(tokenizer.to_str())
    # The trainer's numbering of equally frequent pieces is not the same each time.
    pieces = SPECIALS + sorted(set(definition["model"]["vocab"]) - set(SPECIALS))
    definition["model"]["vocab"] = {piece: i for i, piece in enumerate(pieces)}
    for token in definition["post_processor"]["special_tokens"].values():
        token["ids"] = [pieces.index(t) for t in token["tokens"]]
    definition["added_tokens"] = [dict(t, id=pieces.index(t["content"])) for t in definition["added_tokens"]]
    return definition


def encode_text(text):
    return "x" + text.hex() if isinstance(text, bytes) else json.dumps(text)


def record(name, limit, side, item, result):
    pair = item if isinstance(item, tuple) else (item,)
    columns = [name, f"{limit} {side}" if limit else "-", *(encode_text(t) for t in pair)]
    return "\t".join([*columns, *(" ".join(map(str, v)) for v in (result.ids, result.type_ids, result.offsets))])


def main(folder):
    folder = pathlib.Path(folder)
    rnd = random.Random(11)
    glosses, normalization = texts.glosses(), texts.normalization_test()
    cldr = sorted(texts.cldr())
    base = train(glosses)
    wanted = {"uncased.json": "as it is", "cased.json": "cased", "added.json": "added tokens", "roberta.json": "RobertaProcessing",
              "steps.json": "NFD, Lowercase, StripAccents, Whitespace"}
    configurations = oracle.configurations(base)
    short_glosses = [g for g in glosses if len(g) < 80]
    ordinary = rnd.sample(cldr, 500) + rnd.sample(short_glosses, 300) + rnd.sample(normalization, 250)
    hostile = texts.hand_written() + texts.random_strings(250, 12) + texts.invalid_utf8(100, 13)
    some = rnd.sample(ordinary, 60) + rnd.sample(hostile, 60)
    added = rnd.sample(oracle.texts_for_added_tokens(), 100)
    runs = [("uncased.json", 0, "end", ordinary + hostile), ("cased.json", 0, "end", some), ("added.json", 0, "end", added + some),
            ("roberta.json", 0, "end", added), ("roberta.json", 6, "start", added[:40]), ("steps.json", 0, "end", some)]
    couples = [(rnd.choice(some), rnd.choice(some)) for _ in range(60)]
    for limit in (3, 4, 7, 12):
        for side in ("end", "start"):
            runs.append(("uncased.json", limit, side, couples[:40] + some[:20]))
    runs += [("uncased.json", 0, "end", couples), ("roberta.json", 0, "end", couples)]
    lines = [record(name, limit, side, item, result)
             for name, limit, side, items in runs
             for item, result in zip(items, oracle.theirs(configurations[wanted[name]], items, limit, side))]
    # One vocabulary for all: each file but the first holds only what is different.
    (folder / "uncased.json").write_text(json.dumps(base, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="ascii")
    for name, configuration in wanted.items():
        changes = {k: v for k, v in configurations[configuration].items() if v != base[k]}
        if name != "uncased.json":
            (folder / name).write_text(json.dumps(changes, indent=1) + "\n", encoding="ascii")
    (folder / "golden.txt").write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{len(lines)} records")


if __name__ == "__main__":
    main(sys.argv[1])
