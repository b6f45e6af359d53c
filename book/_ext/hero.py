"""Show a figure of a chapter at its head, before the code that draws it: the directive `hero`.

Its argument is the name of a figure of the same page, its content the sentence that the figure carries. The figure is
shown in small, and leads to its place. In print each figure stands in its place only.
"""

from __future__ import annotations

import copy
from typing import Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOG = logging.getLogger(__name__)
BEFORE_REFERENCES = 5


class HeroMark(nodes.General, nodes.Element):
    """Stand where the small figure will be, until the page is read; its children are the sentence."""


class Hero(SphinxDirective):
    """The directive `hero`: the name of a figure, and a sentence."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Leave a mark with the sentence."""
        self.assert_has_content()
        mark = HeroMark(target=self.arguments[0])
        mark.source, mark.line = self.get_source_info()
        self.state.nested_parse(self.content, self.content_offset, mark)
        return [mark]


class Fill(SphinxPostTransform):
    """Put the figure in the place of the mark, before references are resolved."""

    default_priority = BEFORE_REFERENCES

    def run(self, **_: Any) -> None:
        """Fill every mark of a page; a name that no figure has is a warning."""
        for mark in list(self.document.findall(HeroMark)):
            figure = next((f for f in self.document.findall(nodes.figure) if mark["target"] in f["names"]), None)
            image = figure.next_node(nodes.image) if figure is not None else None
            if image is None:
                LOG.warning("No figure of this page is named %s.", mark["target"], location=mark)
                mark.parent.remove(mark)
            elif self.app.builder.format != "html" or self.app.builder.name == "singlehtml":
                mark.parent.remove(mark)
            else:
                small = copy.copy(image)
                small["classes"] = ["hero-image"]
                link = nodes.reference("", "", small, refid=figure["ids"][0], internal=True)
                mark.replace_self(nodes.container("", nodes.paragraph("", "", link), *mark.children, classes=["hero"]))


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_node(HeroMark)
    app.add_directive("hero", Hero)
    app.add_post_transform(Fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
