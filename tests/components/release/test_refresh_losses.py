"""Losses that a refresh may have by chance: when they are shown, and when too few users could show them."""

from pathlib import Path

import pytest

from components.release.checks import contradictions
from tests.components.release.gate_cases import failed
from tests.components.release.refresh_cases import RefreshCase, noisy_loss


@pytest.fixture
def case(tmp_path: Path) -> RefreshCase:
    return RefreshCase(tmp_path)


def test_a_loss_within_the_margin_ships_where_it_is_not_shown(case: RefreshCase) -> None:
    noisy_loss(case, 0.02, 0.1)
    assert case.decide_refresh().verdict == "refresh"


@pytest.mark.parametrize(("n_losers", "verdict"), [(4, "refresh"), (8, "keep")])
def test_a_loss_of_a_few_users_is_shown_only_where_a_sign_test_agrees(
    case: RefreshCase, n_losers: int, verdict: str
) -> None:
    """All other lists are equal. Of four users that lose, a resample has none in 2 % of all cases; a sign test in 6."""
    case.values["ease"] = case.values["champion"].copy()
    case.values["ease"][100 : 100 + n_losers] -= 0.3  # 1 or 2 % of the mean: within the margin
    decision = case.decide_refresh()
    assert decision.gain is not None
    assert decision.gain.high < 0
    assert decision.verdict == verdict, decision.reasons
    assert failed(decision) == (["not worse than champion"] if verdict == "keep" else [])
    assert contradictions(decision, case.evaluation()) == []


def test_a_loss_beyond_the_margin_that_chance_explains_ships(case: RefreshCase) -> None:
    """4 % below, standard error 3 %: of equal models 9 in 100 are so far below."""
    noisy_loss(case, 0.04, 0.18)
    decision = case.decide_refresh()
    assert decision.gain is not None
    mean = float(case.values["champion"].mean())
    assert decision.gain.gain / mean == pytest.approx(-0.04, abs=1e-6)
    assert decision.verdict == "refresh", decision.reasons
    case.set("refresh.max_possible_loss=0.04")  # the interval reaches -10 %, and chance explains up to 5 %
    assert failed(case.decide_refresh()) == ["possible loss"]


def test_a_possible_loss_that_would_be_shown_ships_and_is_refused_where_it_is_measured(case: RefreshCase) -> None:
    """The standard error is 13 %: the interval of equal models reaches -26 %, and chance explains up to 22 %."""
    case.set("refresh.max_possible_loss=0.25")
    noisy_loss(case, 0.0, 0.8)
    decision = case.decide_refresh()
    assert decision.gain is not None
    assert decision.gain.low < -0.25 * case.values["champion"].mean()
    assert decision.verdict == "refresh", decision.reasons
    noisy_loss(case, 0.25, 0.8)
    assert failed(case.decide_refresh()) == ["within the margin of champion", "losses since the last retrain"]


def test_a_possible_loss_names_the_users_that_would_show_it(case: RefreshCase) -> None:
    """Of 400 users chance explains 55 %; a quarter more users are 1 / sqrt(1.25) of it, 49 %."""
    noisy_loss(case, 0.0, 2.0)
    (reason,) = case.decide_refresh().reasons
    assert "set refresh.min_users to 4" in reason
    n_users = int(reason.split("set refresh.min_users to ")[1].split()[0])
    assert 400 < n_users < 500


def test_a_gain_that_excludes_the_loss_needs_no_more_users(case: RefreshCase) -> None:
    noisy_loss(case, -0.3, 2.0)  # 30 % better, the interval begins at -35 %
    assert case.decide_refresh().verdict == "refresh"
