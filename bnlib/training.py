"""Training with a ridge until the bottleneck has formed: a first-order phase, then L-BFGS."""

import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from . import _checks, checkpoints, lbfgs
from .constructions import balance, balance_residual, balancing_factors, deepen, rescale
from .costs import squared_norm
from .networks import Layer, Network, affine, fold_layers
from .spectra import bottleneck_rank

Stages = tuple[tuple[float, int], ...]

# Width of the smoothed ReLU and L-BFGS iterations at each: a kink that is still wide is easier to cross.
# Equal numbers of iterations share one compiled program.
STAGES: Stages = ((0.03, 400), (0.01, 400), (0.003, 400), (0.001, 400), (0.0, 400))
# The same, in float64, for a point that is stationary to the digits that can be had.
POLISH: Stages = ((0.01, 500), (0.003, 1000), (0.001, 1500), (0.0003, 1500), (0.0, 1000))
# The net that receives the inserted layers need not be finished, and the deep one starts close to its end.
SHALLOW: Stages = ((0.03, 150), (0.01, 300), (0.003, 200))
INSERTED: Stages = ((0.01, 200), (0.003, 300), (0.001, 300), (0.0, 200))
# Adam steps between checkpoints, and between rebalancings.
CHUNK, REBALANCE = 500, 10


class TrainResult(NamedTuple):
    """Hold what ``train`` returns.

    Attributes:
        net: the trained network, balanced.
        history: objective after every step; the smoothed one where the ReLU was smoothed.
        objective: final value of the mean squared error plus ridge times squared norm.
        mse: its first term.
        decrease: relative decrease of the objective over the last 100 iterations.
        imbalance: largest difference of A_i and B_i before the final balancing, relative to the largest squared norm
            of a neuron.
        smoothed_gradient: norm of the gradient at the end of the last smoothed stage, relative to that of the ridge.
        converged: decrease and imbalance are at most 1e-3 and 1e-2.
        collapsed: the network explains less than one percent of the variance of Y.
        trials: with inserted layers, the ranks tried and the objective that each reached.
    """

    net: Network
    history: np.ndarray
    objective: float
    mse: float
    decrease: float
    imbalance: float
    smoothed_gradient: float
    converged: bool
    collapsed: bool
    trials: tuple[tuple[int, float], ...] = ()


