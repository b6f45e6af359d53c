"""The ledger, the chapters, the tests and the claims page must tell the same story."""

import ast
import functools
import json
import math
import re
from pathlib import Path

import jsonschema
import nbformat
import pytest
import yaml

from bnlib import claims
from scripts.chapters.notebook import VERDICT
from scripts.pages import claims_page
from verdict_lines import parse_verdict

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "tests" / "claims.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator


def is_number(_, value):
    # JSON has no other numbers, but YAML has .nan and .inf.
    return VALIDATOR.TYPE_CHECKER.is_type(value, "number") and math.isfinite(value)


CHECKER = jsonschema.validators.extend(VALIDATOR, type_checker=VALIDATOR.TYPE_CHECKER.redefine("number", is_number))(
    SCHEMA
)
ANCHOR = re.compile(r"^\((claim-[a-z0-9-]+)\)=\s*$", re.M)
EXPECTED = [
    "two-dimensions",
    "adam-stalls",
    "clarke",
    "stationary-points",
    "balance",
    "schatten-bound",
    "linear-cost",
    "linear-expansion",
    "linear-sv",
    "rank-sandwich",
    "rank-properties",
    "rank-gap",
    "affine-law",
    "jacobian-bound",
    "composition",
    "addition",
    "constants",
    "linear-r1",
    "r1-bracket",
    "r2-linear",
    "r2-subadditive",
    "tsp",
    "depth-window",
    "rank-phase",
    "extra-rank",
    "narrow-minima",
    "narrow-rates",
    "weights-theorem",
    "weights-corollary",
    "balanced-profile",
    "ntk-identity",
    "ntk-bound",
    "edge",
    "sharpness-growth",
    "still-code",
    "low-dim-features",
    "depth-convergence",
    "fig-j22",
    "fig-j23",
    "invariants",
    "symmetry",
    "symmetry-groups",
    "autoencoder",
    "topology",
    "softmax-ridge",
    "class-order",
    "iw-kernel-gradients",
    "iw-finite-to-infinite",
    "iw-lazy-fails",
    "iw-kink-term",
    "iw-finite-conservation",
    "iw-linear-closed-form",
    "iw-linear-conserved",
    "iw-linear-finite",
    "iw-speedup-formula",
    "iw-equal-rate",
    "iw-small-target",
    "iw-own-edge",
    "iw-movement",
    "iw-alignment",
    "iw-digits",
    "iw-kernel-limit",
]


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


def stored_verdicts(root):
    """Yield each stored notebook's verdict lines, with the notebook's name."""
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                for line in output.get("text", "").splitlines():
                    if VERDICT.match(line):
                        yield path.stem, line


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
        if len(re.findall(r'^    measured: (null|".*")$', record, re.M)) != 1:
            yield f"{record.split()[0]} must have one line `    measured: null`, or a quoted string"


def check_ids(root):
    ids = [r["id"] for r in yaml.safe_load((root / "claims.yml").read_text(encoding="utf-8"))["claims"]]
    for name in {i for i in ids if ids.count(i) > 1}:
        yield f"{name} has more than one record"
    for name in set(EXPECTED) ^ set(ids):
        yield f"{name} is {'not in the ledger' if name in EXPECTED else 'not in the list of this test'}"


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
    stored = [(where, VERDICT.match(line)["id"], line) for where, line in stored_verdicts(root)]
    for where, name, _ in stored:
        if name not in ledger:
            yield f"{where} prints a verdict of {name}, which is not in the ledger"
    for claim in settled(root):
        lines = [(where, line) for where, name, line in stored if name == claim.id]
        if len(lines) != 1:
            yield f"the verdict of {claim.id} is stored {len(lines)} times: {', '.join(w for w, _ in lines)}"
        for where, line in lines:
            if where != Path(claim.chapter.partition("#")[0]).stem:
                yield f"the verdict of {claim.id} is stored in {where}, not in its chapter"
            try:
                outcome, earned = parse_verdict(line, ledger)
            except claims.ClaimError as error:
                yield str(error)
                continue
            if earned != line:
                yield f"{where} stores {line!r}, but its numbers earn {earned!r}"
            if outcome != claims.EXPECTED[claim.status]:
                yield f"{claim.id} is {claim.status!r} in the ledger and {outcome!r} in {where}"
            if claim.measured != VERDICT.match(line)["measured"]:
                yield f"{claim.id} has measured {claim.measured!r} in the ledger, not what {where} stores"


