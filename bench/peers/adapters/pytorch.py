"""PyTorch through transformers, with its fused attention; int8 is dynamic quantisation of all linear layers."""

import torch

from bench.peers import adapters
from bench.peers.artefacts import load_encoder


class Engine:
    def __init__(self, spec):
        torch.set_num_threads(spec.threads_per_lane)
        model = load_encoder(spec.artefact, attention="sdpa")
        if spec.precision == "bf16":
            model = model.bfloat16()
        elif spec.precision == "int8":
            per_channel = {torch.nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig}
            model = torch.ao.quantization.quantize_dynamic(model, per_channel)
        self.model = model
        self.version = torch.__version__.split("+")[0]

    @torch.inference_mode()
    def embed(self, sequences):
        ids, mask = (torch.from_numpy(array) for array in adapters.pad(sequences))
        return self.model(ids, mask, torch.zeros_like(ids)).float().numpy()
