"""Limited-memory BFGS that stays on the device: no host round trip between iterations."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.linalg import solve_triangular

ARMIJO, CURVATURE = 1e-4, 0.9
MAX_TRIALS = 25


class _Point(NamedTuple):
    x: Array
    f: Array
    g: Array


class _Memory(NamedTuple):
    """Hold m pairs (s, y): rows of ``rows`` are s_0..s_{m-1}, scratch, y_0..y_{m-1}, scratch.

    ``SY[i, j] = s_i.y_j`` is kept only where s_i is not younger than y_j, which is all the compact form reads.
    The scratch rows take rejected pairs: a conditional write would make XLA copy the whole buffer.
    Reading ``rows`` is what an iteration costs, so their products with y are differences of those with gradients.
    """

    rows: Array
    along: Array  # rows @ gradient
    SY: Array
    YY: Array
    born: Array  # iteration that wrote each slot; -1 when empty
    stored: Array


class Minimum(NamedTuple):
    """Hold what ``minimize`` returns.

    Attributes:
        x: the last point (n,).
        flattest: of the last quarter of the points, the one with the shortest gradient.
        gradient: norm of the gradient there.
        history: objective after each iteration.
        failures: number of failed searches; one whose step changes no parameter is among them.
    """

    x: Array
    flattest: Array
    gradient: Array
    history: Array
    failures: Array


def minimize(objective: Callable[[Array], Array], x: Array, steps: int, memory: int = 60) -> Minimum:
    """Run a fixed number of L-BFGS iterations on a vector.

    The direction comes from the compact form of Byrd, Nocedal and Schnabel, the step from bisection for the weak
    Wolfe conditions, which suits piecewise smooth objectives (Lewis and Overton). When the search fails, the
    memory is cleared and the next step is a short one along the gradient.

    Args:
        objective: differentiable scalar function of a vector.
        x: start (n,).
        steps: number of iterations.
        memory: number of pairs kept.

    Example:
        >>> found = minimize(lambda v: jnp.sum((v - 1.0) ** 2), jnp.zeros(3), 5)
        >>> [round(float(v), 5) for v in found.x]
        [1.0, 1.0, 1.0]

    Source: byrd1994, lewis2013; chapter training.
    """
    value_and_grad = jax.value_and_grad(objective)
    m, n, dtype = memory, x.size, x.dtype

    def step(carry: tuple, t: Array) -> tuple[tuple, tuple[Array, Array]]:
        point, mem, d, fresh, flattest = carry
        # Without curvature information the gradient sets the scale: take a short first step.
        start = jnp.where(fresh, jnp.minimum(1.0, 0.1 / jnp.linalg.norm(point.g)), 1.0).astype(dtype)
        d, start = lax.cond(fresh & ~(start > 0), _in_units, lambda d, start: (d, start), d, start)
        new, ok = _weak_wolfe(value_and_grad, point, d, start)
        mem = _remember(mem, new.x - point.x, new.g - point.g, new.g, t, ok)
        direction = -_inverse_hessian_times(mem, new.g)
        descends = ok & (jnp.vdot(direction, new.g) < 0)
        d = jnp.where(descends, direction, -new.g)
        length = jnp.linalg.norm(new.g)
        flatter = (length < flattest[1]) | (4 * t < 3 * steps)
        flattest = jax.tree.map(lambda a, b: jnp.where(flatter, a, b), (new.x, length), flattest)
        return (new, mem, d, ~descends | (mem.stored == 0), flattest), (new.f, ~ok)

    f, g = value_and_grad(x)
    mem = _Memory(
        jnp.zeros((2 * (m + 1), n), dtype),
        jnp.zeros(2 * (m + 1), dtype),
        jnp.zeros((m, m), dtype),
        jnp.zeros((m, m), dtype),
        jnp.full(m, -1),
        jnp.zeros((), int),
    )
    start = (_Point(x, f, g), mem, -g, jnp.array(True), (x, jnp.linalg.norm(g)))
    (point, *_, flattest), (history, failed) = lax.scan(step, start, jnp.arange(steps))
    return Minimum(point.x, *flattest, history, jnp.sum(failed))


def _in_units(d: Array, _: Array) -> tuple[Array, Array]:
    """Return a direction in units of its largest entry, and a step of length 0.1 along it.

    The squares of a gradient overflow long before it does; its slope would be infinite, and its first step zero.
    """
    d = d / jnp.max(jnp.abs(d))
    return d, 0.1 / jnp.linalg.norm(d)


def _weak_wolfe(value_and_grad: Callable, point: _Point, d: Array, start: Array) -> tuple[_Point, Array]:
    """Bisect for a step that satisfies the weak Wolfe conditions, or decreases within rounding."""
    slope = jnp.vdot(point.g, d)
    noise = 2 * jnp.finfo(d.dtype).eps * jnp.abs(point.f)

    def search(state: tuple) -> tuple:
        t, low, high, _, _, trials = state
        x = point.x + t * d
        f, g = value_and_grad(x)
        new_slope = jnp.vdot(g, d)
        decreases = (f <= point.f + ARMIJO * t * slope) | (
            (f <= point.f + noise) & (new_slope <= (2 * ARMIJO - 1) * slope)
        )
        enough = new_slope >= CURVATURE * slope
        high = jnp.where(decreases, high, t)
        low = jnp.where(decreases & ~enough, t, low)
        after = jnp.where(jnp.isinf(high), 2 * t, (low + high) / 2)
        done = decreases & enough
        return jnp.where(done, t, after), low, high, _Point(x, f, g), done, trials + 1

    zero, inf = jnp.zeros((), d.dtype), jnp.array(jnp.inf, d.dtype)
    state = (start, zero, inf, point, jnp.array(False), jnp.zeros((), int))
    *_, trial, done, _ = lax.while_loop(lambda s: ~s[4] & (s[5] < MAX_TRIALS), search, state)
    # A last trial that decreases the objective is kept even if the slope condition was not met.
    keep = done | (jnp.isfinite(trial.f) & (trial.f < point.f))
    # A step that leaves every parameter where it was is none, whatever the conditions say of an infinite slope.
    return jax.tree.map(lambda a, b: jnp.where(keep, a, b), trial, point), done & jnp.any(trial.x != point.x)


def _remember(mem: _Memory, s: Array, y: Array, g: Array, t: Array, ok: Array) -> _Memory:
    """Write a pair over the oldest one and take the products with g; forget everything after a failed search."""
    m = mem.born.size
    born = jnp.where(ok, mem.born, -1)
    stored = jnp.where(ok, mem.stored, 0)
    good = ok & (jnp.vdot(s, y) > 1e-10 * jnp.linalg.norm(s) * jnp.linalg.norm(y))
    slot = jnp.where(good, stored % m, m)
    rows = mem.rows.at[slot].set(s).at[m + 1 + slot].set(y)
    along = rows @ g
    products = (along - mem.along).at[slot].set(jnp.vdot(s, y)).at[m + 1 + slot].set(jnp.vdot(y, y))
    born = born.at[slot].set(t, mode="drop")
    SY = mem.SY.at[:, slot].set(products[:m], mode="drop")
    YY = mem.YY.at[:, slot].set(products[m + 1 : -1], mode="drop")
    YY = YY.at[slot, :].set(products[m + 1 : -1], mode="drop")
    return _Memory(rows, along, SY, YY, born, stored + good.astype(stored.dtype))


def _inverse_hessian_times(mem: _Memory, g: Array) -> Array:
    """Apply the inverse BFGS matrix of the stored pairs in compact form."""
    m = mem.born.size
    order = jnp.argsort(jnp.where(mem.born < 0, jnp.iinfo(mem.born.dtype).max, mem.born))
    full = mem.born[order] >= 0
    both = full[:, None] & full[None, :]
    p = jnp.where(full, mem.along[:m][order], 0.0)
    q = jnp.where(full, mem.along[m + 1 : -1][order], 0.0)
    SY = jnp.where(both, mem.SY[order][:, order], 0.0)
    YY = jnp.where(both, mem.YY[order][:, order], 0.0)
    newest = jnp.maximum(jnp.sum(full) - 1, 0)
    gamma = jnp.where(jnp.any(full), SY[newest, newest] / jnp.where(jnp.any(full), YY[newest, newest], 1.0), 1.0)
    R = jnp.triu(SY) + jnp.diag(jnp.where(full, 0.0, 1.0).astype(g.dtype))
    u = solve_triangular(R, p)
    v = solve_triangular(R, jnp.diag(SY) * u + gamma * (YY @ u - q), trans="T")
    coefficients = jnp.zeros(2 * (m + 1), g.dtype).at[order].set(v).at[m + 1 + order].set(-gamma * u)
    return gamma * g + coefficients @ mem.rows
