"""Training with a ridge until the bottleneck has formed: a first-order phase, then L-BFGS."""

import sys
import warnings
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from .. import _checks
from ..build.balancing import balance, balance_residual, balancing_factors, rescale
from ..build.constructions import deepen
from ..networks import Layer, Network
from ..theory.costs import squared_norm
from ..theory.spectra import bottleneck_rank
from . import checkpoints, lbfgs

Stages = tuple[tuple[float, int], ...]
Loss = Literal["squared", "cross-entropy"]

# Width of the smoothed ReLU and L-BFGS iterations at each: a kink that is still wide is easier to cross.
# Equal numbers of iterations share one compiled program.
STAGES: Stages = ((0.03, 400), (0.01, 400), (0.003, 400), (0.001, 400), (0.0, 400))
# The same in float64, to a stationary point: what is left of the gradient is measured at the last positive width, where
# rounds, each with an empty memory, go on until it is below FLAT times that of the ridge.
POLISH: Stages = ((0.01, 1000), *((0.003, 1000),) * 8, (0.0, 1000))
FLAT = 0.01
# Inserted layers. The shallow net is cheap, and its rank is right, or one too high, long before it has converged; ranks
# race in the deep one, and drop out after a stage that they leave with more than so many times the lowest objective.
SHALLOW: Stages = ((0.01, 400),)
INSERTED: Stages = ((0.003, 100), (0.003, 100), (0.003, 200), (0.003, 800), (0.0, 100))
MARGINS = (1.5, 1.05, 1.0)
# Pairs times parameters that L-BFGS may keep: half a gigabyte in single precision.
PAIRS = 2**26
# Adam steps between checkpoints, and between rebalancings.
CHUNK, REBALANCE = 500, 10


class TrainResult(NamedTuple):
    """Hold what ``train`` returns.

    Attributes:
        net: the trained network, balanced.
        history: objective before every step of Adam and after every one of L-BFGS; smoothed where the ReLU was.
        objective: final value of the mean loss plus ridge times squared norm.
        loss: its first term, the mean squared error or the mean cross-entropy.
        decrease: relative decrease of the objective over the last 100 values of the history; negative for a rise.
        imbalance: largest difference of A_i and B_i before the final balancing, relative to the largest squared norm
            of a neuron.
        smoothed_gradient: norm of the gradient at the end of the last smoothed stage, relative to that of the ridge.
        converged: decrease, or rise, and imbalance are at most 1e-3 and 1e-2.
        collapsed: of what the best constant function loses the network explains less than one percent: of the variance
            of Y, or of the entropy of its mean row beyond the mean entropy of its rows.
        trials: with inserted layers, the ranks tried and the objective at which each ended or dropped out.
    """

    net: Network
    history: np.ndarray
    objective: float
    loss: float
    decrease: float
    imbalance: float
    smoothed_gradient: float
    converged: bool
    collapsed: bool
    trials: tuple[tuple[int, float], ...] = ()

    @property
    def mse(self) -> float:
        """The loss, by the name that it has where it is the squared one."""
        return self.loss


