"""What it costs to compute a constant."""

import numpy as np

from .. import _checks

LARGEST = 5 / 2**0.5


def constant_cost(c: float, depth: int) -> float:
    r"""Return the representation cost :math:`R_L(c)` of a constant of norm c, at no rank and any width.

    .. math:: R_L(c)=\begin{cases}c^2&L=1\text{ or }c\le1\\2c-1&L=2\text{ or }c\le2\\
              \mu^2+3\mu^{-2}-1,\;\mu+\mu^{-3}=c,\;\mu\le1&\text{else}\end{cases}

    The last case, three layers with a bias, is known to be the cost at depth 3, and beyond it for c up to
    :math:`5/\sqrt2`.

    Args:
        c: norm of the constant, not negative.
        depth: number L of weight matrices.

    Raises:
        ValueError: a negative c, or one for which there is no closed form at this depth.

    Example:
        >>> [constant_cost(c, 4) for c in (0.5, 1.5)]
        [0.25, 2.0]

    Source: book; claim constants; chapter regularity.
    """
    c, depth = _checks.number("c", c), _checks.integer("depth", depth, 1)
    if depth == 1 or c <= 1:
        return c**2
    if depth == 2 or c <= 2:
        return 2 * c - 1
    if depth > 3 and c > LARGEST:
        raise ValueError(f"Beyond depth 3 the closed form holds up to c = {LARGEST:.4f}, but c is {c}.")
    roots = np.roots([1, -c, 0, 0, 1])  # mu^4 - c mu^3 + 1 = 0
    real = roots.real[np.abs(roots.imag) < 1e-9]
    mu = real[(real > 0) & (real <= 1 + 1e-9)].max()
    return float(mu**2 + 3 / mu**2 - 1)
