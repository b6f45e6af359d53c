"""One name and one symbol for each thing: glossary, notation and the chapters agree."""

import re
from itertools import pairwise

import pytest

from notebook_checks import ROOT
from prose import HEADING, ROLE, read
from scripts.chapters.book import Book
from vocabulary import FORMULAS, SYMBOLS, WORDS

CHAPTERS = Book(ROOT).chapters
PAGES = sorted((ROOT / "book").glob("*.md"))
GLOSSARY, NOTATION = (ROOT / "book" / f"{name}.md" for name in ("glossary", "notation"))
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in [*CHAPTERS, *PAGES]}


# The glossary.


def terms(glossary):
    """Return the entries of a glossary page, as written."""
    (body,) = re.findall(r"^```\{glossary\}\n(.*?)^```$", glossary, re.M | re.S)
    return [line for line in body.splitlines() if line and not line.startswith(" ")]


def linked(text):
    """Return the terms that a source links, in small letters."""
    found = (match["text"] for match in ROLE.finditer(text) if match["role"] == "term")
    return {" ".join(re.sub(r"^.*<(.*)>$", r"\1", text, flags=re.S).split()).casefold() for text in found}


def out_of_order(names):
    """Return the entries that stand behind a later one."""
    keys = [name.casefold() for name in names]
    return [b for (a, b) in pairwise(keys) if a >= b]


def test_the_glossary_is_in_order():
    assert out_of_order(terms(SOURCES["glossary"])) == []


@pytest.mark.parametrize("names", [["lazy", "ledger", "FPL"], ["NTK", "NNGP kernel"], ["code", "code"]])
def test_a_glossary_out_of_order_is_seen(names):
    assert len(out_of_order(names)) == 1


@pytest.mark.parametrize("name", SOURCES)
def test_every_linked_term_is_in_the_glossary(name):
    assert linked(SOURCES[name]) - {term.casefold() for term in terms(SOURCES["glossary"])} == set()


def test_every_term_is_linked_by_a_chapter():
    used = set().union(*(linked(SOURCES[path.stem]) for path in CHAPTERS))
    assert [term for term in terms(SOURCES["glossary"]) if term.casefold() not in used] == []


def test_links_to_terms_are_read():
    text = "A {term}`frame`, a {term}`Tangent\nkernel <NTK>` and a {ref}`code <frame-code>`."
    assert linked(text) == {"frame", "ntk"}
    assert terms("# G\n\n```{glossary}\nframe\n  A matrix.\n\nNTK\n  A kernel.\n```\n") == ["frame", "NTK"]


# Notation: each symbol occurs where the page says that it is introduced.

ROW = re.compile(r"^\* - (?P<symbols>.*?)\n  - (?P<meaning>.*?)\n  - (?P<where>.*?)$", re.M | re.S)
SAME = [
    (r"\\\\|&", " "),  # line breaks and columns
    (r"\\[lr]?Vert(?![A-Za-z])", r"\\|"),
    (r"\\[lr]?vert(?![A-Za-z])", "|"),
    (r"\\(?:mathrm|text|mathbf)\b", r"\\operatorname"),
    (r"\\(?:bigl|bigr|Bigl|Bigr|,|;|!|left|right)(?![A-Za-z])", ""),
    (r"\^\\top(?![A-Za-z])", "^T"),
    (r"(\\[A-Za-z]+) +(?=[A-Za-z])", r"\1~"),  # the space that ends a command
    (r"\s+", ""),
]


def plain(formula):
    """Write a formula in one of the several ways in which it can be written."""
    for pattern, with_ in SAME:
        formula = re.sub(pattern, with_, formula)
    return formula


def symbol(formula):
    """Return the pattern of a symbol that is not a part of another one."""
    written = re.escape(plain(formula))
    # An index of one letter ends by itself: what follows is another symbol.
    open_end = formula[-1].isalpha() and not re.search(r"[_^].$", formula)
    before, after = r"(?<![A-Za-z\\])" * formula[0].isalpha(), "(?![A-Za-z])" * open_end
    return re.compile(before + written + after)


def section(text, label):
    """Return the formulas of the section that a label stands in or before, nothing where there is no such label."""
    places = [re.search(form.format(re.escape(label)), text, re.M) for form in (r"^\({}\)=$", r"^\s*:label: {}$")]
    place = next((found for found in places if found), None)
    if place is None:
        return ""
    words, formulas = (part.split("\n") for part in read(text))
    here = text.count("\n", 0, place.start())
    headings = [i for i, line in enumerate(words) if HEADING.match(line)] + [len(words)]
    first = here + 1 if here + 1 in headings else max((i for i in headings if i <= here), default=0)
    return "\n".join(formulas[first : next(i for i in headings if i > first)])


