"""Which rank has the least objective: over depth and number of points, and over depth and ridge."""

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..build.balancing import balance
from ..build.constructions import padded
from ..build.interpolants import rank_one_interpolant
from ..networks import Network, apply, from_layers, init
from ..tasks import Task
from ..theory.spectra import middle, weight_singular_values
from ..training.outcome import TrainResult
from ..training.phases import Stages
from ..training.sweeps import Member
from .experiment import Experiment, random_start
from .setting import Setting, seed_by_seed

# The ridge of the diagram over numbers of points, and the number of points of the one over ridges.
FIXED_RIDGE, FIXED_NUMBER = 0.0002, 24
DEPTHS: tuple[int, ...] = (6, 8, 12, 16, 20, 24, 32, 48)
NUMBERS: tuple[int, ...] = (3, 4, 6, 8, 12, 16, 24, 48)  # divisors of the width, see ``_member_of_points``
RIDGES: tuple[float, ...] = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
QUICK_DEPTHS, QUICK_NUMBERS, QUICK_RIDGES = (6, 24), (4, 24), (0.001, 0.016)
STAGES: Stages = ((0.003, 200), (0.003, 200), (0.001, 200), (0.0, 200))
CURVE_TAIL = 2


def _plan_points(quick: bool, seeds: int) -> list[Setting]:
    depths, points, width = (QUICK_DEPTHS, QUICK_NUMBERS, 24) if quick else (DEPTHS, NUMBERS, 48)
    settings = [
        Setting("phase-points", 2, depth, _first_depth(depth, start), width, n, FIXED_RIDGE, 0, quick, start)
        for depth, n, start in product(depths, points, (None, 1, "curve"))
    ]
    return seed_by_seed(settings, seeds)


def _plan_ridges(quick: bool, seeds: int) -> list[Setting]:
    depths, ridges = (QUICK_DEPTHS, QUICK_RIDGES) if quick else (DEPTHS, RIDGES)
    settings = [
        Setting("phase-ridges", 2, depth, _first_depth(depth, start), 24, FIXED_NUMBER, ridge, 0, quick, start)
        for depth, ridge, start in product(depths, ridges, (None, 1, 2, 3))
    ]
    return seed_by_seed(settings, seeds)


def _first_depth(depth: int, start: int | str | None) -> int:
    return depth if isinstance(start, str) else min(depth, 8 if start is None else 6)


def _points(key: Array, setting: Setting) -> Task:
    """Draw points of the plane, which the network shall return."""
    X = jax.random.uniform(key, (setting.n + 500, 2))
    return Task(X[: setting.n], X[: setting.n], X[setting.n :], X[setting.n :], 2, X[: setting.n])


def _member_of_points(key: Array, setting: Setting, data: Task) -> Member:
    # Copies of the points: the same objective, and one compiled program for all N.
    X, Y = (jnp.tile(A, (setting.width // setting.n, 1)) for A in data[:2])
    if setting.start == "curve":
        return _along_a_curve(data.X, data.Y, setting), X, Y, setting.ridge
    return _member(key, setting, data._replace(X=X, Y=Y))


def _member(key: Array, setting: Setting, data: Task) -> Member:
    if setting.start is None:
        return random_start(key, setting, data)
    X, Y = data[:2]
    start = narrow(key, X, setting.width, Y.shape[1], setting.start_depth, neurons=int(setting.start))
    return start, X, Y, setting.ridge


def narrow(key: Any, X: Any, width: int, d_out: int, depth: int, *, neurons: int) -> Network:
    """Draw a network with a bottleneck in the middle, whose code of X is positive and has unit variance.

    Neurons outside the bottleneck have no weights. A ReLU would leave them so; a smoothed one may wake them.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(9, 3))
        >>> net = narrow(jax.random.key(0), X, 8, 2, 6, neurons=1)
        >>> from bnlib import activations
        >>> int(np.sum(np.asarray(activations(net, X).post[2]).std(0) > 0))
        1

    Source: J22, J23; claim rank-phase; chapter window.
    """
    up, down = jax.random.split(key)
    g = init(up, X.shape[1], width, neurons, depth // 2, scheme="he")
    h = init(down, neurons, width, d_out, depth - depth // 2, scheme="he")
    code = np.asarray(apply(g, X))
    W, b = g.last
    scaled = (W / code.std(0)[:, None], (b - code.mean(0)) / code.std(0))
    return padded(h, Network(g.first, g.hidden, scaled, g.negative_slope), depth, domain=X)


def _along_a_curve(X: Array, Y: Array, setting: Setting) -> Network:
    """Build a balanced network of rank 1 through the points."""
    (W, b), (V, c), *others = balance(rank_one_interpolant(X, Y, setting.depth, tail=CURVE_TAIL)).layers
    spare = setting.width - len(b)  # neurons of zeros, so that all starts share compiled programs
    W, b, V = jnp.pad(W, ((0, spare), (0, 0))), jnp.pad(b, (0, spare)), jnp.pad(V, ((0, 0), (0, spare)))
    return from_layers([(W, b), (V, c), *others])


def _schedule(setting: Setting) -> dict[str, Any]:
    built = {"first_order_steps": 0} if isinstance(setting.start, str) else {"depth": setting.depth}
    return built | {"stages": STAGES, "memory": 25}


def _measure(setting: Setting, result: TrainResult, data: Task) -> dict[str, Any]:
    """Keep what decides between many small networks, and the singular values of the middle weights."""
    net = result.net
    spectrum = np.median(weight_singular_values(net)[middle(net.depth), :5], axis=0).tolist()
    return {"mean": float(np.sum(np.asarray(data.Y).mean(0) ** 2)), "spectrum": spectrum}


OVER_POINTS = Experiment(
    "phase-points",
    _plan_points,
    seeds=4,
    task=_points,
    member=_member_of_points,
    schedule=_schedule,
    measure=_measure,
    family="phase",
)
OVER_RIDGES = Experiment(
    "phase-ridges", _plan_ridges, seeds=4, member=_member, schedule=_schedule, measure=_measure, family="phase"
)
