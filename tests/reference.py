"""The definitions once more, in NumPy with explicit loops: one input at a time, nothing shared with the library."""

import numpy as np


def layers(net):
    return [(np.asarray(W, float), np.asarray(b, float)) for W, b in net.layers]


def forward(net, x):
    """Return the pre-activations of every layer, output included, and the activations alpha_0..alpha_{L-1}."""
    pre, post = [], [np.asarray(x, float)]
    for W, b in layers(net):
        pre.append(np.array([sum(W[i, j] * post[-1][j] for j in range(W.shape[1])) + b[i] for i in range(len(b))]))
        post.append(np.array([z if z > 0 else net.negative_slope * z for z in pre[-1]]))
    return pre, post[:-1]


def values(net, X):
    """Return the outputs at inputs (N, d_in), all at once; no program is compiled for one more shape of a network."""
    *hidden, (V, c) = layers(net)
    h = np.asarray(X, float)
    for W, b in hidden:
        z = h @ W.T + b
        h = np.where(z > 0, z, net.negative_slope * z)
    return h @ V.T + c


def masks(net, x):
    """Return the diagonals of D_1..D_{L-1} and of D_L = I."""
    pre, _ = forward(net, x)
    return [np.where(z > 0, 1.0, net.negative_slope) for z in pre[:-1]] + [np.ones(net.d_out)]


def jacobian(net, x):
    J = np.eye(net.d_in)
    for (W, _), D in zip(layers(net), masks(net, x), strict=True):
        J = np.diag(D) @ W @ J
    return J


def backward(net, x):
    """Return J_1..J_L: J_l = W_L D_{L-1} ... W_{l+1} D_l."""
    Ws, Ds, J = [W for W, _ in layers(net)], masks(net, x), [np.eye(net.d_out)]
    for layer in range(net.depth - 1, 0, -1):
        J.insert(0, J[0] @ Ws[layer] @ np.diag(Ds[layer - 1]))
    return J


def squared_norm(net):
    return sum(float(np.sum(W**2) + np.sum(b**2)) for W, b in layers(net))


def singular_values(A):
    return np.linalg.svd(np.asarray(A, float), compute_uv=False)


def kernel(net, x, y):
    total = np.zeros((net.d_out, net.d_out))
    parts = zip(forward(net, x)[1], forward(net, y)[1], backward(net, x), backward(net, y), strict=True)
    for alpha_x, alpha_y, J_x, J_y in parts:
        total += (alpha_x @ alpha_y + 1.0) * J_x @ J_y.T
    return total


def hidden_neurons(net):
    """Yield (l, i, incoming weights, bias, outgoing weights) of every hidden neuron, l counted from 0."""
    both = layers(net)
    for layer in range(net.depth - 1):
        for i in range(net.width):
            yield layer, i, both[layer][0][i], both[layer][1][i], both[layer + 1][0][:, i]
