"""Networks built by hand compute what they should at the norm that they should have."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build.constructions import balance_residual, rescale
from strategies import (
    FIXED_X,
    HIDDEN,
    POINTS,
    SLOPES,
    WIDTH,
    fixed_net,
    networks,
    networks_and_inputs,
    pad,
    random_layers,
    unbalanced_chain,
)

# Balance: the identity at every parameter.

RIDGE = 0.3


def objective(net, X, Y):
    return jnp.mean(jnp.sum((bn.apply(net, X) - Y) ** 2, axis=1)) + RIDGE * bn.squared_norm(net)


value_and_gradient = jax.jit(jax.value_and_grad(objective))


def check_balance_identity(residual, net, X, Y):
    """Assert <g_in, in> - <g_out, out> = 2 lambda (A_i - B_i) for the gradient g of the whole objective."""
    value, gradient = value_and_gradient(net, jnp.asarray(X), jnp.asarray(Y))
    parts = zip(reference.hidden_neurons(net), reference.hidden_neurons(gradient), strict=True)
    size = max(1.0, float(value))
    imbalance = np.asarray(residual(net))
    for (layer, i, W_in, b, W_out), (_, _, g_in, g_b, g_out) in parts:
        left = g_in @ W_in + g_b * b - g_out @ W_out
        assert left == pytest.approx(2 * RIDGE * imbalance[layer, i], abs=1e-10 * size)


@given(networks_and_inputs(HIDDEN), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_balance_identity(pair, seed):
    net, X = pair
    Y = np.random.default_rng(seed).normal(size=(POINTS, net.d_out))
    check_balance_identity(balance_residual, net, X, Y)


def residual_with(bias=1.0, outgoing=1.0):
    def residual(net):
        return np.array(
            [
                [
                    reference.layers(net)[layer][0][i] @ reference.layers(net)[layer][0][i]
                    + bias * reference.layers(net)[layer][1][i] ** 2
                    - outgoing * np.sum(reference.layers(net)[layer + 1][0][:, i] ** 2)
                    for i in range(net.width)
                ]
                for layer in range(net.depth - 1)
            ]
        )

    return residual


@pytest.mark.parametrize("slope", SLOPES)
def test_balance_residual_is_incoming_minus_outgoing(slope):
    net = fixed_net(slope)
    check_balance_identity(residual_with(), net, FIXED_X, FIXED_X)
    np.testing.assert_allclose(balance_residual(net), residual_with()(net), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "broken", [residual_with(bias=0.0), residual_with(bias=-1.0), residual_with(outgoing=2.0), residual_with(0.0, 0.0)]
)
def test_wrong_residual_is_caught(broken):
    with pytest.raises(AssertionError):
        check_balance_identity(broken, fixed_net(), FIXED_X, FIXED_X)


# Balance: the map.


def reachable(net):
    """Return which hidden neurons lie on a path of non-zero weights from an input or a bias to an output."""
    both = reference.layers(net)
    sources, fed = np.ones(net.d_in, bool), []
    for W, b in both[:-1]:
        sources = np.array([np.any(W[i][sources] != 0) or b[i] != 0 for i in range(len(b))])
        fed.append(sources)
    sinks, used = np.ones(net.d_out, bool), []
    for W, _ in reversed(both[1:]):
        sinks = np.array([np.any(W[:, j][sinks] != 0) for j in range(W.shape[1])])
        used.insert(0, sinks)
    return np.array(fed) & np.array(used)


def check_balance(balance, net, X):
    """Assert that the function stays, the norm does not rise, neurons are balanced and dead ones are gone."""
    balanced = balance(net)
    size = max(1.0, float(np.max(np.abs(bn.apply(net, X)))))
    np.testing.assert_allclose(bn.apply(balanced, X), bn.apply(net, X), rtol=1e-9, atol=1e-10 * size)
    before, after = reference.squared_norm(net), reference.squared_norm(balanced)
    assert after <= before * (1 + 1e-12)
    alive = reachable(net)
    largest = 0.0
    for layer, i, W_in, b, W_out in reference.hidden_neurons(balanced):
        A, B = W_in @ W_in + b**2, W_out @ W_out
        largest = max(largest, A)
        assert pytest.approx(B, abs=1e-10 * max(1.0, after)) == A
        assert (A > 0) == alive[layer, i]
    assert np.max(np.abs(balance_residual(balanced)), initial=0.0) <= 1.01e-12 * largest
    # Layer by layer: a_{l+1} = a_l + |b_l|^2.
    for (W, b), (W_next, _) in pairwise(reference.layers(balanced)):
        assert np.sum(W_next**2) == pytest.approx(np.sum(W**2) + np.sum(b**2), rel=1e-9, abs=1e-12)


@given(networks_and_inputs(HIDDEN))
@settings(max_examples=50)
def test_balance(pair):
    net, X = pair
    check_balance(bn.balance, net, X)


def dead_ends():
    """Return a network with a neuron that nothing feeds, one that nothing reads, and a chain of two such."""
    W1 = np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    b1 = np.array([0.5, 0.0, 0.0, 1.0])
    W2 = np.array([[2.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    b2 = np.array([0.1, 0.0, 0.0, 0.0])
    return bn.from_layers([(W1, b1), (W2, b2), (np.array([[1.0, 3.0, 0.0, 1.0]]), [0.7])])


POSITIVE_X = np.array([[1.0, 2.0], [3.0, 0.5], [0.1, 0.1]])


def test_dead_neurons_are_dropped_and_a_bias_keeps_one_alive():
    net = dead_ends()
    assert reachable(net).tolist() == [[True, False, False, True], [True, False, False, False]]
    check_balance(bn.balance, net, POSITIVE_X)


@given(networks_and_inputs(HIDDEN), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_balance_does_not_depend_on_the_scaling_it_starts_from(pair, seed):
    net, X = pair
    t = np.exp(np.random.default_rng(seed).normal(size=(net.depth - 1, net.width)))
    other = rescale(net, jnp.asarray(t))
    np.testing.assert_allclose(bn.apply(other, X), bn.apply(net, X), rtol=1e-9, atol=1e-9)
    for a, b in zip(jax.tree.leaves(bn.balance(net)), jax.tree.leaves(bn.balance(other)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def scaled(net, bias_power=1, in_A=True, out_power=-1, drop=True):
    """Balance by plain loops, with one mistake if asked for."""
    layers = [(W.copy(), b.copy()) for W, b in reference.layers(net)]
    if drop:
        alive = reachable(net)
        for layer, keep in enumerate(alive):
            layers[layer] = (layers[layer][0] * keep[:, None], layers[layer][1] * keep)
            layers[layer + 1] = (layers[layer + 1][0] * keep[None, :], layers[layer + 1][1])
    for _ in range(400):
        for layer in range(len(layers) - 1):
            (W, b), (W_next, b_next) = layers[layer], layers[layer + 1]
            A, B = np.sum(W**2, axis=1) + (b**2 if in_A else 0.0), np.sum(W_next**2, axis=0)
            t = np.ones_like(A)
            np.divide(B, A, out=t, where=(A > 0) & (B > 0))
            t = t**0.25
            layers[layer] = (W * t[:, None], b * t**bias_power)
            layers[layer + 1] = (W_next * t[None, :] ** out_power, b_next)
    return bn.from_layers(layers, negative_slope=net.negative_slope)


def test_balancing_in_loops_passes():
    for net, X in ((fixed_net(), FIXED_X), (dead_ends(), POSITIVE_X)):
        check_balance(scaled, net, X)
        for a, b in zip(jax.tree.leaves(scaled(net)), jax.tree.leaves(bn.balance(net)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("mistake", "net", "X"),
    [
        ({"in_A": False}, fixed_net(), FIXED_X),
        ({"bias_power": 0}, fixed_net(), FIXED_X),
        ({"bias_power": -1}, fixed_net(), FIXED_X),
        ({"drop": False}, dead_ends(), POSITIVE_X),
    ],
    ids=["b left out of A_i", "bias not rescaled", "bias divided", "dead neurons kept"],
)
def test_wrong_balancing_is_caught(mistake, net, X):
    with pytest.raises(AssertionError):
        check_balance(lambda n: scaled(n, **mistake), net, X)


def test_one_sided_rescaling_is_caught():
    with pytest.raises(AssertionError):
        check_balance(lambda n: rescale(n, jnp.full((2, WIDTH), 0.5)), fixed_net(), FIXED_X)


def test_deep_chain_is_balanced():
    net = bn.balance(unbalanced_chain())
    np.testing.assert_allclose([float(W[0, 0]) for W, _ in net.layers], 30**0.01, rtol=1e-9)


def test_balancing_a_float32_network_keeps_its_type_and_reaches_the_tolerance():
    with jax.enable_x64(False):
        net = bn.balance(bn.from_layers(fixed_net().layers))
        assert {a.dtype for a in jax.tree.leaves(net)} == {jnp.dtype("float32")}
    assert np.max(np.abs(balance_residual(net))) < 1e-4


def test_balancing_that_does_not_finish_says_so():
    with pytest.raises(RuntimeError, match="did not reach the tolerance 1e-12 in 1 Newton steps"):
        bn.balance(unbalanced_chain(), max_steps=1)


def test_balancing_that_overflows_says_so():
    layers = [(1e-150 * np.eye(2), None), (1e150 * np.eye(2), None), (np.eye(2), None)]
    with pytest.raises(RuntimeError, match="did not reach the tolerance"):
        bn.balance(bn.from_layers(layers))


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_balance_is_relative_to_the_largest_neuron(size):
    net = bn.balance(bn.from_layers([(size * W, size * b) for W, b in fixed_net().layers]))
    residual = np.max(np.abs(balance_residual(net)))
    assert residual <= 1.01e-12 * max(W @ W + b**2 for _, _, W, b, _ in reference.hidden_neurons(net))
    again = bn.balance(net, max_steps=0)  # nothing is left to do
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (again, net)), strict=True))


def test_a_network_of_zeros_is_balanced():
    zeros = jax.tree.map(jnp.zeros_like, fixed_net())
    assert bn.squared_norm(bn.balance(zeros)) == 0


def test_factors_leave_neurons_at_the_floor_alone():
    """By the smaller of the two norms: of four neurons one is above one on both sides."""
    net = bn.from_layers([([[1.0], [2.0], [2.0], [0.5]], None), ([[4.0, 1.0, 8.0, 4.0]], None)])
    net = jax.tree.map(np.asarray, net)
    assert bn.constructions.balancing_factors(net, 0, floor=1.0).tolist() == [[1.0, 1.0, 2.0, 1.0]]
    assert bn.constructions.balancing_factors(net, 1).tolist() == [[1.0] * 4]


def test_depth_one_has_nothing_to_balance():
    net = bn.from_layers([(np.ones((2, 3)), np.ones(2))])
    assert bn.balance(net) is net
    assert balance_residual(net).shape == (0, 3)


# Deepening.


def check_deepen(deepen, net, depth, X):
    """Assert the same function, and a norm that is exactly affine in the depth."""
    nets = [deepen(net, d) for d in (depth, depth + 1, depth + 2)]
    for deep, d in zip(nets, (depth, depth + 1, depth + 2), strict=True):
        assert deep.depth == d
        np.testing.assert_allclose(reference.values(deep, X), reference.values(net, X), rtol=1e-12, atol=1e-12)
    norms = [reference.squared_norm(n) for n in nets]
    assert norms[2] - 2 * norms[1] + norms[0] == pytest.approx(0.0, abs=1e-10 * norms[0])
    living = [sum(np.any(W[i]) or b[i] != 0 for i in range(len(b))) for W, b in reference.layers(net)[:-1]]
    assert norms[0] - reference.squared_norm(net) == pytest.approx((depth - net.depth) * min(living), abs=1e-9)


EXACT = tuple(a for a in HIDDEN if a[3] in (0.0, 1.0))


@given(networks_and_inputs(EXACT), st.integers(0, 2))
@settings(max_examples=20)
def test_deepen(pair, more):
    net, X = pair
    check_deepen(bn.deepen, net, net.depth + more, X)


def test_a_neuron_that_only_a_bias_feeds_is_carried_on():
    net = bn.from_layers([([[1.0], [0.0]], [0.0, 2.0]), (np.ones((1, 2)), None)])
    check_deepen(bn.deepen, net, 3, np.array([[1.0], [-1.0]]))


def test_layers_go_where_the_representation_is_flat_relative_to_its_size():
    """Layer one is large and nearly of rank one, layer two small and of rank two; a rank may be the width."""
    X = np.array([[1.0, 0.0], [0.0, 1.0]])
    net = bn.from_layers([(np.diag([1e6, 1.0]), None), (np.diag([1e-9, 1e-3]), None), (np.eye(2), None)])
    assert np.linalg.matrix_rank(bn.deepen(net, 4, rank=1, X=X).layers[1][0]) == 1
    assert np.linalg.matrix_rank(bn.deepen(net, 4, rank=1, X=X).layers[2][0]) == 2
    full = bn.deepen(net, 4, rank=2, X=X)
    np.testing.assert_allclose(bn.apply(full, X), bn.apply(net, X), rtol=1e-12, atol=1e-18)
    with pytest.raises(ValueError, match="a width of at least 3"):
        bn.deepen(net, 4, rank=3, X=X)


def insert_identities(net, depth, before_the_output=False, at_the_input=False):
    layers = net.layers
    if at_the_input:
        return bn.from_layers([(np.eye(net.d_in), None)] * (depth - net.depth) + layers)
    if before_the_output:
        return bn.from_layers(layers + [(np.eye(net.d_out), None)] * (depth - net.depth))
    return bn.from_layers([*layers[:1], *[(np.eye(net.width), None)] * (depth - net.depth), *layers[1:]])


@pytest.mark.parametrize("mistake", [{"before_the_output": True}, {"at_the_input": True}], ids=str)
def test_identities_without_shift_change_the_function(mistake):
    """Inputs and outputs may be negative, and a ReLU there cuts them off."""
    with pytest.raises(AssertionError):
        check_deepen(lambda n, d: insert_identities(n, d, **mistake), fixed_net(), 5, FIXED_X)


def test_identities_at_a_wide_layer_cost_more():
    net = bn.from_layers(
        pad([(np.ones((4, 3)), np.ones(4)), (np.ones((1, 4)), np.ones(1)), (np.ones((2, 1)), np.ones(2))])
    )
    check_deepen(bn.deepen, net, 5, FIXED_X)
    with pytest.raises(AssertionError):
        check_deepen(insert_identities, net, 5, FIXED_X)


# Composing and adding.


def test_a_composition_keeps_the_slope_on_negative_numbers():
    f, g, shift = fixed_net(0.3), fixed_net(0.3), 0.5
    between = bn.apply(g, FIXED_X) + shift
    expected = bn.apply(f, np.where(between > 0, between, 0.3 * between) - shift)
    np.testing.assert_allclose(bn.apply(bn.compose(f, g, shift=np.full(g.d_out, shift)), FIXED_X), expected, atol=1e-12)


def composable(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    biases = data.draw(st.booleans())
    g = bn.from_layers(pad(random_layers(rng, [2, *data.draw(st.sampled_from([(), (3,), (4, 2)])), 3], biases=biases)))
    f = bn.from_layers(pad(random_layers(rng, [3, *data.draw(st.sampled_from([(), (5,), (2, 6)])), 2], biases=biases)))
    return f, g, rng.normal(size=(POINTS, 2))


def check_compose(compose, f, g, X, shift=None):
    """Assert f(g(x)) wherever g(x) + s >= 0, f(relu(g(x)+s)-s) elsewhere, and the exact norm."""
    net = compose(f, g, shift=shift)
    s = np.zeros(g.d_out) if shift is None else np.asarray(shift)
    assert net.depth == f.depth + g.depth
    inner = reference.values(g, X)
    found, expected = reference.values(net, X), reference.values(f, np.maximum(inner + s, 0.0) - s)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-11)
    W1, b1 = reference.layers(f)[0]
    b_g = reference.layers(g)[-1][1]
    extra = s @ s + 2 * b_g @ s + (W1 @ s) @ (W1 @ s) - 2 * b1 @ (W1 @ s)
    total = reference.squared_norm(f) + reference.squared_norm(g) + extra
    assert reference.squared_norm(net) == pytest.approx(total, rel=1e-12)
    if np.all(inner + s >= 0):
        np.testing.assert_allclose(found, reference.values(f, inner), rtol=1e-11, atol=1e-10)


@given(st.data())
@settings(max_examples=25)
def test_compose(data):
    f, g, X = composable(data)
    check_compose(bn.compose, f, g, X)
    enough = np.maximum(0.0, -reference.values(g, X).min(axis=0)) + 1e-6
    check_compose(bn.compose, f, g, X, shift=enough)


def signed_pair():
    f = bn.from_layers([(np.array([[1.0, 2.0, -1.0]]), np.array([0.5]))])
    g = bn.from_layers([(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]]), np.array([0.0, 0.3, -0.2]))])
    return f, g, np.array([[-2.0, 1.0], [1.0, -3.0], [2.0, 2.0]])


def test_composition_without_shift_changes_the_function_where_g_is_negative():
    f, g, X = signed_pair()
    inner = bn.apply(g, X)
    assert np.min(inner) < 0
    assert np.max(np.abs(bn.apply(bn.compose(f, g), X) - bn.apply(f, inner))) > 0.1
    shift = np.full(3, 10.0)
    np.testing.assert_allclose(bn.apply(bn.compose(f, g, shift=shift), X), bn.apply(f, inner), atol=1e-12)


def compose_with(inner_sign=1.0, outer_sign=1.0):
    def compose(f, g, *, shift=None):
        s = np.zeros(g.d_out) if shift is None else shift
        (Wg, bg), (Wf, bf) = reference.layers(g)[-1], reference.layers(f)[0]
        layers = [*g.layers[:-1], (Wg, bg + inner_sign * s), (Wf, bf - outer_sign * Wf @ s), *f.layers[1:]]
        return bn.from_layers(layers)

    return compose


def merged(f, g, *, shift=None):
    """Multiply the two touching layers together, which is the composition at one layer less."""
    (Wg, bg), (Wf, bf) = reference.layers(g)[-1], reference.layers(f)[0]
    return bn.from_layers([*g.layers[:-1], (Wf @ Wg, Wf @ bg + bf), *f.layers[1:]])


@pytest.mark.parametrize(
    "broken", [compose_with(inner_sign=0.0), compose_with(outer_sign=0.0), compose_with(-1.0, -1.0), merged]
)
def test_wrong_composition_is_caught(broken):
    f, g, X = signed_pair()
    check_compose(compose_with(), f, g, X, np.array([3.0, 4.0, 5.0]))
    with pytest.raises(AssertionError):
        check_compose(broken, f, g, X, np.array([3.0, 4.0, 5.0]))


def check_add(add, f, g, X):
    """Assert f + g at the sum of the norms plus the cross term of the output biases."""
    net = add(f, g)
    total = reference.values(f, X) + reference.values(g, X)
    np.testing.assert_allclose(reference.values(net, X), total, rtol=1e-11, atol=1e-11)
    cross = 2 * reference.layers(f)[-1][1] @ reference.layers(g)[-1][1]
    if f.depth == 1:
        cross += 2 * np.sum(reference.layers(f)[0][0] * reference.layers(g)[0][0])
    total = reference.squared_norm(f) + reference.squared_norm(g) + cross
    assert reference.squared_norm(net) == pytest.approx(total, rel=1e-12)


@given(networks_and_inputs(), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_add(pair, seed):
    f, X = pair
    layers = random_layers(np.random.default_rng(seed), [f.d_in, *[3] * (f.depth - 1), f.d_out])
    check_add(bn.add, f, bn.from_layers(pad(layers), negative_slope=f.negative_slope), X)


def add_with(mistake):
    def add(f, g):
        layers = [(np.asarray(W), np.asarray(b)) for W, b in bn.add(f, g).layers]
        W, b = layers[-1]
        if mistake == "output bias of g dropped":
            layers[-1] = (W, reference.layers(f)[-1][1])
        if mistake == "output biases averaged":
            layers[-1] = (W, b / 2)
        if mistake == "blocks joined":
            W, b = layers[1]
            layers[1] = (np.where(W == 0, 0.1, W), b)
        return bn.from_layers(layers)

    return add


@pytest.mark.parametrize("mistake", ["output bias of g dropped", "output biases averaged", "blocks joined"])
def test_wrong_sum_is_caught(mistake):
    with pytest.raises(AssertionError):
        check_add(add_with(mistake), fixed_net(), fixed_net(), FIXED_X)


def test_without_the_cross_term_the_sum_of_constants_would_be_too_cheap():
    """R(1) = 1 and R(2) = 3: adding the constant 1 to itself costs more than the sum of the two."""
    one = bn.from_layers([(np.zeros((1, 1)), None), (np.zeros((1, 1)), [1.0])])
    assert reference.squared_norm(bn.add(one, one)) == 4 * reference.squared_norm(one)


# Linear networks are tested with the costs.


@given(networks(HIDDEN))
@settings(max_examples=15)
def test_rescaling_by_one_changes_nothing(net):
    same = rescale(net, jnp.ones((net.depth - 1, net.width)))
    for a, b in zip(jax.tree.leaves(net), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(a, b)


LEAKY, RELU = fixed_net(0.1), fixed_net()
SHALLOW = bn.from_layers([(np.eye(3), None)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bn.deepen(RELU, 2), "depth must be an integer >= 3, but it is 2"),
        (lambda: bn.deepen(SHALLOW, 3), "A network of depth 1 has no hidden layer"),
        (lambda: bn.deepen(LEAKY, 5), "Inserted layers keep the function of ReLU and linear networks only"),
        (
            lambda: bn.compose(bn.from_layers([(np.ones((1, 2)), None)]), RELU),
            r"g has outputs in R\^3.* inputs in R\^2",
        ),
        (lambda: bn.compose(RELU, LEAKY), "f and g have different activations: slopes 0.0 and 0.1"),
        (lambda: bn.compose(RELU, RELU, shift=np.ones(2)), r"shift must have shape \(3,\), but its shape is \(2,\)"),
        (lambda: bn.compose(RELU, RELU, shift=np.full(3, np.nan)), "shift must be finite"),
        (
            lambda: bn.add(RELU, SHALLOW),
            r"f and g must have the same depth, d_in and d_out.*\(3, 3, 3\) and \(1, 3, 3\)",
        ),
        (lambda: bn.add(RELU, LEAKY), "f and g have different activations"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