def train(
    net: Network,
    X: Any,
    Y: Any,
    ridge: float,
    *,
    loss: Loss = "squared",
    depth: int | None = None,
    first_order_steps: int = 500,
    learning_rate: float = 5e-3,
    stages: Stages | None = None,
    shallow: Stages = SHALLOW,
    polish: Stages = (),
    memory: int | None = None,
    dtype: Any = jnp.float32,
    checkpoint: str | Path | None = None,
) -> TrainResult:
    r"""Minimise :math:`\frac1N\sum_i|f_\theta(x_i)-y_i|^2+\lambda\|\theta\|^2` from a given start.

    With the cross-entropy the first term is :math:`-\frac1N\sum_i\langle y_i,\log\mathrm{softmax}f_\theta(x_i)\rangle`.

    Adam finds the basin; L-BFGS on a ReLU smoothed over a shrinking width follows it down; the last stage uses the
    ReLU itself. Balancing at the end lowers the norm without changing the function. Everything is deterministic.

    With ``depth`` the given start is trained first, then layers :math:`VV^T` are inserted where its representation is
    closest to its rank, and training goes on. The rank counted there and one less race, and the lower objective is
    kept, because a shallow net has a rank that is too high. This is several times faster than starting deep and
    avoids the rank-one trap of deep starts, but it builds on the rank that the shallow net found.

    Args:
        net: start, for instance from ``init``.
        X: inputs (N, d_in).
        Y: targets (N, d_out); for the cross-entropy rows of class probabilities, such as ``np.eye(classes)[labels]``.
        ridge: lambda >= 0.
        loss: "squared" or "cross-entropy".
        depth: final depth; None for that of ``net``. A third to two thirds of it are a good depth to start from.
        first_order_steps: steps of Adam.
        learning_rate: its peak, after a warm-up of a tenth of the steps and before a cosine decay.
        stages: pairs of smoothing width and L-BFGS iterations, the first ones raced by two ranks if layers are
            inserted; None for the book's recipe.
        shallow: stages before layers are inserted; more of them where a small ridge settles the rank slowly.
        polish: further stages in float64, such as ``training.POLISH``. Repetitions of a stage with a positive width are
            left out once its gradient is below a hundredth of that of the ridge.
        memory: pairs kept by L-BFGS, at least 10 and fewer than asked for in networks of millions of parameters; None
            for 50, or 100 in polishing.
        dtype: type used in training; the network comes back in it, or, where jax_enable_x64 is on, in float64 after
            polishing.
        checkpoint: npz file that is written as training goes and continued from when it exists.

    Returns:
        A ``TrainResult``. ``converged`` says that the objective has stopped moving and that the network is balanced.
        It does not say that the gradient vanishes: data sit on kinks, where it cannot; see ``stationarity``.

    Raises:
        ValueError: lengths of X and Y that differ, wrong dimensions, NaN or infinity, a negative ridge, an unknown
            loss, targets that are no probabilities for the cross-entropy, settings out of range, or a checkpoint that
            is damaged, of another run, or in a folder that cannot be written to.
        RuntimeError: the objective became NaN or infinite, with the step.

    Example:
        >>> from bnlib import from_layers
        >>> result = train(from_layers([([[1.0]], [0.0])]), [[-1.0], [1.0]], [[-2.0], [2.0]], 0.25)
        >>> round(float(result.net.last[0][0, 0]), 4), result.converged
        (1.6, True)

    Source: recipe measured for the book; chapters: opening, training to the bottleneck.
    """
    net, X, Y, ridge = checked(net, X, Y, ridge, dtype, loss)
    rate = _checks.number("learning_rate", learning_rate)
    depth = net.depth if depth is None else _checks.integer("depth", depth, net.depth)
    if depth > net.depth and (net.depth < 3 or net.negative_slope not in (0.0, 1.0)):
        raise ValueError(
            "Layers can be inserted into ReLU or linear networks of depth at least 3, but this one has depth "
            f"{net.depth} and slope {net.negative_slope}."
        )
    if stages is None:
        stages = STAGES if depth == net.depth else INSERTED
    elif depth > net.depth and not len(stages):
        raise ValueError("stages must not be empty when layers are inserted: the ranks race in them.")
    phases = schedule(first_order_steps if depth == net.depth else 0, stages)
    finish = schedule(0, polish, "polish")
    memory = None if memory is None else _checks.integer("memory", memory, 1)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None:
        checkpoints.reserve(path)
    variance = foresee(Y, ridge, depth, loss)
    run = partial(_Run, path=path, data=(X, Y, ridge), rate=rate, memory=memory, loss=loss, failures=[])
    trials: tuple[tuple[int, float], ...] = ()
    if depth == net.depth:
        best = run(net, phases + finish).advance()
    else:
        start = run(net, schedule(first_order_steps, shallow, "shallow"), "shallow").advance()
        rank = max(1, bottleneck_rank(start.net, X).rank)
        runs = {
            r: run(deepen(start.net, depth, rank=r, X=X), phases, f"rank{r}") for r in sorted({rank, max(1, rank - 1)})
        }
        best, trials = _race(runs)
        if polish:
            best = run(best.net, finish, "polish", best).advance()
    return summarise(best.net, best.history, best.smoothed, X, Y, ridge, variance, loss)._replace(trials=trials)


