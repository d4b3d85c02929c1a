"""Who may include and link whom: the arrows of the design as an allow-list. Usage: layering.py REPOSITORY

    client -> proto <- server/rpc -> server/scheduling -> engine/embedder -> engine/tokenizer
                                                                \\-> engine/model -> engine/kernels
"""

import dataclasses
import pathlib
import re
import sys

import cpp_source

# What lies above the engine sees its facade and nothing behind it.
FACADE = ("engine/embedder.h", "engine/sequence.h", "engine/team.h", "engine/output_encoding.h", "engine/similarity.h",
          "engine/text_pieces.h", "engine/tokenizer/tokenizer.h")
PROTO = ("attendant/", "google/rpc/", "inference/", "tei/v1/")
GRPC = ("grpcpp/", "grpc/", "google/protobuf/")


@dataclasses.dataclass(frozen=True)
class Layer:
    own: tuple  # prefixes of the project's own headers, besides the layer's own folder
    libraries: tuple  # prefixes of other people's headers


# The longest prefix of a file's path decides.
LAYERS = {
    "engine/kernels/": Layer((), ()),
    "engine/kernels/dispatch": Layer(("engine/kernels/",), ("absl/status/", "absl/strings/")),
    "engine/tokenizer/": Layer((), ("absl/", "nlohmann/", "openssl/")),
    "engine/model/": Layer(("engine/kernels/", "engine/sequence.h", "engine/team.h"), ("absl/", "nlohmann/")),
    "engine/model/reference": Layer(("engine/model/", "engine/sequence.h", "engine/team.h"), ("absl/", "Eigen/")),
    "engine/": Layer(("engine/tokenizer/", "engine/model/", "engine/kernels/"),
                     ("absl/", "nlohmann/", "openssl/", "utf8proc.h")),
    "server/scheduling/": Layer(FACADE, ("absl/",)),
    "server/observability/": Layer(("server/scheduling/", *FACADE), ("absl/", "prometheus/", "spdlog/", "nlohmann/")),
    "server/network/": Layer((), ("absl/",)),
    "server/security/": Layer(("server/scheduling/service_class.h", "server/observability/"), ("absl/", "openssl/")),
    "server/http/": Layer(("server/network/", "server/security/", "server/observability/"),
                          ("absl/", "httplib.h", "openssl/", "zlib.h")),
    "server/http/api/": Layer(("server/http/", "server/rpc/", "server/models/", "server/scheduling/",
                               "server/observability/", "server/security/", *PROTO, *FACADE),
                              ("absl/", "nlohmann/", "google/protobuf/")),
    "server/models/": Layer(("server/scheduling/", "server/observability/", *FACADE), ("absl/", "nlohmann/")),
    "server/rpc/": Layer(("server/models/", "server/scheduling/", "server/observability/", "server/security/", *PROTO,
                          *FACADE),
                         ("absl/", "spdlog/", *GRPC)),
    "server/": Layer(("server/", *PROTO, *FACADE), ("absl/", "CLI/", "spdlog/", "nlohmann/", "prometheus/", *GRPC)),
    "client/": Layer(PROTO, ("absl/", "CLI/", "nlohmann/", "spdlog/", "png.h", "zlib.h", "stb_image_write.h", *GRPC)),
}
# Kernels compiled for one instruction set: an inline function of the STL in them could be the copy that the linker
# keeps for everybody, and die on an older CPU.
KERNEL_SOURCES = re.compile(r"engine/kernels/(?!dispatch|packing|rates|amx_permission)")
KERNEL_HEADERS = ("immintrin.h", "arm_neon.h", "cstdint", "cstddef", "cstring", "climits", "cfloat")
# Folders that no layer may include, and that may include anything.
ABOVE = ("tests/", "bench/")
OWN_ROOTS = ("engine/", "server/", "client/", *ABOVE)
LIBRARIES = tuple({prefix for layer in LAYERS.values() for prefix in layer.libraries} | {"gtest/", "gmock/"})
# Link targets by layer: the same arrows, told to CMake.
FORBIDDEN_LINKS = {
    "engine/kernels/": r"attendant::\w+|Eigen3::|gRPC::|protobuf::|prometheus-cpp::",
    "engine/": r"attendant::(scheduling|rpc|proto|observability|server|client)\b|gRPC::|protobuf::|prometheus-cpp::",
    "server/scheduling/": r"attendant::(rpc|proto|observability|server|client)\b|gRPC::|protobuf::|prometheus-cpp::",
    "server/models/": r"attendant::(rpc|proto|server|client)\b|gRPC::|protobuf::|prometheus-cpp::",
    "server/observability/": r"attendant::(rpc|proto|client)\b|gRPC::|protobuf::",
    "server/network/": r"attendant::\w+|gRPC::|protobuf::|prometheus-cpp::",
    "server/security/": r"attendant::(rpc|http|proto|server|client)\b|gRPC::|protobuf::",
    "server/http/api/": r"attendant::(server|client)\b|gRPC::",
    "server/http/": r"attendant::(rpc|proto|server|client)\b|gRPC::|protobuf::",
    "server/": r"attendant::client\b",
    "client/": r"attendant::(engine|kernels|model|tokenizer|scheduling|rpc|observability|server)\b|prometheus-cpp::",
}
_C_HEADERS = ("fcntl.h", "malloc.h", "netdb.h", "poll.h", "pthread.h", "sched.h", "signal.h", "unistd.h", "cpuid.h",
              "termios.h", "sys/", "linux/", "netinet/", "arpa/")


