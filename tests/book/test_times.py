"""Reading and running times are computed when the site is built; none is typed into chapters and pages."""

import importlib.util
import json
import re
from types import SimpleNamespace

import pytest
from docutils import nodes

from scripts.chapters import times
from scripts.chapters.book import ROOT, Book
from scripts.chapters.source import Chapter

NUMBERS = "one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty|sixty|ninety"
AMOUNT = rf"(\d+(?:\.\d+)?|an?|half an?|few|{NUMBERS})( and a half)?"
UNIT = "(second|minute|hour|day)"
TYPED = re.compile(rf"\b{AMOUNT}[ -]{UNIT}s?\b|\b(seconds|minutes|hours)\b|\bRunning time\b", re.I)
# A place in a list, not a time.
ORDINAL = re.compile(r"\b(a|one) second\b(?! or )", re.I)
# Written by scripts from what was measured, and lectures, which last as long as they are said to.
MEASURED = {"status.md", "how_to_read.md", "teaching.md"}


def typed(text):
    """List the lines of prose that name a time."""
    lines = [line for line in Chapter("page", text).prose if TYPED.search(ORDINAL.sub("", line.text))]
    return [f"line {line.number}: {line.text.strip()}" for line in lines]


SPEC = importlib.util.spec_from_file_location("opening_box", ROOT / "book" / "_ext" / "opening_box.py")
opening_box = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(opening_box)

PAGES = [p for p in (*Book(ROOT).chapters, *sorted((ROOT / "book").glob("*.md"))) if p.name not in MEASURED]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_running_time_is_typed(path):
    assert typed(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "It takes about a minute and a half.",
        "- **Running time:** see there",
        "under 90 seconds",
        "half an hour later",
        "the large ones take minutes on one core",
        "in 0.5 seconds",
        "within a second or two",
    ],
)
def test_a_typed_time_would_be_seen(line):
    assert typed(f"# A title\n\nWords.\n{line}\n") == [f"line 4: {line}"]


@pytest.mark.parametrize(
    "line",
    ["There is a second one.", "rank 1, second singular value", "The second minute detail", "It is one second choice."],
)
def test_other_words_are_no_times(line):
    assert typed(f"# A title\n\n{line}\n") == []


def test_code_may_count_seconds():
    assert typed("# A title\n\n```{code-cell} ipython3\nseconds = 60  # 60 seconds\n```\n") == []


WORDS = "word " * 1000


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        (f"# A title\n\n{WORDS}", 10),
        (f"# A title\n\n```{{prf:proof}}\n:class: dropdown\n\n{WORDS}\n```\n", 5),
        (f"# A title\n\n```{{prf:theorem}}\n:label: thm\n\n{WORDS}\n```\n", 10),
        ("# A title\n\n```{code-cell} ipython3\n" + "x = 1\n" * 500 + "```\n", 15),
        ("# A title\n\n```{code-cell} ipython3\n:tags: [hide-input]\n\n" + "x = 1\n" * 500 + "```\n", 5),
        ("# A title\n\n```{code-cell} ipython3\n---\ntags: [hide-input]\n---\n" + "x = 1\n" * 500 + "```\n", 5),
        ("# A title\n\n$$\n" + "x\n" * 200 + "$$\n", 10),
        ("# A title\n\n" + "$a + b + c$ " * 1000, 10),
    ],
)
def test_reading_counts_what_is_open(text, minutes):
    assert times.reading_minutes(Chapter("page", text)) == minutes


@pytest.mark.parametrize(
    ("seconds", "cpus", "words"),
    [
        (3.0, 1, "about 10 seconds on one processor core"),
        (77.2, 2, "about 80 seconds on two processor cores"),
        (94.0, 16, "about 90 seconds on 16 processor cores"),
        (95.0, 2, "about 1½ minutes on two processor cores"),
        (121.2, 2, "about 2 minutes on two processor cores"),
    ],
)
def test_running_times_are_rounded(seconds, cpus, words):
    assert times.running({"seconds": seconds, "cpus": cpus}) == words


@pytest.fixture
def site(tmp_path):
    """Return a site of one chapter whose box is to be filled, and the box."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "notebooks" / "cost.md").write_text(f"# A title\n\n{WORDS}", encoding="utf-8")
    (tmp_path / "results" / "runtimes.json").write_text(json.dumps({"cost": {"seconds": 61.0, "cpus": 2}}))
    env = SimpleNamespace(docname="notebooks/cost", note_dependency=lambda path: None)
    items = [nodes.list_item("", nodes.paragraph("", f"{name}: words")) for name in ("Claims", "Needs", "Sources")]
    box = nodes.admonition("", nodes.title("", "This chapter"), nodes.bullet_list("", *items))
    document = nodes.document(SimpleNamespace(), SimpleNamespace(), "", box)
    return SimpleNamespace(env=env, srcdir=str(tmp_path)), document


def test_the_box_gets_both_times_behind_the_needs(site):
    opening_box.add_times(*site)
    assert [item.astext() for item in site[1].findall(nodes.list_item)] == [
        "Claims: words",
        "Needs: words",
        "Reading time: about 10 minutes, without the folded proofs",
        "Running time: about 60 seconds on two processor cores (measured)",
        "Sources: words",
    ]
    assert site[1][0][0].astext() == "This chapter · 10 minutes to read · 60 seconds to run"


def test_a_chapter_without_a_box_is_a_warning(site, caplog):
    site[1][0][0].replace_self(nodes.title("", "Something else"))
    with caplog.at_level("WARNING"):
        opening_box.add_times(*site)
    assert "begins with a box titled 'This chapter'" in caplog.text


def test_other_pages_keep_their_boxes(site):
    site[0].env.docname = "book/running"
    opening_box.add_times(*site)
    assert len(list(site[1].findall(nodes.list_item))) == 3
