"""The report on somebody's own network, from Python and from the command line."""

import hashlib
import json
import os
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

import bnlib as bn
from bnlib.__main__ import main
from bnlib.measure.files import load_arrays
from scripts.runs import digits_mlp
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
    assert "depth 3" in str(r) == repr(r)


def _without_reading(text):
    """Return a report without its block on how the network was read."""
    return "\n\n".join(block for block in text.split("\n\n") if not block.startswith("read as"))


def test_command_line(files, capsys):
    weights, inputs = files
    assert main(["report", str(weights), "--inputs", str(inputs)]) == 0
    shown = capsys.readouterr().out
    assert shown == f"{bn.report(weights, FIXED_X)}\n"
    assert _without_reading(shown) == f"{bn.report(fixed_net(), FIXED_X)}\n"
    assert main(["report", str(weights), "--inputs", str(inputs), "--numerical"]) == 0
    more = capsys.readouterr().out
    assert ("numerical" in shown, "numerical" in more) == (False, True)


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
        (_convolution, "'0.weight' has shape (2, 2, 3, 3), like a convolution"),
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


# As conftest.py has it for the tests themselves: most of the time of a small report is compilation.
QUICKLY = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


def test_the_library_works_without_matplotlib():
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(name, name="matplotlib")
sys.meta_path.insert(0, Block())
import bnlib as bn
report = bn.report(bn.from_layers([([[1.0]], None)] * 4), [[1.0]])
print(report.rank)
try:
    report.plot()
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], env=QUICKLY, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1", "Figures need the package matplotlib: pip install matplotlib."]


def run_module(*arguments):
    command = [sys.executable, "-m", "bnlib", *map(str, arguments)]
    return subprocess.run(command, env=QUICKLY, capture_output=True, text=True, check=False)


def test_module_runs_and_its_exit_status_says_whether_it_could(files):
    weights, inputs = files
    good = run_module("report", weights, "--inputs", inputs)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.split("\n\n")[1] == "d_in 3, d_out 3, depth 3, width 6, float64, 6 inputs"
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
    np.savez(weights, **{"0.weight": np.eye(3), "0.scale": np.ones(3)})


def _orphan(weights, inputs):
    np.savez(weights, **{"0.weight": np.eye(3), "2.bias": np.zeros(3)})


def _unchained(weights, inputs):
    np.savez(weights, **{"0.weight": np.ones((4, 3)), "2.weight": np.ones((3, 5))})


def _nan(weights, inputs):
    np.savez(weights, **{"0.weight": np.full((3, 3), np.nan)})


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


def _inputs_pixels(weights, inputs):
    np.savez(inputs, X=np.full((2, 3), 255, np.uint8))


def _inputs_infinite(weights, inputs):
    np.savez(inputs, X=np.full((2, 3), np.inf))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_text, "Cannot read arrays"),
        (_one_array, "X must have shape (N, 2)"),
        (_empty, "it is empty"),
        (_folder, "Cannot read arrays"),
        (_damaged_middle, "Cannot read arrays"),
        (_damaged_compressed, "Cannot read arrays"),
        (_wrong_key, "'0.scale' has shape (3,), like a part of a normalisation layer"),
        (_orphan, "'2.bias': these are vectors without a matrix"),
        (_unchained, "'2.weight' of shape (3, 5) cannot follow '0.weight' of shape (4, 3)"),
        (_nan, "W of layer 1 must be finite"),
        (_strings, "must hold real numbers, but its type is <U1"),
        (_no_arrays, "There is no weight matrix among the arrays []"),
        (_inputs_truncated, "Cannot read arrays"),
        (_inputs_missing, "Cannot read arrays"),
        (_inputs_pickled, "Cannot read arrays"),
        (_inputs_nan, "X must be finite"),
        (_inputs_one, "X must have shape (N, 3)"),
        (_inputs_pixels, "X holds integers"),
        (_inputs_infinite, "X must be finite"),
    ],
)
def test_other_bad_files_give_one_sentence(files, capsys, damage, message):
    test_bad_files_give_one_sentence(files, capsys, damage, message)


