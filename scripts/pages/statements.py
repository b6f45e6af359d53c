"""Find the numbered statements of the chapters, and where they are proved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.chapters.book import Book

RESULTS = ("theorem", "proposition", "lemma", "corollary", "conjecture")
BLOCK = re.compile(
    r"^(?P<fence>`{3,})\{prf:(?P<kind>[a-z]+)\}(?P<title>[^\n]*)\n(?P<body>.*?)^(?P=fence)$", re.M | re.S
)
LABEL = re.compile(r"^:label: (\S+)$", re.M)
PROOF = re.compile(r"^(?:\((?P<anchor>[\w-]+)\)=\n)?`{3,}\{(?:admonition\} Proof|prf:proof\}).*$", re.M)
ANCHOR = re.compile(r"^\(([\w-]+)\)=$", re.M)


@dataclass(frozen=True)
class Statement:
    """Hold a theorem or the like; ``proof`` is the anchor of the proof that follows it, if that has one."""

    label: str
    kind: str
    title: str
    chapter: str
    proved: bool
    proof: str | None


@dataclass(frozen=True)
class Chapter:
    """Hold what can be linked to in a chapter."""

    slug: str
    title: str
    statements: tuple[Statement, ...]
    anchors: frozenset[str]


def read(path: Path) -> Chapter:
    """Read a chapter; a proof belongs to the statement that it follows, if no other one stands between."""
    text = path.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    found = []
    for block, end in zip(blocks, [*(after.start() for after in blocks[1:]), len(text)], strict=False):
        label = LABEL.search(block["body"])
        if block["kind"] not in RESULTS or label is None:
            continue
        proof = PROOF.search(text, block.end(), end)
        found.append(
            Statement(
                label=label[1],
                kind=block["kind"],
                title=block["title"].strip(),
                chapter=path.stem,
                proved=proof is not None,
                proof=proof["anchor"] if proof else None,
            )
        )
    title = re.search(r"^# (.+)$", text, re.M)
    return Chapter(path.stem, title[1].strip() if title else path.stem, tuple(found), frozenset(ANCHOR.findall(text)))


def chapters(root: Path) -> Mapping[str, Chapter]:
    """Read all chapters, in the order of _toc.yml."""
    return {path.stem: read(path) for path in Book(root).chapters}
