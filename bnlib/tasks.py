"""Data whose true rank is known."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from . import _checks
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

    Source: theory id fig-j23.
    """
    n, n_test = _checks.integer("n", n, 1), _checks.integer("n_test", n_test, 1)
    rank, d_latent = _checks.integer("rank", rank, 1), _checks.integer("d_latent", d_latent, 1)
    d_in, d_out = _checks.integer("d_in", d_in, 1), _checks.integer("d_out", d_out, 1)
    if rank > min(d_latent, d_out):
        raise ValueError(f"rank is {rank}, but it can be at most min(d_latent, d_out) = {min(d_latent, d_out)}.")
    k_z, k_g, k_h = jax.random.split(key, 3)
    Z = jax.random.normal(k_z, (n + n_test, d_latent))
    X = _random_features(k_g, Z, d_in)
    Y = _random_features(k_h, Z[:, :rank], d_out)
    X = (X - X.mean(0, keepdims=True)) / X.std(0, keepdims=True)
    Y = Y - Y.mean(0, keepdims=True)
    Y = Y * jnp.sqrt(rank / jnp.mean(jnp.sum(Y**2, axis=1)))
    return Task(X[:n], Y[:n], X[n:], Y[n:], rank, Z[:n])


def _random_features(key: Array, Z: Array, d_out: int, width: int = 100) -> Array:
    """Evaluate a random shallow ReLU network with standard normal biases in its hidden layer."""
    k_net, k_bias = jax.random.split(key)
    net = init(k_net, Z.shape[1], width, d_out, 2, scheme="he", dtype=Z.dtype)
    assert net.first is not None
    bias = jax.random.normal(k_bias, (width,), Z.dtype)
    return apply(type(net)((net.first[0], bias), net.hidden, net.last), Z)
