"""Leaky networks a second time, in plain NumPy: loops, and what the library computes from them written anew.

Each function of ``LEAKY`` yields pairs of a number or array of the library and its second value.
"""

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize_scalar

import bnlib as bn
from bnlib import leaky
from bnlib.theory import hamiltonian as laws
from bnlib.theory import leaky_bounds, potential
from bnlib.theory.leaky_certificates import leaky_certificate


def draw(rng, d_in=3, width=6, d_out=3, layers=3, count=4, low=0.02):
    """Draw a network with biases and leaks from ``low`` to 1, and inputs."""
    net = bn.random_network(rng, (d_in, *[width] * (layers + 1), d_out))
    return leaky.from_network(net, rng.uniform(low, 1.0, layers)), rng.normal(size=(count, d_in))


def layers(net):
    """Return (W, b, leak) of every layer, the first and the last with leak 1."""
    hidden = zip(*(np.asarray(a) for a in (*net.hidden, net.leak)), strict=True)
    return [(*map(np.asarray, net.first), 1.0), *hidden, (*map(np.asarray, net.last), 1.0)]


def forward(net, x):
    """Return the states h_0..h_N and the output."""
    (W, b, _), *hidden, (V, c, _) = layers(net)
    h = [W @ x + b]
    for W, b, leak in hidden:
        h.append((1 - leak) * h[-1] + leak * (W @ np.maximum(h[-1], 0) + b))
    return h, V @ np.maximum(h[-1], 0) + c


def factors(net, x):
    """Return T_0..T_{N+1}."""
    h, _ = forward(net, x)
    (W, _, _), *hidden, (V, _, _) = layers(net)
    T = [W]
    for (W, _, leak), z in zip(hidden, h, strict=False):
        T.append((1 - leak) * np.eye(len(z)) + leak * W @ np.diag((z > 0) * 1.0))
    return [*T, V @ np.diag((h[-1] > 0) * 1.0)]


def product(matrices):
    J = np.eye(matrices[0].shape[1])
    for T in matrices:
        J = T @ J
    return J


def polar(M):
    """Return the polar factor M (M^T M)^(-1/2), and the square roots of the eigenvalues of M^T M."""
    values, vectors = np.linalg.eigh(M.T @ M)
    return M @ vectors @ np.diag(values**-0.5) @ vectors.T, np.sqrt(values)


def action(net):
    return sum(leak * (np.sum(W**2) + np.sum(b**2)) for W, b, leak in layers(net))


def forces(net, X, Y):
    """Return dC/dh_l of all states, (N + 1, n, w), by the chain rule from the top, one input at a time."""
    _, *hidden, (V, _, _) = layers(net)
    rows = []
    for x, y in zip(X, Y, strict=True):
        h, out = forward(net, x)
        g = [(h[-1] > 0) * (V.T @ (out - y)) * 2 / len(X)]
        for (W, _, leak), z in zip(hidden[::-1], h[-2::-1], strict=True):
            g.insert(0, (1 - leak) * g[0] + leak * (z > 0) * (W.T @ g[0]))
        rows.append(g)
    return np.swapaxes(np.array(rows), 0, 1)


def leaky_schatten(rng):
    s, leak, n = np.sort(rng.uniform(0, 3, 4))[::-1], rng.uniform(0.1, 1), int(rng.integers(1, 9))
    total = 0.0
    for value in s:
        kept = value ** (1 / n) - (1 - leak)
        total += n / leak * kept**2 if kept > 0 else 0.0
    yield leaky_bounds.leaky_schatten(s, leak, n), total
    yield leaky_bounds.leaky_schatten([s, s], leak, n), [total] * 2


def residual_bound(rng):
    J, n = rng.normal(size=(4, 4)), int(rng.integers(1, 9))
    t = np.sqrt(np.linalg.eigvalsh(J.T @ J)) ** (1 / n)
    yield leaky_bounds.residual_bound(J, n), sum(2 * n * (v - 1) for v in t if v > 1)
    yield leaky_bounds.residual_bound(J, n, matrices=1), sum(n * (v - 1) ** 2 for v in t if v > 1)


def leaky_weights(rng):
    net, X = draw(rng)
    X = [x for x in X if np.linalg.svd(product(factors(net, x)), compute_uv=False)[1] > 1e-3]
    yield leaky.states(net, np.array(X)), np.swapaxes([forward(net, x)[0] for x in X], 0, 1)
    yield leaky.apply(net, np.array(X)), [forward(net, x)[1] for x in X]
    for x in X:
        T, h = factors(net, x), forward(net, x)[0]
        J, k = product(T), 2
        yield leaky.jacobian(net, x), J
        values, vectors = np.linalg.eigh(J.T @ J)
        V, parts = vectors[:, :-3:-1], []
        for i, ((W, b, leak), A) in enumerate(zip(layers(net), T, strict=True)):
            on = np.diag((h[i - 1] > 0) * 1.0) if i else np.eye(3)
            new, p = polar(A @ V)
            moved = new - V if 0 < i < len(T) - 1 else 0 * new
            parts.append(
                [
                    leak * np.sum((W - new @ V.T @ on) ** 2),
                    leak * np.sum(b**2),
                    (1 - leak) * np.sum(moved**2),
                    leak * np.sum((V - on @ V) ** 2),
                    2 * np.sum(p - 1 - np.log(p)),
                ]
            )
            V = new
        c = leaky_certificate(net, x, k)
        yield np.stack([c.weights, c.biases, c.motion, c.off_active, c.slack], axis=1), parts
        yield c.excess, action(net) - k * (2 + np.sum(np.asarray(net.leak))) - np.sum(np.log(values[-2:]))
        yield c.total, np.sum(parts)
        yield leaky.action(net), action(net)


