"""Builds the package; all that is special is here: the contract is compiled while building, nothing generated is
committed.

contract.binpb   the descriptors of the .proto files, which the package makes its messages of when it is imported
embedding_pb2.pyi   the types of these messages, for type checkers

In the repository the .proto files are two folders up; an sdist brings its own copies.
"""

import pathlib
import shutil
import sys

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PROTOS = ("attendant/v1/embedding.proto", "google/rpc/error.proto", "grpc/health/v1/health.proto")


def copy_from_repository():
    """What belongs into an sdist but is kept elsewhere in the repository. An sdist has it already."""
    if not (REPOSITORY / "proto" / PROTOS[0]).is_file():
        return
    for name in PROTOS:
        (HERE / "proto" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / "proto" / name, HERE / "proto" / name)
    shutil.copyfile(REPOSITORY / "LICENSE", HERE / "LICENSE")


def compile_contract(package):
    import grpc_tools
    from grpc_tools import protoc

    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    types = package / "types_of_protoc"
    types.mkdir(parents=True, exist_ok=True)
    arguments = [
        "protoc",
        f"-I{HERE / 'proto'}",
        f"-I{well_known}",
        "--include_imports",
        f"--descriptor_set_out={package / 'contract.binpb'}",
    ]
    failed = protoc.main([*arguments, *PROTOS])
    failed = failed or protoc.main([*arguments[:3], f"--pyi_out={types}", PROTOS[0]])
    if failed:
        sys.exit("setup.py: protoc refused the contract")
    shutil.move(types / "attendant/v1/embedding_pb2.pyi", package / "embedding_pb2.pyi")
    shutil.rmtree(types)


class BuildWithContract(build_py):
    def run(self):
        super().run()
        parent = HERE / "src" if self.editable_mode else pathlib.Path(self.build_lib)
        compile_contract(parent / "attendant_client")


copy_from_repository()
setup(cmdclass={"build_py": BuildWithContract})
