"""Write a drawing as SVG that is the same on every machine: plain shapes, text as text, two decimals."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape

from bnlib.book.plotting import COLORS

BLUE, RED, GREEN, PINK, AMBER, SKY, _ = COLORS
INK, GREY, PALE, WHITE = "#222222", "#8a8a8a", "#e6e6e6", "#ffffff"
WIDTH = 350  # as wide as a figure on a phone, where one unit is one pixel
SMALLEST = 11.0  # the size of an index, and of no smaller text
SANS = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
SERIF = "'STIX Two Text', 'Times New Roman', 'Liberation Serif', 'DejaVu Serif', serif"

Point = tuple[float, float]
LETTERS = "A-Za-zα-ωΘ"
PIECES = re.compile(rf"(?P<shift>[_^])(?:{{(?P<group>[^}}]*)}}|(?P<one>.))|[{LETTERS}]+|[^_^{LETTERS}]+")
RUNS = re.compile(rf"[{LETTERS}]+|[^{LETTERS}]+")
UPRIGHT = {"log", "Tr", "Rank", "BN", "rank"}


def number(value: float) -> str:
    """Return a coordinate with at most two decimals.

    What lies half-way between two hundredths is moved off it first, so that no rounding of a processor decides.

    Example:
        >>> number(12.5), number(1 / 3), number(-1e-12)
        ('12.5', '0.33', '0')
    """
    text = f"{value + 1e-6:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def scale(a: float, b: float, u: float, v: float) -> Callable[[float], float]:
    """Return the affine function that takes a to u and b to v.

    Example:
        >>> scale(0, 10, 100, 200)(5)
        150.0
    """
    return lambda x: u + (x - a) * (v - u) / (b - a)


def sunflower(n: int) -> list[Point]:
    """Return n points that fill the unit disc evenly.

    Example:
        >>> len(sunflower(50))
        50
    """
    golden = math.pi * (3 - math.sqrt(5))
    return [
        (math.sqrt((i + 0.5) / n) * math.cos(golden * i), math.sqrt((i + 0.5) / n) * math.sin(golden * i))
        for i in range(n)
    ]


class Picture:
    """Hold a drawing on a white ground, 350 units wide; y runs downwards."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.parts: list[str] = []

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str, stroke: str = "none", **more: float
    ) -> None:
        """Draw a rectangle; more: stroke_width, fill_opacity."""
        where = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
        self.parts.append(f'<rect {where} fill="{fill}" stroke="{stroke}"{_more(more)}/>')

    def dot(self, x: float, y: float, r: float, fill: str) -> None:
        """Draw a disc."""
        where = f'cx="{number(x)}" cy="{number(y)}" r="{number(r)}"'
        self.parts.append(f'<circle {where} fill="{fill}"/>')

    def path(
        self,
        points: Iterable[Point],
        stroke: str,
        width: float,
        *,
        fill: str = "none",
        closed: bool = False,
        dashed: bool = False,
        **more: float,
    ) -> None:
        """Draw a chain of segments; more: fill_opacity."""
        chain = "L".join(f"{number(x)} {number(y)}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        line = f'stroke="{stroke}" stroke-width="{number(width)}" stroke-linejoin="round" stroke-linecap="round"{dash}'
        self.parts.append(f'<path d="M{chain}{"Z" * closed}" fill="{fill}" {line}{_more(more)}/>')

    def arrow(self, start: Point, end: Point, color: str, width: float, head: float = 7.0) -> None:
        """Draw an arrow whose tip lies at its end."""
        (x, y), (u, v) = start, end
        length = math.hypot(u - x, v - y)
        c, s = (u - x) / length, (v - y) / length
        self.path([start, (u - 0.7 * head * c, v - 0.7 * head * s)], color, width)
        back, half = (u - head * c, v - head * s), 0.42 * head
        sides = [(back[0] - half * s, back[1] + half * c), (back[0] + half * s, back[1] - half * c)]
        self.path([end, *sides], color, 0.5, fill=color, closed=True)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 13,
        *,
        anchor: str = "start",
        color: str = INK,
        bold: bool = False,
    ) -> None:
        """Write words at a base line; what stands between dollar signs is set as a formula, with _ and ^."""
        weight = ' font-weight="600"' if bold else ""
        where = f'x="{number(x)}" y="{number(y)}" text-anchor="{anchor}"'
        look = f'font-size="{number(size)}" fill="{deep(color)}"{weight}'
        self.parts.append(f"<text {where} {look}>{''.join(_spans(words, size))}</text>")

    def svg(self) -> str:
        """Return the file."""
        size = f'viewBox="0 0 {WIDTH} {number(self.height)}" width="{WIDTH}" height="{number(self.height)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{SANS}">'
        ground = f'<rect width="{WIDTH}" height="{number(self.height)}" fill="{WHITE}"/>'
        return "\n".join([head, ground, *self.parts, "</svg>\n"])


def deep(color: str) -> str:
    """Return a colour that is dark enough for text on white.

    Example:
        >>> deep("#D55E00")
        '#954100'
    """
    if color in (INK, WHITE):
        return color
    return "#" + "".join(f"{int(color[i : i + 2], 16) * 7 // 10:02x}" for i in (1, 3, 5)).upper()


def _more(attributes: dict[str, float]) -> str:
    return "".join(f' {name.replace("_", "-")}="{number(value)}"' for name, value in attributes.items())


def _spans(words: str, size: float) -> Iterator[str]:
    """Yield the parts of a text; what is raised or lowered is undone by the next part."""
    base = 0.0
    for i, part in enumerate(words.split("$")):
        if i % 2 == 0:
            plain = escape(part, quote=False)
            yield f'<tspan dy="{number(-base)}">{plain}</tspan>' if base and plain else plain
            base = 0.0 if plain else base
            continue
        for piece in PIECES.finditer(part):
            inner = piece["group"] or piece["one"]
            shift = 0.0 if inner is None else (0.28 if piece["shift"] == "_" else -0.42) * size
            face = f'font-size="{number(max(SMALLEST, 0.8 * size) if inner else 1.12 * size)}" font-family="{SERIF}"'
            for run in RUNS.findall(inner or piece[0]):
                slant = ' font-style="italic"' if run[0].isalpha() and run not in UPRIGHT else ""
                move = f' dy="{number(shift - base)}"' if shift != base else ""
                base = shift
                yield f"<tspan {face}{slant}{move}>{escape(run, quote=False)}</tspan>"


def row(n: int, low: float, high: float) -> Sequence[float]:
    """Return n evenly spaced numbers, the ends included.

    Example:
        >>> row(3, 0, 10)
        [0.0, 5.0, 10.0]
    """
    return [low + (high - low) * i / (n - 1) for i in range(n)]
