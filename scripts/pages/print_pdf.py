"""Print the book, built as one page by `make pdf`, to _build/pdf/bottleneck-book.pdf."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from scripts.pages import browser

BUILD = Path(__file__).resolve().parents[2] / "_build"
# The theme frames a page with bars and menus, and folds proofs and solutions away: in print all is open and unframed.
# A picture that is shown smaller than it is links to its file, which paper cannot open.
OPEN = """async () => {
  document.querySelectorAll('details').forEach((e) => { e.open = true; });
  document.querySelectorAll('.toggle-hidden').forEach((e) => e.classList.remove('toggle-hidden'));
  document.querySelectorAll('a.image-reference').forEach((e) => e.replaceWith(...e.childNodes));
  document.querySelectorAll('img').forEach((e) => { e.loading = 'eager'; });
  await Promise.all([...document.images].map((e) => e.decode().catch(() => null)));
}"""
HIDDEN = """() => [...document.querySelectorAll('article section')].filter((e) => !e.offsetHeight).map((e) => e.id)"""

# The site has its parts and chapters in a bar of menus.
CONTENTS = """() => {
  const parts = [...document.querySelectorAll('article .toctree-wrapper')];
  const names = [...document.querySelectorAll('nav.bd-links .caption-text')];
  const contents = document.createElement('section');
  contents.innerHTML = '<h2>Contents</h2>';
  parts.forEach((part, i) => {
    const list = document.createElement('ul');
    for (const chapter of part.querySelectorAll(':scope > section')) {
      const link = document.createElement('a');
      link.href = '#' + chapter.id;
      link.textContent = chapter.querySelector('h1, h2').textContent.replace(/#$/, '');
      list.appendChild(document.createElement('li')).append(link);
    }
    const name = document.createElement('b');
    name.textContent = names[i]?.textContent ?? '';
    contents.append(name, list);
  });
  contents.style.breakBefore = 'page';
  parts[0].before(contents);
}"""
LOST = """() => [...document.querySelectorAll('article a[href]')]
  .filter((a) => a.checkVisibility() && a.protocol === 'file:' && (a.pathname !== location.pathname
    || (a.hash && !document.getElementById(decodeURIComponent(a.hash.slice(1))))))
  .map((a) => a.getAttribute('href'))"""


def main() -> int:
    """Print the page and return the exit status."""
    executable = browser.path()
    if executable is None:
        print(browser.MISSING, file=sys.stderr)
        return 1
    source = BUILD / "singlehtml"
    # The page lies in a folder but names its pictures from the root, and itself by that folder.
    page_text = (source / "book" / "intro.html").read_text(encoding="utf-8")
    page_text = page_text.replace('"../', '"').replace('"book/intro.html#', '"#')
    (source / "index.html").write_text(page_text, encoding="utf-8")
    target = BUILD / "pdf" / "bottleneck-book.pdf"
    target.parent.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = chromium.new_page()
        page.set_default_timeout(300_000)
        page.goto((source / "index.html").as_uri(), wait_until="load")
        page.evaluate(browser.MATH)
        page.evaluate(OPEN)
        page.evaluate(CONTENTS)
        page.emulate_media(media="print")
        if hidden := page.evaluate(HIDDEN):
            print(f"Not printed, because something hides {len(hidden)} sections: {', '.join(hidden)}.", file=sys.stderr)
            return 1
        if lost := page.evaluate(LOST):
            print(f"Not printed, because {len(lost)} links lead nowhere: {', '.join(lost[:5])}.", file=sys.stderr)
            return 1
        page.pdf(path=target, scale=0.75, **browser.PAPER)
        chromium.close()
    print(f"The book is printed: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
