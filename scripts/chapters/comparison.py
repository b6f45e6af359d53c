"""When two outputs of a cell are the same: words exactly, real numbers within a tolerance, measurements not at all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import nbformat

# Numbers with a point or an exponent; integers are counts and must be equal.
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)")
# Wide enough for another CPU's rounding, far narrower than what any verdict line allows.
RELATIVE, ABSOLUTE = 1e-3, 1e-6
# As in tests/nbval.cfg: a measurement may move inside the stated tolerance.
MEASURED = re.compile(r"\[measured [^\]]*\]")
UNCOMPARED = {"nbval-ignore-output", "nbval-skip"}


def agree(stored: str, new: str) -> bool:
    """Tell whether two texts have the same words and, number by number, nearly the same values."""
    # Numbers stand apart from brackets here, since arrays pad them with spaces.
    if NUMBER.sub(" # ", stored).split() != NUMBER.sub(" # ", new).split():
        return False
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(new), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=RELATIVE, abs_tol=ABSOLUTE) for a, b in pairs)


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
    return [MEASURED.sub("[measured]", place[key]) for place, key in texts(cell.outputs)]
