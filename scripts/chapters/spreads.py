"""How far each measurement is from the bound of its check, in units of its spread over machines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple

from scripts.chapters.book import Machines

ENOUGH = 3.0
FEWEST = 3  # machines, below which nothing is said of a spread


class Room(NamedTuple):
    """Hold one check: claim, name, measurement, nearest bound, standard deviation, and the distance in units of it."""

    claim: str
    check: str
    value: float
    bound: float
    spread: float
    room: float


def numbers(measured: str, count: int) -> list[float]:
    """Return the first numbers of a measured text, one for each check."""
    return [float(part) for part in measured.split(", ")[:count]]


def rooms(machines: Machines, code: Mapping[str, str], claims: Mapping[str, Any]) -> list[Room]:
    """Return the room of every check that was measured on enough machines.

    Args:
        machines: the records, with what each chapter measured there.
        code: by chapter, what its stored outputs were computed with; other records do not count.
        claims: the ledger, as ``bnlib.book.claims.load`` reads it.
    """
    found: dict[str, list[list[float]]] = {}
    for chapters in machines.values():
        for stem, kept in chapters.items():
            if code.get(stem) == kept["code"]:
                for claim, measured in kept["measured"].items():
                    found.setdefault(claim, []).append(numbers(measured, len(claims[claim].checks)))
    result = []
    for claim, rows in sorted(found.items()):
        rows.append(numbers(claims[claim].measured, len(claims[claim].checks)))
        for (name, check), values in zip(claims[claim].checks.items(), zip(*rows, strict=True), strict=True):
            if len(values) > FEWEST:
                result.append(_room(claim, name, check.low, check.high, values))
    return result


def _room(claim: str, name: str, low: float, high: float, values: tuple[float, ...]) -> Room:
    value = values[-1]
    spread = statistics.stdev(values) if all(map(math.isfinite, values)) else math.inf
    bound = min((b for b in (low, high) if math.isfinite(b)), key=lambda b: abs(value - b))
    return Room(claim, name, value, bound, spread, abs(value - bound) / spread if spread else math.inf)
