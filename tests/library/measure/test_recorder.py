"""Recording from inside of a loop, whatever the framework."""

import jax
import numpy as np
import optax
import pytest

import bnlib as bn
from models import linear, part, sequential
from strategies import FIXED_X, fixed_net


def state(scale=1.0):
    return {name: scale * a for name, a in bn.to_torch_state(fixed_net()).items()}


def test_it_records_every_so_many_steps():
    recorder = bn.Recorder(FIXED_X, every=3)
    for step in range(8):
        assert recorder(step, state(1 / (step + 1))) is None
    curves = recorder.curves
    assert curves.steps.tolist() == [0, 3, 6]
    assert curves.lower_bound is None
    whole = bn.trajectory([state(1 / (step + 1)) for step in (0, 3, 6)], FIXED_X, steps=[0, 3, 6])
    for name in ("rank", "gap", "decided", "squared_norm", "relative_imbalance", "weights", "representations"):
        np.testing.assert_array_equal(getattr(curves, name), getattr(whole, name))
    assert "certified" in str(curves)
    recorder.record(7, state(0.1), name="end")
    assert (recorder.curves.steps[-1], recorder.curves.names[-1]) == (7, "end")


def test_parameters_may_change_after_they_are_recorded():
    arrays, recorder = state(), bn.Recorder(FIXED_X, every=1)
    recorder(0, arrays)
    before = recorder.curves.weights.copy()
    for a in arrays.values():
        a *= 2.0
    recorder(1, arrays)
    np.testing.assert_array_equal(recorder.curves.weights[0], before[0])
    np.testing.assert_allclose(recorder.curves.weights[1], 2 * before[0])


def test_it_takes_a_sample_of_the_inputs_at_equal_distances():
    many = np.random.default_rng(0).normal(size=(101, 3))
    few, every = bn.Recorder(many, sample=11), bn.Recorder(many, sample=None, bound=True)
    for recorder in (few, every):
        recorder(0, fixed_net())
    assert (few.curves.inputs, every.curves.inputs) == (11, 101)
    np.testing.assert_allclose(
        few.curves.representations[0], bn.representation_singular_values(fixed_net(), many[::10]), rtol=1e-9
    )
    assert every.curves.lower_bound.tolist() == [bn.lower_bound(fixed_net(), many)]
    assert bn.Recorder(many).X.shape == (101, 3)


def test_a_loop_of_optax():
    net, adam = fixed_net(), optax.adam(1e-2)
    recorder, opt = bn.Recorder(FIXED_X, every=2), adam.init(net)

    @jax.jit
    def update(net, opt):
        change, opt = adam.update(jax.grad(bn.squared_norm)(net), opt)
        return optax.apply_updates(net, change), opt

    for step in range(5):
        recorder(jax.numpy.asarray(step), net)
        with jax.numpy_dtype_promotion("standard"):  # Adam counts in integers
            net, opt = update(net, opt)
    assert np.all(np.diff(recorder.curves.squared_norm) < 0)


def test_a_module_of_pytorch():
    layers = [(np.asarray(W), np.asarray(b)) for W, b in fixed_net().layers]
    relus = [part("ReLU"), part("ReLU")]
    parts = [linear(*layers[0]), relus[0], linear(*layers[1]), relus[1], linear(*layers[2])]
    recorder = bn.Recorder(FIXED_X)
    recorder(0, sequential(*parts))
    assert recorder.curves.squared_norm[0] == pytest.approx(float(bn.squared_norm(fixed_net())))


def test_compiled_programs_are_refused():
    recorder = bn.Recorder(FIXED_X, every=1)

    @jax.jit
    def update(net):
        recorder(0, net)
        return net

    with pytest.raises(ValueError, match="call it in the Python loop"):
        update(fixed_net())


def test_what_cannot_be_recorded_is_refused_with_its_step():
    recorder = bn.Recorder(FIXED_X, every=1)
    with pytest.raises(ValueError, match="Nothing is recorded"):
        _ = recorder.curves
    recorder(0, state())
    with pytest.raises(ValueError, match="Step 0 is recorded already"):
        recorder(0, state())
    with pytest.raises(ValueError, match=r"At 'step 1': .*finite"):
        recorder(1, state(np.nan))
    with pytest.raises(ValueError, match=r"At 'step 1': .*one architecture"):
        recorder(1, [np.ones((4, 3)), np.ones((4, 4)), np.ones((3, 4))])
    with pytest.raises(ValueError, match="step must be an integer"):
        recorder(0.5, state())
    for given in ({"every": 0}, {"sample": 0}, {"every": 2.5}):
        with pytest.raises(ValueError, match="must be an integer"):
            bn.Recorder(FIXED_X, **given)
    assert recorder.curves.steps.tolist() == [0]
