"""What the numbers of a report say of the network at hand, in words, by stated rules."""

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, Context
from typing import Literal

Kind = Literal["bottleneck", "partial", "absent", "collapsed", "undecided", "no middle"]

# "Most" of the norm is half of it or more.
MOST = 0.5
# A partial isometry has the gap one, a matrix without structure none; from one half on a gap is nearer to one. So does
# ``bottleneck_rank`` decide.
GAP = 0.5
# The largest |A_i - B_i|, relative to the largest squared norm into a neuron. A hundredth is the tolerance of a
# training that counts as converged.
BALANCED = 1e-2
# By the balance theorem the gradient of the penalised loss at the neuron with imbalance r is at least r/(2+r) of the
# gradient of the penalty there, whatever the ridge: from r = 1/2 on it is a fifth or more.
UNBALANCED = 0.5
# A layer nearer than 1/2 to a partial isometry of rank k has exactly k singular values above 1/2. A sum of squared
# distances below a quarter of the depth forces that on one layer at least.
QUARTER = 0.25


def verdict(kind: Kind, rank: int | None, share: int | None, imbalance: float | None, *, of: str = "norm") -> str:
    """Say what kind of bottleneck there is and how much of the norm is certified, and whether training may go on.

    A network that is far from balanced is no stationary point of a penalised loss, so that more training with a penalty
    would change it.

    Args:
        kind: what the weights of the middle layers show.
        rank: bottleneck rank; None where there is no middle.
        share: percent of the norm that is certified to be needed; None where the norm is zero.
        imbalance: relative to the largest squared norm into a neuron; None where there is no hidden neuron.
        of: what the share is of.

    Example:
        >>> verdict("bottleneck", 6, 83, 0.002)
        'A bottleneck of rank 6, decided; 83 % of the norm is certified.'
        >>> verdict("absent", 20, None, None)
        'No bottleneck in the weights.'

    Source: J23; claims weights-corollary, schatten-bound, balance; chapters weights, cost.
    """
    said = {
        "bottleneck": f"A bottleneck of rank {rank}, decided",
        "partial": "A partial bottleneck, undecided",
        "absent": "No bottleneck in the weights",
        "collapsed": "No dimension is left: the function is constant on these inputs",
        "undecided": f"A rank of {rank}, undecided",
        "no middle": "No middle layers, and so no bottleneck rank",
    }[kind]
    certified = "" if share is None else f"; {share} % of the {of} is certified"
    far = imbalance is not None and imbalance >= UNBALANCED
    return f"{said}{certified}." + (" It is far from balanced: training with a penalty would change it." if far else "")


def percent(squared_norm: float, lower_bound: float) -> int | None:
    """Return how much of the norm is certified to be needed, in percent and rounded down; None for a norm of zero.

    Example:
        >>> percent(100.0, 83.9)
        83

    Source: J23; claim schatten-bound; chapter cost.
    """
    return math.floor(100 * lower_bound / squared_norm + 1e-9) if squared_norm else None


def norm(squared_norm: float, lower_bound: float, single: float | None = None, *, of: str = "norm") -> str:
    """Say how much of the norm, or of another sum of squares, is certified to be needed, and if by pairs of inputs.

    Args:
        squared_norm: of the network.
        lower_bound: of the norm of every network with its function.
        single: the bound by one input at a time; None for that which is given.
        of: what the sum of squares is called.

    Example:
        >>> norm(100.0, 83.4)
        'Most of the norm (83 %) is certified to be needed.'
        >>> norm(100.0, 83.4, 61.2)
        'Most of the norm (83 %) is certified to be needed, by pairs of inputs: one alone certifies 61 %.'

    Source: J23, book; claims schatten-bound, gain-alternation, gain-steiner, gain-area; chapters cost, gain.
    """
    share, alone = (percent(squared_norm, bound) for bound in (lower_bound, lower_bound if single is None else single))
    if share is None:
        return f"The {of} is zero: the network is the zero function."
    much = "Most" if lower_bound / squared_norm >= MOST else "Less than half"
    pairs = f", by pairs of inputs: one alone certifies {alone} %" if alone != share else ""
    return f"{much} of the {of} ({share} %) is certified to be needed{pairs}."


def balance(imbalance: float | None) -> str:
    """Say what the imbalance, relative to the largest squared norm into a neuron, tells about the training.

    It is None where there is no hidden neuron.

    Example:
        >>> balance(0.002)
        'Balanced to a hundredth, as at every stationary point of a penalised loss.'

    Source: J23; claim balance; chapter cost.
    """
    if imbalance is None:
        return "There is no hidden neuron that could be out of balance."
    if imbalance <= BALANCED:
        return "Balanced to a hundredth, as at every stationary point of a penalised loss."
    if imbalance < UNBALANCED:
        return "Not balanced to a hundredth: no stationary point of a penalised loss."
    return "Far from balanced: far from a stationary point of a penalised loss."