def train(
    net: Network,
    X: Any,
    Y: Any,
    ridge: float,
    *,
    depth: int | None = None,
    first_order_steps: int = 500,
    learning_rate: float = 5e-3,
    stages: Stages | None = None,
    polish: Stages = (),
    memory: int = 60,
    dtype: Any = jnp.float32,
    checkpoint: str | Path | None = None,
) -> TrainResult:
    r"""Minimise :math:`\frac1N\sum_i|f_\theta(x_i)-y_i|^2+\lambda\|\theta\|^2` from a given start.

    Adam finds the basin; L-BFGS on a ReLU smoothed over a shrinking width follows it down; the last stage uses the
    ReLU itself. Balancing at the end lowers the norm without changing the function. Everything is deterministic.

    With ``depth`` the given start is trained first, then layers :math:`VV^T` are inserted where its representation is
    closest to its rank, and training goes on. The rank counted and one less are both tried, and the lower objective
    is kept, because a shallow net has a rank that is too high. This is several times faster than starting deep and
    avoids the rank-one trap of deep starts, but it builds on the rank that the shallow net found.

    Args:
        net: start, for instance from ``init``.
        X: inputs (N, d_in).
        Y: targets (N, d_out).
        ridge: lambda >= 0.
        depth: final depth; None for that of ``net``.
        first_order_steps: steps of Adam.
        learning_rate: its peak, after a warm-up of a tenth of the steps and before a cosine decay.
        stages: pairs of smoothing width and L-BFGS iterations; None for the book's recipe.
        polish: further stages in float64, such as ``training.POLISH``.
        memory: pairs kept by L-BFGS.
        dtype: type used in training; the network comes back in it, or in float64 after polishing.
        checkpoint: npz file that is written as training goes and continued from when it exists.

    Returns:
        A ``TrainResult``. ``converged`` says that the objective has stopped moving and that the network is balanced.
        It does not say that the gradient vanishes: data sit on kinks, where it cannot; see ``stationarity``.

    Raises:
        ValueError: lengths of X and Y that differ, wrong dimensions, NaN or infinity, a negative ridge, or a
            checkpoint that is damaged or of another run.
        RuntimeError: the objective became NaN or infinite, with the step.

    Example:
        >>> from bnlib import from_layers
        >>> result = train(from_layers([([[1.0]], [0.0])]), [[-1.0], [1.0]], [[-2.0], [2.0]], 0.25)
        >>> round(float(result.net.last[0][0, 0]), 4), result.converged
        (1.6, True)

    Source: recipe measured for the book; chapters: opening, training to the bottleneck.
    """
    if not np.isfinite(ridge) or ridge < 0:
        raise ValueError(f"ridge must be a finite number >= 0, but it is {ridge!r}.")
    X = _checks.points("X", X, net.d_in).astype(dtype)
    Y = _checks.points("Y", Y, net.d_out).astype(dtype)
    if len(X) != len(Y):
        raise ValueError(f"X and Y must have the same length, but they have {len(X)} and {len(Y)} rows.")
    steps = _checks.integer("first_order_steps", first_order_steps, 0)
    depth = net.depth if depth is None else _checks.integer("depth", depth, net.depth)
    variance = total_variance(Y)
    if 0 < variance < ridge * depth:
        warnings.warn(
            f"ridge * depth = {ridge * depth:.3g} exceeds the variance {variance:.3g} of Y, so one dimension costs "
            "more than all there is to explain: expect a constant function.",
            stacklevel=2,
        )
    fit = partial(_fit, X=X, Y=Y, ridge=ridge, learning_rate=float(learning_rate), memory=memory)
    net = jax.tree.map(lambda a: a.astype(dtype), net)
    path = None if checkpoint is None else Path(checkpoint)
    if depth == net.depth:
        end = fit(net, steps=steps, stages=STAGES if stages is None else stages, polish=polish, path=path)
        return summarise(end, X, Y, ridge, variance)
    shallow = fit(net, steps=steps, stages=SHALLOW, polish=(), path=_suffixed(path, "shallow"))
    counted = max(1, bottleneck_rank(shallow.net, X).rank)
    trials = {}
    for rank in sorted({counted, max(1, counted - 1)}):
        start = deepen(shallow.net, depth, rank=rank, X=X)
        trials[rank] = fit(
            start,
            steps=0,
            stages=INSERTED if stages is None else stages,
            polish=(),
            path=_suffixed(path, f"rank{rank}"),
        )
    best = min(trials, key=lambda rank: float(trials[rank].history[-1]))
    end = trials[best]
    if polish:
        end = fit(end.net, steps=0, stages=(), polish=polish, path=_suffixed(path, "polish"))
    reached = tuple((rank, float(trial.history[-1])) for rank, trial in trials.items())
    return summarise(end, X, Y, ridge, variance)._replace(trials=reached)


class End(NamedTuple):
    """Hold where a run ended, before balancing."""

    net: Network
    history: np.ndarray
    smoothed_gradient: float


def _suffixed(path: Path | None, name: str) -> Path | None:
    return None if path is None else path.with_suffix(f".{name}{path.suffix}")


