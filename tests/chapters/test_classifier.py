"""The chapter on classifiers: triple points, loops, the order along a line, and a softmax with a ridge."""

from functools import partial
from itertools import combinations

import contourpy
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from scipy.special import lambertw, log_softmax, softmax

import bnlib as bn
import reference
from strategies import random_layers

SEEDS = st.integers(0, 2**32 - 1)
SIDE = 2.0


def evaluate(net, X):
    """Scores of a network or of its layers, with nothing from the library."""
    *hidden, (W, b) = net if isinstance(net, list) else reference.layers(net)
    for V, c in hidden:
        X = np.maximum(X @ V.T + c, 0)
    return X @ W.T + b


def through(width, rng, classes=4):
    """Draw a network with one narrow layer, whose scores have the same size over the window."""
    layers = random_layers(rng, [2, 8, 8, width, 8, 8, classes])
    layers[2] = (layers[2][0], layers[2][1] + 1.0)
    F = evaluate(bn.from_layers(layers), rng.uniform(-SIDE, SIDE, size=(200, 2)))
    size = np.where(F.std(0) > 1e-6, F.std(0), 1.0)
    # Random offsets: scores of the same size and mean that depend on one affine code would be equal.
    bias = (layers[-1][1] - F.mean(0)) / size + 0.3 * rng.normal(size=classes)
    layers[-1] = (layers[-1][0] / size[:, None], bias)
    return bn.from_layers(layers)


def voronoi(sites, centre):
    """Scores <site, x - centre> through two neurons, which stay positive in the window."""
    C = np.asarray(sites, float)
    return bn.from_layers([(np.eye(2), np.full(2, 9.0)), (np.eye(2), None), (C, -C @ (np.asarray(centre) + 9.0))])


REGULAR = np.array([[0.0, 1.0], [3**0.5 / 2, -0.5], [-(3**0.5) / 2, -0.5]])


# Words of classes along loops.


def word(net, centre, radius, halvings=48, samples=200):
    """Return the classes along a circle; where they change, bisect until no class in between is left."""
    layers = reference.layers(net)

    def at(angles):
        return evaluate(layers, centre + radius * np.c_[np.cos(angles), np.sin(angles)]).argmax(1)

    angles = np.linspace(0, 2 * np.pi, samples + 1)
    found = at(angles)
    for _ in range(halvings):
        change = np.flatnonzero(found[1:] != found[:-1])
        between = (angles[change] + angles[change + 1]) / 2
        angles, found = np.insert(angles, change + 1, between), np.insert(found, change + 1, at(between))
    return found[:-1][found[:-1] != np.roll(found[:-1], 1)].tolist()


def reduced(letters):
    """Replace aba by a and aa by a, cyclically, as long as possible."""
    letters = list(letters)
    while len(letters) > 1:
        n = len(letters)
        twin = next((i for i in range(n) if letters[i - 1] == letters[i]), None)
        back = next((i for i in range(n) if letters[i - 2] == letters[i]), None)
        if twin is not None:
            del letters[twin]
        elif n == 2:
            letters.pop()
        elif back is not None:
            letters = [c for i, c in enumerate(letters) if i not in (back, (back - 1) % n)]
        else:
            break
    return letters


def check_words(net, rng, loops=5):
    """Assert that along random circles the word of classes reduces to one letter, and so has never three arcs."""
    for _ in range(loops):
        found = word(net, rng.uniform(-1, 1, size=2), rng.uniform(0.1, 1.5))
        assert len(reduced(found)) <= 1, found


def test_words_reduce_as_they_should():
    assert len(reduced([0, 1, 0, 2])) == 1
    assert len(reduced([0, 1, 2, 1])) == 1
    assert len(reduced([0, 1, 2])) == 3
    assert len(reduced([0, 1, 2, 0, 1, 2])) == 6


@settings(max_examples=25)
@given(SEEDS)
def test_words_through_one_neuron_reduce(seed):
    rng = np.random.default_rng(seed)
    check_words(through(1, rng), rng)


