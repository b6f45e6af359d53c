"""What a residual network with or without a leak must cost, from the singular values of its Jacobian alone."""

from itertools import pairwise
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from .. import _checks, _svd

NEWTON = 50  # steps, of which a few are taken


class LinearMinimum(NamedTuple):
    """Hold what ``linear_minimum`` returns: a number, and one value for every mode of the target."""

    value: float
    modes: np.ndarray
    weights: np.ndarray


@_checks.float64
def leaky_schatten(s: Any, leak: float, layers: int) -> np.ndarray:
    r"""Return what layers with one leak must cost whose product has given singular values.

    .. math:: \kappa\sum_{l=1}^N\|W_l\|_F^2\;\ge\;\frac N\kappa\sum_i\bigl(s_i^{1/N}-1+\kappa\bigr)_+^2
              \;\ge\;k\tilde L+2\log|J|_k,\quad \tilde L=N\kappa

    for :math:`J=T_N\cdots T_1`, :math:`T_l=(1-\kappa)I+\kappa W_lD_{l-1}`, square, with diagonal slopes
    :math:`0\le D\le1`, and for every k. At leak 1 it is the bound of a plain network, and a singular value of
    :math:`(1-\kappa)^N\approx e^{-\tilde L}` is free. It is attained by :math:`T_l=J^{1/N}` where J is symmetric with
    eigenvalues of that size at least. Singular values that are rounding are dropped first.

    Args:
        s: singular values (..., m) of J, decreasing.
        leak: the leak of every layer, above 0 and at most 1.
        layers: number N of layers.

    Returns:
        The bound, (...).

    Raises:
        ValueError: a negative singular value, a leak outside (0, 1], or no layer.

    Example:
        >>> round(float(leaky_schatten([4.0, 0.25], 0.5, 2)), 12)  # 2/0.5 times 1.5^2 + 0
        9.0

    Source: book; claim leaky-schatten; chapter leaky.
    """
    s, leak = _values("s", s), _leak(leak)
    layers = _checks.integer("layers", layers, 1)
    roots = _svd.powers(s, 1.0 / layers, (s.shape[-1],) * 2, layers)
    return np.asarray(layers / leak * jnp.sum(jnp.maximum(roots - 1.0 + leak, 0.0) ** 2, axis=-1))


@_checks.float64
def leaky_lower_bound(s: Any, leak: Any) -> np.ndarray:
    r"""Return what a whole leaky network must cost whose Jacobian has given singular values, each layer with its leak.

    .. math:: A(\theta)\;\ge\;\sum_i\psi(\log s_i(J))\;\ge\;\sum_i\bigl(\tilde L+2+2\log s_i\bigr)_+,\quad
              \psi(y)=\min\Bigl\{\sum_l\frac{(t_l-1+\kappa_l)_+^2}{\kappa_l}:\ \prod_lt_l=e^y\Bigr\}

    where the first and the last layer count as leak 1. The right side is the largest
    :math:`k(\tilde L+2)+2\log|J|_k` over k. Every summand of :math:`\psi` is convex and non-decreasing in
    :math:`\log t_l`, so that Mirsky's and Horn's inequalities give the bound layer by layer, as in ``leaky_schatten``.
    At leak 1 it is the bound of a plain network of depth N + 2. The minimum is found by its multiplier; any multiplier
    gives a valid bound, so that a search that stops early makes it smaller and not wrong. Singular values that are
    rounding are dropped first.

    Args:
        s: singular values (..., m) of J, decreasing.
        leak: leaks (N,) of the hidden layers, each above 0 and at most 1.

    Returns:
        The bound, (...).

    Raises:
        ValueError: a negative singular value, or a leak outside (0, 1].

    Example:
        >>> round(float(leaky_lower_bound([16.0, 0.0], [1.0, 1.0])), 9)  # depth 4, and 4 times 16^(2/4)
        16.0

    Source: book.
    """
    s, leaks = np.asarray(_values("s", s)), np.pad([_leak(each) for each in leak], 1, constant_values=1.0)
    kept = s > _svd.tolerance(s, (s.shape[-1],) * 2, len(leaks))
    least = _least(np.log(s, where=kept, out=np.zeros_like(s)), leaks)
    return np.sum(np.where(kept, np.maximum(least, 0.0), 0.0), axis=-1)


