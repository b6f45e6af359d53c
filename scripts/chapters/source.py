"""Read a chapter's MyST source: its title, its sections and directives, its labels and what it refers to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^\s*(`{3,}|:{3,}|\${2})\s*(?:\{([\w:-]+)\})?\s*(.*?)\s*$")
HEADING = re.compile(r"^(#+) +(.+?)\s*$")
LABEL = re.compile(r"^\(([\w-]+)\)=$|^:(?:label|name): *([\w-]+)$|^\s+name: *([\w-]+)$|^\$\$ *\(([\w-]+)\)$")
ROLE = re.compile(r"\{(prf:ref|ref|numref|eq|doc)\}`([^`]+)`")
BOX = "This chapter"
CODE = "code-cell"
VERBATIM = (CODE, "code", "code-block", "math", "raw")


class Block(NamedTuple):
    """Hold a directive that is open: its name, the words behind it and the number of its first line."""

    name: str
    title: str
    first: int


class Line(NamedTuple):
    """Hold a line of a chapter: its number from 1, its text, the headings above it and the directives around it."""

    number: int
    text: str
    headings: tuple[str, ...]
    blocks: tuple[Block, ...]

    def inside(self, *names: str) -> bool:
        """Return whether one of the directives around the line has one of these names."""
        return any(block.name in names for block in self.blocks)


class Reference(NamedTuple):
    """Hold a role in the text: its kind, what it refers to, and the line where it begins."""

    kind: str
    target: str
    line: Line


def parsed(text: str) -> tuple[Line, ...]:
    r"""Split a source into lines that know where they are; the front matter is left out.

    A line of backticks, colons or dollars that opens or closes a directive counts as inside it.

    Example:
        >>> [line.headings for line in parsed("# A title\nwords\n## A part\nmore")][-1]
        ('A title', 'A part')
    """
    rows = text.splitlines()
    start = rows.index("---", 1) + 1 if rows[:1] == ["---"] else 0
    lines: list[Line] = []
    headings: list[tuple[int, str]] = []
    stack: list[tuple[str, Block]] = []
    for number, row in enumerate(rows[start:], start + 1):
        fence, heading, leaving = FENCE.match(row), HEADING.match(row), False
        if fence:
            marks, name, rest = fence.groups()
            top, around = stack[-1] if stack else ("", None)
            dollars = marks == "$$"
            if top and marks[0] == top[0] and len(marks) >= len(top) and not name and (dollars or not rest):
                leaving = True
            elif not (dollars and rest) and not (around and around.name in VERBATIM):
                stack.append((marks, Block("math" if dollars else name or "code", rest, number)))
        elif heading and not stack:
            level = len(heading[1])
            headings = [(depth, title) for depth, title in headings if depth < level] + [(level, heading[2])]
        lines.append(Line(number, row, tuple(title for _, title in headings), tuple(block for _, block in stack)))
        if leaving:
            stack.pop()
    return tuple(lines)


@dataclass(frozen=True)
class Chapter:
    """Hold the text of one chapter under the stem of its file."""

    stem: str
    text: str

    @classmethod
    def read(cls, path: Path) -> Chapter:
        """Read a chapter from its file."""
        return cls(path.stem, path.read_text(encoding="utf-8"))

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The lines of the source, without its front matter."""
        return parsed(self.text)

    @property
    def title(self) -> str:
        """The title, in Markdown."""
        return next((line.headings[0] for line in self.lines if line.headings), self.stem)

    @cached_property
    def prose(self) -> tuple[Line, ...]:
        """The lines outside of code."""
        return tuple(line for line in self.lines if not line.inside(CODE, "code", "code-block", "raw"))

    @property
    def labels(self) -> set[str]:
        """What other places can refer to: sections, theorems, exercises, formulas and figures."""
        found = (match for line in self.lines if (match := LABEL.match(line.text)))
        return {next(filter(None, match.groups())) for match in found}

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """The roles that refer to another place, in order; one may run over two lines."""
        starts, length = [], 0
        for line in self.prose:
            starts.append(length)
            length += len(line.text) + 1
        whole, found, at = "\n".join(line.text for line in self.prose), [], 0
        for match in ROLE.finditer(whole):
            while at + 1 < len(starts) and starts[at + 1] <= match.start():
                at += 1
            words = " ".join(match[2].split())
            target = re.fullmatch(r".*<([^<>]+)>", words)
            found.append(Reference(match[1], target[1] if target else words, self.prose[at]))
        return tuple(found)

    def admonitions(self, title: str) -> list[tuple[Line, ...]]:
        """Return the lines of each admonition of this title, without the lines that open and close it."""
        firsts = {
            block.first
            for line in self.lines
            for block in line.blocks
            if (block.name, block.title) == ("admonition", title)
        }
        return [
            tuple(line for line in self.lines if any(block.first == first for block in line.blocks))[1:-1]
            for first in sorted(firsts)
        ]

    @property
    def box(self) -> dict[str, tuple[Line, ...]]:
        """The bullets of the opening box by their bold first words; empty without a box."""
        found: dict[str, tuple[Line, ...]] = {}
        name = None
        for line in (self.admonitions(BOX) or [()])[0]:
            if bullet := re.match(r"- \*\*(.+?):\*\*", line.text):
                name = bullet[1]
            elif not line.text.strip():
                name = None
            if name:
                found[name] = (*found.get(name, ()), line)
        return found

    @property
    def needs(self) -> tuple[Reference, ...]:
        """What the opening box says is needed."""
        lines = set(self.box.get("Needs", ()))
        return tuple(reference for reference in self.references if reference.line in lines)

    @property
    def leading_on(self) -> tuple[Line, ...]:
        """The closing paragraph, which begins with **Next.** and leads on; empty where the chapter ends otherwise."""
        found: list[Line] = []
        for line in reversed(self.lines):
            if line.text.strip():
                found.insert(0, line)
            elif found:
                break
        return tuple(found) if found and found[0].text.startswith("**Next.** ") else ()


def doc_stem(target: str) -> str:
    """Return the name of a page without its folders.

    Example:
        >>> doc_stem("../notebooks/weights"), doc_stem("rank")
        ('weights', 'rank')
    """
    return target.rpartition("/")[2]


def homes(chapters: list[Chapter]) -> dict[str, str]:
    """Return the stem of the chapter in which each label and each chapter lies."""
    return {name: chapter.stem for chapter in chapters for name in (*chapter.labels, chapter.stem)}


def home(reference: Reference, places: dict[str, str]) -> str | None:
    """Return the chapter to which a reference leads; None for another page."""
    return places.get(doc_stem(reference.target) if reference.kind == "doc" else reference.target)
