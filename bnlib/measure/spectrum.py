"""The singular values of one recorded matrix, and what is counted of them by the thresholds of a report."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from .. import _svd
from ._recordings import Kind, Recording, blocks
from .layer_ranks import above_half, dimensions, layer_rank


@dataclass(frozen=True, eq=False)
class Spectrum:
    r"""Hold the singular values :math:`s_1\ge s_2\ge\dots` of one recorded matrix A, and what is counted of them.

    Attributes:
        name: its name; of one matrix of a stack with its number in brackets.
        kind: "matrix", "kernel" of a convolution, or "activations".
        shape: shape of the array as it was given.
        matrix: shape of A: (out, in), or (out, in x taps) of a kernel, or (rows, features) of activations.
        dtype: type that stores the array.
        singular_values: all min(matrix) of them; those of activations are divided by the root of the number of rows.
        rank: number of singular values above 1/2, as in a report; None where 1/2 means nothing: for activations, for
            kernels, and for weights that are named as free of scale.
        dimension: least k for which the values beyond the first k have at most a tenth of the norm of all.
        gap: largest difference of two neighbours, :math:`s_k-s_{k+1}`, relative to :math:`s_1`; 0 for a single one.
        gap_at: the k of that gap; 0 for a single singular value.
        numerical_rank: number of singular values above rounding in the type that stores the array.
        numerical_gap: ratio across it, of s_k to the larger of s_(k+1) and rounding.
        decided: whether that ratio is above 1000; the numerical rank is undecided otherwise.
        participation_ratio: :math:`(\sum s_i^2)^2/\sum s_i^4`, the number of equal values that would be as spread out.
        stable_rank: :math:`\sum s_i^2/s_1^2`.
        mean_share: share of the mean row in the squared norm of activations, which are not centred; None for weights.
        taps: number of places that a kernel looks at; one for everything else.

    Source: bnlib.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    matrix: tuple[int, int]
    dtype: str
    singular_values: np.ndarray
    rank: int | None
    dimension: int
    gap: float
    gap_at: int
    numerical_rank: int
    numerical_gap: float
    decided: bool
    participation_ratio: float
    stable_rank: float
    mean_share: float | None
    taps: int

    @property
    def operator_norm(self) -> tuple[float, float]:
        r"""Bounds :math:`s_1` and :math:`\sqrt{\text{taps}}\,s_1` of the norm of the linear map of a weight.

        For a matrix they agree. For a kernel the map takes images to images. The bounds hold for any stride and
        dilation, with zero or circular padding, without groups, if some window lies inside the image.
        """
        s = float(self.singular_values[0])
        return s, s * math.sqrt(self.taps)


def measured(recording: Recording, *, scaled: bool) -> Spectrum:
    """Measure one recorded array, in float64, a block of rows at a time.

    Args:
        recording: the array, and how it is read.
        scaled: whether its scale means something, so that its singular values are compared with 1/2.

    Raises:
        ValueError: NaN or infinity.

    Example:
        >>> measured(Recording("W", "matrix", np.eye(3), (3, 3), 1, "float64"), scaled=True).rank
        3

    Source: bnlib.
    """
    name, kind, A, shape, taps, dtype = recording
    rows, d = recording.matrix
    narrow = A if rows >= d else A.reshape(-1, d).T  # a block then holds no more than a square does
    scale = _power_of_two(name, narrow)
    s = np.asarray(_svd.values(_svd.triangle(block / scale for block in blocks(narrow))))
    root = math.sqrt(rows) if kind == "activations" else 1.0
    relative = s / (s[0] or 1.0)
    squares, total = relative**2, float(np.sum(relative**2))
    rank = int(above_half(s * scale)) if scaled else None
    counted = layer_rank(relative, 0, 1.0, float(jnp.finfo(dtype).eps) * max(rows, d))
    gaps = relative[:-1] - relative[1:]
    return Spectrum(
        name=name,
        kind=kind,
        shape=shape,
        matrix=(rows, d),
        dtype=dtype,
        singular_values=s * scale / root,
        rank=rank,
        dimension=int(dimensions(relative)),
        gap=float(np.max(gaps, initial=0.0)),
        gap_at=int(np.argmax(gaps)) + 1 if len(gaps) else 0,
        numerical_rank=counted.numerical_rank,
        numerical_gap=counted.numerical_gap,
        # Rounding of a coarse type may exceed all of a large matrix, and then it leaves nothing to decide.
        decided=counted.decided and bool(counted.numerical_rank > 0 or s[0] == 0),
        participation_ratio=total**2 / float(np.sum(squares**2)) if total else 0.0,
        stable_rank=total,
        mean_share=_mean_share(narrow, rows, scale, s) if kind == "activations" else None,
        taps=taps,
    )


def _power_of_two(name: str, A: np.ndarray) -> float:
    """Return the size of the largest entry as a power of two, so that no square overflows; it may not be NaN."""
    largest = [float(np.max(np.abs(block))) for block in blocks(A)]
    if not all(map(math.isfinite, largest)):
        raise ValueError(f"'{name}' must be finite, but it contains NaN or infinity.")
    return 2.0 ** (math.frexp(max(largest))[1] - 1) if max(largest) else 1.0


def _mean_share(narrow: np.ndarray, rows: int, scale: float, s: np.ndarray) -> float:
    r"""Return :math:`N\|\bar a\|^2/\|A\|_F^2` for the mean of the N rows of A, given as A or its transpose."""
    if not s[0]:
        return 0.0
    scaled = (block / scale for block in blocks(narrow))
    if math.prod(narrow.shape[:-1]) == rows:
        squared = np.sum((sum(np.sum(block, axis=0) for block in scaled) / rows) ** 2)
    else:
        squared = sum(np.sum(np.mean(block, axis=1) ** 2) for block in scaled)
    return float(rows * squared / np.sum(s**2))
