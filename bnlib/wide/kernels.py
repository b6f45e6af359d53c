"""Kernels of infinitely wide networks: NNGP and tangent kernel, its gradient, and the limit of a wide bottleneck.

NTK parametrisation, all weights and biases standard normal. Plain NumPy in float64: all derivatives are closed forms.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import _checks, _rounding

ACTIVATIONS = ("erf", "relu")
FLAT = 1e-14  # share of ab below which ab - c^2 is rounding: the two points are parallel


@dataclass(frozen=True)
class Wide:
    r"""Describe an infinitely wide network: hidden layers, activation, and the scales of weights and biases.

    A layer maps h to :math:`\sigma_w W h/\sqrt{n}+\sigma_b b` and applies the activation, "erf" or "relu", the
    latter :math:`\sqrt2\max(u,0)`. The readout :math:`W h/\sqrt n` has no bias.

    Raises:
        ValueError: an unknown activation, no hidden layer, or a negative scale.

    Example:
        >>> Wide(activation="erf").depth
        1

    Source: L21; chapter moving_points.
    """

    depth: int = 1
    activation: str = "relu"
    sigma_w: float = 1.0
    sigma_b: float = 0.0

    def __post_init__(self) -> None:
        _known(self.activation)
        _checks.integer("depth", self.depth, 1)
        _checks.number("sigma_w", self.sigma_w)
        _checks.number("sigma_b", self.sigma_b)


class Dual(NamedTuple):
    r"""Hold the Gaussian expectations of an activation at covariances (a, c; c, b), and their derivatives.

    ``K`` is :math:`E\varphi(u)\varphi(u')`, ``Kd`` the same of :math:`\varphi'`, ``Kdd`` of :math:`\varphi''`; ``Ka``
    and ``Kda`` are the derivatives of ``K`` and ``Kd`` by a. By Price's theorem ``Kd`` and ``Kdd`` are those by c.
    """

    K: np.ndarray
    Kd: np.ndarray
    Kdd: np.ndarray
    Ka: np.ndarray
    Kda: np.ndarray


def dual(activation: str, a: Any, b: Any, c: Any) -> Dual:
    """Return the expectations of one layer and their derivatives.

    Where the two Gaussians are parallel the second derivative of ReLU has a cone point; its symmetric value 0 is used.

    Args:
        activation: "erf" or "relu".
        a, b, c: arrays that broadcast together, the variances and the covariance.

    Raises:
        ValueError: another activation.

    Example:
        >>> float(dual("relu", 1.0, 1.0, 0.0).K.round(4))
        0.3183

    Source: L21, book; claim iw-kernel-gradients; chapter moving_points.
    """
    _known(activation)
    a, b, c = (np.asarray(v, float) for v in (a, b, c))
    if activation == "erf":
        P = (1 + 2 * a) * (1 + 2 * b)
        Q = P - 4 * c**2
        root = np.sqrt(Q)
        K = 2 / np.pi * np.arcsin(2 * c / np.sqrt(P))
        Kd = 4 / np.pi / root
        cube = 4 / np.pi / (Q * root)
        return Dual(K, Kd, 4 * c * cube, -Kd * c / (1 + 2 * a), -cube * (1 + 2 * b))
    area = a * b - c**2
    regular = area > FLAT * a * b
    root = np.sqrt(np.where(regular, area, 0.0))
    Kd = 1 - np.arctan2(root, c) / np.pi
    Kdd = np.divide(1 / np.pi, root, out=np.zeros_like(root), where=regular)
    return Dual(root / np.pi + Kd * c, Kd, Kdd, root / (2 * np.pi * a), -c / (2 * a) * Kdd)


def _known(activation: str) -> None:
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, but it is {activation!r}.")


def _variance(activation: str, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return E phi(u)^2 at variance a, and its derivative."""
    if activation == "relu":
        return a, np.ones_like(a)
    return 2 / np.pi * np.arcsin(2 * a / (1 + 2 * a)), 4 / np.pi / ((1 + 2 * a) * np.sqrt(1 + 4 * a))


class _Kernel(NamedTuple):
    """Hold NNGP kernel and NTK of a network, and the derivatives of the NTK by c and by a of its first layer."""

    nngp: np.ndarray
    ntk: np.ndarray
    by_c: np.ndarray
    by_a: np.ndarray


