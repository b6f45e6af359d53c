"""What a leaky residual network conserves from layer to layer: energies, balances, laws of its weights."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .. import _checks
from ..leaky import LeakyNetwork, apply, rectify, states
from ..networks import Layer, affine
from .potential import frame, regularised_energy


class Hamiltonian(NamedTuple):
    """Hold what ``hamiltonian`` returns, for the N layers with a leak.

    Attributes:
        H: (N,) the discrete Hamiltonian; 2 H estimates the rank.
        Q: (N + 1,) the sum of the neurons' balances, by states h_0..h_N.
        kinetic: (N,) energy of the change from layer to layer.
        potential: (N,) energy of the state before the layer.
        residual: (N,) what the balance of energies misses; 0 at stationary weights and biases.
        gamma: (N,) the weight of a miss that these energies used.
        momentum: (N,) the squared norms of the momenta B_l.
    """

    H: np.ndarray
    Q: np.ndarray
    kinetic: np.ndarray
    potential: np.ndarray
    residual: np.ndarray
    gamma: np.ndarray
    momentum: np.ndarray


@_checks.float64
def hamiltonian(
    net: LeakyNetwork, X: Any, Y: Any, ridge: float, gamma: float, *, smoothing: float = 0.0
) -> Hamiltonian:
    r"""Return the discrete Hamiltonian of every layer, with the energies and their balance.

    .. math:: H_l=\langle B_l,h_{l-1}\rangle-\tfrac12\bigl(\|W_l\|_F^2+\|b_l\|^2\bigr),\quad
              B_l=-\frac1{2\lambda}\frac{\partial C}{\partial h_l}

    for the objective :math:`C+\lambda A`, C the mean squared error. Where weights and biases are stationary,
    :math:`2\lambda H_l` is its derivative in the leak: H is the same in all layers if and only if the spacing is
    stationary under a fixed sum of leaks. There, for every :math:`\gamma>0`,

    .. math:: 2H_l=\|h_{l-1}\|^2_{K+\gamma}+\gamma\|B_l\|^2-\|\Delta_l/\kappa_l+\gamma B_l\|^2_{K+\gamma},\quad
              \|M\|^2_{K+\gamma}=\mathrm{Tr}\,M(K+\gamma I)^{-1}M^T

    with :math:`\Delta_l=h_l-h_{l-1}`, :math:`K=\bar\sigma^T\bar\sigma` at :math:`h_{l-1}`, a row of ones included. So
    2 H is at most the potential and :math:`\gamma\|B_l\|^2`.

    Args:
        net: the network.
        X, Y: inputs (n, d_in) and targets (n, d_out).
        ridge: lambda, positive.
        gamma: how much a miss weighs, as a share of the trace of K in each layer.
        smoothing: half-width of the smoothed kink of the activation; 0 for ReLU.

    Returns:
        ``H``, ``Q``, ``kinetic`` :math:`\|\Delta_l/\kappa_l\|^2_{K+\gamma}`, ``potential``
        :math:`\|h_{l-1}\|^2_{K+\gamma}`, ``residual``, ``gamma`` and ``momentum`` :math:`\|B_l\|^2`.

    Raises:
        ValueError: a ridge or gamma that is not positive, or bad inputs.

    Example:
        >>> from bnlib import leaky
        >>> net = leaky.leaky_network(([[1.0]], None), ([[[3.0]]], None), ([[1.0]], None), 0.5)
        >>> hamiltonian(net, [[1.0]], [[2.0]], 0.1, 1e-3).H.tolist()  # C is 0, and so is the momentum
        [-4.5]

    Source: JK24, book; claims leaky-laws, leaky-energy, leaky-rank; chapter leaky.
    """
    X, Y = _data(net, X, Y)
    ridge, gamma = _positive("ridge", ridge), _positive("gamma", gamma)
    h, g, post = map(np.asarray, _states_and_forces(net, X, Y, smoothing))
    W, b = map(np.asarray, net.hidden)
    momenta = -g / (2.0 * ridge)
    Q = np.sum(momenta * h, axis=(1, 2))
    H = np.sum(momenta[1:] * h[:-1], axis=(1, 2)) - 0.5 * (np.sum(W**2, axis=(1, 2)) + np.sum(b**2, axis=1))
    speed = (h[1:] - h[:-1]) / np.asarray(net.leak)[:, None, None]
    ones = np.ones((*h[:-1].shape[:2], 1))
    rows = np.concatenate([post[:-1], ones], axis=2)
    # As on paper: one column for each input.
    A, V, B, rows = (np.swapaxes(a, 1, 2) for a in (h[:-1], speed, momenta[1:], rows))
    s, Vt = frame(rows)
    weight, momentum = gamma * np.sum(s**2, axis=1), np.sum(B**2, axis=(1, 2))
    energy = partial(regularised_energy, s=s, Vt=Vt, gamma=weight)
    stored = energy(A)
    residual = 2.0 * H - (stored + weight * momentum - energy(V + weight[:, None, None] * B))
    return Hamiltonian(H, Q, energy(V), stored, residual, weight, momentum)


@_checks.float64
def neuron_law(net: LeakyNetwork, X: Any, Y: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Return both sides of the law by which the balance of every neuron changes from layer to layer.

    .. math:: q_l-q_{l-1}=\langle G_W[i,:],W_l[i,:]\rangle+G_b[i]\,b_l[i]-\langle G_W[:,i],W_l[:,i]\rangle,\quad
              q_l[i]=\sum_n\frac{\partial C}{\partial h_l[i]}\,h_l[i]

    with G the gradient of the mean squared error C in the weights of layer l. It holds at all parameters, for ReLU. At
    a stationary point of :math:`C+\lambda A` the right side is
    :math:`-2\lambda\kappa_l(\|W_l[i,:]\|^2+b_l[i]^2-\|W_l[:,i]\|^2)`.

    Args:
        net: the network.
        X, Y: inputs (n, d_in) and targets (n, d_out).

    Returns:
        The left side and the right side, (N, w) each.

    Example:
        >>> from bnlib import leaky
        >>> net = leaky.leaky_network(([[1.0]], None), ([[[3.0]]], [[1.0]]), ([[1.0]], None), 0.5)
        >>> [side.tolist() for side in neuron_law(net, [[1.0]], [[0.0]])]
        [[[2.5]], [[2.5]]]

    Source: JK24, book; claim leaky-laws; chapter leaky.
    """
    X, Y = _data(net, X, Y)
    h, g, _ = map(np.asarray, _states_and_forces(net, X, Y, 0.0))
    change = np.diff(np.sum(g * h, axis=1), axis=0)
    gradient = _gradient(net, X, Y)
    (W, b), (G, c) = (map(np.asarray, pair) for pair in (net.hidden, gradient.hidden))
    return change, np.sum(G * W, axis=2) + c * b - np.sum(G * W, axis=1)


