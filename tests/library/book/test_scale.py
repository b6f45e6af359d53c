"""Parameters of a chapter, and its random numbers."""

import numpy as np
import pytest

import bnlib as bn


def test_parameters_follow_the_scale(monkeypatch, capsys):
    monkeypatch.delenv("BNLIB_SCALE", raising=False)
    values = {"depths": ((8,), (8, 16)), "width": (20, 200)}
    assert bn.parameters(**values) == bn.parameters("quick", **values) == ((8,), 20)
    assert bn.parameters("paper", **values).depths == (8, 16)
    monkeypatch.setenv("BNLIB_SCALE", "quick")
    assert bn.parameters("paper", **values).width == 20
    with pytest.raises(AttributeError):
        bn.parameters(**values).width = 3


@pytest.mark.parametrize("value", [3, (1,), (1, 2, 3), [1, 2]])
def test_a_parameter_without_two_values_is_one_sentence(value):
    with pytest.raises(ValueError, match="The parameter width must be a pair"):
        bn.parameters(width=value)


def test_streams_are_of_a_claim_and_a_run():
    first = bn.stream("a-law").normal(size=3)
    np.testing.assert_array_equal(first, bn.stream("a-law", 0).normal(size=3))
    assert not np.allclose(first, bn.stream("a-law", 1).normal(size=3))
    assert not np.allclose(first, bn.stream("b-law").normal(size=3))