def checked(
    net: Network, X: Any, Y: Any, ridge: float, dtype: Any, loss: Loss = "squared"
) -> tuple[Network, Array, Array, float]:
    """Return start, data and ridge in the type of the training, or raise ValueError.

    Source: bnlib.
    """
    dtype = jnp.dtype(dtype)
    if dtype not in (jnp.float32, jnp.float64) or dtype != jax.dtypes.canonicalize_dtype(dtype):
        raise ValueError(f"dtype must be float32, or float64 with jax_enable_x64 on, but it is {dtype}.")
    ridge = _checks.number("ridge", ridge)
    X = _checks.points("X", X, net.d_in).astype(dtype)
    Y = targets(Y, net.d_out, loss).astype(dtype)
    _checks.equal_lengths(X, Y)
    _checks.finite("net", net)
    return jax.tree.map(lambda a: a.astype(dtype), net), X, Y, ridge


def targets(Y: Any, d_out: int, loss: Loss) -> Array:
    """Return targets as (N, d_out), or raise ValueError where the loss is unknown or cannot take them.

    Example:
        >>> targets([[0.5, 0.6]], 2, "cross-entropy")
        Traceback (most recent call last):
        ValueError: For the cross-entropy the rows of Y must be >= 0 and sum to one, but row 0 has the sum 1.1.

    Source: bnlib.
    """
    if loss not in get_args(Loss):
        raise ValueError(f"loss must be one of {', '.join(map(repr, get_args(Loss)))}, but it is {loss!r}.")
    Y = _checks.points("Y", Y, d_out)
    if loss == "cross-entropy":
        rows = np.asarray(Y, np.float64)
        least, total = rows.min(axis=1), rows.sum(axis=1)
        wrong = (least < 0) | (np.abs(total - 1) > 1e-5)
        if np.any(wrong):
            i = int(np.argmax(wrong))
            found = f"the entry {least[i]:.6g}" if least[i] < 0 else f"the sum {total[i]:.6g}"
            raise ValueError(
                f"For the cross-entropy the rows of Y must be >= 0 and sum to one, but row {i} has {found}."
            )
    return Y


def _entropy(Y: Array) -> Array:
    """Return the mean entropy of rows of probabilities."""
    return jnp.mean(jnp.sum(jax.scipy.special.entr(Y), axis=1))


def foresee(Y: Array, ridge: float, depth: int, loss: Loss = "squared") -> float:
    """Return what the best constant function loses beyond the least possible loss; warn if a constant will fit.

    For the squared loss it is the variance of Y, the mean squared distance of its rows from their mean. For the
    cross-entropy it is the entropy of the mean row less the mean entropy of the rows.

    Source: bnlib.
    """
    if loss == "squared":
        Y = Y - Y[:1]  # exactly zero for equal rows, whatever the rounding of their mean
        variance = float(jnp.mean(jnp.sum((Y - Y.mean(0, keepdims=True)) ** 2, axis=1)))
    else:
        variance = float(_entropy(Y.mean(0, keepdims=True)) - _entropy(Y)) * bool(jnp.any(Y[:1] != Y))
    if variance == 0:
        warnings.warn("All rows of Y are equal, so a constant function fits them.", stacklevel=3)
    elif variance < ridge * depth:
        name = "variance" if loss == "squared" else "entropy"
        warnings.warn(
            f"ridge * depth = {ridge * depth:.3g} exceeds the {name} {variance:.3g} of Y, so one dimension costs "
            "more than all there is to explain: expect a constant function.",
            stacklevel=3,
        )
    return variance


class Phase(NamedTuple):
    """Hold one phase: Adam steps from ``begin``, or L-BFGS iterations at a smoothing width, in float64 for polish."""

    kind: str
    begin: int
    width: float
    steps: int
    of: int


