"""Planted faults: each finds its place, what came of each is stored and caught, and a few are planted here again."""

import json

import pytest

from notebook_checks import ROOT
from scripts.chapters.book import Book
from scripts.faults.catalogue import FAULTS
from scripts.faults.fault import Fault, MutantError, mutated, planted, swap
from scripts.faults.plant import run
from scripts.faults.records import same
from scripts.pages.status_page import faults_table

BY_ID = {fault.id: fault for fault in FAULTS}
STORED = {record["id"]: record for record in Book(ROOT).faults}
# One or more of every kind.
SMALL = (
    "network-state-order",
    "expansion-log-not-squared",
    "notebook-verdict-changed-sealed",
    "notebook-number-changed",
    "notebook-not-run",
    "notebook-figures-exchanged",
    "ledger-status-open",
    "file-lock-index",
    "pair-text-and-notebook",
)


def test_there_are_faults_of_every_kind():
    assert len(BY_ID) == len(FAULTS) >= 60
    kinds = [fault.kind for fault in FAULTS]
    for kind, least in {"the library": 40, "stored notebooks": 20, "the ledger": 15, "pairs": 10}.items():
        assert kinds.count(kind) >= least, kind


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_every_fault_finds_its_place(fault):
    mutated(fault, ROOT)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_every_fault_is_stored_and_caught_or_has_its_reason(fault):
    assert fault.id in STORED, "`make mutants NEW=1` plants it"
    stored = STORED[fault.id]
    assert same(fault, stored), "it has changed: `make mutants NEW=1` plants it again"
    assert stored["caught"] != bool(fault.reason)


def test_nothing_is_stored_of_faults_that_are_gone():
    assert STORED.keys() == BY_ID.keys()


def test_a_few_faults_are_caught_now():
    assert {BY_ID[name].kind for name in SMALL} == {fault.kind for fault in FAULTS}
    for record in run([BY_ID[name] for name in SMALL]):
        assert record["caught"], record["id"]


# The planting itself.


@pytest.fixture
def checkout(tmp_path):
    """A checkout in small: a library of one function and its test."""
    root = tmp_path / "checkout"
    for folder in ("bnlib", "tests", "scripts"):
        (root / folder).mkdir(parents=True)
    (root / "bnlib" / "__init__.py").write_text("def double(x):\n    return 2 * x\n")
    (root / "tests" / "test_it.py").write_text("import bnlib\n\ndef test_double():\n    assert bnlib.double(2) == 4\n")
    profile = "import hypothesis\nhypothesis.settings.register_profile('mutants')\n"
    (root / "tests" / "conftest.py").write_text(profile)
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib']\n")
    return root


def fault(old, new, *, checks=("tests/test_it.py",), reason=""):
    edits = (("bnlib/__init__.py", swap(old, new)),)
    return Fault("a-fault", "the library", "a fault", edits, tuple(checks), reason)


def test_faults_are_told_apart_and_leave_the_checkout_alone(checkout):
    before = {path: path.read_bytes() for path in checkout.rglob("*.py")}
    faults = [fault("2 * x", "3 * x"), fault("2 * x", "x * 2"), fault("2 * x", "x +")]
    records = list(run(faults, checkout, preload=["pytest"]))
    assert [record["caught"] for record in records] == [True, False, True]
    assert records[0]["by"] == "tests/test_it.py::test_double"
    assert {path: path.read_bytes() for path in checkout.rglob("*.py")} == before
    assert "| all | 3 | 2 |" in faults_table(records)
    assert "Not caught:\n\n- A fault: " in faults_table(records)


def test_a_record_is_of_one_edit_and_of_the_test_that_caught_it(checkout):
    (stored,) = run([fault("2 * x", "3 * x")], checkout, preload=["pytest"])
    library, test = checkout / "bnlib" / "__init__.py", checkout / "tests" / "test_it.py"
    assert same(fault("2 * x", "3 * x"), stored, checkout)
    assert not same(fault("2 * x", "4 * x"), stored, checkout)
    library.write_text(library.read_text() + "\n\ndef half(x):\n    return x / 2\n")
    test.write_text(test.read_text() + "\ndef test_half():\n    assert bnlib.half(2) == 1\n")
    assert same(fault("2 * x", "3 * x"), stored, checkout)  # neither is of this fault
    before = test.read_text()
    for after in (before.replace("double(2) == 4", "double(2) > 0"), before.replace("test_double", "test_twice"), ""):
        test.write_text(after)
        assert not same(fault("2 * x", "3 * x"), stored, checkout)
    test.write_text(before)
    library.write_text(library.read_text().replace("2 * x", "x + x"))
    assert not same(fault("2 * x", "3 * x"), stored, checkout)  # it finds no place


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (fault("4 * x", "3 * x"), "is there 0 times, not once"),
        (fault("2 * x", "2 * x"), "changes nothing"),
        (fault("2 * x", "3 * x", checks=["tests/test_it.py", "-k", "nothing"]), "status 5"),
        (fault("2 * x", "3 * x", checks=["tests/no_such_file.py"]), "status 4"),
    ],
)
def test_what_is_no_planted_fault_is_refused(checkout, wrong, message):
    with pytest.raises(MutantError, match=message):
        list(run([wrong], checkout, preload=["pytest"]))


def test_tests_that_fail_by_themselves_are_no_catch(checkout):
    (checkout / "tests" / "test_it.py").write_text("def test_it():\n    assert False\n")
    with pytest.raises(MutantError, match="test_it fails without any fault"):
        list(run([fault("2 * x", "3 * x")], checkout, preload=["pytest"]))


def test_texts_come_back_after_a_fault(checkout):
    with planted(mutated(fault("2 * x", "3 * x"), checkout), checkout):
        assert "3 * x" in (checkout / "bnlib" / "__init__.py").read_text()
    assert "2 * x" in (checkout / "bnlib" / "__init__.py").read_text()


def test_the_results_say_how_they_were_made():
    made = json.loads((ROOT / "results" / "mutants.json").read_text(encoding="utf-8"))["made"]
    assert made.keys() == {"command", "commit", "seconds", "versions"}
    assert made["seconds"] == round(sum(record["seconds"] for record in STORED.values()))
