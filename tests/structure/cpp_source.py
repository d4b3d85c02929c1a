"""Reads C++ just far enough for the structure tests: comments and literals blanked, includes, function extents.

It is a brace counter with rules for what a brace may open, not a parser: preprocessor lines are skipped, so a brace
that only one branch of an #if opens is reported as an error, not guessed at.
"""

import dataclasses
import re


class ParseError(Exception):
    """The source is beyond this reader; rewrite it more plainly."""


@dataclasses.dataclass(frozen=True)
class Include:
    line: int
    path: str
    quoted: bool  # "path", not <path>


@dataclasses.dataclass(frozen=True)
class Function:
    name: str
    line: int  # where its declaration begins
    lines: int  # up to and with the closing brace


_LITERAL_OR_COMMENT = re.compile(
    r"""//(?:[^\\\n]|\\.|\\\n)*            # line comment, with continuation
      | /\*.*?\*/                          # block comment
      | R"(?P<tag>[^()\s\\"]{0,16})\(.*?\)(?P=tag)"
      | "(?:[^"\\\n]|\\.)*"
      | (?<![0-9A-Za-z_])'(?:[^'\\\n]|\\.)+'   # not the separator of 1'000
      | (?<=\b[uUL])'(?:[^'\\\n]|\\.)+'
    """,
    re.VERBOSE | re.DOTALL,
)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\\\n]|\\.|\\\n)*", re.MULTILINE | re.DOTALL)


def _blank(match, filler=""):
    return filler + "\n" * match.group().count("\n")


def code_only(text):
    """The text with comments, literals and preprocessor lines gone, line numbers kept."""

    def replace(match):
        return _blank(match, "" if match.group().startswith("/") else "0")

    # Preprocessor lines last: a '#' inside a raw string begins none.
    return _PREPROCESSOR.sub(_blank, _LITERAL_OR_COMMENT.sub(replace, text))


def without_comments(text):
    """Literals stay (an include's path is one), comments go."""
    return _LITERAL_OR_COMMENT.sub(lambda m: _blank(m) if m.group().startswith("/") else m.group(), text)


def includes(text):
    source = without_comments(text)
    return [
        Include(source.count("\n", 0, match.start()) + 1, match.group(1) or match.group(2), match.group(1) is not None)
        for match in _INCLUDE.finditer(source)
    ]


def _strip_groups(head):
    """The head of a declaration without attributes and template parameter lists."""
    head = re.sub(r"\[\[.*?\]\]", " ", head, flags=re.DOTALL)
    specifiers = r"\b(alignas|__attribute__|decltype|requires|noexcept|explicit)"
    head = re.sub(specifiers + r"\s*\((?:[^()]|\([^()]*\))*\)+", " ", head)
    previous = None
    while previous != head and "template" in head:
        previous = head
        head = re.sub(r"\btemplate\s*<[^<>]*>", " ", head)
        head = re.sub(r"(\btemplate\s*<[^<>]*)<[^<>]*>", r"\1", head)
    return head


def _kind(head):
    """What a brace opens that follows this head at namespace or class scope: scope, function, member or data."""
    head = _strip_groups(head).strip()
    before_parenthesis = head.split("(", 1)[0]
    if re.search(r"\b(namespace|extern)\b", before_parenthesis) and ")" not in head:
        return "scope"
    if re.search(r"\b(class|struct|union|enum)\b", before_parenthesis) and "(" not in head:
        return "scope"
    initialised = re.search(r"(?<![=!<>+\-*/%&|^])=(?!=)\s*(\[[^\]]*\]\s*(\(|$)|$)", head)
    if initialised and not re.search(r"operator\s*=\s*\(", head):
        return "function" if re.search(r"=\s*\[", head) else "data"
    if "(" not in head:
        return "data"
    # Foo() : a_(1), b_{2} { ... }: the brace after a name in the list opens a member's initialiser.
    if re.search(r"\)[^():]*(?<!:):(?!:)", head) and re.search(r"[\w>]$", head):
        return "member"
    return "function"


def _matching_brace(code, opening):
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, opening):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.start()
    raise ParseError(f"the brace in line {code.count(chr(10), 0, opening) + 1} is never closed")


def _name(head):
    names = re.findall(r"(operator\s*[^\s(]+|[\w:~]+)\s*\(", _strip_groups(head))
    test = re.search(r"\b(\w*TEST\w*|BENCHMARK\w*)\s*\(([^)]*)\)", head)
    if test:
        return f"{test.group(1)}({' '.join(test.group(2).split())})"
    return names[0] if names else "lambda"


def functions(text):
    """Every function body outside other functions; lambdas inside one belong to it."""
    code = code_only(text)
    found = []
    head_start = 0
    position = 0
    depth = 0
    punctuation = re.compile(r"[{};]")
    while match := punctuation.search(code, position):
        position = match.end()
        if match.group() == "{":
            head = code[head_start : match.start()]
            kind = _kind(head)
            if kind == "scope":
                depth += 1
                head_start = position
                continue
            closing = _matching_brace(code, match.start())
            position = closing + 1
            if kind == "function":
                start = head_start + len(head) - len(re.sub(r"^(\s|public:|protected:|private:)+", "", head))
                first = code.count("\n", 0, start) + 1
                found.append(Function(_name(head), first, code.count("\n", 0, closing) + 2 - first))
                head_start = position
        else:
            if match.group() == "}":
                depth -= 1
                if depth < 0:
                    line = code.count("\n", 0, match.start()) + 1
                    raise ParseError(f"line {line} closes a brace that is not open")
            head_start = position
    if depth != 0:
        raise ParseError("a brace is never closed")
    return found
