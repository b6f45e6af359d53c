"""Verdicts: the outcome that numbers earn, as text and as a table, and what reading the text again gives."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnlib import claims
from bnlib.book.verdict import _number, check, judge
from scripts.chapters.comparison import room
from scripts.chapters.verdicts import read_verdicts, rejudge
from small_claims import RECORD, record

ONE = {"checks": {"slope": RECORD["checks"]["slope"]}}


def test_a_verdict_has_one_check_a_line_and_prints_nothing(ledger, capsys):
    ledger(record())
    found = check("affine-law", slope=1.98, control=7.125, note="8 seeds")
    assert capsys.readouterr().out == ""
    # safe_dump sorts keys, so "control" comes first in this file.
    assert repr(found) == str(found) == (
        "holds  affine-law: 2 of 2 checks  [8 seeds]\n"
        "  holds  control: slope without ridge is at least 3  [measured 7.125]\n"
        "  holds  slope: slope of ||theta||^2 in L is 2.0 +/- 0.15  [measured 1.98]"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("measured", "outcome"),
    [
        ((2.0, 5.0), "holds"),
        ((2.3, 5.0), "partly"),
        ((2.0, 1.0), "partly"),
        ((1.5, 1.0), "not reproduced"),
        ((math.nan, 5.0), "partly"),
        ((2.0, math.inf), "partly"),
        ((math.nan, math.nan), "not reproduced"),
    ],
)
@pytest.mark.parametrize("status", ["certified", "reproduced", "partly", "not reproduced"])
def test_only_the_outcome_of_the_status_passes(ledger, capsys, measured, outcome, status):
    ledger(record(status=status))
    expected = {"certified": "holds", "reproduced": "holds"}.get(status, status)
    numbers = dict(zip(("slope", "control"), measured, strict=True))
    if outcome == expected:
        assert check("affine-law", **numbers).outcome == outcome
        return
    with pytest.raises(claims.ClaimError, match=f"came out as '{outcome}'"):
        check("affine-law", **numbers)
    # What was measured is not lost.
    assert capsys.readouterr().out.startswith(f"{outcome}  affine-law: ")


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"slope": 2.0}, "is checked by control, slope, but was given slope"),
        ({}, "but was given nothing"),
        ({"slope": 2.0, "control": 4.0, "extra": 1.0}, "but was given slope, control, extra"),
        ({"slope": "two", "control": 4.0}, "needs one number for each check"),
        ({"slope": [2.0, 2.1], "control": 4.0}, "needs one number for each check"),
        ({"slope": None, "control": 4.0}, "needs one number for each check"),
        ({"slope": 2.0, "control": 4.0, "note": "see [1]"}, "one line without square brackets"),
        ({"slope": 2.0, "control": 4.0, "note": "two\nlines"}, "one line without square brackets"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_printed(ledger, capsys, numbers, words):
    ledger(record())
    with pytest.raises(claims.ClaimError, match=words.replace("[", r"\[")):
        check("affine-law", **numbers)
    assert capsys.readouterr().out == ""


def test_open_claim_prints_and_raises(ledger, capsys):
    ledger(record(status="open"))
    with pytest.raises(claims.ClaimError, match=r"came out as 'holds', but its status in .* is 'open'"):
        check("affine-law", slope=2.0, control=4.0)
    assert capsys.readouterr().out.startswith("holds  affine-law")


def test_claim_without_checks_raises(ledger):
    ledger(record(status="open", checks=None))
    with pytest.raises(claims.ClaimError, match="is checked by nothing, but was given nothing"):
        check("affine-law")


@pytest.mark.parametrize(
    ("name", "words"), [("afine-law", "did you mean affine-law"), ("zzz", "is not in the ledger.")]
)
def test_unknown_claim_names_close_ones(ledger, name, words):
    ledger(record())
    with pytest.raises(claims.ClaimError, match=words):
        check(name, slope=2.0)


def cells(found):
    """Read a verdict's table back: its class, its first line, and the texts of its rows."""
    root = ET.fromstring(found._repr_html_())
    rows = [["".join(td.itertext()) for td in tr.iter("td")] for tr in root.iter("tr")]
    return root.get("class"), "".join(root.find("p").itertext()), rows[1:]


def test_the_table_shows_what_fails_first_and_folds_the_reasons(ledger):
    ledger(record(status="partly"))
    kind, first, rows = cells(check("affine-law", slope=2.5, control=7.125, note="8 seeds & more"))
    assert kind == "verdict partly"
    assert first == "partly · affine-law · 1 of 2 checks · 8 seeds & more"
    assert rows == [
        ["slope of ||theta||^2 in Lspread over seeds", "2.0 +/- 0.15", "2.5", "✗ fails"],
        ["slope without ridgenegative control", "at least 3", "7.125", "✓ holds"],
    ]


