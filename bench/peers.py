"""Attendant's engine beside ONNX Runtime: same machine, same tokens, same threads, alternating runs.

    python bench/peers.py --bench build/dev/bin/engine_bench --model DIR [--threads 2] [--rounds 5]

Needs numpy, onnxruntime, torch, transformers and onnx (the model is exported once, into a temporary folder). Speeds are
tokens per second that are not padding; the ratio is of medians, its spread from the single rounds. The peer pads a batch
to its longest sequence, as its users do; "mixed" is one batch of 32 after the other, in order of arrival.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def scenarios():
    rng = np.random.default_rng(7)
    lengths = {
        "1x16": [16], "1x128": [128], "32x16": [16] * 32, "32x128": [128] * 32, "8x512": [512] * 8,
        "mixed": np.clip(rng.lognormal(3.7, 0.65, 256).astype(int), 7, 256).tolist(),
    }
    return {name: [rng.integers(1000, 29000, n).tolist() for n in ls] for name, ls in lengths.items()}


def export(model_dir, folder):
    import torch
    from transformers import AutoModel
    path = os.path.join(folder, "model.onnx")
    model = AutoModel.from_pretrained(model_dir, attn_implementation="eager").eval()

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids=input_ids, attention_mask=attention_mask,
                              token_type_ids=token_type_ids).last_hidden_state

    ids = torch.ones(2, 9, dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(Encoder(), (ids, ids, ids * 0), path, input_names=names, output_names=["hidden"], dynamo=False,
                      opset_version=17, dynamic_axes={n: {0: "batch", 1: "length"} for n in names + ["hidden"]})
    return path


class OnnxRuntime:
    def __init__(self, path, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.name = f"ONNX Runtime {onnxruntime.__version__} fp32"

    def run(self, sequences):
        start = time.perf_counter()
        for at in range(0, len(sequences), 32):
            batch = sequences[at:at + 32]
            ids = np.zeros((len(batch), max(map(len, batch))), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, sequence in enumerate(batch):
                ids[row, :len(sequence)] = sequence
                mask[row, :len(sequence)] = 1
            hidden = self.session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0})[0]
            pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return time.perf_counter() - start


class Attendant:
    def __init__(self, binary, model, threads, precision, folder):
        self.process = subprocess.Popen([binary, model, str(threads), precision], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.name = f"Attendant {precision} ({self.process.stdout.readline().strip()})"
        self.folder = folder

    def run(self, sequences):
        path = os.path.join(self.folder, "sequences.txt")
        with open(path, "w") as file:
            file.writelines(" ".join(map(str, s)) + "\n" for s in sequences)
        self.process.stdin.write(path + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="fp32")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        peer = OnnxRuntime(export(arguments.model, folder), arguments.threads)
        ours = Attendant(arguments.bench, arguments.model, arguments.threads, arguments.precision, folder)
        print(f"| batch | {peer.name} | {ours.name} | ratio (least, most) |\n|---|---|---|---|")
        for name, sequences in scenarios().items():
            tokens = sum(map(len, sequences))
            repeats = max(1, 2000 // tokens)  # short ones are timed several times a round
            ours.run(sequences), peer.run(sequences)
            rounds = []
            for _ in range(arguments.rounds):
                pair = [min(engine.run(sequences) for _ in range(repeats)) for engine in (peer, ours)]
                rounds.append([tokens / seconds for seconds in pair])
            medians = [statistics.median(column) for column in zip(*rounds)]
            ratios = [b / a for a, b in rounds]
            print(f"| {name} | {medians[0]:,.0f} | {medians[1]:,.0f} | {medians[1] / medians[0]:.2f} "
                  f"({min(ratios):.2f}, {max(ratios):.2f}) |", flush=True)


if __name__ == "__main__":
    main()
