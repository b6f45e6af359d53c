"""Gains a second time, in plain NumPy: each yields pairs of a number of the library and its second value.

``test_independent`` has those of all other claims, and says what the comparison is.
"""

import itertools

import numpy as np
from scipy.optimize import linprog, minimize_scalar

import bnlib as bn
import reference
from bnlib.build import bends
from bnlib.theory import gains
from strategies import random_layers


def draw(rng, widths, count):
    """Draw a ReLU network with biases, and inputs."""
    return bn.from_layers(random_layers(rng, widths)), rng.normal(size=(count, widths[0]))


def jacobians(net, X):
    return [reference.jacobian(net, x) for x in X]


def largest_sum(slopes):
    """Try all choices of slopes with alternating signs."""
    n = range(1, len(slopes) + 1)
    chosen = itertools.chain.from_iterable(itertools.combinations(slopes, k) for k in n)
    return max(abs(sum((-1) ** i * s for i, s in enumerate(c))) for c in chosen)


def torricelli(u, v):
    """Return the length of the shortest network that joins 0, u and v: by cosines, and by Torricelli's point."""
    corners = np.array([0 * u, u, v])
    for i in range(3):
        to, fro = corners[i - 1] - corners[i], corners[i - 2] - corners[i]
        sizes = np.linalg.norm(to), np.linalg.norm(fro)
        if min(sizes) == 0 or to @ fro <= -sizes[0] * sizes[1] / 2:
            return sum(sizes)
    e = u / np.linalg.norm(u)
    along, up = v @ e, np.linalg.norm(v - (v @ e) * e)
    apex = np.linalg.norm(u) * np.array([0.5, -(3**0.5) / 2])  # of the equilateral triangle on the other side of u
    return np.linalg.norm(np.array([along, up]) - apex)


def bivector(M):
    """Return the 2 by 2 minors of a matrix of two columns."""
    return np.array([M[i, 0] * M[j, 1] - M[j, 0] * M[i, 1] for i, j in itertools.combinations(range(len(M)), 2)])


def gain_free(rng):
    """Balance a chain with a fold in its middle by hand: one scale, by golden section."""
    c, L = rng.uniform(0.3, 0.7), 20
    before, behind = 9, 11

    def norm(log_scale):
        square = np.exp(2 * log_scale)  # of the code at the fold; four weights and two biases make it
        return before * square ** (1 / before) + behind * (4 * (1 + c**2 * square) / square) ** (1 / behind)

    net = bends.bend([-1.0, 1.0], [c], L, start=c)
    yield bn.squared_norm(net), minimize_scalar(norm, bracket=(-2, 0), tol=1e-12).fun
    yield reference.squared_norm(net), bn.squared_norm(net)


def gain_principle(rng):
    for n in (1, 5):
        slopes = rng.normal(size=n)
        yield gains.alternating_sum(slopes), largest_sum(slopes)


def gain_alternation(rng):
    net, (start, across) = draw(rng, (3, 5, 5, 1), 2)
    t = np.sort(rng.normal(size=7))
    line = start + t[:, None] * across
    v = across / np.linalg.norm(across)
    yield gains.alternation(net, line), largest_sum([float(J[0] @ v) for J in jacobians(net, line)])
    yield gains.weight_product(net), np.prod([np.sqrt(np.sum(W**2)) for W, _ in reference.layers(net)])


def gain_steiner(rng):
    net, X = draw(rng, (1, 5, 5, 3), 5)
    columns = [J[:, 0] for J in jacobians(net, X)]
    yield gains.gains(net, X).steiner, max(torricelli(u, v) for u, v in itertools.combinations(columns, 2))
    for _ in range(20):
        u, v = rng.normal(size=(2, 3))
        yield gains.steiner(u, v), torricelli(u, v)


def gain_crease(rng):
    for _ in range(20):
        g, h = rng.normal(size=(2, 3))
        size = np.linalg.norm(g - h)
        if g @ (g - h) <= 0:
            least = np.linalg.norm(g)
        elif h @ (h - g) <= 0:
            least = np.linalg.norm(h)
        else:
            least = np.sqrt(max(g @ g - (g @ (g - h)) ** 2 / size**2, 0))
        yield gains.crease(g, h), size + least
    net = bn.from_layers([(rng.normal(size=(1, 2)), [0.1]), (rng.normal(size=(1, 1)), None)])
    (w, _), (a, _) = reference.layers(net)
    G, H = gains.facets(net, [10 * w[0]], [-10 * w[0]])
    yield G, a * w
    yield H, 0 * w


def gain_area(rng):
    A, B = rng.normal(size=(2, 4, 2))
    X, Y = bivector(A), bivector(B)
    yield gains.area_gain(A, B), max(np.sqrt(Z @ Z) for Z in (X, Y, X - Y))
    net, X = draw(rng, (2, 5, 5, 2), 6)
    dets = [J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0] for J in jacobians(net, X)]
    yield gains.gains(net, X).area, max(max(dets), -min(dets), max(dets) - min(dets))


def gain_orientation(rng):
    net, X = draw(rng, (2, 5, 5, 2), 40)
    dets = np.array([J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0] for J in jacobians(net, X)])
    pairs = [np.log(-a * b) for a, b in itertools.combinations(dets, 2) if a * b < 0]
    yield gains.orientation(net, X), 2 * 3 + 1 + max(pairs, default=-np.inf)
    yield gains.orientation(net, X[:1]), -np.inf


def gain_closed(rng):
    """Find the least gain of two layers by linear programming."""
    slopes = rng.normal(size=5)
    steps, n = np.diff(slopes), 4
    # Right and left shares of each change, and the straight neuron, each as a difference of two positive numbers.
    shares = np.concatenate([np.eye(n), np.eye(n), np.zeros((n, 1))], axis=1)
    first = np.concatenate([np.zeros(n), -np.ones(n), [1.0]])[None]
    A = np.concatenate([shares, first])
    found = linprog(np.ones(2 * (2 * n + 1)), np.empty((0, 18)), np.empty(0), np.hstack([A, -A]), [*steps, slopes[0]])
    yield bends.two_layer_gain(slopes), found.fun
    net = bn.from_layers(bends.two_layers(slopes, [0.2, 0.4, 0.6, 0.8], 0.1))
    yield gains.weight_product(net), found.fun
    g, h, z = rng.uniform(0.2, 2, size=3)
    yield bn.squared_norm(bends.crossing(g, h, z, 4)), 4 * np.sqrt(g + h + z)


GAINS = {
    "gain-free": gain_free,
    "gain-principle": gain_principle,
    "gain-alternation": gain_alternation,
    "gain-steiner": gain_steiner,
    "gain-crease": gain_crease,
    "gain-area": gain_area,
    "gain-orientation": gain_orientation,
    "gain-closed": gain_closed,
}
