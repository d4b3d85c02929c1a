"""sentence-transformers in a process of its own:  python -m bench.peers.encode MODEL_DIR THREADS

Prints its version; then, for each line of input, the path of a file with a JSON string a line, the seconds of encode().
"""

import json
import os
import sys
import time


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import sentence_transformers
    import torch
    torch.set_num_threads(int(sys.argv[2]))
    model = sentence_transformers.SentenceTransformer(sys.argv[1], device="cpu")
    print(sentence_transformers.__version__, file=answers, flush=True)
    for line in sys.stdin:
        with open(line.strip(), encoding="utf-8") as file:
            texts = [json.loads(text)["text"] for text in file]
        start = time.perf_counter()
        model.encode(texts, batch_size=32, show_progress_bar=False)
        print(time.perf_counter() - start, file=answers, flush=True)


if __name__ == "__main__":
    main()
