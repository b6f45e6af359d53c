"""Situations of reading somebody's network: what there is, what the model computes, and what is to come of it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import bnlib as bn
from models import mlp, relu

OPEN = "open"
DIFFERS = (
    r"No reading that was tried has the model's outputs: the nearest differs from them by [\d.e+-]+ of their spread"
)


def layers_of(rng, *widths, bias=True):
    """Return layers (W, b) of these widths, of a size that keeps the outputs."""
    return [
        (rng.normal(size=(m, n)) * (2 / n) ** 0.5, rng.normal(size=m) / 2 if bias else None)
        for n, m in pairwise(widths)
    ]


def state(layers, *names, weight="weight", bias="bias", transpose=False, joint="."):
    """Name the arrays of layers in their order, as a state_dict does."""
    found = {}
    for name, (W, b) in zip(names, layers, strict=True):
        found[f"{name}{joint}{weight}"] = W.T if transpose else W
        if b is not None:
            found[f"{name}{joint}{bias}"] = b
    return found


@dataclass(frozen=True)
class Row:
    """One situation: parameters, what the model computes, and what is to come of it."""

    number: str
    params: Any
    function: Any
    names: Any = True
    outputs: Any = True
    options: Any = None
    d_in: int = 8


def row(number, params, true, names=True, outputs=True, *, function=None, **options):
    return Row(number, params, function or mlp(true), names, outputs, options, true[0][0].shape[1])


def is_right(reading, row, X):
    """Tell whether a network has the model's values, perhaps behind the function that it says comes last."""
    values, wanted = np.asarray(bn.apply(reading.net, X)), row.function(X)
    last = next((said for said in reading.said if "after the last layer" in said), "")
    if "softmax" in last:
        values = np.exp(values) / np.exp(values).sum(1, keepdims=True)
    values = relu(values) if "relu" in last else values
    return values.shape == wanted.shape and np.max(np.abs(values - wanted)) < 1e-5 * np.max(np.abs(wanted))


def inputs(row):
    return np.random.default_rng(0).normal(size=(40, row.d_in))
