"""ONNX Runtime: all graph optimisations, transformer fusions; int8 is dynamic quantisation per channel."""

import onnxruntime as ort

from bench.peers import adapters


class Engine:
    def __init__(self, spec):
        if spec.precision == "bf16":
            raise RuntimeError("ONNX Runtime has no bf16 kernels for this kind of CPU")
        options = ort.SessionOptions()
        options.intra_op_num_threads = spec.threads_per_lane
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = ort.InferenceSession(spec.artefact, options, providers=["CPUExecutionProvider"])
        self.version = ort.__version__

    def embed(self, sequences):
        ids, mask = adapters.pad(sequences)
        return self.session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0})[0]
