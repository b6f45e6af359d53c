"""What trainings, sweeps and reports decide around their programs, at the thresholds, without training."""

import inspect
import sys
import warnings
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import bnlib as bn
import engine
from bnlib.measure import layer_ranks
from bnlib.training import lbfgs, objective, outcome, phases, run, sweeps, trajectory

POINT = jnp.zeros((1, 1))


def one_neuron(incoming, outgoing):
    return bn.from_layers([([[incoming]], None), (np.array([outgoing]).T, None)])


def summary(net, history, Y=None, variance=0.0):
    Y = jnp.zeros((1, net.d_out)) if Y is None else jnp.asarray(Y)
    return outcome.summarise(net, np.asarray(history, float), 0.0, POINT, Y, 0.0, variance)


# Verdicts of a training.


@pytest.mark.parametrize(
    ("ridge", "depth", "warns"), [(0.5, 2, False), (0.5, 3, True), (1.0, 1, False), (np.nextafter(1.0, 2), 1, True)]
)
def test_a_constant_is_foreseen_where_one_dimension_costs_more_than_the_variance(ridge, depth, warns):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert outcome.foresee(jnp.array([[1.0], [-1.0]]), ridge, depth) == 1.0
    assert ["expect a constant function" in str(w.message) for w in caught] == [True] * warns


@pytest.mark.parametrize("sign", [1, -1], ids=["falls", "rises"])
@pytest.mark.parametrize("size", [1e-6, 1e3])
def test_a_thousandth_in_a_hundred_values_is_convergence(sign, size):
    net = one_neuron(1.0, [1.0])
    for change, converged in ((0.999e-3, True), (1.001e-3, False)):
        found = summary(net, size * np.array([1 + sign * change] + [1.0] * 99))
        assert found.decrease == pytest.approx(sign * change, rel=1e-9)
        assert found.converged == converged
    at = summary(net, [1000 + sign] + [1000] * 99)
    assert (at.decrease, at.converged) == (sign * 1e-3, True)


@pytest.mark.parametrize(("outgoing", "converged"), [([9, 4, 1, 1], True), ([9, 4, 1], False)])
def test_a_hundredth_is_balance(outgoing, converged):
    found = summary(one_neuron(10.0, np.array(outgoing, float)), np.ones(100))
    assert found.imbalance == (100 - np.sum(np.square(outgoing))) / 100
    assert found.converged == converged


def test_imbalance_is_relative_to_the_largest_neuron_of_any_hidden_layer():
    """Its incoming norm is 1 + 9; layer one has 1, and the output, which is no hidden neuron, 16 + 25."""
    net = bn.from_layers([([[1.0]], None), ([[1.0]], [3.0]), ([[4.0]], [5.0])])
    assert outcome.relative_imbalance(net) == pytest.approx((16 - 10) / 10)


def test_collapse_is_a_hundredth_of_the_variance_and_settles_within_a_hundredth():
    zeros, Y = bn.from_layers([(np.zeros((1, 1)), None), (np.zeros((4, 1)), None)]), [[9.0, 4.0, 1.0, 1.0]]
    assert not summary(zeros, np.ones(100), Y, 100.0).collapsed  # 99 is no more than 0.99 times 100
    for size in (1e-3, 1e3):
        with pytest.warns(UserWarning, match="from about step 2 on"):
            assert summary(zeros, size * np.array([3.0, 2.0, 1.009, 1.0]), Y, 99.9).collapsed


def test_probabilities_sum_to_one_up_to_a_hundred_thousandth():
    good = np.array([[0.25, 0.75]])
    for off in (9e-6, -9e-6):
        objective.targets(good + np.array([0.0, off]), 2, "cross-entropy")
    for off in (1.1e-5, -1.1e-5):
        with pytest.raises(ValueError, match=f"row 1 has the sum {1 + off:.6g}"):
            objective.targets(np.vstack([good, good + np.array([0.0, off]), 2 * good]), 2, "cross-entropy")


# Phases, rounds and the race.


