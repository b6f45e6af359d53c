"""What the gallery of a built site must be: every figure of the pages once, with alt text and a link to its place."""

from pathlib import Path
from urllib.parse import unquote, urldefrag

from bs4 import BeautifulSoup

LIMIT = 1.5e6  # bytes of all small pictures


def read(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def places(page):
    """List the ids under which a page's pictures are found: of the figure, or of its section where it is for print.

    A film has no picture of its own: a script draws it.
    """
    for figure in read(page).select("figure[id]:has(img)"):
        hidden = figure.select_one("img[class*=printed]")
        yield figure.find_parent("section")["id"] if hidden else figure["id"]


def faults(gallery, pages):
    """List what is wrong with a gallery.

    Args:
        gallery: its page in the built site.
        pages: the pages whose figures it must have.
    """
    links = read(gallery).select("ul.gallery a[href]:has(img)")
    found = [urldefrag(unquote(link["href"])) for link in links]
    shown = [((gallery.parent / target).resolve(), place) for target, place in found]
    wanted = [(page.resolve(), place) for page in pages for place in places(page)]
    yield from (f"{p.name}#{place} is shown {shown.count((p, place))} times" for p, place in wanted
                if shown.count((p, place)) != wanted.count((p, place)))  # fmt: skip
    yield from (f"{page.name}#{place} is no figure" for page, place in shown if (page, place) not in wanted)
    size = 0
    for link in links:
        image = link.img
        if not image.get("alt", "").strip():
            yield f"{link['href']} has no alt text"
        source = gallery.parent / unquote(image["src"])
        if source.is_file():
            size += source.stat().st_size
        else:
            yield f"{image['src']} is missing"
        if not link.find_parent("li").get_text().strip():
            yield f"{link['href']} has no caption"
    if size > LIMIT:
        yield f"the small pictures have {size:,} bytes"
    if not links:
        yield "it is empty"


def pages(site):
    """Return every page of the book in a built site, the gallery left out."""
    found = [*Path(site).glob("book/*.html"), *Path(site).glob("notebooks/*.html")]
    return [page for page in sorted(found) if page.name != "gallery.html"]
