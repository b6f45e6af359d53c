"""What a reader of a chapter or a page reads: its words and its formulas apart from its code, line by line."""

import ast
import functools
import io
import re
import tokenize
from typing import NamedTuple

import yaml
from IPython.core.inputtransformer2 import TransformerManager

FRONT = re.compile(r"\A---\n.*?\n---\n", re.S)
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(?P<body>.*?)^```$", re.M | re.S)
# Options of a cell, in either of the two forms.
OPTIONS = re.compile(r"\A(?:---\n(?P<block>.*?)^---\n|(?P<lines>(?::[^\n]*\n)+))", re.M | re.S)
PLAIN = re.compile(r"^(?P<fence>`{3,})(?:[a-z]+|\{code-block\}[^\n]*|\{raw\}[^\n]*)\n.*?^(?P=fence)$", re.M | re.S)
DISPLAYED = r"^```\{math\}\n.*?^```$|\$\$.*?\$\$"
MATH = re.compile(DISPLAYED + r"|\{math\}`[^`]*`|(?<!\\)\$[^$]+?(?<!\\)\$", re.M | re.S)
ROLE = re.compile(r"\{(?P<role>[\w:.-]+)\}`(?P<text>[^`]*)`")
# What stands behind these is no title.
FENCE = re.compile(r"^[`:]{3,}(?:\{(?:solution|figure|image|include|list-table)\}.*|\{[\w:.-]+\}|)", re.M)
LABEL = re.compile(r"^\([\w-]+\)=$|^\s*:(?:label|name|class|widths|header-rows): .*$", re.M)
LINK = re.compile(r"\]\([^)\s]*\)|<https?:[^>]*>")
SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
HEADING = re.compile(r"^#{1,5} ")


class Read(NamedTuple):
    """The parts of a source. Each has as many lines as the source, so that what is found has its place."""

    words: str
    formulas: str


def blank(match):
    """Leave the lines of what is taken away."""
    return "\n" * match[0].count("\n")


def role(match):
    """Return what a role shows: its own text, or a term; other targets are names."""
    text = match["text"]
    if "<" in text:
        text = text.rpartition("<")[0]
    elif match["role"] != "term":
        text = ""
    return text + "\n" * (match[0].count("\n") - text.count("\n"))


def in_code(source):
    """Return what code says to its readers: comments and strings of several words, at their lines."""
    lines = [""] * (source.count("\n") + 1)
    # Magics become calls on as many lines.
    python = TransformerManager().transform_cell(source)
    if python.count("\n") not in (source.count("\n"), source.count("\n") + 1):
        return "\n".join(lines)
    for token in tokenize.generate_tokens(io.StringIO(python).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] += token.string.lstrip("# ") + " "
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            lines[node.lineno - 1] += " ".join(node.value.split()) + " "
    return "\n".join(lines)


def cell(match):
    """Return the words of a code cell: caption and description of its figure, comments, phrases."""
    body = match["body"]
    options = OPTIONS.match(body)
    found = ""
    if options and options["block"]:
        settings = (yaml.safe_load(options["block"]) or {}).get("mystnb", {})
        found = " ".join([settings.get("figure", {}).get("caption", ""), settings.get("image", {}).get("alt", "")])
    head, rest = body[: options.end() if options else 0], body[options.end() if options else 0 :]
    return "\n" + " ".join(found.split()) + "\n" * head.count("\n") + in_code(rest.rstrip("\n")) + "\n"


@functools.cache
def read(text):
    """Split a MyST source into the words and the formulas that a reader sees."""
    text = PLAIN.sub(blank, CELL.sub(cell, FRONT.sub(blank, text)))
    formulas = [""] * (text.count("\n") + 1)
    for match in MATH.finditer(text):
        first = text.count("\n", 0, match.start())
        for at, line in enumerate(match[0].split("\n")):
            formulas[first + at] += line + " "
    words = ROLE.sub(role, FENCE.sub("", LABEL.sub("", MATH.sub(blank, text))))
    return Read(LINK.sub("]", SPAN.sub(blank, words)), "\n".join(formulas))
