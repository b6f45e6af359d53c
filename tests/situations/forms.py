"""Numbers in every form: rows, columns, lists, objects, tables, devices and types."""

import warnings
from collections import OrderedDict

import numpy as np

from models import Tensor, leaky, linear, mlp, part, sequential
from readings import BARE, CRITIC, OPEN, PLAIN, SQUARE, STATE, TORCH, layers_of, numbered, row, state

RNG = np.random.default_rng(15)


class Frame:
    """A table as pandas has it."""

    def __init__(self, values):
        self.values, self.shape, self.columns = values, values.shape, list("abcdefghijklmnop")[: values.shape[-1]]

    def __array__(self, dtype=None, copy=None):
        return self.values


class Device:
    """An array of CuPy, which NumPy may not read without being asked."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def get(self):
        return self.values


def masked(A, hidden=False):
    return np.ma.masked_array(A, mask=(A > 1) if hidden else False)


def matrices(arrays):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return {k: np.asmatrix(a) if a.ndim == 2 else a for k, a in arrays.items()}


OBJECTS = np.empty(3, object)
for i, (W, _) in enumerate(BARE):
    OBJECTS[i] = W


def rows(layers):
    return [(W, b[None, :]) for W, b in layers]


def lettered(layers, **options):
    return numbered("{k}{i}", layers, "W", "b", first=1, **options)


ONE = layers_of(np.random.default_rng(2), 1, 16, 1)
ROWS = [
    row("biases as rows", lettered(rows(PLAIN), transpose=True), PLAIN),
    row("biases as columns", lettered([(W, b[:, None]) for W, b in PLAIN]), PLAIN),
    row("biases as rows, square", lettered(rows(SQUARE)), SQUARE, OPEN),
    row("one output, biases as rows", lettered(rows(CRITIC), transpose=True), CRITIC),
    row("one input", lettered(rows(ONE), transpose=True), ONE),
    row("pairs with rows", [(W.T, b[None, :]) for W, b in PLAIN], PLAIN),
    row("scalar bias", [*PLAIN[:2], (CRITIC[1][0], float(CRITIC[1][1][0]))], [*PLAIN[:2], CRITIC[1]]),
    row("array of objects", OBJECTS, BARE, OPEN),
    row("lists of numbers", [[W.tolist(), b.tolist()] for W, b in PLAIN], PLAIN),
    row("JSON", {"layers": [{"weights": W.tolist(), "biases": b.tolist(), "size": 3} for W, b in PLAIN]}, PLAIN),
    row(
        "words beside arrays",
        {
            **STATE,
            "author": "me",
            "date": np.datetime64("2026-01-01"),
            "classes": np.array(["a", "b"]),
            "tags": ["x", "y"],
        },
        PLAIN,
    ),
    row("empty arrays", {**STATE, "extra": np.zeros((0, 4)), "none": None, "hooks": {}}, PLAIN),
    row("big-endian", {k: a.astype(">f8") for k, a in STATE.items()}, PLAIN),
    row("by columns", {k: np.asfortranarray(a) for k, a in STATE.items()}, PLAIN),
    row("strided", {k: np.repeat(a, 2, axis=0)[::2] for k, a in STATE.items()}, PLAIN),
    row("long double", {k: a.astype(np.longdouble) for k, a in STATE.items()}, PLAIN),
    row("masked, nothing hidden", {k: masked(a) for k, a in STATE.items()}, PLAIN),
    row("masked", {**STATE, "2.weight": masked(PLAIN[1][0], True)}, PLAIN, *["'2.weight' has masked entries"] * 2),
    row("matrices", lambda: matrices(STATE), PLAIN),
    row("generator of arrays", lambda: (a for pair in PLAIN for a in pair), PLAIN),
    row("dictionary view", lambda: STATE.items(), PLAIN),
    row("values", lambda: STATE.values(), PLAIN),
    row("frames", {k: Frame(a) for k, a in STATE.items()}, PLAIN),
    row("frames, square", {k: Frame(a) if k == "2.weight" else a for k, a in state(SQUARE, *TORCH).items()}, SQUARE),
    row("device", {k: Device(a) for k, a in STATE.items()}, PLAIN),
    row(
        "data beside weights",
        {
            **lettered(SQUARE),
            "X": RNG.normal(size=(8, 8)),
        },
        SQUARE,
        "'X' is a matrix beside layers",
        True,
    ),
    row("reversed dictionary", dict(reversed(list(STATE.items()))), PLAIN),
    row(
        "number 10 after 9",
        OrderedDict(
            (f"layer{i}.weight", W)
            for i, (W, _) in sorted(
                enumerate(layers_of(np.random.default_rng(3), *[8] * 12, bias=False)), key=lambda p: str(p[0])
            )
        ),
        layers_of(np.random.default_rng(3), *[8] * 12, bias=False),
    ),
    row("tensors with gradients", {k: Tensor(a) for k, a in STATE.items()}, PLAIN),
    row("list of paths", ["a.npz", "b.npz"], PLAIN, *["'a.npz'"] * 2),
    row(
        "leaky by module",
        sequential(
            linear(*PLAIN[0]),
            part("LeakyReLU", negative_slope=0.05),
            linear(*PLAIN[1]),
            part("LeakyReLU", negative_slope=0.05),
            linear(*PLAIN[2]),
        ),
        PLAIN,
        function=mlp(PLAIN, leaky(0.05)),
    ),
    row(
        "two slopes",
        sequential(
            linear(*PLAIN[0]),
            part("LeakyReLU", negative_slope=0.05),
            linear(*PLAIN[1]),
            part("ReLU"),
            linear(*PLAIN[2]),
        ),
        PLAIN,
        *["several slopes"] * 2,
    ),
]
