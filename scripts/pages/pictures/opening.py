"""The picture of the opening."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.pages.pictures.canvas import BLUE, GREY, INK, RED, Picture, row, scale

RESULTS = Path(__file__).resolve().parents[3] / "results"
SHOWN = {"depth": 12, "ridge": 0.002, "seed": 0}
NUMBERS = 20  # of inputs and of outputs


def singular_values() -> list[list[float]]:
    """Return the singular values of every layer of the network that the picture shows."""
    records = json.loads((RESULTS / "fig-j23-small.json").read_text(encoding="utf-8"))["records"]
    (run,) = [r for r in records if all(r[name] == value for name, value in SHOWN.items())]
    found: list[list[float]] = run["weights"]
    return found


def opening() -> Picture:
    """Twenty numbers pass through two, above the singular values of the layers through which they pass."""
    picture, layers = Picture(250), singular_values()
    x = scale(0, len(layers), 32, 322)
    ends, middle = row(NUMBERS, 26, 118), (62.0, 82.0)
    near, far = x(2), x(len(layers) - 2)
    for end in ends:
        to = middle[int(end > 72)]
        picture.path([(x(0), end), (near, to)], GREY, 0.7)
        picture.path([(far, to), (x(len(layers)), end)], GREY, 0.7)
        picture.dot(x(0), end, 2.1, INK)
        picture.dot(x(len(layers)), end, 2.1, INK)
    for line, color in zip(middle, (BLUE, RED), strict=True):
        picture.path([(near, line), (far, line)], color, 2.6)
        for layer in range(2, len(layers) - 1):
            picture.dot(x(layer), line, 4, color)
    picture.text(8, 16, f"{NUMBERS} numbers in")
    picture.text(342, 16, f"{NUMBERS} out", anchor="end")
    picture.text(177, 44, "2 in the middle", 14, anchor="middle", bold=True)

    y = scale(0, 1.6, 226, 144)
    picture.path([(32, y(1)), (322, y(1))], GREY, 1, dashed=True)
    picture.text(28, y(1) + 4, "1", 12, anchor="end")
    picture.text(28, y(0) + 4, "0", 12, anchor="end")
    for layer, values in enumerate(layers):
        for i in reversed(range(len(values))):
            left = x(layer) + 2 + 3.4 * i
            color = (BLUE, RED)[i] if i < 2 else GREY
            picture.rect(left, y(values[i]), 3.0, y(0) - y(values[i]), color)
    picture.path([(32, y(0)), (322, y(0))], INK, 1)
    picture.text(177, 244, "singular values of the weights, layer by layer", 12.5, anchor="middle")
    return picture
