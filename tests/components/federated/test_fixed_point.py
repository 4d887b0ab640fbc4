import numpy as np
import pytest

from components.errors import ContractError
from components.federated.fixed_point import LIMIT, decode, encode


def test_sums_of_encoded_values_are_sums_of_values_to_the_last_step() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1e5, (20, 50))
    total = np.sum([encode(row, 20) for row in values], axis=0, dtype=np.uint64)
    assert np.abs(decode(total) - values.sum(axis=0)).max() <= 20 * 2**-33 + 1e-9
    assert (decode(encode(np.array([-1.5, 0.0, 2.25]), 2)) == [-1.5, 0.0, 2.25]).all()


@pytest.mark.parametrize("value", [LIMIT / 4, -LIMIT / 4, np.nan, np.inf])
def test_values_whose_sum_could_wrap_around_are_refused(value: float) -> None:
    with pytest.raises(ContractError, match="expected values below"):
        encode(np.array([value]), 4)
    assert decode(encode(np.array([LIMIT / 4 - 1]), 4)) == LIMIT / 4 - 1
