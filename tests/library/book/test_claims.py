"""The ledger's reader and the verdict lines: what they accept, what they refuse, and in which words."""

import copy
import math
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bnlib import claims
from verdict_lines import parse_verdict

RECORD = {
    "id": "affine-law",
    "part": "A part",
    "source": "J23",
    "kind": "experiment",
    "standing": ["claimed-in-paper"],
    "statement": "The squared norm is affine in the depth.",
    "proved": None,
    "test": "Fit a line.",
    "settings": "Any.",
    "checks": {
        "slope": {
            "label": "slope of ||theta||^2 in L",
            "equals": 2.0,
            "within": 0.15,
            "why": "spread over seeds",
        },
        "control": {"label": "slope without ridge", "at_least": 3, "why": "negative control"},
    },
    "tier": "quick",
    "chapter": "notebooks/law.md#claim-affine-law",
    "tests": ["tests/test_law.py::test_slope"],
    "status": "reproduced",
    "deviation": None,
    "measured": None,
}


def record(**changes):
    return copy.deepcopy(RECORD) | changes


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """Make claims.check and claims.load read the records that it is given."""

    def write(*records):
        path = tmp_path / "claims.yml"
        path.write_text(yaml.safe_dump({"claims": list(records)}), encoding="utf-8")
        monkeypatch.setattr(claims, "_ledger_path", lambda: path)
        return path

    return write


def loaded(path, **changes):
    path.write_text(yaml.safe_dump({"claims": [record(**changes)]}), encoding="utf-8")
    return claims.load(path)["affine-law"]


def test_line_is_printed_and_returned(ledger, capsys):
    ledger(record(checks={"slope": RECORD["checks"]["slope"]}))
    line = claims.check("affine-law", slope=1.98, note="8 seeds")
    assert line == "holds  affine-law: slope of ||theta||^2 in L is 2.0 +/- 0.15  [measured 1.98, 8 seeds]"
    assert capsys.readouterr().out == line + "\n"


def test_several_checks_stand_in_the_order_of_the_ledger(ledger):
    # safe_dump sorts keys, so "control" comes first in this file.
    ledger(record())
    line = claims.check("affine-law", slope=2, control=7.125)
    assert line.endswith(
        "slope without ridge is at least 3; slope of ||theta||^2 in L is 2.0 +/- 0.15  [measured 7.125, 2]"
    )


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
        claims.check("affine-law", **numbers)
    else:
        with pytest.raises(claims.ClaimError, match=f"came out as '{outcome}'"):
            claims.check("affine-law", **numbers)
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
        claims.check("affine-law", **numbers)
    assert capsys.readouterr().out == ""


def test_open_claim_prints_and_raises(ledger, capsys):
    ledger(record(status="open"))
    with pytest.raises(claims.ClaimError, match=r"came out as 'holds', but its status in .* is 'open'"):
        claims.check("affine-law", slope=2.0, control=4.0)
    assert capsys.readouterr().out.startswith("holds  affine-law")


def test_claim_without_checks_raises(ledger):
    ledger(record(status="open", checks=None))
    with pytest.raises(claims.ClaimError, match="is checked by nothing, but was given nothing"):
        claims.check("affine-law")


@pytest.mark.parametrize(
    ("name", "words"), [("afine-law", "did you mean affine-law"), ("zzz", "is not in the ledger.")]
)
def test_unknown_claim_names_close_ones(ledger, name, words):
    ledger(record())
    with pytest.raises(claims.ClaimError, match=words):
        claims.check(name, slope=2.0)


