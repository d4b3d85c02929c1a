"""Writes engine/tokenizer/unicode_tables.cc by asking the `tokenizers` package about every code point.

The package mixes several Unicode versions (its categories are older than its lower-casing, which is older than its
regular expressions), so no single Unicode version and no library gives its answers. Usage:
    tokenizer_unicode_tables.py engine/tokenizer/unicode_tables.cc
"""

import sys
import unicodedata

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

# The same names and values as in unicode_properties.h.
(CLEAN_REMOVED, CLEAN_SPACE, WHITESPACE, PUNCTUATION, NONSPACING_MARK, MARK, WORD, LOWERCASE_EXPANDS, HAS_NONSTARTER,
 HAS_KEPT_NONSTARTER) = (1 << i for i in range(10))
HANGUL = range(0xAC00, 0xAC00 + 11172)
BLOCK = 128
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **on}).normalize_str


def words_and_spaces():
    """What the package's regular expressions call \\w and \\s, seen through how added tokens match."""
    def matcher(**options):
        tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "Q": 1}, unk_token="[UNK]"))
        tokenizer.add_tokens([AddedToken("Q", normalized=False, **options)])
        return tokenizer
    single, strip = matcher(single_word=True), matcher(lstrip=True)
    words, spaces = {ord("Q")}, set()
    for c in CODE_POINTS:
        text = chr(c) + "Q"
        if 1 not in single.encode(text).ids:
            words.add(c)
        if c != ord("Q") and strip.encode(text).offsets[0] == (0, 2):
            spaces.add(c)
    return words, spaces


def canonical_classes(nfd):
    """Canonical combining classes, from who changes places with whom."""
    candidates = [c for c in CODE_POINTS if nfd(chr(c)) == chr(c)]
    nonzero = [c for c in candidates
               if nfd("\u0345" + chr(c)) != "\u0345" + chr(c) or nfd(chr(c) + "\u0334") != chr(c) + "\u0334"]
    references = {}
    for c in nonzero:
        if unicodedata.combining(chr(c)):
            references.setdefault(unicodedata.combining(chr(c)), chr(c))
    classes = {}
    for c in nonzero:
        equal = [k for k, r in references.items() if nfd(chr(c) + r) == chr(c) + r and nfd(r + chr(c)) == r + chr(c)]
        assert len(equal) == 1, (hex(c), equal)
        classes[c] = equal[0]
    return classes


def properties():
    """Yields (code point, flags, class, decomposition, lower-case delta) of every code point; flags without those about
    the combining classes of the decomposition."""
    clean, strip, lower = bert(clean_text=True), bert(strip_accents=True), normalizers.Lowercase().normalize_str
    nfd, strip_marks = normalizers.NFD().normalize_str, normalizers.StripAccents().normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    (words, spaces), classes = words_and_spaces(), canonical_classes(nfd)
    for c in CODE_POINTS:
        text, flags = chr(c), WORD if c in words else 0
        cleaned = clean(text)
        flags |= CLEAN_REMOVED if cleaned == "" else CLEAN_SPACE if cleaned == " " and c != 0x20 else 0
        assert cleaned in ("", " ", text), hex(c)
        pieces = [piece for piece, _ in split("a" + text + "a")]
        flags |= {1: 0, 2: WHITESPACE, 3: PUNCTUATION}[len(pieces)]
        decomposed = nfd(text)
        assert (c in spaces) == bool(flags & WHITESPACE), hex(c)  # one flag serves both
        if decomposed == text and strip(text) == "":
            flags |= NONSPACING_MARK
        if strip_marks(text) == "":
            flags |= MARK
        lowered = lower(text)
        if len(lowered) > 1:
            assert (c, lowered) == (0x130, "i\u0307"), hex(c)
            flags |= LOWERCASE_EXPANDS
        if c in HANGUL:
            decomposed = text  # by arithmetic
        yield c, flags, classes.get(c, 0), decomposed if decomposed != text else "", ord(lowered[0]) - c


def tables():
    pool, records, record_ids = [], [], {}
    of_code_point = [0] * 0x110000
    known = {c: rest for c, *rest in properties()}
    for c, (flags, ccc, decomposition, delta) in known.items():
        nonstarters = [known[ord(d)] for d in decomposition or chr(c) if known[ord(d)][1]]
        flags |= HAS_NONSTARTER if nonstarters else 0
        flags |= HAS_KEPT_NONSTARTER if any(not f & NONSPACING_MARK for f, *_ in nonstarters) else 0
        start = len(pool) if decomposition else 0
        pool.extend(ord(d) for d in decomposition)
        record = (flags, ccc, len(decomposition), start, delta)
        of_code_point[c] = record_ids.setdefault(record, len(record_ids))
    records = list(record_ids)
    blocks, block_ids, index = [], {}, []
    for first in range(0, 0x110000, BLOCK):
        block = tuple(of_code_point[first:first + BLOCK])
        if block not in block_ids:
            block_ids[block] = len(blocks)
            blocks.append(block)
        index.append(block_ids[block])
    assert len(pool) < 1 << 16 and len(records) < 1 << 16 and len(blocks) < 1 << 16
    return records, index, [r for block in blocks for r in block], pool


def array(declaration, values):
    lines, line = [f"{declaration} = {{"], ""
    for value in values:
        item = f"{value},"
        if len(line) + len(item) > 118:
            lines.append(line)
            line = ""
        line += item
    return "\n".join([*lines, line, "};", ""])


def main(path):
    import tokenizers
    records, index, record_of, pool = tables()
    with open(path, "w", encoding="ascii") as file:
        file.write(f"// Made by tests/parity/tokenizer_unicode_tables.py from tokenizers {tokenizers.__version__}; not edited "
                   "by hand.\n// clang-format off\n#include \"engine/tokenizer/unicode_properties.h\"\n\n"
                   "namespace attendant::unicode {\n\n")
        file.write(array("const CodePointRecord kRecords[]", (f"{{{f},{c},{n},{s},{d}}}" for f, c, n, s, d in records)))
        file.write("\n" + array("const uint16_t kBlockOfCodePoint[]", index))
        file.write("\n" + array("const uint16_t kRecordOfCodePoint[]", record_of))
        file.write("\n" + array("const char32_t kDecompositions[]", pool))
        file.write("\n}  // namespace attendant::unicode\n")
    print(f"{len(records)} records, {len(record_of) // BLOCK} blocks, {len(pool)} decomposed code points")


if __name__ == "__main__":
    main(sys.argv[1])
