"""Write DEPENDENCIES.md: what requirements.lock installs and under which licences.

Names and versions come from the lock, licences from what the packages themselves declare.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from scripts.atomic import write

ROOT = Path(__file__).resolve().parents[2]
# Licences under which a book and a library of the MIT licence may be used together with the package.
ALLOWED = re.compile(
    r"MIT|BSD|0BSD|Apache|ISC|MPL|Mozilla|PSF|Python Software Foundation|HPND|Unlicense|Zlib|public domain|OFL|CC0",
    re.I,
)
# Installed on other systems only.
ELSEWHERE = {"appnope": "BSD-2-Clause", "cffi": "MIT", "colorama": "BSD-3-Clause", "pycparser": "BSD-3-Clause"}
HEAD = """# What the book is built with

Written by `python -m scripts.pages.licences` from `requirements.lock` and from what each package declares. None of it
is part of this repository: `make venv` fetches it, each file with its checksum.

| Package | Version | Licence |
| :-- | :-- | :-- |
"""


def pins(lock: str) -> list[tuple[str, str]]:
    """Return names and versions of a lock."""
    return re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.M)


def licence(found: Distribution) -> str:
    """Return the licence that a package declares, in one line."""
    meta = found.metadata.json
    classifiers = [c.rpartition(" :: ")[2] for c in meta.get("classifier", []) if c.startswith("License ::")]
    stated = str(meta.get("license_expression", "")) or ", ".join(c for c in classifiers if c != "OSI Approved")
    if not stated:
        lines = str(meta.get("license", "")).strip().splitlines()
        stated = lines[0].strip() if lines else ""
    return stated or named(found)


def named(found: Distribution) -> str:
    """Return the licence whose words stand in a package's licence file."""
    for file in found.files or []:
        if re.search(r"licen[cs]e|copying", file.name, re.I):
            text = file.read_text(encoding="utf-8")
            if "Permission is hereby granted, free of charge" in text:
                return "MIT"
            if "Redistribution and use in source and binary forms" in text:
                return "BSD"
            if "Apache License" in text:
                return "Apache-2.0"
    return "not declared"


def page(lock: str) -> str:
    """Return the list for a lock, a line for every name."""
    versions: dict[str, list[str]] = {}
    for name, version in pins(lock):
        versions.setdefault(name, []).append(version)
    rows = []
    for name in sorted(versions):
        try:
            text = licence(distribution(name))
        except PackageNotFoundError:
            text = ELSEWHERE.get(name, "not declared")
        rows.append(f"| {name} | {', '.join(versions[name])} | {text.replace('|', '/')} |\n")
    return HEAD + "".join(rows)


def main() -> None:
    """Write the list."""
    write(ROOT / "DEPENDENCIES.md", page((ROOT / "requirements.lock").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
