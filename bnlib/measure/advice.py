"""What one sees in a report, what it means, and what to try: one table for the report and for the book."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

BOOK = "https://bottleneck-book.github.io/bottleneck-book"
LINK = re.compile(r"\[([^]]+)\]\(([^)#]+)(?:#([^)]+))?\)")


class Advice(NamedTuple):
    """Hold a row of the table.

    Attributes:
        see: what one sees.
        said: pattern of the sentence of a report that shows it; empty where there is nothing to do, or nothing to see.
        means: what it means.
        do: what to try, with links ``[words](page#place)`` into the book.
    """

    see: str
    said: str
    means: str
    do: str


ADVICE = (
    Advice(
        "no bottleneck in the weights",
        "no bottleneck in the weights",
        "the penalty, if there is one, is too weak to remove a dimension",
        "put the ridge times the squared norm into the loss, and choose the ridge "
        "[by the recipe](book/your_network#practice-recipe); [first pictures](notebooks/first_pictures) show how the "
        "rank follows it",
    ),
    Advice(
        "a partial bottleneck, undecided",
        "a partial bottleneck, undecided",
        "ridge times depth is near what one more dimension is worth, or training is unfinished",
        "train until balanced first; then a larger ridge or more layers, as in "
        "[the phase diagrams of rank](notebooks/window#claim-rank-phase)",
    ),
    Advice(
        "layers keep k dimensions, with a gap",
        "with a gap: a bottleneck",
        "the function factors nearly through k numbers in these layers",
        "look at them, as in [the chapter on symmetries](notebooks/symmetry); read "
        "[what is proved of such weights](notebooks/weights#claim-weights-corollary)",
    ),
    Advice(
        "a bottleneck, and a loss that is too large",
        "with a gap: a bottleneck",
        "the ridge removes a dimension that the task needs",
        "a smaller ridge: [the recipe](notebooks/autoencoder#recipe-ridge) keeps what has a variance above ridge times "
        "depth",
    ),
    Advice(
        "no dimension is left",
        "No dimension is left",
        "one dimension costs more than the targets vary: ridge times depth is near their variance, or above it",
        "a ridge several times smaller, or fewer layers, to leave "
        "[the corner of rank zero](notebooks/window#claim-rank-phase)",
    ),
    Advice(
        "no singular value above one half, undecided",
        "No singular value of the middle layers is above 1/2",
        "the middle layers are small because others are large, or the rank is zero",
        "train until [balanced](notebooks/cost#thm-balance), which makes layers about equally large",
    ),
    Advice(
        "more dimensions than an end has, undecided",
        r"more than the \w+ has",
        "the weights are low in rank for another reason, such as neurons that never fire",
        "train longer with a penalty, then [read the rank](notebooks/rank) again",
    ),
    Advice(
        "no features as few as the weights keep, undecided",
        "no features there lie near as few",
        "small singular values still carry more than a tenth of the features",
        "train longer with a penalty, until [the features](notebooks/features#claim-low-dim-features) are as few",
    ),
    Advice(
        "no middle",
        "have no middle",
        "a bottleneck rank is read in the middle third of at least three layers",
        "give the whole network; of single layers, spectra, norm and certificate are valid as they stand",
    ),
    Advice(
        "most of the norm is certified",
        "",
        "at this depth every network of this function has at least half of its norm",
        "nothing: [the certificate](notebooks/cost#cor-gap) has no more to say",
    ),
    Advice(
        "less than half of the norm is certified",
        "Less than half of the norm",
        "the function may need much less norm, or the bound is far from sharp for it",
        "a penalty and more steps; [the chapter on cost](notebooks/cost#claim-schatten-bound) says where the bound is "
        "sharp",
    ),
    Advice(
        "not balanced, far from balanced",
        "Not balanced|Far from balanced",
        "no stationary point of the penalised loss",
        "let the step size decay, penalise biases as well, and do without AdamW, until "
        "[the theorem on balance](notebooks/cost#thm-balance) is met",
    ),
    Advice(
        "both sides are large",
        "Both sides are large",
        "the theorem does not fix any layer: the function is steep, or the network shallow for its rank",
        "read the gaps instead; [the theorem](notebooks/weights#claim-weights-theorem) is about depths that are large "
        "against its right side",
    ),
    Advice(
        "features of fewer dimensions than the weights keep",
        "fewer than the weights keep",
        "the data use few directions, the weights keep the others",
        "inputs of other kinds, because [nothing follows](notebooks/features#claim-low-dim-features) for those",
    ),
    Advice(
        "inputs that span too few dimensions",
        "span no more than",
        "the number of inputs limits the rank of the features",
        "more inputs than neurons",
    ),
    Advice(
        "a sharpness of s",
        "",
        "gradient descent near a perfect fit is stable for steps below 2/s",
        "a smaller step where the loss jumps, as in [the chapter on the tangent kernel](notebooks/tangent_kernel)",
    ),
)


def advised(words: Mapping[str, str]) -> list[Advice]:
    """Return the rows of the table that the sentences of a report ask for, in its order.

    Args:
        words: as ``Report.words`` has them.

    Example:
        >>> [row.see for row in advised({"balance": "Not balanced to a hundredth: no stationary point."})]
        ['not balanced, far from balanced']

    Source: bnlib; page your_network.
    """
    return [row for row in ADVICE if row.said and any(re.search(row.said, sentence) for sentence in words.values())]


def linked(text: str, link: Callable[[str, str, str], str]) -> str:
    """Return a text with each of its links as ``link(words, page, place)`` writes it; the place may be empty.

    Example:
        >>> linked("see [here](notebooks/cost#cor-gap)", lambda words, page, place: words)
        'see here'

    Source: bnlib.
    """
    return LINK.sub(lambda found: link(found[1], found[2], found[3] or ""), text)


def address(page: str, place: str = "") -> str:
    """Return where a page of the book is published, or a place on it.

    Example:
        >>> address("notebooks/cost", "cor-gap").removeprefix(BOOK)
        '/notebooks/cost.html#cor-gap'

    Source: bnlib.
    """
    return f"{BOOK}/{page}.html" + (f"#{place}" if place else "")