def test_two_neurons_break_it():
    caught = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        net = through(2, rng)
        try:
            check_words(net, rng, loops=20)
        except AssertionError:
            caught += 1
    assert caught >= 2
    assert len(reduced(word(voronoi(REGULAR, [0.1, 0.2]), np.array([0.1, 0.2]), 0.5))) == 3


def stripes(delta):
    """Scores -t, delta, t of the code t = x: a middle class of half width delta."""
    return bn.from_layers([([[1.0, 0.3]], [9.0]), ([[-1.0], [0.0], [1.0]], [9.0, delta, -9.0])])


def test_a_loop_without_bisection_is_deceived_by_a_thin_class():
    """From the middle of the stripe to a side of it: one crossing is hit by a sample, the other is not."""
    deceived = 0
    for delta in np.geomspace(1e-3, 1e-1, 30):
        net = stripes(delta)
        assert len(reduced(word(net, np.array([0.2, 0.0]), 1.0))) <= 1
        deceived += len(reduced(word(net, np.array([0.2, 0.0]), 1.0, halvings=0))) > 1
    assert deceived


# Grids and contour lines.


def nodes(n):
    ticks = np.linspace(-SIDE, SIDE, n + 1)
    return ticks, np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)


def triple_cells(net, n):
    """Count cells whose corners have three classes or more, cell by cell."""
    c = evaluate(net, nodes(n)[1]).argmax(1).reshape(n + 1, n + 1)
    return sum(len(set(c[i : i + 2, j : j + 2].ravel().tolist())) > 2 for i in range(n) for j in range(n))


def contour_points(net, n=40):
    """Return the points where a contour line of two equal scores meets a third, by interpolation along the line."""
    ticks, X = nodes(n)
    F = evaluate(net, X).reshape(n + 1, n + 1, -1)
    found = []
    for i, j, k in combinations(range(F.shape[-1]), 3):
        for line in contourpy.contour_generator(ticks, ticks, F[..., i] - F[..., j]).lines(0.0):
            S = evaluate(net, line)
            d = S[:, k] - S[:, i]
            for a in np.flatnonzero((d[1:] > 0) != (d[:-1] > 0)):
                share = d[a] / (d[a] - d[a + 1])
                found.append(line[a] + share * (line[a + 1] - line[a]))
    return found


def check_voronoi(sites, centre, n=40):
    """Assert exactly one triple point if the point of equal scores is in the window, and none if not."""
    found = contour_points(voronoi(sites, centre), n)
    assert len(found) == (np.abs(centre).max() < SIDE)
    for x in found:
        np.testing.assert_allclose(x, centre, atol=1e-6)


@settings(max_examples=50)
@given(arrays(float, (3, 2), elements=st.floats(-2, 2)), arrays(float, 2, elements=st.floats(-3, 3)))
def test_voronoi_cells_have_their_triple_point(sites, centre):
    assume(abs(np.linalg.det(sites[1:] - sites[0])) > 0.1)
    assume(np.all(np.abs(np.abs(centre) - SIDE) > 1e-3))
    ticks = np.linspace(-SIDE, SIDE, 41)
    assume(np.abs(centre[:, None] - ticks).min() > 1e-4)  # a node of the grid would be counted by several lines
    check_voronoi(sites, centre)


def test_a_line_of_sites_has_no_triple_point():
    """Sites on a line are rank one, and the check of the plane must fail for them."""
    with pytest.raises(AssertionError):
        check_voronoi(np.array([[-1.0, -0.5], [0.0, 0.0], [1.0, 0.5]]), np.array([0.113, 0.217]))


def test_a_coarse_grid_is_deceived_and_a_fine_one_is_not():
    net = stripes(0.03)
    assert triple_cells(net, 10) > 0
    assert triple_cells(net, 40) > 0
    assert triple_cells(net, 200) == 0  # a cell changes t by at most 1.3 * 0.02, less than the stripe
    voronoi_net = voronoi(REGULAR, [0.113, 0.217])
    assert [triple_cells(voronoi_net, n) for n in (10, 100, 200)] == [1, 1, 1]


