"""Stationarity at kinks: the chapter's example, slopes as limits of gradients, and how far training gets."""

import json
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import bnlib as bn
from bnlib.training.stationarity import _objective
from notebook_checks import ROOT

HALF = Fraction(1, 2)


def slopes_of_example(w, v, b, c, m):
    """The gradient of the one-neuron example in exact arithmetic, with slope m at a kink; see the chapter."""
    values = [max(b, 0), max(w + b, 0)]
    masks = [m if z == 0 else int(z > 0) for z in (b, w + b)]
    r = [v * values[0] + c + 2, v * values[1] + c - HALF]
    return (
        r[1] * v * masks[1] + w / 2,
        r[0] * values[0] + r[1] * values[1] + v / 2,
        v * (r[0] * masks[0] + r[1] * masks[1]) + b / 2,
        r[0] + r[1] + c / 2,
    )


def check_example(point):
    """Demand gradients of length 1/2 from both sides and zero between."""
    left, right, middle = (slopes_of_example(*point, m) for m in (0, 1, HALF))
    assert left == (0, 0, -HALF, 0)
    assert right == (0, 0, HALF, 0)
    assert middle == (0, 0, 0, 0)


def test_the_example_is_a_minimum_with_a_gradient():
    point = tuple(map(Fraction, (1, 1, 0, -1)))
    check_example(point)
    hessian = np.array([[1.5, 0.5, 1.0], [0.5, 1.5, 1.0], [1.0, 1.0, 2.5]])
    assert np.all(np.linalg.eigvalsh(hessian) > 0.8)
    net = bn.from_layers([([[1.0]], [0.0]), ([[1.0]], [-1.0])])
    found = bn.stationarity(net, [[0.0], [1.0]], [[-2.0], [0.5]], 0.25)
    assert found.gradient == pytest.approx(0.5 / (0.5 * 3**0.5), rel=1e-12)
    assert found.clarke < 1e-6
    assert found.kinks == 1


def test_a_wrong_example_is_caught():
    with pytest.raises(AssertionError):
        check_example((Fraction(9, 8), Fraction(1), Fraction(0), Fraction(-1)))


def pinned_net(seed):
    """A random network of depth 3 with one datum on the kink of each of three neurons, and where they are."""
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    layers = [(rng.normal(size=s), 0.3 * rng.normal(size=s[0])) for s in ((8, 3), (4, 8), (2, 4))]
    at = [(0, 1, 0), (0, 1, 3), (1, 2, 2)]  # layer, neuron, datum
    for layer, neuron in ((0, 1), (1, 2)):
        data = [n for i, j, n in at if (i, j) == (layer, neuron)]
        h = X if layer == 0 else np.asarray(bn.activations(bn.from_layers(layers), X).post[layer - 1])
        W, b = layers[layer]
        H = np.hstack([h[data], np.ones((len(data), 1))])
        row = np.append(W[neuron], b[neuron])
        row -= np.linalg.lstsq(H, H @ row, rcond=None)[0]
        W[neuron], b[neuron] = row[:-1], row[-1]
    return bn.from_layers(layers), X, Y, at


UNRAVEL = ravel_pytree(pinned_net(0)[0])[1]
slopes_at = jax.jit(jax.grad(lambda v, X, Y, masks: _objective(UNRAVEL(v), X, Y, 0.1, masks, "squared")))
pre_at = jax.jit(jax.vmap(lambda v, X: bn.networks._activations(UNRAVEL(v), X).pre, (0, None)))


@jax.jit
@jax.grad
def smooth_slopes(v, X, Y):
    error = bn.networks._apply(UNRAVEL(v), X) - Y
    return jnp.mean(jnp.sum(error**2, axis=1)) + 0.1 * jnp.sum(v**2)


def check_limits(seed, slopes, wanted):
    """Demand that backpropagation with slopes at the kinks is the gradient at parameters nearby with those signs."""
    net, X, Y, at = pinned_net(seed)
    index = tuple(np.array(at).T[[0, 2, 1]])
    pre = np.asarray(bn.activations(net, X).pre)
    masks = (pre > 0).astype(float)
    masks[index] = slopes
    flat = np.asarray(ravel_pytree(net)[0])
    here = slopes_at(flat, X, Y, masks)
    near = np.argwhere(np.abs(pre[0]) < 1e-9).tolist() + np.argwhere(np.abs(pre[1, :, :4]) < 1e-9).tolist()
    assert len(near) == len(at)  # no other datum is on a kink
    signs, rng = 2.0 * np.asarray(wanted) - 1.0, np.random.default_rng(seed)
    moves = flat[None] + 1e-7 * rng.normal(size=(400, flat.size))
    fits = np.all(np.sign(np.asarray(pre_at(moves, X))[(slice(None), *index)]) == signs, axis=1)
    assert fits.any()
    there = smooth_slopes(moves[np.argmax(fits)], X, Y)
    np.testing.assert_allclose(here, there, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("slopes", [(0, 0, 0), (1, 0, 1), (0, 1, 0), (1, 1, 1)])
def test_slopes_at_kinks_are_limits_of_gradients(seed, slopes):
    check_limits(seed, slopes, slopes)


def test_slopes_of_other_signs_are_caught():
    with pytest.raises(AssertionError):
        check_limits(0, (1, 0, 1), (0, 0, 1))


def test_polished_runs_are_nearly_stationary():
    runs = json.loads((ROOT / "results" / "benchmarks" / "stationarity.json").read_text(encoding="utf-8"))["runs"]
    for group in runs.values():
        assert [run["seed"] for run in group] == list(range(5))
        for run in group:
            assert run["rank"] == 2
            assert run["clarke"] <= 0.03
            assert run["imbalance"] <= 1e-3
            assert run["gradient"] > 5 * run["clarke"]
