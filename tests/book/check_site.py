"""Look at every page of the built site in a browser, at desk and phone width, with no network: `make site`.

Not part of `make test`, for it needs the site that `make book` builds and a browser that is already installed.
"""

from collections import Counter
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from site_visits import ROOT, SITE, VIEWS, Visit, need

PAGES = sorted(p.relative_to(SITE).as_posix() for p in SITE.glob("**/*.html") if "_static" not in p.parts)
BOOK = [page for page in PAGES if page.startswith(("book/", "notebooks/"))]
LIMIT = 25e6  # bytes

FACTS = """() => ({
    wide: document.scrollingElement.scrollWidth - window.innerWidth,
    formulas: document.querySelectorAll('.math').length,
    typeset: document.querySelectorAll('mjx-container').length,
    wrong: [...document.querySelectorAll('mjx-merror, [data-mjx-error]')].map(e => e.textContent),
    blank: [...document.images].filter(i => !i.complete || i.naturalWidth === 0).map(i => i.src),
    silent: [...document.querySelectorAll('article img')].filter(i => !i.alt.trim()).map(i => i.src),
    widest: [...document.querySelectorAll('body *')]
        .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
        .slice(0, 3).map(e => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 40)),
    ready: performance.timing.domInteractive - performance.timing.navigationStart,
})"""


need("book/intro.html")


def accessibility(page):
    """List what axe-core finds serious or critical, with the first places.

    The bibliography is left out: docutils writes it as a list whose members have roles of their own.
    """
    found = Axe().run(page, context={"exclude": [[".citation-list"]]}).response["violations"]
    bad = [v for v in found if v["impact"] in ("serious", "critical")]
    return [f"{v['id']}: {n['target']} {n['html'][:100]}" for v in bad for n in v["nodes"][:4]]


def faults(visit, narrow=False):
    """List all that is wrong with a page, so that one run shows all there is to mend."""
    facts = visit.page.evaluate(FACTS)
    found = [*visit.complaints, *([] if narrow else accessibility(visit.page))]  # slow, and the elements are the same
    found += [f"{facts['wide']} pixels stick out: {facts['widest']}"] * (facts["wide"] > 0)
    found += [f"{facts['typeset']} of {facts['formulas']} formulas are set"] * (facts["typeset"] < facts["formulas"])
    for key in ("wrong", "blank", "silent"):
        found += [f"{key}: {place}" for place in facts[key]]
    # Said, not asserted: it is the machine's affair.
    print(f"{visit.page.url.rpartition('/')[2]}: interactive after {facts['ready']} ms")
    return found


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("page", BOOK)
def test_page_is_sound(browser, address, page, view):
    with Visit(browser, address, page, view) as visit:
        assert not faults(visit, narrow=view == "phone")


@pytest.mark.parametrize(
    "page",
    ["book/intro.html", "book/how_to_read.html", "book/claims.html", "book/your_network.html", "notebooks/window.html"],
)
def test_dark_mode_has_contrast(browser, address, page):
    with Visit(browser, address, page, "desk", "dark") as visit:
        assert visit.page.evaluate("() => document.documentElement.dataset.theme") == "dark"
        assert not faults(visit)


def test_claims_can_be_narrowed(browser, address):
    with Visit(browser, address, "book/claims.html", "desk") as visit:
        count = visit.page.locator(".claim-filter output")
        total = int(count.inner_text().split()[2])
        visit.page.get_by_label("Checks").select_option("partly")
        partly = int(count.inner_text().split()[0])
        assert 0 < partly < total
        assert visit.page.locator("article dl > dt:visible").count() == partly
        visit.page.get_by_label("Contains").fill("no claim says this")
        assert count.inner_text() == f"0 of {total} claims"
        assert not visit.complaints


def test_a_verdict_that_holds_in_part_has_another_colour(browser, address):
    bars = []
    for chapter, verdict in (("symmetry", "holds"), ("autoencoder", "partly")):
        with Visit(browser, address, f"notebooks/{chapter}.html", "desk") as visit:
            table = visit.page.locator("div.verdict").last
            assert table.inner_text().startswith(verdict)
            marks = table.locator("tbody td:last-child").all_inner_texts()
            assert marks == sorted(marks, reverse=True)  # ✗ before ✓
            assert ("✗ fails" in marks) == (verdict == "partly")
            assert table.locator("details").first.get_attribute("open") is None
            bars.append(table.evaluate("(e) => getComputedStyle(e).borderLeftColor"))
    assert bars[0] != bars[1]


