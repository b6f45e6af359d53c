"""Checkpoints of a training in one call: from folders, patterns, lists and pairs, with the right steps, or refused."""

import json
import tracemalloc

import matplotlib
import numpy as np
import pytest

import bnlib as bn
from bnlib.measure.checkpoint_series import steps_of
from strategies import FIXED_X, fixed_net

SHRUNK = {0: 1.0, 90: 0.5, 1000: 0.25}  # factor of the weights by step


def net_at(step):
    return bn.from_layers([(SHRUNK[step] * W, b) for W, b in fixed_net().layers])


def states():
    return {step: bn.to_torch_state(net_at(step)) for step in SHRUNK}


@pytest.fixture
def folder(tmp_path):
    for step, state in states().items():
        np.savez(tmp_path / f"net_{step}.npz", **state)
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / ".net_5.npz").write_bytes(b"")
    return tmp_path


def check(curves):
    assert curves.steps.tolist() == list(SHRUNK)
    for i, step in enumerate(SHRUNK):
        net = net_at(step)
        assert (curves.rank[i], curves.gap[i], curves.decided[i]) == bn.bottleneck_rank(net, FIXED_X)
        assert curves.squared_norm[i] == pytest.approx(float(bn.squared_norm(net)))
        assert curves.lower_bound[i] == pytest.approx(bn.lower_bound(net, FIXED_X))
        np.testing.assert_allclose(curves.weights[i], bn.weight_singular_values(net))
        np.testing.assert_allclose(curves.representations[i], bn.representation_singular_values(net, FIXED_X))


def test_all_ways_to_give_checkpoints(folder):
    files = sorted(folder.glob("net_*.npz"))  # as letters sort them: 0, 1000, 90
    assert [path.name for path in files] == ["net_0.npz", "net_1000.npz", "net_90.npz"]
    nets = [net_at(step) for step in SHRUNK]
    for given, steps in [
        (folder, None),
        (str(folder), None),
        (str(folder / "net_*.npz"), None),
        (files, None),
        (iter(map(str, files)), None),
        (states().items(), None),
        (list(states().values()), list(SHRUNK)),
        ((state for state in states().values()), iter(SHRUNK)),
        (nets, list(SHRUNK)),
        (nets[::-1], list(SHRUNK)[::-1]),
        (files, [0, 1000, 90]),
    ]:
        check(bn.trajectory(given, FIXED_X, steps=steps))


def test_steps_are_counted_where_nothing_tells_them():
    assert bn.trajectory(list(states().values()), FIXED_X).steps.tolist() == [0, 1, 2]


def test_parameters_are_read_as_they_are_said_to_be():
    square = np.random.default_rng(0).normal(size=(3, 3, 3))
    turned = bn.trajectory([list(square)], FIXED_X, layout="in_out")
    plain = bn.trajectory([list(square)], FIXED_X, layout="out_in")
    assert turned.lower_bound[0] != pytest.approx(plain.lower_bound[0])
    assert plain.notes == ()
    slope = bn.trajectory([list(square)], FIXED_X, layout="out_in", negative_slope=0.5)
    assert slope.lower_bound[0] != pytest.approx(plain.lower_bound[0])


def test_an_open_reading_is_announced_in_the_first_lines():
    square = list(np.random.default_rng(0).normal(size=(3, 3, 3)))
    curves = bn.trajectory([square, square], FIXED_X)
    assert len(curves.notes) == 1
    assert str(curves).startswith("=> More than one reading fits the arrays")


def test_weights_stored_in_float64_are_judged_in_float64(folder):
    wide = bn.trajectory(folder, FIXED_X).weights[0]
    exact = np.array([np.linalg.svd(np.asarray(W), compute_uv=False)[:3] for W, _ in net_at(0).layers])
    np.testing.assert_allclose(wide[:, :3], exact, rtol=1e-13)


def test_files_are_read_one_at_a_time(tmp_path):
    rng, width = np.random.default_rng(0), 200
    layers = [rng.normal(size=s) for s in ((width, 3), (width, width), (width, width), (3, width))]
    for i in range(6):
        np.savez(tmp_path / f"{i}.npz", *layers)
    peaks = []
    for count in (1, 6):
        tracemalloc.start()
        bn.trajectory([tmp_path / f"{i}.npz" for i in range(count)], FIXED_X, layout="out_in")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Five further networks would need as many times their size; only their spectra are kept.
    assert peaks[1] - peaks[0] < sum(W.nbytes for W in layers)


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (["a_1.npz", "a_20.npz"], [1, 20]),
        (["net_20.npz", "net_100.npz"], [20, 100]),
        (["checkpoint-500/model.safetensors", "checkpoint-1000/model.safetensors"], [500, 1000]),
        (["run3_step10.weights.h5", "run3_step20.weights.h5"], [10, 20]),
        (["epoch=2-step=30.npz", "epoch=3-step=45.npz"], [30, 45]),
        (["epoch_1_loss_0.5.npz", "epoch_2_loss_0.25.npz"], [1, 2]),
        (["v2_Step_7.npz", "Step_8.npz"], [7, 8]),
        (["ridge_0.05.npz", "ridge_0.1.npz"], [0.05, 0.1]),
        (["lr1e-3.npz", "lr1e-2.npz"], [1e-3, 1e-2]),
        (["step_007.npz"], [7]),
        (["iteration12_x3.npz", "iteration13_x4.npz"], [12, 13]),
        (["first.npz", "last.npz"], None),
        (["run1/first.npz", "run1/last.npz"], None),
    ],
)
def test_steps_of_names(names, steps):
    assert steps_of(names) == steps


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["step_1.npz", "final.npz"], "'final.npz' holds no number"),
        (["1_of_3.npz", "2_of_5.npz"], "say by steps= what counts"),
        (["1.npz", "2_of_3.npz"], "say by steps= what counts"),
    ],
)
def test_steps_that_names_do_not_tell_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        steps_of(names)


