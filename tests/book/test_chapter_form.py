"""Every chapter opens with its box, says what to remember and leads on, and uses no result before it is stated."""

import re
from functools import cache

import pytest

from scripts.chapters.book import ROOT, Book
from scripts.chapters.source import BOX, Chapter, home, homes

BULLETS = re.compile(r"Claims?,Needs,Sources,(Stored runs,)?Run it yourself")
STANDING = re.compile(r"\*(Proved here|Taken from (J22|J23|L21|JK24)|Observed on [^*]+|Open)\b[^*]*\.\*$")
REMEMBER, LIMITS = "To remember", "What is not shown"
# What may look ahead: what stands behind the argument.
BEHIND = {LIMITS, "Further reading", "Exercises"}
LAST = "../book/open_problems"


@cache
def book():
    return [Chapter.read(path) for path in Book(ROOT).chapters]


def check_box(chapters, chapter):
    """One box, with its bullets in order and no typed time."""
    boxes = chapter.admonitions(BOX)
    if len(boxes) != 1:
        yield f"there are {len(boxes)} boxes titled {BOX!r}"
        return
    if not BULLETS.fullmatch(",".join(chapter.box)):
        yield f"the bullets of the box are {', '.join(chapter.box)}"
    if ":class: note dropdown" not in [line.text for line in boxes[0]]:
        yield "the box is no folded note"


def check_needs(chapters, chapter):
    """Needs names earlier chapters, or says that there are none."""
    places, order = homes(chapters), [c.stem for c in chapters]
    needed = {home(reference, places) for reference in chapter.needs}
    words = " ".join(line.text for line in chapter.box.get("Needs", ()))
    if not needed and not words.startswith("- **Needs:** nothing but "):
        yield "its needs have no link, and do not begin with 'nothing but'"
    for stem in needed:
        if stem is None or order.index(stem) >= order.index(chapter.stem):
            yield f"it needs {stem}, which is no earlier chapter"


def check_remember(chapters, chapter):
    """Three to five sentences with their standing, directly before what is not shown."""
    boxes = chapter.admonitions(REMEMBER)
    if len(boxes) != 1:
        yield f"there are {len(boxes)} boxes titled {REMEMBER!r}"
        return
    text = "\n".join(line.text for line in boxes[0])
    first, *bullets = re.split(r"^- ", text, flags=re.M)
    if first.strip() != ":class: tip":
        yield "the box of what to remember has not the class tip alone before its list"
    if not 3 <= len(bullets) <= 5:
        yield f"there are {len(bullets)} things to remember"
    for bullet in bullets:
        if not STANDING.search(" ".join(bullet.split())):
            yield f"no standing: {bullet.strip()}"
    behind = [line for line in chapter.lines if line.number > boxes[0][-1].number + 1 and line.text.strip()]
    if not behind or behind[0].text.lstrip("# ") != LIMITS:
        yield f"behind the box of what to remember does not come {LIMITS!r}"


def check_next(chapters, chapter):
    """The last paragraph leads to the next chapter."""
    order = [c.stem for c in chapters]
    after = [*order[1:], None][order.index(chapter.stem)]
    lines, places = set(chapter.leading_on), homes(chapters)
    links = [r for r in chapter.references if r.line in lines and r.kind == "doc"]
    if not lines:
        yield "its last paragraph does not begin with **Next.**"
    elif not any(home(r, places) == after if after else r.target == LAST for r in links):
        yield f"its last paragraph does not link {after or LAST}"


def check_order(chapters, chapter):
    """No place of a later chapter is referred to, and no later chapter inside a theorem or a proof."""
    places, order = homes(chapters), [c.stem for c in chapters]
    leading_on = set(chapter.leading_on)
    for reference in chapter.references:
        line, there = reference.line, home(reference, places)
        if there is None or order.index(there) <= order.index(chapter.stem):
            continue
        if line in leading_on or BEHIND & set(line.headings):
            continue
        if reference.kind != "doc":
            yield f"line {line.number} refers to {reference.target} of the later chapter {there}"
        elif any(block.name.startswith("prf:") for block in line.blocks):
            yield f"line {line.number}, in a theorem or proof, refers to the later chapter {there}"


EXERCISE = re.compile(
    r"^`{3,}\{(?P<kind>exercise|hint|solution|code-cell)\}[ \t]*(?P<title>[^\n]*)\n(?P<body>.*?)^`{3,}$", re.M | re.S
)
LEVELS = {"★": "warm-ups", "★★": "exercises with a prediction", "★★★": "projects"}


