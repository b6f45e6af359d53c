"""What one dimension must pay: the number of points that are alone, the theorem on random networks, and errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build import snakes
from bnlib.theory import paths
from strategies import random_layers

SEEDS = st.integers(0, 2**32 - 1)


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
    counts = np.array([np.sum(paths.neighbours(rng.uniform(size=(n, k)), 1)[0] >= r) for _ in range(20)])
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
    shortest = paths.shortest(np.asarray(bn.apply(net, X)))
    curve = np.asarray(bn.apply(net, np.linspace(a, b, 2001)))
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
    found = max(paths.neighbour_bounds(Y)["two nearest"], paths.tree_bounds(Y)["tree"])
    slope = max(np.linalg.norm(reference.jacobian(net, x), 2) for x in np.random.default_rng(0).uniform(size=(50, 2)))
    assert found - correction * delta * (len(Y) - 1) <= slope * 2**0.5


def test_errors_must_be_paid_for():
    n, delta = 3, 0.1
    net = bn.padded(snakes.curve(n, 2), snakes.code(n, 2), 4, domain=snakes.grid(n, 2))
    rng = np.random.default_rng(2)
    X = np.stack([rng.uniform(size=4000), rng.integers(n, size=4000) / n], axis=1)
    Y = X + delta * np.stack([np.zeros(4000), rng.uniform(-1, 1, 4000)], axis=1)
    check_errors(net, X, Y, delta, 2)
    check_errors(net, X[:12], Y[:12], delta, 2)
    with pytest.raises(AssertionError):
        check_errors(net, X, Y, delta, 0)
