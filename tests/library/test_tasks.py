"""Data with a known rank."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnlib as bn


def test_latent_task_has_the_stated_moments_and_is_deterministic():
    task = bn.tasks.latent_task(jax.random.key(0), 100, rank=2, n_test=200)
    X, Y = np.vstack([task.X, task.X_test]), np.vstack([task.Y, task.Y_test])
    np.testing.assert_allclose(X.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(X.var(0), 1, rtol=1e-9)
    np.testing.assert_allclose(Y.mean(0), 0, atol=1e-12)
    assert np.mean(np.sum(Y**2, axis=1)) == pytest.approx(2.0)
    again = bn.tasks.latent_task(jax.random.key(0), 100, rank=2, n_test=200)
    assert all(np.array_equal(a, b) for a, b in zip(task, again, strict=True))
    assert task.latent.shape == (100, 8)


@pytest.mark.parametrize("rank", [0, 9])
def test_impossible_ranks_are_refused(rank):
    with pytest.raises(ValueError, match="rank"):
        bn.tasks.latent_task(jax.random.key(0), 5, rank=rank)


def roughness(task, coordinate):
    """Return the length of the path through the outputs in the order of one latent coordinate, per point."""
    order = np.argsort(np.asarray(task.latent)[:, coordinate])
    return float(np.mean(np.linalg.norm(np.diff(np.asarray(task.Y)[order], axis=0), axis=1)))


def check_outputs_depend_on(task, coordinates):
    others = [i for i in range(task.latent.shape[1]) if i not in coordinates]
    assert max(roughness(task, i) for i in coordinates) < 0.2 * min(roughness(task, i) for i in others)


def test_outputs_depend_on_the_first_latent_coordinate_alone():
    task = bn.tasks.latent_task(jax.random.key(5), 400, rank=1)
    assert task.rank == 1
    assert task.X_test.shape == task.Y_test.shape == (500, 20)
    check_outputs_depend_on(task, [0])
    with pytest.raises(AssertionError):
        check_outputs_depend_on(task, [1])
    with pytest.raises(AssertionError):
        check_outputs_depend_on(bn.tasks.latent_task(jax.random.key(5), 400, rank=2), [0])


def test_keys_and_sizes_give_other_data():
    task = bn.tasks.latent_task(jax.random.key(0), 30, n_test=10, d_latent=3, d_in=5, d_out=4)
    assert (task.X.shape, task.Y.shape, task.X_test.shape, task.Y_test.shape) == ((30, 5), (30, 4), (10, 5), (10, 4))
    assert task.rank == 2
    assert not np.array_equal(task.X, bn.tasks.latent_task(jax.random.key(1), 30, n_test=10, d_latent=3, d_in=5).X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 4, "d_latent": 3}, r"rank is 4, but it can be at most min\(d_latent, d_out\) = 3"),
        ({"rank": 4, "d_out": 2}, r"rank is 4, but it can be at most min\(d_latent, d_out\) = 2"),
        ({"rank": 1.5}, "rank must be an integer >= 1, but it is 1.5"),
        ({"n": 0}, "n must be an integer >= 1, but it is 0"),
        ({"n_test": -1}, "n_test must be an integer >= 1"),
        ({"d_in": 0}, "d_in must be an integer >= 1, but it is 0"),
        ({"d_out": 0}, "d_out must be an integer >= 1, but it is 0"),
        ({"d_latent": 2.5}, "d_latent must be an integer >= 1, but it is 2.5"),
    ],
)
def test_bad_sizes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        bn.tasks.latent_task(jax.random.key(0), **({"n": 5} | change))


def test_a_rank_may_be_the_whole_dimension(monkeypatch):
    monkeypatch.setattr(bn.tasks, "_random_features", lambda key, Z, d_out: Z[:, :1] * jnp.ones((1, d_out)))
    assert bn.tasks.latent_task(jax.random.key(0), 5, rank=3, d_latent=3, d_out=4).rank == 3
    assert bn.tasks.latent_task(jax.random.key(0), 5, rank=3, d_latent=4, d_out=3).rank == 3
    assert bn.tasks.composed_task(jax.random.key(0), 5, rank=3, d=3).rank == 3


def check_one_code(task):
    """Raise unless the outputs follow a curve: in the order of the first code, and no other, they change little."""
    by_input = task._replace(latent=task.X)
    assert roughness(task, 0) < 0.2 * roughness(by_input, 0)


def test_the_composed_task_has_the_stated_rank_and_moments():
    task = bn.tasks.composed_task(jax.random.key(0), 100, n_test=200)
    assert task.X.shape == task.Y.shape == (100, 50)
    assert (task.rank, task.latent.shape) == (4, (100, 4))
    Y = np.vstack([task.Y, task.Y_test])
    np.testing.assert_allclose(Y.mean(0), 0, atol=1e-12)
    assert np.mean(np.sum(Y**2, axis=1)) == pytest.approx(4.0)
    check_one_code(bn.tasks.composed_task(jax.random.key(1), 400, rank=1, d=10))
    with pytest.raises(AssertionError):
        check_one_code(bn.tasks.composed_task(jax.random.key(1), 400, rank=2, d=10))
    with pytest.raises(ValueError, match="rank is 6, but it can be at most d = 5"):
        bn.tasks.composed_task(jax.random.key(0), 5, rank=6, d=5)


def check_invariant(task):
    """Raise unless the outputs are affine in (s, t, st, sin, cos), which do not know the angle."""
    s, t, _ = np.asarray(task.latent).T
    basis = np.stack([s**0, s, t, s * t, np.sin(np.pi * s), np.cos(np.pi * t)], axis=1)
    np.testing.assert_allclose(basis @ np.linalg.lstsq(basis, task.Y, rcond=None)[0], task.Y, atol=1e-10)


def test_the_symmetry_task_does_not_see_the_rotation():
    task = bn.tasks.symmetry_task(jax.random.key(0), 100, n_test=200)
    Y = np.vstack([task.Y, task.Y_test])
    np.testing.assert_allclose(Y.mean(0), 0, atol=1e-12)
    assert np.mean(np.sum(Y**2, axis=1)) == pytest.approx(2.0)
    np.testing.assert_allclose(task.X, bn.tasks.rotated_pair(*task.latent.T), atol=1e-12)
    turned = bn.tasks.rotated_pair(task.latent[:, 0], task.latent[:, 1], task.latent[:, 2] + 0.7)
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    np.testing.assert_allclose(turned, task.X @ np.kron(np.eye(2), turn).T, atol=1e-12)
    check_invariant(task)
    assert np.linalg.matrix_rank(Y) == 5  # one output for each of the five, none lost
    with pytest.raises(AssertionError):
        check_invariant(task._replace(Y=task.Y + task.latent[:, 2:]))


def check_classes(kind, X, y):
    """Assert that points of the three classes lie where their shape says."""
    radius, turns = np.linalg.norm(X, axis=1), np.angle(X[:, 0] + 1j * X[:, 1]) / (2 * np.pi) % 1
    if kind == "rings":
        assert np.all((radius > 0.8 * y + 0.05) & (radius < 0.8 * y + 0.55))
    elif kind == "sectors":
        np.testing.assert_array_equal(np.floor(3 * turns), y)
        assert np.all(radius < 2)
    else:
        centres = np.stack([X[y == j].mean(axis=0) for j in range(3)])
        np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1.5, atol=0.1)
        assert np.all(np.diff(np.angle(centres @ [1, 1j])) % (2 * np.pi) < np.pi)
        np.testing.assert_allclose(centres.sum(axis=0), 0, atol=0.2)
        assert (X - centres[y]).std() == pytest.approx(0.35, rel=0.1)


@pytest.mark.parametrize("kind", ["clusters", "rings", "sectors"])
def test_classes_have_their_shape(kind):
    X, y = bn.tasks.class_task(np.random.default_rng(1), kind, 200)
    check_classes(kind, X, y)
    with pytest.raises(AssertionError):
        check_classes(kind, X, y[::-1])


def test_unknown_classes_are_refused():
    with pytest.raises(ValueError, match='kind must be "clusters", "rings" or "sectors"'):
        bn.tasks.class_task(np.random.default_rng(1), "moons", 5)
    with pytest.raises(ValueError, match="n must be an integer >= 1"):
        bn.tasks.class_task(np.random.default_rng(1), "rings", 0)
