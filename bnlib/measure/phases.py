"""Phase diagrams: the rank of the best network found in each cell of a grid, and whether the cell is clear.

Every cell is trained from several starts with several seeds, and the lowest objective wins. Records are dictionaries
as ``experiments.load`` returns them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

NEEDED = 0.05
MOST = 3

Records = Sequence[dict[str, Any]]


class Cell(NamedTuple):
    """Hold what one cell says.

    Attributes:
        ranks: ranks of the winners, by seed.
        margin: relative distance of the winner to the best candidate of another rank, the least over the seeds.
        standard: ranks at which the standard start ends, by seed.
        behind: its objective over the winner's, less one, by seed.

    Example:
        >>> Cell((2, 2), 0.1, (2, 1), (0.0, 0.2)).clear
        True

    Source: J22, J23; claim rank-phase; chapter window.
    """

    ranks: tuple[int, ...]
    margin: float
    standard: tuple[int, ...]
    behind: tuple[float, ...]

    @property
    def clear(self) -> bool:
        """Whether all seeds agree on the rank, with a margin of at least 5 %."""
        return len(set(self.ranks)) == 1 and self.margin >= NEEDED

    @property
    def rank(self) -> int:
        """The rank that most seeds find."""
        return max(set(self.ranks), key=self.ranks.count)


Diagram = dict[tuple[int, Any], Cell]


def candidates(records: Records, *, linear: int | None = None) -> list[tuple[float, int]]:
    r"""List objective and rank of all candidates of one cell and seed, the best first.

    Two candidates need no training. The best constant costs :math:`v+\frac\lambda{1+\lambda}\|\bar y\|^2`, with v the
    variance of the targets and :math:`\bar y` their mean, and is of rank 0; where the target is the identity of R^k, it
    costs :math:`kL\lambda`. Ranks from 3 on are counted as 3.

    Args:
        records: those of one depth, column and seed.
        linear: the dimension k, where the target is the identity.

    Example:
        >>> run = {"objective": 0.9, "learned_rank": 4, "depth": 5, "ridge": 0.1, "variance": 2.0, "mean": 0.0}
        >>> candidates([run])
        [(0.9, 3), (2.0, 0)]

    Source: J22, J23; claim rank-phase; chapter window.
    """
    r = records[0]
    found = [(q["objective"], min(q["learned_rank"], MOST)) for q in records]
    found.append((r["variance"] + r["ridge"] / (1 + r["ridge"]) * r["mean"], 0))
    if linear is not None:
        found.append((linear * r["depth"] * r["ridge"], linear))
    return sorted(found)


def diagram(records: Records, column: str, *, linear: int | None = None) -> Diagram:
    """Judge the cells of a grid over the depth and one other parameter.

    Args:
        records: of all depths, columns, seeds and starts; the standard start is None.
        column: name of the other parameter.
        linear: dimension k, where the target is the identity of R^k.

    Returns:
        The cells by (depth, column).

    Raises:
        ValueError: a cell with a seed that has no record of the standard start, or several.

    Example:
        >>> kept = {"depth": 5, "ridge": 0.1, "variance": 2.0, "mean": 0.0, "seed": 0}
        >>> standard = kept | {"objective": 1.0, "learned_rank": 2, "start": None}
        >>> narrow = kept | {"objective": 0.8, "learned_rank": 1, "start": 1}
        >>> cell = diagram([standard, narrow], "ridge")[5, 0.1]
        >>> cell.rank, round(cell.margin, 9), cell.standard
        (1, 0.25, (2,))

    Source: J22, J23; claim rank-phase; chapter window.
    """
    cells = {}
    for L, c in sorted({(r["depth"], r[column]) for r in records}):
        ranks, margins, standard, behind = [], [], [], []
        here = [r for r in records if (r["depth"], r[column]) == (L, c)]
        for seed in sorted({r["seed"] for r in here}):
            mine = [r for r in here if r["seed"] == seed]
            found = candidates(mine, linear=linear)
            best, rank = found[0]
            ranks.append(rank)
            margins.append(min(objective for objective, other in found if other != rank) / best - 1)
            plain = [r for r in mine if r["start"] is None]
            if len(plain) != 1:
                raise ValueError(f"Depth {L}, {column} {c}, seed {seed} has {len(plain)} standard starts, not one.")
            standard.append(min(plain[0]["learned_rank"], MOST))
            behind.append(plain[0]["objective"] / best - 1)
        cells[L, c] = Cell(tuple(ranks), min(margins), tuple(standard), tuple(behind))
    return cells


def whole_seeds(records: Records) -> list[dict[str, Any]]:
    """Leave out every seed of which some trainings are still to be run.

    Example:
        >>> whole_seeds([{"seed": 0}, {"seed": 0}, {"seed": 1}])
        [{'seed': 0}, {'seed': 0}]

    Source: bnlib.
    """
    count = {seed: sum(r["seed"] == seed for r in records) for seed in {r["seed"] for r in records}}
    return [r for r in records if count[r["seed"]] == max(count.values())]


def axes(cells: Diagram) -> tuple[list[int], list[Any]]:
    """Return depths and columns of a diagram, in increasing order.

    Example:
        >>> cell = Cell((1,), 0.5, (1,), (0.0,))
        >>> axes({(8, 0.1): cell, (4, 0.2): cell})
        ([4, 8], [0.1, 0.2])

    Source: bnlib.
    """
    return sorted({L for L, _ in cells}), sorted({c for _, c in cells})


def table(cells: Diagram, column: str) -> str:
    """Write rank and margin in percent of all cells, with a question mark where a cell is not clear.

    Example:
        >>> clear, open = Cell((1, 1), 0.5, (1, 1), (0.0, 0.0)), Cell((1, 2), 0.5, (1, 2), (0.0, 0.0))
        >>> print(table({(8, 0.1): clear, (8, 0.2): open}, "n"))
          L    .1    .2  n
          8  1 50  1?50

    Source: bnlib.
    """
    depths, columns = axes(cells)
    lines = ["  L " + " ".join(f"{c:g}".removeprefix("0").rjust(5) for c in columns) + f"  {column}"]
    for L in reversed(depths):
        row = [cells[L, c] for c in columns]
        entries = [f" {c.rank}{' ' if c.clear else '?'}{min(99, round(100 * c.margin)):2d}" for c in row]
        lines.append(f"{L:3d} " + " ".join(entries))
    return "\n".join(lines)


def disorder(cells: Diagram, *, reverse: bool = False) -> int:
    """Count pairs of clear cells in which more depth and a later column go with a larger rank.

    Args:
        cells: the diagram, whole.
        reverse: whether the columns are taken from the last to the first.

    Example:
        >>> low, high = Cell((1,), 0.5, (1,), (0.0,)), Cell((2,), 0.5, (2,), (0.0,))
        >>> disorder({(4, 0.1): low, (8, 0.1): high}), disorder({(4, 0.1): high, (8, 0.1): low})
        (1, 0)

    Source: J22, J23; claim rank-phase; chapter window.
    """
    sign = -1 if reverse else 1
    clear = [(L, sign * c, cell.ranks[0]) for (L, c), cell in cells.items() if cell.clear]
    return sum(L <= M and c <= d and rank < other for L, c, rank in clear for M, d, other in clear)
