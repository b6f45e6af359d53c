"""Write the map of the chapters: two drawings in book/_static and the generated parts of book/how_to_read.md.

What a chapter needs is read from the box at its head, what it takes to read from its words, the rest from _toc.yml. So
the map is never older than the chapters. `--check` only compares.
"""

from __future__ import annotations

import re
import sys
from functools import cached_property
from pathlib import Path

import networkx as nx
import yaml

from scripts.chapters.book import ROOT
from scripts.chapters.source import Chapter, home, homes
from scripts.chapters.times import reading_minutes
from scripts.pages.generated import command
from scripts.pages.map_drawing import drawing
from scripts.pages.map_layout import DESK, PHONE, Node

CORE = ("opening", "cost", "weights", "features")  # the spine has these and what they need
PAGE = "book/how_to_read.md"
MARKED = re.compile(r"^% map: (\w+)\n(.*?)^% end of map$", re.S | re.M)


class Map:
    """Hold the chapters with their parts and their needs."""

    def __init__(self, root: Path) -> None:
        toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
        listed = [(part["caption"], [entry["file"] for entry in part["chapters"]]) for part in toc["parts"]]
        inside = [(caption, [f for f in files if f.startswith("notebooks/")]) for caption, files in listed]
        self.parts = [(caption, files) for caption, files in inside if files]
        self.chapters = [Chapter.read(root / f"{file}.md") for _, files in self.parts for file in files]
        self.numbers = {chapter.stem: number for number, chapter in enumerate(self.chapters, 1)}

    @cached_property
    def needs(self) -> dict[str, list[str]]:
        """By chapter, the chapters that its box names, in the order of the book."""
        places = homes(self.chapters)
        named = {c.stem: {home(r, places) for r in c.needs} - {None, c.stem} for c in self.chapters}
        return {stem: sorted(found, key=self.numbers.__getitem__) for stem, found in named.items()}  # type: ignore[arg-type]

    @cached_property
    def graph(self) -> nx.DiGraph:
        """The arrows, from what is needed to what needs it."""
        graph = nx.DiGraph()
        graph.add_nodes_from(self.numbers)
        graph.add_edges_from((need, stem) for stem, found in self.needs.items() for need in found)
        return graph

    @property
    def spine(self) -> list[str]:
        """The core and all that it needs, in the order of the book."""
        core = [stem for stem in CORE if stem in self.numbers]
        found = set(core).union(*(nx.ancestors(self.graph, stem) for stem in core))
        return sorted(found, key=self.numbers.__getitem__)

    @property
    def skippable(self) -> list[str]:
        """The chapters outside the spine that no other chapter needs."""
        return [s for s in self.numbers if not self.graph.out_degree(s) and s not in self.spine]

    def drawings(self) -> dict[str, str]:
        """Return the files of the map, for a desk and for a phone."""
        part_of = {Path(file).stem: i for i, (_, files) in enumerate(self.parts) for file in files}
        spine = set(self.spine)
        nodes = [Node(self.numbers[c.stem], c.stem, c.title, part_of[c.stem], c.stem in spine) for c in self.chapters]
        if not nx.is_directed_acyclic_graph(self.graph):
            circle = " -> ".join(a for a, _ in nx.find_cycle(self.graph))
            raise ValueError(f"Chapters need each other in a circle: {circle}; mend their lines of needs.")
        edges = list(nx.transitive_reduction(self.graph).edges)
        names = [caption for caption, _ in self.parts]
        looks = {"desk": DESK, "phone": PHONE}
        return {f"map-{name}.svg": drawing(nodes, names, edges, look, f"map-{name}") for name, look in looks.items()}

    def texts(self) -> dict[str, str]:
        """Return the generated parts of the page by name."""
        minutes = {c.stem: reading_minutes(c) for c in self.chapters}
        spine = "".join(f"{i}. {self.link(stem)}\n" for i, stem in enumerate(self.spine, 1))
        total = f"Together they take {span(sum(minutes[s] for s in self.spine))} to read, without the folded proofs.\n"
        skipped = "".join(f"- {self.link(stem)}\n" for stem in self.skippable)
        rows = ["| chapter | needs | minutes |\n|---|---|--:|\n"]
        for caption, files in self.parts:
            rows.append(f"| **{caption}** | | |\n")
            for stem in (Path(file).stem for file in files):
                needs = ", ".join(self.link(need, str(self.numbers[need])) for need in self.needs[stem])
                rows.append(f"| {self.numbers[stem]}. {self.link(stem)} | {needs or '–'} | {minutes[stem]} |\n")
        return {"spine": f"{spine}\n{total}", "skip": skipped, "table": "".join(rows)}

    def link(self, stem: str, words: str = "") -> str:
        """Return a link to a chapter, by its title or by other words."""
        return f"{{doc}}`{words} <../notebooks/{stem}>`" if words else f"{{doc}}`../notebooks/{stem}`"


def span(minutes: int) -> str:
    """Say some minutes in hours, rounded to half ones.

    Example:
        >>> span(40), span(175)
        ('about 40 minutes', 'about 3 hours')
    """
    whole, half = divmod(round(minutes / 30), 2)
    return f"about {whole}{'½' * half} hours" if minutes >= 90 else f"about {minutes} minutes"


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of every file that shows the map."""
    chapters = Map(root)
    texts = chapters.texts()
    page = (root / PAGE).read_text(encoding="utf-8")
    if missing := texts.keys() - {match[1] for match in MARKED.finditer(page)}:
        raise ValueError(f"{PAGE} has no part '% map: {min(missing)}' that ends in '% end of map'.")
    found = {root / "book" / "_static" / name: svg for name, svg in chapters.drawings().items()}
    return found | {root / PAGE: MARKED.sub(lambda m: f"% map: {m[1]}\n\n{texts[m[1]]}\n% end of map", page)}


def main(argv: list[str] | None = None) -> int:
    """Write the files, or with `--check` compare them; return the exit status."""
    return command("scripts.pages.map_page", __doc__, pages, refused=(ValueError,), argv=argv)


if __name__ == "__main__":
    sys.exit(main())
