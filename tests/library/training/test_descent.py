"""Plain gradient descent against the gradient by hand, alone and for many networks at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnlib as bn
from bnlib.training.descent import descend


def check_step(step, ridge):
    """Assert one step from one neuron with weight w and bias b: 2 mean(r x) + 2 ridge w, and the same for b."""
    w, b, rate = 1.5, 0.5, 0.1
    x, y = np.array([1.0, -2.0, 0.5]), np.array([1.0, 0.0, 3.0])
    net = bn.from_layers([([[w]], [b])])
    moved = step(net, x[:, None], y[:, None], ridge, rate, 1)
    r = w * x + b - y
    assert float(moved.last[0][0, 0]) == pytest.approx(w - rate * (2 * np.mean(r * x) + 2 * ridge * w), rel=1e-12)
    assert float(moved.last[1][0]) == pytest.approx(b - rate * (2 * np.mean(r) + 2 * ridge * b), rel=1e-12)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_one_step(ridge):
    check_step(descend, ridge)


@pytest.mark.parametrize(
    "broken",
    [
        lambda net, X, Y, ridge, rate, steps: descend(net, X, Y, ridge, rate, steps + 1),
        lambda net, X, Y, ridge, rate, steps: descend(net, X, Y, ridge / 2, rate, steps),
        lambda net, X, Y, ridge, rate, steps: descend(net, X, Y, ridge, -rate, steps),
    ],
    ids=["a step too many", "half the ridge", "ascent"],
)
def test_another_step_is_caught(broken):
    with pytest.raises(AssertionError):
        check_step(broken, 0.3)


def test_an_ensemble_descends_as_its_members():
    rng = np.random.default_rng(0)
    nets = bn.random_ensemble(rng, 3, (3, 6, 6, 2))
    X, Y, ridge = rng.normal(size=(3, 5, 3)), rng.normal(size=(3, 5, 2)), np.array([0.0, 0.1, 0.2])
    together = descend(nets, X, Y, ridge, 0.01, 7)
    for i in range(3):
        net, moved = (jax.tree.map(lambda a, i=i: jnp.asarray(a)[i], tree) for tree in (nets, together))
        alone = descend(net, X[i], Y[i], ridge[i], 0.01, 7)
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(moved), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_the_type_of_the_start_is_kept():
    net = jax.tree.map(lambda a: a.astype(jnp.float32), bn.from_layers([([[1.0]], None)]))
    assert descend(net, np.ones((1, 1)), np.ones((1, 1)), 0.1, 0.1, 2).last[0].dtype == jnp.float32
