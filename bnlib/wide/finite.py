"""A network of finite width with a bottleneck, in the scaling whose limit is the infinitely wide one."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import erf

from .. import _checks

ACTIVATIONS = ("erf", "relu")


class Finite(NamedTuple):
    r"""Hold the weights of :math:`x\mapsto n^{-1/2}v^T\phi(d^{-1/2}Uz)`, :math:`z=n^{-1/2}W\phi(D^{-1/2}Vx)`.

    Attributes:
        V: first layer (n, D).
        W: into the bottleneck (d, n).
        U: out of it (n, d).
        v: readout (n,).
    """

    V: np.ndarray
    W: np.ndarray
    U: np.ndarray
    v: np.ndarray


def activation(name: str, u: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Return an activation and its derivative: erf, or :math:`\sqrt2\max(u,0)`, both as ``infinite.Wide`` has them.

    Raises:
        ValueError: another name.

    Example:
        >>> [float(round(a, 3)) for a in activation("relu", 2.0)]
        [2.828, 1.414]

    Source: L21, book; chapter moving_points.
    """
    u = np.asarray(u)
    if name == "erf":
        return erf(u), 2 / np.sqrt(np.pi) * np.exp(-(u**2))
    if name == "relu":
        return np.sqrt(2) * np.maximum(u, 0), np.sqrt(2) * (u > 0)
    raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, but it is {name!r}.")


def draw(rng: np.random.Generator, n: int, d: int, D: int) -> Finite:
    """Draw all weights from the standard normal distribution.

    Args:
        rng: the random numbers.
        n: width of the hidden layers.
        d: dimension of the bottleneck.
        D: dimension of the inputs.

    Example:
        >>> draw(np.random.default_rng(0), 50, 2, 3).W.shape
        (2, 50)

    Source: L21, book; chapter moving_points.
    """
    return Finite(rng.normal(size=(n, D)), rng.normal(size=(d, n)), rng.normal(size=(n, d)), rng.normal(size=n))


def bottleneck(net: Finite, X: Any, phi: str) -> np.ndarray:
    """Return the points z (N, d) at which the bottleneck sees the inputs X (N, D).

    Example:
        >>> net = draw(np.random.default_rng(0), 50, 2, 3)
        >>> bottleneck(net, np.eye(3), "erf").shape
        (3, 2)

    Source: L21, book; chapter moving_points.
    """
    n, D = net.V.shape
    return activation(phi, np.asarray(X) @ net.V.T / np.sqrt(D))[0] @ net.W.T / np.sqrt(n)


def descend(net: Finite, X: Any, y: Any, phi: str, rate: float, steps: int) -> tuple[np.ndarray, np.ndarray, Finite]:
    r"""Run gradient descent on all weights for the loss :math:`\frac1{2N}\sum_i(F(x_i)-y_i)^2`.

    Args:
        net: the weights at the start.
        X: inputs (N, D).
        y: targets (N,).
        phi: name of the activation.
        rate: learning rate.
        steps: number of steps.

    Returns:
        Outputs (steps, N) and bottleneck (steps, N, d) before each step, and the last weights.

    Raises:
        ValueError: an unknown activation, or no steps.

    Example:
        >>> net = draw(np.random.default_rng(0), 50, 2, 3)
        >>> F, z, end = descend(net, np.eye(3), np.ones(3), "erf", 0.5, 4)
        >>> F.shape, z.shape
        ((4, 3), (4, 3, 2))

    Source: L21, book; claim iw-finite-to-infinite; chapter moving_points.
    """
    (n, d), D = net.U.shape, np.shape(X)[1]
    outputs, points = [], []
    for _ in range(_checks.integer("steps", steps, 1)):
        h, low = activation(phi, X @ net.V.T / np.sqrt(D))
        z = h @ net.W.T / np.sqrt(n)
        top, high = activation(phi, z @ net.U.T / np.sqrt(d))
        F = top @ net.v / np.sqrt(n)
        outputs.append(F)
        points.append(z)
        chi = (F - y) / len(y)
        back = chi[:, None] * net.v * high / np.sqrt(n * d)
        delta = back @ net.U
        first = (delta @ net.W) * low / np.sqrt(n * D)
        net = Finite(
            net.V - rate * first.T @ X,
            net.W - rate * delta.T @ h / np.sqrt(n),
            net.U - rate * back.T @ z,
            net.v - rate * top.T @ chi / np.sqrt(n),
        )
    return np.array(outputs), np.array(points), net
