"""A report as text of at most 70 characters a line."""

import textwrap
from collections.abc import Sequence

from . import advice
from ._blocks import Block, layers
from ._measured import Measured
from ._written import LINE, said


def text(
    m: Measured, facts: Sequence[tuple[str, str]], blocks: Sequence[Block], read: str, warning: str, numerical: bool
) -> str:
    """Write the verdict, the network, its numbers with what they say, its layers and what to try.

    Args:
        m: what is measured.
        facts: size of the network and its type, each under its name.
        blocks: numbers with what they say.
        read: how the network was read, as lines; empty where it needed no reading.
        warning: what of that is open, which comes first.
        numerical: show the numerical ranks of the layers as well.
    """
    words = m.words
    size = ", ".join(value if name == "weights" else f"{name} {value}" for name, value in facts)
    parts = [
        warning and "\n".join(_said(warning)),
        _wrapped(m.verdict),
        _wrapped(size.replace("inputs ", "") + (" inputs" if m.inputs != 1 else " input")),
        read,
        *map(_block, blocks),
        "\n".join([*_layers(m, numerical), *_said(words["features"], ("low-dim-features",))]),
        "\n".join(["what to try", *map(_tried, advice.advised(words))]) if advice.advised(words) else "",
        "Names in brackets are claims of the book. What the words mean:\n" + advice.address("book/your_network"),
    ]
    return "\n\n".join(part for part in parts if part)


def _block(block: Block) -> str:
    rows = [f"{row.name:19}{row.value:11}{row.meaning}".rstrip() for row in block.rows]
    return "\n".join([*rows, *_said(block.said, block.claims)])


def _wrapped(sentence: str, first: str = "", then: str = "") -> str:
    return textwrap.fill(sentence, LINE, initial_indent=first, subsequent_indent=then)


def _said(sentence: str, claims: Sequence[str] = ()) -> list[str]:
    """Return the lines of a sentence behind an arrow, with the claims that it rests on."""
    return said(sentence + (f" [{', '.join(claims)}]" if claims else ""))


def _tried(row: advice.Advice) -> str:
    tried = advice.linked(row.do, lambda words, page, place: words)
    return _wrapped(f"{row.see}: {tried}", "- ", "  ")


def _layers(m: Measured, numerical: bool) -> list[str]:
    if numerical:
        head = [
            "rank by layer   of the weights                of the features",
            "layer    >1/2     gap   numerical     >1/10     gap   numerical",
        ]
    else:
        head = ["rank by layer   of the weights   of the features", "layer    >1/2     gap     >1/10     gap"]
    lines = layers(m, numerical)
    return head + [f"{i:5d}{_columns(weights)}  {_columns(features)}".rstrip() for i, weights, features in lines]


def _columns(ranks: Sequence[str]) -> str:
    return "".join(f"{value:>{width}}" for value, width in zip(ranks, (8, 8, 8, 7), strict=False))
