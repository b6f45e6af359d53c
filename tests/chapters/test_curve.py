"""The shortest path through points: certified bounds, the price of one dimension, and the snake through a grid.

The functions under test are those that the chapter defines; here they meet a search over all orders, and mistakes.
"""

from pathlib import Path

import jupytext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from strategies import random_layers

CHAPTER = Path(__file__).resolve().parents[2] / "notebooks" / "curve.md"
SEEDS = st.integers(0, 2**32 - 1)


def definitions(*names):
    """Run the imports of the chapter and the cells that define the named functions."""
    cells = [cell.source for cell in jupytext.read(CHAPTER).cells if cell.cell_type == "code"]
    wanted = [next(c for c in cells if "import jax" in c)]
    wanted += [next(c for c in cells if f"def {name}(" in c) for name in names]
    space = {}
    for cell in wanted:
        exec(compile(cell, CHAPTER.name, "exec"), space)
    return space


book = definitions("shortest_path", "neighbours", "snake_code")


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
    shortest = book["shortest_path"](Y)
    for name in ("tree", "nearest", "two nearest"):
        assert found[name] <= shortest * (1 + 1e-12), name
    assert shortest * (1 - 1e-12) <= found["walk"] <= 2 * found["tree"] * (1 + 1e-12)


def chapter_bounds(Y):
    return book["neighbour_bounds"](Y) | book["tree_bounds"](Y)


