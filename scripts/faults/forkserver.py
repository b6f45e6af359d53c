"""Run pytest many times in one folder without importing JAX each time: every run is a fork of this process.

Its arguments are the modules to import first. It reads lines of JSON, pytest's arguments and the seconds they may take,
and answers each with a line [exit status, output]. Nothing of the project is imported here, so that every run sees its
files as they are by then. For scripts/faults/plant.py.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import traceback
import warnings


def run(arguments: list[str], limit: int) -> tuple[int, str]:
    """Run pytest in a fork; return its exit status, -14 when the seconds are up, and what it printed."""
    with tempfile.TemporaryFile() as output:
        if not (child := os.fork()):
            import signal

            import pytest

            signal.alarm(limit)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            status = 3
            try:
                status = int(pytest.main(arguments))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(ended), output.read().decode(errors="replace")


def main() -> None:
    """Answer until the input ends."""
    warnings.simplefilter("ignore")  # JAX warns of forks; no array has been made yet, so no thread is running
    for name in sys.argv[1:]:
        importlib.import_module(name)
    print("ready", flush=True)
    for line in sys.stdin:
        arguments, limit = json.loads(line)
        print(json.dumps(run(arguments, limit)), flush=True)


if __name__ == "__main__":
    main()
