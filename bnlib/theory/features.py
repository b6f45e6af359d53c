"""What a bottleneck in the weights does to representations: codes that stand still, and features of few dimensions."""

from typing import Any, NamedTuple

import numpy as np

from .. import _checks, _svd
from ..networks import Network, activations, each
from .certificates import BottleneckCertificate
from .spectra import participation_ratio


class CodeTerms(NamedTuple):
    r"""Hold the terms of the theorem of still codes: (L-1, N) arrays over hidden layers and inputs.

    Attributes:
        moved: :math:`\|z_l-z_{l-1}\|^2`, by how much the layer moves the code.
        cut: :math:`\|\tilde\alpha_l-\alpha_l\|^2`, what the activation removes.
        off: :math:`\|\alpha_l-V_lz_l\|^2`, how far the representation is from the frame.
        size: :math:`\|\alpha_{l-1}\|^2+1`.
        error: :math:`\|e_l\|^2` with :math:`e_l=(W_l-V_lV_{l-1}^T)\alpha_{l-1}+b_l`.
        delta: :math:`\delta_l^2`, the distance of the layer to a partial isometry.
        bound: :math:`E_k(x)`, of shape (N,).
    """

    moved: np.ndarray
    cut: np.ndarray
    off: np.ndarray
    size: np.ndarray
    error: np.ndarray
    delta: np.ndarray
    bound: np.ndarray

    @property
    def left(self) -> np.ndarray:
        """The left side of the theorem, which is equal to ``error`` for ReLU."""
        return self.moved + self.cut + self.off

    @property
    def shares(self) -> np.ndarray:
        """The shares q_l, whose sum over the layers is at most ``bound``."""
        return self.left / self.size


class FeatureBounds(NamedTuple):
    r"""Hold both sides (left, right) of the bounds on the dimension of features; see ``feature_bounds``.

    Attributes:
        plain: :math:`\mathrm{dist}_k(\tilde Z_l)^2\le\delta_l(x_0)^2(\|A_{l-1}\|_F^2+N)`: (1, L-1) and (N, L-1), a row
            for every x_0.
        centred: :math:`\mathrm{dist}_k(\tilde Z_lH)^2\le\|W_l-V_lV_{l-1}^T\|_F^2\|A_{l-1}H\|_F^2`, likewise.
        cut: :math:`\sum_{l<L}\|\tilde\alpha_l-\alpha_l\|^2/(\|\alpha_{l-1}\|^2+1)\le E_k(x)`: (N,) and (N,).
        after: :math:`\mathrm{dist}_k(A_l)\le\mathrm{dist}_k(\tilde Z_l)+\|\tilde Z_l-A_l\|_F`: (L-1,) and (L-1,).
        participation: the participation ratio of the pre-activations and :math:`k/(1-\tau)^2`, likewise.
    """

    plain: tuple[np.ndarray, np.ndarray]
    centred: tuple[np.ndarray, np.ndarray]
    cut: tuple[np.ndarray, np.ndarray]
    after: tuple[np.ndarray, np.ndarray]
    participation: tuple[np.ndarray, np.ndarray]


def centred(A: Any) -> np.ndarray:
    """Subtract the mean over inputs.

    Args:
        A: (..., N, d), one row an input.

    Example:
        >>> centred([[1.0], [3.0]]).tolist()
        [[-1.0], [1.0]]

    Source: J22, J23; claim low-dim-features; chapter features.
    """
    A = np.asarray(A)
    return A - np.mean(A, axis=-2, keepdims=True)


def _squares(a: np.ndarray) -> np.ndarray:
    return np.sum(a**2, axis=-1)