@pytest.mark.parametrize("view", VIEWS)
def test_a_link_shows_what_it_leads_to(browser, address, view):
    """A definition with formulas, by pointer and by keyboard, whole on the screen; Escape and print are without it."""
    with Visit(browser, address, "notebooks/cost.html", view) as visit:
        visit.page.emulate_media(reduced_motion="reduce")
        link = visit.page.locator('article a.reference[href*="glossary.html#term-Schatten"]').first
        tip = visit.page.locator(".tippy-box")
        for show in (link.hover, link.focus):
            show()
            tip.locator("mjx-container").first.wait_for(state="visible")
            assert tip.inner_text().startswith("Schatten quasi-norm")
            box = tip.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= VIEWS[view]["width"]
            visit.page.keyboard.press("Escape")
            tip.wait_for(state="detached")
            visit.page.mouse.move(0, 0)
        link.blur()
        link.focus()
        tip.wait_for(state="visible")
        assert not faults(visit, narrow=view == "phone")
        visit.page.emulate_media(media="print")
        assert not tip.is_visible()


def click_first_cell(page, plot):
    """Click on the first cell of a plotted table, by the mouse: the plot listens to that, and not to its shapes."""
    cell = page.locator(f"{plot} .scatterlayer .trace").first.locator("path.point").first
    cell.scroll_into_view_if_needed()
    at = cell.bounding_box()
    page.mouse.click(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)


def test_knobs_choose_a_network(browser, address):
    with Visit(browser, address, "book/interactive.html", "desk") as visit:
        words = visit.page.locator("#knobs-words")
        visit.page.locator("#knobs [name=depth]").select_option("25")
        visit.page.locator("#knobs [name=ridge]").select_option("0.002")
        assert words.inner_text().startswith("Depth 25, ridge 0.002, seed 1: rank 2.")
        visit.page.locator("#knobs [name=depth]").select_option("4")
        assert words.inner_text().startswith("Depth 4, ridge 0.002, seed 1: ")
        assert visit.page.locator("#knobs-plot svg.main-svg").count() > 0
        click_first_cell(visit.page, "#knobs-plot")
        assert words.inner_text().startswith("Depth 4, ridge 0.0005, seed 1: ")
        assert not visit.complaints


def test_the_first_page_loads_its_knobs_after_itself(browser, address):
    with Visit(browser, address, "book/intro.html", "desk") as visit:
        visit.page.locator("#knobs-place").scroll_into_view_if_needed()
        visit.page.wait_for_selector("#knobs-plot svg.main-svg")
        assert visit.page.locator("#knobs-words").inner_text().startswith("Depth 25, ridge 0.002, seed 1: rank 2.")
        late = """() => performance.getEntriesByType('resource').find((r) => r.name.includes('plotly')).startTime
            - performance.getEntriesByType('navigation')[0].loadEventStart"""
        assert visit.page.evaluate(late) > 0
        assert not visit.page.locator("img.printed-spectra").is_visible()
        assert not visit.complaints


@pytest.mark.parametrize("view", VIEWS)
def test_the_map_links_every_chapter(browser, address, view):
    with Visit(browser, address, "book/how_to_read.html", view) as visit:
        links = visit.page.locator(".map a:visible").evaluate_all("(links) => links.map((a) => a.getAttribute('href'))")
        assert sorted(f"notebooks/{link.rpartition('/')[2]}" for link in links) == sorted(
            page for page in BOOK if page.startswith("notebooks/")
        )
        small = """() => Math.min(...[...document.querySelectorAll('.map text')].filter((e) => e.getBBox().width)
            .map((e) => parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a))"""
        assert visit.page.evaluate(small) >= 10  # pixels


