"""Which configurations of each peer take part, and what each of them loads."""

import dataclasses

PRECISIONS = ("fp32", "bf16", "int8")
LABELS = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ctranslate2": "CTranslate2", "pytorch": "PyTorch"}


@dataclasses.dataclass(frozen=True)
class Configuration:
    peer: str
    artefact: str  # a kind of bench.peers.artefacts; "" is the model directory itself
    lanes: int
    setting: str = ""


def configurations(precision, threads):
    """One batch on all threads, and, since it may be faster, a batch (or a part of one) on each."""
    quantized = "_int8" if precision == "int8" else ""
    found = [Configuration("pytorch", "", 1)]
    for lanes in sorted({1, threads}):
        found += [Configuration("onnxruntime", "onnx" + quantized, lanes, "fused"),
                  Configuration("openvino", "openvino" + quantized, lanes),
                  Configuration("ctranslate2", "ctranslate2", lanes)]
    if quantized:  # quantised before or after its transformer fusions: which is faster depends on the shape
        found.append(Configuration("onnxruntime", "onnx_plain_int8", 1, "not fused"))
    return found
