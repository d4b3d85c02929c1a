"""Makes the small random models in tests/testdata/models and what sentence-transformers answers for them.

Run with torch, transformers and sentence-transformers installed:  python tests/parity/make_models.py
Each model is one corner of the architecture; expected.json beside it holds inputs and the reference's outputs.
"""

import json
import math
import pathlib
import shutil

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer, models
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel

OUT = pathlib.Path(__file__).resolve().parents[1] / "testdata" / "models"
WORDS = (
    "the a of and to in is was for on that with as it be by at from are this have an they which one were all we "
    "cat dog sits mat runs fast slow river bank money water house red blue green small large old new ##s ##ing ##ed "
    "##ly ##er query passage : what where who when how why not"
).split()
TEXTS = [
    "cat",
    "The cat sits on the mat.",
    "A dog runs fast to the river bank!",
    "What is water?",
    "Éclairs & naïve façades — 漢字 too",
    "x",
    "the old house was small and the new house is large " * 2,
    "unknownword zzz 12345",
    "how why when " * 40,
]


def make_tokenizer(directory: pathlib.Path, only_vocab_txt: bool) -> int:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(33, 127)] + ["漢", "—"]
    pieces += [c for c in letters if not c.isupper()] + ["##" + c for c in letters if c.isalnum() and not c.isupper()]
    pieces += [w for w in WORDS if w not in pieces]
    (directory / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    vocab = {p: i for i, p in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.add_special_tokens(pieces[:5])
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(directory / "tokenizer.json"))
    json.dump({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512, "unk_token": "[UNK]",
               "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"},
              open(directory / "tokenizer_config.json", "w"))
    if only_vocab_txt:
        (directory / "tokenizer.json").unlink()
    else:
        (directory / "vocab.txt").unlink()
    return len(pieces)


def sinusoid(positions: int, width: int) -> torch.Tensor:
    table = torch.zeros(positions, width, dtype=torch.float64)
    for i in range(width):
        angle = torch.arange(positions, dtype=torch.float64) / math.pow(10000.0, (i // 2 * 2) / width)
        table[:, i] = torch.sin(angle) if i % 2 == 0 else torch.cos(angle)
    return table.float()


def spread(model: torch.nn.Module) -> None:
    """Random weights large enough that attention is not uniform and every path matters."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "LayerNorm.weight" in name:
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif p.dim() == 1:
                p.copy_(0.1 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (0.5 if "embeddings" in name else 1.2 / math.sqrt(p.shape[1])))


def reference_answers(st, directory, config, prompts, default_prompt):
    expected = {"texts": TEXTS, "embeddings": [], "token_ids": [], "pairs": [], "attention": {}, "prompted": {}}
    for text in TEXTS:
        features = st.tokenize([text])
        expected["token_ids"].append(features["input_ids"][0].tolist())
        expected["embeddings"].append(st.encode([text], prompt="" if default_prompt else None)[0].astype(float).tolist())
    for prompt in prompts or {}:
        expected["prompted"][prompt] = st.encode(TEXTS[:3], prompt_name=prompt).astype(float).tolist()
    if config.type_vocab_size > 1:
        for first, second in (("the cat", "a dog runs"), ("what is water " * 30, "who " * 5)):
            features = st.tokenize([(first, second)])
            with torch.no_grad():
                vector = st(dict(features))["sentence_embedding"][0]
            expected["pairs"].append({"first": first, "second": second, "ids": features["input_ids"][0].tolist(),
                                      "type_ids": features["token_type_ids"][0].tolist(),
                                      "embedding": vector.double().tolist()})
    features = st.tokenize([TEXTS[1]])
    with torch.no_grad():
        reference = BertModel.from_pretrained(directory, attn_implementation="eager").eval()
        output = reference(**{k: v for k, v in features.items() if k in ("input_ids", "token_type_ids", "attention_mask")},
                           output_attentions=True)
    expected["attention"] = {"text": TEXTS[1], "maps": [a[0].double().tolist() for a in output.attentions],
                             "hidden": output.last_hidden_state[0].double().tolist()}
    return expected


def write_modules(directory, hidden_size, flags, include_prompt, dense, normalize):
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(
        {"word_embedding_dimension": hidden_size, **flags, "include_prompt": include_prompt}, indent=1))
    listing = [("", "Transformer"), ("1_Pooling", "Pooling")]
    listing += [("2_Dense", "Dense")] if dense else []
    listing += [(f"{len(listing)}_Normalize", "Normalize")] if normalize else []
    (directory / "modules.json").write_text(json.dumps(
        [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
         for i, (path, kind) in enumerate(listing)], indent=1))


def build(name, config, *, pooling, normalize=False, dense=None, only_vocab_txt=False, max_seq_length=64, prompts=None,
          default_prompt=None, include_prompt=True, positions=None, dtype=None, old_names=False, with_pooler=True,
          modules=True):
    torch.manual_seed(sum(map(ord, name)))
    directory = OUT / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    vocab_size = make_tokenizer(directory, only_vocab_txt)
    config = BertConfig(vocab_size=vocab_size, max_position_embeddings=80, hidden_dropout_prob=0,
                        attention_probs_dropout_prob=0, **config)
    config._attn_implementation = "eager"
    bert = BertModel(config, add_pooling_layer=with_pooler).eval()
    spread(bert)
    if positions == "sinusoidal":
        with torch.no_grad():
            bert.embeddings.position_embeddings.weight.copy_(sinusoid(80, config.hidden_size))
    if dtype:
        bert = bert.to(dtype).float()
    bert.save_pretrained(directory)

    # The reference answers before the files are made awkward.
    (directory / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": max_seq_length, "do_lower_case": False}))
    transformer = models.Transformer(str(directory), max_seq_length=max_seq_length)
    flags = {f"pooling_mode_{m}": m in pooling for m in
             ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")}
    parts = [transformer, models.Pooling(config.hidden_size, include_prompt=include_prompt, **flags)]
    if dense:
        parts.append(models.Dense(config.hidden_size * len(pooling), dense))
        spread(parts[-1])
    if normalize:
        parts.append(models.Normalize())
    st = SentenceTransformer(modules=parts, prompts=prompts, default_prompt_name=default_prompt, device="cpu")
    st[0].auto_model.config._attn_implementation = "eager"
    expected = reference_answers(st, directory, config, prompts, default_prompt)

    # Files as they occur in the wild.
    if dense:
        (directory / "2_Dense").mkdir()
        st[2].save(str(directory / "2_Dense"))
    tensors = load_file(directory / "model.safetensors")
    if dtype:
        tensors = {k: v.to(dtype) for k, v in tensors.items()}
    if positions == "sinusoidal":
        tensors.pop("embeddings.position_embeddings.weight")
        raw = json.loads((directory / "config.json").read_text())
        raw["position_embedding_type"] = "sinusoidal"
        (directory / "config.json").write_text(json.dumps(raw, indent=1))
    if old_names:
        rename = lambda k: "bert." + k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        tensors = {rename(k): v for k, v in tensors.items()}
        tensors["bert.embeddings.position_ids"] = torch.arange(80).unsqueeze(0)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    if only_vocab_txt:
        (directory / "tokenizer.json").unlink(missing_ok=True)
    if modules:
        write_modules(directory, config.hidden_size, flags, include_prompt, dense, normalize)
    else:
        (directory / "sentence_bert_config.json").unlink()
    if prompts:
        (directory / "config_sentence_transformers.json").write_text(json.dumps(
            {"prompts": prompts, "default_prompt_name": default_prompt, "similarity_fn_name": "cosine"}, indent=1))
    (directory / "special_tokens_map.json").unlink(missing_ok=True)
    round9 = lambda x: round(x, 9) if isinstance(x, float) else [round9(y) for y in x] if isinstance(x, list) else (
        {k: round9(v) for k, v in x.items()} if isinstance(x, dict) else x)
    (directory / "expected.json").write_text(json.dumps(round9(expected), ensure_ascii=False) + "\n", encoding="utf-8")
    print(name, sum(f.stat().st_size for f in directory.rglob("*") if f.is_file()))


def main():
    small = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
    build("tiny-mean", small, pooling=["mean_tokens"], normalize=True, prompts={"query": "query: ", "passage": "passage: "})
    build("odd-heads-cls", dict(hidden_size=45, num_hidden_layers=3, num_attention_heads=9, intermediate_size=67),
          pooling=["cls_token"], only_vocab_txt=True)
    build("one-layer-relu-max", dict(hidden_size=20, num_hidden_layers=1, num_attention_heads=2, intermediate_size=30,
                                     hidden_act="relu"), pooling=["max_tokens"], old_names=True, with_pooler=False)
    build("sinusoidal-sqrt", dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=50,
                                  type_vocab_size=1), pooling=["mean_sqrt_len_tokens"], positions="sinusoidal")
    build("concatenated-f16", dict(hidden_size=40, num_hidden_layers=2, num_attention_heads=1, intermediate_size=96,
                                   hidden_act="gelu_new"),
          pooling=["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"],
          dtype=torch.float16)
    build("dense-prompt", small, pooling=["mean_tokens"], dense=10, normalize=True, include_prompt=False,
          prompts={"query": "what is the query: ", "document": ""}, default_prompt="query")
    build("wide-heads-bf16", dict(hidden_size=128, num_hidden_layers=1, num_attention_heads=2, intermediate_size=160,
                                  hidden_act="silu"), pooling=["weightedmean_tokens"], normalize=True, dtype=torch.bfloat16)
    build("plain-hf", small, pooling=["mean_tokens"], modules=False, max_seq_length=80)


if __name__ == "__main__":
    main()
