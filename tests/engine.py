"""Small trainings for the tests of the engine: equal shapes, so that few programs are compiled."""

from itertools import pairwise

import jax
import numpy as np

import bnlib as bn

DEPTH, WIDTH, D_IN, D_OUT, N = 3, 6, 3, 2, 12
# Chunks of ten Adam steps and stages of equal length: one program each.
CHUNK = 10
SHORT = {"first_order_steps": 30, "stages": ((0.03, 20), (0.01, 20), (0.0, 20))}
INSERTED = {
    "first_order_steps": 30,
    "depth": 6,
    "shallow": ((0.01, 20),),
    "stages": ((0.01, 20), (0.0, 20)),
    "polish": ((0.01, 20),),
}
RIDGE = 0.01


def start(seed=0, depth=DEPTH, width=WIDTH, slope=0.0):
    """Return a random network; NumPy draws it, because JAX would compile a program to do so."""
    rng = np.random.default_rng(seed)
    sizes = [D_IN, *[width] * (depth - 1), D_OUT]
    layers = [(rng.normal(size=(o, i)) * np.sqrt(2 / i), np.zeros(o)) for i, o in pairwise(sizes)]
    return bn.from_layers(layers, negative_slope=slope)


def data(seed=0, n=N):
    """Return inputs and targets that depend on one nonlinear feature, and a little on another."""
    rng = np.random.default_rng(100 + seed)
    X = rng.normal(size=(n, D_IN))
    features = np.abs(X[:, :2]) * np.array([1.0, 0.3])[None, :]
    return X, features @ rng.normal(size=(2, D_OUT))


def probabilities(n, classes, seed=0):
    """Return rows of probabilities, the first ones certain."""
    Y = np.random.default_rng(seed).dirichlet(np.ones(classes), size=n)
    Y[: n // 2] = np.eye(classes)[np.arange(n // 2) % classes]
    return Y


DATA = data()
CLASSES = {"data": (DATA[0], probabilities(N, D_OUT)), "loss": "cross-entropy"}


def quick(net=None, data=DATA, ridge=RIDGE, **settings):
    """Train a small network; equal settings share their compiled programs."""
    return bn.train(start() if net is None else net, *data, ridge, **SHORT | settings)


def bits(result):
    """Return every field of a result, or of several, so that equality means equality bit by bit."""
    return [(np.asarray(a).dtype.str, np.shape(a), np.asarray(a).tobytes()) for a in jax.tree.leaves(result)]


class Runner:
    """Stand for a run with given objectives after each stage."""

    def __init__(self, *values):
        self.values, self.reached = values, 0
        self.phases = values

    def advance(self, stop):
        self.reached = stop
        return self

    def objective(self, stop):
        return self.values[stop - 1]