# What the reader itself must refuse; test_ledger.py shows the same and more to the schema.
UNREADABLE = [
    ({"source": 23}, "'int' object is not iterable"),
    ({"tests": None}, "'NoneType' object is not iterable"),
    ({"colour": "red"}, "unexpected keyword argument 'colour'"),
    ({"checks": ["slope"]}, "'list' object has no attribute 'items'"),
]
UNREADABLE_RULES = [
    ({"equals": 2.0, "within": -0.1}, "no sound comparison"),
    ({"equals": 2.0}, "no sound comparison"),
    ({"between": [2.0, 1.0]}, "no sound comparison"),
    ({"between": 2.0}, "no sound comparison"),
    ({"at_most": [1.0, 2.0]}, "no sound comparison"),
    ({"roughly": 2.0}, "no sound comparison"),
    ({"at_most": "1e-9"}, "write 1.0e-9"),
    ({}, "no sound comparison"),
]


def refused(words):
    return pytest.raises(claims.ClaimError, match=f"^The claims ledger .* cannot be used: .*{words}.*\\.$")


@pytest.mark.parametrize(("changes", "words"), UNREADABLE)
def test_unreadable_record_is_refused(tmp_path, changes, words):
    with refused(f"claim 'affine-law' cannot be read .*{words}"):
        loaded(tmp_path / "claims.yml", **changes)


@pytest.mark.parametrize(("rule", "words"), UNREADABLE_RULES)
def test_unreadable_check_is_refused(tmp_path, rule, words):
    with refused(f"claim 'affine-law' cannot be read .*check 'slope'.*{words}"):
        loaded(tmp_path / "claims.yml", checks={"slope": {"label": "slope", "why": "spread"} | rule})


def test_a_check_may_allow_a_single_number(tmp_path):
    for rule in ({"equals": 2, "within": 0}, {"between": [2, 2]}):
        checks = {"slope": {"label": "slope", "why": "a count"} | rule}
        (check,) = loaded(tmp_path / "claims.yml", checks=checks).checks.values()
        assert [check.accepts(x) for x in (2, math.nextafter(2, 3), math.nextafter(2, 1))] == [True, False, False]


def test_counts_are_written_in_full():
    numbers = [0, -7, 123456, 999_999_999, 10**9]
    assert [claims._number(float(x), claim((0, 1)).checks["c0"]) for x in numbers] == [
        "0", "-7", "123456", "999999999", "1e+09",
    ]  # fmt: skip


@pytest.mark.parametrize("field", ["label", "why"])
def test_check_without_words_is_refused(tmp_path, field):
    rule = {"label": "slope", "why": "spread", "at_most": 1.0}
    with refused(f"claim 'affine-law' cannot be read .*'{field}'"):
        loaded(tmp_path / "claims.yml", checks={"slope": {k: v for k, v in rule.items() if k != field}})


def test_id_that_is_no_text_is_refused(tmp_path):
    with refused("unhashable"):
        loaded(tmp_path / "claims.yml", id=["affine-law"])


@pytest.mark.parametrize("field", list(RECORD))
def test_missing_field_is_named(tmp_path, field):
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump({"claims": [{k: v for k, v in RECORD.items() if k != field}]}))
    with refused(f"claim .* cannot be read .*Error: .*'{field}'"):
        claims.load(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no list"),
        ("claims:\n", "has no list"),
        ("claims: []\n", "has no list"),
        ("- a\n", "has no list"),
        ("claims:\n  - id: [a\n", "while parsing a flow sequence"),
        ("claims:\n  - balance\n", "claim 'balance' cannot be read"),
        ("claims:\n  - id: balance\n", "claim 'balance' cannot be read"),
    ],
)
def test_unreadable_ledger_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "claims.yml"
    path.write_text(text)
    with refused(words) as error:
        claims.load(path)
    assert "\n" not in str(error.value)


def test_ledger_of_other_bytes_is_one_sentence(tmp_path):
    path = tmp_path / "claims.yml"
    path.write_bytes(b"\xff\xfe\x00claims")
    with refused("can't decode"):
        claims.load(path)


def test_missing_ledger_is_one_sentence(tmp_path):
    with refused("No such file"):
        claims.load(tmp_path / "claims.yml")


