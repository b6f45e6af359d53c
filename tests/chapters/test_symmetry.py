"""Invariant functions and codes: theorems on exact cases, measures against their definitions, data of the chapter."""

from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn

SEEDS = st.integers(0, 2**32 - 1)


def rotation(t):
    return np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])


# Exact invariance, and its price.


def support(n, x):
    """Return values of max <x, u_j> over the corners of a regular polygon, and the gradients."""
    corners = 2 * np.pi * np.arange(n) / n
    u = np.stack([np.cos(corners), np.sin(corners)], axis=1)
    best = np.argmax(x @ u.T, axis=1)
    return np.max(x @ u.T, axis=1), u[best], best


def check_price(values, gradients, x, count, share=1.0):
    """Assert that an orbit on which f varies by eps has at least T / (2 arccos(1 - eps/rho)) pieces."""
    rho = np.hypot(np.sum(gradients * x, axis=1), np.sum(gradients * (x @ rotation(np.pi / 2).T), axis=1)).min()
    assert count >= share * np.pi / np.arccos(1 - np.ptp(values) / rho) - 0.02 * count


@pytest.mark.parametrize("n", [3, 4, 7, 32])
def test_polygons_need_the_fewest_pieces(n):
    t = 2 * np.pi * (np.arange(8001) + 0.5) / 8001
    x = 1.7 * np.stack([np.cos(t), np.sin(t)], axis=1)
    values, gradients, best = support(n, x)
    count = int(np.sum(best != np.roll(best, 1)))
    assert count == n
    assert np.ptp(values) == pytest.approx(1.7 * (1 - np.cos(np.pi / n)), rel=1e-2)
    check_price(values, gradients, x, count)
    with pytest.raises(AssertionError):
        check_price(values, gradients, x, count, share=2.0)


@given(SEEDS, st.integers(1, 3))
@settings(max_examples=30)
def test_an_affine_function_that_is_constant_on_an_arc_is_its_constant(seed, pairs):
    """The step of the proof of rigidity: Bx(t) + c constant on a short arc forces the value c."""
    rng = np.random.default_rng(seed)
    x, c, size = rng.normal(size=2 * pairs), rng.normal(), 2 * pairs

    def arc(turns):
        t = np.linspace(0, 0.3, 12)
        return np.stack([np.kron(np.eye(pairs), rotation(a)) @ x if turns else x + a for a in t])

    def value_on(points):
        """Return B x + c for a random B that makes B x(t) + c constant on the arc, if there is one besides 0."""
        steps = np.diff(points, axis=0)
        _, s, Vt = np.linalg.svd(steps)
        free = Vt[int(np.sum(s > 1e-9 * s[0])) :]
        B = rng.normal(size=len(free)) @ free if len(free) else np.zeros(size)
        np.testing.assert_allclose(steps @ B, 0, atol=1e-9)
        return B @ points[0] + c

    assert value_on(arc(turns=True)) == pytest.approx(c, abs=1e-6)
    if pairs > 1:  # translations leave no point fixed, but are not linear: the conclusion fails
        assert abs(value_on(arc(turns=False)) - c) > 1e-6


def test_averages_over_a_finite_group_are_invariant():
    net = bn.init(jax.random.key(0), 3, 10, 2, 3)
    X = np.asarray(jax.random.normal(jax.random.key(1), (50, 3)))
    group = [np.eye(3)[list(order)] for order in permutations(range(3))]

    def check(part):
        def mean(X):
            return np.mean([np.asarray(bn.apply(net, X @ g.T)) for g in part], axis=0)

        for g in group:
            np.testing.assert_allclose(mean(X @ g.T), mean(X), atol=1e-12)

    check(group)
    with pytest.raises(AssertionError):
        check(group[:5])


