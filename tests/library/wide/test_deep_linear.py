"""Closed forms of infinitely wide deep linear networks against numerical integration."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import null_space

from bnlib import deep_linear

TIMES = np.linspace(0, 4, 30)
CASES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "d": st.sampled_from([1, 2, 5, 20]),
        "D": st.integers(1, 12),
        "depths": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "b": st.floats(0.5, 6) | st.floats(-6, -0.5),
        "lam": st.floats(0.3, 2),
    }
)


def aligned(seed, d, D, depths, b, lam):
    rng = np.random.default_rng(seed)
    c_f, c_g = deep_linear.rates(*depths, d, D)
    return rng.normal(size=d) / np.sqrt(d), rng.normal(size=d) / np.sqrt(D), c_f, c_g, b, lam


def integrate(w, a, c_f, c_g, b, lam, times=TIMES):
    """Integrate w and a themselves."""
    d = len(w)

    def slope(_, state):
        w, a = state[:d], state[d:]
        r = lam * (w @ a - b)
        return np.concatenate([-c_f * r * a, -c_g * r * w])

    found = solve_ivp(slope, (0, times[-1]), np.concatenate([w, a]), "DOP853", times, rtol=1e-12, atol=1e-13)
    return found.y[:d].T, found.y[d:].T


def check_closed_form(case, mu_factor=1.0):
    w, a, c_f, c_g, b, lam = aligned(**case)
    ws, As = integrate(w, a, c_f, c_g, b, lam)
    R = c_f * a @ a + c_g * w @ w
    mu = mu_factor * np.sqrt(c_f * c_g)
    found = deep_linear.aligned_product(TIMES, w @ a, max(R, 2 * mu * abs(w @ a)), b, mu=mu, lam=lam)
    np.testing.assert_allclose(found, np.sum(ws * As, axis=1), atol=1e-8)


@given(CASES)
@settings(max_examples=60)
def test_closed_form(case):
    w, a, c_f, c_g, *_ = aligned(**case)
    R = c_f * a @ a + c_g * w @ w
    # Near balance a wrong sign leads past a saddle, where every rounding error grows.
    assume(R - 2 * np.sqrt(c_f * c_g) * abs(w @ a) > 1e-4 * R)
    check_closed_form(case)


@pytest.mark.parametrize("factor", [0.99, 1.01])
@pytest.mark.parametrize("b", [3.0, -5.0])
def test_a_wrong_rate_is_caught(factor, b):
    case = {"seed": 1, "d": 3, "D": 5, "depths": (2, 1), "b": b, "lam": 1.0}
    check_closed_form(case)
    with pytest.raises(AssertionError):
        check_closed_form(case, factor)


@pytest.mark.parametrize("b", [2.0, -2.0])
@pytest.mark.parametrize("p", [0.3, -0.3, 0.0])
def test_balanced_start(p, b):
    """At kappa = 0 the solution is logistic, or runs into the saddle."""
    mu = 0.7
    found = deep_linear.aligned_product(TIMES, p, 2 * mu * abs(p), b, mu=mu) if p else 0 * TIMES
    slope = lambda _, y: 2 * mu * abs(y) * (b - y)  # noqa: E731
    exact = solve_ivp(slope, (0, 4), [p], "DOP853", TIMES, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found, exact.y[0], atol=1e-9)


@given(CASES, st.floats(0.01, 0.99))
def test_time_inverts_the_closed_form(case, share):
    w, a, c_f, c_g, b, lam = aligned(**case)
    R, mu = c_f * a @ a + c_g * w @ w, np.sqrt(c_f * c_g)
    assume(R - 2 * mu * abs(w @ a) > 1e-3 * R)
    end = w @ a + share * (b - w @ a)
    t = deep_linear.aligned_time(end, w @ a, R, b, mu=mu, lam=lam)
    assert t > 0
    assert deep_linear.aligned_product(t, w @ a, R, b, mu=mu, lam=lam) == pytest.approx(end, abs=1e-8)


@pytest.mark.parametrize("b", [2.0, -2.0, 0.0])
@pytest.mark.parametrize("p", [0.3, -0.3])
def test_time_inverts_the_balanced_solution(p, b):
    mu, lam, t = 0.7, 1.3, 0.8
    R = 2 * mu * abs(p)
    end = float(deep_linear.aligned_product(t, p, R, b, mu=mu, lam=lam))
    assert deep_linear.aligned_time(end, p, R, b, mu=mu, lam=lam) == pytest.approx(t, rel=1e-9)
    # It is the limit of the general formula.
    near = deep_linear.aligned_time(end, p, R * (1 + 1e-12), b, mu=mu, lam=lam)
    assert near == pytest.approx(t, rel=1e-4)


def test_a_balanced_start_does_not_pass_the_saddle():
    for p, end in ((-0.3, 0.0), (-0.3, 0.5), (0.3, 0.0)):
        b = 1.0 if p < 0 else -1.0
        with pytest.raises(ValueError, match="runs into the saddle"):
            deep_linear.aligned_time(end, p, 0.6, b, mu=1.0)


@pytest.mark.parametrize("size", [1e-12, 1e12])
@pytest.mark.parametrize("R", [1.0, 0.1 * (1 + 1e-12), 0.1 * (1 + 1e-22)], ids=["far", "near", "balanced"])
def test_balance_is_relative_to_the_size_of_the_weights(size, R):
    """With p, R and b times a number everything is as often faster."""
    p, b, mu = 0.1, 2.0, 0.5
    found = deep_linear.aligned_product(TIMES / size, size * p, size * R, size * b, mu=mu)
    np.testing.assert_allclose(found, size * deep_linear.aligned_product(TIMES, p, R, b, mu=mu), rtol=1e-6)
    end = deep_linear.aligned_time(size * 1.5, size * p, size * R, size * b, mu=mu)
    assert size * end == pytest.approx(deep_linear.aligned_time(1.5, p, R, b, mu=mu), rel=1e-6)


def test_a_start_a_little_out_of_balance_passes_the_saddle():
    """The smaller kappa, the longer it stays there: about log(1/kappa)/R_b for each way."""
    times = [deep_linear.aligned_time(0.5, -0.3, 0.6 * (1 + kappa**2), 1.0, mu=1.0) for kappa in (1e-3, 1e-6)]
    assert times[1] - times[0] == pytest.approx(np.log(1e3), rel=1e-3)
    found = deep_linear.aligned_product(times, -0.3, 0.6 * (1 + 1e-6), 1.0, mu=1.0)
    assert found[0] == pytest.approx(0.5, abs=1e-6)
    assert found[1] > 0.9


def test_time_runs_from_the_start_and_never_reaches_the_target():
    assert deep_linear.aligned_time(0.1, 0.1, 1.0, 2.0, mu=0.5) == 0.0
    for p in (0.1, 3.0):
        with pytest.raises(ValueError, match=r"the latter excluded, but it is 2\.0"):
            deep_linear.aligned_time(2.0, p, 5.0, 2.0, mu=0.5)


def flow(case, loss_slope, steps=TIMES, swap=False):
    """Integrate unaligned (w, A) with any loss; return the drift of C and its size."""
    rng = np.random.default_rng(case["seed"])
    d, D = case["d"], case["D"]
    c_f, c_g = deep_linear.rates(*case["depths"], d, D)
    X, y = rng.normal(size=(7, D)), rng.normal(size=7)
    w, A = rng.normal(size=d), rng.normal(size=(d, D))

    def slope(_, state):
        w, A = state[:d], state[d:].reshape(d, D)
        r = X.T @ loss_slope(X @ A.T @ w - y) / 7
        return np.concatenate([-c_f * A @ r, -c_g * np.outer(w, r).ravel()])

    found = solve_ivp(slope, (0, 2), np.concatenate([w, A.ravel()]), "DOP853", rtol=1e-12, atol=1e-13)
    ends = found.y[:, 0], found.y[:, -1]
    if swap:
        c_f, c_g = c_g, c_f
    first, last = (c_g * np.outer(s[:d], s[:d]) - c_f * s[d:].reshape(d, D) @ s[d:].reshape(d, D).T for s in ends)
    return np.max(np.abs(last - first))


@given(CASES)
@settings(max_examples=30)
def test_conservation(case):
    assert flow(case, np.tanh) < 1e-9


def test_swapped_rates_are_not_conserved():
    case = {"seed": 0, "d": 2, "D": 5, "depths": (3, 1)}
    assert flow(case, np.tanh) < 1e-9
    assert flow(case, np.tanh, swap=True) > 0.05


@given(CASES)
@settings(max_examples=30)
def test_law_of_the_rate(case):
    w, a, c_f, c_g, b, lam = aligned(**case)
    ws, As = integrate(w, a, c_f, c_g, b, lam)
    p = np.sum(ws * As, axis=1)
    R = c_f * np.sum(As**2, axis=1) + c_g * np.sum(ws**2, axis=1)
    np.testing.assert_allclose(R**2, R[0] ** 2 + 4 * c_f * c_g * (p**2 - p[0] ** 2), rtol=1e-9)


def orthogonal_start(d, D, depths, scale, seed):
    """Draw a start with p = 0 whose rate is exactly the mean one."""
    rng = np.random.default_rng(seed)
    c_f, c_g = deep_linear.rates(*depths, d, D)
    w = rng.normal(size=d)
    a = null_space(w[None])[:, 0] if d > 1 else np.zeros(1)
    gamma = sum(depths) / D + 2 / D
    share = rng.uniform(0.2, 0.8) if d > 1 else 0.0
    w *= np.sqrt((1 - share) * gamma / c_g) / np.linalg.norm(w)
    return w, a * np.sqrt(share * gamma / c_f), c_f, c_g, gamma


def check_speed_up(seed, d, D, depths, scale, eps, factor=1.0):
    w, a, c_f, c_g, gamma = orthogonal_start(d, D, depths, scale, seed)
    plain = -np.log(eps) / (2 * gamma)
    t = deep_linear.aligned_time((1 - np.sqrt(eps)) * scale, 0.0, gamma, scale, mu=np.sqrt(c_f * c_g))
    ws, As = integrate(w, a, c_f, c_g, scale, 1.0, np.array([0.0, t]))
    assert ws[-1] @ As[-1] == pytest.approx((1 - np.sqrt(eps)) * scale, rel=1e-9)
    rho = deep_linear.bottleneck_ratio(*depths, factor * scale**2 / gamma, d)
    assert deep_linear.speed_up(rho, eps) == pytest.approx(plain / t, rel=1e-8)


@given(
    st.integers(0, 99),
    st.sampled_from([1, 3, 10]),
    st.integers(1, 20),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.floats(0.1, 20),
    st.floats(1e-4, 0.5),
)
@settings(max_examples=40)
def test_speed_up_is_the_ratio_of_times(seed, d, D, depths, scale, eps):
    check_speed_up(seed, d, D, depths, scale, eps)


def test_a_wrong_gamma_is_caught():
    check_speed_up(0, 3, 5, (2, 1), 4.0, 0.01)
    for factor in (0.25, 2.0):
        with pytest.raises(AssertionError):
            check_speed_up(0, 3, 5, (2, 1), 4.0, 0.01, factor)


def test_limits_of_the_speed_up():
    assert deep_linear.speed_up(1.0, 0.01) == pytest.approx(1.0)
    assert deep_linear.speed_up(5.0, 1e-300) == pytest.approx(5.0, rel=0.02)
    rho, x = 1e6, 0.9
    assert deep_linear.speed_up(rho, 0.01) == pytest.approx(rho * np.log(10) / np.log(2 * rho * x / (1 - x)), rel=1e-6)


BAD = {
    "R must be at least": lambda: deep_linear.aligned_product(1.0, 1.0, 0.5, 2.0, mu=1.0),
    "b must be finite": lambda: deep_linear.aligned_product(1.0, 0.0, 0.5, np.nan, mu=1.0),
    "t must be finite": lambda: deep_linear.aligned_product(np.inf, 0.0, 0.5, 1.0, mu=1.0),
    "lam must be finite": lambda: deep_linear.aligned_time(0.5, 0.1, 1.0, 2.0, mu=0.5, lam=np.nan),
    "lam positive": lambda: deep_linear.aligned_product(1.0, 0.1, 1.0, 2.0, mu=0.5, lam=0.0),
    "d must be positive, but it is 0": lambda: deep_linear.bottleneck_ratio(1, 1, 15.0, 0),
    "d must be a finite number >= 0": lambda: deep_linear.bottleneck_ratio(1, 1, 15.0, -20),
    "depth_f must be an integer": lambda: deep_linear.bottleneck_ratio(-1, 1, 15.0, 20),
    "end must lie between": lambda: deep_linear.aligned_time(3.0, 0.1, 1.0, 2.0, mu=0.5),
    "rho must be at least 1": lambda: deep_linear.speed_up(0.5, 0.1),
    "eps in": lambda: deep_linear.speed_up(2.0, 1.0),
    "d must be an integer >= 1, but it is 0": lambda: deep_linear.rates(1, 1, 0, 3),
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_input_is_one_sentence(sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        BAD[sentence]()
    assert "\n" not in str(error.value)
