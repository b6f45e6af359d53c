"""The pictures of part VI: orbits that become points, noise that is projected away, and where three classes meet."""

from __future__ import annotations

import math
from itertools import pairwise

from scripts.pages.pictures.canvas import AMBER, BLUE, GREEN, GREY, INK, RED, WHITE, Picture, Point, row, scale

ORBITS = ((0.55, 0.25, 20.0), (0.85, 0.6, 60.0), (1.05, 0.15, 0.0))  # half axis, eccentricity, turn in degrees
TURN = 130.0  # of the second orbit, whose energy and angular momentum stay


def ellipse(axis: float, eccentricity: float, turn: float, n: int = 73) -> list[Point]:
    """Return points of a Kepler ellipse with the sun in 0, turned by some degrees."""
    small = axis * math.sqrt(1 - eccentricity**2)
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    flat = [(axis * (math.cos(t) - eccentricity), small * math.sin(t)) for t in row(n, 0, 2 * math.pi)]
    return [(c * a - s * b, s * a + c * b) for a, b in flat]


def energy_and_momentum(axis: float, eccentricity: float) -> tuple[float, float]:
    """Return both numbers of an orbit, -1/(2a) and the root of a(1 - e²), with mass and attraction 1."""
    return -1 / (2 * axis), math.sqrt(axis * (1 - eccentricity**2))


def projected(point: Point, radius: float) -> Point:
    """Return the nearest point of a circle around 0."""
    return radius * point[0] / math.hypot(*point), radius * point[1] / math.hypot(*point)


def symmetry() -> Picture:
    """Planets on three orbits; the code keeps two numbers of an orbit and drops where the planet is."""
    picture, size = Picture(230), 58.0
    cx, cy = 98.0, 104.0
    e, m = scale(-1.0, -0.4, 226, 334), scale(0.5, 1.1, 168, 48)
    for i, ((axis, eccentricity, turn), color) in enumerate(zip(ORBITS, (BLUE, RED, GREEN), strict=True)):
        turns = (turn, turn + TURN) if i == 1 else (turn,)
        for angle in turns:
            points = [(cx + size * a, cy - size * b) for a, b in ellipse(axis, eccentricity, angle)]
            picture.path(points, color, 1.8, closed=True)
            for x, y in points[5 + 3 * i :: 13]:
                picture.dot(x, y, 4, color)
        energy, momentum = energy_and_momentum(axis, eccentricity)
        picture.dot(e(energy), m(momentum), 7, color)
    picture.dot(cx, cy, 6, AMBER)
    picture.arrow((176, 104), (206, 104), INK, 1.8, 9)
    picture.path([(222, 40), (222, 176), (342, 176)], INK, 1.2)
    picture.text(282, 194, "energy", 13, anchor="middle")
    picture.text(342, 30, "angular momentum", 13, anchor="end")
    picture.text(98, 194, "planets on orbits", 13, anchor="middle")
    picture.text(175, 220, "an orbit, turned or not, becomes one point", 13.5, anchor="middle")
    return picture


def autoencoder() -> Picture:
    """Noisy points go straight back to the surface: noise across it is deleted, noise along it stays."""
    picture, radius = Picture(236), 240.0
    cx, cy = 175.0, 344.0

    def at(point: Point) -> Point:
        return cx + point[0], cy - point[1]

    arc = [(radius * math.sin(math.radians(t)), radius * math.cos(math.radians(t))) for t in row(61, -40, 40)]
    picture.path([at(point) for point in arc], BLUE, 3.2)
    for angle, away in ((-36, 30), (-27, -24), (-21, 40), (-8, -30), (1, 42), (20, -40), (28, 34), (36, -30)):
        turn = math.radians(angle)
        noisy = ((radius + away) * math.sin(turn), (radius + away) * math.cos(turn))
        picture.arrow(at(noisy), at(projected(noisy, radius)), GREY, 1.4)
        picture.dot(*at(noisy), 4.2, RED)
    clean = (radius * math.sin(math.radians(7)), radius * math.cos(math.radians(7)))
    noisy = ((radius + 52) * math.sin(math.radians(14)), (radius + 52) * math.cos(math.radians(14)))
    back = projected(noisy, radius)
    picture.path([at(clean), at(noisy)], RED, 1.6, dashed=True)
    picture.arrow(at(noisy), at(back), INK, 2)
    picture.dot(*at(noisy), 5, RED)
    picture.dot(*at(back), 5, BLUE)
    picture.dot(*at(clean), 5, INK)
    picture.text(at(noisy)[0] + 8, at(noisy)[1] - 2, "noisy input", 13, color=RED)
    picture.text(at(clean)[0] - 2, at(clean)[1] + 24, "clean point", 13, anchor="middle")
    picture.text(14, 181, "surface of the data", 13, color=BLUE, bold=True)
    picture.text(175, 206, "noise across the surface is deleted,", 13.5, anchor="middle")
    picture.text(175, 225, "noise along it stays", 13.5, anchor="middle")
    return picture


def classifier() -> Picture:
    """Three classes around a point need two dimensions; three along a line need one, and one lies between."""
    picture = Picture(226)
    colors = (BLUE, AMBER, GREEN)
    left, right, top, size = 14.0, 190.0, 26.0, 146.0
    mid, low, side = (left + size / 2, top + size / 2), top + size, top + 110
    foot = (mid[0], low)
    sectors = (
        [mid, (left, side), (left, top), (left + size, top), (left + size, side)],
        [mid, (left, side), (left, low), foot],
        [mid, (left + size, side), (left + size, low), foot],
    )
    for sector, color in zip(sectors, colors, strict=True):
        picture.path(sector, WHITE, 2, fill=color, closed=True, fill_opacity=0.55)
    picture.dot(*mid, 7, RED)
    borders = ((0.0, 0.0), (size / 3, 8.0), (2 * size / 3, 8.0), (size, 0.0))
    waves = [[(right + x + bulge * math.sin(4 * t), top + size * t) for t in row(25, 0, 1)] for x, bulge in borders]
    for (one, other), color in zip(pairwise(waves), colors, strict=True):
        picture.path([*one, *other[::-1]], WHITE, 2, fill=color, closed=True, fill_opacity=0.55)
    picture.text(left + size / 2, 18, "a triple point", 13.5, anchor="middle", bold=True, color=RED)
    picture.text(right + size / 2, 18, "one class between", 13.5, anchor="middle", bold=True)
    picture.text(left + size / 2, 192, "rank at least 2", 13.5, anchor="middle")
    picture.text(right + size / 2, 192, "rank 1 is enough", 13.5, anchor="middle")
    picture.text(175, 217, "three colours on a line never meet in a point", 13.5, anchor="middle")
    return picture
