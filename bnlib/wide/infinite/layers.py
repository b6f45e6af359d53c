"""The network behind the bottleneck as one very wide hidden layer: its values, its gradients, a step of its weights."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import jax
import numpy as np
from jax import lax
from scipy.special import erf  # JAX requires SciPy, so it is always there

from ... import _checks, _rounding
from ..kernels import Wide, kernels


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

    Source: L21, book; chapter moving_points.
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

    Source: L21, book; claim iw-alignment; chapter infinite_features.
    """
    slopes = f.gradient(np.asarray(Z, float))
    return kernels(f.net, Z)[1] + np.asarray(theta_g, float) * (slopes @ slopes.T)
