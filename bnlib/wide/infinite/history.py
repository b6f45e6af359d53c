"""The network behind the bottleneck at infinite width: its start, and the points and errors of all steps since."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..kernels import Wide, _covariances, _recursion
from .layers import Carrier


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
        >>> from bnlib.wide.infinite import WideLayer
        >>> f = History(WideLayer.draw(Wide(), 2, 64, np.random.default_rng(0)), Wide())
        >>> value, tape = f.forward(np.ones((3, 2)))
        >>> f.backward(tape, np.ones((3, 1)), 0.1)[1].centres.shape
        (3, 2)

    Source: L21, book; chapter moving_points.
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
