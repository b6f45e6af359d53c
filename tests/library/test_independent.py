"""Every certified claim a second time: what the library computes for it, written anew in plain NumPy.

Nothing here shares code with the library; ``reference`` reads a network's weights and no more. Each comparison yields
pairs of a number or array of the library and its second value, on random networks in float64.
"""

import itertools
import math

import jax
import numpy as np
import pytest

import bnlib as bn
import reference
from bnlib import claims, deep_linear, infinite
from bnlib.theory.root_spectra import spectrum_certificate
from bnlib.training import smoothed_objective
from second_gains import GAINS
from second_leaky import LEAKY
from strategies import random_layers

SLOPE = 0.1
# As in a training: one program, and not one for each of its operations.
objective_and_gradient = jax.jit(jax.value_and_grad(smoothed_objective), static_argnums=5)


def draw(rng, widths=(3, 5, 4, 3), slope=SLOPE, count=3):
    """Draw a network with biases and inputs."""
    return bn.from_layers(random_layers(rng, widths), negative_slope=slope), rng.normal(size=(count, widths[0]))


def values(net, X):
    """Return outputs (N, d_out), in loops."""
    return np.array([reference.forward(net, x)[0][-1] for x in X])


def layers_values(layers, X):
    """Return the outputs of a ReLU network given as a list of layers."""
    h = np.asarray(X, float)
    for i, (W, b) in enumerate(layers):
        h = h @ W.T + b
        h = np.maximum(h, 0.0) if i < len(layers) - 1 else h
    return h


def layers_norm(layers):
    return sum(float((W * W).sum() + (b * b).sum()) for W, b in layers)


def minors(A, k):
    """Return log |A|_+ of a matrix of rank k by Cauchy and Binet: the root of the sum of its squared k-minors."""
    rows, columns = (itertools.combinations(range(n), k) for n in A.shape)
    return 0.5 * np.log(sum(np.linalg.det(A[np.ix_(r, c)]) ** 2 for r, c in itertools.product(rows, columns)))


def log_gram(A):
    """Return the logarithms of the eigenvalues of A^T A."""
    return np.log(np.linalg.eigvalsh(A.T @ A))


def polar(M):
    """Return the polar factor M (M^T M)^(-1/2)."""
    w, Q = np.linalg.eigh(M.T @ M)
    return M @ (Q / np.sqrt(w)) @ Q.T


def frames(net, x, k):
    w, Q = np.linalg.eigh(reference.jacobian(net, x).T @ reference.jacobian(net, x))
    V = [Q[:, np.argsort(-w)[:k]]]
    for (W, _), D in zip(reference.layers(net), reference.masks(net, x), strict=True):
        V.append(polar(D[:, None] * (W @ V[-1])))
    return V


def clarke(rng):
    """One neuron with one of two data on its kink: the gradient is affine in the slope there."""
    w, v, c = 1 + rng.uniform(0, 1), rng.normal(), rng.normal()
    X, Y, ridge = np.array([0.0, 1.0]), rng.normal(size=2), 0.25

    def gradient(m):
        r = v * np.maximum(w * X, 0) + c - Y
        s = np.array([m, 1.0])
        return np.array(
            [np.mean(2 * r * v * s * X), np.mean(2 * r * np.maximum(w * X, 0)), np.mean(2 * r * v * s), np.mean(2 * r)]
        ) + 2 * ridge * np.array([w, v, 0.0, c])

    net = bn.from_layers([([[w]], [0.0]), ([[v]], [c])])
    found = bn.stationarity(net, X[:, None], Y[:, None], ridge)
    zero, one = gradient(0.0), gradient(1.0)
    best = np.clip(-zero @ (one - zero) / ((one - zero) @ (one - zero)), 0, 1)
    size = 2 * ridge * np.sqrt(w**2 + v**2 + c**2)
    yield found.gradient, np.linalg.norm(zero) / size
    yield found.clarke, np.linalg.norm(zero + best * (one - zero)) / size


