"""Gradient descent in function space: where the points of the bottleneck start, and how they and the outputs move.

F = f o g with wide networks g from inputs to R^d and f from R^d to outputs, in the NTK parametrisation, all weights
and biases standard normal. As the widths grow at fixed d, gradient descent becomes a recursion in function space: the
kernels of f and g are frozen, but f is evaluated at points z_t(x) = g_t(x) that move.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ... import _checks, _rounding
from ..kernels import _square
from .layers import Carrier

BLOW_UP = 1e8  # times the initial loss
JITTER = 1e-8  # of the mean variance, added before a Cholesky factorisation


class Divergence(ArithmeticError):
    """Say at which step gradient descent left all bounds; the attribute ``step`` holds the number."""

    def __init__(self, step: int, learning_rate: float) -> None:
        super().__init__(f"Gradient descent with learning rate {learning_rate:g} diverged at step {step}.")
        self.step = step


def bottleneck(kernel: Any, d: int, rng: np.random.Generator, *, beyond: bool = False) -> np.ndarray:
    """Draw z_0 = g_0(x): d independent Gaussian columns with the given NNGP kernel.

    Args:
        kernel: NNGP kernel of g (n, n) on all points, those of the test set included.
        d: dimension of the bottleneck.
        rng: source of randomness.
        beyond: allow d > n, which bottles up nothing; it serves to study the limit of large d.

    Returns:
        (n, d).

    Raises:
        ValueError: d below 1, d above n without ``beyond``, or a kernel that is not positive semidefinite.

    Example:
        >>> bottleneck([[1.0, 0.5], [0.5, 1.0]], 1, np.random.default_rng(0)).shape
        (2, 1)

    Source: L21, book; chapter moving_points.
    """
    d, kernel = _checks.integer("d", d, 1), _square(kernel)
    if d > len(kernel) and not beyond:
        raise ValueError(
            f"A bottleneck of dimension d = {d} is no bottleneck for {len(kernel)} points; beyond=True allows it."
        )
    try:
        root = np.linalg.cholesky(kernel + JITTER * np.trace(kernel) / len(kernel) * np.eye(len(kernel)))
    except np.linalg.LinAlgError as error:
        raise ValueError("The kernel must be positive semidefinite, but it has a negative eigenvalue.") from error
    return _rounding.elsewhere(root @ rng.normal(size=(len(kernel), d)))


Loss = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]


def squared(F: np.ndarray, Y: np.ndarray) -> tuple[float, np.ndarray]:
    r"""Return :math:`\frac1{2N}\sum|F-Y|^2` and its derivative by F.

    Example:
        >>> squared(np.array([[2.0]]), np.array([[0.0]]))
        (2.0, array([[2.]]))

    Source: book; chapter moving_points.
    """
    error = F - Y
    return float(np.sum(error**2)) / (2 * len(Y)), error / len(Y)


def cross_entropy(F: np.ndarray, Y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean cross-entropy of logits F against class probabilities Y, and its derivative by F.

    Example:
        >>> loss, chi = cross_entropy(np.zeros((1, 2)), np.array([[1.0, 0.0]]))
        >>> chi.tolist()
        [[-0.5, 0.5]]

    Source: book; chapter moving_points.
    """
    shifted = F - F.max(axis=1, keepdims=True)
    total = np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return float(np.sum(Y * (total - shifted))) / len(Y), (np.exp(shifted - total) - Y) / len(Y)


class State(NamedTuple):
    """Hold one step of gradient descent: outputs F (N, C) at training points, and z (n, d) at all points."""

    step: int
    loss: float
    F: np.ndarray
    Z: np.ndarray
    f: Carrier
    start: np.ndarray | float

    def outputs(self) -> np.ndarray:
        """Return the outputs at all points (n, C), those of the test set included."""
        return self.f(self.Z) - self.start