@_checks.float64
def spacing_law(net: LeakyNetwork, X: Any, Y: Any, *, smoothing: float = 0.0) -> np.ndarray:
    r"""Return the derivative of the mean squared error in every leak.

    .. math:: \frac{\partial C}{\partial\kappa_l}=\Bigl\langle\frac{\partial C}{\partial h_l},\;
              -h_{l-1}+W_l\,\sigma(h_{l-1})+b_l\Bigr\rangle

    It holds at all parameters and for every activation. With the ridge, where weights and biases are stationary, the
    derivative of the objective is :math:`2\lambda H_l`, H from ``hamiltonian``.

    Args:
        net: the network.
        X, Y: inputs (n, d_in) and targets (n, d_out).
        smoothing: half-width of the smoothed kink of the activation; 0 for ReLU.

    Returns:
        (N,) derivatives.

    Example:
        >>> from bnlib import leaky
        >>> net = leaky.leaky_network(([[1.0]], None), ([[[3.0]]], None), ([[1.0]], None), 0.5)
        >>> spacing_law(net, [[1.0]], [[1.0]]).tolist()  # of (1 + 2 leak - 1)^2
        [4.0]

    Source: JK24, book; claim leaky-laws; chapter leaky.
    """
    X, Y = _data(net, X, Y)
    h, g, post = map(np.asarray, _states_and_forces(net, X, Y, smoothing))
    W, b = map(np.asarray, net.hidden)
    return np.sum(g[1:] * (post[:-1] @ np.swapaxes(W, 1, 2) + b[:, None] - h[:-1]), axis=(1, 2))


