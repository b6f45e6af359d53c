"""Show all figures of the book in small, each with its caption and a link to its place: the directive `gallery`.

The thumbnails are made from the figures that the build has anyway, so that no picture is stored twice and none is old.
They lie beside the outputs of the chapters, in `_build/thumbnails`. A vector graphic is shown as it is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

WIDTH = 400  # pixels, for a picture that is drawn half as wide
PRINTED = "In print each figure stands in its chapter only."


class GalleryMark(nodes.General, nodes.Element):
    """Stand where the gallery will be, until all pages are read."""


class Gallery(SphinxDirective):
    """The directive `gallery`, without arguments."""

    def run(self) -> list[nodes.Node]:
        """Leave a mark, and remember the page, which is written anew whenever any page is."""
        self.env.galleries = {*getattr(self.env, "galleries", ()), self.env.docname}
        return [GalleryMark(docname=self.env.docname)]


def in_order(env: Any, docname: str) -> Iterator[str]:
    """Yield the pages below one, and itself first, in the order of the contents."""
    yield docname
    for child in env.toctree_includes.get(docname, []):
        yield from in_order(env, child)


def thumbnail(source: Path, folder: Path) -> Path:
    """Return a small copy of a picture; a vector graphic is its own.

    Args:
        source: the picture.
        folder: where small copies lie.
    """
    if source.suffix == ".svg":
        return source
    content = source.read_bytes()
    target = folder / f"{hashlib.sha256(content).hexdigest()[:16]}-{WIDTH}.webp"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(source) as picture:
            small = picture.convert("RGBA")
            white = Image.new("RGBA", small.size, "white")
            white.alpha_composite(small)
            white.thumbnail((WIDTH, 2 * WIDTH), Image.Resampling.LANCZOS)
            white.convert("RGB").save(target, "WEBP", quality=70, method=6)
    return target


def anchor(figure: nodes.figure, image: nodes.image) -> str | None:
    """Return the id to link to: that of the figure, or of its section when a page hides the figure on the screen."""
    place = figure
    if any(name.startswith("printed") for name in [*image["classes"], *figure["classes"]]):
        while place.parent is not None and not isinstance(place, nodes.section):
            place = place.parent
    return place["ids"][0] if place["ids"] else None


class Fill(SphinxPostTransform):
    """Put the figures in the place of the mark, before references are resolved."""

    default_priority = 5
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Fill every gallery of a page."""
        for mark in list(self.document.findall(GalleryMark)):
            if self.app.builder.name == "singlehtml":
                mark.replace_self(nodes.paragraph("", PRINTED))
            else:
                pages = in_order(self.env, self.env.config.root_doc)
                mark.replace_self([part for page in pages for part in self.figures(mark["docname"], page)])

    def figures(self, here: str, page: str) -> Iterator[nodes.Node]:
        """Yield the title of a page, as a link, and the list of its figures; nothing when it has none.

        Args:
            here: the page of the gallery.
            page: the page whose figures are wanted.
        """
        address = self.app.builder.get_relative_uri(here, page)
        items = nodes.bullet_list(classes=["gallery"])
        for figure in self.env.get_doctree(page).findall(nodes.figure):
            image, caption = figure.next_node(nodes.image), figure.next_node(nodes.caption)
            if image is not None and (place := anchor(figure, image)) is not None:
                link = nodes.reference("", "", self.small(here, image), refuri=f"{address}#{place}", internal=True)
                items += nodes.list_item("", nodes.paragraph("", "", link), self.words(here, page, figure, caption))
        if items.children:
            number = ".".join(map(str, self.env.toc_secnumbers.get(page, {}).get("", ())))
            text = nodes.Text(f"{number}. " * bool(number) + self.env.titles[page].astext())
            title = nodes.title("", "", nodes.reference("", "", text, refuri=address, internal=True))
            yield nodes.section("", title, items, ids=[f"gallery-{page.rpartition('/')[2]}"])

    def small(self, here: str, image: nodes.image) -> nodes.image:
        """Return a small copy of a picture as a node, and have the builder copy its file."""
        root, folder = Path(self.env.srcdir), Path(self.app.outdir).parent / "thumbnails"
        file = os.path.relpath(thumbnail(root / image["uri"], folder), root).replace(os.sep, "/")
        self.env.images.add_file(here, file)
        return nodes.image(uri=file, candidates={"*": file}, alt=image.get("alt", ""))

    def words(self, here: str, page: str, figure: nodes.figure, caption: nodes.caption | None) -> nodes.paragraph:
        """Return the number and the caption of a figure as a paragraph whose references are still to be resolved."""
        paragraph = nodes.paragraph()
        numbers = self.env.toc_fignumbers.get(page, {}).get("figure", {})
        if number := next((numbers[name] for name in figure["ids"] if name in numbers), None):
            text = self.env.config.numfig_format["figure"] % ".".join(map(str, number))
            paragraph += [nodes.strong("", text), nodes.Text(" ")]
        if caption is not None:
            paragraph += caption.deepcopy().children
        for reference in paragraph.findall(addnodes.pending_xref):
            reference["refdoc"] = here
        if paragraph.next_node(nodes.math) is not None:  # only a page that has formulas gets what sets them
            self.env.get_domain("math").data["has_equations"][here] = True
        return paragraph


def written_again(app: Any, env: Any) -> list[str]:
    """Have the pages with a gallery written whenever any page was read."""
    return sorted(getattr(env, "galleries", set()) & env.found_docs)


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_node(GalleryMark)
    app.add_directive("gallery", Gallery)
    app.add_post_transform(Fill)
    app.connect("env-updated", written_again)
    return {"version": "1", "env_version": 1, "parallel_read_safe": False, "parallel_write_safe": False}