@given(SEEDS)
@settings(max_examples=50)
def test_filters_of_a_finite_group_tell_orbits_apart(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 3))
    group = [np.eye(3)[list(order)] for order in permutations(range(3))]

    def value(x, v):
        return max((g @ x) @ v for g in group)

    for g in group:
        assert value(g @ x, y) == pytest.approx(value(x, y))
    assert max(abs(value(x, x) - value(y, x)), abs(value(x, y) - value(y, y))) > 0
    assert value(x, y) == pytest.approx(np.sort(x) @ np.sort(y))


@given(SEEDS, st.integers(1, 4))
@settings(max_examples=30)
def test_a_code_on_a_circle_meets_itself_at_any_distance(seed, n):
    rng = np.random.default_rng(seed)
    t = 2 * np.pi * np.arange(4000 * n) / (4000 * n)
    a, b = rng.normal(size=(2, 5))
    g = sum(a[j] * np.cos((j + 1) * t) + b[j] * np.sin((j + 1) * t) for j in range(5))
    difference = np.roll(g, -2000) - g  # a shift by pi / n
    i = int(np.flatnonzero(difference * np.roll(difference, -1) <= 0)[0])
    step = np.max(np.abs(np.diff(g)))
    assert abs(difference[i]) <= 2 * step
    apart = np.exp(1j * n * t[i]) - np.exp(1j * n * (t[i] + np.pi / n))
    assert abs(apart) == pytest.approx(2)


# The measures.


@given(SEEDS)
@settings(max_examples=10)
def test_orbit_share_agrees_with_its_definition(seed):
    rng = np.random.default_rng(seed)
    net = bn.init(jax.random.key(seed % 1000), 3, 6, 2, 3)
    orbits = rng.normal(size=(5, 7, 3))
    h, expected = orbits, []
    for i, (W, b) in enumerate(net.layers):
        h = h @ np.asarray(W).T + np.asarray(b)
        h = np.maximum(h, 0) if i < 2 else h
        inside = np.mean(np.sum((h - h.mean(1, keepdims=True)) ** 2, axis=2))
        expected.append(inside / np.mean(np.sum((h - h.mean((0, 1))) ** 2, axis=2)))
    np.testing.assert_allclose(bn.orbit_share(net, orbits), expected, rtol=1e-9)
    np.testing.assert_allclose(bn.orbit_share(net, np.repeat(orbits[:, :1], 4, axis=1)), 0, atol=1e-12)


def test_components_are_those_of_the_centred_layer():
    net = bn.init(jax.random.key(3), 3, 6, 2, 3)
    X, at = np.split(np.asarray(jax.random.normal(jax.random.key(4), (60, 3))), 2)
    A, B = (np.maximum(Z @ np.asarray(net.layers[0][0]).T, 0) for Z in (X, at))
    _, s, Vt = np.linalg.svd(A - A.mean(0))
    found = bn.principal_components(net, X, 2, at)
    np.testing.assert_allclose(found.shares[0], (s**2 / np.sum(s**2))[:2], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.scores[0]), np.abs((B - A.mean(0)) @ Vt[:2].T), atol=1e-9)


def test_readers_find_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    net = bn.from_layers([(np.vstack([np.eye(3), -np.eye(3)])[[0, 1, 3, 4]], None), (np.ones((1, 4)), None)])
    X, X_test = rng.normal(size=(2, 400, 3))

    def read(components, degree):
        return bn.decoded(net, X, X, X_test, X_test, components=components, degree=degree)[0]

    linear = read(4, 1)
    np.testing.assert_allclose(linear[:2], 1, atol=1e-9)  # x1 and x2 are differences of two neurons
    assert linear[2] < 0.05  # x3 was dropped
    memorised = bn.decoded(net, X[:16], X[:16], X_test, X_test, components=4, degree=2)[0]
    assert memorised[2] < 0  # scored on other points, so that a reader cannot learn noise by heart
    with pytest.raises(ValueError, match="needs more points to fit than 10"):
        bn.decoded(net, X[:10], X[:10], X_test, X_test, components=4, degree=2)
    with pytest.raises(ValueError, match="one row for each input"):
        bn.decoded(net, X, X[:10], X_test, X_test, components=2, degree=1)
    with pytest.raises(ValueError, match="targets must be finite"):
        bn.decoded(net, X, np.full_like(X, np.nan), X_test, X_test, components=2, degree=1)
    with pytest.raises(ValueError, match="Every column of targets_test must vary"):
        bn.decoded(net, X, X, X_test, np.ones_like(X_test), components=2, degree=1)


