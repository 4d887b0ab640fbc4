"""The challenger: the simplest candidate within one standard error of the best, by paired differences."""

import numpy as np
import pytest

from components.evaluation.choice import best_of, choose


def test_the_simplest_within_one_standard_error_is_chosen() -> None:
    """By hand: differences +1 and -0.85 in turn over 100 users: mean 0.075, deviation 0.925."""
    best = np.tile([1.0, 0.0], 50).astype(np.float32)
    near = np.tile([0.0, 0.85], 50).astype(np.float32)
    choice = choose({"popularity": best - 0.5, "near": near, "hybrid": best})
    assert (choice.challenger, choice.best) == ("near", "hybrid")
    row = {candidate.model: candidate for candidate in choice.candidates}["near"]
    assert row.value == pytest.approx(0.425)
    assert row.behind == pytest.approx(0.075)
    assert row.standard_error == pytest.approx(0.925 * np.sqrt(100 / 99) / 10)
    assert [candidate.model for candidate in choice.candidates] == ["popularity", "near", "hybrid"]
    assert choice.why == (
        "hybrid is the best candidate on validation, 0.5000; near is the simplest of 2 within one standard error of "
        "it: 0.4250, 0.0750 less, standard error 0.0930"
    )


def test_a_small_but_certain_lead_is_kept() -> None:
    """The difference is 0.01 for every user: its standard error is zero, however different the users are."""
    own = np.random.default_rng(1).random(50).astype(np.float32)
    choice = choose({"simple": own, "complex": own + np.float32(0.01)})
    assert choice.challenger == choice.best == "complex"
    assert "no simpler candidate is within one standard error" in choice.why


def test_a_more_complex_model_within_one_standard_error_is_not_chosen() -> None:
    rng = np.random.default_rng(2)
    own = rng.random(50).astype(np.float32)
    assert (
        choose({"simple": own, "complex": own + rng.normal(-0.01, 0.5, 50).astype(np.float32)}).challenger == "simple"
    )


def test_equal_models_and_a_single_user() -> None:
    own = np.full(1, 0.5, np.float32)
    assert choose({"simple": own, "complex": own}).challenger == "simple"
    assert choose({"simple": own, "complex": own + 0.1}).challenger == "complex"


def test_the_best_of_some_names() -> None:
    values = {"a": np.array([0.1, 0.3], np.float32), "b": np.array([0.3, 0.1], np.float32), "c": np.ones(2, np.float32)}
    assert best_of(values, ["a", "b"]) == "a"
    assert best_of(values, ["b", "c"]) == "c"
    assert best_of(values, []) is None
