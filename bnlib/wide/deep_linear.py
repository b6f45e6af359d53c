r"""Closed forms for infinitely wide deep linear networks with a bottleneck.

With linear activations the function is :math:`F(x)=w\cdot Ax` with :math:`w\in\mathbb R^d` and A of shape (d, D), and
gradient flow is

.. math:: \dot w=-c_fAr,\qquad\dot A=-c_gwr^T,\qquad r=\sum_i\chi_ix_i .

In the aligned case, :math:`A=au^T` with u an eigenvector (eigenvalue :math:`\lambda`) of the data covariance and target
:math:`bu`, it closes in the scalar :math:`p=w\cdot a`:

.. math:: \dot p=\lambda R(b-p),\qquad R^2=\kappa^2+4\mu^2p^2,\qquad\mu^2=c_fc_g .
"""

from typing import Any

import numpy as np

from .. import _checks


def rates(depth_f: int, depth_g: int, d: int, D: int) -> tuple[float, float]:
    """Return (c_f, c_g) = ((L_f + 1)/d, (L_g + 1)/D), L_f and L_g counting hidden layers.

    Example:
        >>> rates(1, 2, 4, 6)
        (0.5, 0.5)

    Source: L21, book; claim iw-linear-conserved; chapter acceleration.
    """
    depth_f, depth_g = _checks.integer("depth_f", depth_f, 0), _checks.integer("depth_g", depth_g, 0)
    return (depth_f + 1) / _checks.integer("d", d, 1), (depth_g + 1) / _checks.integer("D", D, 1)


# A smaller kappa / R counts as a balanced start.
BALANCED = 1e-9


def _constants(p: float, R: float, b: float, mu: float, lam: float) -> tuple[float, float]:
    """Return (kappa, R_b), or raise when no (w, a) has this p and R."""
    for name, value in (("p", p), ("R", R), ("b", b), ("mu", mu), ("lam", lam)):
        _checks.finite(name, np.asarray(value, float))
    if not (R > 0 and mu > 0 and lam > 0) or 2 * mu * abs(p) > R:
        raise ValueError(
            f"R must be at least 2 mu |p|, mu and lam positive, but R is {R!r}, mu {mu!r}, lam {lam!r} and p {p!r}."
        )
    # As a product: the difference of squares loses digits near balance.
    kappa = float(np.sqrt((R - 2 * mu * abs(p)) * (R + 2 * mu * abs(p))))
    return kappa, float(np.hypot(kappa, 2 * mu * b))


def aligned_product(t: Any, p: float, R: float, b: float, *, mu: float, lam: float = 1.0) -> np.ndarray:
    r"""Return p(t), the solution of the aligned case, for every dimension of the bottleneck.

    .. math:: p=\frac{\kappa}{4\mu}\Bigl(Y-\frac1Y\Bigr),\quad Y=\frac{Y_+-Y_-q}{1-q},\quad
        q=\frac{Y_0-Y_+}{Y_0-Y_-}e^{-\lambda R_bt},\quad Y_\pm=\frac{2\mu b\pm R_b}\kappa

    and for :math:`\kappa=0`, a balanced start, the logistic function
    :math:`b/(1+(b/p_0-1)e^{\mp2\lambda\mu|b|t})`, with minus where p_0 has the sign of b and plus where it has not, or
    :math:`p_0/(1+2\lambda\mu|p_0|t)` for b = 0.

    Args:
        t: times, any shape.
        p: start :math:`p_0=w_0\cdot a_0`.
        R: start :math:`R_0=c_f|a_0|^2+c_g|w_0|^2`, at least 2 mu abs(p).
        b: target.
        mu: :math:`\sqrt{c_fc_g}`.
        lam: eigenvalue of the data covariance, positive.

    Raises:
        ValueError: R below 2 mu abs(p), mu or lam not positive, or a value that is not finite.

    Example:
        >>> aligned_product([0.0, 50.0], 0.1, 1.0, 2.0, mu=0.5).round(9).tolist()
        [0.1, 2.0]

    Source: L21, book; claim iw-linear-closed-form; chapter acceleration.
    """
    t = np.asarray(t, float)
    _checks.finite("t", t)
    kappa, R_b = _constants(p, R, b, mu, lam)
    if b < 0 or (b == 0 and p < 0):  # the equation is odd
        return -aligned_product(t, -p, R, -b, mu=mu, lam=lam)
    if kappa <= BALANCED * R:
        decay = np.exp(-2 * lam * mu * b * t)
        if b == 0:
            return p / (1 + 2 * lam * mu * p * t)
        # From a wrong sign it runs into the saddle p = 0.
        return b * p / (p + (b - p) * decay) if p >= 0 else b * p * decay / (p * decay + (b - p))
    top = (2 * mu * b + R_b) / kappa
    low = -1 / top
    start = (2 * mu * p + R) / kappa if p >= 0 else kappa / (R - 2 * mu * p)
    q = (start - top) / (start - low) * np.exp(-lam * R_b * t)
    Y = (top - low * q) / (1 - q)
    return kappa / (4 * mu) * (Y - 1 / Y)