def other(width):
    rng = np.random.default_rng(1)
    return [rng.normal(size=s) for s in ((width, 3), (width, width), (3, width))]


@pytest.mark.parametrize(
    ("given", "steps", "message"),
    [
        ([], None, "no checkpoints"),
        ({}, None, "mapping"),
        ({0: other(4), 1: other(4)}, None, "mapping"),
        (fixed_net(), None, "one Network"),
        (3, None, "must be a list, but it is a int"),
        (fixed_net().layers, None, "At 'checkpoint 1': .*one layer"),
        ([other(4), other(5)], None, "At 'checkpoint 2': .*one architecture.*width 5.*'checkpoint 1' has.*width 4"),
        ([other(4), other(4)], [0], "fewer steps"),
        ([other(4)], [0, 1], "more steps"),
        ([other(4), other(4)], [3, 3], "Step 3 is recorded already"),
        ([other(4)], [float("nan")], "finite number"),
        ([other(4)], ["first"], "finite number"),
        ([(0, other(4)), other(4)], None, "checkpoint 2 is none"),
        ([other(4), [np.full_like(W, np.nan) for W in other(4)]], None, "At 'checkpoint 2': .*finite"),
    ],
)
def test_what_is_no_trajectory_is_refused(given, steps, message):
    with pytest.raises(ValueError, match=message):
        bn.trajectory(given, FIXED_X, steps=steps)


def test_files_that_are_none_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="No file fits the pattern"):
        bn.trajectory(str(folder / "other_*.npz"), FIXED_X)
    with pytest.raises(ValueError, match=r"Cannot read arrays from .*nothing\.npz"):
        bn.trajectory(folder / "nothing.npz", FIXED_X)
    np.savez(folder / "inputs.npz", X=FIXED_X)
    with pytest.raises(ValueError, match=r"'inputs\.npz' holds no number"):
        bn.trajectory(folder, FIXED_X)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no file of weights"):
        bn.trajectory(tmp_path / "empty", FIXED_X)
    (folder / "net_7.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"net_7\.npz"):
        bn.trajectory(str(folder / "net_*.npz"), FIXED_X)


def shown(count=3, scale=1.0):
    nets = [bn.from_layers([(scale * W, b) for W, b in fixed_net().layers])] * count
    return bn.trajectory(nets, FIXED_X, steps=[10**9 * i for i in range(count)])


def test_a_table_fits_into_seventy_characters(folder):
    for curves in (bn.trajectory(folder, FIXED_X), shown(), shown(1, 1e20), shown(scale=1e-20)):
        assert max(map(len, str(curves).splitlines())) <= 70


def test_a_long_series_is_shown_at_equal_distances():
    text = str(shown(60))
    assert "(40 of 60 steps)" in text
    assert len([line for line in text.splitlines() if " %  " in line]) == 40


def test_the_words_say_since_when():
    def at(*values):
        return bn.from_layers([(np.diag(values), None)] * 4)

    X = np.array([[1.0, 2.0], [2.0, 1.0]])
    full, faint, low = at(1.0, 1.0), at(1.0, 0.4), at(1.0, 0.0)
    words = bn.trajectory([full, faint, low], X, steps=[0, 5, 9]).words
    assert words["rank"].startswith("The rank is 1 from step 5 on")
    assert bn.trajectory([full, low], X).words["rank"] == "The rank is 1 from step 1 on, and decided."
    assert bn.trajectory([low, full, low], X).words["rank"] == "The rank is 1 from step 2 on, and decided."
    assert bn.trajectory([full], X).words["rank"] == "The rank is the width (2) at every step: no bottleneck."
    half = bn.trajectory([full, at(0.8, 0.4)], X)
    assert half.words["rank"] == "The rank is 1 from step 1 on, and undecided at the end."
    assert "1?" in str(half)
    flat = bn.trajectory([[np.eye(2)] * 2], X)
    assert "no middle" in str(flat)
    assert json.loads(flat.to_json())["rank"] is None


def test_json_holds_the_curves(folder, tmp_path):
    curves, file = bn.trajectory(folder, FIXED_X), tmp_path / "curves.json"
    assert curves.to_json(file) + "\n" == file.read_text()
    found = json.loads(file.read_text())
    assert (found["steps"], found["names"]) == (list(SHRUNK), [f"net_{step}.npz" for step in SHRUNK])
    np.testing.assert_array_equal(found["weights"], curves.weights)
    assert found["words"] == curves.words
    assert not list(tmp_path.glob(".*.part"))


def test_the_figure_has_a_panel_for_each_curve(folder, tmp_path):
    matplotlib.use("agg")
    curves = bn.trajectory(folder, FIXED_X)
    figure = curves.plot(tmp_path / "curves.png")
    assert [axis.get_ylabel() for axis in figure.axes] == ["rank", "squared norm", "relative\nimbalance"]
    assert figure.get_figwidth() <= 5  # at the width of a phone letters stay above half of their size
    drawn = [line.get_ydata().tolist() for line in figure.axes[1].lines]
    assert drawn == [curves.squared_norm.tolist(), curves.lower_bound.tolist()]
    markers = {line.get_label(): len(line.get_xdata()) for line in figure.axes[0].lines[1:]}
    assert markers == {"decided": int(sum(curves.decided)), "undecided": int(sum(~curves.decided))}
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"^Cannot write"):
        curves.plot(tmp_path / "none" / "curves.png")
    with pytest.raises(ValueError, match=r"^Cannot write"):
        curves.plot(tmp_path / "curves.xyz")
    assert not list(tmp_path.glob(".*.part"))
    matplotlib.pyplot.close("all")
