"""A sound ledger of two claims, one certified and one open, with its chapter, its test and its page."""

import json
import re

import nbformat
import pytest

from bnlib.book.claims import Check, Claim
from bnlib.book.verdict import judge
from scripts.pages import claims_page

CHECK = {"label": "error of the identity", "at_most": 1.0, "why": "A reason that is long enough."}
VERDICT = (
    "holds  balance: 1 of 1 checks  [20 nets]\n"
    "  holds  identity: error of the identity is at most 1e-10  [measured 3.1e-13]"
)
IDENTITY = {
    "label": "error of the identity",
    "at_most": 1.0e-10,
    "why": "The identity is exact; round-off is a thousand times smaller.",
}
TABLE = judge(
    Claim(
        **dict.fromkeys(Claim.__dataclass_fields__)
        | {
            "id": "balance",
            "checks": {"identity": Check(IDENTITY["label"], "at most 1e-10", 0, 1e-10, IDENTITY["why"])},
        }
    ),
    {"identity": 3.1e-13},
    "20 nets",
)._repr_html_()


class Book:
    """A book of one chapter and two claims, one certified and one open."""

    def __init__(self, root):
        self.root = root
        for folder in ("notebooks", "book", "tests"):
            (root / folder).mkdir()
        self.md = root / "notebooks" / "costs.md"
        self.md.write_text("# What a network costs\n\n(proof-balance)=\n\n(claim-balance)=\n## Balance\n")
        (root / "_toc.yml").write_text("parts: [{chapters: [{file: notebooks/costs}]}]\n")
        self.verdicts(VERDICT)
        self.test = root / "tests" / "library" / "theory" / "test_costs.py"
        self.test.parent.mkdir(parents=True)
        self.test.write_text("class TestBalance:\n    def test_identity(self):\n        pass\n")
        self.records = [
            {
                "id": "balance",
                "source": "J23",
                "kind": "theorem",
                "standing": "proved here",
                "statement": "Every hidden neuron has incoming and outgoing weights of the same norm.",
                "proved": "notebooks/costs.md#proof-balance",
                "test": "The identity on random networks.",
                "settings": "float64",
                "checks": {"identity": IDENTITY},
                "tier": "quick",
                "chapter": "notebooks/costs.md#claim-balance",
                "tests": ["tests/library/theory/test_costs.py::TestBalance::test_identity"],
                "status": "certified",
                "deviation": None,
                "measured": {"identity": "3.1e-13", "note": "20 nets"},
            },
            {
                "id": "linear-cost",
                "source": ["J23", "book"],
                "kind": "theorem",
                "standing": "no proof",
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

    def verdicts(self, *texts, name="costs", html=TABLE):
        cell = nbformat.v4.new_code_cell("bn.check(...)", execution_count=1)
        for text in texts:
            data = {"text/plain": text, "text/html": html}
            cell.outputs.append(nbformat.v4.new_output("execute_result", data, execution_count=1))
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
def book(tmp_path):
    return Book(tmp_path)
