"""Training through a corridor: a network whose middle is in closed form, so that a step costs the same at any depth."""

import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from .. import _checks
from ..build.corridors import Compressed, compress, expand, pad, price
from ..networks import Layer, Network
from ..theory.spectra import bottleneck_rank
from . import lbfgs
from .objective import Loss, _activation, _columns, _slope, entrywise
from .outcome import TrainResult, foresee, summarise
from .phases import PAIRS, Phase, Stages, schedule
from .run import SHALLOW, _race, checked
from .scaling import warnings_of_scale
from .trajectory import WAY, Trajectory

# Stages of the ranks that race through the corridor. Two numbers of iterations share two compiled programs.
THROUGH: Stages = ((0.01, 100), (0.003, 100), (0.003, 100), (0.003, 800), (0.0, 100))
# At full depth: rounds until one lowers the objective by less than the share, and an end without smoothing.
ROUNDS: Stages = ((0.003, 100),) * 8
SETTLED, LAST = 3e-4, ((0.0, 100),)
# What the orthant may cut off a code, relative to the longest: training repairs what the start and the end lose.
CUT = 0.1


@jax.custom_vjp
def _outputs(net: Network, h: Array, width: Array) -> Array:
    """Return the outputs of a ReLU network at columns h, smoothed; one array per layer is kept for the gradient."""
    return _outputs_forward(net, h, width)[0]


def _outputs_forward(net: Network, x: Array, width: Array) -> tuple[Array, Any]:
    def up(h: Array, layer: Layer) -> tuple[Array, Array]:
        return _activation(_columns(layer, h), width, 0.0), h

    h, inner = x, None
    if net.first is not None:
        h, _ = up(h, net.first)
        h, inner = lax.scan(up, h, net.hidden)
    return _columns(net.last, h), (net, x, width, inner, h)


def _outputs_backward(kept: Any, g: Array) -> tuple[Network, Array, Array]:
    net, x, width, inner, h = kept

    def down(g: Array, at: tuple[Layer, Array]) -> tuple[Array, Layer]:
        (W, _), h = at
        return (W.T @ g) * _slope(h, width, 0.0), (g @ h.T, g.sum(1))

    first, hidden, last = None, None, (g @ h.T, g.sum(1))
    lowest = net.last
    if net.first is not None:
        g, last = down(g, (net.last, h))
        g, hidden = lax.scan(down, g, (net.hidden, inner), reverse=True)
        first, lowest = (g @ x.T, g.sum(1)), net.first
    return Network(first, hidden, last, 0.0), lowest[0].T @ g, jnp.zeros_like(width)


_outputs.defvjp(_outputs_forward, _outputs_backward)


def objective(net: Compressed, X: Array, Y: Array, lam: Array, width: Array, loss: Loss = "squared") -> Array:
    r"""Evaluate the mean loss and the ridge of a compressed network, with kinks smoothed over [-width, width].

    The number of operations does not depend on the depth.

    Example:
        >>> from bnlib import from_layers
        >>> one, eye, zero = from_layers([([[1.0]], None)]), jnp.eye(1), jnp.zeros(1)
        >>> net = Compressed(one, eye, zero, (eye, zero), one, 10)
        >>> x = jnp.array([[3.0]])
        >>> round(float(objective(net, x, x + 1, jnp.array(0.5), jnp.array(0.0))), 6)
        7.0

    Source: book.
    """
    code = _activation(_outputs(net.head, X.T, width), width, 0.0)
    code = _columns(net.out, jnp.exp(net.growth)[:, None] * (net.into @ code))
    outputs = _outputs(net.tail, _activation(code, width, 0.0), width)
    entries, _ = entrywise(outputs, Y.T, loss)
    return jnp.sum(entries) / len(X) + lam * price(net)


