"""Let the line "Source: J23; claim balance; chapter cost." of a docstring lead to what it names."""

from __future__ import annotations

import re
from typing import Any

LINE = re.compile(r"^Source: (.+)\.$")
GROUP = re.compile(r"(?:(claim|chapter|page)s? )?(.+)")
# What comes from this book and its library is named, but has no place to lead to.
OURS = ("book", "bnlib")
ROLES = {
    "": ":cite:p:`{0}`",
    "claim": ":ref:`{0} <claim-page-{0}>`",
    "chapter": ":doc:`/notebooks/{0}`",
    "page": ":doc:`/book/{0}`",
}


def read(line: str) -> list[tuple[str, list[str]]]:
    """Return what a line names, as pairs (kind, names); the kind of papers and of what is ours is empty.

    Example:
        >>> read("Source: J23, book; claims balance, clarke; chapter cost.")
        [('', ['J23', 'book']), ('claim', ['balance', 'clarke']), ('chapter', ['cost'])]
        >>> read("See also the notation page.")
        []
    """
    found = LINE.match(line)
    groups = (GROUP.fullmatch(group) for group in found[1].split("; ")) if found else ()
    return [(group[1] or "", group[2].split(", ")) for group in groups if group]


def linked(line: str) -> str:
    """Write the line anew with a role for each name; a line that names no source stays as it is."""
    groups = []
    for kind, names in read(line):
        words = ", ".join(name if name in OURS else ROLES[kind].format(name) for name in names)
        groups.append(f"{kind}{'s' * (len(names) > 1)} {words}" if kind else words)
    return f"Source: {'; '.join(groups)}." if groups else line


def link(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put the links into a docstring."""
    lines[:] = map(linked, lines)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", link)
    return {"parallel_read_safe": True}
