"""Curves and surfaces in general position whose nearest points are known: data for autoencoders that denoise."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import _checks

TURN = (1.5 * np.pi, 2.6 * np.pi)  # of the spiral t (cos t, sin t)
PATCH = 0.3 * np.pi  # half the two angles of the torus patch
INSIDE = (0.1, 0.9)  # coordinates of test points on a set with edges


def swiss_roll(U: Any) -> np.ndarray:
    """Return points (N, 3) of half a turn of a Swiss roll at coordinates (N, 2) in the unit square.

    Example:
        >>> swiss_roll(np.array([[0.0, 0.5]])).round(2).tolist()
        [[-0.0, -4.71, 4.0]]

    Source: bnlib.
    """
    t = np.sqrt(TURN[0] ** 2 + (TURN[1] ** 2 - TURN[0] ** 2) * U[:, 0])  # nearly even along the spiral
    return np.c_[t * np.cos(t), t * np.sin(t), 8 * U[:, 1]]


def torus_patch(U: Any) -> np.ndarray:
    """Return points (N, 3) of a part of the torus of radii 2 and 1 at coordinates (N, 2) in the unit square.

    Example:
        >>> torus_patch(np.array([[0.5, 0.5]])).tolist()
        [[3.0, 0.0, 0.0]]

    Source: bnlib.
    """
    a, b = (PATCH * (2 * U - 1)).T
    return np.c_[(2 + np.cos(b)) * np.cos(a), (2 + np.cos(b)) * np.sin(a), np.sin(b)]


def circle(U: Any) -> np.ndarray:
    """Return points (N, 2) of the unit circle at coordinates (N, 1), one turn for the unit interval.

    Example:
        >>> circle(np.array([[0.5]])).round(9).tolist()
        [[-1.0, 0.0]]

    Source: bnlib.
    """
    return np.c_[np.cos(2 * np.pi * U[:, 0]), np.sin(2 * np.pi * U[:, 0])]


def half_circle(U: Any) -> np.ndarray:
    """Return points (N, 2) of the unit circle at coordinates (N, 1), half a turn for the unit interval.

    Example:
        >>> half_circle(np.array([[0.5]])).round(9).tolist()
        [[0.0, 1.0]]

    Source: bnlib.
    """
    return circle(U / 2)


def nearest_on_roll(Z: Any) -> np.ndarray:
    """Return the points nearest to Z (N, 3) on the roll, continued by a fifth of a turn at both ends.

    They are found on a fine grid and refined by Newton's method, to a vanishing slope of the distance.

    Raises:
        ValueError: points so far from the roll that Newton's method does not settle.

    Example:
        >>> m = swiss_roll(np.array([[0.3, 0.5]]))
        >>> bool(np.allclose(nearest_on_roll(m), m))
        True

    Source: bnlib.
    """
    grid = np.linspace(TURN[0] - 1.2, TURN[1] + 1.2, 1500)
    spiral = np.c_[grid * np.cos(grid), grid * np.sin(grid)]
    t = grid[np.argmin(np.sum((Z[:, None, :2] - spiral) ** 2, axis=2), axis=1)]
    z = Z[:, 0] + 1j * Z[:, 1]
    slope = np.zeros_like(t)
    for _ in range(6):
        e = np.exp(1j * t)
        c, c1, c2 = t * e, (1 + 1j * t) * e, (2j - t) * e
        slope = np.real(np.conj(c - z) * c1)
        t = t - slope / (np.abs(c1) ** 2 + np.real(np.conj(c - z) * c2))
    if not np.abs(slope).max() < 1e-9:
        raise ValueError("The projection on the roll has not converged: some points lie too far from it.")
    return np.c_[t * np.cos(t), t * np.sin(t), Z[:, 2]]


def nearest_on_torus(Z: Any) -> np.ndarray:
    """Return the points nearest to Z (N, 3) on the whole torus.

    Example:
        >>> nearest_on_torus(np.array([[5.0, 0.0, 0.0]])).tolist()
        [[3.0, 0.0, 0.0]]

    Source: bnlib.
    """
    rim = np.hypot(Z[:, 0], Z[:, 1])
    away = np.c_[rim - 2, Z[:, 2]]
    ring = away / np.linalg.norm(away, axis=1, keepdims=True)
    return np.c_[Z[:, :2] / rim[:, None] * (2 + ring[:, :1]), ring[:, 1:]]


def nearest_on_circle(Z: Any) -> np.ndarray:
    """Return the points nearest to Z (N, 2) on the unit circle.

    Example:
        >>> nearest_on_circle(np.array([[0.0, 3.0]])).tolist()
        [[0.0, 1.0]]

    Source: bnlib.
    """
    return Z / np.linalg.norm(Z, axis=1, keepdims=True)


class Kind(NamedTuple):
    """Hold the points of a surface at coordinates, the nearest points on it, and its dimension."""

    points: Callable[[Any], np.ndarray]
    nearest: Callable[[Any], np.ndarray]
    dim: int


KINDS = {
    "roll": Kind(swiss_roll, nearest_on_roll, 2),
    "torus": Kind(torus_patch, nearest_on_torus, 2),
    "circle": Kind(circle, nearest_on_circle, 1),
    "half circle": Kind(half_circle, nearest_on_circle, 1),
}


class Surface(NamedTuple):
    """Hold a surface in general position in R^d, centred, with E|x|^2 its dimension, and points drawn from it."""

    kind: str
    mean: np.ndarray
    scale: float
    frame: np.ndarray  # (d, 2 or 3), orthonormal columns
    coordinates: np.ndarray  # of the test points, (M, dim)
    X: np.ndarray  # training points, (N, d)
    clean: np.ndarray  # test points, (M, d)
    noise: np.ndarray  # (M, d)

    @property
    def dim(self) -> int:
        """Dimension of the surface."""
        return KINDS[self.kind].dim

    @property
    def noisy(self) -> np.ndarray:
        """Test points with noise, (M, d)."""
        return self.clean + self.noise

    def place(self, Z: Any) -> np.ndarray:
        """Map points (N, 2 or 3) of the space of the surface to R^d."""
        return (Z - self.mean) * self.scale @ self.frame.T

    def inner(self, Y: Any) -> np.ndarray:
        """Map points (N, d) back to the space of the surface; what stands at right angles to it is dropped."""
        return Y @ self.frame / self.scale + self.mean

    def project(self, Y: Any) -> np.ndarray:
        """Return the points of the surface that are nearest to Y (N, d)."""
        return self.place(KINDS[self.kind].nearest(self.inner(Y)))

    def along(self, V: Any) -> np.ndarray:
        """Project vectors (M, d) at the clean test points on the tangent spaces there."""
        points, t = KINDS[self.kind].points, self.coordinates
        ends = [(points(t + e), points(t - e)) for e in 1e-5 * np.eye(self.dim)]
        T = np.stack([self.place(a) - self.place(b) for a, b in ends], 2)
        Q = np.linalg.qr(T)[0]
        return np.einsum("nij,nkj,nk->ni", Q, Q, V)


def draw_surface(kind: str, seed: int, n_train: int, n_test: int, sigma: float, d: int = 20) -> Surface:
    """Draw a frame, training points, and test points with normal noise; test points keep off the edges.

    Args:
        kind: a key of ``KINDS``: "roll", "torus", "circle" or "half circle".
        seed: of the random numbers, which depend on the kind too.
        n_train: number N of training points, without noise.
        n_test: number M of test points.
        sigma: standard deviation of the noise in every direction of R^d.
        d: dimension of the space.

    Raises:
        ValueError: another kind, or a count below 1.

    Example:
        >>> s = draw_surface("circle", 0, 5, 4, 0.1)
        >>> s.X.shape, bool(np.allclose(s.project(s.clean), s.clean))
        ((5, 20), True)

    Source: J22, book; claim autoencoder; chapter autoencoder.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, but it is {kind!r}.")
    _checks.integer("n_train", n_train, 1), _checks.integer("n_test", n_test, 1)
    points, _, k = KINDS[kind]
    rng = np.random.default_rng([seed, *kind.encode()])
    everywhere = points(np.random.default_rng(0).uniform(size=(20_000, k)))
    scale = float(np.sqrt(k / np.sum(everywhere.var(axis=0))))
    frame = np.linalg.qr(rng.normal(size=(d, everywhere.shape[1])))[0]
    low, high = (0.0, 1.0) if kind == "circle" else INSIDE
    inside = rng.uniform(low, high, size=(n_test, k))
    nothing = np.zeros((0, d))
    empty = Surface(kind, everywhere.mean(axis=0), scale, frame, inside, nothing, nothing, nothing)
    X, clean = empty.place(points(rng.uniform(size=(n_train, k)))), empty.place(points(inside))
    return empty._replace(X=X, clean=clean, noise=sigma * rng.normal(size=clean.shape))
