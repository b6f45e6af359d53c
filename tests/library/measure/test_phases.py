"""Cells of a phase diagram: who wins, by how much, when it counts, and what the diagram says as a whole."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnlib import plotting
from bnlib.measure import phases


def record(objective, rank, *, seed=0, start=1, depth=10, n=5, ridge=0.01):
    fixed = {"variance": 1.0, "mean": 0.0}
    found = {"objective": objective, "learned_rank": rank, "seed": seed, "start": start}
    return fixed | found | {"depth": depth, "n": n, "ridge": ridge}


def test_cells_are_judged_by_their_margins():
    def judged(*records, linear=None):
        return phases.diagram(list(records), "n", linear=linear)[10, 5]

    clear = judged(record(0.5, 2), record(0.6, 1), record(0.7, 3, start=None))
    assert (clear.ranks, clear.clear, clear.standard) == ((2,), True, (3,))
    assert clear.margin == pytest.approx(0.2)
    assert clear.behind[0] == pytest.approx(0.4)
    assert not judged(record(0.5, 2), record(0.52, 1), record(0.7, 3, start=None)).clear
    # The same rank from another start is no rival; ranks above that of the task are of one kind.
    assert judged(record(0.5, 4), record(0.51, 3, start=None)).margin == pytest.approx(1.0)
    # Seeds that differ leave a cell unclear, whatever their margins.
    split = judged(record(0.5, 2, start=None), record(0.5, 1, seed=1, start=None))
    assert not split.clear
    # The best constant and, on the square, the identity take part without training.
    assert judged(record(1.2, 1, start=None)).ranks == (0,)
    assert judged(record(0.5, 1, start=None), linear=2).ranks == (2,)


def test_the_least_margin_of_the_seeds_counts():
    near = [record(0.5, 2, start=None), record(0.51, 1)]
    far = [record(0.5, 2, seed=1, start=None), record(0.9, 1, seed=1)]
    (judged,) = phases.diagram(near + far, "n").values()
    assert judged.margin == pytest.approx(0.02)
    assert (judged.ranks, judged.clear) == ((2, 2), False)


def test_constants_and_the_identity_cost_what_they_cost():
    r = record(0.5, 1) | {"variance": 0.3, "mean": 2.0, "ridge": 0.25, "depth": 4}
    found = phases.candidates([r], linear=3)
    assert found == [(0.5, 1), (pytest.approx(0.3 + 0.2 * 2.0), 0), (pytest.approx(3 * 4 * 0.25), 3)]


def test_a_cell_needs_one_standard_start():
    for starts in ((), (None, None)):
        with pytest.raises(ValueError, match=f"has {len(starts)} standard starts"):
            phases.diagram([record(0.5, 2, start=start) for start in (1, *starts)], "n")


def test_a_seed_that_still_runs_is_left_out():
    records = [record(0.5, 1, seed=seed, n=n) for seed in (0, 1, 2) for n in (4, 5)][:-1]
    assert {r["seed"] for r in phases.whole_seeds(records)} == {0, 1}


def cell(rank, margin=0.5):
    return phases.Cell((rank, rank), margin, (rank, rank), (0.0, 0.0))


def test_disorder_counts_pairs_of_clear_cells():
    ordered = {(4, 1): cell(2), (4, 2): cell(1), (8, 1): cell(1), (8, 2): cell(0)}
    assert phases.disorder(ordered) == 0
    assert phases.disorder(ordered, reverse=True) == 2  # 2 above 1 at depth 4, and 1 above 0 at depth 8
    swapped = ordered | {(8, 2): cell(3)}
    assert phases.disorder(swapped) == 3
    assert phases.disorder(swapped | {(8, 2): cell(3, margin=0.04)}) == 0
    # Cells at a greater depth and an earlier column are not compared.
    assert phases.disorder({(8, 1): cell(2), (4, 2): cell(1)}) == 0


def test_the_table_marks_what_is_not_clear():
    split = phases.Cell((2, 1, 1), 1.5, (1, 1, 1), (0.0, 0.0, 0.0))
    text = phases.table({(4, 8): cell(2, 0.123), (12, 8): split, (4, 16): cell(3, 0.049), (12, 16): cell(0)}, "N")
    assert text.splitlines() == ["  L     8    16  N", " 12  1?99  0 50", "  4  2 12  3? 5"]


def test_the_figure_hatches_what_is_not_clear():
    fig, ax = plt.subplots()
    split = phases.Cell((1, 1, 0), 0.5, (1, 1, 1), (0.0, 0.0, 0.0))
    plotting.phase_diagram(ax, {(4, 8): cell(2), (12, 8): split, (4, 16): cell(3), (12, 16): cell(0)})
    (patch,) = ax.patches
    x, y = plotting.cell_edges([8, 16]), plotting.cell_edges([4, 12])
    assert (patch.get_x(), patch.get_y()) == (x[0], y[1])
    assert sorted(text.get_text() for text in ax.texts) == ["0", "0 or 1", "2", "3+"]
    assert ax.collections[0].get_array().tolist() == [[2, 3], [1, 0]]
    np.testing.assert_allclose(x, 8 * 2.0 ** np.array([-0.5, 0.5, 1.5]))
    plt.close(fig)
