"""The report on somebody's own network, from Python and from the command line."""

import subprocess
import sys

import numpy as np
import pytest

import bnlib as bn
from bnlib.__main__ import main
from strategies import FIXED_X, fixed_net


@pytest.fixture
def files(tmp_path):
    weights, inputs = tmp_path / "weights.npz", tmp_path / "inputs.npz"
    np.savez(weights, **bn.to_torch_state(fixed_net()))
    np.savez(inputs, X=FIXED_X)
    return weights, inputs


def test_report_agrees_with_the_functions_it_calls():
    net = fixed_net()
    r = bn.report(net, FIXED_X)
    assert (r.rank, r.gap, r.decided) == bn.bottleneck_rank(net, FIXED_X)
    assert r.squared_norm == pytest.approx(float(bn.squared_norm(net)))
    assert r.lower_bound == bn.lower_bound(net, FIXED_X) <= r.squared_norm
    assert "depth 3" in str(r)


def test_command_line(files, capsys):
    weights, inputs = files
    assert main(["report", str(weights), "--inputs", str(inputs)]) == 0
    assert "bottleneck rank" in capsys.readouterr().out


def _truncate(weights, inputs):
    weights.write_bytes(weights.read_bytes()[:100])


def _pickle(weights, inputs):
    np.savez(weights, **{"0.weight": np.array([{"a": 1}], dtype=object)})


def _no_x(weights, inputs):
    np.savez(inputs, Z=FIXED_X)


def _wrong_shape(weights, inputs):
    np.savez(inputs, X=FIXED_X[:, :2])


def _convolution(weights, inputs):
    np.savez(weights, **{"0.weight": np.ones((2, 2, 3, 3))})


def _missing(weights, inputs):
    weights.unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, "Cannot read arrays"),
        (_pickle, "Cannot read arrays"),
        (_missing, "Cannot read arrays"),
        (_no_x, "must hold an array named X"),
        (_wrong_shape, "X must have shape (N, 3)"),
        (_convolution, "must be a non-empty matrix"),
    ],
)
def test_bad_files_give_one_sentence(files, capsys, damage, message):
    weights, inputs = files
    damage(weights, inputs)
    assert main(["report", str(weights), "--inputs", str(inputs)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_the_library_works_without_matplotlib():
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
import bnlib as bn
print(bn.report(bn.from_layers([([[1.0]], None)] * 4), [[1.0]]).rank)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