def unfounded(notation, chapters):
    """List symbols of a notation page that do not occur where the page says."""
    found = []
    rows = [row for row in ROW.finditer(notation) if row["where"] != "Introduced"]
    for row in rows:
        label = re.sub(r"^.*<(.*)>$", r"\1", ROLE.fullmatch(row["where"])["text"])
        text = plain("\n".join(section(chapter, label) for chapter in chapters))
        symbols = re.fullmatch(r"\$(.*)\$", row["symbols"])[1].split(r",\ ")
        found += [f"{one} at {label}" for one in symbols if not symbol(one).search(text)]
    return found if rows else ["no symbol is listed"]


def test_every_symbol_occurs_where_it_is_introduced():
    assert unfounded(SOURCES["notation"], [SOURCES[path.stem] for path in CHAPTERS]) == []


SMALL_CHAPTER = """# A chapter

Here are $b_1$ and $f$.

(claim-small)=
## A section

```{code-cell} ipython3
# not a heading
```

```{prf:theorem} Small
:label: thm-small

Let $\\lVert a_l \\rVert\\le\\mathrm{Rank} f$.
```
"""
SMALL_ROW = "* - ${}$\n  - a number\n  - {{prf:ref}}`{}`\n"


@pytest.mark.parametrize(
    ("formula", "label", "sound"),
    [
        (r"\|a_l\|", "thm-small", True),
        (r"a_l,\ f", "claim-small", True),
        (r"\operatorname{Rank}", "thm-small", True),
        (r"a_l,\ b_1", "thm-small", False),  # of another section
        (r"R", "thm-small", False),  # a part of a name
        (r"a_l", "thm-great", False),
    ],
)
def test_a_symbol_is_looked_for_where_the_page_says(formula, label, sound):
    assert (unfounded(SMALL_ROW.format(formula, label), [SMALL_CHAPTER]) == []) == sound


def test_an_empty_notation_page_is_refused():
    assert unfounded("# Notation\n", [SMALL_CHAPTER]) == ["no symbol is listed"]


# Words and symbols that are gone.


def gone(name, text):
    """List the places of words and symbols that the book no longer uses."""
    parts = read(text)
    found = []
    for part, rules in ((parts.words, WORDS), (parts.formulas, FORMULAS | SYMBOLS.get(name, {}))):
        for pattern, instead in rules.items():
            for match in re.finditer(pattern, part):
                line = part.count("\n", 0, match.start()) + 1
                found.append(f"{name}.md:{line}: {match[0]!r}, better: {instead}")
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_words_and_symbols_that_are_gone_do_not_come_back(name):
    assert gone(name, SOURCES[name]) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cost", "The price of\nrank."),
        ("cost", "Dear {term}`nets <net>`."),
        ("cost", "It is $A_i$."),
        ("cost", "$$\nH=y^\\top\\Theta_\\infty^{-1}y\n$$\n"),
        ("weights", "```{math}\nA_l+1\n```\n"),
        ("window", "As in the chapter before."),
        ("window", "```{code-cell} ipython3\n:tags: [hide-input]\n\nx = 1  # of each net\n```\n"),
        ("window", '```{code-cell} ipython3\nprint(f"{n} trained nets")\n```\n'),
        ("window", "```{code-cell} ipython3\n---\nmystnb:\n  figure:\n    caption: All settled.\n---\nx = 1\n```\n"),
    ],
)
def test_a_word_or_symbol_that_is_gone_is_found(name, text):
    assert len(gone(name, text)) == 1 + text.count("Dear")


@pytest.mark.parametrize(
    "text",
    [
        "Price's theorem, `net.price`, {ref}`prop-price` and [text](net.html).",
        "(ex-price)=\n```{code-cell} ipython3\nnets = {'price': net}\n%matplotlib inline\n```\n",
        "```{exercise} Cost\n:label: ex-price\n\nIt is $b_i$ and $c$.\n```\n",
        "Open the chapter before the lecture.",
        "---\nprice: 1\n---\n\n```python\nprice = 1\n```\n",
    ],
)
def test_names_and_code_may_keep_them(text):
    assert gone("cost", text) == []


def test_places_are_lines_of_the_source():
    cell = '```{code-cell} ipython3\n---\ntags: [x]\n---\n"""one\ntwo"""\n```\n'
    (found,) = gone("cost", f"---\na: 1\n---\n\n$$\nx\n$$\n\n{cell}\nA\nprice.\n")
    assert found.startswith("cost.md:18: 'price'")
