"""When a stored chapter is stale: hashes of its code, of the library modules behind it, of locked versions.

A chapter reaches a module of the library when its code names something of it, or when a module that it reaches imports
it; a name that a package passes on counts for the module that defines it. Modules are compared as syntax trees without
docstrings, so that prose edits make nothing stale. Where names cannot be followed, every module counts: a needless run
is cheaper than a wrong number.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from scripts.chapters.installing import installs

LOCKED = ("jax", "numpy", "optax")


def digest(value: Any) -> str:
    """Hash a JSON value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_hash(notebook: nbformat.NotebookNode) -> str:
    """Hash the sources of a notebook's code cells.

    The cell that installs the library is left out: where the library is there, it does nothing, so that another address
    of the repository changes no output. A test holds that cell to its one form.
    """
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return digest([source for source in sources if not installs(source)])


def outputs_hash(notebook: nbformat.NotebookNode) -> str:
    """Hash a notebook's stored outputs, so that a number or figure changed by hand shows."""
    return digest([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])


def locked_versions(lock: Path) -> dict[str, str]:
    """Return the versions that requirements.lock gives to the packages behind every number."""
    text = lock.read_text(encoding="utf-8")
    return {name: ", ".join(re.findall(rf"^{name}==([^\s;]+)", text, re.M)) for name in LOCKED}


def canonical(node: Any) -> Any:
    """Turn a syntax tree into nested lists, the same in every Python and without docstrings."""
    if isinstance(node, ast.AST):
        fields = dict(ast.iter_fields(node))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            fields["body"] = node.body[1:]
        # Newer Pythons add fields, empty in code that older ones can read: only filled fields count.
        filled = {name: canonical(value) for name, value in fields.items() if value not in (None, [])}
        return [type(node).__name__, filled]
    if isinstance(node, list):
        return [canonical(item) for item in node]
    return repr(node)


