"""The pictures of part II: a minimum on a kink, and norms that grow like lines."""

from __future__ import annotations

import json
import statistics
from itertools import pairwise
from pathlib import Path

from scripts.pages.pictures.canvas import AMBER, BLUE, GREEN, INK, RED, Picture, row, scale

RESULTS = Path(__file__).resolve().parents[3] / "results"
LEFT, RIGHT, BEND = -1.0, 1.0, 0.15  # slopes on both sides of the kink, and a little curvature
RATE, START, DESCENTS = 1.4, -1.7, 6
RIDGE, RANKS, STRAIGHT = 0.002, (1, 2, 3), 10  # of the runs in the second picture, and the depth where lines begin


def objective(b: float) -> float:
    """Return the objective along a bias b, with its minimum on a kink at 0."""
    return (RIGHT if b > 0 else LEFT) * b + BEND * b * b


def descent() -> list[float]:
    """Return where gradient descent of a fixed rate goes from the start."""
    found = [START]
    for _ in range(DESCENTS):
        b = found[-1]
        found.append(b - RATE * ((RIGHT if b > 0 else LEFT) + 2 * BEND * b))
    return found


def medians() -> dict[int, dict[int, float]]:
    """Return by rank and depth the median squared norm of the stored networks."""
    records = json.loads((RESULTS / "affine-law.json").read_text(encoding="utf-8"))["records"]
    kept = [r for r in records if r["ridge"] == RIDGE and r["rank"] in RANKS]
    return {
        k: {
            depth: statistics.median(r["squared_norm"] for r in kept if (r["rank"], r["depth"]) == (k, depth))
            for depth in sorted({r["depth"] for r in kept if r["rank"] == k})
        }
        for k in RANKS
    }


def training() -> Picture:
    """Gradient descent jumps over a kink for ever; a search along the line ends on it."""
    picture = Picture(235)
    x, y = scale(-2.5, 2.5, 16, 334), scale(0, 3.5, 180, 14)
    picture.path([(x(b), y(objective(b))) for b in row(161, -2.5, 2.5)], INK, 2.4)
    steps = [(x(b), y(objective(b))) for b in descent()]
    for (a, b), (c, d) in pairwise(steps):
        arc = [(a + (c - a) * t, b + (d - b) * t - 88 * t * (1 - t)) for t in row(21, 0, 1)]
        picture.path(arc, RED, 1.3)
        picture.arrow(arc[-3], arc[-1], RED, 1.3, 8)
    for u, v in steps:
        picture.dot(u, v, 3.6, RED)
    picture.arrow((x(0), 207), (x(0), y(0) + 7), GREEN, 1.8, 8)
    picture.dot(x(0), y(0), 6, GREEN)
    picture.text(x(0), y(2.75), "gradient descent", 13, color=RED, bold=True, anchor="middle")
    picture.text(x(0), y(2.43), "jumps for ever", 13, color=RED, bold=True, anchor="middle")
    picture.text(x(0), 225, "a line search stops at the kink", 13, color=GREEN, bold=True, anchor="middle")
    picture.text(x(-1.3), y(0.45), f"slope −{-LEFT:g}", 13, anchor="end")
    picture.text(x(1.3), y(0.45), f"slope +{RIGHT:g}", 13)
    return picture


def first_pictures() -> Picture:
    """Squared norms of trained networks on three lines whose slopes are the ranks."""
    picture = Picture(245)
    x, y = scale(0, 26, 40, 318), scale(0, 105, 206, 14)
    picture.path([(40, 14), (40, 206), (330, 206)], INK, 1.2)
    for shown in (6, 12, 18, 24):
        picture.path([(x(shown), 206), (x(shown), 210)], INK, 1.2)
        picture.text(x(shown), 224, str(shown), 12, anchor="middle")
    for shown in (0, 50, 100):
        picture.text(35, y(shown) + 4, str(shown), 12, anchor="end")
    for (k, found), color in zip(medians().items(), (AMBER, BLUE, RED), strict=True):
        excess = statistics.fmean(norm - k * depth for depth, norm in found.items() if depth >= STRAIGHT)
        picture.path([(x(0), y(excess)), (x(25.5), y(excess + 25.5 * k))], color, 1.6)
        for depth, norm in found.items():
            picture.dot(x(depth), y(norm), 3.6, color)
        below, anchor = (20.0, "start") if k < max(RANKS) else (-14.0, "end")
        words = f"rank {k}: slope {k}"
        picture.text(x(17), y(excess + 17 * k) + below, words, 13, color=color, bold=True, anchor=anchor)
    picture.text(48, 22, "$‖θ‖^2$", 14)
    picture.text(185, 240, "depth $L$", 13, anchor="middle")
    return picture
