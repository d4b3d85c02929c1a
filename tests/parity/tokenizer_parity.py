"""Compares our tokenizer with the `tokenizers` package, ids, types and offsets, over some 500,000 strings and 20 kinds of
tokenizer. Exit status 0: no difference. Run by scripts/test --parity; the environment says where things are:
ATTENDANT_BIN (with tokenizer_dump in it), ATTENDANT_TEST_MODEL_DIR.
"""

import json
import os
import pathlib
import random
import sys
import tempfile
import time

import tokenizer_oracle as oracle
import tokenizer_texts as texts


class Comparison:
    def __init__(self, program):
        self.program, self.strings, self.differing = program, 0, 0

    def run(self, name, definition, items, path=None, max_tokens=0, side="end"):
        start, differing = time.monotonic(), 0
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(definition, file)
            file.flush()
            ours = oracle.ours(self.program, path or file.name, items, max_tokens, side)
            theirs = oracle.theirs(definition, items, max_tokens, side)
            for item, mine, other in zip(items, ours, theirs):
                if mine == other:
                    continue
                differing += 1
                if differing <= 3:
                    print(f"  {str(item)[:200]!r}\n    ours   {str(mine)[:300]}\n    theirs {str(other)[:300]}")
        self.strings += len(items)
        self.differing += differing
        print(f"{name}: {len(items)} strings, {differing} differ ({time.monotonic() - start:.1f} s)", flush=True)


def pairs(strings, count, seed):
    rnd = random.Random(seed)
    return [(rnd.choice(strings), rnd.choice(strings)) for _ in range(count)]


def vocabulary_files(comparison, base, strings):
    """The same tokenizer from vocab.txt, against `transformers`."""
    import transformers
    vocab = sorted(base["model"]["vocab"], key=base["model"]["vocab"].get)
    for config in ({}, {"do_lower_case": False}, {"strip_accents": False}, {"tokenize_chinese_chars": False},
                   {"do_lower_case": False, "strip_accents": True}):
        with tempfile.TemporaryDirectory() as directory:
            folder = pathlib.Path(directory)
            (folder / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
            config = {"tokenizer_class": "BertTokenizer", "unk_token": "[UNK]", "mask_token": "[MASK]", **config}
            (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
            reference = transformers.BertTokenizerFast.from_pretrained(folder)
            definition = json.loads(reference.backend_tokenizer.to_str())
            comparison.run(f"vocab.txt, {config}", definition, strings, path=folder)


def main():
    directory = pathlib.Path(os.environ["ATTENDANT_TEST_MODEL_DIR"])
    comparison = Comparison(os.path.join(os.environ["ATTENDANT_BIN"], "tokenizer_dump"))
    base = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
    configurations = oracle.configurations(base)
    plain = configurations["as it is"]

    cldr, glosses, normalization = texts.cldr(), texts.glosses(), texts.normalization_test()
    random.Random(1).shuffle(cldr)
    adversarial = texts.hand_written() + texts.random_strings(20000, 2)
    comparison.run("CLDR", plain, cldr[:200000], path=directory)
    comparison.run("WordNet", plain, glosses, path=directory)
    comparison.run("NormalizationTest", plain, normalization)
    comparison.run("every code point", plain, [f"a{chr(c)}B" for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and
                                               (c < 0x30000 or c % 97 == 0)])
    comparison.run("adversarial", plain, adversarial)
    comparison.run("invalid UTF-8", plain, texts.invalid_utf8(20000, 3))
    comparison.run("floods of 1 MB", plain, texts.floods(1 << 20))
    sample = cldr[-2000:] + glosses[::100] + normalization[::25] + adversarial[:6000]
    for name, definition in configurations.items():
        extra = oracle.texts_for_added_tokens() if "added" in name or "Roberta" in name else []
        comparison.run(name, definition, sample + extra)
        comparison.run(f"{name}, pairs", definition, pairs(sample + extra[::9], 2000, 4))
        comparison.run(f"{name}, invalid UTF-8 and floods", definition, texts.invalid_utf8(500, 5) + texts.floods(1 << 12))
    for limit, side in ((5, "end"), (5, "start"), (16, "end"), (16, "start"), (3, "end"), (128, "end")):
        comparison.run(f"at most {limit} from the {side}", plain, sample + pairs(sample, 5000, limit), None, limit, side)
        comparison.run(f"Roberta, at most {limit} from the {side}", configurations["RobertaProcessing"],
                       oracle.texts_for_added_tokens()[::3], None, max(limit, 4), side)
    vocabulary_files(comparison, base, sample)

    print(f"{comparison.strings} strings, {comparison.differing} differ")
    return 1 if comparison.differing or comparison.strings < 200000 else 0


if __name__ == "__main__":
    sys.exit(main())
