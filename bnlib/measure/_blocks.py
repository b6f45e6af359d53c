"""The blocks of a report: numbers, each with a line of meaning, what they say, and the claims behind it."""

from typing import NamedTuple

from ._measured import Measured
from .layer_ranks import LayerRank
from .measures import CERTIFIED, Measures

ROUNDING = 1e-12  # an optimality gap of this part of the norm is none


class Row(NamedTuple):
    """Hold a number, as it is written, between its name and its meaning; an indented name belongs to the one above."""

    name: str
    value: str
    meaning: str


class Block(NamedTuple):
    """Hold numbers, what they say of the network, and the ids of the claims behind it."""

    rows: tuple[Row, ...]
    said: str
    claims: tuple[str, ...]


def facts(m: Measures) -> list[tuple[str, str]]:
    """Return the size of the network and its type, each under its name."""
    numbers = {"d_in": m.d_in, "d_out": m.d_out, "depth": m.depth, "width": m.width}
    return [*((name, str(n)) for name, n in numbers.items()), ("weights", m.dtype), ("inputs", str(m.inputs))]


def blocks(m: Measures) -> list[Block]:
    """Return the blocks of a report, without the layers."""
    words = m.words
    gap = m.certified_gap if m.certified_gap > ROUNDING * m.squared_norm else 0.0
    pairs = m.bound > m.lower_bound * (1 + ROUNDING)
    needs = "what this function needs, by pairs" if pairs else "what this function needs at this depth"
    theorem = Block(_theorem(m), words["theorem"], ("weights-theorem", "weights-corollary"))
    spectrum = Block(_spectrum(m), words.get("spectrum", ""), ("gap-spectrum",))
    return [
        Block(
            (
                Row("squared norm", f"{m.squared_norm:.4g}", "of all weights and biases"),
                Row("  at least", f"{m.bound:.4g}", needs),
                Row("  optimality gap", f"{gap:.4g}", "the most that another network can save"),
            ),
            words["norm"],
            ("schatten-bound", *(("gain-alternation", "gain-steiner", "gain-area") if pairs else ())),
        ),
        Block(_balance(m), words["balance"], ("balance",)),
        Block(_rank(m), words["bottleneck"], ("weights-corollary",)),
        *([theorem] if m.middle else []),
        *([spectrum] if spectrum.rows else []),
        Block(
            (
                Row("tangent kernel", f"{m.ntk_trace:.4g}", f"mean trace over {_inputs(m)}"),
                Row("  per layer", f"{m.ntk_trace / m.depth:.4g}", "trace divided by the depth"),
            ),
            words["kernel"],
            ("ntk-identity", "edge"),
        ),
    ]


def _balance(m: Measures) -> tuple[Row, ...]:
    if m.imbalance is None:
        return (Row("largest imbalance", "none", "no hidden neurons"),)
    return (
        Row("largest imbalance", f"{m.imbalance:.3g}", "squared norm into a neuron less that out"),
        Row("  relative", f"{m.relative_imbalance:.2g}", "to the largest squared norm into one"),
    )


def _rank(m: Measures) -> tuple[Row, ...]:
    if m.gap is None:
        return (Row("bottleneck rank", "none", "no middle layers to read it in"),)
    decided = "decided" if m.decided else "undecided"
    return (
        Row("bottleneck rank", f"{m.rank}", f"dimensions of the middle, {decided}"),
        Row("  gap", f"{m.gap:.3g}", "from the last value counted to the next"),
        Row("  read in", _span(m), "the layers of the middle third"),
    )


def _span(m: Measures) -> str:
    """Return the numbers of the middle layers."""
    first, last = m.middle[0] + 1, m.middle[-1] + 1
    return f"{first}" if first == last else f"{first} to {last}"


def _theorem(m: Measures) -> tuple[Row, ...]:
    if m.lhs is None:
        return (Row("bottleneck theorem", "none", "not evaluated"),)
    return (
        Row("bottleneck theorem", f"k = {m.k}", f"rank of both sides; medians, {_inputs(m)}"),
        Row("  left side", f"{m.lhs:.4g}", "squared distance to rank k, with biases"),
        Row("  right side", f"{m.rhs:.4g}", "squared norm - L k - 2 log |J|_k"),
    )


def _spectrum(m: Measures) -> tuple[Row, ...]:
    if m.roots is None:
        return ()
    return (
        Row("one spectrum", f"{m.roots[0]:.4g}", f"its largest value, for layers {_span(m)}"),
        Row("  certified", f"{m.radius:.3g}", "no value of theirs is farther from it"),
        Row("  measured", f"{m.spread:.3g}", "largest distance of one of these layers"),
    )


def _inputs(m: Measures) -> str:
    return "1 input" if m.inputs == 1 else f"{min(m.inputs, CERTIFIED)} inputs"


def layers(m: Measured, numerical: bool) -> list[tuple[int, list[str], list[str]]]:
    """Return a line for each layer: its number, its ranks of the weights, and those of the features behind it."""
    features = [*(_ranks(rank, numerical) for rank in m.representation_ranks), []]  # the output is no hidden layer
    lines = zip(m.weight_ranks, features, strict=True)
    return [(i, _ranks(weight, numerical), feature) for i, (weight, feature) in enumerate(lines, 1)]


def _ranks(rank: LayerRank, numerical: bool) -> list[str]:
    shown = [f"{rank.rank}", f"{rank.gap:.2g}"]
    mark = " " if rank.decided else "?"
    return shown + ([f"{rank.numerical_rank}{mark}", f"{rank.numerical_gap:.0e}"] if numerical else [])
