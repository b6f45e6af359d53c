"""Cite an entry with the BibTeX field ``shorthand`` by it, as in [J23], and every other one by author and year.

The field means what it means in BibLaTeX. The label in the bibliography is the shorthand too, else the usual one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pybtex.plugin import register_plugin as register_style
from pybtex.style.formatting.alpha import Style as AlphaStyle
from pybtex.style.labels.alpha import LabelStyle as AlphaLabels
from pybtex.style.template import field as entry_field
from pybtex.style.template import first_of, optional
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle, GroupReferenceStyle, PersonStyle
from sphinxcontrib.bibtex.style.referencing.basic_author_year import (
    BasicAuthorYearParentheticalReferenceStyle,
    BasicAuthorYearTextualReferenceStyle,
)
from sphinxcontrib.bibtex.style.template import join, join2, post_text, pre_text, reference, year

NAME = "shorthand"


def shorthand_or(other: Any) -> Any:
    """Return a template of the entry's shorthand, or of something else where it has none."""
    return first_of[optional[entry_field(NAME)], other]


@dataclass
class Parenthetical(BasicAuthorYearParentheticalReferenceStyle):
    """[J23], or [Horn, 1950]."""

    def inner(self, role_name: str) -> Any:
        """Put the shorthand, or author and year, between the brackets."""
        author = self.person.author_or_editor_or_title(full="s" in role_name)
        label = shorthand_or(join(sep=self.author_year_sep)[author, year])
        return join2(sep1=self.pre_text_sep, sep2=self.post_text_sep)[pre_text, reference[label], post_text]


@dataclass
class Textual(BasicAuthorYearTextualReferenceStyle):
    """Jacot [J23], or Horn [1950]."""

    def inner(self, role_name: str) -> Any:
        """Name the authors, and put the shorthand or the year between the brackets."""
        label = join2(sep1=self.pre_text_sep, sep2=self.post_text_sep)[
            pre_text, reference[shorthand_or(year)], post_text
        ]
        author = self.person.author_or_editor_or_title(full="s" in role_name)
        return join(sep=self.text_reference_sep)[author, join[self.bracket.left, label, self.bracket.right]]


@dataclass
class ReferenceStyle(GroupReferenceStyle):
    """Both forms, in square brackets."""

    bracket: BracketStyle = field(default_factory=BracketStyle)
    person: PersonStyle = field(default_factory=PersonStyle)

    def __post_init__(self) -> None:
        """Collect the two styles."""
        self.styles += [
            Parenthetical(bracket=self.bracket, person=self.person),
            Textual(bracket=self.bracket, person=self.person),
        ]
        super().__post_init__()


class Labels(AlphaLabels):
    """The shorthand, or the usual label."""

    def format_labels(self, sorted_entries: Iterable[Any]) -> Iterable[str]:
        """Yield one label for each entry."""
        entries = list(sorted_entries)
        for entry, label in zip(entries, super().format_labels(entries), strict=True):
            yield entry.fields.get(NAME, label)


class BibliographyStyle(AlphaStyle):
    """The list of references, with these labels."""

    default_label_style = NAME


def setup(app: Any) -> dict[str, bool]:
    """Register with the bibliography's extension, which finds the styles by the name ``shorthand``."""
    register_plugin("sphinxcontrib.bibtex.style.referencing", NAME, ReferenceStyle)
    register_style("pybtex.style.labels", NAME, Labels)
    register_style("pybtex.style.formatting", NAME, BibliographyStyle)
    return {"parallel_read_safe": True}
