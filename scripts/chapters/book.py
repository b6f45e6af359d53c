"""Where things lie in a checkout, and what is stored there."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.chapters.freshness import Library, digest
from scripts.chapters.notebook import read_stored

ROOT = Path(__file__).resolve().parents[2]
# A machine is described in words; under it, by chapter, {"code", "cells", "differing", "measured"}.
Machines = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Book:
    """Where things lie in a checkout."""

    root: Path

    @property
    def chapters(self) -> list[Path]:
        """Every chapter's source, in the order of _toc.yml."""
        toc = yaml.safe_load((self.root / "_toc.yml").read_text(encoding="utf-8"))
        files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
        return [self.root / f"{name}.md" for name in files if name.startswith("notebooks/")]

    @property
    def library(self) -> Library:
        """The library as it is now."""
        return Library(self.root / "bnlib")

    @property
    def lock(self) -> Path:
        """The file that pins every version."""
        return self.root / "requirements.lock"

    @property
    def ledger(self) -> Path:
        """The claims ledger."""
        return self.root / "claims.yml"

    @property
    def manifests(self) -> dict[str, dict[str, Any]]:
        """What is known of the runs at the papers' scale, by experiment."""
        names = sorted(path.stem for path in (self.root / "results").glob("*.json"))
        contents = {name: self._results(name) for name in names}
        found = {name: content.get("manifest", {}) for name, content in contents.items()}
        # Other stored data have manifests of their own, without a plan.
        return {name: manifest for name, manifest in found.items() if "planned" in manifest}

    @property
    def runtimes(self) -> dict[str, dict[str, Any]]:
        """Seconds and machine of each chapter's last run."""
        return self._results("runtimes")

    @property
    def reading(self) -> dict[str, dict[str, dict[str, float]]]:
        """What a reader of each chapter gets: measures of the site before the chapters were edited, and now."""
        return self._results("reading")

    @property
    def faults(self) -> list[dict[str, Any]]:
        """What came of the planted faults."""
        return self._results("mutants").get("faults", [])

    @property
    def machines(self) -> Machines:
        """What came of the chapters on other machines."""
        return self._results("machines").get("machines", {})

    @property
    def benchmarks(self) -> dict[str, dict[str, Any]]:
        """What was timed, by the name of the benchmark."""
        paths = sorted((self.root / "results" / "benchmarks").glob("*.json"))
        return {path.stem: self._results(f"benchmarks/{path.stem}") for path in paths}

    def _results(self, name: str) -> dict[str, Any]:
        path = self.root / "results" / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    @property
    def code(self) -> dict[str, str]:
        """For each chapter with stored outputs, a hash of the code and the library that computed them."""
        stored = {path.stem: read_stored(path) for path in self.chapters}
        stamps = {stem: found.metadata.get("bnlib") for stem, found in stored.items() if found is not None}
        return {stem: digest([kept["code"], kept["library"]]) for stem, kept in stamps.items() if kept}

    @property
    def status(self) -> Path:
        """The page made from the runtimes, the manifests, the machines and the faults."""
        return self.root / "book" / "status.md"


@contextmanager
def alone(book: Book) -> Iterator[None]:
    """Keep other runs in this checkout from storing: the ledger and the running times are read, changed and written."""
    folder = os.open(book.root / "notebooks", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
