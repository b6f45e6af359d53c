"""Networks built by hand: the upper bounds of the theory."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks, _svd
from ..networks import Network, activations_by_rows, apply, from_layers


def linear_network(A: Any, depth: int, *, domain: Any = None) -> Network:
    r"""Build the cheapest linear factorisation of A, :math:`W_l=U_lS^{1/L}U_{l-1}^T`, with :math:`A=U_LSU_0^T`.

    Without a domain the network is linear (``negative_slope=1``) and U_l for 0 < l < L is the identity. With a
    domain it is a ReLU network: U_l is then an isometry that makes :math:`U_lS^{l/L}U_0^Tx\ge 0` for every point x
    of the domain, so that every ReLU acts as the identity on the cone they span.

    Args:
        A: matrix (d_out, d_in).
        depth: number L of weight matrices.
        domain: points (N, d_in), for instance generators of a cone; None for a linear network.

    Returns:
        A network of squared norm :math:`L\sum_i s_i^{2/L}`, the least possible one.

    Raises:
        ValueError: the image of the domain at some layer is not moved into a positive orthant by the isometries
            tried: a rotation for rank up to 2, changes of sign for higher rank. At rank up to 2 none exists then.

    Example:
        >>> net = linear_network([[4.0, 0.0], [0.0, 1.0]], 2, domain=[[1.0, 0.0], [0.0, 1.0]])
        >>> float(sum((W**2).sum() for W, b in net.layers).round(9)), net.negative_slope
        (10.0, 0.0)

    Source: J23; claim linear-cost; chapter linear.
    """
    return jax.tree.map(jnp.asarray, _linear_network(A, _checks.integer("depth", depth, 1), domain))


@_checks.float64
def _linear_network(A: Any, depth: int, domain: Any) -> Network:
    A = _checks.matrix("A", A)
    U, s, Vt = _svd.svd(A)
    rank = max(1, int(jnp.sum(s > _svd.tolerance(s, A.shape)[0])))
    U, s, Vt = U[:, :rank], s[:rank], Vt[:rank]
    frames = [Vt.T]
    for layer in range(1, depth):
        if domain is None:
            frames.append(jnp.eye(rank))
        else:
            codes = _checks.points("domain", domain, A.shape[1]) @ (Vt.T * s[None, :] ** (layer / depth))
            frames.append(jnp.asarray(_into_orthant(np.asarray(codes), layer)))
    frames.append(U)
    root = s ** (1.0 / depth)
    layers = [(after * root[None, :] @ before.T, None) for before, after in pairwise(frames)]
    return from_layers(layers, negative_slope=1.0 if domain is None else 0.0)


def _into_orthant(codes: np.ndarray, layer: int) -> np.ndarray:
    """Return an orthogonal matrix Q with ``codes @ Q.T >= 0`` up to rounding."""
    slack = 1e-12 * float(np.max(np.abs(codes), initial=0.0))
    if codes.shape[1] == 2:
        angles = np.sort(np.arctan2(codes[:, 1], codes[:, 0])[np.linalg.norm(codes, axis=1) > slack])
        # The widest empty arc separates the two ends of the cone; the middle of the rest goes to 45 degrees.
        arcs = np.diff(np.append(angles, angles[0] + 2 * np.pi)) if len(angles) else np.array([2 * np.pi])
        start = angles[(np.argmax(arcs) + 1) % len(angles)] if len(angles) else 0.0
        turn = np.pi / 4 - (start + (2 * np.pi - np.max(arcs)) / 2)
        Q = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    else:
        Q = np.diag(np.where(np.sum(codes, axis=0) < 0, -1.0, 1.0))
    if np.min(codes @ Q.T, initial=0.0) < -slack:
        raise ValueError(
            f"The image of the domain at layer {layer} is not moved into a positive orthant by a "
            f"{'rotation' if codes.shape[1] == 2 else 'change of signs'}, so a ReLU would change the map."
        )
    return Q


def deepen(net: Network, depth: int, *, rank: int | None = None, X: Any = None) -> Network:
    r"""Insert layers that keep the hidden representation until the network has the given depth.

    Without a rank they are identities on the living neurons and the function does not change: they go after the hidden
    layer with the fewest living neurons, k say, and each adds exactly k to the squared norm. With a rank r they are
    :math:`VV^T`, V the r leading right singular vectors of the hidden representation of X with the least
    :math:`s_{r+1}/s_1`. Each then adds r, or the number of inputs if that is smaller, and the function changes by what
    the representation has beyond rank r.

    Args:
        net: a ReLU or linear network of depth at least 2.
        depth: new depth, at least that of ``net``.
        rank: rank of the inserted layers; None for identities.
        X: inputs (N, d_in), needed with a rank.

    Raises:
        ValueError: a smaller depth, a network without hidden layer, or a rank above the width or without inputs.

    Example:
        >>> net = from_layers([([[2.0]], [1.0]), ([[3.0]], None)])
        >>> deepen(net, 5).depth
        5

    Source: J22, J23; claim rank-sandwich; chapter rank.
    """
    depth = _checks.integer("depth", depth, net.depth)
    if net.first is None or net.hidden is None:
        raise ValueError("A network of depth 1 has no hidden layer after which to insert layers.")
    if net.negative_slope not in (0.0, 1.0):
        raise ValueError("Inserted layers keep the function of ReLU and linear networks only.")
    layers: list[Any] = _checks.on_host(net).layers
    if rank is None:
        living = [np.any(W != 0, axis=1) | (b != 0) for W, b in layers[:-1]]
        after = int(np.argmin([alive.sum() for alive in living]))
        inserted = np.diag(living[after].astype(layers[0][0].dtype))
    else:
        rank = _checks.integer("rank", rank, 1)
        if X is None or rank > net.width:
            raise ValueError(f"Inserting layers of rank {rank} needs inputs X and a width of at least {rank}.")
        _, s, Vt = _svd.svd(_svd.triangle(acts.post for acts in activations_by_rows(net, X)))
        beyond = s[:, rank] if rank < s.shape[1] else np.zeros(len(s), s.dtype)
        after = int(np.argmin(beyond / np.where(s[:, 0] > 0, s[:, 0], 1.0)))
        inserted = Vt[after, :rank].T @ Vt[after, :rank]
    layers = [
        *layers[: after + 1],
        *[(inserted, None)] * (depth - net.depth),
        *layers[after + 1 :],
    ]
    return from_layers(layers, negative_slope=net.negative_slope)


def compose(f: Network, g: Network, *, shift: Any = None, domain: Any = None) -> Network:
    r"""Concatenate two networks: the result has depth L_f + L_g and computes :math:`f(\sigma(g(x)+s)-s)`.

    This is f(g(x)) wherever g(x) + s >= 0. Without a shift the squared norm is the sum of the two.

    Args:
        f, g: networks with the same activation, g.d_out equal to f.d_in.
        shift: vector s of shape (g.d_out,), or None for zero.
        domain: points (N, g.d_in) at which g(x) + s >= 0 is checked; None for no check.

    Raises:
        ValueError: dimensions or activations that do not match, or a point of the domain at which a coordinate of
            g(x) + s is negative, so that a ReLU would cut it off.

    Example:
        >>> f = from_layers([([[2.0]], [1.0])])
        >>> compose(f, f).depth
        2

    Source: J23; claim composition; chapter regularity.
    """
    if g.d_out != f.d_in:
        raise ValueError(f"g has outputs in R^{g.d_out}, but f takes inputs in R^{f.d_in}.")
    slope = _same_activation(f, g)
    s = np.zeros(g.d_out, g.last[1].dtype) if shift is None else _checks.on_host(_checks.floating("shift", shift))
    if s.shape != (g.d_out,):
        raise ValueError(f"shift must have shape ({g.d_out},), but its shape is {s.shape}.")
    _checks.finite("shift", s)
    if domain is not None and slope < 1.0:
        codes = np.asarray(apply(g, domain)) + s[None, :]
        if (least := float(codes.min())) < -1e-12 * float(np.abs(codes).max()):
            raise ValueError(
                f"g(domain) + shift is not positive: at row {int(np.argmin(codes.min(axis=1)))} its coordinate "
                f"{int(np.argmin(codes.min(axis=0)))} goes down to {least:.3g}, and the ReLU between g and f would cut "
                "it off. A larger shift, at its cost, avoids it."
            )
    *before, (Wg, bg) = _checks.on_host(g).layers
    (Wf, bf), *behind = _checks.on_host(f).layers
    layers = [*before, (Wg, bg + s), (Wf, bf - Wf @ s), *behind]
    return from_layers(layers, negative_slope=slope)


def add(f: Network, g: Network) -> Network:
    r"""Put two networks of equal depth side by side: the result computes f(x) + g(x).

    .. math:: \|\theta_{f+g}\|^2=\|\theta_f\|^2+\|\theta_g\|^2+2\langle b_L^f,b_L^g\rangle\quad (L\ge 2)

    Args:
        f, g: networks of the same depth (see ``deepen``), dimensions and activation.

    Raises:
        ValueError: anything of these that differs.

    Example:
        >>> f = from_layers([([[2.0]], [1.0]), ([[1.0]], None)])
        >>> add(f, f).width
        2

    Source: J23, book; claim addition; chapter regularity.
    """
    if (f.depth, f.d_in, f.d_out) != (g.depth, g.d_in, g.d_out):
        raise ValueError(
            "f and g must have the same depth, d_in and d_out, but they have "
            f"{(f.depth, f.d_in, f.d_out)} and {(g.depth, g.d_in, g.d_out)}."
        )
    slope = _same_activation(f, g)
    fs, gs = _checks.on_host(f).layers, _checks.on_host(g).layers
    (Wf, bf), (Wg, bg) = fs[-1], gs[-1]
    if f.depth == 1:
        return from_layers([(Wf + Wg, bf + bg)], negative_slope=slope)
    xp: Any = jnp if _checks.is_traced(f, g) else np
    layers = [(xp.concatenate([fs[0][0], gs[0][0]]), xp.concatenate([fs[0][1], gs[0][1]]))]
    for (W1, b1), (W2, b2) in zip(fs[1:-1], gs[1:-1], strict=True):
        corner = xp.zeros((W1.shape[0], W2.shape[1]), W1.dtype)
        layers.append((xp.block([[W1, corner], [corner.T, W2]]), xp.concatenate([b1, b2])))
    layers.append((xp.concatenate([Wf, Wg], axis=1), bf + bg))
    return from_layers(layers, negative_slope=slope)


def _same_activation(f: Network, g: Network) -> float:
    if f.negative_slope != g.negative_slope:
        raise ValueError(f"f and g have different activations: slopes {f.negative_slope} and {g.negative_slope}.")
    return f.negative_slope


def padded(h: Network, g: Network, depth: int, *, domain: Any, shift: Any = None) -> Network:
    r"""Join an encoder g into R^k and a decoder h by identity layers that carry the code :math:`g(x)+s\ge 0`.

    .. math:: f_\theta = h\circ g \text{ on } \{x: g(x)+s\ge 0\},\qquad
              \|\theta\|^2 = (L-L_g-L_h)\,k + \|\theta_g'\|^2+\|\theta_h'\|^2

    where the primes add s to the last bias of g and :math:`-W_1s` to the first bias of h. Neurons of the code that
    nothing feeds are not carried and cost nothing.

    Args:
        h, g: decoder and encoder, with the same activation and g.d_out equal to h.d_in.
        depth: number L of weight matrices, at least L_g + L_h.
        domain: points (N, d_in) on which the code must not be negative, for instance corners or samples of Omega.
        shift: vector s of shape (k,); None for the least one that serves these points.

    Raises:
        ValueError: the code is negative at a point of the domain, h or g is no network (so perhaps not piecewise
            linear), or dimensions, activations or depth do not fit.

    Example:
        >>> one = from_layers([([[1.0]], None)])
        >>> net = padded(one, one, 6, domain=[[-1.0], [1.0]])
        >>> net.depth, [float(W[0, 0]) for W, b in net.layers], [float(b[0]) for W, b in net.layers]
        (6, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0, 0.0, -1.0])

    Source: J22, J23; claim rank-sandwich; chapter rank.
    """
    if not (isinstance(h, Network) and isinstance(g, Network)):
        raise ValueError(
            "h and g must be networks. A map that is not continuous and piecewise linear with finitely many pieces is "
            "represented by none, so the upper bound does not apply to it."
        )
    depth = _checks.integer("depth", depth, g.depth + h.depth)
    code = np.asarray(apply(g, _checks.points("domain", domain, g.d_in)))
    s = np.maximum(0.0, -code.min(axis=0)) if shift is None else shift
    layers: list[Any] = _checks.on_host(compose(h, g, shift=s, domain=domain)).layers
    W, b = layers[g.depth - 1]
    carry = np.diag((np.any(W != 0, axis=1) | (b != 0)).astype(W.dtype))
    layers[g.depth : g.depth] = [(carry, np.zeros_like(b))] * (depth - len(layers))
    return from_layers(layers, negative_slope=g.negative_slope)