def balance(rng):
    """Rescale one neuron after the other until nothing moves."""
    net, X = draw(rng)
    both = [(W.copy(), b.copy()) for W, b in reference.layers(net)]
    for _ in range(300):
        for layer in range(len(both) - 1):
            (W, b), (W_next, _) = both[layer : layer + 2]
            for i in range(len(b)):
                incoming, outgoing = W[i] @ W[i] + b[i] ** 2, W_next[:, i] @ W_next[:, i]
                if incoming > 0 and outgoing > 0:
                    t = (outgoing / incoming) ** 0.25
                    W[i], b[i], W_next[:, i] = t * W[i], t * b[i], W_next[:, i] / t
    found = bn.balance(net)
    yield bn.apply(found, X), values(net, X)
    yield bn.squared_norm(found), layers_norm(both)
    yield from ((mine, theirs) for mine, theirs in zip(found.layers[0], both[0], strict=True))


def schatten_bound(rng):
    net, X = draw(rng)
    spectra = [np.linalg.eigvalsh(J @ J.T) for J in (reference.jacobian(net, x) for x in X)]
    best = max(3 * sum(np.maximum(w, 0) ** (1 / 3)) for w in spectra)
    yield bn.lower_bound(net, X), best
    yield bn.optimality_gap(net, X), reference.squared_norm(net) - best


def linear_cost(rng):
    A, depth = rng.normal(size=(3, 3)), 5
    cost = depth * np.sum(np.exp(log_gram(A) / depth))
    net = bn.linear_network(A, depth)
    yield bn.linear_cost(A, depth), cost
    yield bn.squared_norm(net), cost
    yield np.linalg.multi_dot([W for W, _ in reversed(reference.layers(net))]), A


def linear_expansion(rng):
    A = rng.normal(size=(3, 3))
    logs = log_gram(A)
    yield bn.linear_expansion(A), (3, 2 * np.linalg.slogdet(A)[1], 0.5 * np.sum(logs**2))


def linear_sv(rng):
    A, depth = rng.normal(size=(3, 3)), 6
    yield bn.weight_singular_values(bn.linear_network(A, depth)), [np.exp(log_gram(A)[::-1] / (2 * depth))] * depth


def padded_layers(h, g, depth, X):
    """Join encoder and decoder, given as layers, by identities behind a shifted code."""
    s = np.maximum(0.0, -layers_values(g, X).min(axis=0))
    (W, b), (V, c) = g[-1], h[0]
    middle = [(np.eye(len(s)), np.zeros(len(s)))] * (depth - len(g) - len(h))
    return [*g[:-1], (W, b + s), *middle, (V, c - V @ s), *h[1:]]


def rank_sandwich(rng):
    g, h, X = random_layers(rng, [3, 5, 2]), random_layers(rng, [2, 5, 3]), rng.normal(size=(6, 3))
    for depth in (4, 9):
        mine = padded_layers(h, g, depth, X)
        net = bn.padded(bn.from_layers(h), bn.from_layers(g), depth, domain=X)
        yield bn.apply(net, X), layers_values(mine, X)
        yield bn.squared_norm(net), layers_norm(mine)


def rank_properties(rng):
    nets = [random_layers(rng, [3, 4, 2, 3]), random_layers(rng, [3, 4, 2, 3])]
    X, (f, g) = rng.normal(size=(6, 3)), map(bn.from_layers, nets)
    code = layers_values(nets[1], X)
    s = np.maximum(0.0, -code.min(axis=0))
    both = bn.compose(f, g, shift=s)
    yield both.depth, 6
    yield bn.apply(both, X), layers_values(nets[0], code)
    total = bn.add(f, g)
    yield bn.apply(total, X), layers_values(nets[0], X) + code
    grown = [bn.squared_norm(bn.deepen(total, depth)) for depth in (5, 8)]
    yield grown[1] - grown[0], 3 * 4.0  # two neurons of each


def jacobian_bound(rng):
    net, X = draw(rng, (3, 5, 4, 2), slope=0.3)
    for x in X:
        J = reference.jacobian(net, x)
        volume = np.linalg.slogdet(J @ J.T)[1]
        yield 2 * bn.pseudo_determinant(bn.jacobian(net, x), 2, log=True), volume
        yield bn.bottleneck_certificate(net, x, 2).rhs, reference.squared_norm(net) - 6 - volume


def composition(rng):
    g, f, X = random_layers(rng, [2, 4, 3]), random_layers(rng, [3, 4, 2]), rng.normal(size=(6, 2))
    code, s = layers_values(g, X), rng.uniform(0, 1, 3)  # too small a shift, at times: then the ReLU cuts
    net = bn.compose(bn.from_layers(f), bn.from_layers(g), shift=s)
    yield bn.apply(net, X), layers_values(f, np.maximum(code + s, 0) - s)
    cost = layers_norm(f) + layers_norm(g) + s @ s + 2 * g[-1][1] @ s
    W, b = f[0]
    yield bn.squared_norm(net), cost + np.sum((W @ s) ** 2) - 2 * b @ W @ s


