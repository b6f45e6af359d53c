"""Visits to the built site in a browser that is installed here, with no network."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import sync_playwright

from scripts.pages import browser as installed

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
VIEWS = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


def need(*names):
    """Skip the module that asks where one of these pages was not built."""
    if not all((SITE / name).exists() for name in names):
        pytest.skip("There is no site here: run `make book` first.", allow_module_level=True)


@pytest.fixture(scope="session")
def browser():
    if (executable := installed.path()) is None:
        pytest.skip(installed.MISSING)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        """A browser asks once for an icon of its own accord, on whatever page is the first."""
        if self.path == "/favicon.ico":
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()


@pytest.fixture(scope="session")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


# A colour that still changes has not its contrast yet.
SETTLED = """() => Promise.allSettled(document.getAnimations()
    .filter(a => a.effect.getComputedTiming().endTime < Infinity).map(a => a.finished))"""


class Visit:
    """A page in a fresh context; every request to another address is refused and noted."""

    def __init__(self, browser, address, page, view, scheme="light", **settings):
        self.context = browser.new_context(viewport=VIEWS[view], color_scheme=scheme, **settings)
        self.complaints = []
        self.context.route(lambda url: not url.startswith((address, "data:", "blob:")), lambda route: route.abort())
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)  # a busy machine is no fault of the page
        self.page.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.goto(address + page, wait_until="load")
        self.page.evaluate("() => window.MathJax && MathJax.startup ? MathJax.startup.promise : null")
        self.page.evaluate(SETTLED)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()
