"""Real numbers as integers modulo 2^64, in which sums are exact and masks are uniform."""

import numpy as np
from numpy.typing import NDArray

from components.errors import ContractError

Words = NDArray[np.uint64]
SCALE = 2.0**32  # a step is 2.3e-10; sums reach from -2^31 to 2^31
LIMIT = 2.0**31


def encode(values: NDArray[np.float64], n_members: int) -> Words:
    """Return the values, rounded to multiples of 2^-32, modulo 2^64.

    Raises ContractError unless a sum of n_members such vectors is certain to stay within -2^31..2^31.
    """
    largest = float(np.abs(values).max(initial=0))
    if not largest < LIMIT / n_members:  # False for NaN, too
        raise ContractError(
            f"secure sum: expected values below {LIMIT / n_members:g} for {n_members} members, got {largest:g}; "
            "take shorter windows, or clip updates (federated.clip_norm)"
        )
    return np.rint(values * SCALE).astype(np.int64).view(np.uint64)


def decode(words: Words) -> NDArray[np.float64]:
    """Return the values of a sum; the upper half of the integers is negative."""
    values: NDArray[np.float64] = words.view(np.int64) / SCALE
    return values