def aligned_time(end: float, p: float, R: float, b: float, *, mu: float, lam: float = 1.0) -> float:
    r"""Return the time at which the aligned case has come from p to ``end``, between p and its target b.

    .. math:: \lambda t=\frac1{R_b}\log\frac{G(end)}{G(p)},\qquad
        G(p)=\frac{\kappa^2+4\mu^2bp+R_bR(p)}{b-p}\quad(b>0)

    and for a balanced start with the limits of this as :math:`\kappa\to0`.

    Args:
        end: value of p at the end.
        p, R, b, mu, lam: as for ``aligned_product``.

    Raises:
        ValueError: ``end`` not between p and b, or behind 0, which a balanced start of the other sign than b never
            passes; or as for ``aligned_product``.

    Example:
        >>> t = aligned_time(1.0, 0.1, 1.0, 2.0, mu=0.5)
        >>> float(aligned_product(t, 0.1, 1.0, 2.0, mu=0.5).round(9))
        1.0

    Source: L21, book; claim iw-linear-closed-form; chapter acceleration.
    """
    kappa, R_b = _constants(p, R, b, mu, lam)
    if b < 0 or (b == 0 and p < 0):
        return aligned_time(-end, -p, R, -b, mu=mu, lam=lam)
    if not min(p, b) <= end <= max(p, b) or end == b:
        raise ValueError(f"end must lie between p = {p!r} and b = {b!r}, the latter excluded, but it is {end!r}.")
    if kappa <= BALANCED * R:
        if p < 0 <= end:
            raise ValueError(f"A balanced start at p = {p!r} never reaches {end!r}: it runs into the saddle at 0.")
        if b == 0:
            return float((p / end - 1) / (2 * lam * mu * p))
        return float(abs(np.log(end * (b - p) / (p * (b - end)))) / (2 * lam * mu * b))

    def G(value: float) -> float:
        return (kappa**2 + 4 * mu**2 * b * value + R_b * np.hypot(kappa, 2 * mu * value)) / (b - value)

    return float(np.log(G(end) / G(p)) / (lam * R_b))


def bottleneck_ratio(depth_f: int, depth_g: int, target: float, d: float) -> float:
    r"""Return :math:`\rho=\sqrt{1+\gamma H/d}` with :math:`\gamma=4(L_f+1)(L_g+1)/(L_f+L_g+2)`.

    Args:
        depth_f, depth_g: hidden layers of f and g.
        target: H, the squared target in the kernel without bottleneck.
        d: dimension of the bottleneck, positive.

    Raises:
        ValueError: negative depths or target, or d not positive.

    Example:
        >>> bottleneck_ratio(1, 1, 15.0, 20)
        2.0

    Source: L21, book; claim iw-speedup-formula; chapter acceleration.
    """
    over, under = (_checks.integer(name, v, 0) + 1 for name, v in (("depth_f", depth_f), ("depth_g", depth_g)))
    if _checks.number("d", d) == 0:
        raise ValueError("d must be positive, but it is 0.")
    return float(np.sqrt(1 + 4 * over * under / (over + under) * _checks.number("target", target) / d))


def speed_up(rho: float, eps: float) -> float:
    r"""Return the factor by which a bottleneck shortens the time to a loss of eps times the first one.

    .. math:: S=\rho\log\frac1{\sqrt\varepsilon}\Big/\log\frac{1+kx+\rho\sqrt{1+kx^2}}{(1-x)(1+\rho)},\qquad
        k=\rho^2-1,\ x=1-\sqrt\varepsilon

    It tends to 1 as rho does and to rho as eps tends to 0.

    Args:
        rho: from ``bottleneck_ratio``, at least 1.
        eps: in (0, 1).

    Raises:
        ValueError: rho below 1 or eps outside (0, 1).

    Example:
        >>> [round(speed_up(rho, 0.01), 2) for rho in (1.5, 3.0, 10.0)]
        [1.22, 1.86, 4.52]

    Source: L21, book; claim iw-speedup-formula; chapter acceleration.
    """
    if not (rho >= 1 and 0 < eps < 1):
        raise ValueError(f"rho must be at least 1 and eps in (0, 1), but they are {rho!r} and {eps!r}.")
    k, rest = rho**2 - 1, np.sqrt(eps)
    x = 1 - rest
    late = np.log((1 + k * x + rho * np.sqrt(1 + k * x**2)) / (rest * (1 + rho)))
    return float(rho * -np.log(eps) / 2 / late)
