"""The pictures of part VII: points that move between frozen kernels, two regimes, and a kernel that grows."""

from __future__ import annotations

import math

from bnlib import deep_linear
from scripts.pages.pictures.canvas import BLUE, GREY, INK, PALE, RED, Picture, Point, row, scale

ACCURACY = 1e-4  # ε, the share of the loss that is left
DIMENSIONS = (1, 4, 16)  # of the bottlenecks whose kernels are drawn
GROWTH = 0.9  # of the kernel along the target at d = 1, relative to its size


def speed_up(ratio: float) -> float:
    """Return the time without a bottleneck divided by that with one, at the ratio H/d of the theorem.

    Example:
        >>> round(speed_up(1e-6), 3)
        1.0
    """
    return deep_linear.speed_up(deep_linear.bottleneck_ratio(1, 1, ratio, 1), ACCURACY)


def kernel(d: int, n: int = 73) -> list[Point]:
    """Return the unit circle, stretched by 1 + growth/d in the direction of the target."""
    c = math.sqrt(0.5)
    found = []
    for t in row(n, 0, 2 * math.pi):
        a, b = (1 + GROWTH / d) * math.cos(t), math.sin(t)
        found.append((c * a - c * b, c * a + c * b))
    return found


def moving_points() -> Picture:
    """Two wide parts whose kernels are frozen, and between them points of a plane that move."""
    picture = Picture(226)
    for corners, words, name in (
        ([(12, 92), (40, 22), (98, 22), (118, 68), (118, 136), (98, 182), (40, 182), (12, 112)], 66, "$Θ_g$"),
        ([(338, 92), (310, 22), (252, 22), (232, 68), (232, 136), (252, 182), (310, 182), (338, 112)], 284, "$Θ_f$"),
    ):
        picture.path([(float(x), float(y)) for x, y in corners], GREY, 1.4, fill=BLUE, closed=True, fill_opacity=0.14)
        picture.text(words, 82, "wide", 13.5, anchor="middle")
        picture.text(words, 108, name, 17, anchor="middle")
        picture.text(words, 132, "frozen", 13.5, anchor="middle", color=BLUE, bold=True)
    picture.rect(128, 54, 94, 96, PALE, GREY, fill_opacity=0.5, stroke_width=1)
    for i in range(7):
        turn = 2 * math.pi * i / 7 + 0.3
        start = (175 + 20 * math.cos(turn), 102 + 20 * math.sin(turn))
        end = (175 + 40 * math.cos(turn + 0.45), 102 + 38 * math.sin(turn + 0.45))
        picture.dot(*start, 3, GREY)
        picture.arrow(start, end, RED, 1.6, 8)
    picture.text(175, 24, "bottleneck", 13.5, anchor="middle", bold=True)
    picture.text(175, 43, "of dimension $d$", 13, anchor="middle")
    picture.text(175, 170, "$z_t(x)$ moves", 13.5, anchor="middle", color=RED, bold=True)
    picture.text(175, 214, "the kernels stay, their points move", 13.5, anchor="middle")
    return picture


def acceleration() -> Picture:
    """The speed-up at equal learning rate: none for small targets, growing like a root for large ones."""
    picture = Picture(246)
    x, y = scale(-3, 3, 40, 334), scale(0, math.log10(60), 180, 22)
    picture.path([(40, 16), (40, 180), (340, 180)], INK, 1.2)
    curve = [(t, speed_up(10**t)) for t in row(61, -3, 3)]
    picture.path([(x(-3), y(0)), (x(3), y(0))], GREY, 1, dashed=True)
    picture.path([(x(t), y(math.log10(s))) for t, s in curve], BLUE, 3)
    for factor in (1, 10):
        picture.text(35, y(math.log10(factor)) + 5, f"{factor}", 12, anchor="end")
    for power in (-2, 0, 2):
        picture.text(x(power), 198, f"$10^{{{power}}}$".replace("-", "−"), 13, anchor="middle")
    picture.text(48, 26, "times faster", 13)
    picture.text(x(-1.7), y(0.34), "small target:", 13.5, anchor="middle", bold=True)
    picture.text(x(-1.7), y(0.15), "no faster", 13.5, anchor="middle")
    picture.text(x(0.6), y(1.35), "large target:", 13.5, anchor="middle", bold=True)
    picture.text(x(0.6), y(1.16), "many times faster", 13.5, anchor="middle")
    picture.text(187, 218, "target $H/d$, on the scale of the start", 13.5, anchor="middle")
    picture.text(175, 240, "at equal learning rate", 13.5, anchor="middle", color=BLUE, bold=True)
    return picture


def infinite_features() -> Picture:
    """Kernels before and after training: they grow towards the target, and the less the wider the bottleneck."""
    picture, size = Picture(206), 36.0
    for cx, d in zip((66.0, 180.0, 288.0), DIMENSIONS, strict=True):
        cy = 104.0
        circle = [(cx + size * math.cos(t), cy - size * math.sin(t)) for t in row(73, 0, 2 * math.pi)]
        grown = [(cx + size * a, cy - size * b) for a, b in kernel(d)]
        picture.path(grown, BLUE, 2.4, fill=BLUE, closed=True, fill_opacity=0.2)
        picture.path(circle, GREY, 1.6, closed=True, dashed=True)
        picture.arrow((cx, cy), (cx + 1.25 * size, cy - 1.25 * size), RED, 1.8, 9)
        picture.text(cx, 176, f"$d$ = {d}", 13.5, anchor="middle")
    picture.text(8, 24, "target", 13.5, color=RED, bold=True)
    picture.text(86, 24, "kernel before", 13.5, color=GREY)
    picture.text(342, 24, "and after training", 13.5, anchor="end", color=BLUE, bold=True)
    picture.text(175, 200, "it grows towards the target, less for large $d$", 13.5, anchor="middle")
    return picture
