"""The papers' experiments, defined once: for the chapters at quick scale and for a script at theirs."""

import hashlib
import json
import re
import zlib
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks, tasks
from ..build.balancing import balance
from ..build.constructions import padded
from ..build.interpolants import rank_one_interpolant
from ..networks import Network, activations, apply, from_layers, init, jacobian
from ..tasks import Task
from ..theory.certificates import bottleneck_certificate
from ..theory.costs import lower_bound, squared_norm
from ..theory.invariance import decoded, orbit_share, principal_components
from ..theory.ntk import ntk_trace, sharpness
from ..theory.spectra import (
    bottleneck_rank,
    middle,
    nonlinearity_ratio,
    representation_singular_values,
    weight_singular_values,
)
from ..training.outcome import TrainResult
from ..training.phases import Stages
from ..training.stationarity import stationarity
from ..training.sweeps import Member

NAMES = (
    "affine-law",
    "affine-law-deep",
    "fig-j22",
    "fig-j23",
    "fig-j23-small",
    "phase-points",
    "phase-ridges",
    "planets",
    "symmetry",
)
AFFINE_RIDGE, AFFINE_DEPTHS = 0.002, (6, 8, 10, 12, 16, 20, 24)
# The control's ridge is proportional to 1/L and equals the fixed one at depth 20.
CONTROL = 20 * AFFINE_RIDGE
GRID_DEPTHS, GRID_RIDGES = (25, 8, 4, 16, 12), (0.002, 0.008, 0.032, 0.0005)
# The phase diagrams: the ridge of the one over numbers of points, and the number of points of the one over ridges.
PHASE_RIDGE, PHASE_N = 0.0002, 24
PHASE_DEPTHS: tuple[int, ...] = (6, 8, 12, 16, 20, 24, 32, 48)
PHASE_POINTS: tuple[int, ...] = (3, 4, 6, 8, 12, 16, 24, 48)  # divisors of the width, see ``member``
PHASE_RIDGES: tuple[float, ...] = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
# Planets: how many, at a ridge so small that what is left of the turn falls with their number.
PLANETS, PLANETS_RIDGE = (3200, 800, 200), 0.0005
# Equal numbers of iterations share one compiled program.
LONG: Stages = ((0.003, 100), (0.003, 100)) + ((0.003, 400),) * 2 + ((0.001, 400),) * 3 + ((0.0, 400),)
MEDIUM: Stages = ((0.003, 100), (0.003, 100), (0.003, 400), (0.001, 400), (0.0, 400))
SHORT: Stages = ((0.003, 150),) * 2 + ((0.001, 150),) * 2 + ((0.0, 150),)
DIRECT: Stages = ((0.03, 450), (0.01, 450), (0.003, 450), (0.001, 450), (0.0, 450), (0.0, 450))
DIRECT_SHORT: Stages = ((0.03, 150), (0.01, 150), (0.003, 150), (0.001, 150), (0.0, 150))
SLOW: Stages = ((0.003, 200),) * 3 + ((0.003, 400),) * 4 + ((0.001, 400),) * 4 + ((0.0, 400),) * 3
LONGEST: Stages = ((0.003, 1500),) * 2 + ((0.001, 1500),) * 2 + ((0.0, 1500),)
PHASE: Stages = ((0.003, 200), (0.003, 200), (0.001, 200), (0.0, 200))
CURVE_TAIL = 2
# Points at which Jacobians are taken, and points whose kernel is kept.
PROBES, KEPT = 50, 12
# Points from which invariants and phase are read off a layer, and as many on which the reading is scored.
READ = 2000


class Setting(NamedTuple):
    """Hold what fixes one training of an experiment: its data, its start and how long it trains.

    A start of less than the final depth is trained first and gets layers inserted; see ``train``. ``start`` is None for
    a random start, the number of neurons in the middle of one with a bottleneck, or "curve" for a built network that
    runs along a curve through the targets.
    """

    experiment: str
    rank: int
    depth: int
    start_depth: int
    width: int
    n: int
    ridge: float
    seed: int
    quick: bool = False
    start: int | str | None = None