def _fit(
    net: Network,
    *,
    X: Array,
    Y: Array,
    ridge: float,
    steps: int,
    learning_rate: float,
    stages: Stages,
    polish: Stages,
    memory: int,
    path: Path | None,
) -> End:
    """Run the phases one after the other, from a checkpoint where there is one; each starts from arrays alone."""
    phases = schedule(steps, stages, polish)
    run = checkpoints.fingerprint(net, X, Y, ridge, steps, learning_rate, stages, polish, memory)
    state: State = (net, optimiser(steps, learning_rate).init(net))
    leaves, structure = jax.tree.flatten(state)
    done, history, smoothed = 0, np.zeros(0), float("nan")
    if path is not None and (found := checkpoints.load(path, run)) is not None:
        done, (history, last, *leaves) = found
        smoothed, state = float(last), jax.tree.unflatten(structure, [jnp.asarray(a) for a in leaves])
    lam = jnp.asarray(ridge, X.dtype)
    for phase in phases[done:]:
        with jax.enable_x64(phase.kind == "polish" or jax.config.jax_enable_x64):
            state, values, gradient = run_phase(phase, state, X, Y, lam, steps, learning_rate, memory)
        smoothed = smoothed if gradient is None else float(gradient)
        history = np.append(history, np.asarray(values, np.float64))
        if not np.all(np.isfinite(history)):
            raise RuntimeError(f"Training diverged: the objective is not finite at step {_first_bad(history)}.")
        done += 1
        _progress(done, len(phases), history[-1])
        if path is not None:
            arrays = [history, np.asarray(smoothed), *(np.asarray(a) for a in jax.tree.leaves(state))]
            checkpoints.save(path, run, done, arrays)
    return End(state[0], history, smoothed)


class Phase(NamedTuple):
    """Hold one phase: Adam steps from ``begin``, or L-BFGS iterations at a smoothing width, in float64 if polishing."""

    kind: str
    begin: int
    width: float
    count: int


State = tuple[Network, Any]


def schedule(steps: int, stages: Stages, polish: Stages = ()) -> list[Phase]:
    """List the phases of a run, Adam in chunks.

    Example:
        >>> [phase.kind for phase in schedule(600, ((0.0, 10),))]
        ['adam', 'adam', 'smooth']

    Source: bnlib.
    """
    first = [Phase("adam", begin, 0.0, min(CHUNK, steps - begin)) for begin in range(0, steps, CHUNK)]
    smooth = [Phase("smooth", 0, width, count) for width, count in stages]
    return first + smooth + [Phase("polish", 0, width, count) for width, count in polish]


def run_phase(
    phase: Phase, state: State, X: Array, Y: Array, lam: Array, steps: int, learning_rate: float, memory: int
) -> tuple[State, Array, Array | None]:
    """Run one phase from arrays alone; also return the objective at every step and the smoothed gradient, if any.

    Source: bnlib.
    """
    if phase.kind == "adam":
        return *_adam(*state, X, Y, lam, phase.count, steps, learning_rate), None
    dtype = jnp.float64 if phase.kind == "polish" else X.dtype
    net, x, y, lam = jax.tree.map(lambda a: jnp.asarray(a, dtype), (state[0], X, Y, lam))
    net, values, gradient = _quasi_newton(net, x, y, lam, jnp.asarray(phase.width, dtype), phase.count, memory)
    return (net, state[1]), values, gradient if phase.width > 0 else None


def total_variance(Y: Array) -> float:
    """Return the mean squared distance of the rows of Y from their mean.

    Source: bnlib.
    """
    return float(jnp.mean(jnp.sum((Y - Y.mean(0, keepdims=True)) ** 2, axis=1)))


def _first_bad(history: np.ndarray) -> int:
    return int(np.argmin(np.isfinite(history)))


def _progress(done: int, total: int, objective: float) -> None:
    if sys.stderr.isatty():
        print(
            f"\rphase {done} of {total}, objective {objective:.6g}", end="\n" if done == total else "", file=sys.stderr
        )


def summarise(end: End, X: Array, Y: Array, ridge: float, variance: float) -> TrainResult:
    """Balance the net where a run ended and say how it went.

    Source: bnlib.
    """
    history = end.history
    decrease = float(history[-101] / history[-1] - 1.0) if len(history) > 100 else float("inf")
    imbalance = _relative_imbalance(end.net)
    net = balance(end.net)
    mse = float(_mse(net, X.astype(net.last[0].dtype), Y.astype(net.last[0].dtype), jnp.zeros((), net.last[0].dtype)))
    collapsed = variance > 0 and mse > 0.99 * variance
    if collapsed:
        settled = int(np.argmax(np.abs(history - history[-1]) <= 0.01 * abs(history[-1])))
        warnings.warn(f"Training collapsed to a constant function, from about step {settled} on.", stacklevel=3)
    converged = decrease <= 1e-3 and imbalance <= 1e-2
    objective = mse + ridge * float(squared_norm(net))
    return TrainResult(net, history, objective, mse, decrease, imbalance, end.smoothed_gradient, converged, collapsed)