State = tuple[Network, Any]


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


class _Run:
    """Run the phases of one training one after the other, from a checkpoint where there is one."""

    def __init__(
        self,
        net: Network,
        phases: list[Phase],
        name: str = "",
        before: "_Run | None" = None,
        *,
        path: Path | None,
        data: tuple[Array, Array, float],
        rate: float,
        memory: int | None,
        loss: Loss,
        failures: list[OSError],
    ) -> None:
        self.phases, self.data, self.rate, self.memory, self.failures = phases, data, rate, memory, failures
        self.loss: Loss = loss
        self.path = path = checkpoints.beside(path, name) if path is not None and name else path
        self.history: np.ndarray = np.zeros(0) if before is None else before.history
        self.smoothed: float = float("nan") if before is None else before.smoothed
        self.done = 0
        self.state: State = (net, optimiser(first_order(phases), rate).init(net))
        self.key = checkpoints.fingerprint(net, *data, phases, rate, memory, loss)
        if path is not None and (found := checkpoints.load(path, self.key)) is not None:
            self.done, (self.history, smoothed, *leaves) = found
            self.smoothed = float(smoothed)
            with jax.enable_x64(any(a.dtype == np.float64 for a in leaves)):
                self.state = jax.tree.unflatten(jax.tree.structure(self.state), [jnp.asarray(a) for a in leaves])

    @property
    def net(self) -> Network:
        return self.state[0]

    def objective(self, stop: int) -> float:
        """Return the objective after so many phases; a run continued from a checkpoint may be further."""
        steps = list(accumulate(phase.steps for phase in self.phases))
        return float(self.history[steps[stop - 1] - 1])

    def _flat(self, phase: Phase) -> bool:
        """Say whether this round of polishing would repeat one that has ended flat."""
        again = self.done > 0 and phase == self.phases[self.done - 1]
        return again and phase.kind == "polish" and phase.width > 0 and self.smoothed <= FLAT

    def advance(self, stop: int | None = None) -> "_Run":
        """Run up to a phase; every phase starts from arrays alone, so that a checkpoint can stand between any two."""
        X, Y, ridge = self.data
        lam = jnp.asarray(ridge, X.dtype)
        for phase in self.phases[self.done : stop]:
            if self._flat(phase):
                self.done += 1
                continue
            self.state, values, gradient = run_phase(phase, self.state, X, Y, lam, self.rate, self.memory, self.loss)
            self.smoothed = self.smoothed if gradient is None else float(gradient)
            self.history = np.append(self.history, np.asarray(values, np.float64))
            if not np.all(np.isfinite(self.history)):
                step = int(np.argmin(np.isfinite(self.history)))
                raise RuntimeError(f"Training diverged: the objective is not finite at step {step}.")
            self.done += 1
            _progress(self.done, len(self.phases), self.history[-1])
            if self.path is not None:
                arrays = [self.history, np.asarray(self.smoothed), *map(np.asarray, jax.tree.leaves(self.state))]
                try:
                    checkpoints.save(self.path, self.key, self.done, arrays)
                except OSError as error:
                    if not self.failures:  # once is enough for the whole training
                        warnings.warn(
                            f"No checkpoint could be written to '{self.path}' ({error.strerror}); training goes on.",
                            stacklevel=3,
                        )
                    self.failures.append(error)
        return self


def _race(runs: dict[int, _Run]) -> tuple[_Run, tuple[tuple[int, float], ...]]:
    """Advance all runs stage by stage; those left behind drop out."""
    reached: dict[int, float] = {}
    for stop in range(1, len(next(iter(runs.values())).phases) + 1):
        reached |= {rank: run.advance(stop).objective(stop) for rank, run in runs.items()}
        least = min(reached[rank] for rank in runs)
        margin = MARGINS[min(stop, len(MARGINS)) - 1]
        runs = {rank: run for rank, run in runs.items() if reached[rank] <= margin * least}
    return runs[min(runs, key=lambda rank: reached[rank])], tuple(reached.items())