@given(few_points())
@settings(max_examples=80)
def test_bounds_of_the_shortest_path(Y):
    check_bounds(chapter_bounds, Y)


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
    tree = book["tree_of"](Y, pairs).sum()
    return {
        "tree": tree,
        "nearest": d[:, 0].sum() - far[:one, 0].sum(),
        "two nearest": (d.sum() - far[:two, 1].sum()) / half,
        "walk": book["tree_bounds"](Y)["walk"],
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
    assert book["spanning_tree"](Y, q).sum() == pytest.approx(book["tree_of"](Y, pairs).sum(), rel=1e-12)


def test_a_tree_of_near_pairs_alone_is_not_minimal():
    """Without the pairs that are added the tree can be longer, and then it is no lower bound."""
    rng = np.random.default_rng(0)
    longer = 0
    for _ in range(200):
        Y = rng.uniform(size=(12, 2))
        index = book["neighbours"](Y, 2)[1]
        tree = book["tree_of"](Y, np.stack([np.repeat(np.arange(12), 2), index.ravel()], axis=1))
        if tree.nnz == 11:
            longer += tree.sum() > book["spanning_tree"](Y).sum() * (1 + 1e-9)
    assert longer > 0


# The density.


def lonely(Y, r):
    D = np.linalg.norm(Y[:, None] - Y[None], axis=-1)
    return int(np.sum(np.sum(r > D, axis=1) == 1))


def check_change(Y, z, r, most):
    """Assert that moving the first point changes the number of lonely points by at most the stated number."""
    assert abs(lonely(Y, r) - lonely(np.concatenate([z[None], Y[1:]]), r)) <= most


@given(SEEDS, st.integers(1, 3))
@settings(max_examples=50)
def test_what_one_point_can_change(seed, d):
    rng = np.random.default_rng(seed)
    Y = rng.uniform(size=(40, d))
    check_change(Y, rng.uniform(size=d), 40 ** (-1 / d), 1 + 3**d)


def test_one_point_can_be_company_to_many():
    """A point amid the corners of a pentagon keeps six points from being alone; the count without packing fails."""
    angle = 2 * np.pi * np.arange(5) / 5
    Y = 0.95 * np.concatenate([np.zeros((1, 2)), np.stack([np.cos(angle), np.sin(angle)], axis=1)])
    check_change(Y, np.array([9.0, 9.0]), 1.0, 1 + 5)
    with pytest.raises(AssertionError):
        check_change(Y, np.array([9.0, 9.0]), 1.0, 5)


def test_the_length_of_a_path_is_as_proved():
    """All draws have the proved length where its probability of failure is below 1e-3, and the mean has its own."""
    k, n = 1, 4000
    assert np.exp(-n / (2 * np.e**2 * (1 + 3**k) ** 2)) < 1e-3
    rng, r = np.random.default_rng(1), 1 / (2 * n)
    counts = np.array([np.sum(book["neighbours"](rng.uniform(size=(n, k)), 1)[0] >= r) for _ in range(20)])
    assert counts.min() >= n / (2 * np.e)
    assert counts.mean() >= n / np.e - 3 * 4 * n**0.5 / 20**0.5
    assert not counts.min() >= n  # nothing of the kind holds for all points


# The price of one dimension.


def one_code(seed, k=1):
    """Draw a network R³→R² with a code of dimension k that is positive on the cube, the code, and six points."""
    rng = np.random.default_rng(seed)
    layers = random_layers(rng, [3, 8, k, 8, 2])
    layers[1] = (layers[1][0], layers[1][1] + 100.0)
    layers[2] = (layers[2][0], layers[2][1] - 100.0 * layers[2][0].sum(axis=1))
    return bn.from_layers(layers), bn.from_layers(layers[:2]), rng.uniform(-1, 1, (6, 3))


def check_price(net, code, X):
    """Assert all parts of the theorem, for the segment between the extreme codes."""
    order = np.argsort(np.asarray(bn.apply(code, X))[:, 0])
    a, b = X[order[0]], X[order[-1]]
    shortest = book["shortest_path"](np.asarray(bn.apply(net, X)))
    curve = book["along"](net, a, b, 2000)
    steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    slack = 1 - 1e-3
    assert steps.sum() >= slack * shortest
    steepest = steps.max() * 2000 / np.linalg.norm(b - a)
    diameter = np.linalg.norm(X[:, None] - X[None], axis=-1).max()
    assert steepest >= slack * shortest / diameter
    L, norm = net.depth, reference.squared_norm(net)
    assert norm >= L * (slack * shortest / diameter) ** (2 / L)
    ranks = [np.linalg.matrix_rank(reference.jacobian(net, x), tol=1e-9) for x in X]
    assert max(ranks) <= 1


@given(SEEDS)
@settings(max_examples=20)
def test_the_price_of_one_dimension(seed):
    check_price(*one_code(seed))


def test_two_dimensions_do_not_pay_it():
    with pytest.raises(AssertionError):
        check_price(*one_code(3, k=2))
    plane, X = bn.from_layers([(np.eye(3)[:2], None)]), np.random.default_rng(0).uniform(size=(7, 3))
    with pytest.raises(AssertionError):
        check_price(plane, bn.from_layers([(np.eye(3)[:1], None)]), X)


def check_errors(net, X, Y, delta, correction):
    """Assert the form of the theorem for fits with errors, for any points of the rows of a snake."""
    assert np.linalg.norm(np.asarray(bn.apply(net, X)) - Y, axis=1).max() <= delta * (1 + 1e-9)
    found = max(book["neighbour_bounds"](Y)["two nearest"], book["tree_bounds"](Y)["tree"])
    slope = max(np.linalg.norm(reference.jacobian(net, x), 2) for x in np.random.default_rng(0).uniform(size=(50, 2)))
    assert found - correction * delta * (len(Y) - 1) <= slope * 2**0.5


def test_errors_must_be_paid_for():
    n, delta = 3, 0.1
    net = bn.padded(book["snake_curve"](n, 2), book["snake_code"](n, 2), 4, domain=book["grid"](n, 2))
    rng = np.random.default_rng(2)
    X = np.stack([rng.uniform(size=4000), rng.integers(n, size=4000) / n], axis=1)
    Y = X + delta * np.stack([np.zeros(4000), rng.uniform(-1, 1, 4000)], axis=1)
    check_errors(net, X, Y, delta, 2)
    check_errors(net, X[:12], Y[:12], delta, 2)
    with pytest.raises(AssertionError):
        check_errors(net, X, Y, delta, 0)


# The snake.


def check_snake(code, curve, n, k):
    """Assert that the snake is the identity on its rows, has rank one, unit speed and the slope of the formula."""
    rng = np.random.default_rng(n)
    rows = np.concatenate([rng.uniform(size=(30, 1)), rng.integers(n, size=(30, k - 1)) / n], axis=1)
    G = np.concatenate([book["grid"](n, k), rows])
    net = bn.padded(curve, code, 2 * k, domain=G)
    np.testing.assert_allclose(reference.values(net, G), G, rtol=0, atol=1e-11)
    X = rng.uniform(size=(400, k)) * np.append(1.0, np.full(k - 1, 1 - 1 / n))
    s = np.linalg.svd(np.asarray(bn.jacobian(net, X)), compute_uv=False)
    np.testing.assert_allclose(s[:, 0].max(), book["steepest"](n, k), rtol=1e-11)
    np.testing.assert_allclose(s[:, 0], np.linalg.norm(np.asarray(bn.jacobian(code, X))[:, 0], axis=1), rtol=1e-11)
    assert s[:, 1].max() <= 1e-9
    P, t = book["corners"](n, k)
    assert t[-1] == pytest.approx(n ** (k - 1) + n ** (k - 2) - 1 / n)
    np.testing.assert_allclose(reference.values(code, P)[:, 0], t, atol=1e-11)


@pytest.mark.parametrize(("n", "k"), [(2, 2), (3, 2), (8, 2), (3, 3), (2, 4)])
def test_the_snake(n, k):
    check_snake(book["snake_code"](n, k), book["snake_curve"](n, k), n, k)


def test_the_snake_of_the_plane_has_the_stated_slope():
    for n in (2, 5, 100):
        assert book["steepest"](n, 2) == np.sqrt(1 + (2 * n + 1) ** 2)


def test_the_decoder_of_the_snake_is_dear_at_every_depth():
    n = 4
    corners = book["corners"](n, 2)[1][1:-1]
    for depth in (4, 20):
        net = bn.padded(book["snake_curve"](n, 2), book["snake_code"](n, 2), depth, domain=book["grid"](n, 2))
        assert reference.squared_norm(bn.balance(net)) >= 8**0.5 * corners.sum()
    assert reference.squared_norm(bn.balance(net)) < 4 * 8**0.5 * corners.sum()


def test_wrong_snakes_are_caught():
    n, k = 3, 2
    code, curve = book["snake_code"](n, k), book["snake_curve"](n, k)
    (W, b), (V, c) = code.layers
    forwards = bn.from_layers([(np.abs(np.asarray(W)) * np.sign(np.asarray(W)[:, 1:]), b), (V, c)])
    fast = bn.from_layers([(2 * curve.layers[0][0], 2 * curve.layers[0][1]), curve.layers[1]])
    for wrong in ((forwards, curve), (code, fast)):
        with pytest.raises(AssertionError):
            check_snake(*wrong, n, k)
    with pytest.raises(AssertionError):  # a code with one row more is still a code, but not of this grid
        check_snake(book["snake_code"](n + 1, k), curve, n, k)