def addition(rng):
    f, g = (random_layers(rng, [3, 4, 5, 2]) for _ in range(2))
    X, net = rng.normal(size=(6, 3)), bn.add(bn.from_layers(f), bn.from_layers(g))
    yield bn.apply(net, X), layers_values(f, X) + layers_values(g, X)
    yield bn.squared_norm(net), layers_norm(f) + layers_norm(g) + 2 * f[-1][1] @ g[-1][1]


def constants(rng):
    """Depth two by brute force: a bias r, a weight w behind it and an output bias c - w r."""
    c = 1 + rng.uniform(0, 1)
    r, w = np.meshgrid(*[np.linspace(0, 2, 2001)] * 2, indexing="ij")
    cost = r**2 + w**2 + (c - w * r) ** 2
    i = np.unravel_index(np.argmin(cost), cost.shape)
    net = bn.from_layers([([[0.0]], [r[i]]), ([[w[i]]], [c - w[i] * r[i]])])
    yield bn.apply(net, [[0.0], [3.0]]), [[c], [c]]
    yield bn.squared_norm(net), cost[i]
    assert cost[i] == pytest.approx(2 * c - 1, abs=1e-5)


def linear_r1(rng):
    A, B = (rng.normal(size=(3, 2)) @ rng.normal(size=(2, 3)) for _ in range(2))
    yield bn.subadditivity(A, B, "compose")[0], 2 * (minors(A, 2) + minors(B, 2) - minors(A @ B, 2))
    A, B = (np.outer(*rng.normal(size=(2, 3))) for _ in range(2))
    yield bn.subadditivity(A, B, "add")[0], 2 * (minors(A, 1) + minors(B, 1) - minors(A + B, 2))


def r2_linear(rng):
    """The limit of L (cost - L rank - R1), by a series in 1/L: nothing is known of the logarithm's square."""
    A = np.diag(rng.uniform(0.5, 2.0, 3)) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    w, depths = np.linalg.eigvalsh(A.T @ A), np.array([50.0, 100.0, 200.0, 400.0])
    rest = [L * (L * np.sum(w ** (1 / L) - 1) - np.log(np.prod(w))) for L in depths]
    yield round(bn.linear_expansion(A)[2], 6), np.round(np.polyfit(1 / depths, rest, 3)[-1], 6)


def r2_subadditive(rng):
    A, B = rng.normal(size=(2, 3, 3))
    roots = [np.sqrt(0.5 * np.sum(log_gram(M) ** 2)) for M in (A, B, A @ B)]
    yield bn.subadditivity(A, B, "compose"), (0.0, roots[0] + roots[1] - roots[2])


def curve(rng):
    """Return an interpolant of rank one, its inputs, and the curve through the data as a table of knots."""
    X, Y, w = rng.normal(size=(6, 2)), rng.uniform(0, 1, (6, 3)), rng.normal(size=2)
    net, order = bn.rank_one_interpolant(X, Y, 9, direction=w, tail=2), np.argsort(X @ w)
    t = np.linspace((X @ w).min(), (X @ w).max(), 9)
    inputs = t[:, None] * w / (w @ w)
    return net, inputs, np.stack([np.interp(t, (X @ w)[order], y[order]) for y in Y.T], axis=1)


def depth_window(rng):
    net, X, table = curve(rng)
    yield bn.apply(net, X), table
    balanced = bn.balance(net)
    yield bn.apply(balanced, X), table
    yield bn.squared_norm(balanced), reference.squared_norm(balanced)


def narrow_minima(rng):
    net, X, _ = curve(rng)
    net = bn.balance(net)
    X = X[1:-1] + 1e-3 * rng.normal(size=2)
    yield bn.ntk_trace(net, X), [np.trace(reference.kernel(net, x, x)) for x in X]


