"""Our tokenizer beside the `tokenizers` package: the same texts, one thread, one run. Usage:
    tokenizer_bench.py BUILD/bin/tokenizer_bench MODEL_DIRECTORY [SECONDS]
Texts: WordNet's glosses (English), 1 kB paragraphs of them, and, where the parity test has fetched them, CLDR annotations of
all languages. Each is repeated for SECONDS and the best round counts, for both.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "parity"))
import tokenizer_texts  # noqa: E402
import tokenizers  # noqa: E402


def reference(tokenizer, lines, seconds):
    best, tokens, start = float("inf"), 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        encodings = tokenizer.encode_batch(lines)
        best = min(best, time.perf_counter() - begin)
        tokens = sum(len(e.ids) for e in encodings)
    return best, tokens


def main(program, model, seconds=3.0):
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    glosses = tokenizer_texts.glosses()
    random.Random(1).shuffle(glosses)
    cldr = tokenizer_texts.cldr()
    random.Random(1).shuffle(cldr)
    sets = {"glosses": glosses[:15000], "paragraphs": [" ".join(glosses[i:i + 15]) for i in range(0, 15000, 15)],
            "all languages": cldr[:30000]}
    for name, lines in sets.items():
        data = "\n".join(lines).encode()
        output = subprocess.run([program, model, str(seconds)], input=data, stdout=subprocess.PIPE, check=True).stdout
        ours = json.loads(output)
        best, tokens = reference(tokenizer, lines, float(seconds))
        if tokens != ours["tokens"]:
            sys.exit(f"{name}: {ours['tokens']} tokens, not {tokens}")
        megabytes = ours["bytes"] / 1e6
        mine, theirs = megabytes / ours["best_seconds"], megabytes / best
        print(f"{name}: {len(lines)} texts, {megabytes:.2f} MB, {tokens} tokens: ours {mine:.1f} MB/s "
              f"({tokens / ours['best_seconds'] / 1e6:.2f} M tokens/s), tokenizers {tokenizers.__version__} {theirs:.1f} MB/s, "
              f"{mine / theirs:.1f} x; loaded in {ours['load_ms']} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
