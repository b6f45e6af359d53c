"""How a training went: whether it converged, whether it explains its targets, and whether that was foreseeable."""

import sys
import warnings
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from .. import _checks
from ..build.balancing import balance, balance_residual
from ..networks import Network, apply
from ..theory.costs import squared_norm
from .objective import Loss, entropy, mean_loss


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


def foresee(Y: Any, ridge: float, depth: int, loss: Loss = "squared") -> float:
    """Return what the best constant function loses beyond the least possible loss; warn if a constant will fit.

    For the squared loss it is the variance of Y, the mean squared distance of its rows from their mean. For the
    cross-entropy it is the entropy of the mean row less the mean entropy of the rows. It is taken in float64 from Y as
    it was given, because rows that differ may be equal in the type of the training.

    Source: bnlib.
    """
    Y = np.asarray(Y).astype(np.float64)
    if loss == "squared":
        centred = Y - Y[:1]  # exactly zero for equal rows, whatever the rounding of their mean
        variance = float(np.mean(np.sum((centred - centred.mean(0, keepdims=True)) ** 2, axis=1)))
    else:
        information = _entropy(Y.mean(0, keepdims=True)) - _entropy(Y)
        variance = information * bool(np.any(Y[:1] != Y))
    if np.all(Y[:1] == Y):
        warnings.warn("All rows of Y are equal, so a constant function fits them.", stacklevel=3)
    elif variance < ridge * depth:
        name = "variance" if loss == "squared" else "entropy"
        warnings.warn(
            f"ridge * depth = {ridge * depth:.3g} exceeds the {name} {variance:.3g} of Y, so one dimension costs "
            "more than all there is to explain: expect a constant function.",
            stacklevel=3,
        )
    return variance


def _entropy(Y: Any) -> float:
    return float(_checks.float64(entropy)(Y))


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
    value = float(_checks.float64(mean_loss)(net, X, Y, loss))
    least = 0.0 if loss == "squared" else float(entropy(Y))
    collapsed = variance > 0 and value - least > 0.99 * variance
    if collapsed and len(history):
        warnings.warn(explained_nothing(net, history, X, value, least, variance, loss), stacklevel=3)
    objective = value + ridge * float(squared_norm(net))
    converged = abs(decrease) <= 1e-3 and imbalance <= 1e-2
    return TrainResult(net, history, objective, value, decrease, imbalance, smoothed, converged, collapsed)


def explained_nothing(
    net: Network, history: np.ndarray, X: Array, value: float, least: float, variance: float, loss: Loss
) -> str:
    """Say why a network explains less than one percent: a constant, not trained, or worse than a constant.

    It is constant where its outputs, or its probabilities, vary by no more than one percent of what the best constant
    loses; with a ridge that need not be the best constant.

    Args:
        net: the trained network.
        history: objective after each step, at least one.
        X: inputs (N, d_in).
        value: its mean loss.
        least: the least possible mean loss.
        variance: what the best constant loses beyond it.
        loss: as in ``train``.

    Source: bnlib.
    """
    outputs = _checks.float64(apply)(net, X)
    if loss == "cross-entropy":
        outputs = _checks.float64(partial(jax.nn.softmax, axis=1))(outputs)
    spread = float(np.mean(np.sum((outputs - outputs.mean(0, keepdims=True)) ** 2, axis=1)))
    losses = f"its loss is {value:.3g}, and the best constant function has {least + variance:.3g}"
    worse = value - least > 1.01 * variance
    if spread <= 0.01 * variance:
        settled = int(np.argmax(np.abs(history - history[-1]) <= 0.01 * abs(history[-1])))
        said = f"Training collapsed to a constant function, from about step {settled} on"
        return f"{said}: {losses}." if worse else f"{said}."
    if len(history) < 100:
        return f"The network is not trained after {len(history)} step{'s'[: len(history) > 1]}: {losses}."
    if worse:
        return f"The network is worse than a constant function: {losses}; scale X and Y, or train longer."
    return f"The network is not constant, but no better than a constant function: {losses}; train longer."


@_checks.float64
def relative_imbalance(net: Network) -> float:
    """Return the largest difference of A_i and B_i, relative to the largest squared norm of a hidden neuron.

    Source: J23; claim balance; chapter cost.
    """
    net = _checks.on_host(net)
    largest = max((float(np.max(np.sum(W**2, axis=1) + b**2)) for W, b in net.layers[:-1]), default=0.0)
    return float(np.max(np.abs(balance_residual(net)))) / largest if largest else 0.0
