"""Let sphinx-codeautolink read chapters with theorems, which sphinx-proof writes as sections without a title."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx_codeautolink.extension.block import CodeBlockAnalyser


def depart_section(self: Any, node: nodes.section) -> None:
    """Forget the title of a section that has one; the extension's own version fails on others."""
    if isinstance(node[0], nodes.title):
        self.title_stack.pop()


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    CodeBlockAnalyser.depart_section = depart_section
    return {"parallel_read_safe": True}
