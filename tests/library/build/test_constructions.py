"""Networks built by hand compute what they should at the norm that they should have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from strategies import (
    FIXED_X,
    HIDDEN,
    POINTS,
    fixed_net,
    networks_and_inputs,
    pad,
    random_layers,
)

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