@dataclass(frozen=True)
class Library:
    """The modules of one package: what each defines, imports and hashes to."""

    package: Path

    @property
    def name(self) -> str:
        """The name under which the package is imported."""
        return self.package.name

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Return every module but the package's own `__init__`, by its name inside the package."""
        paths = {path.relative_to(self.package): path for path in sorted(self.package.rglob("*.py"))}
        names = {".".join(relative.with_suffix("").parts): path for relative, path in paths.items()}
        return {name.removesuffix(".__init__"): path for name, path in names.items() if name != "__init__"}

    @cached_property
    def packages(self) -> dict[str, Path]:
        """Return the `__init__` of every package inside, and of the package itself under the empty name."""
        inner = {name: path for name, path in self.modules.items() if path.name == "__init__.py"}
        return {"": self.package / "__init__.py"} | inner

    @cached_property
    def exports(self) -> dict[str, dict[str, tuple[str, str] | None]]:
        """Return, by package, where the names of its `__init__` come from: a module and a name, or None for itself."""
        return {name: self._exported(name, path) for name, path in self.packages.items()}

    def _exported(self, package: str, path: Path) -> dict[str, tuple[str, str] | None]:
        found: dict[str, tuple[str, str] | None] = {}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (module := self._inside(node, package)) is not None:
                found |= {alias.asname or alias.name: (module, alias.name) for alias in node.names}
            elif isinstance(node, ast.Assign):
                found |= {target.id: None for target in node.targets if isinstance(target, ast.Name)}
        return found

    def _inside(self, node: ast.ImportFrom, importer: str) -> str | None:
        """Return the module inside the package that a `from ... import` names: '' for the package itself."""
        if node.level:
            up = node.level - (importer in self.packages)
            parents = importer.split(".")[: -up or None] if importer else []
            return ".".join([*parents, *filter(None, [node.module])])
        if node.module == self.name:
            return ""
        prefix = f"{self.name}."
        return node.module.removeprefix(prefix) if node.module and node.module.startswith(prefix) else None

    def _resolve(self, package: str, names: Sequence[str]) -> set[str]:
        """Return the modules behind names asked of a package one after the other; all of it where it cannot be told."""
        for number, name in enumerate(names):
            inner = f"{package}.{name}" if package else name
            if inner in self.packages:
                package = inner
            elif inner in self.modules:
                return {inner}
            elif name in self.exports[package]:
                origin = self.exports[package][name]
                return self._from(*origin, names[number + 1 :]) if origin else {package} & self.modules.keys()
            else:
                return set() if name.startswith("__") else set(self.modules)
        return {name for name in self.modules if not package or f"{name}.".startswith(f"{package}.")}

    def _from(self, module: str, name: str, names: Sequence[str] = ()) -> set[str]:
        """Return the modules behind one name of a module or package, and further names asked of that."""
        return self._resolve(module, [name, *names]) if module in self.packages else {module} & self.modules.keys()

    def named(self, source: str, importer: str = "") -> set[str]:
        """Return the modules that a piece of source names, through imports or through a package's alias.

        Args:
            source: the text of a module or of a chapter's code.
            importer: the module whose text it is; empty for a chapter.
        """
        tree = ast.parse(source)
        reached: set[str] = set()
        aliases: dict[str, str] = {}  # what stands for a package in this text
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top, _, inner = alias.name.partition(".")
                    if top != self.name:
                        continue
                    if inner in self.packages and (alias.asname or not inner):
                        aliases[alias.asname or top] = inner
                    else:
                        reached |= {inner} & self.modules.keys()
                        aliases |= {} if alias.asname else {top: ""}
            elif isinstance(node, ast.ImportFrom) and (module := self._inside(node, importer)) is not None:
                for alias in node.names:
                    inner = f"{module}.{alias.name}" if module else alias.name
                    if inner in self.packages:
                        aliases[alias.asname or alias.name] = inner
                    else:
                        reached |= self._from(module, alias.name)
        for name, attributes in _uses(tree, aliases.keys()):
            reached |= self._resolve(aliases[name], attributes)
        return reached

    def reach(self, notebook: nbformat.NotebookNode) -> set[str]:
        """Return the modules that a chapter's code reaches, directly or through other modules."""
        transform = TransformerManager().transform_cell  # %magics are no Python
        cells = [transform(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
        modules = self.modules
        todo = set(self.named("\n".join(cells)))
        done: set[str] = set()
        while todo:
            name = todo.pop()
            done.add(name)
            todo |= self.named(modules[name].read_text(encoding="utf-8"), name) - done
        return done

    def hashes(self, names: Iterable[str]) -> dict[str, str]:
        """Hash modules, each with the data files of the package that it names."""
        return {name: digest(list(self._contents(self.modules[name]))) for name in sorted(names)}

    def _contents(self, path: Path) -> Iterator[Any]:
        source = path.read_text(encoding="utf-8")
        yield canonical(ast.parse(source))
        for data in sorted(self.package.rglob("*.*")):
            if data.suffix not in (".py", ".pyc") and data.name in source:
                yield hashlib.sha256(data.read_bytes()).hexdigest()


def _uses(node: ast.AST, names: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield where some names are used, each with the attributes that are asked of it one after the other.

    A package handed around as a value (getattr, a function's argument) has none, and can reach anything in it.
    """
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in names:
        yield node.id, attributes
    else:
        for child in ast.iter_child_nodes(node):
            yield from _uses(child, names)


def results_read(notebook: nbformat.NotebookNode, manifests: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the checksums of the stored results that a chapter's code names."""
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return {name: entry["sha256"] for name, entry in manifests.items() if f'load("{name}"' in source}


def stamp(
    notebook: nbformat.NotebookNode, library: Library, lock: Path, manifests: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return what the outputs of a notebook depend on."""
    depends = {
        "code": code_hash(notebook),
        "library": library.hashes(library.reach(notebook)),
        "lock": locked_versions(lock),
    }
    results = results_read(notebook, manifests)
    return depends | {"results": results} if results else depends


def differences(stored: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Say in words why outputs stored under one stamp are stale under another."""
    reasons = []
    if stored.get("code") != wanted["code"]:
        reasons.append("its code changed")
    old, new = stored.get("library", {}), wanted["library"]
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if changed:
        reasons.append(f"the library changed in {', '.join(changed)}")
    old, new = stored.get("results", {}), wanted.get("results", {})
    reasons += [f"the results of {name} changed" for name in new if old.get(name) != new[name]]
    old, new = stored.get("lock", {}), wanted["lock"]
    reasons += [f"{name} went from {old.get(name)} to {new[name]}" for name in new if old.get(name) != new[name]]
    return reasons
