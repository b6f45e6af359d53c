"""Data whose true rank is known."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from . import _checks, _rounding
from .networks import apply, init


class Task(NamedTuple):
    """Hold training and test data, the rank of the function that made them and the training latents (N, d)."""

    X: Array
    Y: Array
    X_test: Array
    Y_test: Array
    rank: int
    latent: Array


def latent_task(
    key: Array,
    n: int,
    *,
    rank: int = 2,
    d_latent: int = 8,
    d_in: int = 20,
    d_out: int = 20,
    n_test: int = 500,
) -> Task:
    r"""Draw J23's first task: latent z in R^8, inputs x=g(z), outputs y=h(z_1..z_rank), with g and h random.

    g and h are random ReLU networks with one hidden layer of 100 units and biases. Inputs have unit variance per
    coordinate; outputs are centred and scaled so that E|y|^2 = rank, over training and test points together.

    Args:
        key: PRNG key.
        n: number of training points.
        rank: number of latent coordinates that the outputs depend on.
        d_latent, d_in, d_out: dimensions.
        n_test: number of test points.

    Returns:
        A ``Task``; its rank is the number of latent coordinates used.

    Raises:
        ValueError: rank above d_latent or d_out, or a count below 1.

    Example:
        >>> latent_task(jax.random.key(0), 5, n_test=3).X.shape
        (5, 20)

    Source: J23; claim fig-j23; chapter first_pictures.
    """
    n, n_test = _checks.integer("n", n, 1), _checks.integer("n_test", n_test, 1)
    rank, d_latent = _checks.integer("rank", rank, 1), _checks.integer("d_latent", d_latent, 1)
    d_in, d_out = _checks.integer("d_in", d_in, 1), _checks.integer("d_out", d_out, 1)
    if rank > min(d_latent, d_out):
        raise ValueError(f"rank is {rank}, but it can be at most min(d_latent, d_out) = {min(d_latent, d_out)}.")
    k_z, k_g, k_h = jax.random.split(key, 3)
    Z = jax.random.normal(k_z, (n + n_test, d_latent))
    X = _random_features(k_g, Z, d_in)
    Y = _scaled(_random_features(k_h, Z[:, :rank], d_out), rank)
    X = (X - X.mean(0, keepdims=True)) / X.std(0, keepdims=True)
    return _rounding.elsewhere(Task(X[:n], Y[:n], X[n:], Y[n:], rank, Z[:n]))


def composed_task(key: Array, n: int, *, rank: int = 4, d: int = 50, n_test: int = 500) -> Task:
    r"""Draw a task like that of J22's illustration: y=h(g(x)) from R^d to R^d through R^rank, g and h random.

    Inputs are standard normal. g and h are networks as in ``latent_task``; the code g(x) has mean zero and unit
    variance per coordinate, outputs are centred and E|y|^2 = rank, over training and test points together. J22's own
    function is not published.

    Args:
        key: PRNG key.
        n: number of training points.
        rank: dimension of the code.
        d: dimension of inputs and outputs.
        n_test: number of test points.

    Returns:
        A ``Task`` whose latents are the codes.

    Raises:
        ValueError: rank above d, or a count below 1.

    Example:
        >>> composed_task(jax.random.key(0), 5, n_test=3).Y.shape
        (5, 50)

    Source: J22; claim fig-j22; chapter first_pictures.
    """
    n, n_test, d = (_checks.integer(*a, 1) for a in (("n", n), ("n_test", n_test), ("d", d)))
    if (rank := _checks.integer("rank", rank, 1)) > d:
        raise ValueError(f"rank is {rank}, but it can be at most d = {d}.")
    k_x, k_g, k_h = jax.random.split(key, 3)
    X = jax.random.normal(k_x, (n + n_test, d))
    Z = _random_features(k_g, X, rank)
    Z = (Z - Z.mean(0, keepdims=True)) / Z.std(0, keepdims=True)
    Y = _scaled(_random_features(k_h, Z, d), rank)
    return _rounding.elsewhere(Task(X[:n], Y[:n], X[n:], Y[n:], rank, Z[:n]))


def symmetry_task(key: Array, n: int, *, n_test: int = 500) -> Task:
    r"""Draw a task with a rotation symmetry: two points of the plane turn together, the outputs do not see it.

    .. math:: x=(r_1e^{i\varphi},r_2e^{i(\varphi+1)})\in R^4,\quad r_1=1+0.6s,\ r_2=1+0.6t

    with s and t uniform on [-1, 1] and a uniform angle; y = (s, t, st, 0.7 sin(pi s), 0.7 cos(pi t)), centred, with
    E|y|^2 = 2 over training and test points together. J23's own task is not published.

    Args:
        key: PRNG key.
        n: number of training points.
        n_test: number of test points.

    Returns:
        A ``Task`` of rank 2 with latents (s, t, angle).

    Raises:
        ValueError: a count below 1.

    Example:
        >>> symmetry_task(jax.random.key(0), 5, n_test=3).X.shape
        (5, 4)

    Source: J23; claim symmetry; chapter symmetry.
    """
    n, n_test = _checks.integer("n", n, 1), _checks.integer("n_test", n_test, 1)
    latent = jax.random.uniform(key, (n + n_test, 3), minval=-1.0) * jnp.array([[1.0, 1.0, jnp.pi]])
    s, t, angle = latent.T
    X = rotated_pair(s, t, angle)
    Y = jnp.stack([s, t, s * t, 0.7 * jnp.sin(jnp.pi * s), 0.7 * jnp.cos(jnp.pi * t)], axis=1)
    Y = _scaled(Y, 2)
    return _rounding.elsewhere(Task(X[:n], Y[:n], X[n:], Y[n:], 2, latent[:n]))


def rotated_pair(s: Array, t: Array, angle: Array) -> Array:
    """Return the inputs (N, 4) of ``symmetry_task`` at given latents (N,) each.

    Example:
        >>> rotated_pair(*jnp.zeros((3, 1))).shape
        (1, 4)

    Source: J23; claim symmetry; chapter symmetry.
    """
    r1, r2 = 1 + 0.6 * s, 1 + 0.6 * t
    columns = [r1 * jnp.cos(angle), r1 * jnp.sin(angle), r2 * jnp.cos(angle + 1), r2 * jnp.sin(angle + 1)]
    return jnp.stack(columns, axis=1)


def two_body_task(key: Array, n: int, *, shape_only: bool = False, n_test: int = 500) -> Task:
    r"""Draw positions of planets on Kepler ellipses, seen in a turned frame; the outputs do not see the turn.

    The sun stands at the origin, and times are in units in which a planet of semi-major axis 1 has the period 2 pi.
    Each input holds three positions in the plane, at the times 0.6, 1.8 and 3 after the pericentre, of an orbit with
    semi-major axis a = 1 + u/5 and eccentricity e = 0.3 + 0.15 v; u, v are uniform on [-1, 1], the direction of the
    pericentre is uniform. With energy :math:`E=-1/(2a)` and angular momentum :math:`\ell=\sqrt{a(1-e^2)}`, brought to
    p = 9.6 E + 5 and q = (l - 0.94)/0.14 between about -1 and 1, outputs are (p, q, pq), or (v, v^2) for the shape
    alone; they are centred, with E|y|^2 the rank.

    Args:
        key: PRNG key.
        n: number of training points.
        shape_only: outputs depend on the eccentricity alone instead of on energy and angular momentum.
        n_test: number of test points.

    Returns:
        A ``Task`` of rank 2, or of rank 1 for the shape, with latents (a, e, angle of the pericentre).

    Raises:
        ValueError: a count below 1.

    Example:
        >>> two_body_task(jax.random.key(0), 5, n_test=3).X.shape
        (5, 6)

    Source: J23; claim symmetry; chapter symmetry.
    """
    n, n_test = _checks.integer("n", n, 1), _checks.integer("n_test", n_test, 1)
    u, v, half_turns = jax.random.uniform(key, (3, n + n_test), minval=-1.0)
    a, e, angle = 1 + u / 5, 0.3 + 0.15 * v, jnp.pi * half_turns
    X = planets(a, e, angle)
    p, q = 5 - 4.8 / a, (jnp.sqrt(a * (1 - e**2)) - 0.94) / 0.14
    columns = [v, v**2] if shape_only else [p, q, p * q]
    rank = 1 if shape_only else 2
    Y = _scaled(jnp.stack(columns, axis=1), rank)
    return _rounding.elsewhere(Task(X[:n], Y[:n], X[n:], Y[n:], rank, jnp.stack([a, e, angle], axis=1)[:n]))


def planets(a: Array, e: Array, angle: Array) -> Array:
    """Return the inputs (N, 6) of ``two_body_task``: positions at the times 0.6, 1.8 and 3 after the pericentre.

    Example:
        >>> planets(jnp.ones(1), jnp.zeros(1), jnp.zeros(1)).round(2).tolist()
        [[0.83, 0.56, -0.23, 0.97, -0.99, 0.14]]

    Source: J23; claim symmetry; chapter symmetry.
    """
    return jnp.concatenate([kepler(a, e, angle, time) for time in (0.6, 1.8, 3.0)], axis=1)


def kepler(a: Array, e: Array, angle: Array, time: Array | float) -> Array:
    r"""Return the positions (N, 2) at a time after the pericentre, from Kepler's equation :math:`M=\eta-e\sin\eta`.

    Args:
        a: semi-major axes (N,).
        e: eccentricities (N,), below 0.7, for which Newton's method converges from M + e sin M.
        angle: directions of the pericentre (N,).
        time: since the pericentre, one for all or (N,), in units in which a = 1 has the period 2 pi.

    Example:
        >>> kepler(jnp.ones(1), 0.5 * jnp.ones(1), jnp.zeros(1), jnp.pi).round(6).tolist()
        [[-1.5, 0.0]]

    Source: J23; claim symmetry; chapter symmetry.
    """
    M = time * a**-1.5
    eta = M + e * jnp.sin(M)
    for _ in range(8):
        eta = eta - (eta - e * jnp.sin(eta) - M) / (1 - e * jnp.cos(eta))
    x, y = a * (jnp.cos(eta) - e), a * jnp.sqrt(1 - e**2) * jnp.sin(eta)
    c, s = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([c * x - s * y, s * x + c * y], axis=1)


def triple_task(key: Array, n: int, group: str, *, n_test: int = 500) -> Task:
    r"""Draw three numbers with sum 0 and squares of sum 1; the outputs do not see a group of their permutations.

    Such triples form a circle, :math:`x=b_1\cos\varphi+b_2\sin\varphi` with :math:`b_1=(1,-1,0)/\sqrt2` and
    :math:`b_2=(1,1,-2)/\sqrt6`, on which permutations act by turns and reflections. Outputs are those of a complete
    invariant: (cos, sin) of phi for "none" and of 3 phi for the "cyclic" permutations, and (w, 0.7 sin(pi w),
    0.7 cos(pi w)) with w = sin(phi) for the "swap" of the first two numbers and w = sin(3 phi) for "all" permutations.
    They are centred, with E|y|^2 the rank.

    Args:
        key: PRNG key.
        n: number of training points.
        group: "none", "swap", "cyclic" or "all".
        n_test: number of test points.

    Returns:
        A ``Task`` of rank 1 where the orbits form an arc ("swap", "all"), or 2 where they form a circle; the latent is
        phi.

    Raises:
        ValueError: another group, or a count below 1.

    Example:
        >>> triple_task(jax.random.key(0), 5, "cyclic").rank
        2

    Source: J23; claim symmetry; chapter symmetry.
    """
    n, n_test = _checks.integer("n", n, 1), _checks.integer("n_test", n_test, 1)
    folds = {"none": 1, "swap": 1, "cyclic": 3, "all": 3}
    if group not in folds:
        raise ValueError(f'group must be "none", "swap", "cyclic" or "all", but it is {group!r}.')
    phi = jax.random.uniform(key, (n + n_test, 1), minval=-jnp.pi, maxval=jnp.pi)
    b = jnp.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]) / jnp.sqrt(jnp.array([[2.0], [6.0]]))
    X = jnp.concatenate([jnp.cos(phi), jnp.sin(phi)], axis=1) @ b
    w = jnp.sin(folds[group] * phi)
    if group in ("swap", "all"):
        rank, columns = 1, [w, 0.7 * jnp.sin(jnp.pi * w), 0.7 * jnp.cos(jnp.pi * w)]
    else:
        rank, columns = 2, [jnp.cos(folds[group] * phi), w]
    Y = _scaled(jnp.concatenate(columns, axis=1), rank)
    return _rounding.elsewhere(Task(X[:n], Y[:n], X[n:], Y[n:], rank, phi[:n]))


def class_task(rng: np.random.Generator, kind: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw points of the plane in three classes: around the corners of a triangle, in rings, or in sectors.

    Clusters are normal with standard deviation 0.35 around the corners of a triangle, turned at random, at a distance
    1.5 from the origin: one dimension and two can tell them apart. Rings have the radii 0.8 j + 0.05 to 0.8 j + 0.55
    for j = 0, 1, 2, so that their true rank is one. Sectors are thirds of the disc of radius 2 up to a gap, and their
    rank is two.

    Args:
        rng: the random numbers.
        kind: "clusters", "rings" or "sectors".
        n: number of points of each class.

    Returns:
        Points (3n, 2) and classes (3n,), 0 to 2 in order.

    Raises:
        ValueError: another kind, or a count below 1.

    Example:
        >>> X, y = class_task(np.random.default_rng(0), "rings", 2)
        >>> X.shape, y.tolist()
        ((6, 2), [0, 0, 1, 1, 2, 2])

    Source: J22, book; claim class-order; chapter classifier.
    """
    y = np.repeat(np.arange(3), _checks.integer("n", n, 1))
    third = 2 * np.pi / 3
    if kind == "clusters":
        corner = rng.uniform(0, 2 * np.pi) + third * y
        return 1.5 * np.stack([np.cos(corner), np.sin(corner)], -1) + 0.35 * rng.normal(size=(3 * n, 2)), y
    if kind == "rings":
        angle, radius = rng.uniform(0, 2 * np.pi, size=3 * n), 0.8 * y + rng.uniform(0.05, 0.55, size=3 * n)
    elif kind == "sectors":
        angle = third * (y + rng.uniform(0.05, 0.95, size=3 * n))
        radius = 2 * np.sqrt(rng.uniform(0.01, 1, size=3 * n))
    else:
        raise ValueError(f'kind must be "clusters", "rings" or "sectors", but it is {kind!r}.')
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1), y


def _scaled(Y: Array, size: float) -> Array:
    """Centre outputs and give them the mean squared norm ``size``."""
    Y = Y - Y.mean(0, keepdims=True)
    return Y * jnp.sqrt(size / jnp.mean(jnp.sum(Y**2, axis=1)))


def _random_features(key: Array, Z: Array, d_out: int, width: int = 100) -> Array:
    """Evaluate a random shallow ReLU network with standard normal biases in its hidden layer."""
    k_net, k_bias = jax.random.split(key)
    net = init(k_net, Z.shape[1], width, d_out, 2, scheme="he", dtype=Z.dtype)
    assert net.first is not None
    bias = jax.random.normal(k_bias, (width,), Z.dtype)
    return apply(type(net)((net.first[0], bias), net.hidden, net.last), Z)
