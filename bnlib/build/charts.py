"""Piecewise linear surfaces in general position, and the exact autoencoders that return their points."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

FOLDS = 6


class Chart(NamedTuple):
    r"""Hold the surface :math:`h(t)=B(t,\varphi(t))` and the code :math:`g(x)=t+\Gamma(u-\varphi(t))`, (t, u) = x/B.

    With :math:`\varphi(t)=\text{bend}\,\sigma(\text{fold}\,t+\text{where})`, and :math:`\Gamma(v)=Cv`, or
    :math:`C\sigma(v)` if the chart is kinked. Points stand in rows and may be complex.
    """

    B: np.ndarray  # (d, d), invertible
    bend: np.ndarray  # (d-k, FOLDS)
    fold: np.ndarray  # (FOLDS, k)
    where: np.ndarray  # (FOLDS,)
    C: np.ndarray  # (k, d-k)
    kinked: bool = False
    leak: float = 0.0  # of one dimension more than the surface has; the autoencoder stays exact on the surface
    gain: float = 1.0  # of its output; exact for 1 alone

    @property
    def dim(self) -> int:
        """Dimension k of the surface."""
        return self.fold.shape[1]

    def surface(self, t: Any) -> np.ndarray:
        """Return the points h(t) of the surface, (N, d), at coordinates (N, k)."""
        return np.c_[t, _relu(t @ self.fold.T + self.where) @ self.bend.T] @ self.B.T

    def split(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return t and the distance u - phi(t) from the surface, (N, k) and (N, d-k), of points (N, d)."""
        y = np.linalg.solve(self.B, x.T).T
        t = y[:, : self.dim]
        return t, y[:, self.dim :] - np.linalg.solve(self.B, self.surface(t).T).T[:, self.dim :]

    def autoencoder(self, x: Any) -> np.ndarray:
        """Return f(x) = h(g(x)) at points (N, d); with a leak or a gain, a broken version of it."""
        t, v = self.split(x)
        found = self.surface(t + (_relu(v) if self.kinked else v) @ self.C.T)
        return self.gain * (found + self.leak * v[:, -1:] * self.B[:, -1])

    def flat_point(self, rng: np.random.Generator, tries: int = 200) -> np.ndarray:
        """Draw coordinates in [-1, 1]^k and return those farthest from all folds, as one row (1, k)."""
        t = rng.uniform(-1, 1, size=(tries, self.dim))
        return t[[np.argmax(np.abs(t @ self.fold.T + self.where).min(axis=1))]]


def random_chart(rng: np.random.Generator, k: int, d: int, *, kinked: bool = False) -> Chart:
    """Draw a piecewise linear surface of dimension k in R^d with an exact autoencoder of inner dimension k.

    Args:
        rng: the random numbers.
        k: dimension of the surface, at least 1 and below d.
        d: dimension of the space.
        kinked: whether the autoencoder has a kink all along the surface.

    Raises:
        ValueError: k out of range.

    Example:
        >>> chart = random_chart(np.random.default_rng(0), 1, 3)
        >>> m = chart.surface(np.array([[0.2]]))
        >>> bool(np.allclose(chart.autoencoder(m), m))
        True

    Source: J22, book; claim autoencoder; chapter autoencoder.
    """
    if not 1 <= k < d:
        raise ValueError(f"k must be at least 1 and below d = {d}, but it is {k}.")
    (U, _), (V, _) = (np.linalg.qr(rng.normal(size=(d, d))) for _ in range(2))
    B = U * rng.uniform(0.5, 2, size=d) @ V
    bend, fold, where, C = (rng.normal(size=shape) for shape in ((d - k, FOLDS), (FOLDS, k), (FOLDS,), (k, d - k)))
    return Chart(B, bend, fold, where, C, kinked)


def complex_step_jacobian(function: Callable[[np.ndarray], np.ndarray], at: Any) -> np.ndarray:
    r"""Return the Jacobian of a function of rows at one point, by :math:`\operatorname{Im}f(x+ihe_j)/h`.

    With h = 1e-30 it costs no digits, and the step crosses no fold of the real part.

    Args:
        function: from (N, d) to (N, m), analytic near the point; it must take complex rows.
        at: the point, (1, d).

    Returns:
        (m, d).

    Example:
        >>> complex_step_jacobian(lambda x: x**2, np.array([[3.0]])).tolist()
        [[6.0]]

    Source: bnlib.
    """
    h = 1e-30
    return np.imag(function(at + h * 1j * np.eye(at.shape[1]))).T / h


def _relu(z: Any) -> np.ndarray:
    """Return max(z, 0), and for z with a small imaginary part its derivative times that part."""
    return z * (z.real > 0)
