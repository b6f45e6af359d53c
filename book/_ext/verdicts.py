"""Mark the cells whose verdict is partly or not reproduced, which the style sheet draws in another colour."""

from __future__ import annotations

from typing import Any

from docutils import nodes


def mark(app: Any, doctree: nodes.document) -> None:
    """Give a cell with the tag claim the first word of the verdicts that do not hold."""
    for cell in doctree.findall(nodes.container):
        if "tag_claim" in cell["classes"]:
            words = {block.astext().split()[0] for block in cell.findall(nodes.literal_block) if block.astext().strip()}
            cell["classes"] += sorted(words & {"partly", "not"})


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", mark)
    return {"parallel_read_safe": True}
