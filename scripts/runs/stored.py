"""Networks that a page shows: trained once and stored, with a manifest that says where they come from."""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from bnlib.experiments.records import checksum
from scripts.atomic import write

MANIFEST = "manifest.json"


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a folder but its manifest."""
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write_manifest(
    folder: Path, module: str, settings: dict[str, Any], packages: Sequence[str], trainings: dict[str, dict[str, float]]
) -> None:
    """Write the manifest of a folder of networks that ``python -m scripts.runs.<module> train`` has made."""
    manifest = {
        "command": f"python -m scripts.runs.{module} train",
        "settings": settings,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "trainings": trainings,
        "sha256": checksums(folder),
    }
    write(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")


def write_records(path: Path, module: str, settings: dict[str, Any], records: list[dict[str, Any]]) -> None:
    """Write records with the manifest that ``python -m scripts.runs.<module>`` has made them with, one a line."""
    manifest = {
        "command": f"python -m scripts.runs.{module}",
        "settings": settings,
        "device": f"{jax.default_backend()}, {platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("jax", "jaxlib", "numpy")},
        "sha256": checksum(records),
    }
    lines = ",\n".join(json.dumps(found) for found in records)
    write(path, f'{{"manifest": {json.dumps(manifest, indent=1)},\n"records": [\n{lines}\n]}}\n')


def records_command(
    summary: str | None,
    path: Path,
    settings: dict[str, Any],
    trained: Callable[[int], list[dict[str, Any]]],
    arguments: list[str] | None = None,
) -> int:
    """Train from every seed below ``settings["seeds"]``, in float64, and write the records with their manifest.

    The module's name is that of the file, with underscores.
    """
    argparse.ArgumentParser(description=(summary or "").partition("\n")[0]).parse_args(arguments)
    with jax.enable_x64(True):
        records = [found for seed in range(settings["seeds"]) for found in trained(seed)]
    write_records(path, path.stem.replace("-", "_"), settings, records)
    return 0


def trainings(folder: Path) -> dict[str, dict[str, float]]:
    """Return what the trainings of a folder ended with, by the name of the network."""
    found: dict[str, dict[str, float]] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["trainings"]
    return found


def save_figure(figure: Figure, path: Path, source: str) -> None:
    """Store a figure in one step, with the checksums of what it was drawn from, and close it."""
    draft = path.with_suffix(".draft")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(draft, format="png", dpi=150, metadata={"Source": source, "Software": None})
    plt.close(figure)
    draft.replace(path)


def command(
    summary: str | None, train: Callable[[], None], page: Callable[[], None], arguments: list[str] | None = None
) -> int:
    """Train and store the networks, or write what the page shows of them, as the first argument says."""
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("command", choices=("train", "page"))
    (train if parser.parse_args(arguments).command == "train" else page)()
    return 0
