"""Drive the network that trains on a page of the built site: `make site`."""

from site_visits import SITE, Visit, need

TRAINING = "book/interactive.html"
WAIT = 240_000  # milliseconds, on a busy machine

need(TRAINING)


def wait_for(page, text):
    """Wait until the words under the training begin or go on with a text, and return them."""
    words = page.locator("#train-words")
    words.filter(has_text=text).wait_for(timeout=WAIT)
    return words.inner_text()


def test_a_network_trains_to_its_bottleneck(browser, address):
    with Visit(browser, address, TRAINING, "desk") as visit:
        page = visit.page
        assert "Depth 10, ridge 0.02, seed 1, target of rank 2: ready." in wait_for(page, "ready")
        assert len(page.workers) == 1
        page.get_by_role("button", name="Start").press("Enter")  # by the keyboard alone
        page.get_by_role("button", name="Pause").press("Enter")
        assert "paused at step" in wait_for(page, "paused")
        page.get_by_role("button", name="Continue").press("Enter")
        ended = wait_for(page, "finished")
        assert "Its rank is 2." in ended
        assert "The training has converged" in ended
        assert page.locator("#train-plot .lead-2").count() == 2  # a line and its marks
        assert page.get_by_role("button", name="Start").is_disabled()
        page.locator("#train [name=ridge]").select_option("0")
        assert "ridge 0, seed 1, target of rank 2: ready." in wait_for(page, "ridge 0,")
        assert not visit.complaints


def test_a_network_trains_without_workers(browser, address):
    with Visit(browser, address, "book/glossary.html", "desk") as visit:
        visit.page.add_init_script("window.Worker = class { constructor() { throw new Error('not allowed'); } };")
        visit.page.goto(address + TRAINING)
        visit.page.get_by_role("button", name="Start").click()
        visit.page.get_by_role("button", name="Pause").click()
        assert "paused at step" in wait_for(visit.page, "paused")
        assert visit.page.workers == []
        assert not visit.complaints


def test_a_network_trains_on_a_page_from_disk(browser):
    with Visit(browser, "file://", str(SITE / TRAINING), "phone") as visit:
        visit.page.get_by_role("button", name="Start").click()
        visit.page.get_by_role("button", name="Pause").click()
        assert "paused at step" in wait_for(visit.page, "paused")  # fonts of the theme do not load from disk
