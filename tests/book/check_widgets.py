"""Drive the widgets of the built chapters by keyboard, and read what they say: `make site`."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from site_visits import VIEWS, Visit, need

PLACES = {"cost": "cost", "linear": "cone", "curve": "snake", "narrow": "snake", "tangent_kernel": "ladder"}

need(*(f"notebooks/{slug}.html" for slug in PLACES))


class Widget:
    """A page at its widget, which loads because its place comes near."""

    def __init__(self, browser, address, slug, view="desk", scheme="light", **settings):
        self.visit = Visit(browser, address, f"notebooks/{slug}.html", view, scheme, **settings)
        self.page, self.slug = self.visit.page, slug

    def __enter__(self):
        place = self.page.locator(".live-figure")
        self.late = not self.page.evaluate("() => 'bnlibWidgets' in window")
        place.evaluate("(box) => box.scrollIntoView()")
        self.figure = self.page.locator("figure.has-live-figure")
        self.figure.locator("svg.chart").wait_for()
        return self

    def __exit__(self, *_):
        self.visit.context.close()

    @property
    def words(self):
        return self.figure.locator("p[aria-live]").inner_text()

    def press(self, knob, *keys):
        self.figure.locator(f"[name={knob}]").focus()
        for key in keys:
            self.page.keyboard.press(key)

    def number(self, pattern):
        found = re.search(pattern, self.words)
        assert found, self.words
        return float(found[1])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("slug", PLACES)
def test_a_widget_loads_late_and_fits(browser, address, slug, view, scheme):
    with Widget(browser, address, slug, view, scheme) as widget:
        assert widget.late
        picture = widget.figure.locator("[role=img]")
        assert picture.get_attribute("aria-label") == widget.words
        assert widget.figure.locator("figcaption").is_visible()
        assert not widget.figure.locator("> img").is_visible()
        assert widget.page.evaluate("() => document.scrollingElement.scrollWidth <= window.innerWidth")
        box, room = picture.locator("svg.chart").bounding_box(), picture.bounding_box()
        assert box["width"] <= room["width"]
        assert not widget.visit.complaints  # before axe-core asks for things of its own
        if view == "desk":  # slow, and the elements are the same
            found = Axe().run(widget.page, context={"include": [["figure.has-live-figure"]]}).response["violations"]
            assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == []


@pytest.mark.parametrize("slug", PLACES)
def test_print_and_pages_without_scripts_keep_the_picture(browser, address, slug):
    with Widget(browser, address, slug) as widget:
        widget.page.emulate_media(media="print")
        assert widget.figure.locator("> img").is_visible()
        assert not widget.page.locator(".live-figure").is_visible()
        name = widget.figure.get_attribute("id")
    plain = browser.new_context(java_script_enabled=False)
    page = plain.new_page()
    page.goto(f"{address}notebooks/{slug}.html")
    assert page.locator(f"#{name} > img").is_visible()
    assert page.locator(f"#{name} figcaption").is_visible()
    plain.close()


def test_the_even_split_is_the_cheapest(browser, address):
    with Widget(browser, address, "cost") as widget:
        assert widget.words.startswith("Factor 10.0 over 6 layers.")
        assert widget.number(r"cost is ([\d.]+)\. The uneven") == pytest.approx(6 * 10 ** (1 / 3), abs=0.01)
        widget.press("tilt", *["ArrowLeft"] * 10)
        assert "This is the even split, the cheapest." in widget.words
        gaps = []
        for key in ("ArrowRight", "End"):
            widget.press("depth", key)
            gaps.append(widget.number(r"cost is ([\d.]+)\.") - widget.number(r"L \+ 2 log s is ([\d.]+)\."))
        assert 0 < gaps[1] < 0.5 < gaps[0]
        widget.press("s", "Home")
        assert widget.words.startswith("Factor 0.100 over 24 layers.")
        assert widget.figure.locator("[name=s]").get_attribute("aria-valuetext") == "0.100"


def test_the_cone_fits_or_does_not(browser, address):
    with Widget(browser, address, "linear") as widget:
        assert widget.number(r"become one of ([\d.]+)°") == pytest.approx(118.4)
        assert "13 of the 15 hidden layers do not fit" in widget.words
        widget.press("layer", "Home", "ArrowRight")
        assert "An isometry turns it into the quadrant" in widget.words
        widget.press("factor", "Home")
        assert "All 15 hidden layers fit: a ReLU network attains the linear cost." in widget.words
        widget.press("layer", "End")
        assert "No ReLU acts here." in widget.words


@pytest.mark.parametrize(("slug", "length"), [("curve", 4.75), ("narrow", 3.9375)])
def test_the_snake_runs_through_its_points(browser, address, slug, length):
    with Widget(browser, address, slug) as widget:
        widget.press("share", "Home")
        assert "has met 1 of them and travelled 0.00 of" in widget.words
        widget.press("share", "End")
        assert "has met 16 of them" in widget.words
        assert widget.number(r"travelled ([\d.]+) of") == pytest.approx(length, abs=0.01)
        assert widget.number(r"shorter than ([\d.]+),") == pytest.approx(15 / 4)
        widget.press("n", "End")
        assert widget.words.startswith("144 points.")
        assert "has met 144 of them" in widget.words


def test_the_ladder_ends_at_its_limit(browser, address):
    with Widget(browser, address, "tangent_kernel") as widget:
        assert widget.words.startswith("Rate 0.04, no ridge, time 384: the limit 2/η is 50.")
        assert widget.number(r"which is ([\d.]+) of the limit") == pytest.approx(1, abs=0.1)
        widget.press("rate", "Home")
        assert widget.words.startswith("Rate 0.01, no ridge, time 384: the limit 2/η is 200.")
        widget.press("time", "Home")
        assert widget.words.startswith("Rate 0.01, no ridge, time 0: ")
        assert widget.number(r"which is ([\d.]+) of the limit") < 0.5
        widget.press("group", "ArrowDown")
        assert widget.words.startswith("Rate 0.01, ridge, time 0: ")


def test_play_moves_the_slider_and_pauses(browser, address):
    with Widget(browser, address, "linear") as widget:
        button = widget.figure.get_by_role("button")
        button.focus()
        widget.page.keyboard.press("Enter")
        assert button.inner_text() == "Pause"
        assert widget.figure.locator("p[aria-live]").get_attribute("aria-live") == "off"
        widget.page.wait_for_function("() => document.querySelector('[name=layer]').value === '12'")
        widget.page.keyboard.press("Enter")
        assert button.inner_text() == "Play"
        assert widget.figure.locator("p[aria-live]").get_attribute("aria-live") == "polite"


def test_nothing_plays_for_readers_who_want_no_motion(browser, address):
    with Widget(browser, address, "linear", reduced_motion="reduce") as widget:
        assert widget.figure.get_by_role("button").count() == 0
        widget.press("layer", "Home")
        assert widget.words.startswith("The inputs fill a cone of 80°.")
