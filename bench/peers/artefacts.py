"""Makes what each peer loads from a model directory, and a base-size model with random weights.

    python -m bench.peers.artefacts KIND MODEL_DIR TARGET

Each runs in a process of its own, so that what conversion leaves behind in memory disturbs no measurement.
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile

# Before any of the libraries is loaded: no network, nothing reported to anybody.
os.environ.update(HF_HUB_OFFLINE="1", ORT_DISABLE_TELEMETRY="1", NNCF_CI="1", TOKENIZERS_PARALLELISM="false")

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
CALIBRATION_TEXTS = 128


def load_encoder(model_dir, attention):
    """Ids to unit vectors by mean pooling, as one module, so that every graph holds the pooling, too."""
    import torch
    import transformers

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = transformers.AutoModel.from_pretrained(model_dir, attn_implementation=attention)

        def forward(self, input_ids, attention_mask, token_type_ids):
            hidden = self.model(input_ids=input_ids, attention_mask=attention_mask,
                                token_type_ids=token_type_ids).last_hidden_state
            mask = attention_mask.unsqueeze(1).to(hidden.dtype)
            return torch.nn.functional.normalize(torch.bmm(mask, hidden).squeeze(1), dim=-1)

    return Encoder().eval()


def _export(model_dir, target):
    import torch
    ids = torch.ones(2, 9, dtype=torch.int64)
    axes = {name: {0: "batch", 1: "length"} for name in INPUTS} | {"vectors": {0: "batch"}}
    torch.onnx.export(load_encoder(model_dir, "eager"), (ids, ids, ids * 0), target, input_names=INPUTS,
                      output_names=["vectors"], dynamo=False, opset_version=17, dynamic_axes=axes)


def make_onnx(model_dir, target):
    """With the transformer fusions that ONNX Runtime brings as a tool."""
    from onnxruntime.transformers import optimizer
    with tempfile.TemporaryDirectory() as folder:
        _export(model_dir, folder + "/model.onnx")
        config = _config(model_dir)
        optimizer.optimize_model(folder + "/model.onnx", model_type="bert", num_heads=config["num_attention_heads"],
                                 hidden_size=config["hidden_size"]).save_model_to_file(target)


def _quantize(export, model_dir, target):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    with tempfile.TemporaryDirectory() as folder:
        export(model_dir, folder + "/model.onnx")
        # The fused operators are unknown to the inference of types.
        quantize_dynamic(folder + "/model.onnx", target, per_channel=True, weight_type=QuantType.QInt8,
                         extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


def make_onnx_int8(model_dir, target):
    _quantize(make_onnx, model_dir, target)


def make_onnx_plain_int8(model_dir, target):
    _quantize(_export, model_dir, target)


def _openvino(model_dir):
    import openvino
    import torch
    ids = torch.ones(2, 9, dtype=torch.int64)
    model = openvino.convert_model(load_encoder(model_dir, "sdpa"), example_input=(ids, ids, ids * 0))
    for tensor, name in zip(model.inputs, INPUTS):
        tensor.get_tensor().set_names({name})
        tensor.get_node().set_partial_shape(openvino.PartialShape([-1, -1]))
        tensor.get_node().set_element_type(openvino.Type.i64)
    model.validate_nodes_and_infer_types()
    return model


def make_openvino(model_dir, target):
    import openvino
    openvino.save_model(_openvino(model_dir), target, compress_to_fp16=False)


def make_openvino_int8(model_dir, target):
    import nncf
    import openvino
    from bench.peers import adapters, workload
    # Other texts than those measured: the last ones of a longer list.
    lines = workload.texts(model_dir, workload.NUM_TEXTS + CALIBRATION_TEXTS)[-CALIBRATION_TEXTS:]
    samples = []
    for sequence in workload.token_ids(model_dir, lines):
        ids, mask = adapters.pad([sequence])
        samples.append({"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0})
    quantized = nncf.quantize(_openvino(model_dir), nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER,
                              subset_size=CALIBRATION_TEXTS)
    openvino.save_model(quantized, target)


def make_ctranslate2(model_dir, target):
    from ctranslate2.converters import TransformersConverter
    TransformersConverter(model_dir).convert(target, force=True)


def make_base_model(model_dir, target):
    """BERT's base size: what is measured does not depend on the weights' values."""
    import torch
    import transformers
    torch.manual_seed(1)
    # The kind of positions is what all such models have; older readers want to see it written.
    config = transformers.BertConfig(vocab_size=_config(model_dir)["vocab_size"], hidden_size=768, num_hidden_layers=12,
                                     num_attention_heads=12, intermediate_size=3072, max_position_embeddings=512,
                                     position_embedding_type="absolute")
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(target)
    source, pooling = pathlib.Path(model_dir), pathlib.Path(target, "1_Pooling")
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "modules.json",
                 "sentence_bert_config.json", "config_sentence_transformers.json"):
        if (source / name).exists():
            shutil.copy(source / name, target)
    pooling.mkdir()
    text = (source / "1_Pooling" / "config.json").read_text(encoding="utf-8")
    hidden = _config(model_dir)["hidden_size"]
    (pooling / "config.json").write_text(text.replace(str(hidden), "768"), encoding="utf-8")


def _config(model_dir):
    return json.loads(pathlib.Path(model_dir, "config.json").read_text(encoding="utf-8"))


MAKERS = {"onnx": make_onnx, "onnx_int8": make_onnx_int8, "onnx_plain_int8": make_onnx_plain_int8,
          "openvino": make_openvino, "openvino_int8": make_openvino_int8, "ctranslate2": make_ctranslate2,
          "base_model": make_base_model}

if __name__ == "__main__":
    MAKERS[sys.argv[1]](*sys.argv[2:])