def test_words_of_the_ledger_are_no_markup_in_the_table(ledger):
    rule = RECORD["checks"]["slope"] | {"label": "a < b & <b>c</b>", "why": "<script>alert(1)</script> is text"}
    ledger(record(checks={"slope": rule}))
    _, _, ((label, *_),) = cells(check("affine-law", slope=2))
    assert label == "a < b & <b>c</b><script>alert(1)</script> is text"


def test_counts_are_written_in_full():
    numbers = [0, -7, 123456, 999_999_999, 10**9]
    assert [_number(float(x), claim((0, 1)).checks["c0"]) for x in numbers] == [
        "0", "-7", "123456", "999999999", "1e+09",
    ]  # fmt: skip


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
ANY = st.one_of(st.floats(), st.integers(-(10**6), 10**6))
NOTES = st.text(st.characters(blacklist_categories=("C", "Z"), blacklist_characters="[]"), max_size=8)


def claim(*rules):
    checks = {
        f"c{i}": claims.Check(f"x{i}", f"between {low} and {high}", low, high, "why")
        for i, (low, high) in enumerate(rules)
    }
    return claims.Claim(**dict.fromkeys(RECORD) | {"id": "a-claim", "checks": checks})


@given(st.lists(st.tuples(FINITE, FINITE).map(sorted), min_size=1, max_size=4), st.data(), NOTES)
def test_a_printed_verdict_is_earned_by_its_printed_numbers(rules, data, note):
    """However a number is rounded for the line, reading the text gives the same verdict and the same text."""
    near = st.sampled_from([math.nextafter(b, s * math.inf) for r in rules for b in r for s in (-1, 1)])
    a = claim(*rules)
    measured = {name: data.draw(ANY | near) for name in a.checks}
    found = judge(a, measured, note)
    passed = [math.isfinite(x) and r[0] <= x <= r[1] for r, x in zip(rules, measured.values(), strict=True)]
    assert found.outcome == ("holds" if all(passed) else "partly" if any(passed) else "not reproduced")
    assert [row.passed for row in found.rows] == passed
    (printed,) = read_verdicts(f"before\n{found}\nafter")
    assert (printed.text, printed.outcome, printed.note) == (str(found), found.outcome, note)
    assert rejudge(printed, {"a-claim": a}) == found


@given(st.tuples(FINITE, FINITE).map(sorted), FINITE)
def test_the_room_of_a_measurement_is_its_distance_to_the_nearest_bound(bounds, x):
    low, high = bounds
    assert room(f"x is between {low} and {high}", x) == min(abs(x - low), abs(x - high))
    for words in ("at most", "at least", "exactly"):
        assert room(f"x is {words} {low}", x) == abs(x - low)
    assert room(f"what is x is {low} +/- 0.25", x) == min(abs(x - (low - 0.25)), abs(x - (low + 0.25)))
    with pytest.raises(ValueError, match="states no bound"):
        room("x and y", x)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("measured 1.98", "measured 2.98"),
        ("holds  affine", "partly  affine"),
        ("  holds  slope", "  fails  slope"),
        ("1 of 1", "2 of 2"),
        ("0.15", "0.2"),
        ("1.98", "nan"),
        ("2.0 ", "2.1 "),
    ],
)
def test_an_edited_verdict_is_found(ledger, old, new):
    ledger(record(**ONE))
    text = str(check("affine-law", slope=1.98, note="8 seeds"))
    edited = text.replace(old, new)
    assert edited != text
    for given_text, same in ((text, True), (edited, False)):
        (printed,) = read_verdicts(given_text)
        assert (str(rejudge(printed, claims.load())) == printed.text) is same


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("holds  affine-law: 1 of 1 checks\n", "was given nothing"),
        ("holds  affine-law: 1 of 1 checks\n  holds  slope: slope is 1 +/- 1  [measured a]", "needs one number"),
        ("holds  balance: 1 of 1 checks\n  holds  x: x is 1 +/- 1  [measured 1]", "not in the ledger"),
    ],
)
def test_a_verdict_that_cannot_be_judged_is_refused(ledger, text, words):
    ledger(record(**ONE))
    (printed,) = read_verdicts(text)
    with pytest.raises(claims.ClaimError, match=words):
        rejudge(printed, claims.load())


def test_what_is_no_verdict_is_not_read():
    assert (
        list(read_verdicts("it holds\nholds  a-law: slope is 2  [measured 1]\n  holds  x: x is 1  [measured 1]")) == []
    )
