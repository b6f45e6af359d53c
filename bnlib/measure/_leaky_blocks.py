"""The blocks of a report on a leaky network: numbers, each with a line of meaning, what they say, and the claims."""

import numpy as np

from ._blocks import ROUNDING, Block, Row
from .leaky_measures import LeakyMeasures
from .measures import CERTIFIED

PARTS = {
    "weights": "distance to partial isometries",
    "biases": "squared, times the leaks",
    "motion": "of the frame in the state that is kept",
    "off_active": "of the frame on neurons that are off",
    "slack": "distance of the stretches from 1",
}


def facts(m: LeakyMeasures) -> list[tuple[str, str]]:
    """Return the size of the network and its type, each under its name."""
    numbers = {"d_in": m.d_in, "d_out": m.d_out, "steps": m.steps, "width": m.width}
    return [*((name, str(n)) for name, n in numbers.items()), ("weights", m.dtype), ("inputs", str(m.inputs))]


def blocks(m: LeakyMeasures) -> list[Block]:
    """Return the blocks of a report, without the layers."""
    words = m.words
    gap = m.certified_gap if m.certified_gap > ROUNDING * m.action else 0.0
    return [
        Block(
            (
                Row("effective depth", f"{m.effective_depth:.4g}", "sum of the leaks"),
                *_leaks(m),
            ),
            words["depth"],
            (),
        ),
        Block(
            (
                Row("action", f"{m.action:.4g}", "all squares, a step's times its leak"),
                Row("  at least", f"{m.lower_bound:.4g}", "what this function needs at these leaks"),
                Row("  by dimensions", f"{m.dimension_bound:.4g}", f"k (depth + 2) + 2 log |J|_k, k = {m.dimension_k}"),
                Row("  optimality gap", f"{gap:.4g}", "the most that another network can save"),
            ),
            words["norm"],
            ("leaky-schatten",),
        ),
        Block(
            (
                Row("bottleneck rank", f"{m.rank}", f"of the middle, {'decided' if m.decided else 'undecided'}"),
                Row("  gap", f"{m.gap:.3g}", "from the last value counted to the next"),
                Row("  read in", _span(m.middle[0] + 1, m.middle[-1] + 1), "the layers of the middle third"),
                Row(
                    "  of the states",
                    _span(min(m.state_dimensions), max(m.state_dimensions)),
                    "dimensions, the least and the most",
                ),
            ),
            words["bottleneck"],
            ("leaky-weights",),
        ),
        Block(_theorem(m), words["theorem"], ("leaky-weights",)),
        Block((), words["certificates"], ()),
    ]


def _theorem(m: LeakyMeasures) -> tuple[Row, ...]:
    if m.parts is None:
        return (Row("bottleneck theorem", "none", "not evaluated"),)
    inputs = "1 input" if m.inputs == 1 else f"{min(m.inputs, CERTIFIED)} inputs"
    return (
        Row("bottleneck theorem", f"k = {m.k}", f"medians over {inputs}"),
        Row("  excess", f"{m.parts['excess']:.4g}", "of the action; sum of the five parts"),
        *(Row(f"  {name.replace('_', ' ')}", f"{m.parts[name]:.3g}", said) for name, said in PARTS.items()),
        Row("  spectra", f"{m.parts['spectra']:.3g}", "to k ones, at most twice the excess"),
    )


def _leaks(m: LeakyMeasures) -> tuple[Row, ...]:
    low, high = f"{np.min(m.leak):.3g}", f"{np.max(m.leak):.3g}"
    replaced = "share of the state that a step replaces"
    if low == high:
        return (Row("  leak", low, replaced),)
    return Row("  least leak", low, replaced), Row("  largest leak", high, "that of another step")


def _span(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"
