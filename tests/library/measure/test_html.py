"""The report as a page: alone, readable, escaped, and linked to the book."""

import base64
import json
import re
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pytest
import yaml

import bnlib as bn
from bnlib.measure import _drawing, advice
from notebook_checks import ROOT
from strategies import FIXED_X, fixed_net

VOID = {"meta", "br", "img"}


class Page(HTMLParser):
    """Hold the elements of a page with their attributes, and its text; every element must be closed."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def report():
    return bn.report(bn.to_torch_state(fixed_net()), FIXED_X)


def test_a_page_needs_nothing_else(report, tmp_path):
    file = tmp_path / "report.html"
    html = report.to_html(file)
    assert file.read_text(encoding="utf-8") == html
    assert list(tmp_path.iterdir()) == [file]
    page = Page(html)
    assert {tag for tag, _ in page.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "div", "p", "dl", "dt", "dd", "br", "figure"),
        *("img", "figcaption", "section", "table", "thead", "tbody", "tr", "th", "td", "span", "a", "h2", "ul", "li"),
        "strong",
    }
    for tag, given in page.elements:
        assert not [name for name in given if name.startswith("on")]
        if tag != "a":
            assert "href" not in given
        assert "src" not in given or given["src"].startswith("data:image/svg+xml;base64,")
    assert not re.search(r"@import|url\(", html)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.elements
    assert "prefers-color-scheme: dark" in html


def test_a_page_says_what_the_text_says(report):
    page = Page(report.to_html())
    for sentence in (report.verdict, *report.words.values()):
        assert sentence in page.text
    for row in advice.advised(report.words):
        assert advice.linked(row.do, lambda words, page, place: words) in page.text
    for number in (report.squared_norm, report.lower_bound, report.lhs, report.rhs, report.ntk_trace):
        assert f"{number:.4g}" in page.text
    assert "d_in3 d_out3" in page.text.replace("d_in 3", "d_in3").replace("d_out3", " d_out3").replace("  ", " ")
    assert ("numerical" in page.text, "numerical" in Page(report.to_html(numerical=True)).text) == (False, True)


def test_figures_are_inside_and_have_words_for_who_does_not_see_them(report):
    images = [given for tag, given in Page(report.to_html()).elements if tag == "img"]
    assert [image["alt"].partition(":")[0] for image in images] == ["Weights", "Representations"]
    for image, ranks in zip(images, (report.weight_ranks, report.representation_ranks), strict=True):
        assert image["alt"].endswith(f"are {', '.join(str(rank.rank) for rank in ranks)}.")
        svg = base64.b64decode(image["src"].partition(",")[2]).decode()
        assert "<svg" in svg
        assert not re.search(r"<(script|image)\b", svg)
        assert set(re.findall(r"xlink:href=\"(.)", svg)) <= {"#"}
    assert report.to_html() == report.to_html()


def test_drawing_a_page_changes_no_style_and_opens_no_figure(report):
    mpl.use("agg")
    before = dict(mpl.rcParams), mpl.pyplot.get_fignums()
    report.to_html()
    assert (dict(mpl.rcParams), mpl.pyplot.get_fignums()) == before


def test_without_matplotlib_a_page_says_so(report, monkeypatch):
    def missing():
        raise ValueError("Figures need the package matplotlib: pip install matplotlib.")

    monkeypatch.setattr(_drawing, "plotting", missing)
    html = report.to_html()
    assert "<img" not in html
    assert "Figures need the package matplotlib: pip install matplotlib." in Page(html).text


def test_a_notebook_shows_the_fragment_of_the_page(report):
    shown = report._repr_html_()
    assert shown in report.to_html()
    assert Page(shown).elements[0] == ("div", {"class": "bnlib-report"})
    assert "body" not in {tag for tag, _ in Page(shown).elements}


NASTY = "<script>alert('1 & \"2\"')</script>"


@pytest.mark.parametrize("name", [NASTY, "a\x00b<b>", "&amp;lt;", "</style><img src=x>"])
def test_names_of_arrays_are_text(name):
    """In the list of layers, in what is left open, and in what was merged."""
    weights = {f"{name}.weight": np.eye(3), "b.weight": np.eye(3), "c.weight": np.eye(3)}
    r = bn.report(weights, FIXED_X)
    assert name in " ".join(r.reading.open)
    html = r.to_html()
    page = Page(html)
    assert not {"script", "b"} & {tag for tag, _ in page.elements}
    assert all(given["src"].startswith("data:") for tag, given in page.elements if tag == "img")
    assert " ".join(name.split()) in page.text
    assert name in json.loads(r.to_json())["reading"]["layers"][0]


def test_links_lead_into_the_book(report):
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert config["html"]["baseurl"].rstrip("/") == advice.BOOK
    links = {given["href"] for tag, given in Page(report.to_html()).elements if tag == "a"}
    claims = bn.claims.load()
    named = {link.partition("#claim-page-")[2] for link in links if "#claim-page-" in link}
    assert {"schatten-bound", "balance", "weights-theorem", "low-dim-features", "edge"} <= named <= set(claims)
    anchors = (ROOT / "book" / "claims.md").read_text(encoding="utf-8")
    assert all(f"(claim-page-{name})=" in anchors for name in named)
    for name in named:
        assert name in str(report)
    assert all(link.startswith(advice.BOOK) for link in links)


def test_a_network_of_one_layer_has_a_page():
    r = bn.report([(np.ones((2, 3)), None)], FIXED_X)
    page = Page(r.to_html())
    assert [given["alt"].partition(":")[0] for tag, given in page.elements if tag == "img"] == ["Weights"]
    mpl.use("agg")
    assert len(r.plot().axes) == 2
    mpl.pyplot.close("all")
