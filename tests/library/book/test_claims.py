"""The ledger's reader: what it accepts, what it refuses, and in which words."""

import math
import os
from pathlib import Path

import pytest
import yaml

from bnlib import claims
from small_claims import RECORD, record


def loaded(path, **changes):
    path.write_text(yaml.safe_dump({"claims": [record(**changes)]}), encoding="utf-8")
    return claims.load(path)["affine-law"]


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


def test_the_book_has_its_own_ledger():
    assert claims._ledger_path() == Path(__file__).parents[3] / "claims.yml"
    assert claims.load()["balance"].checks["identity"].high == 1e-10