def run_phase(
    phase: Phase, state: State, X: Array, Y: Array, lam: Array, rate: float, memory: int | None, loss: Loss
) -> tuple[State, Array, Array | None]:
    """Run one phase; also return the objective at every step and the relative smoothed gradient, if any.

    Source: bnlib.
    """
    if phase.kind == "adam":
        return *_adam(*state, X, Y, lam, phase.steps, phase.of, rate, loss), None
    x64 = phase.kind == "polish" or X.dtype == jnp.float64
    with jax.enable_x64(x64 or bool(jax.config.jax_enable_x64)):  # type: ignore[attr-defined]
        dtype = jnp.float64 if x64 else X.dtype
        net, x, y, lam = jax.tree.map(lambda a: jnp.asarray(a, dtype), (state[0], X, Y, lam))
        width, flattest = jnp.asarray(phase.width, dtype), phase.kind == "polish" and phase.width > 0
        memory = (100 if phase.kind == "polish" else 50) if memory is None else memory
        net, values, gradient = quasi_newton(net, x, y, lam, width, phase.steps, memory, flattest, loss)
    return (net, state[1]), values, gradient if phase.width > 0 else None


def first_order(phases: Sequence[Phase]) -> int:
    """Return the number of Adam steps in a schedule.

    Source: bnlib.
    """
    return max((phase.of for phase in phases if phase.kind == "adam"), default=0)