def descend(
    f: Carrier, Z: Any, theta_g: Any, Y: Any, learning_rate: float, *, loss: Loss = squared, centre: bool = True
) -> Iterator[State]:
    r"""Run gradient descent of f after g in function space, one state per step, without end.

    .. math:: \begin{aligned}f_{t+1}(z)&=f_t(z)-\eta\sum_i\chi_i\Theta_f(z,z_t(x_i))\\
        z_{t+1}(x)&=z_t(x)-\eta\sum_i\Theta_g(x,x_i)\sum_c\chi_{ic}\nabla f_{t,c}(z_t(x_i))\end{aligned}

    Args:
        f: holds f_0.
        Z: z_0 (n, d); the first N rows belong to the training points.
        theta_g: tangent kernel of g (n, n) or (n, N).
        Y: targets (N, C) or (N,).
        learning_rate: positive.
        loss: gives a mean loss of outputs and targets, and its derivative.
        centre: train F = f_t(z_t) - f_0(z_0), which starts at zero, in place of f_t(z_t).

    Yields:
        A ``State`` for every step, the start included.

    Raises:
        ValueError: shapes that do not fit, NaN, or a learning rate that is not positive.
        Divergence: a loss above 1e8 times the first one, or not finite; it tells the step.

    Example:
        >>> from bnlib.wide.infinite import Wide, WideLayer, kernels
        >>> rng = np.random.default_rng(0)
        >>> X, f = rng.normal(size=(3, 2)), Wide(activation="erf")
        >>> K, theta = kernels(f, X)
        >>> start = WideLayer.draw(f, 2, 256, rng)
        >>> for state in descend(start, bottleneck(K, 2, rng), theta, [1.0, -1.0, 0.0], 0.5):
        ...     if state.loss < 1e-2:
        ...         break

    Source: L21, book; claim iw-finite-to-infinite; chapter moving_points.
    """
    Y, Z, rate = _targets(Y), np.asarray(Z, float), _checks.number("learning_rate", learning_rate)
    theta_g = np.asarray(theta_g, float)
    N = len(Y)
    if Z.ndim != 2 or Z.shape[1] == 0 or len(Z) < N or theta_g.shape not in {(len(Z), len(Z)), (len(Z), N)}:
        raise ValueError(
            f"Z must have shape (n, d) and theta_g (n, n) with n >= {N}, but they have {Z.shape} and {theta_g.shape}."
        )
    _checks.finite("Z, theta_g and Y", Z, theta_g, Y)
    if rate == 0:
        raise ValueError("learning_rate must be positive, but it is 0.")
    if (outputs := f(Z[:1]).shape[1]) != Y.shape[1]:
        raise ValueError(f"Y must have as many columns as f has outputs, {outputs}, but its shape is {Y.shape}.")
    return _descend(f, Z, theta_g[:, :N], Y, rate, loss, centre)


def _descend(
    f: Carrier, Z: np.ndarray, theta_g: np.ndarray, Y: np.ndarray, rate: float, loss: Loss, centre: bool
) -> Iterator[State]:
    N, step, first = len(Y), 0, np.inf
    start = f(Z) if centre else 0.0
    while True:
        with np.errstate(all="ignore"):  # what overflows is reported as divergence
            F, tape = f.forward(Z[:N])
            F = F - (start[:N] if isinstance(start, np.ndarray) else start)
            value, chi = loss(F, Y)
            first = value if step == 0 else first
            if not value <= min(BLOW_UP * max(first, 1e-300), sys.float_info.max):
                raise Divergence(step, rate)
            yield State(step, value, F, Z, f, start)
            delta, f = f.backward(tape, chi, rate)
            Z = Z - rate * (theta_g @ delta)
        step += 1


def descend_frozen(
    kernel: Any, Y: Any, learning_rate: float, *, loss: Loss = squared, F: Any = None
) -> Iterator[tuple[int, float, np.ndarray]]:
    r"""Run gradient descent with a tangent kernel that does not move, :math:`F\leftarrow F-\eta\Theta\chi`.

    Args:
        kernel: (n, n) or (n, N) for n points, of which the first N are for training.
        Y: targets (N, C) or (N,).
        learning_rate: positive.
        loss: as for ``descend``.
        F: outputs (n, C) at the start; zero when None.

    Yields:
        Step, loss and outputs (n, C).

    Raises:
        ValueError: shapes that do not fit, NaN, or a learning rate that is not positive.
        Divergence: as for ``descend``.

    Example:
        >>> step, loss, F = next(descend_frozen([[1.0]], [2.0], 0.5))
        >>> loss
        2.0

    Source: book; chapter acceleration.
    """
    Y, kernel, rate = _targets(Y), np.asarray(kernel, float), _checks.number("learning_rate", learning_rate)
    N = len(Y)
    if kernel.ndim != 2 or kernel.shape[1] not in {N, len(kernel)} or len(kernel) < N:
        raise ValueError(f"kernel must have shape (n, n) with n >= {N}, but its shape is {kernel.shape}.")
    F = np.zeros((len(kernel), Y.shape[1])) if F is None else np.asarray(F, float)
    if F.shape != (len(kernel), Y.shape[1]):
        raise ValueError(f"F must have shape {(len(kernel), Y.shape[1])}, but its shape is {F.shape}.")
    _checks.finite("kernel, Y and F", kernel, Y, F)
    if rate == 0:
        raise ValueError("learning_rate must be positive, but it is 0.")
    return _descend_frozen(kernel[:, :N], Y, rate, loss, F)


def _descend_frozen(
    kernel: np.ndarray, Y: np.ndarray, rate: float, loss: Loss, F: np.ndarray
) -> Iterator[tuple[int, float, np.ndarray]]:
    N, step, first = len(Y), 0, np.inf
    while True:
        with np.errstate(all="ignore"):
            value, chi = loss(F[:N], Y)
            first = value if step == 0 else first
            if not value <= min(BLOW_UP * max(first, 1e-300), sys.float_info.max):
                raise Divergence(step, rate)
            yield step, value, F
            F = F - rate * (kernel @ chi)
        step += 1


def _targets(Y: Any) -> np.ndarray:
    Y = np.asarray(Y, float)
    Y = Y[:, None] if Y.ndim == 1 else Y
    if Y.ndim != 2 or 0 in Y.shape:
        raise ValueError(f"Y must have shape (N, C) or (N,), but its shape is {Y.shape}.")
    return Y