def _longest_prefix(path, table):
    prefixes = [prefix for prefix in table if path.startswith(prefix)]
    return max(prefixes, key=len) if prefixes else None


def _is_standard(path):
    return re.fullmatch(r"[a-z_]+(\d+)?", path) or path.endswith("intrin.h") or path.startswith(_C_HEADERS)


def _include_problem(path, include, exists):
    """What is wrong with this include of the file, or None."""
    prefix = _longest_prefix(path, LAYERS)
    layer = LAYERS[prefix]
    target = include.path
    if target.startswith(OWN_ROOTS):
        if not include.quoted:
            return "own headers are included with quotes"
        if not exists(target):
            return "there is no such file"
        same_layer = _longest_prefix(target, LAYERS) == prefix
        return None if same_layer or target.startswith(layer.own) else f"{prefix} may not depend on it"
    if target.startswith(PROTO):
        return None if target.startswith(layer.own) else f"{prefix} may not see the protocol"
    if target.startswith(LIBRARIES):
        return None if target.startswith(layer.libraries) else f"{prefix} may not use this library"
    if not _is_standard(target):
        return "neither a path from the root, nor a known library, nor a standard header"
    if KERNEL_SOURCES.match(path) and target not in KERNEL_HEADERS:
        return "kernels use no STL"
    return "standard headers are included with <>" if include.quoted else None


def include_problems(path, text, exists):
    """Yields a sentence for each include of a layer's file that breaks a rule."""
    for include in cpp_source.includes(text):
        if problem := _include_problem(path, include, exists):
            yield f"{path}:{include.line}: include of {include.path}: {problem}"


def guard_problems(path, text):
    """A header opens by saying what it is, and its guard is its path."""
    guard = "ATTENDANT_" + re.sub(r"\W", "_", path).upper() + "_"
    if not text.startswith("//"):
        yield f"{path}:1: a header opens with a comment: what it is, what it is not, threads, ownership"
    if not re.search(rf"^#ifndef {guard}\n#define {guard}$", text, re.MULTILINE):
        yield f"{path}: the guard is {guard}"


def link_problems(path, text):
    """Yields a sentence for each link target that a layer's CMakeLists.txt may not name."""
    prefix = _longest_prefix(path, FORBIDDEN_LINKS)
    for match in re.finditer(FORBIDDEN_LINKS[prefix], re.sub(r"#.*", "", text)):
        yield f"{path}: {prefix} may not link {match.group()}"


def problems(path, text, exists):
    if path.endswith("CMakeLists.txt"):
        yield from link_problems(path, text)
        return
    yield from include_problems(path, text, exists)
    if path.endswith(".h"):
        yield from guard_problems(path, text)


def main(root):
    root = pathlib.Path(root)
    found = []
    checked = 0
    for folder in ("engine", "server", "client"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc", ".inc") or path.name == "CMakeLists.txt":
                checked += 1
                name = path.relative_to(root).as_posix()
                found += problems(name, path.read_text(encoding="utf-8"), lambda target: (root / target).is_file())
    print("\n".join(found) if found else f"{checked} files keep to their layers")
    return 1 if found or not checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
