"""The page of claims says what the ledger says, and its tool checks and writes."""

from ledger_checks import check_page
from scripts.pages import claims_page
from small_ledger import IDENTITY


def test_the_page_says_what_the_ledger_says(book):
    text = (book.root / "book" / "claims.md").read_text(encoding="utf-8")
    assert "\n## What a network costs\n" in text
    assert "(claim-page-balance)=\n`balance` {bdg-success-line}`proved here` {bdg-success}`certified`\n" in text
    assert "{ref}`in its chapter <claim-balance>` · {ref}`the proof <proof-balance>`\n" in text
    assert "-m scripts.chapters.run_notebooks --all notebooks/costs.ipynb`" in text
    assert "  | error of the identity | at most 1e-10 | 3.1e-13 | ✓ holds | The identity is exact;" in text
    assert "  Measured on 20 nets.\n" in text
    assert "| {bdg-success}`certified` | 1 |" in text
    assert "| {bdg-muted}`open` | 1 |" in text
    assert text.index("## What a network costs") < text.index("## Open") < text.index("claim-page-linear-cost")
    assert "claim-linear-cost>" not in text


def test_checks_that_fail_come_first(book):
    checks = {"good": IDENTITY, "bad": IDENTITY | {"label": "error of another identity"}}
    book.change(checks=checks, measured={"good": "0", "bad": "1"}, status="partly", deviation="One identity fails.")
    text = (book.root / "book" / "claims.md").read_text(encoding="utf-8")
    assert text.index("| error of another identity | at most 1e-10 | 1 | ✗ fails |") < text.index("| 0 | ✓ holds |")


def test_claims_stand_in_the_order_of_the_chapters(book):
    (book.root / "notebooks" / "first.md").write_text("# First\n\n(claim-linear-cost)=\n## Cost\n")
    (book.root / "_toc.yml").write_text("parts: [{chapters: [{file: notebooks/first}, {file: notebooks/costs}]}]\n")
    book.change(1, chapter="notebooks/first.md#claim-linear-cost")
    text = (book.root / "book" / "claims.md").read_text(encoding="utf-8")
    assert text.index("## First") < text.index("claim-page-linear-cost") < text.index("claim-page-balance")


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
    assert any("README.md is out of date" in problem for problem in check_page(book.root))
    claims_page.main(["--root", str(book.root)])
    assert not list(check_page(book.root))
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- claims -->\n| status | claims | meaning |\n")
    assert text.endswith("<!-- end of claims -->\nafter\n")
    assert "| certified | 1 |" in text
    state = (book.root / "book" / "_includes" / "state.md").read_text(encoding="utf-8")
    assert "\n{bdg-success}`1 certified`, {bdg-muted}`1 open`\n" in state


def test_markdown_in_a_statement_is_escaped():
    assert claims_page.escaped("k* + W_l [x] $y$ {z} <a>") == r"k\* + W\_l \[x\] \$y\$ \{z\} \<a\>"