@pytest.mark.parametrize("size", [1e-15, 1.0, 1e8])
def test_what_varies_is_relative_to_the_size_of_a_layer(size):
    """A mean of equal numbers rounds, which is a variance of 1e-32 of their squares."""
    net = bn.from_layers([([[1.0], [-1.0]], None), (size * np.ones((1, 2)), None)])
    orbits = np.array([[[1.0], [-1.0]], [[2.0], [-2.0]], [[3.0], [-3.5]]])
    values = np.abs(orbits[..., 0])
    assert bn.orbit_share(net, orbits)[1] == pytest.approx(np.mean(values.var(axis=1)) / values.var(), rel=1e-9)
    constant = bn.from_layers([(np.zeros((1, 1)), [0.1 * size]), (np.ones((1, 1)), None)])
    assert bn.orbit_share(constant, np.ones((3, 7, 1))).tolist() == [0, 0]
    scaled = bn.from_layers([(size * np.array([[1.0], [-1.0]]), None), (np.ones((1, 2)), None)])
    x = np.linspace(-1, 1, 12)[:, None]
    np.testing.assert_allclose(bn.decoded(scaled, x, x, x, x, components=2, degree=1), 1.0)


def test_a_component_below_a_millionth_of_the_first_is_not_read():
    rng = np.random.default_rng(0)
    X, X_test = rng.uniform(1, 2, size=(2, 60, 2))
    for second, seen in ((1e-5, True), (1e-7, False)):
        net = bn.from_layers([(np.diag([1.0, second]), None), (np.ones((1, 2)), None)])
        R2 = bn.decoded(net, X, X, X_test, X_test, components=2, degree=1)[0]
        assert R2[0] == pytest.approx(1.0, abs=1e-6)
        assert (R2[1] > 0.99) == seen


def test_a_reader_needs_more_points_than_monomials():
    net = bn.from_layers([(np.eye(2), None), (np.ones((1, 2)), None)])
    X = np.random.default_rng(0).uniform(1, 2, size=(7, 2))
    assert bn.decoded(net, X, X, X, X, components=2, degree=2) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="A reader with 6 monomials needs more points to fit than 6"):
        bn.decoded(net, X[:6], X[:6], X, X, components=2, degree=2)


def test_bad_input_of_the_measures_is_refused():
    net = bn.init(jax.random.key(0), 3, 6, 2, 3)
    with pytest.raises(ValueError, match=r"orbits must have shape \(n, m, 3\)"):
        bn.orbit_share(net, np.zeros((4, 3)))
    with pytest.raises(ValueError, match="k is 7, but the width is 6"):
        bn.principal_components(net, np.zeros((4, 3)), 7)
    with pytest.raises(ValueError, match="depth 1 has none"):
        bn.principal_components(bn.from_layers([(np.eye(3), None)]), np.zeros((4, 3)), 1)


# The data.


def check_kepler(time):
    a, e, angle = (jnp.asarray(v) for v in ([0.8, 1.0, 1.2], [0.15, 0.3, 0.45], [0.0, 1.0, -2.0]))
    dt = 1e-4
    before, now, after = (np.asarray(bn.tasks.kepler(a, e, angle, time + d)) for d in (-dt, 0, dt))
    r = np.linalg.norm(now, axis=1)
    velocity, force = (after - before) / (2 * dt), (after - 2 * now + before) / dt**2
    np.testing.assert_allclose(force, -now / r[:, None] ** 3, atol=1e-5)
    np.testing.assert_allclose(np.sum(velocity**2, axis=1) / 2 - 1 / r, -1 / (2 * a), atol=1e-6)
    momentum = now[:, 0] * velocity[:, 1] - now[:, 1] * velocity[:, 0]
    np.testing.assert_allclose(momentum, np.sqrt(a * (1 - e**2)), atol=1e-6)


