"""The pictures of part I: a factor split over layers, and a cone that has to fit into the quadrant."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scripts.pages.pictures.canvas import BLUE, GREEN, GREY, INK, PALE, RED, Picture, number, scale

FACTOR, LAYERS = 8, 3
UNEVEN = (4.0, 2.0, 1.0)
HALF_ANGLE, STEPS = 40.0, 4  # the cone of the chapter, in degrees, and the layers of its picture


def norm(factors: Sequence[float]) -> float:
    """Return the squared norm of layers of width one that multiply by these factors.

    Example:
        >>> norm([4, 2, 1])
        21
    """
    return sum(t * t for t in factors)


def opening_angle(stretch: float, share: float) -> float:
    """Return the angle that the cone opens after a share of the layers of diag(1, stretch), in degrees.

    Example:
        >>> round(opening_angle(4.0, 0.0)), round(opening_angle(4.0, 1.0))
        (80, 147)
    """
    return 2 * math.degrees(math.atan(stretch**share * math.tan(math.radians(HALF_ANGLE))))


def cost() -> Picture:
    """The same factor, split evenly and unevenly; a layer is a square whose area is what it costs."""
    picture, unit = Picture(250), 22.0
    even = (FACTOR ** (1 / LAYERS),) * LAYERS
    for base, factors, color, words in ((82.0, even, BLUE, "even"), (202.0, UNEVEN, RED, "uneven")):
        x = 12.0
        for i, t in enumerate(factors):
            side = unit * t
            picture.rect(x, base - side, side, side, color, fill_opacity=0.25)
            picture.rect(x, base - side, side, side, "none", color, stroke_width=1.8)
            picture.text(x + side / 2, base - side / 2 + 5, f"${number(t)}^2$", anchor="middle")
            x += side
            if i < len(factors) - 1:
                picture.text(x + 8, base - 6, "×", 14, anchor="middle")
            x += 16
        product = " × ".join(number(t) for t in factors)
        areas = " + ".join(number(t * t) for t in factors)
        picture.text(216, base - 48, f"{words} factors", 14, bold=True, color=color)
        picture.text(216, base - 27, f"{product} = {number(math.prod(factors))}")
        picture.text(216, base - 6, f"{areas} = {number(norm(factors))}", bold=True, color=color)
    picture.path([(12, 104), (338, 104)], PALE, 1)
    picture.text(175, 238, "even factors cost $L·s^{2/L}$, and nothing costs less", 13.5, anchor="middle")
    return picture


def linear() -> Picture:
    """A cone on its way through the layers of two matrices, turned into the quadrant where it fits."""
    picture, radius = Picture(240), 40.0
    x = scale(0, STEPS, 20, 288)
    for base, stretch, name in ((82.0, 0.1, "diag(1, 0.1)"), (190.0, 4.0, "diag(1, 4)")):
        fits = all(opening_angle(stretch, step / STEPS) <= 90 for step in range(1, STEPS))
        color = GREEN if fits else RED
        for step in range(STEPS + 1):
            angle, left = opening_angle(stretch, step / STEPS), x(step)
            picture.rect(left, base - 44, 44, 44, PALE, fill_opacity=0.6)
            turned = [45 - angle / 2 + angle * i / 24 for i in range(25)]
            arc = [
                (left + radius * math.cos(math.radians(a)), base - radius * math.sin(math.radians(a))) for a in turned
            ]
            picture.path([(left, base), *arc], color, 1.6, fill=color, closed=True, fill_opacity=0.3)
            picture.path([(left, base - 46), (left, base), (left + 46, base)], INK, 1.2)
            if step < STEPS:
                picture.arrow((left + 48, base - 12), (left + 62, base - 12), GREY, 1.2, 6)
        end = "fits in every layer" if fits else "too wide from the first layer on"
        picture.text(10, base - 56, f"{name}: {end}", 13, color=color, bold=True)
    for step, words in ((0, "input"), (2, "inside the network"), (4, "output")):
        picture.text(x(step) + 20, 232, words, 13, anchor="middle")
    return picture
