"""One module a peer. Its Engine(spec) has `version` and embed(sequences), which returns unit vectors [rows, dim]."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Spec:
    peer: str  # name of a module here
    precision: str
    artefact: str  # file or directory made for it by bench.peers.artefacts
    threads: int  # in all
    lanes: int = 1  # batches at a time; each gets threads / lanes

    @property
    def threads_per_lane(self):
        return max(1, self.threads // self.lanes)


def pad(sequences):
    """[rows, longest] int64 each."""
    ids = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, :len(sequence)] = sequence
        mask[row, :len(sequence)] = 1
    return ids, mask
