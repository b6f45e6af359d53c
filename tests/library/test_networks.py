"""Networks: evaluation, Jacobians, padding, ensembles, and how bad layers are refused."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from strategies import ARCHITECTURES, FIXED_X, POINTS, fixed_net, networks, networks_and_inputs, pad, random_layers


def check_forward(apply, net, X):
    expected = np.array([reference.forward(net, x)[0][-1] for x in X])
    np.testing.assert_allclose(apply(net, X), expected, rtol=1e-11, atol=1e-11)


def check_jacobian(jacobian, net, X):
    expected = np.array([reference.jacobian(net, x) for x in X])
    np.testing.assert_allclose(jacobian(net, X), expected, rtol=1e-11, atol=1e-11)


@given(networks_and_inputs())
@settings(max_examples=40)
def test_forward_pass_and_jacobian_are_the_explicit_loops(pair):
    net, X = pair
    check_forward(bn.apply, net, X)
    check_jacobian(bn.jacobian, net, X)
    acts = bn.activations(net, X)
    assert acts.pre.shape == acts.post.shape == (net.depth - 1, POINTS, net.width)
    for n, x in enumerate(X):
        pre, post = reference.forward(net, x)
        for layer in range(net.depth - 1):
            np.testing.assert_allclose(acts.pre[layer, n], pre[layer], rtol=1e-11, atol=1e-11)
            np.testing.assert_allclose(acts.post[layer, n], post[layer + 1], rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(acts.output, bn.apply(net, X))
    np.testing.assert_allclose(bn.jacobian(net, X[0]), bn.jacobian(net, X)[0], rtol=1e-12, atol=1e-12)


def activated_output(net, X):
    return jnp.maximum(bn.apply(net, X), 0.0)


def product_without_masks(net, X):
    J = np.linalg.multi_dot([np.asarray(W) for W, _ in reversed(net.layers)])
    return np.broadcast_to(J, (len(X), *J.shape))


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (check_forward, lambda net, X: bn.apply(bn.from_layers([(W, None) for W, _ in net.layers]), X)),
        (check_forward, activated_output),
        (check_jacobian, product_without_masks),
        (check_jacobian, lambda net, X: np.swapaxes(bn.jacobian(net, X), 1, 2)),
    ],
    ids=["dropped bias", "activated output", "no masks", "transposed"],
)
def test_broken_evaluation_is_caught(check, broken):
    with pytest.raises(AssertionError):
        check(broken, fixed_net(), FIXED_X)


def measures(net, X):
    """List what is measured of a network; all of it must ignore neurons of zeros."""
    weights = bn.weight_singular_values(net)[:, :3]
    return [
        bn.apply(net, X),
        bn.jacobian(net, X),
        bn.squared_norm(net),
        bn.lower_bound(net, X),
        bn.ntk(net, X),
        bn.ntk_trace(net, X),
        weights,
        bn.representation_singular_values(net, X)[:, :3],
        bn.nonlinearity_ratio(net, X),
        bn.bottleneck_certificate(net, X, 1).lhs,
        bn.bottleneck_certificate(net, X, 1).per_layer,
        bn.ntk_certificate(net, X, 1).bound,
        bn.bottleneck_rank(net, X),
    ]


def check_padding(pad_net, net, X):
    for small, large in zip(measures(net, X), measures(pad_net(net), X), strict=True):
        np.testing.assert_allclose(small, large, rtol=1e-9, atol=1e-11)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_zero_neurons_change_nothing(seed):
    rng = np.random.default_rng(seed)
    net = bn.from_layers(random_layers(rng, [3, 4, 4, 4, 3]), negative_slope=0.1)
    X = rng.normal(size=(4, 3))
    check_padding(lambda n: bn.from_layers(pad(n.layers, 7), negative_slope=0.1), net, X)


def test_padding_with_living_neurons_is_caught():
    def pad_with_ones(net):
        grown = pad(net.layers, 7)
        grown[1] = (grown[1][0], np.where(np.arange(7) > 3, 1.0, grown[1][1]))
        return bn.from_layers(grown, negative_slope=0.1)

    rng = np.random.default_rng(0)
    net = bn.from_layers(random_layers(rng, [3, 4, 4, 4, 3]), negative_slope=0.1)
    with pytest.raises(AssertionError):
        check_padding(pad_with_ones, net, rng.normal(size=(4, 3)))


@pytest.mark.parametrize("architecture", [ARCHITECTURES[0], ARCHITECTURES[4]])
def test_vmap_over_an_ensemble(architecture):
    depth, d_in, d_out, slope = architecture
    members = [
        bn.from_layers(
            pad(random_layers(np.random.default_rng(seed), [d_in, *[5] * (depth - 1), d_out])), negative_slope=slope
        )
        for seed in range(3)
    ]
    ensemble = jax.tree.map(lambda *a: jnp.stack(a), *members)
    X = np.random.default_rng(9).normal(size=(POINTS, d_in))
    for fn in (
        lambda net: bn.apply(net, X),
        bn.squared_norm,
        lambda net: bn.ntk_trace(net, X),
        lambda net: bn.ntk(net, X),
    ):
        together = jax.vmap(fn)(ensemble)
        for alone, member in zip(together, members, strict=True):
            np.testing.assert_allclose(alone, fn(member), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("architecture", [ARCHITECTURES[0], ARCHITECTURES[1], ARCHITECTURES[4]])
def test_certificates_of_an_ensemble(architecture):
    depth, d_in, d_out, slope = architecture
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    widths = [d_in, *[5] * (depth - 1), d_out]
    members = [bn.from_layers(pad(random_layers(rng, widths)), negative_slope=slope) for rng in rngs]
    ensemble = jax.tree.map(lambda *a: jnp.stack(a), *members)
    X = np.random.default_rng(9).normal(size=(3, POINTS, d_in))
    for fn in (
        lambda net, X: bn.bottleneck_certificate(net, X, 1, any_rank=True),
        lambda net, X: bn.ntk_certificate(net, X, 1),
        lambda net, X: bn.ntk_certificate(net, X, 1, balanced=True),
    ):
        together = fn(ensemble, X)
        for i, member in enumerate(members):
            jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12), fn(member, X[i]),
                         jax.tree.map(lambda a, i=i: a[i], together))  # fmt: skip
    with pytest.raises(ValueError, match=rf"ensemble of 3 networks x must have shape \(3, N, {d_in}\)"):
        bn.bottleneck_certificate(ensemble, X[:2], 1)


def test_a_lower_rank_makes_the_right_side_infinite_when_asked_for():
    net = bn.from_layers([([[0.0]], [1.0]), ([[1.0]], None)])
    with pytest.raises(ValueError, match="at input 0 the Jacobian has numerical rank 0"):
        bn.bottleneck_certificate(net, np.ones((1, 1)), 1)
    assert bn.bottleneck_certificate(net, np.ones((1, 1)), 1, any_rank=True).rhs[0] == np.inf


def test_decompositions_are_refused_in_compiled_programs():
    net = fixed_net()
    for call in (
        lambda X: bn.bottleneck_certificate(net, X, 1).lhs,
        lambda X: bn.ntk_certificate(net, X, 1).bound,
        lambda X: bn.singular_values(X),
    ):
        for how, X in ((jax.jit, FIXED_X), (jax.vmap, FIXED_X[None])):
            with pytest.raises(ValueError, match="outside of jit, vmap and grad"):
                how(call)(jnp.asarray(X))


def test_network_is_a_pytree_whose_slope_is_not_a_parameter():
    net = fixed_net(0.1)
    gradient = jax.grad(lambda n: jnp.sum(bn.apply(n, FIXED_X)))(net)
    assert gradient.negative_slope == 0.1
    assert len(jax.tree.leaves(net)) == 6
    with pytest.raises(AttributeError):
        net.negative_slope = 0.2


@given(networks())
@settings(max_examples=20)
def test_layers_and_state_round_trip(net):
    for again in (
        bn.from_layers(net.layers, negative_slope=net.negative_slope),
        bn.from_torch_state(bn.to_torch_state(net), negative_slope=net.negative_slope),
    ):
        assert (again.depth, again.width, again.d_in, again.d_out) == (net.depth, net.width, net.d_in, net.d_out)
        assert again.negative_slope == net.negative_slope
        for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(net), strict=True):
            np.testing.assert_array_equal(a, b)


def test_layers_keep_their_type_in_a_session_of_32_bits():
    net = fixed_net()
    with jax.enable_x64(False):
        assert {a.dtype for layer in net.layers for a in layer} == {np.dtype(np.float64)}


def test_state_is_read_in_the_order_of_its_numbers():
    state = {f"layers.{i}.weight": np.full((1, 1), float(i)) for i in (10, 2, 0)}
    assert [float(W[0, 0]) for W, _ in bn.from_torch_state(state).layers] == [0.0, 2.0, 10.0]


@pytest.mark.parametrize("scheme", ["orthogonal", "he"])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_init(scheme, depth):
    net = bn.init(jax.random.key(1), 30, 40, 20, depth, scheme=scheme, gain=1.5)
    assert (net.depth, net.d_in, net.d_out) == (depth, 30, 20)
    assert all(not np.any(b) for _, b in net.layers)
    for W, _ in net.layers:
        if scheme == "orthogonal":
            np.testing.assert_allclose(reference.singular_values(W), 1.5, rtol=1e-12)
        else:
            assert np.var(W) == pytest.approx(1.5**2 / W.shape[1], rel=0.2)
    again = bn.init(jax.random.key(1), 30, 40, 20, depth, scheme=scheme, gain=1.5)
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(net), jax.tree.leaves(again), strict=True))


NAN = float("nan")
GOOD = [(np.eye(2), None), (np.ones((1, 2)), np.zeros(1))]
BAD_LAYERS = {
    "no layer": ([], {}, r"layers must hold at least one \(W, b\) pair.*depth >= 1"),
    "unchained": (
        [(np.eye(2), None), (np.ones((1, 3)), None)],
        {},
        r"W of layer 2 has shape \(1, 3\).*3 neurons.*has 2",
    ),
    "bias": ([(np.eye(2), np.zeros(3))], {}, r"b of layer 1 must have shape \(2,\), but its shape is \(3,\)"),
    "vector": ([(np.ones(2), None)], {}, r"W of layer 1 must be a non-empty matrix, but its shape is \(2,\)"),
    "empty": ([(np.ones((0, 2)), None)], {}, r"W of layer 1 must be a non-empty matrix"),
    "NaN": ([(np.eye(2) * NAN, None)], {}, "W of layer 1 must be finite"),
    "inf": ([(np.eye(1), [np.inf])], {}, "b of layer 1 must be finite"),
    "text": ([([["a"]], None)], {}, "W of layer 1 must hold numbers"),
    "ragged": ([([[1.0, 2.0], [3.0]], None)], {}, "W of layer 1 must be an array, but its rows do not fit together"),
    "objects": ([([[None]], None)], {}, "W of layer 1 must hold numbers"),
    "complex": ([(np.eye(2) * 1j, None)], {}, "W of layer 1 must be real"),
    "steep": (GOOD, {"negative_slope": 1.1}, r"negative_slope must lie in \[0, 1\], but it is 1.1"),
    "falling": (GOOD, {"negative_slope": -0.1}, r"negative_slope must lie in \[0, 1\]"),
    "no number": (GOOD, {"negative_slope": NAN}, r"negative_slope must lie in \[0, 1\]"),
}


@pytest.mark.parametrize(("layers", "options", "message"), BAD_LAYERS.values(), ids=BAD_LAYERS)
def test_bad_layers_are_refused(layers, options, message):
    with pytest.raises(ValueError, match=message):
        bn.from_layers(layers, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 0}, "depth must be an integer >= 1, but it is 0"),
        ({"depth": 2.5}, "depth must be an integer >= 1, but it is 2.5"),
        ({"width": -1}, "width must be an integer >= 1"),
        ({"d_in": 0}, "d_in must be an integer >= 1"),
        ({"d_out": True}, "d_out must be an integer >= 1"),
        ({"depth": NAN}, "depth must be an integer >= 1"),
        ({"depth": np.inf}, "depth must be an integer >= 1"),
        ({"depth": "deep"}, "depth must be an integer >= 1"),
        ({"scheme": "xavier"}, "scheme must be 'orthogonal' or 'he', but it is 'xavier'"),
        ({"negative_slope": 2.0}, r"negative_slope must lie in \[0, 1\]"),
    ],
)
def test_bad_sizes_are_refused(change, message):
    good = {"d_in": 2, "width": 3, "d_out": 2, "depth": 3}
    with pytest.raises(ValueError, match=message):
        bn.init(jax.random.key(0), **(good | change))


@pytest.mark.parametrize("fn", [bn.apply, bn.activations, bn.lower_bound, bn.ntk, bn.ntk_trace])
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((4, 2)), r"X must have shape \(N, 3\) with N >= 1, but its shape is \(4, 2\)"),
        (np.zeros(3), r"X must have shape \(N, 3\).*\(3,\)"),
        (np.zeros((0, 3)), r"with N >= 1, but its shape is \(0, 3\)"),
        (np.full((1, 3), NAN), "X must be finite"),
        (np.full((1, 3), np.inf), "X must be finite"),
        (np.zeros((1, 3), complex), "X must be real"),
    ],
)
def test_bad_inputs_are_refused(fn, X, message):
    with pytest.raises(ValueError, match=message):
        fn(fixed_net(), X)


def test_bad_input_of_the_jacobian_is_refused():
    with pytest.raises(ValueError, match=r"x must have shape \(N, 3\)"):
        bn.jacobian(fixed_net(), np.zeros(2))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "holds no '<number>.weight' array"),
        ({"0.scale": np.eye(1)}, "Key '0.scale' is not of the form"),
        ({"weight": np.eye(1)}, "Key 'weight' is not of the form"),
        ({"0.bias": np.zeros(1)}, "Key '0.bias' has no matching '0.weight'"),
        ({"0.weight": np.eye(2), "2.weight": np.eye(3)}, "W of layer 2 has shape"),
    ],
)
def test_bad_state_is_refused(state, message):
    with pytest.raises(ValueError, match=message):
        bn.from_torch_state(state)


class Tensor:
    """Stand in for a tensor of PyTorch: a type that NumPy does not know, and a conversion that may fail."""

    dtype = "torch.float32"

    def __init__(self, values, error=None):
        self.values, self.error = values, error

    def __array__(self, dtype=None, copy=None):
        if self.error:
            raise self.error
        return np.asarray(self.values, dtype)


def test_tensors_are_read_or_refused_in_one_sentence():
    W, b = fixed_net().layers[0]
    net = bn.from_torch_state({"0.weight": Tensor(W), "0.bias": Tensor(b)})
    np.testing.assert_array_equal(net.last[0], W)
    np.testing.assert_array_equal(bn.apply(net, Tensor(FIXED_X)), bn.apply(net, FIXED_X))
    for error in (RuntimeError("it requires grad"), TypeError("it is on another device")):
        with pytest.raises(ValueError, match=f"X cannot be made an array \\({error}\\)"):
            bn.lower_bound(net, Tensor(FIXED_X, error))


MEASURING = {
    "lower_bound": lambda net, X: bn.lower_bound(net, X),
    "optimality_gap": lambda net, X: bn.optimality_gap(net, X),
    "weight_singular_values": lambda net, X: bn.weight_singular_values(net),
    "representation_singular_values": bn.representation_singular_values,
    "nonlinearity_ratio": bn.nonlinearity_ratio,
    "ntk": bn.ntk,
    "ntk_trace": bn.ntk_trace,
    "lhs": lambda net, X: bn.bottleneck_certificate(net, X, 2).lhs,
    "rhs": lambda net, X: bn.bottleneck_certificate(net, X, 2).rhs,
    "frames": lambda net, X: bn.bottleneck_certificate(net, X, 2).frames[1],
    "bound": lambda net, X: bn.ntk_certificate(net, X, 2).bound,
    "schatten": lambda net, X: bn.schatten(net.layers[0][0], 0.3),
    "linear_cost": lambda net, X: bn.linear_cost(net.layers[0][0], 7),
    "pseudo_determinant": lambda net, X: bn.pseudo_determinant(net.layers[0][0], 2),
}


@pytest.mark.parametrize("measure", MEASURING.values(), ids=MEASURING)
def test_measures_are_float64_when_the_session_is_float32(measure):
    wide = jax.tree.map(lambda a: np.asarray(a).astype(np.float32), fixed_net())
    X = FIXED_X.astype(np.float32)
    expected = measure(bn.from_layers(jax.tree.map(lambda a: a.astype(np.float64), wide.layers)), X.astype(np.float64))
    with jax.enable_x64(False):
        net = bn.from_layers(wide.layers)
        assert net.last[0].dtype == jnp.float32
        value = measure(net, jnp.asarray(X))
    assert np.asarray(value).dtype == np.float64
    # Far below what float32 could give.
    np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-12)