def test_report_measures_the_theorem_where_the_jacobian_has_the_rank():
    net = bn.from_layers([(2 * np.eye(2), None)] * 4)
    r = bn.report(net, np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert (r.rank, r.decided, r.imbalance) == (2, True, 0.0)
    assert r.lhs == pytest.approx(8.0)
    assert r.rhs == pytest.approx(32 - 8 - 2 * np.log(256.0))
    assert r.lhs <= r.rhs
    assert r.ntk_trace == pytest.approx(float(np.mean(bn.ntk_trace(net, [[1.0, 2.0], [2.0, 1.0]]))))
    gated = bn.report(net, np.array([[1.0, -2.0]]))
    assert (gated.rank, gated.k) == (2, 1)
    assert gated.lhs <= gated.rhs
    dead = bn.report(net, np.array([[-1.0, -2.0]]))
    assert (dead.k, dead.lhs, dead.rhs) == (0, None, None)
    assert "not evaluated" in str(dead)


def test_the_theorem_is_evaluated_at_equally_spaced_inputs(monkeypatch):
    monkeypatch.setattr(sys.modules["bnlib.measure.measures"], "CERTIFIED", 3)
    net, X = fixed_net(), FIXED_X[:5]
    r = bn.report(net, X)
    assert r.lhs == pytest.approx(np.median(bn.bottleneck_certificate(net, X[[0, 2, 4]], r.k).lhs))
    assert r.ntk_trace == pytest.approx(float(np.mean(bn.ntk_trace(net, X[[0, 2, 4]]))))


def diagonal(*values):
    return bn.from_layers([(np.diag(values), None)] * 4)


def test_ranks_by_layer():
    values, X = np.array([1.0, 0.75, 0.25, 0.0]), 1.0 + np.eye(4)
    r = bn.report(diagonal(*values), X)
    weight = r.weight_ranks[2]
    assert (weight.rank, weight.gap, weight.numerical_rank, weight.decided) == (2, 0.5, 3, True)
    feature = r.representation_ranks[1]
    s = np.linalg.svd(X * values**2, compute_uv=False)
    assert np.linalg.norm(s[1:]) > 0.1 * np.linalg.norm(s) >= np.linalg.norm(s[2:])
    assert (feature.rank, feature.numerical_rank, feature.decided) == (2, 3, True)
    assert feature.gap == pytest.approx((s[1] - s[2]) / s[0])
    assert (len(r.weight_ranks), len(r.representation_ranks)) == (4, 3)


def test_a_rank_at_rounding_is_undecided():
    r = bn.report(diagonal(1.0, 1e-14), [[1.0, 1.0]])
    weight = r.weight_ranks[0]
    assert (weight.numerical_rank, weight.decided) == (2, False)
    assert weight.numerical_gap == pytest.approx(1e-14 / (2 * np.finfo(float).eps))
    assert " 2?" in r.text(numerical=True)
    assert "?" not in str(r)


def test_rounding_is_that_of_the_type_of_the_weights():
    values, X = np.array([1.0, 1e-8]), np.ones((1, 2))
    assert bn.report(diagonal(*values), X).weight_ranks[0].numerical_rank == 2
    assert bn.report(diagonal(*values.astype(np.float32)), X).weight_ranks[0].numerical_rank == 1


def test_a_network_of_zeros_is_reported():
    r = bn.report(diagonal(0.0, 0.0), [[1.0, 1.0]])
    assert (r.rank, r.squared_norm, r.certified_gap, r.k) == (0, 0.0, 0.0, 0)
    assert r.weight_ranks[0].numerical_rank == r.representation_ranks[0].rank == 0
    assert json.loads(r.to_json())["weight_ranks"][0]["numerical_gap"] is None


def test_lines_fit_into_seventy_characters():
    big = bn.from_layers([(1e9 * W, b) for W, b in fixed_net().layers])
    for net in (fixed_net(), big, diagonal(1e-200, 0.0, 1e-200), diagonal(1e40, 1e40, 1e-40)):
        r = bn.report(net, FIXED_X)
        for text in (str(r), r.text(numerical=True)):
            assert max(len(line) for line in text.splitlines() if not line.startswith("https://")) <= 70
            assert all(re.match(r"\S+ \S|.*  \S|\S+$", line[19:] or "x") for line in _numbers(text)), text


def _numbers(text):
    """Return the lines that hold a number between its name and its meaning."""
    names = ("squared norm ", "  ", "largest", "bottleneck ", "tangent")
    block = text[text.index("squared norm ") : text.index("rank by layer")]
    return [line for line in block.splitlines() if line.startswith(names) and not line.startswith("   ")]


def test_json_holds_the_report(tmp_path):
    r = bn.report(fixed_net(), FIXED_X)
    file = tmp_path / "report.json"
    file.write_text("old")
    assert r.to_json(file) + "\n" == file.read_text()
    found = json.loads(file.read_text())
    assert found["squared_norm"] == r.squared_norm
    assert (found["verdict"], found["bottleneck"], found["words"]) == (r.verdict, r.bottleneck, r.words)
    assert found["certified_gap"] == r.certified_gap == bn.optimality_gap(fixed_net(), FIXED_X)
    np.testing.assert_array_equal(found["representations"], r.representations)
    assert found["weight_ranks"] == [rank._asdict() for rank in r.weight_ranks]
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    matplotlib.use("agg")
    r = bn.report(fixed_net(), FIXED_X)
    with pytest.raises(ValueError, match=r"^Cannot write '.*no-folder.*': No such file or directory\.$"):
        r.to_json(tmp_path / "no-folder" / "report.json")
    with pytest.raises(ValueError, match=r"^Cannot write '.*figure\.xyz'"):
        r.plot(tmp_path / "figure.xyz")
    assert list(tmp_path.iterdir()) == []
    matplotlib.pyplot.close("all")


def test_command_line_stores_json_and_figure(files, tmp_path, capsys):
    matplotlib.use("agg")
    data, figure, page = tmp_path / "r.json", tmp_path / "r.png", tmp_path / "r.html"
    given = (files[0], "--inputs", files[1], "--json", data, "--figure", figure, "--html", page)
    command = ["report", *map(str, given)]
    assert main(command) == 0
    assert page.read_text(encoding="utf-8") == bn.report(files[0], FIXED_X).to_html()
    assert json.loads(data.read_text())["rank"] == bn.report(fixed_net(), FIXED_X).rank
    assert figure.read_bytes().startswith(b"\x89PNG")
    command[command.index(str(data))] = str(tmp_path / "none" / "r.json")
    assert main(command) == 2
    assert capsys.readouterr().err.count("\n") == 1
    matplotlib.pyplot.close("all")


def test_report_takes_parameters_of_other_libraries():
    layers = [{"kernel": np.asarray(W).T, "bias": np.asarray(b)} for W, b in fixed_net().layers]
    assert _without_reading(str(bn.report(layers, FIXED_X))) == str(bn.report(fixed_net(), FIXED_X))


def test_report_says_undecided():
    net = bn.from_layers([(np.diag([1.0, s]), None) for s in (1.0, 1.0, 0.3, 0.6, 1.0, 1.0)])
    assert "undecided" in str(bn.report(net, [[1.0, 1.0], [1.0, 2.0]]))


def test_report_draws_weights_and_representations():
    matplotlib.use("agg")
    figure = bn.report(fixed_net(), FIXED_X).plot()
    assert [axis.get_title() for axis in figure.axes] == ["Weights", "Representations"]
    matplotlib.pyplot.close(figure)


@pytest.mark.parametrize(("rank", "entries"), [(1, ["largest 1", "the others"]), (12, ["largest 8"])])
def test_the_legend_counts_what_is_drawn(rank, entries):
    """All singular values above 1/2, more than are drawn, are no bottleneck and have no colour of their own."""
    matplotlib.use("agg")
    values = np.where(np.arange(12) < rank, 1.0, 0.1)
    figure = bn.report(diagonal(*values), 1.0 + np.eye(12)).plot()
    legend = figure.axes[1].get_legend()
    assert sorted(text.get_text() for text in legend.get_texts()) == entries
    assert legend.get_title().get_text() == "8 of 12 drawn"
    assert len(figure.axes[0].get_lines()) == 8
    matplotlib.pyplot.close(figure)


# The example of the page book/your_network.md.


@pytest.fixture(scope="module")
def example():
    return {name: digits_mlp.measure(name) for name in digits_mlp.DECAY}


@pytest.mark.parametrize("name", digits_mlp.DECAY)
def test_the_page_shows_the_report_on_the_stored_weights(example, name):
    shown = (digits_mlp.SHOWN / f"{name}.txt").read_text(encoding="utf-8")
    assert shown == f"{example[name][0]}\n"
    assert (digits_mlp.SHOWN / f"{name}.png").exists()


def test_the_page_shows_the_stored_trainings(example):
    table = digits_mlp.training_table({name: share for name, (_, share) in example.items()})
    assert (digits_mlp.SHOWN / "trainings.txt").read_text(encoding="utf-8") == table


def test_what_the_page_says_in_words(example):
    plain, penalty = (example[name][0] for name in ("plain", "penalty"))
    assert {rank.rank for rank in plain.weight_ranks[:-1]} == {plain.width}
    assert plain.representation_ranks[-1].rank < 10 == plain.k
    assert penalty.decided
    assert {rank.rank for rank in penalty.weight_ranks[1:-1]} == {penalty.rank}
    assert penalty.words["spectrum"].endswith(f"in each exactly {penalty.rank} are above 1/2.")
    assert "too large" in plain.words["spectrum"]
    assert all("it says little here" in r.words["theorem"] for r in (plain, penalty))
    assert penalty.certified_gap < 0.2 * penalty.squared_norm < plain.certified_gap < plain.squared_norm
    assert {rank.rank for rank in penalty.representation_ranks[1:]} == {penalty.rank}
    assert round(plain.squared_norm / penalty.squared_norm) == 9


def test_the_stored_example_is_what_its_manifest_says():
    manifest = json.loads((digits_mlp.STORED / "manifest.json").read_text(encoding="utf-8"))
    files = {path.name: path for path in digits_mlp.STORED.iterdir() if path.suffix != ".json"}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == manifest["sha256"]
    assert {name: training["weight_decay"] for name, training in manifest["trainings"].items()} == digits_mlp.DECAY
    X, classes = digits_mlp.digits()
    inputs = load_arrays(files["inputs.npz"])
    np.testing.assert_array_equal(inputs["X"], X[digits_mlp.TRAINING :])
    np.testing.assert_array_equal(inputs["classes"], classes[digits_mlp.TRAINING :])