def test_a_cell_of_the_phase_diagram_opens_its_spectra(browser, address):
    with Visit(browser, address, "book/interactive.html", "desk") as visit:
        words = visit.page.locator("#phases-words")
        assert words.inner_text().startswith("Depth 24, ridge 0.002, seed 1: the best of four trainings")
        visit.page.locator("#phases [name=ridge]").select_option("0.064")
        assert words.inner_text().startswith("Depth 24, ridge 0.064, seed 1: the best of four trainings")
        click_first_cell(visit.page, "#phases-plot")
        assert words.inner_text().startswith("Depth 6, ridge 0.0005, seed 1: ")
        assert not visit.complaints


def test_the_plane_shows_the_chosen_layer(browser, address):
    with Visit(browser, address, "book/interactive.html", "desk") as visit:
        words = visit.page.locator("#plane-words")
        assert words.inner_text().startswith("Layer 1 of 25, seed 1: ")
        visit.page.locator("#plane [name=layer]").fill("12")
        visit.page.locator("#plane [name=colour]").select_option("phase")
        assert words.inner_text().startswith("Layer 12 of 25, seed 1: ")
        assert visit.page.locator("#plane-plot path.point").count() == 200
        assert not visit.complaints


def test_search_finds_a_chapter(browser, address):
    with Visit(browser, address, "search.html?q=pseudo-determinant", "desk") as visit:
        visit.page.wait_for_selector("#search-results li", timeout=120_000)
        assert not visit.complaints


def test_the_site_reads_from_disk(browser):
    with Visit(browser, "file://", str(SITE / "book" / "notation.html"), "desk") as visit:
        facts = visit.page.evaluate(FACTS)
        assert facts["typeset"] >= facts["formulas"] > 0


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        self.links += [values[key] for key in ("href", "src") if values.get(key)]


PARSED = {page: Links((SITE / page).read_text(encoding="utf-8")) for page in PAGES}


def missing(page, link):
    """Return whether an internal link leads nowhere."""
    target, anchor = urldefrag(link)
    path = SITE / page if not target else (SITE / page).parent / unquote(urlsplit(target).path)
    path = path.resolve()
    if not path.exists():
        return True
    if not anchor or path.suffix != ".html":
        return False
    return unquote(anchor) not in PARSED[path.relative_to(SITE).as_posix()].ids


def test_every_internal_link_and_anchor_resolves():
    dead = [
        f"{page} -> {link}"
        for page in PAGES
        for link in PARSED[page].links
        if not urlsplit(link).scheme and not link.startswith("//") and missing(page, link)
    ]
    assert not dead


def test_a_dead_link_would_be_seen():
    assert missing(BOOK[0], "nowhere.html")
    assert missing(BOOK[0], "#no-such-anchor")
    assert not missing(BOOK[0], f"../{BOOK[0]}")


def test_code_of_chapters_is_linked_to_the_library():
    for page in BOOK:
        if page.startswith("notebooks/"):
            assert any("/library/" in link and "#bnlib." in link for link in PARSED[page].links), page


@pytest.mark.parametrize(
    ("asked", "page"),
    [
        ("bnlib.theory.costs.linear_cost", "theory"),
        ("bnlib.networks.Network.depth", "networks"),
        ("module-bnlib.wide.infinite.layers", "wide"),
    ],
)
def test_an_address_on_the_page_of_the_library_leads_to_the_room(browser, address, asked, page):
    with Visit(browser, address, f"book/api.html#{asked}", "desk") as visit:
        # What the first page was still asking for is cut off, which is no complaint.
        visit.page.wait_for_url(f"{address}book/library/{page}.html#{asked}")
    assert asked in PARSED[f"book/library/{page}.html"].ids


def test_sources_of_the_library_lead_to_the_claims():
    assert any("claims.html#claim-page-schatten-bound" in link for link in PARSED["book/library/theory.html"].links)


def test_colab_buttons_open_notebooks_that_exist():
    colab = "https://colab.research.google.com/github/"
    named = Counter()
    for page in PAGES:
        for link in PARSED[page].links:
            if link.startswith(colab):
                path = ROOT / link.partition("/blob/main/")[2]
                assert path.suffix == ".ipynb"
                assert path.exists(), link
                named[path.name] += 1
    assert named.keys() == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_site_is_small():
    assert sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) <= LIMIT
