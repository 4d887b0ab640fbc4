"""Noise: standard normal, repeatable from the secret, and other for other secrets, data, purposes and steps."""

import numpy as np
from scipy.stats import kstest

from components.privacy.noise import NoiseSource

SECRET = b"s" * 32


def test_numbers_are_standard_normal_and_uniform() -> None:
    source = NoiseSource(SECRET, b"data")
    assert kstest(source.normal("gradient", 0, 50_000), "norm").pvalue > 1e-3
    assert kstest(source.uniform("sample", 0, 50_000), "uniform").pvalue > 1e-3


def test_same_secret_data_purpose_and_step_give_the_same_numbers() -> None:
    one, other = (NoiseSource(SECRET, b"data") for _ in range(2))
    assert (one.normal("gradient", 3, 10) == other.normal("gradient", 3, 10)).all()
    assert (one.normal("gradient", 3, 5) == one.normal("gradient", 3, 10)[:5]).all()
    assert one.seed("dropout", 3) == other.seed("dropout", 3) < 2**63


def test_each_of_secret_data_purpose_and_step_gives_independent_numbers() -> None:
    base = NoiseSource(SECRET, b"data").normal("gradient", 3, 2_000)
    others = [
        NoiseSource(b"t" * 32, b"data").normal("gradient", 3, 2_000),
        NoiseSource(SECRET, b"data2").normal("gradient", 3, 2_000),
        NoiseSource(SECRET, b"data").normal("sample", 3, 2_000),
        NoiseSource(SECRET, b"data").normal("gradient", 4, 2_000),
    ]
    assert all(abs(np.corrcoef(base, other)[0, 1]) < 0.1 for other in others)
