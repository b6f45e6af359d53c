"""Counting what a program computes, without running it."""

import math
from collections.abc import Callable
from typing import Any

import jax


def matrix_operations(function: Callable[..., Any], *args: Any) -> int:
    """Count the additions and multiplications in the matrix products of a function, those in a loop at every turn.

    The count is read off the program that JAX makes of the function. Loops must have a known number of turns
    (``lax.scan``); elementwise operations and decompositions are not counted.

    Args:
        function: a function that JAX can trace.
        args: its arguments; only their shapes matter.

    Example:
        >>> import jax.numpy as jnp
        >>> matrix_operations(jnp.dot, jnp.ones((2, 3)), jnp.ones((3, 5)))
        60

    Source: book; claim ntk-identity; chapter tangent_kernel.
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(program: Any) -> int:
    total = 0
    for step in program.eqns:
        if step.primitive.name == "dot_general":
            (axes, _), _ = step.params["dimension_numbers"]
            shape = step.invars[0].aval.shape
            total += 2 * math.prod(shape[i] for i in axes) * math.prod(step.outvars[0].aval.shape)
        for value in step.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                total += step.params.get("length", 1) * _count(inner)
    return total
