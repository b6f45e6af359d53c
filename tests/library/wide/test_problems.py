"""Problems for infinitely wide networks, and finite networks whose gradients JAX takes again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bnlib import infinite
from bnlib.wide import finite, problems

PHI = {"erf": jax.scipy.special.erf, "relu": lambda u: jnp.sqrt(2.0) * jnp.maximum(u, 0.0)}


def outputs(net, X, phi):
    z = PHI[phi](X @ net.V.T / jnp.sqrt(X.shape[1])) @ net.W.T / jnp.sqrt(len(net.v))
    return PHI[phi](z @ net.U.T / jnp.sqrt(net.U.shape[1])) @ net.v / jnp.sqrt(len(net.v)), z


@pytest.mark.parametrize("phi", finite.ACTIVATIONS)
def test_descent_of_finite_networks_follows_the_gradient(phi):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(7, 3)), rng.normal(size=7)
    net = finite.draw(rng, 30, 2, 3)
    F, z, end = finite.descend(net, X, y, phi, 0.3, 3)
    for step in range(3):
        now, point = outputs(net, X, phi)
        np.testing.assert_allclose(F[step], now, atol=1e-12)
        np.testing.assert_allclose(z[step], point, atol=1e-12)
        np.testing.assert_allclose(finite.bottleneck(net, X, phi), point, atol=1e-12)
        change = jax.grad(lambda n: jnp.sum((outputs(n, X, phi)[0] - y) ** 2) / (2 * len(y)))(net)
        net = finite.Finite(*(np.asarray(a - 0.3 * g) for a, g in zip(net, change, strict=True)))
    for a, b in zip(end, net, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_an_unknown_activation_is_one_sentence():
    with pytest.raises(ValueError, match="one of erf, relu"):
        finite.activation("tanh", 1.0)
    with pytest.raises(ValueError, match="steps"):
        finite.descend(finite.draw(np.random.default_rng(0), 3, 1, 1), np.ones((1, 1)), np.ones(1), "erf", 0.1, 0)


def test_the_edge_is_that_of_the_points_that_are_trained_on():
    X, y = problems.sphere_task(np.random.default_rng(0), 30, 6, train=10)
    np.testing.assert_allclose(np.sum(X**2, axis=1), 6.0, rtol=1e-13)
    assert abs(y[:10].mean()) < 1e-12
    assert y[:10].std() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(
        np.ptp(y / (X[:, 0] * (1 + X[:, 1]) - np.mean(X[:10, 0] * (1 + X[:10, 1])))), 0, atol=1e-9
    )
    few, all_points = problems.problem(X, y, train=10), problems.problem(X, y)
    assert few.edge == pytest.approx(problems.problem(X[:10], y[:10]).edge, rel=1e-12)
    assert all_points.edge != pytest.approx(few.edge, rel=1e-3)
    erf = problems.problem(X, y, infinite.Wide(activation="erf"))
    np.testing.assert_allclose(erf.theta, infinite.kernels(infinite.Wide(activation="erf"), X)[1])


def test_losses_end_below_the_stop_at_the_cap_or_where_descent_diverges():
    def run(rate):
        return infinite.descend_frozen([[1.0]], [2.0], rate)

    np.testing.assert_allclose(problems.losses(run(0.5), 0.2, 100), [2.0, 0.5, 0.125])
    assert len(problems.losses(run(0.5), 0.0, 7)) == 8
    short = problems.losses(run(50.0), 0.0, 10_000)
    assert 1 < len(short) < 10_000
    assert problems.steps_to(short, 1.0) == np.inf
    assert problems.steps_to([2.0, 0.5, 0.125], 0.5) == 2
    assert problems.steps_to([0.1], 0.5) == 0
