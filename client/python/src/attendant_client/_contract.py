"""The messages of the contract, made from its descriptors in a pool of their own.

A pool of their own, because a program may have its own stubs of the same files, and protobuf lets a name be defined
once in a pool. No generated Python code, because that would run with some versions of protobuf only.

`wire` has the messages again, with one difference: the packed floats of vectors and attention maps are declared as
bytes. The two are the same on the wire (a length, then little-endian float32), so protobuf's own parser hands over each
vector as one bytes object, which NumPy takes as it is, instead of making a Python float of every element.
"""

from __future__ import annotations

import pkgutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "attendant.v1"
_FLOATS_AS_BYTES = {("Embedding", "values"), ("GetAttentionResponse", "values"), ("SimilarityResponse", "values")}


def _descriptors() -> descriptor_pb2.FileDescriptorSet:
    data = pkgutil.get_data(__package__, "contract.binpb")
    if data is None:
        raise ImportError("contract.binpb is missing: attendant_client must be built (pip install client/python)")
    return descriptor_pb2.FileDescriptorSet.FromString(data)


def _declare_floats_as_bytes(files: descriptor_pb2.FileDescriptorSet) -> None:
    changed = set()
    for file in files.file:
        if file.package != _PACKAGE:
            continue
        for message in file.message_type:
            for field in message.field:
                if (message.name, field.name) in _FLOATS_AS_BYTES:
                    field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                    field.label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
                    field.ClearField("options")
                    changed.add((message.name, field.name))
    if changed != _FLOATS_AS_BYTES:
        raise ImportError(f"the contract has no {_FLOATS_AS_BYTES - changed}")


def _load(files: descriptor_pb2.FileDescriptorSet, package: str) -> Any:
    """A namespace with the messages, and the enums' values, of one package."""
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    names: dict[str, Any] = {}
    for file in files.file:
        if file.package != package:
            continue
        for message in file.message_type:
            descriptor = pool.FindMessageTypeByName(f"{package}.{message.name}")
            names[message.name] = message_factory.GetMessageClass(descriptor)
        for enum in file.enum_type:
            names.update({value.name: value.number for value in enum.value})
    return SimpleNamespace(**names)


_files = _descriptors()

if TYPE_CHECKING:
    from attendant_client import embedding_pb2 as pb
else:
    pb = _load(_files, _PACKAGE)
rpc = _load(_files, "google.rpc")
health = _load(_files, "grpc.health.v1")
_declare_floats_as_bytes(_files)
wire = _load(_files, _PACKAGE)

__all__ = ["health", "pb", "rpc", "wire"]
