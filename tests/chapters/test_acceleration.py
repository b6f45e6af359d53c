"""When a bottleneck accelerates: finite networks with gradients from JAX against the frozen kernel without one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bnlib import deep_linear, infinite
from bnlib.wide.infinite import Wide

RELU = Wide()
WIDTH, N = 1024, 30


def phi(u):
    return jnp.sqrt(2.0) * jnp.maximum(u, 0.0)


def forward(net, X):
    V, W, U, v = net
    z = phi(X @ V.T / jnp.sqrt(X.shape[1])) @ W.T / jnp.sqrt(V.shape[0])
    return phi(z @ U.T / jnp.sqrt(U.shape[1])) @ v / jnp.sqrt(len(v))


@jax.jit
def losses_of(net, X, Y, rate):
    """Train 300 steps on outputs minus their start, and return the losses: finite networks, plain gradient descent."""
    first = forward(net, X)

    def step(net, _):
        def loss(net):
            return jnp.sum((forward(net, X) - first - Y) ** 2) / (2 * len(X))

        value, change = jax.value_and_grad(loss)(net)
        return jax.tree.map(lambda a, g: a - rate * g, net, change), value

    return jax.lax.scan(step, net, None, length=300)[1]


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 8))
    X *= np.sqrt(8) / np.linalg.norm(X, axis=1, keepdims=True)
    y = X[:, :1] * (1 + X[:, 1:2])
    return X, (y - y.mean()) / y.std()


def first_below(losses, level):
    return float(np.argmax(losses < level)) if np.any(losses < level) else np.inf


def narrow(X, y, s, d, rate, seeds=3):
    """Return the median number of steps to 2% of the first loss."""
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng([d, seed])
        net = [jnp.asarray(rng.normal(size=shape)) for shape in ((WIDTH, 8), (d, WIDTH), (WIDTH, d), (WIDTH, 1))]
        found.append(first_below(np.asarray(losses_of(net, X, s * y, rate)), 0.02 * s**2 / 2))
    return float(np.median(found))


def plain(kernel, y, rate):
    for step, loss, _ in infinite.descend_frozen(kernel, y, rate):
        if loss < 0.01:
            return step
    return None


@pytest.fixture(scope="module")
def setting():
    X, y = data()
    kernel = infinite.limit_kernel(RELU, RELU, X)
    return X, y, kernel, infinite.edge(kernel)


def gain(setting, s, d, share):
    X, y, kernel, edge = setting
    return plain(kernel, y, share * edge) / narrow(X, y, s, d, share * edge)


def test_large_targets_are_learned_faster(setting):
    large, unit = gain(setting, 10, 10, 0.05), gain(setting, 1, 10, 0.3)
    assert large > 2.5
    assert unit < 1.6 < large


def test_own_rates_take_it_back(setting):
    X, y, kernel, edge = setting
    best = min(plain(kernel, y, share * edge) for share in np.arange(0.5, 1.0, 0.04))
    own = min(narrow(X, y, 10, 10, share * edge) for share in (0.1, 0.14, 0.2, 0.28))
    assert best / own < 1.5


def test_cross_entropy_grows_its_own_target():
    """The gain rises as the loss falls, as logits must grow; the squared loss of unit targets has none."""
    X, _ = data()
    Y = np.eye(3)[np.argmax(X[:, :3], axis=1)]
    K, theta = infinite.kernels(RELU, X)
    kernel = infinite.limit_kernel(RELU, RELU, X)
    rate = 2 * infinite.edge(kernel)
    runs = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        f = infinite.WideLayer.draw(RELU, 5, 1024, rng, 3)
        states = infinite.descend(f, infinite.bottleneck(K, 5, rng), theta, Y, rate, loss=infinite.cross_entropy)
        runs.append(np.array([next(states).loss for _ in range(400)]))
    frozen = infinite.descend_frozen(kernel, Y, rate, loss=infinite.cross_entropy)
    base = np.array([next(frozen)[1] for _ in range(1500)])
    early, late = (
        first_below(base, level) / np.median([first_below(run, level) for run in runs]) for level in (0.3, 0.005)
    )
    assert late > 2
    assert early < 0.75 * late


def linear_losses(n, seed, steps=60, rate=0.3, d=2):
    """Return the largest error of beta against the reduced equations, and against rates without the +1."""
    rng = np.random.default_rng([n, seed])
    X = np.random.default_rng(1).normal(size=(20, 5))
    y = 2 * X[:, 0] + X[:, 1]
    net = [jnp.asarray(rng.normal(size=shape)) for shape in ((n, 5), (d, n), (n, d), (n,))]

    def beta(net):
        V, W, U, v = net
        return (W @ V).T @ (U.T @ v) / (n * jnp.sqrt(5.0 * d))

    @jax.jit
    def run(net):
        def step(net, _):
            change = jax.grad(lambda net: jnp.mean((X @ beta(net) - y) ** 2) / 2)(net)
            return jax.tree.map(lambda a, g: a - rate * g, net, change), beta(net)

        return jax.lax.scan(step, net, None, length=steps)[1]

    true = np.asarray(run(net))
    V, W, U, v = (np.asarray(a) for a in net)
    worst = []
    for c_f, c_g in (deep_linear.rates(1, 1, d, 5), (1 / d, 1 / 5)):
        w, A, gaps = U.T @ v / np.sqrt(n * d), W @ V / np.sqrt(n * 5), []
        for t in range(steps):
            gaps.append(np.max(np.abs(A.T @ w - true[t])))
            r = X.T @ (X @ A.T @ w - y) / len(X)
            w, A = w - rate * c_f * A @ r, A - rate * c_g * np.outer(w, r)
        worst.append(max(gaps))
    return worst


def test_finite_linear_networks():
    errors = {n: np.median([linear_losses(n, seed) for seed in range(5)], axis=0) for n in (250, 4000)}
    assert errors[4000][0] < 0.5 * errors[250][0]
    assert errors[4000][0] < 0.1
    with pytest.raises(AssertionError):
        assert errors[4000][1] < 0.1
