"""What to try: rows that sentences of a report ask for, and links that lead somewhere."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnlib.measure import advice, words
from notebook_checks import ROOT

# Sentences after which there is nothing to try.
GOOD = re.compile(
    r"Most of the norm|The norm is zero|Balanced to|There is no hidden neuron|The theorem (needs|is evaluated)|"
    r"At least \d+ of|The left side is small|Sharpness|There are no hidden|The (middle|hidden) features"
)
counts = st.lists(st.integers(0, 5), min_size=0, max_size=4)
gaps = st.floats(-1, 2)


def sentences(counts, gap, decided, lower, imbalance, sides, ranks):
    gaps = [gap] * len(counts)
    rank = min(counts, default=None)
    return {
        "norm": words.norm(1.0, lower),
        "balance": words.balance(imbalance),
        "bottleneck": words.bottleneck(counts, gaps, 5, decided, (3, 4)),
        "theorem": words.theorem(*sides, 8, 1, rank),
        "kernel": words.kernel(1.0, 5),
        "features": words.features(ranks[: len(counts)], counts, 5),
    }


some = {
    "counts": counts,
    "gap": st.sampled_from([0.0, 0.5, 1.0]),
    "decided": st.booleans(),
    "lower": st.floats(0, 1),
    "imbalance": st.none() | st.floats(0, 2),
    "sides": st.just((None, None)) | st.tuples(st.floats(0, 4), st.floats(4, 9)) | st.just((0.1, 0.2)),
    "ranks": st.lists(st.integers(0, 5), min_size=4, max_size=4),
}


@given(**some)
def test_every_sentence_asks_for_a_row_or_for_nothing(**numbers):
    said = sentences(**numbers)
    rows = advice.advised(said)
    for sentence in said.values():
        asked = [row for row in rows if re.search(row.said, sentence)]
        if not asked:
            assert GOOD.match(sentence), sentence
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("row", [row for row in advice.ADVICE if row.said], ids=lambda row: row.see)
def test_every_row_is_asked_for_by_some_report(row):
    shown = [
        words.bottleneck(*case, (3, 4))
        for case in (
            ([5, 5], [0.1] * 2, 5, True), ([1, 5], [1.0, 0.0], 5, True), ([2, 2], [1.0] * 2, 5, True),
            ([0, 0], [1.0] * 2, 5, True), ([0, 0], [0.6] * 2, 5, False), ([4, 4], [1.0] * 2, 5, True),
            ([2, 2], [1.0] * 2, 5, False), ([], [], 5, False),
        )
    ]  # fmt: skip
    shown += [words.norm(1.0, 0.1), words.balance(0.1), words.balance(1.0), words.theorem(9.0, 9.0, 8, 1, 1)]
    shown += [words.features([2, 2], [5, 5], 9), words.features([5], [5], 5)]
    assert any(re.search(row.said, sentence) for sentence in shown)


def test_each_link_leads_to_a_place_of_the_book():
    targets = [target for row in advice.ADVICE for target in advice.LINK.findall(row.do)]
    assert len(targets) >= 14
    for said, page, place in targets:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
        assert said
        assert not place or f"({place})=" in text or f":label: {place}\n" in text, (page, place)
    assert not any("](" in advice.linked(row.do, lambda said, page, place: said) for row in advice.ADVICE)


def test_a_row_is_plain_text():
    """The same words stand on terminals that know no other letters."""
    for row in advice.ADVICE:
        assert "".join(row).isascii()
        assert "|" not in row.see + row.means + row.do
