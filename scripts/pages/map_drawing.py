"""Draw the chapters as SVG: a band for each part, an arrow for each need, and boxes that are links."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from html import escape

from scripts.pages.map_layout import Box, Edge, Look, Node, Point, laid_out, routes

# Okabe and Ito's colours, told apart under the common forms of colour blindness; the parts have their names as well.
COLORS = ("#8c8c8c", "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#B5A400")
STYLE = """\
text { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--pst-color-text-base, #222); }
.box { fill: var(--pst-color-background, #fff); stroke: var(--pst-color-text-muted, #555); }
.arrow { fill: none; stroke: var(--pst-color-text-muted, #555); }
.head { fill: var(--pst-color-text-muted, #555); }
.spine .box { stroke: var(--pst-color-text-base, #222); }
.arrow.spine { stroke: var(--pst-color-text-base, #222); }
.head.spine { fill: var(--pst-color-text-base, #222); }
a { text-decoration: none; }
a:is(:hover, :focus) .box { fill: var(--pst-color-surface, #eee); }
a:is(:hover, :focus) text { text-decoration: underline; }
"""


def curve(points: Sequence[Point]) -> str:
    """Return an SVG path through points, upright at each of them; level between neighbours, an arc above others."""
    (x, y), (u, v) = points[0], points[-1]
    if len(points) == 2 and y == v:
        if abs(u - x) < 30:
            return f"M{x:.1f} {y:.1f}L{u - 4:.1f} {v:.1f}"
        return f"M{x:.1f} {y:.1f}C{x:.1f} {y - 16:.1f} {u:.1f} {v - 20:.1f} {u:.1f} {v - 4:.1f}"
    last = (u, v - 4)
    path = f"M{x:.1f} {y:.1f}"
    for (a, b), (c, d) in zip(points, [*points[1:-1], last], strict=False):
        bend = (d - b) / 2
        path += f"C{a:.1f} {b + bend:.1f} {c:.1f} {d - bend:.1f} {c:.1f} {d:.1f}" if a != c else f"L{c:.1f} {d:.1f}"
    return path


def drawing(nodes: Sequence[Node], parts: Sequence[str], edges: Iterable[Edge], look: Look, name: str) -> str:
    """Return the map as SVG.

    Args:
        nodes: the chapters, in the order of the book.
        parts: the names of the parts, "Part II: training to the bottleneck".
        edges: pairs of file names, (needed, needing).
        look: its measures.
        name: what the ids in it begin with, so that two maps can stand on one page.
    """
    rows = laid_out(nodes, look)
    spine = {node.stem for node in nodes if node.spine}
    height = rows[-1][0].bottom + 12
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {look.width:g} {height:.0f}" role="group" '
        f'aria-label="Map of the chapters" id="{name}">',
        f"<style>{''.join(f'#{name} {rule}' + chr(10) for rule in STYLE.splitlines())}</style>",
        f"<defs>{_head(name, '')}{_head(name, ' spine')}</defs>",
    ]
    for row in rows:
        part, top, bottom = row[0].node.part, row[0].top - 10, row[0].bottom + 10
        color = COLORS[part % len(COLORS)]
        band = f'y="{top:.1f}" height="{bottom - top:.1f}"'
        out.append(f'<rect x="0" width="{look.width:g}" {band} rx="6" fill="{color}" fill-opacity="0.14"/>')
        out.append(f'<rect x="0" width="6" {band} rx="3" fill="{color}"/>')
        out += _name(parts[part], (top + bottom) / 2, look)
    for (a, b), points in sorted(routes(rows, edges, look).items(), key=lambda item: spine >= {*item[0]}):
        kind = " spine" if {a, b} <= spine else ""
        width, head = (2.8, f"{name}-spine") if kind else (1.3, f"{name}-head")
        out.append(f'<path class="arrow{kind}" stroke-width="{width}" marker-end="url(#{head})" d="{curve(points)}"/>')
    out += [_link(box, look) for row in rows for box in row]
    return "\n".join([*out, "</svg>\n"])


def _head(name: str, kind: str) -> str:
    size = 'markerWidth="9" markerHeight="8" refX="4" refY="4" markerUnits="userSpaceOnUse" orient="auto"'
    return f'<marker id="{name}-{kind.strip() or "head"}" {size}><path class="head{kind}" d="M0 0L9 4L0 8z"/></marker>'


def _name(part: str, y: float, look: Look) -> list[str]:
    short, _, words = part.partition(": ")
    lines = textwrap.wrap(words, int((look.margin - 14) / (look.char * (look.font - 1)))) if look.titles else []
    first = y - 0.6 * look.font * len(lines) + 0.35 * look.font
    text = [f'<text x="12" y="{first:.1f}" font-size="{look.font:g}" font-weight="600">{escape(short)}</text>']
    for i, line in enumerate(lines, 1):
        at = first + 1.2 * look.font * i
        text.append(f'<text x="12" y="{at:.1f}" font-size="{look.font - 1:g}">{escape(line)}</text>')
    return text


def _link(box: Box, look: Look) -> str:
    node = box.node
    stroke = 2.8 if node.spine else 1
    frame = f'x="{box.left:.1f}" y="{box.top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    rows = "".join(
        f'<tspan x="{box.middle:.1f}" dy="{1.25 * look.font:.1f}">{escape(words)}</tspan>' for words in box.words
    )
    number = f'<tspan x="{box.middle:.1f}" font-weight="700">{node.number}</tspan>'
    kind = ' class="spine"' if node.spine else ""
    middle = f'y="{box.top + 6 + look.font:.1f}" font-size="{look.font:g}" text-anchor="middle"'
    return (
        f'<a href="../notebooks/{node.stem}.html"{kind}>'
        f"<title>{node.number}. {escape(node.title)}</title>"
        f'<rect class="box" {frame} rx="5" stroke-width="{stroke}"/>'
        f"<text {middle}>{number}{rows}</text></a>"
    )
