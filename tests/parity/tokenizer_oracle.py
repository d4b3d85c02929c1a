"""The two tokenizers to be compared: the `tokenizers` package, and ours through the program tokenizer_dump."""

import array
import dataclasses
import itertools
import json
import os
import struct
import subprocess

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
import tokenizers  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Result:
    ids: tuple
    type_ids: tuple
    offsets: tuple  # start, end, start, end, ...


def as_text(text):
    return text if isinstance(text, str) else text.decode("utf-8", "replace")


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def theirs(definition, items, max_tokens=0, side="end"):
    """Results of the package, one by one. An item is a text or a pair of texts; a text is str or bytes."""
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(definition))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_tokens:
        tokenizer.enable_truncation(max_tokens, direction="right" if side == "end" else "left")
    for item in items:
        encoding = (tokenizer.encode(as_text(item[0]), as_text(item[1])) if isinstance(item, tuple)
                    else tokenizer.encode(as_text(item)))
        yield Result(tuple(encoding.ids), tuple(encoding.type_ids), tuple(x for pair in encoding.offsets for x in pair))


def ours(program, path, items, max_tokens=0, side="end"):
    """Results of tokenizer_dump for a tokenizer.json or a model directory."""
    records = []
    for item in items:
        first, second = item if isinstance(item, tuple) else (item, None)
        first = as_bytes(first)
        records += [struct.pack("<i", len(first)), first]
        second = None if second is None else as_bytes(second)
        records += [struct.pack("<i", -1)] if second is None else [struct.pack("<i", len(second)), second]
    command = [program, str(path), str(max_tokens), side]
    values = array.array("i", subprocess.run(command, input=b"".join(records), stdout=subprocess.PIPE, check=True).stdout)
    position = 0
    for _ in items:
        n = values[position]
        body = values[position + 2:position + 2 + 4 * n]
        yield Result(tuple(body[:n]), tuple(body[n:2 * n]), tuple(body[2 * n:]))
        position += 2 + 4 * n
    assert position == len(values)


def _bert(**changes):
    return {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True, **changes}


def _added(content, **changes):
    return {"id": None, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True,
            "special": False, **changes}


def _with_ids(vocab, tokens):
    """The ids that the package gives: the vocabulary's own, else the next ones."""
    new = itertools.count(len(vocab))
    return [{**token, "id": vocab[token["content"]] if token["content"] in vocab else next(new)} for token in tokens]


def configurations(base):
    """Variants of one tokenizer.json, by name; the first is the file itself."""
    vocab = base["model"]["vocab"]
    added = base["added_tokens"] + _with_ids(vocab, [
        _added("Quick Fox"), _added("single", single_word=True), _added("<left>", lstrip=True), _added("<rightn>", rstrip=True),
        _added("<right>", rstrip=True, normalized=False), _added("\u00c9t\u00e9"), _added("fox"),
        _added("<both>", lstrip=True, rstrip=True, normalized=False, special=True),
        _added("word", single_word=True, normalized=False)])
    stripped = {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]}
    padded = {"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": True, "strip_right": True}, _bert()]}
    tuples = {"cls": ["[CLS]", vocab["[CLS]"]], "sep": ["[SEP]", vocab["[SEP]"]]}
    roberta = {"type": "RobertaProcessing", **tuples, "trim_offsets": True, "add_prefix_space": True}
    mask = [dict(t, lstrip=t["content"] == "[MASK]", rstrip=t["content"] == "[PAD]") for t in base["added_tokens"]]
    special = {c: {"id": c, "ids": [vocab[c]], "tokens": [c]} for c in ("[CLS]", "[SEP]", "[MASK]")}
    long_special = dict(special, X={"id": "X", "ids": [vocab["[SEP]"], vocab["[MASK]"]], "tokens": ["[SEP]", "[MASK]"]})

    def sequence(name, type_id):
        return {"Sequence": {"id": name, "type_id": type_id}}
    template = {"type": "TemplateProcessing", "single": [sequence("A", 3), {"SpecialToken": {"id": "X", "type_id": 2}}],
                "pair": [sequence("B", 1), {"SpecialToken": {"id": "[MASK]", "type_id": 4}}, sequence("A", 5)],
                "special_tokens": long_special}
    variants = {
        "as it is": {},
        "cased": {"normalizer": _bert(lowercase=False)},
        "cased, accents stripped": {"normalizer": _bert(lowercase=False, strip_accents=True)},
        "accents kept": {"normalizer": _bert(strip_accents=False)},
        "no Chinese": {"normalizer": _bert(handle_chinese_chars=False)},
        "not cleaned": {"normalizer": _bert(clean_text=False)},
        "no normalizer, WhitespaceSplit": {"normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"}},
        "NFD, Lowercase, StripAccents, Whitespace": {"normalizer": stripped, "pre_tokenizer": {"type": "Whitespace"}},
        "Strip and Bert, two pre-tokenizers": {"normalizer": padded, "pre_tokenizer": {
            "type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, {"type": "BertPreTokenizer"}]}},
        "no pre-tokenizer": {"pre_tokenizer": None},
        "added tokens": {"added_tokens": added},
        "added tokens, cased": {"added_tokens": added, "normalizer": _bert(lowercase=False)},
        "BertProcessing": {"post_processor": {"type": "BertProcessing", **tuples}},
        "RobertaProcessing": {"post_processor": roberta, "added_tokens": mask},
        "RobertaProcessing without prefix space": {"post_processor": dict(roberta, add_prefix_space=False),
                                                   "added_tokens": mask},
        "no post-processor": {"post_processor": None},
        "odd template": {"post_processor": template},
        "short words": {"model": dict(base["model"], max_input_chars_per_word=5)},
        "other prefix": {"model": dict(base["model"], continuing_subword_prefix="a")},
        "no prefix": {"model": dict(base["model"], continuing_subword_prefix="")},
    }
    return {name: {**base, "truncation": None, "padding": None, **changes} for name, changes in variants.items()}


def texts_for_added_tokens():
    parts = ["quick fox", "Quick Fox", "Quick  Fox", "single", "singles", "\u00e9single", "<left>", "  <left>", "<right>  ", "<right>",
             " <both> ", "\u00c9t\u00e9", "ete", "\u00e9t\u00e9", "fox", "FOX", "foxes", "word", "sword", "word.", " ", "x", "[SEP]", "\u3000",
             "<rightn> ", "\u0301", "[MASK]", " [MASK]", "[PAD] ", "\u200b"]
    return [a + b + c for a in parts for b in parts for c in parts]
