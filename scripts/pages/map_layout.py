"""Lay out the chapters as a graph: a band for each part, boxes side by side in it, and the lanes of the arrows."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Point = tuple[float, float]
Edge = tuple[str, str]  # the chapter that is needed, and the one that needs it


class Node(NamedTuple):
    """Hold what the map shows of a chapter: its number, file, title, part and whether it is on the spine."""

    number: int
    stem: str
    title: str
    part: int
    spine: bool


class Look(NamedTuple):
    """Hold the measures of a drawing, in pixels and characters."""

    width: float
    margin: float  # left of the chapters, for the names of the parts
    gap: float  # between two chapters of a part
    between: float  # between two parts
    font: float
    titles: bool  # whole titles, or the short names of the files
    char: float = 0.56  # mean width of a character in units of the font


DESK = Look(width=720, margin=112, gap=24, between=34, font=12.5, titles=True)
PHONE = Look(width=350, margin=58, gap=12, between=28, font=11.5, titles=False)


class Box(NamedTuple):
    """Hold where a chapter is drawn and the lines of its words."""

    node: Node
    left: float
    top: float
    width: float
    height: float
    words: tuple[str, ...]

    @property
    def right(self) -> float:
        """The right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.top + self.height

    @property
    def middle(self) -> float:
        """The middle, from left to right."""
        return self.left + self.width / 2


def laid_out(nodes: Sequence[Node], look: Look) -> list[list[Box]]:
    """Place the chapters of each part side by side, part below part."""
    rows, top = [], 10.0
    for part in sorted({node.part for node in nodes}):
        row = [node for node in nodes if node.part == part]
        room = look.width - look.margin - look.gap * (len(row) + 1)
        width = min(room / len(row), 0.42 * room)
        chars = int((width - 12) / (look.char * look.font))
        words = [_words(node, chars, look) for node in row]
        height = 16 + 1.25 * look.font * (1 + max(map(len, words)))
        used = width * len(row) + look.gap * (len(row) + 1)
        left = look.margin + (look.width - look.margin - used) / 2 + look.gap
        rows.append(
            [
                Box(node, left + i * (width + look.gap), top + 10, width, height, text)
                for i, (node, text) in enumerate(zip(row, words, strict=True))
            ]
        )
        top += height + 20 + look.between
    return rows


def _words(node: Node, chars: int, look: Look) -> tuple[str, ...]:
    text = node.title if look.titles else node.stem.replace("_", " ")
    return tuple(textwrap.wrap(text, max(chars, 5), break_long_words=False))


def routes(rows: Sequence[Sequence[Box]], edges: Iterable[Edge], look: Look) -> dict[Edge, list[Point]]:
    """Find the points through which the arrows run, from the lower edge of a chapter to the upper edge of another.

    An arrow that passes a part runs between two of its chapters: where others from the same chapter run, or near the
    straight line. Those from one chapter share a lane, others run beside it. Within a part an arrow runs from box to
    box, or above those in between.
    """
    place = {box.node.stem: (r, box) for r, row in enumerate(rows) for box in row}
    ends = sorted(edges, key=lambda e: (place[e[0]][1].node.number, place[e[1]][1].node.number))
    gaps = [[row[0].left - look.gap / 2, *(box.right + look.gap / 2 for box in row)] for row in rows]
    users: dict[tuple[int, int], list[str]] = defaultdict(list)
    passes: dict[Edge, list[tuple[int, int]]] = {}
    for edge in sorted(ends, key=lambda e: place[e[1]][0] - place[e[0]][0]):
        (r, source), (s, target) = place[edge[0]], place[edge[1]]
        x, passes[edge] = source.middle, []
        for row in range(r + 1, s):
            aim = x + (target.middle - x) / (s - row + 1)

            def detour(i: int, row: int = row, aim: float = aim, edge: Edge = edge) -> float:
                others = [stem for stem in users[row, i] if stem != edge[0]]
                return abs(gaps[row][i] - aim) + look.gap * (3 * len(others) - 2 * (edge[0] in users[row, i]))

            best = min(range(len(gaps[row])), key=detour)
            passes[edge].append((row, best))
            if edge[0] not in users[row, best]:
                users[row, best].append(edge[0])
            x = gaps[row][best]
    lanes = {}
    for (row, i), stems in users.items():
        for at, stem in enumerate(sorted(stems, key=lambda stem: place[stem][1].middle)):
            step = min(5.0, (look.gap - 4) / len(stems))
            lanes[row, i, stem] = gaps[row][i] + (at - (len(stems) - 1) / 2) * step
    through = {edge: [(lanes[row, i, edge[0]], row) for row, i in passes[edge]] for edge in ends}
    found = {}
    for edge in ends:
        (r, source), (s, target) = place[edge[0]], place[edge[1]]
        if r == s:
            middle = source.top + source.height / 2
            near = target.left - source.right <= look.gap + 1
            points = [(source.right, middle), (target.left, middle)]
            found[edge] = points if near else [(source.right - 12, source.top), (target.left + 12, target.top)]
            continue
        first = {e: through[e][0][0] if through[e] else place[e[1]][1].middle for e in ends if e[0] == edge[0]}
        firsts = sorted({x for e, x in first.items() if place[e[1]][0] > r})
        lasts = sorted(
            (through[e][-1][0] if through[e] else place[e[0]][1].middle, e)
            for e in ends
            if e[1] == edge[1] and place[e[0]][0] < s
        )
        points = [(_spread(source, firsts.index(first[edge]), len(firsts)), source.bottom)]
        for x, row in through[edge]:
            points += [(x, rows[row][0].top - 8), (x, rows[row][0].bottom + 8)]
        found[edge] = [*points, (_spread(target, [e for _, e in lasts].index(edge), len(lasts)), target.top)]
    return found


def _spread(box: Box, at: int, of: int) -> float:
    return box.left + box.width * (0.5 + (at - (of - 1) / 2) * min(0.18, 0.8 / of))
