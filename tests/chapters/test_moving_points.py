"""Finite networks with a bottleneck against the recursion of infinite width; their gradients come from JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bnlib import infinite
from bnlib.wide import kernels as wide_kernels
from bnlib.wide.infinite import History, Wide, WideLayer

ACTIVATIONS = {"erf": jax.scipy.special.erf, "relu": lambda u: jnp.sqrt(2.0) * jnp.maximum(u, 0.0)}


def outputs(net, X, phi):
    V, W, U, v = net
    z = phi(X @ V.T / jnp.sqrt(X.shape[1])) @ W.T / jnp.sqrt(V.shape[0])
    return phi(z @ U.T / jnp.sqrt(U.shape[1])) @ v / jnp.sqrt(len(v)), z


def draw(rng, n, d=2, D=3):
    return [rng.normal(size=shape) for shape in ((n, D), (d, n), (n, d), (n,))]


def train(net, X, y, activation, rate, steps, slope=lambda F, y: F - y):
    phi = ACTIVATIONS[activation]

    @jax.jit
    def run(net):
        def step(net, _):
            F, z = outputs(net, X, phi)
            _, pull = jax.vjp(lambda net: outputs(net, X, phi)[0], net)
            (change,) = pull(slope(F, y) / len(y))
            return jax.tree.map(lambda a, g: a - rate * g, net, change), (F, z)

        return jax.lax.scan(step, net, None, length=steps)

    net, (F, z) = run([jnp.asarray(a) for a in net])
    return np.asarray(F), np.asarray(z), [np.asarray(a) for a in net]


def data(seed=0, N=8):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 3))
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    return X, (y - y.mean()) / y.std()


def predict(net, X, y, activation, rate, steps, frozen=False):
    wide = Wide(activation=activation)
    start = WideLayer(wide, net[2], net[3][:, None], np.zeros(len(net[3])))
    z = np.asarray(outputs([jnp.asarray(a) for a in net], X, ACTIVATIONS[activation])[1])
    theta = infinite.kernels(wide, X)[1]
    if frozen:
        run = infinite.descend_frozen(infinite.moving_ntk(start, z, theta), y, rate, F=start(z))
        return np.array([next(run)[2][:, 0] for _ in range(steps)]), z
    run = infinite.descend(History(start, wide), z, theta, y, rate, centre=False)
    states = [next(run) for _ in range(steps)]
    return np.array([s.F[:, 0] for s in states]), np.array([s.Z for s in states])


def errors(width, seeds=6, frozen=False, steps=25):
    """Return the median over seeds of the rms error of the outputs."""
    X, y = data()
    found = []
    for seed in range(seeds):
        net = draw(np.random.default_rng([width, seed]), width)
        F = train(net, X, y, "erf", 0.8, steps)[0]
        found.append(np.sqrt(np.mean((F - predict(net, X, y, "erf", 0.8, steps, frozen)[0]) ** 2)))
    return float(np.median(found))


def check_rate(narrow, wide):
    """Assert that 16 times the width divides the error by 4, up to the scatter of medians."""
    assert narrow / wide > 2


@pytest.fixture(scope="module")
def medians():
    return {(n, frozen): errors(n, frozen=frozen) for n in (256, 4096) for frozen in (False, True)}


def test_finite_networks_approach_the_recursion(medians):
    check_rate(medians[256, False], medians[4096, False])
    with pytest.raises(AssertionError):
        check_rate(medians[256, True], medians[4096, True])


def test_the_frozen_kernel_is_wrong(medians):
    assert medians[4096, False] < 0.1 * medians[4096, True]


def test_the_kink_term_is_needed(monkeypatch):
    """Without it the error in the bottleneck is larger, network by network, in the geometric mean."""
    X, y = data(1)
    nets = [draw(np.random.default_rng([7, seed]), 8192) for seed in range(6)]
    true = [train(net, X, y, "relu", 0.4, 40)[1] for net in nets]

    def distances():
        pairs = zip(nets, true, strict=True)
        return np.array([np.sqrt(np.mean((z - predict(n, X, y, "relu", 0.4, 40)[1]) ** 2)) for n, z in pairs])

    full, whole = distances(), infinite.dual
    monkeypatch.setattr(
        wide_kernels, "dual", lambda *a: whole(*a)._replace(Kdd=0 * whole(*a).Kdd, Kda=0 * whole(*a).Kda)
    )
    assert np.exp(np.mean(np.log(distances() / full))) > 1.5


def drift(rate, sign, activation="erf", slope=lambda F, y: jnp.tanh(F - y)):
    """Return how far W W^T - sign U^T U moves until rate times steps is 10; the loss is not quadratic."""
    X, y = data(2)
    net = draw(np.random.default_rng(3), 128)
    end = train(net, X, y, activation, rate, round(10 / rate), slope)[2]
    first, last = (W @ W.T - sign * U.T @ U for _, W, U, _ in (net, end))
    return np.max(np.abs(last - first))


def test_conserved_matrix():
    assert drift(0.1, 1) / drift(0.05, 1) == pytest.approx(2, abs=0.1)


def test_the_sum_is_not_conserved():
    coarse, fine = drift(0.1, -1), drift(0.05, -1)
    assert fine > 0.1
    assert coarse / fine == pytest.approx(1, abs=0.1)


def test_the_kernel_approaches_its_limit():
    net = Wide()
    X = np.random.default_rng(0).normal(size=(6, 4))
    K, theta = infinite.kernels(net, X)

    def distance(d, limit):
        total = 0.0
        for k in range(20):
            rng = np.random.default_rng([d, k])
            kernel = infinite.moving_ntk(
                WideLayer.draw(net, d, 2000, rng), infinite.bottleneck(K, d, rng, beyond=True), theta
            )
            total += np.linalg.norm(kernel - limit) / 20
        return total

    limit = infinite.limit_kernel(net, net, X)
    assert distance(16, limit) / distance(256, limit) > 2.5
    k = infinite.dual("relu", np.diag(K)[:, None], np.diag(K)[None], K)
    for wrong in (k.K + k.Kd * K, k.K + k.Kd * theta):
        assert distance(16, wrong) / distance(256, wrong) < 2.5
