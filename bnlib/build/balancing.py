"""Balancing: the scaling of every neuron at which its incoming and outgoing norms agree."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _rounding
from ..networks import Network


def balance_residual(net: Network) -> Array:
    r"""Return :math:`A_i-B_i` for every hidden neuron: incoming minus outgoing squared norm.

    .. math:: A_i=\|W_l[i,:]\|^2+b_l[i]^2,\qquad B_i=\|W_{l+1}[:,i]\|^2

    Returns:
        (L-1, width); zero at every stationary point of an objective with a ridge.

    Example:
        >>> from bnlib import from_layers
        >>> balance_residual(from_layers([([[2.0]], None), ([[1.0]], None)])).tolist()
        [[3.0]]

    Source: J23; claim balance; chapter cost.
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
        >>> from bnlib import from_layers
        >>> net = balance(from_layers([([[4.0]], None), ([[1.0]], None)]))
        >>> [round(float(W[0, 0]), 9) for W, b in net.layers]
        [2.0, 2.0]

    Source: J23; claim balance; chapter cost.
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
        >>> from bnlib import from_layers
        >>> balancing_factors(from_layers([([[4.0]], None), ([[1.0]], None)]), 0).tolist()
        [[0.5]]

    Source: J23; claim balance; chapter cost.
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
        >>> from bnlib import from_layers
        >>> net = from_layers([([[4.0]], [2.0]), ([[1.0]], None)])
        >>> [(W.tolist(), b.tolist()) for W, b in rescale(net, jnp.array([[0.5]])).layers]
        [([[2.0]], [1.0]), ([[2.0]], [0.0])]

    Source: J23; claim balance; chapter cost.
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
