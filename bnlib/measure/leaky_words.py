"""What the numbers of a residual network with a leak say, in words, by stated rules."""

import math
from collections.abc import Mapping, Sequence

from . import words

# Leaks that add up to less than one layer: the part of the hidden layers in the bound of a dimension is below that of
# one layer, and the norm hardly counts dimensions.
LEAST = 1.0
# Of the effective depth with both ends: a layer with another number of singular values above 1/2 than k is at a squared
# distance of 1/4 or more from k ones.
QUARTER = 0.25


def depth(effective: float, steps: int) -> str:
    """Say what the sum of the leaks means for a network with so many steps.

    Example:
        >>> depth(4.0, 16)
        'One dimension of the function costs about as much as in a plain network of depth 6.'
        >>> depth(0.2, 16)
        'The leaks add up to less than one layer: the action hardly counts dimensions, as in a plain residual network.'

    Source: JK24.
    """
    if effective < LEAST:
        return (
            "The leaks add up to less than one layer: the action hardly counts dimensions, as in a plain residual "
            "network."
        )
    if effective == steps:
        return f"All leaks are 1: this is a plain network of depth {steps + 2}."
    return f"One dimension of the function costs about as much as in a plain network of depth {effective + 2:.3g}."


def bottleneck(
    effective: float,
    counts: Sequence[int],
    gaps: Sequence[float],
    width: int,
    decided: bool,
    ends: tuple[int, int],
) -> str:
    """Say whether the weights of the middle layers show a bottleneck, as ``bnlib.measure.words.bottleneck`` does.

    Nothing is said where the leaks add up to less than one layer.

    Args:
        effective: sum of the leaks.
        counts, gaps, width, decided, ends: as for the plain network.

    Example:
        >>> bottleneck(0.2, [2, 2], [0.9, 1.0], 20, True, (8, 6))
        'The leaks are too small for the number of singular values above 1/2 to be a rank: undecided.'

    Source: bnlib.
    """
    if effective < LEAST:
        return "The leaks are too small for the number of singular values above 1/2 to be a rank: undecided."
    return words.bottleneck(counts, gaps, width, decided, ends)


def theorem(parts: Mapping[str, float] | None, effective: float, k: int, rank: int) -> str:
    r"""Say what the bottleneck theorem at rank k proves about the layers.

    The squared distances of the singular values from k ones, each layer times its leak, add up to at most twice the
    excess. So layers that have another number of singular values above 1/2 than k have leaks of at most eight times the
    excess in all, and the others the rest of :math:`\tilde L+2`.

    Args:
        parts: what ``leaky_measures`` finds at k; None where k is 0.
        effective: sum of the leaks.
        k: rank at which it is evaluated.
        rank: bottleneck rank.

    Example:
        >>> theorem({"excess": 1.25, "spectra": 2.5}, 8.0, 2, 2)
        'The excess is large (above 1.25): it says little here.'

    Source: JK24, book.
    """
    if parts is None:
        return "The theorem needs a rank of one or more, and here " + (
            "a Jacobian vanishes." if rank else "the bottleneck rank is zero."
        )
    whole = effective + 2.0
    limit = QUARTER * whole / 2.0
    if parts["excess"] < limit:
        sure = math.floor(10 * (whole - 2.0 * max(parts["excess"], 0.0) / QUARTER) + 1e-9) / 10  # rounded down
        said = (
            f"Layers with leaks of at least {sure:g} in all, of {whole:.3g} with both ends, have exactly {k} singular "
            "values above 1/2: the theorem proves it."
        )
    elif parts["spectra"] < QUARTER * whole:
        said = f"The singular values are near {k} ones, the excess too large (above {limit:.3g}) to prove it."
    else:
        said = f"The excess is large (above {limit:.3g}): it says little here."
    return said + (f" It stands at k = {k}, the rank of a Jacobian." if k < rank else "")


def certificates(plain: bool) -> str:
    """Say which certificates of plain networks do not apply; all do where every leak is 1.

    Example:
        >>> certificates(True)
        'Every certificate of a plain network applies: report(leaky.to_network(net), X) has the others.'

    Source: bnlib.
    """
    if plain:
        return "Every certificate of a plain network applies: report(leaky.to_network(net), X) has the others."
    return (
        "What does not apply where a part of the state is kept: the lower bound of the squared norm, the bottleneck "
        "theorem of plain networks, the balance of neurons, and the bounds by the tangent kernel. The action, its "
        "bounds and the theorem above stand in their place."
    )
