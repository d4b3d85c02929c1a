"""Attendant beside its peers: same machine, same tokens, same threads, alternating runs.  python -m bench.peers --help"""