def weights_theorem(rng):
    net, X = draw(rng, slope=0.0)
    X = np.array([x for x in rng.normal(size=(200, 3)) if np.linalg.cond(reference.jacobian(net, x)[:, :]) < 1e4])[:2]
    for k in (1, 2) if len(X) else ():
        found = bn.bottleneck_certificate(net, X, k)
        for i, x in enumerate(X):
            V, both = frames(net, x, k), reference.layers(net)
            terms = [np.sum((W - V[j + 1] @ V[j].T) ** 2) + b @ b for j, (W, b) in enumerate(both)]
            s = np.sort(np.linalg.eigvalsh(reference.jacobian(net, x).T @ reference.jacobian(net, x)))[::-1][:k]
            yield found.per_layer[i], terms
            yield found.lhs[i], sum(terms)
            yield found.rhs[i], reference.squared_norm(net) - 3 * k - np.sum(np.log(s))


def root_spectrum_of(A, depth):
    """Return the roots of the non-zero singular values of a matrix of full rank, from the smaller Gram matrix."""
    gram = A @ A.T if A.shape[0] <= A.shape[1] else A.T @ A
    return np.sort(np.linalg.eigvalsh(gram))[::-1] ** (0.5 / depth)


def gap_spectrum(rng):
    """Inputs at which all neurons of a leaky network are seen, so that no singular value is rounding."""
    net, X = draw(rng, widths=(3, 5, 4, 3))
    both = reference.layers(net)
    for p, q in itertools.combinations(range(4), 2):
        found = spectrum_certificate(net, X, (p, q))
        for i, x in enumerate(X):
            J = both[p][0]
            for j in range(p + 1, q):
                J = both[j][0] @ np.diag(reference.masks(net, x)[j - 1]) @ J
            tau = root_spectrum_of(J, q - p)
            left = []
            for W, b in both[p:q]:
                s = root_spectrum_of(W, 1)[: found.roots.shape[1]]  # padded layers have neurons of zeros
                least = min(len(tau), len(s))
                apart = np.sum((s[:least] - tau[:least]) ** 2) + np.sum(s[least:] ** 2) + np.sum(tau[least:] ** 2)
                left.append(apart + b @ b)
            yield found.per_layer[i], left
            norm = sum(np.trace(W.T @ W) + b @ b for W, b in both[p:q])
            yield found.rhs[i], norm - (q - p) * np.sum(tau**2)
            yield found.slack[i], found.rhs[i] - np.sum(left)


def parameter_jacobian(net, x, step=1e-5):
    """Move one parameter after the other; the network is affine in each one, away from kinks."""
    columns = []
    for i, j in itertools.product(range(net.depth), (0, 1)):
        for at in np.ndindex(reference.layers(net)[i][j].shape):
            ends = []
            for sign in (1, -1):
                both = [[W.copy(), b.copy()] for W, b in reference.layers(net)]
                both[i][j][at] += sign * step
                h = np.asarray(x, float)
                for n, (W, b) in enumerate(both):
                    h = W @ h + b
                    h = np.where(h > 0, h, net.negative_slope * h) if n < len(both) - 1 else h
                ends.append(h)
            columns.append((ends[0] - ends[1]) / (2 * step))
    return np.array(columns).T


def ntk_identity(rng):
    net, X = draw(rng)
    D = [parameter_jacobian(net, x) for x in X]
    yield bn.ntk(net, X), np.array([[a @ b.T for b in D] for a in D])
    yield bn.ntk_trace(net, X), [np.sum(d**2) for d in D]


def ntk_bound(rng):
    net, X = draw(rng)
    for k, balanced in ((1, False), (3, False), (2, True)):
        found = bn.ntk_certificate(net, X, k, balanced=balanced)
        for i, x in enumerate(X):
            s = reference.singular_values(reference.jacobian(net, x))[:k]
            used, bound = 0.0, 0.0
            for n, ((W, _), alpha) in enumerate(
                zip(reference.layers(net), reference.forward(net, x)[1], strict=True), start=1
            ):
                used += np.sum(W**2)
                exponent = (reference.squared_norm(net) - 3 * k) * n / (3 * k) if balanced else (used - k * n) / k
                bound += (alpha @ alpha + 1) * np.exp(-exponent)
            yield found.bound[i], k * math.prod(s) ** (2 / k) * bound
            yield found.trace[i], np.trace(reference.kernel(net, x, x))


