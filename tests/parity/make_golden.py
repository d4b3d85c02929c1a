"""Makes tests/testdata/golden: what sentence-transformers (fp32) answers for 200 texts on the default model.

    python tests/parity/make_golden.py MODEL_DIR

texts.json holds the texts and, for three of them, the shape of the attention maps; vectors.f32 and attention.f32 hold
little-endian float32 in the same order. Texts come from WordNet's glosses (Debian package wordnet-base) and from the
list below; lengths run from 1 to beyond 256 tokens, where the model truncates.
"""

import json
import pathlib
import random
import sys

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

OUT = pathlib.Path(__file__).resolve().parents[1] / "testdata" / "golden"
GLOSSES = pathlib.Path("/usr/share/wordnet/data.noun")
OWN = [
    "a", "?", "0", "Hello, world!", "The cat sits on the mat.", "THE CAT SITS ON THE MAT.", "naïve café résumé Ångström",
    "漢字とかな交じり文", "Привет, мир", "مرحبا بالعالم", "नमस्ते दुनिया", "🙂 emoji 👩‍👩‍👧 too", "tabs\tand\nnewlines\r\nhere",
    "e = mc^2; f(x) = x**2 + 3*x - 1", "def f(x):\n    return x + 1", "https://example.org/a?b=c&d=e#f",
    "supercalifragilisticexpialidocious" * 4, "x" * 150, "word " * 300, "1234567890 " * 40,
    "don't won't can't it's", "U.S.A. vs. U.K., e.g. Ph.D.", "[CLS] not special? [SEP] [MASK]", "ﬁ ligature ½ № ™",
]


def main():
    random.seed(7)
    glosses = [line.split("|")[1].strip() for line in GLOSSES.read_text().splitlines() if "|" in line]
    texts = list(OWN)
    while len(texts) < 200:
        target = random.choice([5, 10, 20, 40, 80, 120, 200, 260]) * 4
        text = random.choice(glosses)
        while len(text) < target:
            text += " " + random.choice(glosses)
        texts.append(text[:target] if random.random() < 0.5 else text)
    model = SentenceTransformer(sys.argv[1], device="cpu")
    vectors = np.stack([model.encode([t])[0] for t in texts]).astype("<f4")
    OUT.mkdir(parents=True, exist_ok=True)
    vectors.tofile(OUT / "vectors.f32")
    model[0].auto_model.set_attn_implementation("eager")
    maps, chosen = [], [0, 4, 20]
    for i in chosen:
        features = model.tokenize([texts[i]])
        keys = ("input_ids", "attention_mask", "token_type_ids")
        with torch.no_grad():
            output = model[0].auto_model(**{k: features[k] for k in keys if k in features}, output_attentions=True)
        maps.append(torch.stack([a[0] for a in output.attentions]).numpy().astype("<f4"))
    np.concatenate([m.ravel() for m in maps]).tofile(OUT / "attention.f32")
    lengths = [len(model.tokenize([t])["input_ids"][0]) for t in texts]
    print("tokens: min", min(lengths), "max", max(lengths))
    (OUT / "texts.json").write_text(json.dumps(
        {"texts": texts, "num_tokens": lengths, "attention": [{"text": i, "shape": list(m.shape)} for i, m in zip(chosen, maps)]},
        ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