def test_chunks_of_adam_add_up_to_its_steps():
    assert phases.CHUNK % phases.REBALANCE == 0  # a chunk begins where rebalancing does
    for steps in (0, 1, 499, 500, 501, 1200):
        chunks = phases.schedule(steps, ())
        assert [chunk.begin for chunk in chunks] == list(range(0, steps, 500))
        assert [chunk.steps for chunk in chunks[:-1]] == [500] * (len(chunks) - 1)
        assert sum(chunk.steps for chunk in chunks) == steps == phases.first_order(chunks)


def test_a_round_of_polishing_is_left_out_where_an_equal_one_ended_flat():
    def left_out(done, smoothed, name="polish"):
        rounds = phases.schedule(0, ((0.01, 20),) * 2 + ((0.0, 20),) * 2, name)
        at = SimpleNamespace(done=done, phases=rounds, smoothed=smoothed)
        return trajectory.Trajectory._flat(at, rounds[done])

    assert left_out(1, trajectory.FLAT)
    assert not left_out(1, np.nextafter(trajectory.FLAT, 1))
    assert [left_out(done, 0.0) for done in range(4)] == [False, True, False, False]
    assert not left_out(1, 0.0, "stages")


def test_a_race_compares_equal_stages():
    """A run that comes from a checkpoint has the history of later stages too."""
    done = SimpleNamespace(phases=phases.schedule(0, ((0.01, 2), (0.0, 3))), history=np.arange(5.0))
    assert [trajectory.Trajectory.objective(done, stop) for stop in (1, 2)] == [1.0, 4.0]


def test_margins_of_the_race_narrow_from_stage_to_stage():
    for slow, reached in (
        ((1.5, 1.05, 1.0, 1.001), 4),
        ((1.501, 1.0, 1.0, 0.1), 1),
        ((1.5, 1.051, 1.0, 0.1), 2),
        ((1.5, 1.05, 1.001, 0.1), 3),
    ):
        runs = {1: engine.Runner(*slow), 2: engine.Runner(1.0, 1.0, 1.0, 1.0)}
        assert run._race(runs) == (runs[2], ((1, slow[reached - 1]), (2, 1.0)))
        assert runs[1].reached == reached


# What L-BFGS is given, and what is made of it.


def test_memory_has_its_defaults(monkeypatch):
    given = []

    def stub(net, x, y, lam, width, steps, memory, flattest, loss):
        given.append((memory, flattest))
        return net, jnp.ones(steps), jnp.ones(())

    monkeypatch.setattr(phases, "quasi_newton", stub)
    for kind, width, memory in (("stages", 0.1, None), ("polish", 0.1, None), ("polish", 0.0, None), ("stages", 0, 7)):
        phase = phases.Phase(kind, 0, width, 5, 5)
        gradient = phases.run_phase(phase, (one_neuron(1.0, [1.0]), None), POINT, POINT, 0.1, 0.1, memory, "squared")
        assert (gradient[2] is None) == (width == 0)
    assert given == [(50, False), (100, True), (100, False), (7, False)]


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_gradients_are_relative_to_that_of_the_ridge(monkeypatch, ridge):
    """And memory is what fits, but ten pairs at least."""
    net, kept = bn.from_layers([([[2.0, 1.0]], [2.0])], negative_slope=1.0), []  # its norm is 3

    def stub(objective, x, steps, memory):
        kept.append(memory)
        return lbfgs.Minimum(x, 2 * x, jnp.asarray(0.5), jnp.ones(steps), jnp.zeros((), int))

    monkeypatch.setattr(lbfgs, "minimize", stub)

    def ended(memory, flattest):
        given = (jnp.array([[1.0, 0.0]]), jnp.array([[1.0]]), jnp.asarray(ridge), jnp.asarray(0.0), 5, memory, flattest)
        return phases.quasi_newton.__wrapped__(net, *given)

    for pairs, memories in ((2**26, [10, 10, 11, 500]), (3 * 40, [10, 10, 11, 40]), (3 * 9, [10] * 4)):
        monkeypatch.setattr(phases, "PAIRS", pairs)
        kept.clear()
        lengths = [float(ended(memory, flattest=True)[2]) for memory in (1, 10, 11, 500)]
        assert kept == memories
    assert lengths == pytest.approx([0.5 / (2 * ridge * 6) if ridge else 0.5] * 4)
    # At the last point: 2 r (x, 1) of the residual 3, and 2 ridge (W, b).
    gradient = 6 * np.array([1.0, 0.0, 1.0]) + 2 * ridge * np.array([2.0, 1.0, 2.0])
    assert ended(50, flattest=False)[2] == pytest.approx(np.linalg.norm(gradient) / (2 * ridge * 3 if ridge else 1))


