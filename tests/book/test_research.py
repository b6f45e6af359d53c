"""The pages for researchers agree with the chapters, the ledger and the library, and say so when they do not."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from scripts.pages import research_pages
from scripts.pages.research import PAPERS, ResearchError, Sources

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ("concordance", "results", "open_problems")
CHAPTER = """\
# What a network costs

```{prf:theorem} Balance
:label: thm-balance

All neurons are balanced.
```

(proof-balance)=
```{admonition} Proof
:class: dropdown

Clear. $\\square$
```

```{prf:corollary} Layers
:label: cor-layers

So are all layers.
```

```{prf:conjecture} Ranks
:label: conj-ranks

Costs are ranks.
```

(claim-balance)=
## Balance in numbers

(claim-law)=
## A law
"""
CLAIM = {
    "source": "J23",
    "kind": "theorem",
    "standing": "proved here",
    "statement": "Every hidden neuron has incoming and outgoing weights of the same norm.",
    "proved": "notebooks/costs.md#proof-balance",
    "test": "The identity on random networks.",
    "settings": "float64",
    "checks": {"identity": {"label": "error", "at_most": 1.0e-10, "why": "The identity is exact, up to round-off."}},
    "tier": "quick",
    "tests": ["tests/test_costs.py::test_identity"],
    "status": "certified",
    "deviation": None,
    "measured": None,
}
OPEN = {
    "says": "The cost of a function is a rank.",
    "here": "open",
    "note": "It is open here.",
    "where": ["conj-ranks"],
}


def pieces():
    """Return the data of a small sound book, by file."""
    same = {"says": "All neurons are balanced.", "here": "same", "note": "The proof is ours.", "where": ["thm-balance"]}
    seen = {"says": "The norm obeys a law.", "here": "observed", "note": "On three seeds.", "where": ["claim-law"]}
    papers = [
        {"key": "J22", "statements": [dict(seen, claims=["law"])]},
        {"key": "J23", "statements": [dict(same, claims=["balance"]), OPEN]},
        {"key": "L21", "statements": [dict(seen)]},
        {"key": "JK24", "statements": [dict(seen)]},
    ]
    for paper in papers:
        paper |= {"known": "is known through its abstract.", "parts": [{"title": "All of it"}]}
        paper["parts"][0]["statements"] = paper.pop("statements")
    problem = {
        "title": "Is the law true?",
        "question": "Is the law true for all networks?",
        "known": "It is seen in experiments.",
        "decide": "A proof would decide it, or a counterexample.",
        "where": ["costs", "claim-law"],
        "claims": ["law"],
    }
    return {
        "concordance": {"papers": papers},
        "results": {
            "new": [{"says": "Balance is an identity.", "where": ["thm-balance"], "claims": ["balance"]}],
            "statements": {
                "thm-balance": {"says": "Every neuron is balanced.", "calls": ["bn.balance"]},
                "cor-layers": {"says": "Every layer is balanced.", "follows": ["thm-balance"]},
                "conj-ranks": {"says": "What a function costs is a rank.", "standing": "open"},
            },
        },
        "open_problems": {"groups": [{"title": "The law", "problems": [problem]}]},
        "claims": {
            "claims": [
                {"id": "balance", **CLAIM, "chapter": "notebooks/costs.md#claim-balance"},
                {
                    "id": "law",
                    **CLAIM,
                    "source": ["J22", "book"],
                    "standing": "no proof",
                    "proved": None,
                    "status": "reproduced",
                    "chapter": "notebooks/costs.md#claim-law",
                },
            ]
        },
        "chapter": CHAPTER,
    }


def lay(root, data):
    """Write a small book."""
    for folder in ("notebooks", "book/_data"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        (root / "book" / "_data" / f"{name}.yml").write_text(yaml.safe_dump(data[name]), encoding="utf-8")
        shutil.copy(ROOT / "book" / "_data" / f"{name}.schema.json", root / "book" / "_data")
    (root / "claims.yml").write_text(yaml.safe_dump(data["claims"]), encoding="utf-8")
    (root / "notebooks" / "costs.md").write_text(data["chapter"], encoding="utf-8")
    (root / "_toc.yml").write_text("parts:\n  - chapters:\n      - file: notebooks/costs\n")
    (root / "book" / "library").mkdir()
    (root / "book" / "library" / "build.md").write_text(".. automodule:: bnlib.build.balancing\n")
    return root


def test_the_pages_of_the_book():
    assert research_pages.main(["--check"]) == 0


def test_every_statement_stands_once_among_the_results():
    text = (ROOT / "book" / "results.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\{prf:ref\}`([\w-]+)`: ", text, re.M)
    assert sorted(rows) == sorted(Sources(ROOT).statements)
    labels = [
        label
        for path in (ROOT / "notebooks").glob("*.md")
        for label in re.findall(r"^:label: ((?:thm|prop|lem|cor|conj)-\S+)$", path.read_text(encoding="utf-8"), re.M)
    ]
    assert sorted(rows) == sorted(labels)
    assert {"<prf-prf>", "<../genindex>"} <= set(re.findall(r"<[\w./-]+>", text))


def test_every_claim_of_a_paper_stands_under_it():
    text = (ROOT / "book" / "concordance.md").read_text(encoding="utf-8")
    parts = dict(zip(PAPERS, re.split(r"^## [JKL]+\d\d$", text, flags=re.M)[1:], strict=True))
    for claim in Sources(ROOT).ledger.values():
        for paper in set(claim.source) & set(PAPERS):
            assert f"<claim-page-{claim.id}>" in parts[paper]


def test_a_small_book_has_its_pages(tmp_path, capsys):
    root = lay(tmp_path, pieces())
    arguments = ["--root", str(root)]
    assert research_pages.main(["--check", *arguments]) == 1
    assert capsys.readouterr().err.count("run `python -m scripts.pages.research_pages`") == 3
    assert not (root / "book" / "results.md").exists()
    assert research_pages.main(arguments) == 0
    assert research_pages.main(["--check", *arguments]) == 0
    assert sorted(p.name for p in (root / "book").iterdir()) == sorted(
        ["_data", "library", *(f"{n}.md" for n in SCHEMAS)]
    )
    results = (root / "book" / "results.md").read_text(encoding="utf-8")
    assert "Call: {py:obj}`bn.balance <bnlib.build.balancing.balance>`" in results
    assert "follows from {prf:ref}`thm-balance`" in results
    assert "{ref}`proof <proof-balance>` · in the {doc}`concordance <concordance>` with J23" in results
    concordance = (root / "book" / "concordance.md").read_text(encoding="utf-8")
    assert "Here: {prf:ref}`thm-balance` ({ref}`proof <proof-balance>`)" in concordance
    assert "{ref}`law <claim-page-law>` {bdg-primary-line}`no proof` {bdg-primary}`reproduced`" in concordance
    (root / "book" / "results.md").write_text("old")
    assert research_pages.main(["--check", *arguments]) == 1


def at(data, path):
    """Return the place in nested lists and dictionaries that holds the last step of a path."""
    *steps, last = path
    for step in steps:
        data = data[step]
    return data, last


FIRST = ("concordance", "papers", 1, "parts", 0, "statements", 0)
WIDE = ("concordance", "papers", 2, "parts", 0, "statements", 0)
LAW = ("concordance", "papers", 0, "parts", 0, "statements", 0)
RESULT = ("results", "statements", "thm-balance")
PROBLEM = ("open_problems", "groups", 0, "problems", 0)
FAULTS = [
    ((*FIRST, "where"), ["thm-missing"], "'thm-missing' is neither a statement"),
    ((*FIRST, "where"), ["claim-missing"], "'claim-missing' is neither a statement"),
    ((*FIRST, "where"), ["costs"], "names no statement that is proved here"),
    ((*FIRST, "where"), "thm-balance", "is not of type 'array'"),
    ((*FIRST, "claims"), ["missing"], "'missing' is no claim"),
    ((*FIRST, "claims"), ["law"], "the claim balance has the source J23, but no statement of J23 names it"),
    ((*FIRST, "here"), "equal", "'equal' is not one of"),
    ((*FIRST, "here"), "observed", "all of its claims are proved here"),
    ((*FIRST, "here"), "open", "it names no conjecture"),
    ((*FIRST, "note"), "No full stop", "does not match"),
    ((*FIRST, "evidence"), "a picture", "Additional properties are not allowed"),
    ((*LAW, "here"), "weaker", "it names no statement that is proved here"),
    ((*WIDE,), {**OPEN, "here": "fails", "where": ["costs"]}, "it names neither a proof nor a claim"),
    (
        (*LAW,),
        {**OPEN, "here": "same", "where": ["thm-balance"], "claims": ["law"]},
        "none of its claims is proved here",
    ),
    (("claims", "claims", 0, "status"), "partly", "the claim balance is 'partly'"),
    (("claims", "claims", 0, "source"), "L21", "the claim balance has the source L21"),
    (("claims", "claims", 0, "id"), "balanced", "'balance' is no claim"),
    (("concordance", "papers", 2, "key"), "J22", "the papers must be J22, J23, L21, JK24"),
    ((*RESULT, "calls"), ["bn.missing"], "The library has no bn.missing"),
    ((*RESULT, "calls"), ["bn._checks"], "'bn._checks' is no public name"),
    (
        (*RESULT, "calls"),
        ["bn.train"],
        "bn.train is no function or class of a module that a page",
    ),
    ((*RESULT, "calls"), ["bn.build"], "bn.build is no function or class"),
    ((*RESULT, "proof"), "proof-balance", "thm-balance has a proof of its own behind it"),
    ((*RESULT, "standing"), "open", "thm-balance is a theorem, and a conjecture alone is open"),
    ((*RESULT, "standing"), "taken", "thm-balance is taken from elsewhere, but a proof follows it"),
    ((*RESULT, "standing"), "true", "'true' is not one of"),
    (("results", "statements", "cor-layers"), {"says": "Every layer is balanced."}, "no proof follows it"),
    (("results", "statements", "cor-layers", "follows"), ["thm-no"], "follow from thm-no, which is no statement"),
    (
        ("results", "statements", "thm-other"),
        {"says": "Another theorem of the book."},
        "thm-other has an entry, but no",
    ),
    (("results", "statements", "conj-ranks", "standing"), "proved here", "conj-ranks is 'proved here', but no proof"),
    (("results", "new", 0, "where"), ["thm-no"], "'thm-no' is neither a statement"),
    ((*PROBLEM, "where"), ["thm-no"], "'thm-no' is neither a statement"),
    ((*PROBLEM, "claims"), ["no-such"], "'no-such' is no claim"),
    ((*PROBLEM, "decide"), "", "is too short"),
    (("chapter",), CHAPTER.replace("thm-balance", "thm-balances"), "'thm-balance' is neither a statement"),
    (("chapter",), CHAPTER + CHAPTER.split("\n\n", 1)[1].split("\n\n(")[0].replace("thm-b", "thm-c"), "thm-calance of"),
    (
        ("chapter",),
        CHAPTER.replace("{admonition} Proof", "{admonition} Reason"),
        "thm-balance is 'proved here', but no",
    ),
]


@pytest.mark.parametrize(("path", "value", "reason"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_found(tmp_path, capsys, path, value, reason):
    data = json.loads(json.dumps(pieces()))
    place, last = at(data, path)
    place[last] = value
    assert research_pages.main(["--root", str(lay(tmp_path, data))]) == 1
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1
    assert not (tmp_path / "book" / "results.md").exists()


def test_a_statement_without_an_entry_is_found(tmp_path, capsys):
    data = pieces()
    del data["results"]["statements"]["cor-layers"]
    assert research_pages.main(["--root", str(lay(tmp_path, data))]) == 1
    assert "cor-layers of the chapter costs has no entry" in capsys.readouterr().err


def test_what_is_no_yaml_is_refused(tmp_path):
    root = lay(tmp_path, pieces())
    (root / "book" / "_data" / "results.yml").write_text("new: [\n")
    with pytest.raises(ResearchError, match=r"results\.yml is no YAML"):
        Sources(root).data("results")


@pytest.mark.parametrize("field", ["says", "here", "note", "where"])
def test_the_schema_misses_no_field(tmp_path, capsys, field):
    data = pieces()
    del data["concordance"]["papers"][1]["parts"][0]["statements"][0][field]
    assert research_pages.main(["--root", str(lay(tmp_path, data))]) == 1
    assert f"'{field}' is a required property" in capsys.readouterr().err


def test_the_contents_list_the_pages():
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    files = {part["caption"]: [entry["file"] for entry in part["chapters"]] for part in parts}
    assert files["For researchers"] == [f"book/{name}" for name in SCHEMAS]
    assert "genindex" in files["Reference"]
    assert (ROOT / "genindex.md").exists()
