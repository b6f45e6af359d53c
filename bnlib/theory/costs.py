"""The cost of a function in parameter norm: upper bounds, lower bounds and what they certify."""

from typing import Any

import jax.numpy as jnp

from .. import _checks, _svd
from ..networks import Network, apply, in_float64, jacobian


def squared_norm(net: Network) -> Any:
    r"""Return :math:`\|\theta\|^2=\sum_l \|W_l\|_F^2+\|b_l\|^2`, all biases included.

    Example:
        >>> from bnlib import from_layers
        >>> float(squared_norm(from_layers([([[2.0]], [1.0])])))
        5.0

    Source: book; page notation.
    """
    return sum((W * W).sum() + (b * b).sum() for W, b in _parts(_checks.on_host(net)))


def _parts(net: Network) -> list[Any]:
    return [part for part in (net.first, net.hidden, net.last) if part is not None]


@_checks.float64
def schatten(A: Any, p: float) -> float:
    r"""Return the p-th power of the Schatten quasi-norm, :math:`\|A\|_{S_p}^p=\sum_i s_i(A)^p`.

    Singular values that are rounding are dropped first.

    Args:
        A: matrix.
        p: exponent, positive.

    Raises:
        ValueError: p <= 0, or A not a finite non-empty matrix.

    Example:
        >>> schatten([[3.0, 0.0], [0.0, 4.0]], 1.0)
        7.0

    Source: J23; claim schatten-bound; chapter cost.
    """
    if not p > 0:
        raise ValueError(f"p must be positive, but it is {p!r}.")
    A = _checks.matrix("A", A)
    return float(jnp.sum(_svd.powers(_svd.values(A), p, A.shape)))


def linear_cost(A: Any, depth: int) -> float:
    r"""Return the least squared norm of a linear network of the given depth computing A, :math:`L\sum_i s_i^{2/L}`.

    Args:
        A: matrix (d_out, d_in).
        depth: number L of weight matrices, at least 1.

    Example:
        >>> round(linear_cost([[4.0]], 2), 12)
        8.0

    Source: J23; claim linear-cost; chapter linear.
    """
    depth = _checks.integer("depth", depth, 1)
    return depth * schatten(A, 2.0 / depth)


@_checks.float64
def linear_expansion(A: Any) -> tuple[float, float, float]:
    r"""Return (r0, r1, r2) of :math:`R(A;L)=L\,r_0+r_1+r_2/L+O(L^{-2})` for a linear map.

    .. math:: r_0=\mathrm{rank} A,\quad r_1=2\log|A|_+,\quad r_2=2\sum_i\log^2 s_i

    Raises:
        ValueError: A whose numerical rank is undecided, or not a finite non-empty matrix.

    Example:
        >>> linear_expansion([[1.0, 0.0], [0.0, 0.0]])
        (1.0, 0.0, 0.0)

    Source: J23; claim linear-expansion; chapter linear.
    """
    return _expansion(_checks.matrix("A", A))


def _expansion(A: Any, size: float | None = None) -> tuple[float, float, float]:
    """Return the expansion of a matrix whose rounding is relative to its largest singular value, or to ``size``."""
    rank, gap, decided = _svd.numerical_rank(A, size)
    if not decided:
        raise ValueError(
            f"The rank of A is undecided: its smallest singular value kept is only {gap:.1f} times what is dropped."
        )
    logs = jnp.log(_svd.values(A)[:rank])
    return float(rank), float(2 * jnp.sum(logs)), float(2 * jnp.sum(logs**2))


@_checks.float64
def subadditivity(A: Any, B: Any, operation: str) -> tuple[float, float]:
    r"""Return how far the second and the third coefficient of two matrices are from adding up.

    .. math:: \bigl(r_1(A)+r_1(B)-r_1(AB),\ \sqrt{r_2(A)}+\sqrt{r_2(B)}-\sqrt{r_2(AB)}\bigr)

    for ``"compose"``, and :math:`\bigl(r_1(A)+r_1(B)-r_1(A+B),\ r_2(A)+r_2(B)-r_2(A+B)\bigr)` for ``"add"``. The first
    number is never negative, and where it is zero the second is not either.

    Args:
        A, B: matrices.
        operation: ``"compose"`` or ``"add"``.

    Raises:
        ValueError: another operation, or ranks that are undecided, differ in A, B and AB, or do not add in A + B.

    Example:
        >>> subadditivity([[2.0]], [[3.0]], "compose")[0] < 1e-12
        True

    Source: J23, book; claims linear-r1, r2-subadditive; chapters regularity, next_order.
    """
    A, B = _checks.matrix("A", A), _checks.matrix("B", B)
    if operation not in ("compose", "add"):
        raise ValueError(f"operation must be 'compose' or 'add', but it is {operation!r}.")
    adding = operation == "add"
    if A.shape != B.shape if adding else A.shape[1] != B.shape[0]:
        raise ValueError(f"A and B have shapes {A.shape} and {B.shape}, which do not {operation}.")
    # Where terms cancel, rounding is as large as they were, and a product adds up as many as A has columns.
    C, size = (A + B, abs(A) + abs(B)) if adding else (A @ B, abs(A) @ abs(B))
    count = 1.0 if adding else max(1.0, A.shape[1] / max(C.shape))
    (ra, a1, a2), (rb, b1, b2) = map(linear_expansion, (A, B))
    rc, c1, c2 = _expansion(C, count * float(_svd.values(size)[0]))
    if adding and rc != ra + rb:
        raise ValueError(
            f"The ranks do not add: A and B have ranks {ra:.0f} and {rb:.0f}, but A + B has rank {rc:.0f}."
        )
    if not adding and not ra == rb == rc:
        raise ValueError(f"The ranks are not equal: A, B and AB have ranks {ra:.0f}, {rb:.0f} and {rc:.0f}.")
    return a1 + b1 - c1, a2 + b2 - c2 if adding else a2**0.5 + b2**0.5 - c2**0.5