# Order along a line, tripod, spheres.


def neighbours(net, n=200):
    c = evaluate(net, nodes(n)[1]).argmax(1).reshape(n + 1, n + 1)
    pairs = [*zip(c[1:].ravel(), c[:-1].ravel(), strict=True), *zip(c[:, 1:].ravel(), c[:, :-1].ravel(), strict=True)]
    return {tuple(sorted((int(a), int(b)))) for a, b in pairs if a != b}


def check_path(net, classes):
    """Assert that the graph of neighbouring classes is a path."""
    pairs = neighbours(net)
    degree = [sum(j in pair for pair in pairs) for j in range(classes)]
    assert sorted(degree) == [1, 1] + [2] * (classes - 2)
    assert len(pairs) == classes - 1


@settings(max_examples=20)
@given(SEEDS)
def test_connected_classes_through_one_neuron_form_a_path(seed):
    """An affine code, and scores of the classes of an interval: tangents of a convex function, in any order."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(4)
    slope = np.array([-3.0, -1.0, 1.0, 3.0])[order]
    angle = rng.uniform(0, 2 * np.pi)
    code = np.array([[np.cos(angle), np.sin(angle)]])
    offset = -(slope**2) / rng.uniform(6, 10)  # neighbours meet where their tangents cross, at t = -2c, 0, 2c
    check_path(bn.from_layers([(code, [9.0]), (slope[:, None], offset - 9.0 * slope)]), 4)


def test_a_triangle_of_classes_is_no_path():
    with pytest.raises(AssertionError):
        check_path(voronoi(REGULAR, [0.0, 0.0]), 3)


def tripod():
    """Scores: distance to the boundary of a sector inside it, as a network."""
    turn = np.pi / 2 + 2 * np.pi / 3 * np.arange(3)
    a, b = (np.stack([np.cos(turn + s * np.pi / 6), np.sin(turn + s * np.pi / 6)], -1) for s in (1, -1))
    first = np.stack([a, -a, a - b], 1).reshape(9, 2)
    return bn.from_layers([(first, None), (np.kron(np.eye(3), [[1.0, -1.0, -1.0]]), None), (np.eye(3), None)])


def test_the_tripod_has_a_triple_point_that_no_jacobian_sees():
    net, rng = tripod(), np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(200, 2))
    s = np.linalg.svd(np.asarray(bn.jacobian(net, X)), compute_uv=False)
    np.testing.assert_allclose(s[:, 0], 1.0, rtol=1e-12)
    np.testing.assert_allclose(s[:, 1], 0.0, atol=1e-12)
    assert len(reduced(word(net, np.zeros(2), 0.5))) == 3
    for n in (11, 101):
        assert triple_cells(net, n) >= 1


@pytest.mark.parametrize("k", [1, 2, 3])
def test_opposite_points_have_other_classes_in_simplex_cells(k):
    """The k+2 cells of a regular simplex certify rank k+1; with one cell less opposite points agree somewhere."""
    V = np.eye(k + 2) - 1 / (k + 2)
    U = np.linalg.svd(V)[2][: k + 1]  # coordinates of the hyperplane of the simplex
    rng = np.random.default_rng(k)
    X = rng.normal(size=(2000, k + 1))
    F = X @ (V @ U.T).T
    assert np.all(F.argmax(1) != (-F).argmax(1))
    along = U @ V[-1]  # without the last cell, all others are largest at this point and at its opposite
    np.testing.assert_allclose(V[:-1] @ U.T @ along, (V[:-1] @ U.T @ along)[0], atol=1e-12)


# A ridge and a softmax.


@partial(jax.jit, static_argnames="loss")
def last_layer_slope(net, X, Y, ridge, loss):
    """The gradient of the plain definition by the last weights and biases."""

    def objective(net):
        F = bn.apply(net, X)
        value = -jnp.sum(Y * jax.nn.log_softmax(F, axis=1)) if loss == "cross-entropy" else jnp.sum((F - Y) ** 2)
        return value / len(X) + ridge * bn.squared_norm(net)

    return jax.grad(objective)(net).last


def check_softmax(seed, loss="cross-entropy", factor=2.0):
    """Assert both identities: sum of rows, and product with the last layer."""
    rng = np.random.default_rng(seed)
    net = through(3, rng)
    X, Y, ridge = rng.normal(size=(20, 2)), rng.dirichlet(np.ones(4), size=20), rng.uniform(0.01, 1)
    W, G = np.c_[reference.layers(net)[-1]], np.c_[last_layer_slope(net, jnp.asarray(X), jnp.asarray(Y), ridge, loss)]
    F = evaluate(net, X)
    np.testing.assert_allclose(G.sum(0), factor * ridge * W.sum(0), atol=1e-9)
    excess = np.mean(np.sum((Y - softmax(F, axis=1)) * F, axis=1))
    assert np.sum(G * W) == pytest.approx(factor * ridge * np.sum(W**2) - excess, rel=1e-9, abs=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_the_softmax_is_centred_and_has_its_temperature(seed):
    check_softmax(seed)


@pytest.mark.parametrize("mistake", [{"loss": "squared"}, {"factor": 1.0}], ids=str)
def test_other_identities_are_caught(mistake):
    with pytest.raises(AssertionError):
        check_softmax(3, **mistake)


def excess(F):
    """Return <y - p, f> for the class 0."""
    return F[0] - softmax(F) @ F


def omega(m):
    return float(lambertw((m - 1) / np.e).real)


def check_excess(F, share=1.0):
    assert excess(F) <= share * omega(len(F)) * (1 + 1e-12)


@given(st.integers(2, 8).flatmap(lambda m: arrays(float, m, elements=st.floats(-20, 20))))
def test_the_excess_of_the_right_score_is_bounded(F):
    check_excess(F)
    p, q = np.exp(log_softmax(F)), 1 - np.exp(log_softmax(F)[0])  # the form of the proof
    if 1e-6 < q < 1 - 1e-6:
        tail = p[1:][p[1:] > 0]
        assert excess(F) == pytest.approx(q * np.log(p[0]) - np.sum(tail * np.log(tail)), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("m", [2, 3, 4, 10])
def test_the_bound_is_attained_and_no_smaller_one_holds(m):
    best = np.zeros(m)
    best[0] = 1 + omega(m)
    assert excess(best) == pytest.approx(omega(m), rel=1e-12)
    free = minimize_scalar(lambda t: -excess(np.r_[t, np.zeros(m - 1)]), bounds=(0, 10), method="bounded")
    assert -free.fun == pytest.approx(omega(m), rel=1e-6)
    with pytest.raises(AssertionError):
        check_excess(best, share=0.999)


def test_a_trained_network_loses_its_triple_point_with_its_second_dimension():
    """Three clusters at depth 3: one triple point, which the best approximation of rank one of a layer cannot keep."""
    rng = np.random.default_rng(5)
    y = np.repeat(np.arange(3), 10)
    X = 1.2 * REGULAR[y] + 0.2 * rng.normal(size=(30, 2))
    start = bn.from_layers(random_layers(rng, [2, 8, 8, 3], biases=False))
    result = bn.train(
        start, X, np.eye(3)[y], 0.01, loss="cross-entropy", first_order_steps=0, stages=((0.01, 300), (0.001, 300))
    )
    assert not result.collapsed
    (x,) = contour_points(result.net)
    assert len(reduced(word(result.net, x, 0.05))) == 3
    first, (W, b), last = reference.layers(result.net)
    U, s, Vt = np.linalg.svd(W)
    cut = bn.from_layers([first, (s[0] * np.outer(U[:, 0], Vt[0]), b), last])
    check_words(cut, rng, loops=20)
    assert contour_points(cut) == []
    with pytest.raises(AssertionError):
        check_words(bn.from_layers([first, (W, b), last]), rng, loops=20)
