r"""How far the outputs of a network may be from its exact values by rounding alone.

Layer l computes :math:`z_i=\sum_jW_{ij}h_j+b_i` with n products. Let p be the unit roundoff of their factors, q that of
what is stored and u that of the sums, which are of 32 bits. Each factor has a relative error of at most p, each of the
n+1 partial sums one of at most :math:`u\,a_i`, :math:`a_i=\sum_j|W_{ij}h_j|+|b_i|`, the bias and the result one of at
most q. A number that is uniform between -c and c is sub-Gaussian with variance :math:`c^2/3`. So if these errors are
independent and uniform within their bounds, in the manner of Higham and Mary, those that :math:`z_i` has for itself are
together sub-Gaussian with variance

.. math:: s_i^2=\tfrac13\Big(p^2\sum_jW_{ij}^2h_j^2+(n+1)u^2a_i^2+q^2(z_i^2+b_i^2)\Big).

The error of :math:`h_j` is one and the same for all :math:`z_i`, so that it comes to an output by the sum of its ways.
With J the derivative of the output by the :math:`z_i` of layer l, the error of the output is, to first order,
sub-Gaussian with variance

.. math:: \sum_l\Big(\sum_iJ_{l,i}^2s_{l,i}^2+\tfrac13p^2\sum_j(J_lW_l)_j^2h_{l,j}^2\Big).

In layers of low rank these ways can be of one sign, and the second sum n times what it would be if each :math:`z_i` had
an :math:`h_j` of its own. All M outputs that are compared are within :math:`\sqrt{2\ln(2M/\delta)}` deviations with a
probability of at least :math:`1-\delta`.

A layer may keep a share of its last z, which its new z then begins with. The kept part is a product of two stored
numbers, and the rest may have been scaled before it is added, as by a leak; so :math:`s_i^2` has one product more among
its sums, and :math:`q^2` times twice the square of the kept part and that of the rest as well. The kept share is one
more way to the output: J of a layer is then that of the next times its W and its slopes, and its share.

So the bound grows with the widths and the depth as far as the layers at hand let errors grow. For layers of size n that
keep lengths it is about :math:`u\sqrt{nL}` of the length of an input for float32. A fixed number would be too large for
a small network, where another slope would pass, and too small for a deep one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Layers = Sequence[tuple[np.ndarray, np.ndarray | None]]
Skip = float | Sequence[float]  # share of its state that every square hidden layer keeps, or that of each layer

U = 2.0**-24  # unit roundoff of the sums
MOST = 0.05  # of the spread of outputs: a larger difference is none of rounding that leaves anything to compare
MOST_NUMBERS = 2**22  # of the derivatives that are held at a time
FAILURE = 1e-6  # probability with which any output of a right reading may be outside


class Format(NamedTuple):
    """Hold the numbers that a model computes with: unit roundoffs of the factors of products, and of what is stored.

    ``least`` is half the distance of its numbers near 0, an absolute error beside the relative ones.
    """

    name: str
    factors: float
    stored: float
    least: float = 0.0


SINGLE = Format("float32", U, U)
TF32 = Format("factors of 10 bits (TF32)", 2.0**-11, U)
HALF = Format("float16", 2.0**-11, 2.0**-11, 2.0**-25)
BRAIN = Format("bfloat16", 2.0**-8, 2.0**-8)


def formats(kind: str) -> tuple[Format, ...]:
    """Return what outputs of a type may have been computed with, the finest first.

    Graphics processors take factors of 10 bits for float32 where they are told to; float64 comes from no such device.
    """
    if "bfloat16" in kind:
        return (BRAIN,)
    if "float16" in kind:
        return (HALF,)
    return (SINGLE, TF32) if "float32" in kind else (SINGLE,)


def kept(layers: Layers, skip: Skip) -> list[float]:
    """Return the share of its state, the values before the last activation, that each of the layers keeps."""
    if not isinstance(skip, float):
        return list(skip)
    hidden = [0 < i < len(layers) - 1 for i in range(len(layers))]
    return [skip if inner and len(W) == len(W.T) else 0.0 for inner, (W, _) in zip(hidden, layers, strict=True)]


def rounding(layers: Layers, slope: float, X: np.ndarray, form: Format, count: int, skip: Skip = 0.0) -> np.ndarray:
    """Return bounds (N, d_out) on the errors of the outputs before a last function, to first order.

    Args:
        layers: (W, b), (out, in).
        slope: of the activation on negative numbers.
        X: inputs (N, d_in).
        form: what the model computes with.
        count: number of outputs that are compared, which are all to be within the bounds.
        skip: what layers keep of their state.
    """
    size = layers[-1][0].shape[0] * max(W.shape[1] for W, _ in layers)
    rows = max(1, MOST_NUMBERS // size)
    return np.concatenate(
        [_rounding(layers, slope, X[i : i + rows], form, count, skip) for i in range(0, len(X), rows)]
    )


def _rounding(layers: Layers, slope: float, X: np.ndarray, form: Format, count: int, skip: Skip) -> np.ndarray:
    deviations = np.sqrt(2 * np.log(2 * count / FAILURE))
    t, shares = form.least**2, kept(layers, skip)
    own, shared, slopes, met = [], [], [], np.zeros(X.shape)
    h, z, past = X, X, met
    for (W, b), share in zip(layers, shares, strict=True):
        b = np.zeros(len(W)) if b is None else b
        last, z, a = share * z if share else 0.0, h @ W.T + b, np.abs(h) @ np.abs(W).T + np.abs(b)
        s = h**2 @ (form.factors**2 * W**2 + t).T + form.stored**2 * bool(share) * (2 * last**2 + z**2)
        z = z + last
        s = s + (len(W.T) + bool(share) + 1) * U**2 * (a + np.abs(last)) ** 2
        own.append((s + form.stored**2 * (z**2 + b**2) + 2 * t) / 3)
        shared.append((form.factors**2 * h**2 + t) / 3)
        met = own[-1] + (shared[-1] + met) @ (W**2).T  # as if independent: only to find what may cross the kink
        met = past = met + share**2 * past if share else met
        slopes.append(np.where((z > 0) | (z**2 < deviations**2 * met), 1.0, slope))
        met = met * slopes[-1] ** 2
        h = np.where(z > 0, z, slope * z)
    total = np.zeros(own[-1].shape)
    J = np.broadcast_to(np.eye(total.shape[1]), (*total.shape, total.shape[1]))
    for i in range(len(layers) - 1, -1, -1):
        total = total + np.einsum("nki,ni->nk", J**2, own[i])
        back = J @ layers[i][0]
        total += np.einsum("nkj,nj->nk", back**2, shared[i])
        J = back * slopes[i - 1][:, None, :] + (shares[i] * J if shares[i] else 0.0) if i else back
    return deviations * np.sqrt(total)


def behind(bound: np.ndarray, final: str, Y: np.ndarray, form: Format) -> np.ndarray:
    """Return the bound behind the last function of a model, whose values Y are rounded once more.

    Those of ``softmax`` and its logarithm move by at most twice the largest error of their arguments, those of the
    others by at most the error of their own; their exponentials have errors of a few units.
    """
    if "softmax" in final:
        bound = 2 * bound.max(axis=1, keepdims=True)
    return bound + (8 * form.stored * np.maximum(np.abs(Y), 1) if final else form.stored * np.abs(Y))


def written(Y: np.ndarray) -> float:
    """Return half a unit of the last decimal of outputs that were written with at most eight, else 0."""
    for decimals in range(1, 9):
        if np.array_equal(np.round(Y, decimals), Y) and np.any(np.round(Y, decimals - 1) != Y):
            return 0.5 * 10.0**-decimals
    return 0.0