def check_page(root):
    for page, expected in claims_page.pages(ledger_of(root), root).items():
        if not page.exists() or page.read_text(encoding="utf-8") != expected:
            yield f"{page.relative_to(root)} is not what claims.yml says: run `python -m scripts.pages.claims_page`"


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


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_ledger_of_the_book(check):
    assert list(check(ROOT)) == []


def test_every_open_draft_has_reasons():
    for claim in claims.load().values():
        assert all(len(rule.why) > 20 for rule in claim.checks.values())


# From here on: a small sound book, and each check shown to fail on a broken one.

LINE = "holds  balance: error of the identity is at most 1e-10  [measured 3.1e-13, 20 nets]"


class Book:
    """A book of one chapter and two claims, one certified and one open."""

    def __init__(self, root):
        self.root = root
        for folder in ("notebooks", "book", "tests"):
            (root / folder).mkdir()
        self.md = root / "notebooks" / "costs.md"
        self.md.write_text("# What a network costs\n\n(proof-balance)=\n\n(claim-balance)=\n## Balance\n")
        self.verdicts(LINE)
        self.test = root / "tests" / "library" / "theory" / "test_costs.py"
        self.test.parent.mkdir(parents=True)
        self.test.write_text("class TestBalance:\n    def test_identity(self):\n        pass\n")
        self.records = [
            {
                "id": "balance",
                "part": "Norms and balance",
                "source": "J23",
                "kind": "theorem",
                "standing": ["proved-here"],
                "statement": "Every hidden neuron has incoming and outgoing weights of the same norm.",
                "proved": "notebooks/costs.md#proof-balance",
                "test": "The identity on random networks.",
                "settings": "float64",
                "checks": {
                    "identity": {
                        "label": "error of the identity",
                        "at_most": 1.0e-10,
                        "why": "The identity is exact; round-off is a thousand times smaller.",
                    }
                },
                "tier": "quick",
                "chapter": "notebooks/costs.md#claim-balance",
                "tests": ["tests/library/theory/test_costs.py::TestBalance::test_identity"],
                "status": "certified",
                "deviation": None,
                "measured": "3.1e-13, 20 nets",
            },
            {
                "id": "linear-cost",
                "part": "Linear networks",
                "source": ["J23", "book"],
                "kind": "theorem",
                "standing": ["proved-here", "beyond-the-papers"],
                "statement": "A linear network costs L times a Schatten quasi-norm of its matrix.",
                "proved": None,
                "test": "The construction attains it.",
                "settings": "float64",
                "checks": None,
                "tier": "quick",
                "chapter": None,
                "tests": [],
                "status": "open",
                "deviation": None,
                "measured": None,
            },
        ]
        self.write()

    def write(self, page=True):
        blocks = []
        for record in self.records:
            lines = [f"    {k}: {json.dumps(v).replace('1e-10', '1.0e-10')}" for k, v in record.items()]
            blocks.append("\n".join(lines).replace("    id: ", "  - id: ", 1).replace('id: "', "id: ", 1))
            blocks[-1] = re.sub(r'^(  - id: [\w-]+)"$', r"\1", blocks[-1], count=1, flags=re.M)
        (self.root / "claims.yml").write_text("claims:\n" + "\n".join(blocks) + "\n", encoding="utf-8")
        if page:
            claims_page.main(["--root", str(self.root)])

    def verdicts(self, *lines, name="costs"):
        output = nbformat.v4.new_output("stream", name="stdout", text="\n".join(lines) + "\n")
        cell = nbformat.v4.new_code_cell("bn.check(...)", outputs=[output], execution_count=1)
        path = self.root / "notebooks" / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)

    def change(self, number=0, page=True, **fields):
        self.records[number].update(fields)
        self.write(page)

    def replace(self, old, new, path=None):
        path = path or self.root / "claims.yml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "EXPECTED", ["balance", "linear-cost"])
    return Book(tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_sound_book_passes(book, check):
    assert list(check(book.root)) == []


CHECK = {"label": "error of the identity", "at_most": 1.0, "why": "A reason that is long enough."}
FAULTS = [
    (check_schema, lambda b: b.change(status="proven", page=False), "'proven' is not one of"),
    (check_schema, lambda b: b.change(colour="red", page=False), "'colour' was unexpected"),
    (check_schema, lambda b: b.records[0].pop("tier") and b.write(page=False), "'tier' is a required"),
    (check_schema, lambda b: b.change(chapter=None, page=False), "None is not of type 'string'"),
    (check_schema, lambda b: b.change(checks=None), "None is not of type 'object'"),
    (check_schema, lambda b: b.change(tests=[]), "should be non-empty"),
    (check_schema, lambda b: b.change(status="partly"), "None is not of type 'string'"),
    (check_schema, lambda b: b.change(1, measured="1.0"), "is not of type 'null'"),
    (check_schema, lambda b: b.change(checks={"identity": CHECK | {"why": "so"}}), "'so' is too short"),
    (check_schema, lambda b: b.change(checks={"x": CHECK | {"at_least": 0}}, page=False), "valid under each"),
    (check_layout, lambda b: b.replace("    measured: null\n", "    measured: ~\n"), "linear-cost must have"),
    (check_layout, lambda b: b.replace('"3.1e-13, 20 nets"', "'3.1e-13, 20 nets'"), "balance must have one"),
    (check_layout, lambda b: b.replace("  - id: balance", '  - id: "balance"'), "start with a line"),
    (check_ids, lambda b: b.change(1, id="linear-costs"), "linear-cost is not in the ledger"),
    (check_ids, lambda b: b.change(1, id="linear-costs"), "linear-costs is not in the list"),
    (check_ids, lambda b: b.change(1, id="balance", page=False), "balance has more than one record"),
    (
        check_chapters,
        lambda b: b.change(chapter="notebooks/costs.md#claim-x"),
        "must end in #claim-balance",
    ),
    (
        check_chapters,
        lambda b: b.change(chapter="notebooks/x.md#claim-balance"),
        "x.md must have exactly",
    ),
    (
        check_chapters,
        lambda b: b.replace("(claim-balance)=", "", b.md),
        "exactly one anchor (claim-balance)=",
    ),
    (check_chapters, lambda b: b.replace("(proof-balance)=", "", b.md), "is said to be proved at"),
    (check_chapters, lambda b: b.change(checks=None), "balance has no checks"),
    (check_anchors, lambda b: b.replace("claim-balance", "claim-balanced", b.md), "which no record"),
    (
        check_anchors,
        lambda b: b.change(chapter="notebooks/x.md#claim-balance"),
        "points to notebooks/x",
    ),
    (check_tests, lambda b: b.change(tests=["tests/library/test_x.py::test_y"]), "there is no tests/library/test_x.py"),
    (check_tests, lambda b: b.replace("test_identity", "test_other", b.test), "has no such test"),
    (check_tests, lambda b: b.change(tests=["tests/library/theory/test_costs.py::TestBalance"]), "has no such test"),
    (check_tests, lambda b: b.change(tests=[]), "balance has no test"),
    (check_verdicts, lambda b: b.verdicts("no verdict"), "is stored 0 times"),
    (check_verdicts, lambda b: b.verdicts(LINE, LINE), "is stored 2 times"),
    (check_verdicts, lambda b: b.verdicts(LINE, name="x"), "is stored 2 times: costs, x"),
    (check_verdicts, lambda b: b.verdicts(LINE.replace("3.1e-13", "3.1e-3")), "its numbers earn 'not repr"),
    (check_verdicts, lambda b: b.verdicts(LINE.replace("3.1e-13", "nan")), "its numbers earn 'not repr"),
    (check_verdicts, lambda b: b.verdicts(LINE.replace("holds", "partly")), "its numbers earn 'holds"),
    (check_verdicts, lambda b: b.verdicts(LINE.replace("1e-10", "1e-9")), "its numbers earn 'holds"),
    (check_verdicts, lambda b: b.verdicts(LINE.replace("3.1e-13", "2.1e-13")), "not what costs stores"),
    (check_verdicts, lambda b: b.verdicts(LINE, LINE.replace("balance", "blance")), "is not in the ledger"),
    (check_verdicts, lambda b: b.verdicts(LINE.replace("3.1e-13", "x")), "needs one number"),
    (
        check_verdicts,
        lambda b: b.change(status="not reproduced"),
        "is 'not reproduced' in the ledger and 'holds'",
    ),
    (check_verdicts, lambda b: b.change(checks={"identity": CHECK}), "its numbers earn 'holds"),
    (
        check_page,
        lambda b: b.change(statement="Another statement, as long as it should be.", page=False),
        "is not",
    ),
    (check_page, lambda b: (b.root / "book" / "claims.md").unlink(), "is not what claims.yml says"),
]


@pytest.mark.parametrize(("check", "spoil", "reason"), FAULTS, ids=[f"{c.__name__}-{r}" for c, _, r in FAULTS])
def test_a_fault_is_found(book, check, spoil, reason):
    spoil(book)
    assert any(reason in problem for problem in check(book.root)), list(check(book.root))


BROKEN = [
    ({"id": "Affine law"}, "does not match"),
    ({"id": "affine_law"}, "does not match"),
    ({"id": None}, "None is not of type 'string'"),
    ({"part": ""}, "is too short"),
    ({"source": 23}, "23 is not valid under any"),
    ({"source": "J24"}, "'J24' is not valid under any"),
    ({"source": ["J23", 23]}, "is not valid under any"),
    ({"kind": "lemma"}, "'lemma' is not one of"),
    ({"standing": "proved-here"}, "'proved-here' is not of type 'array'"),
    ({"standing": ["proved"]}, "'proved' is not one of"),
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
    ({"measured": 3.1}, "3.1 is not of type 'string', 'null'"),
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
    assert set(record["properties"]["standing"]["items"]["enum"]) == claims_page.STANDING.keys()


def test_every_check_has_a_fault():
    assert {check for check, _, _ in FAULTS} == set(CHECKS)


def test_a_verdict_in_another_chapter_is_found(book):
    (book.root / "notebooks" / "costs.ipynb").rename(book.root / "notebooks" / "x.ipynb")
    assert "the verdict of balance is stored in x, not in its chapter" in list(check_verdicts(book.root))


def test_the_page_says_what_the_ledger_says(book):
    text = (book.root / "book" / "claims.md").read_text(encoding="utf-8")
    assert "(claim-page-balance)=\n`balance` {bdg-success}`certified`\n" in text
    assert ": Chapter: {ref}`What a network costs <claim-balance>`\n" in text
    assert "-m scripts.chapters.run_notebooks --all notebooks/costs.ipynb`" in text
    assert ": Measured: 3.1e-13, 20 nets\n" in text
    assert "| {bdg-success}`certified` | 1 |" in text
    assert "| {bdg-muted}`open` | 1 |" in text
    assert "claim-linear-cost>" not in text


def test_the_page_tool_checks_and_writes(book, capsys):
    page = book.root / "book" / "claims.md"
    arguments = ["--root", str(book.root)]
    assert claims_page.main(["--check", *arguments]) == 0
    page.write_text("old")
    assert claims_page.main(["--check", *arguments]) == 1
    assert page.read_text() == "old"
    assert "run `python -m scripts.pages.claims_page`" in capsys.readouterr().err
    assert claims_page.main(arguments) == 0
    assert claims_page.main(["--check", *arguments]) == 0
    assert sorted(p.name for p in page.parent.iterdir()) == ["_includes", "claims.md"]
    for broken in ("claims:\n", (book.root / "claims.yml").read_text().replace('"open"', '"proven"')):
        (book.root / "claims.yml").write_text(broken)
        assert claims_page.main(arguments) == 1
        assert capsys.readouterr().err.count("\n") == 1


def test_the_first_page_and_the_readme_show_the_ledger(book):
    readme = book.root / "README.md"
    readme.write_text("before\n<!-- claims -->\nold\n<!-- end of claims -->\nafter\n", encoding="utf-8")
    assert any("README.md is not" in problem for problem in check_page(book.root))
    claims_page.main(["--root", str(book.root)])
    assert not list(check_page(book.root))
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- claims -->\n| status | claims | meaning |\n")
    assert text.endswith("<!-- end of claims -->\nafter\n")
    assert "| certified | 1 |" in text
    state = (book.root / "book" / "_includes" / "state.md").read_text(encoding="utf-8")
    assert "{bdg-ref-success}`balance <claim-page-balance>`" in state
    assert "{bdg-success}`1 certified`" in state


def test_markdown_in_a_statement_is_escaped():
    assert claims_page.escaped("k* + W_l [x] $y$ {z} <a>") == r"k\* + W\_l \[x\] \$y\$ \{z\} \<a\>"
