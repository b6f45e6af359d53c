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