def _recursion(net: Wide, a: Any, b: Any, c: Any, below: Any = 0.0) -> _Kernel:
    """Run the layers upwards from the covariances of the first; ``below`` is the NTK of what feeds the network."""
    w2, b2 = net.sigma_w**2, net.sigma_b**2
    T: Any = c + w2 * below
    # Derivatives by (c, a) of the first layer: of c, of a and of T in the present one.
    c_c: Any = 1.0
    c_a, a_a, T_c, T_a = 0.0 * c_c, c_c, c_c, 0.0 * c_c
    for layer in range(net.depth):
        k = dual(net.activation, a, b, c)
        up_c, up_a = k.Kd * c_c, k.Kd * c_a + k.Ka * a_a
        kd_c, kd_a = k.Kdd * c_c, k.Kdd * c_a + k.Kda * a_a
        inner, inner_c, inner_a = k.Kd * T, kd_c * T + k.Kd * T_c, kd_a * T + k.Kd * T_a
        if layer == net.depth - 1:
            return _Kernel(k.K, k.K + inner, up_c + inner_c, up_a + inner_a)
        c, (a, slope), (b, _) = w2 * k.K + b2, _variance(net.activation, a), _variance(net.activation, b)
        a, b, c_c, c_a, a_a = w2 * a + b2, w2 * b + b2, w2 * up_c, w2 * up_a, w2 * slope * a_a
        T, T_c, T_a = c + w2 * inner, c_c + w2 * inner_c, c_a + w2 * inner_a
    raise AssertionError("a network has a hidden layer")