def still_code(rng):
    """The movement of the code, what the ReLU cuts off and what leaves the frames, layer by layer."""
    net = bn.from_layers([(np.abs(W), b) for W, b in random_layers(rng, [3, 5, 4, 3])])
    x = rng.normal(size=3) + 1.0
    V, (pre, post) = frames(net, x, 1), reference.forward(net, x)
    first, hidden, _ = bn.bottleneck_certificate(net, x, 1).frames
    acts = bn.activations(net, x[None])
    theirs = [(x, x, first), *zip(acts.pre[:, 0], acts.post[:, 0], hidden, strict=True)]
    mine = [(x, x, V[0]), *zip(pre[:-1], post[1:], V[1:-1], strict=True)]
    sums = []
    for chain in (theirs, mine):
        total = 0.0
        for (_, below, U), (z, a, F) in itertools.pairwise(chain):
            code, before = F.T @ a, U.T @ below
            parts = [code - before, z - a, a - F @ code]
            total += sum(float(np.sum(np.asarray(p) ** 2)) for p in parts) / (float(np.sum(np.asarray(below) ** 2)) + 1)
        sums.append(total)
    yield tuple(sums)


def invariants(rng):
    """Averages over all permutations of three coordinates."""
    net, X = draw(rng, slope=0.0)
    orders = [list(p) for p in itertools.permutations(range(3))]
    mean = np.mean([values(net, X[:, p]) for p in orders], axis=0)
    for moved in (X, X[:, [1, 2, 0]]):
        yield np.mean([bn.apply(net, moved[:, p]) for p in orders], axis=0), mean


def topology(rng):
    """Classes on a grid, and the rank of the scores' Jacobian, through one neuron."""
    layers = random_layers(rng, [2, 6, 1, 6, 3])
    net, grid = bn.from_layers(layers), np.stack(np.meshgrid(*[np.linspace(-2, 2, 12)] * 2), -1).reshape(-1, 2)
    yield np.argmax(bn.apply(net, grid), axis=1), np.argmax(layers_values(layers, grid), axis=1)
    yield bn.jacobian(net, grid[:3]), [reference.jacobian(net, x) for x in grid[:3]]
    assert max(np.linalg.matrix_rank(reference.jacobian(net, x)) for x in grid[:3]) <= 1


def softmax_ridge(rng):
    """The gradient of the cross-entropy with a ridge, in the first and in the last layer."""
    net, X = draw(rng, (2, 5, 4, 3), count=6)
    Y, ridge = np.eye(3)[rng.integers(0, 3, 6)], 0.1
    F, h = values(net, X), np.array([reference.forward(net, x)[1][-1] for x in X])
    p = np.exp(F) / np.exp(F).sum(axis=1, keepdims=True)
    W, b = reference.layers(net)[-1]
    loss = -np.mean(np.sum(Y * np.log(p), axis=1)) + ridge * reference.squared_norm(net)
    at = (jax.numpy.asarray(a) for a in (X, Y, ridge, 0.0))
    value, gradient = objective_and_gradient(net, *at, "cross-entropy")
    yield value, loss
    below = np.array([e @ reference.backward(net, x)[0] for e, x in zip(p - Y, X, strict=True)])
    W_1, b_1 = reference.layers(net)[0]
    yield gradient.first[0], below.T @ X / 6 + 2 * ridge * W_1
    yield gradient.first[1], below.mean(axis=0) + 2 * ridge * b_1
    yield gradient.last[0], (p - Y).T @ h / 6 + 2 * ridge * W
    yield gradient.last[1], (p - Y).mean(axis=0) + 2 * ridge * b


def tangent_kernel(activation, z, y, sigma_w, sigma_b):
    """Return the tangent kernel of one hidden layer from the angle between two points."""
    d = len(z)
    a, b, c = (sigma_w**2 * p @ q / d + sigma_b**2 for p, q in ((z, z), (y, y), (z, y)))
    if activation == "relu":
        angle = math.acos(c / math.sqrt(a * b))
        K = math.sqrt(a * b) / math.pi * (math.sin(angle) + (math.pi - angle) * math.cos(angle))
        return K + (math.pi - angle) / math.pi * c
    ratio = 2 * c / math.sqrt((1 + 2 * a) * (1 + 2 * b))
    return 2 / math.pi * math.asin(ratio) + 4 / math.pi / math.sqrt((1 + 2 * a) * (1 + 2 * b) * (1 - ratio**2)) * c


