"""A docstring names its source in one line, and all that the line names is there for the reader."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from bnlib.book import claims
from scripts.chapters.book import Book

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("sources", ROOT / "book" / "_ext" / "sources.py")
sources = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(sources)

LEDGER = claims.load()
KEYS = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M))
CHAPTERS = {path.stem for path in Book(ROOT).chapters}
PAGES = {path.stem for path in (ROOT / "book").glob("*.md")}
NAMES = {"": KEYS | set(sources.OURS), "claim": set(LEDGER), "chapter": CHAPTERS, "page": PAGES}


def docstrings(root):
    """Yield the docstrings of the library, each with its place."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for path in sorted((root / "bnlib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kinds) and (text := ast.get_docstring(node)):
                yield f"{path.relative_to(root).as_posix()}: {getattr(node, 'name', 'the module')}", text


def complaints(docstring):
    """Name what is wrong with the source that a docstring gives."""
    lines = docstring.splitlines()
    found = [number for number, line in enumerate(lines) if re.match(r"\s*sources?\b.*:", line, re.I)]
    if len(found) > 1:
        yield "it has more than one line of sources"
    for number in found:
        groups = sources.read(lines[number])
        kinds = [kind for kind, _ in groups]
        if any(lines[number + 1 :]):
            yield "its source is not its last line"
        if not groups or kinds != [kind for kind in sources.ROLES if kind in kinds] or kinds[0]:
            yield f"its source has another form: {lines[number]!r}"
        named = dict(groups)
        unknown = {kind: sorted(set(names) - NAMES[kind]) for kind, names in groups}
        yield from (f"there is no {kind or 'source'} {name}" for kind, names in unknown.items() for name in names)
        mine = [LEDGER[name] for name in named.get("claim", ()) if name in LEDGER]
        places = {Path(claim.chapter.partition("#")[0]).stem for claim in mine if claim.chapter}
        yield from (f"a claim is treated in chapter {name}" for name in sorted(places - {*named.get("chapter", ())}))
        papers = {*named.get("", ())} & {name for claim in LEDGER.values() for name in claim.source}
        if mine:
            strangers = papers - {name for claim in mine for name in claim.source}
            yield from (f"no claim that it names is from {name}" for name in sorted(strangers))


def test_the_sources_of_docstrings_can_be_followed():
    assert [f"{place}: {wrong}" for place, text in docstrings(ROOT) for wrong in complaints(text)] == []


def test_many_docstrings_name_a_claim():
    lines = [line for _, text in docstrings(ROOT) for line in text.splitlines()]
    assert sum("claim" in dict(sources.read(line)) for line in lines) > 50


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("Source: theory id balance.", "no source theory id balance"),
        ("Source: claim balance; chapter cost.", "another form"),
        ("Source: J23; chapter cost; claim balance.", "another form"),
        ("Source: J23; claim balance; chapter cost", "another form"),
        ("source: J23; claim balance; chapter cost.", "another form"),
        ("Source: J23; claim blance.", "no claim blance"),
        ("Source: J23; claim balance; chapter costs.", "no chapter costs"),
        ("Source: J23; claim balance.", "treated in chapter cost"),
        ("Source: J22; claim balance; chapter cost.", "no claim that it names is from J22"),
        ("Source: J24.", "no source J24"),
        ("Source: bnlib; page runing.", "no page runing"),
        ("Source: J23; claim balance;\n    chapter cost.", "not its last line"),
        ("Source: J23.\n\nSource: bnlib.", "more than one"),
    ],
)
def test_a_source_that_cannot_be_followed_is_found(source, complaint):
    sound = "Return a number.\n\nSource: J23; claim balance; chapter cost."
    assert list(complaints(sound)) == []
    assert any(complaint in wrong for wrong in complaints(f"Return a number.\n\n{source}"))


def test_a_source_is_written_with_links():
    line = "Source: J23, book; claims balance, clarke; chapter cost; page notation."
    assert sources.linked(line) == (
        "Source: :cite:p:`J23`, book; claims :ref:`balance <claim-page-balance>`, :ref:`clarke <claim-page-clarke>`;"
        " chapter :doc:`/notebooks/cost`; page :doc:`/book/notation`."
    )
    assert sources.linked("Sources of light:") == "Sources of light:"
