"""Faults in the files around the code."""

from __future__ import annotations

import copy
import json
import re

from scripts.faults.checks import RECORDS
from scripts.faults.fault import swap
from scripts.faults.ledger import PAGE, WHOLE
from scripts.faults.notebooks import CHAPTER, STORED

AROUND = "tests/repository/test_repository.py"

REPOSITORY = [
    ("lock-without-hash", "requirements.lock", "a pin without its hashes",
     lambda text, root: re.sub(r"^(jax==\S+) \\\n(?:    --hash=.*\n)+", r"\1\n", text, flags=re.M),
     (AROUND, "-k", "lock")),
    ("lock-other-numpy", "requirements.lock", "another NumPy",
     lambda text, root: re.sub(r"^numpy==[\d.]+", "numpy==2.4.1", text, flags=re.M), STORED),
    ("lock-index", "requirements.lock", "a foreign index",
     lambda text, root: "--index-url https://example.org\n" + text, (AROUND, "-k", "lock")),
    ("citation-version", "CITATION.cff", "another version",
     lambda text, root: re.sub(r"^version: .*$", "version: 9.9.9", text, flags=re.M),
     (AROUND, "-k", "version_is_the_same")),
    ("chapter-not-listed", "_toc.yml", "a chapter not in the contents",
     lambda text, root: re.sub(rf".*{CHAPTER}.*\n", "", text), (AROUND, "-k", "contents")),
    ("python-not-tested", ".github/workflows/ci.yml", "a Python left out of the workflow",
     swap('"3.11", ', ""), (AROUND, "-k", "workflow")),
    ("fork", "README.md", "address of a fork",
     lambda text, root: text + "\nhttps://github.com/bottleneck-book/bottleneck-fork\n",
     (AROUND, "-k", "repository_address")),
    ("result-edited", "results/affine-law.json", "a stored result edited",
     lambda text, root: edited_result(text),
     (RECORDS, "-k", "stored_results_are_whole")),
    ("runtime-edited", "results/runtimes.json", "a running time that the status page does not have",
     lambda text, root: re.sub(r'("seconds": )\d', r"\g<1>99", text, count=1),
     (AROUND, "-k", "runtimes")),
    ("page-edited", PAGE, "a word of the page of claims", swap("# The claims and where", "# Claims and where"), WHOLE),
]  # fmt: skip


def edited_result(text: str) -> str:
    content = json.loads(text)
    stored = copy.deepcopy(content)

    def spoil(node: object) -> bool:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            if isinstance(value, float):
                node[key] = value + 0.5  # type: ignore[index]
                return True
            if spoil(value):
                return True
        return False

    spoil(stored["records"])
    return json.dumps(stored)
