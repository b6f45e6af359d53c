"""How far each measurement is from the bound of its check, in units of its spread over machines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
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


def rooms(machines: Machines, code: Mapping[str, str], claims: Mapping[str, Any]) -> list[Room]:
    """Return the room of every check that was measured on enough machines.

    Args:
        machines: the records, with what each chapter measured there.
        code: by chapter, what its stored outputs were computed with; other records do not count.
        claims: the ledger, as ``bnlib.book.claims.load`` reads it.
    """
    found: dict[str, list[Mapping[str, str]]] = {}
    for chapters in machines.values():
        for stem, kept in chapters.items():
            if code.get(stem) == kept["code"]:
                for claim, measured in kept["measured"].items():
                    found.setdefault(claim, []).append(measured)
    result = []
    for claim, rows in sorted(found.items()):
        rows.append(claims[claim].measured)
        for name, check in claims[claim].checks.items():
            if len(values := [float(row[name]) for row in rows]) > FEWEST:
                result.append(_room(claim, name, check.low, check.high, values))
    return result


def _room(claim: str, name: str, low: float, high: float, values: Sequence[float]) -> Room:
    value = values[-1]
    spread = statistics.stdev(values) if all(map(math.isfinite, values)) else math.inf
    bound = min((b for b in (low, high) if math.isfinite(b)), key=lambda b: abs(value - b))
    return Room(claim, name, value, bound, spread, abs(value - bound) / spread if spread else math.inf)
