"""What the book keeps of a trained network: its verdict, its spectra and what is certified of it."""

from typing import Any

import numpy as np

from .. import _checks
from ..networks import Network, apply, jacobian
from ..tasks import Task
from ..theory.certificates import bottleneck_certificate
from ..theory.costs import lower_bound, squared_norm
from ..theory.ntk import ntk_trace, sharpness
from ..theory.spectra import (
    bottleneck_rank,
    nonlinearity_ratio,
    representation_singular_values,
    weight_singular_values,
)
from ..training.outcome import TrainResult
from ..training.stationarity import stationarity
from .setting import Setting

# Points at which Jacobians are taken.
PROBES = 50


def verdict(result: TrainResult, data: Task) -> dict[str, Any]:
    """Return what every record holds: norm, objective, errors, the diagnostics of training and the rank.

    Args:
        result: what ``train`` returned.
        data: the points of training and of testing.

    Returns:
        Squared norm, objective, mse on training and test points beside the variance of the targets, whether training
        converged, its last decrease, imbalance and collapse; rank, gap and whether the rank is decided.

    Example:
        >>> from bnlib import experiments, train
        >>> setting = experiments.Setting("fig-j23", 2, 3, 3, 4, 20, 0.01, 1, quick=True)
        >>> result = train(*experiments.member(setting), first_order_steps=10, stages=((0.0, 10),))
        >>> verdict(result, experiments.task(setting))["collapsed"]
        False

    Source: J22, J23; claims affine-law, fig-j22, fig-j23; chapter first_pictures.
    """
    net, Y = result.net, np.asarray(data.Y)
    rank, gap, decided = bottleneck_rank(net, data.X)
    residual = np.asarray(apply(net, data.X_test.astype(net.last[0].dtype)), float) - np.asarray(data.Y_test)
    return {
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


def usual(setting: Setting, result: TrainResult, data: Task, *, shown: int = 5) -> dict[str, Any]:
    """Return what most records hold by layer, and at full scale what is certified.

    Args:
        setting: its setting.
        result: what ``train`` returned.
        data: its data.
        shown: how many leading singular values.

    Returns:
        Squared norms by layer, the smoothed gradient, the ranks that training tried, leading singular values of weights
        and representations, nonlinearity ratios and the certified lower bound of the cost; at full scale also
        ``certified``.

    Example:
        >>> from bnlib import experiments, train
        >>> setting = experiments.Setting("fig-j23", 2, 3, 3, 4, 20, 0.01, 1, quick=True)
        >>> result = train(*experiments.member(setting), first_order_steps=10, stages=((0.0, 10),))
        >>> np.shape(usual(setting, result, experiments.task(setting))["weights"])
        (3, 4)

    Source: J22, J23; claims affine-law, fig-j22, fig-j23; chapter first_pictures.
    """
    net = result.net
    found: dict[str, Any] = {
        "layer_norms": [float((W**2).sum() + (b**2).sum()) for W, b in _checks.on_host(net).layers],
        "smoothed_gradient": result.smoothed_gradient,
        "trials": [list(trial) for trial in result.trials],
        "weights": weight_singular_values(net)[:, :shown].tolist(),
        "representations": representation_singular_values(net, data.X)[:, :shown].tolist(),
        "nonlinearity": nonlinearity_ratio(net, data.X).tolist(),
        "lower_bound": lower_bound(net, data.X[:PROBES]),
    }
    return found if setting.quick else found | certified(setting, net, data)


def certified(setting: Setting, net: Network, data: Task) -> dict[str, Any]:
    """Return what takes Jacobians, kernels or a search, which would cost a chapter more time than its trainings.

    Args:
        setting: its setting, whose rank is the k of the bottleneck theorem.
        net: the trained network.
        data: its data.

    Returns:
        The mean trace of the tangent kernel, sharpness, the share of points with a Jacobian of rank k, over those the
        medians of the two sides of the bottleneck theorem, the left one also by layer, and for the first seed the
        distance to a stationary point.

    Example:
        >>> from bnlib import experiments
        >>> setting = experiments.Setting("fig-j23", 2, 3, 3, 4, 20, 0.01, 1)
        >>> net, *_ = experiments.member(setting)
        >>> sorted(certified(setting, net, experiments.task(setting)))
        ['full_rank', 'left', 'left_layers', 'ntk_trace', 'right', 'sharpness']

    Source: J22, J23; claims affine-law, fig-j22, fig-j23; chapter first_pictures.
    """
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
    if setting.seed == 0:
        found |= {"stationarity": stationarity(net, data.X, data.Y, setting.ridge)._asdict()}
    return found


def five_digits(value: Any) -> Any:
    """Keep five significant digits: more are not reproducible, and files stay small.

    Example:
        >>> five_digits({"mse": [1 / 3, 7, None]})
        {'mse': [0.33333, 7, None]}

    Source: bnlib.
    """
    if isinstance(value, dict):
        return {name: five_digits(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [five_digits(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
