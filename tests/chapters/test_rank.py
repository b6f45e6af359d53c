"""A rank for nonlinear functions: padded networks, what composition costs, and loops that no single number can code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnlib as bn
import reference
from bnlib.build.balancing import rescale
from strategies import random_layers

SEEDS = st.integers(0, 2**32 - 1)
CUBE = np.concatenate([np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3), np.zeros((1, 3))])


def coded(seed, k, *, d_out=3, negative_slope=0.0):
    """Draw a decoder and an encoder that meet in R^k, with an output bias of norm at most one, and inputs."""
    rng = np.random.default_rng(seed)
    g = random_layers(rng, [3, 5, k])
    h = random_layers(rng, [k, 5, d_out])
    h[-1] = (h[-1][0], h[-1][1] / max(1.0, np.linalg.norm(h[-1][1])))
    X = np.concatenate([CUBE, rng.uniform(-1, 1, (20, 3))])
    return *(bn.from_layers(layers, negative_slope=negative_slope) for layers in (h, g)), X


# Padding.


def check_padded(padded, h, g, X, k):
    """Assert the same function at every depth and a norm that grows by exactly k per layer."""
    truth = reference.values(h, reference.values(g, X))
    depths = (4, 5, 20)
    nets = [padded(h, g, L, domain=X) for L in depths]
    for net, L in zip(nets, depths, strict=True):
        assert net.depth == L
        np.testing.assert_allclose(reference.values(net, X), truth, rtol=0, atol=1e-12 * max(1.0, np.abs(truth).max()))
        for x in X[-1:]:
            assert reference.squared_norm(net) >= L * np.sum(
                reference.singular_values(reference.jacobian(net, x)) ** (2 / L)
            )
    norms = [reference.squared_norm(net) for net in nets]
    np.testing.assert_allclose(np.diff(norms), k * np.diff(depths), atol=1e-10 * norms[-1])
    assert max(np.linalg.matrix_rank(reference.jacobian(nets[0], x)) for x in X[8:]) <= k


@given(SEEDS, st.integers(1, 3), st.sampled_from([0.0, 0.3]))
@settings(max_examples=15)
def test_padded(seed, k, slope):
    """Behind a code that is not negative, every activation of the library is the identity."""
    check_padded(bn.padded, *coded(seed, k, negative_slope=slope), k)


def test_a_constant_costs_nothing_per_layer():
    h, g, X = coded(0, 1)
    g = bn.from_layers([g.layers[0], (np.zeros((1, 5)), None)])
    check_padded(bn.padded, h, g, X, 0)


def test_the_least_shift_is_taken_coordinate_by_coordinate():
    """Here one coordinate is -2 at least, the other 3, and the third the constant -1 that nothing feeds."""
    g = bn.from_layers([([[1.0], [1.0], [0.0]], [0.0, 5.0, -1.0])])
    h, X = bn.from_layers([(np.eye(3), None)]), np.array([[-2.0], [1.0]])
    net = bn.padded(h, g, 5, domain=X)
    np.testing.assert_allclose(bn.apply(net, X), bn.apply(g, X), atol=1e-15)
    assert net.layers[0][1].tolist() == [2.0, 5.0, 0.0]
    assert reference.squared_norm(net) == (1 + 1 + 4 + 25) + 3 * 2 + (3 + 4 + 1)
    kept = bn.padded(h, g, 5, domain=X, shift=[2.0, 0.0, 2.0])  # a code that only a bias feeds is carried
    np.testing.assert_allclose(bn.apply(kept, X), bn.apply(g, X), atol=1e-15)


def test_padding_at_the_least_depth_is_composition():
    h, g, X = coded(1, 2)
    shift = np.full(2, 20.0)
    least, composed = bn.padded(h, g, 4, domain=X, shift=shift), bn.compose(h, g, shift=shift)
    for a, b in zip(jax.tree.leaves(least), jax.tree.leaves(composed), strict=True):
        np.testing.assert_array_equal(a, b)


def padded_with(h, g, depth, *, domain, inner=1.0, outer=1.0, carry=1.0, late=False, spare=0):
    """Pad in plain NumPy, with one mistake if asked for."""
    (*front, (Wg, bg)), ((Wh, bh), *back) = reference.layers(g), reference.layers(h)
    s = np.maximum(0.0, -np.asarray(bn.apply(g, domain)).min(axis=0))
    k = len(s) + spare
    wide = [np.pad(Wg, ((0, spare), (0, 0))), np.pad(bg + inner * s, (0, spare))]
    identities = [(carry * np.eye(k), np.zeros(k))] * (depth - g.depth - h.depth)
    first = (np.pad(Wh, ((0, 0), (0, spare))), bh - outer * Wh @ s)
    if late:
        return bn.from_layers([*front, wide, first, *back, *[(np.eye(h.d_out), None)] * len(identities)])
    return bn.from_layers([*front, wide, *identities, first, *back], negative_slope=g.negative_slope)


def test_padding_in_numpy_passes():
    check_padded(padded_with, *coded(3, 2), 2)


@pytest.mark.parametrize(
    "mistake",
    [
        {"inner": 0.0, "outer": 0.0},
        {"inner": 0.0},
        {"outer": 0.0},
        {"inner": -1.0, "outer": -1.0},
        {"carry": 1.001},
        {"late": True},
        {"spare": 1},
    ],
    ids=str,
)
def test_wrong_padding_is_caught(mistake):
    with pytest.raises(AssertionError):
        check_padded(lambda *a, **k: padded_with(*a, **k, **mistake), *coded(3, 2), 2)


def test_padding_says_which_hypothesis_fails():
    h, g, X = coded(4, 2)
    low = np.asarray(bn.apply(g, X)).min(axis=0)
    bn.padded(h, g, 4, domain=X, shift=np.maximum(0.0, -low))
    row = int(np.argmin(np.asarray(bn.apply(g, X))[:, 0]))
    with pytest.raises(ValueError, match=f"not positive: at row {row} its coordinate 0"):
        bn.padded(h, g, 4, domain=X[[*range(row + 1)]], shift=[-low[0] - 1e-6, 100.0])
    with pytest.raises(ValueError, match="piecewise linear with finitely many pieces"):
        bn.padded(np.sin, g, 6, domain=X)
    with pytest.raises(ValueError, match="domain must be finite"):
        bn.padded(h, g, 6, domain=np.full_like(X, np.inf))
    with pytest.raises(ValueError, match=r"domain must have shape \(N, 3\)"):
        bn.padded(h, g, 6, domain=X[:, :2])
    with pytest.raises(ValueError, match="depth must be an integer >= 4"):
        bn.padded(h, g, 3, domain=X)
    with pytest.raises(ValueError, match=r"g has outputs in R\^2, but f takes inputs in R\^3"):
        bn.padded(g, g, 6, domain=X)
    with pytest.raises(ValueError, match=r"shift must have shape \(2,\)"):
        bn.padded(h, g, 6, domain=X, shift=[1.0])
    with pytest.raises(ValueError, match="different activations"):
        bn.padded(coded(4, 2, negative_slope=0.3)[0], g, 6, domain=X)


# Composition, sums and affine maps.


def check_excess(outer, inner, X, norm_of_f):
    """Assert that f o g costs at most the two norms and the bounded excess of the book."""
    code = reference.values(inner, X)
    s = np.maximum(0.0, -code.min(axis=0))
    net, size, L = bn.compose(outer, inner, shift=s), np.linalg.norm(s), outer.depth
    np.testing.assert_allclose(reference.values(net, X), reference.values(outer, code), rtol=1e-8, atol=1e-8)
    e = size**2 * (1 + norm_of_f / L) + 2 * size * (1 + norm_of_f / np.sqrt(L * (L - 1)))
    total = reference.squared_norm(outer) + reference.squared_norm(inner)
    assert reference.squared_norm(net) <= (total + e) * (1 + 1e-12)


def grown_pair(seed, k_f, k_g, L_f, L_g):
    h_g, e_g, X = coded(seed, k_g)
    g = bn.padded(h_g, e_g, L_g, domain=X)
    h_f, e_f, _ = coded(seed + 1, k_f)
    f = bn.padded(h_f, e_f, L_f, domain=reference.values(g, X))
    return bn.balance(f), bn.balance(g), X


@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 3), st.sampled_from([(4, 9), (9, 4)]))
@settings(max_examples=12)
def test_composition_costs_a_bounded_excess(seed, k_f, k_g, depths):
    f, g, X = grown_pair(seed, k_f, k_g, *depths)
    check_excess(f, g, X, reference.squared_norm(f))


def test_unbalanced_composition_is_caught():
    f, g, X = grown_pair(5, 2, 2, 9, 4)
    wild = rescale(f, jnp.ones((8, f.width)).at[0].set(1000.0))
    with pytest.raises(AssertionError):
        check_excess(wild, g, X, reference.squared_norm(f))


def check_slope(build, rank):
    norms = [reference.squared_norm(build(L)) for L in (6, 20)]
    assert (norms[1] - norms[0]) / 14 == pytest.approx(rank, abs=1e-10 * norms[1])


@given(SEEDS, st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=5)
def test_ranks_of_sums_and_affine_maps(seed, k_f, k_g):
    h_f, e_f, X = coded(seed, k_f)
    h_g, e_g, _ = coded(seed + 1, k_g)

    def total(L):
        return bn.add(bn.padded(h_f, e_f, L, domain=X), bn.padded(h_g, e_g, L, domain=X))

    check_slope(total, k_f + k_g)
    f, g = (reference.values(h, reference.values(e, X)) for h, e in ((h_f, e_f), (h_g, e_g)))
    np.testing.assert_allclose(reference.values(total(20), X), f + g, rtol=1e-10, atol=1e-11)
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.normal(size=(3, k_f)))[0] for _ in range(2))
    h, e, b = bn.from_layers([(2 * U, np.ones(3))]), bn.from_layers([(V.T, None)]), np.abs(V).sum(axis=0)
    check_slope(lambda L: bn.padded(h, e, L, domain=X, shift=b), k_f)
    net = bn.padded(h, e, 20, domain=X, shift=b)
    np.testing.assert_allclose(reference.values(net, X), X @ (2 * U @ V.T).T + 1, atol=1e-12)
    assert np.linalg.matrix_rank(reference.jacobian(net, X[-1])) == k_f
    with pytest.raises(AssertionError):
        check_slope(total, max(k_f, k_g))


# The annulus: 1/2 <= max(|x_1|, |x_2|) <= 1.

CORNERS = np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])


def triangles(image_of_inner=lambda inner: 2 * inner):
    """List the eight triangles of the annulus with the images of their corners."""
    for a, b in zip(CORNERS, np.roll(CORNERS, -1, axis=0), strict=True):
        inner_a, inner_b = (a / 2, image_of_inner(a / 2)), (b / 2, image_of_inner(b / 2))
        yield [inner_a, inner_b, (b, b)]
        yield [inner_a, (a, a), (b, b)]


def check_rank_one(cells):
    """Assert that every cell is a triangle with a Jacobian of rank exactly one that maps into a side of the square."""
    for vertices in cells:
        X, Y = (np.stack(points) for points in zip(*vertices, strict=True))
        dX, dY = (X[1:] - X[0]).T, (Y[1:] - Y[0]).T
        assert np.linalg.det(dX) != 0
        assert dY[0, 0] * dY[1, 1] == dY[0, 1] * dY[1, 0]
        assert np.any(dY != 0)
        assert np.any(np.all(np.abs(Y) == 1, axis=0) & np.all(Y[:1] == Y, axis=0))


def test_the_annulus_has_jacobians_of_rank_one():
    check_rank_one(triangles())
    X = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    X = X[np.abs(X).max(axis=1) > 0.5]
    np.testing.assert_array_equal(bn.apply(clip(), X), np.clip(2 * X, -1, 1))
    s = np.linalg.svd(np.asarray(bn.jacobian(clip(), X)), compute_uv=False)
    assert np.all(s[:, 1] == 0)
    assert s[:, 0].max() == 2


@pytest.mark.parametrize("image", [lambda x: x, lambda x: 1.5 * x, lambda x: 2 * x[::-1]], ids=["id", "1.5", "flip"])
def test_other_maps_of_the_annulus_are_caught(image):
    with pytest.raises(AssertionError):
        check_rank_one(triangles(image))


def clip():
    """Return the network that doubles two coordinates and clips them at 1 and -1, exactly at multiples of 2^-k."""
    W = np.concatenate([2 * np.eye(2), 2 * np.eye(2)])
    return bn.from_layers(
        [(W, [1.0, 1.0, -1.0, -1.0]), (np.concatenate([np.eye(2), -np.eye(2)], axis=1), [-1.0, -1.0])]
    )


def along_u(sign=1.0):
    """Return the arc length of the lower three sides of the square as a code, and the way back."""
    g = bn.from_layers([([[1.0, 0.0], [1.0, 1.0], [-1.0, 1.0]], [1.0, 0.0, 0.0]), ([[1.0, 1.0, -sign]], [-1.0])])
    back = [[1.0, -1.0, 0.0], [0.0, 1.0, 1.0]]
    h = bn.from_layers([([[1.0], [1.0], [-1.0]], [1.0, -1.0, -1.0]), (back, [-1.0, -1.0])])
    return h, g


def u_shape(n=31):
    t = np.linspace(-1, 1, n)
    return np.concatenate([np.stack(side, axis=1) for side in ((-np.ones(n), t), (t, -np.ones(n)), (np.ones(n), t))])


def check_identity_by_one_code(h, g, X):
    for L in (4, 5, 24):
        net = bn.padded(h, g, L, domain=X, shift=[3.0])
        np.testing.assert_allclose(reference.values(net, X), X, atol=1e-12)
    check_slope(lambda L: bn.padded(h, g, L, domain=X, shift=[3.0]), 1)


def test_the_cut_annulus_costs_one_per_layer():
    check_identity_by_one_code(*along_u(), u_shape())
    X = np.random.default_rng(1).uniform(-1, 1, (2000, 2))
    X = X[(np.abs(X).max(axis=1) >= 0.5) & ~((np.abs(X[:, 0]) < 0.5) & (X[:, 1] >= 0.5))]
    image = np.asarray(bn.apply(clip(), X))
    h, g = along_u()
    np.testing.assert_allclose(bn.apply(h, bn.apply(g, image)), image, atol=1e-14)


def test_the_closed_square_and_a_wrong_code_are_caught():
    top = np.stack([np.linspace(-1, 1, 31), np.ones(31)], axis=1)
    with pytest.raises(AssertionError):
        check_identity_by_one_code(*along_u(), np.concatenate([u_shape(), top]))
    with pytest.raises(AssertionError):
        check_identity_by_one_code(*along_u(sign=0.0), u_shape())


# Loops.


def on_circle(angle):
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def check_opposite_points(code):
    """Assert that bisection finds opposite points of the circle with the same code."""

    def difference(angle):
        here, there = code(on_circle(np.array([angle, angle + np.pi])))
        return here - there

    low, high = 0.0, np.pi
    sign = np.sign(difference(low))
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if difference(middle) * sign > 0 else (low, middle)
    assert abs(difference(low)) <= 1e-12


@given(SEEDS)
@settings(max_examples=10)
def test_opposite_points_share_a_code(seed):
    net = bn.from_layers(random_layers(np.random.default_rng(seed), [2, 6, 6, 1]))
    check_opposite_points(lambda X: np.asarray(bn.apply(net, X))[:, 0])


def test_a_torn_code_is_caught():
    """The angle is a code of the circle that is not continuous."""
    with pytest.raises(AssertionError):
        check_opposite_points(lambda X: np.arctan2(X[:, 1], X[:, 0]))


def torn(n):
    """Return n points of the circle and a network with a one-dimensional code that is the identity on them.

    The code is 1 + y on the right and its negative on the left, joined within a strip that holds the lowest and the
    highest point of the circle and none of the n points.
    """
    angle = 2 * np.pi * (np.arange(n) + 0.5) / n + np.pi / 2
    X = on_circle(angle)
    M = 2.0 / np.sin(np.pi / n)
    g = bn.from_layers(
        [
            (np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), [0.0, 0.0, 1.0]),
            (np.array([[-M, 0.0, 1.0], [0.0, -M, 1.0]]), None),
            ([[1.0, -1.0]], None),
        ]
    )
    t = np.asarray(bn.apply(g, X))[:, 0]
    order = np.argsort(t)
    t, Y = t[order], X[order]
    slopes = np.diff(Y, axis=0) / np.diff(t)[:, None]
    h = bn.from_layers([(np.ones((n - 1, 1)), -t[:-1]), (np.diff(slopes, axis=0, prepend=0.0).T, Y[0])])
    return X, h, g


def check_tear(net, X):
    """Assert both parts of the theorem on the price of tearing a circle."""
    L, n = net.depth, len(X)
    delta = np.linalg.norm(np.asarray(bn.apply(net, X)) - X, axis=1).max()
    B = n / np.pi * (1 - delta) - 1
    assert B > 0
    fine = on_circle(np.linspace(0, 2 * np.pi, 40 * n + 1))
    steepest = np.linalg.norm(np.asarray(bn.jacobian(net, fine)), axis=(1, 2)).max()
    worst = np.linalg.norm(np.asarray(bn.apply(net, fine)) - fine, axis=1).max()
    # Between two angles of the grid the error moves by at most the spacing times the steepest slope.
    assert worst >= 1 - np.pi / (40 * n) * (1 + steepest)
    assert reference.squared_norm(net) >= L * B ** (2 / L) >= L + 2 * np.log(B)


@pytest.mark.parametrize("n", [6, 24])
def test_price_of_a_tear(n):
    X, h, g = torn(n)
    net = bn.padded(h, g, 6, domain=X)
    np.testing.assert_allclose(bn.apply(net, X), X, atol=1e-8)
    check_tear(net, X)


def test_two_dimensions_pay_no_tear():
    """The theorem needs its one-dimensional code: the identity through two dimensions violates both parts."""
    plane = bn.from_layers([(np.eye(2), None)])
    X = on_circle(2 * np.pi * np.arange(4000) / 4000)
    net = bn.padded(plane, plane, 5, domain=X, shift=[1.0, 1.0])
    with pytest.raises(AssertionError):
        check_tear(net, X)
    B = len(X) / np.pi - 1
    assert reference.squared_norm(net) < 5 * B ** (2 / 5)
