"""Attendant beside its peers: same machine, same tokens, same threads, in turn. See python -m bench.peers --help."""