@_checks.float64
def code_terms(net: Network, X: Any, certificate: BottleneckCertificate) -> CodeTerms:
    r"""Return the terms of the theorem of still codes, with the frames of a certificate.

    .. math:: \|z_l-z_{l-1}\|^2+\|\tilde\alpha_l-\alpha_l\|^2+\|\alpha_l-V_lz_l\|^2
              =\|e_l\|^2\le\delta_l^2(\|\alpha_{l-1}\|^2+1),\qquad z_l=V_l^T\alpha_l

    for every hidden layer of a ReLU network, and the sum of the shares of all of them is at most E_k(x).

    Args:
        net: a network of depth at least 2, or an ensemble.
        X: inputs (N, d_in), for an ensemble (E, N, d_in).
        certificate: from ``bottleneck_certificate`` for a batch of N inputs: these same ones, unless the frames of
            others are wanted.

    Returns:
        The terms, for an ensemble with a leading axis E.

    Example:
        >>> from bnlib import bottleneck_certificate, from_layers
        >>> net, X = from_layers([([[1.0], [-1.0]], [0.0, -1.0]), ([[1.0, 0.0]], None)]), np.ones((1, 1))
        >>> terms = code_terms(net, X, bottleneck_certificate(net, X, 1))
        >>> terms.cut.round(9).tolist(), terms.shares.round(9).tolist(), terms.bound.round(9).tolist()
        ([[4.0]], [[2.0]], [2.0])

    Source: J22, book; claim still-code; chapter features.
    """
    pre, post, _ = map(np.asarray, each(net, activations, X))
    certificate = _checks.on_host(certificate)
    X, V0, V = np.asarray(X), certificate.frames[0], np.moveaxis(certificate.frames[1], -3, -4)
    first = np.einsum("...ik,...i->...k", V0, X)[..., None, :, :]
    z = np.concatenate([first, np.einsum("...ik,...i->...k", V, post)], axis=-3)
    before, after = z[..., :-1, :, :], z[..., 1:, :, :]
    return CodeTerms(
        moved=_squares(after - before),
        cut=_squares(pre - post),
        off=_squares(post - np.einsum("...ik,...k->...i", V, after)),
        size=_sizes(X, post) + 1.0,
        error=_squares(pre - np.einsum("...ik,...k->...i", V, before)),
        delta=np.swapaxes(certificate.per_layer, -1, -2)[..., :-1, :],
        bound=certificate.rhs,
    )


def _sizes(X: np.ndarray, post: np.ndarray) -> np.ndarray:
    """Return the squared sizes of what hidden layers get as inputs, (..., L-1, N)."""
    return np.concatenate([_squares(X)[..., None, :], _squares(post)[..., :-1, :]], axis=-2)


@_checks.float64
def feature_bounds(net: Network, X: Any, certificate: BottleneckCertificate) -> FeatureBounds:
    r"""Return both sides of the bounds on the dimension of the features of a batch, in every hidden layer.

    Rows of :math:`\tilde Z_l` and :math:`A_l` are the pre-activations and activations of the inputs,
    :math:`\mathrm{dist}_k` is the distance to the nearest matrix of rank k, and k is that of the certificate. Where the
    Jacobian of an input has a rank below k, its rows say nothing.

    Args:
        net: a ReLU network of depth at least 2, or an ensemble.
        X: inputs (N, d_in), for an ensemble (E, N, d_in).
        certificate: from ``bottleneck_certificate`` for these inputs.

    Returns:
        The sides, for an ensemble with a leading axis E.

    Example:
        >>> from bnlib import bottleneck_certificate, from_layers
        >>> net, X = from_layers([(np.diag([1.0, 0.5]), None), (np.eye(2), None)]), np.ones((2, 2))
        >>> left, right = feature_bounds(net, X, bottleneck_certificate(net, X, 1)).plain
        >>> left.round(9).tolist(), right.round(9).tolist()
        ([[0.0]], [[1.5], [1.5]])

    Source: J22, J23; claim low-dim-features; chapter features.
    """
    certificate = _checks.on_host(certificate)
    k = certificate.stretches.shape[-1]
    pre, post, _ = map(np.asarray, each(net, activations, X))
    X = np.asarray(X)
    sizes, lost = _sizes(X, post), _squares(pre - post)
    spread = [np.sum(centred(X) ** 2, axis=(-2, -1))[..., None], np.sum(centred(post) ** 2, axis=(-2, -1))[..., :-1]]
    delta, biases = certificate.per_layer[..., :-1], _bias_norms(net)
    plain, around, after = (_svd.values(Z) ** 2 for Z in (pre, centred(pre), post))
    beyond, total = np.sum(plain[..., k:], axis=-1), np.sum(plain, axis=-1)
    # Of what is far from rank k the bound says little, of zeros nothing.
    tau = np.minimum(beyond / np.maximum(total, 1e-300), 1 - 1e-6)
    return FeatureBounds(
        plain=(beyond[..., None, :], delta * (np.sum(sizes, axis=-1) + X.shape[-2])[..., None, :]),
        centred=(
            np.sum(around[..., k:], axis=-1)[..., None, :],
            (delta - biases[..., None, :]) * np.concatenate(spread, axis=-1)[..., None, :],
        ),
        cut=(np.sum(lost / (sizes + 1.0), axis=-2), certificate.rhs),
        after=(np.sum(after[..., k:], axis=-1) ** 0.5, beyond**0.5 + np.sum(lost, axis=-1) ** 0.5),
        participation=(participation_ratio(pre), k / (1 - tau) ** 2),
    )


def _bias_norms(net: Network) -> np.ndarray:
    """Return the squared norms of the biases of the hidden layers, (..., L-1)."""
    assert net.first is not None
    assert net.hidden is not None
    first, hidden = _squares(np.asarray(net.first[1])), _squares(np.asarray(net.hidden[1]))
    return np.concatenate([first[..., None], hidden], axis=-1)
