"""Singular values by layer over a grid of depths and ridges, as in figures of Jacot (2023), and a smaller copy."""

from functools import partial

from .experiment import Experiment
from .setting import Setting, first_depth, seed_by_seed

GRID_DEPTHS, GRID_RIDGES = (25, 8, 4, 16, 12), (0.002, 0.008, 0.032, 0.0005)
# Width and number of points.
PAPER, SMALLER = (200, 1000), (40, 150)


def _plan(name: str, size: tuple[int, int], quick: bool, seeds: int) -> list[Setting]:
    depths, ridges = ((8, 16), (0.002, 0.032)) if quick else (GRID_DEPTHS, GRID_RIDGES)
    width, n = SMALLER if quick else size
    grid = [Setting(name, 2, L, first_depth(L), width, n, ridge, 0, quick) for ridge in ridges for L in depths]
    return seed_by_seed(grid, seeds)


LARGE = Experiment("fig-j23", partial(_plan, "fig-j23", PAPER), seeds=2)
SMALL = Experiment("fig-j23-small", partial(_plan, "fig-j23-small", SMALLER), seeds=4, family="fig-j23")