def _covariances(net: Wide, X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a (n, 1), b (1, m) and c (n, m) of the first layer."""
    scale, shift = net.sigma_w**2 / X.shape[1], net.sigma_b**2
    a, b = (scale * np.sum(P**2, axis=1) + shift for P in (X, Y))
    return a[:, None], b[None, :], scale * X @ Y.T + shift


def _points(name: str, X: Any, net: Wide, dim: int | None = None) -> np.ndarray:
    X = np.asarray(X, float)
    if X.ndim != 2 or 0 in X.shape or (dim is not None and X.shape[1] != dim):
        expected = "(N, d) with N, d >= 1" if dim is None else f"(N, {dim}) with N >= 1"
        raise ValueError(f"{name} must have shape {expected}, but its shape is {X.shape}.")
    _checks.finite(name, X)
    if net.activation == "relu" and net.sigma_b == 0 and not np.all(zero := np.any(X != 0, axis=1)):
        row = int(np.argmin(zero))
        raise ValueError(f"Row {row} of {name} is zero, where a ReLU kernel without bias has no gradient.")
    return X


def kernels(net: Wide, X: Any, Y: Any = None) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the NNGP kernel and the tangent kernel of one output of a wide network.

    .. math:: c^{l+1}=\sigma_w^2K+\sigma_b^2,\quad T^{l+1}=c^{l+1}+\sigma_w^2\dot K\,T^l,\quad
        \Theta=K+\dot K\,T^{L}

    with :math:`c^1=T^1=\sigma_w^2x\cdot x'/D+\sigma_b^2` and L hidden layers.

    Args:
        net: the network.
        X: inputs (N, D).
        Y: other inputs (M, D); X when None.

    Returns:
        Two (N, M) arrays.

    Raises:
        ValueError: bad shapes, NaN, or a zero vector for ReLU without bias.

    Example:
        >>> K, theta = kernels(Wide(), [[1.0, 0.0], [0.0, 1.0]])
        >>> theta.round(4).tolist()
        [[1.0, 0.1592], [0.1592, 1.0]]

    Source: jacot2018; chapter moving_points.
    """
    X = _points("X", X, net)
    Y = X if Y is None else _points("Y", Y, net, X.shape[1])
    k = _recursion(net, *_covariances(net, X, Y))
    return _rounding.elsewhere((k.nngp, k.ntk))


def ntk_gradient(net: Wide, Z: Any, Y: Any) -> np.ndarray:
    r"""Return the gradient of the tangent kernel in its first argument.

    .. math:: \nabla_z\Theta(z,z')=\frac{\sigma_w^2}{d}\Bigl(\frac{\partial\Theta}{\partial c}z'
        +2\frac{\partial\Theta}{\partial a}z\Bigr)

    with a, c the variance of z and the covariance in the first layer. For ReLU this contains the second derivative
    of the activation, a delta function.

    Args:
        net: the network.
        Z: points (N, d) at which to differentiate.
        Y: second arguments (M, d).

    Returns:
        (N, M, d).

    Example:
        >>> ntk_gradient(Wide(), [[1.0, 0.0]], [[1.0, 1.0]]).round(4).tolist()
        [[[0.9092, 0.9092]]]

    Source: L21, book; claim iw-kernel-gradients; chapter moving_points.
    """
    Z = _points("Z", Z, net)
    Y = _points("Y", Y, net, Z.shape[1])
    k = _recursion(net, *_covariances(net, Z, Y))
    return net.sigma_w**2 / Z.shape[1] * (k.by_c[..., None] * Y[None] + 2 * k.by_a[..., None] * Z[:, None])


def limit_kernel(f: Wide, g: Wide, X: Any, Y: Any = None) -> np.ndarray:
    r"""Return the tangent kernel of f after g in the limit of an infinite bottleneck, which does not move.

    For f with one hidden layer
    :math:`\Theta_\infty=K+\dot K(c+\sigma_w^2\Theta_g)` at the covariance :math:`c=\sigma_w^2K_g+\sigma_b^2`.

    Args:
        f, g: the two networks.
        X: inputs (N, D).
        Y: other inputs (M, D); X when None.

    Example:
        >>> limit_kernel(Wide(), Wide(), [[1.0, 0.0], [0.0, 1.0]]).round(4).tolist()
        [[2.0, 0.4388], [0.4388, 2.0]]

    Source: L21, book; claim iw-kernel-limit; chapter moving_points.
    """
    X = _points("X", X, g)
    Y = X if Y is None else _points("Y", Y, g, X.shape[1])
    K, below = kernels(g, X, Y)
    a, b = (f.sigma_w**2 * _diagonal(g, P) + f.sigma_b**2 for P in (X, Y))
    c = f.sigma_w**2 * K + f.sigma_b**2
    return _recursion(f, a[:, None], b[None, :], c, below).ntk


def _diagonal(net: Wide, X: np.ndarray) -> np.ndarray:
    """Return the NNGP variances of the outputs of a network."""
    a = net.sigma_w**2 / X.shape[1] * np.sum(X**2, axis=1) + net.sigma_b**2
    for _ in range(net.depth - 1):
        a = net.sigma_w**2 * _variance(net.activation, a)[0] + net.sigma_b**2
    return _variance(net.activation, a)[0]


def edge(kernel: Any) -> float:
    r"""Return :math:`2N/\lambda_{max}`, the largest stable learning rate for a frozen kernel and the mean squared loss.

    Example:
        >>> edge([[2.0, 0.0], [0.0, 1.0]])
        2.0

    Source: book; chapter acceleration.
    """
    return 2 * len(np.asarray(kernel)) / float(np.linalg.eigvalsh(_square(kernel))[-1])


def target_norm(kernel: Any, y: Any) -> float:
    r"""Return :math:`H=y^\top\Theta^{-1}y`, the squared size of the target on the scale of the initial function.

    Raises:
        ValueError: a singular kernel, as that of coincident inputs, or a target of another length or not finite.

    Example:
        >>> target_norm([[2.0, 0.0], [0.0, 1.0]], [2.0, 0.0])
        2.0

    Source: L21, book; claim iw-speedup-formula; chapter acceleration.
    """
    theta = _square(kernel)
    target = np.asarray(y, float)
    if target.ndim not in (1, 2) or len(target) != len(theta):
        raise ValueError(f"y must have {len(theta)} rows, but its shape is {target.shape}.")
    _checks.finite("y", target)
    values, vectors = np.linalg.eigh(theta)
    if values[0] <= 1e-12 * values[-1]:
        raise ValueError(f"The kernel must be positive definite, but its eigenvalues start at {values[0]:.1e}.")
    return float(np.sum((vectors.T @ target).T ** 2 / values))


def _square(kernel: Any) -> np.ndarray:
    kernel = np.asarray(kernel, float)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or not kernel.size:
        raise ValueError(f"A kernel must be a square matrix, but its shape is {kernel.shape}.")
    _checks.finite("The kernel", kernel)
    return kernel
