"""Drive the films of the built site, and see that they and the network that trains fit and print: `make site`."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from scripts.pages import films
from site_visits import SITE, VIEWS, Visit, need

TRAINING, CLOUD, POINTS = "book/interactive.html", "notebooks/features.html", "notebooks/infinite_features.html"
PLACES = {TRAINING: "#train", CLOUD: "#cloud", POINTS: "#points"}
WAIT = 240_000  # milliseconds, on a busy machine

need(*PLACES)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "place"), PLACES.items())
def test_widgets_fit_and_can_be_read(browser, address, name, place, view, scheme):
    with Visit(browser, address, name, view, scheme) as visit:
        box = visit.page.locator(place)
        box.scroll_into_view_if_needed()
        assert box.locator("svg").first.get_attribute("aria-label")
        sides = box.bounding_box()
        assert sides["x"] >= 0
        assert sides["x"] + sides["width"] <= VIEWS[view]["width"]
        small = """(box) => Math.min(...[...box.querySelectorAll('svg text')].map((e) => {
            const { a, b } = e.getScreenCTM();
            return parseFloat(getComputedStyle(e).fontSize) * Math.hypot(a, b);
        }))"""
        assert place != "#train" or box.evaluate(small) >= 10  # pixels
        assert not visit.complaints  # before axe-core asks for things of its own
        if view == "desk":  # slow, and the elements are the same
            found = Axe().run(visit.page, context={"include": [[place]]}).response["violations"]
            assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == []


@pytest.mark.parametrize(("page", "name"), [(CLOUD, "cloud"), (POINTS, "points")])
def test_a_film_runs_and_can_be_stopped(browser, address, page, name):
    frames = films.read(name)["frames"]
    with Visit(browser, address, page, "desk") as visit:
        visit.page.emulate_media(reduced_motion="reduce")
        box = visit.page.locator(f"#{name}")
        slider, words = box.locator("[name=frame]"), box.locator("[aria-live]")
        place = "(box) => [...box.querySelectorAll('circle')].map((e) => [e.cx.baseVal.value, e.cy.baseVal.value])"
        first, said = box.evaluate(place), words.inner_text()
        assert len(first) == len(frames[0]["points"])
        slider.press("ArrowRight")
        assert words.inner_text() != said
        assert box.evaluate(place) != first  # at once: nothing glides for those who asked for less motion
        box.get_by_role("button", name="Play").press("Enter")
        visit.page.wait_for_function(f"document.querySelector('#{name} [name=frame]').value === '3'", timeout=WAIT)
        assert words.get_attribute("aria-live") == "off"
        box.get_by_role("button", name="Pause").press("Enter")
        assert words.get_attribute("aria-live") == "polite"
        fill = box.locator("circle").first
        colour = fill.get_attribute("fill")
        box.locator("[name=colour]").select_option(index=1)
        assert fill.get_attribute("fill") != colour
        slider.press("End")
        assert slider.input_value() == str(len(frames) - 1)
        assert not visit.complaints


@pytest.mark.parametrize(("page", "place", "picture"), [
    (TRAINING, "#train", "img.printed-training"),
    (CLOUD, "#cloud", "#fig-features-maps img"),
    (POINTS, "#points", "#fig-features img"),
])  # fmt: skip
def test_print_and_readers_without_scripts_see_a_picture(browser, address, page, place, picture):
    with Visit(browser, address, page, "desk") as visit:
        assert visit.page.locator(place).is_visible()
        visit.page.emulate_media(media="print")
        assert not visit.page.locator(place).is_visible()
        assert visit.page.locator(picture).is_visible()
    context = browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.set_default_timeout(WAIT)
    still.goto(address + page)
    assert not still.locator(place).is_visible()
    assert still.locator(picture).is_visible()
    context.close()


def test_scripts_are_loaded_where_they_are_used():
    for path in (path for room in ("book", "notebooks") for path in (SITE / room).glob("*.html")):
        name, text = path.relative_to(SITE).as_posix(), path.read_text(encoding="utf-8")
        for place, script in (("#train", "train.js"), ("#cloud", "cloud.js"), ("#points", "points.js")):
            assert (f"widgets/{script}" in text) == (PLACES.get(name) == place), (name, script)