@pytest.mark.parametrize("time", [0.6, 1.8, 3.0])
def test_planets_obey_newton(time):
    check_kepler(time)


def test_three_positions_give_energy_and_angular_momentum():
    task = bn.tasks.two_body_task(jax.random.key(0), 300, n_test=1)
    a, e, _ = np.asarray(task.latent).T
    Z = np.asarray(task.X).reshape(-1, 3, 2)

    def solve(Z):
        rows = np.concatenate([np.ones((len(Z), 3, 1)), -Z], axis=2)
        assert np.min(np.abs(np.linalg.det(rows))) > 1e-3
        found = np.linalg.solve(rows, np.linalg.norm(Z, axis=2)[..., None])[..., 0]
        return found[:, 0], np.linalg.norm(found[:, 1:], axis=1)

    parameter, eccentricity = solve(Z)
    np.testing.assert_allclose(parameter, a * (1 - e**2), rtol=1e-9)
    np.testing.assert_allclose(eccentricity, e, atol=1e-9)
    turned = solve(Z @ rotation(0.8).T)
    np.testing.assert_allclose(turned[0], parameter, rtol=1e-9)
    # The outputs, before they are centred and scaled, are functions of the two.
    p, q = 5 - 4.8 / a, (np.sqrt(parameter) - 0.94) / 0.14
    design = np.stack([np.ones_like(p), p, q, p * q], axis=1)
    Y = np.asarray(task.Y)
    np.testing.assert_allclose(design @ np.linalg.lstsq(design, Y, rcond=None)[0], Y, atol=1e-9)
    assert np.linalg.matrix_rank(Y) == 3  # energy, angular momentum and their product
    with pytest.raises(AssertionError):  # two positions do not determine the ellipse
        solve(np.stack([Z[:, 0], Z[:, 1], Z[:, 1]], axis=1))


def test_shapes_are_blind_to_the_size():
    task = bn.tasks.two_body_task(jax.random.key(0), 100, shape_only=True, n_test=1)
    v = (np.asarray(task.latent)[:, 1] - 0.3) / 0.15
    design = np.stack([np.ones_like(v), v, v**2], axis=1)
    Y = np.asarray(task.Y)
    np.testing.assert_allclose(design @ np.linalg.lstsq(design, Y, rcond=None)[0], Y, atol=1e-9)
    assert task.rank == 1


def invariant_under(Y, X, g):
    """Tell whether inputs that g maps near each other have near outputs."""
    distance = np.linalg.norm((X @ g.T)[:, None] - X[None], axis=2)
    nearest = np.argmin(distance, axis=1)
    return bool(np.max(np.linalg.norm(Y[nearest] - Y, axis=1)) < 0.3)


def test_targets_of_triples_are_blind_to_their_group_only():
    group = [np.eye(3)[list(order)] for order in permutations(range(3))]
    even = [g for g in group if np.linalg.det(g) > 0]
    swap = [np.eye(3), np.eye(3)[[1, 0, 2]]]
    for name, rank, kept in (("none", 2, group[:1]), ("swap", 1, swap), ("cyclic", 2, even), ("all", 1, group)):
        task = bn.tasks.triple_task(jax.random.key(1), 1500, name, n_test=1)
        X, Y = np.asarray(task.X), np.asarray(task.Y)
        assert task.rank == rank
        np.testing.assert_allclose(X.sum(1), 0, atol=1e-12)
        np.testing.assert_allclose(np.sum(X**2, axis=1), 1, atol=1e-12)
        for g in group:
            assert invariant_under(Y, X, g) == any(np.array_equal(g, h) for h in kept)
    with pytest.raises(ValueError, match='group must be "none", "swap", "cyclic" or "all"'):
        bn.tasks.triple_task(jax.random.key(1), 5, "dihedral")
