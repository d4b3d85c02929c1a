"""OpenVINO: one lane is its latency hint, several are its throughput hint with that many streams."""

import threading

import openvino as ov

from bench.peers import adapters

# int8 leaves what is not quantised to the plug-in's own choice, as its users get it.
HINTS = {"fp32": "f32", "bf16": "bf16"}


class Engine:
    def __init__(self, spec):
        config = {"PERFORMANCE_HINT": "LATENCY" if spec.lanes == 1 else "THROUGHPUT",
                  "NUM_STREAMS": str(spec.lanes), "INFERENCE_NUM_THREADS": str(spec.threads)}
        if spec.precision in HINTS:
            config["INFERENCE_PRECISION_HINT"] = HINTS[spec.precision]
        self.model = ov.Core().compile_model(spec.artefact, "CPU", config)
        self.version = ov.__version__.split("-")[0]
        self.requests = threading.local()

    def embed(self, sequences):
        if not hasattr(self.requests, "own"):
            self.requests.own = self.model.create_infer_request()
        ids, mask = adapters.pad(sequences)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
        return self.requests.own.infer(inputs, share_inputs=True)[0].copy()