def plan(name: str, *, quick: bool = False, seeds: int | None = None) -> tuple[Setting, ...]:
    """List the trainings of an experiment, the most telling first.

    Args:
        name: one of ``NAMES``.
        quick: the small sizes that the chapters run instead of the paper's.
        seeds: how many seeds; None for the book's number.

    Raises:
        ValueError: a name that is none of ``NAMES``, or no seeds.

    Example:
        >>> len(plan("fig-j22")), plan("fig-j22")[0].width
        (8, 100)

    Source: theory ids affine-law, fig-j22, fig-j23, rank-phase and symmetry.
    """
    if name not in NAMES:
        raise ValueError(f"There is no experiment {name!r}; the experiments are {', '.join(NAMES)}.")
    usual = {"fig-j23": 2, "fig-j23-small": 4, "symmetry": 5, "phase-points": 4, "phase-ridges": 4}.get(name, 8)
    count = (2 if quick else usual) if seeds is None else _checks.integer("seeds", seeds, 1)

    def settings(rank: int, depth: int, width: int, n: int, ridge: float, start: int | None = None) -> list[Setting]:
        start = (depth if depth <= 8 else max(8, -(-depth // 2))) if start is None else start
        return [Setting(name, rank, depth, start, width, n, ridge, seed, quick) for seed in range(count)]

    found: list[list[Setting]] = []
    if name == "affine-law":
        laws = (8, 16) if quick else AFFINE_DEPTHS
        found = [settings(k, L, 40, 150, AFFINE_RIDGE) for L in laws for k in (2, 1, 3) if k == 2 or not quick]
        if quick:
            found += [settings(k, 16, 40, 150, AFFINE_RIDGE)[:1] for k in (1, 3)]
        else:
            found += [settings(2, L, 40, 150, CONTROL / L) for L in laws if L != 20]
    elif name == "affine-law-deep":  # by insertion alone: an upper bound of what training from deep starts would find
        found = [settings(2, L, 40, 150, AFFINE_RIDGE, 12) for L in ((32,) if quick else (36, 48))]
    elif name == "fig-j22":
        found = [settings(4, 13, *((50, 150) if quick else (100, 500)), 0.05 / 13, 9)]
    elif name == "symmetry":
        depth, width, n, ridge = (12, 40, 300, 0.001) if quick else (25, 200, 1000, 0.0002)
        found = [settings(2, depth, width, n, ridge, 8 if quick else 10)]
    elif name == "planets":  # of rank 1 where the targets see only the shape of the ellipse
        found = [settings(k, 12, 28, n, PLANETS_RIDGE) for n in (PLANETS[-1:] if quick else PLANETS) for k in (2, 1)]
    elif name.startswith("phase"):
        depths, points, strengths = PHASE_DEPTHS, PHASE_POINTS, PHASE_RIDGES
        if quick:
            depths, points, strengths = (6, 24), (4, 24), (0.001, 0.016)
        if name == "phase-points":
            columns, starts = [(24 if quick else 48, n, PHASE_RIDGE) for n in points], [None, 1, "curve"]
        else:
            columns, starts = [(24, PHASE_N, ridge) for ridge in strengths], [None, 1, 2, 3]
        for L, column, start in product(depths, columns, starts):
            first = L if isinstance(start, str) else min(L, 8 if start is None else 6)
            found.append([s._replace(start=start) for s in settings(2, L, *column, first)])
        found = [list(group) for group in zip(*found, strict=True)]
    else:
        small = quick or name == "fig-j23-small"
        depths, ridges = ((8, 16), (0.002, 0.032)) if quick else (GRID_DEPTHS, GRID_RIDGES)
        found = [settings(2, L, *((40, 150) if small else (200, 1000)), r) for r in ridges for L in depths]
        # The whole grid for one seed before the next.
        found = [list(group) for group in zip(*found, strict=True)]
    return tuple(setting for group in found for setting in group)


def task(setting: Setting) -> Task:
    """Draw the data of a setting, in float64 whatever the session's default.

    Example:
        >>> task(plan("symmetry", quick=True)[0]).X.shape
        (300, 4)

    Source: theory ids affine-law, fig-j22, fig-j23, symmetry and symmetry-groups.
    """
    with jax.enable_x64(True):
        key = _keys(setting)[0]
        if setting.experiment == "fig-j22":
            return tasks.composed_task(key, setting.n, rank=setting.rank)
        if setting.experiment in ("symmetry", "planets"):
            return _turned(setting, key, setting.n, n_test=500)
        if setting.experiment == "phase-points":
            X = jax.random.uniform(key, (setting.n + 500, 2))
            return Task(X[: setting.n], X[: setting.n], X[setting.n :], X[setting.n :], 2, X[: setting.n])
        return tasks.latent_task(key, setting.n, rank=setting.rank)


def _turned(setting: Setting, key: Any, n: int, n_test: int) -> Task:
    """Draw inputs that are turned at random, with targets that do not see it."""
    if setting.experiment == "symmetry":
        return tasks.symmetry_task(key, n, n_test=n_test)
    return tasks.two_body_task(key, n, shape_only=setting.rank == 1, n_test=n_test)


def _keys(setting: Setting) -> Any:
    name = re.sub("-(small|deep|points|ridges)$", "", setting.experiment)
    root = zlib.crc32(name.encode())
    return jax.random.split(jax.random.fold_in(jax.random.key(root), setting.seed))


def member(setting: Setting) -> Member:
    """Return the start, the data and the ridge of a setting, as ``train`` and ``sweep`` take them.

    Example:
        >>> member(plan("fig-j22", quick=True)[0])[0].depth
        9

    Source: bnlib.
    """
    X, Y = task(setting)[:2]
    with jax.enable_x64(True):
        d_in, d_out = X.shape[1], Y.shape[1]
        key = _keys(setting)[1]
        shape = (setting.width, d_out, setting.start_depth)
        if setting.experiment == "phase-points":  # the same objective, and one compiled program for all N
            X, Y = (jnp.tile(A, (setting.width // setting.n, 1)) for A in (X, Y))
        if setting.start is None:
            return init(key, d_in, *shape), X, Y, setting.ridge
        if setting.start != "curve":
            return narrow(key, X, *shape, neurons=int(setting.start)), X, Y, setting.ridge
        (W, b), (V, c), *others = balance(
            rank_one_interpolant(X[: setting.n], Y[: setting.n], setting.depth, tail=CURVE_TAIL)
        ).layers
        spare = setting.width - len(b)  # neurons of zeros, so that all starts share compiled programs
        W, b, V = jnp.pad(W, ((0, spare), (0, 0))), jnp.pad(b, (0, spare)), jnp.pad(V, ((0, 0), (0, spare)))
        return from_layers([(W, b), (V, c), *others]), X, Y, setting.ridge


def narrow(key: Any, X: Any, width: int, d_out: int, depth: int, *, neurons: int) -> Network:
    """Draw a network with a bottleneck in the middle, whose code of X is positive and has unit variance.

    Neurons outside the bottleneck have no weights. A ReLU would leave them so; a smoothed one may wake them.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(9, 3))
        >>> net = narrow(jax.random.key(0), X, 8, 2, 6, neurons=1)
        >>> int(np.sum(np.asarray(activations(net, X).post[2]).std(0) > 0))
        1

    Source: theory id rank-phase.
    """
    up, down = jax.random.split(key)
    g = init(up, X.shape[1], width, neurons, depth // 2, scheme="he")
    h = init(down, neurons, width, d_out, depth - depth // 2, scheme="he")
    code = np.asarray(apply(g, X))
    W, b = g.last
    scaled = (W / code.std(0)[:, None], (b - code.mean(0)) / code.std(0))
    return padded(h, Network(g.first, g.hidden, scaled, g.negative_slope), depth, domain=X)


def schedule(setting: Setting) -> dict[str, Any]:
    """Return the other arguments of ``train`` for a setting.

    Example:
        >>> schedule(plan("fig-j22")[0])["depth"]
        13

    Source: recipe measured for the book.
    """
    if setting.experiment.startswith("phase"):
        built = {"first_order_steps": 0} if isinstance(setting.start, str) else {"depth": setting.depth}
        return built | {"stages": PHASE, "memory": 25}
    if setting.depth == setting.start_depth:
        return {"stages": DIRECT_SHORT if setting.quick else DIRECT}
    if setting.quick:
        stages = SHORT
    elif setting.experiment == "planets":
        stages = LONGEST
    elif setting.experiment == "symmetry":  # its ridge is the smallest, so shallow networks are slow to find the rank
        return {"depth": setting.depth, "stages": SLOW, "shallow": ((0.01, 400),) * 4}
    else:
        stages = MEDIUM if setting.width >= 200 else LONG
    return {"depth": setting.depth, "stages": stages}


def measure(setting: Setting, result: TrainResult) -> dict[str, Any]:
    """Return what the book keeps of a trained network: numbers and short lists, never weights.

    Args:
        setting: its setting.
        result: what ``train`` returned.

    Returns:
        A dictionary with the fields of the setting, squared norm (in all and by layer), objective, mse on training and
        test points, the diagnostics of training, rank, gap and decided, leading singular values of weights and
        representations, nonlinearity ratios and the certified lower bound of the cost; for turned inputs also, by
        layer, the share of the variance along orbits (the output last), the shares of the leading principal components,
        and R^2 of two quantities that do not see the turn (the first of them is that of a task of rank 1) and of the
        phase, read off as many components as the rank and linearly off all neurons; for the symmetry task the codes of
        a few orbits. At full scale also the mean trace of the tangent kernel, sharpness, and for the first seed the
        distance to a stationary point; for k the rank of the task, the two sides of the bottleneck
        theorem, the left one also by layer, medians over points, and the share of points with a Jacobian of rank k; for
        the affine law kernels of a few points at a quarter, a half and three quarters of the depth. The many small
        networks of the phase diagrams keep what decides between them, and the singular values of the middle weights.

    Example:
        >>> setting = Setting("symmetry", 2, 3, 3, 4, 20, 0.01, 1)
        >>> from bnlib import train
        >>> result = train(*member(setting), first_order_steps=10, stages=((0.0, 10),))
        >>> len(measure(setting, result)["weights"])
        3

    Source: theory ids affine-law, fig-j22, fig-j23 and symmetry.
    """
    net, data = result.net, task(setting)
    rank, gap, decided = bottleneck_rank(net, data.X)
    Y = np.asarray(data.Y)
    residual = np.asarray(apply(net, data.X_test.astype(net.last[0].dtype)), float) - np.asarray(data.Y_test)
    shown = 10 if setting.experiment == "fig-j22" else 5
    found: dict[str, Any] = {
        "squared_norm": float(squared_norm(net)),
        "objective": result.objective,
        "mse": result.mse,
        "test_mse": float(np.mean(np.sum(residual**2, axis=1))),
        "variance": float(np.mean(np.sum((Y - Y.mean(0)) ** 2, axis=1))),
        "decrease": result.decrease,
        "imbalance": result.imbalance,
        "converged": result.converged,
        "collapsed": result.collapsed,
        "learned_rank": rank,
        "gap": gap,
        "decided": decided,
    }
    if setting.experiment.startswith("phase"):
        spectrum = np.median(weight_singular_values(net)[middle(net.depth), :5], axis=0).tolist()
        return setting._asdict() | _short(found | {"mean": float(np.sum(Y.mean(0) ** 2)), "spectrum": spectrum})
    found |= {
        "layer_norms": [float((W**2).sum() + (b**2).sum()) for W, b in _checks.on_host(net).layers],
        "smoothed_gradient": result.smoothed_gradient,
        "trials": [list(trial) for trial in result.trials],
        "weights": weight_singular_values(net)[:, :shown].tolist(),
        "representations": representation_singular_values(net, data.X)[:, :shown].tolist(),
        "nonlinearity": nonlinearity_ratio(net, data.X).tolist(),
        "lower_bound": lower_bound(net, data.X[:PROBES]),
    }
    if not setting.quick:
        found |= _certified(setting, net, data)
    if setting.experiment in ("symmetry", "planets"):
        found |= _symmetry(setting, net)
    return setting._asdict() | _short(found)


def _certified(setting: Setting, net: Network, data: Task) -> dict[str, Any]:
    """Return what takes Jacobians, kernels or a search, which would cost a chapter more time than its trainings."""
    found: dict[str, Any] = {
        "ntk_trace": float(np.mean(np.asarray(ntk_trace(net, data.X[:PROBES])))),
        "sharpness": sharpness(net, data.X),
    }
    # The theorem is about points whose Jacobian has rank k; a few may lie where all is flat.
    s = np.linalg.svd(np.asarray(jacobian(net, data.X[:PROBES])), compute_uv=False)[:, : setting.rank]
    found |= {"full_rank": float(np.mean(s[:, -1] > 1e-6 * s[:, 0]))}
    if found["full_rank"] > 0:
        sides = bottleneck_certificate(net, data.X[:PROBES][s[:, -1] > 1e-6 * s[:, 0]], setting.rank)
        found |= {"left": float(np.median(sides.lhs)), "right": float(np.median(sides.rhs))}
        found |= {"left_layers": np.median(sides.per_layer, axis=0).tolist()}
    if setting.experiment.startswith("affine-law") and setting.depth % 4 == 0:
        post = np.asarray(activations(net, data.X[:KEPT].astype(net.last[0].dtype)).post, float)
        at = [post[setting.depth * quarters // 4 - 1] for quarters in (1, 2, 3)]
        found |= {"kernels": [(A @ A.T)[np.triu_indices(KEPT)].tolist() for A in at]}
    if setting.seed == 0:
        found |= {"stationarity": stationarity(net, data.X, data.Y, setting.ridge)._asdict()}
    return found


def _short(value: Any) -> Any:
    """Keep five significant digits: more are not reproducible, and files stay small."""
    if isinstance(value, dict):
        return {name: _short(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_short(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _symmetry(setting: Setting, net: Network) -> dict[str, Any]:
    """Return what the layers keep of turned inputs, at points of which training saw none."""
    planets = setting.experiment == "planets"
    with jax.enable_x64(True):
        side, turn = np.linspace(-1, 1, 9), np.linspace(-np.pi, np.pi, 40, endpoint=False)
        s, t, angle = (jnp.asarray(a.ravel()) for a in np.meshgrid(side, side, turn, indexing="ij"))
        if planets:  # to a task of rank 1 ellipses are equal if they are similar
            X = tasks.planets(1 + t / 5, 0.3 + 0.15 * s, angle)
            orbits = X.reshape(-1, 360 if setting.rank == 1 else 40, 6)
        else:
            orbits = tasks.rotated_pair(s, t, angle).reshape(81, 40, 4)
        fit, test = (_turned(setting, jax.random.key(seed), READ, n_test=1) for seed in (1, 2))

    def quantities(latent: Any) -> np.ndarray:
        first, second, phase = np.asarray(latent).T
        if planets:
            energy, momentum = -1 / (2 * first), np.sqrt(first * (1 - second**2))
            first, second = (second, first) if setting.rank == 1 else (energy, momentum)
        return np.stack([first, second, np.cos(phase), np.sin(phase)], axis=1)

    def read(components: int, degree: int) -> list[list[float]]:
        """Return R^2 of the two quantities and of the phase, by layer."""
        seen, asked = quantities(fit.latent), quantities(test.latent)
        R2 = decoded(net, fit.X, seen, test.X, asked, components=components, degree=degree)
        return np.concatenate([R2[:, :2], R2[:, 2:].mean(axis=1, keepdims=True)], axis=1).tolist()

    found: dict[str, Any] = {
        "orbit_share": orbit_share(net, orbits).tolist(),
        "component_shares": principal_components(net, fit.X, 4).shares.tolist(),
        "decoded": read(setting.rank, 5),
        "decoded_linearly": read(net.width, 1),
    }
    if not planets:  # every second orbit each way and every fifth angle, for pictures of the codes
        shown = np.asarray(orbits).reshape(9, 9, 40, 4)[::2, ::2, ::5].reshape(-1, 4)
        found |= {"codes": principal_components(net, fit.X, 2, shown).scores.tolist()}
    return found


def setting_of(record: dict[str, Any]) -> Setting:
    """Return the setting that a record belongs to; what older records do not name has its usual value.

    Example:
        >>> setting_of(load("fig-j22")[0]) == plan("fig-j22")[0]
        True

    Source: bnlib.
    """
    return Setting(**{field: record[field] for field in Setting._fields if field in record})


def folder() -> Path:
    """Return where results lie: beside this file in a wheel, at the root of a checkout.

    Example:
        >>> folder().name
        'results'

    Source: bnlib.
    """
    beside = Path(__file__).parents[1] / "results"
    return beside if beside.exists() else Path(__file__).parents[2] / "results"


def checksum(records: list[dict[str, Any]]) -> str:
    """Return the hash that the manifest of a results file gives for its records.

    Example:
        >>> checksum([])[:8]
        '4f53cda1'

    Source: scripts/runs/paper_scale.py.
    """
    return hashlib.sha256(json.dumps(records, sort_keys=True).encode()).hexdigest()


def load(name: str, path: Path | None = None, *, quick: bool = False) -> list[dict[str, Any]]:
    """Read the stored records of an experiment, in the order of its plan.

    Args:
        name: one of ``NAMES``.
        path: results file; None for the book's own.
        quick: whether its records are of the quick plan.

    Returns:
        Records, as from ``measure``, one for every setting of the plan that has been run; often not for all.

    Raises:
        ValueError: an unknown name, a file that is no results file, or one whose records are not those of its
            manifest.

    Example:
        >>> load("symmetry", Path("no-such-file.json"))
        []

    Source: scripts/runs/paper_scale.py.
    """
    planned = plan(name, quick=quick)
    path = folder() / f"{name}.json" if path is None else path
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        records, stated = content["records"], content["manifest"]["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"'{path.name}' is no results file ({type(error).__name__}: {error}).") from error
    if checksum(records) != stated:
        raise ValueError(f"The records in '{path.name}' are not those of its manifest: their checksum differs.")
    found = {setting_of(record): record for record in records}
    return [found[setting] for setting in planned if setting in found]
