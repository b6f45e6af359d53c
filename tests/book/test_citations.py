"""The four papers of the book are cited as J22, J23, L21 and JK24, every other work by author and year."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAPERS = {"J22", "J23", "L21", "JK24"}
WORKS = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
PAGE = """\
# A page

A {cite:p}`J23`. B {cite:t}`J22`. C {cite:t}`L21`. D {cite:p}`horn1950`. E {cite:t}`horn1950`. F {cite:p}`arora2018`.

```{bibliography}
:all:
```
"""
CITED = "A [J23]. B Jacot [J22]. C Littwin et al. [L21]. D [Horn, 1950]. E Horn [1950]. F [Arora et al., 2018]."
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]
STYLES = {key: CONFIG["config"][key] for key in ("bibtex_reference_style", "bibtex_default_style")}


def built(folder, builder="html", works=WORKS, **styles):
    """Build a page that cites five works; return its text and the labels in its list of references."""
    folder.mkdir()
    extensions = ["myst_parser", "citation_labels", "sphinxcontrib.bibtex"]
    values = {"extensions": extensions, "bibtex_bibfiles": ["references.bib"], **STYLES, **styles}
    lines = [f"import sys\nsys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\n"]
    (folder / "conf.py").write_text("".join(lines + [f"{key} = {value!r}\n" for key, value in values.items()]))
    (folder / "index.md").write_text(PAGE)
    (folder / "references.bib").write_text(works, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", builder, ".", "out"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    text = (folder / "out" / "index.html").read_text(encoding="utf-8")
    labels = [re.sub(r"<[^>]+>|[\[\]]", "", m) for m in re.findall(r'<span class="label">.*?</span></span>', text)]
    return " ".join(re.sub(r"<[^>]+>", "", text).split()), labels


def test_the_site_uses_the_extension():
    assert CONFIG["local_extensions"]["citation_labels"] == "book/_ext"
    assert set(re.findall(r"^  shorthand = \{(\w+)\},$", WORKS, re.M)) == PAPERS


@pytest.mark.parametrize("builder", ["html", "singlehtml"])
def test_the_papers_are_cited_by_their_names(tmp_path, builder):
    text, labels = built(tmp_path / "site", builder)
    assert CITED in text
    assert set(labels) >= PAPERS
    assert len(labels) == len(set(labels)) == len(re.findall("^@", WORKS, re.M))


BROKEN = {
    "no shorthand": {"works": re.sub(r"  shorthand = .*\n", "", WORKS)},
    "the usual styles": {"bibtex_reference_style": "author_year", "bibtex_default_style": "alpha"},
}


@pytest.mark.parametrize("fault", BROKEN)
def test_otherwise_two_papers_look_alike(tmp_path, fault):
    text, labels = built(tmp_path / "site", **BROKEN[fault])
    assert "A [Jacot, 2023]. B Jacot [2023]. C Littwin et al. [2021]." in text
    assert not (PAPERS - {"JK24"}) & set(labels)  # which the usual style finds by itself
