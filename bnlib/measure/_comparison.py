"""Layers as they are read against the outputs of the model that they come from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._agreement import MOST, Format, Layers, Skip, behind, formats, kept, rounding, written
from ._chains import Bounds

NEAR = 1e-3  # relative difference from which on a refusal names another activation
SURE = 1e-5  # nearer than this nothing else is looked for
CHANCE = 1e-3  # largest number of wrong readings that may be expected to agree by chance
ROWS = 32  # inputs of the search; the reading that is found is compared on all
SLOPES = (0.0, 0.01, 0.1, 0.2, 0.3, 0.05, 0.25, 0.02, 0.5, 1.0)  # on negative numbers, the usual ones first
MOST_TRIALS, MOST_WORK = 20_000, 1e11  # networks of a search, and multiplications

# What a report says of a residual network without a leak.
PLAIN_RESIDUAL = (
    "without a leak no term of its norm counts dimensions, and a number of singular values above 1/2 is no rank: what "
    "remains valid is the lower bound residual_bound of bnlib.theory.leaky_bounds, for blocks of one matrix or of two, "
    "and the spectra of bn.spectra"
)

FINALS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "": lambda z: z,
    "softmax": lambda z: _exponentials(z) / _exponentials(z).sum(axis=1, keepdims=True),
    "log_softmax": lambda z: z - z.max(1, keepdims=True) - np.log(_exponentials(z).sum(axis=1, keepdims=True)),
    "sigmoid": lambda z: 0.5 + 0.5 * np.tanh(z / 2),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
}
# What a refusal looks for, to say what the model has in place of ReLU.
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "sigmoid": FINALS["sigmoid"],
    "GELU": lambda z: 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    "SiLU": lambda z: z * FINALS["sigmoid"](z),
    "ELU": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "softplus": lambda z: np.logaddexp(z, 0),
    "sine": np.sin,
    "ReLU6": lambda z: np.clip(z, 0, 6),
}


def _exponentials(z: np.ndarray) -> np.ndarray:
    return np.exp(z - z.max(axis=1, keepdims=True))


@dataclass(frozen=True)
class Trial:
    """Hold one way to read a model, how far its values are from the model's, and how many were tried before it.

    The next best one, with other values, is in ``rival``.
    """

    layers: Layers
    slope: float
    final: str
    difference: float
    what: Any = None
    tried: int = 1
    rival: "Trial | None" = None
    skip: Skip = 0.0


@dataclass(frozen=True)
class Truth:
    """Hold inputs (N, d_in) and the model's outputs (N, d_out) for them, all and a few.

    Attributes:
        X, Y: inputs and outputs in float64.
        formats: what the outputs may have been computed with, the finest first.
        unit: half a unit of their last decimal, where they were written with few.
    """

    X: np.ndarray
    Y: np.ndarray
    formats: tuple[Format, ...] = formats("float32")
    unit: float = 0.0

    @property
    def rows(self) -> np.ndarray:
        """Numbers of at most ``ROWS`` of the inputs, at equal distances."""
        return np.linspace(0, len(self.X) - 1, min(len(self.X), ROWS)).astype(int)

    @property
    def few(self) -> tuple[np.ndarray, np.ndarray]:
        """These inputs and their outputs."""
        return self.X[self.rows], self.Y[self.rows]

    @property
    def spread(self) -> float:
        """Largest distance of an output from its mean over the inputs, the largest output where there is one input."""
        return float(np.max(np.abs(self.Y - (self.Y.mean(0) if len(self.Y) > 1 else 0))))


def truth(X: np.ndarray, outputs: np.ndarray, kind: str | None = None) -> Truth:
    """Return inputs and outputs in float64, or refuse outputs that tell nothing.

    Args:
        X, outputs: inputs, and what the model returns for them.
        kind: type of the outputs as they came; None for that of the array.

    Raises:
        ValueError: another number of rows, NaN or infinity, outputs that are no numbers or that do not vary.
    """
    if outputs.dtype.kind not in "fiub":
        raise ValueError(f"outputs must hold real numbers, but its type is {outputs.dtype}.")
    X, Y = np.asarray(X, np.float64), np.asarray(outputs, np.float64)
    Y = Y[:, None] if Y.ndim == 1 else Y
    if Y.ndim != 2 or len(Y) != len(X) or not Y.size:
        raise ValueError(
            f"outputs must have one row for each of the {len(X)} inputs, but its shape is {outputs.shape}."
        )
    if not np.all(np.isfinite(Y)):
        raise ValueError("outputs must be finite, but it contains NaN or infinity.")
    found = Truth(X, Y, formats(kind or str(outputs.dtype)), written(outputs))
    if not found.spread > 1e-3 * np.max(np.abs(Y)):
        raise ValueError(
            "outputs hardly vary from input to input, so that they tell nothing about the model; give more inputs, "
            "or those for which it does something."
        )
    return found


def values_of(
    layers: Layers,
    slope: float,
    X: np.ndarray,
    *,
    skip: Skip = 0.0,
    activation: Callable | None = None,
    skips: bool = False,
) -> np.ndarray:
    """Return the outputs of layers (W, b), (out, in), with a leaky ReLU or another activation between them.

    Args:
        layers, slope, X: as they are read.
        skip: what layers keep of their state, the values before the activation.
        activation: in place of the leaky ReLU.
        skips: add to the values behind the activation those before the layer.
    """
    h = state = X
    for i, ((W, b), share) in enumerate(zip(layers, kept(layers, skip), strict=True)):
        z = h @ W.T if b is None else h @ W.T + b
        state = z = z + share * state if share else z
        if i + 1 < len(layers):
            a = np.where(z > 0, z, slope * z) if activation is None else activation(z)
            z = h + a if skips and a.shape == h.shape else a
        h = z
    return h


def difference(values: np.ndarray, Y: np.ndarray, spread: float) -> float:
    """Return the largest difference relative to the spread of the outputs, infinity where the shapes differ."""
    if values.shape != Y.shape:
        return float("inf")
    with np.errstate(all="ignore"):
        worst = np.max(np.abs(values - Y)) / spread
    return float(worst) if np.isfinite(worst) else float("inf")


def nearest(
    candidates: Iterable[tuple[Layers, Any]],
    slopes: Sequence[float],
    given: Truth,
    bounds: Bounds,
    skip: Skip = 0.0,
) -> Trial | None:
    """Return the reading whose values are nearest to the outputs, on a few inputs; None where there is no candidate.

    The search is bounded by ``MOST_TRIALS`` and ``MOST_WORK``, a few seconds, which is noted in bounds, and ends at the
    first one that agrees beyond doubt.
    """
    X, Y = given.few
    best: Trial | None = None
    rival: Trial | None = None
    trials, work = 0, 0
    for layers, what in candidates:
        if trials >= MOST_TRIALS or work >= MOST_WORK:
            bounds.reached = True
            break
        if layers[0][0].shape[1] != X.shape[1] or layers[-1][0].shape[0] != Y.shape[1]:
            continue
        wide = [(W.astype(np.float64), None if b is None else b.astype(np.float64)) for W, b in layers]
        for slope in slopes if len(layers) > 1 else slopes[:1]:
            with np.errstate(all="ignore"):
                values = values_of(wide, slope, X, skip=skip)
                for final, function in FINALS.items():
                    off = difference(function(values), Y, given.spread)
                    if rival is not None and off >= rival.difference:
                        continue
                    found = Trial(layers, slope, final, off, what, (trials + 1) * len(FINALS), skip=skip)
                    if best is None or off < best.difference:
                        best, rival = found, best
                    elif off > best.difference * (1 + 1e-6) + 1e-12:  # with other values
                        rival = found
            trials += 1
            work += len(X) * sum(W.size for W, _ in wide)
            if best is not None and best.difference < SURE:
                return best
    return None if best is None else replace(best, rival=rival)


def chance(trial: Trial, off: float, given: Truth) -> float:
    """Return about how many readings of no relation to the outputs agree so well among as many as were tried.

    One number of the outputs agrees by chance with a probability of about the relative difference, and each further one
    as well; equal rows count once.
    """
    return trial.tried * min(off, 1.0) ** np.unique(given.few[1], axis=0).size


def agreement(trial: Trial, given: Truth, row: int | None = None) -> Format | None:
    """Return the finest format whose rounding explains the differences from the outputs; None where none does.

    They are looked at for a few inputs, and for the one of a given number.
    """
    rows = given.rows if row is None else np.append(given.rows, row)
    X, Y = given.X[rows], given.Y[rows]
    wide = [(W.astype(np.float64), None if b is None else b.astype(np.float64)) for W, b in trial.layers]
    with np.errstate(all="ignore"):
        off = np.abs(FINALS[trial.final](values_of(wide, trial.slope, X, skip=trial.skip)) - Y)
        for form in given.formats:
            bound = behind(rounding(wide, trial.slope, X, form, given.Y.size, trial.skip), trial.final, Y, form)
            if off.shape == bound.shape and np.all(off <= np.minimum(bound, MOST * given.spread) + given.unit):
                return form
    return None


def confirmed(trial: Trial, given: Truth, rows: int = 2048) -> tuple[float, int]:
    """Return the largest difference over all inputs, and the number of its input."""
    worst, at = 0.0, 0
    for start in range(0, len(given.X), rows):
        block = slice(start, start + rows)
        with np.errstate(all="ignore"):
            values = FINALS[trial.final](values_of(trial.layers, trial.slope, given.X[block], skip=trial.skip))
        off = difference(values, given.Y[block], given.spread)
        if off > worst:
            worst, at = off, start + int(np.argmax(np.max(np.abs(values - given.Y[block]), axis=1)))
    return worst, at


def explained(layers: Layers, given: Truth) -> str:
    """Say what the model has that these layers have not, if one of a few usual things explains its outputs; else ''."""
    X, Y = given.few
    wide = [(W.astype(np.float64), None if b is None else b.astype(np.float64)) for W, b in layers]
    if wide[0][0].shape[1] != X.shape[1]:
        return ""
    options: list[tuple[str, dict[str, Any]]] = [
        ("skip connections around square layers, which bnlib does not measure", {"skips": True}),
        (f"skip connections around square layers; {PLAIN_RESIDUAL}", {"skip": 1.0}),
    ]
    options += [
        (f"{name} in place of ReLU, which bnlib does not measure", {"activation": function})
        for name, function in ACTIVATIONS.items()
    ]
    for said, how in options:
        with np.errstate(all="ignore"):
            values = values_of(wide, 0.0, X, **how)
            if any(difference(final(values), Y, given.spread) <= NEAR for final in FINALS.values()):
                return f"They are those of a network with {said}."
    return ""


def square(trial: Trial) -> str:
    """Say that there may be skip connections, where all hidden layers are square and none was read with one."""
    if any(kept(trial.layers, trial.skip)) or not all(kept(trial.layers, 1.0)[1:-1]) or len(trial.layers) < 3:
        return ""
    return (
        "All hidden layers are square: if their results have a share s of their state added, the values before the "
        "activation, give skip=s."
    )