def _mse(net: Network, X: Array, Y: Array, width: Array) -> Array:
    """Evaluate the mean squared error with the kink of the activation smoothed over [-width, width]."""

    def step(h: Array, layer: Layer, _: Any) -> tuple[Array, None]:
        z = affine(layer, h)
        ramp = (z + width) ** 2 / jnp.where(width > 0, 4 * width, 1.0)
        relu = jnp.where(z > width, z, jnp.where(z > -width, ramp, 0.0))
        return net.negative_slope * z + (1.0 - net.negative_slope) * relu, None

    h, _ = fold_layers(step, X, net)
    return jnp.mean(jnp.sum((affine(net.last, h) - Y) ** 2, axis=1))


def _objective(net: Network, X: Array, Y: Array, lam: Array, width: Array) -> Array:
    return _mse(net, X, Y, width) + lam * squared_norm(net)


def optimiser(steps: int, learning_rate: float) -> optax.GradientTransformation:
    """Return Adam with a warm-up and a cosine decay.

    Source: bnlib.
    """
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, learning_rate, max(1, steps // 10), max(2, steps), 1e-3 * learning_rate
    )
    # The usual second-moment decay .999 remembers early oscillations for so long that the ridge hardly acts.
    return optax.adam(schedule, b2=0.99)


@partial(jax.jit, static_argnames=("count", "steps", "learning_rate"))
def _adam(
    net: Network, state: Any, X: Array, Y: Array, lam: Array, count: int, steps: int, learning_rate: float
) -> tuple[tuple[Network, Any], Array]:
    """Run ``count`` of ``steps`` steps, rebalancing the neurons every few."""
    adam = optimiser(steps, learning_rate)
    no_smoothing = jnp.zeros((), X.dtype)

    def step(carry: Any, i: Array) -> tuple[Any, Array]:
        net, state = carry
        value, grad = jax.value_and_grad(_objective)(net, X, Y, lam, no_smoothing)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes its integer step count with floats
            updates, state = adam.update(grad, state)
        net = optax.apply_updates(net, updates)
        return jax.lax.cond(i % REBALANCE == REBALANCE - 1, _rebalanced, lambda *s: s, net, state), value

    return jax.lax.scan(step, (net, state), jnp.arange(count))


def _rebalanced(net: Network, state: Any) -> tuple[Network, Any]:
    """Balance once over; Adam's moments are of gradients, which scale inversely to the parameters."""
    if net.first is None:
        return net, state
    mu, nu = state[0].mu, state[0].nu
    for parity in (0, 1):
        t = balancing_factors(net, parity, floor=1e-12)
        net, mu, nu = rescale(net, t), rescale(mu, 1 / t), rescale(nu, 1 / t**2)
    return net, (state[0]._replace(mu=mu, nu=nu), *state[1:])


@partial(jax.jit, static_argnames=("iterations", "memory"))
def _quasi_newton(
    net: Network, X: Array, Y: Array, lam: Array, width: Array, iterations: int, memory: int
) -> tuple[Network, Array, Array]:
    """Return the network, the history and the final gradient's norm relative to that of the ridge."""
    flat, unravel = ravel_pytree(net)

    def objective(v: Array) -> Array:
        return _objective(unravel(v), X, Y, lam, width)

    flat, history, _ = lbfgs.minimize(objective, flat, iterations, memory)
    size = 2 * lam * jnp.linalg.norm(flat)
    return unravel(flat), history, jnp.linalg.norm(jax.grad(objective)(flat)) / jnp.where(size > 0, size, 1.0)


@_checks.float64
def _relative_imbalance(net: Network) -> float:
    residual = balance_residual(net)
    if residual.size == 0:
        return 0.0
    largest = max(float(jnp.max(jnp.sum(W**2, axis=1) + b**2)) for W, b in net.layers[:-1])
    return float(jnp.max(jnp.abs(residual))) / largest if largest else 0.0
