"""The command line says which library it is, and trains as the library does."""

import re
from functools import partial

import jax
import numpy as np
import pytest

import bnlib as bn
import engine
from bnlib.__main__ import main


def test_the_command_tells_its_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"bnlib {bn.__version__}\n"


@pytest.fixture
def data(tmp_path):
    X, Y = engine.data()
    np.savez(tmp_path / "data.npz", X=X, Y=Y)
    return tmp_path / "data.npz"


def test_train_stores_what_train_returns(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bnlib.__main__.train", partial(bn.train, **engine.SHORT))
    given = ["--output", str(tmp_path / "net.npz"), "--depth", "3", "--width", "6", "--ridge", "0.01"]
    assert main(["train", str(data), *given]) == 0
    said = capsys.readouterr()
    start = bn.init(jax.random.key(0), engine.D_IN, 6, engine.D_OUT, 3)
    result = engine.quick(start)
    assert engine.bits(bn.load_network(tmp_path / "net.npz")) == engine.bits(result.net)
    assert said.out.startswith(f"loss       {result.loss:.4g}\n")
    assert f"python -m bnlib report {tmp_path / 'net.npz'} --inputs {data}" in said.out
    monkeypatch.setattr("bnlib.__main__.train", partial(bn.train, first_order_steps=1, stages=()))
    assert main(["train", str(data), *given]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bnlib: The network is not trained after 1 step: its loss is")


def test_train_that_cannot_write_leaves_the_old_weights(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bnlib.__main__.train", partial(bn.train, first_order_steps=1, stages=()))
    output = tmp_path / "net.npz"
    output.write_bytes(b"old")

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert main(["train", str(data), "--output", str(output), "--depth", "3", "--width", "6"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"bnlib: Cannot write '{output}': No space left on device."
    assert output.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [data, output]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "There is not enough memory; give fewer inputs."),
        (
            RuntimeError("RESOURCE_EXHAUSTED: Out of memory\n  allocating"),
            "RESOURCE_EXHAUSTED: Out of memory allocating",
        ),
    ],
)
def test_what_goes_wrong_is_one_line(data, capsys, monkeypatch, error, sentence):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("bnlib.__main__.report", fails)
    assert main(["report", str(data), "--inputs", str(data)]) == 2
    assert capsys.readouterr().err == f"bnlib: {sentence}\n"


def test_a_platform_that_is_not_there_is_one_line(data, capsys, monkeypatch):
    def fails():
        raise AssertionError

    monkeypatch.setattr(jax, "devices", fails)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    assert main(["report", str(data), "--inputs", str(data)]) == 2
    assert capsys.readouterr().err == "bnlib: JAX has no device here, and JAX_PLATFORMS is 'cuda'; unset it.\n"


@pytest.mark.parametrize(
    ("arrays", "output", "sentence"),
    [
        ({"X": np.ones((3, 2))}, "net.npz", r"must hold arrays named X and Y, but \['Y'\] is missing"),
        ({"X": np.ones((3, 2)), "Y": np.ones(3)}, "net.npz", r"but these are \(3, 2\) and \(3,\)"),
        ({"X": np.ones((3, 2)), "Y": np.ones((4, 1))}, "net.npz", "same length, but they have 3 and 4 rows"),
        ({"X": np.ones((3, 2)), "Y": np.ones((3, 1))}, "net.pt", "--output must be an npz file in a folder"),
        ({"X": np.ones((3, 2)), "Y": np.ones((3, 1))}, "missing/net.npz", "--output must be an npz file in a folder"),
    ],
)
def test_train_refuses_in_one_sentence(tmp_path, capsys, arrays, output, sentence):
    np.savez(tmp_path / "data.npz", **arrays)
    assert main(["train", str(tmp_path / "data.npz"), "--output", str(tmp_path / output)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(sentence, line)
    assert line.endswith(".")
