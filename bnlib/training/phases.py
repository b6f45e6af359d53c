"""What one phase of a training does: a chunk of Adam with balanced neurons, or L-BFGS at one smoothing width."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from .. import _checks
from ..build.balancing import balancing_factors, rescale
from ..networks import Network
from . import lbfgs
from .objective import Loss, smoothed_objective

Stages = tuple[tuple[float, int], ...]
State = tuple[Network, Any]

# Pairs times parameters that L-BFGS may keep: half a gigabyte in single precision.
PAIRS = 2**26
# Adam steps between checkpoints, and between rebalancings.
CHUNK, REBALANCE = 500, 10


class Phase(NamedTuple):
    """Hold one phase: Adam steps from ``begin``, or L-BFGS iterations at a smoothing width, in float64 for polish."""

    kind: str
    begin: int
    width: float
    steps: int
    of: int


def schedule(steps: int, stages: Stages, name: str = "stages") -> list[Phase]:
    """List the phases of a run, Adam in chunks.

    Example:
        >>> [phase.kind for phase in schedule(600, ((0.0, 10),))]
        ['adam', 'adam', 'stages']

    Raises:
        ValueError: stages that are not pairs of a width and a number of iterations.

    Source: bnlib.
    """
    steps = _checks.integer("first_order_steps", steps, 0)
    try:
        pairs = [(_checks.number("width", width), _checks.integer("count", count, 1)) for width, count in stages]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be pairs of a width >= 0 and a number of iterations >= 1, but they are {stages!r}."
        ) from error
    first = [Phase("adam", begin, 0.0, min(CHUNK, steps - begin), steps) for begin in range(0, steps, CHUNK)]
    return first + [Phase(name, 0, width, count, count) for width, count in pairs]


def first_order(phases: Sequence[Phase]) -> int:
    """Return the number of Adam steps in a schedule.

    Source: bnlib.
    """
    return max((phase.of for phase in phases if phase.kind == "adam"), default=0)


def run_phase(
    phase: Phase, state: State, X: Array, Y: Array, lam: Array, rate: float, memory: int | None, loss: Loss
) -> tuple[State, Array, Array | None]:
    """Run one phase; also return the objective at every step and the relative smoothed gradient, if any.

    Source: bnlib.
    """
    if phase.kind == "adam":
        return *adam(*state, X, Y, lam, phase.steps, phase.of, rate, loss), None
    x64 = phase.kind == "polish" or X.dtype == jnp.float64
    with jax.enable_x64(x64 or bool(jax.config.jax_enable_x64)):  # type: ignore[attr-defined]
        dtype = jnp.float64 if x64 else X.dtype
        net, x, y, lam = jax.tree.map(lambda a: jnp.asarray(a, dtype), (state[0], X, Y, lam))
        width, flattest = jnp.asarray(phase.width, dtype), phase.kind == "polish" and phase.width > 0
        memory = (100 if phase.kind == "polish" else 50) if memory is None else memory
        net, values, gradient = quasi_newton(net, x, y, lam, width, phase.steps, memory, flattest, loss)
    return (net, state[1]), values, gradient if phase.width > 0 else None


def optimiser(steps: int, rate: float) -> optax.GradientTransformation:
    """Return Adam with a warm-up and a cosine decay.

    Source: bnlib.
    """
    rates = optax.warmup_cosine_decay_schedule(0.0, rate, max(1, steps // 10), max(2, steps), 1e-3 * rate)
    # The usual second-moment decay .999 remembers early oscillations for so long that the ridge hardly acts.
    return optax.adam(rates, b2=0.99)


@partial(jax.jit, static_argnames=("count", "steps", "rate", "loss"))
def adam(
    net: Network,
    state: Any,
    X: Array,
    Y: Array,
    lam: Array,
    count: int,
    steps: int,
    rate: float,
    loss: Loss = "squared",
) -> tuple[State, Array]:
    """Run ``count`` of ``steps`` steps, rebalancing the neurons every few; also return the objective before each.

    Source: bnlib.
    """
    method = optimiser(steps, rate)
    no_smoothing = jnp.zeros((), X.dtype)

    def step(carry: State, i: Array) -> tuple[State, Array]:
        net, state = carry
        value, grad = jax.value_and_grad(smoothed_objective)(net, X, Y, lam, no_smoothing, loss)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes its integer step count with floats
            updates, state = method.update(grad, state)
        net = optax.apply_updates(net, updates)
        return lax.cond(i % REBALANCE == REBALANCE - 1, _rebalanced, lambda *s: s, net, state), value

    return lax.scan(step, (net, state), jnp.arange(count))


def _rebalanced(net: Network, state: Any) -> State:
    """Balance once over; Adam's moments are of gradients, which scale inversely to the parameters."""
    if net.first is None:
        return net, state
    mu, nu = state[0].mu, state[0].nu
    for parity in (0, 1):
        t = balancing_factors(net, parity, floor=1e-12)
        net, mu, nu = rescale(net, t), rescale(mu, 1 / t), rescale(nu, 1 / t**2)
    return net, (state[0]._replace(mu=mu, nu=nu), *state[1:])


@partial(jax.jit, static_argnames=("iterations", "memory", "flattest", "loss"))
def quasi_newton(
    net: Network,
    X: Array,
    Y: Array,
    lam: Array,
    width: Array,
    iterations: int,
    memory: int = 50,
    flattest: bool = False,
    loss: Loss = "squared",
) -> tuple[Network, Array, Array]:
    """Run L-BFGS on the smoothed objective.

    Returns:
        The last network, or the flattest of the last quarter; the history; and the norm of the gradient there,
        relative to that of the ridge.

    Source: bnlib.
    """
    flat, unravel = ravel_pytree(net)

    def objective(v: Array) -> Array:
        return smoothed_objective(unravel(v), X, Y, lam, width, loss)

    found = lbfgs.minimize(objective, flat, iterations, max(10, min(memory, PAIRS // flat.size)))
    end = found.flattest if flattest else found.x
    length = found.gradient if flattest else jnp.linalg.norm(jax.grad(objective)(end))
    size = 2 * lam * jnp.linalg.norm(end)
    return unravel(end), found.history, length / jnp.where(size > 0, size, 1.0)
