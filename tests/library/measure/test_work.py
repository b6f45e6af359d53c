"""Operations in matrix products, counted by hand and read off the program."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from bnlib.measure.work import matrix_operations

SIZES = st.integers(1, 5)


@given(SIZES, SIZES, SIZES, SIZES)
@settings(max_examples=20)
def test_products_and_batches(m, n, k, batch):
    A, B = np.ones((m, n)), np.ones((n, k))
    assert matrix_operations(jnp.matmul, A, B) == 2 * m * n * k
    many = np.ones((batch, m, n))
    assert matrix_operations(lambda M, B: jnp.einsum("bmn,nk->bmk", M, B), many, B) == 2 * batch * m * n * k


def test_loops_count_every_turn_and_calls_are_entered():
    A = np.eye(3)
    once = 2 * 27

    def loop(A):
        return lax.scan(lambda B, _: (A @ B, None), A, None, length=7)[0]

    assert matrix_operations(loop, A) == 7 * once
    assert matrix_operations(lambda A: jax.jit(loop)(A) @ A, A) == 8 * once
    nested = lambda A: lax.scan(lambda B, _: (loop(B), None), A, None, length=5)[0]  # noqa: E731
    assert matrix_operations(nested, A) == 35 * once
    assert matrix_operations(jnp.add, A, A) == 0
