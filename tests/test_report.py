"""The report on somebody's own network, from Python and from the command line."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest

import bnlib as bn
from bnlib.__main__ import main
from bnlib.report import load_arrays, load_network
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


def run_module(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bnlib", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_module_runs_and_its_exit_status_says_whether_it_could(files):
    weights, inputs = files
    good = run_module("report", weights, "--inputs", inputs)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("depth 3, width 6\n")
    weights.write_bytes(weights.read_bytes()[:-50])
    bad = run_module("report", weights, "--inputs", inputs)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("bnlib: Cannot read arrays from ")
    assert bad.stderr.count("\n") == 1


def _text(weights, inputs):
    weights.write_text("0.weight 1.0")


def _one_array(weights, inputs):
    with weights.open("wb") as file:
        np.save(file, np.eye(2))


def _empty(weights, inputs):
    weights.write_bytes(b"")


def _folder(weights, inputs):
    weights.unlink()
    weights.mkdir()


def _wrong_key(weights, inputs):
    np.savez(weights, **{"0.weight": np.eye(3), "0.scale": np.eye(3)})


def _orphan(weights, inputs):
    np.savez(weights, **{"0.weight": np.eye(3), "2.bias": np.zeros(3)})


def _unchained(weights, inputs):
    np.savez(weights, **{"0.weight": np.ones((4, 3)), "2.weight": np.ones((3, 5))})


def _nan(weights, inputs):
    np.savez(weights, **{"0.weight": np.full((3, 3), np.nan)})


def _shallow(weights, inputs):
    np.savez(weights, **{"0.weight": np.eye(3), "2.weight": np.eye(3)})


def _no_arrays(weights, inputs):
    np.savez(weights)


def _strings(weights, inputs):
    np.savez(weights, **{"0.weight": np.array([["a", "b"], ["c", "d"]])})


def _damaged_middle(weights, inputs):
    content = bytearray(weights.read_bytes())
    content[200:260] = b"\xff" * 60
    weights.write_bytes(bytes(content))


def _damaged_compressed(weights, inputs):
    np.savez_compressed(weights, **{"0.weight": np.random.default_rng(0).normal(size=(40, 40))})
    _damaged_middle(weights, inputs)


def _inputs_truncated(weights, inputs):
    inputs.write_bytes(inputs.read_bytes()[:100])


def _inputs_missing(weights, inputs):
    inputs.unlink()


def _inputs_pickled(weights, inputs):
    np.savez(inputs, X=np.array([None, 1], dtype=object))


def _inputs_nan(weights, inputs):
    np.savez(inputs, X=np.full((2, 3), np.nan))


def _inputs_one(weights, inputs):
    np.savez(inputs, X=np.ones(3))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_text, "Cannot read arrays"),
        (_one_array, "it is not an npz archive"),
        (_empty, "Cannot read arrays"),
        (_folder, "Cannot read arrays"),
        (_damaged_middle, "Cannot read arrays"),
        (_damaged_compressed, "Cannot read arrays"),
        (_wrong_key, "Key '0.scale' is not of the form"),
        (_orphan, "Key '2.bias' has no matching '2.weight'"),
        (_unchained, "W of layer 2 has shape (3, 5)"),
        (_nan, "W of layer 1 must be finite"),
        (_strings, "W of layer 1 must hold numbers, but its type is <U1"),
        (_shallow, "depth 2 has none"),
        (_no_arrays, "holds no '<number>.weight' array"),
        (_inputs_truncated, "Cannot read arrays"),
        (_inputs_missing, "Cannot read arrays"),
        (_inputs_pickled, "Cannot read arrays"),
        (_inputs_nan, "X must be finite"),
        (_inputs_one, "X must have shape (N, 3)"),
    ],
)
def test_other_bad_files_give_one_sentence(files, capsys, damage, message):
    test_bad_files_give_one_sentence(files, capsys, damage, message)


def test_pickled_arrays_run_no_code(tmp_path):
    class Mine:
        def __reduce__(self):
            return (exec, ("raise SystemExit('code was run')",))

    file = tmp_path / "weights.npz"
    np.savez(file, **{"0.weight": np.array([Mine()], dtype=object)})
    with pytest.raises(ValueError, match="Cannot read arrays"):
        load_arrays(file)


def test_loading_is_what_was_saved(files):
    net = load_network(files[0])
    for (W, b), (V, c) in zip(net.layers, fixed_net().layers, strict=True):
        np.testing.assert_array_equal(W, V)
        np.testing.assert_array_equal(b, c)


def test_report_measures_the_theorem_where_the_jacobian_has_the_rank():
    net = bn.from_layers([(2 * np.eye(2), None)] * 4)
    r = bn.report(net, np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert (r.rank, r.decided, r.imbalance) == (2, True, 0.0)
    assert r.lhs == pytest.approx(8.0)
    assert r.rhs == pytest.approx(32 - 8 - 2 * np.log(256.0))
    assert r.lhs <= r.rhs
    assert r.ntk_trace == pytest.approx(float(np.mean(bn.ntk_trace(net, [[1.0, 2.0], [2.0, 1.0]]))))
    gated = bn.report(net, np.array([[1.0, -2.0]]))
    assert gated.lhs is gated.rhs is None
    assert "not evaluated" in str(gated)


def test_report_says_undecided():
    net = bn.from_layers([(np.diag([1.0, s]), None) for s in (1.0, 1.0, 0.3, 0.6, 1.0, 1.0)])
    assert "undecided" in str(bn.report(net, [[1.0, 1.0], [1.0, 2.0]]))


def test_report_draws_weights_and_representations():
    matplotlib.use("agg")
    figure = bn.report(fixed_net(), FIXED_X).plot()
    assert [axis.get_title() for axis in figure.axes] == ["Weights", "Representations"]
    matplotlib.pyplot.close(figure)
