"""The pictures of part V: a line through all points, a window of depths, and a fit that is too steep."""

from __future__ import annotations

import math
from itertools import pairwise

from scripts.pages.pictures.canvas import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    INK,
    PALE,
    RED,
    SKY,
    Picture,
    Point,
    number,
    row,
    scale,
)

SIDES = (4, 8)  # of the two grids
TARGETS = 9  # that the steep fit passes between two of its inputs
LOWER, UPPER = 1.0, 2.3  # slopes of the ends of the window: 2/k* at k* = 2, and one that stands for c'


def snake(side: int) -> list[Point]:
    """Return the points of a grid of spacing 1/side in the order of a shortest path."""
    rows = [[(j / side, i / side) for j in range(side)] for i in range(side)]
    return [point for i, line in enumerate(rows) for point in (line if i % 2 == 0 else line[::-1])]


def length(points: list[Point]) -> float:
    """Return the length of a path.

    Example:
        >>> length(snake(4))
        3.75
    """
    return sum(math.dist(a, b) for a, b in pairwise(points))


def curve() -> Picture:
    """Two grids on a path that visits all points: four times the points take twice the length."""
    picture, size = Picture(256), 150.0
    for left, side in zip((14.0, 186.0), SIDES, strict=True):
        points = snake(side)
        step = size / side
        at = [(left + step / 2 + size * a, 178 - step / 2 - size * b) for a, b in points]
        picture.rect(left, 28, size, size, PALE, fill_opacity=0.6)
        picture.path(at, BLUE, 2.2)
        for x, y in at:
            picture.dot(x, y, 4.6 - 0.2 * side, RED)
        picture.text(left + size / 2, 20, f"$N$ = {len(points)} points", 13, anchor="middle", bold=True)
        picture.text(
            left + size / 2, 198, f"length {number(length(points))}", 13.5, anchor="middle", color=BLUE, bold=True
        )
    picture.text(175, 224, "a code of one number must visit all points;", 13.5, anchor="middle")
    picture.text(175, 244, "in the plane its path is about $N^{1/2}$ long", 13.5, anchor="middle")
    return picture


def window() -> Picture:
    """The depths at which the right rank is cheapest, against the logarithm of the number of points."""
    picture = Picture(252)
    x, y = scale(0, 10, 46, 338), scale(0, 20, 208, 16)
    few, many = 1.0, 10.0
    low = [(x(few), y(2.2)), (x(many), y(2.2))]
    lower = [(x(few), y(2.2 + LOWER * (few - 1))), (x(many), y(2.2 + LOWER * (many - 1)))]
    upper = [(x(few), y(3.2 + UPPER * (few - 1) * 0.75)), (x(many), y(3.2 + UPPER * (many - 1) * 0.75))]
    picture.path([*low, (x(many), y(0)), (x(few), y(0))], GREY, 0.5, fill=GREY, closed=True, fill_opacity=0.25)
    picture.path([*lower, *low[::-1]], GREEN, 0.5, fill=GREEN, closed=True, fill_opacity=0.35)
    picture.path([*upper, *lower[::-1]], SKY, 0.5, fill=SKY, closed=True, fill_opacity=0.16)
    picture.path([*upper, (x(many), y(20)), (x(few), y(20))], AMBER, 0.5, fill=AMBER, closed=True, fill_opacity=0.3)
    picture.path(lower, GREEN, 2.4)
    picture.path(upper, AMBER, 2.4)
    picture.path([(46, 12), (46, 208), (342, 208)], INK, 1.2)
    picture.text(x(1.4), y(17), "one dimension is cheapest", 13.5, bold=True, color=AMBER)
    picture.text(x(6.2), y(4.2), "the right rank", 13.5, bold=True, color=GREEN)
    picture.text(x(9.9), y(13.1), "between the", 12.5, anchor="end")
    picture.text(x(9.9), y(13.1) + 14, "proved ends", 12.5, anchor="end")
    picture.text(x(1.4), y(0.7), "more dimensions than needed", 13)
    picture.text(40, 26, "$L$", 14, anchor="end")
    picture.text(192, 226, "log $N$", 13.5, anchor="middle")
    picture.text(175, 247, "both proved ends are lines in log $N$", 13.5, anchor="middle")
    return picture


def narrow() -> Picture:
    """Between two inputs a fit of rank one runs through all targets; its valley is too narrow for the step."""
    picture = Picture(250)
    x, y = scale(0, 1, 24, 190), scale(0, 1, 176, 30)
    picture.path([(14, 22), (14, 186), (200, 186)], INK, 1.2)
    picture.path([(x(0), y(0.42)), (x(1), y(0.58))], BLUE, 3)
    heights = [0.42, *(0.98 if i % 2 == 0 else 0.02 for i in range(TARGETS - 2)), 0.58]
    picture.path([(x(t), y(h)) for t, h in zip(row(TARGETS, 0, 1), heights, strict=True)], RED, 1.8)
    for t, h in ((0.0, 0.42), (1.0, 0.58)):
        picture.dot(x(t), y(h), 5, INK)
    picture.text(107, 204, "between two inputs", 13, anchor="middle")
    picture.text(107, 16, "output", 13, anchor="middle")
    u, v = scale(-1, 1, 222, 342), scale(0, 1, 176, 40)
    picture.path([(u(t), v(0.75 * t * t)) for t in row(41, -1, 1)], BLUE, 3)
    picture.path([(u(t), v(24 * t * t)) for t in row(41, -0.175, 0.175)], RED, 2)
    for way in (-1, 1):
        picture.arrow((u(0), v(0.88)), (u(0.55 * way), v(0.88)), INK, 1.6)
    picture.text(282, v(0.94), "one step", 13, anchor="middle")
    picture.text(282, 16, "objective", 13, anchor="middle")
    picture.text(282, 204, "weights", 13, anchor="middle")
    picture.text(64, 226, "rank 1: steep, narrow", 13.5, color=RED, bold=True)
    picture.text(64, 244, "the right rank: gentle, wide", 13.5, color=BLUE, bold=True)
    for at, color in ((222, RED), (240, BLUE)):
        picture.path([(34, at), (56, at)], color, 3)
    return picture
