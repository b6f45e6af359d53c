"""The shortest path through points: certified bounds against a search over all orders, and mistakes that it finds."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnlib.theory import paths

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def few_points(draw):
    """Draw up to seven distinct points, at times on a grid with many equal distances, at times in two clusters."""
    n, d = draw(st.integers(3, 7)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(SEEDS))
    kind = draw(st.sampled_from(["cube", "grid", "clusters"]))
    if kind == "grid":
        Y = np.stack(np.meshgrid(*[np.arange(7.0 if d == 1 else 3.0)] * d), axis=-1).reshape(-1, d)
        return rng.permutation(Y)[:n]
    Y = rng.uniform(size=(n, d))
    return Y + (10 * (np.arange(n) % 2)[:, None] if kind == "clusters" else 0.0)


# Bounds.


def check_bounds(bounds, Y):
    """Assert that each bound is at most the shortest open path, and that the walk is between it and two trees."""
    found = bounds(Y)
    shortest = paths.shortest(Y)
    for name in ("tree", "nearest", "two nearest"):
        assert found[name] <= shortest * (1 + 1e-12), name
    assert shortest * (1 - 1e-12) <= found["walk"] <= 2 * found["tree"] * (1 + 1e-12)


def all_bounds(Y):
    return paths.neighbour_bounds(Y) | paths.tree_bounds(Y)


@given(few_points())
@settings(max_examples=80)
def test_bounds_of_the_shortest_path(Y):
    check_bounds(all_bounds, Y)
    assert paths.lower_bound(Y) == max(all_bounds(Y)[name] for name in ("tree", "two nearest"))


def bounds_with(Y, *, one=1, two=2, half=2.0, q=None):
    """Compute the bounds in plain NumPy, with one mistake if asked for."""
    D = np.linalg.norm(Y[:, None] - Y[None], axis=-1)
    d = np.sort(D, axis=1)[:, 1:3]
    far = np.sort(d, axis=0)[::-1]
    pairs = np.argwhere(np.triu(np.ones_like(D), 1))
    if q:  # the tree of some pairs only: each point with the q farthest
        far_ones = np.argsort(D, axis=1)[:, -q:]
        pairs = np.stack([np.repeat(np.arange(len(Y)), far_ones.shape[1]), far_ones.ravel()], axis=1)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    tree = paths.tree_within(Y, pairs).sum()
    return {
        "tree": tree,
        "nearest": d[:, 0].sum() - far[:one, 0].sum(),
        "two nearest": (d.sum() - far[:two, 1].sum()) / half,
        "walk": paths.tree_bounds(Y)["walk"],
    }


def samples():
    rng = np.random.default_rng(7)
    for n in (3, 4, 5, 6, 7):
        angle = 2 * np.pi * np.arange(n) / n
        yield np.stack([np.cos(angle), np.sin(angle)], axis=1)
        yield from (rng.uniform(size=(n, d)) for d in (1, 2, 3))


def check_samples(**mistake):
    for Y in samples():
        check_bounds(lambda Y: bounds_with(Y, **mistake), Y)


def test_bounds_in_numpy_pass():
    check_samples()


@pytest.mark.parametrize(
    ("mistake", "name"),
    [
        ({"one": 0}, "nearest"),
        ({"two": 0}, "two nearest"),
        ({"two": 1}, "two nearest"),
        ({"half": 1.0}, "two nearest"),
        ({"q": 3}, "tree"),
    ],
    ids=["closed", "closed, twice", "one end", "each step twice", "far pairs"],
)
def test_wrong_bounds_are_caught(mistake, name):
    """The bounds of a closed tour, one end forgotten, each step counted twice, and a tree of the wrong pairs."""
    with pytest.raises(AssertionError, match=name):
        check_samples(**mistake)


@given(SEEDS, st.integers(1, 4), st.sampled_from([1, 2, 3, 8]))
@settings(max_examples=15)
def test_the_spanning_tree_is_minimal(seed, d, q):
    """Few neighbours, clusters and ties: the pairs that are added make the tree exact."""
    rng = np.random.default_rng(seed)
    far = 5 + 0.01 * rng.normal(size=(5, d))
    Y = np.concatenate([rng.uniform(size=(40, d)), 0.05 * rng.uniform(size=(40, d)), far])
    pairs = np.argwhere(np.triu(np.ones((85, 85)), 1))
    assert paths.spanning_tree(Y, q).sum() == pytest.approx(paths.tree_within(Y, pairs).sum(), rel=1e-12)


def test_a_tree_of_near_pairs_alone_is_not_minimal():
    """Without the pairs that are added the tree can be longer, and then it is no lower bound."""
    rng = np.random.default_rng(0)
    longer = 0
    for _ in range(200):
        Y = rng.uniform(size=(12, 2))
        index = paths.neighbours(Y, 2)[1]
        tree = paths.tree_within(Y, np.stack([np.repeat(np.arange(12), 2), index.ravel()], axis=1))
        if tree.nnz == 11:
            longer += tree.sum() > paths.spanning_tree(Y).sum() * (1 + 1e-9)
    assert longer > 0


def test_all_orders_are_tried():
    """The shortest path among some points of a line is as long as the line, in whatever order they are listed."""
    for order in ([0, 1, 2, 3], [2, 0, 3, 1], [3, 1, 2, 0]):
        Y = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0], [9.0, 12.0]])[order]
        assert paths.shortest(Y) == pytest.approx(15.0)
        assert paths.length(Y) >= paths.shortest(Y)
    assert paths.length(Y) > 20
    with pytest.raises(ValueError, match="few enough orders"):
        paths.shortest(np.arange(10.0)[:, None])


def test_distances_on_the_torus_go_around():
    Y = np.array([[0.05], [0.5], [0.9]])
    np.testing.assert_allclose(paths.neighbours(Y, 1)[0].ravel(), [0.45, 0.4, 0.4])
    distance, index = paths.neighbours(Y, 2, period=1.0)
    np.testing.assert_allclose(distance, [[0.15, 0.45], [0.4, 0.45], [0.15, 0.4]])
    assert index.tolist() == [[2, 1], [2, 0], [0, 1]]


def test_tours_lie_between_the_bounds():
    pytest.importorskip("fast_tsp")
    rng = np.random.default_rng(3)
    few = rng.uniform(size=(7, 2))
    assert paths.tour(few, 0.02) == pytest.approx(paths.shortest(few), rel=1e-3)
    Y = rng.uniform(size=(200, 2))
    assert paths.lower_bound(Y) <= paths.tour(Y, 0.1) <= paths.tree_bounds(Y)["walk"]


def test_without_the_solver_a_tour_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "fast_tsp", None)
    with pytest.raises(ImportError, match="pip install fast-tsp"):
        paths.tour(np.eye(3), 0.1)


def test_points_that_are_none_are_refused():
    for Y in (np.arange(3.0), np.array([[0.0], [np.nan], [1.0]]), np.eye(2)):
        with pytest.raises(ValueError, match="at least 3 points"):
            paths.neighbour_bounds(Y)
