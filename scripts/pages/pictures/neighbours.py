"""The pictures of part VIII: a dimension of a state that passes through layers with and without a leak."""

from __future__ import annotations

import math

from scripts.pages.pictures.canvas import BLUE, GREY, INK, RED, Picture, Point, row, scale

DEPTH = 4.0  # the sum of the leaks


def kept(time: float, depth: float) -> float:
    """Return what is left of a state without weights, when a share of the leaks has passed.

    Example:
        >>> round(kept(1.0, 4.0), 3)
        0.018
    """
    return math.exp(-depth * time)


def held(depth: float) -> float:
    """Return what weights cost that hold one dimension up, in the limit of many layers: the sum of the leaks.

    Example:
        >>> held(4.0)
        4.0
    """
    return (depth + math.log(1.0)) ** 2 / depth if depth else 0.0


def leaky() -> Picture:
    """A dimension stays without a leak, at no cost; with one it decays unless weights hold it up."""
    picture = Picture(226)
    for left, words, depth, color in ((14.0, "no leak", 0.0, BLUE), (190.0, "leak", DEPTH, RED)):
        x, y = scale(0, 1, left + 6, left + 140), scale(0, 1.2, 150, 30)
        picture.path([(left, 34), (left, 150), (left + 146, 150)], INK, 1.2)
        picture.text(left + 4, 24, words, 14, bold=True, color=color)
        bare: list[Point] = [(x(t), y(kept(t, depth))) for t in row(41, 0, 1)]
        if depth:
            picture.path(bare, GREY, 2, dashed=True)
            picture.text(x(0.26), y(0.42), "without weights", 13)
            picture.text(x(0.99), y(0.13), f"{kept(1, depth):.2f}", 13, anchor="end")
            picture.path([(x(0), y(1)), (x(1), y(1))], color, 3)
            picture.text(x(0.26), y(0.8), "with weights", 13)
        else:
            picture.path(bare, color, 3)
            picture.text(x(0.1), y(0.8), "without weights", 13)
        picture.text(left + 73, 172, "layers", 13, anchor="middle")
        picture.text(left + 73, 196, f"a dimension costs {held(depth):g}", 13.5, anchor="middle", bold=True)
    picture.text(175, 218, "the leaks add up to 4", 13, anchor="middle")
    return picture
