"""The pictures of part III: a map whose Jacobian sees one dimension where a code needs two, folds and their gains."""

from __future__ import annotations

import math

from scripts.pages.pictures.canvas import BLUE, GREY, INK, RED, WHITE, Picture, Point, scale

SLOPE = 3.0  # of the line and, up to sign, of the fold
CLIP, FOLD = (0.0, 1.0, 0.0), (-1.0, 1.0)  # slopes of two functions as steep as each other


def clipped(x: Point) -> Point:
    """Double both coordinates and clip them to [-1, 1].

    Example:
        >>> clipped((0.6, -0.25))
        (1.0, -0.5)
    """
    a, b = (min(1.0, max(-1.0, 2 * c)) for c in x)
    return a, b


def line_bound() -> float:
    """Return the lower bound of the second coefficient for a function of this slope, 2 log s."""
    return 2 * math.log(SLOPE)


def fold_bound() -> float:
    """Return that for a function with the slopes s and -s, 2 log s + 1."""
    return 2 * math.log(SLOPE) + 1


def rank() -> Picture:
    """A square annulus is pushed onto its outer edge: a loop, which no line can label without a jump."""
    picture, size = Picture(222), 66.0
    cx, cy, ex = 84.0, 96.0, 262.0
    outer = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    picture.path([(cx + size * a, cy + size * b) for a, b in outer], GREY, 1, fill=BLUE, closed=True, fill_opacity=0.18)
    picture.path([(cx + size * a / 2, cy + size * b / 2) for a, b in outer], GREY, 1, fill=WHITE, closed=True)
    for i in range(16):
        turn = 2 * math.pi * (i + 0.5) / 16
        far = max(abs(math.cos(turn)), abs(math.sin(turn)))
        start = (0.58 * math.cos(turn) / far, 0.58 * math.sin(turn) / far)
        tail, tip = ((cx + size * a, cy + size * b) for a, b in (start, clipped(start)))
        picture.dot(*tail, 2.6, BLUE)
        picture.arrow(tail, tip, BLUE, 1.2, 6)
    picture.arrow((160, cy), (188, cy), INK, 1.8, 9)
    picture.text(174, cy - 8, "$f$", 14, anchor="middle")
    picture.path([(ex + size * a, cy + size * b) for a, b in outer], RED, 3.4, closed=True)
    picture.text(cx, 20, "an annulus", 13, anchor="middle")
    picture.text(ex, 20, "its image: a loop", 13, anchor="middle")
    picture.text(cx, 184, "Jacobian: rank 1", 14, anchor="middle", bold=True, color=BLUE)
    picture.text(ex, 184, "code: rank 2", 14, anchor="middle", bold=True, color=RED)
    picture.text(175, 212, "a single coordinate cannot go round a loop", 13, anchor="middle")
    return picture


def regularity() -> Picture:
    """A line and a fold of the same steepness, with the lower bounds of their second coefficients as bars."""
    picture = Picture(236)
    bar = scale(0, 4, 0, 150)
    for left, kind, value, words, color in (
        (18.0, "line", line_bound(), "2 log $s$", BLUE),
        (190.0, "fold", fold_bound(), "2 log $s$ + 1", RED),
    ):
        x, y = scale(0, 1, left + 8, left + 134), scale(0, 1, 124, 28)
        picture.path([(left, 16), (left, 130), (left + 142, 130)], INK, 1.2)
        shape = [(0.0, 0.04), (1.0, 0.96)] if kind == "line" else [(0.0, 0.04), (0.5, 0.5), (1.0, 0.04)]
        picture.path([(x(a), y(b)) for a, b in shape], color, 3)
        picture.text(left + 8, 22, f"a {kind}", 14, bold=True, color=color)
        picture.rect(left, 168, bar(value), 16, color, fill_opacity=0.85)
        picture.text(left, 160, f"{words} = {value:.2f}", 13)
        if kind == "fold":
            picture.rect(left + bar(line_bound()), 168, bar(1.0), 16, "none", INK, stroke_width=1.2)
            picture.text(left + bar(line_bound() + 0.5), 181, "1", 13, anchor="middle", bold=True)
    picture.text(104, 108, f"slope $s$ = {SLOPE:g}", 13)
    picture.text(216, 88, "$s$", 14)
    picture.text(302, 88, "$−s$", 14)
    picture.text(175, 216, "lower bounds of the second coefficient $R^{(1)}$", 13.5, anchor="middle")
    return picture


def gain_of(slopes: tuple[float, ...]) -> float:
    """Return the gain of a function by its two most different slopes, or its steepest one.

    Example:
        >>> gain_of((0.0, 1.0, 0.0)), gain_of((-1.0, 1.0))
        (1.0, 2.0)
    """
    return max(max(slopes) - min(slopes), *map(abs, slopes))


def gain() -> Picture:
    """A ramp with flat ends and a fold of the same steepness, their gains, and what these cost."""
    picture = Picture(222)
    bar = scale(0, 2, 0, 150)
    shapes = (
        (18.0, "a clip", CLIP, [(0.0, 0.12), (0.3, 0.12), (0.7, 0.52), (1.0, 0.52)], BLUE),
        (190.0, "a fold", FOLD, [(0.0, 0.62), (0.5, 0.12), (1.0, 0.62)], RED),
    )
    for left, words, slopes, shape, color in shapes:
        x, y = scale(0, 1, left + 8, left + 134), scale(0, 1, 124, 24)
        picture.path([(left, 16), (left, 130), (left + 142, 130)], INK, 1.2)
        picture.path([(x(a), y(b)) for a, b in shape], color, 3)
        picture.text(left + 8, 22, words, 14, bold=True, color=color)
        for (a, b), (c, d), slope in zip(shape, shape[1:], slopes, strict=False):
            picture.text(x((a + c) / 2), y((b + d) / 2) - 14, f"{slope:g}".replace("-", "−"), 14, anchor="middle")
        cost = 2 * math.log(gain_of(slopes))
        picture.rect(left, 166, bar(cost), 16, color, fill_opacity=0.85)
        picture.path([(left, 162), (left, 186)], INK, 1.2)
        picture.text(left, 156, f"gain {gain_of(slopes):g}, cost {cost:.2f}", 13)
    picture.text(175, 208, "the second coefficient is 2 log gain", 13.5, anchor="middle")
    return picture
