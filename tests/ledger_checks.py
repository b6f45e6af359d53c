"""What the ledger must satisfy, with the chapters, the tests and the page of claims: each check lists what is wrong."""

import ast
import functools
import json
import math
import re
from pathlib import Path

import jsonschema
import nbformat
import yaml

from bnlib import claims
from notebook_checks import ROOT
from scripts.chapters.verdicts import read_verdicts, rejudge
from scripts.pages import claims_page
from scripts.pages.generated import stale

SCHEMA = json.loads((ROOT / "tests" / "claims.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator


def is_number(_, value):
    # JSON has no other numbers, but YAML has .nan and .inf.
    return VALIDATOR.TYPE_CHECKER.is_type(value, "number") and math.isfinite(value)


CHECKER = jsonschema.validators.extend(VALIDATOR, type_checker=VALIDATOR.TYPE_CHECKER.redefine("number", is_number))(
    SCHEMA
)
ANCHOR = re.compile(r"^\((claim-[a-z0-9-]+)\)=\s*$", re.M)


@functools.cache
def parsed(path, content):
    """Read a ledger; equal bytes are parsed once, which is most of what these tests would do."""
    return claims.load(path)


def ledger_of(root):
    return parsed(root / "claims.yml", (root / "claims.yml").read_bytes())


def settled(root):
    return [claim for claim in ledger_of(root).values() if claim.status != "open"]


def anchors(path):
    """List the labels in a chapter's text."""
    return re.findall(r"^\(([\w-]+)\)=\s*$", path.read_text(encoding="utf-8"), re.M) if path.exists() else []


def stored(root):
    """Yield each stored notebook's verdicts, each with the notebook's name and the table that is shown for it."""
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                for verdict in read_verdicts(data.get("text/plain", "")):
                    yield path.stem, verdict, data.get("text/html")


def check_schema(root):
    data = yaml.safe_load((root / "claims.yml").read_text(encoding="utf-8"))
    for error in CHECKER.iter_errors(data):
        yield f"{'/'.join(map(str, error.path))}: {error.message}"


def check_layout(root):
    """Ask for the lines by which the pipeline finds a record and its measurement."""
    text = (root / "claims.yml").read_text(encoding="utf-8")
    records = re.split(r"^  - id: ", text, flags=re.M)[1:]
    if [r.split("\n")[0] for r in records] != list(ledger_of(root)):
        yield "each record must start with a line `  - id: <id>`"
    for record in records:
        if len(re.findall(r"^    measured: (null|\{.*\})$", record, re.M)) != 1:
            yield f"{record.split()[0]} must have one line `    measured: null`, or the numbers by name in braces"


def check_ids(root):
    ids = [r["id"] for r in yaml.safe_load((root / "claims.yml").read_text(encoding="utf-8"))["claims"]]
    for name in {i for i in ids if ids.count(i) > 1}:
        yield f"{name} has more than one record"


def check_chapters(root):
    for claim in settled(root):
        path, _, anchor = claim.chapter.partition("#")
        if anchor != f"claim-{claim.id}":
            yield f"the chapter of {claim.id} must end in #claim-{claim.id}"
        if anchors(root / path).count(anchor) != 1:
            yield f"{path} must have exactly one anchor ({anchor})="
        if not claim.checks:
            yield f"{claim.id} has no checks"
    for claim in ledger_of(root).values():
        path, _, anchor = (claim.proved or "").partition("#")
        if claim.proved and anchor not in anchors(root / path):
            yield f"{claim.id} is said to be proved at {claim.proved}, which has no such anchor"


def check_anchors(root):
    ids = ledger_of(root)
    for path in sorted((root / "notebooks").glob("*.md")):
        for anchor in ANCHOR.findall(path.read_text(encoding="utf-8")):
            claim = ids.get(anchor.removeprefix("claim-"))
            if claim is None:
                yield f"{path.name} has the anchor ({anchor})=, which no record of the ledger has"
            elif claim.chapter and claim.chapter != f"notebooks/{path.name}#{anchor}":
                yield f"{path.name} has the anchor ({anchor})=, but its record points to {claim.chapter}"


def check_tests(root):
    for claim in settled(root):
        if not claim.tests:
            yield f"{claim.id} has no test"
        for test in claim.tests:
            file, *names = test.split("::")
            if not (root / file).exists():
                yield f"{claim.id} names {test}, but there is no {file}"
                continue
            body = ast.parse((root / file).read_text(encoding="utf-8")).body
            for name in names:
                found = [n for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == name]
                body = found[0].body if found else []
            if not found or not names[-1].startswith("test_"):
                yield f"{claim.id} names {test}, but {file} has no such test"


def check_verdicts(root):
    ledger = ledger_of(root)
    found = list(stored(root))
    for where, verdict, _ in found:
        if verdict.id not in ledger:
            yield f"{where} prints a verdict of {verdict.id}, which is not in the ledger"
    for claim in settled(root):
        mine = [(where, verdict, table) for where, verdict, table in found if verdict.id == claim.id]
        if len(mine) != 1:
            yield f"the verdict of {claim.id} is stored {len(mine)} times: {', '.join(w for w, *_ in mine)}"
        for where, verdict, table in mine:
            if where != Path(claim.chapter.partition("#")[0]).stem:
                yield f"the verdict of {claim.id} is stored in {where}, not in its chapter"
            try:
                earned = rejudge(verdict, ledger)
            except claims.ClaimError as error:
                yield str(error)
                continue
            if str(earned) != verdict.text:
                yield f"{where} stores {verdict.text!r}, but its numbers earn {str(earned)!r}"
            if table != earned._repr_html_():
                yield f"{where} shows another table of {claim.id} than its numbers earn"
            if earned.outcome != claims.EXPECTED[claim.status]:
                yield f"{claim.id} is {claim.status!r} in the ledger and {earned.outcome!r} in {where}"
            if claim.measured != verdict.record:
                yield f"{claim.id} has measured {claim.measured!r} in the ledger, not what {where} stores"


def check_page(root):
    for path in stale(claims_page.pages(ledger_of(root), root)):
        yield f"{path.relative_to(root)} is out of date: run `python -m scripts.pages.claims_page`"


CHECKS = [
    check_schema,
    check_layout,
    check_ids,
    check_chapters,
    check_anchors,
    check_tests,
    check_verdicts,
    check_page,
]