# Sweeps.


def test_a_batch_has_the_defaults_of_a_single_training():
    single, batch = (inspect.signature(f).parameters for f in (bn.train, sweeps._batch))
    assert {name: single[name].default for name in batch if name not in ("group", "given")} == {
        name: parameter.default for name, parameter in batch.items() if parameter.default is not parameter.empty
    }


def test_settings_of_zero_are_settings(monkeypatch):
    given = []
    monkeypatch.setattr(sweeps, "train", lambda *_, **settings: given.append(settings))
    zeros = {"first_order_steps": 0, "learning_rate": 0.0, "stages": ()}
    bn.sweep([(engine.start(), *engine.data(), 0.0)], **zeros, depth=None, polish=(), checkpoint=None)
    assert given == [zeros]


# Reports.


@pytest.fixture
def spectra_alone(monkeypatch):
    """Leave out of reports what is no rank of a layer, and takes a program of its own."""
    module = sys.modules["bnlib.measure.measures"]
    monkeypatch.setattr(module, "lower_bound", lambda *_: 0.0)
    monkeypatch.setattr(module, "ntk_trace", lambda *_: np.ones(1))
    monkeypatch.setattr(module, "bottleneck_certificate", lambda *_: SimpleNamespace(lhs=np.ones(1), rhs=np.ones(1)))
    return module


def test_thresholds_of_the_ranks_by_layer(spectra_alone):
    """A tenth of the norm is enough; a half, a size of rounding and a ratio of 1000 are not, and no unit matters."""
    for size in (1e-9, 1.0, 1e9):
        assert layer_ranks.dimensions(size * np.array([9.0, 4.0, 1.0, 1.0, 1.0])) == 4
        assert layer_ranks.dimensions(size * np.array([9.0, 4.0, 1.0, 1.0, 1.01])) == 5
        at, above = (layer_ranks.layer_rank(size * np.array([1.0, s]), 1, size, 1e-3) for s in (1e-3, 1.1e-3))
        assert (at.numerical_rank, at.numerical_gap, at.decided) == (1, pytest.approx(1000.0), False)
        assert (above.numerical_rank, above.numerical_gap, above.decided) == (2, pytest.approx(1.1), False)
    assert layer_ranks.layer_rank(np.array([1.0]), 1, 1.0, 1e-3)[3:] == (1000.0, False)
    halves = bn.from_layers([(np.diag([1.0, 0.5]), None)] * 4)
    assert bn.report(halves, [[1.0, 1.0]]).weight_ranks[1].rank == 1


def test_rounding_adds_up_over_layers_and_over_the_longer_side(spectra_alone):
    """By eps times the larger size, and in the features of layer l by l times that."""
    eps, found = np.finfo(float).eps, []
    net = bn.from_layers([(np.diag([1.0, 1e-12]), None)] + [(np.eye(2), None)] * 3)
    for inputs in (1, 7):
        r = bn.report(net, np.tile([[1.0, 0.0]], (inputs, 1)))
        assert r.weight_ranks[0].numerical_gap == pytest.approx(1e-12 / (2 * eps))
        found.append([rank.numerical_gap * eps for rank in r.representation_ranks])
    np.testing.assert_allclose(found, [1 / (2 * np.arange(1, 4)), 1 / (7 * np.arange(1, 4))], rtol=1e-12)
