"""The pictures of part IV: the tangent kernel by layers, layers that copy, equal steps, features that move little."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.pages.pictures.canvas import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    INK,
    RED,
    SKY,
    Picture,
    Point,
    number,
    row,
    scale,
    sunflower,
)

RESULTS = Path(__file__).resolve().parents[3] / "results"
SHOWN = {"rank": 2, "depth": 24, "ridge": 0.002, "seed": 0}
WEIGHT, DEPTH = 1.15, 5  # of the chain of width one whose kernel is drawn
GROWTH, LAYERS = 2.0, 8  # log s, and the layers over which it is spread


class Budget(NamedTuple):
    """Hold the squared distances of the layers to partial isometries, and what they may add up to."""

    layers: list[float]
    limit: float


def terms() -> list[tuple[float, float]]:
    """Return for each layer of the chain the two factors of its term, |α|² + 1 and |J|², at the input 1."""
    return [(WEIGHT ** (2 * (layer - 1)) + 1, WEIGHT ** (2 * (DEPTH - layer))) for layer in range(1, DEPTH + 1)]


def budget() -> Budget:
    """Return the budget of a stored network."""
    records = json.loads((RESULTS / "affine-law.json").read_text(encoding="utf-8"))["records"]
    (run,) = [r for r in records if all(r[name] == value for name, value in SHOWN.items())]
    return Budget(run["left_layers"], run["right"])


def energy(steps: Sequence[float]) -> float:
    """Return what steps in log-space cost to the order 1/L, twice the sum of their squares.

    Example:
        >>> energy([0.5, 0.5]), energy([1.0, 0.0])
        (1.0, 2.0)
    """
    return 2 * sum(step * step for step in steps)


def tangent_kernel() -> Picture:
    """Each layer gives one term, a rectangle; the step size limits the sum of their areas."""
    picture, unit = Picture(240), 15.0
    colors = (BLUE, SKY, GREEN, AMBER, RED)
    x = scale(1, DEPTH, 36, 282)
    for layer, ((wide, high), color) in enumerate(zip(terms(), colors, strict=True), 1):
        width, height = 0.9 * unit * wide, 1.25 * unit * high
        left = x(layer) - width / 2 + 8
        picture.rect(left, 118 - height, width, height, color, fill_opacity=0.85)
        picture.text(left + width / 2, 134, f"{layer}" if layer > 1 else "layer 1", 12, anchor="middle")
    picture.text(10, 22, "layer $l$: width $‖α_{l−1}‖^2 + 1$, height $‖J_l‖^2$", 13)
    total = sum(a * b for a, b in terms())
    length = scale(0, total, 0, 240)
    left = 20.0
    for (a, b), color in zip(terms(), colors, strict=True):
        picture.rect(left, 182, length(a * b), 20, color, fill_opacity=0.85)
        left += length(a * b)
    picture.text(20, 176, "trace of the kernel = their sum", 13)
    picture.path([(292, 172), (292, 210)], INK, 2, dashed=True)
    picture.text(344, 164, "limit at this step", 12.5, anchor="end")
    picture.text(175, 232, "the larger the step, the less room for the sum", 13.5, anchor="middle")
    return picture


def weights() -> Picture:
    """A layer is close to a tall matrix times a wide one; the distances of all layers share one budget."""
    picture = Picture(250)
    picture.rect(20, 20, 66, 66, BLUE, BLUE, fill_opacity=0.2, stroke_width=1.6)
    picture.text(53, 58, "$W_l$", 15, anchor="middle")
    picture.text(106, 58, "≈", 18, anchor="middle")
    picture.rect(126, 20, 22, 66, GREEN, GREEN, fill_opacity=0.25, stroke_width=1.6)
    picture.rect(156, 42, 66, 22, GREEN, GREEN, fill_opacity=0.25, stroke_width=1.6)
    picture.text(137, 58, "$V_l$", 13, anchor="middle")
    picture.text(189, 58, "$V_{l−1}^T$", 13, anchor="middle")
    picture.text(234, 42, "copies $k$", 13)
    picture.text(234, 59, "dimensions,", 13)
    picture.text(234, 76, "deletes the rest", 13)
    found = budget()
    x, y = scale(0, len(found.layers), 20, 236), scale(0, 5, 206, 122)
    for i, value in enumerate(found.layers):
        picture.rect(x(i) + 1, y(value), x(1) - x(0) - 2, y(0) - y(value), RED)
    picture.path([(20, y(0)), (238, y(0))], INK, 1.2)
    picture.text(128, 142, "distances", 13, anchor="middle", color=RED, bold=True)
    picture.text(128, 158, "$δ_l^2$ of the layers", 13, anchor="middle", color=RED)
    picture.text(128, 223, f"{len(found.layers)} layers", 12, anchor="middle")
    total = scale(0, found.limit, 206, 112)
    picture.rect(268, total(sum(found.layers)), 22, 206 - total(sum(found.layers)), RED)
    picture.rect(300, total(found.limit), 22, 206 - total(found.limit), GREY)
    picture.text(279, 221, "$Σδ_l^2$", 12, anchor="middle")
    picture.text(311, 221, "$E_k$", 12, anchor="middle")
    picture.text(175, 243, "all distances together stay within $E_k$", 13.5, anchor="middle")
    return picture


def next_order() -> Picture:
    """Two paths from 0 to log s: equal steps cost half of what the same way in half of the layers costs."""
    picture = Picture(232)
    half = [GROWTH * 2 / LAYERS if 2 <= i < 2 + LAYERS // 2 else 0.0 for i in range(LAYERS)]
    x, y = scale(0, LAYERS, 52, 220), scale(0, GROWTH, 190, 30)
    picture.path([(52, 18), (52, 190), (232, 190)], INK, 1.2)
    picture.text(46, y(GROWTH) + 5, "log $s$", 13, anchor="end")
    picture.text(46, 194, "0", 13, anchor="end")
    for steps, color, words, line in (
        ([GROWTH / LAYERS] * LAYERS, BLUE, "equal steps", 96.0),
        (half, RED, "half the layers", 150.0),
    ):
        at = [sum(steps[:i]) for i in range(LAYERS + 1)]
        picture.path([(x(i), y(value)) for i, value in enumerate(at)], color, 2)
        for i, value in enumerate(at):
            picture.dot(x(i), y(value), 3.8, color)
        picture.text(230, line - 16, words, 13, bold=True, color=color)
        picture.text(230, line + 4, f"2Σ$ε^2$ = {number(energy(steps))}", 14, color=color)
    picture.text(136, 208, "layer", 13, anchor="middle")
    picture.text(175, 227, "equal steps have the least energy", 13.5, anchor="middle")
    return picture


def cloud(squeeze: float, turn: float, bend: float) -> list[Point]:
    """Return the drawn cloud, flattened, turned by some degrees, and bent."""
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    flat = [(a, squeeze * b + bend * (a * a - 0.5)) for a, b in sunflower(90)]
    return [(c * a - s * b, s * a + c * b) for a, b in flat]


def features() -> Picture:
    """A cloud is flattened in the first layers, moves little in the middle, and is bent in the last."""
    picture = Picture(190)
    still = [(0.05, turn, 0.0) for turn in (20.0, 23.0, 26.0)]
    shapes = ((1.0, 0.0, 0.0), (0.45, 12.0, 0.0), *still, (0.07, 0.0, 0.9))
    for left, shape in zip(row(len(shapes), 32, 318), shapes, strict=True):
        for (a, b), (first, _) in zip(cloud(*shape), sunflower(90), strict=True):
            color = (BLUE, SKY, AMBER, RED)[min(3, int(2 * (first + 1)))]
            picture.dot(left + 25 * a, 72 - 25 * b, 2.2, color)
    for left, right, words in ((8, 112, "flatten"), (122, 285, "move little"), (293, 344, "bend")):
        picture.path([(left, 118), (left, 124), (right, 124), (right, 118)], INK, 1.4)
        picture.text((left + right) / 2, 142, words, 13.5, anchor="middle", bold=True)
    picture.text(32, 28, "input", 13, anchor="middle")
    picture.text(204, 28, "most layers", 13, anchor="middle")
    picture.text(318, 28, "output", 13, anchor="middle")
    picture.text(175, 176, "points of one colour stay together", 13.5, anchor="middle")
    return picture
