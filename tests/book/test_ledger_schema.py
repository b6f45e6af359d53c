"""The schema of the ledger: which records and which checks it refuses, and that it knows what the code knows."""

import math

import pytest
import yaml

from bnlib import claims
from ledger_checks import SCHEMA, check_schema
from scripts.pages import claims_page
from small_ledger import CHECK

BROKEN = [
    ({"id": "Affine law"}, "does not match"),
    ({"id": "affine_law"}, "does not match"),
    ({"id": None}, "None is not of type 'string'"),
    ({"source": 23}, "23 is not valid under any"),
    ({"source": "J24"}, "'J24' is not valid under any"),
    ({"source": ["J23", 23]}, "is not valid under any"),
    ({"kind": "lemma"}, "'lemma' is not one of"),
    ({"standing": "proved"}, "'proved' is not one of"),
    ({"standing": "no proof"}, "'no proof' is not one of ['proved here', 'proved in part']"),
    ({"statement": "Short."}, "is too short"),
    ({"statement": None}, "None is not of type 'string'"),
    ({"proved": "by hand"}, "does not match"),
    ({"test": 1}, "1 is not of type 'string'"),
    ({"settings": None}, "None is not of type 'string'"),
    ({"tier": "slow"}, "'slow' is not one of"),
    ({"chapter": "costs"}, "does not match"),
    ({"tests": None}, "None is not of type 'array'"),
    ({"tests": "tests/library/theory/test_costs.py::test_identity"}, "is not of type 'array'"),
    ({"tests": [None]}, "None is not of type 'string'"),
    ({"tests": ["test_identity"]}, "does not match"),
    ({"status": "proven"}, "'proven' is not one of"),
    ({"status": "not reproduced"}, "None is not of type 'string'"),
    ({"deviation": 1}, "1 is not of type 'string', 'null'"),
    ({"measured": 3.1}, "3.1 is not of type 'object', 'null'"),
    ({"measured": {"identity": 3.1}}, "3.1 is not of type 'string'"),
    ({"colour": "red"}, "'colour' was unexpected"),
    ({"checks": ["slope"]}, "is not of type 'object', 'null'"),
    ({"checks": {}}, "should be non-empty"),
    ({"checks": {"slope": "at most 1"}}, "is not of type 'object'"),
    ({"checks": {"a-b": CHECK}}, "'a-b' does not match"),
    ({"checks": {"2d": CHECK}}, "'2d' does not match"),
    ({"checks": {"note": CHECK}}, "'note' should not be valid"),
    ({"checks": {"claim_id": CHECK}}, "'claim_id' should not be valid"),
]
RULES = [
    ({}, "is not valid under any"),
    ({"roughly": 2.0}, "'roughly' was unexpected"),
    ({"equals": 2.0}, "'within' is a dependency of 'equals'"),
    ({"at_most": 2.0, "within": 1.0}, "'equals' is a dependency of 'within'"),
    ({"equals": 2.0, "within": -0.1}, "-0.1 is less than the minimum"),
    ({"at_most": 2.0, "at_least": 1.0}, "is valid under each of"),
    ({"equals": 2.0, "within": 0.1, "between": [1.0, 2.0]}, "is valid under each of"),
    ({"between": 2.0}, "2.0 is not of type 'array'"),
    ({"between": [2.0]}, "is too short"),
    ({"between": [1.0, 2.0, 3.0]}, "is too long"),
    ({"between": [1.0, "2"]}, "'2' is not of type 'number'"),
    ({"at_most": [1.0, 2.0]}, "is not of type 'number'"),
    ({"at_most": "1e-9"}, "'1e-9' is not of type 'number'"),
    ({"at_least": None}, "None is not of type 'number'"),
    ({"at_most": math.nan}, "nan is not of type 'number'"),
    ({"at_least": -math.inf}, "-inf is not of type 'number'"),
    ({"equals": 1.0, "within": math.inf}, "inf is not of type 'number'"),
    ({"at_most": True}, "True is not of type 'number'"),
    ({"at_most": 1.0, "label": None}, "None is not of type 'string'"),
    ({"at_most": 1.0, "label": "error [y]"}, "should not be valid"),
    ({"at_most": 1.0, "label": "error  of y"}, "should not be valid"),
    ({"at_most": 1.0, "label": "error\nof y"}, "should not be valid"),
    ({"at_most": 1.0, "label": "   "}, "should not be valid"),
    ({"at_most": 1.0, "why": " " * 30}, "does not match"),
    ({"at_most": 1.0, "why": None}, "None is not of type 'string'"),
]


def schema_says(book, record):
    (book.root / "claims.yml").write_text(yaml.safe_dump({"claims": [record]}), encoding="utf-8")
    return list(check_schema(book.root))


@pytest.mark.parametrize(("changes", "reason"), BROKEN)
def test_the_schema_refuses_a_broken_record(book, changes, reason):
    problems = schema_says(book, book.records[0] | changes)
    assert any(reason in problem for problem in problems), problems


@pytest.mark.parametrize(("rule", "reason"), RULES)
def test_the_schema_refuses_a_broken_check(book, rule, reason):
    words = {key: CHECK[key] for key in ("label", "why")}
    problems = schema_says(book, book.records[0] | {"checks": {"identity": words | rule}})
    assert any(reason in problem for problem in problems), problems


@pytest.mark.parametrize("field", list(claims.Claim.__dataclass_fields__))
def test_the_schema_misses_no_field(book, field):
    record = {k: v for k, v in book.records[0].items() if k != field}
    assert any(f"'{field}' is a required property" in problem for problem in schema_says(book, record))


@pytest.mark.parametrize("field", ["label", "why"])
def test_the_schema_asks_each_check_for_words(book, field):
    rule = {k: v for k, v in CHECK.items() if k != field}
    problems = schema_says(book, book.records[0] | {"checks": {"identity": rule}})
    assert any(f"'{field}' is a required property" in problem for problem in problems), problems


def test_the_schema_refuses_a_bound_that_yaml_reads_as_text(book):
    book.replace("1.0e-10", "1e-10")
    assert any("'1e-10' is not of type 'number'" in problem for problem in check_schema(book.root))


@pytest.mark.parametrize("text", ["claims: []\n", "claims:\n", "- balance\n", "claims:\n  - balance\n"])
def test_the_schema_refuses_a_ledger_without_records(book, text):
    (book.root / "claims.yml").write_text(text, encoding="utf-8")
    assert list(check_schema(book.root))


def test_the_schema_knows_the_fields_and_states_of_the_code():
    record = SCHEMA["$defs"]["claim"]
    assert record["required"] == list(record["properties"]) == list(claims.Claim.__dataclass_fields__)
    states = set(record["properties"]["status"]["enum"])
    assert states == {*claims.EXPECTED, "open"} == claims_page.STATUS.keys()
    assert set(record["properties"]["standing"]["enum"]) == claims_page.STANDING.keys()