def test_every_truncation_of_the_ledger_is_refused_or_whole_records(tmp_path):
    """A file cut anywhere is either refused in a sentence or ends between two records."""
    whole = yaml.safe_dump({"claims": [record(), record(id="balance")]}, sort_keys=False)
    path = tmp_path / "claims.yml"
    for end in range(0, len(whole), 7):
        path.write_text(whole[:end])
        os.utime(path, ns=(end, end + 1))
        try:
            found = claims.load(path)
        except claims.ClaimError:
            continue
        assert all(claim.tests for claim in found.values())


def test_changed_file_is_read_again(tmp_path):
    path = tmp_path / "claims.yml"
    assert loaded(path).status == "reproduced"
    path.write_text(yaml.safe_dump({"claims": [record(status="partly")]}), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert claims.load(path)["affine-law"].status == "partly"


def test_callers_cannot_change_the_ledger(ledger):
    path = ledger(record())
    claims.load(path)["affine-law"].checks.clear()
    claims.load(path).clear()
    assert claims.load(path)["affine-law"].checks.keys() == RECORD["checks"].keys()


def test_a_wheel_finds_the_ledger_beside_the_module(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "__file__", str(tmp_path / "bnlib" / "book" / "claims.py"))
    assert claims._ledger_path() == tmp_path / "claims.yml"
    (tmp_path / "bnlib").mkdir()
    (tmp_path / "bnlib" / "claims.yml").touch()
    assert claims._ledger_path() == tmp_path / "bnlib" / "claims.yml"


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
ANY = st.one_of(st.floats(), st.integers(-(10**6), 10**6))
NOTES = st.text(st.characters(blacklist_categories=("C", "Z"), blacklist_characters="[]"), max_size=8)


def claim(*rules):
    checks = {f"c{i}": claims.Check(f"x{i} is near {i}", low, high, "why") for i, (low, high) in enumerate(rules)}
    return claims.Claim(**dict.fromkeys(RECORD) | {"id": "a-claim", "checks": checks})


@given(st.lists(st.tuples(FINITE, FINITE).map(sorted), min_size=1, max_size=4), st.data(), NOTES)
def test_a_printed_verdict_is_earned_by_its_printed_numbers(rules, data, note):
    """However a number is rounded for the line, reading the line gives the same verdict and the same line."""
    near = st.sampled_from([math.nextafter(b, s * math.inf) for r in rules for b in r for s in (-1, 1)])
    a = claim(*rules)
    measured = {name: data.draw(ANY | near) for name in a.checks}
    outcome, line = a.verdict(measured, note)
    passed = [math.isfinite(x) and r[0] <= x <= r[1] for r, x in zip(rules, measured.values(), strict=True)]
    assert outcome == ("holds" if all(passed) else "partly" if any(passed) else "not reproduced")
    assert parse_verdict(line, {"a-claim": a}) == (outcome, line)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("measured 1.98", "measured 2.98"),
        ("holds", "partly"),
        ("0.15", "0.2"),
        ("1.98", "nan"),
        ("2.0 ", "2.1 "),
    ],
)
def test_an_edited_line_is_found(ledger, old, new):
    ledger(record(checks={"slope": RECORD["checks"]["slope"]}))
    line = claims.check("affine-law", slope=1.98, note="8 seeds")
    assert parse_verdict(line, claims.load()) == ("holds", line)
    edited = line.replace(old, new)
    assert edited != line
    assert parse_verdict(edited, claims.load())[1] != edited


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("it holds", "not a verdict line"),
        ("holds  affine-law: slope  [measured 1]", "fewer numbers"),
        ("holds  affine-law: slope  [measured 1, a]", "needs one number"),
        ("holds  balance: x  [measured 1, 2]", "not in the ledger"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused(ledger, line, words):
    ledger(record())
    with pytest.raises(claims.ClaimError, match=words):
        parse_verdict(line, claims.load())


def test_the_book_has_its_own_ledger():
    assert claims._ledger_path() == Path(__file__).parents[3] / "claims.yml"
    assert claims.load()["balance"].checks["identity"].high == 1e-10