@_checks.float64
def linear_law(M: Any, W: Any, leak: Any) -> np.ndarray:
    r"""Return what the law of linear layers without biases misses, between every two neighbours.

    .. math:: T_l^T\,\frac{M_l}{\kappa_l}-\frac{M_{l-1}}{\kappa_{l-1}}\,T_{l-1}^T,\quad
              T_l=(1-\kappa_l)I+\kappa_lW_l

    It vanishes at all weights where M is the gradient of a function of the product :math:`T_N\cdots T_1`. At a
    stationary point of such a function with the ridge :math:`\lambda\sum_l\kappa_l\|W_l\|_F^2` it therefore
    vanishes for :math:`M_l=\kappa_lW_l`: :math:`(1-\kappa_l)W_l+\kappa_lW_l^TW_l` is
    :math:`(1-\kappa_{l-1})W_{l-1}+\kappa_{l-1}W_{l-1}W_{l-1}^T`. So :math:`(1-\kappa_l)\mathrm{Tr}\,W_l+
    \kappa_l\|W_l\|_F^2` and the antisymmetric part of :math:`(1-\kappa_l)W_l` are the same in all layers. At leak 1
    this is the balance of plain linear networks.

    Args:
        M: (N, w, w), the gradient, or the weights times their leaks.
        W: the weights (N, w, w).
        leak: the leaks (N,).

    Returns:
        (N - 1, w, w).

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> W = np.stack([np.diag([2.0, 0.5])] * 3)
        >>> float(np.abs(linear_law(0.5 * W, W, [0.5] * 3)).max())
        0.0

    Source: JK24, book; claim leaky-laws; chapter leaky.
    """
    M, W, leak = (np.asarray(_checks.floating(n, a)) for n, a in (("M", M), ("W", W), ("leak", leak)))
    if W.ndim != 3 or W.shape[1] != W.shape[2] or M.shape != W.shape or leak.shape != W.shape[:1]:
        raise ValueError(
            f"M and W must have one shape (N, w, w) and leak (N,), but their shapes are {M.shape}, {W.shape} and "
            f"{leak.shape}."
        )
    kappa = leak[:, None, None]
    T = np.swapaxes((1.0 - kappa) * np.eye(W.shape[1]) + kappa * W, 1, 2)
    return T[1:] @ (M / kappa)[1:] - (M / kappa)[:-1] @ T[:-1]


def mean_loss(net: LeakyNetwork, X: Any, Y: Any, smoothing: Any = 0.0) -> Array:
    """Return the mean over inputs of the squared error, the loss C of this module.

    Args:
        net: the network.
        X, Y: inputs (n, d_in) and targets (n, d_out).
        smoothing: half-width of the smoothed kink of the activation; 0 for ReLU.

    Example:
        >>> from bnlib import leaky
        >>> net = leaky.leaky_network(([[1.0]], None), ([[[3.0]]], None), ([[1.0]], None), 0.5)
        >>> float(mean_loss(net, jnp.array([[1.0]]), jnp.array([[0.0]])))
        4.0

    Source: bnlib.
    """
    return jnp.sum((apply(net, X, smoothing) - Y) ** 2) / len(X)


_gradient = jax.jit(jax.grad(mean_loss))


@jax.jit
def _states_and_forces(net: LeakyNetwork, X: Array, Y: Array, smoothing: Any) -> tuple[Array, Array, Array]:
    """Return the states h_l, the derivatives of the loss in them, and the activations of them, (N + 1, n, w) each."""
    h = states(net, X, smoothing)
    post, pull = jax.vjp(lambda h: rectify(h, smoothing), h)
    (slope,) = pull(jnp.ones_like(h))
    g = slope[-1] * ((affine(net.last, post[-1]) - Y) @ net.last[0]) * (2.0 / len(X))

    def back(g: Array, at: tuple[Layer, Array, Array]) -> tuple[Array, Array]:
        (W, _), leak, slope = at
        before = (1.0 - leak) * g + leak * slope * (g @ W)
        return before, before

    _, others = lax.scan(back, g, (net.hidden, net.leak, slope[:-1]), reverse=True)
    return h, jnp.concatenate([others, g[None]]), post


def _data(net: LeakyNetwork, X: Any, Y: Any) -> tuple[Array, Array]:
    X, Y = _checks.points("X", X, net.d_in), _checks.points("Y", Y, net.d_out)
    _checks.equal_lengths(X, Y)
    return X, Y


def _positive(name: str, value: Any) -> float:
    value = _checks.number(name, value)
    if value == 0.0:
        raise ValueError(f"{name} must be positive, but it is 0.")
    return value
