"""Files stay under 600 lines and functions under 70. Usage: size.py REPOSITORY"""

import ast
import pathlib
import sys

import cpp_source

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
FOLDERS = ("engine", "server", "client", "proto", "tests", "bench", "scripts", "deploy", "cmake")
SUFFIXES = (".h", ".cc", ".inc", ".py", ".sh", ".proto", ".go", ".js", ".java", ".cmake")  # and scripts without one
# Data, not code. Tables made by a program carry its name at their head.
EXEMPT_FOLDERS = ("tests/testdata",)
BUILD_FOLDERS = {"bin", "node_modules", "target"}
EXEMPT_SUFFIXES = (".pb.go", "_tables.cc", "_tables.h", "_table.cc", "_table.h")


def _python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield cpp_source.Function(node.name, node.lineno, node.end_lineno - node.lineno + 1)


def problems(path, text):
    """Yields a sentence for each thing that is too long in this file."""
    lines = text.count("\n")
    if lines >= MAX_FILE_LINES:
        yield f"{path}: {lines} lines; a file stays under {MAX_FILE_LINES}"
    try:
        if path.endswith((".h", ".cc", ".inc")):
            functions = cpp_source.functions(text)
        elif path.endswith(".py"):
            functions = _python_functions(text)
        else:
            functions = ()
    except (cpp_source.ParseError, SyntaxError) as error:
        yield f"{path}: cannot be read: {error}"
        return
    for function in functions:
        if function.lines >= MAX_FUNCTION_LINES:
            yield (f"{path}:{function.line}: {function.name} has {function.lines} lines; "
                   f"a function stays under {MAX_FUNCTION_LINES}")


def is_source(root, path):
    name = path.relative_to(root)
    if not path.is_file() or BUILD_FOLDERS & set(name.parts):
        return False
    if name.as_posix().startswith(EXEMPT_FOLDERS) or name.as_posix().endswith(EXEMPT_SUFFIXES):
        return False
    return path.suffix in SUFFIXES or (not path.suffix and path.read_bytes().startswith(b"#!"))


def files(root):
    """The repository's own sources, as (path from the root, text)."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if is_source(root, path):
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def main(root):
    checked = list(files(pathlib.Path(root)))
    found = [problem for path, text in checked for problem in problems(path, text)]
    print("\n".join(found) if found else f"{len(checked)} files are within the limits")
    return 1 if found or not checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