def exercises(chapter):
    """Return the exercises of a chapter, each as its level, its words and what follows it up to the next one."""
    found = []
    text = "\n".join(line.text for line in chapter.lines if line.headings[1:2] == ("Exercises",))
    for block in EXERCISE.finditer(text):
        if block["kind"] == "exercise":
            found.append((block["title"].partition(" ")[0], block["body"], []))
        elif found:
            found[-1][2].append(block["kind"])
    return found


def check_exercises(chapters, chapter):
    """Two warm-ups, two changes to predict before they are run, one project; what is hard has a hint."""
    found = exercises(chapter)
    for level in sorted({level for level, *_ in found} - set(LEVELS)):
        yield f"an exercise begins with {level!r} and not with its level"
    for level, least in zip(LEVELS, (2, 2, 1), strict=True):
        here = [following for found_level, _, following in found if found_level == level]
        if len(here) < least:
            yield f"there are {len(here)} {LEVELS[level]}, marked {level}"
    predicted = [following for _, words, following in found if re.search(r"\b[Pp]redict", words)]
    if sum(following[:1] == ["code-cell"] for following in predicted) < 2:
        yield "fewer than two exercises say 'predict' and have their code cell directly behind them"
    for level, words, following in found:
        name = " ".join(words.split("\n", 2)[0].split())
        if "solution" not in following and level != "★★★":
            yield f"{name} has no solution"
        if "★★" in level and "hint" not in following:
            yield f"{name} has no hint"


def check_head(chapters, chapter):
    """The picture of the theorem and the figure with the message stand before all code and sections."""
    head = [line for line in chapter.lines if len(line.headings) == 1]
    opened = [block.name for line in head for block in line.blocks if block.first == line.number]
    if opened.count("hero") != 1:
        yield f"there are {opened.count('hero')} figures with the message at its head"
    elif "code-cell" in opened[: opened.index("hero")]:
        yield "the figure with the message stands behind code"
    elif "figure" not in opened[: opened.index("hero")]:
        yield "no picture stands before the figure with the message"


CHECKS = (check_head, check_exercises, check_box, check_needs, check_remember, check_next, check_order)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", Book(ROOT).chapters, ids=lambda path: path.stem)
def test_chapter(path, check):
    (chapter,) = [c for c in book() if c.stem == path.stem]
    assert list(check(book(), chapter)) == []


# A sound book in small, and what happens to it below.

FIRST = """\
---
kernelspec: none
---

# The first

```{admonition} This chapter
:class: note dropdown

- **Claims:** {ref}`a <claim-a>`.
- **Needs:** nothing but singular values.
- **Sources:** none.
- **Run it yourself:** [here](there).
```

```{figure} a.svg
:name: fig-picture
```

```{hero} fig-a
Look.
```

```{code-cell} ipython3
x = 0
```

It is taken up in {doc}`second`.

(claim-a)=
## A claim

````{prf:theorem} A statement
:label: thm-a

$$
x=1
$$ (eq-a)
````

````{prf:proof}
:class: dropdown

By {eq}`eq-a`. $\\square$
````

```{admonition} To remember
:class: tip

- One over
  two lines. *Proved here.*
- Two. *Taken from J23; this book proves it later.*
- Three. *Observed on 4 seeds.*
```

## What is not shown

What {ref}`claim-b` says.

## Exercises

```{exercise} ★ First
:label: ex-a

Why?
```

```{solution} ex-a
:class: dropdown

Because.
```

```{exercise} ★ Second
:label: ex-aa

Why not?
```

```{solution} ex-aa
:class: dropdown

Because.
```

PREDICTIONS```{exercise} ★★★ Fifth
:label: ex-ad

Find more.
```

```{hint}
:class: dropdown

Look.
```

**Next.** More of it, and more,
in {doc}`second`.
"""
PREDICTION = """\
```{exercise} ★★ TITLE
:label: ex-LABEL

Predict LETTER.
```

```{code-cell} ipython3
LETTER = 1
```

```{hint}
:class: dropdown

Think.
```

```{solution} ex-LABEL
:class: dropdown

One.
```

"""
FILLINGS = ({"TITLE": "Third", "LABEL": "ab", "LETTER": "x"}, {"TITLE": "Fourth", "LABEL": "ac", "LETTER": "y"})


def filled(text, words):
    for name, word in words.items():
        text = text.replace(name, word)
    return text


