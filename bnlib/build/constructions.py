"""Networks built by hand: the upper bounds of the theory, and balancing."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _checks, _rounding, _svd
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

    Source: theory id linear-cost.
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

    Source: theory id rank-sandwich.
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

    Source: theory id composition.
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
                "it off. A larger shift, at its price, avoids it."
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

    Source: theory id addition.
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


def balance_residual(net: Network) -> Array:
    r"""Return :math:`A_i-B_i` for every hidden neuron: incoming minus outgoing squared norm.

    .. math:: A_i=\|W_l[i,:]\|^2+b_l[i]^2,\qquad B_i=\|W_{l+1}[:,i]\|^2

    Returns:
        (L-1, width); zero at every stationary point of an objective with a ridge.

    Example:
        >>> balance_residual(from_layers([([[2.0]], None), ([[1.0]], None)])).tolist()
        [[3.0]]

    Source: theory id balance.
    """
    if net.first is None or net.hidden is None:
        return jnp.zeros((0, net.width), net.last[0].dtype)
    return _incoming(net) - _outgoing(net)


def _incoming(net: Network) -> Array:
    assert net.first is not None
    assert net.hidden is not None
    first, hidden = ((W**2).sum(axis=-1) + b**2 for W, b in (net.first, net.hidden))
    return _namespace(net).concatenate([first[None], hidden])


def _outgoing(net: Network) -> Array:
    assert net.hidden is not None
    return _namespace(net).concatenate([(net.hidden[0] ** 2).sum(axis=-2), (net.last[0] ** 2).sum(axis=-2)[None]])


def _namespace(net: Network) -> Any:
    """Return ``numpy`` for a network of NumPy arrays, else ``jax.numpy``."""
    return net.last[0].__array_namespace__()


def balance(net: Network, *, tolerance: float = 1e-12, max_steps: int = 100) -> Network:
    r"""Rescale every neuron so that its incoming and outgoing norms agree; the function does not change.

    First every neuron that lies on no path of non-zero weights from an input or a bias to an output is zeroed. Then
    sweeps over odd and even layers, each followed by a step of Newton's method, find the unique minimum of the squared
    norm over all rescalings by :math:`e^{\tau_i}`, a convex function of tau. This is done in float64, whatever the type
    of the network, which comes back in it (float64 where jax_enable_x64 is on).

    Args:
        net: the network.
        tolerance: largest balance residual accepted, relative to the largest squared norm of a neuron.
        max_steps: Newton steps after which to give up.

    Raises:
        RuntimeError: the tolerance is not reached.

    Example:
        >>> net = balance(from_layers([([[4.0]], None), ([[1.0]], None)]))
        >>> [round(float(W[0, 0]), 9) for W, b in net.layers]
        [2.0, 2.0]

    Source: theory id balance.
    """
    if net.first is None or net.hidden is None:
        return net
    dtype = net.last[0].dtype
    even = _drop_dead(jax.tree.map(lambda a: np.asarray(a, np.float64), net))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # then the tolerance is not reached
        for count in range(max_steps + 1):
            if np.max(np.abs(balance_residual(even))) <= tolerance * np.max(_incoming(even)):
                return _rounding.elsewhere(jax.tree.map(lambda a: jnp.asarray(a.astype(dtype)), even))
            if count < max_steps:
                even = _step(even)
    raise RuntimeError(f"Balancing did not reach the tolerance {tolerance} in {max_steps} Newton steps.")


def _step(net: Network) -> Network:
    """Balance odd, then even layers, and take a step of Newton's method."""
    for parity in (0, 1):
        net = rescale(net, balancing_factors(net, parity))
    tau = _newton_direction(net)
    # Shorten far steps: where no exponent moves by more than one, the quadratic model is of the right size.
    return rescale(net, np.exp(tau / max(1.0, 2 * np.max(np.abs(tau)))))


