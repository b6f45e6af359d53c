"""A chapter's first cell, which installs the library where it is missing: what it says, and how to tell it."""

from __future__ import annotations

import re

CELL = """import importlib.util

if importlib.util.find_spec("bnlib") is None:
    %pip install -q --no-deps "bnlib @ git+{url}@{tag}"
    %env NPROC=1"""


def _without_blank_lines(source: str) -> str:
    return re.sub(r"\n+", "\n", source.strip())


def installing_cell(url: str, tag: str) -> str:
    """Return the first code cell of every chapter.

    Args:
        url: the repository's address.
        tag: the tag that is installed.
    """
    return CELL.format(url=url, tag=tag)


def installs(source: str) -> bool:
    """Tell whether a cell is the one that installs the library, from any address, and does nothing else."""
    words = re.escape(_without_blank_lines(CELL)).replace(r"\{url\}@\{tag\}", r"[^\s\"']+")
    return re.fullmatch(words, _without_blank_lines(source)) is not None