FIRST = FIRST.replace("PREDICTIONS", "".join(filled(PREDICTION, words) for words in FILLINGS))
SECOND = FIRST.replace("The first", "The second").replace("claim-a", "claim-b").replace("thm-a", "thm-b")
SECOND = SECOND.replace("eq-a", "eq-b").replace("ex-a", "ex-b").replace("{doc}`second`.\n\n(", "{doc}`first`.\n\n(")
SECOND = SECOND.replace("nothing but singular values", "{doc}`first` (the claim {ref}`claim-a`)")
SECOND = SECOND.replace("in {doc}`second`", "in {doc}`../book/open_problems`")


def small(text=FIRST):
    return [Chapter("first", text), Chapter("second", SECOND)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_sound_book_passes(check):
    assert [problem for chapter in small() for problem in check(small(), chapter)] == []


FAULTS = [
    (check_head, "{hero} fig-a", "{note}", "0 figures with the message"),
    (
        check_head,
        "{hero} fig-a\nLook.\n```\n\n```{code-cell} ipython3\nx = 0",
        "{code-cell} ipython3\nx = 0\n```\n\n```{hero} fig-a\nLook.",
        "stands behind code",
    ),
    (check_head, "{figure} a.svg", "{note} A", "no picture stands before"),
    (check_exercises, "★ First", "First", "'First' and not with its level"),
    (check_exercises, "★★★ Fifth", "★★ Fifth", "0 projects"),
    (check_exercises, "★ Second", "★★ Second", "1 warm-ups"),
    (check_exercises, "Predict y", "Find y", "fewer than two"),
    (check_exercises, "y.\n```\n\n```{code-cell}", "y.\n```\n\nSo.\n\n```{code}", "fewer than two"),
    (check_exercises, "solution} ex-aa", "note} ex-aa", "ex-aa has no solution"),
    (check_exercises, "{hint}\n:class: dropdown\n\nLook.", "{note}\n:class: dropdown\n\nLook.", "ex-ad has no hint"),
    (check_box, "} This chapter", "} About this chapter", "there are 0 boxes"),
    (check_box, "- **Sources:**", "- **Running time:** a minute.\n- **Sources:**", "Needs, Running time, Sources"),
    (check_box, "- **Needs:** nothing but singular values.\n", "", "Claims, Sources"),
    (check_box, ":class: note dropdown", ":class: note", "no folded note"),
    (check_needs, "nothing but singular values", "singular values", "no link"),
    (check_needs, "nothing but singular values", "{doc}`second`", "needs second, which is no earlier"),
    (check_needs, "nothing but singular values", "{prf:ref}`thm-b`", "needs second, which is no earlier"),
    (check_needs, "nothing but singular values", "{doc}`../book/notation`", "needs None"),
    (check_remember, "} To remember", "} Remember", "there are 0 boxes"),
    (check_remember, "- Two. *Taken from J23; this book proves it later.*\n", "", "there are 2 things"),
    (check_remember, "- Three.", "- A.\n- B. *Open.*\n- C. *Open.*\n- Three.", "there are 6 things"),
    (check_remember, "lines. *Proved here.*", "lines.", "no standing: One over"),
    (check_remember, "Taken from J23;", "Taken from somewhere;", "no standing: Two"),
    (check_remember, "## What is not shown", "More words.\n\n## What is not shown", "does not come"),
    (check_remember, ":class: tip", ":class: note", "class tip"),
    (check_next, "**Next.**", "Next:", "does not begin"),
    (check_next, "more,\nin {doc}`second`.\n", "more.\n", "does not link second"),
    (check_next, "more,\nin {doc}`second`.\n", "more, in {doc}`second`.\n\nThe end.\n", "does not begin"),
    (check_order, "By {eq}`eq-a`", "By {eq}`eq-b`", "refers to eq-b of the later chapter second"),
    (check_order, "By {eq}`eq-a`", "By {prf:ref}`the\ntheorem <thm-b>`", "refers to thm-b of the later"),
    (check_order, "By {eq}`eq-a`", "By what {doc}`second` says", "in a theorem or proof, refers to the later"),
    (check_order, "up in {doc}`second`", "up in {ref}`claim-b`", "refers to claim-b of the later"),
]


@pytest.mark.parametrize(("check", "old", "new", "reason"), FAULTS, ids=[f"{c.__name__}-{r}" for c, _, _, r in FAULTS])
def test_a_fault_is_found(check, old, new, reason):
    assert old in FIRST
    chapters = small(FIRST.replace(old, new, 1))
    problems = list(check(chapters, chapters[0]))
    assert any(reason in problem for problem in problems), problems


def test_every_check_has_a_fault():
    assert {check for check, *_ in FAULTS} == set(CHECKS)