def _least(y: np.ndarray, leaks: np.ndarray) -> np.ndarray:
    r"""Return the minimum psi at y, from below: Newton's method in the logarithm of its multiplier m.

    At the minimum all :math:`2t_l(t_l-1+\kappa_l)/\kappa_l` are m. The logarithm of the product of these t grows with
    that of m, with a slope of 1 at least, because both ends have leak 1.
    """
    r = np.log(2.0) + 2.0 * y / len(leaks)
    for _ in range(NEWTON):
        root, t = _factors(r, leaks)
        off = np.sum(np.log(t), axis=-1) - y
        if np.max(np.abs(off), initial=0.0) < 1e-8:  # the bound is off by the square of it
            break
        r = r - off / np.sum(leaks * np.exp(r)[..., None] / (2.0 * root * t), axis=-1)
    _, t = _factors(r, leaks)
    cost = np.sum((t - 1.0 + leaks) ** 2 / leaks, axis=-1)
    return cost + np.exp(r) * (y - np.sum(np.log(t), axis=-1))


def _factors(r: np.ndarray, leaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the t_l of a multiplier exp(r), and the root in their formula."""
    root = np.sqrt((1.0 - leaks) ** 2 + 2.0 * leaks * np.exp(r)[..., None])
    return root, (1.0 - leaks + root) / 2.0


@_checks.float64
def residual_bound(J: Any, blocks: int, *, matrices: int = 2) -> np.ndarray:
    r"""Return what the blocks of a plain residual network, without a leak, must cost.

    .. math:: \sum_l\|A_l\|_F^2+\|B_l\|_F^2\ge 2N\sum_i\bigl(s_i(J)^{1/N}-1\bigr)_+\ge 2\sum_i\log_+ s_i(J)

    for blocks :math:`h+B\,\sigma(Ah+a)+b` of two matrices, and
    :math:`\sum_l\|W_l\|_F^2\ge N\sum_i(s_i(J)^{1/N}-1)_+^2` for blocks :math:`h+W\,\sigma(h)+b` of one. No term grows
    with the depth: the norm of such a network does not count dimensions.

    Args:
        J: the Jacobian (w, w) of the blocks at an input, or a stack (..., w, w).
        blocks: number N of blocks.
        matrices: 2 or 1, the number of matrices in a block.

    Returns:
        The bound, (...).

    Raises:
        ValueError: J not square, no block, or another number of matrices.

    Example:
        >>> round(float(residual_bound([[4.0, 0.0], [0.0, 0.5]], 2)), 12)
        4.0

    Source: book; claim residual-bound; chapter leaky.
    """
    J = _checks.floating("J", J)
    if J.ndim < 2 or J.shape[-1] != J.shape[-2] or 0 in J.shape:
        raise ValueError(f"J must be square, or a stack of such, but its shape is {J.shape}.")
    if matrices not in (1, 2):
        raise ValueError(f"matrices must be 1 or 2, the number in a block, but it is {matrices!r}.")
    _checks.finite("J", J)
    blocks = _checks.integer("blocks", blocks, 1)
    excess = np.maximum(np.asarray(_svd.values(J)) ** (1.0 / blocks) - 1.0, 0.0)
    return blocks * np.sum(2.0 * excess if matrices == 2 else excess**2, axis=-1)


@_checks.float64
def linear_minimum(y: Any, leak: float, layers: int, ridge: float) -> LinearMinimum:
    r"""Return the least objective of a linear network with a leak, its singular values and its weights.

    .. math:: \min_W\ \|J-Y\|_F^2+\lambda\kappa\sum_l\|W_l\|_F^2
              =\sum_i\min_s\ (s-y_i)^2+\lambda\frac N\kappa\bigl(s^{1/N}-1+\kappa\bigr)^2

    for :math:`J=T_N\cdots T_1`, :math:`T_l=(1-\kappa)I+\kappa W_l`, and a symmetric target Y with eigenvalues
    :math:`y_i\ge(1-\kappa)^N`; s runs from that number to :math:`y_i`. The modes are decided one by one.

    Args:
        y: eigenvalues (m,) of the target.
        leak: the leak of every layer, above 0 and at most 1.
        layers: number N of layers.
        ridge: lambda.

    Returns:
        ``value``, the minimum; ``modes`` (m,), the minimisers s; ``weights`` (m,), the eigenvalues of every
        :math:`W_l=(J^{1/N}-(1-\kappa)I)/\kappa`.

    Raises:
        ValueError: an eigenvalue below :math:`(1-\kappa)^N`, where no closed form is known, or bad numbers.

    Example:
        >>> linear_minimum([3.0, 0.2], 0.25, 32, 0.05).modes.round(3).tolist()  # the second mode is dropped
        [2.98, 0.0]

    Source: book; claim leaky-linear; chapter leaky.
    """
    y, leak = np.asarray(_values("y", y)), _leak(leak)
    layers, ridge = _checks.integer("layers", layers, 1), _checks.number("ridge", ridge)
    if y.ndim != 1:
        raise ValueError(f"y must have shape (m,), but its shape is {y.shape}.")
    floor = (1.0 - leak) ** layers
    if np.any(y < floor * (1 - 1e-12)):
        raise ValueError(
            f"The least eigenvalue is {y.min():.3g}, below (1 - leak)^layers = {floor:.3g}: a mode smaller than what "
            "passes without weights has no closed form."
        )
    roots = np.array([_least_root(float(v), leak, layers, ridge) for v in y])
    value = np.sum((roots**layers - y) ** 2 + ridge * layers / leak * (roots - 1.0 + leak) ** 2)
    return LinearMinimum(float(value), roots**layers, (roots - 1.0 + leak) / leak)


def _least_root(y: float, leak: float, layers: int, ridge: float) -> float:
    """Return t = s^{1/N} of the best s for one mode: the objective at every zero of its derivative is compared.

    In t half the negative derivative over N is f below. It has a unimodal derivative, so that its zeros are three at
    most, each between two neighbours among the ends, the extrema of f and the top of f'.
    """
    low, high = 1.0 - leak, max(y ** (1.0 / layers), 1.0 - leak)

    def objective(t: float) -> float:
        return (t**layers - y) ** 2 + ridge * layers / leak * (t - low) ** 2

    def f(t: float) -> float:
        return t ** (layers - 1) * (y - t**layers) - ridge / leak * (t - low)

    def slope(t: float) -> float:
        rise = (layers - 1) * y * t ** max(layers - 2, 0)
        return rise - (2 * layers - 1) * t ** (2 * layers - 2) - ridge / leak

    top = (max(layers - 2, 0) * y / (2 * (2 * layers - 1))) ** (1.0 / layers)
    knots = sorted({low, high, min(max(top, low), high)})
    knots = sorted({*knots, *_zeros(slope, knots)})
    return min(sorted({*knots, *_zeros(f, knots)}), key=objective)


def _zeros(f: Any, knots: list[float]) -> list[float]:
    """Return the zeros of a function that is monotone between knots, those at knots left out."""
    between = [(a, b) for a, b in pairwise(knots) if f(a) * f(b) < 0]
    return [float(brentq(f, a, b, xtol=1e-15)) for a, b in between]


def _values(name: str, s: Any) -> Any:
    s = _checks.floating(name, s)
    _checks.finite(name, s)
    if s.ndim == 0 or 0 in s.shape or (not _checks.is_traced(s) and np.any(np.asarray(s) < 0)):
        raise ValueError(f"{name} must hold numbers >= 0, at least one, but it is {s!r}.")
    return s


def _leak(leak: Any) -> float:
    leak = _checks.number("leak", leak)
    if not 0.0 < leak <= 1.0:
        raise ValueError(f"The leak must lie above 0 and be at most 1, but it is {leak!r}.")
    return leak