def iw_kernel_gradients(rng):
    for activation, sigma_b in itertools.product(("relu", "erf"), (0.0, 0.5)):
        net = infinite.Wide(activation=activation, sigma_w=1.2, sigma_b=sigma_b)
        Z, Y, h = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), 1e-5
        kernel = np.array([[tangent_kernel(activation, z, y, 1.2, sigma_b) for y in Y] for z in Z])
        yield infinite.kernels(net, Z, Y)[1], kernel
        moves = [
            [
                [
                    tangent_kernel(activation, z + h * e, y, 1.2, sigma_b)
                    - tangent_kernel(activation, z - h * e, y, 1.2, sigma_b)
                    for e in np.eye(3)
                ]
                for y in Y
            ]
            for z in Z
        ]
        yield np.round(infinite.ntk_gradient(net, Z, Y), 7), np.round(np.array(moves) / (2 * h), 7)


def runge_kutta(slope, state, end, steps=4000):
    h = end / steps
    for _ in range(steps):
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(state + h * k3))
    return state


def aligned_flow(rng, end):
    """Run w and a themselves; return both at the start and at the end, and the constants."""
    d, D, depths, b, lam = 4, 6, (2, 1), rng.uniform(1, 3), 0.8
    c_f, c_g = (depths[0] + 1) / d, (depths[1] + 1) / D
    start = np.concatenate([rng.normal(size=d) / 2, rng.normal(size=d) / 2])

    def slope(s):
        r = lam * (s[:d] @ s[d:] - b)
        return np.concatenate([-c_f * r * s[d:], -c_g * r * s[:d]])

    (w, a), (w1, a1) = (np.split(s, 2) for s in (start, runge_kutta(slope, start, end)))
    return (w, a), (w1, a1), c_f, c_g, b, lam


def iw_linear_closed_form(rng):
    (w, a), (w1, a1), c_f, c_g, b, lam = aligned_flow(rng, 1.5)
    p, R = w @ a, c_f * a @ a + c_g * w @ w
    mu = math.sqrt(c_f * c_g)
    yield deep_linear.aligned_product(1.5, p, R, b, mu=mu, lam=lam), w1 @ a1
    yield deep_linear.aligned_time(float(w1 @ a1), float(p), float(R), b, mu=mu, lam=lam), 1.5


def iw_linear_conserved(rng):
    (w, a), (w1, a1), c_f, c_g, *_ = aligned_flow(rng, 1.0)
    found = deep_linear.rates(2, 1, 4, 6)
    yield found, (c_f, c_g)
    C = [found[1] * np.outer(u, u) - found[0] * np.outer(v, v) for u, v in ((w, a), (w1, a1))]
    yield C[0], C[1]
    R = [c_f * v @ v + c_g * u @ u for u, v in ((w, a), (w1, a1))]
    yield R[1] ** 2, R[0] ** 2 + 4 * found[0] * found[1] * ((w1 @ a1) ** 2 - (w @ a) ** 2)


SECOND = {
    "clarke": clarke,
    "balance": balance,
    "schatten-bound": schatten_bound,
    "linear-cost": linear_cost,
    "linear-expansion": linear_expansion,
    "linear-sv": linear_sv,
    "rank-sandwich": rank_sandwich,
    "rank-properties": rank_properties,
    "jacobian-bound": jacobian_bound,
    "composition": composition,
    "addition": addition,
    "constants": constants,
    "linear-r1": linear_r1,
    "r2-linear": r2_linear,
    "r2-subadditive": r2_subadditive,
    "depth-window": depth_window,
    "narrow-minima": narrow_minima,
    "weights-theorem": weights_theorem,
    "gap-spectrum": gap_spectrum,
    "ntk-identity": ntk_identity,
    "ntk-bound": ntk_bound,
    "still-code": still_code,
    "invariants": invariants,
    "topology": topology,
    "softmax-ridge": softmax_ridge,
    "iw-kernel-gradients": iw_kernel_gradients,
    "iw-linear-closed-form": iw_linear_closed_form,
    "iw-linear-conserved": iw_linear_conserved,
    **GAINS,
    **LEAKY,
}


def test_every_certified_claim_has_a_second_implementation():
    certified = [claim.id for claim in claims.load().values() if claim.status == "certified"]
    assert sorted(SECOND) == sorted(certified)


@pytest.mark.parametrize("claim", SECOND)
def test_library_and_second_implementation_agree(claim):
    compared = 0
    for seed in range(2):
        for found, second in SECOND[claim](np.random.default_rng(seed)):
            np.testing.assert_allclose(np.asarray(found), np.asarray(second), rtol=1e-7, atol=1e-8)
            compared += 1
    assert compared >= 2
