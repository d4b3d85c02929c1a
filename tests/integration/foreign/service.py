"""What the drivers share: the texts, our own answers to compare with, and generated stubs."""

import importlib
import pathlib
import sys
import tempfile

import grpc
import numpy as np
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
TEXTS = [f"text {i} of the fifty" + " and a few words more" * (i % 9) for i in range(50)]


def stubs(file):
    """The two modules that protoc makes of a file below proto/, as its users do."""
    out = tempfile.mkdtemp(prefix="attendant-stubs-")
    if protoc.main(["protoc", f"-I{PROTO}", f"--python_out={out}", f"--grpc_python_out={out}", str(PROTO / file)]):
        raise RuntimeError(f"protoc refused {file}")
    sys.path.insert(0, out)
    module = file.removesuffix(".proto").replace("/", ".") + "_pb2"
    return importlib.import_module(module), importlib.import_module(module + "_grpc")


def native_vectors(address):
    """[50, dimension] float32 from attendant.v1."""
    messages, services = stubs("attendant/v1/embedding.proto")
    with grpc.insecure_channel(address) as channel:
        request = messages.EmbedRequest(items=[messages.Item(text=text) for text in TEXTS])
        response = services.EmbeddingServiceStub(channel).Embed(request, timeout=60)
    return np.array([result.embedding.values for result in response.results], dtype=np.float32)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def refused(call, code):
    """The details of a call that must fail with this code."""
    try:
        call()
    except grpc.RpcError as error:
        check(error.code() == code, f"{error.code()} instead of {code}: {error.details()}")
        return error.details()
    raise AssertionError(f"answered instead of {code}")