def _newton_direction(net: Network) -> np.ndarray:
    """Solve for the step in tau: A + B on the diagonal and -W^2 between neighbouring layers, a layer at a time."""
    assert net.hidden is not None
    A, B = _incoming(net), _outgoing(net)
    diagonal, right = np.where(A + B > 0, A + B, 1.0), (B - A) / 2
    coupling = np.asarray(net.hidden[0]) ** 2
    blocks, ys = [np.diag(diagonal[0])], [right[0]]
    for d, r, C in zip(diagonal[1:], right[1:], coupling, strict=True):
        solved = np.linalg.solve(blocks[-1], np.column_stack([C.T, ys[-1]]))
        blocks.append(np.diag(d) - C @ solved[:, :-1])
        ys.append(r + C @ solved[:, -1])
    taus = [np.linalg.solve(blocks[-1], ys[-1])]
    for block, y, C in zip(blocks[-2::-1], ys[-2::-1], coupling[::-1], strict=True):
        taus.append(np.linalg.solve(block, y + C.T @ taus[-1]))
    return np.stack(taus[::-1])


def balancing_factors(net: Network, parity: int, *, floor: float = 0.0) -> Array:
    """Return the factors that balance the hidden layers of one parity against their neighbours, 1 elsewhere.

    Args:
        net: a network of depth at least 2.
        parity: 0 for hidden layers 1, 3, ..., 1 for 2, 4, ...
        floor: neurons with a squared norm at or below it are left alone.

    Returns:
        (L-1, width) positive factors for ``rescale``.

    Example:
        >>> balancing_factors(from_layers([([[4.0]], None), ([[1.0]], None)]), 0).tolist()
        [[0.5]]

    Source: theory id balance.
    """
    A, B = _incoming(net), _outgoing(net)
    xp = _namespace(net)
    usable = (xp.minimum(A, B) > floor) & (xp.arange(len(A)) % 2 == parity)[:, None]
    return xp.where(usable, (xp.where(usable, B, 1.0) / xp.where(usable, A, 1.0)) ** 0.25, 1.0)


def rescale(net: Network, t: Array) -> Network:
    """Multiply the incoming weights and bias of every hidden neuron by t > 0 and its outgoing weights by 1/t.

    Args:
        net: a network of depth at least 2.
        t: (L-1, width) positive factors.

    Example:
        >>> net = from_layers([([[4.0]], [2.0]), ([[1.0]], None)])
        >>> [(W.tolist(), b.tolist()) for W, b in rescale(net, jnp.array([[0.5]])).layers]
        [([[2.0]], [1.0]), ([[2.0]], [0.0])]

    Source: theory id balance.
    """
    assert net.first is not None
    assert net.hidden is not None
    first = (net.first[0] * t[0][:, None], net.first[1] * t[0])
    hidden = (net.hidden[0] * t[1:, :, None] / t[:-1, None, :], net.hidden[1] * t[1:])
    return Network(first, hidden, (net.last[0] / t[-1][None, :], net.last[1]), net.negative_slope)


def _drop_dead(net: Network) -> Network:
    """Zero every neuron on no path of non-zero weights from an input or a bias to an output."""
    reached: list[Any] = [np.ones(net.d_in, bool)]
    for W, b in net.layers[:-1]:
        reached.append((W[:, reached[-1]] != 0).any(axis=1) | (b != 0))
    used: list[Any] = [np.ones(net.d_out, bool)]
    for W, _ in net.layers[:0:-1]:
        used.append((W[used[-1]] != 0).any(axis=0))
    alive = np.array(reached[1:]) & np.array(used[:0:-1])
    assert net.first is not None
    assert net.hidden is not None
    return Network(
        (net.first[0] * alive[0][:, None], net.first[1] * alive[0]),
        (net.hidden[0] * alive[1:, :, None] * alive[:-1, None, :], net.hidden[1] * alive[1:]),
        (net.last[0] * alive[-1][None, :], net.last[1]),
        net.negative_slope,
    )


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

    Source: theory id rank-sandwich; chapter: rank.
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