def _progress(done: int, total: int, objective: float) -> None:
    """Draw a bar in a terminal, and nothing elsewhere."""
    if sys.stderr.isatty():
        bar = "#" * (20 * done // total)
        end = "\n" if done == total else ""
        print(f"\r[{bar:20}] {done}/{total}  objective {objective:.6g} ", end=end, file=sys.stderr, flush=True)


def summarise(
    net: Network,
    history: np.ndarray,
    smoothed: float,
    X: Array,
    Y: Array,
    ridge: float,
    variance: float,
    loss: Loss = "squared",
) -> TrainResult:
    """Balance the net where a run ended and say how it went.

    Source: bnlib.
    """
    decrease = float("inf")
    if len(history) >= 100:
        decrease = float(history[-100] - history[-1]) / max(abs(float(history[-1])), sys.float_info.min)
    imbalance = relative_imbalance(net)
    net = balance(net)
    value = float(_checks.float64(_error)(net, X, Y, loss))
    least = 0.0 if loss == "squared" else float(_entropy(Y))
    collapsed = variance > 0 and value - least > 0.99 * variance
    if collapsed and len(history):
        settled = int(np.argmax(np.abs(history - history[-1]) <= 0.01 * abs(history[-1])))
        warnings.warn(f"Training collapsed to a constant function, from about step {settled} on.", stacklevel=3)
    objective = value + ridge * float(squared_norm(net))
    converged = abs(decrease) <= 1e-3 and imbalance <= 1e-2
    return TrainResult(net, history, objective, value, decrease, imbalance, smoothed, converged, collapsed)


@partial(jax.jit, static_argnames="loss")
def _error(net: Network, X: Array, Y: Array, loss: Loss) -> Array:
    return _risk(net, X, Y, jnp.zeros(()), loss)


@_checks.float64
def relative_imbalance(net: Network) -> float:
    """Return the largest difference of A_i and B_i, relative to the largest squared norm of a hidden neuron.

    Source: theory id balance.
    """
    net = _checks.on_host(net)
    largest = max((float(np.max(np.sum(W**2, axis=1) + b**2)) for W, b in net.layers[:-1]), default=0.0)
    return float(np.max(np.abs(balance_residual(net)))) / largest if largest else 0.0


def entrywise(z: Array, y: Array, loss: Loss) -> tuple[Array, Array]:
    """Return what each entry of columns of outputs and targets adds to the loss, and half the derivative of the sum.

    Source: bnlib.
    """
    if loss == "squared":
        error = z - y
        return error**2, error
    return -y * jax.nn.log_softmax(z, axis=0), (jax.nn.softmax(z, axis=0) - y) / 2


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _risk(net: Network, X: Array, Y: Array, width: Array, loss: Loss) -> Array:
    """Evaluate the mean loss with the kink of the activation smoothed over [-width, width].

    Steps are bound by memory as much as by arithmetic, so the gradient is written out: data stand in columns, and
    one array per layer is kept, for the slope of the activation is a function of its value. X, Y and the width are
    constants to it.
    """
    return _risk_forward(net, X, Y, width, loss)[0]


def _risk_forward(net: Network, X: Array, Y: Array, width: Array, loss: Loss) -> tuple[Array, Any]:
    def up(h: Array, layer: Layer) -> tuple[Array, Array]:
        return _activation(_columns(layer, h), width, net.negative_slope), h

    h, inner = X.T, None
    if net.first is not None:
        h, _ = up(h, net.first)
        h, inner = lax.scan(up, h, net.hidden)
    entries, error = entrywise(_columns(net.last, h), Y.T, loss)
    return jnp.sum(entries) / len(X), (net, X, width, inner, h, error)


def _risk_backward(loss: Loss, kept: Any, seed: Array) -> tuple[Network, None, None, None]:
    net, X, width, inner, h, error = kept

    def down(g: Array, at: tuple[Layer, Array]) -> tuple[Array, Layer]:
        (W, _), h = at
        return (W.T @ g) * _slope(h, width, net.negative_slope), (g @ h.T, g.sum(1))

    g = error * (2 * seed / len(X))
    if net.first is None:
        return Network(None, None, (g @ X, g.sum(1)), net.negative_slope), None, None, None
    g, last = down(g, (net.last, h))
    g, hidden = lax.scan(down, g, (net.hidden, inner), reverse=True)
    return Network((g @ X, g.sum(1)), hidden, last, net.negative_slope), None, None, None


_risk.defvjp(_risk_forward, _risk_backward)


def _columns(layer: Layer, h: Array) -> Array:
    return layer[0] @ h + layer[1][:, None]


def _activation(z: Array, width: Array, negative_slope: float) -> Array:
    ramp = (z + width) ** 2 / jnp.where(width > 0, 4 * width, 1.0)
    relu = jnp.where(z > width, z, jnp.where(z > -width, ramp, 0.0))
    return negative_slope * z + (1.0 - negative_slope) * relu


def _slope(h: Array, width: Array, s: float) -> Array:
    """Return the derivative of the activation where its value is h; on the ramp it is the root of s + (1-s) h/width."""
    ramp = (h > -s * width) & (h < width)
    square = jnp.where(ramp, s + (1.0 - s) * h / jnp.where(width > 0, width, 1.0), 1.0)
    return jnp.where(ramp, jnp.sqrt(square), jnp.where(h > 0, 1.0, s))


def smoothed_objective(net: Network, X: Array, Y: Array, lam: Array, width: Array, loss: Loss = "squared") -> Array:
    """Evaluate what ``train`` minimises, with the kink smoothed over [-width, width].

    Source: bnlib.
    """
    return _risk(net, X, Y, width, loss) + lam * squared_norm(net)


def optimiser(steps: int, rate: float) -> optax.GradientTransformation:
    """Return Adam with a warm-up and a cosine decay.

    Source: bnlib.
    """
    schedule = optax.warmup_cosine_decay_schedule(0.0, rate, max(1, steps // 10), max(2, steps), 1e-3 * rate)
    # The usual second-moment decay .999 remembers early oscillations for so long that the ridge hardly acts.
    return optax.adam(schedule, b2=0.99)


@partial(jax.jit, static_argnames=("count", "steps", "rate", "loss"))
def _adam(
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
    """Run ``count`` of ``steps`` steps, rebalancing the neurons every few."""
    adam = optimiser(steps, rate)
    no_smoothing = jnp.zeros((), X.dtype)

    def step(carry: State, i: Array) -> tuple[State, Array]:
        net, state = carry
        value, grad = jax.value_and_grad(smoothed_objective)(net, X, Y, lam, no_smoothing, loss)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes its integer step count with floats
            updates, state = adam.update(grad, state)
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
