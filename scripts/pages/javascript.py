"""Run the site's own scripts without a browser, in the Node.js that is installed with Playwright."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from playwright._impl._driver import compute_driver_executable

# Every script runs in the global scope, as in a page.
RUN = """
const [files, expression] = JSON.parse(require("fs").readFileSync(0, "utf8")), vm = require("vm");
for (const file of files) vm.runInThisContext(require("fs").readFileSync(file, "utf8"), file);
process.stdout.write(JSON.stringify(vm.runInThisContext(expression)));
"""


def evaluate(files: Iterable[Path], expression: str) -> Any:
    """Return the value of a JavaScript expression behind some scripts.

    Args:
        files: the scripts, in the order in which a page loads them.
        expression: what to evaluate; its value goes through JSON.

    Raises:
        ValueError: a script or the expression fails.

    Example:
        >>> evaluate([], "[1, 2].map((x) => x + 0.5)")
        [1.5, 2.5]
    """
    node, _ = compute_driver_executable()
    asked = json.dumps([[str(file) for file in files], expression])
    done = subprocess.run([node, "-e", RUN], input=asked, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise ValueError(f"JavaScript failed in {expression[:60]!r}:\n{done.stderr.strip()}")
    return json.loads(done.stdout)
