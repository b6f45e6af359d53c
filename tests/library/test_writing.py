"""Files are whole or the old ones, whatever happens while they are written."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from bnlib._writing import write


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "a.npz"
    path.write_text("old")
    write(path, lambda file: np.savez(file, x=np.ones(2)))
    assert np.load(path)["x"].tolist() == [1.0, 1.0]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("no such format"), OSError(28, "No space left on device")])
def test_a_write_that_fails_leaves_the_old_file_and_says_why(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fill(file):
        file.write(b"half")
        raise error

    with pytest.raises(ValueError, match=rf"^Cannot write '{path}': ({error}|No space left on device)\.$"):
        write(path, fill)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fill(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, fill)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    module = Path(sys.modules["bnlib._writing"].__file__)
    code = f"""
import os, runpy
write = runpy.run_path({str(module)!r})["write"]
def fill(file):
    file.write(b"half")
    file.flush()
    os._exit(9)
write({str(path)!r}, fill)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert path.read_text() == "old"


def test_two_threads_do_not_write_to_one_temporary_file(tmp_path):
    path, barrier, seen = tmp_path / "a.txt", threading.Barrier(2), []

    def fill(file):
        seen.append(file.name)
        barrier.wait(10)
        file.write(threading.current_thread().name.encode() * 1000)
        barrier.wait(10)

    threads = [threading.Thread(target=write, args=(path, fill), name=name) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 2
    assert all(str(os.getpid()) in name for name in seen)
    assert path.read_text() in ("a" * 1000, "b" * 1000)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_a_device_is_filled(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("old")
    link.symlink_to(path)
    write(link, lambda file: file.write(b"new"))
    assert link.is_symlink()
    assert path.read_text() == "new"
    write(os.devnull, lambda file: file.write(b"x"))
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("place", ["none/a.txt", "."])
def test_what_cannot_be_written_is_one_sentence(tmp_path, place):
    with pytest.raises(ValueError, match=r"^Cannot write '.*': (No such file or directory|Is a directory)\.$"):
        write(tmp_path / place, lambda file: file.write(b"x"))
    assert list(tmp_path.iterdir()) == []
