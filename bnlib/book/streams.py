"""Random numbers of a chapter: those of a claim do not move when another claim draws more of them."""

import zlib

import numpy as np


def stream(claim: str, run: int = 0) -> np.random.Generator:
    """Open the random numbers of one run: they depend on the claim's id and the number of the run alone.

    Args:
        claim: id of the claim.
        run: number of the run, from 0.

    Example:
        >>> stream("iw-kernel-gradients", 1).normal() == stream("iw-kernel-gradients", 1).normal()
        True

    Source: bnlib.
    """
    return np.random.default_rng([zlib.crc32(claim.encode()), run])
