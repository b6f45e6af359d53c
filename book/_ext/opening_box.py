"""Put into the box at the head of each chapter, and into its title, how long it takes to read and to run.

The box is folded, so that the picture of the chapter is on the first screen. Both times are computed when the site is
built: the first from the words of the chapter's text (`scripts.chapters.times` says how), the second from
results/runtimes.json, which `make reproduce` writes. No time is typed anywhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging

from scripts.chapters import times
from scripts.chapters.source import BOX, Chapter

LOG = logging.getLogger(__name__)
AFTER = "Needs:"


def bullet(name: str, *words: nodes.Node) -> nodes.list_item:
    """Return a bullet with a bold name."""
    return nodes.list_item("", nodes.paragraph("", "", nodes.strong("", f"{name}:"), nodes.Text(" "), *words))


def measured(docname: str) -> addnodes.pending_xref:
    """Return a link to the page of measured times."""
    return addnodes.pending_xref(
        "",
        nodes.inline("", "measured"),
        refdomain="std",
        reftype="doc",
        reftarget="/book/status",
        refdoc=docname,
        refexplicit=True,
        refwarn=True,
    )


def short(words: str) -> str:
    """Return a time without the words around it: "about 35 minutes, without the proofs" is "35 minutes"."""
    return words.removeprefix("about ").partition(",")[0].partition(" on ")[0]


def add_times(app: Any, doctree: nodes.document) -> None:
    """Add the two bullets behind the one of needs; a chapter without a box is a warning."""
    docname, root = app.env.docname, Path(app.srcdir)
    source = root / f"{docname}.md"
    if not docname.startswith("notebooks/"):
        return
    boxes = [box for box in doctree.findall(nodes.admonition) if box[0].astext() == BOX]
    lists = [found for box in boxes for found in box.findall(nodes.bullet_list)]
    if not lists:
        LOG.warning("A chapter begins with a box titled %r that has a list.", BOX, location=docname)
        return
    runtimes = root / "results" / "runtimes.json"
    for path in (source, runtimes):
        app.env.note_dependency(str(path))
    reading = times.reading(Chapter.read(source))
    new, title = [bullet("Reading time", nodes.Text(reading))], boxes[0][0]
    title += nodes.Text(f" · {short(reading)} to read")
    if run := json.loads(runtimes.read_text(encoding="utf-8")).get(source.stem):
        title += nodes.Text(f" · {short(times.running(run))} to run")
        new.append(bullet("Running time", nodes.Text(f"{times.running(run)} ("), measured(docname), nodes.Text(")")))
    at = next((i for i, item in enumerate(lists[0]) if item.astext().startswith(AFTER)), len(lists[0]) - 1)
    lists[0][at + 1 : at + 1] = new


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", add_times)
    return {"parallel_read_safe": True}
