"""What a planted fault is, and how it is put into a checkout and taken out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class MutantError(Exception):
    """Why a fault could not be planted or its tests not be run, in one sentence."""


# Turns the text of a file into its faulty text; None deletes the file. The path is the root of the copy.
Edit = Callable[[str, Path], str | None]


@dataclass(frozen=True)
class Fault:
    """Hold one fault: what it is, the edits that plant it, and the tests that should see it.

    Attributes:
        id: lower-case words joined by hyphens.
        kind: what it is planted in, for the table.
        summary: what is wrong, in a few words.
        edits: pairs of a file and an edit.
        checks: arguments of pytest.
        reason: why no quick test can see it; only for faults that survive.
    """

    id: str
    kind: str
    summary: str
    edits: tuple[tuple[str, Edit], ...]
    checks: tuple[str, ...]
    reason: str = ""


def swap(old: str, new: str) -> Edit:
    """Replace a piece of text that must be there exactly once."""

    def edit(text: str, root: Path) -> str:
        if (found := text.count(old)) != 1:
            raise MutantError(f"the text {old!r} is there {found} times, not once")
        return text.replace(old, new)

    return edit


def mutated(fault: Fault, root: Path) -> dict[str, str | None]:
    """Return the faulty texts by file; edits of one file build on each other.

    Raises:
        MutantError: an edit does not find its place or changes nothing.
    """
    texts: dict[str, str | None] = {}
    for name, edit in fault.edits:
        before = texts.get(name) or (root / name).read_text(encoding="utf-8")
        try:
            texts[name] = edit(before, root)
        except MutantError as error:
            raise MutantError(f"{fault.id} cannot be planted in {name}: {error}") from error
        if texts[name] == before:
            raise MutantError(f"{fault.id} changes nothing in {name}")
    return texts


@contextmanager
def planted(texts: Mapping[str, str | None], root: Path) -> Iterator[None]:
    """Put faulty texts in place for a while."""
    before = {name: (root / name).read_bytes() for name in texts}
    try:
        for name, text in texts.items():
            if text is None:
                (root / name).unlink()
            else:
                (root / name).write_text(text, encoding="utf-8")
        yield
    finally:
        for name, content in before.items():
            (root / name).write_bytes(content)