@partial(jax.jit, static_argnames=("iterations", "memory", "loss"))
def quasi_newton(
    net: Compressed,
    X: Array,
    Y: Array,
    lam: Array,
    width: Array,
    iterations: int,
    memory: int = 50,
    loss: Loss = "squared",
) -> tuple[Compressed, Array, Array]:
    """Run L-BFGS on a compressed network.

    Returns:
        The last network, the history, and the norm of the gradient there, relative to that of the ridge.

    Source: bnlib.
    """
    flat, unravel = ravel_pytree(net)
    found = lbfgs.minimize(
        lambda v: objective(unravel(v), X, Y, lam, width, loss),
        flat,
        iterations,
        max(10, min(memory, PAIRS // flat.size)),
    )
    end = unravel(found.x)
    slope, _ = ravel_pytree(jax.grad(objective)(end, X, Y, lam, width, loss))
    size = 2 * lam * jnp.sqrt(price(end))
    return end, found.history, jnp.linalg.norm(slope) / jnp.where(size > 0, size, 1.0)


class Passage:
    """Train one compressed network stage by stage, after the shallow network from which it was made.

    Args:
        net: start.
        phases: what ``schedule`` returns for stages of L-BFGS.
        before: the trajectory of the shallow network, whose history this one continues.
        data: X (N, d_in), Y (N, d_out) and the ridge.
        memory: pairs kept by L-BFGS.
        loss: as in ``train``.

    Source: bnlib.
    """

    def __init__(
        self,
        net: Compressed,
        phases: list[Phase],
        before: Trajectory,
        *,
        data: tuple[Array, Array, float],
        memory: int | None,
        loss: Loss,
    ) -> None:
        self.net, self.phases, self.data, self.memory = net, phases, data, 50 if memory is None else memory
        self.loss: Loss = loss
        self.history, self.smoothed = before.history, before.smoothed
        self.reached: list[float] = []

    def objective(self, stop: int) -> float:
        """Return the objective after so many phases."""
        return self.reached[stop - 1]

    def advance(self, stop: int | None = None) -> "Passage":
        """Run up to a phase.

        Raises:
            RuntimeError: the objective became NaN or infinite.
        """
        X, Y, ridge = self.data
        for phase in self.phases[len(self.reached) : stop]:
            lam, width = (jnp.asarray(v, X.dtype) for v in (ridge, phase.width))
            self.net, values, gradient = quasi_newton(
                self.net, X, Y, lam, width, phase.steps, memory=self.memory, loss=self.loss
            )
            self.history = np.append(self.history, np.asarray(values, np.float64))
            if not np.all(np.isfinite(values)):
                step = int(np.argmin(np.isfinite(self.history)))
                raise RuntimeError(f"Training diverged: the objective is not finite at step {step}; {WAY}.")
            self.smoothed = float(gradient) if phase.width > 0 else self.smoothed
            self.reached.append(float(values[-1]))
        return self


def train_through(
    net: Network,
    X: Any,
    Y: Any,
    ridge: float,
    *,
    depth: int,
    loss: Loss = "squared",
    place: tuple[int, int] | None = None,
    first_order_steps: int = 500,
    learning_rate: float = 5e-3,
    shallow: Stages = SHALLOW,
    stages: Stages = THROUGH,
    rounds: Stages = ROUNDS,
    memory: int | None = None,
    dtype: Any = jnp.float32,
) -> TrainResult:
    r"""Minimise what ``train`` minimises at a depth of any size, through a corridor in closed form.

    The given start is trained. Then a corridor takes it to the full depth, with the rank counted there and with one
    less; these race, and dimensions that do not pay die out, because each gain has its price. The winner is expanded
    and polished at full width and depth, in rounds that end when one of them gains next to nothing.

    Args:
        net: ReLU start of depth at least 3, for instance from ``init``; six to eight layers are enough.
        X: inputs (N, d_in).
        Y: targets (N, d_out), as in ``train``.
        ridge: lambda >= 0.
        depth: final depth.
        loss: "squared" or "cross-entropy".
        place: hidden layers of the start between which the corridor goes, as for ``compress``.
        first_order_steps: steps of Adam.
        learning_rate: its peak.
        shallow: stages before the corridor is put in.
        stages: stages with the corridor, in which the ranks race.
        rounds: stages at full width and depth; one without smoothing follows them.
        memory: pairs kept by L-BFGS; None for 50.
        dtype: type used in training.

    Returns:
        A ``TrainResult``, as ``train`` does.

    Raises:
        ValueError: a start that cannot be compressed, a depth below what the start and a corridor of three matrices
            take, no stages, or bad input as in ``train``.
        RuntimeError: the objective became NaN or infinite, with the step.

    Example:
        >>> from bnlib import init
        >>> x = np.linspace(0.1, 1.0, 9)[:, None]
        >>> how = {"first_order_steps": 50, "shallow": ((0.01, 20),), "stages": ((0.01, 20),), "rounds": ()}
        >>> train_through(init(jax.random.key(0), 1, 4, 1, 4), x, 2 * x, 1e-3, depth=30, **how).net.depth
        30

    Source: book.
    """
    given = X, Y
    net, X, Y, ridge = checked(net, X, Y, ridge, dtype, loss)
    if not len(stages):
        raise ValueError("stages must not be empty: the ranks race in them.")
    if net.depth < 3 or net.negative_slope != 0.0:
        raise ValueError(
            f"A corridor needs a ReLU network of depth at least 3 to start from, not of depth {net.depth}."
        )
    rate = _checks.number("learning_rate", learning_rate)
    depth = _checks.integer("depth", depth, net.depth)
    memory = None if memory is None else _checks.integer("memory", memory, 1)
    raced, full, last = (
        schedule(0, part, name) for part, name in ((stages, "stages"), (rounds, "rounds"), (LAST, "last"))
    )
    variance = foresee(given[1], ridge, depth, loss)
    for sentence in warnings_of_scale(*given, dtype):
        warnings.warn(sentence, stacklevel=2)
    how: dict[str, Any] = {"data": (X, Y, ridge), "memory": memory, "loss": loss}
    at_full: Any = partial(Trajectory, path=None, rate=rate, failures=[], **how)
    start = at_full(net, schedule(first_order_steps, shallow, "shallow")).advance()
    rank = max(1, bottleneck_rank(start.net, X).rank)
    # Padded to one shape, all ranks share the compiled programs.
    corridors = {r: compress(start.net, X, r, depth, place=place, cut=CUT) for r in {rank, max(1, rank - 1)}}
    widest = max(len(c.out[1]) for c in corridors.values())
    runs: dict[int, Any] = {r: Passage(pad(c, rank, widest), raced, start, **how) for r, c in sorted(corridors.items())}
    through, trials = _race(runs)
    best: Any = through
    end = at_full(expand(best.net, X, cut=CUT), [], before=best)
    for phase in full:
        end = at_full(end.net, [phase], before=end).advance()
        values = end.history[-phase.steps :]
        if values[0] - values[-1] <= SETTLED * abs(values[-1]):
            break
    end = at_full(end.net, last, before=end).advance()
    return summarise(end.net, end.history, end.smoothed, X, Y, ridge, variance, loss)._replace(trials=trials)
