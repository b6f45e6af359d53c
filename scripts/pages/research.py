"""Read what the pages for researchers are made of: three files of book/_data, the chapters, the ledger, the library."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema
import yaml

import bnlib
from bnlib.book.claims import Claim, load
from scripts.pages.claims_page import STANDING, STATUS, badge
from scripts.pages.statements import Chapter, Statement, chapters

PAPERS = ("J22", "J23", "L21", "JK24")


class ResearchError(RuntimeError):
    """Say in one sentence what a file of book/_data has wrong."""


@dataclass(frozen=True)
class Sources:
    """Hold a checkout, and write links to what is in it; a link to what is not there is refused."""

    root: Path

    @cached_property
    def chapters(self) -> Mapping[str, Chapter]:
        """The chapters, in the order of the book."""
        return chapters(self.root)

    @cached_property
    def statements(self) -> Mapping[str, Statement]:
        """The numbered statements, by label."""
        return {s.label: s for chapter in self.chapters.values() for s in chapter.statements}

    @cached_property
    def anchors(self) -> frozenset[str]:
        """The anchors of all chapters."""
        return frozenset().union(*(chapter.anchors for chapter in self.chapters.values()))

    @cached_property
    def ledger(self) -> Mapping[str, Claim]:
        """The claims."""
        return load(self.root / "claims.yml")

    def data(self, name: str) -> Any:
        """Read a file of book/_data and hold it to its schema."""
        folder = self.root / "book" / "_data"
        try:
            content = yaml.safe_load((folder / f"{name}.yml").read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ResearchError(f"book/_data/{name}.yml is no YAML: {' '.join(str(error).split())}.") from error
        schema = json.loads((folder / f"{name}.schema.json").read_text(encoding="utf-8"))
        problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(content))
        if problem:
            raise ResearchError(f"book/_data/{name}.yml, {problem.json_path}: {problem.message}.")
        return content

    def place(self, name: str) -> str:
        """Link a place in the chapters: a statement, the section of a claim, or a whole chapter."""
        if name in self.statements:
            return f"{{prf:ref}}`{name}`"
        if name in self.chapters:
            return f"{{doc}}`../notebooks/{name}`"
        if name.startswith("claim-") and name in self.anchors:
            return f"{{ref}}`{name}`"
        raise ResearchError(f"{name!r} is neither a statement of a chapter, nor the section of a claim, nor a chapter.")

    def proof(self, anchor: str) -> str:
        """Link a proof by its anchor."""
        if anchor not in self.anchors:
            raise ResearchError(f"No chapter has the anchor ({anchor})=, at which a proof is said to be.")
        return f"{{ref}}`proof <{anchor}>`"

    def proof_behind(self, label: str) -> str:
        """Return a link to a statement's proof in brackets, or nothing where the proof has no anchor."""
        if label not in self.statements:
            return ""
        elsewhere = self.data("results")["statements"].get(label, {}).get("proof")
        anchor = self.statements[label].proof or elsewhere
        return f" ({self.proof(anchor)})" if anchor else ""

    def claim(self, name: str) -> Claim:
        """Return a claim of the ledger."""
        if name not in self.ledger:
            raise ResearchError(f"{name!r} is no claim of the ledger.")
        return self.ledger[name]

    def evidence(self, name: str) -> str:
        """Link the record of a claim, with both its badges."""
        claim = self.claim(name)
        return f"{{ref}}`{name} <claim-page-{name}>` {badge(claim.standing, STANDING)} {badge(claim.status, STATUS)}"

    def call(self, name: str) -> str:
        """Link a public function of the library by the name under which ``import bnlib as bn`` has it."""
        pages = [path.read_text(encoding="utf-8") for path in (self.root / "book" / "library").glob("*.md")]
        modules = re.findall(r"^\.\. automodule:: (bnlib[\w.]*)$", "\n".join(pages), re.M)
        if not re.fullmatch(r"bn(\.[a-z]\w*)+", name):
            raise ResearchError(
                f"{name!r} is no public name: write bn. and what follows, without a leading underscore."
            )
        found: Any = bnlib
        for part in name.split(".")[1:]:
            try:
                found = getattr(found, part, None) or importlib.import_module(f"{found.__name__}.{part}")
            except (ImportError, AttributeError) as error:
                raise ResearchError(f"The library has no {name}.") from error
        home = getattr(found, "__module__", None)
        if home not in modules or not callable(found):
            raise ResearchError(f"{name} is no function or class of a module that a page in book/library lists.")
        return f"{{py:obj}}`{name} <{home}.{found.__qualname__}>`"


def folded(text: str) -> str:
    """Return a text of several lines as one."""
    return " ".join(text.split())


def definition(term: str, lines: Iterable[str]) -> str:
    """Write an entry of a definition list, which wraps at any width."""
    return "\n".join([term, *(f": {line}" for line in lines)]) + "\n"
