"""The settings of the experiments, their data, starts and schedules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnlib as bn
from bnlib import experiments
from bnlib.experiments import Setting
from bnlib.experiments.registry import EXPERIMENTS


def check_papers_settings(plan):
    j22 = plan("fig-j22")
    assert {(s.rank, s.depth, s.width, s.n) for s in j22} == {(4, 13, 100, 500)}
    assert {s.ridge * s.depth for s in j22} == {0.05}
    assert len(j22) >= 4
    data = experiments.task(j22[0])
    assert data.X.shape == data.Y.shape == (500, 50)

    j23 = plan("fig-j23")
    assert {(s.rank, s.width) for s in j23} == {(2, 200)}
    assert min(s.n for s in j23) >= 1000
    assert max(s.depth for s in j23) == 25
    assert len({s.depth for s in j23}) > 2
    assert len({s.ridge for s in j23}) > 2
    data = experiments.task(j23[0])
    assert (data.X.shape[1], data.Y.shape[1], data.latent.shape[1]) == (20, 20, 8)

    law = [s for s in plan("affine-law") if s.ridge == 0.002]
    assert {(s.width, s.n) for s in law} == {(40, 150)}
    assert {(s.rank, s.depth, s.seed) for s in law} == {
        (k, L, seed) for k in (1, 2, 3) for L in (6, 8, 10, 12, 16, 20, 24) for seed in range(8)
    }
    control = [s for s in plan("affine-law") if s.ridge != 0.002]
    assert np.ptp([s.ridge * s.depth for s in control]) < 1e-15
    assert {s.depth for s in control} == {6, 8, 10, 12, 16, 24}

    assert {(s.depth, s.width, s.ridge) for s in plan("symmetry")} == {(25, 200, 0.0002)}


def test_experiments_have_the_papers_settings():
    check_papers_settings(experiments.plan)
    for field, value in {"ridge": 0.05, "depth": 12, "width": 50, "n": 100}.items():
        with pytest.raises(AssertionError):
            check_papers_settings(lambda name, f=field, v=value: [s._replace(**{f: v}) for s in experiments.plan(name)])


@pytest.mark.parametrize("name", experiments.NAMES)
def test_every_setting_can_be_trained_and_is_planned_once(name):
    for quick in (False, True):
        plan = experiments.plan(name, quick=quick)
        assert len(set(plan)) == len(plan) > 0
        for setting in plan:
            assert (setting.experiment, setting.quick) == (name, quick)
            # Nothing deeper than eight layers starts at its full depth. No start is below half of it, two fifths where
            # the start is trained for longer, or a quarter of depths that are reached by insertion alone; those of the
            # phase diagrams need not find the rank.
            share = 0.4 if "shallow" in experiments.schedule(setting) else 0.25 if name == "affine-law-deep" else 0.5
            least = 6 if name.startswith("phase") else share * setting.depth
            if isinstance(setting.start, str):
                assert setting.start_depth == setting.depth
                assert "depth" not in experiments.schedule(setting)
                continue
            assert setting.start_depth == setting.depth <= 8 or least <= setting.start_depth < setting.depth
    assert {s.seed for s in experiments.plan(name, seeds=3)} >= {0, 1}


def test_unknown_experiments_are_refused():
    with pytest.raises(
        ValueError, match="no experiment 'fig-j24'; the experiments are affine-law, affine-law-deep, fig-j22"
    ):
        experiments.plan("fig-j24")
    with pytest.raises(ValueError, match="no experiment 'fig-j24'"):
        experiments.load("fig-j24")
    with pytest.raises(ValueError, match="seeds must be an integer >= 1"):
        experiments.plan("fig-j22", seeds=0)


def test_data_do_not_depend_on_the_precision_of_the_session():
    setting = experiments.plan("fig-j23", quick=True)[0]
    wide = experiments.task(setting)
    with jax.enable_x64(False):
        narrow = experiments.task(setting)
    assert np.array_equal(wide.X, narrow.X)
    assert not np.array_equal(wide.X, experiments.task(setting._replace(seed=1)).X)


def test_the_small_grid_has_the_data_of_the_chapters_quick_one():
    quick, small = experiments.plan("fig-j23", quick=True)[0], experiments.plan("fig-j23-small")[0]
    assert np.array_equal(experiments.task(quick).Y, experiments.task(small).Y)


def test_random_numbers_are_those_of_the_family():
    """Of 9 experiments two pairs are variants of one, and the two phase diagrams have one family."""
    roots = {name: jax.random.key_data(experiment.keys(0)[0]).tolist() for name, experiment in EXPERIMENTS.items()}
    equal = {(a, b) for a in roots for b in roots if a < b and roots[a] == roots[b]}
    assert equal == {("affine-law", "affine-law-deep"), ("fig-j23", "fig-j23-small"), ("phase-points", "phase-ridges")}


def test_wide_networks_train_in_fewer_stages():
    wide = next(s for s in experiments.plan("fig-j23") if s.depth == 25)
    assert wide.width == 200
    assert experiments.schedule(wide)["stages"] == experiments.MEDIUM
    assert experiments.schedule(wide._replace(width=199))["stages"] == experiments.LONG


def test_curves_run_through_the_points_and_their_copies():
    setting = Setting("phase-points", 2, 6, 6, 12, 4, 0.001, 0, start="curve")
    net, X, Y, _ = experiments.member(setting)
    assert (net.depth, net.width, len(X)) == (6, 12, 12)
    np.testing.assert_array_equal(X, jnp.tile(X[:4], (3, 1)))
    np.testing.assert_allclose(bn.apply(net, X), Y, atol=1e-9)
