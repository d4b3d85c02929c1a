"""CTranslate2: removes padding by itself; lanes are its inter_threads."""

import os
import pathlib

# On Intel it takes AVX2 unless told otherwise; AVX-512 is faster where there is any.
if " avx512vl " in pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii"):
    os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")

import ctranslate2 as ct2  # noqa: E402
import numpy as np  # noqa: E402

from bench.peers import adapters  # noqa: E402

TYPES = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8"}


class Engine:
    def __init__(self, spec):
        wanted = TYPES[spec.precision]
        if wanted not in ct2.get_supported_compute_types("cpu"):
            raise RuntimeError(f"CTranslate2 does not compute in {wanted} on this CPU")
        self.encoder = ct2.Encoder(spec.artefact, device="cpu", compute_type=wanted, inter_threads=spec.lanes,
                                   intra_threads=spec.threads_per_lane)
        self.version = ct2.__version__

    def embed(self, sequences):
        hidden = np.asarray(self.encoder.forward_batch(sequences).last_hidden_state)  # [rows, longest, hidden]
        mask = adapters.pad(sequences)[1][:, None, :].astype(np.float32)
        pooled = (mask @ hidden)[:, 0]  # the mean's divisor goes with the length of the vector
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
