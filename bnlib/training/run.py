"""Training with a ridge until the bottleneck has formed: a first-order phase, then L-BFGS."""

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .. import _checks
from ..build.constructions import deepen
from ..networks import Network
from ..theory.spectra import bottleneck_rank
from .objective import Loss, targets
from .outcome import TrainResult, foresee, summarise
from .phases import Stages, schedule
from .scaling import warnings_of_scale
from .trajectory import Trajectory

# Width of the smoothed ReLU and L-BFGS iterations at each: a kink that is still wide is easier to cross.
# Equal numbers of iterations share one compiled program.
STAGES: Stages = ((0.03, 400), (0.01, 400), (0.003, 400), (0.001, 400), (0.0, 400))
# The same in float64, to a stationary point: what is left of the gradient is measured at the last positive width, where
# rounds, each with an empty memory, go on until it is flat.
POLISH: Stages = ((0.01, 1000), *((0.003, 1000),) * 8, (0.0, 1000))
# Inserted layers. The shallow net is cheap, and its rank is right, or one too high, long before it has converged; ranks
# race in the deep one, and drop out after a stage that they leave with more than so many times the lowest objective.
SHALLOW: Stages = ((0.01, 400),)
INSERTED: Stages = ((0.003, 100), (0.003, 100), (0.003, 200), (0.003, 800), (0.0, 100))
MARGINS = (1.5, 1.05, 1.0)


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
        checkpoint: npz file that is written as training goes and continued from when it exists. A finished one is
            trained longer by further ``stages`` or ``polish``, and may lie where nothing can be written.

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

    Source: bnlib; chapters opening, training.
    """
    given = X, Y
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
    variance = foresee(given[1], ridge, depth, loss)
    for sentence in warnings_of_scale(*given, dtype):
        warnings.warn(sentence, stacklevel=2)
    part = partial(Trajectory, path=path, data=(X, Y, ridge), rate=rate, memory=memory, loss=loss, failures=[])
    trials: tuple[tuple[int, float], ...] = ()
    if depth == net.depth:
        best = part(net, phases + finish).advance()
    else:
        start = part(net, schedule(first_order_steps, shallow, "shallow"), "shallow").advance()
        rank = max(1, bottleneck_rank(start.net, X).rank)
        runs = {
            r: part(deepen(start.net, depth, rank=r, X=X), phases, f"rank{r}") for r in sorted({rank, max(1, rank - 1)})
        }
        best, trials = _race(runs)
        if polish:
            best = part(best.net, finish, "polish", best).advance()
    return summarise(best.net, best.history, best.smoothed, X, Y, ridge, variance, loss)._replace(trials=trials)


def _race(runs: dict[int, Trajectory]) -> tuple[Trajectory, tuple[tuple[int, float], ...]]:
    """Advance all runs stage by stage; those left behind drop out."""
    reached: dict[int, float] = {}
    for stop in range(1, len(next(iter(runs.values())).phases) + 1):
        reached |= {rank: run.advance(stop).objective(stop) for rank, run in runs.items()}
        least = min(reached[rank] for rank in runs)
        margin = MARGINS[min(stop, len(MARGINS)) - 1]
        runs = {rank: run for rank, run in runs.items() if reached[rank] <= margin * least}
    return runs[min(runs, key=lambda rank: reached[rank])], tuple(reached.items())


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
