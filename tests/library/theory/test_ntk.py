"""The tangent kernel without parameter Jacobians is the one with them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

import bnlib as bn
import reference
from strategies import FIXED_X, HIDDEN, SLOPES, fixed_net, inputs, networks_and_inputs


@jax.jit
def parameter_jacobians(net, X):
    """Return the derivatives of all outputs by all parameters, (N, d_out, P), by autodiff."""
    parts = jax.jacrev(lambda n: bn.apply(n, X))(net)
    return jnp.concatenate([part.reshape(len(X), net.d_out, -1) for part in jax.tree.leaves(parts)], axis=2)


def check_ntk(kernel, net, X, Y):
    Jx, Jy = parameter_jacobians(net, X), parameter_jacobians(net, Y)
    expected = jnp.einsum("nip,mjp->nmij", Jx, Jy)
    size = max(1.0, float(jnp.max(jnp.sum(Jx**2, axis=(1, 2)))), float(jnp.max(jnp.sum(Jy**2, axis=(1, 2)))))
    np.testing.assert_allclose(kernel(net, X, Y), expected, rtol=1e-10, atol=1e-10 * size)


def check_ntk_trace(trace, net, X):
    expected = np.sum(np.asarray(parameter_jacobians(net, X)) ** 2, axis=(1, 2))
    np.testing.assert_allclose(trace(net, X), expected, rtol=1e-10, atol=1e-10 * max(1.0, np.max(expected)))


@given(networks_and_inputs(), inputs(4))
@settings(max_examples=40)
def test_ntk_identity(pair, Y):
    net, X = pair
    Y = Y[:, : net.d_in]
    check_ntk(bn.ntk, net, X, Y)
    check_ntk(lambda n, x, _: bn.ntk(n, x), net, X, X)
    check_ntk_trace(bn.ntk_trace, net, X)


@pytest.mark.parametrize("slope", SLOPES)
def test_ntk_is_the_sum_over_layers_in_loops(slope):
    net = fixed_net(slope)
    kernel = bn.ntk(net, FIXED_X, FIXED_X[:2])
    for n, x in enumerate(FIXED_X):
        for m, y in enumerate(FIXED_X[:2]):
            np.testing.assert_allclose(kernel[n, m], reference.kernel(net, x, y), rtol=1e-11, atol=1e-11)


def test_ntk_is_symmetric_and_positive():
    net = fixed_net()
    kernel = bn.ntk(net, FIXED_X)
    assert kernel.dtype == np.float64
    gram = np.transpose(kernel, (0, 2, 1, 3)).reshape(len(FIXED_X) * 3, -1)
    np.testing.assert_allclose(gram, gram.T, rtol=1e-12, atol=1e-12)
    assert np.linalg.eigvalsh(gram)[0] > -1e-10 * np.trace(gram)
    np.testing.assert_allclose(np.einsum("nnii->n", kernel), bn.ntk_trace(net, FIXED_X), rtol=1e-12)


def wrong_kernel(net, X, Y, variant):
    """Sum the kernel in NumPy with one mistake."""

    def parts(x):
        activations, J = reference.forward(net, x)[1], reference.backward(net, x)
        if variant == "J_l without D_l":
            weights = [W for W, _ in reference.layers(net)]
            J = [J[i + 1] @ weights[i + 1] for i in range(net.depth - 1)] + [J[-1]]
        if variant == "alpha_l for alpha_{l-1}":
            activations = [*activations[1:], reference.forward(net, x)[0][-1]]
        return activations, J

    one = 0.0 if variant == "no +1" else 1.0
    kernel = np.zeros((len(X), len(Y), net.d_out, net.d_out))
    for n, x in enumerate(X):
        for m, y in enumerate(Y):
            (alpha_x, J_x), (alpha_y, J_y) = parts(x), parts(y)
            for layer, (ax, ay, Jx, Jy) in enumerate(zip(alpha_x, alpha_y, J_x, J_y, strict=True), 1):
                if variant == "without the last layer" and layer == net.depth:
                    continue
                kernel[n, m] += (ax @ ay + one) * Jx @ Jy.T
    return np.swapaxes(kernel, 2, 3) if variant == "transposed" else kernel


WRONG = ("no +1", "J_l without D_l", "alpha_l for alpha_{l-1}", "without the last layer", "transposed")


def test_the_loops_without_mistake_pass():
    check_ntk(lambda n, x, y: wrong_kernel(n, x, y, None), fixed_net(), FIXED_X, FIXED_X[:2])


@pytest.mark.parametrize("variant", WRONG)
def test_wrong_kernel_is_caught(variant):
    with pytest.raises(AssertionError):
        check_ntk(lambda n, x, y: wrong_kernel(n, x, y, variant), fixed_net(), FIXED_X, FIXED_X[:2])


@pytest.mark.parametrize("variant", [v for v in WRONG if v != "transposed"])
def test_wrong_trace_is_caught(variant):
    with pytest.raises(AssertionError):
        check_ntk_trace(lambda n, x: np.einsum("nnii->n", wrong_kernel(n, x, x, variant)), fixed_net(), FIXED_X)


def test_ntk_of_a_deep_network_is_linear_in_depth():
    """No parameter Jacobian: the kernel of 24 layers of width 50 on 100 inputs would take 4 GB of them."""
    net = bn.init(jax.random.key(0), 20, 50, 20, 24)
    X = jax.random.normal(jax.random.key(1), (100, 20))
    np.testing.assert_allclose(bn.ntk_trace(net, X)[:3], np.einsum("nnii->n", bn.ntk(net, X[:3])), rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: bn.ntk(net, FIXED_X, np.ones((2, 2))), r"Y must have shape \(N, 3\)"),
        (lambda net: bn.ntk(net, np.ones(3)), r"X must have shape \(N, 3\)"),
        (lambda net: bn.ntk(net, FIXED_X, np.full((1, 3), np.inf)), "Y must be finite"),
        (lambda net: bn.ntk_trace(net, np.full((1, 3), np.nan)), "X must be finite"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(fixed_net())


def test_every_slope_is_among_the_random_networks():
    assert {a[3] for a in HIDDEN} == set(SLOPES)
