"""Set the repository's address and its tag wherever they stand, or list the places that disagree.

The truth is in pyproject.toml: `Repository` under `[project.urls]` is the address, and the tag is `v` before `version`.

    python -m scripts.pages.address --check                              list the places that disagree and exit 1
    python -m scripts.pages.address --repo owner/name                    another address
    python -m scripts.pages.address --repo owner/name --tag v0.2.0       another address and another version

Any other address of GitHub or of its pages in a text of the book is taken for a mistake. One that belongs to somebody
else is named in `OTHERS`.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from scripts.atomic import write
from scripts.chapters.book import ROOT, Book
from scripts.chapters.freshness import stamp
from scripts.chapters.notebook import read_source, read_stored, stale_reasons
from scripts.chapters.run_notebooks import run_chapter

# Repositories and sites of others that the book's texts may name, as owner/name or owner.github.io/name.
OTHERS: frozenset[str] = frozenset()
# The texts that may name the repository. Notebooks are written from the chapters' texts; tests and scripts read
# pyproject.toml; what lies in a folder of book/_static, and what is listed of other packages, belongs to others.
TEXTS = (
    *("*.md", "*.yml", "*.toml", "*.cff", ".github/**/*.yml", ".ci/*", "notebooks/*.md", "bnlib/**/*.py"),
    *("benchmarks/*.py", "book/*.*", "book/_*/*.*", "book/your_network/*.*"),
)
LISTS = {"DEPENDENCIES.md"}
VERSIONED = ("pyproject.toml", "CITATION.cff", "bnlib/__init__.py")

OWNER = r"[A-Za-z0-9](?:-?[A-Za-z0-9])*"
NAME = r"[\w-]+(?:\.[\w-]+)*?"
TAG = r"v(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)"
END = r"(?=\.git\b|\.?(?![\w.-])|\.\s)"  # a full stop at the end of a sentence is no part of a name
# What a place holds, and how it is found: the last group is the value.
PLACES = (
    ("repository", rf"(?:(?<![\w.-])github\.com[/:]|colab\.research\.google\.com/github/)({OWNER}/{NAME}){END}"),
    ("site", rf"https?://({OWNER}\.github\.io(?:/{NAME})?){END}"),
    ("tag", r"git\+https://github\.com/[^\s@\"'`]+@([^\s\"'`]+)"),
    ("folder", r"git clone \S+\n\s*cd (\S+)"),
)
VERSION = ("version", r"^(?:version: |version = \"|__version__ = \")([^\s\"]+)")


class AddressError(Exception):
    """Why an address was not set, in one sentence."""


@dataclass(frozen=True)
class Address:
    """Where the book is published: the owner and the name of its repository, and a version, which gives the tag."""

    owner: str
    name: str
    version: str

    @property
    def values(self) -> dict[str, str]:
        """Return what each kind of place holds."""
        return {
            "repository": f"{self.owner}/{self.name}",
            "site": f"{self.owner}.github.io/{self.name}",
            "tag": f"v{self.version}",
            "folder": self.name,
            "version": self.version,
        }

    @classmethod
    def read(cls, root: Path) -> Address:
        """Read the truth from pyproject.toml."""
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        url = project["urls"]["Repository"]
        if not re.fullmatch(rf"https://github\.com/{OWNER}/{NAME}", url):
            raise AddressError(f"pyproject.toml names the repository {url}: write https://github.com/owner/name there")
        owner, name = url.split("/")[-2:]
        return cls(owner, name, project["version"])

    def moved(self, repo: str | None, tag: str | None) -> Address:
        """Return the address with another repository, another tag, or both.

        Args:
            repo: as owner/name; None keeps the repository.
            tag: as v1.2.3, with a1, b1 or rc1 behind it for a version before that one; None keeps the tag.
        """
        result = self
        if repo is not None:
            if not re.fullmatch(rf"{OWNER}/{NAME}", repo) or repo.endswith(".git"):
                raise AddressError(f"REPO is {repo!r}: write it as owner/name, as in REPO=jane/bottleneck-book")
            owner, name = repo.split("/")
            if name.lower().endswith(".github.io"):
                raise AddressError(
                    f"REPO is {repo!r}: the book's site needs a folder, so choose a name without github.io"
                )
            result = replace(result, owner=owner, name=name)
        if tag is not None:
            if (match := re.fullmatch(TAG, tag)) is None:
                raise AddressError(f"TAG is {tag!r}: write it as v and a version, as in TAG=v0.2.0")
            result = replace(result, version=match[1])
        return result


def texts(root: Path) -> dict[str, str]:
    """Return the texts of a checkout that may name the repository, by path."""
    paths = {path.relative_to(root).as_posix(): path for pattern in TEXTS for path in root.glob(pattern)}
    contents = {name: path.read_bytes() for name, path in sorted(paths.items()) if path.is_file() and name not in LISTS}
    return {name: content.decode("utf-8") for name, content in contents.items() if b"\0" not in content}


class Place(NamedTuple):
    """Where a text names the repository: what kind of place, what it holds, from which character, on which line."""

    kind: str
    value: str
    start: int
    line: int


def places(name: str, text: str) -> list[Place]:
    """List the places of a text, from its beginning to its end.

    Args:
        name: the path of the text; only some files hold a bare version.
        text: the text.
    """
    patterns = (*PLACES, *([VERSION] if name in VERSIONED else []))
    found = [(kind, match) for kind, pattern in patterns for match in re.finditer(pattern, text, re.M)]
    listed = [Place(kind, m[1], m.start(1), text.count("\n", 0, m.start(1)) + 1) for kind, m in found]
    return sorted(listed, key=lambda place: place.start)


def strangers(found: dict[str, str], *allowed: Address) -> list[str]:
    """List the places that hold something else than one of some addresses: file, line and value."""
    return [
        f"{name}:{place.line}: the {place.kind} is {place.value}"
        for name, text in found.items()
        for place in places(name, text)
        if place.value not in OTHERS and all(place.value != address.values[place.kind] for address in allowed)
    ]


def rewritten(name: str, text: str, address: Address) -> str:
    """Return a text that names another address in each of its places."""
    pieces, end = [], 0
    for place in places(name, text):
        kept = place.value in OTHERS
        pieces += [text[end : place.start], place.value if kept else address.values[place.kind]]
        end = place.start + len(place.value)
    return "".join([*pieces, text[end:]])


def stale(book: Book, path: Path) -> bool:
    """Tell whether a chapter must run again before its notebook can be written anew from its text."""
    wanted = stamp(read_source(path, book.root), book.library, book.lock, book.manifests)
    return bool(stale_reasons(read_stored(path), wanted))


def move(root: Path, repo: str | None, tag: str | None) -> Address:
    """Set the address in every text and have the notebooks written anew from theirs; return it.

    Nothing is changed unless everything can be. pyproject.toml comes last: after a kill the same command finishes.

    Args:
        root: the checkout.
        repo: as owner/name; None keeps the repository.
        tag: as v1.2.3; None keeps the tag.
    """
    old = Address.read(root)
    new = old.moved(repo, tag)
    found = texts(root)
    book = Book(root)
    if unknown := strangers(found, old, new):
        raise AddressError(f"{unknown[0]}: mend it, or name it in OTHERS of scripts/pages/address.py if it is not ours")
    if not re.search(rf"^## \[?{re.escape(new.version)}(?![\w.])", found["CHANGELOG.md"], re.M):
        raise AddressError(f"CHANGELOG.md has no heading for {new.version}: write there first what changed")
    if old_outputs := [path.stem for path in book.chapters if stale(book, path)]:
        raise AddressError(f"these chapters are stale, so run `make reproduce` first: {', '.join(old_outputs)}")
    for name in sorted(found, key=lambda name: name == "pyproject.toml"):
        write(root / name, rewritten(name, found[name], new))
    for path in book.chapters:
        run_chapter(book, path, force=False)
    return new


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Set or check the address and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repo", help="owner/name of the repository")
    parser.add_argument("--tag", help="v and a version")
    parser.add_argument("--check", action="store_true", help="change nothing; list the places that disagree")
    options = parser.parse_args(arguments)
    try:
        if not (options.check or options.repo or options.tag):
            raise AddressError("name REPO=owner/name, TAG=v0.2.0, or both")
        if options.check:
            address = Address.read(root)
            if wrong := strangers(texts(root), address):
                print("Not as in pyproject.toml:", *wrong, sep="\n", file=sys.stderr)
                return 1
        else:
            address = move(root, options.repo, options.tag)
    except AddressError as error:
        print(f"Nothing was changed: {error}.", file=sys.stderr)
        return 1
    print(f"The repository is https://github.com/{address.values['repository']}, its tag {address.values['tag']}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
