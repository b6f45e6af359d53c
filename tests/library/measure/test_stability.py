"""Linear stability of gradient descent: the eigenvalue against the one of the definition, and rates against both."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.measure import stability


def gauss_newton(net, X):
    """Return the largest eigenvalue of the Gauss-Newton matrix, from kernels of the reference."""
    K = np.block([[reference.kernel(net, x, y) for y in X] for x in X])
    return 2 / len(X) * np.linalg.eigvalsh(K)[-1]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_the_eigenvalue_is_that_of_the_kernel(seed):
    rng = np.random.default_rng(seed)
    net, X = bn.random_network(rng, (3, 5, 5, 2)), rng.normal(size=(4, 3))
    top = gauss_newton(net, X)
    assert stability.kernel_sharpness(net, X) == pytest.approx(top, rel=1e-9, abs=1e-12)
    assert bn.sharpness(net, X) <= top * (1 + 1e-9) + 1e-12


def test_outputs_and_inputs_are_not_mixed():
    """With kernels that differ between outputs, a matrix in another order has other eigenvalues."""
    rng = np.random.default_rng(0)
    net, X = bn.random_network(rng, (3, 8, 2)), rng.normal(size=(4, 3))
    wrong = np.asarray(bn.ntk(net, X)).reshape(8, 8)
    assert stability.kernel_sharpness(net, X) == pytest.approx(gauss_newton(net, X), rel=1e-9)
    assert abs(2 / 4 * np.linalg.eigvalsh((wrong + wrong.T) / 2)[-1] - gauss_newton(net, X)) > 1e-3


LINE = bn.from_layers([([[1.0, 0.0]], None), ([[2.0], [1.0]], [0.5, 0.0])])
X = np.array([[1.0, 0.3], [2.0, -0.5], [0.5, 0.0]])
Y = np.asarray(bn.apply(LINE, X))
SHARP = stability.kernel_sharpness(LINE, X)


def moved(net):
    return jax.tree.map(lambda a: a * (1 + 1e-6), net)


def test_descent_takes_the_steps_of_the_definition():
    net, centre, rate, ridge = moved(LINE), LINE, 0.01, 0.3
    errors = stability.descent(net, X, Y, rate, 3, centre=centre, ridge=ridge)

    def objective(other):
        error = np.float64(0)
        for x, y in zip(X, Y, strict=True):
            error = error + ((bn.apply(other, x[None])[0] - y) ** 2).sum() / len(X)
        pairs = zip(jax.tree.leaves(other), jax.tree.leaves(centre), strict=True)
        return error + ridge * sum(((a - b) ** 2).sum() for a, b in pairs), error

    for found in errors:
        (_, error), slope = jax.value_and_grad(objective, has_aux=True)(net)
        assert found == pytest.approx(float(error), rel=1e-9, abs=1e-25)
        net = jax.tree.map(lambda a, g: a - rate * g, net, slope)


def check_rate(ridge, predicted):
    found = stability.largest_rate(
        moved(LINE), LINE, X, Y, (0.3 * predicted, 3 * predicted), ridge=ridge, steps=300, bisections=10
    )
    assert abs(np.log(found / predicted)) < 0.02


@pytest.mark.parametrize("ridge", [0.0, SHARP / 20])
def test_the_largest_rate_is_two_over_the_sharpness(ridge):
    check_rate(ridge, 2 / (SHARP + 2 * ridge))


def test_a_forgotten_ridge_is_seen():
    with pytest.raises(AssertionError):
        check_rate(SHARP / 20, 2 / SHARP)
    with pytest.raises(AssertionError):
        check_rate(0.0, 2.2 / SHARP)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([1.0, 0.5, 0.2, 0.1], True),
        ([1.0, 1.0, 1.0, 1.0], True),
        ([1.0, 1.1, 0.2, 0.1], False),
        ([1.0, 0.5, 0.2, 0.3], False),
        ([1.0, 0.1, 0.3, 0.2], True),
        ([1.0, 0.5, np.nan, np.nan], False),
        ([1.0, 0.5, 0.2, np.inf], False),
    ],
)
def test_what_it_means_to_stay(errors, expected):
    assert stability.stays(errors) is expected


def test_data_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Y must have shape"):
        stability.descent(LINE, X, Y[:, :1], 0.1, 2)
    with pytest.raises(ValueError, match="same length"):
        stability.descent(LINE, X, Y[:2], 0.1, 2)
