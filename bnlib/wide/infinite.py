"""Infinitely wide networks with a finite bottleneck: frozen kernels, moving points.

F = f o g with wide networks g from inputs to R^d and f from R^d to outputs, in the NTK parametrisation, all weights
and biases standard normal. As the widths grow at fixed d, gradient descent becomes a recursion in function space: the
kernels of f and g are frozen, but f is evaluated at points z_t(x) = g_t(x) that move.

Plain NumPy, in float64 unless a ``WideLayer`` is drawn in float32: derivatives are closed forms and all arrays are
small, so there is nothing to differentiate and compiling would take longer than running. Only erf in float32 is
compiled.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jax import lax
from scipy.special import erf  # JAX requires SciPy, so it is always there

from .. import _checks, _rounding
from .kernels import ACTIVATIONS as ACTIVATIONS
from .kernels import Wide, _covariances, _recursion, _square, kernels
from .kernels import dual as dual
from .kernels import edge as edge
from .kernels import limit_kernel as limit_kernel
from .kernels import ntk_gradient as ntk_gradient
from .kernels import target_norm as target_norm

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

    Source: chapter "Frozen kernels, moving points".
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


class Carrier(Protocol):
    """State what holds f_t: ``WideLayer`` holds weights, ``History`` the points and errors of the past."""

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Return the values (n, C) at points (n, d)."""

    def forward(self, Z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the values at training points, and what ``backward`` needs of them."""

    def backward(self, tape: Any, chi: np.ndarray, rate: float) -> tuple[np.ndarray, "Carrier"]:
        """Return sum_c chi_c grad f_c (N, d) at the points, and f after a step of gradient descent."""


@jax.jit
def _single_erf(u: jax.Array) -> tuple[jax.Array, jax.Array]:
    return lax.erf(u), 2 / np.sqrt(np.pi).astype(u.dtype) * lax.exp(-u * u)


@dataclass(frozen=True)
class WideLayer:
    r"""Hold f as a network of one hidden layer, so wide that its tangent kernel hardly moves.

    .. math:: f(z)=m^{-1/2}v^\top\varphi(\sigma_wUz/\sqrt d+\sigma_bb)

    A step costs O(N m d), whatever happened before. The error against infinite width is of order :math:`m^{-1/2}`,
    far above the rounding of float32, in which steps take about half the time.

    Args:
        net: describes f; one hidden layer.
        U: (m, d).
        v: (m, C).
        b: (m,).

    Example:
        >>> f = WideLayer.draw(Wide(), 2, 64, np.random.default_rng(0))
        >>> f(np.ones((3, 2))).shape
        (3, 1)

    Source: chapter "Frozen kernels, moving points".
    """

    net: Wide
    U: np.ndarray
    v: np.ndarray
    b: np.ndarray

    @classmethod
    def draw(
        cls, net: Wide, d: int, width: int, rng: np.random.Generator, outputs: int = 1, dtype: Any = np.float64
    ) -> "WideLayer":
        """Draw standard normal weights, the same ones in float64 and float32.

        Raises:
            ValueError: a net of more than one hidden layer, or d, width or outputs below 1.
        """
        if net.depth != 1:
            raise ValueError(f"A WideLayer has one hidden layer, but net.depth is {net.depth}; use History.")
        d, width = _checks.integer("d", d, 1), _checks.integer("width", width, 1)
        U, v = rng.normal(size=(width, d)), rng.normal(size=(width, _checks.integer("outputs", outputs, 1)))
        b = rng.normal(size=width) if net.sigma_b else np.zeros(width)
        return cls(net, *_rounding.elsewhere((U.astype(dtype), v.astype(dtype), b.astype(dtype))))

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Return the values (n, C) at points (n, d)."""
        return self.forward(Z)[0]

    def forward(self, Z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the values, and points, features and slopes."""
        Z = Z.astype(self.U.dtype)
        pre = (self.net.sigma_w / float(np.sqrt(Z.shape[1])) * Z) @ self.U.T
        if self.net.sigma_b:
            pre += self.net.sigma_b * self.b
        if self.net.activation == "erf" and self.U.dtype == np.float32:
            phi, slope = (np.asarray(a) for a in _single_erf(pre))  # SciPy computes in double precision
        elif self.net.activation == "erf":
            slope = 2 / np.sqrt(np.pi) * np.exp(-(pre**2))
            phi = erf(pre, out=pre)
        else:  # a factor sqrt(2) of values and slopes is left to products with fewer entries
            slope = pre > 0
            phi = np.maximum(pre, 0, out=pre)
        return self._size * (phi @ self.v), (Z, phi, slope)

    @property
    def _size(self) -> float:
        """Return the factor of phi v, and of phi' v."""
        return float(np.sqrt((2 if self.net.activation == "relu" else 1) / len(self.U)))

    def backward(self, tape: Any, chi: np.ndarray, rate: float) -> tuple[np.ndarray, "WideLayer"]:
        """Return sum_c chi_c grad f_c at the points, and the layer after a step."""
        Z, phi, slope = tape
        chi, scale = chi.astype(self.U.dtype), self._size * self.net.sigma_w / float(np.sqrt(Z.shape[1]))
        back = chi @ self.v.T
        back *= slope
        delta = scale * (back @ self.U)
        if rate == 0:
            return delta, self
        step = rate * self._size
        U = self.U - rate * scale * (back.T @ Z)
        b = self.b - step * self.net.sigma_b * back.sum(0) if self.net.sigma_b else self.b
        return delta, replace(self, U=U, v=self.v - step * (phi.T @ chi), b=b)

    def gradient(self, Z: np.ndarray) -> np.ndarray:
        """Return the gradient (n, d) of a single output."""
        return self.backward(self.forward(Z)[1], np.ones((len(Z), 1)), 0.0)[0]


@dataclass(frozen=True)
class History:
    r"""Hold f exactly at infinite width, as its start minus a sum over all past errors.

    .. math:: f_t(z)=f_0(z)-\eta\sum_{s<t}\sum_i\chi_{s,i}\Theta_f(z,z_{s,i})

    The sum grows with t. With ``merge`` > 0 an error is booked at the last centre of its sample until the sample is
    further than ``merge`` (in the norm divided by the root of d) from it. ``shift`` then adds up
    :math:`\eta\,|\chi|\,|z-\text{centre}|`: the value of f at z differs by at most ``shift`` times the Lipschitz
    constant of the kernel in its second argument, for ReLU without bias
    :math:`(2+2/\pi)\sigma_w^2|z|/d`. The effect on a whole trajectory is seen by halving ``merge``.

    Args:
        start: holds f_0, and stays as it is.
        net: describes f; any depth.
        merge: distance; 0 keeps every point.

    Example:
        >>> f = History(WideLayer.draw(Wide(), 2, 64, np.random.default_rng(0)), Wide())
        >>> value, tape = f.forward(np.ones((3, 2)))
        >>> f.backward(tape, np.ones((3, 1)), 0.1)[1].centres.shape
        (3, 2)

    Source: chapter "Frozen kernels, moving points".
    """

    start: Carrier
    net: Wide
    merge: float = 0.0
    centres: np.ndarray | None = None
    weights: np.ndarray | None = None
    own: np.ndarray | None = None
    shift: float = 0.0

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Return the values (n, C) at points (n, d)."""
        return self.forward(Z)[0]

    def forward(self, Z: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the values, and the kernel at the points."""
        value, tape = self.start.forward(Z)
        if self.centres is None:
            return value, (Z, tape, None)
        kernel = _recursion(self.net, *_covariances(self.net, Z, self.centres))
        return value + kernel.ntk @ self.weights, (Z, tape, kernel)

    def backward(self, tape: Any, chi: np.ndarray, rate: float) -> tuple[np.ndarray, "History"]:
        """Return sum_c chi_c grad f_c at the points, and f with one more step in its sum."""
        Z, below, kernel = tape
        delta, _ = self.start.backward(below, chi, 0.0)
        if kernel is not None and self.centres is not None and self.weights is not None:
            pairs = chi @ self.weights.T
            inner = (kernel.by_c * pairs) @ self.centres + 2 * np.sum(kernel.by_a * pairs, axis=1, keepdims=True) * Z
            delta = delta + self.net.sigma_w**2 / Z.shape[1] * inner
        return delta, (self._after(Z, chi, rate) if rate else self)

    def _after(self, Z: np.ndarray, chi: np.ndarray, rate: float) -> "History":
        if self.centres is None or self.weights is None or self.own is None:
            return replace(self, centres=Z, weights=-rate * chi, own=np.arange(len(Z)))
        far = np.linalg.norm(Z - self.centres[self.own], axis=1)
        new = far > self.merge * np.sqrt(Z.shape[1]) if self.merge else np.ones(len(Z), bool)
        own = self.own.copy()
        own[new] = len(self.centres) + np.arange(np.sum(new))
        weights = np.concatenate([self.weights, np.zeros((int(np.sum(new)), chi.shape[1]))])
        weights[own] -= rate * chi
        centres = np.concatenate([self.centres, Z[new]])
        shift = self.shift + rate * float(np.sum(np.linalg.norm(chi[~new], axis=1) * far[~new]))
        return replace(self, centres=centres, weights=weights, own=own, shift=shift)


Loss = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]


def squared(F: np.ndarray, Y: np.ndarray) -> tuple[float, np.ndarray]:
    r"""Return :math:`\frac1{2N}\sum|F-Y|^2` and its derivative by F.

    Example:
        >>> squared(np.array([[2.0]]), np.array([[0.0]]))
        (2.0, array([[2.]]))

    Source: conventions of the chapters on infinite width.
    """
    error = F - Y
    return float(np.sum(error**2)) / (2 * len(Y)), error / len(Y)


def cross_entropy(F: np.ndarray, Y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean cross-entropy of logits F against class probabilities Y, and its derivative by F.

    Example:
        >>> loss, chi = cross_entropy(np.zeros((1, 2)), np.array([[1.0, 0.0]]))
        >>> chi.tolist()
        [[-0.5, 0.5]]

    Source: conventions of the chapters on infinite width.
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
        >>> rng = np.random.default_rng(0)
        >>> X, f = rng.normal(size=(3, 2)), Wide(activation="erf")
        >>> K, theta = kernels(f, X)
        >>> start = WideLayer.draw(f, 2, 256, rng)
        >>> for state in descend(start, bottleneck(K, 2, rng), theta, [1.0, -1.0, 0.0], 0.5):
        ...     if state.loss < 1e-2:
        ...         break

    Source: claim iw-finite-to-infinite.
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

    Source: chapter "Does a bottleneck accelerate?".
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


def moving_ntk(f: WideLayer, Z: Any, theta_g: Any) -> np.ndarray:
    r"""Return the tangent kernel of f after g for one output, which moves with f and z.

    .. math:: \Theta_t(x,x')=\Theta_f(z,z')+\Theta_g(x,x')\,\nabla f_t(z)\cdot\nabla f_t(z')

    Args:
        f: holds f_t, with one output.
        Z: z_t (N, d).
        theta_g: tangent kernel of g at the same points (N, N).

    Example:
        >>> f = WideLayer.draw(Wide(), 2, 64, np.random.default_rng(0))
        >>> moving_ntk(f, np.eye(2), np.eye(2)).shape
        (2, 2)

    Source: claim iw-alignment.
    """
    slopes = f.gradient(np.asarray(Z, float))
    return kernels(f.net, Z)[1] + np.asarray(theta_g, float) * (slopes @ slopes.T)
