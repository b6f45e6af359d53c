"""When two outputs of a cell are the same: words exactly, reals within a tolerance, measurements in their room."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import nbformat

from scripts.chapters.verdicts import ROW

# Numbers with a point or an exponent; integers are counts and must be equal.
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)")
# Wide enough for another CPU's rounding, far narrower than what any verdict allows.
RELATIVE, ABSOLUTE = 1e-3, 1e-6
BOUND = re.compile(r" is (?:(?:exactly|at most|at least|between) )?(\S+)(?: (?P<joint>and|\+/-) (\S+))?$")
UNCOMPARED = {"nbval-ignore-output", "nbval-skip"}


def agree(stored: str, new: str) -> bool:
    """Tell whether two texts have the same words and, number by number, nearly the same values."""
    (rows, plain), (new_rows, new_plain) = _checks_and_rest(stored), _checks_and_rest(new)
    if len(rows) != len(new_rows) or not all(map(_same_check, rows, new_rows)):
        return False
    # Numbers stand apart from brackets here, since arrays pad them with spaces.
    if NUMBER.sub(" # ", plain).split() != NUMBER.sub(" # ", new_plain).split():
        return False
    pairs = zip(NUMBER.findall(plain), NUMBER.findall(new_plain), strict=True)
    return all(_near(float(a), float(b)) for a, b in pairs)


def _checks_and_rest(text: str) -> tuple[list[re.Match[str]], str]:
    """Separate the lines of a verdict's checks from the rest of a text."""
    lines = [(line, ROW.match(line)) for line in text.splitlines()]
    return [row for _, row in lines if row], "\n".join(line for line, row in lines if not row)


def _near(stored: float, new: float) -> bool:
    return math.isclose(stored, new, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def room(stated: str, measured: float) -> float:
    """Return how far a measurement is from the nearest bound of its check, by which it may move.

    A check keeps several spreads between measurement and bound. So a measurement that moves by more than its distance
    to the bound, towards it or away from it, is another measurement, although the check may still pass.

    Args:
        stated: what the check allows, as its line says it.
        measured: the stored measurement.

    Raises:
        ValueError: a text that states no bound.
    """
    if not (found := BOUND.search(stated)):
        raise ValueError(f"This states no bound: {stated!r}.")
    first, second = float(found[1]), float(found[3] or "nan")
    bounds = {"and": (first, second), "+/-": (first - second, first + second)}.get(found["joint"] or "", (first,))
    return min(abs(measured - bound) for bound in bounds)


def _same_check(stored: re.Match[str], new: re.Match[str]) -> bool:
    """Compare two lines of a verdict: name, rule and outcome exactly, the measurements within their room."""
    if any(stored[part] != new[part] for part in ("mark", "name", "stated")):
        return False
    old, now = float(stored["measured"]), float(new["measured"])
    if not math.isfinite(old):
        return stored["measured"] == new["measured"]
    return _near(old, now) or abs(now - old) <= room(stored["stated"], old)


def texts(outputs: Iterable[Any]) -> list[tuple[Any, str]]:
    """List the printed texts and plain representations in a cell's outputs, each with where it is kept."""
    places = []
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] == "stdout":
            places.append((output, "text"))
        elif "text/plain" in output.get("data", {}):
            places.append((output["data"], "text/plain"))
    return places


def compared(notebook: nbformat.NotebookNode) -> list[tuple[int, nbformat.NotebookNode]]:
    """List the code cells whose outputs are compared, numbered among all code cells from 0, as nbval does."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [(i, cell) for i, cell in enumerate(cells) if not UNCOMPARED & set(cell.metadata.get("tags", []))]


def differing(stored: nbformat.NotebookNode, new: nbformat.NotebookNode) -> Iterator[int]:
    """Yield the numbers of the compared cells that print something else in a new run of the same cells."""
    runs = dict(compared(new))
    for number, cell in compared(stored):
        old, now = printed(cell), printed(runs[number])
        failed = any(output["output_type"] == "error" for output in runs[number].outputs)
        same = str.__eq__ if "nbval-exact" in cell.metadata.get("tags", []) else agree
        if failed or len(old) != len(now) or not all(map(same, old, now)):
            yield number


def printed(cell: nbformat.NotebookNode) -> list[str]:
    """Return the texts of a cell's outputs as they are compared."""
    return [place[key] for place, key in texts(cell.outputs)]
