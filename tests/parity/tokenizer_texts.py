"""Texts for comparing tokenizers: CLDR annotations of all locales, WordNet's glosses, Unicode's normalisation test, and
what a hostile caller would send."""

import bz2
import json
import os
import pathlib
import random
import subprocess
import sys
import tarfile

CLDR = "cldr-annotations-full@48.2.0"
WORDNET = pathlib.Path("/usr/share/wordnet")  # Debian: wordnet-base
NORMALIZATION_TEST = pathlib.Path("/usr/share/unicode/NormalizationTest.txt.bz2")  # Debian: unicode-data
# Marks whose order or category differs between Unicode versions, decompositions with marks in them, Hangul, Chinese.
DIFFICULT = ("\u0f73\u0f75\u0f81\u0344\u0343\u1b44\u1baa\u302e\u302f\ua953\U0001d165\U0001d166\U0001d160\U0001d16e"
             "\U0001e000\U0001e944\u0ddd\u0dca\u0130\u0131\u03a3\u03c2\u1e9e\u00df\uac00\uac01\ud7a3\u1100\u1161\u11a8"
             "\u4e00\uf900\ufa30\U0002f800\U0002b820\u200b\u200d\u00ad\ufeff\ufffd\u0000\u0001\u007f\u0085\u00a0\u2028"
             "\u3000\u1680\u180e\ue000\U000f0000\u0378\U0010ffff\u0e31\u20dd\u0300\u0301\u0323\u0334\u0345\u05b0\u08d4")


def _cache():
    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    path = base / "attendant" / "parity"
    path.mkdir(parents=True, exist_ok=True)
    return path


def cldr():
    """Every distinct annotation."""
    archive = _cache() / "cldr-annotations-full-48.2.0.tgz"
    if not archive.exists():
        subprocess.run(["npm", "pack", "--silent", CLDR], cwd=archive.parent, check=True, stdout=subprocess.DEVNULL)
    texts = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.name.endswith("annotations.json"):
                continue
            root = json.load(tar.extractfile(member))
            for entry in root["annotations"].get("annotations", {}).values():
                for values in entry.values():
                    texts.update(dict.fromkeys(values))
    return list(texts)


def glosses():
    if not WORDNET.is_dir():
        sys.exit(f"{WORDNET} is missing: apt-get install wordnet-base")
    texts = []
    for name in ("data.adj", "data.adv", "data.noun", "data.verb"):
        with open(WORDNET / name, encoding="utf-8") as file:
            texts += [line.split("|", 1)[1].strip() for line in file if "|" in line and not line.startswith("  ")]
    return texts


def normalization_test():
    if not NORMALIZATION_TEST.exists():
        sys.exit(f"{NORMALIZATION_TEST} is missing: apt-get install unicode-data")
    texts = {}
    with bz2.open(NORMALIZATION_TEST, "rt", encoding="utf-8") as file:
        for line in file:
            if line[:1] in "#@\n":
                continue
            for column in line.split("#")[0].split(";")[:5]:
                texts["".join(chr(int(c, 16)) for c in column.split())] = None
    return list(texts)


def random_strings(count, seed):
    """Letters, marks, white space, punctuation and anything else, mixed."""
    rnd = random.Random(seed)
    marks = [chr(c) for c in [*range(0x300, 0x370), *range(0x5b0, 0x5c3), *range(0x610, 0x61b), *range(0x1dc0, 0x1e00)]]
    pools = ["abcdefgXYZ ", "aAeEoOuU\u00e9\u00c5\u00f1\u1ea4\u01d5 ", " \t\n\r\v\f.,;!?-_'\"#$[]()", DIFFICULT, marks, None]
    texts = []
    for _ in range(count):
        chosen = [pools[i] for i in sorted(rnd.sample(range(len(pools)), rnd.randint(1, 3)))]
        text = ""
        for _ in range(rnd.randint(0, 40)):
            pool = rnd.choice(chosen)
            if pool is None:
                text += chr(rnd.choice([rnd.randrange(0xd800), rnd.randrange(0xe000, 0x110000)]))
            else:
                text += rnd.choice(pool)
        texts.append(text)
    return texts


def hand_written():
    """Added tokens in all surroundings, lengths at the limit of a word, empty things."""
    specials = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "[sep]", "[SEP", "SEP]", "[[SEP]]"]
    surroundings = ["{}", " {} ", "a{}b", "\u00e9{}\u0301", "{}{}", "  {}\n\n{}x", "\u4e00{}\u4e00", ".{}.", "\u0301{}"]
    texts = [s.replace("{}", t) for s in surroundings for t in specials]
    for n in (1, 2, 99, 100, 101, 102, 200):
        texts += ["a" * n, "\u00e9" * n, "e\u0301" * n, "\u4e00" * n, "x" * n + "\u0301", "\uac01" * n, "!" * n, "a\u200b" * n]
    return texts + ["", " ", "\n", "\u0000", "\u0301", "\u200b", "a b", "don't stop", "I\u0307\u0130i", "\u03a3\u03a3 \u03c2"]


def floods(size):
    """One megabyte of one thing."""
    units = ["a", "A", " ", ".", "\u0301", "\u0301\u0323", "e\u0301", "\u00e9", "\u4e00", "\uac01", "\ua953\u0301\u0323", "\u0000",
             "[SEP]", "[", "[SE", "a ", "\U0001d165", "\u0ddd\u0dca", "\u00df\u0130", "ab\u200b"]
    return [unit * (size // len(unit.encode())) for unit in units]


def invalid_utf8(count, seed):
    """Byte strings with lone surrogates, overlong forms, truncated and stray bytes."""
    rnd = random.Random(seed)
    bad = [b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xe2\x82", b"\xf0\x9f\x98",
           b"\xff", b"\xfe", b"\xe0\x80\x80", b"\xc2", b"\xf5\x80\x80\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xc1\xbf"]
    good = ["a", "b c", "\u00e9", "\u4e00", "\U0001f600", "[SEP]", " "]
    texts = list(bad)
    for _ in range(count):
        parts = [rnd.choice(bad) if rnd.random() < 0.5 else rnd.choice(good).encode() for _ in range(rnd.randint(1, 8))]
        if rnd.random() < 0.3:
            parts.append(rnd.randbytes(rnd.randint(1, 12)))
        texts.append(b"".join(parts))
    return texts
