"""Kills, full disks, read-only folders, two runs at once, clocks that jump: nothing is lost, no half file accepted."""

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest
import yaml

from scripts.atomic import write
from scripts.chapters import run_notebooks
from scripts.chapters.freshness import outputs_hash
from scripts.chapters.verdicts import measurements
from small_book import LEDGER, add

# Kills while results are written.

WRITER = """
import json, sys
from pathlib import Path
from scripts.atomic import write
path, number = Path(sys.argv[1]), 0
while True:
    number += 1
    write(path, json.dumps({"number": number, "values": [number] * 20000}))
    print(number, flush=True)
"""


def kill_after(command, seconds, **options):
    """Start a process, kill it after some seconds, and return what it had printed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, **options)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()[0]


def test_kills_while_writing_leave_a_whole_file(tmp_path):
    path, rng = tmp_path / "results.json", random.Random(0)
    write(path, json.dumps({"number": 0, "values": [0] * 20000}))
    last = 0
    for _ in range(45):
        printed = kill_after([sys.executable, "-c", WRITER, str(path)], 0.15 + 0.1 * rng.random())
        content = json.loads(path.read_text())
        assert content["values"] == [content["number"]] * 20000
        # What was announced as written is there, or one more.
        announced = [int(line) for line in printed.splitlines()]
        if announced:
            assert content["number"] in (announced[-1], announced[-1] + 1)
        last = max(last, content["number"])
    assert last > 1
    # Half files have names that nothing reads.
    assert [p.name for p in tmp_path.glob("*.json")] == ["results.json"]


# Kills while chapters run.

RUNNER = "import sys; from pathlib import Path; from scripts.chapters import run_notebooks; "
RUNNER += "sys.exit(run_notebooks.main(sys.argv[2:], Path(sys.argv[1])))"
VERDICT = r"holds  {}-law: 1 of 1 checks\n  holds  slope: slope is 2.0 +/- 0.1  [measured {}]"
BOTH = LEDGER.replace("open", "reproduced")


def runner(root, *arguments):
    return [sys.executable, "-c", RUNNER, str(root), *arguments]


def sound(root):
    """Demand whole files whose parts agree: a stored notebook is stale or says what the ledger says."""
    ledger = {r["id"]: r["measured"] for r in yaml.safe_load((root / "claims.yml").read_text())["claims"]}
    for path in (root / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        assert notebook.metadata["bnlib"]["outputs"] == outputs_hash(notebook)
        for claim, measured in measurements(notebook).items():
            assert ledger[claim] == measured
    runtimes = root / "results" / "runtimes.json"
    assert not runtimes.exists() or json.loads(runtimes.read_text())


def test_kills_while_a_chapter_runs_lose_nothing(book):
    path, rng = add(book, "a_law", "x = 1", f'print("{VERDICT.format("a", 1.98)}")'), random.Random(1)
    for _ in range(8):
        kill_after(runner(book.root), 0.3 + 4 * rng.random(), stderr=subprocess.DEVNULL)
        sound(book.root)
        assert path.read_text().startswith("---")
    subprocess.run(runner(book.root), check=True, capture_output=True)
    sound(book.root)
    assert run_notebooks.main(["--check"], book.root) == 0


# Two runs at once.


def test_two_runs_at_once_lose_no_measurement(book):
    book.ledger.write_text(BOTH)
    paths = [add(book, f"{name}_law", "x = 1", f'print("{VERDICT.format(name, 1.9)}")') for name in "ab"]
    runs = [subprocess.Popen(runner(book.root, str(path)), stdout=subprocess.DEVNULL) for path in paths]
    assert [run.wait(120) for run in runs] == [0, 0]
    sound(book.root)
    assert [r["measured"] for r in yaml.safe_load(book.ledger.read_text())["claims"]] == [{"slope": "1.9"}] * 2
    assert book.runtimes.keys() == {"a_law", "b_law"}


def test_what_one_run_reads_no_other_changes_before_it_writes(book):
    """Without a kernel, so that the two runs meet again and again."""
    many = "claims:\n" + "".join(f'  - id: c{i}\n    measured: ""\n' for i in range(40))
    book.ledger.write_text(many)
    code = (
        "import sys; from pathlib import Path\n"
        "from scripts.chapters.book import Book, alone\n"
        "from scripts.chapters.run_notebooks import record_measurements\n"
        "book = Book(Path(sys.argv[1]))\n"
        "for i in range(int(sys.argv[2]), 40, 2):\n"
        "    with alone(book):\n"
        "        record_measurements(book.ledger, {f'c{i}': {'x': 'done'}})\n"
    )
    command = [sys.executable, "-c", code, str(book.root)]
    runs = [subprocess.Popen([*command, str(start)]) for start in (0, 1)]
    assert [run.wait(120) for run in runs] == [0, 0]
    records = yaml.safe_load(book.ledger.read_text())["claims"]
    assert [r["measured"] for r in records] == [{"x": "done"}] * 40


# Disks and clocks.


class FullDisk:
    """A file that takes some bytes and then no more."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def write(self, content):
        self.stream.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full(monkeypatch):
    opened = os.fdopen
    monkeypatch.setattr("scripts.atomic.os.fdopen", lambda *args: FullDisk(opened(*args)))


def read_only(monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("scripts.atomic.tempfile.mkstemp", refuse)


@pytest.mark.parametrize(("trouble", "words"), [(full, "No space left"), (read_only, "Permission denied")])
def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch, trouble, words):
    path = tmp_path / "file"
    path.write_text("old")
    trouble(monkeypatch)
    with pytest.raises(OSError, match=words):
        write(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"
    write(path, "old")  # an equal file needs no writing


@pytest.mark.parametrize(("trouble", "words"), [(full, "No space left"), (read_only, "Permission denied")])
def test_a_run_that_cannot_store_is_one_sentence(book, monkeypatch, capsys, trouble, words):
    add(book, "a_law", "x = 1", f'print("{VERDICT.format("a", 1.98)}")')
    monkeypatch.setattr(run_notebooks, "execute", lambda *_: None)
    before = {p: p.read_bytes() for p in book.root.rglob("*") if p.is_file()}
    trouble(monkeypatch)
    assert run_notebooks.main([], book.root) == 1
    assert re.fullmatch(rf"a_law: .*{words}.*\.\n", capsys.readouterr().err)
    assert {p: p.read_bytes() for p in book.root.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_clocks_decide_nothing(book, monkeypatch, jump):
    """What is stale depends on contents, and running times on a clock that cannot be set."""
    add(book, "a_law", "x = 1")
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall + jump)

    def execute(notebook, folder):
        monkeypatch.setattr(time, "time", lambda: wall - jump)
        for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
            cell.execution_count = number

    monkeypatch.setattr(run_notebooks, "execute", execute)
    assert run_notebooks.main([], book.root) == 0
    assert 0 <= book.runtimes["a_law"]["seconds"] < 60
    for shift, file in enumerate(sorted(book.root.rglob("*"))):
        os.utime(file, (wall + jump * (-1) ** shift, wall - jump * (-1) ** shift))
    assert run_notebooks.main(["--check"], book.root) == 0
