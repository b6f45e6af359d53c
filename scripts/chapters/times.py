"""How long a chapter takes to read, estimated from its words, and to run, measured; both said in rounded words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scripts.chapters.source import CODE, Chapter, Line

WORDS_A_MINUTE = 100  # of mathematical prose
FORMULA, CODE_LINE = 5, 3  # words that a line of a displayed formula, and one of visible code, count for
UNSEEN = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
TAGS = re.compile(r":?tags: *\[(.*)\]")
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


def reading_minutes(chapter: Chapter) -> int:
    r"""Return the minutes that the visible text of a chapter takes, rounded to five.

    A hundred words of mathematical prose make a minute. An inline formula is one word, a line of a displayed formula
    counts as five words and a line of visible code as three. What is folded on the site counts nothing: proofs,
    solutions and hidden code.

    Example:
        >>> reading_minutes(Chapter("short", "# A title\n" + "word " * 1000))
        10
    """
    folded = {line.blocks[-1].first for line in chapter.lines if line.text == ":class: dropdown" and line.blocks}
    unseen = folded | hidden_cells(chapter)
    words = sum(_words(line) for line in chapter.lines if not any(block.first in unseen for block in line.blocks))
    return max(5, 5 * round(words / WORDS_A_MINUTE / 5))


def hidden_cells(chapter: Chapter) -> set[int]:
    """Return the first lines of the code cells that the site does not show at once."""
    found = set()
    for line in chapter.lines:
        tags = TAGS.match(line.text) if line.inside(CODE) else None
        if tags and UNSEEN & set(tags[1].split(", ")):
            found.add(line.blocks[-1].first)
    return found


def _words(line: Line) -> int:
    text = line.text.strip()
    fence = line.blocks and line.number == line.blocks[-1].first
    if not text or fence or re.match(r":[\w-]+: ", text) or re.fullmatch(r"[`:$-]{2,}|\([\w-]+\)=", text):
        return 0
    if line.inside(CODE):
        return CODE_LINE
    if line.inside("math"):
        return FORMULA
    plain = re.sub(r"\$[^$]+\$", "x", re.sub(r"\{[\w:]+\}`([^`<]*)(<[^`]*)?`", r"\1", text))
    return len(re.findall(r"\w[\w’'-]*", plain))


def reading(chapter: Chapter) -> str:
    """Say how long a chapter takes to read.

    Example:
        >>> reading(Chapter("short", "# A title"))
        'about 5 minutes, without the folded proofs'
    """
    return f"about {reading_minutes(chapter)} minutes, without the folded proofs"


def running(run: Mapping[str, Any]) -> str:
    """Say how long a chapter ran: tens of seconds up to ninety, half minutes beyond.

    Args:
        run: the chapter's record in results/runtimes.json.

    Example:
        >>> running({"seconds": 77.2, "cpus": 2}), running({"seconds": 151.0, "cpus": 2})
        ('about 80 seconds on two processor cores', 'about 2½ minutes on two processor cores')
    """
    seconds, cpus = run["seconds"], run["cpus"]
    cores = f"{COUNTS[cpus] if cpus < len(COUNTS) else cpus} processor core{'s' if cpus != 1 else ''}"
    if seconds < 95:
        return f"about {max(10, 10 * round(seconds / 10))} seconds on {cores}"
    whole, half = divmod(round(seconds / 30), 2)
    return f"about {whole}{'½' * half} minutes on {cores}"
