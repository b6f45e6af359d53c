"""Starts of training that already have a code of a given dimension."""

from typing import Any

import jax
import jax.numpy as jnp

from .. import _checks
from ..build.constructions import padded
from ..networks import Network, from_layers, init
from .run import train


def coded_start(
    key: Any,
    X: Any,
    code: Any,
    Y: Any,
    depth: int,
    *,
    width: int,
    ridge: float = 1e-4,
    stages: tuple[tuple[float, int], ...] = ((0.01, 400),),
) -> Network:
    r"""Train an encoder to a given code and a decoder from it, and join them by layers that carry the code.

    .. math:: g(x_i)\approx z_i,\qquad h(z_i)\approx y_i,\qquad f_\theta=h\circ g

    Both have depth 3. From there ``train`` finds the networks of this rank, where a random start may end at another.

    Args:
        key: the random key.
        X: inputs (N, d_in).
        code: z of shape (N, k), with k at most d_in and d_out.
        Y: targets (N, d_out).
        depth: number of weight matrices of the whole, at least 6.
        width: neurons of each hidden layer.
        ridge: that of the two short trainings.
        stages: their stages of L-BFGS, as for ``train``.

    Returns:
        A network whose middle layers have k neurons that are not zero.

    Raises:
        ValueError: a code of more dimensions than inputs or outputs, or a depth below 6.

    Example:
        >>> x = jnp.linspace(0.0, 1.0, 5)[:, None]
        >>> coded_start(jax.random.key(0), x, x, x, 7, width=4, stages=((0.01, 5),)).depth
        7

    Source: book; chapter rank.
    """
    X, code, Y = (_checks.matrix(*named) for named in (("X", X), ("code", code), ("Y", Y)))
    (d_in, rank, d_out) = (A.shape[1] for A in (X, code, Y))
    if rank > min(d_in, d_out):
        raise ValueError(
            f"A code of {rank} dimensions needs as many inputs and outputs, but there are {d_in}, {d_out}."
        )
    depth = _checks.integer("depth", depth, 6)
    # Zeros make both networks one of the same shape, so that one compiled program trains both.
    into, out_of = (jnp.pad(code, ((0, 0), (0, d - rank))) for d in (d_out, d_in))
    g, h = (
        train(init(k, d_in, width, d_out, 3), inputs, targets, ridge, stages=stages).net
        for k, inputs, targets in zip(jax.random.split(key), (X, out_of), (into, Y), strict=True)
    )
    (*front, (W, b)), ((V, c), *back) = g.layers, h.layers
    g, h = from_layers([*front, (W[:rank], b[:rank])]), from_layers([(V[:, :rank], c), *back])
    return padded(h, g, depth, domain=X)
