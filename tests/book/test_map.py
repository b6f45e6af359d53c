"""The map of the book is drawn from what the chapters say that they need, and the citation from CITATION.cff."""

import re
import shutil
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
import yaml

from scripts.chapters.book import ROOT
from scripts.pages import citation, map_page
from scripts.pages.map_layout import DESK, PHONE, Node, laid_out, routes

SVG = "{http://www.w3.org/2000/svg}"
TOC = """\
format: jb-book
root: book/intro
parts:
  - caption: Start here
    chapters: [{file: book/how_to_read}]
  - caption: "Part I: costs"
    chapters: [{file: notebooks/opening}, {file: notebooks/cost}]
  - caption: "Part II: weights"
    chapters: [{file: notebooks/linear}, {file: notebooks/weights}, {file: notebooks/features}]
"""
NEEDS = {
    "opening": "nothing but gradient descent",
    "cost": "{doc}`opening` (why)",
    "linear": "{prf:ref}`thm-cost`",
    "weights": "{doc}`cost` and {doc}`opening`",
    "features": "{doc}`weights`",
}
PAGE = """\
# How

% map: table
% end of map

% map: spine
stale words
% end of map

% map: skip
% end of map

End.
"""


@pytest.fixture
def root(tmp_path):
    """Return a book of five chapters."""
    for folder in ("notebooks", "book/_static"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    (tmp_path / "book" / "how_to_read.md").write_text(PAGE, encoding="utf-8")
    for stem, needs in NEEDS.items():
        bullets = f"- **Needs:** {needs}.\n- **Sources:** {{doc}}`features`"
        box = f"```{{admonition}} This chapter\n:class: note\n\n{bullets}\n```"
        theorem = f"```{{prf:theorem}}\n:label: thm-{stem}\n\nA & B < C.\n```"
        (tmp_path / "notebooks" / f"{stem}.md").write_text(f"# On {stem} & more\n\n{box}\n\n{theorem}\n", "utf-8")
    return tmp_path


def test_the_map_is_what_the_chapters_say(capsys):
    assert map_page.main(["--check"]) == 0, capsys.readouterr().err


def test_the_citation_is_what_the_file_says(capsys):
    assert citation.main(["--check"]) == 0, capsys.readouterr().err


def test_needs_are_arrows(root):
    chapters = map_page.Map(root)
    assert chapters.needs["linear"] == ["cost"]  # by a label
    assert chapters.needs["weights"] == ["opening", "cost"]
    assert chapters.spine == ["opening", "cost", "weights", "features"]
    assert chapters.skippable == ["linear"]
    texts = chapters.texts()
    needs = "{doc}`1 <../notebooks/opening>`, {doc}`2 <../notebooks/cost>`"
    assert f"| 4. {{doc}}`../notebooks/weights` | {needs} | 5 |" in texts["table"]
    assert "Together they take about 20 minutes" in texts["spine"]


def test_the_drawing_has_each_chapter_as_a_link_and_each_arrow_that_follows_from_no_others(root):
    for name, svg in map_page.Map(root).drawings().items():
        tree = ET.fromstring(svg)
        links = [a.get("href") for a in tree.iter(f"{SVG}a")]
        assert links == [f"../notebooks/{stem}.html" for stem in NEEDS], name
        assert [t.text for t in tree.iter(f"{SVG}title")][3] == "4. On weights & more"
        arrows = [p.get("class") for p in tree.iter(f"{SVG}path") if (p.get("class") or "").startswith("arrow")]
        # From opening to weights there is none: it follows from the two over cost.
        assert sorted(arrows) == ["arrow"] + ["arrow spine"] * 3


def test_a_change_of_needs_makes_the_map_stale(root, capsys):
    assert map_page.main(["--root", str(root)]) == 0
    assert map_page.main(["--check", "--root", str(root)]) == 0
    chapter = root / "notebooks" / "features.md"
    chapter.write_text(chapter.read_text("utf-8").replace("{doc}`weights`.", "{doc}`linear`."), "utf-8")
    assert map_page.main(["--check", "--root", str(root)]) == 1
    assert "book/how_to_read.md is out of date" in capsys.readouterr().err
    assert map_page.main(["--root", str(root)]) == 0
    page = (root / "book" / "how_to_read.md").read_text("utf-8")
    assert page.startswith("# How\n")
    assert page.endswith("\n\nEnd.\n")
    assert "stale words" not in page


def test_chapters_without_needs_have_no_arrows(root):
    for path in (root / "notebooks").iterdir():
        path.write_text(f"# {path.stem}\n\nWords.\n", "utf-8")
    chapters = map_page.Map(root)
    assert not chapters.graph.edges
    assert chapters.spine == ["opening", "cost", "weights", "features"]
    assert chapters.drawings()


def test_a_circle_and_a_page_without_its_parts_are_refused(root, capsys):
    chapter = root / "notebooks" / "opening.md"
    sound = chapter.read_text("utf-8")
    chapter.write_text(sound.replace("nothing but", "{doc}`weights`"), "utf-8")
    assert map_page.main(["--root", str(root)]) == 1
    assert "need each other in a circle: " in capsys.readouterr().err
    chapter.write_text(sound, "utf-8")
    (root / "book" / "how_to_read.md").write_text(PAGE.replace("map: skip", "map: gone"), "utf-8")
    assert map_page.main(["--root", str(root)]) == 1
    assert capsys.readouterr().err == "book/how_to_read.md has no part '% map: skip' that ends in '% end of map'.\n"


def crossings(boxes, paths):
    """List the arrows that run through a box, apart from the boxes at their ends."""
    found = []
    for edge, points in paths.items():
        for (a, b), (c, d) in pairwise(points):
            if a == c:
                found += [
                    (edge, box.node.stem)
                    for box in boxes
                    if box.left <= a <= box.right and min(b, d) <= box.top and max(b, d) >= box.bottom
                ]
    return found


@pytest.mark.parametrize("look", [DESK, PHONE])
def test_boxes_are_apart_and_no_arrow_runs_through_one(look):
    chapters = map_page.Map(ROOT)
    stems = list(chapters.numbers)
    nodes = [Node(i, stem, f"Chapter {stem}", i // 4, False) for i, stem in enumerate(stems)]
    rows = laid_out(nodes, look)
    for row in rows:
        assert row[0].left > look.margin
        assert row[-1].right < look.width
        assert all(a.right < b.left for a, b in pairwise(row))
    edges = [(a, b) for i, a in enumerate(stems) for b in stems[i + 1 :: 5]]
    paths = routes(rows, edges, look)
    boxes = [box for row in rows for box in row]
    assert paths.keys() == set(edges)
    assert crossings(boxes, paths) == []
    wrong = {
        edge: [(boxes[5].middle, points[0][1]), (boxes[5].middle, points[-1][1])] for edge, points in paths.items()
    }
    assert crossings(boxes, wrong)


def test_the_entry_has_the_fields_of_the_citation(tmp_path):
    for name in ("CITATION.cff", "_config.yml"):
        shutil.copy(ROOT / name, tmp_path)
    assert citation.main(["--root", str(tmp_path)]) == 0
    text = (tmp_path / citation.TARGET).read_text("utf-8")
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    fields = dict(re.findall(r"^  (\w+) += \{(.*)\},$", text, re.M))
    assert fields["title"] == f"{{{cff['title']}}}"
    assert (fields["version"], fields["url"]) == (cff["version"], cff["repository-code"])
    assert fields["author"] == "{The bottleneck book authors}"
    file = tmp_path / "CITATION.cff"
    file.write_text(file.read_text("utf-8").replace(f"version: {cff['version']}", "version: 9.9.9"), "utf-8")
    assert citation.main(["--check", "--root", str(tmp_path)]) == 1
