"""Every flag of the server is in README.md, every metric in docs/operations.md. Usage: documentation.py REPOSITORY"""

import pathlib
import re
import sys

# Of no table: they are what every program has, or told in the text.
COMMON_FLAGS = {"--help", "--version", "--config"}


def flags(text):
    """The flags that this source adds, by their positive names."""
    return set(re.findall(r'"(--[a-z][a-z0-9-]*[a-z0-9])(?:,[^"]*)?"', text)) - COMMON_FLAGS


def metrics(text):
    return set(re.findall(r'"(attendant_[a-z0-9_]+_[a-z0-9_]+)"', text))


def mentions(document, name):
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", document) is not None


def problems(sources, readme, operations):
    """sources: (path, text) of the server. Yields a sentence for each name that is missing."""
    for path, text in sources:
        if path.startswith(("server/server_config", "server/config/")):
            for flag in sorted(flags(text)):
                if not mentions(readme, flag):
                    yield f"{path}: {flag} is not in README.md"
        for metric in sorted(metrics(text)):
            if not mentions(operations, metric):
                yield f"{path}: {metric} is not in docs/operations.md"


def main(root):
    root = pathlib.Path(root)
    sources = [(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
               for path in sorted((root / "server").rglob("*.cc"))]
    found = list(problems(sources, (root / "README.md").read_text(encoding="utf-8"),
                          (root / "docs/operations.md").read_text(encoding="utf-8")))
    print("\n".join(found) if found else f"flags and metrics of {len(sources)} files are documented")
    return 1 if found or not sources else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