def leaky_linear(rng):
    leak, n, ridge = rng.uniform(0.1, 1), int(rng.integers(2, 20)), rng.uniform(0.01, 0.2)
    y = (1 - leak) ** n + rng.uniform(0, 3, 4)
    found = leaky_bounds.linear_minimum(y, leak, n, ridge)
    total = 0.0
    for target in y:

        def objective(t, target=target):
            return (t**n - target) ** 2 + ridge * n / leak * (t - 1 + leak) ** 2

        grid = np.linspace(1 - leak, target ** (1 / n), 2001)
        near = grid[np.argmin(objective(grid))]
        width = grid[1] - grid[0]
        inside = minimize_scalar(objective, bounds=(max(near - width, grid[0]), near + width), method="bounded")
        total += min(inside.fun, objective(near))
    yield found.value, total
    yield found.modes, (1 - leak + leak * found.weights) ** n


def leaky_laws(rng):
    net, X = draw(rng, width=5, d_out=2, layers=4, count=9)
    Y, ridge, share = rng.normal(size=(9, 2)), 0.05, 1e-2
    h = np.swapaxes([forward(net, x)[0] for x in X], 0, 1)
    g = forces(net, X, Y)
    hidden = layers(net)[1:-1]
    change, other = laws.neuron_law(net, X, Y)
    found = laws.hamiltonian(net, X, Y, ridge, share)
    yield laws.mean_loss(net, X, Y), np.mean([np.sum((forward(net, x)[1] - y) ** 2) for x, y in zip(X, Y, strict=True)])
    for i, (W, b, leak) in enumerate(hidden):
        before, after, force = h[i], h[i + 1], g[i + 1]
        G = leak * force.T @ np.maximum(before, 0)
        c = leak * force.sum(0)
        yield change[i], [force[:, j] @ after[:, j] - g[i][:, j] @ before[:, j] for j in range(5)]
        yield other[i], np.diag(G @ W.T) + c * b - np.diag(G.T @ W)
        yield laws.spacing_law(net, X, Y)[i], np.sum(force * (np.maximum(before, 0) @ W.T + b - before))
        B = -force / (2 * ridge)
        yield found.H[i], np.sum(B * before) - (np.sum(W**2) + np.sum(b**2)) / 2
        rows = np.vstack([np.maximum(before, 0).T, np.ones(9)])
        K = rows.T @ rows
        gamma = share * np.trace(K)
        inverse = np.linalg.inv(K + gamma * np.eye(9))
        speed = ((after - before) / leak).T
        yield found.potential[i], np.trace(before.T @ inverse @ before)
        yield found.kinetic[i], np.trace(speed @ inverse @ speed.T)
        moved = speed + gamma * B.T
        balance = found.potential[i] + gamma * np.sum(B**2) - np.trace(moved @ inverse @ moved.T)
        yield found.residual[i], 2 * found.H[i] - balance
    yield found.Q, -np.sum(g * h, axis=(1, 2)) / (2 * ridge)
    W, M, leaks = rng.normal(size=(3, 4, 4)), rng.normal(size=(3, 4, 4)), rng.uniform(0.1, 1, 3)
    T = [(1 - a) * np.eye(4) + a * A for a, A in zip(leaks, W, strict=True)]
    yield (
        laws.linear_law(M, W, leaks),
        [T[i + 1].T @ M[i + 1] / leaks[i + 1] - M[i] @ T[i].T / leaks[i] for i in range(2)],
    )


def leaky_potential(rng):
    for bias in (False, True):
        A, gamma = rng.normal(size=(4, 6)), rng.uniform(1e-3, 1)
        rows = np.vstack([np.maximum(A, 0), *[np.ones(6)] * bias])
        W = A @ rows.T @ np.linalg.inv(rows @ rows.T + gamma * np.eye(len(rows)))  # ridge regression
        yield potential.potential(A, gamma, bias=bias), np.sum(W**2) + np.sum((A - W @ rows) ** 2) / gamma
        s = np.sqrt(np.linalg.eigvalsh(A @ A.T))[::-1]
        bounds = [sum(s[:r]) ** 2 / (np.sum(rows**2) + gamma * r) for r in range(1, 5)]
        yield potential.potential_bound(A, gamma, bias=bias), max(bounds)
    A = np.where(rng.random((3, 4)) < 0.5, rng.uniform(size=(3, 4)), 0.0)
    yield potential.cost_of_identity(A), np.linalg.matrix_rank(A)  # where nothing is below zero
    A = rng.normal(size=(4, 3))
    rows = np.maximum(A, 0)
    W = A @ np.linalg.pinv(rows)
    yield potential.cost_of_identity(A), np.sum(W**2) if np.allclose(W @ rows, A) else np.inf
    yield potential.cost_of_identity(rng.normal(size=(2, 6))), np.inf  # six inputs, two rows


def leaky_scale(rng):
    net, X = draw(rng, low=0.1)
    net = replace(net, leak=0.9 * net.leak)
    (W, b), (M, c), (V, d), scale = leaky.residual_form(net)
    for x in X:
        h = np.asarray(W) @ x + np.asarray(b)
        for A, a in zip(np.asarray(M), np.asarray(c), strict=True):
            h = h + A @ np.maximum(h, 0) + a
        yield leaky.apply(net, x[None])[0], np.asarray(scale) * (np.asarray(V) @ np.maximum(h, 0) + np.asarray(d))


LEAKY = {
    "leaky-schatten": leaky_schatten,
    "leaky-weights": leaky_weights,
    "leaky-linear": leaky_linear,
    "leaky-laws": leaky_laws,
    "leaky-potential": leaky_potential,
    "residual-bound": residual_bound,
    "leaky-scale": leaky_scale,
}