def kind(counts: Sequence[int], gaps: Sequence[float], width: int, decided: bool, most: int) -> Kind:
    """Say what kind of bottleneck the weights of the middle layers show.

    A layer *shows a gap* if it keeps fewer dimensions than it has neurons and its gap is at least ``GAP``. The
    bottleneck is *absent* if no middle layer shows a gap, and *partial* if some do, or if all do at different ranks. If
    all do at the same rank, ``decided`` tells a bottleneck from an undecided rank; rank 0 is a collapse. A rank above
    ``most`` is none of the function, and undecided. Below depth 3 there is *no middle*.

    Args:
        counts: number of singular values above 1/2 of each middle layer; none below depth 3.
        gaps: gap of each behind the last of them.
        width: number of neurons of a middle layer.
        decided: of ``bottleneck_rank``.
        most: the smaller of the dimensions of inputs and outputs.

    Example:
        >>> kind([2, 2], [0.9, 1.0], width=20, decided=True, most=6)
        'bottleneck'

    Source: J23; claim weights-corollary; chapter weights.
    """
    if not counts:
        return "no middle"
    shown = _shown(counts, gaps, width)
    if not shown:
        return "absent"
    if len(shown) < len(counts) or len(set(shown)) > 1:
        return "partial"
    if not decided or shown[0] > most:
        return "undecided"
    return "bottleneck" if shown[0] else "collapsed"


def bottleneck(counts: Sequence[int], gaps: Sequence[float], width: int, decided: bool, ends: tuple[int, int]) -> str:
    """Say whether the weights of the middle layers show a bottleneck.

    Args:
        counts, gaps, width, decided: as for ``kind``.
        ends: dimensions of inputs and outputs.

    Example:
        >>> bottleneck([2, 2], [0.9, 1.0], 20, True, (8, 6))
        'All middle layers keep 2 of 20 dimensions, with a gap: a bottleneck.'

    Source: J23; claim weights-corollary; chapter weights.
    """
    if not counts:
        return "Fewer than three layers have no middle, where a bottleneck rank is read."
    shown = _shown(counts, gaps, width)
    who = "All middle layers keep" if len(counts) > 1 else "The middle layer keeps"
    kept = f"{who} {counts[0]} of {width} dimensions"
    match kind(counts, gaps, width, decided, min(ends)):
        case "absent" if set(counts) == {width}:
            return f"{kept}: no bottleneck in the weights."
        case "absent":
            return "No middle layer has a gap of 1/2 or more: no bottleneck in the weights."
        case "partial":
            many = f"{len(shown)} of {len(counts)} middle layers {'has' if len(shown) == 1 else 'have'} a gap"
            return f"{many}, at rank {_span(shown)}: a partial bottleneck, undecided."
        case "collapsed":
            return "No dimension is left in the middle layers: the function is constant on these inputs."
        case "bottleneck" if counts[0] == min(ends):
            return f"{kept}, with a gap: a bottleneck, no narrower than the {_narrow(ends)}."
        case "bottleneck":
            return f"{kept}, with a gap: a bottleneck."
    if not counts[0]:
        return "No singular value of the middle layers is above 1/2: a rank of zero, or small weights; undecided."
    if counts[0] > min(ends):
        return f"{kept}, more than the {_narrow(ends)} has ({min(ends)}): undecided."
    return f"{kept}, but no features there lie near as few: undecided."


def theorem(lhs: float | None, rhs: float | None, depth: int, k: int, rank: int | None) -> str:
    """Say what the two sides of the bottleneck theorem at rank k prove about the layers.

    The squared distances of the L layers to partial isometries add up to at most the left side. So at most four times
    the right side of them are at a distance of 1/2 or more, and each of the others has exactly k singular values above
    1/2.

    Args:
        lhs, rhs: the two sides; None where k is 0.
        depth: number of layers L.
        k: rank at which they are evaluated.
        rank: bottleneck rank; None below depth 3.

    Example:
        >>> theorem(0.5, 0.8, 8, 2, 2)
        'At least 5 of 8 layers have exactly 2 singular values above 1/2: the theorem proves it.'

    Source: J23; claims weights-theorem, weights-corollary; chapter weights.
    """
    if rank is None:
        return "The theorem is evaluated at the bottleneck rank, and there is none."
    if lhs is None or rhs is None:
        return "The theorem needs a rank of one or more, and here " + (
            "a Jacobian vanishes." if rank else "the bottleneck rank is zero."
        )
    limit = QUARTER * depth
    if rhs < limit:
        sure = depth - max(0, math.floor(rhs / QUARTER))
        said = f"At least {sure} of {depth} layers have exactly {k} singular values above 1/2: the theorem proves it."
    elif lhs < limit:
        said = f"The left side is small (below L/4 = {limit:g}), the right side too large to prove it."
    else:
        said = f"Both sides are large (above L/4 = {limit:g}): it says little here."
    return said + (f" It stands at k = {k}, the rank of a Jacobian." if k < rank else "")


