"""Embeds two sentences and prints how similar they are. Usage: embed.py [HOST:PORT]

Needs the package of client/python: pip install ./client/python
"""

import hashlib
import sys

from attendant_client import Client

address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
texts = ["A cat sleeps on the warm windowsill.", "The kitten naps in the sunshine."]

with Client(address, timeout=10) as client:  # seconds; the server drops what nobody waits for any more
    result = client.embed(texts)
for error in result.errors:  # one bad item never fails its neighbours
    sys.exit(str(error))

a, b = result.vectors
checksum = hashlib.sha256(a.astype("<f4").tobytes()).hexdigest()
print(f"{result.model}: {a.size} dimensions, similarity {a.astype(float) @ b.astype(float):.4f}, sha256 {checksum}")
