"""Situations of reading somebody's network: what there is, what the model computes, and what is to come of it."""

import re
from dataclasses import dataclass
from itertools import pairwise
from types import LambdaType
from typing import Any

import numpy as np
import pytest

import bnlib as bn
from bnlib.measure.readers import read
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


def prefixed(prefix, arrays):
    return {f"{prefix}{name}": a for name, a in arrays.items()}


_RNG = np.random.default_rng(11)
PLAIN = layers_of(_RNG, 8, 16, 16, 3)
SQUARE = layers_of(_RNG, 8, 8, 8, 8)
BARE = layers_of(_RNG, 8, 8, 8, 8, bias=False)
OTHER = layers_of(_RNG, 8, 16, 16, 3)
CRITIC = layers_of(_RNG, 8, 16, 1)
MIRROR = layers_of(_RNG, 8, 16, 8)
TORCH = ["0", "2", "4"]
STATE = state(PLAIN, *TORCH)


def numbered(pattern, layers, weight="weight", bias="bias", *, first=0, transpose=False):
    """Name the arrays of layers by their numbers i and by what they are, k."""
    return {
        pattern.format(i=i, k=k): a
        for i, (W, b) in enumerate(layers, first)
        for k, a in ((weight, W.T if transpose else W), (bias, b))
    }


@dataclass(frozen=True)
class Row:
    """One situation: parameters, what the model computes, and what is to come of it.

    By names alone the reading is right (True), right or wrong but announced (OPEN), wrong without a word ("wrong"), or
    refused with a sentence; with outputs it is right, or refused with a sentence. Parameters that can be read only once
    are given as a function that makes them.
    """

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


def _fresh(row):
    return row.params() if isinstance(row.params, LambdaType) else row.params


def _refused(sentence, *args, **options):
    with pytest.raises(ValueError, match=sentence) as error:
        read(*args, **options)
    assert re.fullmatch(r"[^\n]*\.", str(error.value))


def check_by_names(row):
    """Read a situation by names alone, and compare what comes of it."""
    if row.names not in (True, OPEN, "wrong"):
        _refused(row.names, _fresh(row), d_in=row.d_in, **row.options)
        return
    reading = read(_fresh(row), d_in=row.d_in, **row.options)
    assert bool(reading.open) == (row.names == OPEN)
    if row.names is True and row.outputs is True:
        assert is_right(reading, row, inputs(row))


def check_with_outputs(row):
    """Read a situation with the outputs of its model, and compare what comes of it."""
    X = inputs(row)
    if row.outputs is not True:
        _refused(row.outputs, _fresh(row), X, row.function(X), **row.options)
        return
    reading = read(_fresh(row), X, row.function(X), **row.options)
    assert reading.difference < 1e-3
    assert not reading.open
    assert is_right(reading, row, X)