def spectrum(roots: Sequence[float], radius: float, layers: Sequence[int]) -> str:
    """Say how near the optimality gap of the middle layers keeps their singular values to one spectrum.

    Each is at most the radius away from its root, so that a layer has exactly as many above 1/2 as there are roots
    above 1/2 where the radius reaches over it from no root. A radius of 1/2 or more is called too large. The radius is
    rounded up.

    Args:
        roots: the spectrum, decreasing.
        radius: root of the optimality gap of these layers, without biases.
        layers: their indices, from 0; two at least.

    Example:
        >>> spectrum([1.2, 1.1, 0.0], 0.31, [2, 3, 4])
        'All singular values of layers 3 to 5 are within 0.31 of one spectrum: in each exactly 2 are above 1/2.'

    Source: book; claim gap-spectrum; chapter weights.
    """
    span = f"layers {layers[0] + 1} to {layers[-1] + 1}"
    if radius >= GAP:
        return f"The optimality gap of {span} is too large to tie them to one spectrum."
    said = f"All singular values of {span} are within {_up(radius):.2g} of one spectrum"
    count = sum(root > GAP for root in roots)
    if all(abs(root - GAP) > radius for root in roots):
        return f"{said}: in each exactly {count} {'is' if count == 1 else 'are'} above 1/2."
    return f"{said}. How many are above 1/2 stays open."


def kernel(trace: float, inputs: int) -> str:
    r"""Say how sharp the mean squared error can be where it vanishes, from the mean trace of the tangent kernel.

    The sharpness is the largest eigenvalue of :math:`\tfrac2N` times the tangent kernel of all N inputs, and the trace
    of that is twice the mean of :math:`\mathrm{Tr}\,\Theta(x,x)`. The bound is rounded up.

    Args:
        trace: its mean over the inputs.
        inputs: their number N.

    Example:
        >>> kernel(12.0, 5)
        'Sharpness of the squared loss at a perfect fit of 5 inputs: at most 24.'

    Source: J23; claim edge; chapter tangent_kernel.
    """
    fit = f"{inputs} input{'s' if inputs != 1 else ''}"
    return f"Sharpness of the squared loss at a perfect fit of {fit}: at most {_up(2 * trace):.2g}."


def features(ranks: Sequence[int], counts: Sequence[int], inputs: int) -> str:
    """Say how the dimensions of the middle features compare with those that the weights keep.

    Args:
        ranks: dimension of each middle representation, up to a tenth of its norm; below depth 3 of each hidden one.
        counts: number of singular values above 1/2 of each middle layer; none below depth 3.
        inputs: number of inputs, which span no more dimensions than that.

    Example:
        >>> features([2, 2], [2, 2], inputs=100)
        'The middle features have as many dimensions as the weights keep (2).'

    Source: J22, J23; claim low-dim-features; chapter features.
    """
    if not ranks:
        return "There are no hidden features."
    if max(ranks) >= inputs:
        return f"{inputs} inputs span no more than {inputs} dimensions: the features need more of them."
    if not counts:
        return f"The hidden features lie near {_dimensions(ranks)}."
    if list(ranks) == list(counts):
        return f"The middle features have as many dimensions as the weights keep ({_span(ranks)})."
    lie = f"The middle features lie near {_dimensions(ranks)}"
    if max(ranks) < min(counts):
        return f"{lie}, fewer than the weights keep ({_span(counts)}): low rank on these inputs, not in the weights."
    return f"{lie}, the weights keep {_span(counts)}."


def _up(value: float) -> float:
    """Return a number rounded up to two digits."""
    return float(Context(prec=2, rounding=ROUND_CEILING).create_decimal_from_float(value))


def _shown(counts: Sequence[int], gaps: Sequence[float], width: int) -> list[int]:
    """Return the ranks of the layers that show a gap."""
    return [k for k, gap in zip(counts, gaps, strict=True) if k < width and gap >= GAP]


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def _dimensions(ranks: Sequence[int]) -> str:
    return f"{_span(ranks)} dimension{'s' if set(ranks) != {1} else ''}"


def _narrow(ends: tuple[int, int]) -> str:
    return "input" if ends[0] < ends[1] else "output"