def lower_bound(net: Network, X: Any) -> float:
    r"""Return :math:`\max_{x\in X} L\,\|J(x)\|_{S_{2/L}}^{2/L}`, below every network that equals this one near X.

    Args:
        net: the network whose function is priced.
        X: inputs (N, d_in), in the interior of the domain and away from kinks.

    Returns:
        A lower bound of :math:`R(f_\theta;\Omega,L)` for every neighbourhood Omega of X.

    Example:
        >>> from bnlib import from_layers
        >>> round(lower_bound(from_layers([([[2.0]], None), ([[2.0]], None)]), [[1.0]]), 12)
        8.0

    Source: J23; claim schatten-bound; chapter cost.
    """
    return net.depth * max(in_float64(_largest_power, net, X))


def _largest_power(net: Network, X: Any) -> float:
    """Return the largest quasi-norm of a Jacobian at X, without the depth."""
    s = _svd.values(jacobian(net, X))
    return float(jnp.max(jnp.sum(_svd.powers(s, 2.0 / net.depth, (net.d_out, net.d_in), net.depth), axis=-1)))


@_checks.float64
def optimality_gap(net: Network, X: Any) -> float:
    r"""Return :math:`\|\theta\|^2 - \max_{x\in X} L\|J(x)\|_{S_{2/L}}^{2/L}\ge \|\theta\|^2-R(f_\theta;\Omega,L)\ge 0`.

    The gap bounds how much norm any other network of the same depth with the same function near X can save.
    It speaks of the function on a neighbourhood of X, not of the fit to data: training points alone do not
    determine the Jacobian.

    Example:
        >>> from bnlib import from_layers
        >>> round(optimality_gap(from_layers([([[4.0]], None), ([[1.0]], None)]), [[1.0]]), 12)
        9.0

    Source: J23; claim schatten-bound; chapter cost.
    """
    return float(squared_norm(net)) - lower_bound(net, X)


@_checks.float64
def r1_bracket(net: Network, X: Any, rank: int, *, target: Any = None) -> tuple[float, float]:
    r"""Return two numbers with :math:`R(f;\Omega,L)-Lk` between them, k the rank of f.

    .. math:: \max_{x\in X} L\sum_{i\le k}\bigl(s_i(J(x))^{2/L}-1\bigr)\le R(f;\Omega,L)-Lk\le\|\theta\|^2-Lk

    As the depth grows the middle tends to the second coefficient of f.

    Args:
        net: a network that equals f on the domain.
        X: inputs (N, d_in) in the interior of the domain and away from kinks.
        rank: k, the first coefficient of f.
        target: values (N, d_out) of f at X, to be checked; None for f the network's own function.

    Raises:
        ValueError: a Jacobian of rank above k, Jacobians all of rank below k, or a network that misses the target.

    Example:
        >>> from bnlib import from_layers
        >>> r1_bracket(from_layers([([[1.0]], [1.0]), ([[1.0]], None)]), [[1.0]], 1)
        (0.0, 1.0)

    Source: J23, book; claims jacobian-bound, r1-bracket; chapter regularity.
    """
    X, k = _checks.points("X", X, net.d_in), _checks.integer("rank", rank, 0)
    if target is not None:
        target = _checks.points("target", target, net.d_out)
        if target.shape[0] != X.shape[0]:
            raise ValueError(f"target has {target.shape[0]} rows, but X has {X.shape[0]}.")
        miss = float(jnp.max(jnp.abs(apply(net, X) - target)))
        if miss > 1e-9 * max(1.0, float(jnp.max(jnp.abs(target)))):
            raise ValueError(
                f"The network misses the target by {miss:.3g}. Both bounds are about the function of a network, which "
                "is piecewise linear with finitely many pieces; another function can only be approximated by one."
            )
    J = jacobian(net, X)
    s = _svd.values(J)
    ranks = jnp.sum(s > _svd.tolerance(s, J.shape, net.depth), axis=-1)
    if (most := int(jnp.max(ranks))) != k:
        raise ValueError(f"The rank is given as {k}, but the Jacobian at the inputs X has rank up to {most}.")
    terms = jnp.sum(_svd.powers(s, 2.0 / net.depth, J.shape, net.depth), axis=-1)
    return net.depth * float(jnp.max(terms) - k), float(squared_norm(net)) - net.depth * k
