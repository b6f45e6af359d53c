"""Records as arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnlib import experiments
from bnlib.experiments.tables import kernels, select, table

RECORDS = [{"depth": L, "seed": s, "rank": 10 * L + s} for L in (8, 12, 16) for s in (0, 1) if (L, s) != (12, 1)]


def test_a_table_has_the_given_order_and_holes():
    found = table(RECORDS, "rank", seed=(1, 0), depth=(16, 12, 8))
    np.testing.assert_array_equal(found, [[161, np.nan, 81], [160, 120, 80]])
    np.testing.assert_array_equal(table(RECORDS, lambda r: -r["rank"], depth=(8,), seed=(1,)), [[-81]])


def test_two_records_at_one_place_are_refused():
    with pytest.raises(ValueError, match=r"two records of \{'depth': 8\}"):
        table(RECORDS, "rank", depth=(8, 12))
    assert table(select(RECORDS, seed=0), "rank", depth=(8, 12)).tolist() == [80, 120]


def test_selected_records_have_all_the_fields():
    assert select(RECORDS, seed=1, depth=16) == [{"depth": 16, "seed": 1, "rank": 161}]
    assert select(RECORDS, seed=2) == []


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_kernels_come_back_from_their_triangles(n, seed):
    A = np.random.default_rng(seed).normal(size=(3, n, n))
    K = (A + np.swapaxes(A, 1, 2)) / 2
    triangles = [kernel[np.triu_indices(n)].tolist() for kernel in K]
    np.testing.assert_array_equal(kernels({"kernels": triangles}), K)


def test_stored_kernels_are_of_the_points_that_are_kept():
    record = next(r for r in experiments.load("affine-law") if r.get("kernels"))
    assert kernels(record).shape == (3, experiments.KEPT, experiments.KEPT)
